"""Products beyond matmul."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

RNG = numpy.random.default_rng(3)
NAN = float("nan")


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("factors", [{}, {"beta": 0.5, "alpha": -2.0}, {"beta": 0}])
@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("addmm", [(3,), (2, 4), (4, 3)]),
        ("addmv", [(), (2, 4), (4,)]),
        ("addr", [(2, 1), (2,), (3,)]),
        ("baddbmm", [(1, 2, 3), (5, 2, 4), (5, 4, 3)]),
        ("addbmm", [(2, 3), (5, 2, 4), (5, 4, 3)]),
    ],
)
def test_products_with_something_added(
    agree: Callable[..., None], torch: Any, name: str, shapes: Any, factors: Any, dtype: str
) -> None:
    arrays = [drawn(*shape).astype(dtype) for shape in shapes]
    agree(
        lambda *operands: getattr(tg, name)(*operands, **factors),
        lambda *operands: getattr(torch, name)(*operands, **factors),
        *arrays,
        order=2,
    )


def test_a_beta_of_zero_hides_nan() -> None:
    out = tg.addmm(tg.tensor([NAN]), tg.ones(1, 1), tg.ones(1, 1), beta=0)
    assert out.tolist() == [[1.0]]


def test_what_is_added_must_fit_in_shape_and_dtype() -> None:
    with pytest.raises(RuntimeError):
        tg.addmm(tg.ones(4), tg.ones(2, 4), tg.ones(4, 3))
    with pytest.raises(RuntimeError):
        tg.addmm(tg.ones(3, dtype=tg.float64), tg.ones(2, 4), tg.ones(4, 3))
    with pytest.raises(RuntimeError):
        tg.ones(3).addmm_(tg.ones(2, 4), tg.ones(4, 3))


def test_factors_of_integer_products_are_cut_as_pytorch_cuts_them(agree: Callable[..., None], torch: Any) -> None:
    x, y = numpy.array([2, 3]), numpy.array([[1, 2], [3, 4]])
    agree(
        lambda x, y: tg.addmm(x, y, y, beta=0.6, alpha=1.7),
        lambda x, y: torch.addmm(x, y, y, beta=0.6, alpha=1.7),
        x,
        y,
    )
    with pytest.raises(RuntimeError):
        tg.addr(tg.tensor(y), tg.tensor(x), tg.tensor(x), beta=0.6)


def test_addmm_in_place_is_recorded(agree: Callable[..., None]) -> None:
    agree(
        lambda x, a, b: (x * 2).addmm_(a, b, alpha=3),
        lambda x, a, b: (x * 2).addmm_(a, b, alpha=3),
        drawn(2, 3),
        drawn(2, 4),
        drawn(4, 3),
    )


@pytest.mark.parametrize(
    ("shapes", "dims"),
    [
        ([(2, 3, 4), (4, 3, 5)], ([1, 2], [1, 0])),
        ([(2, 3), (3, 2)], 2),
        ([(2,), (3,)], 0),
        ([(2, 3), (3, 4)], 1),
        ([(2, 0), (0, 4)], 1),
        ([(2, 1), (3, 4)], ([1], [0])),
    ],
)
def test_tensordot_sums_over_the_axes_named(agree: Callable[..., None], torch: Any, shapes: Any, dims: Any) -> None:
    if shapes == [(2, 3), (3, 2)]:
        shapes = [(2, 3), (2, 3)]
    agree(
        lambda a, b: tg.tensordot(a, b, dims),
        lambda a, b: torch.tensordot(a, b, dims),
        *(drawn(*shape) for shape in shapes),
        order=2 if all(map(all, shapes)) else 1,
    )


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("inner", [(2, 4), (3, 4)]),
        ("inner", [(), (3,)]),
        ("vdot", [(4,), (4,)]),
        ("ger", [(2,), (3,)]),
        ("kron", [(2, 3), (4,)]),
        ("kron", [(2,), (1, 3, 2)]),
        ("cross", [(2, 3), (2, 3)]),
        ("cross", [(3, 2), (3, 2)]),
    ],
)
@pytest.mark.filterwarnings("ignore:Using torch.cross without specifying the dim")
def test_products_of_whole_tensors(agree: Callable[..., None], torch: Any, name: str, shapes: Any) -> None:
    agree(getattr(tg, name), getattr(torch, name), *(drawn(*shape) for shape in shapes), order=2)


def test_products_of_linalg(agree: Callable[..., None], torch: Any) -> None:
    agree(tg.linalg.cross, torch.linalg.cross, drawn(2, 1, 3), drawn(1, 4, 3), order=2)
    agree(tg.linalg.vecdot, torch.linalg.vecdot, drawn(2, 3), drawn(3), order=2)
    agree(lambda x: tg.linalg.vander(x, N=4), lambda x: torch.linalg.vander(x, N=4), drawn(2, 3), order=2)
    agree(tg.trace, torch.trace, drawn(3, 2), order=2)
    agree(lambda x: tg.linalg.diagonal(x, offset=1), lambda x: torch.linalg.diagonal(x, offset=1), drawn(2, 3, 3))
    agree(
        lambda *parts: tg.chain_matmul(*parts), lambda *parts: torch.linalg.multi_dot(parts), drawn(2, 3), drawn(3, 4)
    )


def test_sizes_that_do_not_fit_are_refused() -> None:
    for call in (
        lambda: tg.inner(tg.ones(2), tg.ones(3)),
        lambda: tg.tensordot(tg.ones(2, 3), tg.ones(2, 3), 1),
        lambda: tg.cross(tg.ones(2), tg.ones(2)),
        lambda: tg.trace(tg.ones(3)),
        lambda: tg.linalg.multi_dot([tg.ones(2, 3)]),
        lambda: tg.linalg.multi_dot([tg.ones(2, 3), tg.ones(4, 5)]),
    ):
        with pytest.raises(RuntimeError):
            call()


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ii", [(3, 3)]),
        ("iij->ji", [(3, 3, 2)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ba", [(2, 3)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
        ("i...,i...", [(2, 3), (2, 4, 3)]),
        ("i,j,ij->", [(2,), (3,), (2, 3)]),
        ("ijk,jil,kl->", [(2, 3, 4), (3, 2, 5), (4, 5)]),
        ("ij,ij->ij", [(1, 3), (2, 3)]),
        (" i j , j -> i ", [(2, 3), (3,)]),
        (",i->i", [(), (3,)]),
    ],
)
def test_einsum_reads_every_form_of_equation(
    agree: Callable[..., None], torch: Any, equation: str, shapes: Any
) -> None:
    agree(
        lambda *operands: tg.einsum(equation, *operands),
        lambda *operands: torch.einsum(equation, *operands),
        *(drawn(*shape) for shape in shapes),
        order=2,
    )


def test_einsum_takes_lists_of_numbers_too(agree: Callable[..., None], torch: Any) -> None:
    agree(
        lambda a, b: tg.einsum(a, [..., 0, 1], b, [1, 2], [..., 2, 0]),
        lambda a, b: torch.einsum(a, [..., 0, 1], b, [1, 2], [..., 2, 0]),
        drawn(2, 3, 4),
        drawn(4, 5),
    )


@pytest.mark.parametrize("equation", ["ij,jk->ikl", "ij->i", "i,j->ij->", "i1", "ij..,j", "ii->ii", "ij,jk->iik"])
def test_einsum_refuses_what_it_cannot_read(torch: Any, equation: str) -> None:
    count = equation.split("->")[0].count(",") + 1
    shapes = [(2, 2), (2, 2)][:count] if equation != "ij->i" else [(2,)]
    with pytest.raises(RuntimeError):
        torch.einsum(equation, *(torch.ones(shape) for shape in shapes))
    with pytest.raises(RuntimeError):
        tg.einsum(equation, *(tg.ones(shape) for shape in shapes))
