"""How NumPy goes through the rows of a matrix together with one number, or one vector, for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy

_WORTH = 512


@contextmanager
def rows_of(width: int) -> Iterator[None]:
    """Let NumPy compute on rows as long as this where they lie.

    By default it copies rows shorter than its buffer of 8192 entries into that, which takes as long as a product. Below
    512 entries the copies are cheaper than a start for each row.

    >>> with rows_of(1000):
    ...     numpy.getbufsize()
    512
    """
    if width < _WORTH:
        yield
        return
    before = numpy.setbufsize(_WORTH)
    try:
        yield
    finally:
        numpy.setbufsize(before)
