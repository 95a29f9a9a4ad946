"""Resampling by cubic curves through four neighbours: a product with a matrix along each axis."""

from functools import lru_cache
from typing import Any

import numpy

from tinygrad_mp.backend import array_on, device_of
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import transpose
from tinygrad_mp.tape import TensorBase

_BEND = -0.75


def bicubic(input: Any, sizes: list[int], scales: list[Any], align_corners: bool) -> Any:
    """Images (n, channels, h, w) resampled to ``sizes``; what lies beyond the edges is the entry at the edge.

    Source: Keys, Cubic convolution interpolation for digital image processing, 1981, with his parameter -0.75.
    """
    for axis in (3, 2):
        weights = _weights(input.shape[axis], sizes[axis - 2], scales[axis - 2], align_corners)
        if axis == 2:
            input = transpose(input, 2, 3)
        input = matmul(input, _beside(weights.T, input))
    return transpose(input, 2, 3)


def _beside(weights: Any, input: Any) -> Any:
    array = input.array if isinstance(input, TensorBase) else input
    return array_on(device_of(array), weights.astype(array.dtype))


@lru_cache(maxsize=64)
def _weights(size: int, out: int, scale: float | None, align_corners: bool) -> Any:
    """The matrix (out, size) that resamples one axis."""
    position = numpy.arange(out)
    if align_corners:
        source = position * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        source = (position + 0.5) * (1 / scale if scale is not None else size / out) - 0.5
    first = numpy.floor(source)
    share = source - first
    weights = numpy.zeros((out, size))
    for step in range(-1, 3):
        place = numpy.clip(first + step, 0, size - 1).astype(int)
        numpy.add.at(weights, (position, place), _curve(numpy.abs(share - step)))
    return weights


def _curve(distance: Any) -> Any:
    """How much an entry at this distance counts."""
    near = ((_BEND + 2) * distance - (_BEND + 3)) * distance * distance + 1
    far = ((_BEND * distance - 5 * _BEND) * distance + 8 * _BEND) * distance - 4 * _BEND
    return numpy.where(distance <= 1, near, far)
