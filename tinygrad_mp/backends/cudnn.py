"""``backends.cudnn``: not used. Every computation here is deterministic, so nothing needs to be asked for.

>>> benchmark, deterministic
(False, False)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["allow_tf32", "benchmark", "benchmark_limit", "deterministic", "enabled", "flags", "is_available", "version"]

enabled, benchmark, deterministic, allow_tf32, benchmark_limit = True, False, False, True, 10


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False."""
    return False


@contextmanager
def flags(**settings: Any) -> Iterator[None]:
    """A context in which the attributes of this module have other values."""
    known = globals()
    before = {name: known[name] for name in settings if name in known}
    known.update({name: settings[name] for name in before})
    try:
        yield
    finally:
        known.update(before)
