"""Fashion-MNIST, read from the files that its authors publish; nothing is downloaded."""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy

from tinygrad_mp.data.idx import read_idx
from tinygrad_mp.errors import DataFormatError, MissingDataError, SettingError

__all__ = ["FashionMNIST", "fashion_mnist"]

Floats: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.float32]]
Integers: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.int64]]


class FashionMNIST(NamedTuple):
    """Images and their labels; unpacks as ``images, labels``."""

    images: Floats
    labels: Integers


def fashion_mnist(directory: str | os.PathLike[str], split: Literal["train", "test"]) -> FashionMNIST:
    """Fashion-MNIST: 70000 grey images of 28x28 pixels, of ten kinds of clothing, read from its IDX files.

    Parameters
    ----------
    directory : str or path
        Where the four files lie: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
        and ``t10k-labels-idx1-ubyte``, each as it is or compressed, with ``.gz`` behind its name. Debian's and
        Ubuntu's package ``dataset-fashion-mnist`` puts them into ``/usr/share/datasets/fashion-mnist``.
    split : {"train", "test"}
        Which part.

    Returns
    -------
    images : (n, 28, 28), float32
        0 is background and 1 is brightest, in steps of 1/255. n is 60000 for ``"train"``, 10000 for ``"test"``.
    labels : (n,), int64
        0 T-shirt, 1 trousers, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 trainer, 8 bag, 9 ankle boot.

    Errors
    ------
    MissingDataError (a FileNotFoundError) that says how to get the files, if they are not in ``directory``.
    DataFormatError (a ValueError) if a file is damaged or does not hold what its name says.
    SettingError (a ValueError) if ``split`` is another word.

    Notes
    -----
    MNIST and its other likenesses have the same file names and shapes, so they are read as well.

    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms, 2017, https://arxiv.org/abs/1708.07747. Licence: MIT.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     try:
    ...         fashion_mnist(empty, "train")
    ...     except FileNotFoundError as error:
    ...         print("apt-get install dataset-fashion-mnist" in str(error))
    True
    """
    if split not in _PREFIXES:
        raise SettingError(
            f"fashion_mnist: there is no split {split!r}", fix="use 'train' (60000 images) or 'test' (10000)"
        )
    images_file = _find(directory, f"{_PREFIXES[split]}-images-idx3-ubyte")
    labels_file = _find(directory, f"{_PREFIXES[split]}-labels-idx1-ubyte")
    pixels, labels = read_idx(images_file), read_idx(labels_file)
    if pixels.dtype != numpy.uint8 or pixels.shape[1:] != (28, 28):
        _refuse(images_file, pixels, "(n, 28, 28)")
    if labels.dtype != numpy.uint8 or labels.shape != pixels.shape[:1]:
        _refuse(labels_file, labels, f"({len(pixels)},), a label for each image")
    if labels.size and labels.max() > 9:
        raise DataFormatError(
            f"{labels_file} holds the label {labels.max()}, and there are ten classes, 0 to 9", fix=_GET_THEM
        )
    # One pass: the 180 MB of the training part as float32 exist once.
    images = numpy.divide(pixels, numpy.float32(255), dtype=numpy.float32)
    return FashionMNIST(images, labels.astype(numpy.int64))


_PREFIXES = {"train": "train", "test": "t10k"}
_GET_THEM = (
    "get the files by `apt-get install dataset-fashion-mnist` (Debian, Ubuntu; they are then in "
    "/usr/share/datasets/fashion-mnist) or from https://github.com/zalandoresearch/fashion-mnist, and name the "
    "directory that they are in"
)


def _find(directory: str | os.PathLike[str], name: str) -> str:
    """The path of the file of this name, compressed or not."""
    for path in (os.path.join(directory, name), os.path.join(directory, f"{name}.gz")):
        if os.path.isfile(path):
            return path
    where = f"the directory {os.fspath(directory)!r}"
    there = f"{where} has no file {name} or {name}.gz" if os.path.isdir(directory) else f"{where} does not exist"
    raise MissingDataError(f"Fashion-MNIST is not there: {there}", fix=_GET_THEM)


def _refuse(path: str, array: numpy.ndarray[Any, Any], wanted: str) -> None:
    raise DataFormatError(
        f"{path} holds {array.dtype} of shape {array.shape}, where uint8 of shape {wanted} is expected", fix=_GET_THEM
    )
