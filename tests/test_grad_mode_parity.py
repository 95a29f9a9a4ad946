"""Which results need a gradient, inside of any nest of grad modes: as PyTorch says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")

MODES = ("no_grad", "enable_grad", "set True", "set False")
nests = st.recursive(
    st.just(()), lambda inner: st.lists(st.tuples(st.sampled_from(MODES), inner), max_size=3).map(tuple), max_leaves=8
)


def _mode(engine: Any, name: str) -> Any:
    if name.startswith("set "):
        return engine.set_grad_enabled(name == "set True")
    return getattr(engine, name)()


def _walk(engine: Any, nest: Any, seen: list[Any]) -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    seen.append((engine.is_grad_enabled(), (x * 2).requires_grad, (x.detach() * 2).requires_grad))
    for mode, inner in nest:
        with _mode(engine, mode):
            _walk(engine, inner, seen)
        seen.append(engine.is_grad_enabled())


@given(nests)
def test_nested_modes_say_what_is_recorded(nest: Any) -> None:
    ours: list[Any] = []
    theirs: list[Any] = []
    with tg.enable_grad(), torch.enable_grad():
        _walk(tg, nest, ours)
        _walk(torch, nest, theirs)
    assert ours == theirs


@given(st.sampled_from(MODES), st.sampled_from(MODES))
def test_decorated_functions_come_back_to_the_mode_around_them(outer: str, inner: str) -> None:
    found = []
    for engine in (tg, torch):
        x = engine.tensor([1.0], requires_grad=True)
        seen: list[Any] = []

        @_mode(engine, inner)
        def decorated(x: Any = x, seen: list[Any] = seen) -> None:
            seen.append((x * 2).requires_grad)

        with _mode(engine, outer):
            decorated()
            seen.append((x * 2).requires_grad)
        seen.append((x * 2).requires_grad)
        found.append(seen)
    assert found[0] == found[1]
