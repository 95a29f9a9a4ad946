"""``xpu``: Intel's GPUs, which are not supported; scripts may ask, and get the answers of :mod:`tinygrad_mp.mps`."""

from tinygrad_mp.mps import device_count, empty_cache, is_available, manual_seed, synchronize

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "synchronize"]
