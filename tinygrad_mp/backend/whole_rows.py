"""Normalisation of the rows of a contiguous matrix on the CPU, as by layer and RMS normalisation.

Rows are taken in blocks that stay in the cache, split over threads; sums go through BLAS. See
:mod:`tinygrad_mp.backend.normalizing` for what is computed. Sums over rows are put together from those of the blocks,
so that they do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend.buffers import rows_of
from tinygrad_mp.backend.threads import split

_BLOCK = 1 << 17
"""Entries of a block. Smaller ones stay in the cache better, but there are more calls to make; measured."""
_WIDE = 1 << 13
"""How many entries a repeated weight may have: short rows cost NumPy more, so several are taken as one."""
_FORWARD, _BACKWARD = 1.2, 2.4
"""Nanoseconds that an entry takes, about."""


def suits(x: Any) -> bool:
    """Whether ``x`` (batch, groups, channels, length) is such a matrix."""
    return type(x) is numpy.ndarray and x.shape[1] == x.shape[3] == 1 and x.size > 0 and x.dtype.char in "fd"


def _together(rows: int, width: int) -> int:
    """How many rows are taken as one where a weight goes with each."""
    return max(1, min(_WIDE // width, rows))


def _rows_of_a_block(rows: int, width: int) -> int:
    several = _together(rows, width)
    return max(1, _BLOCK // (width * several)) * several


def _for_blocks(function: Callable[[int, slice], None], x: Any, cost: float) -> None:
    """Call ``function`` with the number and the rows of each block."""
    rows, width = x.shape
    each = _rows_of_a_block(rows, width)

    def part(low: int, high: int) -> None:
        with rows_of(width):
            for number in range(low, high):
                function(number, slice(number * each, (number + 1) * each))

    split(part, -(-rows // each), x.size * cost)


def _repeated(vector: Any, rows: int) -> Any:
    if vector is None:
        return None
    return numpy.broadcast_to(vector.reshape(-1), (_together(rows, vector.size), vector.size)).reshape(-1)


def _with_each_row(operation: Any, x: Any, repeated: Any, out: Any) -> Any:
    """``operation(x, vector)`` for a vector that is there several times."""
    if x.size % repeated.size:
        return operation(x, repeated[: x.shape[1]], out=out)
    shape = (-1, repeated.size)
    operation(x.reshape(shape), repeated, out=out.reshape(shape))
    return out


def standardize(x: Any, weight: Any, bias: Any, eps: float, centred: bool) -> tuple[Any, Any, Any]:
    """What :func:`normalizing.standardize_rows` returns."""
    shape, x = x.shape, x.reshape(x.shape[0], x.shape[2])
    rows, width = x.shape
    out, mean, factor = numpy.empty_like(x), numpy.empty((rows, 1), x.dtype), numpy.empty((rows, 1), x.dtype)
    ones, wide_weight, wide_bias = numpy.ones((width, 1), x.dtype), _repeated(weight, rows), _repeated(bias, rows)

    def block(_: int, here: slice) -> None:
        piece, result, middle, near = x[here], out[here], mean[here], factor[here]
        if centred:
            numpy.matmul(piece, ones, out=middle)
            middle /= width
            piece = numpy.subtract(piece, middle, out=result)
        numpy.vecdot(piece, piece, out=near[:, 0])
        near /= width
        near += eps
        numpy.sqrt(near, out=near)
        numpy.divide(1, near, out=near)
        numpy.multiply(piece, near, out=result)
        if weight is not None:
            _with_each_row(numpy.multiply, result, wide_weight, result)
        if bias is not None:
            _with_each_row(numpy.add, result, wide_bias, result)

    _for_blocks(block, x, _FORWARD)
    few = (rows, 1, 1, 1)
    return out.reshape(shape), mean.reshape(few) if centred else None, factor.reshape(few)


def pull(g: Any, x: Any, mean: Any, factor: Any, weight: Any, affine: bool) -> tuple[Any, Any, Any]:
    """What :func:`normalizing.pull_rows` returns."""
    shape = x.shape
    rows, width = shape[0], shape[2]
    g, x, factor = g.reshape(rows, width), x.reshape(rows, width), factor.reshape(rows, 1)
    mean = None if mean is None else mean.reshape(rows, 1)
    pulled = numpy.empty_like(x)
    each = _rows_of_a_block(rows, width)
    ones, wide_weight = numpy.ones(max(width, min(each, rows)), x.dtype), _repeated(weight, rows)
    products, totals = numpy.empty((2, -(-rows // each), width), x.dtype)

    def block(number: int, here: slice) -> None:
        given, near, result = g[here], factor[here], pulled[here]
        away = x[here].copy() if mean is None else x[here] - mean[here]
        if affine:
            numpy.multiply(given, away, out=result)
            numpy.matmul(near[:, 0], result, out=products[number])
            numpy.matmul(ones[: len(given)], given, out=totals[number])
        if weight is not None:
            given = _with_each_row(numpy.multiply, given, wide_weight, result)
        slope = numpy.vecdot(given, away)[:, None]
        slope *= near
        slope *= near
        slope /= width
        away *= slope
        if mean is not None:
            level = given @ ones[:width]
            level /= width
            away += level[:, None]
        numpy.subtract(given, away, out=result)
        result *= near

    _for_blocks(block, x, _BACKWARD)
    if not affine:
        return pulled.reshape(shape), None, None
    return pulled.reshape(shape), products.sum(axis=0).reshape(1, width), totals.sum(axis=0).reshape(1, width)
