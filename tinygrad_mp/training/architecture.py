"""How a module is built, as a tree of plain values and tensors; and a module anew from such a tree.

The tree is a list of records, one an object, which refer to each other and to tensors by number. So what is shared
comes back shared. A record has the class's name, the arguments that the constructor was given, and what has become of
the object since: its plain attributes, and which parameters, buffers and submodules stand under which names.

    {"root": 0,
     "objects": [{"class": "nn.Linear", "settings": {"in_features": 3, "out_features": 2},
                  "attributes": {"training": True, ...}, "parameters": {"weight": 0, "bias": 1}, ...}],
     "tensors": [Parameter(...), Parameter(...)]}
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections import OrderedDict
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy

from tinygrad_mp.backend import Device
from tinygrad_mp.errors import TinygradError, UnsupportedError
from tinygrad_mp.nn import Module, Parameter, ParameterDict, ParameterList
from tinygrad_mp.nn.arguments import Configured, Held, Lost, arguments_of, is_plain, is_record
from tinygrad_mp.nn.parameter import is_lazy
from tinygrad_mp.nn.state import Saved
from tinygrad_mp.optim import Optimizer
from tinygrad_mp.optim.optimizer import required
from tinygrad_mp.optim.unbound import Unbound
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training.names import CUSTOM, name_of

Tree = dict[str, Any]

RESERVED = frozenset(vars(Module())) - {"training"}
"""What every module has in its ``__dict__`` and no record holds as an attribute."""
_HOOKS_THAT_COMPUTE = ("_WeightNorm", "_SpectralNorm")


def encode(obj: Any) -> Tree:
    """Describe a module, or another :class:`Configured` object, so that :func:`decode` can make it again.

    Returns
    -------
    dict
        Of containers, plain values, and the tensors themselves, not copies.

    Errors
    ------
    UnsupportedError, naming the module, for what cannot be made again: an argument that is no plain value, module,
    tensor, known function or bundle of those; a weight that a parametrization computes. Hooks of users are left out,
    with a warning if they are called at forward.

    >>> from tinygrad_mp import nn
    >>> encode(nn.ReLU())["objects"]
    [{'class': 'nn.ReLU', 'attributes': {'training': True, 'inplace': False}}]
    """
    return Writer().tree(obj)


class Writer:
    """Numbers objects and tensors, and writes their records."""

    def __init__(self) -> None:
        self.objects: list[Tree] = []
        self.tensors: list[Any] = []
        self.custom: dict[str, Any] = {}  # of users, by their names in files
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is used again

    def tree(self, obj: Any) -> Tree:
        """The whole description of an object."""
        try:
            return {"root": self.object(obj, type(obj).__name__), "objects": self.objects, "tensors": self.tensors}
        except RecursionError:
            raise UnsupportedError(
                f"save: a {type(obj).__name__} with so many modules inside each other is not stored",
                fix="put them into one nn.ModuleList; or save state_dict()",
            ) from None

    def object(self, obj: Any, place: str) -> int:
        """The number of an object, whose record is written when it is met first."""
        if id(obj) not in self._numbers:
            self._numbers[id(obj)] = len(self.objects)
            self._kept.append(obj)
            record: Tree = {"class": self._name(type(obj), place)}
            self.objects.append(record)
            for part, content in self._parts(obj, place):
                if content:
                    record[part] = content
        return self._numbers[id(obj)]

    def _name(self, thing: Any, place: str) -> str:
        name = name_of(thing, place)
        if name.startswith(CUSTOM):
            own = name.removeprefix(CUSTOM)
            if self.custom.setdefault(own, thing) is not thing:
                raise UnsupportedError(
                    f"save: {place} is {own!r} of {thing.__module__}, and another {own!r} is in the same model",
                    fix="register one of the two under another name: @register(name=...)",
                )
        return name

    def _parts(self, obj: Any, place: str) -> Any:
        yield from self.arguments(obj, place).items()
        yield "attributes", self._attributes(obj, place)
        configured = getattr(type(obj), "kept_in_files", ())
        yield "configuration", {name: self.value(vars(obj)[name], f"{place}.{name}", obj) for name in configured}
        if isinstance(obj, Module):
            _refuse_hooks(obj, place)
            yield "parameters", self._registry(obj._parameters)
            yield "buffers", self._registry(obj._buffers)
            yield "transient", sorted(obj._non_persistent)
            children = obj._modules.items()
            yield (
                "children",
                {name: None if one is None else self.object(one, f"{place}.{name}") for name, one in children},
            )
            if type(obj).get_extra_state is not Saved.get_extra_state:
                yield "extra", [obj.get_extra_state()]

    # --- arguments ---

    def arguments(self, obj: Any, place: str) -> Tree:
        """What to give the constructor: ``settings`` by name, and ``args`` before them where names do not do."""
        if type(obj).__init__ is ParameterList.__init__:
            return {"settings": {"values": self.value(list(obj), place, obj)}}
        if type(obj).__init__ is ParameterDict.__init__:
            return {"settings": {"parameters": self.value(list(obj.items()), place, obj)}}
        kept = arguments_of(obj)
        signature = inspect.signature(type(obj).__init__)
        try:
            if kept is None:
                raise TypeError
            bound = signature.bind(obj, *kept.args, **kept.kwargs)
        except TypeError:
            raise UnsupportedError(
                f"save: {place}, a {type(obj).__name__}, was not made by calling its class, so nothing says how to "
                "make it again",
                fix="call the class with all arguments that __init__ takes; or save state_dict()",
            ) from None
        found: Tree = {}
        given = list(bound.arguments.items())[1:]  # without self
        by_place = any(_goes_by_place(signature.parameters[name]) for name, _ in given)
        for name, value in given:
            kind = signature.parameters[name].kind
            encoded = self.value(_without_device(name, value), f"the argument {name!r} of {place}", obj, name)
            if kind is inspect.Parameter.VAR_KEYWORD:
                found.setdefault("settings", {}).update(dict(encoded["dict"]))
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                found.setdefault("args", []).extend(encoded)
            elif by_place and kind is not inspect.Parameter.KEYWORD_ONLY:
                found.setdefault("args", []).append(encoded)
            else:
                found.setdefault("settings", {})[name] = encoded
        return found

    def value(self, value: Any, place: str, owner: Any, name: str = "") -> Any:
        """A value in containers, plain values and references ``{"object": 3}``, ``{"tensor": 2}``, ..."""
        kind = type(value)
        if kind is not tuple and kind is not list and is_plain(value):
            return value
        if kind in (tuple, list, set, frozenset):
            return kind([self.value(one, place, owner, name) for one in value])
        if kind in (dict, OrderedDict):
            pairs = value.items()
            return {kind.__name__: [[self.value(part, place, owner, name) for part in pair] for pair in pairs]}
        if isinstance(value, Held):
            value = _held(value, place, owner, name)
        if isinstance(value, TensorBase):
            return {"tensor": self.tensor(value)}
        if isinstance(value, numpy.ndarray):
            return {"array": value}
        if isinstance(value, Configured):
            return {"object": self.object(value, place)}
        if isinstance(value, Unbound):
            settings = {one: self.value(given, place, owner) for one, given in value.settings.items()}
            return {"unbound": self._name(value.kind, place), "settings": settings}
        if isinstance(value, Optimizer):
            return self.value(unbound_of(value), place, owner)
        if isinstance(value, type) and issubclass(value, numpy.generic):
            return numpy.dtype(value)
        if isinstance(value, (type, FunctionType)) or _is_of_a_module(value):
            return {"named": self._name(value, place)}
        if isinstance(value, partial):
            parts = {"partial": value.func, "args": value.args, "settings": value.keywords}
            return {part: self.value(one, place, owner) for part, one in parts.items()}
        if is_record(value):
            return self._bundle(value, place, owner)
        what = value.what if isinstance(value, Lost) else f"a {kind.__name__}"
        raise UnsupportedError(
            f"save: {place} is {what}, which is not stored",
            fix="give the constructor numbers, texts, tensors, modules, functions or dataclasses of them",
        )

    def _bundle(self, value: Any, place: str, owner: Any) -> Tree:
        kind = type(value)
        if isinstance(value, Enum):
            return {"member": value.name, "of": self._name(kind, place)}
        if isinstance(value, tuple):
            return {"bundle": self._name(kind, place), "args": self.value(tuple(value), place, owner)}
        if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        else:
            fields = vars(value)
        name = "" if kind.__name__ in ("SimpleNamespace", "Namespace") else self._name(kind, place)
        return {"bundle": name, "fields": {one: self.value(given, place, owner) for one, given in fields.items()}}

    # --- what has become of it ---

    def _attributes(self, obj: Any, place: str) -> Tree:
        ours = type(obj).__module__.startswith("tinygrad_mp.nn.")  # whose private ones follow from the others
        return {
            name: self.value(value, place, obj)
            for name, value in vars(obj).items()
            if is_data(type(obj), name)
            and name not in getattr(type(obj), "kept_in_files", ())
            and not (ours and name.startswith("_"))
            and _is_plain_throughout(value)
        }

    def _registry(self, entries: dict[str, Any]) -> Tree:
        return {name: None if value is None else self.tensor(value) for name, value in entries.items()}

    def tensor(self, tensor: Any) -> int:
        """The number of a tensor."""
        if id(tensor) not in self._numbers:
            self._numbers[id(tensor)] = len(self.tensors)
            self._kept.append(tensor)
            self.tensors.append(_stored(tensor))
        return self._numbers[id(tensor)]


def unbound_of(optimizer: Optimizer) -> Unbound:
    """An optimizer without its parameters: the class, and the settings of groups that bring none of their own."""
    kind = type(optimizer)
    known = inspect.signature(kind.__init__).parameters
    given = {name: one for name, one in optimizer.defaults.items() if name in known and one is not required}
    try:
        return Unbound(kind, given)
    except TypeError as error:
        raise UnsupportedError(
            f"save: a {kind.__name__} cannot be made again from its defaults: {error}",
            fix=f"let {kind.__name__}.__init__ put all its settings into the defaults it passes to Optimizer.__init__",
        ) from error


def _goes_by_place(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY)


def _is_of_a_module(value: Any) -> bool:
    """Whether it is a function written in C, such as ``math.sqrt``, and no method of an object."""
    return isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType)


def is_data(kind: type, name: str) -> bool:
    """Whether an attribute of that name is data of an object, and hides no method, property or registry."""
    standing = inspect.getattr_static(kind, name, None)
    return name not in RESERVED and not callable(standing) and not hasattr(standing, "__get__")


def _without_device(name: str, value: Any) -> Any:
    """Where the parameters lie is said by themselves; the device need not be there when they are loaded."""
    return None if name == "device" and isinstance(value, (str, Device, int)) else value


def _held(held: Held, place: str, owner: Any, name: str) -> Any:
    """What the owner has of a tensor that it was given: by the argument's name; or else the tensor, if it is alive."""
    registered = {**owner._parameters, **owner._buffers} if isinstance(owner, Module) else {}
    own: Any = registered.get(name.lstrip("_"), vars(owner).get(name))
    if isinstance(own, (Tensor, numpy.ndarray)) and not is_lazy(own) and tuple(own.shape) == held.shape:
        return own
    if held.value is None:
        raise UnsupportedError(
            f"save: {place} was {held.what}, which is gone: modules keep no tensors alive but those they hold",
            fix=f"keep it: self.register_buffer({name!r}, {name})",
        )
    return held.value


def _stored(tensor: Any) -> Any:
    if is_lazy(tensor):
        return {
            "lazy": "parameter" if isinstance(tensor, Parameter) else "buffer",
            "requires_grad": tensor.requires_grad,
            "dtype": tensor.dtype,
        }
    if isinstance(tensor, Parameter):
        return tensor if type(tensor) is Parameter else Parameter(tensor.detach(), tensor.requires_grad)
    if type(tensor) is Tensor and tensor.is_leaf:
        return tensor
    return tensor.detach()


def _is_plain_throughout(value: Any) -> bool:
    if type(value) is dict:
        return all(is_plain(key) and _is_plain_throughout(one) for key, one in value.items())
    return is_plain(value)


def _refuse_hooks(module: Module, place: str) -> None:
    for kind in ("_forward_pre_hooks", "_forward_hooks"):
        for hook in vars(module)[kind]:
            function = hook.function
            if type(function).__name__ in _HOOKS_THAT_COMPUTE and type(function).__module__.startswith("tinygrad_mp."):
                raise UnsupportedError(
                    f"save: a hook computes the weight of {place} before every call, and no file can hold that",
                    fix="nn.utils.remove_weight_norm(layer) or remove_spectral_norm(layer) first; or save state_dict()",
                )
            if not getattr(function, "__module__", "").startswith("tinygrad_mp."):
                warnings.warn(f"save: hooks are not stored, and {place} has one at forward", UserWarning, stacklevel=2)


def state_of(error: Exception) -> str:
    """The first line of an error, for another that goes on from it."""
    text = error.problem if isinstance(error, TinygradError) else str(error)
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
