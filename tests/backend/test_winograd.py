"""Windows in pairs: PyTorch's convolution, whatever the sizes of parts, the layout of memory and the threads."""

import tracemalloc

import hypothesis.strategies as st
import numpy
import pytest
from hypothesis import HealthCheck, given, settings

from tinygrad_mp import from_numpy, get_num_threads, set_num_threads, tensor
from tinygrad_mp.backend import correlation, threads, windows, winograd
from tinygrad_mp.nn import functional as F
from tinygrad_mp.testing import gradcheck, gradgradcheck


def normal(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is the reference here")


LAYOUTS = {
    "C": lambda a: a,
    "batch innermost": lambda a: numpy.ascontiguousarray(a.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2),
    "reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
}


@pytest.fixture
def small_parts(monkeypatch):
    """Sizes that make small arrays take the way of large ones, in many parts."""

    def choose(room, rows, block, samples):
        monkeypatch.setattr(winograd, "LEAST_WIDTH", 1)
        monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)
        monkeypatch.setattr(winograd, "TILE_BYTES", room)
        monkeypatch.setattr(winograd, "ROWS", rows)
        monkeypatch.setattr(windows, "LEAST_SAMPLES", 1)
        monkeypatch.setattr(windows, "_BLOCK", block)
        monkeypatch.setattr(windows, "_SAMPLES", samples)

    return choose


@pytest.fixture
def two_threads(monkeypatch):
    before = get_num_threads()
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    set_num_threads(2)
    yield
    set_num_threads(before)


@pytest.fixture
def counted(monkeypatch):
    """How often each of the two functions is called."""
    calls = {"correlate": 0, "correlate_weight": 0}

    def counting(name, function):
        def call(*args):
            calls[name] += 1
            return function(*args)

        return call

    for name in calls:
        monkeypatch.setattr(winograd, name, counting(name, getattr(winograd, name)))
    return calls


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_convolution_in_pairs_is_pytorchs(small_parts, data):
    torch = torch_module()
    draw = lambda low, high: data.draw(st.integers(low, high))
    small_parts(draw(1, 10_000), draw(1, 4), draw(1, 20), draw(1, 4))
    tall, stride, padding = draw(1, 4), (draw(1, 2), 1), (draw(0, 2), draw(0, 3))
    x = normal(draw(1, 5), draw(1, 4), draw(4, 8), draw(3, 8))
    weight, bias = normal(draw(1, 4), x.shape[1], tall, 3, seed=1), None
    if data.draw(st.booleans()):
        bias = normal(weight.shape[0], seed=2)
    theirs = [None if one is None else torch.tensor(one, requires_grad=True) for one in (x, weight, bias)]
    expected = torch.nn.functional.conv2d(*theirs, stride, padding)
    g = normal(*expected.shape, seed=3)
    expected.backward(torch.tensor(g))
    layouts = st.sampled_from(sorted(LAYOUTS))
    x, g = (LAYOUTS[data.draw(layouts)](one) for one in (x, g))
    ours = [None if one is None else from_numpy(one).requires_grad_() for one in (x, weight, bias)]
    out = F.conv2d(*ours, stride, padding)
    out.backward(from_numpy(g))
    numpy.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=0, atol=1e-12)
    for one, other in zip(ours, theirs, strict=True):
        if one is not None:
            numpy.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [5, 6])
def test_first_and_second_derivatives_agree_with_differences(small_parts, counted, width):
    small_parts(3000, 2, 8, 2)
    arrays = (normal(3, 2, 4, width), normal(2, 2, 3, 3, seed=1), normal(2, seed=2))
    inputs = tuple(tensor(one, requires_grad=True) for one in arrays)
    function = lambda x, w, b: F.conv2d(x, w, b, padding=1)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)
    assert all(counted.values())


@pytest.mark.parametrize("shape", [(4, 3, 6, 7), (4, 3, 1, 9)])
def test_two_threads_give_what_one_gives_and_always_the_same(small_parts, two_threads, shape):
    small_parts(3000, 2, 8, 2)
    arrays = (normal(*shape), normal(2, 3, 3, 3, seed=1))

    def gradients():
        x, weight = (tensor(one, requires_grad=True) for one in arrays)
        out = F.conv2d(x, weight, padding=1)
        out.backward(from_numpy(normal(*out.shape, seed=2)))
        return out.array, x.grad.array, weight.grad.array

    split, again = gradients(), gradients()
    set_num_threads(1)
    for one, same, other in zip(split, again, gradients(), strict=True):
        numpy.testing.assert_array_equal(one, same)
        numpy.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_float32_is_as_exact_as_the_direct_sum(monkeypatch):
    x, weight = normal(32, 64, 16, 16), normal(64, 64, 3, 3, seed=1)
    expected = F.conv2d(from_numpy(x), from_numpy(weight), padding=1).numpy()
    errors = {}
    for way, least in (("pairs", 16), ("direct", 65)):
        monkeypatch.setattr(winograd, "LEAST_CHANNELS", least)
        out = F.conv2d(*(from_numpy(one.astype("float32")) for one in (x, weight)), padding=1).numpy()
        errors[way] = numpy.linalg.norm(out - expected) / numpy.linalg.norm(expected)
    assert errors["pairs"] < 1e-6
    assert errors["pairs"] < 1.5 * errors["direct"]


def test_small_whole_numbers_stay_exact():
    rng = numpy.random.default_rng(0)
    x, weight = (rng.integers(-8, 9, shape).astype("float32") for shape in ((64, 16, 8, 8), (16, 16, 3, 3)))
    double = F.conv2d(*(from_numpy(one.astype("float64")) for one in (x, weight)), padding=1)
    single = F.conv2d(from_numpy(x), from_numpy(weight), padding=1)
    numpy.testing.assert_array_equal(single.numpy(), double.numpy())


def test_scratch_memory_does_not_grow_with_the_batch(monkeypatch):
    monkeypatch.setattr(threads._pool, "count", 1)  # each thread has scratch memory of its own

    def scratch(batch):
        x, weight = (from_numpy(normal(*shape).astype("float32")) for shape in ((batch, 16, 32, 32), (16, 16, 3, 3)))
        tracemalloc.start()
        out = F.conv2d(x, weight, padding=1)
        peak = tracemalloc.get_traced_memory()[1] - out.array.nbytes
        tracemalloc.stop()
        return peak

    scratch(16)
    assert max(scratch(64), scratch(512)) <= 4 * winograd.TILE_BYTES


def test_the_columns_of_a_pointwise_convolution_are_the_image(two_threads):
    x = LAYOUTS["batch innermost"](normal(3, 4, 5, 6)).transpose(1, 2, 3, 0)
    ((_, seen),) = correlation._columns(x, (1, 1), (2, 6, 3), (-1, 0), (1, 1), (1, 1))
    assert numpy.shares_memory(seen, x)
    numpy.testing.assert_array_equal(seen, x[:, 1:3])
    torch = torch_module()
    x, weight = normal(3, 4, 5, 6), normal(2, 4, 1, 1, seed=1)
    expected = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weight))
    out = F.conv2d(from_numpy(LAYOUTS["batch innermost"](x)), from_numpy(weight))
    numpy.testing.assert_allclose(out.numpy(), expected.numpy(), rtol=0, atol=1e-12)
