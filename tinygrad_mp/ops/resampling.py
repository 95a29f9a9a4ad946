"""Images and signals made larger or smaller, and channels turned into pixels and back.

Resampling is linear and works on one axis at a time: each place of the result is an entry of the input, or a mean of
two neighbours. Which ones, a :class:`Places` says.
"""

import math
import operator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.bicubic import bicubic
from tinygrad_mp.ops.movement import permute, reshape, transpose
from tinygrad_mp.ops.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d
from tinygrad_mp.primitive import primitive

__all__ = ["channel_shuffle", "interpolate", "pixel_shuffle", "pixel_unshuffle", "upsample"]

_MODES = {
    "nearest": (3, 4, 5), "nearest-exact": (3, 4, 5), "area": (3, 4, 5),
    "linear": (3,), "bilinear": (4,), "trilinear": (5,), "bicubic": (4,),
}  # fmt: skip


class Places(NamedTuple):
    """Where each entry of the result comes from: ``input[low] * (1 - share) + input[high] * share``.

    ``low`` and ``high`` are int64 arrays on the host, in order; without ``share`` only ``low`` counts. With ``factor``,
    each entry is repeated that many times.
    """

    low: Any
    high: Any
    share: Any
    factor: int | None


@lru_cache(maxsize=256)
def places(mode: str, size: int, out: int, scale: float | None, align_corners: bool, dtype: str) -> Places:
    """The places for an axis of ``size`` that gets ``out``; computed in the precision in which PyTorch does."""
    number = numpy.dtype("float32" if mode.startswith("nearest") or dtype != "float64" else "float64").type
    position = numpy.arange(out).astype(number)
    step = number(1 / scale) if scale is not None else number(size) / number(max(out, 1))
    if mode.startswith("nearest"):
        if mode == "nearest-exact":
            position = position + number(0.5)
        low = numpy.minimum(numpy.floor(position * step).astype("int64"), size - 1)
        factor = out // size if size and out % size == 0 else 0
        exact = factor > 0 and bool((low == numpy.arange(out) // factor).all())
        return Places(low, low, None, factor if exact else None)
    if align_corners:
        source = position * (number(size - 1) / number(out - 1) if out > 1 else number(0))
    else:
        source = numpy.maximum(step * (position + number(0.5)) - number(0.5), number(0))
    low = numpy.minimum(source.astype("int64"), size - 1)
    share = numpy.clip(source - low.astype(number), number(0), number(1)).astype(dtype)
    return Places(low, numpy.minimum(low + 1, size - 1), share, None)


def _resample_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1, max_side=3)
    dim = sampler.integer(0, len(shape) - 1)
    mode = sampler.choice(("nearest", "linear", "nearest-exact"))
    out = sampler.integer(1, 7)
    return (sampler.array(shape),), {
        "dim": dim,
        "places": places(mode, shape[dim], out, None, sampler.choice((False, True)), "float64"),
    }


def _resample_back_case(sampler: Sampler) -> Any:
    (x,), params = _resample_case(sampler)
    dim = params["dim"]
    shape = (*x.shape[:dim], len(params["places"].low), *x.shape[dim + 1 :])
    return (sampler.array(shape),), {"length": x.shape[dim], **params}


def _every(factor: int, first: int, dim: int) -> tuple[slice, ...]:
    return (*[slice(None)] * dim, slice(first, None, factor))


def _share(table: Places, x: Any, dim: int) -> Any:
    shape = (-1, *[1] * (x.ndim - dim - 1))
    return xp(x).asarray(table.share.astype(x.dtype)).reshape(shape)


def _resample_composed(x: Any, *, dim: int, places: Places) -> Any:
    lead = (slice(None),) * dim
    low = x[(*lead, places.low)]
    if places.share is None:
        return low
    share = places.share.reshape(-1, *[1] * (x.ndim - dim - 1))
    return low * (1 - share) + x[(*lead, places.high)] * share


@primitive(
    promotes=None,
    linear=True,
    cases=_resample_case,
    reference=_resample_composed,
    x=lambda g, x_shape, dim, places: _resample_back(g, length=x_shape[dim], dim=dim, places=places),
)
def _resample(x: Real, *, dim: int, places: Places) -> Any:
    """``x`` at ``places`` along ``dim``."""
    module = xp(x)
    if places.factor is not None:
        shape = (*x.shape[:dim], x.shape[dim] * places.factor, *x.shape[dim + 1 :])
        out = module.empty(shape, dtype=x.dtype)
        for first in range(places.factor):
            out[_every(places.factor, first, dim)] = x
        return out
    out = module.take(x, module.asarray(places.low), axis=dim)
    if places.share is not None:
        share = _share(places, x, dim)
        out *= 1 - share
        out += module.take(x, module.asarray(places.high), axis=dim) * share
    return out


@primitive(
    promotes=None,
    linear=True,
    cases=_resample_back_case,
    x=lambda g, dim, places: _resample(g, dim=dim, places=places),
)
def _resample_back(x: Real, *, length: int, dim: int, places: Places) -> Any:
    """The transpose of :func:`_resample`: each entry added to where it came from, along an axis of ``length``."""
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    if places.factor is not None:
        total = x[_every(places.factor, 0, dim)].copy()
        for first in range(1, places.factor):
            total += x[_every(places.factor, first, dim)]
        return total
    total = xp(x).zeros(shape, dtype=x.dtype)
    if places.share is None:
        _add_in_rounds(total, x, places.low, dim)
    else:
        share = _share(places, x, dim)
        _add_in_rounds(total, x * (1 - share), places.low, dim)
        _add_in_rounds(total, x * share, places.high, dim)
    return total


def _add_in_rounds(total: Any, values: Any, index: Any, dim: int) -> None:
    """Add ``values`` at ``index``, which is in order: in each round one from each run of equal entries, so that none
    meet."""
    lead, module = (slice(None),) * dim, xp(total)
    turn = numpy.arange(len(index)) - numpy.searchsorted(index, index)
    for round in range(int(turn.max(initial=-1)) + 1):
        chosen = numpy.flatnonzero(turn == round)
        total[(*lead, module.asarray(index[chosen]))] += values[(*lead, module.asarray(chosen))]


# --- public -----------------------------------------------------------------------------------------------------------


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Resample the axes after the second to ``size``, or by ``scale_factor``.

    Parameters
    ----------
    input : Tensor
        Shape (n, channels, ...), with one to three more axes, floating.
    size : int or sequence of int
        What those axes get; or
    scale_factor : float or sequence of float
        what they are multiplied by, rounded down.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"}
        The entry below, the nearest one, straight lines between neighbours along 1, 2 or 3 axes, cubic curves through
        four of them along 2, or the mean of the entries that a new one covers.
    align_corners : bool, default False
        For the linear and cubic modes: the corners of both lie on one another; otherwise their edges do.
    recompute_scale_factor : bool, default False
        Compute places from the sizes rather than from ``scale_factor``.
    antialias : bool
        Only False is supported.

    Errors
    ------
    SettingError for an unknown mode, for both or neither of size and scale_factor, for align_corners with another mode
    than a linear or cubic one. ShapeError for a number of axes that does not fit the mode, or an empty
    result. DTypeError for integers.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.interpolate(tensor([[[1.0, 3.0]]]), scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> F.interpolate(tensor([[[1.0, 3.0]]]), size=3, mode="linear", align_corners=True)
    tensor([[[1., 2., 3.]]])
    """
    name = "interpolate"
    linear = mode != "area" and not mode.startswith("nearest")
    if mode not in _MODES:
        raise SettingError(f"{name}: unknown mode {mode!r}", fix=f"use one of {', '.join(_MODES)}")
    if antialias:
        raise SettingError(f"{name}: antialias is not supported", fix="antialias=False")
    if align_corners is not None and not linear:
        raise SettingError(f"{name}: align_corners is for linear modes, not {mode!r}", fix="leave it out")
    if input.ndim not in _MODES[mode]:
        axes = " or ".join(map(str, _MODES[mode]))
        raise _located(ShapeError(f"mode {mode!r} takes an input with {axes} axes, not {input.ndim}"), name, input)
    if input.dtype not in FLOATING:
        raise _located(DTypeError(f"needs a floating dtype, not {input.dtype}", fix="input.float()"), name, input)
    sizes, scales = _sizes(name, input, size, scale_factor)
    if recompute_scale_factor or scales is None:
        scales = [None] * len(sizes)
    if min(sizes, default=1) < 1 or 0 in input.shape[1:]:
        raise _located(ShapeError(f"sizes must be positive, also those of the result, {tuple(sizes)}"), name, input)
    if mode == "area":
        return _area(input, sizes)
    if mode == "bicubic":
        return bicubic(input, sizes, scales, bool(align_corners))
    out, dtype = input, "float64" if input.dtype == "float64" else "float32"
    for axis in range(input.ndim - 1, 1, -1):  # rows of memory last: they are the cheapest to combine
        target, scale = sizes[axis - 2], scales[axis - 2]
        if target == input.shape[axis] and (scale is None or scale == 1):
            continue
        table = places(mode, input.shape[axis], target, scale, bool(align_corners), dtype)
        out = _resample(out, dim=axis, places=table)
    return out


def _area(input: Any, sizes: list[int]) -> Any:
    if len(sizes) == 3:
        from tinygrad_mp.ops.volumes import adaptive_avg_pool3d

        return adaptive_avg_pool3d(input, sizes)
    return (adaptive_avg_pool1d if len(sizes) == 1 else adaptive_avg_pool2d)(input, sizes)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """:func:`interpolate`, under its older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def _sizes(name: str, input: Any, size: Any, scale_factor: Any) -> tuple[list[int], list[Any] | None]:
    count = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise SettingError(f"{name}: give size or scale_factor, one of them")
    given = size if scale_factor is None else scale_factor
    values = list(given) if isinstance(given, (tuple, list)) else [given] * count
    if len(values) != count:
        word = "size" if scale_factor is None else "scale_factor"
        raise _located(ShapeError(f"{word} has {len(values)} entries for {count} axes"), name, input)
    if scale_factor is None:
        return list(map(operator.index, values)), None
    if min(values) <= 0:
        raise SettingError(f"{name}: scale_factor must be positive, not {scale_factor}")
    return [math.floor(float(length) * float(scale)) for length, scale in zip(input.shape[2:], values, strict=True)], [
        float(scale) for scale in values
    ]


def _located(error: Any, name: str, input: Any) -> Any:
    error.locate(name, (("input", input),))
    return error


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Turn channels into pixels: (..., c * r * r, h, w) -> (..., c, h * r, w * r) for a factor r.

    Errors
    ------
    ShapeError if the channels are not a multiple of r * r or there are fewer than three axes. SettingError for r < 1.

    Source: Shi et al., Real-time single image and video super-resolution, 2016.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.pixel_shuffle(tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    r = _factor("pixel_shuffle", input, upscale_factor)
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        problem = ShapeError(f"{channels} channels are not a multiple of {r} * {r}")
        raise _located(problem, "pixel_shuffle", input)
    lead = len(batch)
    parts = reshape(input, (*batch, channels // (r * r), r, r, height, width))
    order = (*range(lead + 1), lead + 3, lead + 1, lead + 4, lead + 2)
    return reshape(permute(parts, order), (*batch, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """The inverse of :func:`pixel_shuffle`: (..., c, h * r, w * r) -> (..., c * r * r, h, w).

    Errors
    ------
    ShapeError if height or width are not multiples of r or there are fewer than three axes. SettingError for r < 1.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.nn import functional as F
    >>> F.pixel_unshuffle(ones(5, 3, 4, 6), 2).shape
    Size([5, 12, 2, 3])
    """
    r = _factor("pixel_unshuffle", input, downscale_factor)
    *batch, channels, height, width = input.shape
    if height % r or width % r:
        raise _located(ShapeError(f"{height} x {width} pixels are not multiples of {r}"), "pixel_unshuffle", input)
    lead = len(batch)
    parts = reshape(input, (*batch, channels, height // r, r, width // r, r))
    order = (*range(lead + 1), lead + 2, lead + 4, lead + 1, lead + 3)
    return reshape(permute(parts, order), (*batch, channels * r * r, height // r, width // r))


def _factor(name: str, input: Any, factor: Any) -> int:
    if input.ndim < 3:
        raise _located(
            ShapeError(f"needs three axes or more, (..., channels, height, width), not {input.ndim}"), name, input
        )
    r = operator.index(factor)
    if r < 1:
        raise SettingError(f"{name}: the factor must be at least 1, not {r}")
    return r


def channel_shuffle(input: Any, groups: int) -> Any:
    """The channels of ``groups`` groups, one of each in turn: (n, g * c, ...) with the channels as (c, g).

    Source: Zhang et al., ShuffleNet, 2018.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn import functional as F
    >>> F.channel_shuffle(arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    if input.ndim < 3 or groups < 1 or input.shape[1] % groups:
        raise ShapeError(f"channel_shuffle: {groups} groups of the channels of shape {tuple(input.shape)}")
    batch, channels, *rest = input.shape
    apart = reshape(input, (batch, groups, channels // groups, *rest))
    return reshape(transpose(apart, 1, 2), (batch, channels, *rest))
