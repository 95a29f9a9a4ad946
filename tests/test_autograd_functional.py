"""``autograd.functional`` against PyTorch: values, structure of results, errors; and the arguments of ``grad``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")


def arrays(value: Any) -> Any:
    """Nested tuples of tensors as nested tuples of arrays."""
    return tuple(map(arrays, value)) if isinstance(value, tuple) else np.asarray(value.detach())


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, tuple):
        assert isinstance(ours, tuple)
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


X, Y = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]]), np.array([0.2, 1.1, -0.4])
FUNCTIONS: dict[str, Any] = {
    "one to one": (lambda of, x: x.exp() * x, (X,)),
    "one to scalar": (lambda of, x: (x**3).sum().reshape(1), (X,)),
    "two to one": (lambda of, x, y: x @ y * y.sum(), (X, Y)),
    "two to two": (lambda of, x, y: ((x * y).sum(0), of.sin(y)), (X, Y)),
    "constant": (lambda of, x, y: (of.ones(2, dtype=of.float64), x.sum()), (X, Y)),
}
SCALARS: dict[str, Any] = {
    "one": (lambda of, x: (x**3 * x.sin()).sum(), (X,)),
    "two": (lambda of, x, y: (x**2 @ y * y.sum()).sum(), (X, Y)),
    "second unused": (lambda of, x, y: (x**3).sum(), (X, Y)),
    "linear": (lambda of, x: x.sum(), (X,)),
}


def both(name: str, case: tuple[Any, Any], *vectors: Any, **options: Any) -> tuple[Any, Any]:
    function, inputs = case
    found = []
    for of in (tg, torch):
        given = tuple(of.tensor(value, dtype=of.float64) for value in inputs)
        rest = [tuple(of.tensor(value, dtype=of.float64) for value in vector) for vector in vectors]
        if len(given) == 1:
            given, rest = given[0], [v[0] if name != "vjp" and len(v) == 1 else v for v in rest]  # type: ignore
        rest = [v[0] if isinstance(v, tuple) and len(v) == 1 else v for v in rest]
        call = getattr(of.autograd.functional, name)
        found.append(arrays(call(lambda *args, of=of: function(of, *args), given, *rest, **options)))
    return found[0], found[1]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("case", FUNCTIONS)
@pytest.mark.parametrize("name", ["vjp", "jvp", "jacobian"])
def test_first_order(name: str, case: str, create_graph: bool) -> None:
    function, inputs = FUNCTIONS[case]
    outputs = function(torch, *map(torch.tensor, inputs))
    shapes = [out.shape for out in (outputs if isinstance(outputs, tuple) else (outputs,))]
    rng = np.random.default_rng(0)
    if name == "jacobian":
        vectors = []
    else:
        vectors = [tuple(rng.standard_normal(s) for s in (shapes if name == "vjp" else [v.shape for v in inputs]))]
    if create_graph and case == "constant" and name == "jvp":
        create_graph = False  # PyTorch itself fails there
    assert_same(*both(name, FUNCTIONS[case], *vectors, create_graph=create_graph))


@pytest.mark.parametrize("case", SCALARS)
@pytest.mark.parametrize("name", ["hessian", "hvp", "vhp"])
def test_second_order(name: str, case: str) -> None:
    rng = np.random.default_rng(0)
    vectors = [] if name == "hessian" else [tuple(rng.standard_normal(value.shape) for value in SCALARS[case][1])]
    assert_same(*both(name, SCALARS[case], *vectors))


def test_results_are_recorded_only_if_asked_for() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    functional = tg.autograd.functional
    assert not functional.jacobian(lambda x: x**2, x).requires_grad
    out, pulled = functional.vjp(lambda x: x**2, x, tg.ones(2))
    assert not out.requires_grad
    assert not pulled.requires_grad
    recorded = functional.jacobian(lambda x: x**2, x, create_graph=True)
    (g,) = tg.autograd.grad(recorded.sum(), x)
    assert g.tolist() == [2.0, 2.0]
    _, product = functional.hvp(lambda x: (x**4).sum(), x, tg.ones(2), create_graph=True)
    (g,) = tg.autograd.grad(product.sum(), x)
    assert g.tolist() == [24.0, 48.0]
    assert x.grad is None


def test_no_grad_outside_is_no_obstacle() -> None:
    with tg.no_grad():
        assert tg.autograd.functional.jacobian(lambda x: x**2, tg.ones(1)).tolist() == [[2.0]]


WRONG: dict[str, Any] = {
    "constant, strictly": lambda of: of.autograd.functional.jacobian(lambda x: of.ones(3), of.ones(2), strict=True),
    "unused, strictly": lambda of: of.autograd.functional.jacobian(
        lambda x, y: x, (of.ones(2), of.ones(2)), strict=True
    ),
    "strictly vectorized": lambda of: of.autograd.functional.jacobian(
        lambda x: x, of.ones(2), strict=True, vectorize=True
    ),
    "forward mode": lambda of: of.autograd.functional.jacobian(lambda x: x, of.ones(2), strategy="forward-mode"),
    "no tensor": lambda of: of.autograd.functional.jacobian(lambda x: 3, of.ones(2)),
    "a list": lambda of: of.autograd.functional.jacobian(lambda x: x, [of.ones(2)]),
    "no scalar": lambda of: of.autograd.functional.hessian(lambda x: x, of.ones(2)),
    "a tuple": lambda of: of.autograd.functional.hessian(lambda x: (x.sum(), x), of.ones(2)),
    "linear, strictly": lambda of: of.autograd.functional.hessian(lambda x: x.sum(), of.ones(2), strict=True),
    "no vector": lambda of: of.autograd.functional.vjp(lambda x: x, of.ones(2)),
    "a vector of another shape": lambda of: of.autograd.functional.vjp(lambda x: x, of.ones(2), of.ones(3)),
    "too many vectors": lambda of: of.autograd.functional.jvp(lambda x: x, of.ones(2), (of.ones(2), of.ones(2))),
    "integers": lambda of: of.autograd.functional.jacobian(lambda x: x, of.ones(2, dtype=of.int64)),
    "grad of nothing": lambda of: of.autograd.grad(of.ones(1, requires_grad=True).sum(), []),
    "backward into nothing": lambda of: of.ones(1, requires_grad=True).sum().backward(inputs=[]),
    "unused": lambda of: of.autograd.grad(of.ones(1, requires_grad=True).sum(), of.ones(1, requires_grad=True)),
    "unused, materialized": lambda of: of.autograd.grad(
        of.ones(1, requires_grad=True).sum(),
        of.ones(1, requires_grad=True),
        allow_unused=False,
        materialize_grads=True,
    ),
    "several entries": lambda of: of.autograd.grad((x := of.ones(2, requires_grad=True)) * 2, x),
    "not batched": lambda of: of.autograd.grad(
        (x := of.ones(2, requires_grad=True)) * 2, x, of.ones(2), is_grads_batched=True
    ),
    "a Variable of a list": lambda of: of.autograd.Variable([1.0]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_raises_what_torch_raises(case: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever it is
        WRONG[case](torch)
    with pytest.raises(theirs.type) as ours:
        WRONG[case](tg)
    assert isinstance(ours.value, tg.TinygradError)


def test_grad_takes_torchs_arguments_in_torchs_order() -> None:
    for of in (tg, torch):
        x, y = (of.tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
        found = of.autograd.grad((x**2).sum(), (value for value in [x, y]), None, True, True, True, True)
        assert found[0].tolist() == [4.0, 6.0]
        assert found[1] is None
        zeros = of.autograd.grad((x**2).sum(), [y], materialize_grads=True)
        assert zeros[0].tolist() == [0.0, 0.0]
        named = of.autograd.grad((x**2).sum(), {"first": x})
        assert named["first"].tolist() == [4.0, 6.0]


def test_batched_cotangents_give_stacked_gradients() -> None:
    found = []
    for of in (tg, torch):
        x = of.tensor([0.5, 2.0], dtype=of.float64, requires_grad=True)
        rows = of.tensor(np.arange(6.0).reshape(3, 2))
        (g,) = of.autograd.grad(x**3, x, rows, is_grads_batched=True, create_graph=True)
        (h,) = of.autograd.grad(g.sum(), x)
        found.append((np.asarray(g.detach()), np.asarray(h)))
    assert_same(found[0], found[1])


def test_variable_is_a_leaf_over_the_same_memory() -> None:
    x = tg.ones(2)
    y = tg.autograd.Variable(x, requires_grad=True)
    assert y.is_leaf
    assert y.requires_grad
    assert not x.requires_grad
    assert y.data_ptr() == x.data_ptr()
    assert isinstance(x, tg.autograd.Variable)
    assert not isinstance(3, tg.autograd.Variable)


def test_hooks_on_saved_tensors_are_left_out_with_a_clear_error() -> None:
    with pytest.raises(NotImplementedError, match="saved_tensors_hooks"):
        tg.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x)
