"""Activations as modules: PyTorch's results, repr, settings and state."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch")

MODULES: list[tuple[str, dict[str, Any]]] = [
    ("CELU", {}),
    ("CELU", {"alpha": 2.0, "inplace": True}),
    ("GLU", {}),
    ("GLU", {"dim": 0}),
    ("Hardshrink", {}),
    ("Hardshrink", {"lambd": 0.2}),
    ("Hardsigmoid", {"inplace": True}),
    ("Hardswish", {}),
    ("Hardtanh", {}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 2.0, "inplace": True}),
    ("LogSigmoid", {}),
    ("LogSoftmax", {"dim": 1}),
    ("Mish", {}),
    ("Mish", {"inplace": True}),
    ("PReLU", {}),
    ("PReLU", {"num_parameters": 4, "init": 0.1}),
    ("RReLU", {"lower": 0.2, "upper": 0.2}),
    ("ReLU6", {}),
    ("ReLU6", {"inplace": True}),
    ("SELU", {"inplace": True}),
    ("Softmax", {"dim": -1}),
    ("Softmin", {"dim": 1}),
    ("Softshrink", {}),
    ("Softsign", {}),
    ("Tanhshrink", {}),
    ("Threshold", {"threshold": 0.1, "value": 5.0}),
]


@pytest.mark.parametrize(("name", "settings"), MODULES)
def test_modules_are_pytorchs_in_result_gradient_repr_and_state(name: str, settings: dict[str, Any]) -> None:
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    assert repr(ours) == repr(theirs)
    points = numpy.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    x, y = tg.tensor(points, requires_grad=True), torch.tensor(points, requires_grad=True)
    mine, right = ours(x * 1), theirs(y * 1)
    numpy.testing.assert_allclose(mine.detach().numpy(), right.detach().numpy(), rtol=1e-5, atol=1e-6)
    (mine * mine).sum().backward()
    (right * right).sum().backward()
    numpy.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-5, atol=1e-6)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        numpy.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-5)


def test_softmax2d_goes_over_channels_and_takes_images_only() -> None:
    x = tg.randn(2, 3, 4, 4)
    numpy.testing.assert_allclose(nn.Softmax2d()(x).sum(1).numpy(), 1.0, rtol=1e-6)
    with pytest.raises(ValueError, match="Softmax2d"):
        nn.Softmax2d()(tg.ones(2, 2))


def test_bounds_of_hardtanh_the_wrong_way_round_are_refused_and_old_names_warn() -> None:
    with pytest.raises(AssertionError):
        nn.Hardtanh(2.0, 1.0)
    with pytest.warns(FutureWarning, match="min_val"):
        assert nn.Hardtanh(min_value=-3.0).min_val == -3.0


def test_rrelu_draws_in_training_only() -> None:
    layer = nn.RReLU(0.1, 0.3)
    x = -tg.ones(100)
    assert len(set(layer(x).tolist())) > 50
    numpy.testing.assert_allclose(layer.eval()(x).numpy(), -0.2, rtol=1e-6)


def test_slopes_of_prelu_can_be_reset() -> None:
    layer = nn.PReLU(3, init=0.1)
    with tg.no_grad():
        layer.weight.fill_(7.0)
    layer.reset_parameters()
    numpy.testing.assert_allclose(layer.weight.detach().numpy(), 0.1, rtol=1e-6)
