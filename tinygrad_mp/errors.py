"""Errors that say what was asked, what was found, where, and what to do.

Every error of the package is a :class:`TinygradError`. Each also derives from the built-in class that plain Python
code would expect, so ``except ValueError`` catches a wrong shape and ``except IndexError`` an index out of range.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = [
    "AbsentError",
    "AbsentImportError",
    "DTypeError",
    "DataError",
    "DataFormatError",
    "DeviceError",
    "IndexRangeError",
    "LinAlgError",
    "MissingColumnError",
    "MissingDataError",
    "MissingPackageError",
    "NonFiniteError",
    "SettingError",
    "ShapeError",
    "TapeError",
    "TinygradError",
    "UndefinedError",
    "UnsupportedError",
]


class TinygradError(RuntimeError):
    """Base of all errors raised by this package.

    When one is made it looks up the stack: which line of the user's led here, through which function of the package,
    with which tensors, inside which layer. So whoever raises one only says what does not fit and what to do.

    Parameters
    ----------
    problem : str
        What does not fit, in one line.
    fix : str, optional
        What the user can do about it.
    """

    def __init__(self, problem: str, *, fix: str | None = None) -> None:
        from tinygrad_mp.scene import look  # not above: importing the package must stay fast

        super().__init__(problem)
        self.problem = problem
        self.fix = fix
        scene = look()
        self.where = scene.place
        self.operation: str | None = None if scene.is_named_in(problem) else scene.name
        self.operands = scene.table()
        self._located = False

    def locate(self, operation: str, operands: Iterable[tuple[str, Any]]) -> None:
        """Say which operation it was, with a line for each operand, once; an inner operation wins."""
        if not self._located:
            from tinygrad_mp.scene import look

            self._located = True
            self.operation = operation
            self.operands = look().table_of(operation, tuple(operands))

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


class UndefinedError(DTypeError, NotImplementedError):
    """An operation is not defined for a dtype, as the greatest common divisor of floating numbers."""


class DeviceError(TinygradError):
    """Operands live on different devices, or a device is not there."""


class IndexRangeError(TinygradError, IndexError):
    """An index, an axis or a class label lies outside the range it must lie in."""


class LinAlgError(TinygradError, ValueError):
    """A matrix is singular, or not positive definite, where it must be otherwise."""


class TapeError(TinygradError):
    """The tape cannot answer: nothing was recorded, it was freed, or a value it needs was overwritten."""


class SettingError(TinygradError, ValueError):
    """A setting, such as a learning rate or a probability, lies outside what makes sense."""


class UnsupportedError(TinygradError, NotImplementedError, TypeError):
    """A function, an argument or a protocol of Python, NumPy or PyTorch that this package does not support."""


class AbsentError(UnsupportedError, AttributeError):
    """A name that PyTorch has and this package leaves out; ``fix`` says what to use instead."""


class AbsentImportError(UnsupportedError, ImportError):
    """A name that PyTorch has and this package leaves out, in ``from tinygrad_mp import name``."""


class DataError(TinygradError, ValueError):
    """Values that data must not hold: NaN, infinity, a probability above one, a negative weight, or no rows at all."""


class DataFormatError(TinygradError, ValueError):
    """A data file is damaged, or does not hold what it is read as."""


class MissingColumnError(TinygradError, KeyError):
    """A table has no column of that name."""


class NonFiniteError(TinygradError, FloatingPointError):
    """A loss, an output, a parameter or a datum is NaN or infinite."""


class MissingDataError(TinygradError, FileNotFoundError):
    """Data that are not part of the package are not where they were looked for; ``fix`` says how to get them."""


class MissingPackageError(TinygradError, ImportError):
    """An optional package is needed and absent; ``fix`` holds the command that installs it."""
