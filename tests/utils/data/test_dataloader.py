"""A DataLoader gives PyTorch's batches, with and without workers, and lets nothing get lost: errors, threads, seeds."""

from __future__ import annotations

import gc
import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp.utils import data

WORKERS = [0, 1, 3]


class Squares(data.Dataset[int]):
    def __len__(self) -> int:
        return 11

    def __getitem__(self, index: int) -> int:
        if index >= 11:
            raise IndexError(index)
        return index**2


class Count(data.IterableDataset[int]):
    def __init__(self, stop: int, length: int | None = None) -> None:
        self.stop, self.length = stop, length

    def __iter__(self) -> Iterator[int]:
        info = data.get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        return iter(range(start, self.stop, step))

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("no length")
        return self.length


class Broken(Squares):
    def __getitem__(self, index: int) -> int:
        if index == 4:
            raise ZeroDivisionError("sample 4")
        return index


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("DataLoader worker")}


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threads()
    yield
    if threads() - before:
        gc.collect()
    deadline = time.monotonic() + 10
    while threads() - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads() - before


def lists(loader: Any) -> list[Any]:
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in loader]


SETTINGS: list[dict[str, Any]] = [
    {},
    {"batch_size": 4},
    {"batch_size": 4, "drop_last": True},
    {"batch_size": 11},
    {"batch_size": 20},
    {"batch_size": None},
    {"batch_size": 3, "sampler": [5, 1, 1, 8]},
    {"sampler": range(10, 0, -3)},
    {"batch_sampler": [[1, 2], [3], [10, 0, 0]]},
    {"batch_size": 4, "collate_fn": lambda samples: tuple(samples)},
    {"batch_size": None, "sampler": [[1, 2], [3]], "collate_fn": str},
]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.filterwarnings("ignore:.*worker processes in total")
def test_batches_and_lengths_are_pytorchs(settings: dict[str, Any], workers: int) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")

    class Numbers(data.Dataset[Any]):
        def __len__(self) -> int:
            return 11

        def __getitem__(self, index: Any) -> Any:
            return np.arange(11)[index] * 2

    loader = data.DataLoader(Numbers(), num_workers=workers, **settings)
    oracle = torch.utils.data.DataLoader(Numbers(), **settings)
    assert lists(loader) == lists(oracle)
    assert len(loader) == len(oracle)
    assert lists(loader) == lists(oracle)  # and once more


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [None, 1, 3, 20])
def test_iterable_data_sets_give_pytorchs_batches(batch_size: int | None, drop_last: bool) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")

    class Theirs(torch.utils.data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[int]:
            return iter(range(10))

        def __len__(self) -> int:
            return 10

    drop = {"drop_last": drop_last} if batch_size else {}
    loader = data.DataLoader(Count(10, 10), batch_size, **drop)
    oracle = torch.utils.data.DataLoader(Theirs(), batch_size, **drop)
    assert lists(loader) == lists(oracle)
    assert len(loader) == len(oracle)


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "wanted"),
    [
        (2, False, [[0, 3], [1, 4], [2, 5], [6, 9], [7], [8]]),
        (2, True, [[0, 3], [1, 4], [2, 5], [6, 9]]),
        (None, False, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_workers_share_an_iterable_data_set(batch_size: Any, drop_last: bool, wanted: list[Any]) -> None:
    loader = data.DataLoader(Count(10), batch_size, num_workers=3, drop_last=drop_last)
    assert lists(loader) == lists(loader) == wanted


def test_workers_that_have_more_go_on_when_others_are_done() -> None:
    class Uneven(data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            info = data.get_worker_info()
            assert info is not None
            return iter([(info.id, n) for n in range([1, 5, 0][info.id])])

    found = list(data.DataLoader(Uneven(), batch_size=None, num_workers=3))
    assert found == [[0, 0], [1, 0], [1, 1], [1, 2], [1, 3], [1, 4]]


@pytest.mark.parametrize("workers", WORKERS)
def test_an_epoch_is_shuffled_anew_and_a_seed_repeats_it(workers: int) -> None:
    def epochs(seed: int) -> list[Any]:
        tg.manual_seed(seed)
        loader = data.DataLoader(Squares(), 3, shuffle=True, num_workers=workers)
        return [lists(loader), lists(loader)]

    first, second = epochs(0)
    assert first != second
    for epoch in (first, second):
        assert sorted(number for batch in epoch for number in batch) == [n**2 for n in range(11)]
    assert epochs(0) == [first, second]
    assert epochs(1) != [first, second]


def test_a_generator_decides_the_order_alone() -> None:
    def order(seed: int) -> list[Any]:
        return lists(data.DataLoader(range(20), shuffle=True, generator=tg.Generator().manual_seed(seed)))

    before = tg.get_rng_state().tolist()
    assert order(3) == order(3) != order(4)
    assert tg.get_rng_state().tolist() == before


def test_random_numbers_in_workers_are_reproducible_however_fast_the_workers_are() -> None:
    class Noisy(data.Dataset[Any]):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, index: int) -> Any:
            time.sleep(np.random.default_rng().uniform(0, 2e-3))
            return tg.rand(2)

    def run(workers: int) -> list[Any]:
        tg.manual_seed(5)
        found = []
        for batch in data.DataLoader(Noisy(), 2, num_workers=workers):
            found.append((batch.tolist(), tg.rand(1).tolist()))
        return found

    assert run(3) == run(3)
    assert len({str(batch) for batch, _ in run(3)}) == 6


def test_a_seed_set_in_a_worker_stays_there() -> None:
    tg.manual_seed(5)
    expected = tg.rand(2).tolist()
    tg.manual_seed(5)

    class Seeding(Squares):
        def __getitem__(self, index: int) -> Any:
            tg.manual_seed(index)
            return tg.rand(1)

    class Asking(Squares):
        def __getitem__(self, index: int) -> Any:
            tg.manual_seed(index)
            return tg.rand(1).item()

    seen = lists(data.DataLoader(Asking(), None, num_workers=2, generator=tg.Generator()))
    assert tg.rand(2).tolist() == expected
    again = lists(data.DataLoader(Asking(), None, num_workers=1, generator=tg.Generator()))
    assert seen == again


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_comes_where_its_batch_would_have_and_the_rest_can_still_be_had(workers: int) -> None:
    batches = iter(data.DataLoader(Broken(), 3, num_workers=workers))
    assert next(batches).tolist() == [0, 1, 2]
    with pytest.raises(ZeroDivisionError, match="sample 4") as caught:
        next(batches)
    assert any(entry.name == "__getitem__" for entry in caught.traceback)
    if workers:
        assert "in DataLoader worker" in caught.value.__notes__[0]
    assert next(batches).tolist() == [6, 7, 8]
    assert next(batches).tolist() == [9, 10]
    with pytest.raises(StopIteration):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)


def test_workers_know_who_they_are_and_are_prepared() -> None:
    assert data.get_worker_info() is None
    prepared, seen = [], []

    class Asking(Squares):
        def __getitem__(self, index: int) -> int:
            info = data.get_worker_info()
            assert info is not None
            seen.append((info.id, info.num_workers, info.seed, type(info.dataset)))
            return index

    tg.manual_seed(0)
    loader = data.DataLoader(Asking(), 4, num_workers=2, worker_init_fn=prepared.append)
    assert lists(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert sorted(prepared) == [0, 1]
    seeds = {one[0]: one[2] for one in seen}
    assert seeds[1] == seeds[0] + 1
    assert {one[1] for one in seen} == {2}
    assert {one[3] for one in seen} == {Asking}


def test_each_worker_has_a_copy_of_the_data_set() -> None:
    class Range(data.IterableDataset[int]):
        def __init__(self, start: int, stop: int) -> None:
            self.start, self.stop = start, stop

        def __iter__(self) -> Iterator[int]:
            return iter(range(self.start, self.stop))

    def share(worker: int) -> None:
        info = data.get_worker_info()
        assert info is not None
        part = (info.dataset.stop - info.dataset.start) // info.num_workers
        info.dataset.start += worker * part
        info.dataset.stop = info.dataset.start + part

    source = Range(0, 8)
    loader = data.DataLoader(source, 2, num_workers=2, worker_init_fn=share)
    assert lists(loader) == [[0, 1], [4, 5], [2, 3], [6, 7]]
    assert (source.start, source.stop) == (0, 8)


def test_an_error_of_the_preparation_comes_out() -> None:
    def refuse(worker: int) -> None:
        raise LookupError(f"worker {worker}")

    batches = iter(data.DataLoader(Squares(), num_workers=2, worker_init_fn=refuse))
    for worker in (0, 1):
        with pytest.raises(LookupError, match=f"worker {worker}"):
            next(batches)
    with pytest.raises(RuntimeError, match="worker 0 could not be prepared: LookupError"):
        next(batches)


def test_a_loop_that_an_error_ends_leaves_no_thread() -> None:
    with pytest.raises(ZeroDivisionError):
        list(data.DataLoader(Broken(), num_workers=2))


def test_workers_that_stay_are_prepared_once_and_end_with_the_loader() -> None:
    prepared: list[int] = []
    settings = {"num_workers": 2, "worker_init_fn": prepared.append, "persistent_workers": True}
    loader = data.DataLoader(Squares(), 4, **settings)
    assert lists(loader) == lists(loader)
    assert sorted(prepared) == [0, 1]
    assert len(threads()) >= 2
    half = iter(loader)
    next(half)
    assert lists(loader) == [[0, 1, 4, 9], [16, 25, 36, 49], [64, 81, 100]]  # an epoch that was left is forgotten


def test_workers_end_when_a_loop_is_left() -> None:
    before = threads()
    for batch in data.DataLoader(Squares(), 2, num_workers=2, prefetch_factor=1):
        assert batch.tolist() == [0, 1]
        break
    gc.collect()
    deadline = time.monotonic() + 10
    while threads() - before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not threads() - before


def test_batches_are_fetched_ahead_but_not_further_than_asked() -> None:
    fetched: list[int] = []

    class Watched(Squares):
        def __getitem__(self, index: int) -> int:
            fetched.append(index)
            return index

    batches = iter(data.DataLoader(Watched(), num_workers=1, prefetch_factor=3))
    deadline = time.monotonic() + 10
    while len(fetched) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    assert fetched == [0, 1, 2]
    next(batches)
    while len(fetched) < 4 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.02)
    assert fetched == [0, 1, 2, 3]


def test_a_worker_that_hangs_is_reported() -> None:
    release = threading.Event()

    class Hanging(Squares):
        def __getitem__(self, index: int) -> int:
            release.wait(20)
            return index

    batches = iter(data.DataLoader(Hanging(), num_workers=1, timeout=0.05))
    with pytest.raises(RuntimeError, match=r"worker 0 gave no batch within 0.05 seconds"):
        next(batches)
    release.set()
    assert next(batches).tolist() == [0]


def test_a_length_that_was_told_too_small_is_noticed() -> None:
    loader = data.DataLoader(Count(4, 3), batch_size=None)
    assert len(loader) == 3
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    with pytest.warns(UserWarning, match="told a length of 3"):
        next(batches)


def test_a_data_set_without_length_has_a_loader_without_length() -> None:
    with pytest.raises(TypeError):
        len(data.DataLoader(Count(4)))


def test_an_epoch_of_tensors_is_the_same_with_and_without_the_short_cut() -> None:
    x, y = tg.randn(23, 3), tg.arange(23)
    pairs = data.TensorDataset(x, y)
    short = data.DataLoader(pairs, 5, shuffle=True, generator=tg.Generator().manual_seed(1))
    long = data.DataLoader(
        pairs, 5, shuffle=True, generator=tg.Generator().manual_seed(1), collate_fn=lambda b: data.default_collate(b)
    )
    for ours, theirs in zip(short, long, strict=True):
        assert type(ours) is type(theirs) is list
        assert all((a.array == b.array).all() and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


def test_batches_of_tensors_are_copies() -> None:
    x = tg.zeros(4, 2)
    (batch,) = next(iter(data.DataLoader(data.TensorDataset(x), 4)))
    batch.fill_(1.0)
    assert x.sum().item() == 0


def test_a_loader_can_be_pickled_but_a_pass_cannot() -> None:
    loader = data.DataLoader(data.TensorDataset(tg.arange(5)), 2)
    again = pickle.loads(pickle.dumps(loader))
    assert [batch[0].tolist() for batch in again] == [[0, 1], [2, 3], [4]]
    with pytest.raises(NotImplementedError, match="pickle the DataLoader"):
        pickle.dumps(iter(loader))


@pytest.mark.parametrize(
    "settings",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"num_workers": 1, "prefetch_factor": -1},
        {"persistent_workers": True},
        {"shuffle": True, "sampler": [1]},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_sampler": [[1]], "shuffle": True},
        {"batch_sampler": [[1]], "sampler": [1]},
        {"batch_sampler": [[1]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 2.5},
    ],
)
def test_settings_that_exclude_each_other_are_refused(settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    with pytest.raises(ValueError):  # noqa: PT011
        torch.utils.data.DataLoader(Squares(), **settings)
    with pytest.raises(ValueError, match=r"DataLoader|BatchSampler"):
        data.DataLoader(Squares(), **settings)


@pytest.mark.parametrize("settings", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_an_iterable_data_set_has_its_own_order(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="its own order"):
        data.DataLoader(Count(3), **settings)


def test_settings_are_fixed_once_the_loader_is_made() -> None:
    loader = data.DataLoader(Squares(), 2)
    with pytest.raises(ValueError, match="batch_size is fixed"):
        loader.batch_size = 3
    loader.collate_fn = list
    assert lists(loader)[0] == [0, 1]


def test_switches_that_change_nothing_are_accepted() -> None:
    loader = data.DataLoader(Squares(), 4, pin_memory=True, pin_memory_device="cuda", in_order=False)
    assert loader.pin_memory is True
    assert len(lists(loader)) == 3
