"""The training loop: epochs of batches, each with an evaluation; remembers the best epoch, and goes back to it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tinygrad_mp import nn, optim
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.gradients import clip_grad_norm_, clip_grad_value_
from tinygrad_mp.training.callbacks import HOOKS, Callback, listeners
from tinygrad_mp.training.feeds import Batch, Feed
from tinygrad_mp.training.history import History
from tinygrad_mp.training.modes import evaluating, modes_kept
from tinygrad_mp.training.scores import Scores
from tinygrad_mp.training.snapshots import Snapshot
from tinygrad_mp.writes import mark_written

VERSION = 1  # of Session.state


@dataclass(frozen=True)
class Settings:
    """How to train; see :meth:`Model.train`."""

    epochs: int
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    monitor: str = "val_loss"
    higher_is_better: bool = False
    restore_best: bool = True
    schedule_every: str = "epoch"


class Session:
    """One training, under way or over; callbacks are given this.

    Attributes
    ----------
    model, optimizer, schedule : what is trained, and by what
    epochs, epoch : int
        How many there shall be, and the present one, from 1; 0 before the first.
    batch, batches : int, int or None
        The present batch of the epoch, from 0, and how many it has if that is known.
    inputs, targets : the present batch
    loss : float
        Of the present batch.
    logs : dict
        The row of the present epoch, complete at ``on_epoch_end``; until then the loss so far.
    history : History
    is_best : bool
        Whether the epoch that ended is the best so far.
    notes : list of str
        What was decided, and why.
    stop_reason : str or None
    """

    def __init__(
        self,
        model: Any,
        feed: Feed,
        evaluation: Feed | None,
        settings: Settings,
        *,
        schedule: Any = None,
        callbacks: Sequence[Callback] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.model, self.optimizer, self.schedule = model, model.optimizer, schedule
        self.feed, self.evaluation, self.settings = feed, evaluation, settings
        self.epochs, self.epoch, self.batch = settings.epochs, 0, 0
        self.inputs: Any = None
        self.targets: Any = None
        self.loss = math.nan
        self.logs: dict[str, Any] = {}
        self.history = History(settings.monitor, "max" if settings.higher_is_better else "min")
        self.is_best = False
        self.notes = list(notes)
        self.stop_reason: str | None = None
        self.callbacks = list(callbacks)
        self._hooks = {hook: listeners(self.callbacks, hook) for hook in HOOKS}
        self._parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self._regularization = model.settled_regularization()
        self._pending = 0.0  # samples whose gradients wait for a step, or their weight
        self._halted = False
        self._best: float | None = None
        self._last = self._snapshot()
        self._refuge = self._last  # the best epoch; before there is one, the start
        self._generator_state = model.generator.get_state()
        self._memories: dict[str, Any] | None = None  # of the callbacks, after the last complete epoch

    @property
    def batches(self) -> int | None:
        """How many batches an epoch has, if that is known."""
        return self.feed.known_length()

    def stop(self, reason: str, now: bool = False) -> None:
        """End the training after this epoch, for this reason; at ``on_loss``, where the loss is no number, at once.

        With ``now`` already after this batch, and the epoch does not count.
        """
        self.stop_reason = self.stop_reason or reason
        self._halted = self._halted or now

    # --- running ---

    def run(self) -> History:
        """Train; whatever happens, the model leaves with the weights of the best epoch."""
        begun = time.perf_counter()
        try:
            with modes_kept(self.model):
                self._call("on_train_begin")
                self._memories = self._remembered()
                while self.epoch < self.epochs and self.stop_reason is None:
                    self._run_epoch()
        except KeyboardInterrupt:
            self.stop_reason = "interrupted"
            raise
        except BaseException as error:
            self.stop_reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise
        finally:
            try:
                self._leave()
            except KeyboardInterrupt:  # a second one: half restored is worse than late
                self._leave()
                raise
            finally:
                self.history.stop_reason = self.stop_reason
                self.history.seconds += time.perf_counter() - begun
                with ExitStack() as rest:  # all of them, also if one raises
                    for call in reversed(self._hooks["on_train_end"]):
                        rest.callback(call, self)
        return self.history

    def _run_epoch(self) -> None:
        self.epoch += 1
        self.logs = {}
        self._call("on_epoch_begin")
        nn.Module.train(self.model)
        scores = Scores(self.model.loss, self.model.metrics_for(self.feed.known_targets()), self.feed.known_targets())
        self.optimizer.zero_grad()  # of whatever was computed in between
        self.batch = -1
        for batch in self.feed:
            self.batch += 1
            self._run_batch(batch, scores)
            if self._halted:
                return
        if self.batch < 0:  # of a generator; the epoch does not count
            return self.stop("there are no more batches")
        if self._pending:
            self._step()
        self._end_epoch(scores)

    def _run_batch(self, batch: Batch, scores: Scores) -> None:
        self.inputs, self.targets = batch.inputs, batch.targets
        self._call("on_batch_begin")
        accumulate = self.settings.accumulate
        mass = self.model.loss.mass(batch)
        if mass:  # otherwise nothing here counts
            outputs = self.model.run(batch.inputs)
            loss = self.model.loss(outputs, batch.targets, batch.weight)
            self.loss = loss.item()
            self._call("on_loss")
            if self.stop_reason is not None and not math.isfinite(self.loss):
                self._halted = True
                return
            (loss if accumulate == 1 else loss * mass).backward()
            scores.add(self.loss, mass, outputs.array, batch)
            self._pending += mass
        if self._pending and (self.batch + 1) % accumulate == 0:
            self._step()
        self.logs["loss"] = self.loss
        self._call("on_batch_end")

    def _step(self) -> None:
        """Use the gradients, and forget them."""
        if self.settings.accumulate > 1:
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.array[...] /= self._pending
                    mark_written(parameter.grad.array)
        for penalty in self._regularization:
            penalty.add_to_gradients(self._parameters)
        self._call("on_gradients")
        if self.settings.clip_value is not None:
            clip_grad_value_(self._parameters, self.settings.clip_value)
        if self.settings.clip_norm is not None:
            clip_grad_norm_(self._parameters, self.settings.clip_norm)
        for penalty in self._regularization:
            penalty.shrink(self.optimizer.param_groups)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._pending = 0.0
        if self.schedule is not None and self.settings.schedule_every == "batch":
            self.schedule.step()

    # --- the end of an epoch ---

    def _end_epoch(self, scores: Scores) -> None:
        self.logs = scores.result()
        if self.evaluation is not None:
            found = evaluate(self.model, self.evaluation)
            self.logs.update({f"val_{name}": value for name, value in found.items()})
        if self.schedule is not None:
            self.logs["learning_rate"] = float(self.optimizer.param_groups[0]["lr"])
        self.is_best = self._is_better(self.logs[self.settings.monitor])
        self._advance_schedule()
        snapshot, generator_state = self._snapshot(), self.model.generator.get_state()
        if self.is_best:
            self._refuge, self._best = snapshot, float(self.logs[self.settings.monitor])
        self.logs = self.history.append(self.logs)  # the row itself: callbacks may add to it
        self._last, self._generator_state = snapshot, generator_state  # at once: what resume goes on from
        self._memories = None
        self._call("on_epoch_end")
        self._memories = self._remembered()

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self._best is None:
            return True
        return value > self._best if self.settings.higher_is_better else value < self._best

    def _advance_schedule(self) -> None:
        if self.schedule is None or self.settings.schedule_every != "epoch":
            return
        if isinstance(self.schedule, optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(self.logs[self.settings.monitor])
        else:
            self.schedule.step()

    def _snapshot(self) -> Snapshot:
        return Snapshot.taken(self.epoch, self.model, self.optimizer, self.schedule)

    def _leave(self) -> None:
        """Go back to the best epoch; without one, to the start if what was learnt since is no number."""
        self.optimizer.zero_grad()
        self.inputs = self.targets = None
        known = self._best is not None
        if (known and self.settings.restore_best) or self._refuge.is_spoilt(self.model):
            self._refuge.restore(self.model, self.optimizer, self.schedule)

    def _call(self, hook: str) -> None:
        for call in self._hooks[hook]:
            call(self)

    # --- to be continued ---

    def state(self) -> dict[str, Any]:
        """All that :meth:`resume` needs to go on after the last complete epoch as if nothing had happened."""
        return {
            "version": VERSION,
            "last": _as_dict(self._last),
            "best": _as_dict(self._refuge),
            "best_value": self._best,
            "generator": self._generator_state,
            "callbacks": self._remembered() if self._memories is None else self._memories,
            "history": self.history.to_dict(),
        }

    def _remembered(self) -> dict[str, Any]:
        return {name: callback.state_dict() for name, callback in _named(self.callbacks).items()}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        self._expect_alike(state)
        self._last = Snapshot(**state["last"])
        self._refuge = Snapshot(**state["best"])
        self._best = state["best_value"]
        self.epoch = self._last.epoch
        rows = state["history"]["rows"][: self.epoch]  # without one that was interrupted
        self.history = History.from_dict({**state["history"], "rows": rows})
        self.history.stop_reason = None
        self._last.restore(self.model, self.optimizer, self.schedule)
        self._generator_state = state["generator"]
        self.model.generator.set_state(self._generator_state)
        for name, callback in _named(self.callbacks).items():
            if state["callbacks"].get(name):
                callback.load_state_dict(state["callbacks"][name])

    def _expect_alike(self, state: dict[str, Any]) -> None:
        """Raise SettingError if that was another kind of training."""
        monitor, mode = state["history"]["monitor"], state["history"]["mode"]
        if (monitor, mode) != (self.history.monitor, self.history.mode):
            raise SettingError(
                f"train: the best epoch of the training to resume is that with the {mode} of {monitor}, "
                f"of this one that with the {self.history.mode} of {self.history.monitor}",
                fix="give the same monitor, mode and evaluation",
            )
        then, now = Snapshot(**state["last"]), self._last
        for what, one, other in (
            ("schedule", then.schedule, now.schedule),
            ("optimizer", then.optimizer["param_groups"][0], now.optimizer["param_groups"][0]),
        ):
            if one is None or other is None:
                alike = one is other
            else:
                alike = one.keys() - {"initial_lr"} == other.keys() - {"initial_lr"}
            if not alike:
                raise SettingError(f"train: the training to resume had another {what}", fix="give the same one")


def _named(callbacks: Sequence[Callback]) -> dict[str, Callback]:
    """Callbacks by their class; the second of a class has a number, and so on."""
    named: dict[str, Callback] = {}
    for callback in callbacks:
        name = type(callback).__name__
        count = sum(type(one).__name__ == name for one in named.values())
        named[f"{name} {count + 1}" if count else name] = callback
    return named


def _as_dict(snapshot: Snapshot) -> dict[str, Any]:
    return dict(vars(snapshot))


def evaluate(model: Any, feed: Feed) -> dict[str, float]:
    """The loss and the metrics of a model over data, in evaluation mode."""
    targets = feed.known_targets()
    scores = Scores(model.loss, model.metrics_for(targets), targets)
    with evaluating(model), no_grad():
        for batch in feed:
            mass = model.loss.mass(batch)
            if mass:
                outputs = model.run(batch.inputs)
                loss = model.loss(outputs, batch.targets, batch.weight).item()
                scores.add(loss, mass, outputs.array, batch)
    return scores.result()
