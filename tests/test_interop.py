"""NumPy's functions record on tensors, memory is shared where it can be, and Python's protocols are PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import DTypeError, ShapeError, TapeError, UnsupportedError
from tinygrad_mp.tensor import Tensor

HOST = numpy.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], "float32")


def leaf(array: Any = HOST) -> Tensor:
    return tg.tensor(array, requires_grad=True)


# --- NumPy's functions -----------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[Any], Any]] = {
    "exp": numpy.exp,
    "tanh": numpy.tanh,
    "square": numpy.square,
    "absolute": numpy.abs,
    "add": lambda t: numpy.add(t, HOST),
    "subtract": lambda t: numpy.subtract(HOST, t),
    "maximum": lambda t: numpy.maximum(t, 0.1),
    "power": lambda t: numpy.power(t, 2),
    "sum": numpy.sum,
    "sum over an axis": lambda t: numpy.sum(t, axis=0),
    "sum over axes, kept": lambda t: numpy.sum(t, axis=(0, -1), keepdims=True),
    "add.reduce": numpy.add.reduce,
    "mean": lambda t: numpy.mean(t, axis=-1),
    "prod": lambda t: numpy.prod(t, axis=1),
    "max": lambda t: numpy.max(t, axis=1),
    "amin": lambda t: numpy.amin(t, axis=1),
    "var": lambda t: numpy.var(t, axis=0),
    "std with ddof": lambda t: numpy.std(t, axis=1, ddof=1),
    "cumsum": numpy.cumsum,
    "cumsum along an axis": lambda t: numpy.cumsum(t, axis=1),
    "norm": lambda t: numpy.linalg.norm(t, axis=1),
    "where": lambda t: numpy.where(HOST > 0, t, 0.0),
    "where, from a tensor": lambda t: numpy.where(t > 0, 1.0, t),
    "clip": lambda t: numpy.clip(t, -0.8, 1.0),
    "concatenate": lambda t: numpy.concatenate([t, HOST], axis=1),
    "stack": lambda t: numpy.stack([HOST, t]),
    "vstack": lambda t: numpy.vstack([t, HOST[0]]),
    "hstack": lambda t: numpy.hstack([HOST, t]),
    "matmul": lambda t: numpy.matmul(t, HOST.T),
    "@": lambda t: HOST.T @ t,
    "dot": lambda t: numpy.dot(t, HOST.T),
    "outer": lambda t: numpy.outer(HOST, t),
    "einsum": lambda t: numpy.einsum("ij,kj->ik", t, HOST),
    "transpose": numpy.transpose,
    "transpose by axes": lambda t: numpy.transpose(t, (1, 0)),
    "swapaxes": lambda t: numpy.swapaxes(t, 0, 1),
    "moveaxis": lambda t: numpy.moveaxis(t, 0, 1),
    "reshape": lambda t: numpy.reshape(t, (3, 2)),
    "ravel": numpy.ravel,
    "squeeze": lambda t: numpy.squeeze(numpy.expand_dims(t, 1), axis=1),
    "broadcast_to": lambda t: numpy.broadcast_to(t, (2, 2, 3)),
    "flip": numpy.flip,
    "tril": numpy.tril,
    "triu": lambda t: numpy.triu(t, k=1),
    "take_along_axis": lambda t: numpy.take_along_axis(t, numpy.array([[2], [0]]), axis=1),
    "copy": numpy.copy,
    "array + tensor": lambda t: HOST + t,
    "tensor * array": lambda t: t * HOST,
    "array - tensor": lambda t: HOST - t,
    "array / tensor": lambda t: HOST / t,
    "array ** 2, tensor": lambda t: t**2 + HOST,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_of_numpy_records_and_gives_what_numpy_gives(name: str) -> None:
    x = leaf()
    result, expected = CALLS[name](x), CALLS[name](HOST)
    assert type(result) is Tensor
    assert result.requires_grad
    assert result.shape == expected.shape
    assert result.dtype == numpy.float32
    numpy.testing.assert_allclose(result.detach().numpy(), expected, rtol=1e-6)
    result.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == x.dtype


@pytest.mark.parametrize(
    "call",
    [
        lambda x: numpy.argmax(x, axis=1),
        lambda x: numpy.all(x > -2),
        lambda x: numpy.any(x > 1, axis=0),
        lambda x: x > HOST,
        lambda x: numpy.equal(x, HOST),
        numpy.isfinite,
        numpy.floor,
        lambda x: numpy.isclose(x, HOST),
        numpy.zeros_like,
        lambda x: numpy.full_like(x, 2.0, dtype="int64"),
    ],
)
def test_functions_without_a_gradient_give_tensors_too(call: Callable[[Any], Any]) -> None:
    result, expected = call(leaf()), call(HOST)
    assert isinstance(result, Tensor)
    assert not result.requires_grad or result.dtype == numpy.float32
    assert result.dtype == expected.dtype
    numpy.testing.assert_array_equal(result.detach().numpy(), expected)


def test_questions_about_an_array_need_no_detach() -> None:
    x = leaf()
    assert (numpy.shape(x), numpy.ndim(x), numpy.size(x)) == ((2, 3), 2, 6)
    assert numpy.result_type(x, numpy.float64) == numpy.float64
    assert not numpy.iscomplexobj(x)
    assert numpy.shares_memory(x, x.detach())
    assert numpy.allclose(x, HOST)
    assert numpy.array_equal(x, HOST)


@pytest.mark.parametrize("scalar", [numpy.float64(2), numpy.float32(2), numpy.int64(2)])
def test_a_numpy_scalar_widens_nothing_and_is_recorded(scalar: Any) -> None:
    x = leaf()
    for result in (scalar * x, x * scalar, scalar - x, x / scalar, scalar**x, scalar + x):
        assert result.dtype == numpy.float32
        assert result.requires_grad
    assert (numpy.float64(2) * tg.tensor([1, 2])).dtype == numpy.float32  # as PyTorch: the default dtype


def test_an_array_has_the_dtype_it_has() -> None:
    assert (numpy.ones(3) + tg.ones(3)).dtype == numpy.float64
    assert (numpy.ones(3, "float32") + tg.ones(3)).dtype == numpy.float32
    assert (numpy.array(2.0) * tg.ones(3)).dtype == numpy.float32  # 0-d: too weak to widen


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("numpy.hypot", lambda t: numpy.hypot(t, 1.0)),
        ("numpy.sort", numpy.sort),
        ("numpy.linalg.inv", lambda t: numpy.linalg.inv(t @ t.T)),
        ("numpy.maximum.reduce", numpy.maximum.reduce),
        ("numpy.median", numpy.median),
        ("numpy.copyto", lambda t: numpy.copyto(numpy.zeros((2, 3)), t)),
    ],
)
def test_a_function_that_cannot_record_says_so_and_names_the_remedy(name: str, call: Callable[[Any], Any]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        call(leaf())
    text = str(caught.value)
    assert text.startswith(f"{name}: ")
    assert "t.detach().numpy()" in text
    assert "float32  cpu" in text
    assert isinstance(caught.value, TypeError)


def test_an_argument_that_cannot_be_recorded_is_named() -> None:
    with pytest.raises(UnsupportedError, match=r"numpy\.mean.*dtype"):
        numpy.mean(leaf(), dtype="float64")


def test_where_no_gradient_is_asked_numpy_computes_what_it_knows_better() -> None:
    x = tg.tensor(HOST)
    numpy.testing.assert_array_equal(numpy.sort(x), numpy.sort(HOST))
    numpy.testing.assert_array_equal(numpy.unique(tg.tensor([3, 1, 3])), [1, 3])
    assert numpy.mean(x, dtype="float64").dtype == numpy.float64
    assert numpy.histogram(x)[0].sum() == 6
    result = numpy.hypot(x, 1.0)
    assert isinstance(result, Tensor)
    numpy.testing.assert_array_equal(result.numpy(), numpy.hypot(HOST, 1.0))
    assert all(isinstance(part, Tensor) for part in numpy.divmod(x, 2.0))


def test_an_array_takes_no_recorded_result() -> None:
    total = numpy.zeros_like(HOST)
    total += tg.tensor(HOST)  # nothing is lost
    numpy.testing.assert_array_equal(total, HOST)
    with pytest.raises(UnsupportedError, match=r"y = y \+ t"):
        total += leaf()
    with pytest.raises(UnsupportedError, match=r"y = y \+ t"):
        numpy.add(leaf(), 1, out=total)
    numpy.testing.assert_array_equal(total, HOST)


@pytest.mark.parametrize(
    "write",
    [
        lambda t: numpy.add(t, 1, out=t),
        lambda t: numpy.add(HOST, 1, out=t),
        lambda t: numpy.add.at(t, 0, 1.0),
        lambda t: numpy.copyto(t, 1.0),
        lambda t: numpy.fill_diagonal(t, 1.0),
    ],
)
def test_numpy_does_not_write_into_a_tensor_behind_the_tape(write: Callable[[Any], Any]) -> None:
    x = tg.tensor(HOST)
    with pytest.raises(UnsupportedError, match="in-place methods"):
        write(x)
    numpy.testing.assert_array_equal(x.numpy(), HOST)


# --- shared memory ---------------------------------------------------------------------------------------------------


def test_from_numpy_and_numpy_share_memory_both_ways() -> None:
    array = HOST.copy()
    t = tg.from_numpy(array)
    array[0, 0] = 7.0
    assert t[0, 0].item() == 7.0
    t[1, 1] = 8.0
    assert array[1, 1] == 8.0
    back = t.numpy()
    back += 1.0
    assert t[0, 0].item() == 8.0
    assert numpy.shares_memory(numpy.asarray(t), array)
    assert not numpy.shares_memory(numpy.array(t), array)


def test_asarray_converts_and_copies_as_asked() -> None:
    t = tg.tensor(HOST)
    assert numpy.asarray(t, dtype="float64").dtype == numpy.float64
    assert numpy.shares_memory(numpy.array(t, copy=False), t.array)
    with pytest.raises(ValueError, match="copy"):
        numpy.array(t, dtype="float64", copy=False)
    assert numpy.array([tg.tensor(1.0), tg.tensor(2.0)]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "leave",
    [
        numpy.asarray,
        numpy.array,
        lambda t: t.numpy(),
        numpy.from_dlpack,
        tg.from_dlpack,
        lambda t: HOST.__setitem__(0, t[0]),
    ],
)
def test_leaving_the_tape_unsaid_is_refused_with_the_fix(leave: Callable[[Any], Any]) -> None:
    with pytest.raises(TapeError, match=r"t\.detach\(\)\.numpy\(\)"):
        leave(leaf())


def test_arrays_are_indexed_by_tensors() -> None:
    assert HOST[tg.tensor([1, 0])].tolist() == HOST[[1, 0]].tolist()
    assert HOST[tg.tensor(HOST) > 0].tolist() == HOST[HOST > 0].tolist()
    assert HOST[tg.tensor(1)].tolist() == HOST[1].tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"])
def test_dlpack_shares_memory_with_numpy_both_ways(dtype: str) -> None:
    t = tg.tensor([[1, 0, 1], [0, 1, 1]], dtype=dtype).T
    out = numpy.from_dlpack(t)
    assert out.dtype == dtype
    assert numpy.shares_memory(out, t.array)
    source = numpy.zeros((2, 3), dtype)
    back = tg.from_dlpack(source)
    back[0, 1] = 1
    assert source[0, 1] == 1


def test_dlpack_shares_memory_with_torch_both_ways() -> None:
    torch = pytest.importorskip("torch", reason="the other side of the exchange")
    t = tg.tensor(HOST)
    theirs = torch.from_dlpack(t)
    theirs[0, 0] = 9.0
    assert t[0, 0].item() == 9.0
    ours = tg.from_dlpack(theirs.T)
    assert ours.shape == (3, 2)
    ours[2, 1] = -9.0
    assert theirs[1, 2].item() == -9.0
    assert t[1, 2].item() == -9.0
    assert tg.from_dlpack(torch.arange(3)).dtype == numpy.int64


def test_from_dlpack_wants_the_protocol_and_a_dtype_it_knows() -> None:
    with pytest.raises(DTypeError, match="__dlpack__"):
        tg.from_dlpack([1, 2])
    with pytest.raises(DTypeError, match="uint16"):
        tg.from_dlpack(numpy.zeros(2, "uint16"))


def test_a_leaf_survives_pickling_and_copies_own_their_memory() -> None:
    x = leaf()
    (x * x).sum().backward()
    for made in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert made.requires_grad
        assert made.is_leaf
        numpy.testing.assert_array_equal(made.detach().numpy(), HOST)
        assert not numpy.shares_memory(made, x)
    twin = copy.deepcopy(x)
    assert twin.grad is not None
    twin.grad.zero_()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0
    assert numpy.shares_memory(copy.copy(x), x)


def test_parameters_and_modules_keep_their_class_through_pickle_and_deepcopy() -> None:
    layer = nn.Linear(3, 2)
    for made in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)):
        assert [name for name, _ in made.named_parameters()] == ["weight", "bias"]
        assert type(made.weight) is nn.Parameter
        assert made.weight.requires_grad
        assert not numpy.shares_memory(made.weight, layer.weight)
        numpy.testing.assert_array_equal(made(tg.ones(1, 3)).detach(), layer(tg.ones(1, 3)).detach())
    frozen = nn.Parameter(tg.ones(2), requires_grad=False)
    assert not pickle.loads(pickle.dumps(frozen)).requires_grad


def test_a_deepcopy_keeps_what_is_shared_shared() -> None:
    x = leaf()
    first, second = copy.deepcopy([x, x])
    assert first is second


def test_the_result_of_an_operation_is_not_deep_copied() -> None:
    with pytest.raises(TapeError, match=r"x\.detach\(\)"):
        copy.deepcopy(leaf() * 2)


# --- Python's protocols ----------------------------------------------------------------------------------------------

PROTOCOLS: dict[str, Callable[[Any], Any]] = {
    "len": lambda m: len(m.zeros(3, 2)),
    "len of 0-d": lambda m: len(m.tensor(1.0)),
    "iter": lambda m: [row.tolist() for row in m.tensor([[1, 2], [3, 4]])],
    "iter of 0-d": lambda m: list(m.tensor(1.0)),
    "unpack": lambda m: [float(x) for x in (lambda a, b: (b, a))(*m.tensor([1.0, 2.0]))],
    "bool": lambda m: bool(m.tensor([2.0])),
    "bool of many": lambda m: bool(m.zeros(3)),
    "bool of none": lambda m: bool(m.zeros(0)),
    "float": lambda m: float(m.tensor([[2.5]])),
    "float of many": lambda m: float(m.zeros(2)),
    "int": lambda m: int(m.tensor([2.7])),
    "complex": lambda m: complex(m.tensor(2.5)),
    "index": lambda m: "abc"[m.tensor(2)],
    "index of one": lambda m: "abc"[m.tensor([1])],
    "index by float": lambda m: "abc"[m.tensor(2.0)],
    "range": lambda m: range(m.tensor(3)),
    "in": lambda m: 2.0 in m.tensor([1.0, 2.0]),
    "not in": lambda m: 3.0 in m.tensor([1.0, 2.0]),
    "format": lambda m: f"{m.tensor(3.14159):.3f}",
    "format with a gradient": lambda m: f"{m.tensor(3.14159, requires_grad=True):8.2f}",
    "format of 0-d": lambda m: f"{m.tensor(2)}",
    "format of many": lambda m: f"{m.tensor([1.0, 2.0])}",
    "format of many, wrong": lambda m: f"{m.zeros(2):.2f}",
    "== None": lambda m: m.zeros(2) == None,  # noqa: E711
    "!= None": lambda m: m.zeros(2) != None,  # noqa: E711
    "== text": lambda m: m.zeros(2) == "cpu",
    "hash": lambda m: (lambda x: {x: 1}[x])(m.zeros(2)),
    "tolist": lambda m: m.tensor([[True, False]]).tolist(),
    "item": lambda m: m.tensor([[3]]).item(),
    "item of many": lambda m: m.zeros(2).item(),
    "divmod": lambda m: divmod(m.zeros(2), 2),
}


def outcome(protocol: Callable[[Any], Any], module: Any) -> Any:
    try:
        return protocol(module)
    except Exception as error:
        return error


@pytest.mark.filterwarnings("ignore:Converting a tensor")
@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_of_python_does_what_pytorch_does(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    ours, theirs = outcome(PROTOCOLS[name], tg), outcome(PROTOCOLS[name], torch)
    if isinstance(theirs, Exception):
        kinds = (ValueError, RuntimeError) if isinstance(theirs, (ValueError, RuntimeError)) else type(theirs)
        assert isinstance(ours, kinds), (ours, theirs)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs


# --- dtypes ----------------------------------------------------------------------------------------------------------

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "lt": lambda x, y: x < y,
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("second_shape", [(2,), ()], ids=["dimensioned", "0-d"])
@pytest.mark.parametrize("first", DTYPES)
def test_two_dtypes_promote_as_in_pytorch(first: str, second_shape: tuple[int, ...], operation: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for promotion")
    apply = OPERATIONS[operation]
    for second in DTYPES:
        for shapes in (((2,), second_shape), (second_shape, (2,)), ((), ())):
            ours = apply(tg.ones(shapes[0], dtype=first), tg.ones(shapes[1], dtype=second))
            theirs = apply(
                torch.ones(shapes[0], dtype=getattr(torch, first)), torch.ones(shapes[1], dtype=getattr(torch, second))
            )
            assert f"torch.{ours.dtype}" == str(theirs.dtype), (first, second, shapes)
            assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("scalar", [True, 3, 2.5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_python_number_promotes_as_in_pytorch(dtype: str, scalar: Any, operation: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for promotion")
    apply = OPERATIONS[operation]
    for shape in ((2,), ()):
        ours, theirs = tg.ones(shape, dtype=dtype), torch.ones(shape, dtype=getattr(torch, dtype))
        for mine, reference in (
            (apply(ours, scalar), apply(theirs, scalar)),
            (apply(scalar, ours), apply(scalar, theirs)),
        ):
            assert f"torch.{mine.dtype}" == str(reference.dtype)
            numpy.testing.assert_allclose(mine.numpy(), reference.numpy(), rtol=1e-3)


@pytest.mark.parametrize("second", ["float16", "float32", "float64"])
@pytest.mark.parametrize("first", ["float16", "float32", "float64"])
def test_a_gradient_has_the_dtype_of_its_primal(first: str, second: str) -> None:
    for second_shape in ((2,), ()):
        for name in ("add", "mul", "div"):
            x = tg.ones(2, dtype=first, requires_grad=True)
            y = tg.ones(second_shape, dtype=second, requires_grad=True)
            OPERATIONS[name](x, y).sum().backward()
            assert x.grad is not None
            assert y.grad is not None
            assert (x.grad.dtype, y.grad.dtype) == (x.dtype, y.dtype)
            assert (x.grad.shape, y.grad.shape) == (x.shape, y.shape)


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_a_conversion_gives_the_values_that_pytorch_gives(source: str, target: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for conversions")
    data = [0, 1, 3, 100]
    ours = tg.tensor(data, dtype=source).to(target)
    theirs = torch.tensor(data, dtype=getattr(torch, source)).to(getattr(torch, target))
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    assert ours.tolist() == theirs.tolist()


def test_to_takes_its_arguments_in_every_form() -> None:
    x = tg.ones(2)
    assert x.to("cpu") is x
    assert x.to(tg.float32) is x
    assert x.to(device="cpu", dtype=None) is x
    assert x.to(x) is x
    assert x.to(x, copy=True) is not x
    forms = [
        x.to("float64"),
        x.to(tg.float64),
        x.to(numpy.float64),
        x.to(dtype=tg.double),
        x.to("cpu", tg.float64),
        x.to(tg.device("cpu"), dtype="float64"),
        x.to(tg.zeros(1, dtype="float64")),
        x.to(tg.float64, non_blocking=True),
        x.type(tg.float64),
        x.type_as(tg.zeros(1, dtype="float64")),
        x.double(),
    ]
    assert all(form.dtype == numpy.float64 for form in forms)
    assert x.to(float).dtype == numpy.float32  # float means the default dtype, as in PyTorch
    assert x.to(int).dtype == numpy.int64
    assert (x.half().dtype, x.long().dtype, x.int().dtype, x.bool().dtype) == ("float16", "int64", "int32", "bool")
    with pytest.raises(TypeError, match="unexpected"):
        x.to(speed="fast")


def test_gradients_flow_back_through_a_conversion() -> None:
    x = leaf()
    y = x.double().half().float()
    (y * y).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == numpy.float32
    numpy.testing.assert_allclose(x.grad.numpy(), 2 * HOST, rtol=1e-3)
    assert not x.long().requires_grad


def test_shapes_that_do_not_broadcast_are_told_apart_from_other_errors() -> None:
    with pytest.raises(ShapeError, match=r"axis -1 has sizes 2 and 3"):
        numpy.zeros(2) + tg.zeros(3)
