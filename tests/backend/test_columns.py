"""Normalisation of the columns of a matrix: in blocks and in threads as in one piece, and as by the general kernels."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from tinygrad_mp import functional as F
from tinygrad_mp import tensor
from tinygrad_mp.backend import columns, threads
from tinygrad_mp.ops.standardizing import pull_channels, raw_channels
from tinygrad_mp.testing import gradcheck, gradgradcheck

WAYS = ["in one piece", "in blocks", "in threads"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "in blocks":
        monkeypatch.setattr(columns, "_BLOCK", 10)
    if request.param == "in threads":
        monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
        monkeypatch.setattr(threads._pool, "count", 2)
    return request.param


def drawn(dtype: str) -> list[Any]:
    rng = numpy.random.default_rng(0)
    return [rng.normal(3, 2, shape).astype(dtype) for shape in ((7, 5), (7, 5), (5,), (5,))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("affine", [True, False])
def test_columns_are_normalised_as_channels_are(way: str, affine: bool, dtype: str) -> None:
    x, g, weight, bias = drawn(dtype)
    if not affine:
        weight = bias = None
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    out, mean, factor, variance = columns.standardize(x, weight, bias, 0.1)
    numpy.testing.assert_allclose(out, raw_channels(x, weight, bias, 0.1, None), rtol=tolerance, atol=tolerance)
    numpy.testing.assert_allclose(mean, x.mean(axis=0), rtol=tolerance)
    numpy.testing.assert_allclose(variance, x.var(axis=0), rtol=tolerance)
    found = columns.pull(g, x, mean, factor, weight)
    for ours, theirs in zip(found, pull_channels(g, x, weight, 0.1, None), strict=True):
        assert ours.dtype == dtype
        numpy.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_the_cotangent_may_lie_in_any_order(way: str) -> None:
    x, g, weight, _ = drawn("float64")
    _, mean, factor, _ = columns.standardize(x, None, None, 0.1)
    turned = numpy.asfortranarray(g)
    for a, b in zip(
        columns.pull(turned, x, mean, factor, weight), columns.pull(g, x, mean, factor, weight), strict=True
    ):
        numpy.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)


def test_its_derivatives_are_right(way: str) -> None:
    x, _, weight, bias = (tensor(value, requires_grad=True) for value in drawn("float64"))

    def normalised(x: Any, weight: Any, bias: Any) -> Any:
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=0.1)

    assert gradcheck(normalised, (x, weight, bias))
    assert gradgradcheck(normalised, (x, weight, bias))
