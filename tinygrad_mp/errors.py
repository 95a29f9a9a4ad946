"""Errors that say what was asked, what was found, where, and what to do.

Every error of the package is a :class:`TinygradError`. Each also derives from the built-in class that plain Python
code would expect, so ``except ValueError`` catches a wrong shape and ``except IndexError`` an index out of range.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

__all__ = [
    "DTypeError",
    "DeviceError",
    "IndexRangeError",
    "MissingPackageError",
    "SettingError",
    "ShapeError",
    "TapeError",
    "TinygradError",
]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class TinygradError(RuntimeError):
    """Base of all errors raised by this package.

    Parameters
    ----------
    problem : str
        What does not fit, in one line.
    fix : str, optional
        What the user can do about it.
    """

    def __init__(self, problem: str, *, fix: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        self.operation: str | None = None
        self.operands: tuple[str, ...] = ()
        self.where: str | None = None

    def locate(self, operation: str, operands: Iterable[tuple[str, Any]]) -> None:
        """Add the operation, a line per operand and the user's line of code, once; an inner operation wins."""
        if self.operation is None:
            self.operation = operation
            self.operands = tuple(_operand_table(operands))
            self.where = user_location()

    def __str__(self) -> str:
        first = f"{self.operation}: {self.problem}" if self.operation else self.problem
        lines = [first, *(f"  {line}" for line in self.operands)]
        if self.where:
            lines.append(f"  at {self.where}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class ShapeError(TinygradError, ValueError):
    """Shapes do not fit together, or do not fit the operation."""


class DTypeError(TinygradError, TypeError):
    """A dtype is unknown, does not fit the operation, or does not fit another operand's."""


class DeviceError(TinygradError):
    """Operands live on different devices, or a device is not there."""


class IndexRangeError(TinygradError, IndexError):
    """An index, an axis or a class label lies outside the range it must lie in."""


class TapeError(TinygradError):
    """The tape cannot answer: nothing was recorded, it was freed, or a value it needs was overwritten."""


class SettingError(TinygradError, ValueError):
    """A setting, such as a learning rate or a probability, lies outside what makes sense."""


class MissingPackageError(TinygradError, ImportError):
    """An optional package is needed and absent; ``fix`` holds the command that installs it."""


def describe(value: Any) -> str:
    """Return ``value`` as an error shows it: shape, dtype and device of an array, otherwise a short repr.

    >>> import numpy
    >>> describe(numpy.zeros((2, 3), dtype="float32"))
    '(2, 3)  float32  cpu'
    >>> describe(2.5)
    '2.5  float'
    """
    array = getattr(value, "array", value)
    if hasattr(array, "shape") and hasattr(array, "dtype"):
        device = getattr(value, "device", None) or getattr(array, "device", "cpu")
        return f"{tuple(array.shape)}  {array.dtype}  {device}"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'}  {type(value).__name__}"


def _operand_table(operands: Iterable[tuple[str, Any]]) -> list[str]:
    rows = [(name, describe(value)) for name, value in operands]
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {text}" for name, text in rows]


def user_location() -> str | None:
    """``file:line, in function`` of the innermost frame outside the package, and the layer that was running.

    A layer is a frame whose ``self`` has ``named_modules``; its name is its path inside the outermost such layer.
    """
    frame: Any = sys._getframe(1)
    place: str | None = None
    layers: list[Any] = []
    while frame is not None:
        code = frame.f_code
        if place is None and not code.co_filename.startswith(_PACKAGE) and "/numpy/" not in code.co_filename:
            place = f"{os.path.basename(code.co_filename)}:{frame.f_lineno}, in {code.co_name}"
        layer = frame.f_locals.get("self") if code.co_argcount else None
        if layer is not None and hasattr(type(layer), "named_modules") and all(layer is not seen for seen in layers):
            layers.append(layer)
        frame = frame.f_back
    if place is None:
        return None
    if not layers:
        return place
    inner, outer = layers[0], layers[-1]
    path = next((name for name, module in outer.named_modules() if module is inner), "")
    label = f"{type(outer).__name__}.{path}" if path else type(inner).__name__
    return f"{place}; layer: {label}"
