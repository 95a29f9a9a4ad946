"""The array types the package computes on, and the module that computes on each.

An array's own type says where it lives, so nothing else has to be passed along: ``xp(x).exp(x)`` runs on whatever
``x`` is. NumPy is always there; CuPy joins when ``cuda`` is first asked for; tests add a strict fake device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend.devices import CPU, Device, as_device
from tinygrad_mp.errors import DeviceError, DTypeError


class Backend:
    """One array type and what it takes to use it.

    ``place(array, device)`` accepts a NumPy array or an array of this backend and returns one on ``device``.
    """

    def __init__(
        self,
        name: str,
        array_type: type,
        module: Any,
        device_of: Callable[[Any], Device],
        place: Callable[[Any, Device], Any],
        to_numpy: Callable[[Any], Any],
        synchronize: Callable[[], None],
    ) -> None:
        self.name, self.array_type, self.module = name, array_type, module
        self.device_of, self.place, self.to_numpy, self.synchronize = device_of, place, to_numpy, synchronize


_modules: dict[type, Any] = {numpy.ndarray: numpy}
_by_type: dict[type, Backend] = {}
_by_name: dict[str, Backend] = {}
_loaders: dict[str, Callable[[], None]] = {}


def register_backend(backend: Backend) -> None:
    """Add an array type; from then on tensors can be moved to its device."""
    _modules[backend.array_type] = backend.module
    _by_type[backend.array_type] = backend
    _by_name[backend.name] = backend


def unregister_backend(name: str) -> None:
    """Remove what :func:`register_backend` added under this name; unknown names are ignored."""
    backend = _by_name.pop(name, None)
    if backend is not None:
        del _modules[backend.array_type], _by_type[backend.array_type]


def set_loader(name: str, load: Callable[[], None]) -> None:
    """``load`` is called when a device of this name is first asked for; it registers the backend or raises."""
    _loaders[name] = load


register_backend(
    Backend(
        name="cpu",
        array_type=numpy.ndarray,
        module=numpy,
        device_of=lambda array: CPU,
        place=lambda array, device: array,
        to_numpy=lambda array: array,
        synchronize=lambda: None,
    )
)


def xp(array: Any) -> Any:
    """The module whose functions compute on ``array``: numpy for NumPy arrays and Python numbers, cupy for CuPy's.

    >>> xp(numpy.zeros(3)) is numpy
    True
    """
    module = _modules.get(type(array))
    return _find_module(array) if module is None else module


def _find_module(array: Any) -> Any:
    if isinstance(array, (numpy.generic, int, float, complex)):
        return numpy
    for kind, module in _modules.items():
        if isinstance(array, kind):
            return module
    raise DTypeError(f"{type(array).__name__} is neither a tensor nor an array", fix="make it a tensor: tensor(data)")


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array of a registered device (a NumPy scalar is not)."""
    return type(value) in _modules or isinstance(value, tuple(_modules))


def _backend_of(array: Any) -> Backend:
    backend = _by_type.get(type(array))
    if backend is None:
        module = xp(array)
        backend = next(b for b in _by_type.values() if b.module is module)
    return backend


def _backend_named(device: Device) -> Backend:
    if device.type not in _by_name:
        load = _loaders.get(device.type)
        if load is None:
            known = ", ".join(f'"{name}"' for name in sorted({*_by_name, *_loaders}))
            raise DeviceError(f"unknown device {str(device)!r}", fix=f'use {known} or "cuda:0"')
        load()
    return _by_name[device.type]


def module_of(device: Any) -> Any:
    """The module that computes on a device; loads it, or raises an error that says what is missing."""
    return _backend_named(as_device(device)).module


def device_of(array: Any) -> Device:
    """The device that ``array`` lives on."""
    return _backend_of(array).device_of(array)


def array_on(device: Any, array: Any) -> Any:
    """Return ``array`` on ``device``: itself if it is there already, otherwise a copy."""
    target = as_device(device)
    backend = _backend_named(target)
    if _backend_of(array) is not backend:
        array = to_numpy(array)
    elif backend.device_of(array) == target:
        return array
    return backend.place(array, target)


def as_array_on(like: Any, value: Any) -> Any:
    """Return ``value`` (a Python number, NumPy scalar or array) as an array of the type and device of ``like``."""
    if is_array(value):
        return value
    return xp(like).asarray(value)


def to_numpy(array: Any) -> Any:
    """Return ``array`` as a NumPy array; a copy when it lives elsewhere."""
    return _backend_of(array).to_numpy(array)


def synchronize(device: Any = None) -> None:
    """Wait until the device has done all that was asked of it; at once on the CPU."""
    _backend_named(as_device(device)).synchronize()


def contiguous(array: Any) -> Any:
    """Return ``array`` in C order: itself if it is so already."""
    return array if array.flags.c_contiguous else xp(array).ascontiguousarray(array)


def owner(array: Any) -> Any:
    """The array that owns the memory that ``array`` is a view of (``array`` itself if it owns its memory).

    >>> a = numpy.zeros((2, 3))
    >>> owner(a[0].T) is a
    True
    """
    kind = type(array)
    while isinstance(array.base, kind):
        array = array.base
    return array
