"""Training touches no NumPy on another device, and never waits for it: checked on the strict fake device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import StrictArray, register, strict

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
]


@pytest.fixture(autouse=True)
def _strict_device() -> Iterator[None]:
    register()
    yield
    unregister_backend("strict")


def train(device: str, name: str, settings: dict[str, Any]) -> Any:
    """A few steps of a small network; returns it with the number of times that the host waited for the device."""
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2))
    x, y = tg.randn(5, 3).to(device), tg.randn(5, 2).to(device)
    net.to(device)
    optimizer = getattr(optim, name)(net.parameters(), **settings)
    waits = strict.waits
    for _ in range(3):
        optimizer.zero_grad()
        error = net(x) - y
        (error * error).mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        nn.utils.clip_grad_value_(net.parameters(), 0.3)
        optimizer.step()
    return net, optimizer, strict.waits - waits


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_training_on_another_device_gives_the_same_numbers_without_waiting(name: str, settings: dict[str, Any]) -> None:
    here, _, _ = train("cpu", name, settings)
    there, optimizer, waits = train("strict", name, settings)
    assert waits == 0
    assert all(isinstance(parameter.array, StrictArray) for parameter in there.parameters())
    there.load_state_dict(here.state_dict())  # moves values, and leaves the parameters where they are
    assert all(isinstance(parameter.array, StrictArray) for parameter in there.parameters())

    there, optimizer, _ = train("strict", name, settings)
    for a, b in zip(here.parameters(), there.cpu().parameters(), strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-6, atol=1e-7)
    again = getattr(optim, name)(train("strict", name, settings)[0].parameters())
    again.load_state_dict(optimizer.state_dict())
    tensors = [entry[key] for entry in again.state.values() for key in entry if key != "step"]
    assert tensors
    assert all(isinstance(tensor.array, StrictArray) for tensor in tensors)


def test_starting_values_are_the_same_on_every_device() -> None:
    fills = [nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.orthogonal_, nn.init.ones_]
    for fill in fills:
        drawn = []
        for device in ("cpu", "strict"):
            tg.manual_seed(0)
            weight = tg.zeros(4, 3, device=device)
            drawn.append(fill(weight).cpu().numpy())
        assert (drawn[0] == drawn[1]).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.AdaptiveLogSoftmaxWithLoss(64, 20, [3, 7, 12]),
        lambda: nn.LinearCrossEntropyLoss(64, 20, out_features=(1,), bias=True),
    ],
)
def test_losses_with_layers_of_their_own_are_the_same_on_another_device(build: Any) -> None:
    layer, x, target = build(), tg.randn(6, 64), tg.tensor([0, 3, 7, 12, 19, 2])
    if isinstance(layer, nn.LinearCrossEntropyLoss):
        target = target.unsqueeze(1)
    found = []
    for device in ("cpu", "strict"):
        layer.to(device).zero_grad()
        input = x.detach().to(device).requires_grad_()
        result = layer(input, target.to(device))
        loss = result.loss if isinstance(result, tuple) else result
        loss.backward()
        found.append((loss.detach().cpu().numpy(), input.grad.cpu().numpy()))
    for here, there in zip(*found, strict=True):
        np.testing.assert_allclose(here, there, rtol=1e-5, atol=1e-7)
