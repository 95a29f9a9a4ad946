"""Optimizers whose formula is applied to as many entries at a time as is fast.

Large parameters are updated where they lie, in blocks that are split over threads. Small ones, for which the calls cost
more than the arithmetic, are copied one behind the other, updated together, and copied back: for a bias that is a third
of the time of twelve calls. Their state lies one behind the other for good, its tensors being views.
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

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        self._packs: dict[Any, _Pack] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_packs": {}}

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
        together: dict[Any, tuple[Update, list[_Row]]] = {}
        updates: dict[Any, Update] = {}
        last = None
        for parameter, g, group in due:
            if group is not last:
                last, names = group, self.buffers(group)
            p = parameter.array
            entries = self.state[parameter] if names else {}
            stage = self.stage(entries)
            for name in names:
                if name not in entries:
                    entries[name] = zeros_like(parameter)
            alike = (id(group), stage)
            update = updates.get(alike)
            if update is None:
                update = updates[alike] = self.formula(group, stage)
            row = (p, g, [entries[name] for name in names])
            if p.size >= SMALL:
                _update_in_place(update, row)
                continue
            key = (*alike, p.dtype.char, None if type(p) is numpy.ndarray else parameter.device)
            if key in together:
                together[key][1].append(row)
            else:
                together[key] = (update, [row])
        for key, (update, rows) in together.items():
            step = BLOCK // SMALL  # rows that fill a block, so that the copies stay small
            for start in range(0, len(rows), step):
                place = (key[0], *key[2:], start)
                self._packs[place] = _update_together(update, rows[start : start + step], self._packs.get(place, ()))


_Row: TypeAlias = tuple[Any, Any, list[Any]]
"""The arrays of a parameter and of its gradient, and the tensors of its state."""

_Pack: TypeAlias = tuple[tuple[tuple[Any, ...], Any], ...]
"""For each kind of state: the tensors that lie one behind the other, and the flat memory they share."""


def _update_together(update: Update, rows: list[_Row], pack: _Pack) -> _Pack:
    """Update small parameters with one call; their state stays one behind the other, as ``pack`` says, from then on."""
    if len(rows) == 1:
        _update_in_place(update, rows[0])
        return ()
    join = xp(rows[0][0]).concatenate
    p = join([row[0] for row in rows], axis=None)
    g = join([row[1] for row in rows], axis=None)
    columns = list(zip(*[row[2] for row in rows], strict=True))
    if not _still_holds(pack, columns):
        pack = tuple([(column, _lay_behind_each_other(column)) for column in columns])
    update(p, g, xp(p).empty_like(p), *[flat for _, flat in pack])
    stop = 0
    for array, _, _ in rows:
        start, stop = stop, stop + array.size
        array[...] = p[start:stop].reshape(array.shape)
    return pack


def _still_holds(pack: _Pack, columns: list[tuple[Any, ...]]) -> bool:
    """Whether these are the tensors of the pack, and nobody has given them other memory since."""
    if len(pack) != len(columns):
        return False
    for (known, flat), column in zip(pack, columns, strict=True):
        if len(known) != len(column):
            return False
        for before, tensor in zip(known, column, strict=True):
            if before is not tensor or tensor.array.base is not flat:
                return False
    return True


def _lay_behind_each_other(tensors: tuple[Any, ...]) -> Any:
    """Move tensors into one piece of memory, which is returned."""
    flat = xp(tensors[0].array).concatenate([tensor.array for tensor in tensors], axis=None)
    stop = 0
    for tensor in tensors:
        start, stop = stop, stop + tensor.array.size
        tensor.array = flat[start:stop].reshape(tensor.array.shape)
    return flat


def _update_in_place(update: Update, row: _Row) -> None:
    whole, gradient, tensors = row
    rest = [tensor.array for tensor in tensors]
    arrays = [whole, gradient, *rest]
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
