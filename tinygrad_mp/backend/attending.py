"""Kernels of attention: forward and backward in parts, so that the table of all weights never exists as a whole.

``q`` is (heads, targets, width), ``k`` and ``v`` are (heads, sources, ...); ``mask`` is (heads or 1, targets, sources),
boolean (True: may be seen) or floating (added); ``kept`` (heads, targets, sources) says which weights dropout leaves.
Backward computes the weights again, as Dao et al., FlashAttention, 2022, do. Heads are split over threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.backend.kernels import kernel
from tinygrad_mp.backend.softening import powers, suits
from tinygrad_mp.backend.sums import row_products, row_sums
from tinygrad_mp.backend.threads import split

_PART = 1 << 17
"""Weights at a time on the CPU."""
_NANOSECONDS = 4.0
"""What a weight takes, about."""


def _for_heads(function: Callable[[slice], None], q: Any, sources: int) -> None:
    """Call ``function`` on several heads at a time where they are small, on one where it is large."""
    heads, targets = q.shape[:2]
    if type(q) is not numpy.ndarray:
        function(slice(0, heads))
        return
    some = max(1, _PART // max(targets * sources, 1))

    def part(low: int, high: int) -> None:
        for head in range(low * some, min(high * some, heads), some):
            function(slice(head, head + some))

    split(part, -(-heads // some), heads * targets * sources * _NANOSECONDS)


def _parts(heads: slice, q: Any, sources: int) -> Iterator[tuple[slice, slice]]:
    """All targets of these heads; where one head is large, some of its targets."""
    targets = q.shape[1]
    rows = targets
    if type(q) is numpy.ndarray and targets * sources > _PART:
        rows = min(targets, max(16, _PART // sources))
    for row in range(0, targets, max(rows, 1)):
        yield heads, slice(row, row + rows)


def _of_part(table: Any, part: tuple[slice, slice], sources: slice) -> Any:
    return table[:, part[1], sources] if table.shape[0] == 1 else table[(*part, sources)]


def _seen_sources(part: tuple[slice, slice], count: int, causal: bool) -> slice:
    """The sources that some target of a part may see."""
    return slice(0, min(count, part[1].stop) if causal else count)


def weights(q: Any, k: Any, mask: Any, part: tuple[slice, slice], causal: bool, scale: float) -> tuple[Any, Any]:
    """The softmax of a part, each row still to be divided by its sum, and these sums; a hidden row is 0."""
    module = xp(q)
    sources = _seen_sources(part, k.shape[1], causal)
    scores = (q[part] * scale) @ k[part[0], sources].swapaxes(1, 2)
    if causal:
        first = part[1].start
        row = module.arange(first, first + scores.shape[1])[:, None]
        scores += module.where(row >= module.arange(scores.shape[2]), 0.0, -math.inf).astype(scores.dtype)
    if mask is not None:
        piece = _of_part(mask, part, sources)
        if piece.dtype.kind == "b":
            scores = module.where(piece, scores, -math.inf)
        else:
            scores += piece
    rows = scores.reshape(-1, scores.shape[2])
    if suits(rows, 1):
        seen = module.empty_like(rows)
        total = powers(rows, seen)
    else:
        top = rows.max(axis=1, keepdims=True)
        seen = module.exp(rows - module.where(top == -math.inf, 0.0, top).astype(rows.dtype))
        total = row_sums(seen)
    if mask is not None:
        total += total == 0
    return seen.reshape(scores.shape), total.reshape(*scores.shape[:2], 1)


@kernel
def attend(q: Any, k: Any, v: Any, mask: Any, kept: Any, causal: bool, scale: float, share: float) -> Any:
    """``dropout(softmax(scale * q k^T + mask)) v``; what dropout keeps is divided by ``share``."""
    out = xp(q).zeros((*q.shape[:2], v.shape[2]), dtype=q.dtype)
    if not k.shape[1] or not out.size:
        return out

    def some(heads: slice) -> None:
        for part in _parts(heads, q, k.shape[1]):
            sources = _seen_sources(part, k.shape[1], causal)
            seen, total = weights(q, k, mask, part, causal, scale)
            if kept is not None:
                seen *= kept[(*part, sources)]
                total *= share
            xp(q).matmul(seen, v[part[0], sources], out=out[part])
            out[part] /= total

    _for_heads(some, q, k.shape[1])
    return out


@kernel
def pull_attend(
    g: Any, q: Any, k: Any, v: Any, mask: Any, kept: Any, causal: bool, scale: float, share: float, of_mask: bool
) -> tuple[Any, Any, Any, Any]:
    """The cotangents of ``q``, ``k``, ``v`` and, if asked for, of the mask for each head."""
    module = xp(q)
    to_q, to_k, to_v = (module.zeros(one.shape, dtype=one.dtype) for one in (q, k, v))
    to_mask = module.zeros((q.shape[0], q.shape[1], k.shape[1]), dtype=q.dtype) if of_mask else None
    if not k.shape[1] or not q.size:
        return to_q, to_k, to_v, to_mask

    def some(heads: slice) -> None:
        for part in _parts(heads, q, k.shape[1]):
            pull(part)

    def pull(part: tuple[slice, slice]) -> None:
        given, sources = g[part], _seen_sources(part, k.shape[1], causal)
        seen_k, seen_v, to_seen_k, to_seen_v = (one[part[0], sources] for one in (k, v, to_k, to_v))
        seen, total = weights(q, k, mask, part, causal, scale)
        seen /= total
        pulled = given @ seen_v.swapaxes(1, 2)
        if kept is None:
            to_seen_v += seen.swapaxes(1, 2) @ given
        else:
            factor = kept[(*part, sources)].astype(q.dtype)
            factor /= share
            pulled *= factor
            factor *= seen
            to_seen_v += factor.swapaxes(1, 2) @ given
        shape = (pulled.shape[0] * pulled.shape[1], pulled.shape[2])
        level = row_products(pulled.reshape(shape), seen.reshape(shape))
        pulled -= level.reshape(*pulled.shape[:2], 1)
        pulled *= seen
        if to_mask is not None:
            to_mask[(*part, sources)] = pulled
        module.matmul(pulled, seen_k, out=to_q[part])
        to_seen_k += pulled.swapaxes(1, 2) @ q[part]

    _for_heads(some, q, k.shape[1])
    to_q *= scale
    to_k *= scale
    return to_q, to_k, to_v, to_mask
