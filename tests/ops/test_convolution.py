"""Convolution: PyTorch's, for any geometry and memory layout, in bounded memory."""

import tracemalloc

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_mp import DTypeError, ShapeError, from_numpy, tensor
from tinygrad_mp.backend import correlation, threads
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.testing.gradcheck import gradcheck, gradgradcheck

# PyTorch says that it copies the input here.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def normal(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape)


def assert_as_in_pytorch(name, arrays, **params):
    """Value and gradients of a function of ``nn.functional`` are PyTorch's."""
    torch = torch_module()
    ours = [None if one is None else tensor(one, requires_grad=True) for one in arrays]
    theirs = [None if one is None else torch.tensor(one, requires_grad=True) for one in arrays]
    out, expected = getattr(F, name)(*ours, **params), getattr(torch.nn.functional, name)(*theirs, **params)
    assert out.shape == tuple(expected.shape)
    numpy.testing.assert_allclose(out.array, expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    g = normal(*out.shape, seed=9)
    out.backward(tensor(g))
    expected.backward(torch.tensor(g))
    for mine, other in zip(ours, theirs, strict=True):
        if mine is not None:
            right = numpy.zeros(mine.shape) if other.grad is None else other.grad.numpy()
            numpy.testing.assert_allclose(mine.grad.array, right, rtol=1e-10, atol=1e-10)


numbers = lambda low, high, axes: st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def convolutions(draw, axes, transposed=False):
    """Shapes of image and weight, parameters, whether there is a bias."""
    kernel, dilation = draw(numbers(1, 4, axes)), draw(numbers(1, 3, axes))
    stride, size = draw(numbers(1, 4, axes)), draw(numbers(1, 9, axes))
    groups = draw(st.integers(1, 3))
    channels, units = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    params = {"stride": stride, "dilation": dilation, "groups": groups}
    batch = draw(st.sampled_from([(1,), (2,), (5,), ()]))
    if transposed:
        params["padding"] = draw(numbers(0, 3, axes))
        most = [max(one, two) - 1 for one, two in zip(stride, dilation, strict=True)]
        params["output_padding"] = tuple(draw(st.integers(0, one)) for one in most)
        for i in range(axes):
            least = (size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + params["output_padding"][i] + 1
            assume(least > 2 * params["padding"][i])
        weight = (groups * channels, units, *kernel)
    else:
        params["padding"] = draw(st.one_of(numbers(0, 4, axes), st.just("valid")))
        if stride == (1,) * axes and draw(st.booleans()):
            params["padding"] = "same"
        if params["padding"] != "same":
            around = (0,) * axes if params["padding"] == "valid" else params["padding"]
            for i in range(axes):
                assume(size[i] + 2 * around[i] > dilation[i] * (kernel[i] - 1))
        weight = (groups * units, channels, *kernel)
    return (*batch, groups * channels, *size), weight, groups * units, params, draw(st.booleans())


@pytest.mark.parametrize("axes", [1, 2])
@given(data=st.data())
def test_convolution_is_pytorchs_for_any_geometry(axes, data):
    shape, weight, units, params, biased = data.draw(convolutions(axes))
    bias = normal(units, seed=2) if biased else None
    assert_as_in_pytorch(f"conv{axes}d", (normal(*shape), normal(*weight, seed=1), bias), **params)


@pytest.mark.parametrize("axes", [1, 2])
@given(data=st.data())
def test_transposed_convolution_is_pytorchs_for_any_geometry(axes, data):
    shape, weight, units, params, biased = data.draw(convolutions(axes, transposed=True))
    bias = normal(units, seed=2) if biased else None
    assert_as_in_pytorch(f"conv_transpose{axes}d", (normal(*shape), normal(*weight, seed=1), bias), **params)


@pytest.mark.parametrize("width", [1, 10**9])
@pytest.mark.parametrize("room", [1, 8, 200, 3000, 30000])
@pytest.mark.parametrize(
    "params", [{}, {"padding": 2}, {"stride": 2, "padding": 1}, {"dilation": (1, 2)}, {"dilation": 2, "groups": 2}]
)
def test_the_result_depends_neither_on_the_room_for_columns_nor_on_the_way_they_are_made(
    monkeypatch, room, width, params
):
    monkeypatch.setattr(correlation, "COLUMN_BYTES", room)
    monkeypatch.setattr(correlation, "LEAST_WIDTH", width)
    assert_as_in_pytorch("conv2d", (normal(3, 4, 7, 6), normal(2, 4 // params.get("groups", 1), 3, 2)), **params)


@pytest.mark.parametrize("kernel", [(2, 2), (4, 3), (1, 2), (1, 1)])
@pytest.mark.parametrize("dilation", [1, 3])
def test_same_keeps_the_size_with_even_kernels_too(kernel, dilation):
    x, weight = normal(2, 3, 6, 5), normal(4, 3, *kernel)
    assert F.conv2d(tensor(x), tensor(weight), padding="same", dilation=dilation).shape == (2, 4, 6, 5)
    assert_as_in_pytorch("conv2d", (x, weight), padding="same", dilation=dilation)


@pytest.mark.parametrize("layout", [lambda a: a[..., ::-1], lambda a: a[:, :, ::2], lambda a: a.T.copy().T])
def test_any_memory_layout_gives_the_same(layout):
    torch = torch_module()
    x, weight = layout(normal(4, 3, 8, 6)), layout(normal(5, 3, 4, 3))
    assert not x.flags.c_contiguous
    expected = torch.nn.functional.conv2d(torch.tensor(x.copy()), torch.tensor(weight.copy()), padding=1)
    out = F.conv2d(from_numpy(x), from_numpy(weight), padding=1)
    numpy.testing.assert_allclose(out.array, expected.numpy(), rtol=1e-12, atol=1e-12)


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients():
    x, weight = tensor(normal(0, 3, 5, 5), requires_grad=True), tensor(normal(2, 3, 3, 3), requires_grad=True)
    bias = tensor(normal(2), requires_grad=True)
    out = F.conv2d(x, weight, bias, stride=2)
    assert out.shape == (0, 2, 2, 2)
    out.sum().backward()
    assert x.grad.shape == (0, 3, 5, 5)
    assert not weight.grad.array.any()
    assert not bias.grad.array.any()


@pytest.mark.parametrize("width", [1, 10**9])
@pytest.mark.parametrize(
    ("name", "shape", "weight", "params"),
    [
        ("conv2d", (2, 2, 5, 4), (2, 2, 3, 2), {"padding": "same"}),
        ("conv2d", (2, 4, 6, 5), (4, 2, 2, 3), {"stride": (2, 3), "padding": 1, "groups": 2, "dilation": (2, 1)}),
        ("conv2d", (2, 2, 5, 5), (3, 2, 1, 1), {"stride": 3}),
        ("conv1d", (2, 2, 7), (2, 2, 3), {"stride": 2, "padding": 1}),
        ("conv_transpose2d", (2, 2, 3, 2), (2, 2, 3, 2), {"stride": 2, "padding": 1, "output_padding": 1}),
        ("conv_transpose1d", (2, 4, 3), (4, 1, 2), {"stride": 3, "groups": 2}),
    ],
)
def test_first_and_second_derivatives_agree_with_differences(monkeypatch, name, shape, weight, params, width):
    monkeypatch.setattr(correlation, "LEAST_WIDTH", width)
    groups = params.get("groups", 1)
    units = weight[1] * groups if "transpose" in name else weight[0]
    arrays = (normal(*shape), normal(*weight, seed=1), normal(units, seed=2))
    inputs = tuple(tensor(one, requires_grad=True) for one in arrays)
    function = lambda x, w, b: getattr(F, name)(x, w, b, **params)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_scratch_memory_does_not_grow_with_the_batch(monkeypatch):
    monkeypatch.setattr(threads._pool, "count", 1)  # each thread has scratch memory of its own

    def scratch(batch):
        x, weight = (
            from_numpy(normal(batch, 8, 32, 32).astype("float32")),
            from_numpy(normal(8, 8, 5, 5).astype("float32")),
        )
        tracemalloc.start()
        out = F.conv2d(x, weight, padding=2)
        peak = tracemalloc.get_traced_memory()[1] - out.array.nbytes
        tracemalloc.stop()
        return peak

    scratch(1)
    assert max(scratch(64), scratch(512)) <= 1.5 * correlation.COLUMN_BYTES


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_keeps_the_dtype(dtype):
    x, weight = (tensor(one.astype(dtype), requires_grad=True) for one in (normal(2, 3, 4, 4), normal(2, 3, 2, 2)))
    out = F.conv2d(x, weight)
    out.sum().backward()
    assert {out.dtype, x.grad.dtype, weight.grad.dtype} == {numpy.dtype(dtype)}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: F.conv2d(x, tensor(normal(2, 4, 3, 3))), "the input has 3 channels, the weight takes 4"),
        (lambda x, w: F.conv2d(x, w, groups=2), "takes 6"),
        (lambda x, w: F.conv2d(x, tensor(normal(2, 1, 1, 1)), groups=3), "2 channels cannot be split into 3 groups"),
        (lambda x, w: F.conv2d(x, w, tensor(normal(3))), r"the bias must have the shape \(2,\), not \(3,\)"),
        (lambda x, w: F.conv2d(x, w, dilation=3), "window of 7 x 7 .* does not fit an input of 5 x 5"),
        (lambda x, w: F.conv2d(x, w, stride=0), "stride must be an int or a pair of ints, at least 1, not 0"),
        (lambda x, w: F.conv2d(x, w, padding=(1, 2, 3)), "padding must be"),
        (lambda x, w: F.conv2d(x[0, 0], w), "must have the axes"),
        (lambda x, w: F.conv1d(x, w), "must have the axes"),
        (lambda x, w: F.conv2d(x, w[0]), "the weight must have the axes"),
        (lambda x, w: F.conv2d(x, w, groups=0), "groups must be at least 1"),
        (lambda x, w: F.conv_transpose2d(x, w), "the input has 3 channels, the weight takes 2"),
        (lambda x, w: F.conv_transpose2d(x[:, :2], w, output_padding=1), "output_padding 1 must be less"),
        (lambda x, w: F.conv_transpose2d(x[:, :2], w, padding=4), "the result would have the size"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_their_numbers(call, words):
    with pytest.raises(ShapeError, match=words):
        call(tensor(normal(1, 3, 5, 5)), tensor(normal(2, 3, 3, 3)))


def test_an_error_names_the_operation_and_its_operands():
    with pytest.raises(ShapeError, match="conv2d: the input has 3 channels") as caught:
        F.conv2d(tensor(normal(1, 3, 5, 5)), tensor(normal(2, 4, 3, 3)))
    assert "(2, 4, 3, 3)" in str(caught.value)


def test_dtypes_must_agree():
    with pytest.raises(DTypeError, match="the dtypes differ: float64, float32"):
        F.conv2d(tensor(normal(1, 3, 5, 5)), tensor(normal(2, 3, 3, 3).astype("float32")))


@pytest.mark.parametrize("params", [{"padding": "full"}, {"padding": "same", "stride": 2}])
def test_padding_words_are_checked(params):
    with pytest.raises(SettingError, match="padding"):
        F.conv2d(tensor(normal(1, 3, 5, 5)), tensor(normal(2, 3, 3, 3)), **params)
