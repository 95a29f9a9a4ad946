"""``LRScheduler``: counts epochs and writes the rates that a subclass computes into the groups of an optimizer."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.optimizer import Group, Optimizer
from tinygrad_mp.optim.unbound import Bindable
from tinygrad_mp.tensor import Tensor


class LRScheduler(metaclass=Bindable):
    """Base of all schedulers. A subclass writes :meth:`get_lr`, the rate of each group at ``self.last_epoch``.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int, default -1
        The epoch to continue after. The groups must then have an ``initial_lr``, as a loaded optimizer's have.

    Attributes
    ----------
    base_lrs : list
        The rates that the groups had at first, which are kept in them as ``initial_lr``.
    last_epoch : int
        How often ``step`` was called.

    Errors
    ------
    TypeError if it is no optimizer; KeyError if an ``initial_lr`` is missing.

    Without an optimizer, ``StepLR(step_size=10)`` gives its settings, :class:`optim.unbound.Unbound`, for a ``Model``.
    """

    subject = "optimizer"

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        self.optimizer = expect_optimizer(optimizer)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: group {number} has no initial_lr to continue from; "
                    "load the optimizer's state first, or leave last_epoch out"
                )
        self.base_lrs: list[Any] = settings(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        if optimizer.called_since_scheduled is None:
            optimizer.called_since_scheduled = False
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the epoch to begin with."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Any]:
        """The rates for ``last_epoch``, one a group, perhaps from those that the groups have now."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr method")

    def get_last_lr(self) -> list[Any]:
        """The rates that were last set, one a group."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch. Call it after the optimizer's ``step``."""
        if self._step_count == 1:
            self._expect_optimizer_first()
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _expect_optimizer_first(self) -> None:
        if "step" in vars(self.optimizer):
            problem = "optimizer.step was replaced after the scheduler was made, so that its calls are not seen"
        elif self.optimizer.called_since_scheduled is False:
            problem = "lr_scheduler.step() was called before optimizer.step(), which skips the first rate"
        else:
            return
        message = f"{problem}: call `optimizer.step()` first, then `lr_scheduler.step()`"
        warnings.warn(message, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the rates of the next epoch, or of ``epoch``, for which a formula that does not look back is used."""
        closed = getattr(self, "_get_closed_form_lr", None) if epoch is not None else None
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set_rates(closed or self.get_lr)

    def _set_rates(self, rates: Callable[[], list[Any]]) -> None:
        self._get_lr_called_within_step = True
        try:
            values = rates()
        finally:
            self._get_lr_called_within_step = False
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_setting(group, "lr", value)
        self._last_lr = settings(self.optimizer, "lr")

    # --- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that the scheduler holds, but the optimizer."""
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave, and continue from there."""
        vars(self).update(state_dict)


class FormulaScheduler(LRScheduler):
    """Base of the schedulers here, which write :meth:`rates`: ``get_lr`` warns when a user calls it."""

    def get_lr(self) -> list[Any]:
        """The rates for ``last_epoch``, one a group; to ask what they are, call :meth:`get_last_lr`."""
        if not self._get_lr_called_within_step:
            message = "get_lr() computes the next rates from the present ones; get_last_lr() returns the present ones"
            warnings.warn(message, UserWarning, stacklevel=2)
        return self.rates()

    def rates(self) -> list[Any]:
        """The rates for ``last_epoch``, one a group."""
        raise NotImplementedError(f"{type(self).__name__} has no rates method")

    def scaled(self, factor: float) -> list[Any]:
        """The present rates times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def present(self) -> list[Any]:
        """The rates that the groups have now."""
        return settings(self.optimizer, "lr")


# --- settings of groups ----------------------------------------------------------------------------------------------


def expect_optimizer(value: Any) -> Any:
    """``value``, if it is an optimizer; TypeError otherwise."""
    if not isinstance(value, Optimizer):
        raise TypeError(f"a scheduler takes an Optimizer, not a {type(value).__name__}")
    return value


def copied(value: Any) -> Any:
    """A setting that stays as it is when the group's changes."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def settings(optimizer: Any, name: str) -> list[Any]:
    """Copies of one setting of all groups."""
    return [copied(group[name]) for group in optimizer.param_groups]


def set_setting(group: Group, name: str, value: Any) -> None:
    """Set a setting of a group; one that is a tensor is overwritten in place."""
    if isinstance(group[name], Tensor):
        group[name].fill_(value)
    else:
        group[name] = value


def per_group(name: str, optimizer: Any, value: Any) -> list[Any]:
    """A list with a value for each group from one value or from such a list."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [copied(value) for _ in range(count)]
    if len(value) != count:
        raise SettingError(f"{name} has {len(value)} values, the optimizer {count} groups")
    return [copied(one) for one in value]


def warn_of_epoch() -> None:
    """Warn that ``step(epoch)`` is on its way out, as in PyTorch."""
    message = "step(epoch) jumps to an epoch and is deprecated in PyTorch: call `scheduler.step()` once an epoch"
    warnings.warn(message, UserWarning, stacklevel=3)


# --- functions in a state ---------------------------------------------------------------------------------------------


def function_state(function: Any) -> Any:
    """What is saved of a function: nothing, but the attributes of a callable object."""
    return None if function is None or isinstance(function, types.FunctionType) else dict(vars(function))


def restore_function(function: Any, state: Any) -> None:
    """Put back what :func:`function_state` gave."""
    if state is not None:
        vars(function).update(state)
