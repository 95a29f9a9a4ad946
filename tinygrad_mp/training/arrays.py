"""The data a :class:`Model` is given as arrays: one row a sample, read batch by batch, never copied as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from tinygrad_mp.backend import array_on, device_of, is_array, xp
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor

CHUNK = 1 << 20  # bytes looked at at once


class Rows:
    """Arrays with as many rows: the inputs of a model, which may have several, in order or by name.

    Parameters
    ----------
    given : array, Tensor, list of numbers, data frame; a tuple of these, or a dict of names and these
        For a model with one input, with several, and with named ones.
    what : str
        How errors call it: ``"X"``.

    Errors
    ------
    TypeError, DTypeError or ShapeError for what is no table of numbers, or where the lengths differ.
    """

    def __init__(self, given: Any, what: str = "X") -> None:
        self.names: tuple[str, ...] | None = tuple(given) if isinstance(given, dict) else None
        parts: Sequence[Any]
        parts = list(given.values()) if isinstance(given, dict) else given if isinstance(given, tuple) else [given]
        if not parts:
            raise SettingError(f"{what} is empty: a model needs one array at least")
        self.what = what
        self.arrays = [
            numbers(part, f"{what}[{key!r}]" if len(parts) > 1 else what) for key, part in self._keyed(parts)
        ]
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise ShapeError(f"{what}: the arrays have {lengths} rows", fix="give each as many, one a sample")

    def _keyed(self, parts: Sequence[Any]) -> list[tuple[Any, Any]]:
        return list(zip(self.names or range(len(parts)), parts, strict=True))

    def __len__(self) -> int:
        return len(self.arrays[0])

    def expect_finite(self) -> None:
        """Raise SettingError at the first NaN or infinity, which would spoil every weight."""
        for array in self.arrays:
            expect_finite(array, self.what)

    def expect_samples(self, shapes: Sequence[tuple[int, ...]] | dict[str, tuple[int, ...]]) -> None:
        """Raise ShapeError unless samples have these shapes, those that the model was built for, perhaps by name."""
        if isinstance(shapes, dict):
            if set(shapes) != set(self.names or ()):
                raise ShapeError(
                    f"{self.what}: the model has the inputs {', '.join(shapes)}",
                    fix="give a dict with an array for each of these names",
                )
            shapes = [shapes[name] for name in self.names or ()]
        if len(shapes) != len(self.arrays):
            raise ShapeError(
                f"{self.what}: the model has {len(shapes)} inputs, {len(self.arrays)} are given",
                fix="give a tuple with an array for each input" if len(shapes) > 1 else "give one array, not a tuple",
            )
        for array, wanted in zip(self.arrays, shapes, strict=True):
            found = tuple(array.shape[1:])
            if found != tuple(wanted):
                alone = tuple(array.shape) == tuple(wanted)
                raise ShapeError(
                    f"{self.what}: a sample has shape {found}, the model was built for {tuple(wanted)}",
                    fix=f"give one sample as {self.what}[None]: the axis of samples is missing"
                    if alone
                    else "give data like those it was trained on, or make a new Model",
                )


def numbers(given: Any, what: str) -> Any:
    """An array of numbers, not copied where it is one already."""
    if isinstance(given, TensorBase):
        array = given.array
    elif isinstance(given, numpy.ma.MaskedArray):
        raise TypeError(f"{what} is a masked array, whose mask would be lost\n  fix: fill the gaps: {what}.filled(0)")
    elif is_array(given) or isinstance(given, numpy.ndarray):
        array = numpy.asarray(given) if isinstance(given, numpy.ndarray) else given  # a memmap stays on the disk
    elif isinstance(given, (str, bytes)) or given is None or callable(given):
        raise TypeError(f"{what} must be an array, not {given!r:.60}")
    else:
        try:
            array = numpy.asarray(given)
        except ValueError as error:
            raise ShapeError(
                f"{what} is no table: {error}",
                fix="give rows of one length; batches come from a DataLoader, or a function that makes a generator",
            ) from None
    if array.dtype.kind not in "biuf":
        raise DTypeError(
            f"{what} has dtype {array.dtype}: a network computes with numbers",
            fix="turn categories into indices for an Embedding, or into one-hot columns"
            + (f"; numbers by {what}.astype(float)" if array.dtype == object else ""),
        )
    if array.ndim == 0:
        raise ShapeError(f"{what} is one number: an axis of samples is wanted", fix=f"give [{what}]")
    if 0 in array.shape[1:]:
        raise ShapeError(f"{what} has shape {array.shape}: the samples have no entries")
    return array


def expect_finite(array: Any, what: str) -> None:
    """Raise SettingError at the first NaN or infinity."""
    if array.dtype.kind != "f":
        return
    for start, chunk in chunks(array):
        bad = ~xp(chunk).isfinite(chunk)
        if bad.any():
            place = tuple(int(axis[0]) for axis in xp(chunk).nonzero(bad))
            value = float(chunk[place])
            where = ", ".join(map(str, (place[0] + start, *place[1:])))
            raise SettingError(
                f"{what}[{where}] is {value}, and there may be more: every weight would become NaN",
                fix="drop such rows, or fill in the gaps, for example with the mean of the column",
            )


def chunks(array: Any) -> Iterator[tuple[int, Any]]:
    """Pieces of some rows, with the number of the first; so that a file on disk need not fit into memory."""
    step = max(1, CHUNK // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        yield start, array[start : start + step]


def rows_of(array: Any, index: Any) -> Any:
    """A fresh copy of some rows: a slice, or an array of row numbers."""
    if isinstance(index, slice):
        return array[index].copy()
    return array.take(index, axis=0) if type(array) is numpy.ndarray else array[array_on(device_of(array), index)]


def as_input(array: Any, dtype: Any, device: Any, keep_integers: bool) -> Any:
    """A tensor to give to a model: of its dtype and on its device; integers stay if the model looks things up."""
    if not (keep_integers and array.dtype.kind in "iu"):
        array = array.astype(dtype, copy=False)
    elif array.dtype != numpy.int64:
        array = array.astype(numpy.int64)
    return wrap(Tensor, array_on(device, array))
