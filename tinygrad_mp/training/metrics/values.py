"""Metrics of predicted numbers. Of several columns the figure is the mean of the columns' figures."""

from __future__ import annotations

import math
from typing import Any

import numpy

from tinygrad_mp.errors import DataError
from tinygrad_mp.training.metrics.metric import Metric

__all__ = ["MAE", "MSE", "R2", "RMSE"]


def _sum(metric: Metric, values: Any, sample_weight: Any) -> Any:
    """Sum over the rows, of each column; NaN and infinity are found in the sum, which is cheap."""
    total = values.sum(axis=0) if sample_weight is None else sample_weight @ values
    if not (math.isfinite(total) if values.ndim == 1 else numpy.isfinite(total).all()):
        raise DataError(
            f"{metric.name}: y_true or y_pred holds NaN or infinity, or numbers whose squares overflow",
            fix="numpy.isfinite(y) finds them; for predictions, NaNGuard names the layer",
        )
    return total


class _OfDifferences(Metric):
    """Gathers the sum of an error a row."""

    kind = "values"
    higher_is_better = False

    def reset(self) -> None:
        super().reset()
        self.total: Any = 0.0
        self.weight: float = 0

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        error = self.error(numpy.subtract(y_true, y_pred, dtype=numpy.float64))
        self.total = self.total + _sum(self, error, sample_weight)
        self.weight += len(error) if sample_weight is None else float(sample_weight.sum())

    def error(self, difference: Any) -> Any:
        """The error of each number."""
        raise NotImplementedError

    def figure(self) -> float:
        return float(numpy.mean(self._mean(self.total, self.weight)))


class MAE(_OfDifferences):
    """Mean absolute error.

    Parameters
    ----------
    name : str, default "mae"

    ``y_true``, ``y_pred``: numbers (n,) or (n, ...). Equals scikit-learn's mean_absolute_error.

    >>> from tinygrad_mp.training.metrics import MAE
    >>> MAE()([1.0, 2.0], [1.5, 4.0])
    1.25
    """

    default_name = "mae"

    def error(self, difference: Any) -> Any:
        return abs(difference)


class MSE(_OfDifferences):
    """Mean squared error.

    Parameters
    ----------
    name : str, default "mse"

    ``y_true``, ``y_pred``: numbers (n,) or (n, ...). Equals scikit-learn's mean_squared_error.

    >>> from tinygrad_mp.training.metrics import MSE
    >>> MSE()([1.0, 2.0], [1.0, 4.0])
    2.0
    """

    default_name = "mse"

    def error(self, difference: Any) -> Any:
        return difference * difference


class RMSE(MSE):
    """Root of the mean squared error, in the unit of the targets; of several columns, the mean of their roots.

    Parameters
    ----------
    name : str, default "rmse"

    ``y_true``, ``y_pred``: numbers (n,) or (n, ...). Equals scikit-learn's root_mean_squared_error.

    >>> from tinygrad_mp.training.metrics import RMSE
    >>> RMSE()([1.0, 2.0], [1.0, 6.0]) ** 2
    8.0
    """

    default_name = "rmse"

    def figure(self) -> float:
        return float(numpy.mean(numpy.sqrt(self._mean(self.total, self.weight))))


class R2(Metric):
    """Share of the targets' variance that is explained: 1 is perfect, 0 is as good as their mean, below is worse.

    Parameters
    ----------
    name : str, default "r2"

    ``y_true``, ``y_pred``: numbers (n,) or (n, ...). Equals scikit-learn's r2_score: nan for a single row; of constant
    targets 1 if each is met, otherwise 0.

    Variances of batches are merged about a number close to the mean, not taken as a difference of large sums.
    Source: Chan, Golub, LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.

    >>> from tinygrad_mp.training.metrics import R2
    >>> R2()([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    """

    kind = "values"
    higher_is_better = True
    default_name = "r2"

    def reset(self) -> None:
        super().reset()
        self.weight: float = 0
        self.origin: Any = None
        self.mean: Any = 0.0
        self.spread: Any = 0.0
        self.missed: Any = 0.0

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        difference = numpy.subtract(y_true, y_pred, dtype=numpy.float64)
        missed = _sum(self, difference * difference, sample_weight)
        # Near the origin a difference of two numbers is exact, so constant targets have no spread at all.
        origin = y_true[0].astype(numpy.float64) if self.origin is None else self.origin
        shifted = numpy.subtract(y_true, origin, dtype=numpy.float64)
        weight = len(y_true) if sample_weight is None else float(sample_weight.sum())
        self.origin = origin
        if not weight:
            return
        mean = _sum(self, shifted, sample_weight) / weight
        shifted = shifted - mean
        spread = _sum(self, shifted * shifted, sample_weight)
        away = mean - self.mean
        together = self.weight + weight
        self.spread = self.spread + spread + away * away * (self.weight * weight / together)
        self.mean = self.mean + away * (weight / together)
        self.missed = self.missed + missed
        self.weight = together

    def figure(self) -> float:
        self._mean(0, self.weight)
        if self.rows < 2:
            return math.nan
        flat = self.spread == 0
        figures = numpy.where(flat, numpy.equal(self.missed, 0), 1 - self.missed / (self.spread + flat))
        return float(numpy.mean(figures))
