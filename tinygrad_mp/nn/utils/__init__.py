"""Helpers around parameters: clip gradients, and pack parameters into one vector and back."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.absent import lookup
from tinygrad_mp.gradients import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from tinygrad_mp.nn.utils import clip_grad, parametrizations, parametrize, rnn
from tinygrad_mp.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from tinygrad_mp.nn.utils.reparametrize import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

__all__ = [
    "clip_grad",
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "skip_init",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]

clip_grad_norm = clip_grad_norm_
"""The old name."""


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a module whose starting values do not matter. Here they are drawn all the same.

    >>> from tinygrad_mp import nn
    >>> skip_init(nn.Linear, 3, 2)
    Linear(in_features=3, out_features=2, bias=True)
    """
    return module_cls(*args, **kwargs)


__getattr__ = lookup("nn.utils")
