"""Normalisation by channels where each channel is a column of a matrix, as after a dense layer, on the CPU.

Columns are split over threads; rows are taken in blocks that stay in the cache from one pass to the next. Sums of
columns are products with a vector of ones. See :mod:`tinygrad_mp.backend.normalizing` for what is computed.
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend.threads import split

_BLOCK = 1 << 16
"""Entries of a block."""


def suits(x: Any) -> bool:
    """Whether ``x`` is such a matrix, (batch, channels)."""
    return type(x) is numpy.ndarray and x.ndim == 2 and x.dtype.char in "fd" and x.size > 0 and x.flags.c_contiguous


def _blocks(x: Any) -> list[slice]:
    step = max(1, _BLOCK // x.shape[1])
    return [slice(start, start + step) for start in range(0, len(x), step)]


def standardize(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """``(x - mean) * factor * weight + bias``, mean, factor (1 over the standard deviation) and variance."""
    mean, factor, variance = numpy.zeros((3, x.shape[1]), x.dtype)
    out, blocks = numpy.empty_like(x), _blocks(x)
    ones = numpy.ones(len(x[blocks[0]]), x.dtype)

    def part(low: int, high: int) -> None:
        here = slice(low, high)
        middle, spread, near = mean[here], variance[here], factor[here]
        for rows in blocks:
            piece = x[rows, here]
            middle += ones[: len(piece)] @ piece
        middle /= len(x)
        for rows in blocks:
            piece = numpy.subtract(x[rows, here], middle, out=out[rows, here])
            spread += ones[: len(piece)] @ (piece * piece)
        spread /= len(x)
        near[...] = 1 / numpy.sqrt(spread + eps)
        scale = near if weight is None else near * weight[here]
        for rows in blocks:
            piece = out[rows, here]
            piece *= scale
            if bias is not None:
                piece += bias[here]

    split(part, x.shape[1], x.size * 0.9)
    return out, mean, factor, variance


def pull(g: Any, x: Any, mean: Any, factor: Any, weight: Any) -> tuple[Any, Any, Any]:
    """The cotangents of ``x``, weight and bias. Source: Ioffe and Szegedy, Batch normalization, 2015, section 3."""
    product, total = numpy.zeros((2, x.shape[1]), x.dtype)
    pulled, blocks = numpy.empty_like(x), _blocks(x)
    ones = numpy.ones(len(x[blocks[0]]), x.dtype)

    def part(low: int, high: int) -> None:
        here = slice(low, high)
        along, whole, near = product[here], total[here], factor[here]
        for rows in blocks:
            given = g[rows, here]
            away = numpy.subtract(x[rows, here], mean[here], out=pulled[rows, here])
            whole += ones[: len(given)] @ given
            along += ones[: len(given)] @ (given * away)
        along *= near
        slope, level = along * near / -len(x), whole / len(x)
        scale = near if weight is None else near * weight[here]
        for rows in blocks:
            piece = pulled[rows, here]
            piece *= slope
            piece += g[rows, here]
            piece -= level
            piece *= scale

    split(part, x.shape[1], x.size * 1.3)
    return pulled, product, total
