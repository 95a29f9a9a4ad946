"""Grad mode: decorators of functions, generators and classes as PyTorch's, inference mode, one mode for each thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import tinygrad_mp as tg


def test_a_decorated_generator_switches_only_while_it_runs() -> None:
    closed = []

    @tg.no_grad()
    def numbers() -> Iterator[bool]:
        try:
            for _ in range(3):
                got = yield tg.is_grad_enabled()
                if got:
                    yield got
        except KeyError:
            yield "caught"  # type: ignore[misc]
        finally:
            closed.append(tg.is_grad_enabled())

    found = []
    for value in numbers():
        found.append((value, tg.is_grad_enabled()))
    assert found == [(False, True)] * 3
    steps = numbers()
    next(steps)
    assert steps.send("sent") == "sent"  # type: ignore[attr-defined]
    assert steps.throw(KeyError()) == "caught"  # type: ignore[attr-defined]
    steps.close()  # type: ignore[attr-defined]
    assert closed == [False, False]
    assert tg.is_grad_enabled()


def test_a_decorated_generator_returns_what_it_returned() -> None:
    @tg.no_grad
    def inner() -> Iterator[int]:
        yield 1
        return 7

    def outer() -> Iterator[int]:
        yield (yield from inner())

    assert list(outer()) == [1, 7]


def test_a_decorated_class_warns_and_makes_its_instances_without_recording() -> None:
    with pytest.warns(FutureWarning, match="class Thing"):

        @tg.no_grad()
        class Thing:
            def __init__(self) -> None:
                self.enabled = tg.is_grad_enabled()

    assert Thing().enabled is False


def test_a_decorated_method_and_recursion() -> None:
    class Thing:
        @tg.no_grad()
        def mode(self, depth: int) -> list[bool]:
            return [tg.is_grad_enabled(), *(self.mode(depth - 1) if depth else [])]

    assert Thing().mode(3) == [False] * 4
    assert tg.is_grad_enabled()


def test_inference_mode_does_not_record_and_can_be_turned_off_inside() -> None:
    x = tg.ones(1, requires_grad=True)
    with tg.inference_mode():
        assert tg.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
        with tg.inference_mode(False):
            assert not tg.is_inference_mode_enabled()
            assert (x * 2).requires_grad
        assert tg.is_inference_mode_enabled()
    assert not tg.is_inference_mode_enabled()

    @tg.inference_mode
    def plain() -> tuple[bool, bool]:
        return tg.is_grad_enabled(), tg.is_inference_mode_enabled()

    @tg.inference_mode(mode=True)
    def called() -> tuple[bool, bool]:
        return tg.is_grad_enabled(), tg.is_inference_mode_enabled()

    assert plain() == called() == (False, True)


def test_a_function_decorated_once_serves_several_threads_in_different_modes() -> None:
    inside, outside = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=30)
    after = {}

    @tg.no_grad()
    def wait(first: bool) -> None:
        inside.wait()
        if not first:
            outside.wait()  # the first thread leaves while this one is inside

    def run(first: bool) -> None:
        with tg.set_grad_enabled(first):
            wait(first)
            after[first] = tg.is_grad_enabled()
            if first:
                outside.wait()

    threads = [threading.Thread(target=run, args=(first,)) for first in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert after == {True: True, False: False}
