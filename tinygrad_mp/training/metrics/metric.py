"""``Metric``: a figure for how good predictions are, gathered batch by batch."""

from __future__ import annotations

import copy
import inspect
from typing import Any, ClassVar

from tinygrad_mp.errors import DataError, SettingError
from tinygrad_mp.nn.arguments import Configured
from tinygrad_mp.training.metrics.checking import CHECKS

__all__ = ["Metric"]


class Metric(Configured):
    """Base of the metrics: ``update`` with each batch, then ``compute``; or call it with everything at once.

    The figure is that of all rows together, not a mean of the batches' figures, so that it does not depend on how the
    rows came in batches. Arrays of NumPy or CuPy, tensors and lists are taken; sums are in float64.

    Parameters
    ----------
    name : str, optional
        What it is called in logs and in the history; each class has its own: "accuracy".

    Attributes
    ----------
    kind : str
        What ``update`` takes. "classes": ``y_true`` and ``y_pred`` are class indices (n,), or zeros and ones
        (n, labels) where a row may have several labels. "scores": ``y_pred`` holds scores (n, classes), or (n,) of
        the positive class, which is class 1. "values": numbers (n,) or (n, ...), of the same shape.
    higher_is_better : bool or None
        None where there is no better, as of a confusion matrix.
    classes : int or None
        How many classes there are; a model sets it. None: as many as are found in the data.

    Errors
    ------
    ShapeError, DTypeError, IndexRangeError or DataError, each with what was found, for lengths that differ, labels
    that are no indices or lie out of range, NaN and infinity, negative weights; and for ``compute`` before any row.

    A metric of your own says its ``kind`` and whether ``higher_is_better``, and has three methods: ``reset``, which
    begins anew, ``add``, which takes arrays that were checked, and ``figure``:

    >>> from tinygrad_mp.training.metrics import Metric
    >>> class LargestError(Metric):
    ...     kind, higher_is_better, default_name = "values", False, "largest_error"
    ...     def reset(self):
    ...         super().reset()
    ...         self.largest = 0.0
    ...     def add(self, y_true, y_pred, sample_weight):
    ...         self.largest = max(self.largest, float(abs(y_true - y_pred).max()))
    ...     def figure(self):
    ...         return self.largest
    >>> metric = LargestError()
    >>> metric.update([1.0, 2.0], [1.5, 2.0])
    >>> metric.update([3.0], [2.75])
    >>> metric.compute()
    0.5
    """

    kind: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    default_name: ClassVar[str]
    several_labels: ClassVar[bool] = False

    def __init__(self, *, name: str | None = None) -> None:
        if self.kind not in CHECKS:
            raise SettingError(f"a metric's kind is one of {', '.join(CHECKS)}; this is {self.kind!r}")
        self.name = self.default_name if name is None else name
        self.classes: int | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self.rows = 0
        self.found = 0
        self.columns: int | None = None

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch; ``sample_weight`` (n,) says how much each row counts. A batch without rows adds nothing."""
        y_true, y_pred, sample_weight = CHECKS[self.kind](self, y_true, y_pred, sample_weight)
        rows = len(y_true)
        if rows:
            self.add(y_true, y_pred, sample_weight)
            self.rows += rows

    def compute(self) -> Any:
        """Return the figure of all rows since ``reset``: a float, or an array where the metric says so."""
        if not self.rows:
            raise DataError(f"{self.name}: there are no rows to compute it from", fix="call update() with data first")
        return self.figure()

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the figure of these rows alone; what ``update`` has gathered stays as it is."""
        alone = copy.copy(self)
        alone.reset()
        alone.update(y_true, y_pred, sample_weight)
        return alone.compute()

    def add(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add checked NumPy arrays of at least one row; labels are int64, weights float64 or None."""
        raise NotImplementedError(f"{type(self).__name__} has no add(y_true, y_pred, sample_weight)")

    def figure(self) -> Any:
        """The figure of what was added."""
        raise NotImplementedError(f"{type(self).__name__} has no figure()")

    def __repr__(self) -> str:
        parts = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            usual = self.default_name if name == "name" else parameter.default
            value = getattr(self, name, usual)
            if value is not usual and value != usual:
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def _mean(self, total: Any, weight: Any) -> Any:
        """``total / weight``, where the weights must not be zero all over."""
        if not weight:
            raise DataError(f"{self.name}: the sample weights add up to zero", fix="give some row a weight above zero")
        return total / weight
