"""Batches for a model: of arrays, by row numbers; or as a loader, a data set, or a generator gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy

from tinygrad_mp.backend import array_on, to_numpy
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.random import Generator, randperm
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training.arrays import Rows, as_input, expect_finite, rows_of
from tinygrad_mp.training.targets import Targets, as_labels
from tinygrad_mp.training.untouched import same_random_numbers
from tinygrad_mp.utils.data import DataLoader, Dataset, IterableDataset


class Batch(NamedTuple):
    """Some samples: the inputs of the model (a tuple, or a dict of keyword arguments), and what belongs to them.

    ``targets`` and ``weight`` are tensors in the dtype of the parameters, for the loss; ``encoded`` and ``weights`` are
    the same as arrays, not rounded, for the metrics.
    """

    inputs: Any
    targets: Any
    weight: Any
    size: int
    encoded: Any = None
    weights: Any = None

    @property
    def mass(self) -> float:
        """The number of samples, or the sum of their weights."""
        return self.size if self.weights is None else float(self.weights.sum())


@dataclass(frozen=True)
class Placement:
    """How a model wants its inputs: the dtype of its parameters, their device, and whether integers stay integers."""

    dtype: Any
    device: Any
    keep_integers: bool

    def inputs(self, rows: Rows, index: Any) -> Any:
        """Some rows, as arguments for the model."""
        made = [as_input(rows_of(array, index), *self._how()) for array in rows.arrays]
        return tuple(made) if rows.names is None else dict(zip(rows.names, made, strict=True))

    def _how(self) -> tuple[Any, Any, bool]:
        return self.dtype, self.device, self.keep_integers

    def batch(self, inputs: Any, encoded: Any, targets: Targets, weights: Any, size: int) -> Batch:
        """A batch with targets: class indices as they are, other numbers and weights in the dtype of the parameters."""
        numbers = encoded if targets.form == "labels" else encoded.astype(self.dtype, copy=False)
        weight = None if weights is None else wrap(Tensor, array_on(self.device, weights.astype(self.dtype)))
        return Batch(inputs, wrap(Tensor, array_on(self.device, numbers)), weight, size, encoded, weights)


class ArrayFeed:
    """Batches of arrays.

    Parameters
    ----------
    rows, y, weight : the inputs; the targets, or None; a weight for each row, or None
    targets : Targets
    placement : Placement
    batch_size : int
    index : int array, optional
        The rows to take; by default all.
    generator : Generator, optional
        Shuffles them anew at every pass.
    class_weights : array (classes,), optional
    least : int, default 1
        A last batch of fewer rows joins the one before.
    """

    def __init__(
        self,
        rows: Rows,
        y: Any,
        targets: Targets | None,
        placement: Placement,
        batch_size: int,
        *,
        weight: Any = None,
        index: Any = None,
        generator: Generator | None = None,
        class_weights: Any = None,
        least: int = 1,
    ) -> None:
        self.rows, self.y, self.targets, self.placement = rows, y, targets, placement
        self.batch_size, self.weight, self.index, self.generator = batch_size, weight, index, generator
        self.class_weights, self.least = class_weights, least
        self.size = len(rows) if index is None else len(index)

    def __len__(self) -> int:
        whole, rest = divmod(self.size, self.batch_size)
        return whole + (rest >= self.least or (rest > 0 and not whole))

    def __iter__(self) -> Iterator[Batch]:
        order = self.index
        if self.generator is not None:
            shuffled = randperm(self.size, generator=self.generator).array
            order = shuffled if order is None else order[shuffled]
        count = len(self)
        for number in range(count):
            start = number * self.batch_size
            stop = start + self.batch_size if number < count - 1 else self.size
            yield self.batch(slice(start, stop) if order is None else order[start:stop], stop - start)

    def known_length(self) -> int:
        """Batches a pass."""
        return len(self)

    def known_targets(self) -> Targets:
        """How targets are written."""
        return _known(self.targets)

    def batch(self, index: Any, size: int) -> Batch:
        """The batch of some rows."""
        inputs = self.placement.inputs(self.rows, index)
        if self.y is None or self.targets is None:
            return Batch(inputs, None, None, size)
        encoded = self.targets.encode(rows_of(self.y, index))
        weight = None if self.weight is None else self.weight[index]
        weight = weighted(self.targets, encoded, weight, self.class_weights)
        return self.placement.batch(inputs, encoded, self.targets, weight, size)


def _known(targets: Targets | None) -> Targets:
    if targets is None:
        raise RuntimeError("a feed for training or evaluation has targets")
    return targets


def weighted(targets: Targets, encoded: Any, weight: Any, class_weights: Any) -> Any:
    """The weight of each sample: its own, times that of its class; None for neither."""
    if class_weights is None:
        return weight
    of_classes = targets.weights_of(to_numpy(encoded), class_weights)
    return of_classes if weight is None else weight * of_classes


class StreamFeed:
    """Batches from elsewhere: ``(x, y)`` or ``(x, y, weight)``, ``x`` perhaps a tuple or a dict of inputs; or only x.

    Parameters
    ----------
    source : DataLoader, Dataset, iterable, or function that returns an iterator
        A function or a DataLoader starts anew at every pass; a generator goes on where it was.
    batch_size : int
        For a Dataset.
    steps : int, optional
        Batches a pass. By default as many as there are.
    shuffle : bool
        For a Dataset.
    """

    def __init__(self, source: Any, batch_size: int, steps: int | None = None, shuffle: bool = False) -> None:
        if isinstance(source, Dataset):
            source = DataLoader(source, batch_size, shuffle=shuffle and not isinstance(source, IterableDataset))
        self.source, self.steps = source, steps
        self.targets: Targets | None = None
        self.placement: Placement | None = None
        self.class_weights: Any = None
        self._start: Callable[[], Iterator[Any]] = lambda: iter(source() if callable(source) else source)
        self.once = not callable(source) and iter(source) is source if not isinstance(source, DataLoader) else False
        if self.once:
            self._rest = source
            self._start = lambda: self._rest

    def __len__(self) -> int:
        if self.steps is not None:
            return self.steps
        return len(self.source)

    def known_length(self) -> int | None:
        """Batches a pass, where that is known."""
        try:
            return len(self)
        except TypeError:
            return None

    def known_targets(self) -> Targets:
        """How targets are written."""
        return _known(self.targets)

    def first(self) -> tuple[Any, Any, Any]:
        """The first batch, to learn shapes from; the next pass begins with it."""
        if self.once:
            item = next(self._rest, None)
            self._rest = self._rest if item is None else chain([item], self._rest)
        else:
            with same_random_numbers(self.source):  # looking must not change what training draws
                item = next(self._start(), None)
        if item is None:
            raise SettingError("there are no batches: the loader or generator is empty")
        return parts(item)

    def __iter__(self) -> Iterator[Batch]:
        items, item = self._start(), None
        for item in items if self.steps is None else islice(items, self.steps):
            yield self.batch(*parts(item))
        if item is None and not self.once:
            raise SettingError(
                "a pass over the data gave no batches", fix="a function must make a new iterator at every call"
            )

    def batch(self, x: Any, y: Any, weight: Any) -> Batch:
        """A batch as the user gave it, ready for the model."""
        placement, targets = self.placement, self.targets
        if placement is None:
            raise RuntimeError("a StreamFeed needs a placement before it gives batches")
        rows = Rows(x, "x")
        inputs = placement.inputs(rows, slice(None))
        if targets is None:
            return Batch(inputs, None, None, len(rows))
        if y is None:
            raise SettingError("a batch has no targets: (x, y) or (x, y, weight) is wanted")
        labels = as_labels(y)
        if len(labels) != len(rows):
            raise ShapeError(f"a batch has {len(rows)} samples and {len(labels)} targets")
        if len(rows):
            targets.expect(labels)
        encoded = targets.encode(labels)
        own = None if weight is None else sample_weights(weight, len(rows))
        total = weighted(targets, encoded, own, self.class_weights)
        return placement.batch(inputs, encoded, targets, total, len(rows))


Feed = ArrayFeed | StreamFeed


def parts(item: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of what a loader gave; None for what is not there."""
    if isinstance(item, (tuple, list)):
        if len(item) not in (1, 2, 3):
            raise SettingError(
                f"a batch has {len(item)} parts: (x, y) or (x, y, weight) is wanted",
                fix="for several inputs give ((x1, x2), y)",
            )
        return (*item, None, None)[:3]
    return item, None, None


def is_stream(given: Any) -> bool:
    """Whether something gives batches, rather than being rows."""
    if isinstance(given, (DataLoader, Dataset)) or hasattr(given, "__next__"):
        return True
    if isinstance(given, (list, tuple, dict, str)) or hasattr(given, "__array__") or hasattr(given, "dtype"):
        return False
    return callable(given) or hasattr(given, "__iter__")


def sample_weights(given: Any, count: int) -> Any:
    """A weight for each sample, as an array on the host; SettingError for what makes no sense."""
    array = to_numpy(as_labels(given, "sample_weight"))
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"sample_weight has dtype {array.dtype}: numbers are wanted")
    if array.shape not in ((count,), (count, 1)):
        raise ShapeError(f"sample_weight has shape {array.shape}, there are {count} samples")
    array = array.reshape(count).astype(numpy.float64)
    expect_finite(array, "sample_weight")
    if (array < 0).any():
        raise SettingError("sample_weight has negative entries", fix="give weights of at least 0")
    return array
