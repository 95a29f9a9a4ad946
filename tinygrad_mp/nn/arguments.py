"""``Configured``: an object that remembers how it was made, so that it can be written to a file and made again.

Remembering must cost nothing that the object itself does not: tensors are not kept alive, nor are objects that no file
could hold, such as data sets; and an object can be copied and pickled whatever its arguments were.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import weakref
from collections import OrderedDict
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, SimpleNamespace
from typing import Any, Self

import numpy

from tinygrad_mp.backend import Device, is_array
from tinygrad_mp.sizes import Size
from tinygrad_mp.tape import TensorBase

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, Size, Device, type(Ellipsis)})
_CONTAINERS = (tuple, list, dict, OrderedDict, set, frozenset)
_FUNCTIONS = (type, FunctionType, BuiltinFunctionType, MethodType)
_LARGEST = 100_000  # entries of a list that is remembered


class Lost:
    """Stands for an argument that was not kept."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __repr__(self) -> str:
        return f"<{self.what}, not kept>"


class Held:
    """Stands for a tensor or an array, which it does not keep alive."""

    def __init__(self, value: Any, shape: tuple[int, ...] = ()) -> None:
        self.shape = shape if value is None else tuple(value.shape)
        self._reference = None if value is None else weakref.ref(value)

    @property
    def what(self) -> str:
        """What it stands for, in words."""
        return f"a tensor of shape {self.shape}"

    @property
    def value(self) -> Any:
        """The tensor or array; None if there is nobody else who has it."""
        return None if self._reference is None else self._reference()

    def __repr__(self) -> str:
        return f"<{self.what}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Held:
        return Held(copy.deepcopy(self.value, memo), self.shape)

    def __reduce__(self) -> Any:
        return Held, (None, self.shape)


class Arguments:
    """The arguments of one call of a constructor.

    Attributes
    ----------
    args : tuple
    kwargs : dict
        Tensors and arrays stand there as :class:`Held`, what cannot be written to files as :class:`Lost`.
    """

    __slots__ = ("args", "kwargs")

    def __init__(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> None:
        self.args, self.kwargs = args, kwargs or {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Arguments:
        if self._are_plain():
            return self
        return self._mapped(lambda value: _deepcopied(value, memo))

    def __reduce__(self) -> Any:
        if self is _NOTHING:
            return "_NOTHING"
        safe = self if self._are_plain() else self._mapped(_picklable)
        return Arguments, (safe.args, safe.kwargs)

    def _are_plain(self) -> bool:
        return all(type(one) in _PLAIN for one in (*self.args, *self.kwargs.values()))

    def _mapped(self, function: Any) -> Arguments:
        return Arguments(tuple(map(function, self.args)), {name: function(one) for name, one in self.kwargs.items()})


class Configured:
    """Base of what can be made again: keeps the arguments of the constructor beside what the constructor made of them.

    It is done in ``__new__``, so that subclasses write an ordinary ``__init__``.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        new = super().__new__
        made = new(cls) if new is object.__new__ else new(cls, *args, **kwargs)  # the latter: a second base has its own
        made.__dict__["_arguments"] = remembered(args, kwargs) if args or kwargs else _NOTHING
        return made


_NOTHING = Arguments()


def remembered(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """What to keep of the arguments of a call; ``kwargs`` may be written to."""
    for value in args:
        if type(value) not in _PLAIN:
            args = tuple([_kept(one) for one in args])
            break
    for name in kwargs:
        if type(kwargs[name]) not in _PLAIN:
            kwargs[name] = _kept(kwargs[name])  # a dict of this call only
    return Arguments(args, kwargs)


def _kept(value: Any) -> Any:
    """What to remember of an argument."""
    kind = type(value)
    if kind in _PLAIN or isinstance(value, Configured):
        return value
    if kind in _CONTAINERS:
        if len(value) > _LARGEST:
            return Lost(f"a {kind.__name__} of {len(value)} entries")
        if isinstance(value, dict):
            return kind((_kept(key), _kept(one)) for key, one in value.items())
        return kind([_kept(one) for one in value])
    if kind is partial:
        return partial(
            value.func, *map(_kept, value.args), **{name: _kept(one) for name, one in value.keywords.items()}
        )
    if isinstance(value, (TensorBase, numpy.ndarray)) or (is_array(value) and not isinstance(value, numpy.generic)):
        return Held(value)
    if isinstance(value, (*_FUNCTIONS, numpy.generic, numpy.dtype)) or is_record(value):
        return value
    return Lost(f"a {kind.__name__}")


def is_record(value: Any) -> bool:
    """Whether ``value`` is a bundle of settings: a dataclass, a named tuple, an entry of an enum, a namespace, or an
    optimizer or schedule that is still unbound.

    >>> from types import SimpleNamespace
    >>> is_record(SimpleNamespace(width=3)), is_record((3,))
    (True, False)
    """
    kind = type(value)
    return (
        hasattr(kind, "__dataclass_fields__")
        or isinstance(value, (Enum, SimpleNamespace))
        or (isinstance(value, tuple) and hasattr(kind, "_fields"))
        or (kind.__name__ == "Namespace" and kind.__module__ == "argparse")
        or (kind.__name__ == "Unbound" and kind.__module__ == "tinygrad_mp.optim.unbound")
    )


def _deepcopied(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception as error:
        return Lost(f"a {type(value).__name__} that cannot be copied: {error!r:.80}")


def _picklable(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN or isinstance(value, (Configured, Held, Lost)):
        return value
    if isinstance(value, dict) and kind in _CONTAINERS:
        return kind((_picklable(key), _picklable(one)) for key, one in value.items())
    if kind in _CONTAINERS:
        return kind(map(_picklable, value))
    try:
        pickle.dumps(value)
    except Exception as error:
        return Lost(f"a {kind.__name__} that cannot be pickled: {error!r:.80}")
    return value


# --- asking -----------------------------------------------------------------------------------------------------------


def arguments_of(obj: Any) -> Arguments | None:
    """The arguments that the constructor of an object was given; None if they are not known."""
    return obj.__dict__.get("_arguments")  # type: ignore[no-any-return]


def settings_of(obj: Any) -> dict[str, Any]:
    """The settings of a :class:`Configured` object, by the names of its constructor's parameters, as they are now.

    An attribute of the same name wins over the argument, if it is a plain value: it may have been changed since.

    >>> from tinygrad_mp import nn
    >>> layer = nn.Dropout(0.3)
    >>> layer.p = 0.1
    >>> settings_of(layer)
    {'p': 0.1, 'inplace': False}
    """
    kept = arguments_of(obj) or _NOTHING
    signature = inspect.signature(type(obj).__init__)
    try:
        bound = signature.bind(obj, *kept.args, **kept.kwargs)
    except TypeError:  # what was given never reached this constructor
        bound = signature.bind_partial(obj)
    bound.apply_defaults()
    settings: dict[str, Any] = {}
    for position, (name, parameter) in enumerate(signature.parameters.items()):
        if position == 0 or name not in bound.arguments:
            continue
        given = bound.arguments[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            settings.update(given)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            settings.update({name: given} if given else {})
        else:
            settings[name] = given
    now = vars(obj)
    return {name: now[name] if name in now and is_plain(now[name]) else given for name, given in settings.items()}


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a setting by itself: None, a number, a text, a dtype, a device, or a list or tuple of them.

    >>> is_plain((3, "same")), is_plain([print])
    (True, False)
    """
    if type(value) in (tuple, list):
        return len(value) <= _LARGEST and all(map(is_plain, value))
    return type(value) in _PLAIN or isinstance(value, (numpy.generic, numpy.dtype))


# --- correcting -------------------------------------------------------------------------------------------------------


def forget_arguments(obj: Any, owner: type) -> None:
    """Called by the constructor of ``owner`` whose arguments say nothing: drop them, unless a subclass took others."""
    if type(obj).__init__ is owner.__init__:  # type: ignore[misc]
        obj.__dict__["_arguments"] = _NOTHING


def exchange_argument(obj: Any, old: Any, new: Any) -> None:
    """Remember ``new`` where ``old`` was given, as when a constructor copies a module and lets go of it."""
    kept = arguments_of(obj)
    if kept is not None:
        obj.__dict__["_arguments"] = kept._mapped(lambda value: new if value is old else value)


def precede_arguments(obj: Any, *args: Any) -> None:
    """Remember further arguments before those given, as when a lazy layer becomes an ordinary one."""
    kept = arguments_of(obj)
    if kept is not None:
        obj.__dict__["_arguments"] = Arguments((*args, *kept.args), kept.kwargs)
