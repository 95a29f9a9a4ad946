"""Correlation with weights three columns wide by minimal filtering: two windows for four products instead of six.

For a row ``d`` of the image and a row ``g`` of the weight, the two windows that begin at ``d[0]`` and ``d[1]`` give

    m0 = (d0 - d2) g0          m1 = (d1 + d2) (g0 + g1 + g2) / 2
    m3 = (d3 - d1) g2          m2 = (d2 - d1) (g0 - g1 + g2) / 2          y0 = m0 + m1 + m2,  y1 = m1 - m2 + m3

The sums over channels and rows of the weight are four matrix products. Additions and a halving are all there is to it,
so rounding is about that of the direct sum. (Four windows at a time would halve the products, but measured four times
the error.) Source: Winograd, Arithmetic complexity of computations, 1980; Lavin and Gray,
Fast algorithms for convolutional neural networks, 2016.

Arrays are in the order channels, height, width, batch, as in :mod:`tinygrad_mp.backend.correlation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_mp.backend.windows import Pair, inside, is_straight, starts, straightened

TILE_BYTES = 2 << 20
"""How much memory the transformed rows may take at a time, whatever the batch; measured."""
ROWS = 8
"""Rows of an image of another order that are brought into order at a time."""
LEAST_WIDTH = 64
"""So many pairs of windows in a row make products worth the transforms."""
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
    outer, middle = (weight[..., 0] + weight[..., 2]) / 2, weight[..., 1] / 2
    filters = numpy.stack((weight[..., 0], outer + middle, outer - middle, weight[..., 2])).swapaxes(2, 3)
    turns = [numpy.roll(filters, turn, axis=2).reshape(4, units, tall * channels) for turn in range(tall)]
    shifts = None if bias is None else bias.reshape(units, 1)
    room: Any = None
    for row, turn, pairs, samples, tiles in _tiles(x, tall, out.shape[1:], offset, stride[0]):
        sizes = units, *tiles.shape[3:]
        if room is None:
            room = numpy.empty(5 * tiles[0, 0, 0].size * units, x.dtype)  # the first tiles are the largest
        first, plus, minus, last, total = _shaped(room, 5, units, sizes[1] * sizes[2])
        products = _shaped(room, 4, units, sizes[1] * sizes[2])
        numpy.matmul(turns[turn], tiles.reshape(4, tall * channels, -1), out=products)
        numpy.add(plus, minus, out=total)
        numpy.subtract(plus, minus, out=plus)
        if shifts is not None:
            plus += shifts
            total += shifts
        here = out[:, row, 2 * pairs.start : 2 * pairs.stop, samples]
        even, odd = here[:, ::2], here[:, 1::2]
        count = odd.shape[1]  # a row of an odd number of windows ends in half a pair
        numpy.add(total.reshape(sizes), first.reshape(sizes), out=even)
        numpy.add(plus.reshape(sizes)[:, :count], last.reshape(sizes)[:, :count], out=odd)


def correlate_weight(x: Any, y: Any, tall: int, offset: Pair, stride: Pair) -> Any:
    """The transpose of :func:`correlate` in the weight: (o, c, tall, 3) from ``y``, shaped as its ``out``."""
    units, channels = y.shape[0], x.shape[0]
    product = numpy.empty((4, units, tall * channels), x.dtype)
    totals = numpy.zeros((tall, *product.shape), x.dtype)
    room: Any = None
    for row, turn, pairs, samples, tiles in _tiles(x, tall, y.shape[1:], offset, stride[0]):
        sizes = units, *tiles.shape[3:]
        if room is None:
            room = numpy.empty(4 * tiles[0, 0, 0].size * units, x.dtype)
        factors = _shaped(room, 4, *sizes)
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
        totals[turn] += product
    totals = totals.reshape(tall, 4, units, tall, channels)
    first, plus, minus, last = sum(numpy.roll(total, -turn, axis=2) for turn, total in enumerate(totals))
    middle = (plus + minus) / 2
    return numpy.stack((first + middle, (plus - minus) / 2, last + middle), axis=-1).swapaxes(1, 2)


def _shaped(room: Any, *sizes: int) -> Any:
    """The beginning of a row as an array of these sizes."""
    return room[: math.prod(sizes)].reshape(sizes)


def _tiles(
    x: Any, tall: int, counts: tuple[int, ...], offset: Pair, stride: int
) -> Iterator[tuple[int, int, slice, slice, Any]]:
    """For each row of windows, a turn, a range of pairs and of samples, and the transformed rows of the image that they
    cover, (4, tall, channels, pairs, samples), of which the first comes at place ``turn``, the last before it.

    The array is a ring: a row of the image is transformed once, and stays where it is while windows see it.
    """
    rows, columns, batch = counts
    channels, height, width = x.shape[:3]
    pairs = (columns + 1) // 2
    most = max(LEAST_WIDTH, TILE_BYTES // (4 * tall * channels * x.itemsize))
    across, deep = (min(pairs, most // batch), batch) if most >= batch else (1, most)
    ring = sides = numpy.empty(0, x.dtype)
    for those in starts(pairs, across):
        for samples in starts(batch, deep):
            sizes = those.stop - those.start, samples.stop - samples.start
            begin = 2 * those.start - offset[1]
            left, right = (min(max(place, 0), width) for place in (begin, begin + 2 * sizes[0] + 2))
            seen = [inside(begin - left + side, 2, right - left, sizes[0] + 1) for side in (0, 1)]
            if not ring.size:  # the first are the largest
                ring = numpy.empty(4 * tall * channels * sizes[0] * sizes[1], x.dtype)
                sides = numpy.empty(2 * channels * (sizes[0] + 1) * sizes[1], x.dtype)
            tiles, split = _shaped(ring, 4, tall, channels, *sizes), _shaped(sides, 2, channels, sizes[0] + 1, sizes[1])
            for side, (windows, _) in zip(split, seen, strict=True):
                side[:, : windows.start] = 0
                side[:, windows.stop :] = 0
            lines = _lines(x[:, :, left:right, samples], is_straight(x))
            known = -offset[0]  # the first row of the image that is not in the ring yet
            for row in range(rows):
                top = row * stride - offset[0]
                for place in range(max(top, known), top + tall):
                    target = tiles[:, place % tall]
                    if 0 <= place < height:
                        _transform(lines(place), target, split, seen)
                    else:
                        target[...] = 0
                known = top + tall
                yield row, top % tall, those, samples, tiles


def _lines(image: Any, straight: bool) -> Callable[[int], Any]:
    """The rows of an image, asked for in order, with the batch innermost."""
    if straight:
        return lambda place: image[:, place]
    held: Any = None
    first = -ROWS

    def line(place: int) -> Any:
        nonlocal held, first
        if place >= first + ROWS:
            held, first = straightened(image[:, place : place + ROWS]), place
        return held[:, place - first]

    return line


def _transform(line: Any, tile: Any, sides: Any, seen: list[tuple[slice, slice]]) -> None:
    """Fill ``tile`` (4, channels, pairs, batch) from a row of the image, with ``sides`` as scratch."""
    for side, (windows, places) in zip(sides, seen, strict=True):
        side[:, windows] = line[:, places]
    d0, d1, d2, d3 = sides[0, :, :-1], sides[1, :, :-1], sides[0, :, 1:], sides[1, :, 1:]
    numpy.subtract(d0, d2, out=tile[0])
    numpy.add(d1, d2, out=tile[1])
    numpy.subtract(d2, d1, out=tile[2])
    numpy.subtract(d3, d1, out=tile[3])
