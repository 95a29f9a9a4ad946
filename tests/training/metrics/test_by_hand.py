"""Figures worked out by hand, and what a metric promises whatever its formula."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp as tg
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import register
from tinygrad_mp.training import metrics as m

ALL = (
    m.Accuracy,
    m.AveragePrecision,
    m.BalancedAccuracy,
    m.CohenKappa,
    m.ConfusionMatrix,
    m.F1,
    m.LogLoss,
    m.MAE,
    m.MCC,
    m.MSE,
    m.Precision,
    m.R2,
    m.RMSE,
    m.ROCAUC,
    m.Recall,
    m.TopK,
)


def _rows(metric: m.Metric, rows: int = 12, seed: int = 0) -> tuple[Any, Any]:
    """Data for any metric; of classes there are three."""
    rng = np.random.default_rng(seed)
    if metric.kind == "values":
        return rng.standard_normal(rows), rng.standard_normal(rows)
    y_true = np.arange(rows) % 3
    if metric.kind == "classes":
        return y_true, rng.integers(0, 3, rows)
    return y_true, rng.dirichlet(np.ones(3), rows)


# --- the source system's defects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_precision_recall_and_f1_of_two_classes_are_those_of_the_positive_class(shape: tuple[int, ...]) -> None:
    y_true, y_pred = np.array([1, 1, 1, 0]).reshape(shape), np.array([1, 1, 0, 0]).reshape(shape)
    assert m.Precision()(y_true, y_pred) == 1.0  # of class 0 it is 1/2
    assert m.Recall()(y_true, y_pred) == pytest.approx(2 / 3)  # of class 0 it is 1
    assert m.F1()(y_true, y_pred) == pytest.approx(0.8)  # of class 0 it is 2/3


def test_f1_of_many_classes_is_the_mean_of_their_f1_not_the_f1_of_their_means() -> None:
    # Class 0: P 1, R 1/2, F1 2/3. Class 1: P 1/3, R 1, F1 1/2. Class 2: never right. The mean P and R are 4/9 and 1/2.
    y_true, y_pred = [0, 0, 1, 2], [0, 1, 1, 1]
    assert m.F1()(y_true, y_pred) == pytest.approx(7 / 18)
    precision, recall = m.Precision()(y_true, y_pred), m.Recall()(y_true, y_pred)
    assert (precision, recall) == (pytest.approx(4 / 9), pytest.approx(1 / 2))
    assert 2 * precision * recall / (precision + recall) == pytest.approx(8 / 17)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_averages_of_f1_differ_as_their_definitions_do() -> None:
    y_true, y_pred = [0, 0, 1, 2], [0, 1, 1, 1]
    assert m.F1("micro")(y_true, y_pred) == pytest.approx(1 / 2)  # 2 of 4 right
    assert m.F1("weighted")(y_true, y_pred) == pytest.approx((2 * 2 / 3 + 1 / 2) / 4)
    np.testing.assert_allclose(m.F1(None)(y_true, y_pred), [2 / 3, 1 / 2, 0])


def test_a_class_in_neither_targets_nor_predictions_counts_in_no_mean() -> None:
    y_true, y_pred = [0, 0, 2, 2], [0, 0, 2, 0]  # P 2/3 and 1; R 1 and 1/2; F1 4/5 and 2/3
    for told in (None, 3, 7):
        metric = m.F1()
        metric.classes = told
        assert metric(y_true, y_pred) == pytest.approx((4 / 5 + 2 / 3) / 2)
    metric = m.F1(None)
    metric.classes = 4
    np.testing.assert_allclose(metric(y_true, y_pred), [4 / 5, 0, 2 / 3, 0])


def test_classes_known_to_be_three_make_a_mean_also_where_two_are_found() -> None:
    metric = m.F1()
    assert metric([0, 0, 1, 1], [0, 0, 1, 0]) == pytest.approx(2 / 3)
    metric.classes = 3
    assert metric([0, 0, 1, 1], [0, 0, 1, 0]) == pytest.approx((4 / 5 + 2 / 3) / 2)


@pytest.mark.parametrize(("zero_division", "expected"), [(0, 0.25), (1, 0.75), (math.nan, 0.5)])
def test_zero_division_is_the_figure_of_a_class_never_predicted(zero_division: float, expected: float) -> None:
    assert m.Precision("macro", zero_division)([0, 1], [0, 0]) == expected


def test_nothing_but_the_negative_class_gives_what_zero_division_says() -> None:
    assert m.F1()([0, 0], [0, 0]) == 0.0
    assert m.F1(zero_division=1)([0, 0], [0, 0]) == 1.0


def test_several_labels_a_row_must_all_be_right() -> None:
    y_true, y_pred = [[1, 0], [1, 1], [0, 0]], [[1, 0], [1, 0], [0, 0]]
    assert m.Accuracy()(y_true, y_pred) == pytest.approx(2 / 3)
    assert m.F1()(y_true, y_pred) == pytest.approx((1 + 0) / 2)
    assert m.F1("micro")(y_true, y_pred) == pytest.approx(4 / 5)


def test_agreement_beyond_chance() -> None:
    y_true, y_pred = [0, 0, 1, 1], [0, 0, 1, 0]  # observed 3/4; by chance 1/2 * 3/4 + 1/2 * 1/4 = 1/2
    assert m.CohenKappa()(y_true, y_pred) == pytest.approx(1 / 2)
    assert m.MCC()(y_true, y_pred) == pytest.approx((2 * 1 - 0 * 1) / math.sqrt(2 * 2 * 3 * 1))
    assert m.BalancedAccuracy()(y_true, y_pred) == pytest.approx(3 / 4)
    assert m.BalancedAccuracy(adjusted=True)(y_true, y_pred) == pytest.approx(1 / 2)


def test_a_constant_prediction_has_no_correlation_and_one_class_no_kappa() -> None:
    assert m.MCC()([0, 1, 1], [1, 1, 1]) == 0.0
    assert m.MCC()([1, 0, 0, 1], [0, 0, 0, 0], [0.7, 0.7, 0.7, 0.4]) == 0.0  # sums are rounded
    assert math.isnan(m.CohenKappa()([1, 1], [1, 1]))
    assert math.isnan(m.BalancedAccuracy(adjusted=True)([1, 1], [1, 0]))


def test_kappa_of_ordered_classes_counts_distances_also_over_an_absent_class() -> None:
    # One row of four is off by 2; by chance it would be 2 * 1 + 2 * 3 of 16.
    y_true, y_pred = [0, 0, 2, 2], [0, 0, 2, 0]
    assert m.CohenKappa("linear")(y_true, y_pred) == pytest.approx(1 - (2 / 4) / (2 * (2 * 1 + 2 * 3) / 16))
    assert m.CohenKappa("quadratic")(y_true, y_pred) == pytest.approx(1 - (4 / 4) / (4 * (2 * 1 + 2 * 3) / 16))
    distance_one = m.CohenKappa("linear")([0, 0, 1, 2], [0, 1, 1, 2])
    assert distance_one > m.CohenKappa("linear")([0, 0, 1, 2], [0, 2, 1, 2])


def test_the_confusion_matrix_has_a_row_for_each_class_that_the_model_knows() -> None:
    metric = m.ConfusionMatrix()
    metric.classes = 3
    found = metric([0, 1, 1], [0, 0, 1])
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, [[1, 0, 0], [1, 1, 0], [0, 0, 0]])
    normalized = m.ConfusionMatrix("true")
    normalized.classes = 3
    np.testing.assert_array_equal(normalized([0, 1, 1], [0, 0, 1]), [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 0]])


def test_the_confusion_matrix_is_the_readers_to_change() -> None:
    metric = m.ConfusionMatrix()
    metric.update([0, 1], [0, 1])
    metric.compute()[:] = 7
    np.testing.assert_array_equal(metric.compute(), np.eye(2))


def test_roc_auc_counts_a_tie_as_half() -> None:
    assert m.ROCAUC()([0, 1], [0.5, 0.5]) == 0.5
    assert m.ROCAUC()([0, 0, 1, 1], [0.2, 0.5, 0.5, 0.9]) == (1 + 1 + 0.5 + 1) / 4
    assert m.ROCAUC()([0, 1, 1], [0.1, 0.2, 0.3]) == 1.0


def test_rankings_without_a_positive_row_are_what_scikit_learn_says() -> None:
    assert math.isnan(m.ROCAUC()([0, 0], [0.1, 0.2]))
    assert math.isnan(m.ROCAUC()([1, 1], [0.1, 0.2]))
    assert m.AveragePrecision()([0, 0], [0.1, 0.2]) == 0.0
    assert m.AveragePrecision()([1, 1], [0.1, 0.2]) == 1.0


def test_roc_auc_of_many_classes_leaves_out_a_class_that_does_not_occur() -> None:
    scores = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4]]
    assert m.ROCAUC()([0, 1, 1], scores) == pytest.approx((1 + 0.75) / 2 + 0.125)  # 1 of class 0, 1 of class 1
    assert m.ROCAUC("ovo")([0, 1, 1], scores) == 1.0
    each = m.ROCAUC(average=None)([0, 1, 1], scores)
    np.testing.assert_array_equal(each, [1.0, 1.0, math.nan])


def test_average_precision_takes_equal_scores_as_one_threshold() -> None:
    assert m.AveragePrecision()([1, 0], [0.5, 0.5]) == 0.5
    assert m.AveragePrecision()([0, 1], [0.5, 0.5]) == 0.5


def test_top_k_of_equal_scores_takes_the_higher_class_first() -> None:
    equal = [[0.25] * 4] * 4
    assert [m.TopK(2)([c], equal[:1]) for c in range(4)] == [0, 0, 1, 1]
    assert m.TopK(4)([0, 1, 2, 3], equal) == 1.0


def test_top_1_of_one_column_says_yes_above_a_half() -> None:
    assert m.TopK(1)([0, 0, 1, 1], [0.5, 0.6, 0.4, 0.7]) == 0.5
    assert m.TopK(2)([0, 0, 1, 1], [0.5, 0.6, 0.4, 0.7]) == 1.0


def test_log_loss_of_a_certain_miss_is_finite() -> None:
    assert m.LogLoss()([1], np.array([0.0])) == pytest.approx(-math.log(np.finfo("float64").eps))
    assert m.LogLoss()([1], np.array([0.0], "float32")) == pytest.approx(-math.log(np.finfo("float32").eps))
    assert m.LogLoss()([0, 1], [[0.5, 0.5], [0.75, 0.25]]) == pytest.approx(math.log(8) / 2)


def test_errors_of_values() -> None:
    y_true, y_pred = [1.0, 2.0, 6.0], [1.0, 4.0, 5.0]
    assert m.MAE()(y_true, y_pred) == 1.0
    assert m.MSE()(y_true, y_pred) == pytest.approx(5 / 3)
    assert m.RMSE()(y_true, y_pred) == pytest.approx(math.sqrt(5 / 3))
    assert m.R2()(y_true, y_pred) == pytest.approx(1 - 5 / 14)


def test_rmse_of_columns_is_the_mean_of_their_roots() -> None:
    assert m.RMSE()([[0.0, 0.0]], [[3.0, 1.0]]) == 2.0
    assert m.MSE()([[0.0, 0.0]], [[3.0, 1.0]]) == 5.0
    assert m.R2()([[0.0, 0.0], [2.0, 2.0]], [[0.0, 1.0], [2.0, 1.0]]) == 0.5


def test_r2_keeps_its_digits_where_targets_lie_far_from_zero() -> None:
    y_true = 1e9 + np.arange(8.0)
    for cut in range(1, 8):
        metric = m.R2()
        metric.update(y_true[:cut], y_true[:cut] + 1)
        metric.update(y_true[cut:], y_true[cut:] + 1)
        assert metric.compute() == pytest.approx(1 - 8 / 42, rel=1e-14)
    constant = np.full(3, 0.1)  # whose computed mean is not 0.1
    assert m.R2()(constant, constant + 1) == 0.0


def test_squares_of_float32_and_of_small_integers_do_not_overflow() -> None:
    assert m.MSE()(np.array([1e30], "float32"), np.zeros(1, "float32")) == pytest.approx(1e60)
    assert m.MAE()(np.array([200], "uint8"), np.array([201], "uint8")) == 1.0


# --- what every metric promises --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
@given(cut=st.integers(0, 12), seed=st.integers(0, 1000))
def test_a_figure_does_not_depend_on_the_batches(make: Any, cut: int, seed: int) -> None:
    metric = make()
    y_true, y_pred = _rows(metric, seed=seed)
    whole = metric(y_true, y_pred)
    metric.update(y_true[:cut], y_pred[:cut])
    metric.update(y_true[cut:], y_pred[cut:])
    if metric.kind == "classes":
        np.testing.assert_array_equal(metric.compute(), whole)
    np.testing.assert_allclose(metric.compute(), whole, rtol=1e-13)


@pytest.mark.parametrize("make", ALL)
def test_a_weight_of_two_is_a_row_given_twice(make: Any) -> None:
    metric = make()
    y_true, y_pred = _rows(metric)
    weights = np.arange(12) % 3
    twice = np.repeat(np.arange(12), weights)
    expected = metric(y_true[twice], y_pred[twice])
    np.testing.assert_allclose(metric(y_true, y_pred, weights), expected, rtol=1e-13)
    metric.update(y_true[:5], y_pred[:5], weights[:5])
    metric.update(y_true[5:], y_pred[5:], list(weights[5:]))
    np.testing.assert_allclose(metric.compute(), expected, rtol=1e-13)


@pytest.mark.parametrize("make", ALL)
def test_batches_with_and_without_weights_mix(make: Any) -> None:
    metric = make()
    y_true, y_pred = _rows(metric)
    metric.update(y_true[:6], y_pred[:6], np.ones(6))
    metric.update(y_true[6:], y_pred[6:])
    np.testing.assert_allclose(metric.compute(), metric(y_true, y_pred), rtol=1e-13)


@pytest.mark.parametrize("make", ALL)
def test_a_call_leaves_what_was_gathered_alone(make: Any) -> None:
    metric = make()
    y_true, y_pred = _rows(metric)
    metric.update(y_true, y_pred)
    before = metric.compute()
    metric(*_rows(metric, seed=1))
    np.testing.assert_array_equal(metric.compute(), before)
    metric.reset()
    with pytest.raises(tg.DataError, match="no rows"):
        metric.compute()


@pytest.mark.parametrize("make", ALL)
def test_what_was_gathered_does_not_change_with_the_callers_arrays(make: Any) -> None:
    metric = make()
    y_true, y_pred = (array.copy() for array in _rows(metric))
    expected = metric(y_true, y_pred)
    metric.update(y_true, y_pred)
    y_true[:], y_pred[:] = 0, 0
    np.testing.assert_array_equal(metric.compute(), expected)


@pytest.mark.parametrize("make", ALL)
def test_tensors_lists_and_other_dtypes_give_the_same(make: Any) -> None:
    metric = make()
    y_true, y_pred = _rows(metric)
    expected = metric(y_true, y_pred)
    needs_gradient = y_pred.dtype.kind == "f"
    np.testing.assert_array_equal(metric(tg.tensor(y_true), tg.tensor(y_pred, requires_grad=needs_gradient)), expected)
    np.testing.assert_array_equal(metric(y_true.tolist(), y_pred.tolist()), expected)
    if metric.kind == "classes":
        np.testing.assert_array_equal(metric(y_true.astype("uint8"), y_pred.astype(">i4")), expected)
    read_only = y_true.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(metric(read_only[:], np.repeat(y_pred, 2, axis=0)[::2]), expected)


@pytest.mark.parametrize("make", ALL)
def test_tensors_of_another_device_give_the_same(make: Any) -> None:
    register()
    try:
        metric = make()
        y_true, y_pred = _rows(metric)
        weights = np.arange(12.0)
        there = [tg.tensor(array, device="strict") for array in (y_true, y_pred, weights)]
        expected = metric(y_true, y_pred, weights)
        np.testing.assert_array_equal(metric(*there), expected)
        np.testing.assert_array_equal(metric(*(tensor.array for tensor in there)), expected)
    finally:
        unregister_backend("strict")


@pytest.mark.parametrize("make", ALL)
def test_a_metric_can_be_copied_and_pickled_in_the_middle(make: Any) -> None:
    metric = make()
    y_true, y_pred = _rows(metric)
    metric.update(y_true[:6], y_pred[:6])
    for twin in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert repr(twin) == repr(metric)
        twin.update(y_true[6:], y_pred[6:])
        np.testing.assert_allclose(twin.compute(), metric(y_true, y_pred), rtol=1e-14)


@pytest.mark.parametrize("make", ALL)
def test_a_refused_batch_leaves_what_was_gathered_alone(make: Any) -> None:
    metric = make()
    y_true, y_pred = _rows(metric)
    metric.update(y_true, y_pred)
    before = metric.compute()
    refused = [(y_true, y_pred[:5]), (y_true, y_pred, np.ones(3)), (y_true, y_pred, np.full(12, -1.0))]
    if metric.kind != "values":
        refused += [(y_true - 5, y_pred), (y_true.astype(float), y_pred)]
    if metric.kind != "classes":
        refused += [(y_true, y_pred * np.nan)]
    for batch in refused:
        with pytest.raises(tg.TinygradError):
            metric.update(*batch)
    np.testing.assert_array_equal(metric.compute(), before)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "batch", "error", "says"),
    [
        (m.Accuracy(), ([0, 1], [0]), tg.ShapeError, r"differ in shape: \(2,\) and \(1,\)"),
        (m.Accuracy(), ([0, 1], [[0.1, 0.9], [0.2, 0.8]]), tg.DTypeError, "take argmax"),
        (m.Accuracy(), (["a", "b"], [0, 1]), tg.DTypeError, "return_inverse"),
        (m.Accuracy(), ([0, -1], [0, 1]), tg.IndexRangeError, "must not be negative, and these are from -1 to 1"),
        (m.Accuracy(), ([[0, 2]], [[0, 1]]), tg.IndexRangeError, "from 0 to 1, and these are from 0 to 2"),
        (m.Accuracy(), (np.zeros((2, 2, 2), int), np.zeros((2, 2, 2), int)), tg.ShapeError, "class indices"),
        (m.Accuracy(), ([0, 1], [0, 1], [1.0, -1.0]), tg.DataError, "negative number"),
        (m.Accuracy(), ([0, 1], [0, 1], [1.0, math.nan]), tg.DataError, "NaN"),
        (m.Accuracy(), ([0, 1], [0, 1], [1.0]), tg.ShapeError, "one number a row"),
        (m.Accuracy(), ([[0], [1, 1]], [0, 1]), tg.ShapeError, "is no array"),
        (m.MCC(), (np.eye(2, dtype=int), np.eye(2, dtype=int)), tg.ShapeError, "argmax"),
        (m.ROCAUC(), ([0, 1], [0.5, math.nan]), tg.DataError, "NaN"),
        (m.ROCAUC(), ([0, 2], [0.5, 0.5]), tg.IndexRangeError, "from 0 to 1"),
        (m.ROCAUC(), ([0, 1], [0.5]), tg.ShapeError, "do not fit"),
        (m.LogLoss(), ([0, 1], [-1.0, 2.0]), tg.DataError, "apply softmax or sigmoid"),
        (m.LogLoss(), ([0, 1], [[0.9, 0.9], [0.1, 0.9]]), tg.DataError, "must sum to 1"),
        (m.MSE(), ([1.0, math.inf], [1.0, 2.0]), tg.DataError, "infinity"),
        (m.R2(), ([1.0, 2.0], [1.0, math.nan]), tg.DataError, "NaN"),
        (m.MSE(), ([1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]]), tg.ShapeError, "differ in shape"),
        (m.MSE(), (["a"], ["b"]), tg.DTypeError, "must hold numbers"),
        (m.MSE(), (1.0, 2.0), tg.ShapeError, "single number"),
        (m.Accuracy(), ([], []), tg.DataError, "no rows"),
        (m.MSE(), ([], []), tg.DataError, "no rows"),
        (m.F1("binary"), ([0, 1, 2], [0, 1, 2]), tg.DataError, "'binary' is for two classes"),
        (m.Accuracy(), ([0, 1], [0, 1], [0.0, 0.0]), tg.DataError, "add up to zero"),
        (m.R2(), ([0.0, 1.0], [0.0, 1.0], [0.0, 0.0]), tg.DataError, "add up to zero"),
    ],
)
def test_bad_data_are_refused_with_what_was_found(metric: m.Metric, batch: Any, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        metric(*batch)


def test_labels_beyond_the_models_classes_are_refused() -> None:
    for metric in (m.Accuracy(), m.F1(), m.ConfusionMatrix()):
        metric.classes = 3
        with pytest.raises(tg.IndexRangeError, match="from 0 to 2, and these are from 0 to 3"):
            metric.update([0, 1], [0, 3])
    scores = m.ROCAUC()
    scores.classes = 3
    with pytest.raises(tg.ShapeError, match="scores are for 2 classes, and there are 3"):
        scores.update([0, 1], [0.1, 0.2])


def test_the_form_of_the_data_may_not_change_between_batches() -> None:
    labels, values = m.Accuracy(), m.MSE()
    labels.update([0, 1], [0, 1])
    with pytest.raises(tg.ShapeError, match="batches before"):
        labels.update([[0, 1]], [[0, 1]])
    values.update([[0.0, 1.0]], [[0.0, 1.0]])
    with pytest.raises(tg.ShapeError, match="batches before had 2 columns"):
        values.update([0.0], [0.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda: m.F1("median"),
        lambda: m.F1(zero_division=0.5),
        lambda: m.CohenKappa("cubic"),
        lambda: m.ConfusionMatrix("rows"),
        lambda: m.TopK(0),
        lambda: m.TopK(1.5),
        lambda: m.ROCAUC("all"),
        lambda: m.ROCAUC("ovo", "micro"),
        lambda: m.AveragePrecision("samples"),
        lambda: m.automatic("clustering"),
    ],
)
def test_unknown_settings_are_refused(make: Any) -> None:
    with pytest.raises(tg.SettingError):
        make()


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
def test_a_metric_is_found_by_its_own_name_and_by_that_of_its_class(make: Any) -> None:
    for name in (make().name, make.__name__):
        assert repr(m.named(name)) == repr(make())


def test_names_carry_what_sets_metrics_of_one_kind_apart() -> None:
    assert [m.F1().name, m.F1("macro").name, m.F1(None).name] == ["f1", "f1_macro", "f1_each"]
    assert m.TopK(3).name == "top_3_accuracy"
    assert m.F1(name="of_spam").name == "of_spam"
    assert repr(m.F1("micro", 1, name="own")) == "F1(average='micro', zero_division=1, name='own')"


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(tg.SettingError, match=r"(?s)did you mean 'accuracy'.*log_loss.*roc_auc"):
        m.named("acuracy")
    with pytest.raises(tg.SettingError, match="top_0"):
        m.named("top_0")
    with pytest.raises(tg.SettingError, match="is a float"):
        m.named(0.5)  # type: ignore[arg-type]


def test_automatic_metrics_suit_the_task_and_are_new_each_time() -> None:
    assert [one.name for one in m.automatic("regression")] == ["rmse", "r2"]
    for task in ("binary", "multiclass", "multilabel"):
        assert [one.name for one in m.automatic(task)] == ["accuracy", "f1"]
    assert m.automatic("binary")[0] is not m.automatic("binary")[0]


def test_what_is_better_is_known_of_every_metric() -> None:
    lower = {"mae", "mse", "rmse", "log_loss"}
    for make in ALL:
        metric = make()
        if metric.name == "confusion_matrix":
            assert metric.higher_is_better is None
        else:
            assert metric.higher_is_better is (metric.name not in lower)
