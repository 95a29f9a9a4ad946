"""Layers, activations and losses compute what PyTorch's compute, and say what is wrong with their input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F

ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("ReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("ELU", {"alpha": 1.5}),
    ("SiLU", {}),
    ("GELU", {}),
    ("GELU", {"approximate": "tanh"}),
    ("Softplus", {"beta": 2.0, "threshold": 3.0}),
    ("Sigmoid", {}),
    ("Tanh", {}),
    ("Softmax", {"dim": 1}),
    ("LogSoftmax", {"dim": -1}),
]
REDUCTIONS = ["mean", "sum", "none"]


def both(torch: Any, array: Any) -> tuple[Any, Any]:
    floating = array.dtype.kind == "f"
    return tg.tensor(array, requires_grad=floating), torch.tensor(array, requires_grad=floating)


def assert_same(ours: Any, theirs: Any, x: Any, their_x: Any) -> None:
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-6)
    ours.sum().backward()
    theirs.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), their_x.grad.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "settings"), ACTIVATIONS)
def test_activations_are_pytorchs(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    x, their_x = both(torch, np.random.default_rng(0).normal(scale=2, size=(3, 4)).astype("float32"))
    assert_same(getattr(nn, name)(**settings)(x), getattr(torch.nn, name)(**settings)(their_x), x, their_x)


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "ELU", "SiLU"])
def test_an_activation_in_place_writes_into_its_input_and_gives_the_same_gradient(name: str) -> None:
    x, y = (tg.tensor([-1.0, 2.0], requires_grad=True) for _ in range(2))
    inner = x * 1
    result = getattr(nn, name)(inplace=True)(inner)
    assert result is inner
    result.sum().backward()
    getattr(nn, name)()(y).sum().backward()
    assert x.grad.numpy().tolist() == y.grad.numpy().tolist()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("name", "settings"),
    [("MSELoss", {}), ("L1Loss", {}), ("HuberLoss", {"delta": 0.5}), ("SmoothL1Loss", {"beta": 0.5})],
)
def test_losses_of_numbers_are_pytorchs(name: str, settings: dict[str, Any], reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    rng = np.random.default_rng(0)
    x, their_x = both(torch, rng.normal(size=(3, 4)).astype("float32"))
    y, their_y = both(torch, rng.normal(size=(3, 4)).astype("float32"))
    ours = getattr(nn, name)(reduction=reduction, **settings)
    theirs = getattr(torch.nn, name)(reduction=reduction, **settings)
    assert_same(ours(x, y), theirs(their_x, their_y), x, their_x)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_of_classes_are_pytorchs(weighted: bool, reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    rng = np.random.default_rng(0)
    weight, their_weight = both(torch, rng.uniform(0.5, 2, size=4).astype("float32"))
    weight, their_weight = weight.detach(), their_weight.detach()
    labels, their_labels = both(torch, np.array([0, 3, -100, 2, 1]))
    yes, their_yes = both(torch, rng.integers(0, 2, size=(5, 4)).astype("float32"))
    logits = rng.normal(size=(5, 4)).astype("float32")

    x, their_x = both(torch, logits)
    settings: dict[str, Any] = {"reduction": reduction, "label_smoothing": 0.1}
    ours = nn.CrossEntropyLoss(weight if weighted else None, **settings)
    theirs = torch.nn.CrossEntropyLoss(their_weight if weighted else None, **settings)
    assert_same(ours(x, labels), theirs(their_x, their_labels), x, their_x)
    assert list(ours.state_dict()) == list(theirs.state_dict())

    x, their_x = both(torch, logits)
    nll = nn.NLLLoss(weight if weighted else None, reduction=reduction, ignore_index=2)
    their_nll = torch.nn.NLLLoss(their_weight if weighted else None, reduction=reduction, ignore_index=2)
    labels, their_labels = both(torch, np.array([0, 3, 1, 2, 1]))
    assert_same(nll(x, labels), their_nll(their_x, their_labels), x, their_x)

    x, their_x = both(torch, logits)
    bce = nn.BCEWithLogitsLoss(reduction=reduction, pos_weight=weight if weighted else None)
    their_bce = torch.nn.BCEWithLogitsLoss(reduction=reduction, pos_weight=their_weight if weighted else None)
    assert_same(bce(x, yes.detach()), their_bce(their_x, their_yes.detach()), x, their_x)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 3, 5), (0, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_pytorchs(bias: bool, shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    theirs = torch.nn.Linear(5, 3, bias=bias)
    ours = nn.Linear(5, 3, bias=bias)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x, their_x = both(torch, np.random.default_rng(0).normal(size=shape).astype("float32"))
    assert_same(ours(x), theirs(their_x), x, their_x)
    for parameter, their_parameter in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), their_parameter.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_linear_starts_within_pytorchs_bounds_and_by_the_seed() -> None:
    tg.manual_seed(3)
    layer = nn.Linear(400, 50)
    bound = 1 / math.sqrt(400)
    for parameter in layer.parameters():
        array = parameter.detach().numpy()
        assert np.abs(array).max() <= bound
        assert np.abs(array).max() > 0.9 * bound
    assert abs(layer.weight.detach().numpy().std() - bound / math.sqrt(3)) < 0.02 * bound
    tg.manual_seed(3)
    assert (nn.Linear(400, 50).weight.detach().numpy() == layer.weight.detach().numpy()).all()
    assert nn.Linear(2, 2, dtype="float64").weight.dtype == "float64"


def test_a_wrong_last_axis_is_told_with_the_layer_and_the_remedy() -> None:
    net = nn.Sequential(nn.Linear(3, 128), nn.Tanh(), nn.Linear(64, 10))
    with pytest.raises(ShapeError) as caught:
        net(tg.ones(32, 3))
    lines = str(caught.value).splitlines()
    assert lines[0] == "linear: the input's last axis is 128, the weight takes 64"
    assert lines[1].split() == ["input", "(32,", "128)", "float32", "cpu"]
    assert lines[2].split() == ["weight", "(10,", "64)", "float32", "cpu"]
    assert "test_layers.py" in lines[3]
    assert lines[3].endswith("layer: Sequential.2")
    assert lines[4] == "  fix: give this layer 128 inputs, or bring the input to the shape (..., 64)"


def test_linear_refuses_a_scalar_and_another_dtype() -> None:
    with pytest.raises(ShapeError, match="last axis is missing"):
        nn.Linear(3, 2)(tg.tensor(1.0))
    with pytest.raises(DTypeError):
        nn.Linear(3, 2)(tg.ones(3, dtype="float64"))


def test_sizes_of_linear_must_be_whole_and_not_negative() -> None:
    with pytest.raises(TypeError, match=r"Linear: in_features must be an int, not 2\.5"):
        nn.Linear(2.5, 1)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="Linear: out_features must not be negative, not -1"):
        nn.Linear(2, -1)


def test_flatten_and_unflatten_are_inverse() -> None:
    x = tg.ones(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(1, (3, -1))(nn.Flatten()(x)).shape == (2, 3, 4)
    assert nn.Unflatten(-1, (2, 2))(x).shape == (2, 3, 2, 2)
    with pytest.raises(ShapeError):
        nn.Unflatten(1, (5, 2))(nn.Flatten()(x))


# --- dropout --------------------------------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps_and_sends_the_gradient_the_same_way() -> None:
    tg.manual_seed(0)
    x = tg.ones(200, 100, requires_grad=True)
    result = nn.Dropout(0.25)(x)
    kept = result.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 0.01
    np.testing.assert_array_equal(np.unique(result.detach().numpy()), np.array([0, 1 / 0.75], "float32"))
    result.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), result.detach().numpy())
    assert x.grad.dtype == "float32"


def test_dropout_follows_the_seed_and_differs_from_call_to_call() -> None:
    x, layer = tg.ones(100), nn.Dropout()
    tg.manual_seed(1)
    first, second = layer(x).numpy(), layer(x).numpy()
    tg.manual_seed(1)
    assert (layer(x).numpy() == first).all()
    assert (first != second).any()


def test_dropout_does_nothing_in_evaluation_and_everything_at_one() -> None:
    x = tg.ones(3, 3)
    assert nn.Dropout().eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert (nn.Dropout(1.0)(x).numpy() == 0).all()


def test_dropout_in_place_writes_into_its_input() -> None:
    leaf = tg.ones(50, requires_grad=True)
    inner = leaf * 1
    result = nn.Dropout(0.5, inplace=True)(inner)
    assert result is inner
    result.sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), result.detach().numpy())


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), "half"])
def test_dropout_refuses_what_is_no_probability(p: Any) -> None:
    with pytest.raises(SettingError, match="p must be a number between 0 and 1"):
        nn.Dropout(p)
    with pytest.raises(SettingError, match="p must be a number between 0 and 1"):
        F.dropout(tg.ones(1), p)


def test_dropout_refuses_integers() -> None:
    with pytest.raises(DTypeError, match="dropout: the input is int64, not floating"):
        F.dropout(tg.tensor([1, 2]))


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MSELoss(reduction="average"), "MSELoss: unknown reduction 'average'"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2.0), "CrossEntropyLoss: label_smoothing must be"),
        (lambda: nn.HuberLoss(delta=0.0), "HuberLoss: delta must be positive, not 0.0"),
        (lambda: nn.SmoothL1Loss(beta=-1.0), "SmoothL1Loss: beta must not be negative, not -1.0"),
        (lambda: nn.GELU(approximate="sigmoid"), "GELU: approximate must be"),
    ],
)
def test_a_bad_setting_is_named_when_the_layer_is_made(make: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()


def test_functional_can_be_imported_as_pytorchs() -> None:
    import tinygrad_mp.functional
    import tinygrad_mp.nn.functional as functional

    assert functional is F
    assert functional.linear is tinygrad_mp.functional.linear
