"""The search for a learning rate finds one that learns, and changes nothing."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import MSE, BatchNorm, Dense, Dropout, Model, ReLU, optim
from tinygrad_mp.training.callbacks import LambdaCallback
from tinygrad_mp.training.rate_finder import RateFinding, find_learning_rate
from tinygrad_mp.utils.data import DataLoader, TensorDataset


def learner(**settings: Any) -> Model:
    layers = [Dense(8), BatchNorm(), ReLU(), Dropout(0.1), Dense(1)]
    return Model(layers, MSE(), **{"optimizer": optim.Adam(lr=0.003), "seed": 5, **settings})


def problem(rows: int = 96) -> tuple[tg.Tensor, tg.Tensor]:
    generator = tg.Generator().manual_seed(0)
    X = tg.randn(rows, 4, generator=generator)
    return X, X.sum(dim=1, keepdim=True) + 3


def everything(model: Model) -> list[Any]:
    """All that a training changes, as bytes and plain values."""
    state = [(name, tensor.numpy().tobytes()) for name, tensor in model.state_dict().items() if model.built]
    optimizer = plain(model.optimizer.state_dict()) if isinstance(model.optimizer, optim.Optimizer) else model.optimizer
    numbers = [model.generator.get_state().tolist(), tg.get_rng_state().tolist(), random.getstate()]
    gradients = [parameter.grad is None for parameter in model.parameters()]
    kept = [id(model.history), id(model.session_state), model.built, model.training, model.sample_shapes]
    return [state, optimizer, numbers, plain(list(numpy.random.get_state())), gradients, kept]


def plain(value: Any) -> Any:
    if isinstance(value, (tg.Tensor, numpy.ndarray)):
        return numpy.asarray(value).tobytes()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return list(map(plain, value)) if isinstance(value, (list, tuple)) else value


def test_it_finds_a_rate_that_learns() -> None:
    tg.manual_seed(0)
    finding = find_learning_rate(learner(), *problem(), steps=60, lowest=1e-6, highest=10.0)
    assert finding.rates == sorted(finding.rates)
    assert len(finding.rates) == len(finding.losses) == len(finding.smoothed) <= 60
    assert finding.rates[0] == pytest.approx(1e-6)
    assert finding.suggestion is not None
    assert 1e-4 < finding.suggestion < 1.0
    assert f"half of the fall is behind at {finding.suggestion:.2g}" in repr(finding)


@pytest.mark.parametrize("trained", [False, True])
def test_nothing_changes_not_even_after_an_error(trained: bool) -> None:
    model, (X, y) = learner(), problem()
    if trained:
        model.train(X, y, epochs=2, verbose=0)
    before = everything(model)
    assert before == everything(model)
    model.find_learning_rate(X, y, steps=5)
    assert everything(model) == before
    loader = DataLoader(TensorDataset(X, y), batch_size=16, shuffle=True, generator=tg.Generator().manual_seed(1))
    order = loader.generator.get_state().tolist()
    find_learning_rate(model, loader, steps=9)
    assert everything(model) == before
    assert loader.generator.get_state().tolist() == order
    for wrong, error in ((X[:-1], tg.ShapeError), (X * math.nan, tg.SettingError)):
        with pytest.raises(error):
            find_learning_rate(model, wrong, y)
        assert everything(model) == before

    class Broken(LambdaCallback):
        def on_gradients(self, training: Any) -> None:
            random.random(), numpy.random.rand(), tg.rand(3)
            raise KeyError("of the user's")

    with pytest.raises(KeyError):
        find_learning_rate(model, X, y, callbacks=[Broken()])
    assert everything(model) == before


def test_a_loss_that_is_no_number_from_the_start_is_refused() -> None:
    X, y = problem()
    with numpy.errstate(all="ignore"), pytest.raises(tg.SettingError, match="the loss was inf at the lowest rate"):
        find_learning_rate(learner(), X, y * 1e30)


def test_as_many_batches_as_asked_for_are_trained_over_and_over() -> None:
    finding = find_learning_rate(learner(), *problem(), steps=7, lowest=1e-6, highest=1e-3, batch_size=50)
    assert len(finding.losses) == 7
    assert finding.rates == pytest.approx(numpy.geomspace(1e-6, 1e-3, 7).tolist())


def test_every_batch_is_trained_with_its_rate_and_groups_keep_their_proportions() -> None:
    model, seen = learner().build((4,)), []
    first, *rest = model.parameters()
    model.optimizer = optim.SGD([{"params": [first], "lr": 0.1}, {"params": rest, "lr": 0.05}], lr=0.1)

    def look(training: Any) -> None:
        seen.append([group["lr"] for group in training.optimizer.param_groups])

    settings = {"steps": 3, "lowest": 1e-6, "highest": 1e-4}
    find_learning_rate(model, *problem(), **settings, callbacks=[LambdaCallback(on_gradients=look)])
    assert numpy.allclose(seen, [[1e-6, 5e-7], [1e-5, 5e-6], [1e-4, 5e-5]], rtol=1e-12, atol=0)


def test_it_ends_when_the_loss_explodes() -> None:
    with numpy.errstate(all="ignore"):
        finding = find_learning_rate(learner(optimizer="sgd"), *problem(), steps=100, lowest=1e-4, highest=1e6)
    assert len(finding.losses) < 100
    assert all(map(math.isfinite, finding.losses))
    assert finding.suggestion is not None
    assert finding.suggestion < 1.0


@pytest.mark.parametrize(
    "settings",
    [
        {"lowest": 0},
        {"lowest": 1, "highest": 1},
        {"highest": math.inf},
        {"lowest": math.nan},
        {"steps": 1},
        {"steps": 2.5},
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(tg.SettingError):
        find_learning_rate(learner(), *problem(), **settings)


def test_the_suggestion_is_halfway_down_and_noise_neither_moves_nor_makes_it() -> None:
    rates = numpy.geomspace(1e-5, 1, 101)
    curve = 2 - 1 / (1 + (3e-3 / rates) ** 1.5) + (rates / 0.3) ** 4
    noise = numpy.random.default_rng(0).normal(0, 0.01, 101)
    for losses in (curve, curve + noise):
        suggestion = RateFinding(rates.tolist(), losses.tolist()).suggestion
        assert suggestion is not None
        assert 2e-3 < suggestion < 4e-3
    for seed in range(20):
        noise = numpy.random.default_rng(seed).normal(2, 0.3, 101)
        for losses in (noise, numpy.linspace(1, 2, 101), numpy.linspace(1, 3, 101) + noise):
            finding = RateFinding(rates.tolist(), losses.tolist())
            assert finding.suggestion is None
            assert "does not fall clearly" in repr(finding)


def test_the_picture_shows_losses_over_rates_and_the_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    finding = RateFinding([10.0**power for power in range(-7, 2)], [2.0, 2.0, 2.0, 1.9, 1.6, 1.1, 0.9, 1.1, 5.0])
    figure = finding.plot(tmp_path / "rates.svg")
    assert (tmp_path / "rates.svg").read_text().startswith("<?xml")
    (axes,) = figure.axes
    raw, smoothed, mark = axes.lines
    assert (list(raw.get_xdata()), list(raw.get_ydata())) == (finding.rates, finding.losses)
    assert list(smoothed.get_ydata()) == finding.smoothed
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([1e-3], [finding.smoothed[4]])
    assert mark.get_label() == "half of the fall: 0.001"
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "learning rate", "loss")
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tg.MissingPackageError, match="pip install matplotlib"):
        finding.plot()
