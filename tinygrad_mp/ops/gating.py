"""Smooth activations that are one thing times, less or over another."""

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import ShapeError, UndefinedError
from tinygrad_mp.ops.activation import sigmoid, softplus
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.elementary import floating_only
from tinygrad_mp.ops.elementwise import abs, clamp, div, exp, sub, tanh
from tinygrad_mp.ops.joining import narrow
from tinygrad_mp.primitive import primitive

__all__ = ["glu", "mish", "softsign", "tanhshrink"]


def glu(input: Any, dim: int = -1) -> Any:
    """The first half of ``input`` along ``dim`` times the sigmoid of the second.

    Errors
    ------
    ShapeError if ``dim`` has an odd size, or there is none. UndefinedError for integers.

    Source: Dauphin et al., Language modeling with gated convolutional networks, 2017.

    >>> from tinygrad_mp import tensor
    >>> glu(tensor([2.0, 4.0, 0.0, 100.0]))
    tensor([1., 4.])
    """
    floating_only(input)
    axis = one_axis(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if size % 2:
        raise ShapeError(f"glu: dim {dim} has size {size}, which has no half", fix="give it an even size")
    return narrow(input, axis, 0, size // 2) * sigmoid(narrow(input, axis, size // 2, size // 2))


def _mish_rule(g: Any, x: Any) -> Any:
    # For n = exp(x), tanh(log(1 + n)) = 1 - 2 / (n (n + 2) + 2); beyond the bound it is 1, and n would overflow.
    n = exp(clamp(x, max=20.0 if x.dtype.itemsize > 2 else 5.0))
    rest = 2 / (n * (n + 2) + 2)
    return g * (1 - rest + x * rest * (2 - rest) * sigmoid(x))


@primitive(x=_mish_rule, reference=lambda x: x * tanh(softplus(x)))
def mish(x: Real) -> Any:
    """``x * tanh(softplus(x))``. Floating dtypes only.

    Source: Misra, Mish: a self regularized non-monotonic activation function, 2019.

    >>> from tinygrad_mp import tensor
    >>> mish(tensor([0.0, 1.0, -1.0]))
    tensor([ 0.0000,  0.8651, -0.3034])
    """
    floating_only(x)
    wide = x.astype("float32") if x.dtype.char == "e" else x
    # tanh(log(1 + n)) = n (n + 2) / (n (n + 2) + 2) for n = exp(x); from 20 on it is 1 in every dtype.
    n = xp(wide).exp(wide.clip(-math.inf, 20.0))
    n *= n + 2
    return (wide * (n / (n + 2))).astype(x.dtype, copy=False)


def softsign(input: Any) -> Any:
    """``input / (1 + |input|)``.

    >>> from tinygrad_mp import tensor
    >>> softsign(tensor([1.0, -3.0]))
    tensor([ 0.5000, -0.7500])
    """
    _no_booleans("softsign", input)
    return div(input, abs(input) + 1)


def tanhshrink(input: Any) -> Any:
    """``input - tanh(input)``.

    >>> from tinygrad_mp import tensor
    >>> tanhshrink(tensor([0.0, 3.0]))
    tensor([0.0000, 2.0049])
    """
    _no_booleans("tanhshrink", input)
    return sub(input, tanh(input))


def _no_booleans(name: str, input: Any) -> None:
    if input.dtype.kind == "b":
        raise UndefinedError(f"{name}: not defined for bool", fix="convert first: x.float()")
