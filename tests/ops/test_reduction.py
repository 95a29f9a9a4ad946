"""Reductions at their edges: ties, zeros, infinities, nothing to reduce. PyTorch is the judge."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mp import tensor
from tinygrad_mp.autograd import grad
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops import cumulative, extremes, norms, reduction
from tinygrad_mp.primitive import sum_to
from tinygrad_mp.testing import check_primitive

NAN, INF = math.nan, math.inf


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def weights(shape: Any) -> Any:
    """Different ones, so that second derivatives show where first ones are zero."""
    return (numpy.arange(float(numpy.prod(shape, dtype=int))) ** 2 + 1.0).reshape(shape)


def ours(function: Any, values: Any, order: int = 1) -> list[Any]:
    """The value and the derivatives of ``sum(function(x))``; each next one of ``sum(3 * g**2 + weights * g)``."""
    x = tensor(numpy.array(values), requires_grad=True)
    out = function(x)
    results = [out]
    for _ in range(order):
        (g,) = grad(reduction.sum(out), [x], create_graph=True)
        results.append(g)
        out = g * g * 3.0 + g * tensor(weights(g.shape))
    return [result.detach().numpy() for result in results]


def theirs(torch: Any, function: Any, values: Any, order: int = 1) -> list[Any]:
    x = torch.tensor(numpy.array(values), requires_grad=True)
    out = function(x)
    results = [out]
    for _ in range(order):
        (g,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        results.append(g)
        out = g * g * 3.0 + g * torch.tensor(weights(g.shape))
    return [result.detach().resolve_conj().clone().numpy() for result in results]


def assert_same(mine: list[Any], right: list[Any]) -> None:
    for one, other in zip(mine, right, strict=True):
        assert one.dtype == other.dtype
        numpy.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


# --- ties -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1.0, 2.0, 2.0], [[2.0, 2.0], [2.0, 1.0]], [0.0, 0.0, 0.0], 3.0])
@pytest.mark.parametrize("name", ["max", "min", "amax", "amin"])
def test_a_full_extreme_shares_its_gradient_among_ties_as_pytorch_does(torch: Any, name: str, values: Any) -> None:
    function = getattr(extremes, name)
    assert_same(ours(function, values), theirs(torch, getattr(torch, name), values))


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_an_extreme_along_a_dim_sends_its_gradient_to_the_index_pytorch_returns(
    torch: Any, name: str, dim: int
) -> None:
    values = numpy.array([[1.0, 3.0, 3.0, 0.0], [3.0, 3.0, 0.0, 0.0]])
    mine, right = getattr(extremes, name), getattr(torch, name)
    for keepdim in (False, True):
        assert_same(
            ours(lambda x, k=keepdim: mine(x, dim, k).values, values),
            theirs(torch, lambda x, k=keepdim: right(x, dim, k).values, values),
        )
        index = mine(tensor(values), dim, keepdim).indices
        assert index.dtype == numpy.dtype("int64")
        numpy.testing.assert_array_equal(index.numpy(), right(torch.tensor(values), dim, keepdim).indices.numpy())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_argmax_and_argmin_are_the_first_ones(values: list[int]) -> None:
    x = tensor(values)
    assert extremes.argmax(x).item() == values.index(max(values))
    assert extremes.argmin(x).item() == values.index(min(values))


def test_nan_is_the_largest_the_smallest_and_the_first_one_is_found(torch: Any) -> None:
    values = [[1.0, NAN, NAN], [0.0, 1.0, 2.0]]
    x, y = tensor(values), torch.tensor(values)
    for name in ("argmax", "argmin"):
        numpy.testing.assert_array_equal(getattr(extremes, name)(x, 1).numpy(), getattr(torch, name)(y, 1).numpy())
    for name in ("amax", "amin"):
        numpy.testing.assert_array_equal(getattr(extremes, name)(x, 1).numpy(), getattr(torch, name)(y, 1).numpy())


def test_max_of_two_tensors_is_maximum(torch: Any) -> None:
    other = [1.0, 1.0, 4.0]
    assert_same(
        ours(lambda x: extremes.max(x, tensor(numpy.array(other))), [1.0, 2.0, 3.0]),
        theirs(torch, lambda x: torch.max(x, torch.tensor(other, dtype=torch.float64)), [1.0, 2.0, 3.0]),
    )


# --- zeros ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [[2.0, 0.0, 3.0], [2.0, 0.0, 0.0, 3.0], [0.0, 5.0], [1.0, 2.0, 3.0, 4.0, 0.0], [0.0] * 4]
)
def test_prod_with_zeros_has_pytorchs_first_and_second_derivative(torch: Any, values: list[float]) -> None:
    assert_same(ours(reduction.prod, values, order=2), theirs(torch, torch.prod, values, order=2))


def test_prod_has_right_third_derivatives_through_a_zero() -> None:
    x = tensor(numpy.array([0.0, 2.0, 3.0]), requires_grad=True)
    (first,) = grad(reduction.prod(x), [x], create_graph=True)
    (second,) = grad(first[0], [x], create_graph=True)  # d(x1 x2)
    (third,) = grad(second[1], [x])  # d(x2)
    numpy.testing.assert_array_equal(first.detach().numpy(), [6.0, 0.0, 0.0])
    numpy.testing.assert_array_equal(second.detach().numpy(), [0.0, 3.0, 2.0])
    numpy.testing.assert_array_equal(third.numpy(), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 1.5, 0.5, INF, -INF])
@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [2.0, -2.0, 1.0], [2.0, 0.0, -1.0], [[3.0, -4.0]], [2.0, 2.0, 2.0], [0.0]]
)
def test_norm_has_pytorchs_subgradient_and_never_nan(torch: Any, p: float, values: Any) -> None:
    (value, slope) = theirs(torch, lambda x: torch.norm(x, p), values)
    mine = ours(lambda x: norms.norm(x, p), values, order=2)
    assert_same(mine[:2], [value, slope])
    assert numpy.isfinite(mine[2]).all()
    if value == 0:
        assert (mine[2] == 0).all()


@pytest.mark.parametrize("p", [2.0, 3.0, 1.5, 0.5, -1.0])
def test_norm_has_pytorchs_second_derivative_away_from_zero(torch: Any, p: float) -> None:
    values = [[1.0, -2.0, 3.0], [4.0, 0.5, -1.0]]
    assert_same(
        ours(lambda x: norms.norm(x, p, 1), values, order=2),
        theirs(torch, lambda x: torch.norm(x, p, 1), values, order=2),
    )


def test_norm_zero_counts_and_has_no_slope() -> None:
    value, slope = ours(lambda x: norms.norm(x, 0), [2.0, 0.0, -1.0])
    assert value == 2.0
    numpy.testing.assert_array_equal(slope, 0.0)


@pytest.mark.parametrize("values", [[1.0, 1.0], [[1.0, 1.0], [1.0, 2.0]]])
def test_std_of_equal_entries_has_pytorchs_gradients(torch: Any, values: Any) -> None:
    assert_same(
        ours(lambda x: reduction.std(x, -1), values, order=2),
        theirs(torch, lambda x: torch.std(x, -1), values, order=2),
    )


# --- precision and infinities ---------------------------------------------------------------------------------------


def test_variance_survives_a_large_common_offset() -> None:
    x = tensor(numpy.array([10000.0, 10001.0, 10002.0], dtype="float32"))
    assert reduction.var(x).item() == 1.0


def test_variance_knows_pytorchs_older_signatures(torch: Any) -> None:
    values = numpy.arange(6.0).reshape(2, 3) ** 2
    x, y = tensor(values), torch.tensor(values)
    for arguments, keywords in [
        ((), {}),
        ((False,), {}),
        ((1, False, True), {}),
        ((0,), {"correction": 0}),
        ((), {"unbiased": False}),
        (((0, 1),), {"correction": 2, "keepdim": True}),
    ]:
        for name in ("var", "std"):
            mine, right = getattr(reduction, name)(x, *arguments, **keywords), getattr(y, name)(*arguments, **keywords)
            numpy.testing.assert_allclose(mine.numpy(), right.numpy())
            assert mine.shape == tuple(right.shape)


def test_variance_of_too_few_entries_warns_and_is_nan() -> None:
    with pytest.warns(UserWarning, match="1 entries with correction 1"):
        assert math.isnan(reduction.var(tensor([1.0])).item())


def test_logsumexp_is_stable_and_minus_infinity_carries_no_nan(torch: Any) -> None:
    values = [[-INF, -INF], [-INF, 2.0], [1000.0, 1000.0], [-1000.0, -1000.0]]
    mine = ours(lambda x: reduction.logsumexp(x, 1), values, order=2)
    numpy.testing.assert_allclose(mine[0], torch.logsumexp(torch.tensor(values, dtype=torch.float64), 1).numpy())
    numpy.testing.assert_allclose(mine[1], [[0.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    assert numpy.isfinite(mine[2]).all()
    assert reduction.logsumexp(tensor([INF, 1.0]), 0).item() == INF


def test_float16_is_added_up_in_float32() -> None:
    x = tensor(numpy.full(2000, 60.0, dtype="float16"))
    assert reduction.mean(x).item() == 60.0
    assert reduction.std(x, correction=0).item() == 0.0
    assert reduction.mean(x).dtype == numpy.dtype("float16")
    assert norms.norm(tensor(numpy.array([300.0, 400.0], dtype="float16"))).item() == 500.0


# --- nothing to reduce, one entry, dtypes ---------------------------------------------------------------------------


def test_reductions_of_nothing_are_pytorchs() -> None:
    nothing = tensor(numpy.zeros((0,)))
    assert reduction.sum(nothing).item() == 0.0
    assert reduction.prod(nothing).item() == 1.0
    assert math.isnan(reduction.mean(nothing).item())
    assert reduction.logsumexp(nothing, 0).item() == -INF
    assert norms.norm(nothing).item() == 0.0
    assert reduction.all(nothing).item() is True
    assert reduction.any(nothing).item() is False
    assert cumulative.cumsum(nothing, 0).shape == (0,)
    assert extremes.amax(tensor(numpy.zeros((3, 0))), 0).shape == (0,)


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin"])
def test_the_extreme_of_nothing_raises_and_says_why(name: str) -> None:
    function = getattr(extremes, name)
    with pytest.raises(IndexRangeError, match=r"shape \(0,\)"):
        function(tensor(numpy.zeros(0)))
    with pytest.raises(IndexRangeError, match="fix: reduce along a dim of size at least 1"):
        function(tensor(numpy.zeros((3, 0))), 1)
    with pytest.raises(ShapeError, match="of no entries"):
        norms.norm(tensor(numpy.zeros(0)), INF)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_integers_add_and_multiply_to_int64(dtype: str) -> None:
    x = tensor(numpy.ones((2, 3), dtype=dtype))
    for result in (reduction.sum(x), reduction.prod(x, 1), cumulative.cumsum(x, 1)):
        assert result.dtype == numpy.dtype("int64")
    assert extremes.max(x).dtype == numpy.dtype(dtype)
    assert extremes.max(x, 1).values.dtype == numpy.dtype(dtype)


@pytest.mark.parametrize("function", [reduction.mean, reduction.var, reduction.std, norms.norm])
def test_means_of_integers_raise_and_name_the_remedy(function: Any) -> None:
    with pytest.raises(DTypeError, match=r"(?s)int64.*fix: convert first"):
        function(tensor([1, 2]))


def test_dtype_converts_first_and_the_gradient_comes_back() -> None:
    x = tensor(numpy.array([1.5, 2.5], dtype="float32"), requires_grad=True)
    total = reduction.sum(x, dtype="float64")
    assert total.dtype == numpy.dtype("float64")
    (g,) = grad(total, [x])
    assert g.dtype == numpy.dtype("float32")
    assert reduction.mean(tensor([1, 2]), dtype="float32").item() == 1.5
    assert reduction.sum(x, dtype="int64").item() == 3
    assert not reduction.sum(x, dtype="int64").requires_grad


def test_a_tensor_without_axes_reduces_along_dim_0(torch: Any) -> None:
    x = tensor(numpy.array(3.0), requires_grad=True)
    for function in (
        reduction.sum,
        reduction.mean,
        reduction.prod,
        cumulative.cumsum,
        reduction.logsumexp,
        extremes.amax,
        lambda x, dim: extremes.max(x, dim).values,
        lambda x, dim: norms.norm(x, 2, dim),
    ):
        out = function(x, 0)
        assert out.shape == ()
        assert out.item() == 3.0
        assert grad(out, [x])[0].item() == 1.0
    assert extremes.argmax(x, -1).item() == 0
    with pytest.raises(IndexRangeError):
        reduction.sum(x, 1)


def test_an_empty_tuple_of_dims_means_all_of_them() -> None:
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    assert reduction.sum(x, ()).item() == reduction.sum(x, []).item() == 10.0
    assert extremes.amax(x, ()).item() == 4.0


def test_argmax_without_dim_keeps_all_axes_if_asked() -> None:
    assert extremes.argmax(tensor([[1, 2], [3, 0]]), keepdim=True).shape == (1, 1)


def test_norm_refuses_an_unknown_p() -> None:
    with pytest.raises(SettingError, match="nucl"):
        norms.norm(tensor([[1.0]]), "nucl")


def test_the_same_axis_twice_raises() -> None:
    with pytest.raises(ShapeError, match="twice"):
        reduction.sum(tensor([[1.0]]), (0, -2))


@pytest.mark.parametrize(
    "shape", [(64, 1024), (33, 1000), (40, 3, 512), (1, 1 << 16), (1 << 16,), (200, 331), (70, 2048)]
)
@pytest.mark.parametrize("dim", [None, -1, 0, (0, -1)])
def test_long_float32_sums_are_as_exact_as_numpys(shape: tuple[int, ...], dim: Any) -> None:
    values = numpy.random.default_rng(0).random(shape, dtype="float32")
    dim = 0 if len(shape) == 1 and dim == (0, -1) else dim
    for keepdim in (False, True):
        exact = values.sum(axis=dim, keepdims=keepdim, dtype="float64")
        found = reduction.sum(tensor(values), dim, keepdim)
        assert found.dtype == numpy.dtype("float32")
        assert found.shape == exact.shape
        pairwise = numpy.abs(values.sum(axis=dim, keepdims=keepdim) - exact).max()
        assert numpy.abs(found.numpy() - exact).max() <= 4 * pairwise + 1e-7 * exact.max()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("shape", "small"), [((5, 3), (3,)), ((2, 4, 3), (4, 3)), ((2, 4, 3), (1, 3)), ((4, 3), ())])
def test_columns_are_summed_the_same_by_blas(monkeypatch, shape, small, dtype):
    array = numpy.arange(numpy.prod(shape)).reshape(shape).astype(dtype)
    for layout in (array, numpy.asfortranarray(array)):
        slow = sum_to(layout, shape=small)
        monkeypatch.setattr(import_module("tinygrad_mp.primitive"), "_MANY", 1)
        fast = sum_to(layout, shape=small)
        monkeypatch.undo()
        numpy.testing.assert_array_equal(fast, slow)
        assert fast.dtype == slow.dtype == dtype
        assert fast.shape == small


def test_the_rules_of_sums_by_blas_are_right(monkeypatch):
    monkeypatch.setattr(import_module("tinygrad_mp.primitive"), "_MANY", 1)
    check_primitive(sum_to)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float64"])
def test_a_dtype_asked_for_is_that_of_the_result_as_in_pytorch(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="parity is with PyTorch, which is not importable here")
    import tinygrad_mp as tg

    for engine in (torch, tg):
        x = engine.tensor([[1, 2], [3, 250]])
        result = getattr(engine, name)(x, 0, dtype=getattr(engine, dtype))
        assert str(result.dtype).endswith(dtype)
        if engine is torch:
            expected = result.tolist()
        assert result.tolist() == expected
