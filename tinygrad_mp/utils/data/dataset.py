"""Data sets: things with samples by number, or samples one after the other, and what can be made of them."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy

from tinygrad_mp.backend import to_numpy, xp
from tinygrad_mp.errors import IndexRangeError, SettingError, ShapeError
from tinygrad_mp.layout import settle
from tinygrad_mp.ops.gathering import index_select
from tinygrad_mp.random import randperm
from tinygrad_mp.tape import TensorBase, wrap

T_co = TypeVar("T_co", covariant=True)


class MismatchError(ShapeError, AssertionError):
    """Data sets that do not belong together; PyTorch asserts that they do."""


class Dataset(Generic[T_co]):
    """Base of data sets with samples by number: a subclass writes ``__getitem__`` and, for most uses, ``__len__``.

    A subclass may also write ``__getitems__``, which takes a list of numbers and returns a list of samples: a
    :class:`DataLoader` then asks for a whole batch at once.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 10
    ...
    ...     def __getitem__(self, index):
    ...         return index**2
    >>> Squares()[3]
    9
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__ method")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Base of data sets with samples one after the other: a subclass writes ``__iter__``.

    With several workers each goes through a copy of its own: share the samples out by :func:`get_worker_info`.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__ method")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Tensors of equal length: sample ``i`` is the tuple of the entries ``i`` of all.

    Parameters
    ----------
    *tensors : Tensor

    Errors
    ------
    An AssertionError, as in PyTorch, if their first axes differ.

    >>> from tinygrad_mp import arange
    >>> TensorDataset(arange(3), arange(3) * 10)[1]
    (tensor(1), tensor(10))
    """

    def __init__(self, *tensors: Any) -> None:
        for tensor in tensors:
            if not isinstance(tensor, TensorBase):
                fix = "tensor(data), or from_numpy(array)"
                raise TypeError(f"TensorDataset takes tensors, not a {type(tensor).__name__}\n  fix: {fix}")
        lengths = [tensor.shape[0] for tensor in tensors]
        if len(set(lengths)) > 1:
            raise MismatchError(f"TensorDataset: the tensors have {lengths} entries along their first axes")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def collated(self, indices: Any) -> list[Any]:
        """What :func:`default_collate` makes of the samples with these numbers, without making the samples."""
        rows = numpy.asarray(indices)
        return [_rows(tensor, rows) for tensor in self.tensors]


def _rows(tensor: Any, rows: Any) -> Any:
    array = settle(tensor)
    module = xp(array)
    if tensor.node is not None:
        return index_select(tensor, 0, wrap(tensor.result_class, module.asarray(rows)))
    return wrap(tensor.result_class, module.take(array, module.asarray(rows), axis=0))


class StackDataset(Dataset[Any]):
    """Data sets side by side: sample ``i`` is the tuple, or dict, of their samples ``i``.

    Parameters
    ----------
    *args : Dataset, for tuples; or **kwargs : Dataset, for dicts

    Errors
    ------
    ValueError for both, or none, or data sets of different lengths.

    >>> StackDataset(x=[1, 2, 3], y="abc")[1]
    {'x': 2, 'y': 'b'}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise SettingError("StackDataset takes data sets without names, or with names, and at least one")
        self.datasets: Any = args or kwargs
        lengths = [len(dataset) for dataset in self._columns()]
        if len(set(lengths)) > 1:
            raise ShapeError(f"StackDataset: the data sets have {lengths} samples")
        self._length = lengths[0]

    def _columns(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _row(self, values: Iterable[Any]) -> Any:
        return dict(zip(self.datasets, values, strict=True)) if isinstance(self.datasets, dict) else tuple(values)

    def __getitem__(self, index: Any) -> Any:
        return self._row(dataset[index] for dataset in self._columns())

    def __getitems__(self, indices: list[int]) -> list[Any]:
        columns = [samples(dataset, indices) for dataset in self._columns()]
        for column in columns:
            if len(column) != len(indices):
                raise ShapeError(
                    f"StackDataset: {len(column)} samples from __getitems__, {len(indices)} were asked for"
                )
        return [self._row(values) for values in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


def samples(dataset: Any, indices: list[Any]) -> Any:
    """The samples with these numbers, at once where the data set can do that."""
    at_once = getattr(dataset, "__getitems__", None)
    return at_once(indices) if callable(at_once) else [dataset[index] for index in indices]


class ConcatDataset(Dataset[T_co]):
    """Data sets one behind the other; also ``first + second``.

    Parameters
    ----------
    datasets : iterable of Dataset

    >>> both = ConcatDataset([[1, 2], [30, 40, 50]])
    >>> len(both), both[1], both[2], both[-1]
    (5, 2, 30, 50)
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise MismatchError("ConcatDataset: there is no data set")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise MismatchError("ConcatDataset: an IterableDataset has no numbered samples", fix="use ChainDataset")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T_co:
        if idx < -len(self):
            raise SettingError(f"ConcatDataset: there is no sample {idx} among {len(self)}")
        idx = idx + len(self) if idx < 0 else idx
        position = bisect_right(self.cumulative_sizes, idx)
        if position == len(self.datasets):
            raise IndexRangeError(f"ConcatDataset: there is no sample {idx} among {len(self)}")
        start = self.cumulative_sizes[position - 1] if position else 0
        sample: T_co = self.datasets[position][idx - start]
        return sample


class ChainDataset(IterableDataset[Any]):
    """Iterable data sets one after the other; also ``first + second``."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise MismatchError(
                    f"ChainDataset: a {type(dataset).__name__} is no IterableDataset", fix="use ConcatDataset"
                )
            yield dataset

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())


class Subset(Dataset[T_co]):
    """Some samples of a data set, in a given order.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int

    A subclass that writes ``__getitem__`` must write ``__getitems__`` too, or a DataLoader would pass it over.

    >>> odd = Subset([10, 11, 12, 13], [3, 1])
    >>> odd[0], len(odd)
    (13, 2)
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        cls = type(self)
        if cls.__getitem__ is not Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__} has a __getitem__ of its own, but a DataLoader calls __getitems__\n"
                "  fix: def __getitems__(self, indices): return [self[index] for index in indices]"
            )
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, idx: Any) -> T_co:
        chosen: Any = [self.indices[one] for one in idx] if isinstance(idx, list) else self.indices[idx]
        sample: T_co = self.dataset[chosen]
        return sample

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        chosen: list[T_co] = samples(self.dataset, [self.indices[index] for index in indices])
        return chosen

    def __len__(self) -> int:
        return len(self.indices)


def collated(dataset: Any, indices: list[Any]) -> Any:
    """The batch of these samples as :func:`default_collate` makes it, where that takes one step; None elsewhere."""
    cls = type(dataset)
    if isinstance(dataset, Subset) and cls.__getitems__ is Subset.__getitems__:
        return collated(dataset.dataset, [dataset.indices[index] for index in indices])
    if not isinstance(dataset, TensorDataset) or hasattr(cls, "__getitems__"):
        return None
    plain = cls.__getitem__ is TensorDataset.__getitem__ and all(type(index) is int for index in indices)
    return dataset.collated(indices) if plain else None


def random_split(dataset: Any, lengths: Sequence[float], generator: Any = None) -> list[Subset[Any]]:
    """Cut a data set into parts at random, without overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int, or of fractions that add up to 1
        Samples that fractions leave over go to the first parts, one each.
    generator : Generator, optional
        For a split that is always the same.

    Errors
    ------
    ValueError if the lengths do not add up to the data set's, or a fraction lies outside [0, 1].

    >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25])]
    [6, 2, 2]
    """
    size, total = len(dataset), sum(lengths)
    sizes = [int(length) for length in lengths]
    if math.isclose(total, 1) and total <= 1:
        for position, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise SettingError(f"random_split: fraction {position} is {fraction}, not between 0 and 1")
        sizes = [math.floor(size * fraction) for fraction in lengths]
        for position in range(size - sum(sizes)):
            sizes[position % len(sizes)] += 1
        for position, length in enumerate(sizes):
            if length == 0:
                warnings.warn(f"random_split: part {position} is empty", UserWarning, stacklevel=2)
    elif total != size:
        raise SettingError(f"random_split: the lengths add up to {total}, the data set has {size} samples")
    order = to_numpy(randperm(size, generator=generator).array).tolist()
    return [Subset(dataset, order[stop - length : stop]) for stop, length in zip(accumulate(sizes), sizes, strict=True)]
