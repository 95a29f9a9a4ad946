"""Indexing is NumPy's where PyTorch agrees, otherwise PyTorch's, and it says where an index is wrong."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mp.autograd import backward, grad
from tinygrad_mp.backend import to_numpy, unregister_backend
from tinygrad_mp.backend.scatter import _add_rows_sorted, add_rows
from tinygrad_mp.creation import tensor
from tinygrad_mp.errors import DTypeError, IndexRangeError, ShapeError
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.ops.gathering import gather, index_select, masked_fill, one_hot, scatter_add, take_along_dim
from tinygrad_mp.ops.indexing import getitem, normalize_index, setitem
from tinygrad_mp.testing import strict

X = numpy.arange(24.0).reshape(2, 3, 4)
MASK = X % 3 == 1


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def weights(shape):
    return numpy.random.default_rng(0).standard_normal(shape)


def short(index):
    return " ".join(repr(index).split())[:40]


BASIC = [
    0,
    -1,
    (1, 2, 3),
    slice(None),
    (slice(1, None), slice(None, None, 2)),
    ...,
    (..., 0),
    (0, ..., slice(1, 3)),
    None,
    (None, 0, None, ..., None),
    (slice(5, 2), 0),
    (numpy.int64(1), slice(numpy.int64(0), numpy.int32(2))),
    numpy.array(1),
]
ADVANCED = [
    [0, 1, 1],
    ([0, 1], [2, -3]),
    (slice(None), [0, 0, -1]),
    (slice(None), [[0, 1], [1, 2]], [0]),
    ([0, 1], slice(None), [0, 3]),
    (0, slice(None), [1, 2]),
    (numpy.array(0), slice(None), numpy.array([1, 2])),
    ([0], slice(None), [1, 2]),
    (slice(None), None, [0, 1]),
    ([0, 1], None, [0, 1]),
    (..., [3, 0]),
    (None, [1, 0], ..., None),
    MASK,
    MASK[:, :, 0],
    (0, MASK[0]),
    (slice(None), MASK[0, :, 1], 0),
    (MASK[:, 0, 1], ..., [1]),
    [True, False],
    True,
    False,
    (0, True),
    (slice(None), True, [0, 1]),
    [],
    (slice(None, None, 2), range(2)),
    numpy.array([1, 0], dtype="uint8"),
    numpy.zeros((2, 0), dtype="int32"),
]


def as_torch(index):
    """The same index with torch tensors in the place of arrays and lists (which torch is changing the meaning of)."""
    torch = torch_module()
    if isinstance(index, tuple):
        return tuple(map(as_torch, index))
    if isinstance(index, (list, range)):
        return torch.tensor(list(index), dtype=torch.int64 if len(index) == 0 else None)
    if isinstance(index, numpy.ndarray):
        return torch.tensor(index, dtype=torch.bool if index.dtype == bool else torch.int64)
    return index


@pytest.mark.parametrize("index", BASIC + ADVANCED, ids=short)
def test_getitem_and_its_gradient_are_those_of_pytorch(index):
    torch = torch_module()
    theirs = torch.tensor(X, requires_grad=True)
    expected = theirs[as_torch(index)]
    g = weights(tuple(expected.shape))
    expected.backward(torch.tensor(g))
    ours = tensor(X, requires_grad=True)
    out = getitem(ours, index)
    backward(out, tensor(g))
    assert out.shape == tuple(expected.shape)
    numpy.testing.assert_array_equal(out.array, expected.detach().numpy())
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("index", BASIC + ADVANCED, ids=short)
def test_setitem_and_its_gradients_are_those_of_pytorch(index):
    torch = torch_module()
    theirs, value = torch.tensor(X, requires_grad=True), torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    expected = theirs.clone()
    expected[as_torch(index)] = value
    g = weights(X.shape)
    expected.backward(torch.tensor(g))
    ours, our_value = tensor(X, requires_grad=True), tensor(numpy.array(2.5), requires_grad=True)
    out = setitem(ours, our_value, index)
    backward(out, tensor(g))
    numpy.testing.assert_array_equal(out.array, expected.detach().numpy())
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy())
    if value.grad is not None:
        numpy.testing.assert_allclose(our_value.grad.array, value.grad.numpy(), atol=1e-12)
    numpy.testing.assert_array_equal(ours.array, X)


@pytest.mark.parametrize("index", [i for i in BASIC if i is not Ellipsis], ids=short)
def test_basic_indexing_is_a_view(index):
    x = tensor(X)
    out = getitem(x, index)
    assert out.array.size == 0 or numpy.shares_memory(out.array, x.array)


def test_negative_steps_are_numpys():
    x = tensor(X, requires_grad=True)
    out = getitem(x, (slice(None, None, -1), slice(2, 0, -1)))
    numpy.testing.assert_array_equal(out.array, X[::-1, 2:0:-1])
    backward(out, out)
    expected = numpy.zeros_like(X)
    expected[::-1, 2:0:-1] = X[::-1, 2:0:-1]
    numpy.testing.assert_array_equal(x.grad.array, expected)


def test_tensors_index_as_arrays_do():
    x = tensor(X)
    index = (tensor([1, 0]), slice(None), tensor(2))
    numpy.testing.assert_array_equal(getitem(x, index).array, X[[1, 0], :, 2])
    numpy.testing.assert_array_equal(getitem(x, tensor(MASK)).array, X[MASK])


def test_a_repeated_index_adds_its_cotangents_at_every_order():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    picked = getitem(x, [0, 0, 2])
    (first,) = grad(mul(mul(picked, picked), picked), x, tensor([1.0, 1.0, 1.0]), create_graph=True)
    (second,) = grad(first, x, tensor([1.0, 1.0, 1.0]))
    numpy.testing.assert_allclose(first.array, [6.0, 0.0, 27.0])
    numpy.testing.assert_allclose(second.array, [12.0, 0.0, 18.0])


@pytest.mark.parametrize("add", [add_rows, _add_rows_sorted])
@pytest.mark.parametrize("width", [1, 3, 64, 600])
@given(places=st.lists(st.integers(0, 4), max_size=12), times=st.sampled_from([1, 40]))
def test_rows_add_up_alike_on_every_path(add, width, places, times):
    index = numpy.array(places * times, dtype="int64")
    values = numpy.random.default_rng(len(places)).standard_normal((len(index), width)).astype("float32")
    expected = numpy.zeros((5, width))
    for place, value in zip(index, values, strict=True):
        expected[place] += value
    total = add(index, values, 5)
    assert total.dtype == numpy.float32
    numpy.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (2, ["index 2", "axis 0", "size 2"]),
        ((0, -4), ["index -4", "axis 1", "size 3"]),
        ((0, 0, 0, 0), ["too many indices"]),
        (([0], 0, 0, 0), ["too many indices"]),
        ((0, [1, 3]), ["index 3", "position 1", "axis 1", "size 3", "-3 to 2"]),
        ((slice(None), slice(None), [[0, 0], [-5, 1]]), ["index -5", "position (1, 0)", "axis 2", "size 4"]),
        ((..., [0], ...), ["one Ellipsis"]),
    ],
)
def test_an_index_out_of_range_names_index_axis_and_size(index, words):
    with pytest.raises(IndexRangeError) as caught:
        getitem(tensor(X), index)
    assert all(word in str(caught.value) for word in words), caught.value
    with pytest.raises(IndexError):
        setitem(tensor(X), 0.0, index)


def test_an_index_of_the_wrong_kind_is_refused():
    x = tensor(X)
    with pytest.raises(DTypeError, match="float64"):
        getitem(x, numpy.array([0.0]))
    with pytest.raises(DTypeError, match="'a'"):
        getitem(x, "a")
    with pytest.raises(ShapeError, match="mask of shape"):
        getitem(x, numpy.ones(3, dtype=bool))
    with pytest.raises(ShapeError, match="do not broadcast"):
        getitem(x, ([0, 1], [0, 1, 2]))


def test_setitem_refuses_a_value_that_does_not_fit():
    with pytest.raises(ShapeError, match="does not broadcast"):
        setitem(tensor(X), numpy.ones(3), 0)
    with pytest.raises(ShapeError, match="does not broadcast"):
        setitem(tensor(X), numpy.ones(3), [0, 1])
    with pytest.raises(DTypeError, match="int64"):
        setitem(tensor([1, 2]), tensor(1.0, requires_grad=True), 0)
    assert setitem(tensor([1, 2]), 2.9, 0).array.tolist() == [2, 2]
    assert setitem(tensor(X), numpy.ones((1, 1, 4)), (0, 0)).array[0, 0].tolist() == [1.0] * 4


def test_setitem_sums_the_cotangent_of_a_value_that_was_broadcast():
    x, value = tensor(X, requires_grad=True), tensor(numpy.ones((3, 1)), requires_grad=True)
    out = setitem(x, value, [1, 0])
    backward(out, tensor(X))
    numpy.testing.assert_array_equal(value.grad.array, X.sum((0, 2))[:, None])
    assert not x.grad.array.any()


def test_normalize_index_splits_basic_from_advanced():
    basic, axes, indices, unique = normalize_index((0, [1, -1], None, MASK[0, 0]), X)
    assert basic == (0, slice(None), None, slice(None))
    assert axes == (0, 2)
    assert indices.tolist() == [[1, -1], [1, 1]]
    assert not unique
    assert normalize_index(MASK, X).unique


# --- gather and its kin -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dim", "picked"),
    [((2, 3, 4), 2, (1, 2, 7)), ((2, 3, 4), 0, (5, 3, 1)), ((2, 3, 4), -2, (2, 1, 4)), ((3,), 0, (0,)), ((), 0, (2,))],
)
def test_gather_and_scatter_add_are_those_of_pytorch(shape, dim, picked):
    torch = torch_module()
    rng = numpy.random.default_rng(1)
    x, index = rng.standard_normal(shape), rng.integers(0, shape[dim] if shape else 1, picked)
    theirs = torch.tensor(x, requires_grad=True)
    expected = theirs.gather(dim, torch.tensor(index))
    g = weights(picked)
    expected.backward(torch.tensor(g))
    ours = tensor(x, requires_grad=True)
    out = gather(ours, dim, tensor(index))
    backward(out, tensor(g))
    numpy.testing.assert_array_equal(out.array, expected.detach().numpy())
    numpy.testing.assert_allclose(ours.grad.array, theirs.grad.numpy())

    src = tensor(g, requires_grad=True)
    total = scatter_add(tensor(x, requires_grad=True), dim, index, src)
    numpy.testing.assert_allclose(
        total.array, torch.tensor(x).scatter_add(dim, torch.tensor(index), torch.tensor(g)).numpy()
    )
    backward(total, tensor(x))
    numpy.testing.assert_array_equal(src.grad.array, torch.tensor(x).gather(dim, torch.tensor(index)).numpy())


def test_scatter_add_uses_the_part_of_src_that_the_index_covers():
    src = tensor(numpy.ones((2, 5)), requires_grad=True)
    total = scatter_add(tensor(numpy.zeros((2, 3))), 1, [[0, 0, 2]], src)
    assert total.array.tolist() == [[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    backward(total, tensor(numpy.ones((2, 3))))
    assert src.grad.array.tolist() == [[1.0, 1.0, 1.0, 0.0, 0.0], [0.0] * 5]


def test_scatter_add_keeps_large_integers_exact():
    big = 2**60 + 1
    total = scatter_add(tensor([0, 0]), 0, [1, 1], tensor([big, 1]))
    assert total.array.tolist() == [0, big + 1]


@pytest.mark.parametrize("call", [gather, index_select])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_gather_and_its_kin_refuse_an_index_out_of_range(call, wrong):
    with pytest.raises(IndexRangeError, match=rf"{wrong} at position 1 .*axis 0 with size 3") as caught:
        call(tensor([1.0, 2.0, 3.0]), 0, [0, wrong])
    assert "use 0 to 2" in str(caught.value)


def test_take_along_dim_counts_negative_positions_from_the_end_as_pytorch():
    assert take_along_dim(tensor([1.0, 2.0, 3.0]), [-1, -3], 0).tolist() == [3.0, 1.0]
    with pytest.raises(IndexRangeError, match="axis 0 with size 3"):
        take_along_dim(tensor([1.0, 2.0, 3.0]), [0, -4], 0)


def test_gather_and_its_kin_refuse_what_does_not_fit():
    x = tensor(X)
    with pytest.raises(ShapeError, match="index has 1 axes"):
        gather(x, 0, [0])
    with pytest.raises(ShapeError, match="along axis 0, index has size 3, but input only 2"):
        gather(x, 2, numpy.zeros((3, 2, 7), dtype="int64"))
    with pytest.raises(DTypeError, match="bool"):
        gather(x, 2, MASK)
    with pytest.raises(DTypeError, match="src is float32"):
        scatter_add(x, 2, numpy.zeros((1, 2, 3), dtype="int64"), tensor(numpy.ones((1, 2, 3), dtype="float32")))
    with pytest.raises(ShapeError, match="one axis"):
        index_select(x, 0, [[0]])
    with pytest.raises(DTypeError, match="boolean"):
        masked_fill(x, [1, 0, 0, 1], 0.0)
    with pytest.raises(ShapeError, match="value"):
        masked_fill(x, MASK, numpy.ones(4))


def test_index_select_and_take_along_dim_are_those_of_pytorch():
    torch = torch_module()
    theirs = torch.tensor(X)
    for index in ([2, 0, 2], 1):
        expected = theirs.index_select(1, torch.tensor(index))
        numpy.testing.assert_array_equal(index_select(tensor(X), 1, index).array, expected.numpy())
    assert index_select(tensor(3.0), 0, [0]).shape == ()
    for index, dim in (([[[1, 0]]], 2), ([5, 3], None), ([[[1]], [[0]]], 1)):
        expected = torch.take_along_dim(theirs, torch.tensor(index), dim)
        numpy.testing.assert_array_equal(take_along_dim(tensor(X), index, dim).array, expected.numpy())


def test_masked_fill_is_pytorchs():
    torch = torch_module()
    x, value = tensor(X[0, 0], requires_grad=True), tensor(numpy.array(-1.0), requires_grad=True)
    out = masked_fill(x, MASK[0], value)
    g = weights((3, 4))
    backward(out, tensor(g))
    theirs, their_value = torch.tensor(X[0, 0], requires_grad=True), torch.tensor(-1.0).double().requires_grad_()
    theirs.masked_fill(torch.tensor(MASK[0]), their_value).backward(torch.tensor(g))
    numpy.testing.assert_allclose(x.grad.array, theirs.grad.numpy())
    numpy.testing.assert_allclose(value.grad.array, their_value.grad.numpy())
    assert masked_fill(tensor([1.0]), [True], tensor(2.0, dtype="float64")).dtype == numpy.float32
    assert masked_fill(tensor([1, 2]), [True, False], 2.5).array.tolist() == [2, 2]


def test_masked_fill_keeps_what_is_under_the_mask_out_of_the_gradient():
    x, value = tensor([1.0, 2.0], requires_grad=True), tensor(0.0, requires_grad=True)
    backward(masked_fill(x, [False, True], value), tensor([1.0, float("inf")]))
    assert x.grad.array.tolist() == [1.0, 0.0]
    assert value.grad.array.item() == float("inf")


def test_one_hot_is_pytorchs():
    torch = torch_module()
    for labels, count in (([0, 2], -1), (2, 4), ([[1, 0], [0, 1]], 3)):
        expected = torch.nn.functional.one_hot(torch.tensor(labels), count)
        out = one_hot(tensor(labels), count)
        assert out.dtype == numpy.int64
        numpy.testing.assert_array_equal(out.array, expected.numpy())
    assert one_hot(tensor(numpy.zeros(0, dtype="int64")), 4).shape == (0, 4)
    for labels, count in (([-1], -1), ([0, 3], 3)):
        with pytest.raises(IndexRangeError, match=rf"label {labels[-1]} "):
            one_hot(tensor(labels), count)
    with pytest.raises(ShapeError, match="num_classes"):
        one_hot(tensor(numpy.zeros(0, dtype="int64")))
    with pytest.raises(DTypeError, match="float32"):
        one_hot(tensor([1.0]))


def test_indexing_never_touches_host_arrays_on_another_device():
    strict.register()
    try:
        x = tensor(X, device="strict", requires_grad=True)
        mask, picks = tensor(MASK, device="strict"), tensor([1, 0], device="strict")
        for index in (
            0,
            (..., None, 1),
            picks,
            (picks, slice(None), [0, 3]),
            mask,
            (getitem(mask, (..., 0)), -1),
            [True, False],
            True,
        ):
            out = getitem(x, index)
            host = numpy.array(X)[tuple(map(_on_host, index)) if isinstance(index, tuple) else _on_host(index)]
            numpy.testing.assert_array_equal(to_numpy(out.array), host)
            backward(out, out)
            backward(setitem(x, 1.0, index), x)
        with pytest.raises(IndexRangeError, match="index 5 at position 0"):
            getitem(x, [5])
        with pytest.raises(IndexRangeError, match="index 9"):
            gather(x, 2, numpy.full((1, 1, 1), 9))
        for out in (
            gather(x, 2, numpy.zeros((2, 3, 5), dtype="int64")),
            scatter_add(x, 2, numpy.zeros((2, 3, 4), dtype="int64"), x),
            index_select(x, 1, [1, 1]),
            masked_fill(x, mask, 0.0),
            take_along_dim(x, [[[1]]], 2),
        ):
            backward(out, out)
        assert to_numpy(one_hot(picks).array).tolist() == [[0, 1], [1, 0]]
    finally:
        unregister_backend("strict")


def _on_host(item):
    return to_numpy(item.array) if hasattr(item, "array") else item
