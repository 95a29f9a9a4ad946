"""Data as users of other libraries give them: learnt from rightly, or refused with the reason; never taken wrongly."""

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import (
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Conv,
    Dense,
    Model,
    ReLU,
    WeightDecay,
    nn,
    optim,
)
from tinygrad_mp import functional as F
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.training.callbacks import EarlyStopping, LambdaCallback
from tinygrad_mp.training.targets import Targets
from tinygrad_mp.utils.data import DataLoader, IterableDataset, TensorDataset

rng = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (rng.normal(size=(60, 2)) + 4 * np.array([[0, 0], [1, 0], [0, 1]])[Y]).astype(np.float32)
ONCE = {"epochs": 1, "verbose": 0}


def classifier(classes=3, **settings):
    settings = {"optimizer": optim.Adam(lr=0.02), "seed": 0, **settings}
    return Model([Dense(8), ReLU(), Dense(classes)], CategoricalCrossEntropy(), **settings)


def weights(model):
    return np.concatenate([one.array.ravel() for one in model.state_dict().values()])


# --- labels


@pytest.mark.parametrize(
    "labels",
    [
        np.array([b"a", b"b", b"c"]),
        np.array(["2020-01-01", "2020-01-02", "2021-01-01"], "M8[D]"),
        np.array(["2020-01-01", "2020-01-02", "2021-01-01"], "M8[ns]"),
        np.array([1, 2, 3], "m8[s]"),
        np.array([0, 1, 2], np.uint64) + np.uint64(2**63),
        np.array([5, 6, 7], object),
        np.array([-3, -2, -1], np.int8),
    ],
)
def test_labels_come_back_in_their_own_dtype(labels):
    model = classifier()
    model.train(X, labels[Y], epochs=20, batch_size=16, verbose=0)
    found = model.predict_classes(X)
    assert (found == labels[Y]).mean() > 0.9
    assert found.dtype == (np.int64 if labels.dtype.kind == "O" else labels.dtype)
    assert model.evaluate(X, labels[Y])["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        (np.array(["a", None, "c"], object)[Y], DTypeError, r"types NoneType, str[\s\S]*drop rows without a label"),
        (np.array(["a", np.nan, "c"], object)[Y], DTypeError, "types float, str"),
        (np.array([0.0, np.nan, 2.0], object)[Y], SettingError, "is nan"),
        (np.array([0.5, 1.5, 2.5], object)[Y], DTypeError, "fractions such as 0.5"),
        ([[1], [1, 2]] * 30, ShapeError, "y is no table"),
    ],
)
def test_labels_that_are_none_are_refused(labels, error, words):
    with pytest.raises(error, match=words):
        classifier().train(X, labels, **ONCE)


def test_a_class_that_training_lacks_is_named_by_classes_():
    model = classifier(4)
    model.classes_ = list("abcd")
    model.train(X, np.array(list("abc"))[Y], epochs=20, verbose=0)
    assert model.predict(X).shape == (60, 4)
    assert model.evaluate(X[:4], list("dddd"))["accuracy"] == 0
    for wrong in (list("dcba"), list("abc"), list("aabc")):
        model = classifier(4)
        model.classes_ = wrong
        with pytest.raises(SettingError, match="4 different labels in ascending order are wanted"):
            model.train(X, np.array(list("abc"))[Y], **ONCE)


def test_labels_of_a_later_training_that_are_nan_are_told_as_such():
    model = classifier()
    model.train(X, Y, **ONCE)
    with pytest.raises(SettingError, match=r"y\[0\] is nan"):
        model.train(X, Y * np.nan, **ONCE)


def test_labels_only_in_the_validation_data_are_refused_and_it_is_said_where():
    with pytest.raises(IndexRangeError, match="does not know: 3") as caught:
        classifier().train(X, Y, validation_data=(X, Y + 1), **ONCE)
    assert "this y is that of validation_data" in caught.value.__notes__


def test_class_weights_need_one_label_a_sample():
    model = Model([Conv(3, 3, padding="same")], CategoricalCrossEntropy())
    signals, labels = rng.normal(size=(20, 2, 7)), rng.integers(0, 3, (20, 7))
    for weight in ({0: 2.0}, "balanced"):
        with pytest.raises(SettingError, match="class_weight is for one label a sample"):
            model.train(signals, labels, class_weight=weight, **ONCE)
    assert len(model.train(signals, labels, **ONCE)) == 1
    assert model.predict_classes(signals).shape == (20, 7)


# --- rows


class Frame:
    """As a data frame: an array when asked for one, otherwise columns."""

    def __init__(self, array):
        self.array, self.columns = array, ["a", "b"]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize(
    "convert", [Frame, np.ndarray.tolist, tg.from_numpy, lambda one: one.astype(one.dtype.newbyteorder())]
)
def test_frames_lists_tensors_and_foreign_bytes_are_the_same_data(convert):
    plain, other = classifier(), classifier()
    plain.train(X, Y, **ONCE)
    other.train(convert(X), convert(Y), **ONCE)
    assert (weights(plain) == weights(other)).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([X, X], "several inputs are a tuple of arrays, not a list"),
        ([(X[:7], Y[:7]), (X[7:], Y[7:])], "batches come from a DataLoader"),
        (X[:, :0], "the samples have no entries"),
        (X[:, 0], r"their first axis is not that of samples[\s\S]*X\[:, None\]"),
    ],
)
def test_rows_that_are_none_are_refused_with_advice(given, words):
    with pytest.raises(ShapeError, match=words):
        classifier().train(given, Y, **ONCE)


def test_numbers_in_objects_are_refused_with_advice():
    with pytest.raises(DTypeError, match=r"numbers by X.astype\(float\)"):
        classifier().train(X.astype(object), Y, **ONCE)
    with pytest.raises(DTypeError, match=r"numbers by y.astype\(float\)"):
        Model([Dense(1)], "mse").train(X, X[:, 0].astype(object), **ONCE)


def test_inputs_by_name_may_come_in_any_order():
    model = Model(
        {"hidden": Dense(4), "out": Dense(3)},
        CategoricalCrossEntropy(),
        forward=lambda model, *, a, b: model.out(model.hidden(a) + b),
    )
    model.train({"a": X, "b": X[:, :1]}, Y, **ONCE)
    assert (model.predict({"b": X[:, :1], "a": X}) == model.predict({"a": X, "b": X[:, :1]})).all()
    for wrong in ({"a": X, "c": X}, {"a": X}, X):
        with pytest.raises(ShapeError, match="the model has the inputs a, b"):
            model.predict(wrong)
    assert "Dense" in str(model.summary())


def test_arrays_in_a_call_are_refused():
    with pytest.raises(TypeError, match=r"not with a ndarray\n  fix: call predict"):
        classifier()(X)


def test_train_without_data_is_not_taken_for_a_mode():
    for options in ({"epochs": 5}, {"y": Y}, {"seed": 3}):
        with pytest.raises(TypeError, match="lacks X"):
            classifier().train(**options)


def test_a_last_batch_of_one_row_joins_the_one_before_where_there_is_batch_norm():
    def sizes(layers, count, batch_size):
        seen = []
        watch = LambdaCallback(on_batch_end=lambda training: seen.append((len(training.targets), training.batches)))
        model = Model([*layers, Dense(3)], CategoricalCrossEntropy())
        options = {"batch_size": batch_size, "auto_evaluation": 0, "callbacks": [watch]}
        model.train(X[:count], Y[:count], **options, **ONCE)
        return seen

    norm = [Dense(4), BatchNorm()]
    assert sizes(norm, 33, 16) == [(16, 2), (17, 2)]
    assert sizes(norm, 34, 16) == [(16, 3), (16, 3), (2, 3)]
    assert sizes(norm, 32, 16) == [(16, 2), (16, 2)]
    assert sizes(norm, 5, 16) == [(5, 1)]
    assert sizes([], 33, 16) == [(16, 3), (16, 3), (1, 3)]
    with pytest.raises(ShapeError, match="training needs more than one entry per channel"):
        sizes(norm, 3, 1)
    with pytest.raises(ShapeError, match="training needs more than one entry per channel"):
        sizes(norm, 1, 16)


def test_a_training_without_evaluation_is_remembered_by_the_next(capsys):
    model = classifier()
    model.train(X[:40], Y[:40], auto_evaluation=0, **ONCE)
    model.train(X, Y, epochs=1, auto_evaluation=0.5)
    assert "10 of 60 rows held out" in capsys.readouterr().out
    other = classifier()
    other.train(X, Y, validation_data=(X[:5], Y[:5]), **ONCE)
    assert "val_loss" not in other.train(X, Y, epochs=1).columns
    assert "evaluation: none, as earlier trainings of this model used all rows" in capsys.readouterr().out


# --- streams


def batches_with(*more):
    def batches():
        yield X[:10], Y[:10]
        yield more

    return batches


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ((X[:9], Y[:9] + 0.5), IndexRangeError, "0.5, 1.5, 2.5; it knows 0, 1, 2"),
        ((X[:9], Y[:9] - 100), IndexRangeError, "-100"),
        ((X[:9], Y[:9] * np.nan), SettingError, "is nan"),
        ((X[:9], np.eye(3)[Y[:9]]), ShapeError, "a batch has probabilities as targets, those before had labels"),
        ((X[:9], list("abcabcabc")), IndexRangeError, "'a', 'b', 'c'; it knows 0, 1, 2"),
        ((X[:9], Y[:8]), ShapeError, "9 samples and 8 targets"),
        ((X[:9],), SettingError, "a batch has no targets"),
        ((X[:9], Y[:9], ["a"] * 9), DTypeError, "sample_weight has dtype"),
        ((X[:9], Y[:9], 1, 2), SettingError, "a batch has 4 parts"),
    ],
)
def test_later_batches_are_looked_at_as_the_first(batch, error, words):
    with pytest.raises(error, match=words):
        classifier().train(batches_with(*batch), **ONCE)


def test_later_targets_out_of_range_are_no_probabilities():
    def batches():
        yield X[:9], Y[:9] % 2
        yield X[:9], Y[:9] * 7

    with pytest.raises(SettingError, match="takes 0 and 1, or probabilities"):
        Model([Dense(1)], BinaryCrossEntropy()).train(batches, **ONCE)


def test_batches_with_and_without_weights_and_of_no_weight_are_learnt_from():
    def batches():
        yield X[:10], Y[:10]
        yield X[10:30], Y[10:30], np.ones(20)
        yield X[30:40], Y[30:40], np.zeros(10)
        yield X[:0], Y[:0]

    def alike():
        yield X[:10], Y[:10]
        yield X[10:30], Y[10:30]

    one, other = classifier(), classifier()
    histories = [one.train(batches, **ONCE), other.train(alike, **ONCE)]
    assert (weights(one) == weights(other)).all()
    assert histories[0]["loss"] == histories[1]["loss"]
    assert histories[0]["f1"] == histories[1]["f1"]


def test_accumulation_counts_batches_of_no_weight_too():
    def batches(kept):
        for number, start in enumerate(range(0, 40, 10)):
            yield X[start : start + 10], Y[start : start + 10], np.full(10, float(number in kept))

    steps = []
    watch = LambdaCallback(on_gradients=lambda training: steps.append(training.batch))
    classifier().train(lambda: batches({0, 2, 3}), accumulate=2, callbacks=[watch], **ONCE)
    assert steps == [1, 3]


def test_looking_at_the_first_batch_does_not_change_the_order_of_a_loader():
    def loader():
        data = TensorDataset(tg.from_numpy(X), tg.from_numpy(Y))
        return DataLoader(data, 16, shuffle=True, generator=tg.Generator().manual_seed(3))

    seen = []
    watch = LambdaCallback(on_batch_begin=lambda training: seen.append(training.inputs[0].tolist()))
    classifier().train(loader(), callbacks=[watch], **ONCE)
    assert seen == [x.tolist() for x, _ in loader()]


def test_a_generator_that_ends_early_ends_the_training():
    pieces = ((X[i : i + 10], Y[i : i + 10]) for i in range(0, 60, 10))
    history = classifier().train(pieces, steps_per_epoch=2, epochs=9, verbose=0)
    assert (len(history), history.stop_reason) == (3, "there are no more batches")


def test_a_function_that_gives_the_same_generator_again_is_found_out():
    pieces = ((X[i : i + 10], Y[i : i + 10]) for i in range(0, 60, 10))
    with pytest.raises(SettingError, match=r"gave no batches[\s\S]*fix: a function must make a new iterator"):
        classifier().train(lambda: pieces, epochs=3, verbose=0)


def test_balanced_weights_need_all_labels():
    data = TensorDataset(tg.from_numpy(X), tg.from_numpy(Y))
    with pytest.raises(SettingError, match="is found from all targets"):
        classifier().train(DataLoader(data, 8), class_weight="balanced", **ONCE)


def test_streams_are_predicted_into_what_is_given(tmp_path):
    model = classifier()
    model.train(X, Y, **ONCE)
    whole = model.predict(X)

    def batches():
        return iter([X[:7], X[7:40], X[40:]])

    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (60, 3))
    assert model.predict(batches, out=out) is out
    assert np.allclose(out, whole, atol=1e-6)
    assert np.allclose(model.predict(batches), whole, atol=1e-6)
    for shape, words in (((59, 3), "out has 59 rows, and there are more"), ((61, 3), "out has 61 rows, the result 60")):
        with pytest.raises(ShapeError, match=words):
            model.predict(batches, out=np.empty(shape, np.float32))
    with pytest.raises(ShapeError, match=r"out has shape \(60, 2\)"):
        model.predict(batches, out=np.empty((60, 2), np.float32))
    with pytest.raises(SettingError, match="no batches"):
        model.predict(lambda: iter([]))


# --- weights, losses, callbacks


def test_weights_that_leave_nothing_to_learn_from_are_refused():
    for options in ({"class_weight": [0, 0, 0]}, {"sample_weight": np.zeros(60)}):
        with pytest.raises(SettingError, match="nothing to learn"):
            classifier().train(X, Y, **options, **ONCE)
    with pytest.raises(DTypeError, match="sample_weight has dtype"):
        classifier().train(X, Y, sample_weight=["a"] * 60, **ONCE)
    with pytest.raises(SettingError, match='class_weight must be "balanced", a dict or a list, not 3'):
        classifier().train(X, Y, class_weight=3, **ONCE)


def test_functions_of_labels_are_known_as_their_modules_are():
    model = Model([Dense(3)], F.cross_entropy, optim.Adam(lr=0.1), seed=0)
    twin = Model([Dense(3)], nn.CrossEntropyLoss(), optim.Adam(lr=0.1), seed=0)
    for one in (model, twin):
        one.train(X, Y, sample_weight=np.ones(60), **ONCE)
    assert (model.predict(X) == twin.predict(X)).all()


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.MSELoss(reduction="none"), r"MSELoss gives a tensor of shape \(\d+, 1\)"),
        (lambda outputs, targets: 3.0, "gives 3.0"),
    ],
)
def test_a_loss_that_is_not_one_number_is_refused(loss, words):
    with pytest.raises(SettingError, match=words):
        Model([Dense(1)], loss).train(X, X[:, 0], **ONCE)


def test_a_callback_need_not_stand_in_a_list_and_must_be_one():
    assert len(classifier().train(X, Y, callbacks=EarlyStopping(), **ONCE)) == 1
    for wrong, words in (([EarlyStopping], "the class EarlyStopping"), (print, "LambdaCallback")):
        with pytest.raises(SettingError, match=words):
            classifier().train(X, Y, callbacks=wrong, **ONCE)


# --- figures


def test_figures_of_a_label_at_every_position_weigh_each_sample():
    model = Model([Conv(3, 3, padding="same")], CategoricalCrossEntropy(), metrics=["accuracy", "log_loss"], seed=0)
    signals, labels = rng.normal(size=(20, 2, 5)), rng.integers(0, 3, (20, 5))
    model.train(signals, labels, **ONCE)
    weight = rng.random(20)
    found = model.evaluate(signals, labels, sample_weight=weight, batch_size=7)
    probabilities = model.predict(signals).astype(np.float64)
    of_label = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    right = probabilities.argmax(axis=1) == labels
    shares = (weight / weight.sum() / 5)[:, None]
    assert found["accuracy"] == pytest.approx((right * shares).sum(), rel=1e-12)
    assert found["log_loss"] == pytest.approx(-(np.log(of_label) * shares).sum(), rel=1e-5)
    assert found["loss"] == pytest.approx(-(np.log(of_label) * shares).sum(), rel=1e-5)


def test_figures_do_not_depend_on_how_many_outputs_are_held_at_once(monkeypatch):
    model = classifier()
    model.train(X, Y, **ONCE)
    whole = model.evaluate(X, Y, sample_weight=np.arange(60), batch_size=7)
    monkeypatch.setattr("tinygrad_mp.training.scores._HELD", 30)
    assert model.evaluate(X, Y, sample_weight=np.arange(60), batch_size=7) == pytest.approx(whole, rel=1e-12)


def test_an_output_of_exactly_one_half_is_yes():
    model = Model([Dense(1, initialization="zeros")], BinaryCrossEntropy()).build((2,))
    assert (model.predict(X) == 0.5).all()
    assert (model.predict_classes(X) == 1).all()


def test_soft_targets_weigh_classes_by_their_shares():
    rows = np.array([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0.25, 0.75]] * 20)
    by_class, by_sample = classifier(), classifier()
    by_class.train(X, rows, class_weight=[1, 2, 4], **ONCE)
    by_sample.train(X, rows, sample_weight=rows @ [1, 2, 4], **ONCE)
    assert by_class.history["loss"] == by_sample.history["loss"]
    assert by_class.history["val_loss"] != by_sample.history["val_loss"]  # evaluation knows weights of samples only


def test_weights_of_classes_and_of_samples_are_multiplied():
    both, product = classifier(), classifier()
    weight = np.linspace(0.5, 1.5, 60)
    both.train(X, Y, sample_weight=weight, class_weight={1: 3.0}, auto_evaluation=0, **ONCE)
    product.train(X, Y, sample_weight=weight * np.where(Y == 1, 3.0, 1.0), auto_evaluation=0, **ONCE)
    assert both.history["loss"] == product.history["loss"]
    assert (weights(both) == weights(product)).all()


def test_rows_of_probabilities_may_be_off_by_rounding_only():
    rows = np.full((60, 3), 0.3333)
    assert len(classifier().train(X, rows, **ONCE)) == 1
    rows[50, 0] += 0.05
    with pytest.raises(SettingError, match="row 50 is no distribution"):
        classifier().train(X, rows, **ONCE)


def test_loss_settings_do_what_they_say():
    outputs, targets = tg.tensor([[0.3], [-1.2]]), tg.tensor([[1.0], [0.0]])
    smooth = BinaryCrossEntropy(label_smoothing=0.2)(outputs, targets).item()
    assert smooth == pytest.approx(BinaryCrossEntropy()(outputs, tg.tensor([[0.9], [0.1]])).item(), rel=1e-6)
    model = Model([Dense(3), nn.LogSoftmax(1)], nn.NLLLoss(), seed=0)
    model.train(X, Y, **ONCE)
    assert np.allclose(model.predict(X).sum(axis=1), 1)


def test_balanced_weights_leave_out_classes_that_are_absent():
    targets = Targets("labels", (3,))
    assert targets.class_weights("balanced", np.array([10, 20, 0])).tolist() == [1.5, 0.75, 0.0]


def test_a_target_of_exactly_one_half_counts_as_yes():
    assert Targets("binary", (1,)).true_classes(np.array([[0.5], [0.49]])).tolist() == [1, 0]


def test_errors_name_the_right_row_also_behind_the_first_piece(monkeypatch):
    monkeypatch.setattr("tinygrad_mp.training.arrays.CHUNK", 64)
    rows, inputs = np.eye(3)[Y], X.copy()
    rows[50] = 0.5
    inputs[41, 1] = np.nan
    with pytest.raises(SettingError, match="row 50 is no distribution"):
        classifier().train(X, rows, **ONCE)
    with pytest.raises(SettingError, match=r"X\[41, 1\] is nan"):
        classifier().train(inputs, Y, **ONCE)
    assert len(classifier().train(X, np.array(list("abc"))[Y], **ONCE)) == 1


def test_data_sets_that_can_only_be_iterated_keep_their_order():
    class Rows(IterableDataset):
        def __iter__(self):
            return iter(zip(X, Y, strict=True))

    seen = []
    watch = LambdaCallback(on_batch_begin=lambda training: seen.append(training.targets.numpy().copy()))
    classifier().train(Rows(), batch_size=7, callbacks=[watch], **ONCE)
    assert [len(one) for one in seen] == [7] * 8 + [4]
    assert (np.concatenate(seen) == Y).all()


def test_weights_that_forward_does_not_use_do_not_decay():
    model = Model({"used": Dense(1), "spare": Dense(1)}, "mse", forward=lambda model, x: model.used(x))
    model.regularization = WeightDecay(0.5)
    model.spare.build((None, 2))
    before = model.spare.weight.numpy(force=True).copy()
    model.train(X, X[:, 0], **ONCE)
    assert (model.spare.weight.numpy(force=True) == before).all()
