"""Writing to places given by index tensors: values, gradients to both operands, repeats, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp as tg

X = numpy.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
SRC = numpy.array([[0.5, 7.0, 2.0], [6.0, 0.0, 6.0], [1.5, 5.0, 3.0]])
INDEX = numpy.array([[0, 2, 1], [1, 1, 0]])


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("places", [[2, 0], [1, 1]])
def test_slices_are_added_copied_and_filled(
    agree: Callable[..., None], torch: Any, places: list[int], dtype: str
) -> None:
    x, source = X.astype(dtype), SRC[:2, :2].astype(dtype)
    mine, right = tg.tensor(places), torch.tensor(places)
    agree(
        lambda x, s: x.index_add(1, mine, s, alpha=2),
        lambda x, s: x.index_add(1, right, s, alpha=2),
        x,
        source,
        order=2,
    )
    agree(lambda x, v: x.index_fill(1, mine, v), lambda x, v: x.index_fill(1, right, v), x, source[0, 0], order=2)
    if places == [2, 0]:
        agree(lambda x, s: x.index_copy(1, mine, s), lambda x, s: x.index_copy(1, right, s), x, source, order=2)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_reduces_with_pytorchs_gradients_ties_and_zeros_included(
    agree: Callable[..., None], torch: Any, reduce: str, include_self: bool
) -> None:
    for dim, index in ((0, INDEX), (1, INDEX), (-1, INDEX[:1])):
        agree(
            lambda x, s: x.scatter_reduce(dim, tg.tensor(index), s, reduce, include_self=include_self),  # noqa: B023
            lambda x, s: x.scatter_reduce(dim, torch.tensor(index), s, reduce, include_self=include_self),  # noqa: B023
            numpy.concatenate((X, X[:1] * 0.0)) if dim == 0 else X,
            SRC[: len(index)],
        )


@given(data=st.data())
def test_scatter_reduce_of_any_small_numbers(torch: Any, data: st.DataObject) -> None:
    """Few different numbers, so that ties and zeros are common; NaN too."""
    number = st.sampled_from([-1.0, 0.0, 0.0, 1.0, 2.0])
    reduce = data.draw(st.sampled_from(["sum", "prod", "mean", "amax", "amin"]))
    include = data.draw(st.booleans())
    x = numpy.array(data.draw(st.lists(number, min_size=3, max_size=3)))
    index = numpy.array(data.draw(st.lists(st.integers(0, 2), max_size=6)), dtype="int64")
    src = numpy.array(data.draw(st.lists(number, min_size=len(index), max_size=len(index))))
    one, other = tg.tensor(x, requires_grad=True), tg.tensor(src, requires_grad=True)
    mine = one.scatter_reduce(0, tg.tensor(index), other, reduce, include_self=include)
    first, second = torch.tensor(x, requires_grad=True), torch.tensor(src, requires_grad=True)
    right = first.scatter_reduce(0, torch.tensor(index), second, reduce, include_self=include)
    numpy.testing.assert_allclose(mine.detach().numpy(), right.detach().numpy(), rtol=1e-12)
    weights = numpy.array([1.0, 2.0, 4.0])
    (mine * tg.tensor(weights)).sum().backward()
    (right * torch.tensor(weights)).sum().backward()
    for grad, expected in ((one.grad, first.grad), (other.grad, second.grad)):
        found = numpy.zeros(expected.shape) if grad is None else grad.numpy()
        numpy.testing.assert_allclose(found, expected.numpy(), rtol=1e-12)


def test_the_second_derivative_of_a_scattered_product_is_right_at_zeros() -> None:
    src = tg.tensor([0.0, 3.0], dtype=tg.float64, requires_grad=True)
    out = tg.ones(1, dtype=tg.float64).scatter_reduce(0, tg.tensor([0, 0]), src, "prod")
    (first,) = tg.grad(out.sum(), [src], create_graph=True)
    (second,) = tg.grad(first[0], [src])
    assert first.tolist() == [3.0, 0.0]
    assert second.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("reduce", [None, "add", "multiply"])
@pytest.mark.filterwarnings("ignore:The reduce argument of torch.scatter")
def test_scatter_takes_numbers_and_tensors(agree: Callable[..., None], torch: Any, reduce: str | None) -> None:
    options = {} if reduce is None else {"reduce": reduce}
    mine, right = tg.tensor([[0, 2], [1, 0]]), torch.tensor([[0, 2], [1, 0]])
    agree(lambda x: x.scatter(1, mine, 5.0, **options), lambda x: x.scatter(1, right, 5.0, **options), X, order=0)
    agree(
        lambda x, s: x.scatter(1, mine, s, **options),
        lambda x, s: x.scatter(1, right, s, **options),
        X,
        SRC[:2, :2],
        order=2 if reduce is None else 0,
    )
    longer = tg.tensor(X).scatter(1, mine, tg.tensor(SRC), **options)  # what lies beyond the index is not used
    assert longer.equal(tg.tensor(X).scatter(1, mine, tg.tensor(SRC[:2, :2]), **options))


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("index", [([0, 1],), ([0, 1], [2, 0]), ([[True, False, True], [False] * 3],)])
def test_index_put_writes_where_index_tensors_say(
    agree: Callable[..., None], torch: Any, accumulate: bool, index: Any
) -> None:
    def indices(library: Any) -> Any:
        return tuple(library.tensor(one) for one in index)

    agree(
        lambda x, v: x.index_put(indices(tg), v, accumulate=accumulate),
        lambda x, v: x.index_put(indices(torch), v, accumulate=accumulate),
        X,
        numpy.array(7.0),
    )


def test_index_put_adds_up_repeats(agree: Callable[..., None], torch: Any) -> None:
    agree(
        lambda x, v: x.index_put((tg.tensor([0, 0, -1]),), v, accumulate=True),
        lambda x, v: x.index_put((torch.tensor([0, 0, -1]),), v, accumulate=True),
        X,
        SRC,
    )


@pytest.mark.parametrize("accumulate", [False, True])
def test_take_and_put_count_as_if_flattened(agree: Callable[..., None], torch: Any, accumulate: bool) -> None:
    places = [[0, -1], [3, 2]]
    mine, right = tg.tensor(places), torch.tensor(places)
    agree(lambda x: x.take(mine), lambda x: x.take(right), X, order=2)
    agree(lambda x, s: x.put(mine, s, accumulate), lambda x, s: x.put(right, s, accumulate), X, SRC[:2, :2], order=2)


def test_masks_select_and_place(agree: Callable[..., None], torch: Any) -> None:
    mask = numpy.array([[True], [False]])
    mine, right = tg.tensor(mask), torch.tensor(mask)
    agree(lambda x: x.masked_select(mine), lambda x: x.masked_select(right), X, order=2)
    agree(lambda x, s: x.masked_scatter(mine, s), lambda x, s: x.masked_scatter(right, s), X, SRC, order=2)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("index_add_", (1, [0, 0], SRC[:2, :2])),
        ("index_copy_", (1, [0, 2], SRC[:2, :2])),
        ("index_fill_", (1, [0, 2], 3.0)),
        ("scatter_", (1, [[0], [2]], 3.0)),
        ("scatter_add_", (1, [[0, 0], [2, 1]], SRC[:2, :2])),
        ("scatter_reduce_", (1, [[0, 0], [2, 1]], SRC[:2, :2], "amax")),
        ("masked_fill_", ([[True], [False]], 3.0)),
        ("masked_scatter_", ([[True], [False]], SRC)),
        ("put_", ([0, 5], SRC[0, :2])),
    ],
)
def test_the_forms_in_place_are_recorded(agree: Callable[..., None], torch: Any, name: str, arguments: Any) -> None:
    def of(library: Any) -> Any:
        def function(x: Any) -> Any:
            y = x * 2
            given = [library.tensor(one) if isinstance(one, (list, numpy.ndarray)) else one for one in arguments]
            assert getattr(y, name)(*given) is y
            return y * y

        return function

    agree(of(tg), of(torch), X, order=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.index_add(1, tg.tensor([3]), tg.ones(2, 1)),
        lambda x: x.index_add(1, tg.tensor([0]), tg.ones(2, 2)),
        lambda x: x.index_add(1, tg.tensor([0]), tg.ones(2, 1, dtype=tg.float64)),
        lambda x: x.index_copy(1, tg.tensor([-1]), tg.ones(2, 1)),
        lambda x: x.scatter(1, tg.tensor([[3], [0]]), 1.0),
        lambda x: x.scatter(1, tg.tensor([[0], [0]]), tg.ones(1, 1)),
        lambda x: x.scatter(1, tg.tensor([[0], [0]]), tg.ones(2, 1), reduce="mean"),
        lambda x: x.scatter_reduce(1, tg.tensor([[0], [0]]), tg.ones(2, 1), "median"),
        lambda x: x.take(tg.tensor([6])),
        lambda x: x.put(tg.tensor([0]), tg.ones(2)),
        lambda x: x.masked_select(tg.tensor([1, 0, 1])),
        lambda x: x.masked_scatter(tg.ones(2, 3, dtype=tg.bool), tg.ones(5)),
        lambda x: x.index_put((tg.tensor([0]),), tg.ones(1, 3, dtype=tg.float64)),
    ],
)
def test_what_does_not_fit_is_refused(call: Any) -> None:
    with pytest.raises(RuntimeError):
        call(tg.ones(2, 3))


def test_places_out_of_range_are_index_errors() -> None:
    with pytest.raises(IndexError):
        tg.ones(3).take(tg.tensor([3]))
    with pytest.raises(IndexError):
        tg.ones(3).index_fill(0, tg.tensor([3]), 1.0)
