"""Inverses, determinants, decompositions and what is made of them: values, gradients and second derivatives against
PyTorch, where the freedom in the signs of vectors is taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.errors import LinAlgError

RNG = numpy.random.default_rng(5)
SQUARE = RNG.normal(size=(2, 3, 3)) + 2.0 * numpy.eye(3)
POSITIVE = SQUARE @ SQUARE.swapaxes(-1, -2)
SYMMETRIC = SQUARE + SQUARE.swapaxes(-1, -2)
TALL, WIDE = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 2, 4))


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("inv", SQUARE),
        ("det", SQUARE),
        ("cholesky", POSITIVE),
        ("pinv", TALL),
        ("pinv", WIDE),
        ("svdvals", TALL),
        ("svdvals", WIDE),
        ("eigvalsh", SYMMETRIC),
        ("matrix_exp", SQUARE),
        ("cond", SQUARE),
    ],
)
def test_functions_of_one_matrix(agree: Callable[..., None], torch: Any, name: str, array: Any, dtype: str) -> None:
    order = 2 if dtype == "float64" else 0  # the tolerance of float32 is less than its condition loses
    array = array if order else array[:1] / 3 + numpy.eye(*array.shape[1:])
    agree(getattr(tg.linalg, name), getattr(torch.linalg, name), array.astype(dtype), order=order)


def squares(u: Any, s: Any, vh: Any) -> Any:
    """What does not depend on the signs of singular vectors."""
    return (u * u).sum(-2) * s + (u[..., :1, :] * u).sum(-2) + ((vh.mT * vh.mT[..., :1, :]).sum(-2)) * s


@pytest.mark.parametrize("array", [SQUARE, TALL, WIDE])
@pytest.mark.parametrize("full", [False, True])
def test_svd_up_to_signs(agree: Callable[..., None], torch: Any, array: Any, full: bool) -> None:
    size = min(array.shape[-2:])

    def of(library: Any) -> Any:
        def function(x: Any) -> Any:
            u, s, vh = library.linalg.svd(x, full_matrices=full)
            assert u.shape[-1] == (array.shape[-2] if full else size)
            return squares(u[..., :size], s, vh[..., :size, :])

        return function

    agree(of(tg), of(torch), array, order=1 if full else 2)


@pytest.mark.parametrize("upper", ["L", "U"])
def test_eigh_reads_one_triangle_and_its_gradient_is_symmetric(
    agree: Callable[..., None], torch: Any, upper: str
) -> None:
    def of(library: Any) -> Any:
        def function(x: Any) -> Any:
            values, vectors = library.linalg.eigh(x, UPLO=upper)
            return vectors * vectors * values[..., None, :] + vectors * vectors[..., :1, :]

        return function

    agree(of(tg), of(torch), SYMMETRIC, order=2)
    agree(of(tg), of(torch), SQUARE, order=0)


@pytest.mark.parametrize("array", [SQUARE, TALL, WIDE])
def test_qr_is_pytorchs(agree: Callable[..., None], torch: Any, array: Any) -> None:
    def of(library: Any, part: int) -> Any:
        def function(x: Any) -> Any:
            q, r = library.linalg.qr(x)
            signs = library.sign(library.diagonal(r, 0, -2, -1)).detach()
            return q * signs[..., None, :] if part == 0 else r * signs[..., :, None]

        return function

    for part in (0, 1):
        agree(of(tg, part), of(torch, part), array, order=2)


@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
def test_the_factors_of_qr_have_the_shapes_of_the_mode(torch: Any, mode: str) -> None:
    for array in (SQUARE, TALL, WIDE):
        mine, right = tg.linalg.qr(tg.tensor(array), mode), torch.linalg.qr(torch.tensor(array), mode)
        assert [tuple(one.shape) for one in mine] == [tuple(one.shape) for one in right]


@pytest.mark.parametrize("left", [True, False])
def test_solve_takes_matrices_and_vectors_in_batches(agree: Callable[..., None], torch: Any, left: bool) -> None:
    side = RNG.normal(size=(2, 3, 3))
    agree(lambda a, b: tg.linalg.solve(a, b, left=left), lambda a, b: torch.linalg.solve(a, b, left=left), SQUARE, side)
    if left:
        agree(tg.linalg.solve, torch.linalg.solve, SQUARE, side[..., 0], order=2)
        agree(tg.linalg.solve, torch.linalg.solve, SQUARE[0], side[0, :, 0], order=2)
        agree(tg.linalg.solve, torch.linalg.solve, SQUARE[0], side, order=2)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_solve_triangular_reads_one_triangle(agree: Callable[..., None], torch: Any, upper: bool, unit: bool) -> None:
    options = {"upper": upper, "unitriangular": unit}
    agree(
        lambda a, b: tg.linalg.solve_triangular(a, b, **options),
        lambda a, b: torch.linalg.solve_triangular(a, b, **options),
        SQUARE[0],
        TALL[0, :3],
        order=2,
    )


@pytest.mark.parametrize("name", ["slogdet", "lstsq"])
def test_functions_with_several_results(agree: Callable[..., None], torch: Any, name: str) -> None:
    if name == "slogdet":
        for part in (0, 1):
            agree(lambda x: tg.slogdet(x)[part], lambda x: torch.slogdet(x)[part], SQUARE, order=2)  # noqa: B023
        agree(tg.logdet, torch.logdet, POSITIVE, order=2)
        return
    side = RNG.normal(size=(2, 4, 2))
    agree(lambda a, b: tg.linalg.lstsq(a, b)[0], lambda a, b: torch.linalg.lstsq(a, b)[0], TALL, side)
    for driver in ("gels", "gelsd"):
        mine = tg.linalg.lstsq(tg.tensor(TALL), tg.tensor(side), driver=driver)
        right = torch.linalg.lstsq(torch.tensor(TALL), torch.tensor(side), driver=driver)
        for one, other in zip(mine, right, strict=True):
            assert one.numpy().dtype == other.numpy().dtype
            numpy.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-9)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_gradient_of_a_determinant_is_right_where_it_is_zero(
    agree: Callable[..., None], torch: Any, rank: int
) -> None:
    array = TALL[0, :3, :rank] @ WIDE[0, :rank, :3]
    agree(tg.det, torch.det, array)


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, numpy.inf, -numpy.inf])
def test_matrix_norms(agree: Callable[..., None], torch: Any, ord: Any) -> None:
    for dim in ((-2, -1), (2, 0)):
        agree(
            lambda x: tg.linalg.matrix_norm(x, ord, dim, keepdim=True),  # noqa: B023
            lambda x: torch.linalg.matrix_norm(x, ord, dim, keepdim=True),  # noqa: B023
            TALL,
        )


@pytest.mark.parametrize("ord", [None, 0, 1, 2, 3, -1, -2, numpy.inf, -numpy.inf])
def test_linalg_norm_of_vectors_and_matrices(agree: Callable[..., None], torch: Any, ord: Any) -> None:
    agree(lambda x: tg.linalg.norm(x, ord), lambda x: torch.linalg.norm(x, ord), SQUARE[0, 0])
    agree(lambda x: tg.linalg.norm(x, ord, 1), lambda x: torch.linalg.norm(x, ord, 1), SQUARE)


def test_equal_singular_values_give_finite_gradients_where_the_choice_of_vectors_does_not_matter() -> None:
    x = tg.tensor(numpy.diag([2.0, 2.0, 2.0]), requires_grad=True)
    u, _, vh = tg.linalg.svd(x)
    (u @ vh)[0, 1].backward()
    assert numpy.isfinite(x.grad.numpy()).all()
    numpy.testing.assert_allclose(x.grad.numpy(), [[0, 0.25, 0], [-0.25, 0, 0], [0, 0, 0]], atol=1e-12)


def test_singular_and_indefinite_matrices_are_refused_as_pytorch_refuses_them() -> None:
    singular = tg.ones(2, 2)
    for call in (tg.linalg.inv, lambda x: tg.linalg.solve(x, x), lambda x: tg.linalg.cholesky(-x)):
        with pytest.raises(LinAlgError):
            call(singular)
        with pytest.raises(RuntimeError):
            call(singular)
    assert tg.linalg.inv_ex(singular).info.item() == 1
    assert tg.linalg.cholesky_ex(tg.eye(2)).info.item() == 0
    with pytest.raises(LinAlgError):
        tg.linalg.inv_ex(singular, check_errors=True)


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "eigh", "slogdet"])
def test_what_is_no_floating_square_matrix_is_refused(name: str) -> None:
    for wrong in (tg.ones(2, 3), tg.ones(3), tg.ones(2, 2, dtype=tg.int64)):
        with pytest.raises(RuntimeError):
            getattr(tg.linalg, name)(wrong)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
def test_empty_matrices(torch: Any, shape: Any) -> None:
    for name in ("inv", "det", "cholesky", "pinv", "eigvalsh", "svdvals", "matrix_rank"):
        mine, right = getattr(tg.linalg, name)(tg.zeros(shape)), getattr(torch.linalg, name)(torch.zeros(shape))
        numpy.testing.assert_array_equal(mine.numpy(), right.numpy())


def test_powers_chains_and_tensors_as_matrices(agree: Callable[..., None], torch: Any) -> None:
    for power in (-2, -1, 0, 1, 5):
        agree(lambda x: x.matrix_power(power), lambda x: x.matrix_power(power), SQUARE, order=1)  # noqa: B023
    chain = [RNG.normal(size=shape) for shape in ((3,), (3, 5), (5, 2), (2, 4), (4,))]
    agree(lambda *parts: tg.linalg.multi_dot(parts), lambda *parts: torch.linalg.multi_dot(parts), *chain, order=2)
    cube = RNG.normal(size=(2, 3, 6))
    agree(tg.linalg.tensorinv, torch.linalg.tensorinv, cube)
    agree(tg.linalg.tensorsolve, torch.linalg.tensorsolve, cube, RNG.normal(size=(2, 3)))


def test_names_that_linalg_lacks_say_what_to_use_instead() -> None:
    with pytest.raises(NotImplementedError, match="eig"):
        _ = tg.linalg.eig
