"""Convolution and pooling layers take PyTorch's parameters, weights and names, and print as PyTorch's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import SettingError, ShapeError

CONVOLUTIONS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Conv2d", (4, 6, 3), {}),
    ("Conv2d", (4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": 2, "groups": 2, "bias": False}),
    ("Conv2d", (4, 6, 3), {"padding": "same"}),
    ("Conv2d", (4, 4, 3), {"padding": "valid", "groups": 4}),
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}),
    ("Conv1d", (4, 6, 2), {"padding": 2, "dilation": 2, "groups": 2, "bias": False}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("ConvTranspose2d", (4, 6, (2, 3)), {"groups": 2, "dilation": (1, 2), "bias": False}),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 3, "output_padding": 2}),
]
POOLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("MaxPool2d", (2,), {}),
    ("MaxPool2d", ((3, 2),), {"stride": (2, 1), "padding": (1, 0), "dilation": 1, "ceil_mode": True}),
    ("MaxPool1d", (3,), {"stride": 2}),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ("AvgPool2d", (2,), {"divisor_override": 3}),
    ("AvgPool1d", (3,), {"stride": 2, "padding": 1}),
    ("AvgPool1d", (2,), {}),
    ("AdaptiveAvgPool2d", ((2, None),), {}),
    ("AdaptiveAvgPool2d", (1,), {}),
    ("AdaptiveAvgPool1d", (3,), {}),
    ("AdaptiveMaxPool2d", ((3, 2),), {}),
]


def image(name: str) -> Any:
    return np.random.default_rng(0).normal(size=(2, 4, 9, 8) if "2d" in name else (2, 4, 9)).astype("float32")


def both(torch: Any, name: str, args: Any, settings: Any) -> tuple[Any, Any]:
    return getattr(nn, name)(*args, **settings), getattr(torch.nn, name)(*args, **settings)


@pytest.mark.parametrize(("name", "args", "settings"), CONVOLUTIONS)
def test_a_convolution_loads_pytorchs_weights_and_computes_and_learns_the_same(
    name: str, args: Any, settings: Any
) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours, theirs = both(torch, name, args, settings)
    assert {key: tuple(value.shape) for key, value in theirs.state_dict().items()} == {
        key: value.shape for key, value in ours.state_dict().items()
    }
    ours.load_state_dict({key: tg.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = image(name)
    out, expected = ours(tg.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(("name", "args", "settings"), [*CONVOLUTIONS, *POOLS])
def test_layers_print_as_pytorchs(name: str, args: Any, settings: Any) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours, theirs = both(torch, name, args, settings)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(("name", "args", "settings"), POOLS)
def test_pooling_layers_compute_what_pytorchs_do(name: str, args: Any, settings: Any) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours, theirs = both(torch, name, args, settings)
    x = image(name)
    np.testing.assert_allclose(ours(tg.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-5, atol=1e-6)
    assert not ours.state_dict()


def test_indices_are_returned_when_asked_for() -> None:
    x = tg.tensor(image("2d"))
    for layer in (nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d(3, return_indices=True)):
        values, indices = layer(x)
        assert indices.shape == values.shape
        assert indices.dtype == "int64"


@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_weights_start_as_in_pytorch(name: str) -> None:
    tg.manual_seed(0)
    layer = getattr(nn, name)(8, 64, 3, groups=2)
    bound = 1 / np.sqrt(np.prod(layer.weight.shape[1:]))
    for parameter in (layer.weight, layer.bias):
        assert abs(parameter.detach().numpy()).max() <= bound
    assert layer.weight.detach().numpy().std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


@pytest.mark.parametrize("size", [(9, 8), (10, 7)])
def test_a_transposed_convolution_can_be_told_the_size_it_shall_give(size: tuple[int, int]) -> None:
    layer = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)
    assert layer(tg.ones(1, 4, 5, 4), output_size=size).shape == (1, 2, *size)
    with pytest.raises(ShapeError, match="output_size"):
        layer(tg.ones(1, 4, 5, 4), output_size=(20, 8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "multiples of groups"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "padding must be"),
        (lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2), "padding 'same' is for stride 1"),
        (lambda: nn.Conv2d(3, 4, (1, 2, 3)), "kernel_size must be"),
        (lambda: nn.Conv1d(3, 4, 0), "kernel_size must be an int, at least 1"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "unknown padding_mode 'mirror'"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding="same"), "padding must be an int"),
    ],
)
def test_a_bad_setting_is_named_when_the_layer_is_made(make: Any, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make()


def test_a_bias_free_convolution_is_trained_saved_and_restored() -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 1))
    optimizer = tg.optim.SGD(model.parameters(), lr=0.02)
    x = tg.randn(4, 1, 6, 6)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = ((model(x) - 1) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    again = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 1))
    again.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(again(x).detach().numpy(), model(x).detach().numpy())
