"""Whether operations are recorded: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``.

Each thread has a mode of its own.
"""

from __future__ import annotations

import functools
import threading
import types
import warnings
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _GradMode(threading.local):
    """The mode of this thread; use :func:`recording` to ask, :func:`_set` to change it."""

    enabled = True
    inference = False


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


def _gives(function: Any) -> bool:
    """Whether calling it makes a generator; ``inspect`` would say it too, but takes long to import."""
    while isinstance(function, (functools.partial, types.MethodType)):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & 0x20)


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
            warnings.warn(
                f"decorating the class {function.__name__} makes a function of it: decorate its methods instead",
                FutureWarning,
                stacklevel=2,
            )
        elif _gives(function):
            over: _Function = self._over_generator(function)
            return over

        @functools.wraps(function, updated=() if isinstance(function, type) else ("__dict__",))
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]

    def _again(self) -> _SetGrad:
        """Another context of the same kind: what one decorated may run in several threads at once."""
        return type(self)()

    def _over_generator(self, function: Any) -> Any:
        """The mode holds while the generator runs, not while it waits at a ``yield``."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            inner = function(*args, **kwargs)
            step, value = inner.send, None
            while True:
                try:
                    with self._again():
                        given = step(value)
                except StopIteration as end:
                    return end.value
                try:
                    step, value = inner.send, (yield given)
                except GeneratorExit:
                    with self._again():
                        inner.close()
                    raise
                except BaseException as error:
                    step, value = inner.throw, error

        return run

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

    def _again(self) -> set_grad_enabled:
        return set_grad_enabled(self.enabled)

    def __call__(self, function: _Function) -> _Function:
        if self._outside is not None:
            _set(self._outside)
            self._outside = None
        return super().__call__(function)


class inference_mode(_SetGrad):
    """Do not record operations, as ``no_grad``; ``inference_mode(False)`` records them again.

    Tensors made inside are ordinary ones: unlike PyTorch's, they may be used with gradients later.

    >>> with inference_mode():
    ...     is_grad_enabled(), is_inference_mode_enabled()
    (False, True)
    """

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if isinstance(mode, bool):
            return made
        cls.__init__(made)
        return made(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self._inference = mode if isinstance(mode, bool) else True
        self.enabled = not self._inference
        self._inference_before: list[bool] = []

    def __enter__(self) -> Self:
        self._inference_before.append(grad_mode.inference)
        grad_mode.inference = self._inference
        return super().__enter__()

    def __exit__(self, *about: Any) -> None:
        super().__exit__(*about)
        grad_mode.inference = self._inference_before.pop()

    def _again(self) -> inference_mode:
        again: inference_mode = inference_mode(self._inference)
        return again


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside of ``inference_mode``.

    >>> is_inference_mode_enabled()
    False
    """
    return grad_mode.inference
