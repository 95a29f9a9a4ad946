"""A diagnosis finds each ailment, names its place and cure, finds none in sound models, and changes nothing."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.training import (
    MSE,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Conv,
    Dense,
    Diagnosis,
    Embedding,
    GlobalAveragePool,
    MaxPool,
    Model,
    Softmax,
    diagnose,
)
from tinygrad_mp.utils.data import DataLoader, TensorDataset

Case = tuple[Model, Any, Any] | tuple[Model, Any, Any, dict[str, Any]]


def table(rows: int = 300, width: int = 6) -> tuple[Any, Any]:
    """Standardised inputs, and three classes that follow from them."""
    draw = numpy.random.default_rng(0)
    X = draw.normal(size=(rows, width))
    return X, (X[:, :3] + 0.1 * draw.normal(size=(rows, 3))).argmax(axis=1)


X, Y = table()


def classifier(*layers: Any, loss: Any = None, optimizer: Any = None, outputs: int = 3, **more: Any) -> Model:
    chosen = layers or (Dense(24), nn.ReLU(), Dense(outputs))
    return Model(list(chosen), loss=loss or CategoricalCrossEntropy(), optimizer=optimizer, **{"seed": 0, **more})


def trained(model: Model, X: Any, y: Any, epochs: int = 5, **options: Any) -> Model:
    model.train(X, y, epochs=epochs, verbose=0, **options)
    return model


def kinds(diagnosis: Diagnosis) -> list[str]:
    return [one.kind for one in diagnosis]


# --- sound models -----------------------------------------------------------------------------------------------------


def images() -> tuple[Any, Any]:
    draw = numpy.random.default_rng(1)
    y = draw.integers(0, 4, 200)
    X = draw.uniform(0, 1, (200, 1, 8, 8))
    X[numpy.arange(200), 0, 2 * y] += 1
    return X / 2, y


def recurrent(model: Any, x: Any) -> Any:
    return model["out"](model["lstm"](x)[0][:, -1])


SOUND: dict[str, Callable[[], Case]] = {
    "relu": lambda: (classifier(), X, Y),
    "dropout": lambda: (classifier(Dense(24), nn.ReLU(), nn.Dropout(0.5), Dense(3)), X, Y),
    "tanh": lambda: (classifier(Dense(24), nn.Tanh(), Dense(24), nn.Tanh(), Dense(3)), X, Y),
    "gelu": lambda: (classifier(Dense(24), nn.GELU(), Dense(3), optimizer=optim.SGD(lr=0.1, momentum=0.9)), X, Y),
    "sigmoid": lambda: (classifier(Dense(24), nn.Sigmoid(), Dense(3)), X, Y),
    "plain layers of nn": lambda: (classifier(nn.Linear(6, 24), nn.LayerNorm(24), nn.ReLU(), nn.Linear(24, 3)), X, Y),
    "linear": lambda: (classifier(Dense(3)), X, Y),
    "binary": lambda: (classifier(Dense(24), nn.ReLU(), Dense(1), loss=BinaryCrossEntropy()), X, Y == 1),
    "words": lambda: (classifier(), X, numpy.array(["ape", "bee", "cow"])[Y]),
    "numbers": lambda: (classifier(Dense(24), nn.SiLU(), Dense(1), loss=MSE()), X, X[:, 0] * X[:, 1]),
    "nn loss": lambda: (classifier(loss=nn.CrossEntropyLoss()), X, Y),
    "probabilities": lambda: (classifier(nn.Linear(6, 3), nn.LogSoftmax(1), loss=nn.NLLLoss()), X, Y),
    "convolution": lambda: (
        classifier(
            Conv(12, 3, padding="same"), BatchNorm(), nn.ReLU(), MaxPool(2), Conv(24, 3), nn.ReLU(),
            GlobalAveragePool(), Dense(4),
        ),
        *images(),
    ),
    "indices": lambda: (
        classifier(Embedding(50, 16), nn.Flatten(), Dense(24), nn.ReLU(), Dense(2)),
        numpy.random.default_rng(2).integers(0, 50, (300, 4)),
        numpy.arange(300) % 2,
    ),
    "recurrent": lambda: (
        Model({"lstm": nn.LSTM(3, 16, batch_first=True), "out": Dense(3)}, CategoricalCrossEntropy(),
              forward=recurrent, seed=0),
        X.reshape(300, 2, 3), Y,
    ),
    "residual": lambda: (
        Model([Dense(24), Dense(24), Dense(3)], CategoricalCrossEntropy(), seed=0,
              forward=lambda model, x: model[2]((h := F.relu(model[0](x))) + F.relu(model[1](h)))),
        X, Y,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_in_a_sound_model_before_and_after_training(name: str) -> None:
    model, inputs, targets = SOUND[name]()  # type: ignore[misc]
    before = model.diagnose(inputs, targets)
    assert kinds(before) == []
    assert before.healthy
    after = trained(model, inputs, targets).diagnose(inputs, targets)
    assert kinds(after) == []
    assert after.samples == len(inputs)


# --- ailments, and their cures ----------------------------------------------------------------------------------------


def with_bias(model: Model, value: float, place: int = 0) -> Model:
    model.build(6)
    with tg.no_grad():
        model[place].bias.fill_(value)
    return model


def scaled(model: Model, factor: float, shape: Any = 6) -> Model:
    """All weights multiplied."""
    model.build(shape)
    with tg.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model


def deep(activation: Any, layers: int = 10, **more: Any) -> Model:
    hidden = [one for _ in range(layers) for one in (Dense(24, **more), activation())]
    return classifier(*hidden, Dense(3, **more))


def normed() -> Model:
    return classifier(Dense(24), BatchNorm(), nn.ReLU(), Dense(3))


def gap(place: str) -> tuple[Any, Any]:
    inputs, targets = X.copy(), X[:, :1].copy()
    (inputs if place == "X" else targets)[7, 0] = numpy.nan
    return inputs, targets


def regression() -> Model:
    return classifier(Dense(24), nn.ReLU(), Dense(1), loss=MSE())


def frozen(every: bool) -> Model:
    model = classifier().build(6)
    for parameter in model.parameters() if every else [model[0].weight]:
        parameter.requires_grad_(False)
    return model


def detached(detach: bool) -> Model:
    def forward(model: Any, x: Any) -> Any:
        hidden = F.relu(model[0](x))
        return model[1](hidden.detach() if detach else hidden)

    return Model([Dense(24), Dense(3)], CategoricalCrossEntropy(), forward=forward, seed=0)


def blind(rows: int = 2000) -> tuple[Any, Any]:
    """Nearly one label only, in data that say little about it."""
    y = numpy.zeros(rows, int)
    y[: rows // 7] = 1
    return numpy.random.default_rng(3).normal(size=(rows, 6)), y


def logistic() -> Model:
    return classifier(Dense(2), optimizer=optim.Adam(lr=0.05))


RARE = numpy.array([0] * 285 + [1] * 15)
PIXELS = numpy.random.default_rng(4).integers(0, 256, (200, 1, 6, 6)).astype("uint8")
PIXEL_MODEL: Callable[[], Model] = lambda: classifier(Conv(8, 3), nn.ReLU(), GlobalAveragePool(), Dense(2))
CONSTANT = numpy.concatenate([X, numpy.full((300, 1), 0.5)], axis=1)
MIXED = X * [1, 1, 1000, 1, 1, 1] + [0, 0, 0, 50, 0, 0]

AILMENTS: dict[str, tuple[str, str, Callable[[], Case], Callable[[], Case]]] = {
    # kind, place, sick, cured
    "a dead layer": (
        "dead units", "1",
        lambda: (with_bias(classifier(), -100), X, Y),
        lambda: (with_bias(classifier(Dense(24), nn.LeakyReLU(), Dense(3)), 0), X, Y),
    ),
    "dead channels": (
        "dead units", "1",
        lambda: (with_bias(classifier(nn.Linear(6, 8), nn.ReLU6(), Dense(3)), -50), X, Y),
        lambda: (classifier(nn.Linear(6, 8), BatchNorm(), nn.ReLU6(), Dense(3)), X, Y),
    ),
    "saturated tanh": (
        "saturated", "1",
        lambda: (classifier(Dense(24), nn.Tanh(), Dense(3)), X * 30, Y),
        lambda: (classifier(Dense(24), nn.Tanh(), Dense(3)), X, Y),
    ),
    "saturated sigmoid": (
        "saturated", "1",
        lambda: (with_bias(classifier(Dense(24), nn.Sigmoid(), Dense(3)), 9), X, Y),
        lambda: (with_bias(classifier(Dense(24), nn.ReLU(), Dense(3)), 0), X, Y),
    ),
    "vanishing": (
        "vanishing gradients", "0",
        lambda: (deep(nn.Sigmoid), X, Y),
        lambda: (deep(nn.ReLU, 5), X, Y),
    ),
    "vanishing everywhere": (
        "vanishing gradients", "0",
        lambda: (scaled(deep(nn.ReLU, bias=False), 0.1), X, Y),
        lambda: (deep(nn.ReLU, 5, bias=False), X, Y),
    ),
    "exploding": (
        "exploding gradients", "0",
        lambda: (scaled(deep(nn.ReLU, 5), 10), X, Y),
        lambda: (deep(nn.ReLU, 5), X, Y),
    ),
    "imbalance": (
        "label imbalance", "y",
        lambda: (classifier(outputs=2), X, RARE),
        lambda: (classifier(outputs=2), X, RARE, {"class_weight": "balanced"}),
    ),
    "imbalance, weighed": (
        "label imbalance", "y",
        lambda: (classifier(outputs=2), X, RARE),
        lambda: (classifier(outputs=2), X, RARE, {"sample_weight": numpy.where(RARE, 19, 1)}),
    ),
    "one label": (
        "label imbalance", "y",
        lambda: (classifier(outputs=1, loss=BinaryCrossEntropy()), X, Y * 0),
        lambda: (classifier(outputs=1, loss=BinaryCrossEntropy()), X, Y == 0),
    ),
    "columns of all sizes": (
        "unscaled inputs", "X",
        lambda: (classifier(), MIXED, Y),
        lambda: (classifier(), (MIXED - MIXED.mean(0)) / MIXED.std(0), Y),
    ),
    "columns of all sizes, normalised within": (
        "unscaled inputs", "X",
        lambda: (classifier(), MIXED, Y),
        lambda: (classifier(BatchNorm(), Dense(24), nn.ReLU(), Dense(3)), MIXED, Y),
    ),
    "tiny columns": (
        "unscaled inputs", "X",
        lambda: (classifier(), X * 1e-3, Y),
        lambda: (classifier(), X, Y),
    ),
    "pixels": (
        "unscaled inputs", "X",
        lambda: (PIXEL_MODEL(), PIXELS, numpy.arange(200) % 2),
        lambda: (PIXEL_MODEL(), PIXELS / 255, numpy.arange(200) % 2),
    ),
    "a constant column": (
        "constant inputs", "X",
        lambda: (classifier(), CONSTANT, Y),
        lambda: (classifier(), CONSTANT[:, :6], Y),
    ),
    "targets in thousands": (
        "unscaled targets", "y",
        lambda: (regression(), X, 5000 + 800 * X[:, 0]),
        lambda: (regression(), X, X[:, 0]),
    ),
    "softmax": (
        "softmax before the loss", "3",
        lambda: (classifier(Dense(24), nn.ReLU(), Dense(3), Softmax()), X, Y),
        lambda: (classifier(), X, Y),
    ),
    "sigmoid at the end": (
        "sigmoid before the loss", "1",
        lambda: (classifier(Dense(1), nn.Sigmoid(), loss=BinaryCrossEntropy()), X, Y == 1),
        lambda: (classifier(Dense(1), loss=BinaryCrossEntropy()), X, Y == 1),
    ),
    "too few outputs": (
        "labels and outputs", "y",
        lambda: (classifier(outputs=2), X, Y),
        lambda: (classifier(outputs=3), X, Y),
    ),
    "too many outputs": (
        "labels and outputs", "y",
        lambda: (classifier(outputs=10), X, Y),
        lambda: (classifier(outputs=3), X, Y),
    ),
    "another number of values": (
        "labels and outputs", "y",
        lambda: (regression(), X, X[:, :2]),
        lambda: (classifier(Dense(24), nn.ReLU(), Dense(2), loss=MSE()), X, X[:, :2]),
    ),
    "a huge rate": (
        "learning rate", "optimizer",
        lambda: (classifier(optimizer=optim.Adam(lr=3)), X, Y),
        lambda: (classifier(optimizer=optim.Adam(lr=1e-3)), X, Y),
    ),
    "a tiny rate": (
        "learning rate", "optimizer",
        lambda: (classifier(optimizer=optim.SGD(lr=1e-8)), X, Y),
        lambda: (classifier(optimizer=optim.SGD(lr=0.1)), X, Y),
    ),
    "a rate of 0": (
        "learning rate", "optimizer",
        lambda: (classifier(optimizer=optim.RMSprop(lr=0.0)), X, Y),
        lambda: (classifier(optimizer=optim.RMSprop()), X, Y),
    ),
    "momentum": (
        "learning rate", "optimizer",
        lambda: (classifier(optimizer=optim.SGD(lr=1.0, momentum=0.99)), X, Y),
        lambda: (classifier(optimizer=optim.SGD(lr=1.0)), X, Y),
    ),
    "batches of one": (
        "batch of one", "1",
        lambda: (normed(), X, Y, {"batch_size": 1}),
        lambda: (normed(), X, Y, {"batch_size": 64}),
    ),
    "NaN in X": (
        "not finite", "X",
        lambda: (regression(), *gap("X")),
        lambda: (regression(), X, X[:, :1]),
    ),
    "NaN in y": (
        "not finite", "y",
        lambda: (regression(), *gap("y")),
        lambda: (regression(), X, X[:, :1]),
    ),
    "NaN in a weight": (
        "not finite", "0.bias",
        lambda: (with_bias(classifier(), float("nan")), X, Y),
        lambda: (with_bias(classifier(), 0.0), X, Y),
    ),
    "NaN on the way": (
        "not finite", "outputs",
        lambda: (Model([Dense(3)], CategoricalCrossEntropy(), forward=lambda m, x: m[0](x).log(), seed=0), X, Y),
        lambda: (Model([Dense(3)], CategoricalCrossEntropy(), forward=lambda m, x: m[0](x), seed=0), X, Y),
    ),
    "one class": (
        "one class", "outputs",
        lambda: (trained(logistic(), *blind()), *blind()),
        lambda: (trained(logistic(), *blind(), class_weight="balanced"), *blind()),
    ),
    "constant outputs": (
        "constant outputs", "outputs",
        lambda: (classifier(Dense(24), nn.ReLU(), Dense(3, initialization="zeros")), X, Y),
        lambda: (classifier(Dense(24), nn.ReLU(), Dense(3)), X, Y),
    ),
    "far above chance": (
        "loss above chance", "loss",
        lambda: (scaled(classifier(), 10), X, Y),
        lambda: (classifier(), X, Y),
    ),
    "frozen": (
        "frozen", "0.weight",
        lambda: (frozen(every=False), X, Y),
        lambda: (classifier(), X, Y),
    ),
    "no gradient": (
        "no gradient", "0.weight, 0.bias",
        lambda: (detached(True), X, Y),
        lambda: (detached(False), X, Y),
    ),
}  # fmt: skip


def findings(case: Case) -> Diagnosis:
    model, inputs, targets, *options = case
    return diagnose(model, inputs, targets, **(options[0] if options else {}))


@pytest.mark.parametrize("name", AILMENTS)
def test_each_ailment_is_found_and_gone_when_its_advice_is_followed(name: str) -> None:
    kind, place, sick, cured = AILMENTS[name]
    found = findings(sick()).of(kind)
    assert len(found) == 1
    assert found[0].place.split(", ...")[0].startswith(place)
    assert found[0].advice
    assert kinds(findings(cured())) == []


def test_the_numbers_behind_a_finding_are_given() -> None:
    model = classifier().build(6)
    with tg.no_grad():
        model[0].bias[:10] = -100
    (dead,) = model.diagnose(X, Y)
    assert dead.measured == {"dead": 10, "units": 24, "share": 10 / 24}
    assert "10 of 24" in dead.problem
    (rare,) = classifier(outputs=2).diagnose(X, RARE)
    assert rare.measured["shares"].tolist() == [0.95, 0.05]
    found = findings((regression(), *gap("X"))).of("not finite")[0]
    assert found.measured["rows"].tolist() == [7]


def test_gradients_are_those_of_the_loss() -> None:
    model = classifier().build(6)
    layers = model.diagnose(X, Y).layers
    model.loss(model(tg.tensor(X, dtype="float32")), tg.tensor(Y)).backward()
    assert [one.place for one in layers] == ["0", "2"]
    for layer, dense in zip(layers, (model[0], model[2]), strict=True):
        both = (dense.weight, dense.bias)
        wanted = sum(float((one.grad**2).sum()) for one in both) ** 0.5
        # two batches, 256 and 44, are averaged: near the gradient of all
        assert layer.gradient_norm == pytest.approx(wanted, rel=0.2)
        assert layer.weight_norm == pytest.approx(float((dense.weight**2).sum()) ** 0.5)
    (layer, _) = model.diagnose(X, Y, batch_size=300).layers
    assert layer.gradient_norm == pytest.approx(
        sum(float((one.grad**2).sum()) for one in (model[0].weight, model[0].bias)) ** 0.5, rel=1e-5
    )


def test_all_frozen_is_an_error() -> None:
    (found,) = frozen(every=True).diagnose(X, Y)
    assert (found.severity, found.kind) == ("error", "frozen")


def test_what_the_optimizer_does_not_hold_is_named() -> None:
    model = classifier().build(6)
    model.optimizer = optim.Adam([model[0].weight, model[0].bias])
    (found,) = model.diagnose(X, Y)
    assert found.measured["parameters"] == ["2.weight", "2.bias"]


@pytest.mark.parametrize(
    "activation",
    [
        F.relu,
        F.relu6,
        F.hardswish,
        F.gelu,
        lambda x: x.clamp(min=0),
        lambda x: x.clamp(0, 9),
        lambda x: tg.maximum(x, tg.zeros(1)),
        lambda x: F.threshold(x, 0, 0),
        lambda x: F.relu(x, inplace=True),
    ],
)
def test_rectifiers_are_known_as_functions_too(activation: Any) -> None:
    def forward(model: Any, x: Any) -> Any:
        return model[1](activation(model[0](x)))

    model = Model([Dense(24), Dense(3)], CategoricalCrossEntropy(), forward=forward, seed=0).build(6)
    assert model.diagnose(X, Y).activations[0].dead == 0
    with_bias(model, -100)
    (dead,) = model.diagnose(X, Y).of("dead units")
    assert dead.measured["share"] == 1


@pytest.mark.parametrize("activation", [tg.tanh, tg.sigmoid, F.hardtanh, F.hardsigmoid])
def test_squashers_are_known_as_functions_too(activation: Any) -> None:
    model = Model([Dense(24), Dense(3)], CategoricalCrossEntropy(), seed=0,
                  forward=lambda model, x: model[1](activation(model[0](x))))  # fmt: skip
    (saturated,) = with_bias(model, 50).diagnose(X, Y).of("saturated")
    assert saturated.measured["share"] == 1


def test_gates_may_be_closed() -> None:
    model = Model([Dense(24), Dense(24), Dense(3)], CategoricalCrossEntropy(), seed=0,
                  forward=lambda model, x: model[2](model[0](x) * tg.sigmoid(model[1](x))))  # fmt: skip
    assert with_bias(model, 20, place=1).diagnose(X, Y).of("saturated") == []


def test_a_trained_model_may_be_sure_of_its_outputs() -> None:
    model = classifier(Dense(1), nn.Sigmoid(), loss=nn.BCELoss()).build(6)
    with tg.no_grad():
        model[0].weight.copy_(tg.tensor([[100.0, 0, 0, 0, 0, 0]]))
    assert kinds(model.diagnose(X, X[:, 0] > 0)) == []
    assert model.diagnose(X, X[:, 0] > 0).activations == []


def test_a_unit_that_one_sample_wakes_is_not_dead() -> None:
    model = with_bias(classifier(), -1e6)
    inputs = X.copy()
    inputs[123] *= 1e8
    found = model.diagnose(inputs, Y, batch_size=100)
    first = model[0].weight.detach().numpy() @ inputs[123] > 1e6
    assert 0 < found.activations[0].dead == (~first).sum() < 24


def test_columns_that_are_rarely_anything_may_be_small() -> None:
    rare = numpy.where(numpy.arange(300) % 20 == 0, 0.2, 0.0)[:, None]
    assert kinds(classifier().diagnose(numpy.concatenate([X, rare], axis=1), Y)) == []


def test_a_last_layer_that_starts_small_is_no_ailment() -> None:
    model = classifier().build(6)
    with tg.no_grad():
        model[2].weight.mul_(0.005)
    layers = model.diagnose(X, Y).layers
    assert layers[0].ratio < layers[1].ratio / 1000
    assert kinds(model.diagnose(X, Y)) == []


def test_units_are_channels_behind_convolutions_and_the_last_axis_behind_dense_layers() -> None:
    inputs, targets = images()
    model = classifier(Conv(5, 3), nn.ReLU(), GlobalAveragePool(), Dense(4))
    assert [one.units for one in model.diagnose(inputs, targets).activations] == [5]
    model = classifier(nn.Conv1d(8, 7, 3), nn.ReLU(), nn.Flatten(), Dense(4))
    assert [one.units for one in model.diagnose(inputs[:, 0], targets).activations] == [7]
    model = classifier(nn.Linear(8, 9), nn.ReLU(), nn.Flatten(), Dense(4))
    assert [one.units for one in model.diagnose(inputs[:, 0], targets).activations] == [9]


def test_an_activation_that_is_used_twice_is_seen_twice() -> None:
    shared = nn.ReLU()
    model = classifier(Dense(24), shared, Dense(12), shared, Dense(3))
    assert [(one.place, one.units) for one in model.diagnose(X, Y).activations] == [("1", 24), ("1 (2)", 12)]


def test_inputs_that_the_model_scales_itself_may_be_of_any_size() -> None:
    model = Model([Conv(8, 3), nn.ReLU(), GlobalAveragePool(), Dense(2)], CategoricalCrossEntropy(), seed=0,
                  forward=lambda model, x: model[3](model[2](model[1](model[0](x / 255)))))  # fmt: skip
    assert kinds(model.diagnose(PIXELS, numpy.arange(200) % 2)) == []


def test_several_inputs_are_judged_one_by_one() -> None:
    def forward(model: Any, *, left: Any, right: Any) -> Any:
        return model["out"](F.relu(model["a"](left)) + F.relu(model["b"](right)))

    model = Model({"a": Dense(24), "b": Dense(24), "out": Dense(3)}, CategoricalCrossEntropy(), forward=forward, seed=0)
    (found,) = model.diagnose({"left": X, "right": X * [1, 1, 1, 1, 50, 1]}, Y).of("unscaled inputs")
    assert found.place == "X['right']"
    assert found.measured["columns"] == [4]


def test_loaders_and_generators_are_judged_by_their_first_batches() -> None:
    data = TensorDataset(tg.tensor(X * 100, dtype="float32"), tg.tensor(Y))
    loader = DataLoader(data, batch_size=50, shuffle=True)
    found = classifier().diagnose(loader)
    assert found.samples == 200
    assert "unscaled inputs" in kinds(found)
    batches = [(X[i : i + 100], Y[i : i + 100]) for i in (0, 100, 200)]
    assert kinds(classifier().diagnose(iter(batches))) == []
    batches[1] = (gap("X")[0][:100], batches[1][1])
    (bad,) = classifier().diagnose(iter(batches))
    assert (bad.kind, bad.place) == ("not finite", "X")


def test_balanced_weights_need_all_targets() -> None:
    for use in (classifier().diagnose, classifier().train):
        with pytest.raises(SettingError, match="from all targets"):
            use(lambda: iter([(X, Y)]), class_weight="balanced")


def test_only_bad_rows_leave_nothing_to_measure() -> None:
    found = classifier().diagnose(X * numpy.nan, Y)
    assert kinds(found) == ["not finite"]
    with pytest.raises(SettingError, match="nothing was measured"):
        found.plot()


@pytest.mark.parametrize("rows", [2, 3, 9])
def test_few_rows_are_enough_and_say_little(rows: int) -> None:
    found = findings((classifier(Dense(24), BatchNorm(), nn.ReLU(), Dense(10)), X[:rows], Y[:rows]))
    assert found.samples == rows
    assert found.healthy


def test_one_row_is_a_batch_of_one() -> None:
    model = classifier(Dense(24), BatchNorm(), nn.ReLU(), Dense(3))
    assert kinds(model.diagnose(X[:1], Y[:1])) == ["batch of one"]


def test_samples_without_weight_are_left_out() -> None:
    weight = numpy.where(numpy.arange(300) < 30, 1.0, 0.0)
    found = classifier().diagnose(X, Y, sample_weight=weight, batch_size=8)
    assert (kinds(found), found.samples) == ([], 30)
    found = classifier().diagnose(X, Y, class_weight={0: 0.0, 1: 0.0, 2: 1.0}, batch_size=2)
    assert kinds(found) == []
    assert found.samples == 6


def test_labels_that_do_not_begin_at_0_are_told_to() -> None:
    (found,) = classifier(outputs=4).diagnose(X, Y + 1)
    assert found.measured == {"absent": [0]}
    assert found.advice.startswith("number the labels from 0 to 2, and end the model with Dense(3)")
    assert kinds(classifier(outputs=3).diagnose(X, Y)) == []


def test_positions_of_a_picture_may_each_have_a_label() -> None:
    inputs, _ = images()
    labels = (inputs[:, 0] > 0.25).astype(int)
    model = classifier(Conv(12, 3, padding="same"), nn.ReLU(), Conv(2, 3, padding="same"))
    assert kinds(model.diagnose(inputs, labels, sample_weight=numpy.linspace(1, 2, 200))) == []
    (rare,) = classifier(Conv(2, 1)).diagnose(inputs, inputs[:, 0] > 0.9)
    assert rare.kind == "label imbalance"


def test_several_labels_at_once_are_not_weighed_against_each_other() -> None:
    model = classifier(Dense(24), nn.ReLU(), Dense(3), loss=BinaryCrossEntropy())
    assert kinds(model.diagnose(X, X[:, :3] > 1)) == []


def test_smoothed_and_weighed_losses_have_their_own_chance() -> None:
    found = classifier(loss=CategoricalCrossEntropy(label_smoothing=0.2, temperature=2.0)).diagnose(X, Y)
    assert found.chance == pytest.approx(numpy.log(3))
    assert classifier(outputs=1, loss=BinaryCrossEntropy()).diagnose(X, Y == 0).chance == pytest.approx(numpy.log(2))
    assert regression().diagnose(X, X[:, 0]).chance == pytest.approx(X[:, 0].var(), rel=0.05)


def test_data_that_make_no_sense_are_refused_as_in_training() -> None:
    with pytest.raises(ShapeError, match="300 rows"):
        classifier().diagnose(X, Y[:-1])
    with pytest.raises(SettingError, match="y is missing"):
        classifier().diagnose(X)
    with pytest.raises(SettingError, match="no loss"):
        Model([Dense(3)]).diagnose(X, Y)
    with pytest.raises(ShapeError, match="built for"):
        classifier().build(5).diagnose(X, Y)
    with pytest.raises(SettingError, match="batch_size"):
        classifier().diagnose(X, Y, batch_size=0)


# --- nothing changes --------------------------------------------------------------------------------------------------


class Counting(nn.Module):
    """Keeps all kinds of state, and can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.seen, self.fails = 0, [0], False
        self.register_buffer("mean", tg.zeros(6))
        self.embedding = nn.Embedding(4, 6, max_norm=0.1)

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.seen.append(1)
        setattr(self, f"call_{self.calls}", x)
        self.embedding.weight.data = self.embedding.weight.data * 0.5
        self.mean = self.mean * 0.9 + x.detach().mean(dim=0)
        random.random(), numpy.random.rand(), tg.rand(2)
        if self.fails:
            raise KeyError("failed")
        return x + self.embedding(tg.tensor([1])) * 0.1


def everything(model: Model) -> Any:
    """All that could have changed, as bytes and plain values."""
    tensors = [
        (name, id(one), one.detach().numpy().tobytes()) for name, one in model.state_dict(keep_vars=True).items()
    ]
    grads = [None if one.grad is None else (id(one.grad), one.grad.numpy().tobytes()) for one in model.parameters()]
    moments = [
        one.numpy().tobytes() if isinstance(one, tg.Tensor) else one
        for entry in model.optimizer.state_dict()["state"].values()
        for one in entry.values()
    ]
    modes = [
        (module.training, sorted(vars(module)), len(module._forward_hooks), module._hooked)
        for module in model.modules()
    ]
    numbers = [tg.get_rng_state().tolist(), model.generator.get_state().tolist(), random.getstate()]
    numbers += [str(numpy.random.get_state())]
    return [tensors, grads, moments, modes, numbers, repr(model), model[0].calls, list(model[0].seen)]


@pytest.mark.parametrize("fails", [False, True])
def test_a_diagnosis_leaves_no_trace(fails: bool) -> None:
    layers = (Counting(), Dense(24), BatchNorm(), nn.ReLU(), nn.Dropout(0.3), Dense(3))
    model = trained(classifier(*layers), X, Y, 2)
    model[2].eval()
    loss = model.loss(model(tg.tensor(X, dtype="float32")), tg.tensor(Y))
    loss.backward(retain_graph=True)
    calls = []
    handle = model[1].register_forward_hook(lambda *given: calls.append(0))
    model[0].fails = fails
    before, arrays = everything(model), [one.array for one in model.parameters()]
    if fails:
        with pytest.raises(KeyError, match="failed"):
            model.diagnose(X, Y)
    else:
        model.diagnose(X, Y)
        assert len(calls) == 2
    assert everything(model) == before
    assert all(one.array is array for one, array in zip(model.parameters(), arrays, strict=True))
    loss.backward()  # nothing that this tape needs was written
    handle.remove()
    model[0].fails = False
    model.predict(X)
    assert len(calls) == (0 if fails else 2)


def test_a_model_that_is_not_built_is_not_built_by_it_and_trains_the_same() -> None:
    model, other = (classifier(nn.LazyLinear(8), Dense(24), BatchNorm(), nn.ReLU(), Dense(3)) for _ in range(2))
    assert kinds(model.diagnose(X, Y)) == []
    assert repr(model) == repr(other)
    assert isinstance(model[0], nn.LazyLinear)
    assert not model.built
    tg.manual_seed(0)
    model.diagnose(X[:, :5], Y)  # another width, as nothing is settled yet
    trained(model, X, Y)
    tg.manual_seed(0)
    trained(other, X, Y)
    assert model.history is not None
    assert other.history is not None
    assert model.history["loss"] == other.history["loss"]
    assert (model.predict(X) == other.predict(X)).all()


def test_layers_that_forward_knows_by_other_names_are_left_as_they_are() -> None:
    first, last = Dense(24), Dense(3)
    model = Model([first, last], CategoricalCrossEntropy(), forward=lambda model, x: last(F.relu(first(x))), seed=0)
    assert kinds(model.diagnose(X, Y)) == []
    assert not first.built
    trained(model, X, Y)
    before = first.weight.detach().numpy().copy()
    assert kinds(model.diagnose(X, Y)) == []
    assert (first.weight.detach().numpy() == before).all()
    assert first.weight.grad is None


def test_it_is_the_same_each_time() -> None:
    model = classifier(Dense(24), nn.ReLU(), nn.Dropout(0.5), Dense(3)).build(6)
    first, second = model.diagnose(X, Y), model.diagnose(X, Y)
    assert (first.loss, [one.gradient_norm for one in first.layers]) == (
        second.loss,
        [one.gradient_norm for one in second.layers],
    )


# --- showing ----------------------------------------------------------------------------------------------------------


def test_it_reads_well() -> None:
    found = classifier(Dense(24), nn.ReLU(), Dense(3), Softmax()).diagnose(CONSTANT, Y)
    lines = repr(found).splitlines()
    assert lines[0] == "Diagnosis of Model on 300 samples: 1 error, 1 note"
    assert lines[1].startswith("error  softmax before the loss, at 3: CategoricalCrossEntropy takes logits")
    assert lines[2] == "       fix: leave out the last Softmax: predict applies it itself"
    assert [one.severity for one in found] == ["error", "note"]
    assert not found.healthy
    assert classifier().diagnose(CONSTANT, Y).healthy
    assert found[:1] == [found[0]]
    page = found._repr_html_()
    assert page.count("<tr>") == 3
    assert "leave out the last Softmax" in page
    assert repr(classifier().diagnose(X, Y)).splitlines() == ["Diagnosis of Model on 300 samples: healthy"]


def test_it_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    found = with_bias(classifier(), -100).diagnose(X, Y)
    figure = found.plot(tmp_path / "layers.png")
    left, right = figure.axes
    assert [text.get_text() for text in right.get_yticklabels()] == ["1"]
    assert right.patches[0].get_width() == 1
    assert len(left.patches) == 1  # no gradient gets to the first layer
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")


# --- the warning in train ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "loss", "place"),
    [
        ((Dense, Softmax), CategoricalCrossEntropy, "1"),
        ((Dense, lambda: nn.Sequential(nn.Softmax(1), nn.Identity())), nn.CrossEntropyLoss, "1.0"),
        ((Dense, nn.Sigmoid), CategoricalCrossEntropy, "1"),
    ],
)
def test_training_warns_of_a_last_softmax_before_a_loss_on_logits(layers: Any, loss: Any, place: str) -> None:
    model = classifier(layers[0](3), layers[1](), loss=loss())
    with pytest.warns(UserWarning, match="fix: leave out the last S") as seen:
        trained(model, X, Y, 1)
    assert len(seen) == 1
    assert f"layer {place!r}" in str(seen[0].message)
    assert seen[0].filename == __file__


def test_training_warns_of_a_last_sigmoid_before_a_binary_loss() -> None:
    model = Model([Model([Dense(1), nn.Sigmoid()])], loss=BinaryCrossEntropy(), seed=0)
    with pytest.warns(UserWarning, match="fix: leave out the last Sigmoid: predict applies it itself"):
        trained(model, X, Y == 1, 1)


def test_training_does_not_warn_where_there_is_no_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(classifier(Dense(3), nn.LogSoftmax(1)), X, Y, 1)
        trained(classifier(Dense(1), nn.Sigmoid(), loss=nn.BCELoss()), X, Y == 1, 1)
        trained(classifier(Dense(1), nn.Sigmoid(), loss=MSE()), X, X[:, :1] > 0, 1)
        trained(classifier(Dense(8), nn.Sigmoid(), Dense(3)), X, Y, 1)
