"""Counts, places and bins."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp as tg


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def assert_same(mine: Any, right: Any) -> None:
    assert mine.numpy().dtype == right.numpy().dtype
    numpy.testing.assert_allclose(mine.numpy(), right.numpy(), rtol=1e-12)


@pytest.mark.parametrize("values", [[[0, 1], [2, 0]], 0.0, 3.0, [], [[]]])
def test_nonzero_counts_axes_as_pytorch_does(torch: Any, values: Any) -> None:
    x, y = tg.tensor(values), torch.tensor(values)
    assert_same(x.nonzero(), y.nonzero())
    assert_same(tg.argwhere(x), torch.argwhere(y))
    for one, other in zip(tg.where(x), torch.where(y), strict=True):
        assert_same(one, other)


def test_where_as_a_method_keeps_the_tensor_where_the_condition_holds() -> None:
    x = tg.tensor([1.0, -2.0], requires_grad=True)
    out = x.where(x > 0, 5.0)
    assert out.tolist() == [1.0, 5.0]
    out.sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]
    with pytest.raises(TypeError):
        tg.where(x > 0, x)


@given(
    edges=st.lists(st.integers(-4, 4), max_size=6).map(sorted),
    values=st.lists(st.integers(-5, 5), max_size=6),
    right=st.booleans(),
)
def test_searchsorted_and_bucketize_find_pytorchs_places(torch: Any, edges: Any, values: Any, right: bool) -> None:
    edges, values = numpy.array(edges, "float64"), numpy.array(values, "float64")
    mine = tg.searchsorted(tg.tensor(edges), tg.tensor(values), right=right)
    assert_same(mine, torch.searchsorted(torch.tensor(edges), torch.tensor(values), right=right))
    mine = tg.bucketize(tg.tensor(values), tg.tensor(edges), right=right, out_int32=True)
    assert_same(mine, torch.bucketize(torch.tensor(values), torch.tensor(edges), right=right, out_int32=True))


def test_searchsorted_searches_each_row_in_its_own_sequence(torch: Any) -> None:
    rows, values = numpy.array([[1.0, 3.0, 5.0], [0.0, 0.5, 9.0]]), numpy.array([[3.0, 6.0], [0.2, 0.5]])
    order = numpy.array([[0, 1, 2], [0, 1, 2]])
    mine = tg.searchsorted(tg.tensor(rows), tg.tensor(values), sorter=tg.tensor(order))
    assert_same(mine, torch.searchsorted(torch.tensor(rows), torch.tensor(values)))
    assert tg.searchsorted(tg.tensor(rows[0]), 3).item() == 1
    with pytest.raises(RuntimeError):
        tg.searchsorted(tg.tensor(rows), tg.tensor(values[:1]))
    with pytest.raises(RuntimeError):
        tg.searchsorted(tg.tensor(rows), tg.tensor(values), side="left", right=True)


@pytest.mark.parametrize("limits", [(0, 0), (0, 3), (2, 2)])
def test_histc_counts_what_lies_in_range(torch: Any, limits: Any) -> None:
    values = numpy.array([1.0, 2.0, 1.0, 3.0, -1.0, 2.999])
    assert_same(tg.tensor(values).histc(4, *limits), torch.tensor(values).histc(4, *limits))
    assert tg.tensor([1.0, 1.0]).histc(2).tolist() == [0.0, 2.0]


def test_histogram_returns_counts_and_edges(torch: Any) -> None:
    values, edges, weight = numpy.array([1.0, 2.0, 1.5]), numpy.array([0.0, 1.5, 2.0]), numpy.array([1.0, 2.0, 4.0])
    for bins in (3, edges):
        mine, right = (
            library.histogram(library.tensor(values), library.tensor(bins) if bins is edges else bins, density=True)
            for library in (tg, torch)
        )
        assert_same(mine.hist, right.hist)
        assert_same(mine.bin_edges, right.bin_edges)
    mine = tg.histogram(tg.tensor(values), 2, range=(0.0, 3.0), weight=tg.tensor(weight))
    assert_same(mine.hist, torch.histogram(torch.tensor(values), 2, range=(0.0, 3.0), weight=torch.tensor(weight)).hist)


def test_bincount_weighs_and_fills_up(torch: Any) -> None:
    numbers, weights = numpy.array([0, 2, 2]), numpy.array([1.0, 0.5, 0.25], "float32")
    assert_same(tg.bincount(tg.tensor(numbers), minlength=5), torch.bincount(torch.tensor(numbers), minlength=5))
    assert_same(tg.tensor(numbers).bincount(tg.tensor(weights)), torch.tensor(numbers).bincount(torch.tensor(weights)))
    for call in (
        lambda: tg.bincount(tg.tensor([-1])),
        lambda: tg.bincount(tg.tensor([[1]])),
        lambda: tg.bincount(tg.tensor([1.0])),
    ):
        with pytest.raises(RuntimeError):
            call()


def test_count_nonzero_counts_along_dims(torch: Any) -> None:
    values = numpy.array([[0.0, 1.0], [float("nan"), 2.0]])
    for dim in (None, 0, (0, 1)):
        assert_same(tg.count_nonzero(tg.tensor(values), dim), torch.count_nonzero(torch.tensor(values), dim))
