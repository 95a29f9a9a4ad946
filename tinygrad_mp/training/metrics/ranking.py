"""Metrics of how scores rank the rows. They keep all scores, as no sum over the rows will do."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy

from tinygrad_mp.errors import SettingError
from tinygrad_mp.training.metrics.metric import Metric

__all__ = ["ROCAUC", "AveragePrecision"]


def _counts(positive: Any, scores: Any, weights: Any) -> tuple[Any, Any]:
    """True and false positives at each threshold, from the highest score down; equal scores are one threshold."""
    order = numpy.argsort(scores, kind="stable")[::-1]
    scores, positive = scores[order], positive[order]
    ends = numpy.append(numpy.flatnonzero(numpy.diff(scores)), len(scores) - 1)
    if weights is None:
        right = numpy.cumsum(positive)[ends]
        return right, ends + 1 - right
    weights = weights[order]
    return numpy.cumsum(weights * positive)[ends], numpy.cumsum(weights * ~positive)[ends]


def _area(positive: Any, scores: Any, weights: Any) -> float:
    """Area under the curve of true over false positives; nan where there is no positive or no negative row."""
    right, wrong = _counts(positive, scores, weights)
    if not (right[-1] > 0 and wrong[-1] > 0):
        return math.nan
    steps = numpy.diff(wrong, prepend=0)
    heights = right + numpy.append(0, right[:-1])
    return float(steps @ heights) / (2.0 * float(right[-1]) * float(wrong[-1]))


def _step_area(positive: Any, scores: Any, weights: Any) -> float:
    """Sum of precision times the step in recall; nan where there is no positive row."""
    right, wrong = _counts(positive, scores, weights)
    if not right[-1] > 0:
        return math.nan
    chosen = right + wrong
    precision = right / (chosen + (chosen == 0))
    return float(numpy.diff(right, prepend=0) @ precision) / float(right[-1])


class _Ranked(Metric):
    """Keeps targets and scores."""

    kind = "scores"
    higher_is_better = True
    several_labels = True
    averages: tuple[str | None, ...] = ("macro", "weighted", "micro", None)

    def reset(self) -> None:
        super().reset()
        self.batches: list[tuple[Any, Any, Any]] = []

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        # Copies: whoever feeds us may use its memory again for the next batch.
        self.batches.append((y_true.copy(), y_pred.copy(), sample_weight))

    def _gathered(self) -> tuple[Any, Any, Any]:
        """All rows: targets, scores, and weights or None; of two classes, the scores of the positive one."""
        targets, scores, weights = zip(*self.batches, strict=True)
        together: Any = None
        if any(one is not None for one in weights):
            ones = [numpy.ones(len(y)) if w is None else w for y, w in zip(targets, weights, strict=True)]
            together = numpy.concatenate(ones)
            self._mean(0, together.sum())
        y_true = numpy.concatenate(targets)
        one_column = [score[:, 1] if y.ndim == 1 and score.shape[1:] == (2,) else score
                      for y, score in zip(targets, scores, strict=True)]  # fmt: skip
        return y_true, numpy.concatenate(one_column), together

    def _averaged(self, curve: Any, average: str | None) -> Any:
        """``curve`` of each class against the rest, averaged over the classes where it is defined."""
        y_true, scores, weights = self._gathered()
        if scores.ndim == 1:
            return curve(y_true == 1, scores, weights)
        member = y_true == 1 if y_true.ndim == 2 else y_true[:, None] == numpy.arange(scores.shape[1])
        if average == "micro":
            spread = None if weights is None else numpy.repeat(weights, scores.shape[1])
            return curve(member.reshape(-1), scores.reshape(-1), spread)
        figures = numpy.array([curve(member[:, c], scores[:, c], weights) for c in range(scores.shape[1])])
        if average is None:
            return figures
        counts = member.sum(axis=0) if weights is None else weights @ member
        return _mean_of_defined(figures, counts if average == "weighted" else None)


def _mean_of_defined(figures: Any, weights: Any) -> float:
    defined = ~numpy.isnan(figures)
    if not defined.any():
        return math.nan
    return float(numpy.average(figures[defined], weights=None if weights is None else weights[defined]))


class ROCAUC(_Ranked):
    """Area under the ROC curve: how likely a positive row has a higher score than a negative one, ties counted half.

    Parameters
    ----------
    multi_class : str, default "ovr"
        For more than two classes. "ovr": each class against the rest. "ovo": each pair of classes among themselves.
    average : str or None, default "macro"
        "macro": the mean over classes or pairs; "weighted": weighted by how often they occur. With "ovr" also
        "micro": of all (row, class) pairs together, and None: an array of one figure a class.
    name : str, default "roc_auc"

    ``y_true``: class indices (n,), scores (n, classes), or (n,) of the positive class; or, where a row may have several
    labels, zeros and ones (n, labels) and as many scores. Equals scikit-learn's roc_auc_score where that is defined;
    a class that no row, or every row, belongs to is left out of the average, and the figure is nan if none is left.

    Source: Hanley, McNeil, The meaning and use of the area under a ROC curve, 1982; pairs: Hand, Till, A simple
    generalisation of the area under the ROC curve for multiple class classification problems, 2001.

    >>> from tinygrad_mp.training.metrics import ROCAUC
    >>> ROCAUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """

    default_name = "roc_auc"

    def __init__(self, multi_class: str = "ovr", average: str | None = "macro", *, name: str | None = None) -> None:
        if multi_class not in ("ovr", "ovo"):
            raise SettingError(f"multi_class={multi_class!r} is unknown", fix="'ovr' or 'ovo'")
        allowed = self.averages if multi_class == "ovr" else ("macro", "weighted")
        if average not in allowed:
            raise SettingError(f"average={average!r} does not go with {multi_class!r}", fix=f"one of {allowed}")
        self.multi_class = multi_class
        self.average = average
        super().__init__(name=name)

    def figure(self) -> Any:
        if self.multi_class == "ovo" and self.columns != 2:
            y_true, scores, weights = self._gathered()
            if y_true.ndim == 1:
                return _of_pairs(y_true, scores, weights, self.average == "weighted")
        return self._averaged(_area, self.average)


def _of_pairs(y_true: Any, scores: Any, weights: Any, weighted: bool) -> float:
    figures, counts = [], []
    for first, second in combinations(numpy.unique(y_true), 2):
        here = (y_true == first) | (y_true == second)
        among, own = y_true[here], None if weights is None else weights[here]
        areas = [_area(among == one, scores[here, one], own) for one in (first, second)]
        figures.append(sum(areas) / 2)
        counts.append(float(here.sum() if own is None else own.sum()))
    return _mean_of_defined(numpy.array(figures), numpy.array(counts) if weighted else None)


class AveragePrecision(_Ranked):
    """Mean of the precisions at each threshold, weighted by the gain in recall there; no interpolation.

    Parameters
    ----------
    average : str or None, default "macro"
        For more than two classes, or several labels a row: each against the rest, then the mean ("macro"), weighted by
        how often they are true ("weighted"), of all (row, class) pairs together ("micro"), or an array (None).
    name : str, default "average_precision"

    ``y_true``: class indices (n,), scores (n, classes), or (n,) of the positive class; or, where a row may have several
    labels, zeros and ones (n, labels) and as many scores. Equals scikit-learn's average_precision_score where every
    class occurs; one that does not is left out of the average. Without any positive row it is 0, as there.

    >>> from tinygrad_mp.training.metrics import AveragePrecision
    >>> round(AveragePrecision()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 6)
    0.833333
    """

    default_name = "average_precision"

    def __init__(self, average: str | None = "macro", *, name: str | None = None) -> None:
        if average not in self.averages:
            raise SettingError(f"average={average!r} is unknown", fix=f"one of {self.averages}")
        self.average = average
        super().__init__(name=name)

    def figure(self) -> Any:
        figure = self._averaged(_step_area, self.average)
        return 0.0 if self.average is not None and math.isnan(figure) else figure
