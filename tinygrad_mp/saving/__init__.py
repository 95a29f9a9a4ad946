"""``save`` and ``load``: tensors, and containers of them, in one file that cannot run code.

>>> import os, tempfile
>>> import tinygrad_mp as tg
>>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
>>> layer = tg.nn.Linear(2, 1)
>>> tg.save({"epoch": 3, "model": layer.state_dict()}, path)
>>> checkpoint = tg.load(path)
>>> checkpoint["epoch"], list(checkpoint["model"])
(3, ['weight', 'bias'])
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import BytesIO
from mmap import ACCESS_READ
from mmap import mmap as MemoryMap
from typing import Any

from tinygrad_mp.backend import Device, as_device
from tinygrad_mp.backend.devices import CPU
from tinygrad_mp.creation import empty
from tinygrad_mp.errors import DataFormatError
from tinygrad_mp.saving.container import contents, read, write
from tinygrad_mp.saving.replacing import replacing
from tinygrad_mp.saving.trees import Decoder, Encoder
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor

__all__ = ["load", "save"]


def save(
    obj: Any,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: Any = None,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write tensors, and containers of them, to a file in the safetensors format.

    Parameters
    ----------
    obj : nested dict, OrderedDict, defaultdict, Counter, list, tuple, set
        Of tensors, parameters, NumPy arrays and scalars, None, bool, int, float, complex, str, bytes, dtypes, sizes and
        devices. Keys of dicts may be anything of these that can be a key.
    f : path, or file object with ``write``
        An existing file is replaced in one step when the new one is complete and on the disk: whatever happens before,
        it stays. The folder must be writable. (Pipes and devices are written to directly.)
    pickle_module, pickle_protocol
        Of no effect: nothing is pickled.

    Tensors and arrays that are the same memory are stored once and are the same memory after :func:`load`. Views of
    parts of other tensors are stored by themselves. A dict of tensors can be read by the ``safetensors`` package, with
    the dict's keys; other structures too, under the paths to their tensors.

    Errors
    ------
    TypeError, which names the place, for what is not stored; the file was not touched then. OSError if it cannot be
    written.
    """
    encoder = Encoder()
    tree = encoder.text(obj)
    head, arrays = contents(encoder.arrays, tree)
    if hasattr(f, "write"):
        _write_to_object(f, head, arrays)
        return
    path = _path("save", f)
    if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
        with open(path, "wb") as file:
            _write_to_object(file, head, arrays)
        return
    with replacing(os.path.realpath(path)) as file:
        write(file, head, arrays)


def _write_to_object(file: Any, head: bytes, arrays: list[Any]) -> None:
    """Write to something that perhaps cannot seek."""
    whole = BytesIO()
    write(whole, head, arrays)
    file.write(whole.getbuffer())


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what :func:`save` wrote, or any file of the safetensors format, which gives a dict of tensors.

    Parameters
    ----------
    f : path, or file object with ``read``
    map_location : device, dict of devices, or function; optional
        The device for tensors that were saved on another than the CPU: one for all, or one for each device's name; or
        a function of a tensor and the device's name, which returns the tensor moved. By default where they were.
    pickle_module, weights_only, mmap, **pickle_load_args
        Of no effect: nothing is unpickled, so that reading a file runs no code of its; memory is the program's own.

    bfloat16, which other programs write and NumPy lacks, is read as float32.

    Errors
    ------
    DataFormatError, a ValueError, for a file that is damaged or something else; nothing was made of it then. A pickle
    of PyTorch's is refused with the way to convert it. FileNotFoundError if there is none.
    """
    if hasattr(f, "read"):
        return _loaded(memoryview(f.read()), getattr(f, "name", "the file object"), map_location)
    path = _path("load", f)
    with open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return _loaded(memoryview(file.read()), path, map_location)
        return _loaded(_mapped(file, path), path, map_location)


def _mapped(file: Any, path: str) -> memoryview:
    """The bytes of a file without copying them to memory."""
    if not os.fstat(file.fileno()).st_size:
        raise DataFormatError(f"load: {path} is empty")
    return memoryview(MemoryMap(file.fileno(), 0, access=ACCESS_READ))


def _loaded(whole: memoryview, name: Any, map_location: Any) -> Any:
    archive = read(whole, str(name))
    target = _target(map_location)
    if archive.tree is not None:
        return Decoder(archive, target).value(archive.tree)
    return {key: wrap(Tensor, archive.array(key)).to(target(CPU)) for key in archive.entries}


def _target(map_location: Any) -> Callable[[Device], Device]:
    """Where tensors go that were saved on a device."""
    if map_location is None:
        return lambda saved: saved
    if isinstance(map_location, dict):
        devices = {str(as_device(key)): as_device(value) for key, value in map_location.items()}
        return lambda saved: devices.get(str(saved), saved)
    if callable(map_location):
        return lambda saved: _asked(map_location, saved)
    wanted = as_device(map_location)
    return lambda saved: wanted


def _asked(function: Callable[[Any, str], Any], saved: Device) -> Device:
    moved = function(empty(0), str(saved))
    return saved if moved is None else moved.device


def _path(name: str, f: Any) -> str:
    try:
        return os.fsdecode(f)
    except TypeError:
        raise TypeError(f"{name}: f is a path or an open binary file, not a {type(f).__name__}") from None
