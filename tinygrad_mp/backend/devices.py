"""``Device``: a kind of machine and an index, written ``cpu`` or ``cuda:0``."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.errors import DeviceError, UnsupportedError

_USE = 'use "cpu", "cuda" or "cuda:0"'


class Device:
    """Where an array lives: ``type`` is "cpu" or "cuda", ``index`` counts the devices of that type (None: the CPU).

    >>> str(Device("cuda", 1)), str(Device("cuda:1")), str(Device("cpu"))
    ('cuda:1', 'cuda:1', 'cpu')
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str, index: int | None = None) -> None:
        kind, colon, number = str(type).partition(":")
        if not kind.isidentifier() or (colon and (index is not None or not number.isdecimal())):
            raise DeviceError(f"unknown device {type!r}", fix=_USE)
        index = int(number) if number else index
        if kind == "cpu" and index not in (None, 0):
            raise DeviceError(f"unknown device cpu:{index}: the host is one device", fix='use "cpu"')
        self.type, self.index = kind, None if kind == "cpu" else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        return isinstance(other, Device) and (self.type, self.index) == (other.type, other.index)

    def __enter__(self) -> Device:
        """Make tensors here unless another device is named: the CPU is the only one that can be meant."""
        if self.type != "cpu":
            raise UnsupportedError(f"{self} cannot be a default", fix="name it where tensors are made: device=...")
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was changed."""

    def __hash__(self) -> int:
        return hash(str(self))  # that of a string it equals


CPU = Device("cpu")


def as_device(device: Any) -> Device:
    """Return the device named by a Device, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or a CUDA index.

    >>> as_device("cuda:1")
    device('cuda:1')
    """
    if device is None:
        return CPU
    if isinstance(device, int) and not isinstance(device, bool) and device >= 0:
        return Device("cuda", device)
    if isinstance(device, str):
        device = Device(device)
    if not isinstance(device, Device):
        raise DeviceError(f"unknown device {device!r}", fix=_USE)
    return Device("cuda", 0) if device.type == "cuda" and device.index is None else device
