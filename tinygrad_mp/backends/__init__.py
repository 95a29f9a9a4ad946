"""``backends``: the switches of PyTorch's libraries. None of them is here; they can be set, and change nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tinygrad_mp.absent import lookup

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"]

_lookup = lookup("backends")


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"tinygrad_mp.backends.{name}")
    return _lookup(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
