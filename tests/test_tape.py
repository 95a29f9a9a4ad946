"""What the tape promises: derivatives of any order, early freeing, hooks, modes, and errors that name the remedy."""

import math
import operator
import threading

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import TapeError, dtypes, primitive
from tinygrad_mp.tape import wrap


def leaf(*values: float) -> tg.Tensor:
    return tg.tensor(list(values), dtype=tg.float64, requires_grad=True)


def test_gradients_of_a_value_used_twice_add_up():
    x = leaf(1.0, 2.0)
    y = x * x
    (y + y * x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2 + 3, 4 + 12])


@pytest.mark.parametrize("shape", [(), (3,)])
def test_what_is_subtracted_from_a_gradient_that_has_begun(shape):
    x, c = (tg.ones(shape, dtype=tg.float32).requires_grad_() for _ in range(2))
    for step in range(1, 4):
        ((x * 2 - c) * 4 - c).sum().backward()
        assert (c.grad.dtype, c.grad.shape) == (tg.float32, shape)
        np.testing.assert_array_equal(c.grad, np.full(shape, -5 * step))
        np.testing.assert_array_equal(x.grad, np.full(shape, 8 * step))
    wide = tg.ones((2, 3), requires_grad=True)
    (wide - c - c).sum().backward()
    np.testing.assert_array_equal(c.grad, np.full(shape, -15 - 2 * 6 // math.prod(shape)))


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
@pytest.mark.parametrize("number", [2.5, -3, 0.0, -0.0, 1e-6, 1e5, 10**400, float("nan"), float("-inf"), True])
def test_a_number_beside_a_tensor_counts_as_numpy_counts_it(number, dtype):
    array = np.array([0.25, -2.0, 3.0], dtype)
    x = tg.tensor(array, requires_grad=True)
    for function in (operator.add, operator.sub, operator.mul, operator.truediv):
        for swapped in (False, True):
            with np.errstate(all="ignore"):
                try:
                    expected = function(number, array) if swapped else function(array, number)
                except OverflowError:
                    with pytest.raises(tg.DTypeError):
                        function(x, number)
                    continue
                for _ in range(2):  # the second time from the cache
                    out = function(number, x) if swapped else function(x, number)
                    assert out.dtype == expected.dtype == dtype
                    np.testing.assert_array_equal(out.detach(), expected)
                    np.testing.assert_array_equal(np.signbit(out.detach().numpy()), np.signbit(expected))


def test_numbers_that_change_all_the_time_fill_no_memory():
    x = tg.ones(3)
    for step in range(5000):
        x * (1 + step / 7)
    assert len(dtypes._constants) <= dtypes._MANY_CONSTANTS


def test_second_backward_names_the_op_and_the_remedy():
    y = leaf(1.0).exp().sum()
    y.backward()
    with pytest.raises(TapeError, match=r"(?s)second time through (sum|exp).*retain_graph=True"):
        y.backward()


def test_retain_graph_lets_backward_run_again_and_gradients_add():
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_backward_frees_the_tape_as_it_passes():
    x = leaf(3.0)
    y = x.exp()
    z = y.sum()
    node = y.node
    assert any(value is not None for value in node.saved)
    z.backward()
    assert node.saved is None
    assert node.parents == ()


def test_only_the_values_that_rules_of_needed_inputs_name_are_kept():
    data, weight = tg.rand(2, 3), tg.rand(3, 4).requires_grad_()
    saved = [value for value in (data @ weight).node.saved if isinstance(value, np.ndarray)]
    assert len(saved) == 1
    assert saved[0] is data.array


def test_third_derivative_of_a_power():
    x = leaf(2.0)
    y = x**5
    for expected in (5 * 2**4, 20 * 2**3, 60 * 2**2):
        (y,) = tg.grad(y.sum(), x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_grad_returns_gradients_of_values_on_the_way_and_touches_no_grad():
    x = leaf(2.0)
    y = x * 3
    z = (y * y).sum()
    gx, gy = tg.grad(z, [x, y])
    assert (gx.tolist(), gy.tolist()) == ([36.0], [12.0])
    assert x.grad is None


def test_grad_does_not_walk_where_no_input_lies():
    calls = []

    @primitive(x=lambda g: calls.append(1) or g)
    def watched_identity(x):
        return x.copy()

    x, other = leaf(1.0), leaf(1.0)
    tg.grad((x * 2 + watched_identity(other)).sum(), x)
    assert calls == []


def test_an_unused_input_is_an_error_unless_allowed():
    x, unused = leaf(1.0), leaf(1.0)
    y = (x * 2).sum()
    with pytest.raises(TapeError, match=r"(?s)input 1.*allow_unused=True"):
        tg.grad(y, [x, unused], retain_graph=True)
    assert tg.grad(y, [x, unused], allow_unused=True, retain_graph=True)[1] is None
    assert tg.grad(y, [x, unused], materialize_grads=True)[1].tolist() == [0.0]


def test_backward_on_a_non_scalar_asks_for_a_gradient_of_its_shape():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(tg.ShapeError, match=r"(?s)shape \(2,\).*loss.sum\(\)"):
        y.backward()
    with pytest.raises(tg.ShapeError, match=r"shape \(3,\)"):
        y.backward(tg.ones(3))


def test_backward_without_anything_recorded_says_so():
    with pytest.raises(TapeError, match=r"(?s)does not require a gradient.*requires_grad=True"):
        tg.ones(1).backward()


def test_a_gradient_shares_memory_with_nothing():
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    g = tg.ones(2, dtype=tg.float64)
    (x + y).backward(g)
    arrays = [x.grad.array, y.grad.array, g.array, x.array, y.array]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_no_gradient_is_written_when_backward_fails():
    x, y = leaf(1.0), leaf(2.0)
    middle = y.exp()
    z = (x * 2 + middle).sum()
    with tg.no_grad():
        middle.mul_(0)
    with pytest.raises(TapeError, match="overwrote"):
        z.backward()
    assert x.grad is None
    assert y.grad is None


def test_no_grad_records_nothing_and_enable_grad_inside_it_does():
    x = leaf(1.0)
    with tg.no_grad():
        assert not (x * 2).requires_grad
        with tg.enable_grad():
            assert (x * 2).requires_grad
        assert not tg.is_grad_enabled()
    assert (x * 2).requires_grad


def test_modes_decorate_functions_and_come_back_after_an_error():
    @tg.no_grad()
    def fails():
        assert not tg.is_grad_enabled()
        raise KeyError("on purpose")

    @tg.no_grad
    def bare(x):
        return x * 2

    with pytest.raises(KeyError):
        fails()
    assert tg.is_grad_enabled()
    assert not bare(leaf(1.0)).requires_grad


def test_set_grad_enabled_works_as_a_call_as_a_context_and_as_a_decorator():
    tg.set_grad_enabled(False)
    assert not tg.is_grad_enabled()
    tg.set_grad_enabled(True)
    with tg.set_grad_enabled(False):
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()

    @tg.set_grad_enabled(False)
    def off():
        return tg.is_grad_enabled()

    assert tg.is_grad_enabled()
    assert off() is False
    assert tg.is_grad_enabled()


def test_each_thread_has_its_own_mode():
    seen = []
    with tg.no_grad():
        thread = threading.Thread(target=lambda: seen.append((leaf(1.0) * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_hook_sees_and_may_replace_the_complete_cotangent():
    x = leaf(1.0)
    y = x * 2
    seen = []
    handle = y.register_hook(lambda g: seen.append(g.item()) or g * 10)
    (y * 3 + y * 4).sum().backward(retain_graph=True)
    assert seen == [7.0]
    assert x.grad.tolist() == [140.0]
    handle.remove()
    x.grad = None
    (y * 3).sum().backward()
    assert x.grad.tolist() == [6.0]


def test_a_hook_on_a_leaf_runs_before_its_gradient_is_stored():
    x = leaf(1.0, 1.0)
    x.register_hook(lambda g: g * 2)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_a_hook_may_ask_for_gradients_of_the_same_graph():
    x = leaf(2.0)
    y = x * x
    z = (x * y).sum()
    entered, inner = [], []

    def hook(g):
        if not entered:  # the pass it starts comes by here again
            entered.append(True)
            inner.append(tg.grad(z, x, retain_graph=True)[0].item())

    y.register_hook(hook)
    (y * 3).sum().backward(retain_graph=True)
    assert inner == [12.0]
    assert x.grad.tolist() == [12.0]


def test_retain_grad_keeps_the_gradient_of_a_result():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4.0]
    assert x.grad.tolist() == [8.0]


def test_create_graph_gives_gradients_that_can_be_differentiated():
    x = leaf(3.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    assert tg.grad(x.grad.sum(), x)[0].item() == pytest.approx(18.0)


def test_gradient_penalty_of_a_broadcast_network():
    """d/dw of |dy/dx|^2 for y = tanh(x @ w + b), checked against central differences."""
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((5, 3)), rng.standard_normal((3, 2)), rng.standard_normal(2)

    def penalty(w_array: np.ndarray) -> tg.Tensor:
        tx, tw, tb = (tg.tensor(a, requires_grad=True) for a in (x, w_array, b))
        (g,) = tg.grad((tx @ tw + tb).tanh().sum(), tx, create_graph=True)
        value = (g * g).sum()
        return value, tw

    value, tw = penalty(w)
    value.backward()
    numerical = np.zeros_like(w)
    for index in np.ndindex(*w.shape):
        step = np.zeros_like(w)
        step[index] = 1e-6
        numerical[index] = (penalty(w + step)[0].item() - penalty(w - step)[0].item()) / 2e-6
    np.testing.assert_allclose(tw.grad.numpy(), numerical, rtol=1e-6, atol=1e-8)


def test_backward_with_inputs_adds_to_those_only():
    x, w = leaf(2.0), leaf(5.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None
    assert w.grad.tolist() == [2.0]


def test_gradients_of_several_outputs_add_up():
    x = leaf(1.0, 2.0)
    tg.autograd.backward([(x * 2).sum(), (x * x).sum()])
    assert x.grad.tolist() == [4.0, 6.0]


def test_requires_grad_on_integers_names_the_dtype_and_the_remedy():
    with pytest.raises(tg.DTypeError, match=r"(?s)int64.*\.float\(\)"):
        tg.tensor([1, 2]).requires_grad_()
    with pytest.raises(tg.DTypeError, match="int64"):
        tg.tensor([1, 2], requires_grad=True)


def test_a_primitive_with_a_missing_or_unknown_rule_fails_when_it_is_defined():
    with pytest.raises(TypeError, match="no rule for"):

        @primitive(x=lambda g: g)
        def lacks_a_rule(x, y):
            return x + y

    with pytest.raises(TypeError, match=r"names 'z'"):

        @primitive(x=lambda g, z: g * z)
        def names_the_unknown(x):
            return x

    with pytest.raises(TypeError, match="cotangent g first"):

        @primitive(x=lambda x, g: g * x)
        def cotangent_last(x):
            return x * x


def test_a_user_primitive_gets_derivatives_of_every_order():
    @primitive(x=lambda g, x: 3 * g * x * x)
    def cubed(x):
        return x * x * x

    x = leaf(2.0)
    (first,) = tg.grad(cubed(x).sum(), x, create_graph=True)
    (second,) = tg.grad(first.sum(), x)
    assert (first.item(), second.item()) == (12.0, 12.0)
    assert tg.testing.gradgradcheck(cubed, (x,))


def test_the_result_of_a_parameter_is_a_plain_tensor():
    parameter = tg.nn.Parameter(tg.ones(2))
    assert type(parameter * 2) is tg.Tensor
    assert type(2 * parameter) is tg.Tensor


def test_a_subclass_keeps_its_class():
    class Marked(tg.Tensor):
        __slots__ = ()

    x = wrap(Marked, np.ones(2))
    assert type(x * 2) is Marked
    assert type(x.exp()) is Marked


def test_threads_with_tapes_of_their_own_may_share_leaves():
    x = leaf(1.0, 2.0, 3.0)
    wrong = []

    def work(factor: float) -> None:
        for _ in range(300):
            (g,) = tg.grad((x * factor * x + x).sum(), x)
            if g.tolist() != [2 * factor * value + 1 for value in (1.0, 2.0, 3.0)]:
                wrong.append(g)

    threads = [threading.Thread(target=work, args=(factor,)) for factor in (2.0, 3.0, 4.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_two_walks_of_different_threads_in_one_tape_are_found_out():
    x = leaf(1.0)
    y = x * 2
    z = (y * 3 + y * 4).sum()
    errors = []

    def other() -> None:
        try:
            tg.grad(z, x, retain_graph=True)
        except TapeError as error:
            errors.append(error)

    def meet(g: tg.Tensor) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    entered = []
    middle = y * 3
    z = (middle + y * 4).sum()
    middle.register_hook(lambda g: entered.append(1) or meet(g) if not entered else None)
    try:
        z.backward(retain_graph=True)
    except TapeError as error:
        errors.append(error)
    assert errors
    assert all("two threads" in str(error) for error in errors)
