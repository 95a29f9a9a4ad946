"""Arrays on devices: which module computes on an array, where it lives, how it moves. Knows nothing of gradients."""

from tinygrad_mp.backend.allocator import keep_freed_memory
from tinygrad_mp.backend.arrays import (
    array_on,
    as_array_on,
    contiguous,
    device_of,
    is_array,
    module_of,
    owner,
    register_backend,
    set_loader,
    synchronize,
    to_numpy,
    unregister_backend,
    xp,
)
from tinygrad_mp.backend.devices import Device, as_device
from tinygrad_mp.backend.threads import get_num_threads, product, set_num_threads, split
from tinygrad_mp.later import fetch

__all__ = [
    "Device",
    "array_on",
    "as_array_on",
    "as_device",
    "contiguous",
    "device_of",
    "get_num_threads",
    "is_array",
    "module_of",
    "owner",
    "product",
    "register_backend",
    "set_num_threads",
    "split",
    "synchronize",
    "to_numpy",
    "unregister_backend",
    "xp",
]

keep_freed_memory()
set_loader("cuda", lambda: fetch("backend.cuda", "load")())
