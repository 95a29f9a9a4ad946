"""``onnx``: left out."""

from __future__ import annotations

from typing import Any, NoReturn

from tinygrad_mp.errors import UnsupportedError

__all__ = ["export", "is_in_onnx_export"]


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    raise UnsupportedError(
        "onnx.export: programs are not exported",
        fix="save(model.state_dict(), file) in the safetensors format, load that into a PyTorch model, and export it",
    )


def is_in_onnx_export() -> bool:
    """False."""
    return False
