"""Softmax and its logarithm, along an axis."""

from typing import Any

from tinygrad_mp.backend import softening as kernels
from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.elementary import floating_only
from tinygrad_mp.ops.elementwise import exp
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.primitive import primitive


def _softmax_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    return (sampler.array(shape),), {"dim": sampler.integer(0, len(shape) - 1)}


def softmax_rule(g: Any, out: Any, dim: int) -> Any:
    """The cotangent of the logits, from that of ``out``, their softmax."""
    if kernels.suits(g, dim):
        return kernels.pull_soften(g, out)
    weighted = g * out
    return weighted - out * sum(weighted, dim=dim, keepdim=True)


@primitive(cases=_softmax_case, x=softmax_rule)
def _softmax(x: Real, *, dim: int) -> Any:
    floating_only(x)
    if kernels.suits(x, dim):
        return kernels.soften(x)
    powers = xp(x).exp(below_maximum(x, dim))
    powers /= total_along(powers, dim)
    return powers


def _log_softmax_rule(g: Any, out: Any, dim: int) -> Any:
    if kernels.suits(g, dim):
        return kernels.pull_log_soften(g, out)
    return g - exp(out) * sum(g, dim=dim, keepdim=True)


@primitive(cases=_softmax_case, x=_log_softmax_rule)
def _log_softmax(x: Real, *, dim: int) -> Any:
    floating_only(x)
    if kernels.suits(x, dim):
        return kernels.log_soften(x)
    below = below_maximum(x, dim)
    if below.size:  # the sum over no class at all would be 0, its logarithm a warning
        below -= xp(x).log(total_along(xp(x).exp(below), dim))
    return below


def below_maximum(x: Any, dim: int) -> Any:
    """``x`` less its maximum along ``dim``, which keeps every power at most 1.

    A slice whose maximum is infinite, as when all of it is -inf, has no softmax: it becomes NaN.
    """
    if not x.shape[dim]:
        return x.copy()
    if _has_short_rows(x, dim):  # NumPy takes the maximum of short rows one entry at a time, of long columns many
        columns = xp(x).ascontiguousarray(xp(x).moveaxis(x, -1, 0))
        return x - columns.max(axis=0)[..., None]
    return x - x.max(axis=dim, keepdims=True)


def total_along(x: Any, dim: int) -> Any:
    """The sum along ``dim``, which stays with size 1. Sums of short rows are ten times as fast as a matrix product."""
    if _has_short_rows(x, dim) and x.dtype.char in "fd":
        return (x @ xp(x).ones(x.shape[-1], dtype=x.dtype))[..., None]
    return x.sum(axis=dim, keepdims=True)


def _has_short_rows(x: Any, dim: int) -> bool:
    return bool(dim == x.ndim - 1 > 0 and x.shape[-1] <= 32 and x.size > 2000)


def _axis_of(input: Any, dim: Any) -> int:
    # Without dim, PyTorch takes axis 0 of 0-d, 1-d and 3-d inputs and axis 1 of the others, and warns. Say it instead.
    if dim is None:
        raise SettingError("softmax along which axis?", fix="pass dim=, often -1")
    return one_axis(dim, input.ndim)


def softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """``exp(input)`` divided by its sum along ``dim``; stable for logits of any size.

    Shape of ``input``; its dtype, or ``dtype``, to which it is cast first. SettingError without ``dim``.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1000.0]).softmax(-1)
    tensor([0., 1.])
    """
    return _along(_softmax, input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """``log(softmax(input, dim))``, exact where softmax itself underflows.

    Shape of ``input``; its dtype, or ``dtype``, to which it is cast first. SettingError without ``dim``.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1000.0]).log_softmax(-1)
    tensor([-1000.,     0.])
    """
    return _along(_log_softmax, input, dim, dtype)


def _along(call: Any, input: Any, dim: Any, dtype: Any) -> Any:
    axis = _axis_of(input, dim)
    if dtype is not None:
        input = to_dtype(input, dtype)
    if input.ndim == 0:
        return reshape(call(reshape(input, (1,)), dim=0), ())
    return call(input, dim=axis)
