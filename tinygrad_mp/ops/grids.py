"""Images and volumes sampled at the points of a grid, and grids that move them: spatial transformers.

Source: Jaderberg et al., Spatial transformer networks, 2015.
"""

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any

from tinygrad_mp.backend import as_array_on, xp
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.elementwise import where
from tinygrad_mp.ops.gathering import gather
from tinygrad_mp.ops.joining import unbind
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import expand, reshape, transpose
from tinygrad_mp.tape import wrap

__all__ = ["affine_grid", "grid_sample"]

_CHANGED = "align_corners is not given and taken to be False, which was True in old versions of PyTorch: say which"


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """The grid for :func:`grid_sample` that moves images or volumes by affine maps.

    Parameters
    ----------
    theta : Tensor
        (N, 2, 3) for images, (N, 3, 4) for volumes: what makes points of the input of points of the output.
    size : sequence of int
        Of the output: (N, C, H, W) or (N, C, D, H, W).
    align_corners : bool, default False
        Whether -1 and 1 are the centres of the first and last pixels, or their outer edges.

    Returns
    -------
    Tensor
        (N, H, W, 2) or (N, D, H, W, 3).

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.affine_grid(tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    align_corners = _aligned(align_corners)
    if theta.dtype.kind != "f":
        raise SettingError(f"affine_grid: theta must be floating, not {theta.dtype}")
    sizes = tuple(size)
    if len(sizes) not in (4, 5):
        raise NotImplementedError(f"affine_grid makes grids for sizes (N, C, H, W) or (N, C, D, H, W), not {sizes}")
    axes = len(sizes) - 2
    if tuple(theta.shape) != (sizes[0], axes, axes + 1):
        raise ShapeError(f"affine_grid: theta needs shape {(sizes[0], axes, axes + 1)}, not {tuple(theta.shape)}")
    if min(sizes) < 1:
        raise ShapeError(f"affine_grid: the sizes {sizes} are not all positive")
    module = xp(theta.array)
    lines = []
    for count in sizes[2:]:
        line = module.linspace(-1, 1, count) if count > 1 else module.zeros(1)
        lines.append(line if align_corners else line * ((count - 1) / count))
    points = module.meshgrid(*lines, indexing="ij")[::-1]  # x, y and z: the last axis comes first
    base = module.stack([*points, module.ones_like(points[0])], axis=-1).reshape(-1, axes + 1)
    base = wrap(theta.result_class, as_array_on(theta.array, base.astype(theta.dtype)))
    return reshape(matmul(base, transpose(theta, 1, 2)), (sizes[0], *sizes[2:], axes))


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """The values of images, or volumes, at the points of a grid.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (N, C, D, H, W).
    grid : Tensor
        (N, h, w, 2) or (N, d, h, w, 3): x, y and perhaps z, from -1 to 1 inside of the input.
    mode : {"bilinear", "nearest", "bicubic"}
        The last for images only.
    padding_mode : {"zeros", "border", "reflection"}
        What is outside.
    align_corners : bool, default False
        As of :func:`affine_grid`.

    Returns
    -------
    Tensor
        (N, C, h, w) or (N, C, d, h, w).

    Errors
    ------
    SettingError for unknown modes, ShapeError if shapes do not fit, DTypeError if the dtypes differ.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.grid_sample(tensor([[[[0.0, 10.0]]]]), tensor([[[[0.0, 0.0]]]]), align_corners=True)
    tensor([[[[5.]]]])
    """
    axes = input.ndim - 2
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise SettingError(f'grid_sample: mode must be "bilinear", "nearest" or "bicubic", not {mode!r}')
    if padding_mode not in ("zeros", "border", "reflection"):
        raise SettingError(f'grid_sample: padding_mode must be "zeros", "border" or "reflection", not {padding_mode!r}')
    if axes not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != axes or grid.shape[0] != input.shape[0]:
        raise ShapeError(f"grid_sample: input {tuple(input.shape)} and grid {tuple(grid.shape)} do not fit")
    if mode == "bicubic" and axes == 3:
        raise SettingError('grid_sample: "bicubic" is for images, volumes have "bilinear" and "nearest"')
    if input.dtype != grid.dtype:
        raise DTypeError(f"grid_sample: the input is {input.dtype}, the grid {grid.dtype}")
    align = _aligned(align_corners)
    sizes, points = tuple(input.shape[2:]), tuple(grid.shape[1:-1])
    if min(sizes) < 1:
        raise ShapeError(f"grid_sample: the input has shape {tuple(input.shape)}, there is nothing to sample")
    batch, channels, count = input.shape[0], input.shape[1], math.prod(points)
    flat = reshape(input, (batch, channels, math.prod(sizes)))
    places = unbind(reshape(grid, (batch, count, axes)), -1)[::-1]  # in the order of the axes
    taps = [
        _taps(_pixels(place, size, align), size, mode, padding_mode, align)
        for place, size in zip(places, sizes, strict=True)
    ]
    out: Any = None
    for corner in itertools.product(*taps):
        index: Any = 0
        weight: Any = None
        for size, (position, factor) in zip(sizes, corner, strict=True):
            index = index * size + position
            weight = factor if weight is None else weight * factor
        wide = wrap(input.result_class, xp(index).broadcast_to(index[:, None], (batch, channels, count)))
        part = gather(flat, 2, wide) * expand(weight.unsqueeze(1), (batch, channels, count))
        out = part if out is None else out + part
    return reshape(out, (batch, channels, *points))


def _aligned(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(_CHANGED, stacklevel=3)
    return bool(align_corners)


def _pixels(place: Any, size: int, align: bool) -> Any:
    """Coordinates from -1 to 1 as numbers of pixels."""
    return (place + 1) * ((size - 1) / 2) if align else ((place + 1) * size - 1) / 2


def _taps(place: Any, size: int, mode: str, padding: str, align: bool) -> list[tuple[Any, Any]]:
    """The pixels along one axis from which a value is made: their numbers, as arrays, and their weights."""
    module = xp(place.array)
    if mode == "bicubic":
        below = module.floor(place.array)
        found = []
        for offset, weight in zip((-1, 0, 1, 2), _cubic(place - wrap(place.result_class, below)), strict=True):
            tap = wrap(place.result_class, below + offset)
            found.append(_inside(module.rint(_padded(tap, size, padding, align).array), weight, size))
        return found
    place = _padded(place, size, padding, align)
    if mode == "nearest":
        nearest = module.rint(place.array)
        return [_inside(nearest, place * 0.0 + 1, size)]  # the grid gets zeros for a gradient, as in PyTorch
    below = module.floor(place.array)
    above = place - wrap(place.result_class, below)
    return [_inside(below, 1 - above, size), _inside(below + 1, above, size)]


def _inside(position: Any, weight: Any, size: int) -> tuple[Any, Any]:
    """Numbers of pixels that are there, and weights that are 0 where they were not."""
    module = xp(position)
    there = (position >= 0) & (position <= size - 1)
    index = module.where(there, position, 0).astype("int64")
    return index, where(wrap(weight.result_class, there), weight, weight * 0.0)


def _cubic(t: Any) -> list[Any]:
    """Weights of four pixels by the cubic of Keys, 1981, with parameter -0.75; t is the way from the second one."""
    a = -0.75
    near = [((a + 2) * s - (a + 3)) * s * s + 1 for s in (t, 1 - t)]
    far = [((a * s - 5 * a) * s + 8 * a) * s - 4 * a for s in (t + 1, 2 - t)]
    return [far[0], near[0], near[1], far[1]]


def _padded(place: Any, size: int, padding: str, align: bool) -> Any:
    """Coordinates brought inside: back to the border, or reflected there. At the border itself the slope is 0."""
    if padding == "zeros":
        return place
    module, raw = xp(place.array), place.array
    if padding == "reflection":
        low, high = (0.0, size - 1.0) if align else (-0.5, size - 0.5)
        span = high - low
        if span == 0:
            return place * 0.0
        way = module.abs(raw - low)
        turns = module.floor(way / span)
        rest = way - turns * span
        even = turns % 2 == 0
        target = module.where(even, rest, span - rest) + low
        slope = module.where(even == (raw >= low), 1.0, -1.0).astype(raw.dtype)
        kind = place.result_class
        place = place * wrap(kind, slope) + wrap(kind, target - raw * slope)
        raw = target
    inner = (raw > 0) & (raw < size - 1)
    return where(wrap(place.result_class, inner), place, wrap(place.result_class, raw.clip(0, size - 1)))
