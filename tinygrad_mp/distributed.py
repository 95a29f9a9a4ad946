"""``distributed``: one process. Scripts that ask whether there are more get the answer; groups are left out."""

from __future__ import annotations

from typing import Any, NoReturn

from tinygrad_mp.absent import lookup
from tinygrad_mp.errors import UnsupportedError

__all__ = ["init_process_group", "is_available", "is_initialized", "is_torchelastic_launched"]


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    raise UnsupportedError(
        "distributed.init_process_group: a program runs in one process",
        fix="ask is_available() first; threads share the work inside one process (set_num_threads)",
    )


__getattr__ = lookup("distributed")
