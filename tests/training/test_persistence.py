"""A Model in a file: all of it comes back, a resumed training is the same training, and damage is found out."""

from __future__ import annotations

import copy
import io
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
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
from tinygrad_mp.optim import lr_scheduler
from tinygrad_mp.training import BatchNorm, callbacks, metrics, names, register
from tinygrad_mp.training.summary import summary

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
LABELS = np.array(["cat", "dog", "fox"])[CLASSES]
NUMBERS = X[:, :1] * 2 - X[:, 1:2]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_registered", {})


def network() -> list[nn.Module]:
    return [Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)]


def classifier(**settings: Any) -> Model:
    settings = {"optimizer": optim.Adam(lr=0.02), "seed": 0, **settings}
    return Model(network(), CategoricalCrossEntropy(label_smoothing=0.1, temperature=2.0), **settings)


def trained(**settings: Any) -> Model:
    model = classifier(**settings)
    model.train(X, LABELS, epochs=2, batch_size=16, verbose=0)
    return model


def written(model: Model, **settings: Any) -> bytes:
    file = io.BytesIO()
    model.save(file, **settings)
    return file.getvalue()


def again(model: Model, **settings: Any) -> Model:
    return Model.load(io.BytesIO(written(model)), **settings)


def weights(model: Any) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


# --- all of it comes back ---------------------------------------------------------------------------------------------


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


# --- a resumed training is the same training --------------------------------------------------------------------------

OPTIMIZERS: list[Any] = [
    optim.SGD(lr=0.05, momentum=0.9, nesterov=True),
    optim.Adam(lr=0.02, amsgrad=True, weight_decay=0.01),
    optim.AdamW(lr=0.02),
    optim.Adamax(),
    optim.NAdam(),
    optim.RAdam(),
    optim.RMSprop(centered=True, momentum=0.5),
    optim.Rprop(),
    optim.Adagrad(lr_decay=0.1),
    optim.Adadelta(),
    optim.ASGD(),
]
SCHEDULES: list[Any] = [
    lr_scheduler.StepLR(step_size=2, gamma=0.5),
    lr_scheduler.MultiStepLR(milestones=[1, 3]),
    lr_scheduler.ExponentialLR(gamma=0.8),
    lr_scheduler.CosineAnnealingLR(),
    lr_scheduler.CosineAnnealingWarmRestarts(T_0=2),
    lr_scheduler.OneCycleLR(max_lr=0.05),
    lr_scheduler.CyclicLR(base_lr=0.001, max_lr=0.05, cycle_momentum=False),
    lr_scheduler.LinearLR(),
    lr_scheduler.PolynomialLR(),
    lr_scheduler.ReduceLROnPlateau(patience=0),
    lr_scheduler.SequentialLR(
        schedulers=[lr_scheduler.LinearLR(), lr_scheduler.ExponentialLR(gamma=0.5)], milestones=[2]
    ),
    lr_scheduler.LambdaLR(lr_lambda=lambda epoch: 0.9**epoch),
]


def expect_exact_resumption(make: Callable[[], Model], y: Any, folder: Path, **options: Any) -> None:
    """Compare a training of five epochs with those that go on from the files of each epoch."""
    options = {"batch_size": 16, "verbose": 0, **options}
    keep = callbacks.ModelCheckpoint(folder / "{epoch}.model")
    whole = make()
    whole.train(X, y, epochs=5, callbacks=[keep], **options)
    plain = make()
    plain.train(X, y, epochs=5, **options)
    assert weights(plain) == weights(whole)  # saving changes nothing
    for epoch in (1, 3, 4):
        found = Model.load(folder / f"{epoch}.model")
        found.train(X, y, epochs=5, resume=True, **options)
        assert weights(found) == weights(whole)
        assert found.history.to_dict()["rows"] == whole.history.to_dict()["rows"]
        assert repr(found.optimizer.state_dict()) == repr(whole.optimizer.state_dict())
        assert found.generator.get_state().tolist() == whole.generator.get_state().tolist()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: str(one.kind.__name__))
def test_a_resumed_training_is_the_same_bit_for_bit(optimizer: Any, tmp_path: Path) -> None:
    schedule = lr_scheduler.StepLR(step_size=2, gamma=0.5)
    settings = {"optimizer": optimizer, "regularization": "L2"}
    expect_exact_resumption(lambda: classifier(**settings), LABELS, tmp_path, schedule=schedule, early_stopping=4)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda one: str(one.kind.__name__))
def test_every_schedule_is_resumed(schedule: Any, tmp_path: Path) -> None:
    expect_exact_resumption(
        lambda: Model([Dense(4), Dropout(), Dense(1)], "mse", seed=3), NUMBERS, tmp_path, schedule=schedule
    )


def test_a_training_that_crashed_is_resumed_from_its_last_file(tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 16, "verbose": 0, "accumulate": 2, "clip_norm": 1.0}
    whole = classifier()
    whole.train(X, LABELS, epochs=6, **options)

    def crash(training: Any) -> None:
        if training.epoch == 4:
            raise OSError("the power is gone")

    model = classifier()
    keep = callbacks.ModelCheckpoint(tmp_path / "last.model")
    with pytest.raises(OSError, match="the power is gone"):
        model.train(X, LABELS, epochs=6, callbacks=[keep, callbacks.LambdaCallback(on_batch_end=crash)], **options)
    found = Model.load(tmp_path / "last.model")
    assert len(found.history) == 3
    found.train(X, LABELS, epochs=6, resume=True, **options)
    assert weights(found) == weights(whole)
    model.save(tmp_path / "after.model")  # and after the crash, from the process that lived on
    found = Model.load(tmp_path / "after.model")
    found.train(X, LABELS, epochs=6, resume=True, **options)
    assert weights(found) == weights(whole)


def test_a_finished_training_is_resumed_from_its_file_and_gets_longer(tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 16, "verbose": 0}
    whole, model = classifier(), classifier()
    whole.train(X, LABELS, epochs=5, **options)
    model.train(X, LABELS, epochs=3, **options)
    found = again(model)
    found.train(X, LABELS, epochs=5, resume=True, **options)
    assert weights(found) == weights(whole)


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


# --- what is refused --------------------------------------------------------------------------------------------------


def changed(model: Model, change: Callable[[dict[str, Any]], Any]) -> io.BytesIO:
    """A file with a right digest, as an attacker can make one."""
    content = tg.load(io.BytesIO(written(model)))
    change(content)
    file = io.BytesIO()
    tg.save(content, file)
    file.seek(0)
    return file


def test_a_newer_file_is_refused_with_the_remedy() -> None:
    file = changed(trained(), lambda content: content.update(version=2, package="7.1"))
    with pytest.raises(DataFormatError, match=r"(?s)version 2 of the format, written by tinygrad_mp 7\.1.*fix: update"):
        Model.load(file)
    model = classifier()
    file.seek(0)
    with pytest.raises(DataFormatError, match="version 2"):
        model.load_weights(file)
    assert not model.built


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tg.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(DataFormatError, match="holds tensors, but no Model"):
        Model.load(path)
    path.write_bytes(pickle.dumps(classifier()))
    with pytest.raises(DataFormatError, match="is a pickle, which can run any code"):
        Model.load(path)
    for noise in (b"", b"tinygrad", os.urandom(500)):
        path.write_bytes(noise)
        with pytest.raises(DataFormatError):
            Model.load(path)
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "none")


class Own(Model):
    pass


def test_a_model_of_another_class_is_refused() -> None:
    with pytest.raises(DataFormatError, match="holds a Model, not a Own"):
        Own.load(io.BytesIO(written(trained())))


def test_a_class_of_ones_own_is_known_to_its_own_load() -> None:
    data = written(Own(network()))
    assert type(Own.load(io.BytesIO(data))) is Own
    assert type(Model.load(io.BytesIO(data), custom={"Own": Own})) is Own
    with pytest.raises(TypeError, match="custom is a dict of names and classes"):
        Model.load(io.BytesIO(data), custom=[Own])  # type: ignore[arg-type]


HOSTILE: list[Callable[[dict[str, Any]], Any]] = [
    lambda content: content["architecture"]["objects"][1].update({"class": "os.system"}),
    lambda content: content["architecture"]["objects"][0].update({"class": "subprocess.Popen"}),
    lambda content: content["architecture"]["objects"][0].update({"class": "training.callbacks.CSVLogger"}),
    lambda content: content["architecture"]["objects"][0].update({"class": "nn.Linear"}),
    lambda content: content["architecture"]["objects"][0]["configuration"].update(_own_forward={"named": "save"}),
    lambda content: content["architecture"]["objects"][0]["configuration"].update(forward={"named": "relu"}),
    lambda content: content["architecture"]["objects"][0]["attributes"].update(save=3),
    lambda content: content["architecture"]["objects"][0]["attributes"].update(__class__=3),
    lambda content: content["architecture"].update(objects=3),
    lambda content: content["architecture"].update(root=99),
    lambda content: content["architecture"].update(tensors=[]),
    lambda content: content.update(architecture=3),
    lambda content: content.pop("architecture"),
    lambda content: content.pop("models"),
    lambda content: content.update(version=True),
    lambda content: content.update(version="1"),
    lambda content: content["models"].pop(""),
    lambda content: content["models"][""].update(generator=tg.zeros(3)),
    lambda content: content["models"][""].update(generator=None),
    lambda content: content["models"][""].update(history={"rows": 3}),
    lambda content: content["models"][""].update(split=[1, 2]),
    lambda content: content["models"][""].update(targets=[1]),
    lambda content: content["models"][""].update(classes={"values": ["a"], "dtype": "<i8"}),
    lambda content: content["models"][""].update(classes={"values": ["a"], "dtype": "nonsense"}),
    lambda content: content["models"][""]["optimizer"].update(groups=[["nothing"]]),
    lambda content: content["models"][""]["optimizer"].update(groups=[]),
    lambda content: content["models"][""]["optimizer"].update(state={}),
    lambda content: content["models"][""]["session"].pop("last"),
    lambda content: content["models"][""]["session"]["last"].update(values={}),
    lambda content: content["models"][""]["session"]["last"].update(epoch=99),
    lambda content: content["models"][""]["session"]["best"]["values"].update({"0.weight": tg.zeros(1)}),
    lambda content: content["models"][""]["session"].update(history=[]),
]


@pytest.mark.parametrize("change", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_with_a_right_digest_are_refused(change: Any) -> None:
    with pytest.raises(DataFormatError):
        Model.load(changed(trained(), change))


def test_what_no_file_can_hold_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    classifier().save(path)
    before = path.read_bytes()
    for model, place in [
        (Model([Dense(1)], forward=lambda model, x: x), "Model._own_forward is a lambda"),
        (Model([Dense(1)], lambda x, y: (x - y).sum()), "the argument 'function' of Model.loss is a lambda"),
        (Model([nn.utils.weight_norm(nn.Linear(2, 2))]), "a hook computes the weight of Model.0"),
        (Model([nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))]), "Model.0 .*no public name"),
    ]:
        with pytest.raises(UnsupportedError, match=place):
            model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.model"]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_single_bits_that_flip_are_found_out() -> None:
    model, rng = trained(), np.random.default_rng(1)
    data = written(model)
    (length,) = struct.unpack("<Q", data[:8])
    places = [*rng.integers(0, 8 * len(data), 200), *rng.integers(0, 8 * (8 + length), 60), *range(40)]
    target = classifier().build((6,))
    before = weights(target)
    for place in places:
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(DataFormatError):
            Model.load(io.BytesIO(damaged))
        with pytest.raises(DataFormatError):
            target.load_weights(io.BytesIO(damaged))
    assert weights(target) == before


def test_a_file_that_is_cut_off_is_found_out() -> None:
    data = written(trained())
    for length in [*range(0, 200, 7), *range(200, len(data), 997), len(data) - 1]:
        with pytest.raises(DataFormatError):
            Model.load(io.BytesIO(data[:length]))
    with pytest.raises(DataFormatError):
        Model.load(io.BytesIO(data + b"\0"))


KILLER = """
    import os, random, signal, sys, time
    import numpy
    import tinygrad_mp as tg

    path = sys.argv[1]
    model = tg.Model([tg.Dense(64), tg.ReLU(), tg.Dense(64)], tg.MSE(), seed=0).build((64,))
    random.seed(2)

    def save_without_end():
        number = model.note
        while True:
            number += 1
            for parameter in model.parameters():
                parameter.data.fill_(float(number))
            model.note = number
            model.save(path)

    model.note = 0
    for parameter in model.parameters():
        parameter.data.fill_(0.0)
    model.save(path)
    for _ in range(25):
        child = os.fork()
        if child == 0:
            save_without_end()
        time.sleep(random.uniform(0.0, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        model = tg.Model.load(path)
        values = {value for one in model.parameters() for value in numpy.unique(one.detach().numpy())}
        assert values == {float(model.note)}, (values, model.note)
    print(model.note)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process that saves is a fork, which this system lacks")
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLER), str(tmp_path / "a.model")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 5  # saves that were complete before a kill


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    model = trained()
    model.save(path)
    before = path.read_bytes()
    model.train(X, LABELS, epochs=1, verbose=0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.model"]
    assert weights(Model.load(path)) != weights(model)
