"""Kernels that bring groups of entries to mean 0 and variance 1, and pull cotangents back through that.

There are two layouts. By *channels*, ``x`` is (batch, channels, length) and a group is a channel, in all of the batch.
By *rows*, ``x`` is (batch, groups, channels, length) and each group of each example stands alone; layer, group,
instance and RMS normalisation are of this kind. All arrays are contiguous and of one dtype.

On the CPU the work is done in parts that stay in the cache, sums go through BLAS, and results are written into memory
that is owned; on other devices the same lines run on everything at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from tinygrad_mp.backend import long_rows, whole_rows
from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.backend.kernels import kernel
from tinygrad_mp.backend.sums import by_blas, column_sums, row_products, row_sums

_PART = 1 << 17
"""Entries in a part. Smaller parts stay in the cache better, but there are more calls to make; measured."""
_WIDE = 1 << 13
"""How many entries a repeated weight may have."""
_LONG = 16
"""From which length on the sum of a row is better taken by itself than together with its neighbours."""


def _parts(x: Any) -> Iterator[tuple[slice, ...]]:
    """Slices of the first axis, or of the first two where one example is large, that make contiguous parts."""
    batch, each = x.shape[0], math.prod(x.shape[1:])
    if type(x) is not numpy.ndarray or batch * each <= _PART:
        yield (slice(None),)
    elif each <= _PART:
        step = max(1, _PART // max(each, 1))
        for start in range(0, batch, step):
            yield (slice(start, start + step),)
    else:
        step = max(1, _PART // math.prod(x.shape[2:]))
        for example in range(batch):
            for start in range(0, x.shape[1], step):
                yield slice(example, example + 1), slice(start, start + step)


def channel_sums(x: Any) -> Any:
    """The sums of (batch, channels, length) over batch and length."""
    batch, channels, length = x.shape
    if length >= _LONG:
        return row_sums(x.reshape(batch * channels, length)).reshape(batch, channels).sum(axis=0)
    return column_sums(x.reshape(batch, channels * length)).reshape(channels, length).sum(axis=1)


def total_by_channel(x: Any) -> Any:
    """:func:`channel_sums` part by part, in the order of the backward kernels, so that their results are the same."""
    if long_rows.suits(x):
        return long_rows.totals(x)
    total = xp(x).zeros(x.shape[1], dtype=x.dtype)
    for part in _parts(x):
        total[part[1:]] += channel_sums(x[part])
    return total


def _channel_products(x: Any, y: Any) -> Any:
    batch, channels, length = x.shape
    if length < _LONG:
        return channel_sums(x * y)
    shape = (batch * channels, length)
    return row_products(x.reshape(shape), y.reshape(shape)).reshape(batch, channels).sum(axis=0)


def _weighted_sums(x: Any, factor: Any) -> Any:
    """The sums over batch and length of ``x * factor``, where factor is (batch, groups, 1, 1)."""
    batch, groups, channels, length = x.shape
    if length == groups == 1 and by_blas(x):
        return (factor.reshape(batch) @ x.reshape(batch, channels)).reshape(1, channels)
    totals = x.reshape(batch * groups * channels, length)
    totals = (row_sums(totals) if length != 1 else totals).reshape(batch, groups, channels)
    return (totals * factor[..., 0]).sum(axis=0)


def _combined(operation: Any, x: Any, affine: Any, out: Any) -> Any:
    """``operation(x, affine)`` with ``x`` (batch, groups, channels, length) and ``affine`` (groups, channels, 1).

    Short rows cost NumPy a start each, so weight and bias are repeated until they match several rows at once.
    """
    batch, width = x.shape[0], math.prod(x.shape[1:])
    several = math.gcd(batch, _WIDE // max(width, 1)) if x.shape[3] == 1 and type(x) is numpy.ndarray else 1
    if several > 1:
        shape = (batch // several, several * width)
        operation(x.reshape(shape), numpy.tile(affine.reshape(-1), several), out=out.reshape(shape))
        return out
    return operation(x, affine, out=out)


# --- by channels ----------------------------------------------------------------------------------------------------


@kernel
def channel_moments(x: Any) -> tuple[Any, Any]:
    """Mean and variance (over the count) of each channel of (batch, channels, length).

    Long rows are read once: each row's moments by itself, then put together (Chan, Golub and LeVeque, Updating formulae
    and a pairwise algorithm for computing sample variances, 1979).
    """
    if long_rows.suits(x):
        return long_rows.moments(x)
    module = xp(x)
    batch, channels, length = x.shape
    count = max(batch * length, 1)
    if length < _LONG:
        mean = channel_sums(x) / count
        variance = module.zeros(channels, dtype=x.dtype)
        for part in _parts(x):
            away = x[part] - mean[part[1:]][:, None]
            variance[part[1:]] += _channel_products(away, away)
        return mean, variance / count
    means, squares = module.empty((batch, channels), dtype=x.dtype), module.empty((batch, channels), dtype=x.dtype)
    for part in _parts(x):
        piece = x[part]
        shape = (piece.shape[0] * piece.shape[1], length)
        middle = row_sums(piece.reshape(shape)) / length
        away = piece.reshape(shape) - middle[:, None]
        means[part] = middle.reshape(piece.shape[:2])
        squares[part] = row_products(away, away).reshape(piece.shape[:2])
    mean = means.sum(axis=0) / max(batch, 1)
    between = means - mean
    between *= between
    return mean, (squares.sum(axis=0) + between.sum(axis=0) * length) / count


@kernel
def standardize_channels(x: Any, mean: Any, factor: Any, weight: Any, bias: Any, out: Any = None) -> Any:
    """``(x - mean) * factor * weight + bias``, all but ``x`` of shape (channels,); weight and bias may be None.

    Written into ``out``, of the shape of ``x``, if it is not None.
    """
    scale = factor if weight is None else factor * weight
    out = xp(x).empty_like(x) if out is None else out
    if long_rows.suits(x):
        long_rows.standardize(x, mean, scale, bias, out)
        return out
    for part in _parts(x):
        piece, here = out[part], part[1:]
        xp(x).subtract(x[part], mean[here][:, None], out=piece)
        piece *= scale[here][:, None]
        if bias is not None:
            piece += bias[here][:, None]
    return out


@kernel
def pull_channels(g: Any, x: Any, mean: Any, factor: Any, weight: Any, out: Any = None) -> tuple[Any, Any, Any]:
    """The cotangents of ``x`` (in ``out``, if it is not None), weight and bias.

    Source: Ioffe and Szegedy, Batch normalization, 2015, section 3.
    """
    scale = factor if weight is None else factor * weight
    module = xp(x)
    pulled = module.empty_like(x) if out is None else out
    if long_rows.suits(x):
        return pulled, *long_rows.pull(g, x, mean, factor, scale, pulled)
    channels = x.shape[1]
    count = max(x.shape[0] * x.shape[2], 1)
    total, product = module.zeros(channels, dtype=x.dtype), module.zeros(channels, dtype=x.dtype)
    for part in _parts(x):
        here = part[1:]
        away = module.subtract(x[part], mean[here][:, None], out=pulled[part])
        total[here] += channel_sums(g[part])
        product[here] += _channel_products(g[part], away)
    product *= factor
    slope, level = product * factor / -count, total / count
    for part in _parts(x):
        piece, here = pulled[part], part[1:]
        piece *= slope[here][:, None]
        piece += g[part]
        piece -= level[here][:, None]
        piece *= scale[here][:, None]
    return pulled, product, total


# --- by rows --------------------------------------------------------------------------------------------------------


@kernel
def standardize_rows(x: Any, weight: Any, bias: Any, eps: float, centred: bool) -> tuple[Any, Any, Any]:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, the mean (None unless ``centred``) and 1 over the root.

    ``x`` is (batch, groups, channels, length), weight and bias are (groups, channels, 1) or None; mean and factor come
    back as (batch, groups, 1, 1).
    """
    if whole_rows.suits(x):
        return whole_rows.standardize(x, weight, bias, eps, centred)
    module = xp(x)
    out, count = module.empty_like(x), max(x.shape[2] * x.shape[3], 1)
    mean = module.empty((*x.shape[:2], 1, 1), dtype=x.dtype) if centred else None
    factor = module.empty((*x.shape[:2], 1, 1), dtype=x.dtype)
    for part in _parts(x):
        piece, result, here = x[part], out[part], part[1:]
        shape = (piece.shape[0] * piece.shape[1], x.shape[2] * x.shape[3])
        few = (*piece.shape[:2], 1, 1)
        if mean is not None:
            middle = (row_sums(piece.reshape(shape)) / count).reshape(few)
            mean[part] = middle
            piece = module.subtract(piece, middle, out=result)
        rows = piece.reshape(shape)
        near = 1 / module.sqrt(row_products(rows, rows) / count + eps)
        factor[part] = near.reshape(few)
        module.multiply(piece, near.reshape(few), out=result)
        if weight is not None:
            _combined(module.multiply, result, weight[here], result)
        if bias is not None:
            _combined(module.add, result, bias[here], result)
    return out, mean, factor


@kernel
def pull_rows(g: Any, x: Any, mean: Any, factor: Any, weight: Any, affine: bool) -> tuple[Any, Any, Any]:
    """The cotangents of ``x``, weight and bias; None for the latter two unless ``affine``.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016, supplement.
    """
    if whole_rows.suits(x):
        return whole_rows.pull(g, x, mean, factor, weight, affine)
    module = xp(x)
    count = max(x.shape[2] * x.shape[3], 1)
    pulled = module.empty_like(x)
    product = module.zeros(x.shape[1:3], dtype=x.dtype) if affine else None
    total = module.zeros(x.shape[1:3], dtype=x.dtype) if affine else None
    for part in _parts(x):
        given, result, here = g[part], pulled[part], part[1:]
        shape = (given.shape[0] * given.shape[1], x.shape[2] * x.shape[3])
        few = (*given.shape[:2], 1, 1)
        near = factor[part]
        away = x[part] if mean is None else x[part] - mean[part]
        if product is not None and total is not None:
            by_channel = (given.shape[0], given.shape[1] * given.shape[2], given.shape[3])
            module.multiply(given, away, out=result)
            sizes = given.shape[1:3]
            product[here] += _weighted_sums(result, near)
            total[here] += channel_sums(given.reshape(by_channel)).reshape(sizes)
        if weight is not None:
            given = _combined(module.multiply, given, weight[here], result)
        rows = given.reshape(shape)
        slope = (row_products(rows, away.reshape(shape)) / count).reshape(few) * (near * near)
        level = None if mean is None else (row_sums(rows) / count).reshape(few)
        away = module.multiply(away, slope, out=None if mean is None else away)
        module.subtract(given, away, out=result)
        if level is not None:
            result -= level
        result *= near
    return pulled, product, total
