"""The safetensors format: a length, a header in JSON, and the entries of all arrays one behind the other.

Written and read here rather than by the package of that name, because a file is checked before anything is made from
it: its header entry by entry, and, if ``save`` wrote it, all its bytes against a digest that stands in its first line.
Format: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy

from tinygrad_mp.errors import DataFormatError

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "C64": "complex64", "BOOL": "bool", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
}  # fmt: skip
"""The format's names of dtypes, and NumPy's."""
CODES = {name: code for code, name in DTYPES.items()}

RESERVED = "__metadata__"
LARGEST_HEADER = 100_000_000  # bytes; the package reads no larger one
_START = '{"__metadata__":{"sha256":"'
_DIGEST = slice(8 + len(_START), 8 + len(_START) + 64)  # where in a file its digest stands
_OURS = ("sha256", "tinygrad_mp", "tree")
"""The metadata of our files. Any of them marks a file as ours, so that damage to a mark does not skip the check."""


# --- writing ---------------------------------------------------------------------------------------------------------


def contents(arrays: Mapping[str, Any], tree: str) -> tuple[bytes, list[Any]]:
    """The header of a file, its digest still blank, and the arrays in their order in the file."""
    names = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)  # so that all lie aligned
    header: dict[str, Any] = {RESERVED: {"sha256": "0" * 64, "tinygrad_mp": "1", "tree": tree}}
    stop = 0
    for name in names:
        array = arrays[name]
        start, stop = stop, stop + array.nbytes
        header[name] = {"dtype": CODES[array.dtype.name], "shape": array.shape, "data_offsets": (start, stop)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise DataFormatError(
            f"save: the description of what to save takes {len(text)} bytes, and the format allows {LARGEST_HEADER}",
            fix="store long lists of numbers as one tensor",
        )
    return struct.pack("<Q", len(text)) + text, [arrays[name] for name in names]


def write(file: Any, head: bytes, arrays: Iterable[Any]) -> None:
    """Write a file, and its digest when the rest has been written. ``file`` can seek."""
    digest = sha256(_blanked(head))
    file.write(head)
    for array in arrays:
        if array.size:
            little = numpy.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            entries = little.reshape(-1).view("uint8").data
            digest.update(entries)
            file.write(entries)
    file.seek(_DIGEST.start)
    file.write(digest.hexdigest().encode())


def _blanked(head: bytes) -> bytes:
    return head[: _DIGEST.start] + b"0" * 64 + head[_DIGEST.stop :]


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """Where in the file an array lies, and what it is."""

    code: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass
class Archive:
    """A file that was checked: its arrays by name, and the tree of containers if ``save`` wrote it."""

    entries: dict[str, Entry]
    tree: str | None
    data: memoryview

    def array(self, name: str) -> Any:
        """A copy of one array, in memory of its own. bfloat16, which NumPy lacks, becomes float32."""
        entry = self.entries[name]
        raw = self.data[entry.start : entry.stop]
        if entry.code == "BF16":
            values = (numpy.frombuffer(raw, "<u2").astype("uint32") << 16).view("float32")
        else:
            dtype = numpy.dtype(DTYPES[entry.code])
            values = numpy.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype)  # astype copies
        return values.reshape(entry.shape)


def read(file: memoryview, name: str) -> Archive:
    """Check the bytes of a file; DataFormatError if it is damaged, or something else."""
    _refuse_other_formats(bytes(file[:9]), name)
    try:
        length, header = _header(file)
        entries = dict(_entries(header))
        metadata = header.get(RESERVED, {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ValueError("its metadata are no texts")
        _check_layout(entries, len(file) - 8 - length)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataFormatError(f"load: {name} is no safetensors file, or a damaged one: {error}") from None
    if any(mark in metadata for mark in _OURS):
        _check_digest(file, length, metadata, name)
        return Archive(entries, metadata["tree"], file[8 + length :])
    return Archive(entries, None, file[8 + length :])


def _header(file: memoryview) -> tuple[int, dict[str, Any]]:
    if len(file) < 8:
        raise ValueError(f"it has {len(file)} bytes")
    (length,) = struct.unpack("<Q", file[:8])
    if length > min(LARGEST_HEADER, len(file) - 8):
        raise ValueError(f"its header should have {length} bytes, the file has {len(file)}")
    header = json.loads(bytes(file[8 : 8 + length]), object_pairs_hook=_without_repeats)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    return length, header


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entries(header: Mapping[str, Any]) -> Iterator[tuple[str, Entry]]:
    for name, info in header.items():
        if name == RESERVED:
            continue
        if not isinstance(info, dict) or set(info) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name!r} is not described by dtype, shape and data_offsets")
        shape, offsets = _sizes(info["shape"]), _sizes(info["data_offsets"])
        if len(offsets) != 2 or len(shape) > 64:
            raise ValueError(f"{name!r} has {len(offsets)} offsets and {len(shape)} axes")
        yield name, Entry(info["dtype"], shape, *offsets)


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 2**48 for value in values):
        raise ValueError(f"{values!r:.60} are no sizes")
    return tuple(values)


def _check_layout(entries: Mapping[str, Entry], size: int) -> None:
    """The arrays must cover all of the file, without gaps and without overlap."""
    stop = 0
    for name, entry in sorted(entries.items(), key=lambda pair: (pair[1].start, pair[1].stop)):
        if entry.start != stop:
            raise ValueError(f"{name!r} starts at {entry.start}, not at {stop}")
        stop = entry.stop
        if entry.code not in DTYPES and entry.code != "BF16":
            raise ValueError(f"{name!r} has dtype {entry.code!r:.20}, which NumPy lacks")
        itemsize = 2 if entry.code == "BF16" else numpy.dtype(DTYPES[entry.code]).itemsize
        if math.prod(entry.shape) * itemsize != entry.stop - entry.start:
            raise ValueError(f"{name!r} of shape {entry.shape} does not take {entry.stop - entry.start} bytes")
        if math.prod(size for size in entry.shape if size) >= 2**48:  # which NumPy refuses even if it is empty
            raise ValueError(f"{name!r} has an impossible shape")
    if stop != size:
        raise ValueError(f"its arrays take {stop} bytes, and there are {size}")


def _check_digest(file: memoryview, length: int, metadata: Mapping[str, str], name: str) -> None:
    digest = sha256(_blanked(bytes(file[: 8 + length])))
    digest.update(file[8 + length :])
    wanted = bytes(file[_DIGEST]).decode("latin1")
    if digest.hexdigest() != wanted or metadata.get("sha256") != wanted:
        raise DataFormatError(
            f"load: {name} is damaged, or was changed after save() wrote it: its digest does not match",
            fix="take another copy of the file",
        )
    if metadata.get("tinygrad_mp") != "1" or "tree" not in metadata:
        raise DataFormatError(f"load: {name} was written by a later version of this package", fix="update the package")


_CONVERT = (
    'with PyTorch: import torch, safetensors.torch as s; s.save_file(torch.load("{0}", map_location="cpu"), "{1}"); '
    "of a checkpoint with more in it, pass the state dict inside: torch.load(...)[...]"
)


def _refuse_other_formats(first: bytes, name: str) -> None:
    if first[8:] == b"{":  # a header begins here: what stands before is its length, whatever it looks like
        return
    stem = name.rpartition(".")[0] or name
    fix = _CONVERT.format(name, f"{stem}.safetensors")
    if first[:4] == b"PK\x03\x04":
        raise DataFormatError(
            f"load: {name} is a zip file, as torch.save writes them, and holds a pickle, which can run any code; "
            "pickles are not read",
            fix=fix + "; if it is an .npz, numpy.load reads it",
        )
    if first[:1] == b"\x80" and b"\x02" <= first[1:2] <= b"\x05":
        raise DataFormatError(f"load: {name} is a pickle, which can run any code; pickles are not read", fix=fix)
    if first[:6] == b"\x93NUMPY":
        raise DataFormatError(f"load: {name} is an .npy file", fix="from_numpy(numpy.load(...))")
