"""A stand-in for the trainer's loop, so that callbacks are tested one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tinygrad_mp.training.callbacks import HOOKS, listeners
from tinygrad_mp.training.history import History


class Training(SimpleNamespace):
    """What a callback sees of a training."""

    def stop(self, reason: str, now: bool = False) -> None:
        self.stop_reason = self.stop_reason or reason


class Loop:
    """Calls callbacks as a training does, with rows instead of a network."""

    def __init__(self, callbacks: Iterable[Any], monitor: str | None = None, mode: str = "min", **known: Any) -> None:
        self.calls = {hook: listeners(callbacks, hook) for hook in HOOKS}
        history = known.pop("history", None) or History(monitor, mode)
        self.training = Training(
            **{"model": None, "optimizer": None, "schedule": None, "inputs": None, "targets": None, **known},
            history=history, epoch=len(history), epochs=0, batches=2, batch=0, loss=0.0, logs={}, is_best=False,
            stop_reason=None, notes=[], settings=SimpleNamespace(restore_best=True),
        )  # fmt: skip

    def call(self, hook: str) -> None:
        for listener in self.calls[hook]:
            listener(self.training)

    def run(self, rows: Iterable[dict[str, Any]]) -> History:
        """An epoch of two batches for each row."""
        training, rows = self.training, list(rows)
        training.epochs = len(rows) + len(training.history)
        self.call("on_train_begin")
        try:
            for _ in self.epochs(rows):
                if training.stop_reason:
                    break
        finally:
            training.history.stop_reason = training.stop_reason
            self.call("on_train_end")
        return training.history

    def epochs(self, rows: list[dict[str, Any]]) -> Iterator[None]:
        training = self.training
        for row in rows:
            training.epoch += 1
            self.call("on_epoch_begin")
            for training.batch in range(2):
                training.loss = row.get("loss", 0.0)
                training.logs = {"loss": training.loss}
                for hook in ("on_batch_begin", "on_loss", "on_gradients", "on_batch_end"):
                    self.call(hook)
            training.logs = training.history.append(row)
            training.is_best = training.history.best_epoch == training.epoch
            self.call("on_epoch_end")
            yield


@pytest.fixture
def loop() -> type[Loop]:
    return Loop
