"""Reductions: what many entries come to.

``dim`` is None for all axes, an int, or a tuple; negative ones count from the end. With ``keepdim`` the reduced axes
stay, with size 1. Largest and smallest entries are in :mod:`tinygrad_mp.ops.extremes`, norms in
:mod:`tinygrad_mp.ops.norms`.
"""

import math
import warnings
from typing import Annotated, Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Axes, Choice, Flag, Real, Sampler
from tinygrad_mp.errors import DTypeError
from tinygrad_mp.ops.axes import one_axis, sorted_axes
from tinygrad_mp.ops.elementwise import exp
from tinygrad_mp.ops.joining import cat, split
from tinygrad_mp.ops.movement import reshape, unsqueeze
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.selection import kept
from tinygrad_mp.primitive import cast, primitive

_ACCUMULATOR = {"e": "float32"} | dict.fromkeys("?bBhHiIlqLQ", "int64")
"""By dtype character: in which dtype to add and multiply, where not in the dtype itself. As PyTorch's."""

_WORTH_BLAS = 1 << 15
"""From how many entries on `x @ ones` makes up for its preparations."""


# --- what rules and wrappers share ----------------------------------------------------------------------------------


def axes_of(dim: Any, ndim: int) -> tuple[int, ...]:
    """The axes that ``dim`` names; all of them for None and, as in PyTorch, for ()."""
    return tuple(range(ndim)) if dim is None or dim in ((), []) else sorted_axes(dim, ndim)


def restored(g: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    """``g`` of a reduction with the reduced axes back, at size 1: it broadcasts to the input."""
    if keepdim or not g.ndim:
        return g
    return reshape(g, tuple([1 if axis in dim else size for axis, size in enumerate(x_shape)]))


def count_of(x_shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    """How many entries go into one entry of the result."""
    return math.prod([x_shape[axis] for axis in dim])


def require_floating(x: Any) -> Any:
    """``x``, or a DTypeError for integers and booleans."""
    if x.dtype.kind not in "fc":
        raise DTypeError(f"needs a floating dtype, not {x.dtype}", fix="convert first: x.float()")
    return x


def widened(x: Any) -> Any:
    """``x``; float16 as float32, because sums of float16 overflow and lose digits."""
    return x.astype("float32") if x.dtype.char == "e" else x


def _added_up(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The sum in the accumulator's dtype. Long rows on the CPU are cut in blocks that BLAS adds up by ``x @ ones``:
    twice as fast as ``x.sum``, which adds in pairs, and as exact, because blocks are short and then added in pairs.
    """
    if x.size < _WORTH_BLAS or type(x) is not numpy.ndarray or x.dtype.char not in "fd" or not x.flags.c_contiguous:
        return x.sum(axis=dim, dtype=_ACCUMULATOR.get(x.dtype.char), keepdims=keepdim)
    lead = x.ndim - len(dim)
    size = math.prod(x.shape[lead:])
    block = size if size <= 1024 else math.gcd(size, 1024)
    if block < 32 or dim != tuple(range(lead, x.ndim)):
        return x.sum(axis=dim, keepdims=keepdim)
    blocks = x.reshape(-1, block) @ numpy.ones(block, x.dtype)
    total = blocks if block == size else blocks.reshape(-1, size // block).sum(axis=1)
    return total.reshape(x.shape[:lead] + (1,) * (len(dim) if keepdim else 0))


# --- sum, mean, prod ------------------------------------------------------------------------------------------------


@primitive(x=lambda g, x_shape, dim, keepdim: restored(g, x_shape, dim, keepdim), linear=True)
def _sum(x: Real, *, dim: Axes, keepdim: Flag) -> Any:
    total = _added_up(x, dim, keepdim)
    return total.astype(x.dtype) if x.dtype.char == "e" else total


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum of the entries along ``dim``; 0 where there are none. Integers and booleans sum to int64.

    Parameters
    ----------
    dim : int or tuple of int, optional
        Default: all axes.
    keepdim : bool, default False
    dtype : dtype, optional
        ``input`` is converted to it first.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum(), x.sum(dim=1)
    (tensor(10.), tensor([3., 7.]))
    """
    if dtype is not None:
        return to_dtype(sum(to_dtype(input, dtype), dim, keepdim), dtype)
    return _sum(input, dim=axes_of(dim, input.ndim), keepdim=keepdim)


def _mean_rule(g: Any, x_shape: tuple[int, ...], dim: tuple[int, ...], keepdim: bool) -> Any:
    return restored(g, x_shape, dim, keepdim) / (count_of(x_shape, dim) or 1)


def _some_entries_case(sampler: Sampler) -> Any:
    """No reduction over no entries, which gives nan or -inf."""
    shape = sampler.shape()
    dim = tuple([axis for axis, size in enumerate(shape) if size and sampler.integer(0, 1)])
    return (sampler.array(shape),), {"dim": dim, "keepdim": sampler.choice((False, True))}


@primitive(x=_mean_rule, linear=True, cases=_some_entries_case)
def _mean(x: Real, *, dim: Axes, keepdim: Flag) -> Any:
    require_floating(x)
    mean = _raw_mean(x, dim, keepdim)
    return mean.astype(x.dtype) if x.dtype.char == "e" else mean


def _raw_mean(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    total = _added_up(x, dim, keepdim)
    return total / (x.size // total.size) if x.size else total * math.nan


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean of the entries along ``dim``; nan where there are none.

    Parameters
    ----------
    dim : int or tuple of int, optional
        Default: all axes.
    keepdim : bool, default False
    dtype : dtype, optional
        ``input`` is converted to it first.

    Errors
    ------
    DTypeError if the dtype is not floating.

    >>> from tinygrad_mp import tensor
    >>> tensor([[1.0, 2.0], [3.0, 5.0]]).mean(dim=0)
    tensor([2.0000, 3.5000])
    """
    if dtype is not None:
        input = to_dtype(input, dtype)
    return _mean(input, dim=axes_of(dim, input.ndim), keepdim=keepdim)


def _one_axis_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    return (sampler.array(shape),), {"dim": sampler.integer(0, len(shape) - 1)}


def _prod_case(sampler: Sampler) -> Any:
    inputs, params = _one_axis_case(sampler)
    return inputs, {**params, "keepdim": sampler.choice((False, True))}


@primitive(x=lambda g, x, dim, keepdim: _times_others(g if keepdim else unsqueeze(g, dim), x, dim), cases=_prod_case)
def _prod(x: Real, *, dim: int, keepdim: Flag) -> Any:
    product = x.prod(axis=dim, dtype=_ACCUMULATOR.get(x.dtype.char), keepdims=keepdim)
    return product.astype(x.dtype) if x.dtype.char == "e" else product


def _times_others(g: Any, x: Any, dim: int) -> Any:
    """``g`` times the product of all entries along ``dim`` but one, for each one: no division, so zeros are no matter.

    With the axis cut in halves ``a`` and ``b``, the others of an entry of ``a`` are its partner in ``b`` and the others
    of the pair in ``a * b``. The recursion is as deep as the logarithm of the size.
    """
    size = x.shape[dim]
    if size < 2:
        return g
    half = size // 2
    a, b, rest = split(x, (half, half, size - 2 * half), dim)
    pulled = _times_others(g, cat((a * b, rest), dim), dim)
    if size == 2:
        return cat((pulled * b, pulled * a), dim)
    pair, last = split(pulled, (half, size - 2 * half), dim)
    return cat((pair * b, pair * a, last), dim)


def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The product of the entries along one axis, or of all; 1 where there are none. Integers multiply to int64.

    Derivatives of every order are right where entries are zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([2.0, 3.0, 4.0]).prod()
    tensor(24.)
    """
    if dtype is not None:
        return to_dtype(prod(to_dtype(input, dtype), dim, keepdim), dtype)
    if not input.ndim:
        axes_of(dim, 0)
        dim, keepdim = None, False
    if dim is None:
        product = _prod(reshape(input, -1), dim=0, keepdim=False)
        return reshape(product, (1,) * input.ndim) if keepdim else product
    return _prod(input, dim=one_axis(dim, input.ndim), keepdim=keepdim)


# --- variance -------------------------------------------------------------------------------------------------------


def _var_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=2)
    dim = tuple(axis for axis in range(len(shape)) if sampler.integer(0, 1)) or (0,)
    return (sampler.array(shape),), {
        "dim": dim,
        "keepdim": sampler.choice((False, True)),
        "correction": sampler.choice((0, 1, 0.5)),
    }


Correction = Annotated[float, Choice((0, 1))]


def _var_rule(g: Any, x: Any, dim: tuple[int, ...], keepdim: bool, correction: float) -> Any:
    freedom = count_of(x.shape, dim) - correction
    scale = 2.0 / freedom if freedom else math.inf  # infinite as in PyTorch
    return restored(g, x.shape, dim, keepdim) * scale * (x - _mean(x, dim=dim, keepdim=True))


@primitive(x=_var_rule, cases=_var_case)
def _var(x: Real, *, dim: Axes, keepdim: Flag, correction: Correction) -> Any:
    return _raw_var(x, dim, keepdim, correction)


def _raw_var(x: Any, dim: tuple[int, ...], keepdim: bool, correction: float) -> Any:
    wide = widened(require_floating(x))
    away = wide - _raw_mean(wide, dim, True)
    away *= away
    total = _added_up(away, dim, keepdim)
    freedom = count_of(x.shape, dim) - correction
    if freedom > 0:
        variance = total / freedom
    else:
        warnings.warn(
            f"var and std of {count_of(x.shape, dim)} entries with correction {correction} are nan or infinite",
            stacklevel=6,
        )
        variance = xp(x).where(total > 0, math.inf, math.nan)
    return variance.astype(x.dtype, copy=False)


def _std_rule(g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool, correction: float) -> Any:
    # No slope where all entries are equal, as in PyTorch.
    slope = kept(g, out != 0) / (out + out + cast(out == 0, dtype=out.dtype))
    return _var_rule(slope, x, dim, keepdim, correction)


@primitive(x=_std_rule, cases=_var_case)
def _std(x: Real, *, dim: Axes, keepdim: Flag, correction: Correction) -> Any:
    return xp(x).sqrt(_raw_var(x, dim, keepdim, correction))


def _correction(dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Any, float]:
    """PyTorch's older ways to say it: ``var(unbiased)`` and ``var(dim, unbiased)``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is not None:
        return dim, correction
    return dim, 0 if unbiased is False else 1


def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The variance of the entries along ``dim``: squared distances from the mean, over ``count - correction``.

    Computed in two passes, mean first, so that a large common offset costs no digits.

    Parameters
    ----------
    dim : int or tuple of int, optional
        Default: all axes.
    unbiased : bool, optional
        False is ``correction=0``.
    keepdim : bool, default False
    correction : number, default 1
        1 for the unbiased estimate, 0 for the plain mean of squares. The result is nan, with a warning, where there
        are no more entries than that.

    Errors
    ------
    DTypeError if the dtype is not floating.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([1.0, 2.0, 3.0, 6.0])
    >>> x.var(), x.var(correction=0)
    (tensor(4.6667), tensor(3.5000))
    """
    dim, correction = _correction(dim, unbiased, correction)
    return _var(input, dim=axes_of(dim, input.ndim), keepdim=keepdim, correction=correction)


def std(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The standard deviation, the root of :func:`var`, with the same parameters; its gradient at zero is zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 3.0]).std(correction=0)
    tensor(1.)
    """
    dim, correction = _correction(dim, unbiased, correction)
    return _std(input, dim=axes_of(dim, input.ndim), keepdim=keepdim, correction=correction)


# --- logsumexp ------------------------------------------------------------------------------------------------------


def _logsumexp_rule(g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    finite = kept(out, out != -math.inf)  # x - out would be nan where all entries are -inf
    return restored(g, x.shape, dim, keepdim) * exp(x - restored(finite, x.shape, dim, keepdim))


@primitive(promotes="floating", x=_logsumexp_rule, cases=_some_entries_case)
def _logsumexp(x: Real, *, dim: Axes, keepdim: Flag) -> Any:
    if not x.size:
        return x.sum(axis=dim, keepdims=keepdim) - math.inf
    module, wide = xp(x), widened(x)
    largest = wide.max(axis=dim, keepdims=True)
    limit = numpy.finfo(wide.dtype).max.item()
    powers = module.exp(wide - module.clip(largest, -limit, limit))
    total = _added_up(powers, dim, True)
    # The largest entry alone adds 1; only where all are -inf is the total 0, and log(1) + largest is right there too.
    result = module.log(module.maximum(total, 1.0)) + largest
    return (result if keepdim else result.squeeze(dim)).astype(x.dtype, copy=False)


def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """``log(sum(exp(x)))`` along ``dim``, without overflow; -inf where all entries are -inf or there are none.

    >>> from tinygrad_mp import logsumexp, tensor
    >>> logsumexp(tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    return _logsumexp(input, dim=axes_of(dim, input.ndim), keepdim=keepdim)


# --- all, any -------------------------------------------------------------------------------------------------------


@primitive(x=None)
def _all(x: Real, *, dim: Axes, keepdim: Flag) -> Any:
    return x.astype("bool", copy=False).all(axis=dim, keepdims=keepdim)


@primitive(x=None)
def _any(x: Real, *, dim: Axes, keepdim: Flag) -> Any:
    return x.astype("bool", copy=False).any(axis=dim, keepdims=keepdim)


def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether all entries along ``dim`` are true, that is not zero; True where there are none. No gradient.

    >>> from tinygrad_mp import all, tensor
    >>> all(tensor([[1, 0], [1, 1]]), dim=1)
    tensor([False,  True])
    """
    return _all(input, dim=sorted_axes(dim, input.ndim), keepdim=keepdim)


def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some entry along ``dim`` is true, that is not zero; False where there are none. No gradient.

    >>> from tinygrad_mp import any, tensor
    >>> any(tensor([[1, 0], [0, 0]]), dim=1)
    tensor([ True, False])
    """
    return _any(input, dim=sorted_axes(dim, input.ndim), keepdim=keepdim)
