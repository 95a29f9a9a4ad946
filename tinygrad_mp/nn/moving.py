"""Move the tensors of a module to another device or dtype; holders of its parameters keep the same objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp.backend import Device, array_on, as_device
from tinygrad_mp.dtypes import FLOATING, NAMES, as_dtype
from tinygrad_mp.errors import DTypeError
from tinygrad_mp.nn.parameter import Parameter, is_lazy
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor


def conversion(args: tuple[Any, ...], device: Any, dtype: Any) -> Callable[[Any], Any]:
    """The function on arrays that the arguments of ``Module.to`` ask for."""
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, Device) or (isinstance(value, str) and value.partition(":")[0] not in NAMES):
            device = value
        elif not isinstance(value, bool):  # non_blocking
            dtype = value
    target = None if dtype is None else as_dtype(dtype)
    if target is not None and target not in FLOATING:
        raise DTypeError(f"a module can be converted to a floating dtype only, not to {target}")
    place = None if device is None else as_device(device)

    def convert_array(array: Any) -> Any:
        if target is not None and array.dtype in FLOATING:
            array = array.astype(target, copy=False)
        return array if place is None else array_on(place, array)

    return convert_array


def convert(module: Any, function: Callable[[Any], Any]) -> None:
    """Put ``function(array)`` under every parameter, its gradient, and every buffer; what is shared stays shared."""
    for parameter in module.parameters():
        _replace(parameter, function)
    converted: dict[int, Any] = {}
    for inner in module.modules():
        for name, buffer in inner._buffers.items():
            if is_lazy(buffer):
                buffer.moved(function)
            elif buffer is not None:
                if id(buffer) not in converted:
                    array = function(buffer.array)
                    converted[id(buffer)] = buffer if array is buffer.array else wrap(Tensor, array)
                inner._buffers[name] = converted[id(buffer)]


def _replace(parameter: Parameter, function: Callable[[Any], Any]) -> None:
    """Give ``parameter`` and its gradient converted arrays; optimizers and other holders keep the same object."""
    if is_lazy(parameter):
        parameter.moved(function)
        return
    array = function(parameter.array)
    if array is not parameter.array:
        parameter.data = wrap(Tensor, array)
    if parameter.grad is not None:
        converted = function(parameter.grad.array)
        if converted is not parameter.grad.array:
            parameter.grad = wrap(Tensor, converted)
