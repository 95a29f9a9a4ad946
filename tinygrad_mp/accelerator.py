"""``accelerator``: the GPU, if there is one, without its maker's name."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import cuda
from tinygrad_mp.backend import Device, as_device

__all__ = ["current_accelerator", "current_device_index", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether there is one.

    >>> is_available() in (True, False)
    True
    """
    return cuda.is_available()


def current_accelerator(check_available: bool = False) -> Device | None:
    """Its device, or None."""
    return as_device("cuda") if is_available() else None


def device_count() -> int:
    """How many there are."""
    return cuda.device_count()


def current_device_index() -> int:
    """The index of the device that ``"cuda"`` means."""
    return cuda.current_device()


def synchronize(device: Any = None) -> None:
    """Wait until it has done all that was asked of it; nothing where there is none."""
    if is_available():
        cuda.synchronize(device)
