"""The same values in another dtype or on another device."""

from typing import Any

from tinygrad_mp.backend import Device, array_on, device_of
from tinygrad_mp.domains import Real
from tinygrad_mp.dtypes import DIFFERENTIABLE, as_dtype
from tinygrad_mp.primitive import cast, primitive
from tinygrad_mp.tape import TensorBase, wrap


def to_dtype(input: Any, dtype: Any) -> Any:
    """``input`` in another dtype; itself if it has it already. Gradients flow between floating dtypes.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.7, -1.7]).long()
    tensor([ 1, -1])
    """
    target = as_dtype(dtype)
    array = input.array if isinstance(input, TensorBase) else input
    if array.dtype == target:
        return input
    if target not in DIFFERENTIABLE and isinstance(input, TensorBase):
        return wrap(input.result_class, array.astype(target))
    return cast(input, dtype=target)


@primitive(
    promotes=None,
    linear=True,
    cases=lambda s: ((s.array(s.shape()),), {"device": Device("cpu"), "source": Device("cpu")}),
    x=lambda g, device, source: _move(g, device=source, source=device),
)
def _move(x: Real, *, device: Device, source: Device) -> Any:
    return array_on(device, x)


def move(input: Any, device: Device) -> Any:
    """``input`` on another device; its cotangent moves back."""
    return _move(input, device=device, source=device_of(getattr(input, "array", input)))
