"""Batches from samples: tensors are stacked, numbers made tensors, and containers keep their form."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy

from tinygrad_mp import ops
from tinygrad_mp.backend import xp
from tinygrad_mp.creation import as_tensor, tensor
from tinygrad_mp.dtypes import float64
from tinygrad_mp.errors import ShapeError
from tinygrad_mp.layout import settle
from tinygrad_mp.tape import TensorBase, wrap


def default_collate(batch: Any) -> Any:
    """One batch from a list of samples of one form.

    Tensors and NumPy arrays are stacked along a new first axis; numbers become a tensor (floats in float64, as in
    PyTorch); strings and bytes stay a list; mappings, named tuples and sequences are gone into, tuples becoming lists.

    Errors
    ------
    TypeError for anything else. RuntimeError for sequences of different lengths or tensors of different shapes.

    >>> from tinygrad_mp import tensor
    >>> default_collate([(tensor([1, 2]), 0), (tensor([3, 4]), 1)])
    [tensor([[1, 2],
            [3, 4]]), tensor([0, 1])]
    >>> default_collate([{"name": "a"}, {"name": "b"}])
    {'name': ['a', 'b']}
    """
    first = batch[0]
    if isinstance(first, TensorBase):
        return _stack(batch)
    if isinstance(first, numpy.ndarray):
        _refuse_text(first)
        return _stack([as_tensor(array) for array in batch])
    if isinstance(first, (numpy.number, numpy.bool_)):
        return as_tensor(numpy.stack(batch))
    if isinstance(first, (bool, int)):
        return tensor(list(batch))
    if isinstance(first, float):
        return tensor(list(batch), dtype=float64)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _mapping(first, lambda key: default_collate([sample[key] for sample in batch]))
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in batch}
        if len(lengths) > 1:
            raise ShapeError(
                f"default_collate: each sample must be a {type(first).__name__} of equal size, found {sorted(lengths)}",
                fix="pad them in the data set, or give the DataLoader a collate_fn",
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return _sequence(first, columns)
    raise _unknown(type(first))


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars made tensors, in containers too; all else as it is. What batch_size=None does.

    >>> import numpy
    >>> default_convert({"x": numpy.ones(2), "name": "a"})
    {'x': tensor([1., 1.], dtype=float64), 'name': 'a'}
    """
    if isinstance(data, (TensorBase, str, bytes)):
        return data
    if isinstance(data, (numpy.ndarray, numpy.generic)):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping(data, lambda key: default_convert(data[key]))
    if isinstance(data, Sequence):
        return _sequence(data, [default_convert(one) for one in data])
    return data


def _stack(tensors: Sequence[Any]) -> Any:
    """A batch of tensors; without the tape where nothing is recorded."""
    shapes = {tensor.shape for tensor in tensors}
    if len(shapes) > 1 or any(tensor.node is not None for tensor in tensors):
        return ops.stack(list(tensors))
    arrays = [settle(tensor) for tensor in tensors]
    return wrap(tensors[0].result_class, xp(arrays[0]).stack(arrays))


def _mapping(like: Any, value: Callable[[Any], Any]) -> Any:
    """A mapping of the same kind with a value for each key; a dict where that cannot be made."""
    values = {key: value(key) for key in like}
    if type(like) is dict:
        return values
    try:
        if not isinstance(like, MutableMapping):
            return type(like)(values)
        clone = copy.copy(like)  # which keeps, for example, the factory of a defaultdict
        clone.update(values)
        return clone
    except TypeError:
        return values


def _sequence(like: Any, values: list[Any]) -> Any:
    """A sequence of the same kind; a list for tuples, and where it cannot be made."""
    if isinstance(like, tuple):
        return type(like)(*values) if hasattr(like, "_fields") else values
    if type(like) is list:
        return values
    try:
        if not isinstance(like, MutableSequence):
            return type(like)(values)
        clone = copy.copy(like)
        for position, value in enumerate(values):
            clone[position] = value
        return clone
    except TypeError:
        return values


def _refuse_text(array: Any) -> None:
    if array.dtype.kind in "SUO":
        raise _unknown(array.dtype)


def _unknown(kind: Any) -> TypeError:
    return TypeError(
        f"default_collate: a batch holds tensors, numpy arrays, numbers, strings, dicts or lists; found {kind}\n"
        "  fix: convert the samples in the data set, or give the DataLoader a collate_fn"
    )
