"""Entries reduced into places given by index tensors."""

import math
from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, Flag, Real, Sampler
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops import reduction
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.elementwise import clone, floor_divide
from tinygrad_mp.ops.gathering import _checked_index, _gather, _located, _scatter_into_zeros, scatter_add
from tinygrad_mp.ops.indexing import _put, _take, getitem
from tinygrad_mp.ops.joining import cat
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.selection import kept, where
from tinygrad_mp.primitive import cast, primitive

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """``input`` with the entries of ``src`` that go to one place reduced there; places as those of :func:`scatter`.

    Parameters
    ----------
    reduce : {"sum", "prod", "mean", "amax", "amin"}
        Equal extremes share the gradient.
    include_self : bool, default True
        Whether what is in ``input`` takes part. Places to which nothing goes keep it in any case.

    >>> from tinygrad_mp import ones, scatter_reduce, tensor
    >>> scatter_reduce(ones(2), 0, tensor([0, 0]), tensor([4.0, 7.0]), "mean", include_self=False)
    tensor([5.5000, 1.0000])
    """
    if reduce not in REDUCTIONS:
        raise SettingError(f"scatter_reduce: unknown reduce {reduce!r}", fix=f"use one of {', '.join(REDUCTIONS)}")
    x, axis, places, part = entries_of("scatter_reduce", input, dim, index, src)
    if not places.size:
        return clone(input)
    if reduce in ("amax", "amin"):
        out = _scatter_extreme(x, part, places, dim=axis, largest=reduce == "amax", include_self=bool(include_self))
    elif reduce == "prod":
        out = _scatter_product(x, axis, places, part, include_self)
    else:
        start = x if include_self else _put(x, 0, everywhere(places, axis), axes=tuple(range(x.ndim)))
        out = scatter_add(start, axis, places, part)
        if reduce == "mean":
            counts = _counts(x, places, axis) + (1 if include_self else 0)
            counts = xp(counts).maximum(counts, 1)
            out = out / counts.astype(x.dtype) if x.dtype.kind == "f" else floor_divide(out, counts.astype(x.dtype))
    return reshape(out, input.shape)


def entries_of(name: str, input: Any, dim: int, index: Any, src: Any) -> tuple[Any, int, Any, Any]:
    """What entry-wise writing needs: operands with at least one axis, the axis, an index in range, its part of src."""
    axis = one_axis(dim, input.ndim)
    places = _checked_index(name, input, axis, index)
    x = input if input.ndim else reshape(input, 1)
    places = places if places.ndim else places.reshape(1)
    if src is None:
        return x, axis, places, None
    if src.dtype != input.dtype:
        problem = DTypeError(f"input is {input.dtype}, but src is {src.dtype}", fix="convert one of them")
        raise _located(problem, name, input=input, src=src)
    part = src if src.ndim else reshape(src, 1)
    if part.ndim != places.ndim or any(size > least for size, least in zip(places.shape, part.shape, strict=True)):
        shorter = ShapeError("src must have as many axes as index, none of them shorter")
        raise _located(shorter, name, index=index, src=src)
    if tuple(part.shape) != places.shape:
        part = getitem(part, tuple(slice(size) for size in places.shape))
    return x, axis, places, part


def everywhere(places: Any, axis: int) -> Any:
    """Index arrays for all axes, stacked: ``places`` for ``axis``, their own positions for the others."""
    module, layers = xp(places), []
    for other, size in enumerate(places.shape):
        along = (1,) * other + (-1,) + (1,) * (places.ndim - other - 1)
        layers.append(
            places if other == axis else module.broadcast_to(module.arange(size).reshape(along), places.shape)
        )
    return module.stack(layers)


def _counts(x: Any, places: Any, axis: int) -> Any:
    """How many entries go to each place, as a raw array."""
    ones = xp(places).ones(places.shape, dtype="int64")
    return _scatter_into_zeros.op.forward(ones, places, dim=axis, shape=tuple(x.shape))  # type: ignore[attr-defined]


def _scatter_product(x: Any, axis: int, places: Any, part: Any, include_self: bool) -> Any:
    """The product of what goes to each place: a table with a row for each place, ones where it has fewer entries than
    another, so that derivatives are those of ``prod``, right where entries are zero."""
    module = xp(places)
    flat: Any = 0
    for layer, size in zip(everywhere(places, axis), x.shape, strict=True):
        flat = flat * size + layer
    flat = flat.reshape(-1)
    order = module.argsort(flat, kind="stable")
    counts = module.bincount(flat, minlength=math.prod(x.shape))
    starts = counts.cumsum() - counts
    column = module.arange(int(counts.max()))
    table = starts[:, None] + column
    last = flat.shape[0]  # where the one stands
    table = module.where(
        column < counts[:, None], module.concatenate((order, order[:1]))[module.minimum(table, last)], last
    )
    values = cat((reshape(part, -1), reshape(part, -1)[:1] * 0 + 1))
    product = to_dtype(reduction.prod(_take(values, table[None], axes=(0,)), 1), x.dtype)
    product = reshape(product, x.shape)
    return x * product if include_self else where((counts > 0).reshape(x.shape), product, x)


def _extreme_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    dim = sampler.integer(0, len(shape) - 1)
    picked = tuple(sampler.integer(1, size + (axis == dim)) for axis, size in enumerate(shape))
    both = sampler.array((math.prod(shape) + math.prod(picked),), Domain(-4.0, 4.0, distinct=True, margin=0.01))
    x, src = both[: math.prod(shape)].reshape(shape), both[math.prod(shape) :].reshape(picked)
    params = {"largest": sampler.choice((False, True)), "include_self": sampler.choice((False, True))}
    return (x, src, sampler.indices(picked, shape[dim])), {"dim": dim, **params}


def _winners(x: Any, src: Any, index: Any, out: Any, dim: int) -> tuple[Any, Any, Any]:
    """Which entries equal the extreme of their place, and how many do at each place."""
    own = cast(x == out, dtype=x.dtype)
    theirs = cast(src == _gather(out, index, dim=dim), dtype=x.dtype)
    return own, theirs, own + _scatter_into_zeros(theirs, index, dim=dim, shape=tuple(x.shape))


def _extreme_rule_x(g: Any, x: Any, src: Any, index: Any, out: Any, dim: int, largest: bool, include_self: bool) -> Any:
    own, _, count = _winners(x, src, index, out, dim)
    share = g / count * own
    return share if include_self else kept(share, ~_touched(raw(x), index, dim))


def _extreme_rule_src(g: Any, x: Any, src: Any, index: Any, out: Any, dim: int) -> Any:
    _, theirs, count = _winners(x, src, index, out, dim)
    return _gather(g / count, index, dim=dim) * theirs


def _touched(x: Any, index: Any, dim: int) -> Any:
    touched = xp(x).zeros(x.shape, dtype="bool")
    touched[tuple(everywhere(raw(index), dim))] = True
    return touched


@primitive(x=_extreme_rule_x, src=_extreme_rule_src, index=None, promotes=None, cases=_extreme_case)
def _scatter_extreme(x: Real, src: Real, index: Any, *, dim: int, largest: Flag, include_self: Flag) -> Any:
    """The largest or smallest of what goes to each place, NaN if there is one."""
    module = xp(x)
    layers = everywhere(index, dim)
    flat: Any = 0
    for layer, size in zip(layers, x.shape, strict=True):
        flat = flat * size + layer
    flat, values = flat.reshape(-1), src.reshape(-1)
    if type(x) is numpy.ndarray:
        out = x.copy().reshape(-1)
        if not include_self:
            out[flat] = values  # some entry of each place, in the stead of what was there
        (numpy.maximum if largest else numpy.minimum).at(out, flat, values)
        return out.reshape(x.shape)
    # Sorted by value, NaN last, and then by place: of each run of one place the last entry is the extreme.
    keys = values if largest else -values if values.dtype.kind == "f" else ~values
    order = module.argsort(keys.astype("uint8") if keys.dtype.kind == "b" else keys, kind="stable")
    order = order[module.argsort(flat[order], kind="stable")]
    in_order = flat[order]
    is_last = module.ones(in_order.shape, dtype="bool")
    is_last[:-1] = in_order[1:] != in_order[:-1]
    places, best = in_order[is_last], values[order[is_last]]
    out = x.copy().reshape(-1)
    if include_self:
        best = (module.maximum if largest else module.minimum)(out[places], best)
    out[places] = best
    return out.reshape(x.shape)
