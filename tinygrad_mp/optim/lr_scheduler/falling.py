"""Rates that a function of the epoch gives: steps, ramps, powers, half a cosine, or the user's own function.

Most are computed from the present rate rather than from the first one, so that they can be chained and so that a rate
changed by hand stays changed, as in PyTorch.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.lr_scheduler.base import (
    FormulaScheduler,
    expect_optimizer,
    function_state,
    restore_function,
)

Factor = Callable[[int], float]


class _ByFunctions(FormulaScheduler):
    """Base of schedulers with a function of the user's for each group. Functions are not saved, objects are."""

    def __init__(self, optimizer: Any, lr_lambda: Factor | list[Factor], last_epoch: int = -1) -> None:
        count = len(expect_optimizer(optimizer).param_groups)
        functions = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * count
        if len(functions) != count:
            raise SettingError(f"{type(self).__name__}: {len(functions)} functions for {count} groups")
        for function in functions:
            if not callable(function):
                raise TypeError(f"{type(self).__name__}: lr_lambda is a function, not a {type(function).__name__}")
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": [function_state(function) for function in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for function, state in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            restore_function(function, state)


class LambdaLR(_ByFunctions):
    """The first rate times ``lr_lambda(epoch)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : function of the epoch, or a list with one for each group
    last_epoch : int, default -1

    >>> from tinygrad_mp import optim, zeros
    >>> optimizer = optim.SGD([zeros(2, requires_grad=True)], lr=0.5)
    >>> optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (epoch + 2)).get_last_lr()
    [0.25]
    """

    def rates(self) -> list[Any]:
        return [base * factor(self.last_epoch) for factor, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_ByFunctions):
    """The present rate times ``lr_lambda(epoch)``, from epoch 1 on. Parameters as for :class:`LambdaLR`."""

    def rates(self) -> list[Any]:
        if self._is_initial:
            return self.present()
        groups = self.optimizer.param_groups
        return [group["lr"] * factor(self.last_epoch) for factor, group in zip(self.lr_lambdas, groups, strict=True)]


class StepLR(FormulaScheduler):
    """The rate times ``gamma`` every ``step_size`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float, default 0.1
    last_epoch : int, default -1
    """

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self.scaled(self.gamma) if due else self.present()

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(FormulaScheduler):
    """The rate times ``gamma`` at each milestone.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Epochs; one that is there twice counts twice.
    gamma : float, default 0.1
    last_epoch : int, default -1
    """

    def __init__(self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        times = self.milestones.get(self.last_epoch, 0)
        return self.scaled(self.gamma**times) if times else self.present()

    def _get_closed_form_lr(self) -> list[Any]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**passed for base in self.base_lrs]


class ConstantLR(FormulaScheduler):
    """The rate times ``factor`` until epoch ``total_iters``, where the factor is taken back.

    Parameters
    ----------
    optimizer : Optimizer
    factor : float in [0, 1], default 1/3
    total_iters : int, default 5
    last_epoch : int, default -1
    """

    def __init__(self, optimizer: Any, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        self.factor, self.total_iters = _share("ConstantLR: factor", factor), total_iters
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        if self.last_epoch == 0:
            return self.scaled(self.factor)
        return self.scaled(1 / self.factor) if self.last_epoch == self.total_iters else self.present()

    def _get_closed_form_lr(self) -> list[Any]:
        factor = self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)
        return [base * factor for base in self.base_lrs]


class LinearLR(FormulaScheduler):
    """The first rate times a factor that goes from ``start_factor`` to ``end_factor`` in ``total_iters`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float in (0, 1], default 1/3
    end_factor : float in [0, 1], default 1.0
    total_iters : int, default 5
    last_epoch : int, default -1
    """

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if start_factor == 0:
            raise SettingError("LinearLR: start_factor must be above 0")
        self.start_factor = _share("LinearLR: start_factor", start_factor)
        self.end_factor = _share("LinearLR: end_factor", end_factor)
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        if self.last_epoch == 0:
            return self.scaled(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.present()
        rise = self.end_factor - self.start_factor
        return self.scaled(1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def _get_closed_form_lr(self) -> list[Any]:
        passed = min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * (self.start_factor + (self.end_factor - self.start_factor) * passed) for base in self.base_lrs]


class ExponentialLR(FormulaScheduler):
    """The rate times ``gamma`` every epoch.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int, default -1
    """

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        return self.present() if self._is_initial else self.scaled(self.gamma)

    def _get_closed_form_lr(self) -> list[Any]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class InverseTimeLR(FormulaScheduler):
    """The first rate divided by ``1 + decay * epoch``. PyTorch has no such scheduler.

    Parameters
    ----------
    optimizer : Optimizer
    decay : float, at least 0
    last_epoch : int, default -1

    Source: Robbins and Monro, A stochastic approximation method, 1951: rates that fall as 1 / epoch.
    """

    def __init__(self, optimizer: Any, decay: float, last_epoch: int = -1) -> None:
        if not decay >= 0:
            raise SettingError(f"InverseTimeLR: decay must be at least 0, not {decay!r}")
        self.decay = decay
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        return [base / (1 + self.decay * self.last_epoch) for base in self.base_lrs]


class PolynomialLR(FormulaScheduler):
    """The first rate times ``(1 - epoch / total_iters)**power``, and 0 from epoch ``total_iters`` on.

    Parameters
    ----------
    optimizer : Optimizer
    total_iters : int, default 5
    power : float, default 1.0
    last_epoch : int, default -1
    """

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.present()
        left, before = (1 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return self.scaled((left / before) ** self.power)

    def _get_closed_form_lr(self) -> list[Any]:
        left = 1 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


class CosineAnnealingLR(FormulaScheduler):
    """From the first rate to ``eta_min`` along half a cosine, ``T_max`` epochs long, and back up, and so on.

    ::

        eta_min + (lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
    eta_min : float, default 0
    last_epoch : int, default -1

    Source: Loshchilov and Hutter, SGDR, 2017, eq. 5, without restarts.
    """

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        if self._is_initial:
            return self.present()
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        least, groups = self.eta_min, self.optimizer.param_groups
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom no factor leads up
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [group["lr"] + (base - least) * rise for base, group in zip(self.base_lrs, groups, strict=True)]
        factor = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [factor * (group["lr"] - least) + least for group in groups]

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _get_closed_form_lr(self) -> list[Any]:
        height = self._height(self.last_epoch)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise SettingError(f"{name} must be between 0 and 1, not {value!r}")
    return value
