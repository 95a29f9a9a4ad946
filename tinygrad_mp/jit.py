"""``jit``: nothing is compiled. What PyTorch would script or trace is the Python function itself."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from tinygrad_mp.errors import UnsupportedError
from tinygrad_mp.nn.module import Module as ScriptModule

__all__ = [
    "ScriptModule",
    "annotate",
    "export",
    "freeze",
    "ignore",
    "is_scripting",
    "is_tracing",
    "load",
    "optimize_for_inference",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "trace",
    "unused",
]

_Any = TypeVar("_Any")


def script(obj: _Any, *args: Any, **kwargs: Any) -> _Any:
    """``obj``, a function, class or module, as it is.

    >>> @script
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """
    return obj


def trace(func: _Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> _Any:
    """``func`` as it is; unlike a trace it keeps its branches."""
    return func


def freeze(mod: _Any, *args: Any, **kwargs: Any) -> _Any:
    """``mod`` as it is."""
    return mod


def optimize_for_inference(mod: _Any, *args: Any, **kwargs: Any) -> _Any:
    """``mod`` as it is."""
    return mod


def export(fn: _Any) -> _Any:
    """``fn`` as it is."""
    return fn


def script_method(fn: _Any) -> _Any:
    """``fn`` as it is."""
    return fn


def script_if_tracing(fn: _Any) -> _Any:
    """``fn`` as it is."""
    return fn


def unused(fn: _Any) -> _Any:
    """``fn`` as it is."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The decorated function as it is; with or without parentheses."""
    return drop if callable(drop) else lambda fn: fn


def annotate(the_type: Any, the_value: _Any) -> _Any:
    """``the_value``."""
    return the_value


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def save(m: Any, f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    raise UnsupportedError("jit.save: programs are not saved", fix="save(model.state_dict(), file)")


def load(f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    raise UnsupportedError("jit.load: programs are not loaded", fix="model.load_state_dict(load(file))")
