"""Large work is split over threads: every part once, errors raised, results as with one thread."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.backend import threads


@pytest.fixture(autouse=True)
def count_is_restored() -> Iterator[None]:
    before = tg.get_num_threads()
    yield
    tg.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("length", [0, 1, 5, 1000])
def test_every_place_is_worked_on_exactly_once(number: int, length: int) -> None:
    tg.set_num_threads(number)
    visits = numpy.zeros(length, dtype=int)

    def visit(low: int, high: int) -> None:
        visits[low:high] += 1

    threads.split(visit, length, cost=1e9)
    assert (visits == 1).all()


def test_large_work_runs_in_several_threads_and_small_work_in_one() -> None:
    tg.set_num_threads(2)
    both, names = threading.Barrier(2, timeout=30), []

    def meet(low: int, high: int) -> None:
        both.wait()  # passes only if two threads are here at once
        names.append(threading.current_thread().name)

    threads.split(meet, 2, cost=1e9)
    assert sorted(names) == sorted([threading.current_thread().name, "tinygrad_mp"])
    parts = []
    threads.split(lambda low, high: parts.append((low, high)), 2, cost=1000)
    assert parts == [(0, 2)]


@pytest.mark.parametrize("where", [0, 99])
def test_an_error_in_any_part_is_raised_after_all_have_ended(where: int) -> None:
    tg.set_num_threads(2)
    ended = []

    def fail(low: int, high: int) -> None:
        if low <= where < high:
            raise ZeroDivisionError("here")
        ended.append(low)

    with pytest.raises(ZeroDivisionError, match="here"):
        threads.split(fail, 100, cost=1e9)
    assert len(ended) == 1
    threads.split(lambda low, high: ended.append(low), 2, cost=1e9)
    assert len(ended) == 3, "the threads live on after an error"


def test_work_that_splits_again_does_so_in_its_own_thread() -> None:
    tg.set_num_threads(2)
    parts = []

    def outer(low: int, high: int) -> None:
        threads.split(lambda a, b: parts.append((a, b)), 10, cost=1e9)

    threads.split(outer, 2, cost=1e9)
    assert parts == [(0, 10), (0, 10)]


def test_the_callers_settings_for_floating_point_errors_hold_in_every_thread() -> None:
    tg.set_num_threads(2)

    def divide(low: int, high: int) -> None:
        numpy.ones(high - low) / 0

    with numpy.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.split(lambda low, high: divide(low, high) if low else None, 2, cost=1e9)
    with numpy.errstate(divide="ignore"):
        threads.split(divide, 2, cost=1e9)


def test_two_threads_may_split_at_once() -> None:
    tg.set_num_threads(2)
    totals = numpy.zeros(4)

    def use(place: int) -> None:
        for _ in range(50):
            found = numpy.zeros(100)

            def add(low: int, high: int, found: object = found) -> None:
                found[low:high] += 1  # type: ignore[index]

            threads.split(add, 100, cost=1e9)
            totals[place] += found.sum()

    users = [threading.Thread(target=use, args=(place,)) for place in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join(timeout=60)
    assert (totals == 5000).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 40), (40, 70)),
        ((70, 40), (40, 3)),
        ((5, 2, 9, 8), (5, 2, 8, 7)),
        ((5, 9, 8), (8, 7)),
        ((1, 9, 8), (4, 8, 7)),
        ((9, 1), (1, 7)),
        ((5, 9, 1), (1, 7)),
        ((1, 9, 1), (4, 1, 7)),
    ],
)
def test_split_products_are_those_of_numpy(
    left: tuple[int, ...], right: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_LEAST_PRODUCT", 0)
    monkeypatch.setattr(threads, "_PRODUCTS_PER_NANOSECOND", 1e-9)
    tg.set_num_threads(3)
    rng = numpy.random.default_rng(0)
    a, b = (rng.integers(-3, 4, shape).astype(dtype) for shape in (left, right))
    for first in (a, numpy.asfortranarray(a)):
        found = threads.product(first, b)
        assert found.dtype == dtype
        numpy.testing.assert_array_equal(found, numpy.matmul(a, b))
        room = numpy.empty_like(found)
        assert threads.product(first, b, out=room) is room
        numpy.testing.assert_array_equal(room, found)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True, None])
def test_a_number_of_threads_that_makes_no_sense_is_refused(wrong: object) -> None:
    with pytest.raises(tg.SettingError, match="whole number above 0"):
        tg.set_num_threads(wrong)  # type: ignore[arg-type]


def _fresh(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", code], env=inherited | environment, capture_output=True, text=True, check=False
    )


def test_the_environment_says_how_many_threads() -> None:
    code = "import tinygrad_mp as tg; print(tg.get_num_threads())"
    assert int(_fresh(code, TINYGRAD_MP_NUM_THREADS="3", OMP_NUM_THREADS="5").stdout) == 3
    assert int(_fresh(code, OMP_NUM_THREADS="5").stdout) == 5
    assert int(_fresh(code).stdout) >= 1
    refused = _fresh(code, TINYGRAD_MP_NUM_THREADS="many")
    assert refused.returncode != 0
    assert "TINYGRAD_MP_NUM_THREADS must be a whole number above 0, not 'many'" in refused.stderr
    assert "_Pool" not in refused.stderr.splitlines()[-2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
def test_a_forked_child_makes_threads_of_its_own() -> None:
    code = """
import os, tinygrad_mp as tg
from tinygrad_mp.backend.threads import split
tg.set_num_threads(2)
split(lambda low, high: None, 2, 1e9)
child = os.fork()
if child == 0:
    parts = []
    split(lambda low, high: parts.append(low), 2, 1e9)
    os._exit(0 if len(parts) == 2 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == "0"
