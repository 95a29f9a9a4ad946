"""What a tensor shows and converts to, how its memory is reached, and its in-place forms: as PyTorch's."""

from __future__ import annotations

import operator
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")

DATA = [[1.5, -2.0, 3.0], [0.5, 4.0, -6.0]]


def plain(value: Any) -> Any:
    """A result as plain Python values, the same for both libraries."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist(), str(value.dtype).removeprefix("torch."), tuple(value.shape)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    named = any(word in type(value).__name__.lower() for word in ("dtype", "device", "layout"))
    return str(value).removeprefix("torch.") if named else value


def agrees(call: Any) -> bool:
    """Whether ``call(library, x)`` gives what it gives with PyTorch; where that raises, an error of the same class."""
    try:
        expected = call(torch, torch.tensor(DATA))
    except Exception as error:
        with pytest.raises(type(error)):
            call(tg, tg.tensor(DATA))
        return True
    return bool(plain(call(tg, tg.tensor(DATA))) == plain(expected))


ATTRIBUTES = [
    lambda lib, x: [x.shape[0], x.ndim, x.dim(), x.ndimension(), x.numel(), x.nelement(), x.size(1), len(x)],
    lambda lib, x: [x.itemsize, x.nbytes, x.element_size(), x.double().itemsize],
    lambda lib, x: [x.dtype, x.device, x.layout],
    lambda lib, x: [x.is_leaf, x.requires_grad, x.is_cuda, x.is_cpu, x.is_sparse, x.is_quantized, x.is_meta],
    lambda lib, x: [x.is_contiguous(), x.T.is_contiguous(), x.stride(), x.T.stride(), x.stride(-1), x.T.stride(0)],
    lambda lib, x: x.stride(2),
    lambda lib, x: [x.storage_offset(), x[1].storage_offset(), x[:, 1:].storage_offset()],
    lambda lib, x: [x.dim_order(), x.T.dim_order(), x.get_device(), x.output_nr],
    lambda lib, x: [x.data_ptr() == x.data.data_ptr(), x[1].data_ptr() - x.data_ptr()],
    lambda lib, x: [x.is_set_to(x.detach()), x.is_set_to(x.T), x.is_set_to(x.clone())],
    lambda lib, x: [x.T, x.mT, x.H, x.mH, x.t(), x.adjoint(), x.real],
    lambda lib, x: x[None].H,
    lambda lib, x: x[0].mT,
    lambda lib, x: x[None].t(),
    lambda lib, x: x[0].t(),
    lambda lib, x: [x.grad, x.grad_fn],
    lambda lib, x: x.nothing_of_the_kind,
]
CONVERSIONS = [
    lambda lib, x: [x.float(), x.double(), x.half(), x.long(), x.int(), x.short(), x.abs().byte(), x.char(), x.bool()],
    lambda lib, x: x.to(lib.float64),
    lambda lib, x: x.to("cpu"),
    lambda lib, x: x.to("cpu", lib.int64),
    lambda lib, x: x.to(lib.device("cpu"), lib.int64, True, True),
    lambda lib, x: x.to(device="cpu", dtype=lib.float16, non_blocking=True),
    lambda lib, x: x.to(lib.tensor([1])),
    lambda lib, x: x.to(tensor=lib.tensor([1])),
    lambda lib, x: [x.to(lib.float32) is x, x.to(lib.float32, copy=True) is x, x.to(lib.float32, False, True) is x],
    lambda lib, x: x.to("nowhere"),
    lambda lib, x: x.to(lib.float32, speed=1),
    lambda lib, x: [x.type(), x.long().type(), x.double().type(), x.bool().type()],
    lambda lib, x: [x.type(lib.float64), x.type(lib.LongTensor), x.type("torch.IntTensor")],
    lambda lib, x: x.type_as(lib.tensor([1])),
    lambda lib, x: x.type_as([1]),
    lambda lib, x: [x.cpu(), x.tolist(), x[0, 0].item(), x.long()[0, 0].item(), x.bool()[0, 0].item()],
    lambda lib, x: x.item(),
    lambda lib, x: x.numpy(),
    lambda lib, x: x.requires_grad_().numpy(),
    lambda lib, x: x.requires_grad_().numpy(force=True),
    lambda lib, x: [
        x.new_zeros(2),
        x.new_ones((1, 2)),
        x.new_full((2,), 3),
        x.new_tensor([1, 2]),
        x.new_empty(2).shape,
    ],
    lambda lib, x: [x.new_zeros(2, dtype=lib.int64), x.new_zeros([2], device="cpu", requires_grad=True).requires_grad],
    lambda lib, x: [x.long().new_tensor([1.5]), x.new_zeros(size=(2,))],
    lambda lib, x: [x.view_as(lib.zeros(3, 2)), x.reshape_as(lib.zeros(6)), x[:, :1].expand_as(lib.zeros(2, 3))],
    lambda lib, x: x.view_as([1]),
    lambda lib, x: [x.sum_to_size(1, 3), x.sum_to_size((2, 1)), x.sum_to_size(3)],
    lambda lib, x: x.sum_to_size(5),
    lambda lib, x: [x.ravel(), lib.ravel(x), lib.moveaxis(x, 0, 1), x.swapdims(0, 1), x.narrow_copy(1, 0, 2)],
    lambda lib, x: [lib.concat([x, x]), lib.concatenate([x, x], 1), x.split_with_sizes([1, 2], 1)],
    lambda lib, x: [x.greater(1), x.less_equal(1), lib.not_equal(x, 1.5), x.resolve_conj(), x.conj()],
    lambda lib, x: [x.contiguous(memory_format=lib.contiguous_format), x.clone(memory_format=lib.preserve_format)],
    lambda lib, x: [x.share_memory_() is x, x.is_pinned()],
]
PROTOCOLS = [
    lambda lib, x: [float(x[0, 0]), int(x[0, 0]), bool(x[0, 0]), complex(x[0, 0]), [7, 8, 9][lib.tensor(1)]],
    lambda lib, x: [float(x[:1, 0]), [7, 8, 9][lib.tensor([2])], f"{x[0, 0]:.3f}", f"{lib.tensor(7):03d}"],
    lambda lib, x: float(x),
    lambda lib, x: int(x),
    lambda lib, x: bool(x),
    lambda lib, x: bool(x[:0]),
    lambda lib, x: operator.index(x[0, 0]),
    lambda lib, x: operator.index(x.long()),
    lambda lib, x: f"{x:.3f}",
    lambda lib, x: [1.5 in x, 7 in x, lib.tensor(4.0) in x],
    lambda lib, x: "text" in x,
    lambda lib, x: reversed(x),
    lambda lib, x: list(x)[1],
    lambda lib, x: [a for a, b, c in x],
    lambda lib, x: len(x[0, 0]),
    lambda lib, x: iter(x[0, 0]),
    lambda lib, x: [hash(x) == hash(x), hash(x) == hash(x.clone()), x in {x}, {x: 1}[x]],
    lambda lib, x: [x is None, (x == None).__class__.__name__, x != "text"],  # noqa: E711
    lambda lib, x: x < "text",
    lambda lib, x: x + "text",
    lambda lib, x: numpy.ones((3, 2), numpy.float32) @ x.numpy(),
    lambda lib, x: [x / numpy.sqrt(2.0), x * numpy.float64(2), x + numpy.int64(1), x.long() + numpy.int64(1)],
    lambda lib, x: ["shape" in dir(x), "new_zeros" in dir(x)],
]


@pytest.mark.parametrize("call", [*ATTRIBUTES, *CONVERSIONS, *PROTOCOLS])
def test_a_tensor_shows_and_does_what_pytorchs_does(call: Any) -> None:
    assert agrees(call)


def _random(library: Any) -> None:
    library.manual_seed(0)


IN_PLACE = [
    lambda lib, x: x.unsqueeze_(0),
    lambda lib, x: x.unsqueeze_(-1).squeeze_(),
    lambda lib, x: x.t_(),
    lambda lib, x: x.transpose_(0, 1),
    lambda lib, x: x.swapaxes_(0, 1),
    lambda lib, x: x[:1].squeeze_(0),
    lambda lib, x: x.t_().add_(1),
    lambda lib, x: [x[0].unsqueeze_(1).mul_(2), x],
    lambda lib, x: x.resize_(3, 2),
    lambda lib, x: x.resize_(2),
    lambda lib, x: x.resize_as_(lib.zeros(1, 2)),
    lambda lib, x: x.resize_(-1, 2),
    lambda lib, x: x.set_(lib.zeros(4)),
    lambda lib, x: x.set_(lib.zeros(4, dtype=lib.int64)),
    lambda lib, x: x.apply_(lambda entry: entry * 2),
    lambda lib, x: x.map_(lib.ones(2, 3), lambda a, b: a + b),
    lambda lib, x: x.tril_(),
    lambda lib, x: x.triu_(1),
    lambda lib, x: x.cumsum_(1),
    lambda lib, x: x.gt_(1.0),
    lambda lib, x: x.less_equal_(1.0),
    lambda lib, x: x.clamp_(min=0, max=2),
    lambda lib, x: x.clamp_min_(0.0),
    lambda lib, x: x.fill_(3).zero_(),
    lambda lib, x: x.copy_(lib.tensor([1, 2, 3])),
    lambda lib, x: x.long().add_(1.5),
    lambda lib, x: x.long().div_(2),
    lambda lib, x: x.add_(lib.ones(2, 2, 3)),
    lambda lib, x: x.masked_fill_(x > 0, 7.0),
    lambda lib, x: [lib.relu_(x), lib.exp_(x), lib.clamp_(x, max=2.0), x],
    lambda lib, x: operator.ipow(x, 2),
    lambda lib, x: operator.ifloordiv(x, 2),
    lambda lib, x: operator.imod(x, 2),
    lambda lib, x: operator.iand(x > 0, x > 1),
    lambda lib, x: operator.ior(x > 0, x > 1),
    lambda lib, x: operator.ixor(x > 0, x > 1),
    lambda lib, x: [x.random_(5, 6), x.bernoulli_(lib.ones(3)), x.bernoulli_(0.0)],
    lambda lib, x: x.random_(5, 5),
    lambda lib, x: x.exponential_(-1.0),
    lambda lib, x: x.long().exponential_(),
    lambda lib, x: x.geometric_(1.5),
    lambda lib, x: x.log_normal_(0, -1),
    lambda lib, x: x.cauchy_(0, -1),
]


@pytest.mark.parametrize("call", IN_PLACE)
def test_an_in_place_form_does_what_pytorchs_does(call: Any) -> None:
    assert agrees(call)


def both(call: Any) -> list[Any]:
    """``call(library, leaf)`` on both, backward from its sum with weights; the results and the gradients."""
    found = []
    for library in (tg, torch):
        leaf = library.tensor(DATA, dtype=library.float64, requires_grad=True)
        out = call(library, leaf)
        (out * library.arange(1.0, 1.0 + out.numel(), dtype=library.float64).reshape(out.shape)).sum().backward()
        found.append((out.tolist(), leaf.grad.tolist()))
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: (x * 2).unsqueeze_(0).mul_(3),
        lambda lib, x: (x * 2).t_().exp_(),
        lambda lib, x: (x * 1).transpose_(0, 1).add_(lib.arange(2.0), alpha=2),
        lambda lib, x: (lambda y: (y[0].unsqueeze_(0).mul_(3), y * y)[1])(x * 2),
        lambda lib, x: (lambda y: (y[:, 1].copy_(y[:, 0] * 5), y * y)[1])(x * 2),
        lambda lib, x: (lambda y: (y.view(-1)[2:4].zero_(), y * y)[1])(x * 2),
        lambda lib, x: (lambda y: (y.uniform_(0, 0), y + x)[1])(x * 2),
        lambda lib, x: (x * 2).pow_(2).sub_(x, alpha=3),
        lambda lib, x: (x * 2).cumsum_(0).tril_(),
        lambda lib, x: x.expand_as(lib.zeros(2, 2, 3)).sum_to_size(1, 3),
        lambda lib, x: x.double().to("cpu", lib.float32).type_as(x),
        lambda lib, x: x.mH.ravel().view_as(lib.zeros(3, 2)),
        lambda lib, x: (lambda y: (y.__setitem__((slice(None), 0), x[:, 1] * x[:, 2]), y)[1])(x.clone()),
        lambda lib, x: (lambda y: (y.T[0].fill_(2.0), y * y)[1])(x * 1),
    ],
)
def test_in_place_forms_and_views_have_pytorchs_gradients(call: Any) -> None:
    ours, theirs = both(call)
    numpy.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9)
    numpy.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1),
        lambda x: x.unsqueeze_(0),
        lambda x: x.t_(),
        lambda x: x.uniform_(),
        lambda x: x.exponential_(),
        lambda x: x.zero_(),
        lambda x: x[0].zero_(),
        lambda x: x.view(-1).mul_(2),
        lambda x: x.resize_(2),
    ],
)
def test_a_leaf_that_requires_a_gradient_is_not_changed_in_place(change: Any) -> None:
    for library in (tg, torch):
        leaf = library.tensor(DATA, requires_grad=True)
        with pytest.raises(RuntimeError):
            change(leaf)
        assert leaf.tolist() == DATA
        with library.no_grad():
            leaf.detach().add_(0)


@pytest.mark.parametrize(
    ("fill", "mean", "tolerance"),
    [
        (lambda x: x.exponential_(2.0), 0.5, 0.02),
        (lambda x: x.geometric_(0.25), 4.0, 0.15),
        (lambda x: x.log_normal_(0.0, 0.5), 1.1331, 0.03),
        (lambda x: x.cauchy_(1.0, 0.1).clamp_(-1, 3), 1.0, 0.03),
        (lambda x: x.random_(0, 10), 4.5, 0.15),
        (lambda x: x.bernoulli_(tg.full((20000,), 0.3)), 0.3, 0.02),
    ],
)
def test_draws_have_the_mean_of_their_distribution(fill: Any, mean: float, tolerance: float) -> None:
    generator_state = tg.manual_seed(3)
    assert generator_state is not None
    x = tg.zeros(20000)
    assert fill(x) is x
    assert abs(x.mean().item() - mean) < tolerance


def test_random_without_bounds_keeps_to_what_the_dtype_holds() -> None:
    assert set(tg.zeros(100, dtype=tg.bool).random_().tolist()) == {True, False}
    assert tg.zeros(100, dtype=tg.uint8).random_().max() > 127
    assert tg.zeros(100).random_().max() <= 2**24


def test_gradients_have_a_history_that_can_be_walked() -> None:
    x = tg.tensor([2.0], requires_grad=True)
    y = (x * 3).exp()
    assert y.grad_fn.name() == "exp"
    (inner, output), *_ = y.grad_fn.next_functions
    assert (inner.name(), output) == ("mul", 0)
    assert inner.next_functions[0][0].variable is x


def test_data_can_be_exchanged_and_read_off_the_tape() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    x.data = tg.tensor([3.0, 4.0, 5.0])
    x.data.mul_(2)
    assert x.requires_grad
    assert x.tolist() == [6.0, 8.0, 10.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [12.0, 16.0, 20.0]
    with pytest.raises(TypeError):
        x.data = 3


def test_a_number_on_the_left_and_an_array_on_the_left_reach_the_tape() -> None:
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (numpy.float64(2) * x + numpy.ones((2, 2), numpy.float32) @ x).sum().backward()
    assert x.dtype == tg.float32
    assert x.grad.tolist() == [[4.0, 4.0], [4.0, 4.0]]


def test_an_assigned_gradient_must_match_its_tensor() -> None:
    for library in (tg, torch):
        x = library.zeros(2, requires_grad=True)
        for wrong, kind in ((1.0, TypeError), (library.ones(3), RuntimeError), (x, RuntimeError)):
            with pytest.raises(kind):
                x.grad = wrong
        with pytest.raises(RuntimeError):
            x.grad = library.ones(2, dtype=library.float64)
        x.grad = library.ones(2)
        (x * 3).sum().backward()
        assert x.grad.tolist() == [4.0, 4.0]
        x.grad = None
        assert x.grad is None


def test_a_diagonal_is_filled_as_in_pytorch() -> None:
    for shape, wrap in (((3, 3), False), ((7, 3), True), ((7, 3), False), ((2, 5), True), ((3, 3, 3), False)):
        right = torch.zeros(*shape).fill_diagonal_(2.0, wrap)
        assert tg.zeros(*shape).fill_diagonal_(2.0, wrap).tolist() == right.tolist()
    for shape in ((3,), (2, 3, 4)):
        with pytest.raises(RuntimeError):
            tg.zeros(*shape).fill_diagonal_(1.0)


@pytest.mark.parametrize("listed", [tg.Tensor, tg.ones(2, 2), tg.nn.Parameter(tg.ones(2, 2))])
def test_what_dir_lists_is_there(listed: Any) -> None:
    names = dir(listed)
    assert {"shape", "sum", "exp_", "sort", "index_add_"} <= set(names)
    assert "to_sparse" not in names
    if not isinstance(listed, type):
        assert [name for name in names if not hasattr(listed, name)] == []
