"""Average pooling: the mean of every window, by sums along one axis and then the other."""

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.windows import in_blocks, inside
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.geometry import (
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
from tinygrad_mp.ops.reduction import mean, require_floating
from tinygrad_mp.primitive import primitive

# --- public ----------------------------------------------------------------------------------------------------------


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: ``kernel_size``.
    padding : int or pair of int, default 0
        Zeros around the image; at most half of ``kernel_size``.
    ceil_mode : bool, default False
        Also take windows that reach over the end, if they begin before it.
    count_include_pad : bool, default True
        Whether zeros of the padding count in the mean.
    divisor_override : int, optional
        Divide the sum of every window by this.

    Errors
    ------
    ShapeError if sizes do not fit; DTypeError for integers; SettingError for a divisor of 0.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn.functional import avg_pool2d
    >>> avg_pool2d(arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    return _any_avg(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """As :func:`avg_pool2d`, along one axis: (N, C, L) or (C, L).

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import avg_pool1d
    >>> avg_pool1d(tensor([[1.0, 3.0, 5.0]]), 2, stride=1)
    tensor([[2., 4.]])
    """
    return _any_avg("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The mean of each of as many windows as ``output_size`` says; see :func:`adaptive_max_pool2d`. 1: global pooling.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn.functional import adaptive_avg_pool2d
    >>> adaptive_avg_pool2d(arange(9.0).reshape(1, 3, 3), 1)
    tensor([[[4.]]])
    """
    return _adaptive_avg("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """As :func:`adaptive_avg_pool2d`, along one axis.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import adaptive_avg_pool1d
    >>> adaptive_avg_pool1d(tensor([[1.0, 3.0, 5.0]]), 2)
    tensor([[2., 4.]])
    """
    return _adaptive_avg("adaptive_avg_pool1d", 1, input, output_size)


# --- the primitives --------------------------------------------------------------------------------------------------


def _sum_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    dim = sampler.integer(0, len(shape) - 1)
    params = {"size": sampler.integer(1, 3), "stride": sampler.integer(1, 3), "padding": sampler.integer(0, 2)}
    return (sampler.array(shape),), {"dim": dim, **params, "count": sampler.integer(0, 4)}


def _sum_back_case(sampler: Any) -> Any:
    (x,), params = _sum_case(sampler)
    shape = (*x.shape[: params["dim"]], params.pop("count"), *x.shape[params["dim"] + 1 :])
    return (sampler.array(shape),), {**params, "length": x.shape[params["dim"]]}


@primitive(
    x=lambda g, x_shape, dim, size, stride, padding: _pool_spread(
        g, dim=dim, size=size, stride=stride, padding=padding, length=x_shape[dim]
    ),
    linear=True,
    promotes=None,
    cases=_sum_case,
)
def _pool_sum(x: Real, *, dim: int, size: int, stride: int, padding: int, count: int) -> Any:
    """The sums of ``count`` windows of ``size`` along one axis; outside there are zeros."""
    total = like(x, dim, count)
    taps = [inside(tap - padding, stride, x.shape[dim], count) for tap in range(size)]
    _add_slices(x, total, dim, [(places, windows) for windows, places in taps])
    return total


@primitive(
    x=lambda g, x_shape, dim, size, stride, padding: _pool_sum(
        g, dim=dim, size=size, stride=stride, padding=padding, count=x_shape[dim]
    ),
    linear=True,
    promotes=None,
    cases=_sum_back_case,
)
def _pool_spread(x: Real, *, dim: int, size: int, stride: int, padding: int, length: int) -> Any:
    """Each entry added to all of its window along an axis of ``length``: the transpose of ``_pool_sum``."""
    total = like(x, dim, length)
    _add_slices(x, total, dim, [inside(tap - padding, stride, length, x.shape[dim]) for tap in range(size)])
    return total


def _add_slices(x: Any, total: Any, dim: int, slices: list[tuple[slice, slice]]) -> None:
    """Fill ``total`` with the sum of slices of ``x`` along an axis, each put at a slice of ``total``."""
    before = (slice(None),) * dim

    def part(block: tuple[slice, ...]) -> None:
        given, added = x[block], total[block]
        added.fill(0)
        for source, target in slices:
            added[(*before, target)] += given[(*before, source)]

    if dim < 2:
        part((slice(None),))
    else:
        in_blocks(part, x, 0.5 * len(slices))


# --- one axis or two -------------------------------------------------------------------------------------------------


def _any_avg(
    name: str,
    axes: int,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Any:
    kernel, stride, padding, dilation = pooling_geometry(name, axes, x, kernel, stride, padding, 1)
    if divisor == 0:
        raise SettingError(f"{name}: divisor_override must not be 0")
    require_floating(getattr(x, "array", x))
    image = with_two_axes(x, axes)
    counts = pooled(image.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    total, areas = image, []
    for i in (0, 1):
        length = image.shape[2 + i]
        total = _pool_sum(total, dim=2 + i, size=kernel[i], stride=stride[i], padding=padding[i], count=counts[i])
        low, high = (-padding[i], length + padding[i]) if count_include_pad else (0, length)
        starts = [window * stride[i] - padding[i] for window in range(counts[i])]
        areas.append([min(start + kernel[i], high) - max(start, low) for start in starts])
    if divisor is None and any(len(set(along)) > 1 for along in areas):
        raw = getattr(x, "array", x)
        down, across = (xp(raw).asarray(along).astype(raw.dtype) for along in areas)
        total = total / (down.reshape(-1, 1) * across)
    elif counts[0] and counts[1]:
        total = total / float(areas[0][0] * areas[1][0] if divisor is None else divisor)
    return as_given(total, axes, x.ndim)


# --- adaptive --------------------------------------------------------------------------------------------------------


def _adaptive_avg(name: str, axes: int, x: Any, output_size: Any) -> Any:
    goal = goal_of(name, axes, x, output_size)
    image = with_two_axes(x, axes)
    height, width = image.shape[2:]
    if goal == (1, 1):
        return as_given(mean(image, (2, 3), True), axes, x.ndim)
    if evenly((height, width), goal):
        kernel = height // goal[0], width // goal[1]
        return as_given(_any_avg(name, 2, image, kernel, None, 0, False, True, None), axes, x.ndim)
    for dim in (2, 3):
        parts = [narrow(image, dim, *bounds) for bounds in spread_evenly(image.shape[dim], goal[dim - 2])]
        image = stack([mean(part, dim) for part in parts], dim)
    return as_given(image, axes, x.ndim)
