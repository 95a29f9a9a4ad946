"""The confusion matrix, and what needs all of it."""

from __future__ import annotations

import math
from typing import Any

import numpy

from tinygrad_mp.errors import SettingError
from tinygrad_mp.training.metrics.metric import Metric

__all__ = ["CohenKappa", "ConfusionMatrix"]


class _Counted(Metric):
    """Gathers how often class j (column) was predicted where class i (row) was true."""

    kind = "classes"

    def reset(self) -> None:
        super().reset()
        self.counts = numpy.zeros((0, 0), dtype=numpy.int64)

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        size = max(self.found, self.classes or 0)
        dtype = self.counts.dtype if sample_weight is None else sample_weight.dtype
        if self.counts.shape != (size, size) or self.counts.dtype != dtype:
            before = self.counts
            self.counts = numpy.zeros((size, size), dtype=dtype)
            self.counts[: len(before), : len(before)] = before
        # Rows of a batch are few beside classes², so each is added where it belongs.
        numpy.add.at(self.counts, (y_true, y_pred), 1 if sample_weight is None else sample_weight)


class ConfusionMatrix(_Counted):
    """How often class j (column) was predicted where class i (row) was true, as an array (classes, classes).

    Parameters
    ----------
    normalize : str, optional
        "true": each row sums to 1; "pred": each column; "all": the whole matrix. A row or a column without any count
        stays zero.
    name : str, default "confusion_matrix"

    ``y_true``, ``y_pred``: class indices (n,). Classes are those of ``classes``, or 0 to the highest label found; the
    counts are int64, float64 with sample weights. Equals scikit-learn's confusion_matrix with these labels.

    >>> from tinygrad_mp.training.metrics import ConfusionMatrix
    >>> ConfusionMatrix()([0, 1, 2, 2], [0, 1, 2, 1])
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 1]])
    """

    higher_is_better = None
    default_name = "confusion_matrix"

    def __init__(self, normalize: str | None = None, *, name: str | None = None) -> None:
        if normalize not in (None, "true", "pred", "all"):
            raise SettingError(f"normalize={normalize!r} is unknown", fix="'true', 'pred', 'all' or None")
        self.normalize = normalize
        super().__init__(name=name)

    def figure(self) -> Any:
        if self.normalize is None:
            return self.counts.copy()
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        totals = self.counts.sum(axis=axis, keepdims=True)
        return self.counts / (totals + (totals == 0))


class CohenKappa(_Counted):
    """Cohen's kappa: how far truth and prediction agree beyond chance; 1 is perfect, 0 is chance.

    Parameters
    ----------
    weights : str, optional
        "linear" or "quadratic": for ordered classes, a miss counts by how far it is off, or by the square of that.
    name : str, default "cohen_kappa"

    ``y_true``, ``y_pred``: class indices (n,); the distance of two classes is that of their indices, also where
    classes between them are absent. Equals scikit-learn's cohen_kappa_score with ``labels`` 0, 1, 2, ...; nan where
    truth and prediction are one and the same class.

    Source: Cohen, A coefficient of agreement for nominal scales, 1960; weighted: 1968.

    >>> from tinygrad_mp.training.metrics import CohenKappa
    >>> CohenKappa()([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
    """

    higher_is_better = True
    default_name = "cohen_kappa"

    def __init__(self, weights: str | None = None, *, name: str | None = None) -> None:
        if weights not in (None, "linear", "quadratic"):
            raise SettingError(f"weights={weights!r} is unknown", fix="'linear', 'quadratic' or None")
        self.weights = weights
        super().__init__(name=name)

    def figure(self) -> float:
        counts = self.counts.astype(numpy.float64)
        self._mean(0, counts.sum())
        expected = numpy.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
        positions = numpy.arange(len(counts), dtype=numpy.float64)
        cost = abs(positions[:, None] - positions)
        if self.weights != "linear":
            cost = cost**2 if self.weights == "quadratic" else (cost > 0).astype(numpy.float64)
        chance = float((cost * expected).sum())
        return 1 - float((cost * counts).sum()) / chance if chance else math.nan
