"""Orders in which to go through a data set: numbers of samples, and lists of numbers for batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

from tinygrad_mp.creation import as_tensor
from tinygrad_mp.dtypes import float64
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.random import Generator, multinomial, randint, randperm

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of samplers: a subclass writes ``__iter__`` and, where it is known, ``__len__``."""

    def __init__(self, data_source: Any = None) -> None:
        """Do nothing: subclasses of older programs pass their data set on."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__ method")


class SequentialSampler(Sampler[int]):
    """All samples in their order.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """All samples in random order, a new one each time.

    Parameters
    ----------
    data_source : Dataset
    replacement : bool, default False
        Draw each number from all.
    num_samples : int, optional
        As many as the data set has by default; with more and without replacement, one order after the other.
    generator : Generator, optional

    >>> sorted(RandomSampler("abc"))
    [0, 1, 2]
    """

    def __init__(
        self, data_source: Sized, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be True or False, not {replacement!r}")
        self.data_source, self.replacement = data_source, replacement
        self._num_samples, self.generator = num_samples, generator
        _positive("RandomSampler: num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many numbers there will be."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size, left = len(self.data_source), self.num_samples
        # A generator of its own, so that what is drawn between two numbers does not change the order.
        generator = self.generator or Generator().manual_seed(draw_seed(None))
        while left > 0:
            if self.replacement:
                numbers = randint(size, (min(left, 1 << 12),), generator=generator).tolist()
            else:
                numbers = randperm(size, generator=generator).tolist()[:left]
            left -= len(numbers)
            yield from numbers

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Given numbers in random order.

    Parameters
    ----------
    indices : sequence
    generator : Generator, optional
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        for position in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Numbers drawn with probability proportional to weights.

    Parameters
    ----------
    weights : sequence of float
        One for each sample of the data set.
    num_samples : int
    replacement : bool, default True
    generator : Generator, optional

    >>> list(WeightedRandomSampler([0.0, 1.0], 3))
    [1, 1, 1]
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        _positive("WeightedRandomSampler: num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise SettingError(f"WeightedRandomSampler: replacement must be True or False, not {replacement!r}")
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.ndim != 1:
            raise ShapeError(
                f"WeightedRandomSampler: weights must have one axis, not shape {tuple(self.weights.shape)}"
            )
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        yield from multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[Any]]):
    """Lists of ``batch_size`` numbers of another sampler, the last one perhaps shorter.

    Parameters
    ----------
    sampler : Sampler, or any iterable
    batch_size : int
    drop_last : bool
        Leave a shorter last one out.

    >>> list(BatchSampler(range(5), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        _positive("BatchSampler: batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise SettingError(f"BatchSampler: drop_last must be True or False, not {drop_last!r}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[Any]]:
        numbers = iter(self.sampler)
        while batch := list(islice(numbers, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        size = len(self.sampler)  # type: ignore[arg-type]
        return size // self.batch_size if self.drop_last else -(-size // self.batch_size)


class Forever(Sampler[None]):
    """Takes the place of a sampler for data sets that choose their samples themselves."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


def draw_seed(generator: Any) -> int:
    """A seed from a generator, by default the default one."""
    return int(randint(0, 2**62, (1,), generator=generator).item())


def _positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise SettingError(f"{name} must be a positive integer, not {value!r}")
