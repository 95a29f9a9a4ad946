"""Training and evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from tinygrad_mp.nn.module import Module

_lock = Lock()
_evaluating: dict[int, list[Any]] = {}  # by the id of a model: how many contexts it is in, and its modes before


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """A context after which every module is in the mode in which it was.

    >>> from tinygrad_mp import nn
    >>> net = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    >>> with modes_kept(net):
    ...     net = net.eval()
    >>> [module.training for module in net]
    [True, False]
    """
    modes = _modes(model)
    try:
        yield
    finally:
        _set(modes)


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """A context in which a model is in evaluation mode, also if it is in several, of several threads, at once."""
    with _lock:
        held = _evaluating.get(id(model))
        if held is None:
            held = _evaluating[id(model)] = [0, _modes(model)]
            model.eval()
        held[0] += 1
    try:
        yield
    finally:
        with _lock:
            held[0] -= 1
            if not held[0]:
                del _evaluating[id(model)]
                _set(held[1])


def _modes(model: Module) -> list[tuple[Module, bool]]:
    return [(module, module.training) for module in model.modules()]


def _set(modes: list[tuple[Module, bool]]) -> None:
    for module, training in modes:
        module.training = training
