"""The loss and the metrics of one pass over data, from one batch after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training.feeds import Batch
from tinygrad_mp.training.losses import ModelLoss
from tinygrad_mp.training.targets import Targets

_HELD = 1 << 18  # entries of outputs that are kept before the metrics look at them: a few large steps are quicker


class Scores:
    """Adds up the loss and the metrics over batches; exact, however the data are cut.

    Parameters
    ----------
    loss : ModelLoss
    metrics : sequence of Metric
    targets : Targets
    """

    def __init__(self, loss: ModelLoss, metrics: Sequence[Any], targets: Targets) -> None:
        self.loss, self.metrics, self.targets = loss, metrics, targets
        self._total = self._weight = 0.0
        self._held: list[tuple[Any, Any, Any]] = []
        self._entries = 0
        for metric in metrics:
            metric.reset()

    def add(self, loss: float, mass: float, outputs: Any, batch: Batch) -> None:
        """Take in a batch: its mean loss and what that counts for, the array of the outputs, and the batch itself."""
        self._total += loss * mass
        self._weight += mass
        if self.metrics and math.isfinite(loss):
            self._held.append((outputs, batch.encoded, batch.weights))
            self._entries += outputs.size
            if self._entries > _HELD:
                self._update()

    def _update(self) -> None:
        if not self._held:
            return
        outputs, encoded = (numpy.concatenate([to_numpy(held[place]) for held in self._held]) for place in (0, 1))
        weight = None
        if any(held[2] is not None for held in self._held):
            weights = [numpy.ones(len(held[1])) if held[2] is None else to_numpy(held[2]) for held in self._held]
            weight = numpy.concatenate(weights)
        self._held, self._entries = [], 0
        predicted = _Predictions(self.loss, self.targets, outputs)
        if weight is not None and predicted.per_sample > 1:
            weight = weight.repeat(predicted.per_sample)
        for metric in self.metrics:
            metric.update(predicted.true(metric.kind, encoded), predicted.of(metric.kind), weight)

    def result(self) -> dict[str, float]:
        """The mean loss and the metrics, by name; NaN where a loss was no number."""
        self._update()
        if not self._weight:
            raise SettingError("the weights of all samples are 0: there is nothing to learn from, or to judge by")
        loss = self._total / self._weight
        sound = math.isfinite(loss)
        return {"loss": loss, **{metric.name: metric.compute() if sound else math.nan for metric in self.metrics}}


class _Predictions:
    """What metrics of each kind look at; computed when first asked for."""

    def __init__(self, loss: ModelLoss, targets: Targets, outputs: Any) -> None:
        self.loss, self.targets, self.outputs = loss, targets, outputs
        self._known: dict[str, Any] = {}
        self.labelled = targets.task == "multiclass"
        self.per_sample = math.prod(targets.shape[1:]) if self.labelled else 1

    def of(self, kind: str) -> Any:
        if kind not in self._known:
            self._known[kind] = self._computed(kind)
        return self._known[kind]

    def _computed(self, kind: str) -> Any:
        if kind == "classes":
            classes = predicted_classes(self.loss, self.targets, self.outputs)
            return classes.reshape(-1) if self.labelled else classes
        values = predicted(self.loss, self.outputs)
        if self.targets.task == "binary":
            return values.reshape(len(values))
        return numpy.moveaxis(values, 1, -1).reshape(-1, values.shape[1]) if self.labelled else values

    def true(self, kind: str, encoded: Any) -> Any:
        """The targets in the form of :meth:`of`: a row for each label, where a sample has several."""
        if kind == "values":
            return encoded
        classes = self.targets.true_classes(encoded)
        return classes.reshape(-1) if self.labelled else classes


def predicted(loss: ModelLoss, outputs: Any) -> Any:
    """What ``predict`` gives for raw outputs, as an array."""
    with no_grad():
        return to_numpy(loss.predictions(wrap(Tensor, outputs)).array)


def predicted_classes(loss: ModelLoss, targets: Targets, outputs: Any) -> Any:
    """Class indices for raw outputs."""
    if targets.form != "binary":
        return outputs.argmax(axis=1)
    rows = predicted(loss, outputs) >= 0.5
    return (rows.reshape(len(rows)) if targets.task == "binary" else rows).astype(numpy.int64)
