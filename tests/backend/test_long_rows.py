"""Batch normalisation of images with the batch innermost: that of any other memory, in blocks and in threads."""

import numpy
import pytest

from tinygrad_mp import from_numpy, get_num_threads, set_num_threads
from tinygrad_mp.backend import long_rows, normalizing, threads
from tinygrad_mp.nn import functional as F
from tinygrad_mp.testing import gradcheck, gradgradcheck


def normal(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


def batch_innermost(a):
    return numpy.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(long_rows, "LONG", 1)
    monkeypatch.setattr(long_rows, "_BLOCK", 7)


@pytest.fixture
def calls(monkeypatch):
    seen = []

    def counting(name, function):
        def call(*args):
            seen.append(name)
            return function(*args)

        return call

    for name in ("moments", "standardize", "pull"):
        monkeypatch.setattr(long_rows, name, counting(name, getattr(long_rows, name)))
    return seen


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_give_what_the_general_ones_give(monkeypatch, dtype, count):
    x, g = (normal(1, 5, 23, seed=seed).astype(dtype) + 3 for seed in (0, 1))
    weight, bias, factor = (normal(5, seed=seed).astype(dtype) for seed in (2, 3, 4))
    mean = normalizing.channel_moments(x)[0]

    def results():
        return (
            *normalizing.channel_moments(x),
            normalizing.standardize_channels(x, mean, factor, weight, bias),
            normalizing.standardize_channels(x, mean, factor, None, None),
            *normalizing.pull_channels(g, x, mean, factor, weight),
            normalizing.total_by_channel(g),
        )

    general = results()
    monkeypatch.setattr(long_rows, "LONG", 1)
    monkeypatch.setattr(long_rows, "_BLOCK", 7)
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    before = get_num_threads()
    set_num_threads(count)
    try:
        found = results()
    finally:
        set_num_threads(before)
    for one, other in zip(found, general, strict=True):
        assert one.dtype == other.dtype
        numpy.testing.assert_allclose(one, other, rtol=1e-4 if dtype == "float32" else 1e-12)
    numpy.testing.assert_array_equal(found[-1], found[-2])  # the bias has one gradient, whichever way it is found


def test_first_and_second_derivatives_agree_with_differences(short, calls):
    x = from_numpy(batch_innermost(normal(3, 2, 2, 2))).requires_grad_()
    weight, bias = (from_numpy(normal(2, seed=seed)).requires_grad_() for seed in (1, 2))
    function = lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)
    function(x, weight, bias).sum().backward()
    assert set(calls) == {"moments", "standardize", "pull"}
    # The checks copy their inputs; the copies keep no order of memory, so they are brought into it here.
    turned = lambda x, w, b: function(x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2), w, b)
    calls.clear()
    assert gradcheck(turned, (x, weight, bias))
    assert set(calls) == {"moments", "standardize", "pull"}
    assert gradgradcheck(turned, (x, weight, bias))


def test_a_large_offset_does_not_spoil_the_variance(short):
    x = (normal(1, 3, 1000) + 1000).astype("float32")
    _, variance = long_rows.moments(x)
    numpy.testing.assert_allclose(variance, x.astype("float64").var(axis=(0, 2)), rtol=1e-4)
