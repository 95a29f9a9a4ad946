"""Nested containers as JSON, and back. Arrays stay outside: the JSON has their names.

None, booleans, strings, numbers and lists are JSON's own. All else is an object with one key, which says what it is:
``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"tensor": "name", ...}``.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend import Device, array_on, as_device, to_numpy
from tinygrad_mp.backend.devices import CPU
from tinygrad_mp.dtypes import as_dtype
from tinygrad_mp.errors import DataFormatError, DeviceError, UnsupportedError
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.saving.container import CODES, RESERVED, Archive
from tinygrad_mp.sizes import Size
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor

DEEPEST = 100
"""How many containers may lie inside each other."""

_MAPPINGS: dict[type, str] = {dict: "dict", OrderedDict: "OrderedDict", Counter: "Counter", defaultdict: "defaultdict"}
_LISTS: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset", Size: "Size"}
_TENSORS: dict[type, str] = {Tensor: "tensor", Parameter: "parameter"}
_FACTORIES: dict[str, Any] = {"None": None, **{kind.__name__: kind for kind in (list, int, float, dict, set, str)}}
_FIXES = {
    "Module": "save module.state_dict(), and load it into a module made anew",
    "Optimizer": "save optimizer.state_dict()",
    "LRScheduler": "save scheduler.state_dict()",
    "Namespace": "save vars(args)",
    "Path": "save str(path)",
    "Enum": "save its value",
}


class Encoder:
    """Makes JSON of containers and collects the arrays in them.

    Attributes
    ----------
    arrays : dict of str and numpy.ndarray
        Each piece of memory once, under the path to the place where it was found first.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        self._objects: dict[int, int] = {}
        self._open: set[int] = set()
        self._kept: list[Any] = []  # so that no id is used again

    def text(self, value: Any) -> str:
        """The JSON of ``value``; TypeError, naming the place, for what cannot be stored."""
        return json.dumps(self._encode(value, ()), separators=(",", ":"))

    def _encode(self, value: Any, path: tuple[Any, ...]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            if value.bit_length() > 10_000:
                raise _refusal(value, path, "an int of more than 10000 bits", "save it as a str")
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if kind is complex:
            return {"complex": [self._encode(part, path) for part in (value.real, value.imag)]}
        if kind in _TENSORS:
            return self._tensor(value, path)
        if isinstance(value, numpy.ndarray) and kind is numpy.ndarray:
            return self._once(value, lambda: {"array": self._array(value, path)})
        if isinstance(value, numpy.generic) and value.dtype.name in CODES:
            return {"scalar": [value.dtype.name, self._encode(value.item(), path)]}
        if kind is bytes:
            return {"bytes": self._array(numpy.frombuffer(value, "uint8"), path)}
        if isinstance(value, numpy.dtype):
            return {"dtype": value.name}
        if kind is Device:
            return {"device": str(value)}
        return self._container(value, path)

    def _container(self, value: Any, path: tuple[Any, ...]) -> Any:
        kind = type(value)
        if kind is not list and kind not in _MAPPINGS and kind not in _LISTS:
            raise _refusal(value, path)
        if id(value) in self._open:
            raise _refusal(value, path, "a container that lies in itself", "break the circle")
        if len(path) >= DEEPEST:
            raise _refusal(value, path, f"more than {DEEPEST} containers deep", "save a flatter structure")
        self._open.add(id(value))
        try:
            if kind is list:
                return self._entries(value, path)
            if kind in _LISTS:
                entries = value if kind in (tuple, Size) else sorted(value, key=repr)
                return {_LISTS[kind]: self._entries(entries, path)}
            pairs = [[self._encode(key, (*path, key)), self._encode(one, (*path, key))] for key, one in value.items()]
            if kind is not defaultdict:
                return {_MAPPINGS[kind]: pairs}
            factory = next((name for name, made in _FACTORIES.items() if made is value.default_factory), None)
            if factory is None:
                raise _refusal(value, path, "a defaultdict with a factory of its own", "save dict(value)")
            return {"defaultdict": [factory, pairs]}
        finally:
            self._open.remove(id(value))

    def _entries(self, values: Any, path: tuple[Any, ...]) -> list[Any]:
        return [self._encode(value, (*path, position)) for position, value in enumerate(values)]

    def _once(self, value: Any, describe: Callable[[], dict[str, Any]]) -> Any:
        """The description of an object; of one that was there before, its number."""
        if id(value) in self._objects:
            return {"same": self._objects[id(value)]}
        description = describe()
        self._objects[id(value)] = len(self._objects)
        self._kept.append(value)
        return description

    def _tensor(self, tensor: Any, path: tuple[Any, ...]) -> Any:
        def describe() -> dict[str, Any]:
            found: dict[str, Any] = {_TENSORS[type(tensor)]: self._array(tensor.array, path)}
            if tensor.requires_grad:
                found["requires_grad"] = True
            if tensor.device != CPU:
                found["device"] = str(tensor.device)
            return found

        return self._once(tensor, describe)

    def _array(self, array: Any, path: tuple[Any, ...]) -> str:
        """The name of an array; arrays that are the same memory have one name."""
        if array.dtype.name not in CODES:
            raise _refusal(array, path, f"an array of dtype {array.dtype}", "convert it, or save its parts")
        key = (id(array),)
        if array.size and isinstance(array, numpy.ndarray):
            key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)  # type: ignore[assignment]
        if key not in self._names:
            self._kept.append(array)
            self._names[key] = name = self._free_name(path)
            self.arrays[name] = to_numpy(array)
        return self._names[key]

    def _free_name(self, path: tuple[Any, ...]) -> str:
        name = "/".join(map(str, path)).encode(errors="replace").decode() or "value"
        names = (name if number == 1 else f"{name}#{number}" for number in range(1, len(self.arrays) + 3))
        return next(one for one in names if one not in self.arrays and one != RESERVED)


def _refusal(value: Any, path: tuple[Any, ...], what: str = "", fix: str = "") -> UnsupportedError:
    place = "".join(f"[{key!r}]" for key in path)
    families = [cls.__name__ for cls in type(value).__mro__]
    fix = fix or next((_FIXES[name] for name in families if name in _FIXES), "")
    fix = fix or "save tensors, arrays, numbers, strings, and dicts, lists and tuples of them"
    error = UnsupportedError(f"save: obj{place} is {what or f'a {families[0]}'}, which is not stored", fix=fix)
    error.operation, error.operands = None, ()
    return error


class Decoder:
    """Makes containers of JSON, with the arrays of a file. Nothing in the JSON can make it do anything else."""

    def __init__(self, archive: Archive, target: Callable[[Device], Device]) -> None:
        self._archive, self._target = archive, target
        self._arrays: dict[tuple[str, str], Any] = {}
        self._objects: list[Any] = []

    def value(self, text: str) -> Any:
        """What :meth:`Encoder.text` described."""
        try:
            return self._decode(json.loads(text))
        except (DeviceError, DataFormatError):
            raise
        except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError) as error:
            raise DataFormatError(f"load: the file does not describe its contents as save() does: {error!r}") from None

    def _decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._decode(one) for one in node]
        if not isinstance(node, dict):
            return node
        kind, inside = next(iter(node.items()), ("nothing", None))
        if kind in _TENSORS.values():
            return self._kept(self._tensor(node))
        return getattr(self, f"_make_{kind}")(inside)

    def _filled(self, mapping: Any, pairs: list[Any]) -> Any:
        for key, value in pairs:
            mapping[self._decode(key)] = self._decode(value)
        return mapping

    def _kept(self, value: Any) -> Any:
        self._objects.append(value)
        return value

    def _array(self, name: str, device: Device = CPU) -> Any:
        key = (name, str(device))
        if key not in self._arrays:
            array = self._archive.array(name)
            self._arrays[key] = array if device == CPU else array_on(device, array)
        return self._arrays[key]

    def _tensor(self, node: dict[str, Any]) -> Any:
        kind = "parameter" if "parameter" in node else "tensor"
        tensor = wrap(Tensor, self._array(node[kind], self._target(Device(str(node.get("device", "cpu"))))))
        if kind == "parameter":
            return Parameter(tensor, requires_grad=bool(node.get("requires_grad")))
        return tensor.requires_grad_() if node.get("requires_grad") else tensor

    def _make_dict(self, pairs: list[Any]) -> Any:
        return self._filled({}, pairs)

    def _make_OrderedDict(self, pairs: list[Any]) -> Any:  # noqa: N802 - the name of the class
        return self._filled(OrderedDict(), pairs)

    def _make_Counter(self, pairs: list[Any]) -> Any:  # noqa: N802
        return self._filled(Counter(), pairs)

    def _make_defaultdict(self, described: list[Any]) -> Any:
        factory, pairs = described
        return self._filled(defaultdict(_FACTORIES[factory]), pairs)

    def _make_same(self, number: int) -> Any:
        return self._objects[number]

    def _make_array(self, name: str) -> Any:
        return self._kept(self._array(name))

    def _make_scalar(self, described: list[Any]) -> Any:
        name, value = described
        if name not in CODES:
            raise ValueError(f"{name!r:.20} is no dtype")
        return numpy.dtype(name).type(self._decode(value))

    def _make_float(self, text: str) -> float:
        return float(text)

    def _make_complex(self, parts: list[Any]) -> complex:
        real, imaginary = map(self._decode, parts)
        return complex(real, imaginary)

    def _make_bytes(self, name: str) -> bytes:
        return bytes(self._array(name).tobytes())

    def _make_dtype(self, name: str) -> Any:
        return as_dtype(name)

    def _make_device(self, name: str) -> Device:
        return as_device(name)

    def _make_tuple(self, values: list[Any]) -> tuple[Any, ...]:
        return tuple(map(self._decode, values))

    def _make_set(self, values: list[Any]) -> set[Any]:
        return set(map(self._decode, values))

    def _make_frozenset(self, values: list[Any]) -> frozenset[Any]:
        return frozenset(map(self._decode, values))

    def _make_Size(self, values: list[Any]) -> Size:  # noqa: N802
        return Size(values)
