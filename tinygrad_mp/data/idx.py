"""IDX, the file format of MNIST and of the data sets made in its likeness."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import Any

import numpy

from tinygrad_mp.errors import DataFormatError

__all__ = ["read_idx"]


def read_idx(path: str | os.PathLike[str]) -> numpy.ndarray[Any, Any]:
    """Read an IDX file, compressed by gzip or not, as a NumPy array.

    Parameters
    ----------
    path : str or path
        Whether the file is compressed is read from its first two bytes, not from its name.

    Returns
    -------
    array : numpy.ndarray
        Of the shape and number type that the file states, in this machine's byte order. The array is fresh: change it
        as you like.

    Errors
    ------
    FileNotFoundError if there is no such file. DataFormatError (a ValueError), with the file's name, if the file does
    not begin as IDX files do, holds an unknown number type, or is shorter or longer than its header says.

    Notes
    -----
    The file is two zero bytes, a byte for the number type, a byte for the number of axes, the size of each axis as a
    big-endian 32-bit integer, and the entries, big-endian too, with the last axis varying fastest.

    | byte | 0x08 | 0x09 | 0x0B | 0x0C | 0x0D | 0x0E |
    |---|---|---|---|---|---|---|
    | dtype | uint8 | int8 | int16 | int32 | float32 | float64 |

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits, "The IDX file format".

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 0x08, 1, 0, 0, 0, 3]) + bytes([9, 0, 4]))
    ...     read_idx(path)
    array([9, 0, 4], dtype=uint8)
    """
    name = os.fspath(path)
    data = _read(name)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataFormatError(
            f"{name} is not an IDX file: it begins with {data[:4].hex(' ') or 'nothing'}, not with 00 00, a number "
            "type and a number of axes",
            fix=_GET_IT_AGAIN,
        )
    kind, axes = data[2], data[3]
    if kind not in _DTYPES:
        known = ", ".join(f"0x{byte:02X} ({dtype.name})" for byte, dtype in _DTYPES.items())
        raise DataFormatError(
            f"{name} holds numbers of the unknown type 0x{kind:02X}; IDX files have {known}", fix=_GET_IT_AGAIN
        )
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataFormatError(
            f"{name} is cut off: its header takes {start} bytes for {axes} axes, and the file has {len(data)}",
            fix=_GET_IT_AGAIN,
        )
    dtype = _DTYPES[kind]
    shape = tuple(numpy.frombuffer(data, ">u4", axes, offset=4).tolist())
    expected, found = math.prod(shape) * dtype.itemsize, len(data) - start
    if found != expected:
        wrong = "is cut off" if found < expected else "is too long"
        raise DataFormatError(
            f"{name} {wrong}: shape {shape} of {dtype.name} takes {expected} bytes after the header, and there "
            f"are {found}",
            fix=_GET_IT_AGAIN,
        )
    return numpy.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


_DTYPES: dict[int, numpy.dtype[Any]] = {
    0x08: numpy.dtype(">u1"),
    0x09: numpy.dtype(">i1"),
    0x0B: numpy.dtype(">i2"),
    0x0C: numpy.dtype(">i4"),
    0x0D: numpy.dtype(">f4"),
    0x0E: numpy.dtype(">f8"),
}
_GET_IT_AGAIN = "get the file again, from where it came"


def _read(name: str) -> bytes:
    """The bytes of the file, decompressed."""
    with open(name, "rb") as file:
        data = file.read()
    if not data.startswith(b"\x1f\x8b"):  # how every gzip file begins
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFormatError(f"{name} cannot be decompressed: {error}", fix=_GET_IT_AGAIN) from error
