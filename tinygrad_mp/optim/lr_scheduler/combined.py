"""Schedulers made of schedulers: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.lr_scheduler.base import LRScheduler, set_setting, settings
from tinygrad_mp.optim.lr_scheduler.plateau import ReduceLROnPlateau


class _Combined(LRScheduler):
    _schedulers: Sequence[Any]

    def _expect(self, schedulers: Sequence[Any], optimizer: Any) -> Any:
        """Raise unless the schedulers can be combined; return their optimizer."""
        name = type(self).__name__
        if not schedulers:
            raise SettingError(f"{name}: there is no scheduler")
        for position, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name}: schedulers[{position}] is a {type(scheduler).__name__}, not a scheduler")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise SettingError(
                    f"{name}: schedulers[{position}] is a ReduceLROnPlateau, whose step needs a measure",
                    fix="step it by itself, after this one",
                )
            optimizer = scheduler.optimizer if optimizer is None else optimizer
            if scheduler.optimizer is not optimizer:
                raise SettingError(f"{name}: schedulers[{position}] has another optimizer")
        return optimizer

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Combined):
    """One scheduler until the first milestone, the next until the second, and so on.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : list of LRScheduler
        Of this optimizer.
    milestones : list of int
        The epochs at which the second, third, ... takes over; one less than schedulers.
    last_epoch : int, default -1

    >>> from tinygrad_mp import optim, zeros
    >>> optimizer = optim.SGD([zeros(2, requires_grad=True)], lr=1.0)
    >>> warm_up = optim.lr_scheduler.ConstantLR(optimizer, 0.1, total_iters=2)
    >>> fall = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    >>> scheduler = optim.lr_scheduler.SequentialLR(optimizer, [warm_up, fall], milestones=[2])
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [0.1, 0.1, 1.0, 0.5]
    """

    def __init__(self, optimizer: Any, schedulers: list[Any], milestones: list[int], last_epoch: int = -1) -> None:
        self.optimizer = self._expect(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise SettingError(
                f"SequentialLR: {len(milestones)} milestones for {len(schedulers)} schedulers",
                fix="give one milestone less than schedulers",
            )
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch = last_epoch + 1
        # Making the schedulers has set the rates: back to the first ones, from which the first scheduler begins.
        for group in optimizer.param_groups:
            set_setting(group, "lr", group["initial_lr"])
        _undo_first_step(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch of the scheduler whose turn it is."""
        self.last_epoch += 1
        position = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[position]
        if position > 0 and self._milestones[position - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


def _undo_first_step(scheduler: Any) -> None:
    """Take back the step of being made, of all schedulers inside."""
    if hasattr(scheduler, "_schedulers"):
        for inner in scheduler._schedulers:
            _undo_first_step(inner)
    elif hasattr(scheduler, "last_epoch"):
        scheduler.last_epoch -= 1


class ChainedScheduler(_Combined):
    """All schedulers step together; their factors multiply.

    Parameters
    ----------
    schedulers : list of LRScheduler
        Of one optimizer.
    optimizer : Optimizer, optional
        The schedulers' by default.
    """

    def __init__(self, schedulers: Sequence[Any], optimizer: Any = None) -> None:
        self.optimizer = self._expect(schedulers, optimizer)
        self._schedulers = schedulers
        self._last_lr = settings(self.optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = settings(self.optimizer, "lr")
