"""Running results along one axis: sums, products, extremes, sums of exponentials, differences and areas."""

import math
from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, Flag, Real, Sampler
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops import return_types
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.comparison import logical_xor
from tinygrad_mp.ops.copying import flip
from tinygrad_mp.ops.elementwise import exp
from tinygrad_mp.ops.gathering import _gather
from tinygrad_mp.ops.joining import _narrow, cat
from tinygrad_mp.ops.movement import located, movedim, reshape
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import _ACCUMULATOR, _one_axis_case, sum, widened
from tinygrad_mp.ops.selection import kept
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

# --- running sums -----------------------------------------------------------------------------------------------------


@primitive(x=lambda g, dim: flip(_cumsum(flip(g, dim), dim=dim), dim), linear=True, cases=_one_axis_case)
def _cumsum(x: Real, *, dim: int) -> Any:
    total = x.cumsum(axis=dim, dtype=_ACCUMULATOR.get(x.dtype.char))
    return total.astype(x.dtype) if x.dtype.char == "e" else total


def _along(running: Any, input: Any, dim: int, dtype: Any) -> Any:
    """A running primitive along an axis, which a tensor without axes is given."""
    if dtype is not None:
        input = to_dtype(input, dtype)
    axis = one_axis(dim, input.ndim)
    out = running(input, dim=axis) if input.ndim else reshape(running(reshape(input, 1), dim=0), ())
    return out if dtype is None else to_dtype(out, dtype)


def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running sums along ``dim``: entry i is the sum of the entries up to i. Integers and booleans sum to int64, or
    to ``dtype``.

    >>> from tinygrad_mp import cumsum, tensor
    >>> cumsum(tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    return _along(_cumsum, input, dim, dtype)


# --- one recurrence, the gradient of running products and of itself ---------------------------------------------------


def _recurrence_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    return (sampler.array(shape), sampler.array(shape)), {"dim": sampler.integer(0, len(shape) - 1)}


def _shifted(x: Any, dim: int, by: int) -> Any:
    """``x`` moved by one entry along ``dim``, forward or back, with zeros where nothing comes from."""
    size = x.shape[dim]
    if not size:
        return x
    part = _narrow(x, dim=dim, start=0 if by > 0 else 1, length=size - 1)
    nothing = _narrow(x, dim=dim, start=0, length=1) * 0
    return cat((nothing, part) if by > 0 else (part, nothing), dim)


def _recurrence_back(g: Any, factor: Any, dim: int) -> Any:
    """The transpose: each entry gives to the next one ``factor`` of the next times itself."""
    return flip(_recurrence(flip(g, dim), flip(_shifted(factor, dim, -1), dim), dim=dim), dim)


@primitive(
    x=lambda g, factor, dim: _recurrence_back(g, factor, dim),
    factor=lambda g, factor, out, dim: _recurrence_back(g, factor, dim) * _shifted(out, dim, 1),
    cases=_recurrence_case,
)
def _recurrence(x: Real, factor: Real, *, dim: int) -> Any:
    """``out[i] = x[i] + factor[i] * out[i - 1]`` along ``dim``; the first factor is not used."""
    module = xp(x)
    out, factor = module.moveaxis(x, dim, 0).copy(), module.ascontiguousarray(module.moveaxis(factor, dim, 0))
    start = _in_blocks(out, factor) if len(out) >= _MANY and out[0].size <= _NARROW else 1
    for place in range(start, len(out)):
        out[place] += factor[place] * out[place - 1]
    return module.moveaxis(out, 0, dim)


_MANY, _NARROW = 256, 256
"""From so many steps on, each of at most so many entries, blocks are faster; measured."""


def _in_blocks(out: Any, factor: Any) -> int:
    """Do most of the recurrence in about twice the root of the number of steps; returns the first step left to do.

    All blocks go their way at once, each from nothing, and then take up one after the other what came before them.
    """
    module, length = xp(out), math.isqrt(len(out))
    end = len(out) // length * length
    blocks, factors = (array[:end].reshape(-1, length, *array.shape[1:]) for array in (out, factor))
    with numpy.errstate(over="ignore", invalid="ignore"):
        reach = factors.cumprod(axis=1, dtype="float64")
    if not module.isfinite(reach).all():
        return 1
    for place in range(1, length):
        blocks[:, place] += factors[:, place] * blocks[:, place - 1]
    for block in range(1, len(blocks)):
        blocks[block] += reach[block] * blocks[block - 1, -1]
    return end


# --- running products -------------------------------------------------------------------------------------------------


def _cumprod_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    # Entry k is a factor of all results from k on: what is before it, times what the later ones add up to. No
    # division, so zeros are no matter.
    size = x.shape[dim]
    if not size:
        return g
    later = flip(_recurrence(flip(g, dim), flip(_shifted(x, dim, -1), dim), dim=dim), dim)
    one = _narrow(out, dim=dim, start=0, length=1) * 0 + 1
    return cat((one, _narrow(out, dim=dim, start=0, length=size - 1)), dim) * later


@primitive(x=_cumprod_rule, cases=_one_axis_case)
def _cumprod(x: Real, *, dim: int) -> Any:
    """Running products."""
    product = x.cumprod(axis=dim, dtype=_ACCUMULATOR.get(x.dtype.char))
    return product.astype(x.dtype) if x.dtype.char == "e" else product


def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running products along ``dim``: entry i is the product of the entries up to i. Integers multiply to int64,
    or to ``dtype``.

    Derivatives of every order are right where entries are zero.

    >>> from tinygrad_mp import cumprod, tensor
    >>> cumprod(tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    return _along(_cumprod, input, dim, dtype)


# --- running extremes -------------------------------------------------------------------------------------------------


def running_extreme(x: Any, dim: int, largest: bool) -> Any:
    """The running maximum or minimum of a raw array; NaN spreads. CuPy has no such scan: there, in rounds that double
    their reach."""
    if type(x) is numpy.ndarray:
        return (numpy.maximum if largest else numpy.minimum).accumulate(x, axis=dim)
    module = xp(x)
    choose = module.maximum if largest else module.minimum
    out, reach, before = x.copy(), 1, (slice(None),) * dim
    while reach < x.shape[dim]:
        out[(*before, slice(reach, None))] = choose(
            out[(*before, slice(reach, None))], out[(*before, slice(None, -reach))]
        )
        reach *= 2
    return out


def _extreme_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    params = {"dim": sampler.integer(0, len(shape) - 1), "largest": sampler.choice((False, True))}
    return (sampler.array(shape, Domain(-2.0, 2.0, distinct=True)),), params


@primitive(x=None, cases=_extreme_case)
def _running_place(x: Real, *, dim: int, largest: Flag) -> Any:
    """Where the running extreme stands: the last such place; NaN counts as the extreme."""
    best = running_extreme(x, dim, largest)
    along = (1,) * dim + (-1,) + (1,) * (x.ndim - dim - 1)
    module = xp(x)
    places = module.zeros(x.shape, dtype="int64")
    module.copyto(places, module.arange(x.shape[dim]).reshape(along), where=(x == best) | (x != x))
    return running_extreme(places, dim, True)


def _running(name: str, input: Any, dim: int, largest: bool) -> Any:
    axis, result = one_axis(dim, input.ndim), getattr(return_types, name)
    if not input.ndim:
        return result([reshape(part, ()) for part in _running(name, reshape(input, 1), 0, largest)])
    indices = _running_place(input, dim=axis, largest=largest)
    return result((_gather(input, indices, dim=axis), indices))


def cummax(input: Any, dim: int) -> Any:
    """The running maximum along ``dim``, and the last place where it stood: ``(values, indices)``.

    >>> from tinygrad_mp import cummax, tensor
    >>> cummax(tensor([1.0, 3.0, 2.0, 3.0]), 0).indices
    tensor([0, 1, 1, 3])
    """
    return _running("cummax", input, dim, True)


def cummin(input: Any, dim: int) -> Any:
    """The running minimum along ``dim``, and the last place where it stood: ``(values, indices)``.

    >>> from tinygrad_mp import cummin, tensor
    >>> cummin(tensor([2.0, 3.0, 1.0]), 0).values
    tensor([2., 2., 1.])
    """
    return _running("cummin", input, dim, False)


# --- running sums of exponentials -------------------------------------------------------------------------------------


def _logcumsumexp_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    # exp(x[k]) * sum over i >= k of g[i] * exp(-out[i]), with ratios of neighbours, which never exceed 1. What is
    # -inf adds nothing: exponents there are made 0, and what they multiply too.
    size = x.shape[dim]
    if not size:
        return g
    there = out != float("-inf")
    finite = kept(out, there)
    ratio = kept(exp(kept(_shifted(finite, dim, 1) - finite, _shifted_mask(there, dim))), _shifted_mask(there, dim))
    later = flip(_recurrence(flip(g, dim), flip(_shifted(ratio, dim, -1), dim), dim=dim), dim)
    return kept(exp(x - finite), there) * later


def _shifted_mask(mask: Any, dim: int) -> Any:
    """``mask`` moved forward by one entry along ``dim``; False comes first."""
    return _shifted(to_dtype(mask, "float32") if isinstance(mask, TensorBase) else mask.astype("float32"), dim, 1) != 0


@primitive(promotes="floating", x=_logcumsumexp_rule, cases=_one_axis_case)
def _logcumsumexp(x: Real, *, dim: int) -> Any:
    """Running sums of exponentials, as logarithms."""
    module, wide = xp(x), widened(x)
    if type(x) is numpy.ndarray:
        return numpy.logaddexp.accumulate(wide, axis=dim).astype(x.dtype, copy=False)
    out, reach, before = wide.copy(), 1, (slice(None),) * dim
    while reach < x.shape[dim]:  # rounds that double their reach
        there = (*before, slice(reach, None))
        out[there] = module.logaddexp(out[there], out[(*before, slice(None, -reach))])
        reach *= 2
    return out.astype(x.dtype, copy=False)


def logcumsumexp(input: Any, dim: int) -> Any:
    """``log(cumsum(exp(x)))`` along ``dim``, without overflow.

    >>> from tinygrad_mp import logcumsumexp, tensor
    >>> logcumsumexp(tensor([1000.0, 1000.0]), 0)
    tensor([1000.0000, 1000.6932])
    """
    axis = one_axis(dim, input.ndim)
    return _logcumsumexp(input, dim=axis) if input.ndim else reshape(_logcumsumexp(reshape(input, 1), dim=0), ())


# --- differences and areas --------------------------------------------------------------------------------------------


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours along ``dim``, taken ``n`` times.

    Parameters
    ----------
    prepend, append : Tensor, optional
        Put before and after ``input`` along ``dim`` first.

    >>> from tinygrad_mp import diff, tensor
    >>> diff(tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    if not input.ndim:
        raise located(ShapeError("a tensor without axes has no neighbours"), "diff", input)
    axis = one_axis(dim, input.ndim)
    if n < 0:
        raise located(SettingError(f"n is {n}, not a number of times"), "diff", input)
    if n == 0:
        return input.clone()
    parts = [part for part in (prepend, input, append) if part is not None]
    if any(part.ndim != input.ndim for part in parts):
        raise located(ShapeError("prepend and append must have as many axes as input"), "diff", input)
    out = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(n):
        length = max(out.shape[axis] - 1, 0)
        later = _narrow(out, dim=axis, start=min(1, out.shape[axis]), length=length)
        earlier = _narrow(out, dim=axis, start=0, length=length)
        out = logical_xor(later, earlier) if out.dtype.kind == "b" else later - earlier
    return out


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The area under ``y`` along ``dim``, by the trapezoidal rule. ``trapz`` is the same.

    Parameters
    ----------
    x : Tensor, optional
        Where the entries of ``y`` stand: one axis, or a shape that broadcasts to that of ``y``.
    dx : number, default 1
        Their distance, where ``x`` is not given.

    >>> from tinygrad_mp import tensor, trapezoid
    >>> trapezoid(tensor([1.0, 2.0, 4.0]))
    tensor(4.5000)
    """
    return sum(_areas("trapezoid", y, x, dx, dim), -1)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The areas under ``y`` up to each entry but the first; otherwise as :func:`trapezoid`.

    >>> from tinygrad_mp import cumulative_trapezoid, tensor
    >>> cumulative_trapezoid(tensor([1.0, 2.0, 4.0]))
    tensor([1.5000, 4.5000])
    """
    return movedim(cumsum(_areas("cumulative_trapezoid", y, x, dx, dim), -1), -1, dim)


def _areas(name: str, y: Any, x: Any, dx: Any, dim: int) -> Any:
    """The areas between neighbours along ``dim``, which comes last."""
    if x is not None and dx is not None:
        raise located(SettingError("x and dx are both given", fix="give one of them"), name, y)
    if not y.ndim:
        raise located(ShapeError("a tensor without axes bounds no area"), name, y)
    y = movedim(y, one_axis(dim, y.ndim), -1)
    size = y.shape[-1]
    if not size:
        return y * 0.5
    later, earlier = (_narrow(y, dim=y.ndim - 1, start=start, length=size - 1) for start in (1, 0))
    if x is None:
        return (later + earlier) * (0.5 if dx is None else dx * 0.5)
    steps = diff(x) if x.ndim == 1 else diff(movedim(x, dim, -1))
    if steps.shape[-1] not in (1, size - 1):
        raise located(ShapeError(f"there are {size} values of y along dim {dim}, but {x.shape} places x"), name, y)
    return (later + earlier) * steps * 0.5
