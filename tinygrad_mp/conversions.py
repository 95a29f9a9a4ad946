"""Methods of ``Tensor`` that change dtype, device or the place in memory. Gradients flow back through all of them."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import dtypes, ops
from tinygrad_mp.backend import Device, as_device, device_of
from tinygrad_mp.dtypes import as_dtype
from tinygrad_mp.errors import DTypeError, UnsupportedError
from tinygrad_mp.later import fetch
from tinygrad_mp.nested import a_kind
from tinygrad_mp.tape import TensorBase

_SWITCHES = ("non_blocking", "copy")


def to(self: Any, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **ignored: Any) -> Any:
    """This tensor with another dtype or on another device; itself when nothing changes and ``copy`` is false.

    Positional arguments may be a dtype, a device, both (device first) or a tensor whose dtype and device to take; then
    ``non_blocking`` and ``copy``. ``non_blocking`` and ``memory_format`` are accepted and have no effect.

    Errors
    ------
    UnsupportedError for an unknown keyword, DTypeError and DeviceError for an unknown dtype or device.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2]).to("cpu", "float64")
    tensor([1., 2.], dtype=float64)
    """
    other = ignored.pop("tensor", None)
    unknown = set(ignored) - {"non_blocking", "memory_format"}
    if unknown:
        raise UnsupportedError(f"to: unexpected argument {min(unknown)!r}", fix="it takes dtype, device, copy")
    switches = 0
    for arg in (*args, *(() if other is None else (other,))):
        if isinstance(arg, TensorBase):
            dtype, device = arg.array.dtype, device_of(arg.array)
        elif isinstance(arg, bool):
            copy, switches = arg if switches else copy, switches + 1
        elif isinstance(arg, (Device, int)) or (isinstance(arg, str) and arg.partition(":")[0] not in dtypes.NAMES):
            device = arg
        elif isinstance(arg, float):
            raise DTypeError(f"to: {arg} is neither a dtype nor a device")
        elif arg is not None:
            dtype = arg
    result: Any = self
    if device is not None and as_device(device) != self.device:
        result = ops.move(result, device=as_device(device))
    if dtype is not None:
        result = ops.to_dtype(result, as_dtype(dtype))
    return ops.clone(result) if copy and result is self else result


def cpu(self: Any, memory_format: Any = None) -> Any:
    """This tensor on the CPU."""
    return to(self, "cpu")


def cuda(self: Any, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
    """This tensor on a CUDA device. DeviceError, with the remedy, where there is none."""
    return to(self, as_device("cuda" if device is None else device))


def type(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of this tensor's type, as ``"torch.FloatTensor"``; or this tensor in another dtype.

    >>> from tinygrad_mp import LongTensor, tensor
    >>> tensor([1.5]).type(), tensor([1.5]).type(LongTensor), tensor([1.5]).type("torch.IntTensor")
    ('torch.FloatTensor', tensor([1]), tensor([1], dtype=int32))
    """
    if dtype is None:
        return fetch("legacy", "type_name")(self)
    return ops.to_dtype(self, fetch("legacy", "dtype_named")(dtype))


def type_as(self: Any, other: Any) -> Any:
    """This tensor in the dtype and on the device of ``other``."""
    if not isinstance(other, TensorBase):
        raise DTypeError(f"type_as: expected a tensor, got {a_kind(other)}")
    return to(self, other)


def double(self: Any, memory_format: Any = None) -> Any:
    """This tensor in float64."""
    return ops.to_dtype(self, dtypes.float64)


def half(self: Any, memory_format: Any = None) -> Any:
    """This tensor in float16."""
    return ops.to_dtype(self, dtypes.float16)


def long(self: Any, memory_format: Any = None) -> Any:
    """This tensor in int64."""
    return ops.to_dtype(self, dtypes.int64)


def short(self: Any, memory_format: Any = None) -> Any:
    """This tensor in int16."""
    return ops.to_dtype(self, dtypes.int16)


def char(self: Any, memory_format: Any = None) -> Any:
    """This tensor in int8."""
    return ops.to_dtype(self, dtypes.int8)


def byte(self: Any, memory_format: Any = None) -> Any:
    """This tensor in uint8.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.5, 200.0]).byte()
    tensor([  1, 200], dtype=uint8)
    """
    return ops.to_dtype(self, dtypes.uint8)
