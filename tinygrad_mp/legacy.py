"""PyTorch's old constructors: ``Tensor(2, 3)``, ``FloatTensor([1.0])``, ``LongTensor(...)``, ``tensor.new(...)``."""

from __future__ import annotations

from typing import Any, cast

import numpy

from tinygrad_mp import dtypes
from tinygrad_mp.backend import as_device
from tinygrad_mp.creation import tensor
from tinygrad_mp.dtypes import DType, as_dtype, get_default_dtype, set_default_dtype
from tinygrad_mp.errors import DTypeError, UnsupportedError
from tinygrad_mp.layout import settle
from tinygrad_mp.nested import a_kind
from tinygrad_mp.sizes import Size
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor


def tensor_of(cls: type, args: tuple[Any, ...], options: dict[str, Any], dtype: Any = None, device: Any = None) -> Any:
    """A tensor of class ``cls`` as PyTorch's old constructor makes it of ``args``; the default dtype unless given.

    Nothing gives a tensor without entries, integers or a Size give an uninitialised one of that shape, a sequence or
    an array its values, and a tensor another one over its memory.
    """
    if options.get("device", device) is not None and as_device(options.get("device", device)) != "cpu":
        raise UnsupportedError("an old constructor makes tensors on the CPU", fix="use tensor(data, device=...)")
    unknown = set(options) - {"device", "data", "size"}
    if unknown:
        raise UnsupportedError(f"{cls.__name__} does not know {sorted(unknown)}", fix="use tensor(data, dtype=...)")
    args = (*args, *(options[name] for name in ("data", "size") if name in options))
    wanted = get_default_dtype() if dtype is None else dtype
    if all(hasattr(one, "__index__") and not hasattr(one, "shape") for one in args):
        return wrap(cls, numpy.empty(Size(args) if args else (0,), wanted))
    data = args[0]
    if len(args) > 1:
        raise DTypeError(f"{cls.__name__}: sizes are integers, got {', '.join(map(a_kind, args))}")
    if isinstance(data, Size):
        return wrap(cls, numpy.empty(data, wanted))
    if isinstance(data, TensorBase):
        if dtype is not None and data.array.dtype != dtype:
            raise DTypeError(f"{cls.__name__}: expected a tensor of {dtype}, got {data.array.dtype}", fix="x.to(dtype)")
        return wrap(cls, settle(data))
    if isinstance(data, (list, tuple, range, numpy.ndarray)):
        return wrap(cls, tensor(data, dtype=wanted).array)
    raise DTypeError(f"{cls.__name__}: expected sizes or a sequence, got {a_kind(data)}", fix="use tensor(data)")


class TypedTensor:
    """A class of tensors of one dtype in PyTorch's old way: makes them, tells them, and names their dtype.

    >>> LongTensor([1, 2]), isinstance(LongTensor(3), LongTensor)
    (tensor([1, 2]), True)
    """

    def __init__(self, name: str, dtype: DType) -> None:
        self.__name__, self.dtype = name, dtype

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        return cast(Tensor, tensor_of(Tensor, args, options, self.dtype))

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, TensorBase) and bool(instance.array.dtype == self.dtype)

    def __repr__(self) -> str:
        return f"<class 'torch.{self.__name__}'>"


FloatTensor = TypedTensor("FloatTensor", dtypes.float32)
DoubleTensor = TypedTensor("DoubleTensor", dtypes.float64)
HalfTensor = TypedTensor("HalfTensor", dtypes.float16)
LongTensor = TypedTensor("LongTensor", dtypes.int64)
IntTensor = TypedTensor("IntTensor", dtypes.int32)
ShortTensor = TypedTensor("ShortTensor", dtypes.int16)
CharTensor = TypedTensor("CharTensor", dtypes.int8)
ByteTensor = TypedTensor("ByteTensor", dtypes.uint8)
BoolTensor = TypedTensor("BoolTensor", dtypes.bool_)

_ALL = (
    FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor, BoolTensor
)  # fmt: skip
_NAMED = {one.__name__: one for one in _ALL}


def type_name(x: Any) -> str:
    """What ``x.type()`` says: ``torch.FloatTensor``, ``torch.cuda.LongTensor``."""
    place = "torch." if x.device.type == "cpu" else f"torch.{x.device.type}."
    names = {one.dtype: one.__name__ for one in _ALL}
    return place + names.get(x.dtype, {"complex64": "ComplexFloatTensor"}.get(str(x.dtype), "ComplexDoubleTensor"))


def dtype_named(kind: Any) -> Any:
    """The dtype meant by ``LongTensor`` or ``"torch.LongTensor"``; anything else as it is."""
    if kind is Tensor:
        return get_default_dtype()
    if isinstance(kind, str) and kind.startswith("torch."):
        name = kind.rpartition(".")[2]
        if ".cuda" in kind:
            raise UnsupportedError(f"type {kind!r} names a device as well", fix="use .to(device, dtype)")
        return _NAMED[name].dtype if name in _NAMED else as_dtype(name)
    return kind.dtype if isinstance(kind, TypedTensor) else kind


def new(self: Any, *args: Any, **options: Any) -> Any:
    """PyTorch's old constructor, with the dtype and device of this tensor.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2]).new([3.0, 4.0])
    tensor([3, 4])
    """
    return tensor_of(self.result_class, args, options, self.dtype, self.device)


def set_default_tensor_type(t: Any) -> None:
    """Make ``FloatTensor``, ``DoubleTensor`` or ``HalfTensor``, or one of their names, the default: sets the dtype.

    Errors
    ------
    DTypeError for integers.

    >>> set_default_tensor_type("torch.FloatTensor")
    """
    set_default_dtype(dtype_named(t))
