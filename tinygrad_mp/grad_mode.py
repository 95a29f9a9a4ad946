"""Whether operations are recorded: ``no_grad``, ``enable_grad``, ``set_grad_enabled``. Each thread has its own."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _GradMode(threading.local):
    """The mode of this thread; use :func:`recording` to ask, :func:`_set` to change it."""

    enabled = True


class _Switched:
    """Whether any thread ever turned recording off and has not turned it on again: asked first, being cheaper."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


grad_mode = _GradMode()
switched = _Switched()
_lock = threading.Lock()


def _set(enabled: bool) -> None:
    if enabled != grad_mode.enabled:
        with _lock:
            switched.count += -1 if enabled else 1
        grad_mode.enabled = enabled


def is_grad_enabled() -> bool:
    """Whether operations in this thread are recorded.

    >>> is_grad_enabled()
    True
    """
    return grad_mode.enabled


class _SetGrad:
    """Context manager and decorator that sets the mode on entry and puts back what was there on exit."""

    enabled: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> Self:
        self._before.append(grad_mode.enabled)
        _set(self.enabled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _set(self._before.pop())

    def __call__(self, function: _Function) -> _Function:
        if isinstance(function, type):
            raise TypeError(f"decorate a function, not the class {function.__name__}")

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def __new__(cls, function: Any = None) -> Any:
        """``@no_grad`` without parentheses decorates at once."""
        made = super().__new__(cls)
        if function is None:
            return made
        made._before = []
        return made(function)


class no_grad(_SetGrad):
    """Do not record operations: ``with no_grad():`` or ``@no_grad()``.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    enabled = False


class enable_grad(_SetGrad):
    """Record operations, also inside ``no_grad``: ``with enable_grad():`` or ``@enable_grad()``.

    >>> with no_grad(), enable_grad():
    ...     is_grad_enabled()
    True
    """

    enabled = True


class set_grad_enabled(_SetGrad):
    """Record operations or not, by the value of ``mode``; takes effect at once, and as a context until its end.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    def __new__(cls, mode: bool) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.enabled = bool(mode)
        self._outside: bool | None = grad_mode.enabled
        _set(self.enabled)

    def __enter__(self) -> Self:
        # The call itself already changed the mode: what to put back is the mode from before the call.
        before = grad_mode.enabled if self._outside is None else self._outside
        self._outside = None
        self._before.append(before)
        _set(self.enabled)
        return self

    def __call__(self, function: _Function) -> _Function:
        if self._outside is not None:
            _set(self._outside)
            self._outside = None
        return super().__call__(function)
