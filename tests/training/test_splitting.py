"""The rows that are held out: a share of each class, the same ones ever after, whatever data come later."""

import numpy as np
import pytest

from tinygrad_mp.errors import SettingError
from tinygrad_mp.random import Generator
from tinygrad_mp.training.arrays import Rows
from tinygrad_mp.training.splitting import Split, digests


def divide(X, labels=None, fraction=0.2, split=None, seed=0, shuffle=True):
    return (split or Split()).divide(Rows(X), fraction, labels, Generator().manual_seed(seed), shuffle)


def rows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)


def test_every_class_gives_its_share_to_the_nearest_row():
    labels = np.repeat([0, 1, 2], [100, 50, 7])
    train, out, how = divide(rows(157), labels)
    assert sorted([*train, *out]) == list(range(157))
    assert len(out) == round(157 * 0.2)
    shares = np.bincount(labels[out])
    assert abs(shares - np.array([20, 10, 1.4])).max() < 1
    assert "from each class its share" in how


def test_a_class_is_never_held_out_whole():
    labels = np.array([0] * 20 + [1])
    for seed in range(20):
        train, _, _ = divide(rows(21), labels, fraction=0.9, seed=seed)
        assert set(labels[train]) == {0, 1}


def test_many_small_classes_still_give_a_share_of_all():
    labels = np.arange(200) // 2
    _, out, _ = divide(rows(200), labels)
    assert len(out) == 40
    assert np.bincount(labels[out]).max() == 1


def test_the_same_seed_draws_the_same_rows_and_another_draws_others():
    X = rows(100)
    assert divide(X)[1].tolist() == divide(X)[1].tolist()
    assert divide(X)[1].tolist() != divide(X, seed=1)[1].tolist()


def test_a_later_training_leaks_nothing_however_the_data_are_mixed_and_extended():
    X, split = rows(100), Split()
    train, out, _ = divide(X, split=split)
    mixed = np.random.default_rng(1).permutation(100)
    later = np.concatenate([X[mixed], rows(50, seed=2)])
    train_later, out_later, _ = divide(later, split=split, seed=9)

    def as_set(array):
        return {row.tobytes() for row in array}

    assert not as_set(X[train]) & as_set(later[out_later])
    assert not as_set(X[out]) & as_set(later[train_later])
    assert as_set(X[out]) <= as_set(later[out_later])
    assert len(out_later) == 20 + 10  # a share of the new rows too


def test_without_shuffling_the_last_rows_are_held_out():
    train, out, how = divide(rows(10), shuffle=False, fraction=0.3)
    assert train.tolist() == list(range(7))
    assert out.tolist() == [7, 8, 9]
    assert "by time" in how


def test_the_last_rows_are_as_many_as_is_nearest():
    assert [len(divide(rows(10), shuffle=False, fraction=share)[1]) for share in (0.24, 0.26, 0.28)] == [2, 3, 3]


def test_rows_trained_on_are_not_held_out_by_time_later():
    X, split = rows(10), Split()
    divide(X, split=split, shuffle=False, fraction=0.3)
    _, out, _ = divide(X[:8], split=split, shuffle=False, fraction=0.5)
    assert out.tolist() == [7]


def test_rows_that_were_held_out_by_time_stay_so_when_more_follow():
    X, split = rows(30), Split()
    divide(X[:10], split=split, shuffle=False)
    train, out, _ = divide(X, split=split, shuffle=False)
    assert out.tolist() == [8, 9, *range(24, 30)]
    assert not set(train) & set(out)
    assert not np.isin(split.trained, split.held_out).any()


def test_rows_that_were_trained_on_without_evaluation_are_not_held_out_later():
    X, split = rows(30), Split()
    split.remember(Rows(X[:20]))
    _, out, _ = divide(X, split=split, fraction=0.5)
    assert len(out) == 5
    assert out.min() >= 20
    split.remember(Rows(X))
    train, out, how = divide(X, split=split)
    assert (len(train), len(out)) == (30, 0)
    assert how == "as earlier trainings of this model used all rows"


def test_rows_are_known_again_in_any_dtype():
    X = rows(50).astype(np.float64)
    whole = np.arange(50)[:, None] * np.ones(3, np.uint8)
    for one, others in ((X, (X.astype(np.float32), X.tolist())), (whole, (whole.astype(np.float32), whole + 0.0))):
        for other in others:
            assert (digests(Rows(one)) == digests(Rows(other))).all()


def test_equal_rows_stay_on_one_side():
    X = np.repeat(rows(50), 2, axis=0)
    train, out, _ = divide(X)
    assert len(out)
    assert not {row.tobytes() for row in X[train]} & {row.tobytes() for row in X[out]}


@pytest.mark.parametrize(("count", "held_out"), [(1, 0), (2, 0), (3, 1)])
def test_a_few_rows_leave_some_to_train_on(count, held_out):
    train, out, _ = divide(rows(count))
    assert (len(train), len(out)) == (count - held_out, held_out)


def test_rows_that_are_all_alike_are_trained_on():
    train, out, _ = divide(np.zeros((10, 3)))
    assert (len(train), len(out)) == (10, 0)


@pytest.mark.parametrize("fraction", [1.0, -0.1, 2])
def test_a_share_that_is_none_is_refused(fraction):
    with pytest.raises(SettingError, match="auto_evaluation must be a fraction"):
        divide(rows(10), fraction=fraction)


def test_digests_tell_rows_apart_by_all_their_bytes():
    X = np.zeros((300, 7), np.uint8)
    X[np.arange(255) + 1, 6] = np.arange(1, 256)
    assert len(np.unique(digests(Rows(X[:256])))) == 256
    pair = (rows(100), np.arange(100))
    assert len(np.unique(digests(Rows(pair)))) == 100
    assert (digests(Rows(pair)) != digests(Rows((pair[0], np.arange(100) + 1)))).all()
