"""What metrics are given, brought to plain NumPy arrays whose shapes, dtypes and values are known to fit.

This runs once a batch inside training loops: one pass over the labels checks both ends of their range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy

from tinygrad_mp.backend import is_array, to_numpy
from tinygrad_mp.errors import DataError, DTypeError, IndexRangeError, ShapeError
from tinygrad_mp.tape import TensorBase

if TYPE_CHECKING:
    from tinygrad_mp.training.metrics.metric import Metric

__all__ = ["CHECKS", "Arrays"]

Arrays = tuple[Any, Any, Any]

_INT64, _UINT64 = numpy.dtype("int64"), numpy.dtype("uint64")


def on_host(value: Any, name: str) -> Any:
    """``value`` (an array of any device, a tensor, nested lists) as NumPy's, copied only if it must be."""
    if isinstance(value, TensorBase):
        value = value.array
    if is_array(value):
        return to_numpy(value)
    try:
        return numpy.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name} is no array: {error}", fix="give rows of one length") from None


def _flat(array: Any) -> Any:
    """A single column as a row of values: (n, 1) -> (n,)."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _labels(value: Any, name: str) -> Any:
    """Class indices (n,), or indicators (n, labels), as int64."""
    array = value if type(value) is numpy.ndarray else on_host(value, name)
    if array.dtype != _INT64:
        if array.dtype.kind not in "biu" and array.size:
            raise DTypeError(
                f"{name} must hold class indices, and its dtype is {array.dtype}",
                fix=f"classes, {name} = numpy.unique(labels, return_inverse=True)"
                if array.dtype.kind in "OSUT"
                else "take argmax of probabilities; .astype(int) if they are whole numbers",
            )
        array = array.astype(_INT64)
    array = _flat(array)
    if array.ndim not in (1, 2):
        raise ShapeError(
            f"{name} must be class indices (n,), or zeros and ones (n, labels), and has shape {array.shape}",
            fix="flatten it: .reshape(-1)",
        )
    return array


def _weights(value: Any, rows: int) -> Any:
    """Sample weights as float64, or None."""
    if value is None:
        return None
    array = on_host(value, "sample_weight")
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"sample_weight must hold numbers, and its dtype is {array.dtype}", fix="one number a row")
    array = _flat(array)
    if array.shape != (rows,):
        raise ShapeError(f"sample_weight must be one number a row, ({rows},), and has shape {array.shape}")
    array = array.astype(numpy.float64)
    if rows and not (array.min() >= 0 and math.isfinite(array.sum())):  # a NaN fails the first comparison
        raise DataError("sample_weight holds a negative number, NaN or infinity", fix="weights are numbers from 0 on")
    return array


def _same_rows(first: Any, second: Any) -> None:
    if first.shape != second.shape:
        raise ShapeError(
            f"y_true and y_pred differ in shape: {first.shape} and {second.shape}",
            fix="give one prediction for each target",
        )


def _within(metric: Metric, top: int, rows: int, columns: int | None, allowed: int | None, *arrays: Any) -> None:
    """Refuse labels out of range and a change of form between batches; remember the number of classes found.

    ``top`` is the highest label as an unsigned number, so that a negative one is the highest of all.
    """
    if top >= (1 << 63 if allowed is None else allowed):
        lowest, highest = min(int(one.min()) for one in arrays), max(int(one.max()) for one in arrays)
        span = "must not be negative" if allowed is None else f"must be from 0 to {allowed - 1}"
        raise IndexRangeError(
            f"{metric.name}: labels {span}, and these are from {lowest} to {highest}",
            fix="classes, y = numpy.unique(labels, return_inverse=True)",
        )
    if metric.columns != columns and metric.rows:
        raise ShapeError(
            f"{metric.name}: the batches before had {metric.columns or 'no'} columns, this one has {columns or 'none'}",
            fix="call reset() before other data",
        )
    metric.columns = columns
    found = columns or top + 1
    if found > metric.found:
        metric.found = found


def check_classes(metric: Metric, y_true: Any, y_pred: Any, sample_weight: Any) -> Arrays:
    """Two arrays of class indices (n,), or of indicators (n, labels)."""
    y_true, y_pred = _labels(y_true, "y_true"), _labels(y_pred, "y_pred")
    _same_rows(y_true, y_pred)
    weights = None if sample_weight is None else _weights(sample_weight, len(y_true))
    if not y_true.size:
        return y_true[:0], y_pred[:0], None
    top = int(numpy.maximum.reduce(numpy.maximum(y_true.view(_UINT64), y_pred.view(_UINT64)), axis=None))
    if y_true.ndim == 1:
        _within(metric, top, len(y_true), None, metric.classes, y_true, y_pred)
    else:
        _several(metric, y_true)
        _within(metric, top, len(y_true), y_true.shape[1], 2, y_true, y_pred)
    return y_true, y_pred, weights


def check_scores(metric: Metric, y_true: Any, y_pred: Any, sample_weight: Any) -> Arrays:
    """Class indices (n,) beside scores (n,) or (n, classes); or indicators and scores, both (n, labels)."""
    y_true, scores = _labels(y_true, "y_true"), on_host(y_pred, "y_pred")
    if scores.dtype.kind not in "biuf":
        raise DTypeError(f"y_pred must hold scores, and its dtype is {scores.dtype}", fix="give probabilities")
    scores = _flat(scores.astype(numpy.float64) if scores.dtype.kind != "f" else scores)
    fits = scores.shape == y_true.shape if y_true.ndim == 2 else scores.ndim in (1, 2)
    if not fits or len(scores) != len(y_true):
        raise ShapeError(
            f"scores of shape {scores.shape} do not fit targets of shape {y_true.shape}",
            fix="give y_true (n,) and scores (n, classes), or (n,) for two classes",
        )
    weights = None if sample_weight is None else _weights(sample_weight, len(y_true))
    if not y_true.size:
        return y_true[:0], scores[:0], None
    if not numpy.isfinite(scores).all():
        raise DataError("y_pred holds NaN or infinity", fix="look for the layer that makes it: NaNGuard names it")
    columns = 2 if scores.ndim == 1 else scores.shape[1]
    if metric.classes not in (None, columns):
        raise ShapeError(f"scores are for {columns} classes, and there are {metric.classes}", fix="a column a class")
    if y_true.ndim == 2:
        _several(metric, y_true)
    top = int(numpy.maximum.reduce(y_true.view(_UINT64), axis=None))
    _within(metric, top, len(y_true), columns, 2 if y_true.ndim == 2 else columns, y_true)
    return y_true, scores, weights


def check_values(metric: Metric, y_true: Any, y_pred: Any, sample_weight: Any) -> Arrays:
    """Two arrays of numbers, (n,) or (n, ...); those of more axes come back as (n, columns)."""
    pair = []
    for name, value in (("y_true", y_true), ("y_pred", y_pred)):
        array = value if type(value) is numpy.ndarray else on_host(value, name)
        if array.dtype.kind not in "biuf":
            raise DTypeError(f"{name} must hold numbers, and its dtype is {array.dtype}", fix=f"{name}.astype(float)")
        if not array.ndim:
            raise ShapeError(f"{name} is a single number, without an axis of rows", fix=f"[{name}]")
        pair.append(_flat(array if array.ndim < 3 else array.reshape(len(array), math.prod(array.shape[1:]))))
    _same_rows(*pair)
    columns = pair[0].shape[1] if pair[0].ndim == 2 else None
    if metric.rows and metric.columns != columns:
        raise ShapeError(
            f"{metric.name}: the batches before had {metric.columns or 1} columns, this one has {columns or 1}",
            fix="call reset() before other data",
        )
    metric.columns = columns
    return pair[0], pair[1], None if sample_weight is None else _weights(sample_weight, len(pair[0]))


def _several(metric: Metric, y_true: Any) -> None:
    """Refuse zeros and ones for several labels a row where a metric has no meaning for them."""
    if not metric.several_labels:
        raise ShapeError(
            f"{metric.name} takes one label a row, (n,), and y_true has shape {y_true.shape}",
            fix="take argmax(axis=1) of one-hot rows; for several labels a row use F1, Precision, Recall or ROCAUC",
        )
    if metric.classes not in (None, y_true.shape[1]):
        raise ShapeError(f"y_true has {y_true.shape[1]} columns for {metric.classes} labels", fix="a column a label")


CHECKS: dict[str, Callable[[Metric, Any, Any, Any], Arrays]] = {
    "classes": check_classes,
    "scores": check_scores,
    "values": check_values,
}
