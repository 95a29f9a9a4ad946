"""``ReduceLROnPlateau``: a rate that falls when a measure has stopped improving."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.lr_scheduler.base import (
    LRScheduler,
    expect_optimizer,
    set_setting,
    settings,
    warn_of_epoch,
)


class ReduceLROnPlateau(LRScheduler):
    """The rate times ``factor`` when a measure has not improved for more than ``patience`` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}
        Whether less or more is better.
    factor : float below 1, default 0.1
    patience : int, default 10
    threshold : float, default 1e-4
        The least improvement that counts.
    threshold_mode : {"rel", "abs"}
        Whether ``threshold`` is a share of the best value, or a difference.
    cooldown : int, default 0
        Epochs after a reduction in which nothing is counted.
    min_lr : float, or a list with one for each group; default 0
    eps : float, default 1e-8
        Smaller changes of the rate are not made.

    >>> from tinygrad_mp import optim, zeros
    >>> optimizer = optim.SGD([zeros(2, requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    >>> for loss in (3.0, 2.0, 2.0):
    ...     scheduler.step(loss)
    >>> scheduler.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise SettingError(f"ReduceLROnPlateau: factor must be below 1, not {factor!r}")
        if mode not in ("min", "max"):
            raise SettingError(f'ReduceLROnPlateau: mode must be "min" or "max", not {mode!r}')
        if threshold_mode not in ("rel", "abs"):
            raise SettingError(f'ReduceLROnPlateau: threshold_mode must be "rel" or "abs", not {threshold_mode!r}')
        groups = expect_optimizer(optimizer).param_groups
        many = isinstance(min_lr, (list, tuple))
        if many and len(min_lr) != len(groups):
            raise SettingError(
                f"ReduceLROnPlateau: min_lr has {len(min_lr)} values, the optimizer {len(groups)} groups"
            )
        self.optimizer = optimizer
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.default_min_lr = None if many else min_lr
        self.min_lrs = list(min_lr) if many else [min_lr] * len(groups)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.last_epoch = 0
        self._last_lr = settings(optimizer, "lr")
        self._reset()

    def _reset(self) -> None:
        """Forget the measures so far."""
        self.mode_worse = float("inf") if self.mode == "min" else -float("inf")
        self.best = self.mode_worse
        self.cooldown_counter = self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs are not counted now."""
        return self.cooldown_counter > 0

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Note the measure of an epoch, a number or a tensor with one entry."""
        current = float(metrics)
        if epoch is not None:
            warn_of_epoch()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = settings(self.optimizer, "lr")

    def _is_better(self, a: float, best: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        least = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return a < least if self.mode == "min" else a > least

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise SettingError(
                    f"ReduceLROnPlateau: min_lr has {len(self.min_lrs)} values, the optimizer now {len(groups)} groups",
                    fix="set scheduler.min_lrs anew after add_param_group",
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                set_setting(group, "lr", new)
