"""``backends.mkldnn``: not used."""

from __future__ import annotations

enabled = True


def is_available() -> bool:
    """False."""
    return False
