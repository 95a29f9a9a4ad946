"""CUDA devices: whether there are any, and waiting for them. Computing on them is ``device="cuda"`` anywhere."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import backend
from tinygrad_mp.absent import lookup
from tinygrad_mp.backend import as_device

__all__ = ["device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether CuPy is installed and sees a CUDA device. Never raises.

    >>> from tinygrad_mp import cuda
    >>> cuda.is_available() in (True, False)
    True
    """
    return backend.cuda_is_available()


def device_count() -> int:
    """The number of CUDA devices; 0 where CuPy or the driver is missing."""
    if not is_available():
        return 0
    count: int = backend.module_of("cuda").cuda.runtime.getDeviceCount()
    return count


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all that was asked of it. DeviceError, with the remedy, without CUDA."""
    backend.synchronize(as_device("cuda" if device is None else device))


__getattr__ = lookup("cuda")
