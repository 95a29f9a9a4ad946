"""Sizes, PyTorch's old constructors, and questions about tensors and dtypes: as PyTorch answers them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")


def agrees(call: Any) -> bool:
    """Whether a call gives here what it gives with PyTorch; where that raises, an error of the same class."""
    try:
        expected = call(torch)
    except Exception as error:
        with pytest.raises(type(error)):
            call(tg)
        return True
    return bool(plain(call(tg)) == plain(expected))


def plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist(), str(value.dtype).removeprefix("torch."), tuple(value.shape)
    if isinstance(value, tuple):
        return type(value).__name__, tuple(map(plain, value))
    return str(value).removeprefix("torch.") if "dtype" in type(value).__name__.lower() else value


SIZES = [
    lambda lib: lib.Size([2, 3]),
    lambda lib: lib.zeros(2, 3).shape,
    lambda lib: lib.zeros(2, 3).shape[:1],
    lambda lib: lib.zeros(2, 3).shape[0],
    lambda lib: lib.zeros(2, 3).size(),
    lambda lib: lib.zeros(2, 3).size(-1),
    lambda lib: lib.zeros(2, 3).shape[1:].numel(),
    lambda lib: lib.zeros(()).shape.numel(),
    lambda lib: lib.Size([2]) + (3,),  # noqa: RUF005
    lambda lib: (3,) + lib.Size([2]),  # noqa: RUF005
    lambda lib: lib.Size([2]) + lib.Size([4]),
    lambda lib: lib.Size([2, 1]) * 2,
    lambda lib: lib.Size([2, 3]) == (2, 3),
    lambda lib: lib.Size([2, "a"]),
    lambda lib: lib.Size([2.0]),
    lambda lib: lib.zeros(lib.Size([2, 3])).view(lib.Size([6])),
    lambda lib: lib.zeros(2, 3).size(2),
]


@pytest.mark.parametrize("call", SIZES)
def test_a_size_behaves_as_pytorchs(call: Any) -> None:
    assert agrees(call)


def test_a_size_shows_itself_without_a_module_and_is_copied_as_one() -> None:
    size = tg.zeros(2, 3).shape
    assert repr(size) == f"{size}" == "Size([2, 3])"
    assert type(pickle.loads(pickle.dumps(size))) is type(copy.deepcopy(size)) is tg.Size
    assert size is tg.ones(2, 3).shape


CONSTRUCTORS = [
    lambda lib: lib.Tensor(),
    lambda lib: lib.Tensor(2, 3).shape,
    lambda lib: lib.Tensor(lib.Size([2, 3])).shape,
    lambda lib: lib.Tensor((2, 3)),
    lambda lib: lib.Tensor([[1, 2], [3, 4]]),
    lambda lib: lib.Tensor(range(3)),
    lambda lib: lib.Tensor(numpy.array([1.0, 2.0])),
    lambda lib: lib.Tensor(lib.tensor([1, 2])),
    lambda lib: lib.Tensor([1.0], device="cpu"),
    lambda lib: lib.Tensor([1.0]).requires_grad_().requires_grad,
    lambda lib: lib.Tensor(2.5),
    lambda lib: lib.Tensor("text"),
    lambda lib: lib.Tensor([[1.0, 2.0], [3.0]]),
    lambda lib: lib.Tensor(2, 3.0),
    lambda lib: lib.Tensor([1.0], requires_grad=True),
    lambda lib: lib.LongTensor([1.5, -1.5]),
    lambda lib: lib.LongTensor(2).shape,
    lambda lib: lib.DoubleTensor([1]),
    lambda lib: lib.ByteTensor([1, 255]),
    lambda lib: lib.ByteTensor([300]),
    lambda lib: lib.BoolTensor([True, False]),
    lambda lib: lib.HalfTensor([1.5]),
    lambda lib: [lib.IntTensor([1]), lib.ShortTensor([1]), lib.CharTensor([-1])][0],
    lambda lib: lib.FloatTensor(lib.zeros(2, dtype=lib.float64)),
    lambda lib: isinstance(lib.zeros(2), lib.FloatTensor),
    lambda lib: isinstance(lib.zeros(2), lib.LongTensor),
    lambda lib: isinstance([], lib.LongTensor),
    lambda lib: lib.tensor([1, 2]).new(2).dtype,
    lambda lib: lib.tensor([1, 2]).new([3, 4]),
    lambda lib: lib.tensor([1.0, 2.0]).new().shape,
]


@pytest.mark.parametrize("call", CONSTRUCTORS)
def test_an_old_constructor_makes_what_pytorchs_makes(call: Any) -> None:
    assert agrees(call)


def test_a_tensor_made_of_a_tensor_shares_its_memory() -> None:
    x = tg.zeros(2)
    tg.Tensor(x)[0] = 1.0
    assert x.tolist() == [1.0, 0.0]


def test_a_subclass_without_a_constructor_of_its_own_is_made_in_the_old_way() -> None:
    class Mine(tg.Tensor):
        pass

    assert type(Mine([1.0]) * 2) is Mine


QUESTIONS = [
    lambda lib: lib.is_tensor([1.0]),
    lambda lib: lib.is_tensor(lib.zeros(2)),
    lambda lib: lib.is_floating_point(lib.zeros(2)),
    lambda lib: lib.is_floating_point(lib.tensor(1)),
    lambda lib: lib.is_floating_point([1.0]),
    lambda lib: lib.is_complex(lib.zeros(2)),
    lambda lib: lib.zeros(2).is_signed(),
    lambda lib: lib.is_signed(lib.tensor([1], dtype=lib.uint8)),
    lambda lib: lib.is_nonzero(lib.tensor([2.0])),
    lambda lib: lib.is_nonzero(lib.zeros(2)),
    lambda lib: lib.zeros(2).is_same_size(lib.ones(2)),
    lambda lib: lib.numel(lib.zeros(2, 3)),
    lambda lib: lib.typename([]),
    lambda lib: lib.typename(lib.zeros(2)),
    lambda lib: lib.typename(lib.zeros(2).long()),
    lambda lib: isinstance(lib.float32, lib.dtype),
    lambda lib: [getattr(lib.finfo(), n) for n in ("bits", "eps", "max", "min", "tiny", "resolution", "dtype")],
    lambda lib: [getattr(lib.finfo(lib.float64), n) for n in ("bits", "eps", "max", "min", "smallest_normal", "dtype")],
    lambda lib: [getattr(lib.iinfo(lib.int16), n) for n in ("bits", "max", "min", "dtype")],
    lambda lib: repr(lib.finfo(lib.float64)),
    lambda lib: repr(lib.iinfo(lib.uint8)),
    lambda lib: lib.finfo(lib.int64),
    lambda lib: lib.iinfo(lib.float32),
    lambda lib: str(lib.get_default_device()),
    lambda lib: lib.set_default_device("cpu"),
    lambda lib: [lib.inf, lib.pi, lib.e, lib.newaxis],
    lambda lib: repr(lib.contiguous_format)[-17:],
]


@pytest.mark.parametrize("call", QUESTIONS)
def test_a_question_is_answered_as_by_pytorch(call: Any) -> None:
    assert agrees(call)


DTYPES = ["bool", "uint8", "int8", "int64", "float16", "float32", "float64", "complex64"]


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_dtypes_promote_and_cast_as_in_pytorch(first: str, second: str) -> None:
    pairs = [[getattr(library, name) for name in (first, second)] for library in (tg, torch)]
    assert plain(tg.promote_types(*pairs[0])) == plain(torch.promote_types(*pairs[1]))
    assert tg.can_cast(*pairs[0]) == torch.can_cast(*pairs[1])


def test_the_default_tensor_type_sets_the_default_dtype() -> None:
    try:
        tg.set_default_tensor_type(tg.DoubleTensor)
        assert tg.zeros(1).dtype == tg.Tensor([1]).dtype == tg.float64
        tg.set_default_tensor_type("torch.FloatTensor")
        assert tg.zeros(1).dtype == tg.float32
    finally:
        tg.set_default_dtype(tg.float32)


def test_another_default_device_than_the_cpu_is_refused() -> None:
    with pytest.raises(tg.UnsupportedError, match="device="):
        tg.set_default_device("cuda")
