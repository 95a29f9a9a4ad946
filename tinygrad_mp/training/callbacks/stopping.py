"""Callbacks that end a training: when it no longer improves, when its time is up."""

from __future__ import annotations

import math
import time
from typing import Any

from tinygrad_mp.errors import MissingColumnError, SettingError
from tinygrad_mp.training.callbacks.base import Callback
from tinygrad_mp.training.history import direction

__all__ = ["EarlyStopping", "TimeLimit"]


class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs.

    Parameters
    ----------
    patience : int, default 3
        After so many epochs without an improvement the training stops.
    min_delta : float, default 0.0
        An improvement is a change for the better by more than this.
    monitor : str, optional
        A column of the history, such as ``"val_accuracy"``. By default the one that the history is judged by:
        ``"val_loss"``, or ``"loss"`` without validation.
    mode : "auto", "min" or "max", default "auto"
        Whether less or more of it is better; by default the metric of that name knows.

    NaN is no improvement. An epoch in which the figure was not measured does not count.

    Errors
    ------
    SettingError for a patience below 1 or a negative ``min_delta``, and at the beginning of the training if it cannot
    be known whether more or less is better. MissingColumnError, a KeyError, after the first epoch if there is no
    such figure.

    Source: Prechelt, Early Stopping - But When?, 1998.
    """

    def __init__(
        self, patience: int = 3, min_delta: float = 0.0, monitor: str | None = None, mode: str = "auto"
    ) -> None:
        if isinstance(patience, bool) or int(patience) != patience or patience < 1:
            raise SettingError(f"EarlyStopping: patience is a number of epochs, at least 1, got {patience!r}")
        if not min_delta >= 0:
            raise SettingError(f"EarlyStopping: min_delta is 0 or more, got {min_delta!r}")
        if mode not in ("auto", "min", "max"):
            raise SettingError(f"EarlyStopping: mode is 'auto', 'min' or 'max', got {mode!r}")
        self.patience, self.min_delta, self.monitor, self.mode = int(patience), float(min_delta), monitor, mode
        self.best: float | None = None
        self.waited = 0
        self._going_on = False

    def on_train_begin(self, training: Any) -> None:
        """Start anew, unless a state was loaded, and see that the direction is known."""
        if not self._going_on:
            self.best, self.waited = None, 0
        self._going_on = False
        if self.monitor is not None:
            self._mode(training, self.monitor)

    def on_epoch_end(self, training: Any) -> None:
        """Compare, count, and stop."""
        monitor = self.monitor or training.history.monitor
        value = training.logs.get(monitor)
        if value is None:
            if monitor not in training.history:
                known = ", ".join(training.logs)
                raise MissingColumnError(f"EarlyStopping: {monitor!r} is not reported; there are {known}")
            return
        gain = -math.inf
        if not math.isnan(value):
            sign = 1 if self._mode(training, monitor) == "max" else -1
            gain = math.inf if self.best is None else sign * (value - self.best)
        if gain > self.min_delta:
            self.best, self.waited = float(value), 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            by = f" by more than {self.min_delta:g}" if self.min_delta else ""
            epochs = f"{self.patience} epochs" if self.patience > 1 else "1 epoch"
            training.stop(f"{monitor} has not improved{by} for {epochs}")

    def _mode(self, training: Any, monitor: str) -> str:
        if self.mode != "auto":
            return self.mode
        if monitor == training.history.monitor:
            return str(training.history.mode)
        return direction(monitor, getattr(training.model, "metrics", None) or ())

    def state_dict(self) -> dict[str, Any]:
        """The best figure, and for how many epochs there was none better."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting there, at the next training."""
        self.best, self.waited = state["best"], int(state["waited"])
        self._going_on = True


class TimeLimit(Callback):
    """Stop when a time is up.

    Parameters
    ----------
    seconds : float
        Counted from the beginning of the training; of one that is resumed, anew. It is looked at after every batch,
        and an epoch that is not over then does not count, as when Ctrl-C is pressed.
    """

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise SettingError(f"TimeLimit: seconds is more than 0, got {seconds!r}")
        self.seconds = float(seconds)
        self._end = math.inf

    def on_train_begin(self, training: Any) -> None:
        """Start the clock."""
        self._end = time.monotonic() + self.seconds

    def on_batch_end(self, training: Any) -> None:
        """Look at the clock."""
        if time.monotonic() >= self._end:
            last = training.batch + 1 == training.batches
            training.stop(f"the time limit of {self.seconds:g} s is reached", now=not last)
