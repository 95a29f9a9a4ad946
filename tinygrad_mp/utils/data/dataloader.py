"""``DataLoader``: goes through a data set in batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from tinygrad_mp.errors import SettingError
from tinygrad_mp.utils.data.collate import default_collate, default_convert
from tinygrad_mp.utils.data.dataset import IterableDataset, collated, samples
from tinygrad_mp.utils.data.sampler import BatchSampler, Forever, RandomSampler, SequentialSampler, draw_seed
from tinygrad_mp.utils.data.workers import Batches, Fetch, Workers, get_worker_info

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

_FIXED = frozenset({"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"})


class DataLoader(Generic[T_co]):
    """Batches of a data set's samples; each ``for`` goes through it once more.

    Parameters
    ----------
    dataset : Dataset
        With ``__getitem__`` and ``__len__``, or an :class:`IterableDataset`.
    batch_size : int or None, default 1
        None gives the samples one by one, as they are.
    shuffle : bool, default False
        A new random order each time.
    sampler : iterable of int, optional
        The order, in the place of ``shuffle``.
    batch_sampler : iterable of lists of int, optional
        The batches, in the place of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
    num_workers : int, default 0
        Threads that fetch batches ahead. PyTorch has processes here; the data set is copied shallowly for each thread.
        Each draws the random numbers of this package from a stream of its own, so that a seed gives the same batches;
        ``random`` and ``numpy.random`` have one stream for all threads.
    collate_fn : function of a list of samples, optional
        :func:`default_collate` by default; :func:`default_convert` for ``batch_size=None``.
    drop_last : bool, default False
        Leave out a last batch that is shorter.
    timeout : float, default 0
        Seconds to wait for a worker; 0 for ever.
    worker_init_fn : function of a worker's number, optional
        Called in each worker first.
    generator : Generator, optional
        Where the order and the workers' seeds come from.
    prefetch_factor : int, default 2 with workers
        Batches that each worker fetches ahead.
    persistent_workers : bool, default False
        Keep the workers from one epoch to the next.
    pin_memory, multiprocessing_context, pin_memory_device, in_order
        Of no effect: memory is not pinned, there are no processes, and batches come in order.

    Errors
    ------
    ValueError for settings that exclude each other. What the data set raises comes out where its batch would have; the
    batches after it can still be had. RuntimeError after ``timeout``.

    >>> from tinygrad_mp.utils.data import DataLoader
    >>> [batch.tolist() for batch in DataLoader(range(5), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise SettingError("DataLoader: an IterableDataset has its own order: no shuffle, sampler or batch_sampler")
        if sampler is not None and shuffle:
            raise SettingError("DataLoader: shuffle and sampler exclude each other")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise SettingError("DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last")
            batch_size = None
        elif batch_size is None and drop_last:
            raise SettingError("DataLoader: without batches, batch_size=None, there is no last one to drop")
        if sampler is None:
            in_order_of = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
            sampler = Forever() if self._iterable else in_order_of
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.multiprocessing_context, self.in_order = multiprocessing_context, in_order
        self._workers: Workers | None = None
        self._told_length: int | None = None
        self.persistent_workers = persistent_workers  # the last one: from here on some settings are fixed

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "persistent_workers" in vars(self):
            raise SettingError(f"DataLoader: {name} is fixed", fix="make another DataLoader")
        super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_workers": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def __len__(self) -> int:
        """How many batches there are; for an IterableDataset, how many its length lets expect."""
        if not self._iterable:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        length = self._told_length = len(self.dataset)
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        return _Pass(self)

    def _fetcher(self) -> Callable[[Any], Fetch]:
        """Makes, of a data set, the function that makes batches of numbers of samples."""
        if self._iterable:
            return partial(_from_iterable, self.batch_sampler is not None, self.collate_fn, self.drop_last)
        return partial(_from_samples, self.batch_sampler is not None, self.collate_fn)

    def _start_workers(self) -> Workers:
        seed = draw_seed(self.generator)
        return Workers(self.num_workers, self.dataset, self._fetcher(), seed, self.worker_init_fn)


class _Pass:
    """Once through a data set."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader, self._given = loader, 0
        self._indices = iter(loader.sampler if loader.batch_sampler is None else loader.batch_sampler)
        self._batches: Batches | None = None
        self._workers: Workers | None = None
        if not loader.num_workers:
            self._fetch = loader._fetcher()(loader.dataset)
            return
        self._workers = loader._workers or loader._start_workers()
        if loader.persistent_workers:
            loader._workers = self._workers
        ahead = loader.num_workers * max(loader.prefetch_factor or 0, 1)
        self._batches = self._workers.batches(self._indices, ahead, loader.timeout)

    def __iter__(self) -> _Pass:
        return self

    def __next__(self) -> Any:
        try:
            batch = self._fetch(next(self._indices)) if self._batches is None else next(self._batches)
        except StopIteration:
            if self._workers is not None and not self._loader.persistent_workers:
                self._workers.close()
            raise
        self._given += 1
        told = self._loader._told_length
        if told is not None and self._given > told:
            message = f"the IterableDataset told a length of {told}, but sample or batch {self._given} has come"
            warnings.warn(f"DataLoader: {message}; do several workers give the same?", UserWarning, stacklevel=2)
        return batch

    def __len__(self) -> int:
        return len(self._loader)

    def __getstate__(self) -> Any:
        raise NotImplementedError("a pass through a DataLoader cannot be pickled: pickle the DataLoader")


def _from_samples(in_batches: bool, collate: Callable[[Any], Any], dataset: Any) -> Fetch:
    def fetch(indices: Any) -> Any:
        if not in_batches:
            return collate(dataset[indices])
        if collate is default_collate and (batch := collated(dataset, indices)) is not None:
            return batch
        return collate(samples(dataset, indices))

    return fetch


def _from_iterable(in_batches: bool, collate: Callable[[Any], Any], drop_last: bool, dataset: Any) -> Fetch:
    iterator = iter(dataset)

    def fetch(indices: Any) -> Any:
        if not in_batches:
            return collate(next(iterator))
        found = list(islice(iterator, len(indices)))
        if not found or (drop_last and len(found) < len(indices)):
            raise StopIteration
        return collate(found)

    return fetch


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool) -> None:
    if num_workers < 0:
        raise SettingError(f"DataLoader: num_workers must not be negative, not {num_workers}")
    if timeout < 0:
        raise SettingError(f"DataLoader: timeout must not be negative, not {timeout}")
    if prefetch_factor is not None and (not num_workers or prefetch_factor < 0):
        raise SettingError(f"DataLoader: prefetch_factor {prefetch_factor} with {num_workers} workers")
    if persistent and not num_workers:
        raise SettingError("DataLoader: persistent_workers without workers", fix="give num_workers")
