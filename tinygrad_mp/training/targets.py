"""What a model learns to give: labels of any kind as class indices, or numbers in the shape of the outputs.

>>> import numpy
>>> targets = Targets.of("classes", numpy.array(["cat", "dog", "cat"]), (2,))
>>> targets.classes_.tolist(), targets.encode(numpy.array(["dog", "cat"])).tolist()
(['cat', 'dog'], [1, 0])
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy

from tinygrad_mp.backend import is_array, to_numpy
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.training.arrays import chunks, expect_finite
from tinygrad_mp.training.losses import Kind

Form = Literal["labels", "probabilities", "binary", "values"]
_SHOWN = 10  # labels listed in an error


def as_labels(given: Any, what: str = "y") -> Any:
    """Targets as an array, on the host where they are labels; strings and objects are labels too."""
    if isinstance(given, TensorBase):
        given = given.array
    if isinstance(given, numpy.ma.MaskedArray):
        raise TypeError(f"{what} is a masked array, whose mask would be lost\n  fix: drop the masked rows")
    try:
        array = given if is_array(given) and type(given) is not numpy.ndarray else numpy.asarray(given)
    except ValueError as error:
        raise ShapeError(f"{what} is no table: {error}", fix="give rows of one length") from None
    if array.ndim == 0:
        raise ShapeError(f"{what} is {given!r:.60}: an array with a target for each sample is wanted")
    return array


@dataclass(frozen=True)
class Targets:
    """How targets are written for the loss, and for the metrics.

    ``form``: ``"labels"``, one of several classes; ``"probabilities"``, a row for each sample; ``"binary"``, two
    classes, or several labels that are each true or false; ``"values"``, numbers. ``shape`` is that of one sample's
    outputs; ``classes_`` holds the labels in the order of the outputs, or is None where labels are the indices.
    """

    form: Form
    shape: tuple[int, ...]
    classes_: Any = None

    @staticmethod
    def of(kind: Kind, y: Any, shape: tuple[int, ...], classes_: Any = None) -> Targets:
        """Find out from all targets; with ``classes_`` from an earlier training, those are kept.

        Errors
        ------
        ShapeError, DTypeError, IndexRangeError or SettingError for targets that the loss cannot take: NaN, labels that
        are fractions, more labels than outputs, another number of columns.
        """
        if kind == "classes":
            return _of_classes(y, shape, classes_)
        if kind == "binary":
            return _of_two(y, shape, classes_)
        _expect_numbers(y)
        expect_finite(y, "y")
        _expect_shape(y, shape)
        return Targets("values", shape)

    def expect(self, y: Any) -> None:
        """Raise, as :meth:`of`, unless these are targets of the same form."""
        kind: Kind = {"values": "values", "binary": "binary"}.get(self.form, "classes")  # type: ignore[assignment]
        found = Targets.of(kind, y, self.shape, self.known_labels())
        if found.form != self.form:
            raise ShapeError(f"a batch has {found.form} as targets, those before had {self.form}", fix="give one form")

    @property
    def task(self) -> str:
        """For the choice of metrics: ``"regression"``, ``"binary"``, ``"multiclass"`` or ``"multilabel"``."""
        if self.form == "binary":
            return "binary" if math.prod(self.shape) == 1 else "multilabel"
        return "regression" if self.form == "values" else "multiclass"

    def known_labels(self) -> Any:
        """The labels, also where they are 0, 1, ...; None where there are none."""
        if self.classes_ is not None or self.task not in ("binary", "multiclass"):
            return self.classes_
        return numpy.arange(2 if self.form == "binary" else self.shape[0])

    def encode(self, y: Any) -> Any:
        """The targets of some samples for the loss, as an array."""
        if self.form == "values":
            return y.reshape(len(y), *self.shape)
        if self.form == "probabilities":
            return y
        if self.form == "labels":
            return self._indices(y)
        rows = self._indices(y) if self.classes_ is not None else y
        return rows.reshape(len(y), *self.shape)

    def _indices(self, y: Any) -> Any:
        if len(self.shape) == 1 and y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if self.classes_ is None:
            return y.astype(numpy.int64, copy=False)
        y = to_numpy(y) if is_array(y) else y
        places = numpy.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        wrong = self.classes_[places] != y
        if wrong.any():
            found = sorted(set(y[wrong].tolist()), key=str)
            raise IndexRangeError(
                f"y has labels that the model does not know: {_some(found)}; it knows {_some(self.classes_.tolist())}",
                fix="drop these rows, or train a new Model with an output for each label",
            )
        return places

    def true_classes(self, encoded: Any) -> Any:
        """Class indices, from what :meth:`encode` gave: for metrics."""
        if self.form == "probabilities":
            return encoded.argmax(axis=1)
        if self.form == "binary":
            rows = encoded >= 0.5
            return (rows.reshape(len(rows)) if self.task == "binary" else rows).astype(numpy.int64)
        return encoded

    def labels_of(self, indices: Any) -> Any:
        """The labels that class indices stand for."""
        return indices if self.classes_ is None else self.classes_[indices]

    def weights_of(self, encoded: Any, weights: Any) -> Any:
        """The weight of each sample, from one for each class."""
        if self.form == "probabilities":
            return encoded @ weights
        return weights[self.true_classes(encoded)]

    def class_weights(self, given: Any, counts: Any) -> Any:
        """A weight for each class, from a dict of labels and weights, a list, or ``"balanced"``.

        Balanced weights are ``samples / (classes * samples of the class)``, so that each class weighs as much. Source:
        King and Zeng, Logistic regression in rare events data, 2001.
        """
        if self.task not in ("binary", "multiclass"):
            raise SettingError(f"class_weight is for labels, and this is {self.task}", fix="give sample_weight")
        if len(self.shape) > 1:
            raise SettingError(
                "class_weight is for one label a sample", fix="the loss nn.CrossEntropyLoss(weight=...) takes more"
            )
        number = 2 if self.form == "binary" else self.shape[0]
        if isinstance(given, str):
            if given != "balanced":
                raise SettingError(f'class_weight must be "balanced", a dict or a list, not {given!r}')
            if counts is None:
                raise SettingError(
                    'class_weight="balanced" is found from all targets, one a row, and these are batches or positions',
                    fix="give the weights: {label: weight}",
                )
            present = counts > 0
            return numpy.where(present, counts.sum() / (present.sum() * numpy.maximum(counts, 1)), 0.0)
        if not hasattr(given, "__len__"):
            raise SettingError(f'class_weight must be "balanced", a dict or a list, not {given!r:.60}')
        weights = numpy.ones(number)
        names = list(range(number)) if self.classes_ is None else self.classes_.tolist()
        pairs = given.items() if isinstance(given, Mapping) else zip(names, given, strict=False)
        if not isinstance(given, Mapping) and len(given) != number:
            raise SettingError(f"class_weight has {len(given)} weights, the model {number} classes")
        for label, weight in pairs:
            if label not in names:
                raise SettingError(f"class_weight has the label {label!r}, the model knows {_some(names)}")
            if not (weight >= 0 and math.isfinite(weight)):
                raise SettingError(f"class_weight of {label!r} must be a number, at least 0, not {weight!r}")
            weights[names.index(label)] = weight
        return weights

    def counts(self, encoded: Any) -> Any:
        """How many samples of each class there are."""
        number = 2 if self.form == "binary" else self.shape[0]
        return numpy.bincount(to_numpy(self.true_classes(encoded)).ravel(), minlength=number)


def _of_classes(y: Any, shape: tuple[int, ...], classes_: Any) -> Targets:
    if not shape:
        raise ShapeError(
            "the outputs have one number a sample, and classes need one each", fix="end with Dense(classes)"
        )
    width = shape[0]
    if y.ndim == len(shape) + 1 and y.shape[1:] == shape and y.dtype.kind in "biuf" and width > 1:
        return _of_probabilities(y, shape)
    sample = (y.shape[1:] or (1,)) if len(shape) == 1 else y.shape[1:]
    if sample != (shape[1:] or (1,)):
        raise ShapeError(
            f"y has shape {y.shape}, the outputs have shape (n, {', '.join(map(str, shape))})",
            fix="give one label a sample, or a probability for each class"
            if len(shape) == 1
            else "add Flatten() before the last Dense, or give a label for every position",
        )
    if classes_ is not None:
        return _checked(Targets("labels", shape, _expect_labels(classes_, width)), y)
    labels = _distinct(y)
    if width == 1:
        raise ShapeError(
            f"the model has one output, and y has the labels {_some(labels.tolist())}",
            fix="end with Dense(classes), or use BinaryCrossEntropy for two classes",
        )
    if labels.dtype.kind in "iu" and labels[0] >= 0 and labels[-1] < width:
        return Targets("labels", shape)
    if len(labels) != width:
        raise IndexRangeError(
            f"y has {len(labels)} labels, {_some(labels.tolist())}, the model has {width} outputs",
            fix=f"end the model with Dense({len(labels)})"
            if len(labels) > width or labels.dtype.kind not in "iu"
            else f"number the labels from 0 to {width - 1}",
        )
    return Targets("labels", shape, labels)


def _of_probabilities(y: Any, shape: tuple[int, ...]) -> Targets:
    expect_finite(y, "y")
    for start, chunk in chunks(y):
        rows = to_numpy(chunk)
        wrong = (rows < 0).any(axis=1) | (abs(rows.sum(axis=1) - 1) > 1e-3)
        if wrong.any():
            row = start + int(wrong.argmax())
            raise SettingError(
                f"y has a column for each class, and row {row} is no distribution: it has negative entries, or its sum "
                "is not 1",
                fix="give one-hot rows, probabilities or class indices; where a sample may have several labels, use "
                "BinaryCrossEntropy",
            )
    return Targets("probabilities", shape)


def _of_two(y: Any, shape: tuple[int, ...], classes_: Any) -> Targets:
    if not _counts_up(classes_) or y.dtype.kind not in "biuf":
        labels = _expect_labels(classes_, 2) if classes_ is not None else _distinct(y)
        if math.prod(shape) != 1:
            raise DTypeError(f"y has labels of dtype {y.dtype}, the outputs several columns: 0 and 1 are wanted")
        if len(labels) > 2:
            raise SettingError(
                f"BinaryCrossEntropy takes two labels, y has {len(labels)}: {_some(labels.tolist())}",
                fix="use CategoricalCrossEntropy with an output for each",
            )
        if len(labels) < 2:
            raise SettingError(f"y has one label only, {labels.tolist()[0]!r}: there is nothing to tell apart")
        return _checked(Targets("binary", shape, labels), y)
    _expect_numbers(y)
    expect_finite(y, "y")
    _expect_shape(y, shape)
    low, high = min(float(chunk.min()) for _, chunk in chunks(y)), max(float(chunk.max()) for _, chunk in chunks(y))
    if low >= 0 and high <= 1:
        return Targets("binary", shape)
    labels = _distinct(y)
    if classes_ is not None or len(labels) != 2 or math.prod(shape) != 1:
        raise SettingError(
            f"BinaryCrossEntropy takes 0 and 1, or probabilities; y lies between {low:g} and {high:g}",
            fix="for more than two classes use CategoricalCrossEntropy, for numbers MSE",
        )
    return Targets("binary", shape, labels)


def _checked(targets: Targets, y: Any) -> Targets:
    """These targets, if they know all labels of y; without a list of labels that would change nothing."""
    expect_finite(y, "y")
    for _, chunk in chunks(y):
        targets.encode(chunk)
    return Targets(targets.form, targets.shape) if _counts_up(targets.classes_) else targets


def _expect_labels(given: Any, count: int) -> Any:
    """The labels of the outputs, as an array; SettingError if they cannot be."""
    labels = numpy.asarray(given)
    if labels.shape != (count,) or not (labels[1:] > labels[:-1]).all():
        raise SettingError(
            f"classes_ is {_some(labels.tolist())}: {count} different labels in ascending order are wanted",
            fix="model.classes_ = numpy.unique(labels)",
        )
    return labels


def _counts_up(labels: Any) -> bool:
    """Whether labels are 0, 1, 2, ..., or there are none."""
    return labels is None or (labels.dtype.kind in "iu" and bool((labels == numpy.arange(len(labels))).all()))


def _distinct(y: Any) -> Any:
    """The labels in y, sorted. Whole floats are labels too."""
    expect_finite(y, "y")
    found: Any = None
    for _, chunk in chunks(y):
        labels = to_numpy(chunk) if is_array(chunk) else chunk
        if labels.dtype.kind == "f" and (labels != labels.round()).any():
            raise _of_fractions(labels)
        labels = labels if found is None else numpy.concatenate([found, labels.ravel()])
        try:
            found = numpy.unique(labels)
        except TypeError:
            kinds = sorted({type(label).__name__ for label in labels.ravel().tolist()})
            raise DTypeError(
                f"y has labels of types {', '.join(kinds)}, which have no order",
                fix="drop rows without a label, and use one type, for example str",
            ) from None
    if found.dtype == object:
        found = numpy.array(found.tolist())
        expect_finite(found, "y")
    if found.dtype.kind != "f":
        return found
    if (found != found.round()).any():
        raise _of_fractions(found)
    return found.astype(numpy.int64)


def _of_fractions(labels: Any) -> DTypeError:
    example = float(labels[labels != labels.round()].flat[0])
    return DTypeError(
        f"y has dtype {labels.dtype} and fractions such as {example:g}: they are no labels",
        fix="for numbers use the loss MSE, MAE or Huber; for classes give integers or strings",
    )


def _expect_numbers(y: Any) -> None:
    if y.dtype.kind not in "biuf":
        raise DTypeError(
            f"y has dtype {y.dtype}: numbers are wanted",
            fix="for labels use the loss CategoricalCrossEntropy"
            + ("; numbers by y.astype(float)" if y.dtype == object else ""),
        )


def _expect_shape(y: Any, shape: tuple[int, ...]) -> None:
    """Raise unless the targets have the outputs' shape but for axes of one entry."""
    if [size for size in y.shape[1:] if size != 1] != [size for size in shape if size != 1]:
        raise ShapeError(
            f"y has shape {y.shape}, the outputs have shape (n, {', '.join(map(str, shape))})",
            fix="let the last layer give as many numbers as y has columns",
        )


def _some(labels: list[Any]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_SHOWN])
    return shown if len(labels) <= _SHOWN else f"{shown}, ... ({len(labels)} in all)"
