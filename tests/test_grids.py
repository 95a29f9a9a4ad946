"""Grids, combinations, indices of triangles, and makers with all of PyTorch's keywords."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")


def plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if not hasattr(value, "numpy"):
        return value
    return numpy.round(value.detach().numpy(), 5).tolist(), str(value.dtype).removeprefix("torch."), tuple(value.shape)


def agrees(call: Any) -> bool:
    """Whether a call gives here what it gives with PyTorch; where that raises, an error of the same class."""
    try:
        expected = call(torch)
    except Exception as error:
        with pytest.raises(type(error)):
            call(tg)
        return True
    return bool(plain(call(tg)) == plain(expected))


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.meshgrid(lib.arange(2), lib.arange(3), indexing="ij"),
        lambda lib: lib.meshgrid(lib.arange(2), lib.arange(3), indexing="xy"),
        lambda lib: lib.meshgrid([lib.arange(2), lib.tensor(5), lib.arange(3)], indexing="xy"),
        lambda lib: lib.meshgrid(lib.arange(2), indexing="xy"),
        lambda lib: lib.meshgrid(lib.ones(2, 2), indexing="ij"),
        lambda lib: lib.meshgrid(lib.arange(2), lib.ones(2), indexing="ij"),
        lambda lib: lib.meshgrid(lib.arange(2), indexing="yx"),
        lambda lib: lib.cartesian_prod(lib.arange(2), lib.arange(3)),
        lambda lib: lib.cartesian_prod(lib.arange(2)),
        lambda lib: lib.cartesian_prod(lib.arange(2), lib.arange(1), lib.arange(2)),
        lambda lib: lib.combinations(lib.arange(4)),
        lambda lib: lib.combinations(lib.tensor([1.0, 2.0]), r=3, with_replacement=True),
        lambda lib: lib.combinations(lib.arange(2), r=3),
        lambda lib: lib.combinations(lib.arange(2), r=0),
        lambda lib: lib.combinations(lib.ones(2, 2)),
        lambda lib: lib.combinations(lib.arange(2), r=-1),
        lambda lib: lib.vander(lib.tensor([1.0, 2.0, 3.0])),
        lambda lib: lib.vander(lib.tensor([1, 2, 3]), N=2, increasing=True),
        lambda lib: lib.vander(lib.tensor([1.0, 2.0]), N=0),
        lambda lib: lib.vander(lib.ones(2, 2)),
        lambda lib: lib.tril_indices(3, 4),
        lambda lib: lib.tril_indices(3, 2, offset=-1, dtype=lib.int32),
        lambda lib: lib.triu_indices(3, 4, 1, device="cpu", layout=lib.strided),
        lambda lib: lib.triu_indices(0, 4),
        lambda lib: lib.tril_indices(-1, 4),
        lambda lib: lib.logspace(0, 2, 5),
        lambda lib: lib.logspace(0, 3, 4, base=2, dtype=lib.float64),
        lambda lib: lib.scalar_tensor(3),
        lambda lib: lib.scalar_tensor(3, dtype=lib.int64),
        lambda lib: lib.asarray([1.0, 2.0], requires_grad=True).requires_grad,
        lambda lib: lib.asarray(numpy.ones(2), dtype=lib.float32),
        lambda lib: lib.arange(5, out=lib.empty(0)),
        lambda lib: lib.arange(end=3),
        lambda lib: lib.arange(start=1, end=3, step=0.5, dtype=lib.float64, layout=lib.strided),
        lambda lib: lib.zeros(2, 3, layout=lib.strided, pin_memory=False, device=lib.device("cpu")),
        lambda lib: lib.zeros(2, out=lib.ones(2)),
        lambda lib: lib.ones(size=(2, 1), dtype=lib.int64),
        lambda lib: lib.full((2,), 1.5, out=lib.empty(2)),
        lambda lib: lib.zeros_like(lib.ones(2), memory_format=lib.preserve_format, layout=lib.strided),
        lambda lib: lib.ones_like(input=lib.zeros(2), dtype=lib.int64, requires_grad=False),
        lambda lib: lib.eye(2, 3, out=lib.empty(0)),
        lambda lib: lib.linspace(0, 1, steps=3, requires_grad=True).requires_grad,
        lambda lib: lib.tensor([1.0], pin_memory=False),
        lambda lib: lib.randn(2, 3, generator=None, out=None, layout=lib.strided).shape[0],
        lambda lib: lib.zeros(2, colour=3),
        lambda lib: lib.arange(),
    ],
)
def test_a_maker_makes_what_pytorchs_makes(call: Any) -> None:
    assert agrees(call)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: lib.meshgrid(x, x * 2, indexing="xy")[0] * lib.meshgrid(x, x * 2, indexing="xy")[1],
        lambda lib, x: lib.cartesian_prod(x, x**2),
        lambda lib, x: lib.combinations(x, 2),
    ],
)
def test_gradients_flow_through_grids(call: Any) -> None:
    gradients = []
    for library in (tg, torch):
        x = library.tensor([1.0, 2.0, 3.0], dtype=library.float64, requires_grad=True)
        out = call(library, x)
        (out * out).sum().backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-9)


def test_asarray_shares_memory_unless_told_otherwise() -> None:
    array = numpy.zeros(2)
    tg.asarray(array)[0] = 1.0
    tg.asarray(array, copy=True)[1] = 1.0
    assert array.tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="copy"):
        tg.asarray(array, dtype=tg.float32, copy=False)
