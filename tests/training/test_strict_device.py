"""The trainer's layers are built, started and summed up on another device as on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import StrictArray, register
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
