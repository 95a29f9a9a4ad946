"""Where a training takes its batches from: arrays, of which a part can be held out, or a stream."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.errors import SettingError, ShapeError, TinygradError
from tinygrad_mp.nn.normalization import _BatchNorm
from tinygrad_mp.training.arrays import Rows, chunks
from tinygrad_mp.training.feeds import ArrayFeed, Feed, Placement, StreamFeed, is_stream, parts, sample_weights
from tinygrad_mp.training.targets import Targets, as_labels

EVALUATION_BATCH = 256  # rows, or as many as a batch of training has


class _Source:
    """What both have: some rows to learn shapes from, and their labels."""

    rows: Rows
    labels: Any

    def example(self, placement: Placement) -> Any:
        """The first rows, as arguments for the model."""
        return placement.inputs(self.rows, slice(0, 2))

    def expect_fit(self, model: Any) -> None:
        """Raise ShapeError unless the rows are such as the model was built for."""
        self.rows.expect_samples(model.sample_shapes)


class ArraySource(_Source):
    """Rows, a target for each, and perhaps a weight for each.

    Errors
    ------
    ShapeError where lengths differ, SettingError for NaN and infinity and for no rows.
    """

    def __init__(self, X: Any, y: Any, weight: Any, what: str = "X") -> None:
        self.rows = Rows(X, what)
        if not len(self.rows):
            raise SettingError(f"{what} has no rows: there is nothing to learn from")
        if y is None:
            raise SettingError("y is missing: a target for each row is wanted", fix="train(X, y)")
        self.labels = as_labels(y)
        if len(self.labels) != len(self.rows):
            raise ShapeError(
                f"{what} has {len(self.rows)} rows, y has {len(self.labels)} targets",
                fix="give one target a row; several inputs are a tuple of arrays, not a list",
            )
        self.weight = None if weight is None else sample_weights(weight, len(self.rows))
        if self.weight is not None and not self.weight.any():
            raise SettingError("sample_weight is 0 everywhere: there is nothing to learn")
        self.rows.expect_finite()

    def whole(self, model: Any, targets: Targets, batch_size: int) -> Feed:
        """All rows in their order."""
        return ArrayFeed(self.rows, self.labels, targets, model.placement(), batch_size, weight=self.weight)

    def feeds(
        self, model: Any, targets: Targets, options: dict[str, Any], notes: list[str]
    ) -> tuple[Feed, Feed | None]:
        """What to train on, and what to evaluate on if there is something."""
        evaluation, index = given_evaluation(model, targets, options, notes), None
        size, fraction = len(self.rows), options["auto_evaluation"]
        if options["validation_data"] is None and fraction:
            index, held_out, how = model.split.divide(
                self.rows, fraction, self._classes(targets), model.generator, options["shuffle"]
            )
            if not len(index):
                raise SettingError(
                    "train: every row was held out by an earlier training of this model",
                    fix="give validation_data, or auto_evaluation=0",
                )
            if len(held_out):
                notes.append(f"evaluation: {len(held_out)} of {size} rows held out, {how}")
                evaluation = self._feed(model, targets, _evaluation_batch(options), held_out)
            else:
                notes.append(f"evaluation: none, {how}")
        else:
            model.split.remember(self.rows)
        class_weights = None
        if options["class_weight"] is not None:
            class_weights = targets.class_weights(options["class_weight"], self.counts(targets, index))
        feed = self._feed(
            model,
            targets,
            options["batch_size"],
            index,
            generator=model.generator if options["shuffle"] else None,
            class_weights=class_weights,
            least=2 if any(isinstance(module, _BatchNorm) for module in model.modules()) else 1,
        )
        return feed, evaluation

    def _feed(self, model: Any, targets: Targets, batch_size: int, index: Any, **more: Any) -> ArrayFeed:
        return ArrayFeed(
            self.rows, self.labels, targets, model.placement(), batch_size, weight=self.weight, index=index, **more
        )

    def _classes(self, targets: Targets) -> Any:
        """The class of each row; None where rows have none, or several."""
        if targets.task not in ("binary", "multiclass") or len(targets.shape) != 1:
            return None
        found = [to_numpy(targets.true_classes(targets.encode(chunk))) for _, chunk in chunks(self.labels)]
        return numpy.concatenate(found)

    def counts(self, targets: Targets, index: Any = None) -> Any:
        """How many of the rows, or of some, each class has; None where rows have none."""
        classes = self._classes(targets)
        if classes is None:
            return None
        number = 2 if targets.task == "binary" else targets.shape[0]
        return numpy.bincount(classes if index is None else classes[index], minlength=number)


class StreamSource(_Source):
    """Batches that come one after the other, from a loader or a generator."""

    def __init__(self, feed: StreamFeed) -> None:
        self.feed = feed
        self.x, y, _ = feed.first()
        if y is None:
            raise SettingError("the batches have no targets: (x, y) or (x, y, weight) is wanted")
        self.labels = as_labels(y)
        self.rows = Rows(self.x, "x of the first batch")

    def whole(self, model: Any, targets: Targets, batch_size: int) -> Feed:
        """All batches."""
        self.feed.targets, self.feed.placement = targets, model.placement()
        return self.feed

    def feeds(
        self, model: Any, targets: Targets, options: dict[str, Any], notes: list[str]
    ) -> tuple[Feed, Feed | None]:
        """What to train on, and what to evaluate on if there is something."""
        if targets.classes_ is not None and model.classes_ is None:
            raise SettingError(
                f"the first batch has the labels {targets.classes_.tolist()[:5]}, and those of later ones are unknown",
                fix="number them from 0, or set model.classes_ to an array of all of them, sorted",
            )
        if self.feed.once and self.feed.steps is None and options["epochs"] > 1:
            raise SettingError(
                f"train: a generator ends after one epoch, and {options['epochs']} are asked for",
                fix="pass the function that makes it, or steps_per_epoch if it does not end",
            )
        if options["class_weight"] is not None:
            self.feed.class_weights = targets.class_weights(options["class_weight"], None)
        evaluation = given_evaluation(model, targets, options, notes)
        if evaluation is None:
            notes.append("evaluation: none, as batches that come from elsewhere cannot be split")
        return self.whole(model, targets, options["batch_size"]), evaluation


def given_evaluation(model: Any, targets: Targets, options: dict[str, Any], notes: list[str]) -> Feed | None:
    """The feed of ``validation_data``, or None."""
    given = options["validation_data"]
    if given is None:
        return None
    source: ArraySource | StreamSource
    if is_stream(given):
        source = StreamSource(StreamFeed(given, _evaluation_batch(options)))
        if source.feed.once:
            raise SettingError(
                "train: validation_data is a generator, which ends after one epoch",
                fix="pass the function that makes it, or arrays",
            )
    else:
        x, y, weight = parts(given) if isinstance(given, (tuple, list)) else (None, None, None)
        if y is None:
            raise SettingError("train: validation_data must be (X, y) or (X, y, weight), or batches")
        source = ArraySource(x, y, weight, "X of validation_data")
    source.expect_fit(model)
    try:
        own = Targets.of(model.expect_loss().kind, source.labels, targets.shape, targets.known_labels())
    except TinygradError as error:
        error.add_note("this y is that of validation_data")
        raise
    if isinstance(source, ArraySource):
        notes.append(f"evaluation: {len(source.rows)} rows of validation_data")
    return source.whole(model, own, _evaluation_batch(options))


def _evaluation_batch(options: dict[str, Any]) -> int:
    batch_size: int = options["batch_size"]
    return max(EVALUATION_BATCH, batch_size)
