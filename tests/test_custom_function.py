"""``autograd.Function``: gradients at every order, whatever forward takes and returns, and errors as PyTorch's."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import autograd
from tinygrad_mp.autograd.function import once_differentiable


def leaf(*values: float, of: Any = tg) -> Any:
    return of.tensor(list(values), dtype=of.float64, requires_grad=True)


def function(of: Any, forward: Any, backward: Any, **methods: Any) -> Any:
    """A Function of our package or of torch from plain functions."""
    static = {"forward": forward, "backward": backward, **methods}
    return type("Made", (of.autograd.Function,), {name: staticmethod(method) for name, method in static.items()})


def cube(of: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        y = x**3
        ctx.save_for_backward(x, y)
        return y

    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        return 3 * y / x * g  # the output too stands on the tape

    return function(of, forward, backward)


def test_derivatives_up_to_the_third_order_pass_through_saved_inputs_and_outputs() -> None:
    y = cube(tg).apply(x := leaf(2.0, -1.5)).sum()
    for expected in (3 * x**2, 6 * x, 6 + 0 * x):
        (g,) = autograd.grad(y, x, create_graph=True)
        np.testing.assert_allclose(g.detach(), expected.detach(), rtol=1e-12)
        y = g.sum()


def scaled_pair(of: Any) -> Any:
    def forward(ctx: Any, x: Any, factor: float, y: Any, name: str) -> Any:
        a, b = x * factor, x * y
        ctx.save_for_backward(x, y, b)
        ctx.factor = factor
        return a, None, b, b.argmax()

    def backward(ctx: Any, ga: Any, none: Any, gb: Any, gi: Any) -> Any:
        x, y, b = ctx.saved_tensors
        assert none is None
        assert ctx.needs_input_grad == (True, False, y.requires_grad, False)
        return ga * ctx.factor + gb * b / x, None, gb * x if ctx.needs_input_grad[2] else None, None

    return function(of, forward, backward)


@pytest.mark.parametrize("second_needs", [True, False])
def test_several_outputs_and_arguments_of_any_kind_equal_torch(second_needs: bool) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    found = []
    for of in (tg, torch):
        x, y = leaf(1.0, 2.0, -3.0, of=of), leaf(0.5, 1.0, 2.0, of=of).requires_grad_(second_needs)
        a, none, b, index = scaled_pair(of).apply(x, 2.5, y, "name")
        assert none is None
        assert not index.requires_grad
        inputs = [x, y] if second_needs else [x]
        first = of.autograd.grad((a * b).sum(), inputs, create_graph=True)
        second = of.autograd.grad(sum(g.sum() for g in first), inputs)
        only_b = of.autograd.grad(scaled_pair(of).apply(x, 2.5, y, "name")[2].sum(), inputs)
        found.append([np.asarray(one.detach()) for one in (*first, *second, *only_b)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_setup_context_beside_forward_gets_inputs_with_their_defaults() -> None:
    seen = []

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        seen.append(inputs[1:])
        ctx.k = inputs[1]

    made = function(tg, lambda x, k=2.0: x * k, lambda ctx, g: (g * ctx.k, None), setup_context=setup)
    x = leaf(1.0)
    (made.apply(x) + made.apply(x, k=5.0)).sum().backward()
    assert seen == [(2.0,), (5.0,)]
    assert x.grad.tolist() == [7.0]


def test_arguments_may_be_named() -> None:
    x = leaf(1.0)
    made = function(tg, lambda ctx, x, k=2.0: x * k, lambda ctx, g: (g * 3.0, None))
    made.apply(x, k=3.0).sum().backward()
    assert x.grad.tolist() == [3.0]


def test_outputs_without_a_cotangent_give_zeros_or_none() -> None:
    seen = []

    def make(materialize: bool) -> Any:
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 1, x * 2

        return function(tg, forward, lambda ctx, g, h: seen.append(g) or h)

    for materialize in (True, False):
        make(materialize).apply(leaf(1.0, 2.0))[1].sum().backward()
    assert seen[0].tolist() == [0.0, 0.0]
    assert seen[1] is None


def test_outputs_marked_as_constant_need_no_gradient() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        y, mask = x * 2, (x > 0).double()
        ctx.mark_non_differentiable(mask)
        return y, mask

    y, mask = function(tg, forward, lambda ctx, g, h: g * 2).apply(x := leaf(1.0, -1.0))
    assert (y.requires_grad, mask.requires_grad) == (True, False)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_an_input_changed_in_place_takes_the_place_of_the_function_on_the_tape() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(3)

    tripled = function(tg, forward, lambda ctx, g: g * 3)
    x = leaf(1.0, 2.0)
    y = x * 1
    z = tripled.apply(y)
    assert z is y
    (z * z).sum().backward()
    assert x.grad.tolist() == [18.0, 36.0]
    with pytest.raises(RuntimeError, match="leaf"):
        tripled.apply(leaf(1.0))
    not_returned = function(tg, lambda ctx, x: ctx.mark_dirty(x) or x * 1, lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="does not return"):
        not_returned.apply(leaf(1.0) * 1)


def test_an_input_given_back_as_it_is_becomes_another_tensor() -> None:
    straight_through = function(tg, lambda ctx, x: x, lambda ctx, g: g * 10)
    x = leaf(1.0)
    y = straight_through.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [10.0]
    assert not straight_through.apply(x.detach()).requires_grad


def test_no_gradient_is_none_and_reaches_nothing() -> None:
    x, y = leaf(1.0), leaf(2.0)
    nothing = function(tg, lambda ctx, x, y: x * y, lambda ctx, g: (None, g))
    nothing.apply(x, y).sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [1.0]
    assert autograd.grad(nothing.apply(x, y).sum(), [x], allow_unused=True) == (None,)


def test_gradients_share_memory_with_nothing() -> None:
    kept = tg.ones(2, dtype=tg.float64)
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    made = function(tg, lambda ctx, x, y: x * y, lambda ctx, g: (kept, kept))
    for _ in range(3):
        made.apply(x, y).sum().backward()
    assert x.grad.tolist() == y.grad.tolist() == [3.0, 3.0]
    assert kept.tolist() == [1.0, 1.0]


def test_a_gradient_is_cast_and_summed_to_its_input() -> None:
    x = leaf(1.0, 2.0)
    made = function(tg, lambda ctx, x: x * 2, lambda ctx, g: tg.ones(3, 2))
    made.apply(x).sum().backward()
    assert (x.grad.dtype, x.grad.tolist()) == (tg.float64, [3.0, 3.0])


WRONG = {
    "too few": (lambda ctx, g: g, RuntimeError),
    "too many": (lambda ctx, g: (g, None, g), RuntimeError),
    "for what is no tensor": (lambda ctx, g: (g, g), RuntimeError),
    "no tensor": (lambda ctx, g: (3.0, None), RuntimeError),
    "a list": (lambda ctx, g: [g, None], RuntimeError),
    "a wrong shape": (lambda ctx, g: (g[:1].reshape(1, 1).expand(2, 5), None), RuntimeError),
    "a smaller shape": (lambda ctx, g: (g[0], None), RuntimeError),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_backward_that_returns_something_wrong_raises_as_in_torch(case: str) -> None:
    backward, error = WRONG[case]
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    for of in (tg, torch):
        x = leaf(1.0, 2.0, of=of)
        y = function(of, lambda ctx, x, k: x * k, backward).apply(x, 2.0)
        with pytest.raises(error):
            y.sum().backward()
        assert x.grad is None


def test_trailing_nones_are_allowed() -> None:
    x = leaf(1.0)
    function(tg, lambda ctx, x: x * 2, lambda ctx, g: (g, None, None)).apply(x).sum().backward()
    assert x.grad.tolist() == [1.0]


def test_what_is_wrong_before_backward_raises_as_in_torch() -> None:
    with pytest.raises(TypeError, match="argument 0 is a int"):
        function(tg, lambda ctx, x: ctx.save_for_backward(3), lambda ctx, g: g).apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="backward"):
        type("NoBackward", (autograd.Function,), {"forward": staticmethod(lambda ctx, x: x * 2)}).apply(
            leaf(1.0)
        ).sum().backward()
    with pytest.raises(NotImplementedError, match="forward"):
        type("NoForward", (autograd.Function,), {}).apply(leaf(1.0))
    with pytest.raises(TypeError):
        function(tg, lambda ctx, x: x, lambda ctx, g: g).apply(leaf(1.0), k=3)
    with pytest.raises(RuntimeError, match="apply"):
        cube(tg)()


def test_a_saved_tensor_that_was_overwritten_is_refused() -> None:
    x = leaf(1.0, 2.0) * 1
    y = cube(tg).apply(x)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="in-place"):
        y.sum().backward()


def test_a_second_backward_is_refused_and_retain_graph_allows_it() -> None:
    x = leaf(2.0)
    y = cube(tg).apply(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [24.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def sine(of: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return of.as_tensor(np.sin(x.detach().numpy()))

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return of.as_tensor(np.cos(x.detach().numpy()) * g.numpy())

    once = once_differentiable if of is tg else of.autograd.function.once_differentiable
    return function(of, forward, once(backward))


def test_once_differentiable_gives_a_first_derivative_and_refuses_a_second() -> None:
    x = leaf(0.3, 2.0)
    sine(tg).apply(x).sum().backward()
    np.testing.assert_allclose(x.grad, np.cos([0.3, 2.0]))
    (g,) = autograd.grad((sine(tg).apply(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        autograd.grad(g.sum(), x)
    # PyTorch takes the cotangent of ones for a constant here; we refuse as well
    (g,) = autograd.grad(sine(tg).apply(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        autograd.grad(g.sum(), x)


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_an_error_inside_leaves_the_engine_usable(where: str) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("mine")

    made = function(tg, fail if where == "forward" else lambda ctx, x: x * 2, fail)
    x = leaf(1.0, 2.0)
    with pytest.raises(KeyError, match="mine"):
        (made.apply(x) * x).sum().backward()
    assert tg.is_grad_enabled()
    assert x.grad is None
    cube(tg).apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]


def test_a_tape_with_functions_dies_by_reference_count() -> None:
    contexts = []

    def forward(ctx: Any, x: Any) -> Any:
        contexts.append(weakref.ref(ctx))
        a, b = x * 2, x.exp()
        ctx.save_for_backward(x, a, b)
        return a, b

    made = function(tg, forward, lambda ctx, g, h: g * 2 + h * ctx.saved_tensors[2])
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        unused, used = made.apply(x), sum(made.apply(x)).sum()
        used.backward()
        assert [one() is None for one in contexts] == [False, True]  # backward frees as it passes
        del unused
        assert contexts[0]() is None
    finally:
        gc.enable()


def test_gradcheck_judges_a_function_at_first_and_second_order() -> None:
    x = leaf(0.7, 2.0)
    assert tg.testing.gradcheck(cube(tg).apply, x)
    assert tg.testing.gradgradcheck(cube(tg).apply, x)
    wrong = function(tg, lambda ctx, x: x * 2, lambda ctx, g: g * 3)
    assert not tg.testing.gradcheck(wrong.apply, x, raise_exception=False)


def test_autograd_offers_gradcheck_with_torchs_arguments() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    for of in (tg, torch):
        x = leaf(0.7, 2.0, of=of)
        assert of.autograd.gradcheck(
            lambda x: x**3, (x,), eps=1e-6, atol=1e-4, fast_mode=True, check_batched_grad=False
        )
        assert of.autograd.gradgradcheck(lambda x: x**3, (x,), gen_non_contig_grad_outputs=False)
        wrong = function(of, lambda ctx, x: x * 2, lambda ctx, g: g * 3)
        with pytest.raises(RuntimeError):
            of.autograd.gradcheck(wrong.apply, (x,))
        assert not of.autograd.gradcheck(wrong.apply, (x,), raise_exception=False)
    with pytest.raises(NotImplementedError, match="forward mode"):
        tg.autograd.gradcheck(lambda x: x, (leaf(1.0),), check_forward_ad=True)
