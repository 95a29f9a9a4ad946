"""``mps``: Apple's GPUs, which are not supported; scripts may ask."""

from __future__ import annotations

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "synchronize"]


def is_available() -> bool:
    """False.

    >>> is_available()
    False
    """
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no device."""


def empty_cache() -> None:
    """Nothing: there is no device."""


def synchronize() -> None:
    """Nothing: there is no device."""
