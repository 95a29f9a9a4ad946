"""Axes given by users, made regular: ints or tuples, negative or not, become sorted tuples of non-negative ints."""

from __future__ import annotations

import operator
from typing import Any

from tinygrad_mp.errors import IndexRangeError, ShapeError


def one_axis(dim: Any, ndim: int) -> int:
    """``dim`` as a non-negative axis of an array with ``ndim`` axes; a 0-d array counts as having one.

    >>> one_axis(-1, 3)
    2
    """
    axis = operator.index(dim)
    count = max(ndim, 1)
    if not -count <= axis < count:
        raise IndexRangeError(
            f"dim {axis} is out of range for a tensor with {ndim} dimensions",
            fix=f"use {-count} to {count - 1}",
        )
    return axis % count


def sorted_axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """``dim`` (None: all axes; an int; a sequence) as a sorted tuple of distinct non-negative axes.

    >>> sorted_axes(None, 2), sorted_axes((-1, 0), 3)
    ((0, 1), (0, 2))
    """
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        return (one_axis(dim, ndim),) if ndim else _scalar_axes(dim)
    if ndim == 0:
        for one in dim:
            one_axis(one, 0)
        return ()
    axes = tuple(sorted(one_axis(one, ndim) for one in dim))
    if len(set(axes)) < len(axes):
        raise ShapeError(f"dim {tuple(dim)} names an axis twice")
    return axes


def _scalar_axes(dim: Any) -> tuple[int, ...]:
    one_axis(dim, 0)
    return ()
