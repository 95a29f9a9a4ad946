"""The search for a learning rate finds one that learns, and changes nothing."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.training.callbacks import NaNGuard, listeners
from tinygrad_mp.training.rate_finder import RateFinding, find_learning_rate


class Learner(nn.Module):
    """A model with the loop of a trainer, as small as can be."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
        self.optimizer = optim.Adam(self.layers.parameters(), lr=0.003)
        self.generator = tg.Generator().manual_seed(5)
        self.epochs_run = 0

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.layers(x)

    def train(  # type: ignore[override]
        self,
        X: Any = True,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        callbacks: Any = (),
        **settings: Any,
    ) -> Any:
        if isinstance(X, bool):
            return super().train(X)
        assert settings == {"auto_evaluation": None, "verbose": 0}
        calls = {hook: listeners([NaNGuard(), *callbacks], hook) for hook in ("on_batch_begin", "on_loss")}
        now = SimpleNamespace(model=self, optimizer=self.optimizer, epoch=0, loss=math.nan, logs={})
        for now.epoch in range(1, epochs + 1):
            self.epochs_run += 1
            random.random(), numpy.random.rand()
            order = tg.randperm(len(X), generator=self.generator)
            for now.batch, rows in enumerate(order.split(batch_size)):
                now.inputs, now.targets = X[rows], y[rows]
                for call in calls["on_batch_begin"]:
                    call(now)
                self.optimizer.zero_grad()
                loss = nn.functional.mse_loss(self(now.inputs), now.targets)
                now.loss = loss.item()
                for call in calls["on_loss"]:
                    call(now)
                loss.backward()
                self.optimizer.step()
        return None


def problem(rows: int = 96) -> tuple[tg.Tensor, tg.Tensor]:
    generator = tg.Generator().manual_seed(0)
    X = tg.randn(rows, 4, generator=generator)
    return X, X.sum(dim=1, keepdim=True) + 3


def everything(model: Any) -> list[Any]:
    """All that a training changes, as bytes and plain values."""
    state = [(name, tensor.numpy().tobytes()) for name, tensor in model.state_dict().items()]
    moments = [
        (number, name, value.numpy().tobytes() if isinstance(value, tg.Tensor) else value)
        for number, entry in model.optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    ]
    rates = [group["lr"] for group in model.optimizer.param_groups]
    numbers = [model.generator.get_state().tolist(), tg.get_rng_state().tolist(), random.getstate()]
    gradients = [parameter.grad is None for parameter in model.parameters()]
    return [state, moments, rates, numbers, numpy.random.get_state()[2], gradients, model.training]


def test_it_finds_a_rate_that_learns() -> None:
    tg.manual_seed(0)
    finding = find_learning_rate(Learner(), *problem(), steps=60, lowest=1e-6, highest=10.0)
    assert finding.rates == sorted(finding.rates)
    assert len(finding.rates) == len(finding.losses) == len(finding.smoothed) <= 60
    assert finding.rates[0] == pytest.approx(1e-6)
    assert finding.suggestion is not None
    assert 1e-4 < finding.suggestion < 1.0
    assert f"falls fastest at {finding.suggestion:.2g}" in repr(finding)


def test_nothing_changes_not_even_after_an_error() -> None:
    tg.manual_seed(0)
    model, (X, y) = Learner(), problem()
    model.train(X, y, auto_evaluation=None, verbose=0)
    before = everything(model)
    find_learning_rate(model, X, y, steps=5)
    assert everything(model) == before
    y[:] = math.nan
    with pytest.raises(tg.SettingError, match="the loss was nan at the lowest rate"):
        find_learning_rate(model, X, y)
    assert everything(model) == before
    with pytest.raises(tg.ShapeError):
        find_learning_rate(model, X[:, :3], y)
    assert everything(model) == before


def test_as_many_batches_as_asked_for_are_trained_over_and_over() -> None:
    model = Learner()
    finding = find_learning_rate(model, *problem(), steps=7, lowest=1e-6, highest=1e-3, batch_size=50)
    assert len(finding.losses) == 7
    assert finding.rates == pytest.approx(numpy.geomspace(1e-6, 1e-3, 7).tolist())
    assert model.epochs_run == 0


def test_groups_keep_their_proportions(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = Learner(), []
    first, *rest = model.parameters()
    model.optimizer = optim.SGD([{"params": [first], "lr": 0.1}, {"params": rest, "lr": 0.05}], lr=0.1)
    real = optim.SGD.step
    monkeypatch.setattr(
        optim.SGD, "step", lambda self: (seen.append([group["lr"] for group in self.param_groups]), real(self))[1]
    )
    find_learning_rate(model, *problem(), steps=2, lowest=1e-6, highest=1e-4)
    assert numpy.allclose(seen, [[1e-6, 5e-7], [1e-4, 5e-5]], rtol=1e-12)


def test_it_ends_when_the_loss_explodes() -> None:
    tg.manual_seed(0)
    model = Learner()
    model.optimizer = optim.SGD(model.parameters(), lr=0.1)
    with numpy.errstate(all="ignore"):
        finding = find_learning_rate(model, *problem(), steps=100, lowest=1e-4, highest=1e6)
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
        find_learning_rate(Learner(), *problem(), **settings)


def test_the_suggestion_is_where_the_loss_falls_fastest_and_noise_does_not_move_it() -> None:
    rates = numpy.geomspace(1e-5, 1, 101)
    curve = 2 - 1 / (1 + (3e-3 / rates) ** 1.5) + (rates / 0.3) ** 4
    noise = numpy.random.default_rng(0).normal(0, 0.01, 101)
    for losses in (curve, curve + noise):
        suggestion = RateFinding(rates.tolist(), losses.tolist()).suggestion
        assert suggestion is not None
        assert 1.5e-3 < suggestion < 6e-3
    rising = RateFinding(rates.tolist(), numpy.linspace(1, 2, 101).tolist())
    assert rising.suggestion is None
    assert "falls nowhere" in repr(rising)


def test_the_picture_shows_losses_over_rates_and_the_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    finding = RateFinding([1e-4, 1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.9, 1.2, 0.9, 3.0])
    figure = finding.plot(tmp_path / "rates.svg")
    assert (tmp_path / "rates.svg").read_text().startswith("<?xml")
    (axes,) = figure.axes
    raw, smoothed, mark = axes.lines
    assert (list(raw.get_xdata()), list(raw.get_ydata())) == (finding.rates, finding.losses)
    assert list(smoothed.get_ydata()) == finding.smoothed
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([1e-3], [finding.smoothed[1]])
    assert mark.get_label() == "falls fastest: 0.001"
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "learning rate", "loss")
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tg.MissingPackageError, match="pip install matplotlib"):
        finding.plot()
