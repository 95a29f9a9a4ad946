"""``backends.cuda``: settings that can be made and change nothing."""

from __future__ import annotations

from types import SimpleNamespace

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
)
"""Products are computed in the precision of their operands, whatever stands here."""


def is_built() -> bool:
    """False: CuPy, not this package, is built against CUDA."""
    return False


def flash_sdp_enabled() -> bool:
    """False: there is one way to compute attention."""
    return False


def enable_flash_sdp(enabled: bool) -> None:
    """Nothing."""


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Nothing."""


def enable_math_sdp(enabled: bool) -> None:
    """Nothing."""
