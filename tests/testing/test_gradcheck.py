"""gradcheck passes what is right, refuses what it cannot judge, and teaches when something is wrong."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.primitive import primitive
from tinygrad_mp.registry import REGISTRY
from tinygrad_mp.testing import GradcheckError, gradcheck, gradgradcheck
from tinygrad_mp.testing.strict import register


@pytest.fixture(autouse=True)
def _leave_the_registry_as_it_was() -> Any:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def _input(*shape: int, seed: int = 0) -> Any:
    values = numpy.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return tg.tensor(values, requires_grad=True)


def _wrong(rule: Callable[..., Any], forward: Callable[..., Any] = lambda x: x * x) -> Any:
    return primitive(x=rule, name="wrong in a test")(lambda x: forward(x))


def _message(function: Callable[..., Any], *inputs: Any, **options: Any) -> str:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(function, inputs, **options)
    return str(caught.value)


@pytest.mark.parametrize("fast", [True, False])
def test_passes_right_gradients_of_several_inputs_and_outputs(fast: bool) -> None:
    x, y = _input(2, 3), _input(3, seed=1)
    assert gradcheck(lambda x, y: (x * y, (x + y).sum(), x.tanh()), (x, y), fast_mode=fast)
    assert gradgradcheck(lambda x, y: (x * y * y, (x + y).sum(), x.tanh()), (x, y), fast_mode=fast)


def test_passes_inputs_that_are_not_tensors_and_outputs_without_gradient() -> None:
    assert gradcheck(lambda x, factor, labels: (x * factor, x > 1), (_input(3), 2.0, tg.tensor([1, 2])))
    assert gradgradcheck(lambda x, factor: (x * x * factor, x > 1), (_input(3), 2.0))


def test_passes_zero_dimensional_and_empty_inputs() -> None:
    assert gradcheck(lambda x: x * x, _input())
    assert gradcheck(lambda x: x * x, _input(0, 3))
    assert gradcheck(lambda x: x.sum(), _input(0), fast_mode=False)


def test_checks_parameters_of_a_layer_that_the_function_holds() -> None:
    layer = tg.nn.Linear(3, 2).double()
    assert gradcheck(lambda x, *_: layer(x), (_input(4, 3), *layer.parameters()))


def test_leaves_inputs_and_gradients_as_they_were() -> None:
    x = _input(2, 3)
    before = x.array.copy()
    gradcheck(lambda x: x * x, x)
    assert (x.array == before).all()
    assert x.grad is None


def test_a_constant_factor_is_named() -> None:
    text = _message(_wrong(lambda g, x: 3.0 * g * x), _input(4))
    assert "the gradient of the output with respect to input 0 is wrong" in text
    assert "every entry is 1.5 times too large: a constant factor in a rule" in text


def test_a_wrong_sign_is_named() -> None:
    assert "the sign is wrong in every entry" in _message(_wrong(lambda g, x: -2.0 * g * x), _input(4))


def test_a_cut_tape_is_named() -> None:
    text = _message(lambda x, y: x.detach() * x.detach() + y, _input(3), _input(3, seed=1))
    assert "backward gives zero: the input was detached" in text


def test_a_transposed_gradient_is_named() -> None:
    text = _message(_wrong(lambda g: g.T, lambda x: x * 1.0), _input(3, 3))
    assert "it is the transpose of what it should be" in text


def test_not_a_number_is_named() -> None:
    assert "backward gives NaN or infinity" in _message(_wrong(lambda g, x: 2.0 * g * x * float("nan")), _input(3))


def test_the_worst_entry_is_found_and_marked_in_a_large_jacobian() -> None:
    def rule(g: Any, x: Any) -> Any:
        mask = numpy.ones(40)
        mask[17] = 1.5
        return 2.0 * g * x * mask

    text = _message(_wrong(rule), _input(40))
    assert "worst entry: d output[17] / d input 0[17]" in text
    assert "around the worst of 40 x 40" in text
    assert "[17]" in text
    assert "*" in text
    assert len(text.splitlines()) < 30


def test_the_message_tells_which_output_and_which_input() -> None:
    wrong = _wrong(lambda g, x: 2.02 * g * x)
    text = _message(lambda x, y: (x + y, x * wrong(y)), _input(2), _input(2, seed=1))
    assert "the gradient of output 1 with respect to input 1 is wrong" in text


def test_float32_is_refused_with_the_remedy() -> None:
    text = _message(lambda x: x * x, tg.tensor([1.0, 2.0], requires_grad=True))
    assert "input 0 is float32" in text
    assert "fix: make it float64" in text


def test_nothing_to_check_is_an_error() -> None:
    assert "no input requires a gradient" in _message(lambda x: x * x, tg.tensor([1.0]))
    assert "no output requires a gradient" in _message(lambda x: (x * x).detach(), _input(2))
    assert "returns a ndarray" in _message(lambda x: x.detach().numpy(), _input(2))
    with pytest.raises(GradcheckError, match="no output requires a gradient"):
        gradgradcheck(lambda x: (x * x).detach(), _input(2))


def test_a_function_that_is_not_deterministic_is_refused() -> None:
    calls = itertools.count()
    assert "differ between two calls" in _message(lambda x: x * float(next(calls)), _input(2))
    assert gradcheck(lambda x: x * (1.0 + 1e-14 * next(calls)), _input(2), nondet_tol=1e-9)


def test_a_function_that_changes_its_input_is_refused() -> None:
    def change(x: Any) -> Any:
        y = x * x
        x.array[0] += 1.0
        return y

    assert "changes input 0 in place" in _message(change, _input(2))


def test_inputs_that_share_memory_are_refused() -> None:
    memory = numpy.ones(3)
    x, y = tg.from_numpy(memory).requires_grad_(), tg.from_numpy(memory[1:]).requires_grad_()
    assert "input 0 and input 1 share memory" in _message(lambda x, y: x.sum() + y.sum(), x, y)
    wide = tg.tensor(numpy.ones(1)).expand(3).requires_grad_()
    assert "elements of input 0 share memory" in _message(lambda x: x * x, wide)


def test_returns_false_where_asked_not_to_raise() -> None:
    assert not gradcheck(_wrong(lambda g, x: g * x), _input(2), raise_exception=False)
    assert not gradgradcheck(lambda x: (x * x).detach(), _input(2), raise_exception=False)


def test_a_wrong_second_order_is_seen_by_gradgradcheck_alone() -> None:
    wrong = _wrong(lambda g, x: 2.0 * g * x.detach() if isinstance(x, tg.Tensor) else 2.0 * g * x)
    x = _input(3)
    assert gradcheck(wrong, x)
    with pytest.raises(GradcheckError, match="with respect to input 0 is wrong"):
        gradgradcheck(wrong, x)


def test_checks_functions_on_other_devices() -> None:
    register()
    try:
        x = tg.tensor([0.5, 2.0], dtype="float64", device="strict", requires_grad=True)
        assert gradcheck(lambda x: x * x.tanh(), x)
        assert gradgradcheck(lambda x: x * x.tanh(), x, fast_mode=False)
        assert "every entry is 1.5 times" in _message(_wrong(lambda g, x: 3.0 * g * x), x)
    finally:
        unregister_backend("strict")
