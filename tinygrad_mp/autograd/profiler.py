"""``autograd.profiler``: the older home of :mod:`tinygrad_mp.profiler`."""

from __future__ import annotations

from tinygrad_mp.profiler import profile, record_function

__all__ = ["profile", "record_function"]
