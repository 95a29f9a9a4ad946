"""What assigning to an attribute of a module does: parameters, buffers and submodules go into registries."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.nn.arguments import Configured
from tinygrad_mp.nn.parameter import Buffer, Parameter
from tinygrad_mp.tensor import Tensor

_REGISTRIES = ("_parameters", "_buffers", "_modules")


class Attributes(Configured):
    """The part of :class:`Module` that keeps the registries. An entry of None keeps a place."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent: set[str]

    def __init__(self) -> None:
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _non_persistent=set())

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__
        if "_parameters" in values:
            for registry in _REGISTRIES:
                entries = values[registry]
                if name in entries:
                    return entries[name]
        elif not name.startswith("__"):
            raise _not_initialised(self, f"{name} was looked up")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._register_entry("_parameters", name, value)
        elif isinstance(value, Attributes):
            self._register_entry("_modules", name, value)
        elif isinstance(value, Buffer):
            self._register_entry("_buffers", name, value)
            if not value.persistent:
                self._non_persistent.add(name)
        else:
            for registry in _REGISTRIES:
                entries = self.__dict__.get(registry)
                if entries is not None and name in entries:
                    if value is not None and not (registry == "_buffers" and isinstance(value, Tensor)):
                        raise _wrong_kind(self, registry, name, value)
                    entries[name] = value
                    return
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        registered = [name for registry in _REGISTRIES for name in self.__dict__.get(registry, ())]
        return sorted({*object.__dir__(self), *registered})

    def _register_entry(self, registry: str, name: str, value: Any) -> None:
        """Put ``value`` into a registry, and take the name out of wherever else it stood."""
        values = self.__dict__
        if registry not in values:
            raise _not_initialised(self, f"{name} was assigned")
        values.pop(name, None)
        for other in _REGISTRIES:
            if other != registry:
                values[other].pop(name, None)
        self._non_persistent.discard(name)
        values[registry][name] = value

    def _check_name(self, name: Any, registry: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of an entry of a module is a str, not {type(name).__name__}")
        if "_parameters" not in self.__dict__:
            raise _not_initialised(self, f"{name} was registered")
        if not name or "." in name:
            raise KeyError(f"{name!r} cannot name an entry of a module: names are not empty and have no dot")
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"{type(self).__name__} has an attribute {name!r} already")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; None keeps the place for one that this module does without."""
        self._check_name(name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise _wrong_kind(self, "_parameters", name, param)
        self._register_entry("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that moves and is saved with the module but is not learned.

        Parameters
        ----------
        name : str
        tensor : Tensor or None
            None keeps the place.
        persistent : bool, default True
            Whether ``state_dict`` holds it.
        """
        self._check_name(name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise _wrong_kind(self, "_buffers", name, tensor)
        self._register_entry("_buffers", name, tensor)
        if not persistent:
            self._non_persistent.add(name)

    def add_module(self, name: str, module: Any) -> None:
        """Add a submodule under ``name``."""
        if module is not None and not isinstance(module, Attributes):
            raise _wrong_kind(self, "_modules", name, module)
        self._check_name(name, "_modules")
        self._register_entry("_modules", name, module)

    register_module = add_module


def _not_initialised(module: Attributes, event: str) -> AttributeError:
    # Not an error of ours: those look at the modules on the stack, and this one cannot be looked at.
    name = type(module).__name__
    return AttributeError(
        f"{name}: {event} before Module.__init__ has run\n  fix: begin {name}.__init__ with super().__init__()"
    )


_KINDS = {"_parameters": "parameter", "_buffers": "buffer", "_modules": "submodule"}
_FIXES = {
    "_parameters": "assign nn.Parameter(...), or write values with load_state_dict, or .copy_ under no_grad",
    "_buffers": "assign a tensor",
    "_modules": "assign a Module: an instance, not a class or a function",
}


def _wrong_kind(module: Attributes, registry: str, name: str, value: Any) -> Exception:
    found = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
    return TypeError(
        f"{type(module).__name__}: {found} cannot be the {_KINDS[registry]} {name!r}\n  fix: {_FIXES[registry]}"
    )
