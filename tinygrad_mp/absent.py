"""Names that PyTorch has and this package does not: what happens when a program asks for one.

The error is an AttributeError, so that ``hasattr`` tells the truth and ``getattr`` takes a default, and a
NotImplementedError, because that is what it is. The tables are loaded when a lookup has failed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from tinygrad_mp.errors import AbsentError, AbsentImportError


def lookup(space: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module, ``space`` below the package: says of PyTorch's names what to use instead."""

    def find(name: str) -> NoReturn:
        raise missing(space, name)

    return find


def missing(space: str, name: str) -> Exception:
    """The error for a name that a module, or ``Tensor``, lacks."""
    from tinygrad_mp.torch_names import NAMES

    home = "tinygrad_mp" + (f".{space}" if space else "")
    if name.startswith("_") or name not in NAMES.get(space, "").split():
        what = "type object 'Tensor'" if space == "Tensor" else f"module {home!r}"
        return AttributeError(f"{what} has no attribute {name!r}")
    from importlib.util import find_spec

    from tinygrad_mp.left_out import reason

    why, instead = reason(space, name)
    problem = f"{home}.{name} is not here, though PyTorch has it: {why}"
    fix = instead if instead.startswith(("nothing", "call ")) else f"use {instead}"
    # In `from package import name` the import system asks with hasattr, which would hide an AttributeError.
    importing = sys._getframe(2).f_code.co_name == "_handle_fromlist" and find_spec(f"{home}.{name}") is None
    error = (AbsentImportError if importing else AbsentError)(problem, fix=fix)
    error.operation, error.operands = None, ()
    return error


class Absent:
    """Stands in ``Tensor`` for a name that PyTorch's has: as if it were not there, but for the error's text."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise missing("Tensor", self.name)


def mark_absent(cls: type) -> None:
    """Give ``Tensor`` an error with an explanation for each of PyTorch's names that it lacks.

    A ``__getattr__`` would do the same and would slow every attribute of every tensor down.
    """
    from tinygrad_mp.torch_names import NAMES

    known: set[str] = set().union(*map(vars, cls.__mro__))
    for name in NAMES["Tensor"].split():
        if name not in known:
            setattr(cls, name, Absent(name))


def present(cls: type, names: Iterable[str]) -> list[str]:
    """Those of the names in a class that :func:`mark_absent` has not put there."""
    absent = {name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, Absent)}
    return sorted(set(names) - absent)
