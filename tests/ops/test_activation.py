"""Activations at their kinks and far out: values and gradients as PyTorch has them, and no warnings."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from tinygrad_mp import functional as F
from tinygrad_mp import no_grad, tensor
from tinygrad_mp.backend import curves, threads
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.activation import _silu
from tinygrad_mp.ops.residue import found_in, residue_for

DTYPES = ["float16", "float32", "float64"]
ACTIVATIONS: list[tuple[str, dict[str, Any]]] = [
    ("relu", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 1.5}),
    ("leaky_relu", {"negative_slope": 0.0}),
    ("leaky_relu", {"negative_slope": -0.5}),
    ("elu", {}),
    ("elu", {"alpha": 0.7}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("silu", {}),
    ("softplus", {}),
    ("softplus", {"beta": 2.0, "threshold": 5.0}),
    ("logsigmoid", {}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
]
every_activation = pytest.mark.parametrize(("name", "settings"), ACTIVATIONS)


@pytest.fixture
def theirs() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests").nn.functional


def both(theirs: Any, name: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    return lambda x: getattr(F, name)(x, **settings), lambda x: getattr(theirs, name)(x, **settings)


@every_activation
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_ten_thousand_nothing_overflows(
    theirs: Any, agree: Any, name: str, settings: dict[str, Any], dtype: str
) -> None:
    agree(*both(theirs, name, settings), numpy.array([1e4, -1e4], dtype), order=1 if dtype == "float16" else 2)


@every_activation
@pytest.mark.parametrize("dtype", DTYPES)
def test_at_zero_value_and_gradient_are_pytorchs(
    theirs: Any, agree: Any, name: str, settings: dict[str, Any], dtype: str
) -> None:
    agree(*both(theirs, name, settings), numpy.array([0.0, -0.0], dtype))


@every_activation
def test_in_between_two_derivatives_are_pytorchs(theirs: Any, agree: Any, name: str, settings: dict[str, Any]) -> None:
    agree(*both(theirs, name, settings), [1.0, -1.0, 0.3, -0.3, 3.0, -3.0, 10.0, -10.0, 25.0, -25.0], order=2)


@every_activation
def test_nan_stays_nan(name: str, settings: dict[str, Any]) -> None:
    assert getattr(F, name)(tensor([math.nan, 1.0]), **settings).isnan().tolist() == [True, False]


@every_activation
def test_no_entries_and_no_axes_are_fine(theirs: Any, agree: Any, name: str, settings: dict[str, Any]) -> None:
    agree(*both(theirs, name, settings), numpy.zeros((0, 3)))
    agree(*both(theirs, name, settings), 0.5)


@every_activation
def test_integers_are_taken_or_refused_as_by_pytorch(theirs: Any, name: str, settings: dict[str, Any]) -> None:
    values = numpy.array([-2, 0, 3])
    if name in ("relu", "sigmoid", "tanh"):
        right = getattr(theirs, name)(pytest.importorskip("torch", reason="the reference").tensor(values), **settings)
        out = getattr(F, name)(tensor(values), **settings)
        assert f"torch.{out.dtype}" == str(right.dtype)
    else:
        with pytest.raises(NotImplementedError, match="not implemented"):
            getattr(theirs, name)(pytest.importorskip("torch", reason="the reference").tensor(values), **settings)
        with pytest.raises(NotImplementedError, match="not defined for int64"):
            getattr(F, name)(tensor(values), **settings)


def test_the_gradient_of_relu_is_zero_at_zero_and_passes_at_nan(theirs: Any, agree: Any) -> None:
    agree(F.relu, theirs.relu, [0.0, -0.0, math.nan, math.inf, -math.inf])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_tails_of_logarithms_keep_their_digits(dtype: str) -> None:
    x = numpy.array([-15.0, -30.0, -80.0], dtype)
    right = [math.log1p(math.exp(value)) for value in x.tolist()]
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    numpy.testing.assert_allclose(F.softplus(tensor(x)).numpy(), right, rtol=tolerance)
    numpy.testing.assert_allclose(-F.logsigmoid(tensor(-x)).numpy(), right, rtol=tolerance)


@pytest.mark.parametrize("value", [1e-3, 1e-6, -1e-3, -1e-6])
def test_elu_is_precise_near_zero(value: float) -> None:
    right = value if value > 0 else math.expm1(value)
    assert F.elu(tensor(value, dtype="float64")).item() == pytest.approx(right, rel=1e-14)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_the_largest_floats_has_a_finite_gradient(approximate: str) -> None:
    x = tensor([3e38, -3e38], requires_grad=True)
    F.gelu(x, approximate=approximate).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("block", [8, 40, 1 << 20])
@pytest.mark.parametrize(("name", "settings"), [("gelu", {}), ("gelu", {"approximate": "tanh"}), ("silu", {})])
def test_in_blocks_of_any_size_value_and_gradients_are_pytorchs(
    theirs: Any, agree: Any, name: str, settings: dict[str, Any], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_BLOCK", block)
    monkeypatch.setattr(curves, "_UNIT", 8)
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    x = numpy.random.default_rng(0).normal(0, 1, (3, 7, 5))
    agree(*both(theirs, name, settings), x, order=2)
    agree(*both(theirs, name, settings), x.transpose(2, 0, 1), order=2)
    agree(*both(theirs, name, settings), x.astype("float32"))
    x[1, 2, 3], x[2, 0, 0] = 1e4, -1e4  # one block is cut off, others are not
    agree(*both(theirs, name, settings), x)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 2e-14)])
def test_gelu_keeps_the_digits_of_its_tail(dtype: str, tolerance: float) -> None:
    x = numpy.concatenate([numpy.linspace(-8, 8, 1001), [-12.5, 1e-6, -1e-6]]).astype(dtype)
    right = [value * math.erfc(-value * math.sqrt(0.5)) / 2 for value in x.tolist()]
    numpy.testing.assert_allclose(F.gelu(tensor(x)).numpy(), right, rtol=tolerance)


def test_an_unused_slope_is_not_kept_and_a_kept_one_belongs_to_its_input() -> None:
    x = tensor([0.5, -1.0], requires_grad=True)
    with no_grad():
        assert residue_for(x) is None
    assert residue_for(x.detach()) is None
    residue = residue_for(x)
    assert residue is not None
    _silu(x, residue=residue)
    assert found_in(x.array, x.array, residue) is not None
    assert found_in(x.array.copy(), x.array, residue) is None
    assert found_in(x.array, x, residue) is None  # a recorded rule must not take it for a constant


def test_an_unknown_approximation_raises() -> None:
    with pytest.raises(SettingError, match=r'^gelu: approximate must be "none" or "tanh"'):
        F.gelu(tensor([1.0]), approximate="erf")
