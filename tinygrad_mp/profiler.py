"""``profiler``: marks in programs that are profiled elsewhere. For a profile use cProfile or perf."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import wraps
from typing import Any, Self

__all__ = ["ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler"]


class ProfilerActivity(Enum):
    """What PyTorch's profiler watches."""

    CPU = 0
    CUDA = 1


class _Inert:
    """A context and decorator that does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return run


class record_function(_Inert):
    """A named stretch of a program: ``with record_function("forward"):``."""

    def __init__(self, name: str, args: Any = None) -> None:
        self.name = name


class profile(_Inert):
    """PyTorch's profiler, recording nothing; its tables say so.

    >>> with profile() as watched:
    ...     pass
    >>> print(watched.key_averages().table())
    nothing was recorded: this package has no profiler, use cProfile
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def start(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""

    def events(self) -> list[Any]:
        """None."""
        return []

    def key_averages(self, *args: Any, **kwargs: Any) -> Self:
        """Something with a ``table``."""
        return self

    def table(self, *args: Any, **kwargs: Any) -> str:
        """A line that says that nothing was recorded."""
        return "nothing was recorded: this package has no profiler, use cProfile"

    def export_chrome_trace(self, path: str) -> None:
        """Nothing: no file is written."""


def schedule(**kwargs: int) -> Callable[[int], None]:
    """When to record: never."""
    return lambda step: None


def tensorboard_trace_handler(dir_name: str, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
    """What to do with what was recorded: nothing."""
    return lambda watched: None
