"""Sums of matrices by rows and columns, through BLAS where it takes the dtype: it is faster than NumPy's own."""

from __future__ import annotations

from typing import Any

import numpy


def by_blas(x: Any) -> bool:
    """Whether BLAS computes on such an array."""
    return type(x) is numpy.ndarray and x.dtype.char in "fd"


def row_sums(x: Any) -> Any:
    """The sums of the rows of a contiguous matrix."""
    return x @ numpy.ones(x.shape[1], x.dtype) if by_blas(x) else x.sum(axis=1)


def column_sums(x: Any) -> Any:
    """The sums of the columns of a contiguous matrix."""
    return numpy.ones(x.shape[0], x.dtype) @ x if by_blas(x) else x.sum(axis=0)


def row_products(x: Any, y: Any) -> Any:
    """The inner products of the rows of two contiguous matrices."""
    return numpy.vecdot(x, y) if by_blas(x) else (x * y).sum(axis=1)
