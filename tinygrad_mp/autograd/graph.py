"""``autograd.graph``: hooks on saved tensors are left out; what stands in for them is named."""

from __future__ import annotations

from typing import Any, NoReturn

from tinygrad_mp.errors import UnsupportedError
from tinygrad_mp.tape import Node as Node

__all__ = ["Node", "disable_saved_tensors_hooks", "save_on_cpu", "saved_tensors_hooks"]


def _left_out(name: str) -> NoReturn:
    raise UnsupportedError(
        f"autograd.graph.{name}: the tape keeps arrays, which no hook sees",
        fix="to save memory, recompute: checkpoint a part of the model, or use smaller batches",
    )


def saved_tensors_hooks(pack_hook: Any, unpack_hook: Any) -> NoReturn:
    """Left out: the tape keeps arrays, which no hook sees. NotImplementedError."""
    _left_out("saved_tensors_hooks")


def save_on_cpu(pin_memory: bool = False, device_type: str = "cuda") -> NoReturn:
    """Left out, as :func:`saved_tensors_hooks`. NotImplementedError."""
    _left_out("save_on_cpu")


def disable_saved_tensors_hooks(error_message: str) -> NoReturn:
    """Left out, as :func:`saved_tensors_hooks`. NotImplementedError."""
    _left_out("disable_saved_tensors_hooks")
