"""The checks are worth something only if they fail when a rule is wrong: here rules are broken on purpose.

Every rule of every registered primitive is broken in three ways; then come the subtler faults, on primitives made for
the purpose.
"""

import copy
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import tinygrad_mp.ops
from tinygrad_mp import walk
from tinygrad_mp.backend import unregister_backend, xp
from tinygrad_mp.calls import call_for
from tinygrad_mp.domains import Axes, Positive, Real
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.primitive import primitive
from tinygrad_mp.registry import GIVEN_G, IS_G, MINUS_G, REGISTRY, Op
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.testing import check_primitive, checks, strict
from tinygrad_mp.testing.sampling import Case, sample_cases

for _module in pkgutil.walk_packages(tinygrad_mp.ops.__path__, "tinygrad_mp.ops."):
    importlib.import_module(_module.name)
NAMES = sorted(name for name, op in REGISTRY.items() if op.call.__module__.startswith("tinygrad_mp."))
RULES = [(name, position) for name in NAMES for position, rule in enumerate(REGISTRY[name].rules) if rule is not None]


@pytest.fixture(autouse=True)
def _leave_the_registry_as_it_was() -> Iterator[None]:
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def scaled(g: Any) -> Any:
    return g * 1.01


def negated(g: Any) -> Any:
    return -g


def shifted(g: Any) -> Any:
    return g + 0.001


def _broken(op: Op, position: int, change: Callable[..., Any]) -> Op:
    """A copy of a primitive with one rule replaced: ``change(rule)`` is the new one."""
    wrong = copy.copy(op)
    kind, function, first, picks, params = op.rules[position]  # type: ignore[misc]
    rule = (GIVEN_G if kind in (IS_G, MINUS_G) else kind, change(function), first, picks, params)
    wrong.rules = (*op.rules[:position], rule, *op.rules[position + 1 :])
    wrong.links = {}
    wrong.call = call_for(wrong)
    return wrong


def _after(op: Op, change: Callable[[Any], Any]) -> Callable[..., Any]:
    """For :func:`_broken`: pass what the rule returns through ``change``."""

    def wrap_rule(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrong(*args: Any, **kwargs: Any) -> Any:
            right = function(*args, **kwargs)
            return tuple(map(change, right)) if op.variadic else change(right)

        return wrong

    return wrap_rule


def _catches(check: Callable[[Op, Case], None], op: Op, examples: int = 30) -> bool:
    for case in sample_cases(op, examples, seed=1):
        try:
            check(op, case)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize(("name", "position"), RULES, ids=[f"{name}-{position}" for name, position in RULES])
def test_no_rule_of_any_primitive_can_be_wrong_unseen(name: str, position: int) -> None:
    op = REGISTRY[name]
    for change in (scaled, negated, shifted):
        seen = _catches(checks.check_gradient, _broken(op, position, _after(op, change)))
        vanishes = change is not shifted and _is_always_zero(op, position)
        assert seen or vanishes, f"rule {position} of {name}, {change.__name__}, passes the check"


def _is_always_zero(op: Op, position: int) -> bool:
    """Whether a gradient is zero everywhere, as floor's: then only a shift makes it wrong."""
    for case in sample_cases(op, 30, seed=1):
        run = checks.Run(op, case)
        for chosen, gradient in zip(run.chosen, run.gradients(), strict=True):
            if chosen == position and gradient.array.any():
                return False
    return True


@pytest.mark.parametrize("name", ["mul", "div", "tanh"])
def test_a_detached_residue_is_seen_by_the_second_order_check(name: str) -> None:
    def detached(value: Any) -> Any:
        return wrap(value.result_class, value.array) if isinstance(value, TensorBase) else value

    op = REGISTRY[name]
    position = len(op.rules) - 1
    wrong = _broken(op, position, lambda function: lambda g, *saved: function(g, *map(detached, saved)))
    assert not _catches(checks.check_second_order, op)
    assert not _catches(checks.check_gradient, wrong)
    assert _catches(checks.check_second_order, wrong)


def test_a_gradient_that_is_not_summed_over_broadcast_axes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(g: Any, primal: Any) -> Any:
        return g if g.ndim == len(primal.shape) else g.reshape(-1)[: numpy.prod(primal.shape, dtype=int)]

    monkeypatch.setattr(walk, "project", forgetful)
    assert _catches_anything(mul.op)


def _catches_anything(op: Op) -> bool:
    try:
        check_primitive(op, examples=30)
    except (AssertionError, ValueError):
        return True
    return False


def _fails(operation: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_primitive(operation, examples=40)


def test_a_float64_scalar_in_the_forward_is_seen() -> None:
    @primitive(x=lambda g: g * 2.0, linear=True)
    def leaky_double(x: Real) -> Any:
        return x * numpy.float64(2.0)

    _fails(leaky_double, "float32 in, float64 out")


def test_a_float64_scalar_in_a_rule_is_seen_although_the_engine_casts_back() -> None:
    @primitive(x=lambda g: g * numpy.float64(2.0), linear=True)
    def leaky_rule(x: Real) -> Any:
        return x * 2.0

    _fails(leaky_rule, "a rule computes in float64")


def test_an_operation_that_writes_into_its_input_is_seen() -> None:
    @primitive(x=lambda g: g)
    def scribble(x: Real) -> Any:
        x += 1.0
        return x

    _fails(scribble, "changed its input|no output|wrong")


def test_a_rule_that_writes_into_the_cotangent_is_seen() -> None:
    def rule(g: Any) -> Any:
        g *= 2.0
        return g

    @primitive(x=rule)
    def double_in_place(x: Real) -> Any:
        return x * 2.0

    _fails(double_in_place, "changed the cotangent|wrong")


def test_a_rule_right_to_seven_digits_is_seen_by_the_complex_step() -> None:
    @primitive(x=lambda g, out: g * out * (1.0 + 1e-9))
    def nearly_exp(x: Real) -> Any:
        return xp(x).exp(x)

    _fails(nearly_exp, "by a complex step")


def test_a_wrong_adjoint_is_seen_to_twelve_digits() -> None:
    @primitive(x=lambda g: g * (2.0 + 1e-11), linear=True)
    def nearly_double(x: Real) -> Any:
        return abs(x + 1.0) + abs(x + 1.0) - 2.0 if False else x + x

    _fails(nearly_double, "adjoint|A\\^T|complex step")


def test_a_primitive_that_calls_itself_linear_and_is_not_is_seen() -> None:
    @primitive(x=lambda g, x: 2.0 * g * x, linear=True)
    def square_called_linear(x: Real) -> Any:
        return x * x

    _fails(square_called_linear, "A x, y")


def test_a_reference_that_disagrees_is_seen() -> None:
    @primitive(x=lambda g, x: 2.0 * g * x, reference=lambda x: x * x * x)
    def fused_square(x: Real) -> Any:
        return x * x

    _fails(fused_square, "its reference")


def test_a_result_that_depends_on_the_order_of_axes_is_seen() -> None:
    @primitive(x=lambda g, x_shape: 0.0 * g, linear=True)
    def total(x: Real, *, dim: Axes) -> Any:
        return x.sum(axis=dim, keepdims=True)

    _fails(total, "wrong")


def test_numpy_called_on_a_device_array_is_seen() -> None:
    @primitive(x=lambda g, x: g / x)
    def log_by_numpy(x: Positive) -> Any:
        return numpy.log(x)

    check_primitive(log_by_numpy)
    strict.register()
    try:
        with pytest.raises(TypeError, match="call the function of xp"):
            checks.check_on_device(log_by_numpy.op, sample_cases(log_by_numpy.op, 1)[0])  # type: ignore[attr-defined]
    finally:
        unregister_backend("strict")
