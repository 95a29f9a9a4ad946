"""Metrics of predicted classes that need three counts a class: how often right, how often predicted, how often true."""

from __future__ import annotations

import math
from typing import Any

import numpy

from tinygrad_mp.errors import DataError, SettingError
from tinygrad_mp.training.metrics.metric import Metric
from tinygrad_mp.training.metrics.share import ShareOfRows

__all__ = ["F1", "MCC", "Accuracy", "BalancedAccuracy", "Precision", "Recall"]

_AVERAGES = ("auto", "binary", "macro", "micro", "weighted")


class Accuracy(ShareOfRows):
    """Share of the rows whose class is predicted rightly; of several labels a row, all must be right.

    Parameters
    ----------
    name : str, default "accuracy"

    ``y_true``, ``y_pred``: class indices (n,), or zeros and ones (n, labels). Equals scikit-learn's accuracy_score.

    >>> from tinygrad_mp.training.metrics import Accuracy
    >>> Accuracy()([0, 1, 2, 2], [0, 1, 2, 1])
    0.75
    """

    kind = "classes"
    default_name = "accuracy"
    several_labels = True

    def right_rows(self, y_true: Any, y_pred: Any) -> Any:
        right = y_true == y_pred
        return right.all(axis=1) if right.ndim == 2 else right


def _longer(counts: Any, length: int) -> Any:
    """``counts`` with zeros behind, for classes that were not seen before."""
    if len(counts) == length:
        return counts
    longer = numpy.zeros(length, dtype=counts.dtype)
    longer[: len(counts)] = counts
    return longer


class _OfEachClass(Metric):
    """Gathers, for each class, the rows where it is right, predicted, and true."""

    kind = "classes"
    higher_is_better = True

    def reset(self) -> None:
        super().reset()
        self.right = self.predicted = self.actual = numpy.zeros(0, dtype=numpy.int64)
        self.seen = numpy.zeros(0, dtype=bool)

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        if y_true.ndim == 2:
            self._add_indicators(y_true, y_pred, sample_weight)
            return
        count = max(self.found, self.classes or 0, len(self.seen))
        same = y_true == y_pred
        if sample_weight is None:
            right = numpy.bincount(y_true[same], minlength=count)
            predicted = numpy.bincount(y_pred, minlength=count)
            actual = numpy.bincount(y_true, minlength=count)
            seen = predicted + actual > 0
        else:
            right = numpy.bincount(y_true[same], weights=sample_weight[same], minlength=count)
            predicted = numpy.bincount(y_pred, weights=sample_weight, minlength=count)
            actual = numpy.bincount(y_true, weights=sample_weight, minlength=count)
            seen = numpy.zeros(count, dtype=bool)
            seen[y_true] = seen[y_pred] = True
        self._add_counts(right, predicted, actual, seen)

    def _add_indicators(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Each column is a label of its own; all of them count as seen, as in scikit-learn."""
        weights = numpy.ones(len(y_true), dtype=numpy.int64) if sample_weight is None else sample_weight
        seen = numpy.ones(y_true.shape[1], dtype=bool)
        self._add_counts(weights @ (y_true & y_pred), weights @ y_pred, weights @ y_true, seen)

    def _add_counts(self, right: Any, predicted: Any, actual: Any, seen: Any) -> None:
        count = len(seen)
        self.right = _longer(self.right, count) + right
        self.predicted = _longer(self.predicted, count) + predicted
        self.actual = _longer(self.actual, count) + actual
        self.seen = _longer(self.seen, count) | seen


class _Averaged(_OfEachClass):
    """A figure a class, ``numerator / denominator``, and their average."""

    several_labels = True
    base_name = ""

    def __init__(self, average: str | None = "auto", zero_division: float = 0.0, *, name: str | None = None) -> None:
        if average is not None and average not in _AVERAGES:
            raise SettingError(f"average={average!r} is unknown", fix=f"one of {', '.join(_AVERAGES)}, or None")
        if not (zero_division in (0, 1) or math.isnan(zero_division)):
            raise SettingError(f"zero_division={zero_division!r}", fix="0, 1 or nan")
        self.average = average
        self.zero_division = zero_division
        super().__init__(name=name)

    @property
    def default_name(self) -> str:  # type: ignore[override]
        """Its name if none is given."""
        return self.base_name if self.average == "auto" else f"{self.base_name}_{self.average or 'each'}"

    def ratio(self, right: Any, predicted: Any, actual: Any) -> tuple[Any, Any]:
        """Numerator and denominator of the figure of each class."""
        raise NotImplementedError

    def figure(self) -> Any:
        average = self.average
        binary = self.columns is None and max(self.found, self.classes or 0) <= 2
        if average == "auto":
            average = "binary" if binary else "macro"
        if average == "binary" and not binary:
            raise DataError(
                f"{self.name}: average='binary' is for two classes, and there are "
                f"{self.columns or max(self.found, self.classes or 0)}",
                fix="average='macro', 'weighted' or 'micro'",
            )
        counts = [self.right, self.predicted, self.actual]
        if average == "binary":
            counts = [_longer(one, 2)[1:] for one in counts]
        elif average == "micro":
            counts = [one.sum(keepdims=True) for one in counts]
        numerator, denominator = self.ratio(*counts)
        none = denominator == 0
        figures = numpy.where(none, self.zero_division, numerator / (denominator + none))
        if average is None:
            return figures
        if average in ("binary", "micro"):
            return float(figures[0])
        used = self.seen & ~numpy.isnan(figures)
        if not used.any():
            return math.nan
        weights = self.actual[used] if average == "weighted" else None
        if weights is not None and not weights.any():
            weights = None
        return float(numpy.average(figures[used], weights=weights))


class Precision(_Averaged):
    """Of the rows predicted to be of a class, the share that is.

    Parameters
    ----------
    average : str or None, default "auto"
        "binary": the figure of class 1, for two classes. "macro": the mean of the figures of all classes that are
        in the targets or the predictions. "weighted": the same, weighted by how often a class is true. "micro": of
        the counts of all classes together. None: an array of one figure a class. "auto": "binary" where there are
        two classes, "macro" where there are more or a row may have several labels.
    zero_division : 0, 1 or nan, default 0
        The figure of a class where it would be 0 / 0; classes that are nan are left out of an average.
    name : str, default "precision", with the average behind if one is given: "precision_macro"

    ``y_true``, ``y_pred``: class indices (n,), or zeros and ones (n, labels). Equals scikit-learn's precision_score.

    >>> from tinygrad_mp.training.metrics import Precision
    >>> Precision()([1, 1, 1, 0], [1, 1, 0, 0])
    1.0
    """

    base_name = "precision"

    def ratio(self, right: Any, predicted: Any, actual: Any) -> tuple[Any, Any]:
        return right, predicted


class Recall(_Averaged):
    """Of the rows that are of a class, the share predicted to be. Its parameters are those of :class:`Precision`.

    ``y_true``, ``y_pred``: class indices (n,), or zeros and ones (n, labels). Equals scikit-learn's recall_score.

    >>> from tinygrad_mp.training.metrics import Recall
    >>> Recall()([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
    """

    base_name = "recall"

    def ratio(self, right: Any, predicted: Any, actual: Any) -> tuple[Any, Any]:
        return right, actual


class F1(_Averaged):
    """Harmonic mean of precision and recall: of class 1 where there are two, otherwise the mean of the classes' F1.

    Its parameters are those of :class:`Precision`.

    ``y_true``, ``y_pred``: class indices (n,), or zeros and ones (n, labels). Equals scikit-learn's f1_score.

    >>> from tinygrad_mp.training.metrics import F1
    >>> F1()([1, 1, 1, 0], [1, 1, 0, 0])
    0.8
    >>> F1()([0, 1, 2, 2], [0, 1, 1, 1])  # (1 + 0.5 + 0) / 3
    0.5
    """

    base_name = "f1"

    def ratio(self, right: Any, predicted: Any, actual: Any) -> tuple[Any, Any]:
        return 2.0 * right, predicted + actual


class BalancedAccuracy(_OfEachClass):
    """Mean of the recalls of the classes that are in the targets.

    Parameters
    ----------
    adjusted : bool, default False
        Scale it so that guessing has 0; the best stays 1.
    name : str, default "balanced_accuracy"

    ``y_true``, ``y_pred``: class indices (n,). Equals scikit-learn's balanced_accuracy_score; nan if ``adjusted`` and
    there is one class only.

    >>> from tinygrad_mp.training.metrics import BalancedAccuracy
    >>> BalancedAccuracy()([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """

    default_name = "balanced_accuracy"

    def __init__(self, adjusted: bool = False, *, name: str | None = None) -> None:
        self.adjusted = adjusted
        super().__init__(name=name)

    def figure(self) -> float:
        there = self.actual > 0
        count = int(there.sum())
        mean = float(self._mean((self.right[there] / self.actual[there]).sum(), count))
        if not self.adjusted:
            return mean
        return math.nan if count == 1 else (mean - 1 / count) / (1 - 1 / count)


class MCC(_OfEachClass):
    """Matthews' correlation coefficient: of truth and prediction, from -1 to 1; 0 for guessing, or if one is constant.

    Parameters
    ----------
    name : str, default "mcc"

    ``y_true``, ``y_pred``: class indices (n,). Equals scikit-learn's matthews_corrcoef.

    Source: Matthews 1975; for several classes Gorodkin, Comparing two K-category assignments by a K-category
    correlation coefficient, 2004.

    >>> from tinygrad_mp.training.metrics import MCC
    >>> MCC()([1, 1, 1, 0], [1, 0, 1, 0])
    0.5773502691896258
    """

    default_name = "mcc"

    def figure(self) -> float:
        rows = self.actual.sum().item()
        self._mean(0, rows)
        covariance = self.right.sum().item() * rows - (self.actual @ self.predicted).item()
        scale = _pairs(self.actual) * _pairs(self.predicted)
        return covariance / math.sqrt(scale) if scale else 0.0


def _pairs(counts: Any) -> Any:
    """``sum(counts)**2 - sum(counts**2)`` without taking a difference: exactly zero where there is but one class."""
    return 2 * (counts[1:] @ numpy.cumsum(counts)[:-1]).item()
