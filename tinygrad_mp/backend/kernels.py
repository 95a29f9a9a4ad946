"""The kernel table: hot functions on arrays, each of which another array type may compute in its own way.

A kernel is written once, for any array module, and mostly with NumPy in mind. Where that is slow, as on a GPU, where
every pass is a launch, one fused kernel takes its place: ``@KERNELS["pull_rows"].override(cupy.ndarray)``. Which of
them runs is decided by the type of the arrays; nothing above this table knows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Kernel(Generic[P, R]):
    """A function on arrays with what takes its place for other array types."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self.overrides: dict[type, Callable[..., R]] = {}
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        for kind, replacement in self.overrides.items():
            if any(isinstance(value, kind) for value in args):
                return replacement(*args, **kwargs)
        return self.function(*args, **kwargs)

    def override(self, array_type: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Let the decorated function compute this kernel when an argument is an array of this type."""

        def add(replacement: Callable[P, R]) -> Callable[P, R]:
            self.overrides[array_type] = replacement
            return replacement

        return add

    def __repr__(self) -> str:
        return f"<kernel {getattr(self, '__name__', '')}>"


KERNELS: dict[str, Kernel[..., Any]] = {}
"""All kernels, by name."""


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Put a function into the table, as the entry for every array type that brings none of its own.

    >>> @kernel
    ... def doubled(x):
    ...     return x + x
    >>> @doubled.override(str)
    ... def _(x):
    ...     return x.upper()
    >>> doubled(2), doubled("a")
    (4, 'A')
    >>> del KERNELS["doubled"]
    """
    name = function.__name__
    if name in KERNELS:
        raise TypeError(f"a kernel named {name!r} exists already, in {KERNELS[name].__module__}")
    entry: Kernel[P, R] = Kernel(function)
    KERNELS[name] = entry
    return entry
