"""CuPy as the backend of CUDA arrays, found only when it is asked for."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend.arrays import Backend, register_backend
from tinygrad_mp.backend.devices import Device
from tinygrad_mp.errors import DeviceError

_INSTALL = (
    'python -m pip install "tinygrad_mp[gpu]" for CUDA 12, or "tinygrad_mp[gpu13]" for CUDA 13 '
    "(nvidia-smi shows the driver's CUDA version)"
)
_DRIVER = "install or update the NVIDIA driver until nvidia-smi lists a GPU, or use device='cpu'"


def cuda_is_available() -> bool:
    """Whether CuPy is installed and sees a CUDA device. Never raises.

    >>> isinstance(cuda_is_available(), bool)
    True
    """
    return _why_not() is None


def _why_not() -> DeviceError | None:
    """The error that explains why CUDA cannot be used, or None when it can."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return DeviceError("device cuda: CuPy is not installed", fix=_INSTALL)
        return _broken(error)
    except Exception as error:  # a broken install raises ImportError, but also OSError or RuntimeError
        return _broken(error)
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CUDARuntimeError; a broken install may lack even that name
        return DeviceError(f"device cuda: CuPy finds no working NVIDIA driver: {_in_one_line(error)}", fix=_DRIVER)
    if count == 0:
        return DeviceError("device cuda: no GPU is visible", fix="check CUDA_VISIBLE_DEVICES, or use device='cpu'")
    return None


def _broken(error: Exception) -> DeviceError:
    text = _in_one_line(error)
    fix = _DRIVER if "libcuda.so" in text or "nvcuda.dll" in text else f"reinstall it: {_INSTALL}"
    return DeviceError(f"device cuda: CuPy is installed but does not import: {text}", fix=fix)


def _in_one_line(error: Exception) -> str:
    """The text of an error without CuPy's banners and line breaks."""
    lines = (line.strip(" =") for line in str(error).splitlines())
    text = " ".join(line for line in lines if line) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


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
            raise DeviceError(
                f"device {device} was asked for, CUDA devices found: {count}",
                fix=f'use "cuda:0" to "cuda:{count - 1}"' if count > 1 else 'use "cuda"',
            )
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
