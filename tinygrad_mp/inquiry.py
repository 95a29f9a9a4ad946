"""Questions about tensors and dtypes, under PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp import dtypes, legacy
from tinygrad_mp.backend import Device, as_device
from tinygrad_mp.dtypes import DType, as_dtype, get_default_dtype
from tinygrad_mp.errors import DTypeError, ShapeError, UnsupportedError
from tinygrad_mp.nested import a_kind
from tinygrad_mp.tape import TensorBase


class finfo:  # noqa: N801 - PyTorch's name
    """The limits of a floating dtype, as Python numbers: ``eps max min tiny smallest_normal resolution bits dtype``.

    >>> finfo("float32").eps, finfo("float64").bits
    (1.1920928955078125e-07, 64)
    """

    def __init__(self, type: Any = None) -> None:
        chosen = get_default_dtype() if type is None else as_dtype(type)
        if chosen.kind not in "fc":
            raise DTypeError(f"finfo: {chosen} is no floating dtype", fix="use iinfo for integers")
        info = numpy.finfo(chosen)
        self.bits, self.dtype = int(info.bits), info.dtype.name
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)
        self.resolution = 10.0**-info.precision

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"


class iinfo:  # noqa: N801
    """The limits of an integer dtype: ``max min bits dtype``.

    >>> iinfo("int8")
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: Any) -> None:
        chosen = as_dtype(type)
        if chosen.kind not in "iu":
            raise DTypeError(f"iinfo: {chosen} is no integer dtype", fix="use finfo for floating ones")
        info = numpy.iinfo(chosen)
        self.bits, self.max, self.min, self.dtype = info.bits, int(info.max), int(info.min), chosen.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


# --- tensors ----------------------------------------------------------------------------------------------------------


def _tensor(name: str, value: Any) -> Any:
    if not isinstance(value, TensorBase):
        raise DTypeError(f"{name}: expected a tensor, got {a_kind(value)}", fix="make it a tensor: tensor(data)")
    return value


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor.

    >>> is_tensor([1.0])
    False
    """
    return isinstance(obj, TensorBase)


def is_storage(obj: Any) -> bool:
    """Whether ``obj`` is a storage, of which there are none here."""
    return False


def is_floating_point(input: Any) -> bool:
    """Whether the dtype of a tensor is a floating one."""
    return _tensor("is_floating_point", input).array.dtype in dtypes.FLOATING


def is_complex(input: Any) -> bool:
    """Whether the dtype of a tensor is a complex one."""
    return bool(_tensor("is_complex", input).array.dtype.kind == "c")


def is_signed(input: Any) -> bool:
    """Whether the dtype of a tensor has negative numbers."""
    return bool(_tensor("is_signed", input).array.dtype.kind in "ifc")


def is_nonzero(input: Any) -> bool:
    """Whether the one entry of a tensor is not zero. ShapeError if there are more.

    >>> from tinygrad_mp import tensor
    >>> is_nonzero(tensor([0.5]))
    True
    """
    if _tensor("is_nonzero", input).array.size != 1:
        raise ShapeError(
            f"is_nonzero: one entry is wanted, the shape is {input.array.shape}", fix="use .any() or .all()"
        )
    return bool(input.array.item())


def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have one shape."""
    return bool(_tensor("is_same_size", input).array.shape == _tensor("is_same_size", other).array.shape)


def is_conj(input: Any) -> bool:
    """Whether a tensor is a conjugate that was put off: never here."""
    return bool(_tensor("is_conj", input) is None)


def is_inference(input: Any) -> bool:
    """Whether a tensor was made in inference mode, which marks none here."""
    return bool(_tensor("is_inference", input) is None)


def numel(input: Any) -> int:
    """The number of entries.

    >>> from tinygrad_mp import zeros
    >>> numel(zeros(2, 3))
    6
    """
    count: int = _tensor("numel", input).array.size
    return count


def typename(obj: Any) -> str:
    """The name of the type of ``obj``: of a tensor as ``x.type()`` says it, otherwise with its module.

    >>> typename(1.0)
    'float'
    """
    if isinstance(obj, TensorBase):
        return legacy.type_name(obj)
    kind = obj if isinstance(obj, type) else type(obj)
    return kind.__qualname__ if kind.__module__ in ("builtins", "") else f"{kind.__module__}.{kind.__qualname__}"


# --- dtypes and devices -----------------------------------------------------------------------------------------------


def can_cast(from_: Any, to: Any) -> bool:
    """Whether the promotion rules let one dtype become another: not complex to real, fractions to integers, or
    numbers to bool.

    >>> can_cast("float64", "float32"), can_cast("float32", "int64")
    (True, False)
    """
    order = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
    return order[as_dtype(from_).kind] <= order[as_dtype(to).kind]


def promote_types(type1: Any, type2: Any) -> DType:
    """The dtype that holds both, as PyTorch has it: a floating one keeps its width beside integers.

    >>> promote_types("float32", "int64")
    dtype('float32')
    """
    return dtypes.result_type(*(numpy.empty(1, as_dtype(one)) for one in (type1, type2)))


def get_default_device() -> Device:
    """The device on which tensors are made unless one is named: the CPU."""
    return Device("cpu")


def set_default_device(device: Any) -> None:
    """Make tensors on this device unless one is named: the CPU is the only one that can be.

    Errors
    ------
    UnsupportedError for another device.

    >>> set_default_device("cpu")
    """
    if device is not None and as_device(device).type != "cpu":
        raise UnsupportedError(f"the default device cannot be {as_device(device)}", fix="name it: zeros(2, device=...)")
