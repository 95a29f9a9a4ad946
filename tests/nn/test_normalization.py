"""Normalisation layers exchange states with PyTorch's and compute the same, in training and in evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import SettingError, ShapeError

LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("BatchNorm1d", (3,), {}, (5, 3)),
    ("BatchNorm1d", (3,), {"momentum": None}, (2, 3, 4)),
    ("BatchNorm1d", (3,), {"affine": False, "eps": 0.1}, (5, 3)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"momentum": 0.4}, (2, 3, 4, 5)),
    ("BatchNorm2d", (3,), {"bias": False}, (2, 3, 4, 5)),
    ("BatchNorm3d", (3,), {}, (2, 3, 2, 2, 3)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 4)),
    ("InstanceNorm1d", (3,), {"affine": True, "track_running_stats": True}, (3, 4)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 4, 5)),
    ("InstanceNorm2d", (3,), {"affine": True, "bias": False}, (3, 4, 5)),
    ("GroupNorm", (2, 6), {}, (3, 6)),
    ("GroupNorm", (3, 6), {"bias": False}, (3, 6, 4, 4)),
    ("GroupNorm", (1, 6), {"affine": False}, (3, 6, 4)),
    ("LayerNorm", (4,), {}, (2, 3, 4)),
    ("LayerNorm", ((3, 4),), {"bias": False}, (2, 3, 4)),
    ("LayerNorm", ([3, 4],), {"elementwise_affine": False, "eps": 0.1}, (2, 3, 4)),
    ("RMSNorm", (4,), {}, (2, 3, 4)),
    ("RMSNorm", ((3, 4),), {"eps": 0.1, "elementwise_affine": False}, (2, 3, 4)),
    ("LocalResponseNorm", (3,), {"alpha": 0.3, "beta": 0.5, "k": 2.0}, (2, 5, 3)),
]


def near(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "arguments", "settings", "shape"), LAYERS)
def test_a_layer_is_pytorchs_through_training_evaluation_and_saving(
    name: str, arguments: Any, settings: Any, shape: Any
) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    rng = np.random.default_rng(0)
    ours, theirs = getattr(nn, name)(*arguments, **settings), getattr(torch.nn, name)(*arguments, **settings)
    assert repr(ours) == repr(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    fresh = theirs.state_dict()
    assert list(ours.state_dict()) == list(fresh)
    for key, value in ours.state_dict().items():  # the same starting values, shapes and dtypes
        assert str(fresh[key].dtype).endswith(str(value.dtype))
        np.testing.assert_array_equal(value.numpy(), fresh[key].numpy())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(rng.normal(size=parameter.shape)))
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        array = rng.normal(1, 2, size=shape).astype("float32")
        x, their_x = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
        out, right = ours(x), theirs(their_x)
        near(out, right)
        (out * out * out).sum().backward()
        (right * right * right).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), their_x.grad.numpy(), rtol=1e-3, atol=1e-3 * 0.2)
        for one, other in zip(ours.buffers(), theirs.buffers(), strict=True):
            near(one, other)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-3, atol=1e-3)
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})


def test_batches_are_counted_in_training_only_and_reset() -> None:
    layer = nn.BatchNorm1d(2)
    layer(tg.ones(3, 2))
    layer.eval()(tg.ones(3, 2))
    assert layer.num_batches_tracked.dtype == "int64"
    assert int(layer.num_batches_tracked) == 1
    np.testing.assert_allclose(layer.running_mean.numpy(), [0.1, 0.1], rtol=1e-6)
    layer.reset_running_stats()
    assert (int(layer.num_batches_tracked), layer.running_mean.tolist(), layer.running_var.tolist()) == (
        0,
        [0, 0],
        [1, 1],
    )


def test_evaluation_has_a_gradient_and_leaves_the_buffers() -> None:
    layer = nn.BatchNorm1d(2).eval()
    x = tg.ones(1, 2, requires_grad=True)
    layer(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full((1, 2), 1 / np.sqrt(1 + 1e-5)), rtol=1e-6)
    assert not layer.running_mean.requires_grad
    assert layer.weight.grad is not None


def test_a_layer_moves_with_its_statistics() -> None:
    layer = nn.BatchNorm1d(2).double()
    assert layer.running_var.dtype == "float64"
    assert layer.num_batches_tracked.dtype == "int64"
    assert layer(tg.ones(3, 2, dtype="float64")).dtype == "float64"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.BatchNorm1d(2)(tg.ones(2)), ShapeError, "2 or 3 axes, not 1"),
        (lambda: nn.BatchNorm2d(2)(tg.ones(2, 2)), ShapeError, "4 axes, not 2"),
        (lambda: nn.BatchNorm1d(2)(tg.ones(2, 3)), ShapeError, r"weight needs shape \(3,\), not \(2,\)"),
        (lambda: nn.BatchNorm1d(2)(tg.ones(1, 2)), ShapeError, "more than one entry per channel"),
        (lambda: nn.InstanceNorm1d(2)(tg.ones(2)), ShapeError, "2 or 3 axes"),
        (lambda: nn.GroupNorm(2, 3), SettingError, "3 channels cannot be cut in 2 groups"),
        (lambda: nn.LayerNorm(()), SettingError, "at least one"),
        (lambda: nn.LayerNorm(3)(tg.ones(2, 2)), ShapeError, r"does not end in normalized_shape \(3,\)"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
