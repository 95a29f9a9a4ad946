"""Layer and RMS normalisation on the CPU, in blocks and threads: what the general kernels give."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.backend import buffers, normalizing, threads, whole_rows
from tinygrad_mp.nn import functional as F
from tinygrad_mp.testing import gradcheck, gradgradcheck

RNG = numpy.random.default_rng(0)


def results(shape: tuple[int, int], dtype: str, centred: bool, affine: bool) -> list[Any]:
    rng = numpy.random.default_rng(1)
    rows, width = shape
    x, g = (rng.normal(3, 2, (rows, 1, width, 1)).astype(dtype) for _ in range(2))
    weight, bias = (rng.normal(size=(1, width, 1)).astype(dtype) if affine else None for _ in range(2))
    out, mean, factor = normalizing.standardize_rows(x, weight, bias, 1e-3, centred)
    found = [out, mean, factor, *normalizing.pull_rows(g, x, mean, factor, weight, affine)]
    assert all(one.dtype == dtype for one in found if one is not None)
    return found


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("block", [1, 24, 1 << 17])
@pytest.mark.parametrize("wide", [1, 12])
@pytest.mark.parametrize("shape", [(9, 4), (8, 3), (1, 5), (5, 1), (3, 13)])
def test_kernels_give_what_the_general_ones_give(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], wide: int, block: int, count: int
) -> None:
    before = tg.get_num_threads()
    monkeypatch.setattr(whole_rows, "_BLOCK", block)
    monkeypatch.setattr(whole_rows, "_WIDE", wide)
    monkeypatch.setattr(buffers, "_WORTH", 16 if wide == 1 else 512)
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    for dtype, tolerance in (("float32", 1e-4), ("float64", 1e-12)):
        for centred in (True, False):
            for affine in (True, False):
                tg.set_num_threads(count)
                try:
                    fast = results(shape, dtype, centred, affine)
                finally:
                    tg.set_num_threads(before)
                with monkeypatch.context() as patch:
                    patch.setattr(whole_rows, "suits", lambda x: False)
                    general = results(shape, dtype, centred, affine)
                for one, other in zip(fast, general, strict=True):
                    assert (one is None) == (other is None)
                    if one is not None:
                        assert one.shape == other.shape
                        numpy.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_sums_over_rows_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_rows, "_BLOCK", 64)
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    before, found = tg.get_num_threads(), []
    for count in (1, 2, 3):
        tg.set_num_threads(count)
        try:
            found.append(results((50, 6), "float32", True, True))
        finally:
            tg.set_num_threads(before)
    for one in found[1:]:
        assert all((a == b).all() for a, b in zip(one, found[0], strict=True))


@pytest.mark.parametrize("function", [F.layer_norm, F.rms_norm])
def test_derivatives_in_blocks_are_right(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    monkeypatch.setattr(whole_rows, "_BLOCK", 8)
    inputs = [tg.tensor(RNG.normal(size=size), requires_grad=True) for size in ((5, 4), (4,))]
    assert gradcheck(lambda x, w: function(x, (4,), w), inputs)
    assert gradgradcheck(lambda x, w: function(x, (4,), w), inputs)


def test_the_size_of_numpys_buffers_is_put_back() -> None:
    before = numpy.getbufsize()
    with buffers.rows_of(1000):
        assert numpy.getbufsize() == 512
    with buffers.rows_of(100):
        assert numpy.getbufsize() == before
    assert numpy.getbufsize() == before
