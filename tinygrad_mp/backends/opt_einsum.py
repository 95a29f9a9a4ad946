"""``backends.opt_einsum``: not used: ``einsum`` plans its own products."""

from __future__ import annotations

enabled, strategy = False, None


def is_available() -> bool:
    """False."""
    return False
