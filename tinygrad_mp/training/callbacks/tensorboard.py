"""``TensorBoard``: writes the figures of a training in the form that TensorBoard reads.

The form: a record is its length (uint64, little-endian), a checksum of the length, the bytes, and a checksum of the
bytes; the bytes are a protocol buffer, an ``Event``. Both are simple enough to be written here, so that no package is
needed, and records are on the disk when an epoch ends, not when a queue is emptied.
Sources: https://github.com/tensorflow/tensorboard, tensorboard/compat/proto/{event,summary}.proto;
https://www.tensorflow.org/tutorials/load_data/tfrecord; the checksum is CRC-32C (Castagnoli, 1993).
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Any

from tinygrad_mp.training.callbacks.base import Callback
from tinygrad_mp.training.callbacks.files import append_whole

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Write every epoch's figures for TensorBoard, which ``tensorboard --logdir FOLDER`` then shows.

    Parameters
    ----------
    folder : path, default "runs"
        Training and validation become two runs, ``FOLDER/training`` and ``FOLDER/validation``, with the same names of
        figures, so that TensorBoard draws them into one picture. Folders that are missing are made.

    Only looking at them needs the ``tensorboard`` package. When a training is resumed, TensorBoard shows the epochs
    that were run again once, as the later files have them.

    Errors
    ------
    OSError if a file cannot be written.
    """

    order = 1

    def __init__(self, folder: Any = "runs") -> None:
        self.folder = folder
        self._paths: dict[str, str] = {}

    def on_train_begin(self, training: Any) -> None:
        """Files are made when there is something to write to them."""
        self._paths = {}

    def on_epoch_end(self, training: Any) -> None:
        """Write the figures of the epoch."""
        runs: dict[str, dict[str, float]] = {}
        for name, value in training.logs.items():
            if name != "epoch" and isinstance(value, (int, float)):
                run = "validation" if name.startswith("val_") else "training"
                runs.setdefault(run, {})[name.removeprefix("val_")] = value
        for run, figures in runs.items():
            records = b"".join(_record(_event(training.epoch, _summary(*pair))) for pair in figures.items())
            if run not in self._paths:
                self._paths[run] = self._new_file(run)
                records = _record(_event(0, _VERSION)) + _record(_event(training.epoch, _START)) + records
            append_whole(self._paths[run], records)

    def _new_file(self, run: str) -> str:
        """A name that sorts behind those of earlier files: TensorBoard reads them in that order."""
        folder = os.path.join(os.fsdecode(self.folder), run)
        os.makedirs(folder, exist_ok=True)
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        return os.path.join(folder, f"events.out.tfevents.{seconds:010d}.{nanoseconds:09d}.{socket.gethostname()}")


# --- protocol buffers: each field is its number and kind in a byte, then its value ------------------------------------


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit of a byte says that more follow."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _bytes(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(value)) + value


def _event(step: int, content: bytes) -> bytes:
    """``Event``: wall_time = 1 (double), step = 2 (int64), and its content."""
    return b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step) + content


def _summary(tag: str, value: float) -> bytes:
    """``Event.summary`` = 5, ``Summary.value`` = 1, ``Value.tag`` = 1 and ``simple_value`` = 2 (float)."""
    return _bytes(5, _bytes(1, _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", _in_range(value))))


_VERSION = _bytes(3, b"brain.Event:2")  # Event.file_version, which the first record of a file holds
_START = _bytes(7, b"\x08\x01")  # Event.session_log.status = START: what other files hold of this step on is void

_LARGEST = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def _in_range(value: float) -> float:
    """As float32 can hold it: larger numbers become infinite, as when NumPy rounds them."""
    return value if value != value or abs(value) <= _LARGEST else float("inf" if value > 0 else "-inf")


# --- records --------------------------------------------------------------------------------------------------------


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    """CRC-32C, rotated and shifted so that the checksum of data with checksums inside is a good one."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _crc_of_byte(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC = tuple(map(_crc_of_byte, range(256)))
