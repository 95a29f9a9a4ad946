"""Dropout of channels and dropout that keeps mean and variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F

CHANNELS: list[tuple[str, tuple[int, ...]]] = [
    ("Dropout1d", (50, 40, 3)),
    ("Dropout1d", (2000, 3)),
    ("Dropout2d", (50, 40, 2, 3)),
    ("Dropout2d", (50, 40, 3)),
]


@pytest.mark.parametrize(("name", "shape"), CHANNELS)
def test_whole_channels_are_dropped_and_the_gradient_with_them(name: str, shape: tuple[int, ...]) -> None:
    tg.manual_seed(0)
    x = tg.ones(shape, requires_grad=True)
    out = getattr(nn, name)(0.25)(x)
    channels = out.detach().numpy().reshape(2000, -1)
    assert (channels == channels[:, :1]).all()
    assert abs((channels != 0).mean() - 0.75) < 0.04
    np.testing.assert_allclose(np.unique(channels), np.array([0, 1 / 0.75], "float32"))
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.detach().numpy())


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name: str, p: float) -> None:
    tg.manual_seed(0)
    shape = (300, 300, 1) if name.startswith("feature") else (300, 300)
    out = getattr(F, name)(tg.randn(*shape), p, training=True).numpy()
    assert abs(out.mean()) < 0.03
    assert abs(out.std() - 1) < 0.03


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_alpha_dropout_takes_the_two_values_that_pytorch_takes(p: float) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    x = tg.full((1000,), 2.0, requires_grad=True)
    out = F.alpha_dropout(x, p, training=True)
    right = torch.nn.functional.alpha_dropout(torch.full((1000,), 2.0), p, training=True)
    np.testing.assert_allclose(np.unique(out.detach().numpy()), np.unique(right.numpy()), rtol=1e-5)
    out.sum().backward()
    dropped = out.detach().numpy() == out.detach().numpy().min()
    assert (x.grad.numpy()[dropped] == 0).all()


@pytest.mark.parametrize("name", ["Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout"])
def test_a_layer_works_in_place_does_nothing_in_evaluation_and_shows_itself(name: str) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    x = tg.ones(4, 5, 6)
    layer = getattr(nn, name)(0.5, inplace=True)
    assert repr(layer) == repr(getattr(torch.nn, name)(0.5, inplace=True))
    assert layer.eval()(x) is x
    assert (x.numpy() == 1).all()
    assert layer.train()(x) is x
    assert (x.numpy() != 1).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Dropout2d(2.0), SettingError, "p must be a number"),
        (lambda: F.alpha_dropout(tg.ones(2), 2.0), SettingError, "p must be a number"),
        (lambda: F.alpha_dropout(tg.tensor([1])), DTypeError, "not floating"),
        (lambda: F.dropout1d(tg.ones(2)), ShapeError, "2 or 3 axes, not 1"),
        (lambda: F.dropout2d(tg.ones(2)), ShapeError, "2 or more axes, not 1"),
        (lambda: F.feature_alpha_dropout(tg.ones(2)), ShapeError, "2 or more axes"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_dropout_of_images_takes_rows_of_features_too_and_warns() -> None:
    """Older programs put Dropout2d behind a linear layer."""
    with pytest.warns(UserWarning, match="use dropout"):
        dropped = F.dropout2d(tg.ones(50, 40), 0.5)
    assert sorted(set(dropped.flatten().tolist())) == [0.0, 2.0]
    assert any(0 < row.count(0.0) < 40 for row in dropped.tolist())
