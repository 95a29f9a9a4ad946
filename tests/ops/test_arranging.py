"""Shapes: axes added and split, tensors side by side, parts, diagonals, rotations, padding, distances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_mp as tg
from tinygrad_mp.nn import functional as F

CUBE = numpy.arange(24.0).reshape(2, 3, 4) ** 1.5
MATRIX, VECTOR = CUBE[0], CUBE[0, 0]


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


ONE_INPUT: list[tuple[Any, Any]] = [
    (lambda t, x: x.unflatten(2, (2, -1)), CUBE),
    (lambda t, x: x.unflatten(-1, (4, 1)), CUBE),
    (lambda t, x: x.swapdims(0, 2), CUBE),
    (lambda t, x: x.moveaxis(0, -1), CUBE),
    (lambda t, x: t.atleast_1d(x), CUBE[0, 0, 0]),
    (lambda t, x: t.atleast_2d(x), VECTOR),
    (lambda t, x: t.atleast_3d(x), VECTOR),
    (lambda t, x: t.atleast_3d(x), MATRIX),
    (lambda t, x: x.diag(), MATRIX),
    (lambda t, x: x.diag(-1), VECTOR),
    (lambda t, x: t.diag_embed(x, 1), MATRIX),
    (lambda t, x: t.diag_embed(x, -1, 0, 2), MATRIX),
    (lambda t, x: t.diagflat(x, 1), MATRIX),
    (lambda t, x: x.rot90(), CUBE),
    (lambda t, x: x.rot90(2, (1, 2)), CUBE),
    (lambda t, x: x.rot90(-1, (2, 0)), CUBE),
    (lambda t, x: x.rot90(4), CUBE),
    (lambda t, x: x.fliplr(), CUBE),
    (lambda t, x: x.flipud(), CUBE),
    (lambda t, x: x.select(1, -1), CUBE),
    (lambda t, x: x.tensor_split(3, 2)[1], CUBE),
    (lambda t, x: x.tensor_split((1, 5), 2)[1], CUBE),
    (lambda t, x: x.tensor_split((-3, 2), -1)[1], CUBE),
    (lambda t, x: x.hsplit(3)[2], CUBE),
    (lambda t, x: x.vsplit((1,))[1], CUBE),
    (lambda t, x: x.dsplit(2)[0], CUBE),
    (lambda t, x: t.as_strided(x, (2, 2, 2), (4, 1, 1), 3), CUBE),
    (lambda t, x: x.mT, CUBE),
    (lambda t, x: t.broadcast_tensors(x, t.zeros(3, 1))[0], VECTOR),
]
SEVERAL: list[tuple[Any, Any]] = [
    (lambda t, *parts: t.hstack(parts), (VECTOR, VECTOR[:2])),
    (lambda t, *parts: t.hstack(parts), (MATRIX, MATRIX)),
    (lambda t, *parts: t.vstack(parts), (VECTOR, MATRIX)),
    (lambda t, *parts: t.row_stack(parts), (VECTOR, MATRIX)),
    (lambda t, *parts: t.dstack(parts), (MATRIX, MATRIX)),
    (lambda t, *parts: t.column_stack(parts), (VECTOR[:3], MATRIX)),
    (lambda t, *parts: t.block_diag(*parts), (MATRIX, VECTOR, CUBE[0, 0, 0])),
    (lambda t, x, src: x.select_scatter(src, 1, -1), (CUBE, CUBE[:, 0])),
    (lambda t, x, src: x.slice_scatter(src, 2, 1, 4, 2), (CUBE, CUBE[:, :, :2])),
    (lambda t, x, src: x.diagonal_scatter(src, 1, 2, 0), (CUBE, MATRIX[:, :1])),
]


@pytest.mark.parametrize("number", range(len(ONE_INPUT)))
def test_arrangements_of_one_tensor(agree: Callable[..., None], torch: Any, number: int) -> None:
    function, array = ONE_INPUT[number]
    agree(lambda x: function(tg, x), lambda x: function(torch, x), array, order=2)


@pytest.mark.parametrize("number", range(len(SEVERAL)))
def test_arrangements_of_several_tensors(agree: Callable[..., None], torch: Any, number: int) -> None:
    function, arrays = SEVERAL[number]
    agree(lambda *parts: function(tg, *parts), lambda *parts: function(torch, *parts), *arrays, order=2)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.unflatten(2, (2, 2))[0, 0],
        lambda x: x.select(1, 2),
        lambda x: x.tensor_split(2)[1],
        lambda x: x.swapdims(0, 1),
        lambda x: tg.as_strided(x, (2, 2), (12, 1), 1),
        lambda x: tg.atleast_3d(x),
        lambda x: x.hsplit(3)[1],
    ],
)
def test_views_share_memory_and_writing_them_is_recorded_in_their_base(view: Any) -> None:
    x = tg.tensor(CUBE)
    view(x).zero_()
    count = int((view(tg.ones(2, 3, 4)) == 1).sum())
    assert int((x == 0).sum()) - 1 in (count, count - 1)  # the first entry was 0 before
    y = tg.tensor(CUBE, requires_grad=True)
    z = y * 1.0
    view(z).mul_(3.0)
    z.sum().backward()
    assert int((y.grad == 3).sum()) == count


@given(
    mode=st.sampled_from(["constant", "reflect", "replicate", "circular"]),
    pads=st.lists(st.integers(-1, 3), min_size=2, max_size=6).filter(lambda pads: len(pads) % 2 == 0),
    batch=st.integers(1, 2),
)
def test_pad_continues_as_pytorch_or_refuses_as_pytorch(torch: Any, mode: str, pads: list[int], batch: int) -> None:
    if mode == "circular":  # what is cropped and continued further than it is long, PyTorch fills as it comes
        assume(all(min(pair) >= 0 or max(pair) <= 2 for pair in zip(pads[::2], pads[1::2], strict=True)))
    shape = (2, 2, 4, 3, 4)[-(len(pads) // 2 + batch) :]
    values = numpy.random.default_rng(0).normal(size=shape)
    x, y = tg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    try:
        right = torch.nn.functional.pad(y, pads, mode)
    except Exception as error:
        with pytest.raises(type(error)):
            F.pad(x, pads, mode)
        return
    mine = F.pad(x, pads, mode)
    numpy.testing.assert_array_equal(mine.detach().numpy(), right.detach().numpy())
    weights = numpy.arange(1.0, right.numel() + 1).reshape(right.shape)
    (mine * tg.tensor(weights)).sum().backward()
    (right * torch.tensor(weights)).sum().backward()
    numpy.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("mode", ["reflect", "circular", "wrap"])
def test_paddings_that_cannot_be_are_refused(mode: str) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        F.pad(tg.ones(1, 3), (4, 0), mode)
    with pytest.raises(NotImplementedError):
        F.pad(tg.ones(3), (1, 0), mode)


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 2.0, 3.0, float("inf")])
def test_distances_of_all_pairs(agree: Callable[..., None], torch: Any, p: float) -> None:
    x, y = MATRIX[:, :2] / 7, (CUBE[:, :2, 1:3] / 5) ** 0.5
    agree(lambda a, b: tg.cdist(a, b, p), lambda a, b: torch.cdist(a, b, p), x, y, order=1 if p else 0)
    agree(lambda a, b: tg.dist(a, b, p), lambda a, b: torch.dist(a, b, p), x[:2], y, order=1 if p else 0)


def test_distances_by_a_matrix_product_have_no_infinite_gradient_where_points_coincide(
    agree: Callable[..., None], torch: Any
) -> None:
    mode = "use_mm_for_euclid_dist"
    x = numpy.array([[0.0, 0.0], [3.0, 4.0]])
    agree(lambda a, b: tg.cdist(a, b, compute_mode=mode), lambda a, b: torch.cdist(a, b, compute_mode=mode), x, x[:1])


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.unflatten(1, (2, 2)),
        lambda x: tg.broadcast_shapes((2,), (3,)),
        lambda x: tg.hstack([]),
        lambda x: x.hsplit(2),
        lambda x: tg.ones(3).vsplit(1),
        lambda x: x.dsplit(1),
        lambda x: x.select(0, 2),
        lambda x: x.select_scatter(tg.ones(2), 0, 0),
        lambda x: x.slice_scatter(tg.ones(1, 3), 0, 0, 2),
        lambda x: x.diagonal_scatter(tg.ones(3)),
        lambda x: tg.diag(tg.ones(2, 2, 2)),
        lambda x: tg.diag_embed(x, 0, 1, 1),
        lambda x: x.rot90(1, (0, 0)),
        lambda x: tg.ones(3).fliplr(),
        lambda x: tg.block_diag(tg.ones(1, 1, 1)),
        lambda x: tg.as_strided(x, (4, 2), (2, 1)),
        lambda x: x.tensor_split(0),
        lambda x: tg.cdist(x, tg.ones(2, 4)),
        lambda x: tg.cdist(x, x, -1.0),
    ],
)
def test_what_does_not_fit_is_refused(call: Any) -> None:
    with pytest.raises(RuntimeError):
        call(tg.ones(2, 3))
