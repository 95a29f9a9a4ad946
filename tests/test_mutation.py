"""In-place operations give the gradients that PyTorch gives, through views too, or raise."""

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import TapeError

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")


def add_to_a_result(t, x):
    y = x * 2
    y += x
    return y * y


def multiply_by_what_is_recorded(t, x):
    y = x * 2
    y *= x
    return y


def exp_in_place(t, x):
    y = x * 1
    y.exp_()
    return y * x


def sine_needs_what_it_overwrites(t, x):
    y = x * 1
    y.sin_()
    return y


def set_a_slice(t, x):
    y = x * 2
    y[1:] = x[:-1] * 3
    return y * y


def set_a_row_to_a_number(t, x):
    y = x * 2
    y[0] = 5.0
    return y * y


def set_by_mask(t, x):
    y = x * 2
    y[x > 0] = 1.5
    return y * y


def set_by_integer_array(t, x):
    y = x * 2
    y[t.tensor([0, 2])] = x[:2] * x[1:3]
    return y * y


def set_by_mixed_index(t, x):
    y = x * 2
    y[1:, t.tensor([0, 2])] = x[:3, :2]
    return y * y


def write_into_constant_memory(t, x):
    buffer = t.zeros(4, 3, dtype=x.dtype)
    for i in range(4):
        buffer[i] = x[i] * (i + 1)
    return buffer * buffer


def change_a_view_then_use_the_base(t, x):
    y = x * 2
    row = y[1]
    row.mul_(x[0])
    return y * x


def change_the_base_then_use_the_view(t, x):
    y = x * 2
    row = y[1]
    y.mul_(x)
    return row * 3


def change_a_view_of_a_view(t, x):
    y = x * 2
    part = y.transpose(0, 1)[1:]
    part[0] += x[:, 2]
    return y * y + part.sum()


def change_a_view_of_constant_memory(t, x):
    y = t.ones(4, 3, dtype=x.dtype)
    column = y[:, 0]
    column.add_(x[:, 1])
    return y * x


def two_views_of_one_base(t, x):
    y = x * 2
    a, b = y[:2], y[1:]
    a.mul_(2)
    b.add_(x[1:])
    return (a * a).sum() + b.sum()


def change_through_reshape(t, x):
    y = x * 2
    flat = y.view(-1)
    flat[3:7] = 0.0
    return y * y


def unsqueeze_and_change(t, x):
    y = x * 1
    y.unsqueeze(0)[0, 2] *= 4
    return y * y


def detach_and_change(t, x):
    y = x * 1
    y.detach().add_(1.0)
    return y * 3


def zero_a_result(t, x):
    y = x * 2
    z = y * 1
    z.zero_()
    return z + y


def copy_with_broadcasting(t, x):
    y = t.zeros(4, 3, dtype=x.dtype)
    y.copy_(x[0])
    return y * x


def fill_and_add(t, x):
    y = x * 2
    y[0].fill_(3.0)
    y[1:].add_(1.0)
    return y * y


def clamp_in_place(t, x):
    y = x * 2
    y.clamp_(-0.5, 0.5)
    return y * x


def masked_fill_in_place(t, x):
    y = x * 2
    y.masked_fill_(x > 0, 1.5)
    return y * x


def a_chunk_in_place_without_grad(t, x):
    y = t.ones(4, 3, dtype=x.dtype)
    y.chunk(2)[1].zero_()
    return y * x


def running_total(t, x):
    total = t.zeros(3, dtype=x.dtype)
    for row in x:
        total += row * row
    return total


PROGRAMS = [value for value in list(globals().values()) if callable(value) and getattr(value, "__code__", None)
            and value.__code__.co_varnames[:2] == ("t", "x")]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_gradients_equal_those_of_pytorch(program):
    values = np.random.default_rng(7).standard_normal((4, 3))
    mine = tg.tensor(values, requires_grad=True)
    theirs = torch.tensor(values, requires_grad=True)
    result, expected = program(tg, mine), program(torch, theirs)
    np.testing.assert_allclose(result.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    (result * result).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_second_derivatives_equal_those_of_pytorch(program):
    values = np.random.default_rng(7).standard_normal((4, 3))
    mine, theirs = tg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    (g,) = tg.grad((program(tg, mine) ** 2).sum(), mine, create_graph=True)
    (h,) = torch.autograd.grad((program(torch, theirs) ** 2).sum(), theirs, create_graph=True)
    (g * g * g).sum().backward()
    (h * h * h).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_an_in_place_change_of_a_leaf_raises_and_changes_nothing():
    x = tg.ones(2, requires_grad=True)
    for change in (lambda: x.add_(1), lambda: x.__setitem__(0, 5.0), lambda: x[0].mul_(2), lambda: x.zero_()):
        with pytest.raises(TapeError, match=r"(?s)leaf that requires a gradient.*no_grad"):
            change()
    assert x.tolist() == [1.0, 1.0]


def test_without_recording_a_leaf_and_its_views_change_in_memory():
    x = tg.ones(2, 2, requires_grad=True)
    memory = x.array
    with tg.no_grad():
        x += 1
        x[0] *= 3
        x.T[1].zero_()
    assert x.is_leaf
    assert memory.tolist() == [[6.0, 0.0], [2.0, 0.0]]


def test_overwriting_a_value_that_the_tape_needs_raises_at_backward():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    z = y * y
    y += 1
    with pytest.raises(TapeError, match=r"(?s)backward of mul needs its input x.*overwrote.*clone"):
        z.sum().backward()


def test_overwriting_an_output_that_the_tape_needs_raises_at_backward():
    x = tg.ones(2, requires_grad=True)
    y = x.exp()
    y += 1
    with pytest.raises(TapeError, match="backward of exp needs its output"):
        y.sum().backward()


def test_overwriting_through_a_detached_alias_raises_too():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    z = y * y
    y.detach()[0] = 7.0
    with pytest.raises(TapeError, match="overwrote"):
        z.sum().backward()


def test_a_step_of_an_optimizer_between_forward_and_backward_raises():
    w = tg.nn.Parameter(tg.ones(2))
    optimizer = tg.optim.SGD([w], lr=0.1)
    x = tg.ones(2, requires_grad=True)
    loss = (x * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(TapeError, match="overwrote"):
        loss.backward()


def test_overwriting_a_value_that_no_rule_needs_is_fine():
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    z = y + 1
    y += 1
    (z + y).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_in_place_keeps_shape_and_dtype_or_raises():
    with pytest.raises(tg.ShapeError, match=r"(?s)\(3, 2\).*must keep \(2,\)"):
        tg.ones(2).add_(tg.ones(3, 2))
    with pytest.raises(tg.DTypeError, match=r"(?s)float32.*int64"):
        tg.tensor([1, 2]).add_(0.5)
    half = tg.ones(2, dtype=tg.float32)
    half += tg.ones(2, dtype=tg.float64)
    assert half.dtype == tg.float32


def test_writing_into_an_expanded_tensor_raises():
    with pytest.raises(tg.ShapeError, match=r"(?s)shared.*clone"):
        tg.ones(1, 2).expand(3, 2).zero_()


def test_changes_through_numpy_memory_are_seen():
    array = np.zeros(3, dtype=np.float32)
    tensor = tg.from_numpy(array)
    tensor[1] = 2.0
    array[2] = 3.0
    assert tensor.tolist() == [0.0, 2.0, 3.0]
    assert array.tolist() == [0.0, 2.0, 3.0]
