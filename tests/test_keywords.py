"""Operations called in all the ways in which PyTorch's are: by keyword, with NumPy's words, into ``out=``."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")

X, Y = [[1.0, -2.0, 3.0], [4.0, 0.5, -6.0]], [[2.0, 1.0, 0.5], [3.0, -1.0, 2.0]]


def both(call: Any) -> tuple[Any, Any]:
    """What ``call(library, x, y)`` gives here and with PyTorch."""
    return tuple(call(library, library.tensor(X), library.tensor(Y)) for library in (tg, torch))


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x, y: lib.sum(x, axis=0),
        lambda lib, x, y: x.sum(axis=1, keepdims=True),
        lambda lib, x, y: x.mean(axis=(0, 1), keepdims=True),
        lambda lib, x, y: lib.max(x, axis=1, keepdims=True).values,
        lambda lib, x, y: lib.max(input=x, other=y),
        lambda lib, x, y: x.argmax(axis=1, keepdims=True),
        lambda lib, x, y: lib.cat(tensors=[x, y], axis=1),
        lambda lib, x, y: lib.stack([x, y], axis=-1),
        lambda lib, x, y: lib.softmax(x, axis=0),
        lambda lib, x, y: lib.unsqueeze(input=x, dim=1),
        lambda lib, x, y: x.unsqueeze(axis=0),
        lambda lib, x, y: lib.exp(input=x),
        lambda lib, x, y: lib.sub(input=x, other=y, alpha=2),
        lambda lib, x, y: lib.add(x, y, alpha=-0.5),
        lambda lib, x, y: x.add(y, alpha=3),
        lambda lib, x, y: x.sub(other=y, alpha=3),
        lambda lib, x, y: x.add_(y, alpha=2),
        lambda lib, x, y: x.sub_(2.0, alpha=2),
        lambda lib, x, y: x.div(y, rounding_mode="floor"),
        lambda lib, x, y: x.div_(y, rounding_mode="trunc"),
        lambda lib, x, y: x.pow(exponent=2),
        lambda lib, x, y: lib.matmul(x, other=y.T),
        lambda lib, x, y: lib.mm(x, mat2=y.T),
        lambda lib, x, y: lib.transpose(x, dim0=0, dim1=1),
        lambda lib, x, y: lib.mul(2, x),
        lambda lib, x, y: lib.flip(x, dims=(0, 1)),
        lambda lib, x, y: lib.permute(input=x, dims=(1, 0)),
        lambda lib, x, y: x.view(size=(3, 2)),
        lambda lib, x, y: lib.broadcast_to(x, size=(4, 2, 3)),
        lambda lib, x, y: x.repeat(repeats=(2, 2)),
        lambda lib, x, y: lib.repeat_interleave(x, lib.tensor([1, 0, 2]), dim=1, output_size=3),
        lambda lib, x, y: lib.repeat_interleave(lib.tensor([1, 0, 2])),
        lambda lib, x, y: lib.exp(x, out=lib.empty(0)),
        lambda lib, x, y: lib.add(x, y, out=x),
        lambda lib, x, y: lib.sum(x, 0, out=lib.zeros(3, dtype=lib.float64)),
        lambda lib, x, y: lib.max(x, 1, out=(lib.zeros(2), lib.zeros(2, dtype=lib.int64))).indices,
    ],
)
def test_a_call_means_what_it_means_in_pytorch(call: Any) -> None:
    ours, theirs = both(call)
    numpy.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x, y: lib.exp([1.0]),
        lambda lib, x, y: lib.exp(1.0),
        lambda lib, x, y: lib.exp(),
        lambda lib, x, y: lib.add([1.0], [2.0]),
        lambda lib, x, y: lib.sum([1.0, 2.0]),
        lambda lib, x, y: lib.sum(x, colour=1),
        lambda lib, x, y: lib.sum(x, dim=0, axis=0),
        lambda lib, x, y: lib.relu(x, colour=x),
        lambda lib, x, y: x.add(y, out=x),
        lambda lib, x, y: lib.add(x),
        lambda lib, x, y: lib.add(x, y, out=lib.zeros(2, 3, dtype=lib.int64)),
        lambda lib, x, y: lib.mul(x.requires_grad_(), y, out=lib.zeros(2, 3)),
        lambda lib, x, y: lib.mul(x, y, out=lib.zeros(2, 3, requires_grad=True)),
        lambda lib, x, y: lib.mul(x, y, out=[1.0]),
        lambda lib, x, y: lib.add(x.long(), y.long(), alpha=0.5),
        lambda lib, x, y: lib.maximum(x, 0.0),
        lambda lib, x, y: lib.minimum(0.0, x),
        lambda lib, x, y: x.logical_and(1),
        lambda lib, x, y: lib.isclose(x, 1.0),
        lambda lib, x, y: lib.eq(2, x),
        lambda lib, x, y: lib.flip(x, dim=(0, 1)).flip(dims=0, colour=1),
    ],
)
def test_a_wrong_call_is_refused_with_pytorchs_class_of_error(call: Any) -> None:
    with pytest.raises((TypeError, RuntimeError)) as theirs:
        call(torch, torch.tensor(X), torch.tensor(Y))
    with pytest.raises(theirs.type):
        call(tg, tg.tensor(X), tg.tensor(Y))


def test_alpha_and_keywords_record() -> None:
    x, y = (tg.tensor(data, requires_grad=True) for data in (X, Y))
    tg.sub(x, other=y, alpha=3).sum(axis=0).sum().backward()
    assert (x.grad == 1).all()
    assert (y.grad == -3).all()


def test_an_out_with_entries_of_another_shape_is_not_resized() -> None:
    x = tg.tensor(X)
    with pytest.raises(tg.ShapeError, match=r"exp: the result has shape \(2, 3\)"):
        tg.exp(x, out=tg.zeros(4))


def test_out_writes_the_memory_of_a_view() -> None:
    base = tg.zeros(2, 3)
    tg.exp(tg.zeros(3), out=base[1])
    assert base.tolist() == [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
