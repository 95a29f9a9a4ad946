"""Callbacks and the search for a learning rate work on another device, which refuses all that CuPy would refuse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import MSE, BatchNorm, Dense, Dropout, Model, ReLU, optim
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import register
from tinygrad_mp.training import GradientNorm, LambdaCallback, ModelCheckpoint, TensorBoard

X = numpy.random.default_rng(0).normal(size=(60, 3)).astype(numpy.float32)
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _strict_device() -> Iterator[None]:
    register()
    yield
    unregister_backend("strict")


def learner(device: str = "strict") -> Model:
    model = Model([Dense(4), BatchNorm(), ReLU(), Dropout(0.2), Dense(1)], MSE(), optim.Adam(lr=0.01), seed=0)
    return model.build((3,)).to(device)


def test_figures_and_suggestions_are_those_of_the_cpu(tmp_path: Path) -> None:
    histories, findings = [], []
    for device in ("cpu", "strict"):
        model = learner(device)
        findings.append(model.find_learning_rate(X, Y, steps=30))
        watchers = [GradientNorm(), TensorBoard(tmp_path), ModelCheckpoint(tmp_path / device)]
        histories.append(model.train(X, Y, epochs=2, verbose=0, callbacks=watchers))
    here, there = histories
    for name in here.columns:
        assert numpy.allclose(here[name], there[name], rtol=1e-4), name
    assert all(type(value) in (int, float) for row in there for value in row.values())
    assert numpy.allclose(findings[0].losses, findings[1].losses, rtol=1e-4)


@pytest.mark.parametrize("what", ["parameter", "layer"])
def test_the_guard_finds_the_cause(what: str) -> None:
    def spoil(training: Any) -> None:
        if what == "parameter":
            training.model[4].bias.array[...] = math.inf
        else:
            training.model[1].register_forward_hook(lambda module, inputs, output: output / 0.0)

    model = learner()
    with numpy.errstate(all="ignore"), pytest.raises(tg.NonFiniteError) as caught:
        model.train(X, Y, verbose=0, callbacks=[LambdaCallback(on_batch_begin=spoil)])
    found = {"parameter": "the parameter '4.bias' holds 1 of 1", "layer": "the output of layer '1' (BatchNorm"}[what]
    assert found in caught.value.problem
