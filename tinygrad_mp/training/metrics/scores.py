"""Metrics of scores or probabilities that are sums over the rows."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.errors import DataError, SettingError
from tinygrad_mp.training.metrics.metric import Metric
from tinygrad_mp.training.metrics.share import ShareOfRows

__all__ = ["LogLoss", "TopK"]


class TopK(ShareOfRows):
    """Share of the rows whose class is among the ``k`` of highest score.

    Parameters
    ----------
    k : int, default 5
    name : str, default "top_5_accuracy", with the ``k`` given

    ``y_true``: class indices (n,); scores (n, classes), or probabilities (n,) of the positive class. Of equal scores
    that of the higher class comes first. Equals scikit-learn's top_k_accuracy_score: always 1 where ``k`` is at least
    the number of classes.

    >>> from tinygrad_mp.training.metrics import TopK
    >>> TopK(2)([0, 1, 2], [[0.1, 0.6, 0.3], [0.2, 0.3, 0.5], [0.1, 0.2, 0.7]])
    0.6666666666666666
    """

    kind = "scores"

    def __init__(self, k: int = 5, *, name: str | None = None) -> None:
        if k < 1 or k != int(k):
            raise SettingError(f"k={k!r} must be a whole number from 1 on", fix="TopK(5)")
        self.k = k
        super().__init__(name=name)

    @property
    def default_name(self) -> str:  # type: ignore[override]
        """Its name if none is given."""
        return f"top_{self.k}_accuracy"

    def right_rows(self, y_true: Any, y_pred: Any) -> Any:
        if y_pred.ndim == 1:
            return (y_pred > 0.5) == y_true if self.k == 1 else numpy.ones(len(y_true), dtype=bool)
        own = y_pred[numpy.arange(len(y_true)), y_true][:, None]
        later = numpy.arange(y_pred.shape[1]) > y_true[:, None]
        return ((y_pred > own) | ((y_pred == own) & later)).sum(axis=1) < self.k


class LogLoss(Metric):
    """Mean of ``-log`` of the probability that the true class was given.

    Parameters
    ----------
    name : str, default "log_loss"

    ``y_true``: class indices (n,); probabilities (n, classes), or (n,) of the positive class. They are kept from 0 and
    1 by the smallest step of their dtype, so that the figure is finite. Equals scikit-learn's log_loss.

    Errors
    ------
    DataError for probabilities below 0 or above 1, or whose rows do not sum to 1, as logits.

    >>> from tinygrad_mp.training.metrics import LogLoss
    >>> round(LogLoss()([1, 0], [0.5, 0.5]), 6)
    0.693147
    """

    kind = "scores"
    higher_is_better = False
    default_name = "log_loss"

    def reset(self) -> None:
        super().reset()
        self.total = 0.0
        self.weight: float = 0

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        lowest, highest = y_pred.min(), y_pred.max()
        if lowest < 0 or highest > 1:
            raise DataError(
                f"{self.name}: probabilities must be from 0 to 1, and these are from {lowest} to {highest}",
                fix="apply softmax or sigmoid to logits",
            )
        step = float(numpy.finfo(y_pred.dtype).eps)
        probabilities = y_pred.astype(numpy.float64)
        if y_pred.ndim == 1:
            own = numpy.where(y_true == 1, probabilities, 1 - probabilities)
        else:
            off = float(abs(probabilities.sum(axis=1) - 1).max())
            if off > max(1e-3, step**0.5):
                raise DataError(
                    f"{self.name}: the probabilities of a row must sum to 1, and one is off by {off:.3g}",
                    fix="apply softmax",
                )
            own = probabilities[numpy.arange(len(y_true)), y_true]
        losses = -numpy.log(own.clip(step, 1 - step))
        self.total += float(losses.sum() if sample_weight is None else sample_weight @ losses)
        self.weight += len(losses) if sample_weight is None else float(sample_weight.sum())

    def figure(self) -> float:
        return float(self._mean(self.total, self.weight))
