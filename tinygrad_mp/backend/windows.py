"""Where windows lie in images, and images brought to the order channels, height, width, batch.

With the batch innermost, what a window shifts over lies in long runs, and a range of windows is a range of columns of
one matrix, so that products need no rearranging.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy

from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.backend.threads import split

Pair: TypeAlias = tuple[int, int]

_BLOCK = 512
"""Entries of an image that are turned at a time, for at most :data:`_SAMPLES` images; measured."""
_SAMPLES = 64
CACHED = 1 << 18
"""Entries of images that, with what is computed from them, stay near; smaller slices have more calls to make."""
LEAST_SAMPLES = 16
"""From so many images on, blocks pay."""


def inside(offset: int, stride: int, size: int, count: int) -> tuple[slice, slice]:
    """Of the places ``offset + stride * window``, those in ``[0, size)``: which windows, and which places.

    >>> inside(-1, 2, 4, 3)
    (slice(1, 3, None), slice(1, 4, 2))
    """
    first = max(0, -(offset // stride))  # rounded up
    last = min(count, -((offset - size) // stride))
    if last <= first:
        return slice(0, 0), slice(0, 0)
    start = offset + stride * first
    return slice(first, last), slice(start, start + stride * (last - first - 1) + 1, stride)


def starts(count: int, most: int) -> Iterator[slice]:
    """Slices of at most ``most``, about equal, the longest first.

    >>> list(starts(5, 3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    pieces = -(-count // most)
    size = -(-count // pieces) if pieces else 1
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def batch_innermost(like: Any, shape: tuple[int, ...]) -> Any:
    """An empty array of the shape (batch, ...) with the batch innermost in memory of its own; dtype of ``like``."""
    module = xp(like)
    order = module.empty((2,) * len(shape), dtype=like.dtype).transpose((len(shape) - 1, *range(len(shape) - 1)))
    return module.empty_like(order, shape=shape)


def batch_last(x: Any) -> Any:
    """(batch, ...) seen as (..., batch)."""
    return x.transpose((*range(1, x.ndim), 0))


def in_blocks(work: Callable[[tuple[slice, ...]], None], x: Any, nanoseconds: float) -> None:
    """Call ``work`` with slices of the batch or the channels, whichever is outermost in memory, that make up ``x``.

    ``x`` is (batch, channels, ...). On the CPU slices fit the cache and are split over threads; ``nanoseconds`` is what
    an entry takes.
    """
    if type(x) is not numpy.ndarray or x.size <= CACHED:
        work((slice(None),))
        return
    axis = 0 if x.strides[0] >= x.strides[1] else 1
    step = max(1, CACHED * x.shape[axis] // x.size)

    def part(low: int, high: int) -> None:
        for start in range(low, high, step):
            work((*[slice(None)] * axis, slice(start, min(start + step, high))))

    split(part, x.shape[axis], x.size * nanoseconds)


def is_straight(x: Any) -> bool:
    """Whether what windows shift over in (channels, height, width, batch) lies in long runs."""
    return bool(x.strides[3] == x.itemsize and (x.strides[2] == x.shape[3] * x.itemsize or x.shape[2] == 1))


def straightened(x: Any) -> Any:
    """(channels, height, width, batch) in this order in memory, without gaps: ``x`` itself if it is so already."""
    if x.flags.c_contiguous:
        return x
    module = xp(x)
    batch_outermost = x.strides[3] > max(x.strides[:3]) and x.strides[2] == x.itemsize
    if module is not numpy or x.shape[3] < LEAST_SAMPLES or not batch_outermost:
        return module.ascontiguousarray(x)
    out = numpy.empty(x.shape, x.dtype)
    _turn_in_threads(x, out)
    return out


def batch_turned(x: Any) -> Any:
    """A copy of (batch, channels, ...), which is in C order, with the batch innermost in memory of its own."""
    out = batch_innermost(x, x.shape)
    few = (*x.shape[:2], 1, -1)
    _turn_in_threads(batch_last(x.reshape(few)), batch_last(out.reshape(few)))
    return out


def _turn_in_threads(x: Any, out: Any) -> None:
    split(lambda low, high: _turn(x[low:high], out[low:high]), x.shape[0], x.size)


def _turn(x: Any, out: Any) -> None:
    """Copy to ``out``, through blocks: runs are read, and the batch, whose entries lie far apart, is in the cache."""
    across = min(x.shape[2], _BLOCK)
    down = max(1, min(x.shape[1], _BLOCK // across))
    channels = max(1, min(x.shape[0], _BLOCK // (across * down)))
    # Rows of a length other than a power of two do not push each other out of the cache.
    buffer = numpy.empty((_SAMPLES, channels * down * across + 16), x.dtype)
    for part in itertools.product(
        *(starts(x.shape[axis], most) for axis, most in enumerate((channels, down, across, _SAMPLES)))
    ):
        piece = x[part]
        block = buffer[: piece.shape[3], : piece.size // piece.shape[3]]
        block = block.reshape(piece.shape[3], *piece.shape[:3]).transpose(1, 2, 3, 0)
        block[...] = piece
        out[part] = block
