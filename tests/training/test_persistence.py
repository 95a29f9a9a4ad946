"""A Model in a file: all of it comes back."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tests.training.saved import LABELS, NUMBERS, RNG, X, again, classifier, trained, weights, written
from tinygrad_mp import (
    L1,
    MSE,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Huber,
    Model,
    ReLU,
    WeightDecay,
    nn,
    optim,
)
from tinygrad_mp.errors import DataFormatError, TinygradError, UnsupportedError
from tinygrad_mp.training import BatchNorm, callbacks, metrics, names, register
from tinygrad_mp.training.summary import summary


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_registered", {})


def test_all_of_a_model_comes_back(tmp_path: Path) -> None:
    model = trained(metrics=[metrics.F1(average="micro"), metrics.TopK(2)], regularization=["L2", L1(1e-4)])
    path = tmp_path / "a.model"
    model.save(path)
    found = Model.load(path)
    assert repr(found) == repr(model)
    assert weights(found) == weights(model)
    assert found.predict(X).tobytes() == model.predict(X).tobytes()
    assert found.predict_classes(X).tolist() == model.predict_classes(X).tolist()
    assert found.classes_.tolist() == ["cat", "dog", "fox"]
    assert found.evaluate(X, LABELS) == model.evaluate(X, LABELS)
    assert repr(found.history) == repr(model.history)
    assert (found.sample_shapes, found.output_shape, found.built) == ([(6,)], (3,), True)
    assert found.generator.get_state().tolist() == model.generator.get_state().tolist()
    assert repr(found.metrics) == repr(model.metrics)
    assert repr(found.regularization) == repr(model.regularization)
    assert repr(found.loss) == repr(model.loss)
    assert found.split.held_out.tolist() == model.split.held_out.tolist()
    assert found.split.trained.tolist() == model.split.trained.tolist()
    state, expected = found.optimizer.state_dict(), model.optimizer.state_dict()
    assert state["param_groups"] == expected["param_groups"]
    assert repr(state["state"]) == repr(expected["state"])
    assert str(summary(found)) == str(summary(model))


def test_it_goes_on_training_as_the_one_that_was_saved() -> None:
    model = trained(regularization="L2")
    found = again(model)
    for one in (model, found):
        one.train(X, LABELS, epochs=2, batch_size=16, verbose=0)
    assert weights(found) == weights(model)
    assert found.history["val_loss"] == model.history["val_loss"]


def test_what_was_held_out_stays_held_out() -> None:
    model = trained()
    found = again(model)
    held_out = set(found.split.held_out.tolist())
    found.train(X, LABELS, epochs=1, verbose=0)
    assert set(found.split.held_out.tolist()) == held_out


def test_a_model_that_was_not_built_comes_back_and_starts_alike() -> None:
    found, model = again(classifier()), classifier()
    for one in (model, found):
        one.train(X, LABELS, epochs=2, batch_size=16, verbose=0)
    assert weights(found) == weights(model)
    assert [found[0].initialization_, found[0].bias] == [model[0].initialization_, None]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "ünï", "c"]),
        np.array([b"a", b"bb", b"c"]),
        np.array([3, 7, 9]),
        np.array([0.5, 1.0, 7.0]),
        np.array(["a", 3, None], dtype=object)[:2].repeat([1, 2])[[0, 1, 1]],
        np.array(["2020-01-01", "2021-01-01", "2022-02-02"], dtype="datetime64[D]"),
        np.array([True, False, True]),
    ],
    ids=["texts", "bytes", "ints", "floats", "objects", "dates", "bools"],
)
def test_labels_of_any_kind_come_back(labels: Any) -> None:
    model = classifier()
    model.build((6,))
    model.classes_ = labels
    found = again(model)
    assert found.classes_.dtype == labels.dtype
    assert found.classes_.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (MSE(), NUMBERS),
        (Huber(delta=0.5), NUMBERS),
        ("mae", NUMBERS),
        (nn.SmoothL1Loss(beta=0.3), NUMBERS),
        (BinaryCrossEntropy(label_smoothing=0.1), np.where(NUMBERS > 0, "yes", "no")),
    ],
)
def test_every_loss_comes_back(loss: Any, y: Any) -> None:
    model = Model([Dense(4), nn.PReLU(), Dense(1)], loss, seed=1)
    model.train(X, y, epochs=1, verbose=0)
    found = again(model)
    assert repr(found.loss) == repr(model.loss)
    assert found.evaluate(X, y) == model.evaluate(X, y)
    assert found.predict(X).tobytes() == model.predict(X).tobytes()


def test_metrics_come_back_empty() -> None:
    metric = metrics.MAE()
    metric.update([1.0, 2.0], [1.0, 3.0])
    found = again(Model([Dense(1)], MSE(), metrics=[metric], seed=0)).metrics[0]
    found.update([1.0], [5.0])
    assert found.compute() == 4.0


@pytest.mark.parametrize("normalised", [False, True])
def test_a_bias_free_convolution_is_trained_saved_and_restored(normalised: bool, tmp_path: Path) -> None:
    images, y = RNG.normal(size=(24, 2, 6, 6)).astype(np.float32), np.arange(24) % 2
    model = Model(
        [Conv(4, 3, bias=False), *([BatchNorm()] if normalised else []), ReLU(), Flatten(), Dense(2)],
        CategoricalCrossEntropy(),
        seed=0,
    )
    model.build((2, 6, 6))
    before = weights(model)
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch}.model")
    model.train(images, y, epochs=3, callbacks=[checkpoint], restore_best=False, verbose=0)
    assert all(before[name] != value for name, value in weights(model).items())
    found = Model.load(tmp_path / "3.model")
    assert weights(found) == weights(model)
    assert found[0].bias is None
    assert found.predict(images).tobytes() == model.predict(images).tobytes()


def test_graphs_subclasses_and_nested_models_come_back() -> None:
    class Scaled(Model):
        def __init__(self, width: int, *, scale: float = 1.0) -> None:
            super().__init__([Dense(width), ReLU()], Huber(delta=0.3), optim.SGD(lr=0.1), seed=1)
            self.scale = scale

        def forward(self, x: Any) -> Any:
            return self.scale * super().forward(x)

    def joined(model: Any, left: Any, right: Any) -> Any:
        return model.out(model.left(left) + model.right(right))

    parts = {"left": Scaled(5, scale=2.0), "right": Dense(5, initialization="he_uniform"), "out": Dense(1)}
    model = Model(parts, MSE(), forward=joined, seed=0)
    model.train((X[:, :2], X[:, 2:]), NUMBERS, epochs=2, verbose=0)
    model.left.scale, model.left.loss = 3.0, MSE()
    found = again(model, custom={"Scaled": Scaled, "joined": joined})
    assert type(found.left) is Scaled
    assert (found.left.scale, repr(found.left.loss)) == (3.0, "MSE()")
    assert found.predict((X[:, :2], X[:, 2:])).tobytes() == model.predict((X[:, :2], X[:, 2:])).tobytes()
    with pytest.raises(DataFormatError, match=r"(?s)a class or function of a user's.*fix: pass custom="):
        again(model)
    register(Scaled)
    register(joined)
    assert weights(again(model)) == weights(model)


def test_frozen_shared_and_double_precision_parameters_come_back() -> None:
    shared = nn.Linear(6, 6)
    model = Model([shared, ReLU(), shared, Dense(1)], MSE(), optim.SGD(lr=0.01, momentum=0.9), seed=0).double()
    model[3].build((None, 6)).requires_grad_(False)
    model.train(X.astype(float), NUMBERS.astype(float), epochs=2, verbose=0)
    found = again(model)
    assert found[0] is found[2]
    assert [one.requires_grad for one in found[3].parameters()] == [False, False]
    assert {one.dtype for one in found.parameters()} == {tg.float64}
    for one in (model, found):
        one.train(X.astype(float), NUMBERS.astype(float), epochs=1, verbose=0)
    assert weights(found) == weights(model)


def test_an_optimizer_of_several_groups_comes_back() -> None:
    model = classifier().build((6,))
    groups = [{"params": list(model[4].parameters()), "lr": 0.1}, {"params": list(model[0].parameters())}]
    model.optimizer = optim.AdamW(groups, lr=0.01, weight_decay=0.2)
    model.train(X, LABELS, epochs=1, verbose=0)
    found = again(model)
    assert [group["lr"] for group in found.optimizer.param_groups] == [0.1, 0.01]
    assert found.optimizer.param_groups[0]["params"][0] is found[4].weight
    for one in (model, found):
        one.train(X, LABELS, epochs=1, verbose=0)
    assert weights(found) == weights(model)


class Signs(optim.Optimizer):
    """An optimizer of a user's."""

    def __init__(self, params: Any, lr: float = 0.1, *, decay: float) -> None:
        super().__init__(params, {"lr": lr, "decay": decay})

    def update(self, parameter: Any, g: Any, group: Any) -> None:
        parameter.array[...] -= group["lr"] * np.sign(g)
        group["lr"] *= group["decay"]


class Forgetful(Signs):
    def __init__(self, params: Any, width: int) -> None:
        super().__init__(params, decay=0.5)


def test_an_optimizer_of_a_users_comes_back_if_its_defaults_say_all() -> None:
    model = trained(optimizer=Signs(lr=0.01, decay=0.9))  # type: ignore[call-arg]
    found = again(model, custom={"Signs": Signs})
    assert found.optimizer.param_groups[0]["lr"] < 0.01
    for one in (model, found):
        one.train(X, LABELS, epochs=1, verbose=0)
    assert weights(found) == weights(model)
    model.optimizer = Forgetful(model.parameters(), 3)
    with pytest.raises(UnsupportedError, match=r"(?s)a Forgetful cannot be made again.*'width'.*fix: let Forgetful"):
        written(model)


def test_weights_alone_make_a_smaller_file() -> None:
    model = Model([Dense(200), ReLU(), Dense(3)], CategoricalCrossEntropy(), seed=0)
    model.train(X, LABELS, epochs=2, verbose=0)
    whole, alone = written(model), written(model, training_state=False)
    count = sum(one.nbytes for one in model.parameters())
    assert len(alone) < 2 * count + 10_000
    assert len(whole) < 10 * count + 20_000
    found = Model.load(io.BytesIO(alone))
    assert found.predict(X).tobytes() == model.predict(X).tobytes()
    found.train(X, LABELS, epochs=1, verbose=0)


def test_the_same_model_makes_the_same_file() -> None:
    model = trained()
    assert written(model) == written(model)


def test_another_process_predicts_the_same(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "a.model")
    np.save(tmp_path / "x.npy", X)
    program = """
        import sys, numpy, tinygrad_mp
        folder = sys.argv[1]
        model = tinygrad_mp.Model.load(folder + "/a.model")
        numpy.save(folder + "/y.npy", model.predict(numpy.load(folder + "/x.npy")))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], check=True)
    assert np.load(tmp_path / "y.npy").tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_models_are_copied_and_pickled(duplicate: Callable[[Model], Model]) -> None:
    model = trained(regularization=WeightDecay(0.1))
    twin = duplicate(model)
    held = {id(one) for group in twin.optimizer.param_groups for one in group["params"]}
    assert held == {id(one) for one in twin.parameters()}
    assert weights(twin) == weights(model)
    assert weights(again(twin)) == weights(model)
    for one in (model, twin):
        one.train(X, LABELS, epochs=1, verbose=0)
    assert weights(twin) == weights(model)


def test_the_safetensors_package_reads_the_weights(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy", reason="it is read by that package")
    model = trained()
    model.save(tmp_path / "a.model")
    found = safetensors.load_file(tmp_path / "a.model")
    for name, value in model.state_dict().items():
        assert found[f"parameters/{name}"].tobytes() == value.numpy().tobytes()


# --- weights alone ----------------------------------------------------------------------------------------------------


def test_weights_are_loaded_from_models_and_from_state_dicts(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "a.model")
    tg.save(model.state_dict(), tmp_path / "a.safetensors")
    for name in ("a.model", "a.safetensors"):
        for other in (classifier(), trained(seed=5)):
            other.load_weights(tmp_path / name)
            assert weights(other) == weights(model)
            assert other.predict(X).tobytes() == model.predict(X).tobytes()


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    trained().save(tmp_path / "a.model")
    other = Model([Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(4)], CategoricalCrossEntropy()).build((6,))
    before = weights(other)
    with pytest.raises(TinygradError, match="the state does not fit, nothing was loaded"):
        other.load_weights(tmp_path / "a.model")
    assert weights(other) == before
    tg.save({"epoch": 3}, tmp_path / "other")
    with pytest.raises(DataFormatError, match="holds neither a Model nor a state dict"):
        other.load_weights(tmp_path / "other")
