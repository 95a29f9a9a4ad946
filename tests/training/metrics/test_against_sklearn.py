"""Every metric beside scikit-learn's, on drawn data, whole and in batches cut anywhere."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mp.training import metrics as m

theirs = pytest.importorskip("sklearn.metrics", reason="scikit-learn, the judge of these figures, is not installed")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """scikit-learn warns where a figure is undefined; what it returns then is part of what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 40)


def _in_batches(metric: m.Metric, rng: np.random.Generator, *arrays: Any) -> Any:
    """What ``metric`` computes of rows that come in batches cut at random places, some without rows."""
    rows = len(arrays[0])
    cuts = [0, *sorted(rng.integers(0, rows + 1, rng.integers(0, 5))), rows]
    for start, stop in pairwise(cuts):
        metric.update(*(None if one is None else one[start:stop] for one in arrays))
    return metric.compute()


def _agree(metric: m.Metric, rng: np.random.Generator, expected: Any, *arrays: Any) -> None:
    close = {"rtol": 1e-12, "atol": 1e-12, "equal_nan": True}
    np.testing.assert_allclose(metric(*arrays), expected, **close)
    np.testing.assert_allclose(_in_batches(metric, rng, *arrays), expected, **close)


def _labels(rng: np.random.Generator, rows: int, classes: int) -> tuple[Any, Any]:
    """Truth and prediction; some classes may be in one of them or in neither."""
    among = rng.choice(classes, rng.integers(1, classes + 1), replace=False)
    y_true = rng.choice(among, rows)
    y_pred = np.where(rng.random(rows) < 0.5, y_true, rng.integers(0, classes, rows))
    return y_true, y_pred


def _weights(rng: np.random.Generator, rows: int) -> Any:
    weights = (rng.random(rows) + 0.1) * (rng.random(rows) < 0.8)
    weights[rng.integers(rows)] = 1.0
    return weights


# Ours, and what scikit-learn computes of (labels, y_true, y_pred, weights) with the number of classes known.
OF_CLASSES: list[tuple[Callable[[], m.Metric], Callable[..., Any]]] = [
    (m.Accuracy, lambda c, *a, w: theirs.accuracy_score(*a, sample_weight=w)),
    (m.BalancedAccuracy, lambda c, *a, w: theirs.balanced_accuracy_score(*a, sample_weight=w)),
    (m.MCC, lambda c, *a, w: theirs.matthews_corrcoef(*a, sample_weight=w)),
    (m.CohenKappa, lambda c, *a, w: theirs.cohen_kappa_score(*a, sample_weight=w)),
    *(
        (
            lambda weights=weights: m.CohenKappa(weights),
            lambda c, *a, w, weights=weights: theirs.cohen_kappa_score(
                *a, sample_weight=w, weights=weights, labels=range(c)
            ),
        )
        for weights in ("linear", "quadratic")
    ),
    *(
        (
            lambda normalize=normalize: m.ConfusionMatrix(normalize),
            lambda c, *a, w, normalize=normalize: theirs.confusion_matrix(
                *a, sample_weight=w, normalize=normalize, labels=range(c)
            ),
        )
        for normalize in (None, "true", "pred", "all")
    ),
]


@pytest.mark.parametrize("index", range(len(OF_CLASSES)))
@given(seed=seeds, rows=sizes, classes=st.integers(2, 6), weighted=st.booleans())
def test_metrics_of_classes_equal_scikit_learns(index: int, seed: int, rows: int, classes: int, weighted: bool) -> None:
    make, judge = OF_CLASSES[index]
    rng = np.random.default_rng(seed)
    y_true, y_pred = _labels(rng, rows, classes)
    weights = _weights(rng, rows) if weighted else None
    metric = make()
    metric.classes = classes
    _agree(metric, rng, judge(classes, y_true, y_pred, w=weights), y_true, y_pred, weights)


@pytest.mark.parametrize(
    ("make", "judge"),
    [(m.Precision, theirs.precision_score), (m.Recall, theirs.recall_score), (m.F1, theirs.f1_score)],
)
@pytest.mark.parametrize("average", ["auto", "binary", "macro", "micro", "weighted", None])
@given(
    seed=seeds,
    rows=sizes,
    classes=st.integers(2, 6),
    weighted=st.booleans(),
    zero_division=st.sampled_from([0.0, 1.0, math.nan]),
    told=st.booleans(),
)
def test_precision_recall_and_f1_equal_scikit_learns(
    make: Any,
    judge: Any,
    average: Any,
    seed: int,
    rows: int,
    classes: int,
    weighted: bool,
    zero_division: float,
    told: bool,
) -> None:
    rng = np.random.default_rng(seed)
    if average == "binary":
        classes = 2
    y_true, y_pred = _labels(rng, rows, classes)
    weights = _weights(rng, rows) if weighted else None
    metric = make(average, zero_division)
    if told:
        metric.classes = classes
    found = classes if told else int(max(y_true.max(), y_pred.max())) + 1
    if average == "auto":
        average = "binary" if found <= 2 else "macro"
    options = {"labels": range(found)} if average is None else {}
    expected = judge(y_true, y_pred, average=average, sample_weight=weights, zero_division=zero_division, **options)
    _agree(metric, rng, expected, y_true, y_pred, weights)


@pytest.mark.parametrize(
    ("make", "judge"),
    [(m.Precision, theirs.precision_score), (m.Recall, theirs.recall_score), (m.F1, theirs.f1_score)],
)
@pytest.mark.parametrize("average", ["auto", "micro", "weighted", None])
@given(seed=seeds, rows=sizes, labels=st.integers(2, 5), weighted=st.booleans())
def test_several_labels_a_row_are_judged_as_scikit_learn_judges_them(
    make: Any, judge: Any, average: Any, seed: int, rows: int, labels: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.integers(0, 2, (2, rows, labels))
    weights = _weights(rng, rows) if weighted else None
    average_there = "macro" if average == "auto" else average
    expected = judge(y_true, y_pred, average=average_there, sample_weight=weights, zero_division=0)
    _agree(make(average), rng, expected, y_true, y_pred, weights)
    _agree(m.Accuracy(), rng, theirs.accuracy_score(y_true, y_pred, sample_weight=weights), y_true, y_pred, weights)


def _scores(rng: np.random.Generator, rows: int, classes: int) -> Any:
    """Probabilities with many ties: each row is a small whole number over a common sum."""
    counts = rng.integers(0, 4, (rows, classes)) + np.eye(classes, dtype=int)[rng.integers(0, classes, rows)]
    return counts / counts.sum(axis=1, keepdims=True)


def _all_present(rng: np.random.Generator, rows: int, classes: int) -> Any:
    return rng.permutation(np.append(np.arange(classes), rng.integers(0, classes, rows)))


@given(seed=seeds, rows=sizes, classes=st.integers(3, 6), k=st.integers(1, 6), weighted=st.booleans())
def test_top_k_breaks_ties_as_scikit_learn_does(seed: int, rows: int, classes: int, k: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    y_true, scores = rng.integers(0, classes, rows), _scores(rng, rows, classes)
    weights = _weights(rng, rows) if weighted else None
    expected = theirs.top_k_accuracy_score(y_true, scores, k=k, labels=range(classes), sample_weight=weights)
    _agree(m.TopK(k), rng, expected, y_true, scores, weights)


@given(seed=seeds, rows=sizes, classes=st.integers(2, 6), weighted=st.booleans(), single=st.booleans())
def test_log_loss_equals_scikit_learns_also_for_certain_misses(
    seed: int, rows: int, classes: int, weighted: bool, single: bool
) -> None:
    rng = np.random.default_rng(seed)
    classes = 2 if single else classes
    y_true, scores = rng.integers(0, classes, rows), _scores(rng, rows, classes)
    scores = scores[:, 1] if single else scores
    weights = _weights(rng, rows) if weighted else None
    expected = theirs.log_loss(y_true, scores, labels=range(classes), sample_weight=weights)
    _agree(m.LogLoss(), rng, expected, y_true, scores, weights)


@pytest.mark.parametrize(
    ("make", "judge"),
    [(m.ROCAUC, theirs.roc_auc_score), (m.AveragePrecision, theirs.average_precision_score)],
)
@given(seed=seeds, rows=sizes, weighted=st.booleans(), columns=st.booleans())
def test_rankings_of_two_classes_equal_scikit_learns(
    make: Any, judge: Any, seed: int, rows: int, weighted: bool, columns: bool
) -> None:
    rng = np.random.default_rng(seed)
    y_true, scores = rng.integers(0, 2, rows), _scores(rng, rows, 2)
    weights = rng.random(rows) + 0.1 if weighted else None
    expected = judge(y_true, scores[:, 1], sample_weight=weights)
    _agree(make(), rng, expected, y_true, scores if columns else scores[:, 1], weights)


@pytest.mark.parametrize("multi_class", ["ovr", "ovo"])
@pytest.mark.parametrize("average", ["macro", "weighted", "micro", None])
@given(seed=seeds, rows=sizes, classes=st.integers(3, 5), weighted=st.booleans())
def test_roc_auc_of_many_classes_equals_scikit_learns(
    multi_class: str, average: Any, seed: int, rows: int, classes: int, weighted: bool
) -> None:
    if multi_class == "ovo" and average not in ("macro", "weighted"):
        with pytest.raises(ValueError, match="does not go with"):
            m.ROCAUC(multi_class, average)
        return
    rng = np.random.default_rng(seed)
    y_true = _all_present(rng, rows, classes)
    scores = _scores(rng, len(y_true), classes)
    weights = rng.random(len(y_true)) + 0.1 if weighted and multi_class == "ovr" else None
    expected = theirs.roc_auc_score(y_true, scores, multi_class=multi_class, average=average, sample_weight=weights)
    _agree(m.ROCAUC(multi_class, average), rng, expected, y_true, scores, weights)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro", None])
@given(seed=seeds, rows=sizes, classes=st.integers(3, 5), weighted=st.booleans(), several=st.booleans())
def test_average_precision_of_many_classes_equals_scikit_learns(
    average: Any, seed: int, rows: int, classes: int, weighted: bool, several: bool
) -> None:
    rng = np.random.default_rng(seed)
    y_true = _all_present(rng, rows, classes)
    y_true = np.eye(classes, dtype=int)[y_true] | rng.integers(0, 2, (len(y_true), classes)) if several else y_true
    scores = _scores(rng, len(y_true), classes)
    weights = rng.random(len(y_true)) + 0.1 if weighted else None
    expected = theirs.average_precision_score(y_true, scores, average=average, sample_weight=weights)
    _agree(m.AveragePrecision(average), rng, expected, y_true, scores, weights)


@given(seed=seeds, rows=sizes, classes=st.integers(3, 6))
def test_rankings_average_over_the_classes_that_occur(seed: int, rows: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    absent = rng.integers(classes)
    y_true = rng.choice(np.delete(np.arange(classes), absent), rows + classes)
    scores = _scores(rng, len(y_true), classes)
    there = np.unique(y_true)
    for make, judge in ((m.ROCAUC, theirs.roc_auc_score), (m.AveragePrecision, theirs.average_precision_score)):
        each = [judge(y_true == one, scores[:, one]) for one in there]
        _agree(make(), rng, np.mean(each), y_true, scores)


OF_VALUES = [
    (m.MAE, theirs.mean_absolute_error),
    (m.MSE, theirs.mean_squared_error),
    (m.RMSE, theirs.root_mean_squared_error),
    (m.R2, theirs.r2_score),
]


@pytest.mark.parametrize(("make", "judge"), OF_VALUES)
@given(
    seed=seeds, rows=sizes, columns=st.integers(0, 3), offset=st.sampled_from([0.0, -3.0, 1e3]), weighted=st.booleans()
)
def test_metrics_of_values_equal_scikit_learns(
    make: Any, judge: Any, seed: int, rows: int, columns: int, offset: float, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    shape = (rows, columns) if columns else (rows,)
    y_true = rng.standard_normal(shape) + offset
    y_pred = y_true + rng.standard_normal(shape)
    weights = rng.random(rows) + 0.1 if weighted else None
    expected = judge(y_true, y_pred, sample_weight=weights)
    _agree(make(), rng, expected, y_true, y_pred, weights)


def test_r2_of_constant_targets_is_that_of_scikit_learn() -> None:
    for y_true, y_pred in (([2.0, 2.0], [2.0, 2.0]), ([2.0, 2.0], [2.0, 3.0]), ([1.0], [1.0])):
        _agree(m.R2(), np.random.default_rng(0), theirs.r2_score(y_true, y_pred), np.array(y_true), np.array(y_pred))
