"""Weighted sums in place, ``y = keep * y + share * x``: the step of every running mean, and of every optimizer.

NumPy takes three passes over memory for it, OpenBLAS's ``axpby`` one. NumPy's own copy of OpenBLAS is used where it
is found and the arrays are large enough to be worth a foreign call; the numbers are the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy

from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.backend.openblas import openblas_function

WORTH_BLAS = 1 << 12
"""Entries from which on the foreign call pays."""

_REALS = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}
_NAMES = ("scipy_cblas_{}axpby64_", "cblas_{}axpby64_")
"""What wheels of NumPy call it: those with 64-bit sizes, which says the name. Others are left to NumPy."""


@cache
def _axpby(dtype: str) -> Callable[..., None] | None:
    """``axpby(n, share, x, 1, keep, y, 1)`` of OpenBLAS on addresses, for float32 ("f") or float64 ("d")."""
    letter, real = _REALS[dtype]
    function: Callable[..., None] | None = openblas_function(*(name.format(letter) for name in _NAMES))
    if function is not None:
        integer = ctypes.c_int64
        function.argtypes = [integer, real, ctypes.c_void_p, integer, real, ctypes.c_void_p, integer]  # type: ignore[attr-defined]
        function.restype = None  # type: ignore[attr-defined]
    return function


def _address(x: Any) -> int:
    # A quarter of the time of x.ctypes.data, which read-only arrays need.
    return ctypes.addressof(ctypes.c_char.from_buffer(x)) if x.flags.writeable else x.ctypes.data


def blend(y: Any, keep: float, x: Any, share: float, work: Any) -> None:
    """Set ``y`` to ``keep * y + share * x``.

    Parameters
    ----------
    y, x : arrays of one shape and dtype
    keep, share : float
    work : array
        Memory of the same kind for ``share * x``, which may be written; may be ``x`` itself.
    """
    if (
        y.size >= WORTH_BLAS
        and type(y) is numpy.ndarray
        and y.dtype.char in _REALS
        and y.flags.c_contiguous
        and x.flags.c_contiguous
        and (axpby := _axpby(y.dtype.char)) is not None
    ):
        axpby(y.size, share, _address(x), 1, keep, _address(y), 1)
        return
    if keep != 1:
        y *= keep
    y += xp(y).multiply(x, share, out=work)
