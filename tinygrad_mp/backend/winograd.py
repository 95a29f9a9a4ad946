"""Correlation with weights three columns wide by minimal filtering: two windows for four products instead of six.

For a row ``d`` of the image and a row ``g`` of the weight, the two windows that begin at ``d[0]`` and ``d[1]`` give

    m0 = (d0 - d2) g0          m1 = (d1 + d2) (g0 + g1 + g2) / 2
    m3 = (d3 - d1) g2          m2 = (d2 - d1) (g0 - g1 + g2) / 2          y0 = m0 + m1 + m2,  y1 = m1 - m2 + m3

The sums over channels and rows of the weight are four matrix products. Additions and a halving are all there is to it,
so rounding is that of the direct sum; along both axes the gain would be 2.25 instead of 1.5, but for three times the
additions, which measured no faster. Source: Winograd, Arithmetic complexity of computations, 1980; Lavin and Gray,
Fast algorithms for convolutional neural networks, 2016.

Arrays are in the order channels, height, width, batch, as in :mod:`tinygrad_mp.backend.correlation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from tinygrad_mp.backend.windows import Pair, inside, is_straight, starts, straightened

TILE_BYTES = 3 << 20
"""How much memory the transformed rows may take at a time, whatever the batch."""
WIDTH = 512
"""Pairs of windows of one row that are taken at a time."""
LEAST_WIDTH = 64
"""So many pairs of windows in a row make products worth the transforms; measured."""
LEAST_CHANNELS = 16
"""Likewise, channels of the image and filters."""


def suits(x: Any, weight: tuple[int, ...], counts: tuple[int, ...], stride: Pair, dilation: Pair) -> bool:
    """Whether windows of (groups, o, c, kernel height, kernel width) are faster in pairs."""
    groups, units, channels, _, wide = weight
    return bool(
        type(x) is numpy.ndarray
        and x.dtype.char in "fd"
        and (groups, wide, stride[1], dilation) == (1, 3, 1, (1, 1))
        and min(units, channels) >= LEAST_CHANNELS
        and (counts[1] + 1) // 2 * counts[2] >= LEAST_WIDTH
    )


def correlate(x: Any, weight: Any, bias: Any, out: Any, offset: Pair, stride: Pair) -> None:
    """Write into ``out`` (o, rows, columns, batch) the products of windows with ``weight`` (o, c, height, 3)."""
    units, channels, tall, _ = weight.shape
    half = (weight[..., 0] + weight[..., 2]) / 2, weight[..., 1] / 2
    filters = numpy.stack((weight[..., 0], half[0] + half[1], half[0] - half[1], weight[..., 2]))
    filters = numpy.ascontiguousarray(filters.swapaxes(2, 3)).reshape(4, units, tall * channels)
    shifts = None if bias is None else bias.reshape(units, 1)
    room: Any = None
    for row, pairs, samples, tiles in _tiles(x, tall, out.shape[1:], offset, stride[0]):
        sizes = units, tiles.shape[3], tiles.shape[4]
        entries = units * sizes[1] * sizes[2]
        if room is None:
            room = numpy.empty(5 * entries, x.dtype)  # the first tiles are the largest
        products = room[: 4 * entries].reshape(4, units, -1)
        numpy.matmul(filters, tiles.reshape(4, tall * channels, -1), out=products)
        scratch = room[4 * entries : 5 * entries].reshape(units, -1)
        here = out[:, row, :, samples]
        even, odd = (here[:, 2 * pairs.start + side : 2 * pairs.stop : 2] for side in (0, 1))
        first, plus, minus, last = products
        numpy.add(plus, minus, out=scratch)
        numpy.subtract(plus, minus, out=plus)
        if shifts is not None:
            plus += shifts
            scratch += shifts
        numpy.add(scratch.reshape(sizes), first.reshape(sizes), out=even)
        count = odd.shape[1]  # a row of an odd number of windows ends in half a pair
        numpy.add(plus.reshape(sizes)[:, :count], last.reshape(sizes)[:, :count], out=odd)


def correlate_weight(x: Any, y: Any, tall: int, offset: Pair, stride: Pair) -> Any:
    """The transpose of :func:`correlate` in the weight: (o, c, tall, 3) from ``y``, shaped as its ``out``."""
    units, channels = y.shape[0], x.shape[0]
    total, product = numpy.zeros((2, 4, units, tall * channels), x.dtype)
    room: Any = None
    for row, pairs, samples, tiles in _tiles(x, tall, y.shape[1:], offset, stride[0]):
        sizes = units, tiles.shape[3], tiles.shape[4]
        entries = units * sizes[1] * sizes[2]
        if room is None:
            room = numpy.empty(4 * entries, x.dtype)
        factors = room[: 4 * entries].reshape(4, *sizes)
        here = y[:, row, 2 * pairs.start : 2 * pairs.stop, samples]
        if not is_straight(y):
            here = straightened(here[:, None])[:, 0]
        even, odd = here[:, ::2], here[:, 1::2]
        factors[0] = even
        factors[3, :, : odd.shape[1]] = odd
        factors[3, :, odd.shape[1] :] = 0
        numpy.add(factors[0], factors[3], out=factors[1])
        numpy.subtract(factors[0], factors[3], out=factors[2])
        seen = tiles.reshape(4, tall * channels, -1)
        numpy.matmul(factors.reshape(4, units, -1), seen.swapaxes(1, 2), out=product)
        total += product
    first, plus, minus, last = total.reshape(4, units, tall, channels)
    middle = (plus + minus) / 2
    return numpy.stack((first + middle, (plus - minus) / 2, last + middle), axis=-1).swapaxes(1, 2)


def _tiles(
    x: Any, tall: int, counts: tuple[int, ...], offset: Pair, stride: int
) -> Iterator[tuple[int, slice, slice, Any]]:
    """For each row of windows, a range of pairs and of samples: the transformed rows of the image that they cover,
    (4, tall, channels, pairs, samples). The array is overwritten at a later step.

    A row of the image is transformed once for all the rows of windows that see it (but for those at the edges of the
    range of rows that memory is taken for).
    """
    rows, columns, batch = counts
    channels, height, width = x.shape[:3]
    pairs = (columns + 1) // 2
    row_bytes = 4 * channels * x.itemsize
    most = min(WIDTH, max(LEAST_WIDTH, TILE_BYTES // (row_bytes * (7 * stride + tall))))
    across, deep = (min(pairs, most // batch), batch) if most >= batch else (1, most)
    down = max(1, (TILE_BYTES // (row_bytes * across * deep) - tall) // stride + 1)
    room: Any = None
    for those in starts(pairs, across):
        for samples in starts(batch, deep):
            sizes = those.stop - those.start, samples.stop - samples.start
            begin = 2 * those.start - offset[1]
            left, right = (min(max(place, 0), width) for place in (begin, begin + 2 * sizes[0] + 2))
            seen = [inside(begin - left + side, 2, right - left, sizes[0] + 1) for side in (0, 1)]
            for these in starts(rows, down):
                held = (these.stop - these.start - 1) * stride + tall
                if room is None:
                    room = numpy.empty(4 * held * channels * sizes[0] * sizes[1], x.dtype)
                    sides = numpy.empty(2 * channels * (sizes[0] + 1) * sizes[1], x.dtype)
                tiles = room[: 4 * held * channels * sizes[0] * sizes[1]].reshape(4, held, channels, *sizes)
                split = sides[: 2 * channels * (sizes[0] + 1) * sizes[1]].reshape(2, channels, sizes[0] + 1, sizes[1])
                top = these.start * stride - offset[0]
                low, high = (min(max(place, 0), height) for place in (top, top + held))
                image = x[:, low:high, left:right, samples]
                if not is_straight(x):
                    image = straightened(image)
                _transform(image, tiles, split, seen, low - top)
                for row in range(these.start, these.stop):
                    first = (row - these.start) * stride
                    yield row, those, samples, tiles[:, first : first + tall]


def _transform(image: Any, tiles: Any, sides: Any, seen: list[tuple[slice, slice]], before: int) -> None:
    """Fill ``tiles`` (4, rows, channels, pairs, batch); the first ``before`` rows are above the image."""
    count = image.shape[1]
    tiles[:, :before] = 0
    tiles[:, before + count :] = 0
    for side, (windows, _) in zip(sides, seen, strict=True):
        side[:, : windows.start] = 0
        side[:, windows.stop :] = 0
    d0, d1, d2, d3 = sides[0, :, :-1], sides[1, :, :-1], sides[0, :, 1:], sides[1, :, 1:]
    for row in range(count):
        for side, (windows, places) in zip(sides, seen, strict=True):
            side[:, windows] = image[:, row, places]
        here = tiles[:, before + row]
        numpy.subtract(d0, d2, out=here[0])
        numpy.add(d1, d2, out=here[1])
        numpy.subtract(d2, d1, out=here[2])
        numpy.subtract(d3, d1, out=here[3])
