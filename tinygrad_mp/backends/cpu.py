"""``backends.cpu``: the processor."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """Returns "DEFAULT": NumPy chooses its own instructions."""
    return "DEFAULT"
