"""A copy of all that training changes: to go back to the best epoch, and to go on from the last."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written


@dataclass(frozen=True)
class Snapshot:
    """Parameters and buffers, and the states of the optimizer and the schedule, after some epoch.

    ``arrays`` are by path; ``optimizer`` and ``schedule`` are state dicts, of tensors that nobody else holds.
    """

    epoch: int
    arrays: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any] | None

    @staticmethod
    def taken(epoch: int, model: Any, optimizer: Any, schedule: Any) -> Snapshot:
        """A copy of the present."""
        arrays = {name: tensor.array.copy() for name, tensor in _tensors(model)}
        return Snapshot(epoch, arrays, copied(optimizer.state_dict()), copied(schedule and schedule.state_dict()))

    def is_spoilt(self, model: Any) -> bool:
        """Whether some entry of the model is NaN or infinite that was a number then."""
        pairs = [(self.arrays[name], tensor.array) for name, tensor in _tensors(model)]
        return any(bool((xp(now).isfinite(then) & ~xp(now).isfinite(now)).any()) for then, now in pairs)

    def restore(self, model: Any, optimizer: Any, schedule: Any) -> None:
        """Make the past the present."""
        for name, tensor in _tensors(model):
            tensor.array[...] = self.arrays[name]
            mark_written(tensor.array)
        optimizer.load_state_dict(self.optimizer)
        if schedule is not None:
            schedule.load_state_dict(copied(self.schedule))


def _tensors(model: Any) -> list[tuple[str, Any]]:
    return [*model.named_parameters(), *model.named_buffers()]


def copied(value: Any) -> Any:
    """A nested state with tensors of its own; what is no container or tensor is deep-copied."""
    if isinstance(value, TensorBase):
        return wrap(Tensor, value.array.copy())
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return copy.deepcopy(value)
