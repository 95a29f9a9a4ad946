"""Writing to many places at once: additions that may meet, and the check that indices lie in range.

Where two values go to the same place they must add up, in an order that is always the same. ``ufunc.at`` does that
on NumPy, fast for one axis only; on a GPU it adds in any order. There, equal indices are brought together by a stable
sort, and neighbours are added in rounds that double their reach.
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.errors import IndexRangeError

# Where NumPy's ways of adding rows overtake one another, measured with NumPy 2.4.
_WIDE = 512  # rows this long are better added one by one, each in one NumPy call
_CROWDED = 4000  # with so many entries for each row of the result, all that go to one row are better added in one call,
_WORTH_SORTING = 64  # if the rows are long enough to pay for sorting the index


def add_rows(index: Any, values: Any, size: int) -> Any:
    """Zeros of shape ``(size, width)`` with ``values[i]`` added to row ``index[i]``.

    Parameters
    ----------
    index : array of int, shape (n,)
        In ``[0, size)``; may repeat, and then the values add up, in their order.
    values : array, shape (n, width)
    size : int

    >>> add_rows(numpy.array([2, 0, 2]), numpy.array([[1.0], [2.0], [3.0]]), 3).ravel()
    array([2., 0., 4.])
    """
    if type(values) is not numpy.ndarray:
        return _add_rows_sorted(index, values, size)
    count, width = values.shape
    total = numpy.zeros((size, width), dtype=values.dtype)
    if width >= _WORTH_SORTING and count * width > _CROWDED * min(size, count):
        order, ordered, starts = _runs(index)
        values, starts = values[order], starts.tolist()
        for start, end, row in zip(starts, [*starts[1:], count], ordered[starts].tolist(), strict=True):
            numpy.add.reduce(values[start:end], axis=0, out=total[row])
    elif width >= _WIDE:
        for row, value in zip(index.tolist(), values, strict=True):
            total[row] += value
    else:
        places = index if width == 1 else index[:, None] * width + numpy.arange(width)
        numpy.add.at(total.reshape(-1), places.reshape(-1), values.reshape(-1))
    return total


def _runs(index: Any) -> tuple[Any, Any, Any]:
    """The order that sorts ``index`` (not empty), the sorted index, and where each run of equal entries starts."""
    module = xp(index)
    order = module.argsort(index, kind="stable")
    ordered = index[order]
    is_first = module.ones(index.shape[0], dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return order, ordered, module.flatnonzero(is_first)


def _add_rows_sorted(index: Any, values: Any, size: int) -> Any:
    """As :func:`add_rows`, with functions that every device has."""
    module = xp(values)
    total = module.zeros((size, values.shape[1]), dtype=values.dtype)
    count = index.shape[0]
    if count == 0:
        return total
    order, index, starts = _runs(index)
    values = values[order]
    longest = max(int((starts[1:] - starts[:-1]).max()) if len(starts) > 1 else 0, count - int(starts[-1]))
    reach = 1
    while reach < longest:  # values[i] holds the sum over i .. i + reach - 1, as far as these go to one place
        same = (index[reach:] == index[:-reach])[:, None]
        added = values.copy()
        added[:-reach] += module.where(same, values[reach:], module.zeros_like(values[reach:]))
        values, reach = added, 2 * reach
    total[index[starts]] = values[starts]
    return total


def check_range(index: Any, size: int, axis: int, *, negative: bool = True, what: str = "index") -> None:
    """Raise IndexRangeError if an entry of the integer array ``index`` lies outside an axis of ``size``.

    With ``negative``, entries from ``-size`` on count from the end; otherwise they must not be negative.

    >>> check_range(numpy.array([[0, 3]]), 3, axis=1)
    Traceback (most recent call last):
        ...
    tinygrad_mp.errors.IndexRangeError: check_range: index 3 at position (0, 1) is out of range for axis 1 with size 3
      ...
      fix: use -3 to 2
    """
    if index.size == 0:
        return
    # Seen as unsigned, a negative number is a huge one: one pass finds whether all lie in [0, size).
    whole = index.view(f"u{index.dtype.itemsize}") if index.dtype.kind == "i" else index
    if int(whole.max()) < size or (negative and int(index.max()) < size and int(index.min()) >= -size):
        return
    low = -size if negative else 0
    wrong = xp(index).argwhere((index < low) | (index >= size))[0]
    position = tuple(int(place) for place in wrong)
    shown = position if len(position) != 1 else position[0]
    raise IndexRangeError(
        f"{what} {int(index[position])}"
        + (f" at position {shown}" if position else "")
        + f" is out of range for axis {axis} with size {size}",
        fix=f"use {low} to {size - 1}" if size else "an axis of size 0 has no valid index",
    )
