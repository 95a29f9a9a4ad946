"""The handwritten digits that ship with the package, and how they are split."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy

from tinygrad_mp.errors import SettingError

__all__ = ["Digits", "digits"]

Floats: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.float32]]
Integers: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.int64]]
Bytes: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]


class Digits(NamedTuple):
    """Images and their labels; unpacks as ``images, labels``."""

    images: Floats
    labels: Integers


def digits(split: Literal["train", "test"] | None = None, *, flat: bool = False) -> Digits:
    """Handwritten digits: 1797 grey images of 8x8 pixels, shipped with the package.

    Parameters
    ----------
    split : {"train", "test"}, optional
        ``"test"`` is a fixed held-out fifth, ``"train"`` the rest; all images by default.
    flat : bool, default False
        Give each image as one row of 64 pixels instead of 8x8.

    Returns
    -------
    images : (n, 8, 8) or (n, 64), float32
        0 is paper and 1 is ink, in steps of 1/16. n is 1438 for ``"train"``, 359 for ``"test"``, 1797 for all.
    labels : (n,), int64
        The digit drawn, 0 to 9.

    Errors
    ------
    SettingError (a ValueError) if ``split`` is another word.

    Notes
    -----
    The split uses no random numbers, so it is the same everywhere: count the images of each class in the order of the
    file, and hold out the third of every five. Both parts thus have the classes in the same proportions, and images
    by the same 13 people: test accuracy says how well these hands are read, not a stranger's.

    Arrays are fresh at each call and in the order of the file; shuffle ``"train"`` before taking batches.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (its test set), UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49. Licence: CC BY 4.0,
    https://creativecommons.org/licenses/by/4.0/.

    Examples
    --------
    >>> images, labels = digits("train")
    >>> images.shape, images.dtype, labels.shape, labels.dtype
    ((1438, 8, 8), dtype('float32'), (1438,), dtype('int64'))
    >>> print((images[0] * 16).astype(int))
    [[ 0  0  5 13  9  1  0  0]
     [ 0  0 13 15 10 15  5  0]
     [ 0  3 15  2  0 11  8  0]
     [ 0  4 12  0  0  8  8  0]
     [ 0  5  8  0  0  9  8  0]
     [ 0  4 11  0  1 12  7  0]
     [ 0  2 14  5 10 12  0  0]
     [ 0  0  6 13 10  0  0  0]]
    >>> int(labels[0])
    0
    >>> digits("test", flat=True).images.shape
    (359, 64)
    """
    pixels, labels = _read()
    if split is None:
        rows = slice(None)
    elif split in _SPLITS:
        rows = _held_out(labels) == (split == "test")
    else:
        raise SettingError(
            f"digits: there is no split {split!r}",
            fix="use 'train' (1438 images), 'test' (359) or None (all 1797)",
        )
    images = pixels[rows].astype(numpy.float32) / numpy.float32(16)
    return Digits(images.reshape(-1, 64) if flat else images, labels[rows].astype(numpy.int64))


_SPLITS = ("train", "test")


@cache
def _read() -> tuple[Bytes, Bytes]:
    """Pixels (1797, 8, 8), 0 to 16, and labels (1797,), as they lie in the file; read once, never handed out."""
    with numpy.load(os.path.join(os.path.dirname(__file__), "digits.npz"), allow_pickle=False) as file:
        return file["images"], file["labels"]


def _held_out(labels: Bytes) -> numpy.ndarray[Any, numpy.dtype[numpy.bool_]]:
    """True at the third, eighth, thirteenth, ... image of each class."""
    held_out = numpy.zeros(labels.shape, dtype=bool)
    for label in numpy.unique(labels):
        held_out[numpy.flatnonzero(labels == label)[2::5]] = True
    return held_out
