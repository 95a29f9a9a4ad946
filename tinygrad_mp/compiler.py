"""``compiler``: nothing is compiled, so its marks change nothing."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.switches import compile as compile

__all__ = ["compile", "cudagraph_mark_step_begin", "disable", "is_compiling", "is_dynamo_compiling", "reset"]


def disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """``fn`` as it is; also a decorator."""
    return (lambda inner: inner) if fn is None else fn


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_compiling


def reset() -> None:
    """Nothing."""


def cudagraph_mark_step_begin() -> None:
    """Nothing."""
