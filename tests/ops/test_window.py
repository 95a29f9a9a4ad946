"""Windows: PyTorch's unfold and fold, exactly, for any geometry, each the transpose of the other."""

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_mp.autograd import backward
from tinygrad_mp.creation import tensor
from tinygrad_mp.errors import ShapeError
from tinygrad_mp.ops.window import fold, unfold, unfold_dim


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))


@given(
    shape=st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)),
    kernel=pair(1, 4),
    dilation=pair(1, 3),
    padding=pair(0, 3),
    stride=pair(1, 4),
)
def test_unfold_and_fold_are_pytorchs_for_any_geometry(shape, kernel, dilation, padding, stride):
    torch = torch_module()
    for axis in range(2):
        assume(shape[2 + axis] + 2 * padding[axis] > dilation[axis] * (kernel[axis] - 1))
    x = numpy.random.default_rng(0).standard_normal(shape)
    theirs = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.unfold(theirs, kernel, dilation, padding, stride)
    ours = tensor(x, requires_grad=True)
    columns = unfold(ours, kernel, dilation, padding, stride)
    numpy.testing.assert_array_equal(columns.array, expected.detach().numpy())
    g = numpy.random.default_rng(1).standard_normal(columns.shape)
    backward(columns, tensor(g))
    expected.backward(torch.tensor(g))
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-12, atol=1e-12)

    folded = tensor(g, requires_grad=True)
    images = fold(folded, shape[2:], kernel, dilation, padding, stride)
    if shape[0]:  # torch refuses to fold an empty batch
        again = torch.nn.functional.fold(torch.tensor(g), shape[2:], kernel, dilation, padding, stride)
        numpy.testing.assert_allclose(images.array, again.numpy(), rtol=1e-12, atol=1e-12)
    backward(images, tensor(x))
    numpy.testing.assert_array_equal(folded.grad.array, columns.array)


def test_images_without_a_batch_axis_give_columns_without_one():
    x = tensor(numpy.arange(18.0).reshape(2, 3, 3))
    columns = unfold(x, 2, padding=1)
    assert columns.shape == (8, 16)
    numpy.testing.assert_array_equal(fold(columns, 3, 2, padding=1).array, 4 * x.array)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_windows_keep_the_dtype_and_never_share_memory(dtype):
    x = tensor(numpy.arange(9).reshape(1, 1, 3, 3), dtype=dtype)
    columns = unfold(x, 1)
    assert columns.dtype == dtype
    assert not numpy.shares_memory(columns.array, x.array)
    assert fold(columns, 3, 1).dtype == dtype


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: unfold(x, 4), "window of 4 x 4 .* does not fit an image of 3 x 3"),
        (lambda x: unfold(x, (1, 2), dilation=(1, 3)), "window of 1 x 4"),
        (lambda x: unfold(x, 2, stride=0), "stride must be an int or a pair of ints, at least 1, not 0"),
        (lambda x: unfold(x, (1, 2, 3)), "kernel_size must be"),
        (lambda x: unfold(x, 2, padding=-1), "padding must be"),
        (lambda x: unfold(tensor([1.0]), 1), "axes"),
        (lambda x: fold(tensor(numpy.ones((1, 7, 4))), 3, 2), "no multiple of the window's 2 x 2"),
        (lambda x: fold(tensor(numpy.ones((1, 8, 5))), 3, 2), "5 windows, but an image of 3 x 3 has 2 x 2 = 4"),
        (lambda x: fold(tensor(numpy.ones((1, 8, 5))), 1, 2), "does not fit an image of 1 x 1"),
        (lambda x: fold(tensor([1.0]), 1, 1), "axes"),
        (lambda x: unfold_dim(x, 3, 4, 1), "size 4 does not fit axis 3 of size 3"),
        (lambda x: unfold_dim(x, 3, 2, 0), "step must be at least 1"),
    ],
)
def test_a_geometry_that_does_not_fit_is_refused_with_its_numbers(call, words):
    with pytest.raises(ShapeError, match=words):
        call(tensor(numpy.ones((1, 2, 3, 3))))


@pytest.mark.parametrize(("dim", "size", "step"), [(1, 3, 2), (-1, 2, 1), (0, 2, 3), (1, 5, 1), (1, 0, 2)])
def test_unfold_along_one_axis_is_pytorchs(dim, size, step):
    torch = torch_module()
    x = numpy.random.default_rng(0).standard_normal((2, 5, 3))
    theirs, ours = torch.tensor(x, requires_grad=True), tensor(x, requires_grad=True)
    expected, out = theirs.unfold(dim, size, step), unfold_dim(ours, dim, size, step)
    numpy.testing.assert_array_equal(out.array, expected.detach().numpy())
    g = numpy.random.default_rng(1).standard_normal(out.shape)
    backward(out, tensor(g))
    expected.backward(torch.tensor(g))
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-12)
