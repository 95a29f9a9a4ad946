"""Kernels of softmax and its logarithm along the rows of a contiguous matrix, with their pullbacks, on the CPU.

Rows are taken in blocks that stay in the cache, split over threads. Sums of rows are products with a vector of ones.

The largest entry of each row must be known only if a power may overflow, or all of a row's may vanish: softmax is the
same whatever is taken off a row, and to look for the largest entry of everything is ten times as fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend.arrays import contiguous
from tinygrad_mp.backend.buffers import rows_of
from tinygrad_mp.backend.kernels import kernel
from tinygrad_mp.backend.threads import split

_BLOCK = 1 << 18
"""Entries of a block. In smaller ones calls are so short that threads wait for one another; measured."""
_HIGH, _LOW = 60.0, 1e-20
"""An entry whose power may be summed, even a million times, in float32; a sum beside which no lost power counts."""


def suits(x: Any, dim: int) -> bool:
    """Whether the kernels can take ``x`` by its rows."""
    return type(x) is numpy.ndarray and dim == x.ndim - 1 and x.dtype.char in "fd" and x.size > 0


def _by_rows(function: Callable[[Any, slice], None], like: Any, cost: float) -> Any:
    """A result like ``like``, which ``function(out, rows)`` fills block by block; ``cost`` is for an entry."""
    out = numpy.empty(like.shape, like.dtype)
    matrix = out.reshape(-1, like.shape[-1])
    count = max(1, _BLOCK // matrix.shape[1])

    def part(low: int, high: int) -> None:
        with rows_of(matrix.shape[1]):
            for start in range(low, high, count):
                rows = slice(start, min(start + count, high))
                function(matrix[rows], rows)

    split(part, len(matrix), out.size * cost)
    return out


def powers(x: Any, out: Any) -> Any:
    """Write ``exp(x - c)`` into ``out``, with a number ``c`` for each row, and return the sums of the rows."""
    ones = numpy.ones(x.shape[1], x.dtype)
    if x.max() < _HIGH:
        total = numpy.exp(x, out=out) @ ones
        if total.min() > _LOW:
            return total
    top = _largest(x)
    top[numpy.isneginf(top)] = 0.0  # nothing in sight: the powers are 0
    return numpy.exp(numpy.subtract(x, top, out=out), out=out) @ ones


def _largest(x: Any) -> Any:
    # NumPy takes the maximum of short rows one entry at a time, of long columns many.
    columns = numpy.ascontiguousarray(x.T).max(axis=0) if x.shape[1] <= 32 else x.max(axis=1)
    return columns[:, None]


@kernel
def soften(x: Any) -> Any:
    """Softmax of each row. A row of nothing but -inf has none: it becomes NaN."""
    x = contiguous(x)
    rows = x.reshape(-1, x.shape[-1])

    def block(out: Any, here: slice) -> None:
        total = powers(rows[here], out)
        out /= total[:, None]

    return _by_rows(block, x, 3.0)


@kernel
def pull_soften(g: Any, out: Any) -> Any:
    """The cotangent of the logits, from that of their softmax ``out``."""
    shape = out.shape
    g, out = (contiguous(one).reshape(-1, shape[-1]) for one in (g, out))

    def block(pulled: Any, here: slice) -> None:
        numpy.subtract(g[here], numpy.vecdot(g[here], out[here])[:, None], out=pulled)
        pulled *= out[here]

    return _by_rows(block, out, 0.7).reshape(shape)


@kernel
def log_soften(x: Any) -> Any:
    """The logarithm of the softmax of each row."""
    x = contiguous(x)
    rows = x.reshape(-1, x.shape[-1])
    ones = numpy.ones(x.shape[-1], x.dtype)

    def block(out: Any, here: slice) -> None:
        numpy.subtract(rows[here], _largest(rows[here]), out=out)
        out -= numpy.log(numpy.exp(out) @ ones)[:, None]

    return _by_rows(block, x, 3.0)


@kernel
def pull_log_soften(g: Any, out: Any) -> Any:
    """The cotangent of the logits, from that of ``out``, the logarithm of their softmax."""
    shape = out.shape
    g, out = (contiguous(one).reshape(-1, shape[-1]) for one in (g, out))
    ones = numpy.ones(out.shape[-1], out.dtype)

    def block(pulled: Any, here: slice) -> None:
        numpy.exp(out[here], out=pulled)
        pulled *= (g[here] @ ones)[:, None]
        numpy.subtract(g[here], pulled, out=pulled)

    return _by_rows(block, out, 3.0).reshape(shape)
