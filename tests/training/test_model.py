"""``Model.train`` learns, stops, and comes back to its best epoch; what makes no sense is refused with the reason."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import (
    L1,
    L2,
    MSE,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    Huber,
    Model,
    ReLU,
    WeightDecay,
    nn,
    optim,
)
from tinygrad_mp.errors import DTypeError, IndexRangeError, NonFiniteError, SettingError, ShapeError
from tinygrad_mp.training.callbacks import Callback, LambdaCallback, NaNGuard
from tinygrad_mp.utils.data import DataLoader, TensorDataset


def blobs(count=90, classes=3, seed=0):
    """Points around as many centres, far apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    centres = np.array([[0, 0], [4, 0], [0, 4], [4, 4]])
    return (rng.normal(size=(count, 2)) * 0.5 + centres[y]).astype(np.float32), y


def classifier(classes=3, **settings):
    settings = {"optimizer": optim.Adam(lr=0.02), "seed": 0, **settings}
    return Model([Dense(16), ReLU(), Dense(classes)], CategoricalCrossEntropy(), **settings)


def weights(model):
    return {name: one.array.copy() for name, one in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


# --- learning


def test_classes_are_learnt_and_predicted_as_probabilities_logits_and_labels():
    X, y = blobs()
    model = classifier()
    history = model.train(X, y, epochs=20, batch_size=16, verbose=0)
    probabilities = model.predict(X)
    assert probabilities.shape == (90, 3)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (model.predict_classes(X) == y).mean() > 0.95
    logits = model.predict_logits(X)
    assert np.allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), probabilities, atol=1e-6)
    assert history["val_loss"][history.best_epoch - 1] == min(history["val_loss"])
    assert {"loss", "accuracy", "f1", "val_accuracy", "val_f1"} <= set(history.columns)


def test_numbers_are_learnt_with_one_column_or_several():
    X = np.linspace(-1, 1, 200)[:, None]
    for y in (X[:, 0] ** 2, X**2, np.hstack([X**2, X**3]), np.round(3 * X[:, 0]).astype(int)):
        columns = 1 if y.ndim == 1 else y.shape[1]
        model = Model([Dense(32), ReLU(), Dense(columns)], MSE(), optim.Adam(lr=0.02), seed=0)
        history = model.train(X, y, epochs=40, batch_size=20, verbose=0)
        assert history["val_rmse"][-1] < (0.1 if y.dtype.kind == "f" else 0.5)
        assert model.predict(X).shape == (200, columns)


def test_a_column_of_targets_is_not_broadcast_against_a_row_of_outputs():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = Model([Dense(1)], MSE(), optim.SGD(lr=0.0), seed=0)
    y = X.sum(axis=1)
    found = model.train(X, y, epochs=1, verbose=0, auto_evaluation=0)["loss"][0]
    assert found == pytest.approx(((model.predict(X)[:, 0] - y) ** 2).mean(), rel=1e-5)


def test_the_last_partial_batch_is_used():
    seen = []
    watch = LambdaCallback(on_batch_end=lambda training: seen.append(len(training.targets)))
    X, y = blobs(10)
    classifier().train(X, y, epochs=1, batch_size=4, auto_evaluation=0, verbose=0, callbacks=[watch])
    assert seen == [4, 4, 2]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_rows_and_a_batch_larger_than_all_of_them(count):
    X, y = blobs(count)
    model = classifier()
    history = model.train(X, y, epochs=2, batch_size=1000, verbose=0)
    assert len(history) == 2
    assert np.isfinite(history["loss"]).all()


def test_one_class_in_the_data_is_trained_on():
    X, _ = blobs(20)
    history = classifier().train(X, np.zeros(20, int), epochs=2, verbose=0)
    assert np.isfinite(history["val_loss"]).all()


def test_a_seed_fixes_everything_and_another_changes_it():
    X, y = blobs()

    def trained(seed):
        model = Model([Dense(8), ReLU(), Dropout(0.3), Dense(3)], CategoricalCrossEntropy(), seed=seed)
        model.train(X, y, epochs=3, batch_size=8, verbose=0)
        return weights(model)

    assert same(trained(3), trained(3))
    assert not same(trained(3), trained(4))


def test_manual_seed_fixes_a_model_without_a_seed_and_training_leaves_the_default_generator_alone():
    X, y = blobs()

    def trained():
        tg.manual_seed(5)
        model = classifier(seed=None)
        before = tg.get_rng_state().tolist()
        model.train(X, y, epochs=2, verbose=0)
        assert tg.get_rng_state().tolist() == before
        return weights(model)

    assert same(trained(), trained())


# --- what it is given


def test_labels_of_any_kind_are_learnt_and_given_back():
    X, y = blobs()
    for labels in (
        np.array(["cat", "dog", "owl"])[y],
        np.array([10, 20, 30])[y],
        np.array([-1, 0, 1])[y],
        np.array(["cat", "dog", "owl"], dtype=object)[y],
        y.astype(float) + 5,
    ):
        model = classifier()
        model.train(X, labels, epochs=15, batch_size=16, verbose=0)
        assert (model.predict_classes(X) == labels).mean() > 0.95
        assert model.evaluate(X, labels)["accuracy"] > 0.95


def test_one_hot_and_soft_rows_are_labels():
    X, y = blobs()
    for rows in (np.eye(3)[y], 0.9 * np.eye(3)[y] + 0.1 / 3, np.eye(3, dtype=int)[y]):
        model = classifier()
        model.train(X, rows, epochs=15, batch_size=16, verbose=0)
        assert (model.predict_classes(X) == y).mean() > 0.95


def test_two_labels_are_learnt_by_one_output():
    X, y = blobs(60, 2)
    for labels in (
        y,
        y.astype(bool),
        y[:, None],
        np.array(["no", "yes"])[y],
        np.array([1, 2])[y],
        np.array([-1, 1])[y],
    ):
        model = Model([Dense(8), ReLU(), Dense(1)], BinaryCrossEntropy(), optim.Adam(lr=0.05), seed=0)
        model.train(X, labels, epochs=15, batch_size=16, verbose=0)
        assert model.predict(X).shape == (60, 1)
        assert (model.predict_classes(X) == np.ravel(labels)).mean() > 0.95


def test_several_labels_at_once():
    X, y = blobs(80, 4)
    columns = np.stack([y % 2, y // 2], axis=1)
    model = Model([Dense(16), ReLU(), Dense(2)], BinaryCrossEntropy(), optim.Adam(lr=0.05), seed=0)
    model.train(X, columns, epochs=20, batch_size=16, verbose=0)
    assert (model.predict_classes(X) == columns).mean() > 0.95


@pytest.mark.parametrize(
    ("X", "y", "error", "words"),
    [
        (np.zeros((0, 2)), np.zeros(0), SettingError, "no rows"),
        (np.zeros((3, 2)), np.zeros(4, int), ShapeError, "3 rows, y has 4"),
        (np.array([[0.0, np.nan]] * 3), np.zeros(3, int), SettingError, r"X\[0, 1\] is nan"),
        (np.array([[np.inf, 0.0]] * 3), np.zeros(3, int), SettingError, r"X\[0, 0\] is inf"),
        (np.zeros((3, 2)), np.array([0, np.nan, 1]), SettingError, r"y\[1\] is nan"),
        (np.zeros((3, 2)), np.array([0.5, 1, 2]), DTypeError, "fractions such as 0.5"),
        (np.zeros((4, 2)), np.array([0, 1, 2, 3]), IndexRangeError, r"4 labels.* 3 outputs[\s\S]*Dense\(4\)"),
        (np.zeros((2, 2)), np.array(["a", "b"]), IndexRangeError, r"2 labels, 'a', 'b', the model has 3"),
        (np.array([["a", "b"]] * 3), np.zeros(3, int), DTypeError, "a network computes with numbers"),
        (np.zeros((3, 2)), None, SettingError, "y is missing"),
        (np.zeros((3, 2)), np.array([[1, 1, 0]] * 3), SettingError, "no distribution"),
        (np.zeros((3, 2)), np.zeros((3, 2), int), ShapeError, r"y has shape \(3, 2\)"),
        ([[1.0], [1.0, 2.0]], [0, 1], ShapeError, "no table"),
        (3.0, 1, ShapeError, "one number"),
    ],
)
def test_data_that_make_no_sense_are_refused_before_anything_changes(X, y, error, words):
    model = classifier().build((2,))
    before = weights(model)
    with pytest.raises(error, match=words):
        model.train(X, y, verbose=0)
    assert same(before, weights(model))


def test_numbers_with_gaps_are_refused_as_targets():
    model = Model([Dense(1)], MSE())
    with pytest.raises(SettingError, match=r"y\[1\] is inf"):
        model.train(np.zeros((2, 1)), np.array([0.0, np.inf]), verbose=0)
    with pytest.raises(ShapeError, match=r"y has shape \(2, 3\)"):
        model.train(np.zeros((2, 1)), np.zeros((2, 3)), verbose=0)
    with pytest.raises(DTypeError, match="numbers are wanted"):
        model.train(np.zeros((2, 1)), np.array(["a", "b"]), verbose=0)


def test_another_width_after_training_is_refused_with_both_shapes():
    X, y = blobs()
    model = classifier()
    model.train(X, y, epochs=1, verbose=0)
    for call in (
        lambda: model.predict(X[:, :1]),
        lambda: model.train(X[:, :1], y),
        lambda: model.evaluate(X[:, :1], y),
    ):
        with pytest.raises(ShapeError, match=r"shape \(1,\), the model was built for \(2,\)"):
            call()


def test_labels_that_training_did_not_see_are_refused_later():
    X, y = blobs()
    model = classifier()
    model.train(X, np.array(["cat", "dog", "owl"])[y], epochs=1, verbose=0)
    with pytest.raises(IndexRangeError, match="'emu'; it knows 'cat', 'dog', 'owl'"):
        model.evaluate(X[:2], ["emu", "cat"])
    model = classifier()
    model.train(X, y, epochs=1, verbose=0)
    with pytest.raises(IndexRangeError, match="3; it knows 0, 1, 2"):
        model.train(X, y + 1, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Model([Dense(1)], "mean_squared"), "unknown loss 'mean_squared'"),
        (lambda: Model([Dense(1)], MSE), "the loss is the class MSE"),
        (lambda: Model([Dense(1)], "mse", "adm"), "unknown optimizer 'adm'"),
        (lambda: Model([Dense(1)], "mse", optim.Adam), "the optimizer is the class Adam"),
        (lambda: Model([Dense(1)], "mse", regularization="L3"), "unknown regularization 'L3'"),
        (lambda: Model([Dense(1)]).train(np.zeros((2, 1)), [0, 1]), "no loss"),
        (lambda: Model([nn.ReLU()], "mse").train(np.zeros((4, 1)), np.zeros((4, 1))), "no parameters"),
        (lambda: CategoricalCrossEntropy(temperature=0), "temperature must be above 0"),
        (lambda: Huber(delta=0), "delta must be above 0"),
        (lambda: L1(-1), "at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_reason(make, words):
    with pytest.raises(SettingError, match=words):
        make()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs must be an int of at least 1, not 0"),
        ({"batch_size": -1}, "batch_size must be an int of at least 1"),
        ({"monitor": "val_acuracy"}, "monitor 'val_acuracy' is no column"),
        ({"mode": "up"}, "mode must be"),
        ({"auto_evaluation": 1.5}, "auto_evaluation must be a fraction"),
        ({"clip_norm": 0}, "clip_norm must be above 0"),
        ({"class_weight": {7: 1.0}}, "label 7"),
        ({"class_weight": "even"}, "class_weight must be"),
        ({"sample_weight": np.full(90, -1.0)}, "negative"),
        ({"validation_data": 3}, "validation_data must be"),
        ({"resume": True}, "no training to resume"),
        ({"schedule_every": "day"}, "schedule_every"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_the_reason(options, words):
    X, y = blobs()
    with pytest.raises(SettingError, match=words):
        classifier().train(X, y, verbose=0, **options)


# --- graphs


def test_a_function_puts_several_inputs_together():
    X, y = blobs()
    model = Model(
        {"left": Dense(8), "right": Dense(8), "out": Dense(3)},
        CategoricalCrossEntropy(),
        optim.Adam(lr=0.02),
        forward=lambda model, a, b: model.out((model.left(a) + model.right(b)).relu()),
        seed=0,
    )
    model.train((X[:, :1], X[:, 1:]), y, epochs=20, batch_size=16, verbose=0)
    assert (model.predict_classes((X[:, :1], X[:, 1:])) == y).mean() > 0.95
    assert list(model.state_dict()) == [
        f"{name}.{part}" for name in ("left", "right", "out") for part in ("weight", "bias")
    ]
    with pytest.raises(ShapeError, match="the model has 2 inputs, 1 are given"):
        model.predict(X)


def test_inputs_by_name():
    X, y = blobs()
    model = Model(
        {"hidden": Dense(8), "out": Dense(3)},
        CategoricalCrossEntropy(),
        forward=lambda model, *, here, there: model.out(model.hidden(tg.cat([here, there], 1)).relu()),
    )
    model.train({"here": X[:, :1], "there": X[:, 1:]}, y, epochs=2, verbose=0)
    assert model.predict({"here": X[:5, :1], "there": X[:5, 1:]}).shape == (5, 3)


def test_a_subclass_writes_its_own_forward_and_a_module_is_taken_as_it_is():
    class Net(Model):
        def __init__(self, **settings):
            super().__init__(loss=CategoricalCrossEntropy(), optimizer=optim.Adam(lr=0.02), seed=0, **settings)
            self.hidden, self.out = Dense(16), Dense(3)

        def forward(self, x):
            return self.out(self.hidden(x).relu())

    X, y = blobs()
    plain = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))
    for model in (Net(), Model(plain, CategoricalCrossEntropy(), optim.Adam(lr=0.02), seed=0)):
        model.train(X, y, epochs=20, batch_size=16, verbose=0)
        assert (model.predict_classes(X) == y).mean() > 0.95


def test_models_nest():
    X, y = blobs()
    inner = Model([Dense(16), ReLU()])
    model = Model([inner, Dense(3)], CategoricalCrossEntropy(), optim.Adam(lr=0.02), seed=0)
    model.train(X, y, epochs=20, batch_size=16, verbose=0)
    assert (model.predict_classes(X) == y).mean() > 0.95
    assert next(iter(model.state_dict())) == "0.0.weight"


def test_a_model_is_a_module():
    model = Model([Dense(3), ReLU()]).build((2,))
    assert model.train() is model
    assert model.training
    assert not model.eval().training
    assert not model.train(False).training
    assert not model.train(mode=False).training
    twin = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    twin.load_state_dict(model.state_dict())
    x = tg.ones(1, 2)
    assert twin(x).tolist() == model(x).tolist()


def test_training_leaves_the_modes_of_the_layers_as_they_were():
    X, y = blobs()
    model = classifier()
    model.eval()
    model.train(X, y, epochs=1, verbose=0)
    assert not any(module.training for module in model.modules())


def test_what_other_libraries_call_otherwise_is_named():
    model = classifier()
    with pytest.raises(AttributeError, match=r"no attribute 'fit'\n  fix: call train"):
        model.fit(1, 2)
    with pytest.raises(SettingError, match=r"compile does not take loss, optimizer[\s\S]*fix: Model\("):
        model.compile(loss="mse", optimizer="adam")
    assert model.compile() is None


def test_one_sample_without_its_axis_is_told_how_to_get_one():
    X, y = blobs()
    model = classifier()
    model.train(X, y, epochs=1, verbose=0)
    with pytest.raises(ShapeError, match=r"fix: give one sample as X\[None\]"):
        model.predict(X[0])


def test_a_model_of_doubles_computes_in_doubles():
    X, y = blobs()
    for model in (classifier().double(), classifier().build((2,)).double()):
        model.train(X, y, epochs=1, verbose=0)
        assert {one.dtype for one in weights(model).values()} == {np.dtype("float64")}
        assert model.predict(X).dtype == np.float64


def test_frozen_parameters_stay():
    X, y = blobs()
    model = classifier().build((2,))
    model[0].requires_grad_(False)
    before = weights(model)
    model.train(X, y, epochs=2, verbose=0)
    after = weights(model)
    assert (before["0.weight"] == after["0.weight"]).all()
    assert (before["2.weight"] != after["2.weight"]).any()


# --- streams


def test_loaders_data_sets_functions_and_generators_give_batches():
    X, y = blobs()

    def pieces():
        for start in range(0, 90, 16):
            yield X[start : start + 16], y[start : start + 16]

    data = TensorDataset(tg.from_numpy(X), tg.from_numpy(y))
    for source in (DataLoader(data, 16, shuffle=True), data, pieces, list(pieces())):
        model = classifier()
        given = source if not isinstance(source, list) else iter(source * 20)
        more = {"steps_per_epoch": 6} if isinstance(source, list) else {}
        history = model.train(given, epochs=20, batch_size=16, validation_data=(X, y), verbose=0, **more)
        assert history["val_accuracy"][-1] > 0.9
        if not isinstance(source, list):
            assert model.evaluate(source)["accuracy"] > 0.9
            assert model.predict(source).shape == (90, 3)


def test_a_generator_that_ends_is_not_trained_on_twice():
    X, y = blobs()
    with pytest.raises(
        SettingError, match=r"a generator ends after one epoch, and 2 are asked for[\s\S]*fix: pass the f"
    ):
        classifier().train(iter([(X, y)]), epochs=2, verbose=0)
    assert len(classifier().train(iter([(X, y)]), epochs=1, verbose=0)) == 1


def test_every_batch_of_a_generator_is_used_though_the_first_was_looked_at():
    X, y = blobs(30)
    seen = []
    watch = LambdaCallback(on_batch_end=lambda training: seen.append(len(training.targets)))
    pieces = ((X[i : i + 7], y[i : i + 7]) for i in range(0, 30, 7))
    classifier().train(pieces, epochs=1, verbose=0, callbacks=[watch])
    assert seen == [7, 7, 7, 7, 2]


def test_a_loader_without_targets_is_refused():
    with pytest.raises(SettingError, match="no targets"):
        classifier().train(DataLoader(TensorDataset(tg.zeros(4, 2)), 2), verbose=0)


# --- weights of samples and classes


def test_a_weight_of_two_is_a_row_twice():
    X, y = blobs(12)
    double = np.ones(12)
    double[:5] = 2
    twice = np.concatenate([np.arange(12), np.arange(5)])

    def trained(rows, **more):
        model = classifier(optimizer=optim.SGD(lr=0.1))
        model.train(X[rows], y[rows], epochs=3, batch_size=100, auto_evaluation=0, shuffle=False, verbose=0, **more)
        return weights(model)

    one, other = trained(np.arange(12), sample_weight=double), trained(twice)
    for name in one:
        assert np.allclose(one[name], other[name], atol=1e-6)


def test_balanced_classes_weigh_the_same():
    X, y = blobs(40, 2)
    rare = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:4]])
    by_name = {"one": 24 / 40, "other": 24 / 8}
    models = []
    for weight in ("balanced", by_name, [24 / 40, 24 / 8]):
        model = classifier(2)
        labels = np.array(["one", "other"])[y[rare]]
        model.train(X[rare], labels, epochs=2, auto_evaluation=0, class_weight=weight, verbose=0)
        models.append(weights(model))
    assert same(models[0], models[1])
    assert same(models[0], models[2])
    plain = classifier(2)
    plain.train(X[rare], y[rare], epochs=2, auto_evaluation=0, verbose=0)
    assert not same(models[0], weights(plain))


def test_loss_functions_take_weights_where_they_can():
    X, y = blobs()
    for loss in (nn.CrossEntropyLoss(), CategoricalCrossEntropy()):
        model = classifier()
        model.loss = tg.training.losses.as_loss(loss)
        model.train(X, y, epochs=1, verbose=0, sample_weight=np.ones(90))
    model = Model([Dense(1)], lambda outputs, targets: ((outputs - targets) ** 2).mean())
    model.train(X, X[:, 0], epochs=1, verbose=0)
    with pytest.raises(tg.UnsupportedError, match="a weight for each sample"):
        model.train(X, X[:, 0], epochs=1, verbose=0, sample_weight=np.ones(90))


# --- stability


def test_losses_on_logits_are_exact_and_silent_at_the_extremes():
    assert CategoricalCrossEntropy()(tg.tensor([[100.0, 0.0]]), tg.tensor([1])).item() == 100.0
    logits = tg.tensor([[1000.0], [-1000.0]], requires_grad=True)
    loss = BinaryCrossEntropy()(logits, tg.tensor([[0.0], [1.0]]))
    loss.backward()
    assert loss.item() == 1000.0
    assert np.isfinite(logits.grad.numpy()).all()
    assert tg.sigmoid(logits.detach()).tolist() == [[1.0], [0.0]]


def test_swish_has_a_gradient_far_from_zero():
    x = tg.tensor([-1000.0, -200.0, -88.0, 0.0, 200.0], requires_grad=True)
    tg.Swish()(x).sum().backward()
    assert x.grad.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.5, 1.0], abs=1e-30)


def test_the_temperature_of_the_loss_is_that_of_the_predictions():
    X, y = blobs()
    model = Model([Dense(3)], CategoricalCrossEntropy(temperature=2.0), seed=0)
    model.train(X, y, epochs=1, verbose=0)
    logits = model.predict_logits(X) / 2
    assert np.allclose(model.predict(X), np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-6)


def test_a_loss_that_is_no_number_stops_training_and_leaves_the_best_weights():
    X, y = blobs()
    model = classifier(optimizer=optim.SGD(lr=1e30))
    with pytest.raises(NonFiniteError, match="epoch 1, batch"), np.errstate(all="ignore"):
        model.train(X, y, epochs=3, verbose=0)
    assert all(np.isfinite(one).all() for one in weights(model).values())
    model = classifier(optimizer=optim.SGD(lr=1e30))
    with np.errstate(all="ignore"):
        history = model.train(X, y, epochs=3, verbose=0, callbacks=[NaNGuard(raises=False)])
    assert "the loss is" in history.stop_reason
    assert all(np.isfinite(one).all() for one in weights(model).values())


# --- best weights


class Spoil(Callback):
    """Makes the weights worse from some epoch on, and remembers them as they were."""

    def __init__(self, after, then=None):
        self.after, self.then, self.kept = after, then, {}

    def on_epoch_begin(self, training):
        if training.epoch > self.after:
            for parameter in training.model.parameters():
                parameter.array[...] = 0.3

    def on_epoch_end(self, training):
        self.kept[training.epoch] = (
            weights(training.model),
            training.optimizer.state_dict()["state"][0]["step"].item(),
        )

    def on_batch_end(self, training):
        if self.then is not None and training.epoch > self.after + 1 and training.batch == 1:
            raise self.then


@pytest.mark.parametrize("then", [None, KeyboardInterrupt(), ValueError("of the user's"), "early"])
def test_the_best_epoch_comes_back_however_training_ends(then):
    X, y = blobs()
    model, spoil = classifier(), Spoil(5, None if then == "early" else then)
    options = {"epochs": 12, "batch_size": 16, "verbose": 0, "callbacks": [spoil]}
    if then == "early":
        model.train(X, y, early_stopping=2, **options)
    elif then is None:
        model.train(X, y, **options)
    else:
        with pytest.raises(type(then)):
            model.train(X, y, **options)
    best = model.history.best_epoch
    assert 1 <= best < len(model.history)
    kept, steps = spoil.kept[best]
    assert same(kept, weights(model))
    assert model.optimizer.state_dict()["state"][0]["step"].item() == steps
    reasons = {"early": "val_loss has not improved for 2 epochs", None: None}
    wanted = (
        reasons[then] if then in reasons else "interrupted" if isinstance(then, KeyboardInterrupt) else "ValueError: "
    )
    assert (model.history.stop_reason or "").startswith(wanted or "")
    assert (model.history.stop_reason is None) == (then is None)


def test_the_schedule_goes_back_with_the_weights():
    X, y = blobs()
    model, spoil = classifier(), Spoil(2)
    history = model.train(
        X, y, epochs=6, verbose=0, callbacks=[spoil], schedule=optim.lr_scheduler.ExponentialLR(gamma=0.5)
    )
    assert history.best_epoch <= 2
    assert model.optimizer.param_groups[0]["lr"] == pytest.approx(0.02 * 0.5**history.best_epoch)


def test_without_restore_best_the_last_weights_stay():
    X, y = blobs()
    model, spoil = classifier(), Spoil(2)
    model.train(X, y, epochs=4, verbose=0, callbacks=[spoil], restore_best=False)
    assert same(spoil.kept[4][0], weights(model))


def test_an_interrupt_in_the_first_epoch_keeps_what_was_learnt():
    X, y = blobs()
    model, learnt = classifier(), []

    def interrupt(training):
        learnt.append(weights(training.model))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.train(X, y, verbose=0, callbacks=[LambdaCallback(on_batch_end=interrupt)])
    assert same(learnt[0], weights(model))


def test_a_metric_can_say_which_epoch_is_best():
    X, y = blobs()
    history = classifier().train(X, y, epochs=6, verbose=0, monitor="val_accuracy")
    assert history["val_accuracy"][history.best_epoch - 1] == max(history["val_accuracy"])
    assert history.best_epoch == history["val_accuracy"].index(max(history["val_accuracy"])) + 1


# --- steps


def test_accumulated_batches_are_one_large_batch():
    X, y = blobs(22)

    def trained(**options):
        model = classifier(optimizer=optim.SGD(lr=0.1))
        model.train(X, y, epochs=2, auto_evaluation=0, shuffle=False, verbose=0, **options)
        return weights(model)

    whole, parts = trained(batch_size=12), trained(batch_size=4, accumulate=3)
    for name in whole:
        assert np.allclose(whole[name], parts[name], atol=1e-6)


def test_gradients_are_clipped_before_the_step():
    X, y = blobs()
    for options, measure in (({"clip_norm": 0.01}, "norm"), ({"clip_value": 0.001}, "value")):
        model = classifier(optimizer=optim.SGD(lr=1.0)).build((2,))
        before = weights(model)
        model.train(X, y, epochs=1, batch_size=100, auto_evaluation=0, verbose=0, **options)
        steps = [before[name] - after for name, after in weights(model).items()]
        if measure == "norm":
            assert np.sqrt(sum((step**2).sum() for step in steps)) == pytest.approx(0.01, rel=1e-3)
        else:
            assert max(abs(step).max() for step in steps) == pytest.approx(0.001, rel=1e-3)


def test_l2_adds_to_the_gradient_and_weight_decay_does_not():
    X, y = blobs()

    def trained(optimizer, **settings):
        model = classifier(optimizer=optimizer, **settings)
        model.train(X, y, epochs=2, verbose=0)
        return model

    decayed = optim.SGD(lr=0.1, weight_decay=0.05)
    everywhere = trained(decayed), trained(optim.SGD(lr=0.1), regularization=L2(0.05, everything=True))
    decoupled = (
        trained(optim.AdamW(lr=0.01, weight_decay=0.05)),
        trained(optim.Adam(lr=0.01), regularization=WeightDecay(0.05, everything=True)),
    )
    for pair in (everywhere, decoupled):
        one, other = map(weights, pair)
        for name in one:
            assert np.allclose(one[name], other[name], atol=1e-6), name


def test_l1_makes_the_gradient_larger_by_the_sign():
    X, y = blobs()
    model = classifier(optimizer=optim.SGD(lr=1.0), regularization=L1(0.25)).build((2,))
    plain = classifier(optimizer=optim.SGD(lr=1.0)).build((2,))
    before = weights(model)
    for one in (model, plain):
        one.train(X, y, epochs=1, batch_size=100, auto_evaluation=0, verbose=0)
    difference = weights(plain)["0.weight"] - weights(model)["0.weight"]
    assert np.allclose(difference, 0.25 * np.sign(before["0.weight"]), atol=1e-5)
    assert np.allclose(weights(plain)["0.bias"], weights(model)["0.bias"], atol=1e-6)  # biases are exempt


def test_l2_by_name_is_decoupled_for_adam_and_not_for_sgd():
    assert isinstance(classifier(regularization="L2").build((2,)).settled_regularization()[0], WeightDecay)
    X, y = blobs()
    model = classifier(optimizer=optim.SGD(lr=0.1), regularization="L2")
    model.train(X, y, epochs=1, verbose=0)
    assert isinstance(model.settled_regularization()[0], L2)


def test_schedules_step_every_epoch_or_every_batch_and_learn_their_length():
    X, y = blobs()
    schedulers, rates = optim.lr_scheduler, []
    note = LambdaCallback(on_batch_begin=lambda training: rates.append(training.optimizer.param_groups[0]["lr"]))
    options = {"epochs": 4, "batch_size": 30, "auto_evaluation": 0, "verbose": 0, "callbacks": [note]}
    history = classifier().train(X, y, schedule=schedulers.StepLR(step_size=2, gamma=0.1), **options)
    assert history["learning_rate"] == pytest.approx([0.02, 0.02, 0.002, 0.002])
    rates.clear()
    classifier().train(X, y, schedule=schedulers.OneCycleLR(max_lr=1.0), **options)
    assert len(rates) == 12
    assert max(rates) == pytest.approx(1.0, rel=0.05)
    assert rates[-1] < 1e-3
    history = classifier().train(X, y, schedule=schedulers.CosineAnnealingLR(), **options)
    assert history["learning_rate"] == pytest.approx([0.02 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)])
    history = classifier(optimizer=optim.SGD(lr=1e-4)).train(
        X, y, schedule=schedulers.ReduceLROnPlateau(patience=0, threshold=1.0, threshold_mode="abs"), **options
    )
    assert history["learning_rate"][-1] < 2e-6
    warm = schedulers.SequentialLR(
        schedulers=[schedulers.LinearLR(start_factor=0.5, total_iters=2), schedulers.InverseTimeLR(decay=1.0)],
        milestones=[2],
    )
    history = classifier().train(X, y, schedule=warm, **options)
    assert history["learning_rate"] == pytest.approx([0.01, 0.015, 0.02, 0.01])


# --- going on


def sturdy():
    return Model(
        [Dense(12), tg.BatchNorm(), ReLU(), Dropout(0.3), Dense(3)],
        CategoricalCrossEntropy(),
        optim.Adam(lr=0.02),
        seed=7,
    )


def test_an_interrupted_training_that_is_resumed_ends_with_the_same_bits():
    X, y = blobs()
    options = {"batch_size": 16, "verbose": 0, "early_stopping": 6}

    def schedule():
        return optim.lr_scheduler.StepLR(step_size=2, gamma=0.7)

    whole = sturdy()
    expected = whole.train(X, y, epochs=8, schedule=schedule(), restore_best=False, **options)

    def interrupt(training):
        if training.epoch == 5 and training.batch == 2:
            raise KeyboardInterrupt

    parts = sturdy()
    with pytest.raises(KeyboardInterrupt):
        parts.train(X, y, epochs=8, schedule=schedule(), callbacks=[LambdaCallback(on_batch_end=interrupt)], **options)
    found = parts.train(X, y, epochs=8, schedule=schedule(), resume=True, restore_best=False, **options)
    assert same(weights(whole), weights(parts))
    for name in expected.columns:
        assert found[name] == expected[name], name
    assert whole.generator.get_state().tolist() == parts.generator.get_state().tolist()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_made_while_training_goes_on_as_the_model_itself_does(copied):
    X, y = blobs()
    copies = []

    def keep(training):
        if training.epoch == 2:
            copies.append(copied(training.model))

    whole = sturdy()
    options = {"epochs": 4, "verbose": 0, "restore_best": False}
    whole.train(X, y, callbacks=[LambdaCallback(on_epoch_end=keep)], **options)
    copies[0].train(X, y, resume=True, **options)
    assert same(weights(whole), weights(copies[0]))
    assert copies[0].history["val_loss"] == whole.history["val_loss"]


def test_what_was_decided_is_told(capsys):
    X, y = blobs()
    classifier(regularization=WeightDecay(0.1)).train(X, y, epochs=1)
    told = capsys.readouterr().out
    assert "evaluation: 18 of 90 rows held out, drawn at random, from each class its share" in told
    assert "metrics: accuracy, f1, as the targets are multiclass" in told
    assert "regularization: WeightDecay(0.1) on weights, not biases and normalisations" in told
    assert "best epoch: the one with the lowest val_loss" in told
    classifier().train(X, y, epochs=1, verbose=0)
    assert capsys.readouterr().out == ""


def test_training_again_without_resume_goes_on_from_the_best_weights():
    X, y = blobs()
    model = classifier()
    model.train(X, y, epochs=2, verbose=0)
    before = model.evaluate(X, y)["loss"]
    model.train(X, y, epochs=2, verbose=0)
    assert model.evaluate(X, y)["loss"] < before


# --- predicting


def test_predictions_do_not_depend_on_the_batch_size_and_are_written_where_asked(tmp_path):
    X, y = blobs()
    model = classifier()
    model.train(X, y, epochs=1, verbose=0)
    whole = model.predict(X, batch_size=1000)
    assert np.allclose(model.predict(X, batch_size=7), whole, atol=1e-6)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (90, 3))
    assert model.predict(X, batch_size=7, out=out) is out
    assert np.allclose(np.load(tmp_path / "out.npy"), whole, atol=1e-6)
    with pytest.raises(ShapeError, match=r"out has shape \(9, 3\), the result \(90, 3\)"):
        model.predict(X, out=np.empty((9, 3), np.float32))
    with pytest.raises(DTypeError, match="out has dtype int64"):
        model.predict(X, out=np.empty((90, 3), np.int64))
    assert model.predict(X[:0]).shape == (0, 3)
    assert model.predict(tg.from_numpy(X)).dtype == np.float32


def test_predicting_needs_weights():
    with pytest.raises(SettingError, match=r"layer '0' .Dense. has no weights yet"):
        classifier().predict(np.zeros((2, 2)))


def test_a_layer_that_forward_does_not_reach_is_named():
    X, y = blobs()
    model = Model(
        {"used": Dense(3), "spare": Dense(4)}, CategoricalCrossEntropy(), forward=lambda model, x: model.used(x)
    )
    with pytest.raises(SettingError, match=r"'spare' \(Dense\) has no weights yet[\s\S]*does not reach it"):
        model.train(X, y, verbose=0)
    model.spare.build((None, 2))
    assert len(model.train(X, y, epochs=1, verbose=0)) == 1


def test_predicting_changes_neither_data_nor_model():
    X, y = blobs()
    model = Model([nn.ReLU(inplace=True), Dense(3)], CategoricalCrossEntropy(), seed=0)
    before = X.copy()
    model.train(X, y, epochs=1, verbose=0, shuffle=False)
    kept = weights(model)
    model.predict(X)
    assert (before == X).all()
    assert same(kept, weights(model))


def test_memory_does_not_grow_with_rows_on_the_disk(tmp_path):
    def peak(count):
        path = tmp_path / f"{count}.npy"
        X = np.lib.format.open_memmap(path, "w+", np.float32, (count, 256))
        X[:, 0] = np.arange(count)
        y = np.arange(count) % 3
        model = classifier(metrics=[])
        model.train(X[:100], y[:100], epochs=1, verbose=0)
        tracemalloc.start()
        model.train(np.load(path, mmap_mode="r"), y, epochs=1, batch_size=512, verbose=0)
        model.predict(
            np.load(path, mmap_mode="r"),
            out=np.lib.format.open_memmap(path.with_suffix(".out"), "w+", np.float32, (count, 3)),
        )
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    data = 1024 * 32_000  # bytes that 32,000 rows more take
    assert peak(40_000) - peak(8_000) < data / 10


def test_figures_are_those_of_the_targets_as_they_were_given():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50) / 3 + 1000
    model = Model([Dense(1)], MSE(), optim.SGD(lr=1e-3), seed=0)
    model.train(X, y, epochs=2, verbose=0)
    predicted = model.predict(X)[:, 0].astype(np.float64)
    expected = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert model.evaluate(X, y)["r2"] == pytest.approx(expected, rel=1e-12)
    weights = rng.random(50)
    expected = np.sqrt((weights * (y - predicted) ** 2).sum() / weights.sum())
    assert model.evaluate(X, y, sample_weight=weights)["rmse"] == pytest.approx(expected, rel=1e-12)
