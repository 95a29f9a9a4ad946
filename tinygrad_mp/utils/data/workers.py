"""Threads that fetch batches ahead of their use.

Each worker has a queue of tasks and one of results, and tasks are dealt out in turn: so batches come in their order
whichever worker is faster, and a worker's random numbers depend on its own tasks only. NumPy and files let other
threads run while they work; a data set in pure Python gains nothing from workers.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from tinygrad_mp.backend.random_bits import BitStream, draw_in_this_thread_from
from tinygrad_mp.errors import TinygradError

Fetch = Callable[[Any], Any]
"""Makes a batch of numbers of samples."""


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker may know of itself: its number, how many there are, its seed, and its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Here(threading.local):
    info: WorkerInfo | None = None


_here = _Here()


def get_worker_info() -> WorkerInfo | None:
    """The number of the calling worker and what else it may know, see :class:`WorkerInfo`; None outside of workers."""
    return _here.info


class Exhausted:
    """The result of a worker whose data set has no more samples."""


@dataclass
class _Failure:
    error: BaseException


class _Round:
    """The number of the present epoch, which tells workers that tasks of an earlier one are not wanted any more."""

    number = 0
    over = False


class Workers:
    """Threads with their queues.

    Parameters
    ----------
    count : int
    dataset : Dataset
        Each worker has a shallow copy.
    fetcher : function of a data set
        Called at the begin of an epoch; what it returns makes the batches.
    seed : int
        Worker ``i`` draws its random numbers from this seed plus ``i``.
    initialize : function of a worker's number, optional
    """

    def __init__(
        self, count: int, dataset: Any, fetcher: Callable[[Any], Fetch], seed: int, initialize: Any = None
    ) -> None:
        self.round = _Round()
        self.tasks: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(count)]
        self.results: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(count)]
        self.threads = []
        for number in range(count):
            info = WorkerInfo(number, count, seed + number, _own_copy(dataset))
            queues = (self.tasks[number], self.results[number])
            arguments = (info, *queues, self.round, fetcher, initialize)
            name = f"DataLoader worker {number}"
            self.threads.append(threading.Thread(target=_work, args=arguments, name=name, daemon=True))
        # Threads do not hold this object: when it is dropped they are told to end.
        self.stop = weakref.finalize(self, _stop, self.round, self.tasks)
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        """End the threads and wait for them."""
        self.stop()
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()

    def batches(self, indices: Iterator[Any], ahead: int, timeout: float) -> Batches:
        """The batches of these numbers, fetched up to ``ahead`` tasks before they are asked for."""
        return Batches(self, indices, ahead, timeout)


class Batches:
    """The results of one epoch, in order. One that failed raises its error; the ones after it can still be had."""

    def __init__(self, workers: Workers, indices: Iterator[Any], ahead: int, timeout: float) -> None:
        self.workers, self.indices, self.timeout = workers, indices, timeout
        workers.round.number += 1
        self.number = workers.round.number
        self.active = deque(range(len(workers.threads)))
        self.waiting: deque[int] = deque()
        for _ in range(ahead):
            self._deal()

    def _deal(self) -> None:
        """Give the next task to the worker whose turn it is."""
        if not self.active:
            return
        try:
            task = next(self.indices)
        except StopIteration:
            return
        worker = self.active[0]
        self.active.rotate(-1)
        self.workers.tasks[worker].put((self.number, task))
        self.waiting.append(worker)

    def __next__(self) -> Any:
        while self.waiting:
            worker = self.waiting[0]
            result = self._result(worker)
            self.waiting.popleft()
            if isinstance(result, Exhausted):
                if worker in self.active:
                    self.active.remove(worker)
                self._deal()
                continue
            self._deal()
            if isinstance(result, _Failure):
                raise result.error
            return result
        raise StopIteration

    def _result(self, worker: int) -> Any:
        while True:
            try:
                number, result = self.workers.results[worker].get(timeout=self.timeout or None)
            except Empty:
                raise TinygradError(
                    f"DataLoader: worker {worker} gave no batch within {self.timeout} seconds",
                    fix="look for what the data set waits for, or give a longer timeout",
                ) from None
            if number == self.number:
                return result


def _own_copy(dataset: Any) -> Any:
    try:
        return copy.copy(dataset)
    except Exception:  # a data set need not be copyable
        return dataset


def _stop(present: _Round, tasks: list[SimpleQueue[Any]]) -> None:
    present.over = True
    for queue in tasks:
        queue.put(None)


def _work(
    info: WorkerInfo,
    tasks: SimpleQueue[Any],
    results: SimpleQueue[Any],
    present: _Round,
    fetcher: Callable[[Any], Fetch],
    initialize: Callable[[int], Any] | None,
) -> None:
    """What a worker's thread does."""
    _here.info = info
    draw_in_this_thread_from(BitStream(info.seed))
    failure: BaseException | None = None
    unprepared, begun, fetch = "", 0, None
    try:
        if initialize is not None:
            initialize(info.id)
    except Exception as error:
        failure, unprepared = _noted(error, info), f"worker {info.id} could not be prepared: {error!r}"
    while (task := tasks.get()) is not None and not present.over:
        number, indices = task
        if number != present.number:
            continue
        result: Any = None
        try:
            if unprepared:
                raise failure or TinygradError(unprepared)
            if fetch is None or begun != number:
                fetch, begun = fetcher(info.dataset), number
            result = fetch(indices)
        except StopIteration:
            result = Exhausted()
        except Exception as error:
            result = _Failure(error if error is failure else _noted(error, info))
        results.put((number, result))
        # An error leads, over its traceback, to the loop that it ends: a thread that kept it would live for ever.
        failure = result = task = None


def _noted(error: BaseException, info: WorkerInfo) -> BaseException:
    error.add_note(f"in DataLoader worker {info.id} of {info.num_workers}")
    return error
