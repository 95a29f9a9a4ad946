"""Helpers around parameters: clip gradients, and pack parameters into one vector and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_mp.absent import lookup
from tinygrad_mp.errors import ShapeError, UnsupportedError
from tinygrad_mp.gradients import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from tinygrad_mp.nn.utils import parametrizations, parametrize, rnn
from tinygrad_mp.nn.utils.reparametrize import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm
from tinygrad_mp.ops.joining import cat
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written

__all__ = [
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


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All entries of the parameters as one vector, recorded.

    >>> from tinygrad_mp import nn
    >>> parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    Size([8])
    """
    return cat([parameter.reshape(-1) for parameter in parameters])


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a module whose starting values do not matter. Here they are drawn all the same.

    >>> from tinygrad_mp import nn
    >>> skip_init(nn.Linear, 3, 2)
    Linear(in_features=3, out_features=2, bias=True)
    """
    return module_cls(*args, **kwargs)


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Copy a vector back into the parameters, unrecorded. ShapeError if its length is not theirs together."""
    if not isinstance(vec, Tensor):
        raise UnsupportedError(f"vector_to_parameters takes a tensor, not a {type(vec).__name__}")
    parameters = list(parameters)
    total = sum(parameter.numel() for parameter in parameters)
    if vec.shape != (total,):
        raise ShapeError(f"the parameters have {total} entries together, the vector has shape {tuple(vec.shape)}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.array[...] = vec.array[start:stop].reshape(parameter.shape)
        mark_written(parameter.array)
        start = stop


__getattr__ = lookup("nn.utils")
