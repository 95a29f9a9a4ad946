"""Normalisation by channels where each channel is one long row, as in images with the batch innermost, on the CPU.

A row is gone through in blocks that stay in the cache from one pass over it to the next, and rows are split over
threads. Arrays are contiguous, (1, channels, length); see :mod:`tinygrad_mp.backend.normalizing` for what is computed.
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend.threads import split

LONG = 4096
"""From this length on a row is worth its own calls."""
_BLOCK = 1 << 15


def suits(x: Any) -> bool:
    """Whether ``x`` (batch, channels, length) is of this kind."""
    return type(x) is numpy.ndarray and x.shape[0] == 1 and x.shape[2] >= LONG and x.dtype.char in "fd"


def _blocks(length: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, length, _BLOCK)]


def moments(x: Any) -> tuple[Any, Any]:
    """Mean and variance (over the count) of each row."""
    _, channels, length = x.shape
    mean, variance = numpy.empty((2, channels), x.dtype)
    blocks = _blocks(length)

    def part(low: int, high: int) -> None:
        ones, away = numpy.ones(min(length, _BLOCK), x.dtype), numpy.empty(min(length, _BLOCK), x.dtype)
        for channel in range(low, high):
            row = x[0, channel]
            middle = mean[channel] = sum(row[one] @ ones[: row[one].size] for one in blocks) / length
            total = 0.0
            for one in blocks:
                here = numpy.subtract(row[one], middle, out=away[: row[one].size])
                total += here @ here
            variance[channel] = total / length

    split(part, channels, x.size * 0.3)
    return mean, variance


def standardize(x: Any, mean: Any, scale: Any, bias: Any, out: Any) -> None:
    """Write ``(x - mean) * scale + bias`` into ``out``."""
    blocks = _blocks(x.shape[2])

    def part(low: int, high: int) -> None:
        for channel in range(low, high):
            for one in blocks:
                piece = numpy.subtract(x[0, channel, one], mean[channel], out=out[0, channel, one])
                piece *= scale[channel]
                if bias is not None:
                    piece += bias[channel]

    split(part, x.shape[1], x.size * 0.4)


def totals(g: Any) -> Any:
    """The sum of each row, as :func:`pull` finds it."""
    ones = numpy.ones(min(g.shape[2], _BLOCK), g.dtype)
    found = numpy.empty(g.shape[1], g.dtype)
    blocks = _blocks(g.shape[2])

    def part(low: int, high: int) -> None:
        for channel in range(low, high):
            found[channel] = sum(g[0, channel, one] @ ones[: g[0, channel, one].size] for one in blocks)

    split(part, g.shape[1], g.size * 0.1)
    return found


def pull(g: Any, x: Any, mean: Any, factor: Any, scale: Any, pulled: Any) -> tuple[Any, Any]:
    """Write the cotangent of ``x`` into ``pulled``; the sums over ``g`` times the standardized ``x``, and ``g``."""
    _, channels, length = x.shape
    total, product = numpy.empty((2, channels), x.dtype)
    blocks = _blocks(length)

    def part(low: int, high: int) -> None:
        ones = numpy.ones(min(length, _BLOCK), x.dtype)
        for channel in range(low, high):
            given, row, out = g[0, channel], x[0, channel], pulled[0, channel]
            whole = along = x.dtype.type(0)
            for one in blocks:
                whole = whole + given[one] @ ones[: given[one].size]
                along = along + given[one] @ numpy.subtract(row[one], mean[channel], out=out[one])
            total[channel], product[channel] = whole, along * factor[channel]
            slope, level = product[channel] * factor[channel] / -length, whole / length
            for one in blocks:
                piece = out[one]
                piece *= slope
                piece += given[one]
                piece -= level
                piece *= scale[channel]

    split(part, channels, x.size * 0.7)
    return product, total
