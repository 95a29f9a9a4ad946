"""Correlation of images with small weights by columns (im2col), a bounded part of the columns at a time.

Everything here is in the order channels, height, width, batch; images may have any strides, but those in this very
order, without gaps, are the fast ones. Rows of windows are split over threads, each with memory of its own for columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_mp.backend import winograd
from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.backend.kernels import kernel
from tinygrad_mp.backend.threads import split
from tinygrad_mp.backend.windows import Pair, inside, is_straight, starts, straightened

COLUMN_BYTES = 3 << 20
"""How much memory the columns may take at a time, whatever the batch. Measured: the best from 1 to 4 MiB."""

LEAST_WIDTH = 200
"""So many windows of one row make a product worth a call."""


@kernel
def correlate(
    x: Any, weight: Any, bias: Any, out: Any, *, offset: Pair, stride: Pair = (1, 1), dilation: Pair = (1, 1)
) -> None:
    """Write into ``out`` the products of all windows with the weight, plus ``bias`` if it is not None.

    Parameters
    ----------
    x : array (groups * c, height, width, batch)
        Counts as zero outside.
    weight : array (groups, o, c, kernel height, kernel width)
    bias : array (groups * o,) or None
    out : array (groups * o, rows, columns, batch)
        As many windows as it has rows and columns.
    offset : pair of int
        The first window begins this far before the first entry; may be negative.
    stride, dilation : pair of int
        Distance between windows, and between the entries of one.
    """

    def part(rows: slice, columns: slice) -> None:
        start = offset[0] - rows.start * stride[0], offset[1] - columns.start * stride[1]
        here = out[:, rows, columns]
        if winograd.suits(x, weight.shape, here.shape[1:], stride, dilation):
            winograd.correlate(x, weight[0], bias, here, start, stride)
        else:
            _correlate(x, weight, bias, here, start, stride, dilation)

    _in_parts(part, x, out.shape[1:], out.size * weight[0, 0].size)


@kernel
def correlate_weight(
    x: Any, y: Any, kernel: Pair, groups: int, *, offset: Pair, stride: Pair = (1, 1), dilation: Pair = (1, 1)
) -> Any:
    """The transpose of :func:`correlate` in the weight: (groups, o, c, \\*kernel) from ``y``, shaped as its ``out``."""
    shape = groups, y.shape[0] // groups, x.shape[0] // groups, *kernel
    found: dict[tuple[int, int], Any] = {}

    def part(rows: slice, columns: slice) -> None:
        start = offset[0] - rows.start * stride[0], offset[1] - columns.start * stride[1]
        here = y[:, rows, columns]
        if winograd.suits(x, shape, here.shape[1:], stride, dilation):
            total = winograd.correlate_weight(x, here, kernel[0], start, stride)[None]
        else:
            total = _correlate_weight(x, here, shape, start, stride, dilation)
        found[rows.start, columns.start] = total

    _in_parts(part, x, y.shape[1:], y.size * (x.shape[0] // groups) * kernel[0] * kernel[1])
    totals = [found[place] for place in sorted(found)]  # in an order that does not depend on who came first
    for total in totals[1:]:
        totals[0] += total
    return totals[0]


def _in_parts(part: Callable[[slice, slice], None], x: Any, counts: tuple[int, ...], products: int) -> None:
    """Call ``part`` with ranges of the rows of windows, or of the columns of a single row, that make up all of them."""
    whole = slice(0, counts[0]), slice(0, counts[1])
    if type(x) is not numpy.ndarray:
        part(*whole)
        return
    cost = products * x.itemsize / 160  # of 2 operations each at 80 a nanosecond in float32
    if counts[0] > 1:
        split(lambda low, high: part(slice(low, high), whole[1]), counts[0], cost)
    else:
        split(lambda low, high: part(whole[0], slice(low, high)), counts[1], cost)


def _correlate(x: Any, weight: Any, bias: Any, out: Any, offset: Pair, stride: Pair, dilation: Pair) -> None:
    module = xp(x)
    groups, units = weight.shape[:2]
    chosen = _choose(x, groups, weight.shape[3:], out.shape[1:], stride, dilation)
    matrices = (weight if chosen is _columns else weight.swapaxes(2, 3)).reshape(groups, units, -1)
    shifts = None if bias is None else bias.reshape(groups, units, 1)
    whole = out.reshape(groups, units, -1) if out.size and out[0].flags.c_contiguous else None  # a view
    for (rows, across, samples), columns in chosen(x, weight.shape[3:], out.shape[1:], offset, stride, dilation):
        factor = columns.reshape(groups, matrices.shape[2], -1)
        if whole is None:
            product = module.matmul(matrices, factor)
        else:
            start = (rows.start * out.shape[2] + across.start) * out.shape[3] + samples.start
            product = whole[:, :, start : start + factor.shape[2]]
            module.matmul(matrices, factor, out=product)
        if shifts is not None:
            product += shifts
        if whole is None:
            part = out[:, rows, across, samples]
            part[...] = product.reshape(part.shape)


def _correlate_weight(x: Any, y: Any, shape: tuple[int, ...], offset: Pair, stride: Pair, dilation: Pair) -> Any:
    module = xp(x)
    groups, units, channels = shape[:3]
    kernel = shape[3], shape[4]
    size = channels * kernel[0] * kernel[1]
    total = None
    chosen = _choose(x, groups, kernel, y.shape[1:], stride, dilation)
    for part, columns in chosen(x, kernel, y.shape[1:], offset, stride, dilation):
        factor = columns.reshape(groups, size, -1).swapaxes(1, 2)
        given = y[:, *part]
        if not is_straight(y):
            given = straightened(given)
        product = module.matmul(given.reshape(groups, units, -1), factor)
        if total is None:
            total = product
        else:
            total += product
    if total is None:
        total = module.zeros((groups, units, size), dtype=x.dtype)
    if chosen is _columns:
        return total.reshape(shape)
    return total.reshape(groups, units, kernel[0], channels, kernel[1]).swapaxes(2, 3)


def _choose(x: Any, groups: int, kernel: Pair, counts: tuple[int, ...], stride: Pair, dilation: Pair) -> Any:
    """The way to make columns: rolling, where their rows are long enough for a product of each."""
    fits = groups == 1 and kernel[0] > 1 and dilation[0] == 1 and stride[0] < kernel[0]
    return _rolling_columns if fits and _width(x, kernel, counts, stride) >= LEAST_WIDTH else _columns


def _width(x: Any, kernel: Pair, counts: tuple[int, ...], stride: Pair) -> int:
    """How many windows of one row can be taken at a time if the columns of some eight rows are to be kept."""
    held = (min(counts[0], 8) - 1) * stride[0] + kernel[0]
    width: int = COLUMN_BYTES // max(1, held * x.shape[0] * kernel[1] * x.itemsize)
    return min(counts[1] * counts[2], width)


def _rolling_columns(
    x: Any, kernel: Pair, counts: tuple[int, ...], offset: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[tuple[slice, slice, slice], Any]]:
    """As :func:`_columns`, one row of windows at a time and with the entries in the order (row, channel, column).

    What windows see of one row of the image is laid out once. As such rows follow one another, the columns of the next
    row of windows begin a stride further down the same memory: nothing is copied once for every row of the kernel.
    """
    module = xp(x)
    rows, columns, batch = counts
    width = _width(x, kernel, counts, stride)
    across, deep = (width // batch, batch) if width >= batch else (1, width)
    row_bytes = x.shape[0] * kernel[1] * across * deep * x.itemsize
    down = max(1, (COLUMN_BYTES // row_bytes - kernel[0]) // stride[0] + 1)
    buffer: Any = None
    for those in starts(columns, across):
        for samples in starts(batch, deep):
            for these in starts(rows, down):
                sizes = (those.stop - those.start, samples.stop - samples.start)
                held = (these.stop - these.start - 1) * stride[0] + kernel[0]
                entries = held * x.shape[0] * kernel[1] * sizes[0] * sizes[1]
                if buffer is None:
                    buffer = module.empty(entries, dtype=x.dtype)
                laid = buffer[:entries].reshape(held, x.shape[0], kernel[1], *sizes)
                start = these.start * stride[0] - offset[0], those.start * stride[1] - offset[1]
                image = x[:, :, :, samples]
                if not is_straight(x):
                    image, start = _seen(image, start, (held, sizes[0]), (1, kernel[1]), (1, stride[1]), dilation)
                _fill(laid.transpose(1, 2, 0, 3, 4)[:, None], image, start, (1, stride[1]), dilation)
                for row in range(these.start, these.stop):
                    first = (row - these.start) * stride[0]
                    yield (slice(row, row + 1), those, samples), laid[first : first + kernel[0]]


def _columns(
    x: Any, kernel: Pair, counts: tuple[int, ...], offset: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[tuple[slice, slice, slice], Any]]:
    """Ranges of rows, columns and samples, and for each its windows (channels, \\*kernel, \\*range) as an array.

    The array is overwritten at the next step.
    """
    height, width, batch = x.shape[1:]
    top = -offset[0]
    alike = (tuple(kernel), stride, offset[1], counts[1]) == ((1, 1), (1, 1), 0, width)
    if alike and 0 <= top <= height - counts[0] and x.size and counts[0] and x[0].flags.c_contiguous:
        yield (slice(0, counts[0]), slice(0, width), slice(0, batch)), x[:, top : top + counts[0]]
        return  # the windows are the entries
    module = xp(x)
    taps = x.shape[0] * kernel[0] * kernel[1]
    buffer: Any = None
    for part in _ranges(counts, max(taps, 1) * x.itemsize):
        rows, across, samples = part
        sizes = tuple(one.stop - one.start for one in part)
        entries = taps * sizes[0] * sizes[1] * sizes[2]
        if buffer is None:
            buffer = module.empty(entries, dtype=x.dtype)  # the first part is the largest
        windows = buffer[:entries].reshape(x.shape[0], *kernel, *sizes)
        top, left = rows.start * stride[0] - offset[0], across.start * stride[1] - offset[1]
        image = x[:, :, :, samples]
        if not is_straight(x):
            image, (top, left) = _seen(image, (top, left), sizes[:2], kernel, stride, dilation)
        _fill(windows, image, (top, left), stride, dilation)
        yield part, windows


def _seen(
    image: Any, start: Pair, counts: tuple[int, ...], kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[Any, Pair]:
    """The part of an image that windows from ``start`` on see, brought into order once, rather than for each entry of a
    window; and where in it they start."""
    bounds = []
    for axis in range(2):
        size, first = image.shape[1 + axis], start[axis]
        end = first + (counts[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
        low = min(max(first, 0), size)
        bounds.append((low, max(low, min(size, end))))
    (top, bottom), (left, right) = bounds
    return straightened(image[:, top:bottom, left:right]), (start[0] - top, start[1] - left)


def _fill(windows: Any, image: Any, start: Pair, stride: Pair, dilation: Pair) -> None:
    """Copy into (channels, \\*kernel, rows, columns, batch) the windows of ``image`` from ``start`` on."""
    _, tall, wide, rows, columns, _ = windows.shape
    places = [inside(start[1] + j * dilation[1], stride[1], image.shape[2], columns) for j in range(wide)]
    for i in range(tall):
        these, places_down = inside(start[0] + i * dilation[0], stride[0], image.shape[1], rows)
        if these.start > 0:
            windows[:, i, :, : these.start] = 0
        if these.stop < rows:
            windows[:, i, :, these.stop :] = 0
        for j, (those, places_across) in enumerate(places):
            target = windows[:, i, j, these]
            if those.start > 0:
                target[:, :, : those.start] = 0
            if those.stop < columns:
                target[:, :, those.stop :] = 0
            target[:, :, those] = image[:, places_down, places_across]


def _ranges(counts: tuple[int, ...], bytes_each: int) -> Iterator[tuple[slice, slice, slice]]:
    """Split (rows, columns, batch) into ranges of windows that follow one another in memory, of bounded size."""
    rows, columns, batch = counts
    if not rows * columns * batch:
        return
    room = max(1, COLUMN_BYTES // bytes_each)
    if room >= columns * batch:
        down, across, deep = room // (columns * batch), columns, batch
    elif room >= batch:
        down, across, deep = 1, room // batch, batch
    else:
        down, across, deep = 1, 1, room
    for top in starts(rows, down):
        for left in starts(columns, across):
            for first in starts(batch, deep):
                yield top, left, first
