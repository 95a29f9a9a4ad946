"""Memory shared with NumPy and other array libraries. What NumPy's functions do on tensors is in ``numpy_calls.py``."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend import device_of, is_array, module_of
from tinygrad_mp.errors import DeviceError, TapeError
from tinygrad_mp.layout import settle
from tinygrad_mp.tape import TensorBase


class NumpyProtocols:
    """The part of ``Tensor`` that answers when NumPy or another array library calls."""

    __slots__ = ()
    __array_priority__ = 1000

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = host_array(self, "numpy.asarray")
        return numpy.array(array, dtype=dtype, copy=copy) if dtype is not None or copy else array

    def __dlpack__(self, **options: Any) -> Any:
        return _leave_tape(self, "__dlpack__").__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()  # type: ignore[attr-defined]


def _leave_tape(tensor: Any, method: str) -> Any:
    if tensor.requires_grad:
        raise TapeError(
            f"{method} on a tensor that requires a gradient would take its values off the tape unseen",
            fix="say so: t.detach().numpy()",
        )
    return settle(tensor)


def host_array(tensor: Any, method: str) -> Any:
    """The NumPy array under a tensor on the CPU; an error that names the remedy otherwise."""
    array = _leave_tape(tensor, method)
    if not isinstance(array, numpy.ndarray):
        raise DeviceError(
            f"{method} on a tensor on {device_of(array)}: its memory is not the host's", fix="t.cpu().numpy()"
        )
    return array


def array_from_dlpack(source: Any) -> Any:
    """The array that ``source`` (an object with ``__dlpack__``) holds, sharing its memory."""
    if isinstance(source, TensorBase):
        return _leave_tape(source, "from_dlpack")
    if is_array(source):
        return source
    kind, _ = source.__dlpack_device__()
    if kind == 1:
        return numpy.from_dlpack(source)
    if kind == 2:
        return module_of("cuda").from_dlpack(source)
    raise DeviceError(f"from_dlpack: a device of DLPack kind {kind} is neither the CPU nor CUDA")
