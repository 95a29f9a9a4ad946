"""The summary counts what there is, says how it started, and measures the memory without touching the model."""

from __future__ import annotations

import copy
import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.training import CategoricalCrossEntropy, Model
from tinygrad_mp.training import layers as L
from tinygrad_mp.training.architecture import encode
from tinygrad_mp.training.initialization import initialize
from tinygrad_mp.training.rebuilding import decode
from tinygrad_mp.training.summary import summary


def image_net() -> Any:
    return nn.Sequential(
        L.Conv(8, 3, padding="same"), L.BatchNorm(), L.ReLU(), L.MaxPool(2), L.Flatten(), L.Dropout(0.2), L.Dense(16),
        L.Tanh(), nn.Linear(16, 3),
    )  # fmt: skip


def test_rows_say_kind_output_parameters_and_start() -> None:
    found = summary(image_net(), (1, 6, 6))
    assert [row[:4] for row in found.rows] == [
        ("0", "Conv", (None, 8, 6, 6), 72),
        ("1", "BatchNorm", (None, 8, 6, 6), 16),
        ("2", "ReLU", (None, 8, 6, 6), 0),
        ("3", "MaxPool", (None, 8, 3, 3), 0),
        ("4", "Flatten", (None, 72), 0),
        ("5", "Dropout", (None, 72), 0),
        ("6", "Dense", (None, 16), 73 * 16),
        ("7", "Tanh", (None, 16), 0),
        ("8", "Linear", (None, 3), 51),
    ]
    starts = {row.path: row.start for row in found.rows}
    assert starts["0"] == "He normal (std 0.4714): before ReLU, past BatchNorm; no bias: BatchNorm follows"
    assert starts["6"].startswith("Glorot normal (std ")
    assert starts["6"].endswith("before Tanh")
    assert starts["8"] == "as PyTorch's: a layer of nn"
    assert (found.parameters, found.trainable, found.frozen) == (1307, 1307, 0)
    assert found.rows[5].activations == 32 * 72 * 4  # of dropout, in training, its mask


def test_an_unbuilt_model_stays_unbuilt_and_a_built_one_as_it_was() -> None:
    net = image_net()
    summary(net, (1, 6, 6))
    assert not net[0].built
    assert not net[6].built
    initialize(net, tg.ones(2, 1, 6, 6), tg.Generator())
    net[1].eval()
    net(tg.randn(4, 1, 6, 6, generator=tg.Generator()))
    before, random = copy.deepcopy(net.state_dict()), tg.get_rng_state()
    summary(net, (1, 6, 6))
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())
    assert [module.training for module in net][:3] == [True, False, True]
    assert not any(module._hooked for module in net)
    assert (tg.get_rng_state() == random).all()
    assert all(one.grad is None for one in net.parameters())


def test_without_a_shape_there_are_only_parameters() -> None:
    found = summary(image_net())
    assert found.parameters == 51
    assert {row.output for row in found.rows} == {None}
    assert "not built" in str(found)
    assert "no input_shape" in str(found)


def test_frozen_and_shared_parameters_are_counted_once_and_told_apart() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    net = nn.Sequential(first, second, first, nn.Linear(4, 2))
    net[3].requires_grad_(False)
    found = summary(net, 4)
    assert (found.parameters, found.trainable, found.frozen) == (34, 24, 10)
    assert found.parameters == sum(one.size().numel() for one in net.parameters())
    assert "weight is that of 0" in found.rows[1].start
    assert "10 (10 frozen)" in str(found)
    assert found.memory["gradients"] == 24 * 4


def test_activations_are_what_the_tape_keeps() -> None:
    dense = summary(nn.Sequential(L.Dense(128), L.ReLU(), L.Dense(10)), 784, batch_size=50)
    assert dense.memory["activations"] == 50 * 128 * 4  # relu's output, which the next layer shares
    assert [row.activations for row in dense.rows] == [0, 50 * 128 * 4, 0]
    deep = summary(
        nn.Sequential(L.Dense(7), nn.Sigmoid(), L.Dense(5), nn.GELU(), L.Dense(10)).double(), 3, batch_size=9
    )
    assert deep.rows[1].activations == 9 * 7 * 8
    assert deep.memory["parameters"] == (4 * 7 + 8 * 5 + 6 * 10) * 8


def test_the_measured_activations_are_those_of_a_real_batch() -> None:
    net = nn.Sequential(
        L.Conv(16, 3), L.BatchNorm(), L.GELU(), L.MaxPool(), L.Conv(8, 3), L.ReLU(), L.GlobalAveragePool(), L.Dense(4)
    )
    x = tg.randn(48, 3, 24, 24)
    initialize(net, x[:2])
    counted = summary(net, (3, 24, 24), batch_size=48).memory["activations"]
    net(x)
    tracemalloc.start()
    out = net(x)
    traced, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counted == pytest.approx(traced, rel=0.05)
    assert out.shape == (48, 4)


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [
        (optim.SGD(lr=0.1), 0),
        (optim.SGD(lr=0.1, momentum=0.9), 1),
        (optim.RMSprop(), 1),
        (optim.Adam(lr=1e-3), 2),
        (optim.AdamW(amsgrad=True), 3),
        (optim.Adagrad(), 1),
        (optim.LBFGS(), None),
    ],
)
def test_the_state_of_the_optimizer_is_counted_before_and_after_its_first_step(optimizer: Any, copies: Any) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 20))
    net.optimizer = optimizer
    wanted = None if copies is None else copies * (16 + 100) * 4
    assert summary(net, 3).memory["optimizer"] == wanted
    net.optimizer = optimizer.bind(net.parameters())
    assert summary(net, 3).memory["optimizer"] == wanted
    if copies is not None:
        net(tg.ones(1, 3)).sum().backward()
        net.optimizer.step()
        assert summary(net, 3).memory["optimizer"] == wanted
    else:
        assert "optimizer unknown" in str(summary(net, 3))


def test_models_of_integers_of_several_inputs_and_of_functions() -> None:
    words = summary(nn.Sequential(L.Embedding(10, 4), nn.LSTM(4, 3)), (7,))
    assert [row.output for row in words.rows] == [(None, 7, 4), (None, 7, 3)]

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = L.Embedding(9, 4), L.Dense(4)

        def forward(self, numbers: Any, words: Any) -> Any:
            return self.a(words) + self.b(numbers)

    assert [row.output for row in summary(Both(), [(3,), ()]).rows] == [(None, 4), (None, 4)]
    with pytest.raises(DTypeError, match="input must be of integers"):
        summary(nn.Sequential(L.Dense(3), nn.Embedding(3, 2)), (3,))

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.scale = L.Dense(4), L.Dense(4), nn.Parameter(tg.ones(1))

        def forward(self, left: Any, right: Any) -> Any:
            return F.relu(self.a(left) + self.b(right)) * self.scale

    for shapes in ([(3,), (5,)], ((3,), (5,)), {"right": (5,), "left": 3}):
        found = summary(Pair(), shapes)
        assert [(row.path, row.parameters) for row in found.rows] == [("", 1), ("a", 16), ("b", 24)]
        assert found.rows[0].activations == 2 * 32 * 4 * 4 / 2  # relu's output
        assert "(itself)" in str(found)


def test_it_prints_as_a_table_and_as_html() -> None:
    found = summary(image_net(), (1, 6, 6), batch_size=8)
    lines = str(found).splitlines()
    assert lines[0] == "Sequential"
    assert lines[1].split() == ["layer", "kind", "output", "parameters", "activations", "start"]
    assert len({len(line) for line in lines if set(line) == {"-"}}) == 1
    assert repr(found) == str(found)
    page = found._repr_html_()
    assert page.count("<tr>") == 10
    assert "batches of 8" in page


def test_what_makes_no_sense_is_refused() -> None:
    for shape in ("images", (1.5,), [(1,), 3]):
        with pytest.raises(SettingError):
            summary(image_net(), shape)
    with pytest.raises(SettingError):
        summary(image_net(), (1, 6, 6), batch_size=0)
    with pytest.raises(ShapeError):
        summary(image_net(), (6,))


def test_a_model_is_summed_up_before_and_after_training_those_inside_it_too() -> None:
    inner = Model([L.Dense(16), L.Dropout(0.3), L.ReLU()])
    model = Model([L.Flatten(), inner, L.Dense(3)], loss=CategoricalCrossEntropy(), optimizer=optim.Adam(), seed=1)
    before = summary(model, (2, 3), batch_size=7)
    assert not model.built
    assert not inner.built
    assert not inner[0].built
    x, y = np.random.default_rng(0).normal(size=(30, 2, 3)).astype("float32"), np.arange(30) % 3
    model.train(x, y, epochs=1, verbose=0, auto_evaluation=0)
    after = summary(model, batch_size=7)
    assert after.rows == before.rows
    assert after.memory == before.memory
    assert [row.path for row in after.rows] == ["0", "1.0", "1.1", "1.2", "2"]
    assert after.rows[1].start == "He normal (std 0.5774): before ReLU, past Dropout"
    assert after.memory["optimizer"] == 2 * after.memory["gradients"]


def test_how_layers_started_is_known_after_loading() -> None:
    net = image_net()
    initialize(net, tg.ones(2, 1, 6, 6), tg.Generator())
    again = decode(encode(net))
    assert [row.start for row in summary(again, (1, 6, 6)).rows] == [row.start for row in summary(net, (1, 6, 6)).rows]
    fresh = image_net()
    fresh.load_state_dict(net.state_dict())
    assert summary(fresh, (1, 6, 6)).rows[0].start == "loaded: its values came from a saved state"
