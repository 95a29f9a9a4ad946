"""CUDA devices: whether there are any, and waiting for them. Computing on them is ``device="cuda"`` anywhere.

What only steers a GPU does nothing where there is none, so that scripts need not ask first.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tinygrad_mp import backend
from tinygrad_mp.absent import lookup
from tinygrad_mp.backend import as_device
from tinygrad_mp.backend.cuda import cuda_is_available
from tinygrad_mp.backend.random_bits import default_stream
from tinygrad_mp.errors import UnsupportedError

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "init",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "reset_max_memory_allocated",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    """Whether CuPy is installed and sees a CUDA device. Never raises.

    >>> from tinygrad_mp import cuda
    >>> cuda.is_available() in (True, False)
    True
    """
    return cuda_is_available()


def device_count() -> int:
    """The number of CUDA devices; 0 where CuPy or the driver is missing."""
    if not is_available():
        return 0
    count: int = backend.module_of("cuda").cuda.runtime.getDeviceCount()
    return count


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all that was asked of it. DeviceError, with the remedy, without CUDA."""
    backend.synchronize(as_device("cuda" if device is None else device))


def init() -> None:
    """Nothing: a device is made ready when it is first used."""


def is_initialized() -> bool:
    """Whether there is a device to use."""
    return is_available()


def current_device() -> int:
    """The index of the device that ``"cuda"`` means. DeviceError, with the remedy, without CUDA."""
    backend.module_of("cuda")
    return as_device("cuda").index or 0


def set_device(device: Any) -> None:
    """Accepted for the device that ``"cuda"`` means, or where there is no CUDA; UnsupportedError for another one."""
    if is_available() and as_device(device if not isinstance(device, int) else f"cuda:{device}") != as_device("cuda"):
        raise UnsupportedError(f"set_device({device!r}): the current device is fixed", fix='give device="cuda:1"')


def get_device_name(device: Any = None) -> str:
    """The name of a device. DeviceError, with the remedy, without CUDA."""
    index = as_device("cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device).index or 0
    name: bytes = backend.module_of("cuda").cuda.runtime.getDeviceProperties(index)["name"]
    return name.decode()


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no bfloat16 dtype."""
    return False


# --- random numbers: a GPU's are made on the CPU, so that they are the same ones --------------------------------------


def manual_seed(seed: int) -> None:
    """Restart the default generator, if there is a device that would use it; otherwise nothing, as in PyTorch."""
    if is_available():
        default_stream.restart(seed)


manual_seed_all = manual_seed


def seed() -> None:
    """Restart the default generator with a seed from the operating system, if there is a device that would use it."""
    if is_available():
        default_stream.restart_anywhere()


seed_all = seed


# --- memory -----------------------------------------------------------------------------------------------------------


def empty_cache() -> None:
    """Give memory that is kept for reuse back to the device; nothing without CUDA."""
    if is_available():
        backend.module_of("cuda").get_default_memory_pool().free_all_blocks()


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the device; 0 without CUDA."""
    return int(backend.module_of("cuda").get_default_memory_pool().used_bytes()) if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the device, in use or kept; 0 without CUDA."""
    return int(backend.module_of("cuda").get_default_memory_pool().total_bytes()) if is_available() else 0


def max_memory_reserved(device: Any = None) -> int:
    """:func:`memory_reserved`, which falls only in :func:`empty_cache`."""
    return memory_reserved(device)


def max_memory_allocated(device: Any = None) -> int:
    """An upper bound on what was in use since :func:`empty_cache`: :func:`memory_reserved`."""
    return memory_reserved(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing: no peak is kept."""


reset_max_memory_allocated = reset_peak_memory_stats


def ipc_collect() -> None:
    """Nothing: memory is not shared between processes."""


_lookup = lookup("cuda")


def __getattr__(name: str) -> Any:
    if name == "amp":
        return import_module("tinygrad_mp.cuda.amp")
    return _lookup(name)
