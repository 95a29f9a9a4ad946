"""CuPy as the backend of CUDA arrays, found only when it is asked for."""

from __future__ import annotations

import importlib.util
from typing import Any

from tinygrad_mp.backend.arrays import Backend, register_backend, set_loader
from tinygrad_mp.backend.devices import Device
from tinygrad_mp.errors import DeviceError

_INSTALL = (
    'python -m pip install "tinygrad_mp[gpu]" for CUDA 12, or "tinygrad_mp[gpu13]" for CUDA 13 '
    "(nvidia-smi shows the driver's CUDA version)"
)


def cuda_is_available() -> bool:
    """Whether CuPy is installed and sees a CUDA device. Never raises.

    >>> isinstance(cuda_is_available(), bool)
    True
    """
    return _why_not() is None


def _why_not() -> DeviceError | None:
    """The error that explains why CUDA cannot be used, or None when it can."""
    if importlib.util.find_spec("cupy") is None:
        return DeviceError("device cuda: CuPy is not installed", fix=_INSTALL)
    try:
        import cupy
    except Exception as error:  # a broken install raises ImportError, but also OSError or RuntimeError
        return DeviceError(f"device cuda: CuPy is installed but does not import: {error}", fix=_INSTALL)
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return DeviceError(
            f"device cuda: CuPy finds no working NVIDIA driver: {error}",
            fix="install or update the NVIDIA driver until nvidia-smi lists a GPU, or use device='cpu'",
        )
    if count == 0:
        return DeviceError("device cuda: no GPU is visible", fix="check CUDA_VISIBLE_DEVICES, or use device='cpu'")
    return None


def load() -> None:
    """Register CuPy as the backend of ``cuda`` devices, or raise an error that says what is missing."""
    problem = _why_not()
    if problem is not None:
        raise problem
    import cupy

    def place(array: Any, device: Device) -> Any:
        count = cupy.cuda.runtime.getDeviceCount()
        index = device.index or 0
        if index >= count:
            raise DeviceError(f"device {device} was asked for, but there are {count} CUDA devices")
        with cupy.cuda.Device(index):
            return cupy.asarray(array)

    register_backend(
        Backend(
            name="cuda",
            array_type=cupy.ndarray,
            module=cupy,
            device_of=lambda array: Device("cuda", array.device.id),
            place=place,
            to_numpy=cupy.asnumpy,
            synchronize=lambda: cupy.cuda.get_current_stream().synchronize(),
        )
    )


set_loader("cuda", load)
