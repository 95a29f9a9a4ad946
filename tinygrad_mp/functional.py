"""``nn.functional``: the functions behind the layers, and composites without rules of their own."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend import array_on, device_of
from tinygrad_mp.backend.random_bits import bernoulli_mask
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, SettingError
from tinygrad_mp.mutation import in_place
from tinygrad_mp.ops.activation import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus, tanh
from tinygrad_mp.ops.gathering import one_hot
from tinygrad_mp.ops.joining import pad
from tinygrad_mp.ops.linear import linear
from tinygrad_mp.ops.loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    log_softmax,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
    softmax,
)
from tinygrad_mp.ops.window import fold, unfold

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "fold",
    "gelu",
    "huber_loss",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Set each entry to zero with probability ``p`` and divide the others by ``1 - p``.

    Parameters
    ----------
    input : Tensor
    p : float in [0, 1], default 0.5
    training : bool, default True
        Otherwise the input is given back as it is.
    inplace : bool, default False
        Write the result into the input's memory.

    Errors
    ------
    SettingError if p is not in [0, 1]. DTypeError for integers.

    Draws from the default generator. Source: Srivastava et al., Dropout, 2014.
    """
    check_probability("dropout", p)
    if input.dtype not in FLOATING:
        raise DTypeError(f"dropout: the input is {input.dtype}, not floating", fix="convert it first: x = x.float()")
    if not training or p == 0:
        return input
    kept = array_on(device_of(input.array), bernoulli_mask(input.shape, 1 - p))
    mask = kept.astype(input.dtype)
    mask *= 1 / (1 - p) if p < 1 else 0.0
    return in_place(_masked)(input, mask) if inplace else _masked(input, mask)


def _masked(input: Any, mask: Any) -> Any:
    return input * mask


def check_probability(name: str, value: Any, what: str = "p") -> None:
    """Raise SettingError unless ``value`` is a number in [0, 1]."""
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise SettingError(f"{name}: {what} must be a number between 0 and 1, not {value!r}")
