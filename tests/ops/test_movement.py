"""Moving, joining and splitting: what is a view, what PyTorch's arguments mean, what errors say."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from tinygrad_mp import tensor
from tinygrad_mp.autograd import grad
from tinygrad_mp.errors import IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops import copying, joining, movement, reduction

X = numpy.arange(24.0).reshape(2, 3, 4)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


# Name, our room, arguments: PyTorch has the same function with the same arguments.
SAME_AS_PYTORCH = [
    ("reshape", movement, ((4, -1),)),
    ("flatten", movement, ()),
    ("flatten", movement, (1,)),
    ("flatten", movement, (0, -2)),
    ("squeeze", movement, ()),
    ("squeeze", movement, (0,)),
    ("unsqueeze", movement, (-1,)),
    ("unsqueeze", movement, (0,)),
    ("transpose", movement, (0, -1)),
    ("swapaxes", movement, (1, 2)),
    ("permute", movement, ((2, 0, -2),)),
    ("movedim", movement, (0, -1)),
    ("movedim", movement, ((0, 1), (2, 0))),
    ("broadcast_to", movement, ((5, 2, 3, 4),)),
    ("tile", copying, ((2,),)),
    ("tile", copying, ((2, 1, 1, 3),)),
    ("repeat_interleave", copying, (2,)),
    ("repeat_interleave", copying, (2, 1)),
    ("flip", copying, ((0, -1),)),
    ("roll", copying, (2,)),
    ("roll", copying, ((1, -2), (0, 2))),
    ("tril", copying, ()),
    ("tril", copying, (1,)),
    ("triu", copying, (-1,)),
    ("narrow", joining, (1, -2, 2)),
    ("split", joining, (2, 2)),
    ("split", joining, (3, -1)),
    ("split", joining, ((1, 0, 3), 2)),
    ("chunk", joining, (3, 2)),
    ("chunk", joining, (3, 1)),
    ("chunk", joining, (5,)),
    ("unbind", joining, ()),
    ("unbind", joining, (-1,)),
    ("diagonal", joining, ()),
    ("diagonal", joining, (1, -1, 0)),
    ("diagonal", joining, (-9,)),
]


@pytest.mark.parametrize(("name", "room", "arguments"), SAME_AS_PYTORCH)
def test_values_views_and_gradients_are_pytorchs(torch: Any, name: str, room: Any, arguments: Any) -> None:
    x, y = tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    mine, right = getattr(room, name)(x, *arguments), getattr(torch, name)(y, *arguments)
    if not isinstance(mine, tuple):
        mine, right = (mine,), (right,)
    assert len(mine) == len(right)
    total, expected = 0.0, 0.0
    for one, other in zip(mine, right, strict=True):
        numpy.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
        shared = other.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
        if one.numel():
            assert numpy.shares_memory(one.array, x.array) == shared
        total = reduction.sum(one * one * one) + total
        expected = (other**3).sum() + expected
    (g,) = grad(total, [x])
    expected.backward()
    numpy.testing.assert_allclose(g.numpy(), y.grad.numpy())


def test_sizes_may_come_as_numbers_or_as_one_sequence() -> None:
    x = tensor(X)
    assert movement.reshape(x, 6, 4).shape == movement.reshape(x, [6, 4]).shape == (6, 4)
    assert movement.permute(x, 1, 0, 2).shape == movement.permute(x, (1, 0, 2)).shape == (3, 2, 4)
    assert movement.expand(x[:1], 5, -1, -1).shape == movement.expand(x[:1], (5, -1, -1)).shape == (5, 3, 4)
    assert copying.repeat(x, 1, 2, 0).shape == copying.repeat(x, [1, 2, 0]).shape == (2, 6, 0)
    assert copying.flip(x, 0, 1).shape == X.shape


@pytest.mark.parametrize("shape", [(5,), (-1, 5), (-1, -1), (-2, 12)])
def test_reshape_to_an_impossible_shape_says_what_there_is(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"(?s)\(2, 3, 4\) with 24 entries.*fix:"):
        movement.reshape(tensor(X), shape)


def test_view_shows_memory_or_raises_and_names_reshape() -> None:
    x = tensor(X)
    assert numpy.shares_memory(movement.view(x, 6, -1).array, x.array)
    strided = movement.transpose(x, 0, 1)
    assert numpy.shares_memory(movement.view(strided, 3, 2, 2, 2).array, x.array)
    with pytest.raises(ShapeError, match=r"(?s)view: .*reshape"):
        movement.view(strided, 6, 4)
    assert movement.reshape(strided, 6, 4).shape == (6, 4)
    assert movement.view(movement.contiguous(strided), 6, 4).shape == (6, 4)


def test_contiguous_copies_only_when_it_must() -> None:
    x = tensor(X)
    assert movement.contiguous(x) is x
    assert movement.contiguous(movement.reverse_axes(x)).array.flags.c_contiguous


@pytest.mark.parametrize(
    ("pad", "shape"),
    [
        ((1, 2), (2, 3, 7)),
        ((0, 0, 1, 0), (2, 4, 4)),
        ((-1, -1, 2, -1), (2, 4, 2)),
        ((), (2, 3, 4)),
        ((1,) * 6, (4, 5, 6)),
    ],
)
def test_pad_is_pytorchs_with_crops(torch: Any, pad: Any, shape: Any) -> None:
    x, y = tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    mine, right = joining.pad(x, pad, value=1.5), torch.nn.functional.pad(y, pad, value=1.5)
    assert mine.shape == shape
    numpy.testing.assert_array_equal(mine.detach().numpy(), right.detach().numpy())
    (g,) = grad(reduction.sum(mine * mine), [x])
    (right * right).sum().backward()
    numpy.testing.assert_array_equal(g.numpy(), y.grad.numpy())


def test_pad_refuses_what_it_cannot_do() -> None:
    x = tensor(X)
    for pad in ((1,), (1,) * 8, (-5, 4)):
        with pytest.raises(ShapeError):
            joining.pad(x, pad)
    with pytest.raises(SettingError, match="reflect"):
        joining.pad(x, (1, 1), mode="reflect")


def test_joining_promotes_dtypes_and_leaves_out_nothing_but_empty_vectors() -> None:
    joined = joining.cat([tensor([1, 2]), tensor([0.5])])
    assert joined.dtype == numpy.dtype("float32")
    assert joining.stack([tensor([1]), tensor([1.5])]).dtype == numpy.dtype("float32")
    assert joining.cat([tensor(numpy.zeros(0)), tensor(X)], 1).shape == (2, 3, 4)


def test_a_tensor_joined_with_itself_gets_both_gradients() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    (g,) = grad(reduction.sum(joining.cat([x, x * 2.0]) * tensor([1.0, 2.0, 3.0, 4.0])), [x])
    numpy.testing.assert_array_equal(g.numpy(), [7.0, 10.0])
    (g,) = grad(reduction.sum(joining.stack([x, x], 1)), [x])
    numpy.testing.assert_array_equal(g.numpy(), [2.0, 2.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: joining.cat([x, movement.transpose(x, 0, 1)]), r"(?s)\(2, 3, 4\), \(3, 2, 4\) differ.*fix:"),
        (lambda x: joining.stack([x, x[0]]), r"(?s)shapes differ.*cat"),
        (lambda x: joining.cat([]), "cat: no tensors"),
        (lambda x: joining.cat([x[0, 0, 0], x[0, 0, 0]]), "stack"),
        (lambda x: joining.split(x, 0), "size 0"),
        (lambda x: joining.split(x, (1, 2)), r"\(1, 2\) do not add up to 2"),
        (lambda x: joining.chunk(x, 0), "0 chunks"),
        (lambda x: joining.diagonal(x, 0, 1, 1), "same axis"),
        (lambda x: movement.expand(x, 2, 3, 5), r"\(2, 3, 4\) does not expand to \(2, 3, 5\)"),
        (lambda x: movement.expand(x, -1, 2, 3, 4), "does not expand"),
        (lambda x: movement.permute(x, 0, 1), "each of the 3 axes once"),
        (lambda x: movement.permute(x, 0, 1, 1), "each of the 3 axes once"),
        (lambda x: movement.flatten(x, 2, 1), "comes after"),
        (lambda x: movement.matrix_transpose(x[0, 0]), "at least 2 axes"),
        (lambda x: copying.tril(x[0, 0]), "at least 2 axes"),
        (lambda x: copying.repeat(x, 2), r"(?s)repeat by \(2,\).*tile"),
        (lambda x: copying.flip(x, 0, 0), "twice"),
        (lambda x: copying.roll(x, (1, 2), 0), "2 shifts for 1 dims"),
    ],
)
def test_shapes_that_do_not_fit_raise_and_say_why(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call(tensor(X))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: joining.narrow(x, 0, 1, 2),
        lambda x: joining.unbind(x[0, 0, 0]),
        lambda x: movement.unsqueeze(x, 4),
        lambda x: movement.transpose(x, 0, 3),
        lambda x: joining.cat([x, x], 3),
    ],
)
def test_axes_and_slices_out_of_range_raise(call: Any) -> None:
    with pytest.raises(IndexRangeError):
        call(tensor(X))


def test_one_writes_through_a_diagonal_but_not_through_the_copies() -> None:
    x = tensor(X[0].copy())
    assert joining.diagonal(x).array.flags.writeable
    for copy in (
        copying.flip(x, 0),
        copying.roll(x, 0, 0),
        copying.repeat(x, 1, 1),
        joining.pad(x, (0, 0)),
        copying.tril(x),
    ):
        assert not numpy.shares_memory(copy.array, x.array)


def test_tensors_without_axes_move_too() -> None:
    x = tensor(3.0)
    assert movement.flatten(x).shape == movement.unsqueeze(x, 0).shape == (1,)
    assert movement.transpose(x, 0, -1).shape == movement.reverse_axes(x).shape == movement.squeeze(x, 0).shape == ()
    assert copying.repeat(x, 2, 2).shape == (2, 2)
    assert copying.flip(x, 0).item() == 3.0
