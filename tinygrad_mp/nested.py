"""Nested Python data made into NumPy arrays, with PyTorch's dtypes and errors that say where."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy

from tinygrad_mp.backend import is_array, to_numpy
from tinygrad_mp.dtypes import DType, as_dtype, get_default_dtype, result_type, scalar_dtype
from tinygrad_mp.errors import DTypeError, ShapeError
from tinygrad_mp.tape import TensorBase

_MAX_AXES = 64  # NumPy's limit


def require_supported(name: str, dtype: DType) -> None:
    """Raise an error that names the remedy if no tensor can have this dtype of NumPy's."""
    try:
        as_dtype(dtype)
    except DTypeError as error:
        fix = "make it numeric first" if dtype.kind not in "iuf" else f"convert it first: {_remedy(dtype)}"
        raise DTypeError(f"{name}: NumPy dtype {dtype} has no tensor counterpart", fix=fix) from error


def _remedy(dtype: DType) -> str:
    return "array.astype('float64')" if dtype.kind == "f" else "array.astype('int64')"


def a_kind(value: Any) -> str:
    """What a value is, for errors.

    >>> a_kind("text")
    'a str'
    """
    return f"a {type(value).__name__}"


def host_data(data: Any, wanted: DType | None) -> Any:
    """``data`` as a NumPy array of a supported dtype, perhaps sharing its memory; ``wanted`` only helps."""
    if isinstance(data, (numpy.ndarray, numpy.generic)):
        array = numpy.asarray(data)
        require_supported("tensor", array.dtype.newbyteorder("="))
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if isinstance(data, (bool, int, float, complex)):
        return numbers([data], wanted or scalar_dtype(data)).reshape(())
    if _is_sequence(data):
        return _from_sequence(data, wanted)
    if hasattr(data, "__array__"):
        return host_data(numpy.asarray(data), wanted)
    raise DTypeError(f"tensor: {a_kind(data)} is neither a number, a sequence of numbers nor an array: {data!r:.60}")


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple, range)) or (
        isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))
    )


def numbers(flat: Sequence[Any], dtype: DType) -> Any:
    """An array with one axis from a flat sequence of numbers, or an error that says which one does not fit."""
    try:
        return numpy.array(flat, dtype)
    except OverflowError as error:
        raise DTypeError(
            f"tensor: {_too_large(flat, dtype)} does not fit in {dtype}", fix="give a wider dtype"
        ) from error
    except (TypeError, ValueError) as error:
        raise DTypeError(f"tensor: the data does not convert to {dtype}: {error}") from error


def _too_large(flat: Sequence[Any], dtype: DType) -> str:
    if dtype.kind not in "iu":
        return "a number"
    info = numpy.iinfo(dtype)
    return next((repr(v) for v in flat if isinstance(v, int) and not info.min <= v <= info.max), "a number")


def _from_sequence(data: Any, wanted: DType | None) -> Any:
    """A nested sequence, level by level: all entries of a level are sequences of one length, or none is."""
    level, shape = list(data), [len(data)]
    while level:
        kinds = set(map(type, level))
        nested = {kind for kind in kinds if not issubclass(kind, numpy.generic)} - {bool, int, float, complex}
        if not any(_is_sequence(item) or getattr(item, "ndim", 0) > 0 for item in level if type(item) in nested):
            break
        length = _length(level[0])
        for position, item in enumerate(level):
            if _length(item) != length:
                raise _ragged(tuple(shape), position, length, _length(item))
            if isinstance(item, TensorBase):
                raise ShapeError(
                    f"tensor: a list of tensors of shape {tuple(item.array.shape)}; only 0-d ones count as numbers",
                    fix="use stack(list), which also keeps the gradients",
                )
        if len(shape) == _MAX_AXES:
            raise ShapeError(f"tensor: the nesting is deeper than {_MAX_AXES} levels")
        shape.append(length or 0)
        level = list(chain.from_iterable(level))
    items = [_plain(item) for item in level]
    return numbers(items, wanted or _common_dtype(items)).reshape(shape)


def _length(item: Any) -> int | None:
    """The length of a nested sequence or array; None for a number."""
    if _is_sequence(item):
        return len(item)
    return int(item.shape[0]) if getattr(item, "ndim", 0) > 0 else None


def _ragged(shape: tuple[int, ...], position: int, length: int | None, found: int | None) -> ShapeError:
    place = "".join(f"[{int(index)}]" for index in numpy.unravel_index(position, shape))
    first = "[0]" * len(shape)
    described = ["a number" if size is None else f"a sequence of length {size}" for size in (length, found)]
    return ShapeError(
        f"tensor: the nesting is ragged: data{first} is {described[0]}, but data{place} is {described[1]}",
        fix="make all rows equally long, for example by padding them",
    )


def _plain(item: Any) -> Any:
    """A Python number or a NumPy scalar from an innermost entry."""
    if isinstance(item, (bool, int, float, complex, numpy.generic)):
        return item
    if isinstance(item, TensorBase):
        item = item.array
    if is_array(item):
        return to_numpy(item)[()]
    if getattr(item, "ndim", None) == 0 and hasattr(item, "__array__"):
        return numpy.asarray(item)[()]
    raise DTypeError(f"tensor: {a_kind(item)} is not a number: {item!r:.60}")


def _common_dtype(items: Sequence[Any]) -> DType:
    """PyTorch's promotion of the dtypes of all entries; the default dtype when there are none."""
    examples = {type(item): item for item in items}.values()
    found = {item.dtype if isinstance(item, numpy.generic) else scalar_dtype(item) for item in examples}
    for dtype in found:
        require_supported("tensor", dtype)
    return result_type(*(numpy.empty(0, dtype) for dtype in found)) if found else get_default_dtype()
