"""NumPy's own copy of OpenBLAS, where a wheel of NumPy has brought one: functions that NumPy does not show."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy


@cache
def openblas_function(*names: str) -> Any:
    """The first function of these names that there is, as ctypes has it; None without OpenBLAS, or any of them."""
    from pathlib import Path  # not above: it takes long to import, and not every program gets here

    folder = Path(numpy.__file__).parent
    for path in (*folder.parent.glob("numpy.libs/*openblas*"), *folder.glob(".dylibs/*openblas*")):
        library = ctypes.CDLL(str(path))
        for name in names:
            if hasattr(library, name):
                return getattr(library, name)
    return None
