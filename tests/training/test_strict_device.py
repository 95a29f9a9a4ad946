"""The trainer's layers are built, started and summed up on another device as on the CPU, and models are trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import StrictArray, register
from tinygrad_mp.training import (
    L1,
    L2,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Huber,
    Model,
    WeightDecay,
)
from tinygrad_mp.training import layers as L
from tinygrad_mp.training.initialization import initialize
from tinygrad_mp.training.summary import summary


@pytest.fixture(autouse=True)
def _strict_device() -> Iterator[None]:
    register()
    yield
    unregister_backend("strict")


def made(device: str) -> Any:
    net = nn.Sequential(
        L.Conv(4, 3, 2, "same"), L.BatchNorm(), L.PReLU(True), nn.PReLU(), L.Conv(4, 1), L.ELU(), L.MaxPool(),
        L.AveragePool(1), L.GlobalAveragePool(), L.Dense(8, initialization="orthogonal"), L.Reshape(2, 4),
        L.Softmax(2.0), L.Flatten(), L.Dense(3, initialization="he_uniform", bias_initialization=0.5),
    ).to(device)  # fmt: skip
    x = tg.randn(5, 2, 9, 9, generator=tg.Generator().manual_seed(1)).to(device)
    found = summary(net, (2, 9, 9))
    initialize(net, x, tg.Generator().manual_seed(2))
    return net, net(x), found


def test_layers_start_with_the_same_numbers_on_another_device() -> None:
    (here, out, table), (there, far, other) = made("cpu"), made("strict")
    assert table.rows == other.rows
    assert all(isinstance(one.array, StrictArray) for one in (*there.parameters(), *there.buffers()))
    for one, twin in zip(here.parameters(), there.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), twin.detach().cpu().numpy())
    np.testing.assert_allclose(out.detach().numpy(), far.detach().cpu().numpy(), rtol=1e-5, atol=1e-6)
    far.sum().backward()
    loaded = made("strict")[0]
    loaded.load_state_dict(here.state_dict())
    assert isinstance(loaded[0].weight.array, StrictArray)


def test_embeddings_too() -> None:
    layer = L.Embedding(5, 3, padding_idx=0).to("strict")
    initialize(layer, tg.tensor([1, 0]).to("strict"))
    assert isinstance(layer.weight.array, StrictArray)
    assert summary(nn.Sequential(layer), (2,)).rows[0].output == (None, 2, 3)


@pytest.mark.parametrize("labels", [[0, 1], [1, 2]])
def test_labels_there_are_learnt_again_and_from_batches(labels: list[int]) -> None:
    X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    there = tg.tensor(X).to("strict"), tg.tensor(np.array(labels)[np.arange(20) % 2]).to("strict")
    for loss, outputs in ((CategoricalCrossEntropy(), 2), (BinaryCrossEntropy(), 1)):
        model = Model([L.Dense(outputs)], loss, optim.Adam(lr=0.01), seed=0).build(4).to("strict")
        model.train(*there, epochs=1, verbose=0)
        model.train(lambda: iter([there, there]), epochs=1, verbose=0, validation_data=there)
        assert set(model.predict_classes(X)) <= set(labels)


@pytest.mark.parametrize("task", ["classes", "distributions", "two", "values"])
def test_a_model_trains_predicts_and_is_saved_there_as_here(task: str, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    classes = np.arange(60) % 3
    loss, y, outputs, options = {
        "classes": (CategoricalCrossEntropy(), classes, 3, {"class_weight": "balanced", "accumulate": 2}),
        "distributions": (CategoricalCrossEntropy(0.1, 2.0), np.eye(3)[classes], 3, {"class_weight": {0: 2.0}}),
        "two": (BinaryCrossEntropy(), classes == 1, 1, {"sample_weight": np.linspace(0.5, 1.5, 60)}),
        "values": (Huber(), X.sum(axis=1), 1, {"clip_norm": 1.0, "clip_value": 0.5}),
    }[task]
    found = []
    for device in ("cpu", "strict"):
        layers = [L.Dense(8), L.BatchNorm(), L.ReLU(), L.Dropout(0.2), L.Dense(outputs)]
        penalties = [L1(1e-3), L2(1e-3), WeightDecay(0.1)]
        model = Model(layers, loss, optim.Adam(lr=0.01), regularization=penalties, seed=0).build(4).to(device)
        history = model.train(X, y, epochs=3, verbose=0, **options)
        assert all(one.device.type == device for one in model.parameters())
        predicted = model.predict(X)
        model.save(tmp_path / "model")
        assert (Model.load(tmp_path / "model").predict(X) == predicted).all()
        scores = model.evaluate(tg.tensor(X).to(device), y)
        found.append([*history["loss"], *history["val_loss"], *scores.values(), *predicted.ravel()])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)
