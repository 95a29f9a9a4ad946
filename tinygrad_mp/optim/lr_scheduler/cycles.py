"""Rates that rise and fall: once, again and again, or falling with restarts; momentum may go the other way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.lr_scheduler.base import (
    FormulaScheduler,
    expect_optimizer,
    function_state,
    per_group,
    restore_function,
    set_setting,
)


class _WithMomentum(FormulaScheduler):
    """Base of schedulers that may also set the momentum, or the first beta, of each group."""

    def _begin_momentum(self, base_momentum: Any, max_momentum: Any, last_epoch: int) -> tuple[list[Any], list[Any]]:
        """Note the momenta to move between, in the groups too; the lower ones and the higher ones are returned."""
        optimizer = self.optimizer
        if not {"momentum", "betas"} & set(optimizer.defaults):
            raise SettingError(
                f"{type(self).__name__}: {type(optimizer).__name__} has neither momentum nor betas to cycle",
                fix="cycle_momentum=False",
            )
        self.use_beta1 = "betas" in optimizer.defaults
        low = per_group("base_momentum", optimizer, base_momentum)
        high = per_group("max_momentum", optimizer, max_momentum)
        if last_epoch == -1:
            for group, least, most in zip(optimizer.param_groups, low, high, strict=True):
                self._set_momentum(group, most)
                group.update(max_momentum=most, base_momentum=least)
        return low, high

    def _set_momentum(self, group: dict[str, Any], value: Any) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_WithMomentum):
    """The rate up from ``base_lr`` to ``max_lr`` and down again in straight lines, over and over. Step it every batch.

    Parameters
    ----------
    optimizer : Optimizer
    base_lr, max_lr : float, or a list with one for each group
    step_size_up : int, default 2000
        Batches of the way up.
    step_size_down : int, optional
        Batches of the way down; as many as up by default.
    mode : {"triangular", "triangular2", "exp_range"}
        All cycles equally high; each half as high as the one before; or ``gamma**batch`` as high.
    gamma : float, default 1.0
    scale_fn : function, optional
        The height of its own, in the place of ``mode``, of the number of the cycle (from 1) or of the batch.
    scale_mode : {"cycle", "iterations"}
        What ``scale_fn`` is given.
    cycle_momentum : bool, default True
        Move the momentum from ``max_momentum`` down to ``base_momentum`` while the rate goes up.
    base_momentum, max_momentum : float, or a list with one for each group; default 0.8 and 0.9
    last_epoch : int, default -1

    Source: Smith, Cyclical learning rates for training neural networks, 2017.
    """

    def __init__(
        self,
        optimizer: Any,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = expect_optimizer(optimizer)
        base_lrs = per_group("base_lr", optimizer, base_lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        if scale_fn is None and mode not in _HEIGHTS:
            raise SettingError(f"CyclicLR: mode must be one of {', '.join(_HEIGHTS)}, not {mode!r}")
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                set_setting(group, "lr", lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            momenta = self._begin_momentum(base_momentum, max_momentum, last_epoch)
            self.base_momentums, self.max_momentums = momenta
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """How high cycle ``x``, or batch ``x``, is."""
        return self._scale_fn_custom(x) if self._scale_fn_custom else _HEIGHTS[self.mode](x, self.gamma)

    def rates(self) -> list[Any]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        position = 1 + self.last_epoch / self.total_size - cycle
        up = position <= self.step_ratio
        share = position / self.step_ratio if up else (position - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, least, most in bounds:
                self._set_momentum(group, most - (most - least) * share * height)
        return [low + (high - low) * share * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": function_state(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        restore_function(self._scale_fn_custom, state_dict["_scale_fn_custom"])


_HEIGHTS: dict[str, Callable[[float, float], float]] = {
    "triangular": lambda cycle, gamma: 1.0,
    "triangular2": lambda cycle, gamma: 1 / 2.0 ** (cycle - 1),
    "exp_range": lambda batch, gamma: gamma**batch,
}


class OneCycleLR(_WithMomentum):
    """The rate up to ``max_lr`` and down to almost nothing, once, while momentum goes down and up. Step it every batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float, or a list with one for each group
    total_steps : int, optional; or epochs and steps_per_epoch : int
        The length of the cycle in batches.
    pct_start : float, default 0.3
        The share of the way up.
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool, default True
    base_momentum, max_momentum : float, or a list with one for each group; default 0.85 and 0.95
    div_factor : float, default 25
        The first rate is ``max_lr / div_factor``.
    final_div_factor : float, default 1e4
        The last rate is the first one divided by this.
    three_phase : bool, default False
        Up, as long down to the first rate, and on to the last; else up and down to the last.
    last_epoch : int, default -1

    Source: Smith and Topin, Super-convergence, 2018.
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: Any = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = expect_optimizer(optimizer)
        if total_steps is not None:
            self.total_steps = _positive("total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)
        else:
            raise SettingError(
                "OneCycleLR: its length is missing", fix="give total_steps, or epochs and steps_per_epoch"
            )
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise SettingError(f"OneCycleLR: pct_start must be a float between 0 and 1, not {pct_start!r}")
        if anneal_strategy not in _WAYS:
            raise SettingError(f'OneCycleLR: anneal_strategy must be "cos" or "linear", not {anneal_strategy!r}')
        self._anneal_func_type = anneal_strategy
        top = pct_start * self.total_steps - 1
        phases = [(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            phases.append((2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            phases.append((self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            phases.append((self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        self._schedule_phases = [dict(zip(_PHASE, phase, strict=True)) for phase in phases]
        for group, most in zip(optimizer.param_groups, per_group("max_lr", optimizer, max_lr), strict=True):
            if last_epoch == -1:
                first = most / div_factor
                group.update(initial_lr=first, max_lr=most, min_lr=first / final_div_factor)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        if self.last_epoch > self.total_steps:
            raise SettingError(
                f"OneCycleLR: step {self.last_epoch} of a cycle of {self.total_steps} steps",
                fix="count in batches, not epochs, when total_steps is set",
            )
        start: Any = 0.0
        for phase in self._schedule_phases:
            end: Any = phase["end_step"]
            if self.last_epoch <= end or phase is self._schedule_phases[-1]:
                break
            start = end
        share, way = (self.last_epoch - start) / (end - start), _WAYS[self._anneal_func_type]
        groups = self.optimizer.param_groups
        rates = [way(group[phase["start_lr"]], group[phase["end_lr"]], share) for group in groups]
        if self.cycle_momentum:
            for group in groups:
                momenta = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, way(*momenta, share))
        return rates


_PHASE = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
_WAYS: dict[str, Callable[[Any, Any, float], Any]] = {
    "cos": lambda start, end, share: end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1),
    "linear": lambda start, end, share: (end - start) * share + start,
}


class CosineAnnealingWarmRestarts(FormulaScheduler):
    """From the first rate to ``eta_min`` along half a cosine, then from the first rate again, each time longer.

    Parameters
    ----------
    optimizer : Optimizer
    T_0 : int
        Epochs until the first restart.
    T_mult : int, default 1
        How many times longer each stretch is than the one before.
    eta_min : float, default 0
    last_epoch : int, default -1

    ``step`` takes fractions of an epoch too: ``step(epoch + batch / batches)``.

    Source: Loshchilov and Hutter, SGDR, 2017.
    """

    def __init__(self, optimizer: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        _positive("T_0", T_0, "CosineAnnealingWarmRestarts")
        _positive("T_mult", T_mult, "CosineAnnealingWarmRestarts")
        if not isinstance(eta_min, (int, float)):
            raise SettingError(f"CosineAnnealingWarmRestarts: eta_min must be a number, not {eta_min!r}")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def rates(self) -> list[Any]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to ``epoch``, which may be a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise SettingError(f"CosineAnnealingWarmRestarts: epoch must not be negative, not {epoch}")
        else:
            self._jump(epoch)
        self.last_epoch = math.floor(epoch)
        self._set_rates(self.get_lr)

    def _jump(self, epoch: float) -> None:
        first, factor = self.T_0, self.T_mult
        if factor == 1 and epoch >= first:
            self.T_cur = epoch % first
            return
        restarts = int(math.log(epoch / first * (factor - 1) + 1, factor)) if epoch >= first else 0
        before = first * (factor**restarts - 1) / (factor - 1) if restarts else 0
        self.T_cur, self.T_i = epoch - before, first * factor**restarts


def _positive(name: str, value: Any, owner: str = "OneCycleLR") -> int:
    if not isinstance(value, int) or value <= 0:
        raise SettingError(f"{owner}: {name} must be a positive integer, not {value!r}")
    return value
