"""Whatever the order of axes in memory, users see C-contiguous tensors, and one memory where PyTorch has one."""

import copy
import pickle

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.layout import is_settled
from tinygrad_mp.nn import functional as F


def normal(*shape, seed=0):
    return numpy.random.default_rng(seed).standard_normal(shape).astype("float32")


def convolved(requires_grad=False):
    x, weight = tg.tensor(normal(4, 3, 6, 5)), tg.tensor(normal(2, 3, 3, 3, seed=1), requires_grad=requires_grad)
    return F.conv2d(x, weight)


MAKERS = {
    "conv2d": convolved,
    "conv1d": lambda: F.conv1d(tg.tensor(normal(4, 3, 6)), tg.tensor(normal(2, 3, 3))),
    "conv_transpose2d": lambda: F.conv_transpose2d(convolved(), tg.tensor(normal(2, 3, 2, 2))),
    "relu": lambda: F.relu(convolved()),
    "max_pool2d": lambda: F.max_pool2d(convolved(), 2),
    "avg_pool2d": lambda: F.avg_pool2d(convolved(), 2),
    "batch_norm": lambda: F.batch_norm(convolved(), None, None, training=True),
    "sum": lambda: convolved().sum(dim=1),
    "cat": lambda: tg.cat([convolved(), convolved()], 1),
    "chosen": lambda: convolved()[:, tg.tensor([1, 0])],
    "image's gradient": lambda: _gradient(),
}


def _gradient():
    x = tg.tensor(normal(4, 3, 6, 5), requires_grad=True)
    F.conv2d(x, tg.tensor(normal(2, 3, 3, 3))).sum().backward()
    return x.grad


def c_strides(shape):
    return tuple(int(numpy.prod(shape[axis + 1 :])) for axis in range(len(shape)))


@pytest.fixture(params=sorted(MAKERS))
def result(request):
    return MAKERS[request.param]()


def test_there_is_something_to_hide():
    assert not is_settled(convolved().array)
    assert not is_settled(F.batch_norm(convolved(), None, None, training=True).array)
    assert not is_settled(F.max_pool2d(convolved(), 2).array)
    assert not is_settled(_gradient().array)


def test_results_count_as_contiguous(result):
    assert result.is_contiguous()
    assert result.stride() == c_strides(result.shape)
    assert result.stride(0) == c_strides(result.shape)[0]
    assert result.contiguous() is result


def test_numpy_and_dlpack_see_c_order_and_the_same_memory(result):
    values = result.array.copy()
    array, other = result.numpy(), numpy.from_dlpack(result)
    assert array.flags.c_contiguous
    assert other.flags.c_contiguous
    assert numpy.asarray(result).flags.c_contiguous
    numpy.testing.assert_array_equal(array, values)
    array[0] = 7
    assert (result[0].numpy() == 7).all()
    assert (other[0] == 7).all()


def test_pytorch_takes_it_as_contiguous(result):
    torch = pytest.importorskip("torch", reason="PyTorch is the one that takes it")
    taken = torch.from_dlpack(result)
    assert taken.is_contiguous()
    taken += 1
    numpy.testing.assert_array_equal(result.numpy(), taken.numpy())


def test_a_view_shares_memory(result):
    values = result.array.copy()
    flat = result.view(result.shape[0], -1)
    numpy.testing.assert_array_equal(flat.numpy(), values.reshape(len(values), -1))
    flat[1] = 3
    assert (result[1].numpy() == 3).all()
    result[0] = 5
    assert (flat[0].numpy() == 5).all()
    assert (result.detach()[0].numpy() == 5).all()


@pytest.mark.parametrize(
    "share", [lambda y: y.detach(), lambda y: y.data, copy.copy, lambda y: y.permute(0, 2, 3, 1), lambda y: y[:, :]]
)
def test_who_shares_memory_keeps_sharing_it(result, share):
    shared = share(result) if result.ndim == 4 else result.detach()
    result.view(-1)[:] = 2
    assert (shared.numpy() == 2).all()
    assert result.data_ptr() == shared.data_ptr()


def test_address_is_that_of_the_memory_that_views_share(result):
    address = result.data_ptr()
    assert result.view(-1).data_ptr() == address == result.numpy().ctypes.data


def test_printing_copies_and_pickles_are_those_of_c_order(result):
    ordered = tg.tensor(numpy.ascontiguousarray(result.array))
    assert repr(result) == repr(ordered)
    for copied in (copy.deepcopy(result), pickle.loads(pickle.dumps(result)), result.clone()):
        assert copied.is_contiguous()
        numpy.testing.assert_array_equal(copied.numpy(), ordered.numpy())
    assert pickle.dumps(result) == pickle.dumps(ordered)


def test_a_buffer_that_a_convolution_made_is_saved_in_c_order():
    module = tg.nn.Module()
    module.register_buffer("kept", convolved())
    assert module.state_dict()["kept"].numpy().flags.c_contiguous
    assert tg.nn.Parameter(convolved()).view(4, -1).shape == (4, 24)


def test_gradients_pass_through_views_and_writes_through_views():
    torch = pytest.importorskip("torch", reason="PyTorch says what the gradients are")
    gradients = []
    for library in (tg, torch):
        x, weight = (
            library.tensor(normal(4, 3, 6, 5), requires_grad=True),
            library.tensor(normal(2, 3, 3, 3), requires_grad=True),
        )
        y = library.nn.functional.conv2d(x, weight)
        z = y * 2
        flat = z.view(4, -1)
        flat[:, 3] = 0
        flat *= 3
        (z * z).sum().backward()
        gradients.append([x.grad.numpy(), weight.grad.numpy()])
    for ours, theirs in zip(*gradients, strict=True):
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_values_that_the_tape_keeps_do_not_change_with_what_a_view_writes():
    y = convolved(requires_grad=True)
    out = y * y  # keeps y
    expected = tg.grad(out.sum(), y, retain_graph=True)[0].numpy().copy()
    with tg.no_grad():
        y.view(-1)[:] = 0
    try:
        found = tg.grad(out.sum(), y)[0].numpy()
    except tg.TapeError:
        return  # refused, as PyTorch does
    numpy.testing.assert_array_equal(found, expected)


# --- what is not in C order, and is known not to be -------------------------------------------------------------------


def test_transposed_and_permuted_tensors_are_not_contiguous():
    x = tg.tensor(normal(2, 3, 4, 5))
    for view in (x.permute(3, 0, 1, 2), x.transpose(1, 2), x.T, x[0, 0].T, x[:, ::2], x.permute(1, 2, 3, 0).detach()):
        assert not view.is_contiguous()
        assert view.stride() == tuple(step // 4 for step in view.array.strides)
        with pytest.raises(tg.ShapeError, match="memory"):
            view.view(-1)
        assert view.contiguous().is_contiguous()
    turned = x.permute(3, 0, 1, 2)
    assert numpy.shares_memory(turned.numpy(), x.numpy())
    assert convolved().permute(0, 2, 3, 1).is_contiguous() is False


@pytest.mark.parametrize(
    "share", [tg.from_numpy, tg.as_tensor, tg.from_dlpack, lambda a: tg.nn.Parameter(a, requires_grad=False)]
)
def test_memory_from_outside_stays_where_it_is(share):
    array = numpy.asfortranarray(normal(3, 4))
    x = share(array)
    assert not x.is_contiguous()
    assert x.stride() == (1, 3)
    x.detach()[0] = 9
    assert (array[0] == 9).all()
    assert numpy.shares_memory(x.numpy(), array)
    with pytest.raises(tg.ShapeError, match="memory"):
        x.view(-1)
