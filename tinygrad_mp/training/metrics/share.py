"""What accuracies have in common: a share of the rows."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.training.metrics.metric import Metric

__all__ = ["ShareOfRows"]


class ShareOfRows(Metric):
    """Base of the metrics that are the share of rows, by weight, for which something holds."""

    higher_is_better = True

    def right_rows(self, y_true: Any, y_pred: Any) -> Any:
        """Which rows are right, a boolean array (n,)."""
        raise NotImplementedError(f"{type(self).__name__} has no right_rows(y_true, y_pred)")

    def reset(self) -> None:
        super().reset()
        self.right: float = 0
        self.weight: float = 0

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        right = self.right_rows(y_true, y_pred)
        if sample_weight is None:
            self.right += numpy.count_nonzero(right)
            self.weight += len(right)
        else:
            self.right += float(sample_weight[right].sum())
            self.weight += float(sample_weight.sum())

    def figure(self) -> float:
        return float(self._mean(self.right, self.weight))
