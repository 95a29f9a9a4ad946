"""Files that grow: a piece is either in them as a whole or not at all, whenever the program ends."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["append_whole", "parent_made", "whole_lines"]


def append_whole(path: str, piece: bytes) -> None:
    """Append bytes with one write; what a full disk leaves of them is taken away again, and the OSError passed on."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, piece)
            while written < len(piece):  # only where the disk is full: then this raises
                written += os.write(descriptor, piece[written:])
        except BaseException:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def whole_lines(path: str) -> list[str]:
    """The lines of a file but for a torn one at its end; of a file that is not there, none."""
    try:
        with open(path, "rb") as file:
            *lines, _ = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    return [line.decode(errors="replace").removesuffix("\r") for line in lines]


def parent_made(path: Any) -> str:
    """The path as text; the folder that it lies in is made if need be."""
    text = os.fsdecode(path)
    os.makedirs(os.path.dirname(text) or ".", exist_ok=True)
    return text
