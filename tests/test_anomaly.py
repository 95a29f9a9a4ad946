"""``detect_anomaly`` names the operation and the line where a NaN is born, and leaves nothing behind when it is off."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import autograd, nn
from tinygrad_mp.autograd.anomaly_mode import AnomalyError
from tinygrad_mp.registry import REGISTRY
from tinygrad_mp.tape import Node


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), dtype=tg.float64, requires_grad=True)


def line(offset: int = 0) -> str:
    """``file:line`` of the caller's line, plus ``offset``."""
    frame: Any = inspect.currentframe()
    return f"test_anomaly.py:{frame.f_back.f_lineno + offset}"


def test_a_nan_born_in_forward_names_operation_operand_and_line() -> None:
    x = leaf(1.0, -2.0)
    with autograd.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        x.log().sum().backward()
    here = line(-1)
    text = str(caught.value)
    assert text.startswith("log: NaN is born: 1 of 2 entries, the first at [1], where x is -2.0")
    assert here in text


def test_a_nan_born_in_backward_names_the_operation_and_the_line_of_its_forward() -> None:
    x = leaf(4.0, 0.0)
    with autograd.detect_anomaly():
        here = line(1)
        y = x.sqrt()
        z = (y * x).sum()
        with pytest.raises(RuntimeError) as caught:
            z.backward()
    assert "backward of sqrt returned NaN for input x (1 of 2 entries, the first at [1])" in str(caught.value)
    assert here in str(caught.value)
    assert x.grad is None


def test_a_layer_is_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].weight.data.fill_(float("inf"))
    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match=r"layer: Sequential\.0"):
        model(tg.tensor([[1.0, -1.0]]))


def test_a_nan_that_was_there_before_is_not_laid_to_the_operation() -> None:
    x = leaf(1.0, float("nan"))
    with autograd.detect_anomaly():
        (x + 1).sum()
        with pytest.raises(RuntimeError, match=r"sqrt.*cotangent it was given has NaN too"):
            leaf(4.0).sqrt().backward(tg.tensor([float("nan")]))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_no_grad_is_left_alone() -> None:
    with autograd.detect_anomaly(), tg.no_grad():
        assert np.isnan(tg.tensor([-1.0]).log().item())


def test_inputs_of_variadic_operations_and_functions_are_watched() -> None:
    class Bad(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * float("nan")

    class Worse(Bad):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * float("nan")

    x = leaf(1.0, 2.0)
    with autograd.detect_anomaly():
        with pytest.raises(RuntimeError, match="backward of Bad returned NaN"):
            Bad.apply(x).sum().backward()
        with pytest.raises(RuntimeError, match="Worse: NaN is born"):
            Worse.apply(x)
        with pytest.raises(RuntimeError, match=r"backward of sqrt"):
            tg.cat([x, (x * 0).sqrt() * 0]).sum().backward()
        with pytest.raises(RuntimeError, match=r"backward of sqrt"):
            autograd.grad(((x * 0).sqrt() * 0).sum(), x, create_graph=True)


def test_networks_of_every_kind_of_operation_train_as_without_it() -> None:
    tg.manual_seed(0)
    lstm, conv = nn.LSTM(4, 5, num_layers=2), nn.Conv2d(1, 2, 3)
    sequences, images = tg.randn(3, 2, 4), tg.randn(2, 1, 8, 8)
    found = []
    for _ in range(2):
        lstm.zero_grad()
        conv.zero_grad()
        first, second = tg.split(lstm(sequences)[0], [2, 1])
        loss = (first.sum() * second.mean()).exp() + conv(images).relu().amax((2, 3)).var()
        loss.backward()
        found.append([p.grad.tolist() for p in (*lstm.parameters(), *conv.parameters())])
        autograd.set_detect_anomaly(True)
    autograd.set_detect_anomaly(False)
    assert found[0] == found[1]


def test_large_arrays_are_watched_too() -> None:
    x = tg.zeros(1 << 18, requires_grad=True)
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="backward of sqrt"):
        (x.sqrt() * 0).sum().backward()
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="log: NaN is born"):
        (x - 1).log()


def test_without_check_nan_only_errors_get_the_line() -> None:
    class Fails(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise KeyError("mine")

    x = leaf(0.0)
    with autograd.detect_anomaly(check_nan=False):
        (x.sqrt() * x).sum().backward()
        here = line(1)
        y = Fails.apply(x)
        with pytest.raises(KeyError) as caught:
            y.backward()
    assert any("backward of Fails" in note and here in note for note in caught.value.__notes__)


def test_off_it_leaves_everything_as_it_was() -> None:
    def cells() -> list[Any]:
        return [cell.cell_contents for op in REGISTRY.values() for cell in op.call.__closure__]  # type: ignore

    with autograd.detect_anomaly():
        assert tg.is_anomaly_enabled()
    before, walk = cells(), autograd.walk  # type: ignore[attr-defined]
    x = leaf(4.0, 1.0)
    with autograd.set_detect_anomaly(True):
        assert autograd.walk is not walk  # type: ignore[attr-defined]
        y = (x.sqrt() * x).sum()
        with autograd.detect_anomaly(check_nan=False):
            assert not tg.is_anomaly_check_nan_enabled()
        assert tg.is_anomaly_check_nan_enabled()
        y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad, 2 * 1.5 * np.sqrt([4.0, 1.0]))
    assert not tg.is_anomaly_enabled()
    assert autograd.walk is walk  # type: ignore[attr-defined]
    assert "__init__" not in vars(Node)
    assert all(one is other for one, other in zip(before, cells(), strict=True))
    autograd.set_detect_anomaly(True)
    autograd.set_detect_anomaly(False)
    assert "__init__" not in vars(Node)
