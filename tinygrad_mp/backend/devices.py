"""``Device``: a kind of machine and an index, written ``cpu`` or ``cuda:0``."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.errors import DeviceError


class Device:
    """Where an array lives: ``type`` is "cpu" or "cuda", ``index`` counts the devices of that type (None: the CPU).

    >>> str(Device("cuda", 1)), str(Device("cpu"))
    ('cuda:1', 'cpu')
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str, index: int | None = None) -> None:
        self.type, self.index = type, index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


CPU = Device("cpu")


def as_device(device: Any) -> Device:
    """Return the device named by a Device, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or a CUDA index.

    >>> as_device("cuda:1")
    device('cuda:1')
    """
    if isinstance(device, Device):
        return device
    if device is None:
        return CPU
    if isinstance(device, int) and not isinstance(device, bool):
        return Device("cuda", device)
    if isinstance(device, str):
        kind, _, index = device.partition(":")
        if kind.isidentifier() and (index.isdecimal() or (not index and ":" not in device)):
            return Device(kind, int(index) if index else (0 if kind == "cuda" else None))
    raise DeviceError(f"unknown device {device!r}", fix='use "cpu", "cuda" or "cuda:0"')
