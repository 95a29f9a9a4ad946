"""Pooling: PyTorch's windows, means and ties, for any geometry."""

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_mp import DTypeError, ShapeError, from_numpy, get_num_threads, set_num_threads, tensor
from tinygrad_mp.backend import threads, windows
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.testing.gradcheck import gradcheck, gradgradcheck


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def assert_as_in_pytorch(name, x, *args, **params):
    torch = torch_module()
    ours, theirs = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, expected = getattr(F, name)(ours, *args, **params), getattr(torch.nn.functional, name)(theirs, *args, **params)
    if params.get("return_indices"):
        numpy.testing.assert_array_equal(out.indices.array, expected[1].numpy())
        assert out.indices.dtype == "int64"
        out, expected = out.values, expected[0]
    assert out.shape == tuple(expected.shape)
    numpy.testing.assert_allclose(out.array, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    g = numpy.random.default_rng(9).standard_normal(out.shape)
    out.backward(tensor(g))
    expected.backward(torch.tensor(g))
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)


numbers = lambda low, high, axes: st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def pools(draw, axes, dilated):
    kernel, size = draw(numbers(1, 4, axes)), draw(numbers(1, 9, axes))
    params = {"ceil_mode": draw(st.booleans()), "stride": draw(st.one_of(st.none(), numbers(1, 4, axes)))}
    dilation = draw(numbers(1, 3, axes)) if dilated else (1,) * axes
    if dilated:
        params["dilation"] = dilation
    params["padding"] = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    for k, d, side in zip(kernel, dilation, size, strict=True):
        assume(side >= d * (k - 1) + 1)
    batch = draw(st.sampled_from([(1,), (3,), ()]))
    return (*batch, draw(st.integers(1, 2)), *size), kernel, params


@pytest.mark.parametrize("values", ["distinct", "ties"])
@pytest.mark.parametrize("axes", [1, 2])
@given(data=st.data())
def test_max_pooling_is_pytorchs_for_any_geometry_and_at_ties(axes, values, data):
    shape, kernel, params = data.draw(pools(axes, dilated=True))
    rng = numpy.random.default_rng(0)
    x = rng.standard_normal(shape) if values == "distinct" else rng.integers(0, 2, shape).astype("float64")
    assert_as_in_pytorch(f"max_pool{axes}d", x, kernel, return_indices=True, **params)


@pytest.mark.parametrize("axes", [1, 2])
@given(data=st.data())
def test_average_pooling_is_pytorchs_for_any_geometry(axes, data):
    shape, kernel, params = data.draw(pools(axes, dilated=False))
    params["count_include_pad"] = data.draw(st.booleans())
    if axes == 2:
        params["divisor_override"] = data.draw(st.sampled_from([None, 1, 5, -2]))
    assert_as_in_pytorch(f"avg_pool{axes}d", numpy.random.default_rng(0).standard_normal(shape), kernel, **params)


@pytest.mark.parametrize("values", ["distinct", "ties"])
@given(data=st.data())
def test_adaptive_pooling_is_pytorchs_for_any_sizes(values, data):
    axes = data.draw(st.sampled_from([1, 2]))
    shape = (*data.draw(st.sampled_from([(2,), ()])), 2, *data.draw(numbers(1, 9, axes)))
    goal = data.draw(numbers(1, 9, axes))
    rng = numpy.random.default_rng(0)
    x = rng.standard_normal(shape) if values == "distinct" else rng.integers(0, 2, shape).astype("float64")
    assert_as_in_pytorch(f"adaptive_avg_pool{axes}d", x, goal)
    assert_as_in_pytorch(f"adaptive_max_pool{axes}d", x, goal, return_indices=True)


def test_an_adaptive_size_of_none_keeps_the_axis_and_one_is_global():
    x = tensor(numpy.random.default_rng(0).standard_normal((2, 3, 5, 4)))
    assert F.adaptive_avg_pool2d(x, (None, 2)).shape == (2, 3, 5, 2)
    numpy.testing.assert_allclose(F.adaptive_avg_pool2d(x, 1).array, x.array.mean((2, 3), keepdims=True))
    numpy.testing.assert_array_equal(F.adaptive_max_pool2d(x, 1).array, x.array.max((2, 3), keepdims=True))


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("params", [{}, {"stride": 1, "padding": 1, "ceil_mode": True}, {"stride": 3}])
def test_first_and_second_derivatives_agree_with_differences(name, params):
    shape = (2, 2, 5, 6)
    x = tensor(numpy.random.default_rng(0).permutation(120).reshape(shape) / 10.0, requires_grad=True)
    assert gradcheck(lambda x: getattr(F, name)(x, 2, **params), (x,))
    assert gradgradcheck(lambda x: getattr(F, name)(x, 2, **params), (x,))


def test_a_nan_is_the_largest_entry_of_its_window():
    x = tensor([[[1.0, float("nan"), 3.0, 4.0]]], requires_grad=True)
    values, indices = F.max_pool1d(x, 2, return_indices=True)
    assert numpy.isnan(values.array[0, 0, 0])
    assert indices.tolist() == [[[1, 3]]]


def test_an_empty_batch_and_any_memory_layout():
    for pool in (F.max_pool2d, F.avg_pool2d):
        x = from_numpy(numpy.zeros((0, 2, 4, 4))).requires_grad_()
        out = pool(x, 2)
        out.sum().backward()
        assert out.shape == (0, 2, 2, 2)
        assert x.grad.shape == x.shape
        y = numpy.random.default_rng(0).standard_normal((3, 2, 4, 6))
        right = pool(from_numpy(y), 2).array
        for other in (y.T.copy().T, numpy.repeat(y, 2, -1)[..., ::2], y[::-1].copy()[::-1]):
            numpy.testing.assert_array_equal(pool(from_numpy(other), 2).array, right)


def test_pooling_keeps_the_order_of_axes_in_memory():
    x = from_numpy(numpy.zeros((2, 4, 4, 3)).transpose(3, 0, 1, 2))
    assert F.max_pool2d(x, 2).array.transpose(1, 2, 3, 0).flags.c_contiguous
    assert F.avg_pool2d(x, 2).array.transpose(1, 2, 3, 0).flags.c_contiguous


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("innermost", [False, True])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("max_pool2d", {}),
        ("max_pool2d", {"stride": 1, "padding": 1}),
        ("max_pool2d", {"padding": 1, "dilation": 2, "stride": 3}),
        ("avg_pool2d", {"stride": 2, "padding": 1}),
        ("avg_pool2d", {}),
    ],
)
def test_slices_and_threads_change_nothing(monkeypatch, name, params, innermost, count):
    torch = torch_module()
    x = numpy.random.default_rng(0).standard_normal((4, 5, 6, 9))
    theirs = torch.tensor(x, requires_grad=True)
    expected = getattr(torch.nn.functional, name)(theirs, 3, **params)
    g = numpy.random.default_rng(1).standard_normal(expected.shape)
    expected.backward(torch.tensor(g))
    ours = numpy.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2) if innermost else x
    ours = from_numpy(ours).requires_grad_()
    monkeypatch.setattr(windows, "CACHED", 120)
    monkeypatch.setattr(windows, "LEAST_SAMPLES", 1)
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    before = get_num_threads()
    set_num_threads(count)
    try:
        out = getattr(F, name)(ours, 3, **params)
        out.backward(from_numpy(g))
        function = lambda x: getattr(F, name)(x, 3, **params)
        assert gradcheck(function, (tensor(x[:2, :2], requires_grad=True),))
        assert gradgradcheck(function, (tensor(x[:2, :2], requires_grad=True),))
    finally:
        set_num_threads(before)
    numpy.testing.assert_allclose(out.array, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_keeps_the_dtype(dtype):
    for pool in (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        x = tensor(numpy.ones((1, 1, 5, 5), dtype), requires_grad=True)
        out = pool(x, 2)
        out.sum().backward()
        assert (out.dtype, x.grad.dtype) == (dtype, dtype)
    out = F.avg_pool2d(x, 2, padding=1, ceil_mode=True, count_include_pad=False)
    assert out.dtype == dtype


def test_integers_have_a_largest_but_no_mean():
    x = tensor([[[1, -5], [-7, 0]]])
    assert F.max_pool2d(x, 2).tolist() == [[[1]]]
    assert F.max_pool2d(x - 9, 2, padding=1).tolist() == [[[-8, -14], [-16, -9]]]
    with pytest.raises(DTypeError):
        F.avg_pool2d(x, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.max_pool2d(x, 2, padding=2), "padding .* at most half"),
        (lambda x: F.max_pool2d(x, 5), "window of 5 x 5 .* does not fit an input of 4 x 4"),
        (lambda x: F.avg_pool2d(x, (1, 2, 3)), "kernel_size must be"),
        (lambda x: F.avg_pool2d(x, 2, stride=0), "stride must be"),
        (lambda x: F.max_pool1d(x, 2), "must have the axes"),
        (lambda x: F.adaptive_avg_pool2d(x, 0), "output_size must be"),
        (lambda x: F.adaptive_max_pool2d(x[:, :, :0], 2), "nothing in an input without entries"),
    ],
)
def test_a_geometry_that_does_not_fit_is_refused_with_its_numbers(call, words):
    with pytest.raises(ShapeError, match=words):
        call(tensor(numpy.ones((1, 2, 4, 4))))


def test_a_divisor_of_zero_is_refused():
    with pytest.raises(SettingError, match="divisor_override must not be 0"):
        F.avg_pool2d(tensor(numpy.ones((1, 2, 4, 4))), 2, divisor_override=0)
