"""Optimizers whose formula is applied to as many entries at a time as is fast.

Every parameter, its gradient and its state keep memory of their own. Large ones are updated where they lie, in blocks
that are split over threads. Small ones, for which the calls cost more than the arithmetic, are copied one behind the
other, updated together, and copied back: for a bias that is a third of the time of twelve calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy

from tinygrad_mp.backend import split, xp
from tinygrad_mp.optim.optimizer import Group, Optimizer, zeros_like

Update: TypeAlias = Callable[..., None]
"""``update(p, g, work, *state)`` writes the next values into ``p`` and ``state``; ``work`` is scratch memory."""

SMALL = 1 << 13
"""Parameters of fewer entries are updated together."""
BLOCK = 1 << 17
"""Entries in a block. Smaller blocks stay in the cache better, but there are more calls to make; measured."""
_COST = 1.5
"""Nanoseconds for one entry, estimated."""


class FusedOptimizer(Optimizer):
    """Base of optimizers whose formula works entry by entry, so that it does not matter which entries are together."""

    # --- to be written by subclasses ---

    def buffers(self, group: Group) -> tuple[str, ...]:
        """The names of the state that the formula takes, in its order; each of its parameter's shape, zero at first."""
        raise NotImplementedError(f"{type(self).__name__} has no buffers method")

    def stage(self, entries: dict[str, Any]) -> Any:
        """What else the formula depends on, such as the number of this step, which is also written to the state."""
        raise NotImplementedError(f"{type(self).__name__} has no stage method")

    def formula(self, group: Group, stage: Any) -> Update:
        """The update of the entries of all parameters of a group that are in one stage."""
        raise NotImplementedError(f"{type(self).__name__} has no formula method")

    # --- stepping ---

    def advance(self, due: list[tuple[Any, Any, Group]]) -> None:
        """Update all parameters that are due."""
        together: dict[Any, tuple[Update, list[list[Any]]]] = {}
        updates: dict[Any, Update] = {}
        last = None
        for parameter, g, group in due:
            if group is not last:
                last, names = group, self.buffers(group)
            p = parameter.array
            entries = self.state[parameter] if names else {}
            stage = self.stage(entries)
            arrays = [p, g]
            for name in names:
                if name not in entries:
                    entries[name] = zeros_like(parameter)
                arrays.append(entries[name].array)
            alike = (id(group), stage)
            update = updates.get(alike)
            if update is None:
                update = updates[alike] = self.formula(group, stage)
            if p.size >= SMALL:
                _update_in_place(update, arrays)
                continue
            key = (*alike, p.dtype.char, None if type(p) is numpy.ndarray else parameter.device)
            if key in together:
                together[key][1].append(arrays)
            else:
                together[key] = (update, [arrays])
        for update, rows in together.values():
            step = BLOCK // SMALL  # rows that fill a block, so that the copies stay small
            for start in range(0, len(rows), step):
                _update_together(update, rows[start : start + step])


def _update_together(update: Update, rows: list[list[Any]]) -> None:
    """Each row holds the parameter, its gradient and its state."""
    if len(rows) == 1:
        _update_in_place(update, rows[0])
        return
    module = xp(rows[0][0])
    columns = list(zip(*rows, strict=True))
    joined = [module.concatenate(column, axis=None) for column in columns]
    p, g, *state = joined
    update(p, g, module.empty_like(p), *state)
    for column, flat in zip(columns, joined, strict=True):
        if flat is not g:
            stop = 0
            for array in column:
                start, stop = stop, stop + array.size
                array[...] = flat[start:stop].reshape(array.shape)


def _update_in_place(update: Update, arrays: list[Any]) -> None:
    whole, gradient, *rest = arrays
    lines = _lines(arrays)
    if lines is None and type(whole) is numpy.ndarray:  # a product of matrices may give the gradient transposed
        turned = numpy.empty_like(whole)
        turned[...] = gradient
        lines = _lines([whole, turned, *rest])
    if lines is None:
        update(whole, gradient, xp(whole).empty_like(whole), *rest)
        return

    if whole.size <= BLOCK:
        update(*lines[:2], numpy.empty_like(lines[0]), *lines[2:])
        return

    def part(low: int, high: int) -> None:
        work = numpy.empty(min(BLOCK, high - low), whole.dtype)
        for start in range(low, high, BLOCK):
            stop = min(start + BLOCK, high)
            p, g, *state = [line[start:stop] for line in lines]
            update(p, g, work[: stop - start], *state)

    split(part, whole.size, whole.size * _COST)


def _lines(arrays: Sequence[Any]) -> list[Any] | None:
    """NumPy arrays of one shape as lines of their memory, entry by entry the same; None if they lie differently."""
    first = arrays[0]
    if type(first) is not numpy.ndarray:
        return None
    if not first.flags.c_contiguous:
        order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
        arrays = [array.transpose(order) for array in arrays]
    return [array.reshape(-1) for array in arrays] if all(array.flags.c_contiguous for array in arrays) else None
