"""``Device``: a kind of machine and an index, written ``cpu`` or ``cuda:0``."""

from __future__ import annotations

from typing import Any, NamedTuple

from tinygrad_mp.errors import DeviceError


class Device(NamedTuple):
    """Where an array lives.

    >>> str(Device("cuda", 1)), str(Device("cpu"))
    ('cuda:1', 'cpu')
    """

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, Device) and tuple(self) == tuple(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(tuple(self))


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
