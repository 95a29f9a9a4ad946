"""Data sets, their combinations and splits, samplers and collation give what PyTorch's give."""

from __future__ import annotations

from collections import OrderedDict, UserList, defaultdict, namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp.utils import data
from tinygrad_mp.utils.data import dataloader, dataset, sampler

Pair = namedtuple("Pair", "x y")


class Count(data.IterableDataset[int]):
    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.stop))

    def __len__(self) -> int:
        return self.stop - self.start


def plain(value: Any) -> Any:
    """A nest in which tensors of either package are named tuples of the dtype and the values."""
    if isinstance(value, (tg.Tensor,)) or type(value).__module__ == "torch":
        array = np.asarray(value)
        return ("tensor", str(array.dtype), array.tolist())
    if isinstance(value, dict):
        return type(value).__name__, {key: plain(one) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value).__name__, [plain(one) for one in value]
    if isinstance(value, (list, tuple, UserList)):
        return type(value).__name__, [plain(one) for one in value]
    return value


def samples(package: Any) -> dict[str, list[Any]]:
    t = package.tensor
    return {
        "tensors": [t([1.0, 2.0]), t([3.0, 4.0])],
        "arrays": [np.ones(2), np.zeros(2)],
        "arrays of float32": [np.ones((2, 3), "float32")] * 3,
        "numpy scalars": [np.float32(1), np.float32(2)],
        "numpy float64": [np.float64(1), np.float64(2)],
        "numpy ints": [np.int64(1), np.int64(2)],
        "numpy bools": [np.bool_(True), np.bool_(False)],
        "ints": [1, 2, 3],
        "bools": [True, False],
        "floats": [1.0, 2.5],
        "strings": ["a", "bc"],
        "bytes": [b"a", b"bc"],
        "tuples": [(t(1), 2), (t(3), 4)],
        "named tuples": [Pair(t(1), 0.5), Pair(t(3), 1.5)],
        "lists": [[1, 2.0, "a"], [3, 4.0, "b"]],
        "user lists": [UserList([1, 2.0]), UserList([3, 4.0])],
        "dicts": [{"x": t(1), "y": {"z": (1, "a")}}, {"x": t(2), "y": {"z": (2, "b")}}],
        "ordered dicts": [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
        "default dicts": [defaultdict(int, b=1), defaultdict(int, b=3)],
        "tuples of one": [(1,), (2,)],
        "empty tuples": [(), ()],
    }


@pytest.mark.parametrize("kind", samples(tg))
def test_batches_are_made_as_pytorch_makes_them(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    oracle = torch.utils.data
    ours, theirs = samples(tg)[kind], samples(torch)[kind]
    assert plain(data.default_collate(ours)) == plain(oracle.default_collate(theirs))
    assert plain(data.default_convert(ours)) == plain(oracle.default_convert(theirs))


@pytest.mark.parametrize(
    "batch",
    [
        [object(), object()],
        [{1, 2}, {3}],
        [None, None],
        [np.array(["a"]), np.array(["b"])],
        [(1, 2), (1,)],
        [[1], [1, 2]],
        [{"a": 1}, {"b": 1}],
        [np.ones(2), np.ones(3)],
    ],
)
def test_what_pytorch_cannot_collate_is_refused_with_its_class_of_error(batch: list[Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    with pytest.raises(Exception) as wanted:  # noqa: PT011
        torch.utils.data.default_collate(batch)
    with pytest.raises(type(wanted.value)):
        data.default_collate(batch)


def test_collation_is_recorded() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    data.default_collate([(x[0] * 2, 1), (x[1] * 3, 1)])[0].sum().backward()
    assert x.grad.tolist() == [2.0, 3.0]


def test_a_tensor_dataset_gives_tuples_and_whole_batches() -> None:
    x, y = tg.arange(12).reshape(6, 2), tg.arange(6) * 10
    pairs = data.TensorDataset(x, y)
    assert len(pairs) == 6
    assert [one.tolist() for one in pairs[2]] == [[4, 5], 20]
    assert [one.tolist() for one in pairs[1:3]] == [[[2, 3], [4, 5]], [10, 20]]
    batch = dataset.collated(data.Subset(pairs, [5, 3, 1]), [0, 2])
    assert [one.tolist() for one in batch] == [[[10, 11], [2, 3]], [50, 10]]
    assert plain(batch) == plain(data.default_collate([pairs[5], pairs[1]]))
    with pytest.raises(AssertionError, match=r"\[6, 5\] entries"):
        data.TensorDataset(x, y[:5])
    with pytest.raises(TypeError, match="fix: tensor"):
        data.TensorDataset(np.ones(3))


def test_a_tensor_dataset_keeps_gradients_and_order_of_memory_hidden() -> None:
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (batch,) = dataset.collated(data.TensorDataset(x.T * 1.0), [1, 1])
    batch.sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0], [0.0, 2.0]]


def test_a_subclass_of_a_tensor_dataset_is_asked_for_its_own_samples() -> None:
    class Doubled(data.TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            return tuple(2 * one for one in super().__getitem__(index))

    doubled = Doubled(tg.arange(4))
    assert [batch[0].tolist() for batch in data.DataLoader(doubled, batch_size=2)] == [[0, 2], [4, 6]]
    assert [b[0].tolist() for b in data.DataLoader(data.Subset(doubled, [3, 1]), batch_size=2)] == [[6, 2]]


def test_data_sets_are_put_one_behind_the_other() -> None:
    both = data.TensorDataset(tg.arange(3)) + data.TensorDataset(tg.arange(3, 5))
    assert isinstance(both, data.ConcatDataset)
    assert both.cumulative_sizes == [3, 5]
    assert [both[i][0].item() for i in (0, 2, 3, 4, -1, -5)] == [0, 2, 3, 4, 4, 0]
    with pytest.raises(ValueError, match="no sample -6 among 5"):
        both[-6]
    with pytest.raises(IndexError, match="no sample 5 among 5"):
        both[5]
    with pytest.raises(AssertionError, match="there is no data set"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="fix: use ChainDataset"):
        data.ConcatDataset([Count(0, 2)])


def test_iterable_data_sets_are_chained() -> None:
    chained = Count(0, 2) + Count(5, 7)
    assert isinstance(chained, data.ChainDataset)
    assert (list(chained), len(chained)) == ([0, 1, 5, 6], 4)
    with pytest.raises(AssertionError, match="fix: use ConcatDataset"):
        list(data.ChainDataset([[1, 2]]))


def test_data_sets_are_put_side_by_side() -> None:
    assert data.StackDataset([1, 2], "ab")[1] == (2, "b")
    named = data.StackDataset(x=data.Subset([1, 2, 3], [2, 0]), y="ab")
    assert named[0] == {"x": 3, "y": "a"}
    assert named.__getitems__([1, 0]) == [{"x": 1, "y": "b"}, {"x": 3, "y": "a"}]
    for args, kwargs in (((), {}), (([1],), {"x": [1]}), (([1], [1, 2]), {})):
        with pytest.raises(ValueError, match="StackDataset"):
            data.StackDataset(*args, **kwargs)


def test_a_subset_with_its_own_samples_must_say_how_to_get_many() -> None:
    class Odd(data.Subset[Any]):
        def __getitem__(self, idx: Any) -> Any:
            return -super().__getitem__(idx)

    with pytest.raises(NotImplementedError, match="def __getitems__"):
        Odd([1, 2], [0])
    assert data.Subset(tg.arange(5), [4, 2, 0])[[0, 2]].tolist() == [4, 0]


def test_a_base_class_says_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="Dataset has no __getitem__"):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError, match="IterableDataset has no __iter__"):
        iter(data.IterableDataset())


@pytest.mark.parametrize(
    ("size", "lengths"),
    [
        (10, [3, 7]),
        (10, [0.5, 0.5]),
        (10, [0.33, 0.33, 0.34]),
        (7, [0.1, 0.2, 0.7]),
        (1, [1]),
        (11, [0.9, 0.1]),
        (3, [3]),
    ],
)
def test_random_splits_have_pytorchs_sizes_and_all_samples_once(size: int, lengths: list[Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours = data.random_split(range(size), lengths)
    assert [len(part) for part in ours] == [len(part) for part in torch.utils.data.random_split(range(size), lengths)]
    assert sorted(one for part in ours for one in part) == list(range(size))


def test_random_splits_are_reproducible_and_checked() -> None:
    splits = [data.random_split(range(20), [15, 5], tg.Generator().manual_seed(3)) for _ in range(2)]
    assert [list(part) for part in splits[0]] == [list(part) for part in splits[1]]
    assert splits[0][0].indices != list(range(15))
    with pytest.raises(ValueError, match="add up to 9, the data set has 10"):
        data.random_split(range(10), [4, 5])
    with pytest.raises(ValueError, match=r"fraction 0 is -0\.5"):
        data.random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="part 1 is empty"):
        data.random_split(range(1), [0.5, 0.5])


def test_samplers_give_each_number_once_or_as_asked() -> None:
    tg.manual_seed(0)
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]
    order = list(data.RandomSampler(range(50)))
    assert sorted(order) == list(range(50)) != order
    assert order != list(data.RandomSampler(range(50)))
    more = list(data.RandomSampler(range(5), num_samples=12))
    assert sorted(more[:5]) == sorted(more[5:10]) == list(range(5))
    assert len(more) == 12 == len(data.RandomSampler(range(5), num_samples=12))
    drawn = list(data.RandomSampler(range(3), replacement=True, num_samples=9000))
    assert len(drawn) == 9000
    assert set(drawn) == {0, 1, 2}
    assert sorted(data.SubsetRandomSampler("abc")) == ["a", "b", "c"]  # type: ignore[arg-type]
    assert sorted(data.WeightedRandomSampler([0.0, 1.0, 1.0], 2, replacement=False)) == [1, 2]
    assert len(data.WeightedRandomSampler([1.0], 7)) == 7
    assert [len(data.BatchSampler(range(7), 3, drop)) for drop in (False, True)] == [3, 2]
    assert list(data.BatchSampler(range(7), 3, True)) == [[0, 1, 2], [3, 4, 5]]


def test_samplers_with_a_generator_are_reproducible() -> None:
    def runs(seed: int) -> list[Any]:
        g = tg.Generator().manual_seed(seed)
        return [
            list(data.RandomSampler(range(9), generator=g)),
            list(data.SubsetRandomSampler(range(9), generator=g)),
            list(data.WeightedRandomSampler([1.0] * 9, 9, generator=g)),
        ]

    assert runs(1) == runs(1) != runs(2)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: data.RandomSampler(range(3), num_samples=0), ValueError),
        (lambda: data.RandomSampler([]), ValueError),
        (lambda: data.RandomSampler(range(3), replacement=1), TypeError),  # type: ignore[arg-type]
        (lambda: data.WeightedRandomSampler([1.0], 0), ValueError),
        (lambda: data.WeightedRandomSampler([1.0], True), ValueError),
        (lambda: data.WeightedRandomSampler([1.0], 2, replacement=0), ValueError),  # type: ignore[arg-type]
        (lambda: data.WeightedRandomSampler([[1.0]], 2), ValueError),  # type: ignore[list-item]
        (lambda: data.BatchSampler(range(3), 0, False), ValueError),
        (lambda: data.BatchSampler(range(3), True, False), ValueError),
        (lambda: data.BatchSampler(range(3), 2, 1), ValueError),  # type: ignore[arg-type]
    ],
)
def test_bad_settings_of_samplers_are_refused(make: Any, error: type) -> None:
    with pytest.raises(error):
        make()


def test_the_modules_have_pytorchs_names() -> None:
    assert dataloader.default_collate is data.default_collate
    assert dataset.Dataset is data.Dataset
    assert sampler.SubsetRandomSampler is data.SubsetRandomSampler
    assert tg.utils.data.DataLoader is data.DataLoader
    with pytest.raises(NotImplementedError, match="DistributedSampler is not here"):
        data.DistributedSampler  # noqa: B018
