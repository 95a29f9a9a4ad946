"""``cuda.amp``: automatic mixed precision under its older names; see :mod:`tinygrad_mp.amp`."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import amp
from tinygrad_mp.absent import lookup
from tinygrad_mp.amp import custom_bwd as custom_bwd
from tinygrad_mp.amp import custom_fwd as custom_fwd

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """:class:`tinygrad_mp.amp.autocast` of CUDA: nothing is cast."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """:class:`tinygrad_mp.amp.GradScaler` of CUDA: nothing is scaled."""

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


__getattr__ = lookup("cuda.amp")
