"""``Size``: what ``tensor.shape`` is."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex, overload


class Size(tuple[int, ...]):
    """The sizes of a tensor along its axes: a tuple of ints, which adds, slices and repeats to sizes again.

    It is shown as ``Size([2, 3])``: as PyTorch's, without the name of a module.

    Errors
    ------
    TypeError for what is no integer.

    >>> size = Size([2, 3])
    >>> size, size.numel(), size[1:], size + (4,)
    (Size([2, 3]), 6, Size([3]), Size([2, 3, 4]))
    >>> size == (2, 3)
    True
    """

    __slots__ = ()

    def __new__(cls, sizes: Iterable[SupportsIndex] = ()) -> Size:
        entries = []
        for position, size in enumerate(sizes):
            try:
                entries.append(operator.index(size))
            except TypeError:
                kind = type(size).__name__
                raise TypeError(f"Size takes integers, and item {position} is {size!r:.60}, a {kind}") from None
        return super().__new__(cls, entries)

    def numel(self) -> int:
        """The number of entries of a tensor of this size."""
        return math.prod(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Size: ...
    def __getitem__(self, index: Any, found: Any = tuple.__getitem__) -> Any:
        if type(index) is slice:
            return KNOWN_SIZES[found(self, index)]
        return found(self, index)

    def __add__(self, other: Any) -> Any:
        joined = tuple.__add__(self, other) if isinstance(other, tuple) else NotImplemented
        return joined if joined is NotImplemented else Size(joined)

    def __radd__(self, other: Any) -> Any:
        return Size(tuple.__add__(other, self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: SupportsIndex) -> Size:
        return tuple.__new__(Size, tuple.__mul__(self, count))

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"Size([{', '.join(map(repr, self))}])"


class _Known(dict[tuple[int, ...], Size]):
    """The sizes that have been asked for: a third of the time that making one takes."""

    def __missing__(self, shape: tuple[int, ...]) -> Size:
        if len(self) >= 1024:
            self.clear()
        size = self[shape] = tuple.__new__(Size, shape)
        return size


KNOWN_SIZES = _Known()
