"""The write log: when was the memory under an array last written by an in-place operation?

The tape keeps raw arrays. If one is written between the forward pass that saved it and the backward pass that needs
it, the gradient would be silently wrong. So every in-place operation notes the time of its write, by the running
number of the tape, under the array that owns the memory; backward compares it with the number of the node that saved
the value. A program without in-place operations pays nothing for this.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any
from weakref import ref

from tinygrad_mp.backend import owner

next_index = itertools.count().__next__
"""The clock of the tape: numbers nodes and writes."""


class _Log:
    """``latest`` is the time of the last write anywhere: nodes younger than it need no look-up."""

    __slots__ = ("latest", "times")

    def __init__(self) -> None:
        self.latest = -1
        self.times: dict[int, tuple[int, ref[Any], int]] = {}


log = _Log()


def mark_written(array: Any) -> None:
    """Note that the memory of ``array`` has just been written."""
    memory = owner(array)
    key, now = id(memory), next_index()
    known = log.times.get(key)
    alive, count = known[1:] if known is not None else (ref(memory, partial(_forget, key)), 0)
    log.times[key] = (now, alive, count + 1)
    log.latest = now


def _forget(key: int, _: ref[Any]) -> None:
    log.times.pop(key, None)


def overwritten_since(array: Any, index: int) -> bool:
    """Whether the memory of ``array`` was written after the moment ``index``."""
    if index > log.latest:
        return False
    known = log.times.get(id(owner(array)))
    return known is not None and known[0] > index


def writes_to(array: Any) -> int:
    """How often the memory of ``array`` was written by in-place operations."""
    known = log.times.get(id(owner(array)))
    return 0 if known is None else known[2]
