"""Averages of weights are PyTorch's, step by step, with their rates and their statistics."""

from __future__ import annotations

import copy
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim

torch = pytest.importorskip("torch", reason="the averages are compared with PyTorch's")

AVERAGES = {
    "the mean": lambda s: {},
    "the mean of buffers too": lambda s: {"use_buffers": True},
    "the mean by its function": lambda s: {"avg_fn": s.get_swa_avg_fn()},
    "the mean by lists": lambda s: {"multi_avg_fn": s.get_swa_multi_avg_fn()},
    "exponential": lambda s: {"avg_fn": s.get_ema_avg_fn(0.7), "use_buffers": True},
    "exponential by lists": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.7), "use_buffers": True},
    "exponential, fast": lambda s: {"multi_avg_fn": s.get_ema_multi_avg_fn(0.2)},
    "the user's own": lambda s: {"avg_fn": lambda average, value, n: average * 0.25 + value * n},
}


def a_model(package: Any) -> Any:
    model = package.nn.Sequential(package.nn.Linear(3, 4), package.nn.BatchNorm1d(4))
    write(package, model, 0)
    return model


def write(package: Any, model: Any, seed: int) -> None:
    """Other values into all parameters and buffers."""
    draws = numpy.random.default_rng(seed)
    with package.no_grad():
        for value in model.state_dict().values():
            drawn = 10 * draws.random(tuple(value.shape))
            value.copy_(package.tensor(drawn.astype(str(value.dtype).removeprefix("torch."))))


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_are_those_of_pytorch(name: str) -> None:
    models = [(package, a_model(package)) for package in (tg, torch)]
    averages = [
        package.optim.swa_utils.AveragedModel(model, **AVERAGES[name](package.optim.swa_utils))
        for package, model in models
    ]
    for step in range(4):
        for (package, model), average in zip(models, averages, strict=True):
            write(package, model, step + 1)
            average.update_parameters(model)
    ours, theirs = (average.state_dict() for average in averages)
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert str(ours[key].dtype) == str(value.dtype).removeprefix("torch.")
        numpy.testing.assert_allclose(ours[key].numpy(), value.numpy(), rtol=1e-5, err_msg=key)


def test_the_average_is_another_model_which_is_saved_loaded_and_called() -> None:
    model = a_model(tg)
    average = optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    assert average.module is not model
    assert average.module[0].weight is not model[0].weight
    other = optim.swa_utils.AveragedModel(a_model(tg))
    other.load_state_dict(average.state_dict())
    assert other.n_averaged.item() == 1
    x = tg.ones(2, 3)
    assert tg.equal(other.eval()(x), model.eval()(x))


def test_two_functions_and_bad_decays_are_refused() -> None:
    utils = optim.swa_utils
    with pytest.raises(AssertionError, match="not both"):
        utils.AveragedModel(a_model(tg), avg_fn=utils.get_swa_avg_fn(), multi_avg_fn=utils.get_swa_multi_avg_fn())
    for make in (utils.get_ema_avg_fn, utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"1\.5"):
            make(1.5)


SCHEDULES: list[dict[str, Any]] = [
    {"swa_lr": 0.05},
    {"swa_lr": [0.05, 0.9], "anneal_epochs": 3},
    {"swa_lr": 0.05, "anneal_epochs": 5, "anneal_strategy": "linear"},
    {"swa_lr": 0.05, "anneal_epochs": 0},
]


def an_optimizer(package: Any) -> Any:
    groups = [{"params": [package.zeros(2, requires_grad=True)]}, {"params": [package.zeros(3, requires_grad=True)]}]
    return package.optim.SGD([groups[0], {**groups[1], "lr": 0.3}], lr=0.5)


@pytest.mark.parametrize("settings", SCHEDULES)
def test_the_rates_are_those_of_pytorch(settings: dict[str, Any]) -> None:
    found = []
    for package in (tg, torch):
        optimizer = an_optimizer(package)
        before = package.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        scheduler = package.optim.swa_utils.SWALR(optimizer, **settings)
        rates = []
        for epoch in range(15):
            optimizer.step()
            (before if epoch < 4 else scheduler).step()
            rates.append([*scheduler.get_last_lr(), *(group["lr"] for group in optimizer.param_groups)])
        found.append(rates)
    numpy.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_rates_go_on_where_they_were_saved() -> None:
    optimizer = an_optimizer(tg)
    scheduler = optim.swa_utils.SWALR(optimizer, 0.05, 6)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    state = copy.deepcopy(scheduler.state_dict()), copy.deepcopy(optimizer.state_dict())
    optimizer.step()
    scheduler.step()
    other = an_optimizer(tg)
    again = optim.swa_utils.SWALR(other, 0.9, 2, "linear")
    again.load_state_dict(state[0])
    other.load_state_dict(state[1])
    other.step()
    again.step()
    assert again.get_last_lr() == scheduler.get_last_lr()


@pytest.mark.parametrize("settings", [{"anneal_strategy": "cosine"}, {"anneal_epochs": -1}, {"anneal_epochs": 1.5}])
def test_senseless_settings_of_rates_are_refused(settings: dict[str, Any]) -> None:
    for package in (tg, torch):
        with pytest.raises(ValueError, match="anneal"):
            package.optim.swa_utils.SWALR(an_optimizer(package), 0.05, **settings)


def test_statistics_are_computed_anew() -> None:
    batches = numpy.random.default_rng(5).standard_normal((3, 8, 3)).astype("float32")
    found = []
    for package in (tg, torch):
        model = a_model(package).eval()
        package.optim.swa_utils.update_bn([(package.tensor(batch), None) for batch in batches], model)
        assert not model.training
        assert model[1].momentum == 0.1
        found.append((model[1].running_mean.numpy(), model[1].running_var.numpy()))
    numpy.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_a_failing_batch_leaves_mode_and_momentum_as_they_were() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    with pytest.raises(tg.ShapeError):
        optim.swa_utils.update_bn([tg.ones(4, 5)], model)
    assert model[0].momentum == 0.1
    assert not model.training
