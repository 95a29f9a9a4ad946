"""Switches that PyTorch's programs set at their beginning: each does what it says, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp.errors import DTypeError, SettingError

__all__ = [
    "are_deterministic_algorithms_enabled",
    "bfloat16",
    "compile",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]


class _NoDType:
    """The name of a dtype that no tensor can have: what is asked to compute in it keeps its own precision."""

    def __repr__(self) -> str:
        return "tinygrad_mp.bfloat16"


bfloat16 = _NoDType()
"""For ``autocast(dtype=bfloat16)``, which casts nothing. A tensor cannot have it: DTypeError."""

_settings: dict[str, Any] = {"precision": "highest", "deterministic": 0, "interop": 1, "warn_always": False}
_MODES = ("default", "warn", "error")


def compile(model: Any = None, **options: Any) -> Any:
    """``model``, a function or module, as it is: programs run as they are written. Also a decorator.

    The options of PyTorch's ``compile`` (``fullgraph``, ``dynamic``, ``backend``, ``mode``, ``options``, ``disable``)
    are accepted; TypeError for others.

    >>> @compile
    ... def double(x):
    ...     return 2 * x
    >>> double(3)
    6
    """
    unknown = set(options) - {"fullgraph", "dynamic", "backend", "mode", "options", "disable", "name"}
    if unknown:
        raise TypeError(f"compile() got unexpected keyword arguments {sorted(unknown)}")
    if model is None:
        return _as_it_is
    return model


def _as_it_is(model: Callable[..., Any]) -> Callable[..., Any]:
    return model


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Kept, and asked for by ``are_deterministic_algorithms_enabled``: on the CPU every algorithm is deterministic."""
    _settings["deterministic"] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """What :func:`use_deterministic_algorithms` was told.

    >>> are_deterministic_algorithms_enabled()
    False
    """
    return bool(_settings["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What :func:`use_deterministic_algorithms` was told."""
    return bool(_settings["deterministic"] == 1)


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0, 1, 2 or "default", "warn", "error": kept. SettingError for anything else."""
    if debug_mode not in (0, 1, 2, *_MODES):
        raise SettingError(f"debug_mode is 0, 1, 2 or one of {_MODES}, not {debug_mode!r}")
    _settings["deterministic"] = _MODES.index(debug_mode) if isinstance(debug_mode, str) else int(debug_mode)


def get_deterministic_debug_mode() -> int:
    """What :func:`set_deterministic_debug_mode` was told."""
    mode: int = _settings["deterministic"]
    return mode


def set_float32_matmul_precision(precision: str) -> None:
    """Kept: "highest", "high" or "medium". Products of float32 matrices are always computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise SettingError(f"precision is 'highest', 'high' or 'medium', not {precision!r}")
    _settings["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` was told.

    >>> get_float32_matmul_precision()
    'highest'
    """
    precision: str = _settings["precision"]
    return precision


def set_num_interop_threads(number: int) -> None:
    """Kept: operations run one after the other, each on the threads of ``set_num_threads``."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise DTypeError(f"set_num_interop_threads: an integer is wanted, not a {type(number).__name__}")
    if number < 1:
        raise SettingError(f"set_num_interop_threads: a positive number is wanted, not {number}")
    _settings["interop"] = number


def get_num_interop_threads() -> int:
    """What :func:`set_num_interop_threads` was told; 1 before."""
    number: int = _settings["interop"]
    return number


def set_flush_denormal(mode: bool) -> bool:
    """False, which says that this is not supported: subnormal numbers stay what they are."""
    return False


def set_warn_always(enabled: bool) -> None:
    """Kept; Python's ``warnings`` decide how often one is shown."""
    _settings["warn_always"] = bool(enabled)


def is_warn_always_enabled() -> bool:
    """What :func:`set_warn_always` was told."""
    return bool(_settings["warn_always"])


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """False: nothing is cast."""
    return False
