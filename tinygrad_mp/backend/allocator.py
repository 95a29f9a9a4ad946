"""Keep freed memory instead of giving it back: on Linux, large NumPy temporaries get faster by factors.

By default glibc asks the kernel for fresh pages for every large array and gives them back at once. Each page is then
faulted in and zeroed again, about 2 µs for every 4 KiB, which for arrays from 1 MB on takes longer than the arithmetic.
:func:`keep_freed_memory` tells glibc to serve large arrays from its heap and to keep what they free, up to the most the
program ever used. It runs when the package is imported, acts on the whole process, and does nothing where the C library
is not glibc. ``TINYGRAD_MP_MALLOPT=0`` in the environment leaves the allocator alone.

Measured with ``python benchmarks/allocator.py``: ``(a + a) * (a - a)`` takes 0.13 of the time at 1 MB and 0.5 at 16 MB.
"""

from __future__ import annotations

import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # from glibc's malloc.h


def keep_freed_memory() -> bool:
    """Set up the allocator unless the environment forbids it; whether it was done.

    >>> keep_freed_memory() in (True, False)
    True
    """
    if os.environ.get("TINYGRAD_MP_MALLOPT") == "0" or not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    settings = ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, 64 << 20))
    return all([mallopt(option, value) == 1 for option, value in settings])
