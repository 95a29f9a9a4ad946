"""``amp``: programs that ask for automatic mixed precision run, in the precision of their tensors.

Nothing is cast, so nothing underflows and no loss needs scaling. Results are those of full precision; for half
precision convert the model and its inputs: ``model.half()``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Self

from tinygrad_mp.absent import lookup
from tinygrad_mp.errors import DTypeError, SettingError

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_DEVICES = ("cpu", "cuda", "mps", "xpu")


class autocast:
    """A context, or decorator, in which PyTorch would cast; here tensors keep their dtypes.

    Parameters
    ----------
    device_type : str
    dtype : optional
        Any dtype, bfloat16's name included; it is not used.
    enabled, cache_enabled : bool
        Kept as attributes.

    Errors
    ------
    SettingError for a device type that does not exist; DTypeError if it is not a string.

    >>> import tinygrad_mp as tg
    >>> with autocast("cpu"):
    ...     (tg.ones(2, 2) @ tg.ones(2, 2)).dtype
    dtype('float32')
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise DTypeError(f"autocast: device_type is a string, not {device_type!r}", fix='autocast("cpu")')
        if device_type not in _DEVICES:
            raise SettingError(f"autocast: device_type is one of {_DEVICES}, not {device_type!r}")
        self.device, self.fast_dtype, self._enabled = device_type, dtype, bool(enabled)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return run


class GradScaler:
    """Steps the optimizer as it is: no gradient is scaled, because none is in half precision.

    Every method does what PyTorch's does when it is disabled, whatever ``enabled`` says.

    >>> scaler = GradScaler()
    >>> scaler.scale(3.0), scaler.get_scale(), scaler.is_enabled()
    (3.0, 1.0, False)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if growth_factor <= 1.0 or backoff_factor >= 1.0:
            raise SettingError("GradScaler: the scale grows by more than 1.0 and falls by less than 1.0")
        self._settings = (growth_factor, backoff_factor, growth_interval)

    def scale(self, outputs: Any) -> Any:
        """``outputs`` as they are."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Nothing."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)``."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Nothing."""

    def get_scale(self) -> float:
        """1.0."""
        return 1.0

    def get_growth_factor(self) -> float:
        """What was given."""
        return self._settings[0]

    def get_backoff_factor(self) -> float:
        """What was given."""
        return self._settings[1]

    def get_growth_interval(self) -> int:
        """What was given."""
        return self._settings[2]

    def is_enabled(self) -> bool:
        """False."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Empty."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes any state; there is none to restore."""


def custom_fwd(function: Any = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """Decorator of a Function's ``forward``: itself, because nothing is cast."""
    return (lambda inner: inner) if function is None else function


def custom_bwd(function: Any = None, *, device_type: str = "cuda") -> Any:
    """Decorator of a Function's ``backward``: itself, because nothing is cast."""
    return (lambda inner: inner) if function is None else function


def is_autocast_available(device_type: str) -> bool:
    """Whether ``autocast`` accepts the device type.

    >>> is_autocast_available("cpu")
    True
    """
    return device_type in _DEVICES[:2]


__getattr__ = lookup("amp")
