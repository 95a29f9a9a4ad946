"""Running products, extremes and sums of exponentials; differences and areas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.ops.cumulative import _recurrence

INF = float("inf")


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", [[2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 1.0, 2.0], [1.5, -2.0, 0.5, 3.0], [5.0], []])
def test_cumprod_has_right_derivatives_where_entries_are_zero(
    agree: Callable[..., None], torch: Any, row: Any, dtype: str
) -> None:
    values = numpy.array([row, row], dtype=dtype)
    agree(lambda x: x.cumprod(1), lambda x: x.cumprod(1), values, order=2 if row else 1)


@pytest.mark.parametrize("name", ["cumprod", "logcumsumexp"])
@pytest.mark.parametrize(("shape", "dim"), [((2000,), 0), ((3, 700), 1), ((700, 2, 3), 0)])
def test_derivatives_of_long_running_results_are_pytorchs(
    agree: Callable[..., None], torch: Any, name: str, shape: tuple[int, ...], dim: int
) -> None:
    """Long ones go in blocks; with zeros among the entries, and products that neither vanish nor overflow."""
    values = numpy.random.default_rng(0).uniform(0.5, 1.7, shape)
    values.flat[[11, 433]] = 0.0
    agree(lambda x: getattr(x, name)(dim), lambda x: getattr(x, name)(dim), values)


def test_factors_whose_product_overflows_carry_nothing_from_nothing() -> None:
    x = numpy.zeros(1000)
    x[-1] = 2.0
    numpy.testing.assert_array_equal(_recurrence(x, numpy.full(1000, 1e300), dim=0), x)


@pytest.mark.parametrize("row", [[1.0, -INF, 3.0], [900.0, 1000.0, -1000.0], [0.1, 0.2, 0.3]])
def test_logcumsumexp_neither_overflows_nor_trips_over_minus_infinity(
    agree: Callable[..., None], torch: Any, row: list[float]
) -> None:
    agree(lambda x: x.logcumsumexp(0), lambda x: x.logcumsumexp(0), numpy.array(row))


def test_what_is_still_minus_infinity_gets_no_gradient_where_pytorch_has_nan() -> None:
    x = tg.tensor([-INF, -INF, 2.0], requires_grad=True)
    x.logcumsumexp(0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


def test_the_second_derivative_of_logcumsumexp(agree: Callable[..., None]) -> None:
    agree(lambda x: x.logcumsumexp(1), lambda x: x.logcumsumexp(1), numpy.array([[0.3, -1.0, 2.0, 0.5]]), order=2)


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_running_extremes_name_the_last_place_and_keep_nan(agree: Callable[..., None], name: str) -> None:
    values = numpy.array([1.0, 3.0, 3.0, 2.0, float("nan"), 5.0])
    agree(lambda x: getattr(x, name)(0)[1], lambda x: getattr(x, name)(0)[1], values, order=0)
    agree(lambda x: getattr(x, name)(0)[0], lambda x: getattr(x, name)(0)[0], values, order=1)


def test_diff_takes_differences_with_what_is_put_around(agree: Callable[..., None], torch: Any) -> None:
    x, extra = numpy.array([[1.0, 4.0, 9.0]]), numpy.array([[0.5]])
    agree(lambda x, e: tg.diff(x, 2, 1, e, e), lambda x, e: torch.diff(x, 2, 1, e, e), x, extra, order=2)
    agree(lambda x: tg.diff(x, 5), lambda x: torch.diff(x, 5), x)
    assert tg.diff(tg.tensor([True, False, False])).tolist() == [True, False]


@pytest.mark.parametrize("name", ["trapezoid", "cumulative_trapezoid"])
def test_areas_by_the_trapezoidal_rule(agree: Callable[..., None], torch: Any, name: str) -> None:
    y, x = numpy.array([[1.0, 2.0, 4.0], [0.0, 3.0, -1.0]]), numpy.array([0.0, 0.5, 2.0])
    agree(getattr(tg, name), getattr(torch, name), y, x, order=2)
    agree(lambda y: getattr(tg, name)(y, dx=0.25, dim=0), lambda y: getattr(torch, name)(y, dx=0.25, dim=0), y)
    with pytest.raises(RuntimeError):
        tg.trapezoid(tg.tensor(y), tg.tensor(x), dx=1.0)


def test_pairs_of_statistics_and_those_without_nan(agree: Callable[..., None], torch: Any) -> None:
    values = numpy.array([[1.0, 4.0, float("nan")], [0.5, 2.0, 3.0]])
    agree(lambda x: x.nanmean(1), lambda x: x.nanmean(1), values)
    agree(lambda x: x.nansum(0, keepdim=True), lambda x: x.nansum(0, keepdim=True), values)
    agree(lambda x: tg.var_mean(x, 1)[0], lambda x: torch.var_mean(x, 1)[0], values[1:], order=2)
    agree(lambda x: tg.std_mean(x, 1, correction=0)[0], lambda x: torch.std_mean(x, 1, correction=0)[0], values[1:])
    agree(lambda x: x.cov(), lambda x: x.cov(), values[:, :2], order=2)
    agree(lambda x: x.corrcoef(), lambda x: x.corrcoef(), values[:, :2] + values[1, 1:] ** 2)
    agree(lambda x: x.renorm(2, 0, 1.5), lambda x: x.renorm(2, 0, 1.5), values[:, :2], order=2)
