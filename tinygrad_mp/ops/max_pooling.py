"""Max pooling: the largest entry of every window."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.windows import batch_last, in_blocks, inside, straightened
from tinygrad_mp.domains import Distinct, Flag, Real
from tinygrad_mp.ops.extremes import max as max_along
from tinygrad_mp.ops.gathering import gather
from tinygrad_mp.ops.geometry import (
    Pair,
    as_given,
    evenly,
    goal_of,
    like,
    pooled,
    pooling_geometry,
    spread_evenly,
    with_two_axes,
)
from tinygrad_mp.ops.joining import narrow, stack
from tinygrad_mp.primitive import primitive


class ValuesAndIndices(NamedTuple):
    """What max pooling returns with ``return_indices``."""

    values: Any
    indices: Any


# --- public ----------------------------------------------------------------------------------------------------------


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of every window.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: ``kernel_size``.
    padding : int or pair of int, default 0
        Around the image, with entries that are never the largest; at most half of ``kernel_size``.
    dilation : int or pair of int, default 1
    ceil_mode : bool, default False
        Also take windows that reach over the end, if they begin before it.
    return_indices : bool, default False
        Also return where in its image, ``row * W + column``, each entry was found.

    Returns
    -------
    Tensor, or with ``return_indices`` the named tuple ``(values, indices)``
        Among equal entries of a window the first, row by row, counts: it has the index and receives the gradient.

    Errors
    ------
    ShapeError if sizes do not fit.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn.functional import max_pool2d
    >>> max_pool2d(arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _any_max("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As :func:`max_pool2d`, along one axis: (N, C, L) or (C, L).

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import max_pool1d
    >>> max_pool1d(tensor([[1.0, 3.0, 2.0, 0.0]]), 3, stride=1)
    tensor([[3., 3.]])
    """
    return _any_max("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest entry of each of as many windows as ``output_size`` says, spread evenly over the image.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    output_size : int, or pair of int or None
        None keeps the size. Window ``i`` of ``n`` along an axis of size L is ``[i L // n, ceil((i + 1) L / n))``.
    return_indices : bool, default False

    Returns
    -------
    As :func:`max_pool2d`.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn.functional import adaptive_max_pool2d
    >>> adaptive_max_pool2d(arange(9.0).reshape(1, 3, 3), (1, 2))
    tensor([[[7., 8.]]])
    """
    return _adaptive_max("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """As :func:`adaptive_max_pool2d`, along one axis.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import adaptive_max_pool1d
    >>> adaptive_max_pool1d(tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[3., 3.]])
    """
    return _adaptive_max("adaptive_max_pool1d", 1, input, output_size, return_indices)


# --- the primitives --------------------------------------------------------------------------------------------------


def _max_case(sampler: Any) -> Any:
    kernel, dilation, stride = (tuple(sampler.integer(1, high) for _ in range(2)) for high in (3, 2, 3))
    padding = tuple(sampler.integer(0, kernel[i] // 2) for i in range(2))
    size = tuple(dilation[i] * (kernel[i] - 1) + 1 + sampler.integer(0, 3) for i in range(2))
    x = sampler.array((sampler.integer(0, 2), sampler.integer(1, 2), *size), Distinct)
    params = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return (x,), {**params, "ceil_mode": sampler.choice((False, True))}


def _spread_case(sampler: Any) -> Any:
    (x,), params = _max_case(sampler)
    out = _max_pool2d(x, **params)
    return (sampler.array(out.shape), x, out), params


def _pick_case(sampler: Any) -> Any:
    (x,), params = _max_case(sampler)
    return (sampler.array(x.shape), x, _max_pool2d(x, **params)), params


def _spread_back(
    g: Any, x: Any, out: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    return _max_spread(g, x, out, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)


def _pick_back(
    g: Any, x: Any, largest: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    return _max_pick(
        g, x, largest, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )


def _largest_back(
    g: Any, x: Any, largest: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    return _spread_back(g, x, largest, kernel, stride, padding, dilation, ceil_mode)


@primitive(x=_spread_back, promotes=None, cases=_max_case)
def _max_pool2d(x: Distinct, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: Flag) -> Any:
    """The largest of (N, C, H, W) in each window: of each of its columns, then of these."""
    counts = pooled(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    out = xp(x).empty_like(x, shape=(*x.shape[:2], *counts))

    def part(here: tuple[slice, ...]) -> None:
        within = x[here]
        rows = like(within, 2, counts[0])
        _max_along(within, rows, 2, kernel[0], stride[0], padding[0], dilation[0])
        _max_along(rows, out[here], 3, kernel[1], stride[1], padding[1], dilation[1])

    in_blocks(part, x, 0.5)
    return out


@primitive(y=_pick_back, x=None, largest=None, promotes=None, linear=True, cases=_spread_case)
def _max_spread(
    y: Real, x: Real, largest: Real, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    """Each entry of ``y`` added where the ``largest`` of its window in ``x`` was found."""
    separate = dilation == (1, 1) and stride[0] >= kernel[0] and stride[1] >= kernel[1]
    filled = (
        separate
        and padding == (0, 0)
        and all(largest.shape[2 + i] * kernel[i] == x.shape[2 + i] and stride[i] == kernel[i] for i in (0, 1))
    )
    spread = (xp(x).empty_like if filled else xp(x).zeros_like)(x, dtype=y.dtype)
    y = _in_order_of(largest, y)

    def part(block: tuple[slice, ...]) -> None:
        within, given = spread[block], y[block]
        for here, there, chosen in _chosen(x[block], largest[block], kernel, stride, padding, dilation):
            if separate:  # no place is in two windows
                xp(x).multiply(given[here], chosen, out=within[there])
            else:
                within[there] += given[here] * chosen

    in_blocks(part, x, 2.0)
    return spread


@primitive(y=_largest_back, x=None, largest=None, promotes=None, linear=True, cases=_pick_case)
def _max_pick(
    y: Real, x: Real, largest: Real, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> Any:
    """The entries of ``y`` where the ``largest`` of each window in ``x`` was found."""
    picked = xp(x).zeros_like(largest, dtype=y.dtype)

    def part(block: tuple[slice, ...]) -> None:
        within, given = picked[block], y[block]
        for here, there, chosen in _chosen(x[block], largest[block], kernel, stride, padding, dilation):
            within[here] += given[there] * chosen

    in_blocks(part, x, 2.0)
    return picked


@primitive(x=None, promotes=None, cases=_max_case)
def _max_pool2d_indices(
    x: Distinct, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: Flag
) -> Any:
    """Where in its image the largest entry of each window is, the first of them or the last nan."""
    module = xp(x)
    counts = pooled(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    best = module.empty((*x.shape[:2], *counts), dtype=x.dtype)
    indices = module.zeros(best.shape, dtype="int64")
    unset = module.ones(best.shape, dtype=bool)
    places = module.arange(x.shape[2] * x.shape[3]).reshape(1, 1, *x.shape[2:])
    for here, there in _taps(x.shape[2:], counts, kernel, stride, padding, dilation):
        value = x[there]
        better = unset[here] | (value > best[here]) | (value != value)
        module.copyto(best[here], value, where=better)
        module.copyto(indices[here], module.broadcast_to(places[there], value.shape), where=better)
        unset[here] = False
    return indices


def _in_order_of(other: Any, y: Any) -> Any:
    """``y`` with the order in memory of ``other``, of the same shape: arrays walked through together are faster so."""
    if y.strides == other.strides or y.dtype.itemsize != other.dtype.itemsize:
        return y
    if batch_last(other).flags.c_contiguous:
        return straightened(batch_last(y)).transpose(3, 0, 1, 2)
    ordered = xp(y).empty_like(other, dtype=y.dtype)
    ordered[...] = y
    return ordered


def _taps(size: Any, counts: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Iterator[Any]:
    """For each entry of the window, row by row: which windows have it inside the image, and where."""
    down, across = (
        [inside(tap * dilation[i] - padding[i], stride[i], size[i], counts[i]) for tap in range(kernel[i])]
        for i in (0, 1)
    )
    whole = slice(None)
    for windows_down, places_down in down:
        for windows, places in across:
            yield (whole, whole, windows_down, windows), (whole, whole, places_down, places)


def _chosen(x: Any, largest: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Iterator[Any]:
    """The same, and a mask: whether this entry is the first of its window that is not less than the largest."""
    module = xp(x)
    free = module.ones_like(largest, dtype=bool)
    for here, there in _taps(x.shape[2:], largest.shape[2:], kernel, stride, padding, dilation):
        less = x[there] < largest[here]
        yield here, there, module.greater(free[here], less)
        free[here] &= less


def _max_along(x: Any, out: Any, axis: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Write the largest entry of each window along one axis; a window with no entry inside has the lowest number."""
    module, count = xp(x), out.shape[axis]
    before = (slice(None),) * axis
    taps = [inside(tap * dilation - padding, stride, x.shape[axis], count) for tap in range(kernel)]
    if any(windows != slice(0, count) for windows, _ in taps):
        out.fill(-math.inf if x.dtype.kind in "fc" else module.iinfo(x.dtype).min)
    else:
        first = x[(*before, taps[0][1])]
        if len(taps) == 1:
            out[...] = first
        else:
            module.maximum(first, x[(*before, taps[1][1])], out=out)
        taps = taps[2:]
    for windows, places in taps:
        part = out[(*before, windows)]
        module.maximum(part, x[(*before, places)], out=part)


# --- one axis or two -------------------------------------------------------------------------------------------------


def _any_max(
    name: str,
    axes: int,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    kernel, stride, padding, dilation = pooling_geometry(name, axes, x, kernel, stride, padding, dilation)
    params = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    image = with_two_axes(x, axes)
    values = as_given(_max_pool2d(image, **params), axes, x.ndim)
    if not return_indices:
        return values
    return ValuesAndIndices(values, as_given(_max_pool2d_indices(image, **params), axes, x.ndim))


def _adaptive_max(name: str, axes: int, x: Any, output_size: Any, return_indices: bool) -> Any:
    goal = goal_of(name, axes, x, output_size)
    image = with_two_axes(x, axes)
    height, width = image.shape[2:]
    if evenly((height, width), goal):
        kernel = height // goal[0], width // goal[1]
        pooled = _any_max(name, 2, image, kernel, None, 0, 1, False, return_indices)
        if not return_indices:
            return as_given(pooled, axes, x.ndim)
        return ValuesAndIndices(*(as_given(one, axes, x.ndim) for one in pooled))
    # Along rows first: then the first of equal entries, row by row, is the one that is found.
    image, columns = _largest_along(image, 3, goal[1])
    image, rows = _largest_along(image, 2, goal[0])
    values = as_given(image, axes, x.ndim)
    if not return_indices:
        return values
    return ValuesAndIndices(values, as_given(rows * width + gather(columns, 2, rows), axes, x.ndim))


def _largest_along(image: Any, dim: int, count: int) -> tuple[Any, Any]:
    """The largest entries of evenly spread windows along ``dim``, and where they are."""
    bounds = spread_evenly(image.shape[dim], count)
    found = [max_along(narrow(image, dim, *one), dim) for one in bounds]
    places = [indices + start for (_, indices), (start, _) in zip(found, bounds, strict=True)]
    return stack([values for values, _ in found], dim), stack(places, dim)
