"""Sorting, order statistics, quantiles and distinct values, as PyTorch has them: ties, NaN, nothing to choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tinygrad_mp as tg

NAN = float("nan")
MATRIX = numpy.array([[3.0, 1.0, 2.0, 1.0], [0.5, NAN, -1.0, 4.0], [2.0, 2.0, 2.0, 2.0]])


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("part", [0, 1])
def test_sort_keeps_the_order_of_ties_and_takes_nan_for_the_largest(
    agree: Callable[..., None], dtype: str, dim: int, descending: bool, part: int
) -> None:
    agree(
        lambda x: tg.sort(x, dim, descending, stable=True)[part],
        lambda x: x.sort(dim=dim, descending=descending, stable=True)[part],
        MATRIX.astype(dtype),
        order=2 * (1 - part),
    )


@given(
    values=arrays("int64", array_shapes(max_dims=3, min_side=0, max_side=5), elements=st.integers(-3, 3)),
    dim=st.integers(0, 2),
    descending=st.booleans(),
)
def test_sort_of_integers_equals_pytorchs_index_by_index(torch: Any, values: Any, dim: int, descending: bool) -> None:
    dim = min(dim, values.ndim - 1)
    mine = tg.sort(tg.tensor(values), dim=dim, descending=descending)
    right = torch.sort(torch.tensor(values), dim=dim, descending=descending, stable=True)
    for one, other in zip(mine, right, strict=True):
        numpy.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("name", ["median", "nanmedian", "mode", "cummax", "cummin"])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("part", [0, 1])
def test_order_statistics_along_a_dim_return_pytorchs_values_and_places(
    agree: Callable[..., None], name: str, dim: int, part: int
) -> None:
    agree(lambda x: getattr(tg, name)(x, dim)[part], lambda x: getattr(x, name)(dim)[part], MATRIX, order=1 - part)


@pytest.mark.parametrize("name", ["median", "nanmedian"])
@pytest.mark.parametrize("values", [[1.0, 2.0, 2.0, 5.0], [NAN, 1.0, NAN, 3.0], [NAN, NAN], [[2.0, 2.0], [2.0, 2.0]]])
def test_a_median_of_all_shares_its_gradient_among_equal_entries(
    agree: Callable[..., None], name: str, values: Any
) -> None:
    agree(getattr(tg, name), lambda x: getattr(x, name)(), numpy.array(values), order=2)


@pytest.mark.parametrize("largest", [True, False])
def test_topk_and_kthvalue_pick_by_rank(agree: Callable[..., None], largest: bool) -> None:
    values = numpy.array([[5.0, 1.0, 4.0], [2.0, NAN, 3.0]])
    agree(lambda x: tg.topk(x, 2, 1, largest).values, lambda x: x.topk(2, 1, largest).values, values, order=2)
    agree(lambda x: tg.kthvalue(x, 2, 1, True).values, lambda x: x.kthvalue(2, 1, True).values, values, order=2)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("k", [1, 3, 9, 50])
def test_the_few_of_many_are_those_of_pytorch_nan_among_them(agree: Callable[..., None], largest: bool, k: int) -> None:
    values = numpy.random.default_rng(1).permutation(numpy.arange(450.0)).reshape(3, 150)
    values[0, 7] = values[2, 149] = NAN
    agree(lambda x: x.topk(k, 1, largest).values, lambda x: x.topk(k, 1, largest).values, values, order=1)
    agree(lambda x: x.topk(k, 1, largest).indices, lambda x: x.topk(k, 1, largest).indices, values[1:2], order=0)
    agree(lambda x: x.T.topk(k, 0, largest).values, lambda x: x.T.topk(k, 0, largest).values, values, order=1)


def test_ranks_that_do_not_exist_are_refused_as_pytorch_refuses_them() -> None:
    x = tg.tensor([1.0, 2.0])
    for call in (lambda: x.topk(3), lambda: x.kthvalue(0), lambda: x.kthvalue(3), lambda: tg.zeros(0).median(0)):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(IndexError):
        tg.zeros(2, 0).median(1)
    with pytest.raises(IndexError):
        x.sort(1)


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_quantiles_lie_between_sorted_entries(
    agree: Callable[..., None], name: str, dim: int | None, interpolation: str
) -> None:
    shares = numpy.array([0.0, 0.3, 0.5, 1.0])
    options = {"dim": dim, "keepdim": True, "interpolation": interpolation}
    agree(
        lambda x: getattr(x, name)(tg.tensor(shares), **options),
        lambda x: getattr(x, name)(x.new_tensor(shares), **options),
        MATRIX,
    )


def test_a_quantile_has_a_gradient_to_its_share(agree: Callable[..., None], torch: Any) -> None:
    values = numpy.array([3.0, 1.0, 4.0, 1.5])
    agree(tg.quantile, lambda x, q: torch.quantile(x, q), values, numpy.array([0.3, 0.6]), order=2)


def test_quantile_refuses_what_has_no_place_between_entries() -> None:
    x = tg.tensor([1.0, 2.0])
    for call in (
        lambda: x.quantile(1.5),
        lambda: x.quantile(tg.tensor([0.5], dtype=tg.float64)),
        lambda: tg.tensor([1, 2]).quantile(0.5),
        lambda: tg.zeros(0).quantile(0.5),
        lambda: x.quantile(0.5, interpolation="cubic"),
    ):
        with pytest.raises(RuntimeError):
            call()


@pytest.mark.parametrize("dim", [None, 0, 1])
@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
def test_distinct_values_come_with_their_places_and_counts(torch: Any, name: str, dim: int | None) -> None:
    values = numpy.array([[1, 1, 2, 1], [1, 1, 2, 1], [0, 0, 3, 0]])
    mine = getattr(tg, name)(tg.tensor(values), return_inverse=True, return_counts=True, dim=dim)
    right = getattr(torch, name)(torch.tensor(values), return_inverse=True, return_counts=True, dim=dim)
    for one, other in zip(mine, right, strict=True):
        assert one.dtype == numpy.int64
        numpy.testing.assert_array_equal(one.numpy(), other.numpy())


def test_every_nan_is_distinct() -> None:
    assert tg.unique(tg.tensor([NAN, 1.0, NAN])).shape == (3,)


def test_isin_takes_numbers_and_tensors() -> None:
    assert tg.isin(tg.tensor([1, 2]), 2).tolist() == [False, True]
    assert tg.isin(tg.tensor([1, 2]), tg.tensor([[2]]), invert=True).tolist() == [True, False]
