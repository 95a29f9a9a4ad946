"""Names of classes and functions in files, and back: a fixed list of ours, and what users registered.

A name in a file is looked up and never imported, so that a file cannot make anything but layers, losses and the like.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeVar, overload

from tinygrad_mp.errors import DataFormatError, SettingError, UnsupportedError
from tinygrad_mp.nn.arguments import Configured
from tinygrad_mp.optim import Optimizer
from tinygrad_mp.optim.lr_scheduler import LRScheduler

Thing = TypeVar("Thing", bound=Callable[..., Any])

_PACKAGE = "tinygrad_mp"
_ROOMS = (
    "nn", "optim", "optim.lr_scheduler", "training", "training.layers", "training.losses", "training.metrics",
    "training.regularization",
)  # fmt: skip
"""Where the public names of classes are looked for, in this order."""
_FUNCTION_ROOMS = ("nn.functional", "nn.init", "")
_OF_TENSORS = (
    f"{_PACKAGE}.ops.",
    *(f"{_PACKAGE}.{name}" for name in ("functional", "activating", "dropping", "nn.init")),
)
"""Modules of functions that compute with tensors or fill them, and do nothing else."""
_TOUCHES_FILES = f"{_PACKAGE}.training.callbacks"
_BUILTIN: dict[str, Any] = {"bool": bool, "float": float, "int": int}
CUSTOM = "custom:"
_registered: dict[str, Any] = {}


@overload
def register(thing: Thing, *, name: str | None = None) -> Thing: ...
@overload
def register(thing: None = None, *, name: str | None = None) -> Callable[[Thing], Thing]: ...
def register(thing: Any = None, *, name: str | None = None) -> Any:
    """Let files of models hold a class or function of yours, and loading find it; a decorator.

    Parameters
    ----------
    thing : class or function
        A Module, a loss, a metric; a dataclass that is an argument of one; a function such as ``forward=``.
    name : str, optional
        In files; by default the thing's own. It must stay, or old files cannot be loaded.

    Returns
    -------
    The same class or function.

    Errors
    ------
    TypeError for anything else. SettingError if another has the name already. (The same one may be defined anew, as
    notebooks do.)

    >>> from tinygrad_mp import nn
    >>> @register
    ... class Doubled(nn.Linear):
    ...     def forward(self, input):
    ...         return 2 * super().forward(input)
    """
    if thing is None:
        return lambda one: register(one, name=name)
    if not isinstance(thing, (type, FunctionType, BuiltinFunctionType)):
        raise TypeError(f"register takes a class or a function, not {thing!r:.60}")
    name = thing.__name__ if name is None else name
    known = _registered.get(name, thing)
    if (known.__module__, known.__qualname__) != (thing.__module__, thing.__qualname__):
        raise SettingError(
            f"register: {name!r} is {known.__module__}.{known.__qualname__} already",
            fix="give this one another name: @register(name=...)",
        )
    _registered[name] = thing
    return thing


# --- from things to names ---------------------------------------------------------------------------------------------


def name_of(thing: Any, place: str) -> str:
    """The name of a class or function in files; UnsupportedError, naming the place, if it can have none."""
    for name, one in _registered.items():
        if one is thing:
            return CUSTOM + name
    if thing in _BUILTIN.values():
        return str(thing.__name__)
    if _is_ours(thing):
        found = _public_name(thing)
        if found is None:
            raise UnsupportedError(
                f"save: {place} is {thing.__module__}.{thing.__qualname__}, which is not stored: it has no public name",
                fix="remove what made it, as nn.utils.parametrize.remove_parametrizations does; or save state_dict()",
            )
        return found
    if not thing.__name__.isidentifier():
        raise UnsupportedError(
            f"save: {place} is a lambda, which no file can hold",
            fix="define it with def, and load with custom={name: function} or register it",
        )
    return CUSTOM + str(thing.__name__)


def _is_ours(thing: Any) -> bool:
    return f"{getattr(thing, '__module__', '')}.".startswith(f"{_PACKAGE}.")


def _public_name(thing: Any) -> str | None:
    rooms = _ROOMS if isinstance(thing, type) else _FUNCTION_ROOMS
    for room in rooms:
        if _look_up(room, thing.__name__) is thing and _is_allowed(thing):
            return f"{room}.{thing.__name__}" if room else str(thing.__name__)
    return None


def _look_up(room: str, name: str) -> Any:
    try:
        return getattr(_room(room), name, None) if not name.startswith("_") else None
    except ImportError:  # a name that PyTorch has and we do not
        return None


def _room(room: str) -> Any:
    # The package itself is there already: whoever imports this room has imported it.
    return import_module(f"{_PACKAGE}.{room}") if room else sys.modules[_PACKAGE]


def _is_allowed(thing: Any) -> bool:
    if isinstance(thing, type):
        made = issubclass(thing, (Configured, Optimizer, LRScheduler))
        return made and _is_ours(thing) and not thing.__module__.startswith(_TOUCHES_FILES)
    return isinstance(thing, FunctionType) and thing.__module__.startswith(_OF_TENSORS)


# --- from names to things ---------------------------------------------------------------------------------------------


def named(name: Any, custom: Mapping[str, Any]) -> Any:
    """The class or function of a name in a file; DataFormatError if there is none, or it may not stand in files."""
    if not isinstance(name, str):
        raise DataFormatError(f"load: {name!r:.60} stands where the name of a class should")
    if name.startswith(CUSTOM):
        return _custom(name.removeprefix(CUSTOM), custom)
    if name in _BUILTIN:
        return _BUILTIN[name]
    room, _, own = name.rpartition(".")
    if own.isidentifier() and (room in _ROOMS or room in _FUNCTION_ROOMS):
        thing = _look_up(room, own)
        if thing is not None and _is_allowed(thing):
            return thing
    raise DataFormatError(
        f"load: the file asks for {name!r:.80}, which is no layer, loss, metric or function of this version",
        fix="update the package if a newer version wrote the file; do not trust it otherwise",
    )


def _custom(name: str, custom: Mapping[str, Any]) -> Any:
    if name in custom:
        return custom[name]
    if name in _registered:
        return _registered[name]
    raise DataFormatError(
        f"load: the file holds a {name!r:.80}, a class or function of a user's, which is not known here",
        fix=f"pass custom={{{name!r:.80}: ...}}, or define it with @tinygrad_mp.training.register before loading",
    )
