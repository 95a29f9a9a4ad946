"""Run a model and leave no trace: weights, buffers, modes, attributes and random numbers are then as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter, is_lazy
from tinygrad_mp.random import Generator, default_generator
from tinygrad_mp.writes import mark_written


@contextmanager
def untouched(*models: Module) -> Iterator[None]:
    """A context after which the modules are what they were before it, to the bit, and also if it raises.

    That is, their classes, attributes, parameters and buffers: what is built within has no shape again. The model
    itself is used, no copy, so that a ``forward=`` that refers to layers by other names works as ever. Gradients are
    not looked after: take them by ``autograd.grad``, which writes none.
    """
    modules = list(dict.fromkeys(module for model in models for module in model.modules()))
    photos = [_Photo(module) for module in modules]
    own = [one for module in modules for one in vars(module).values() if isinstance(one, Generator)]
    try:
        with same_random_numbers(*own):
            yield
    finally:
        for photo in photos:
            photo.restore()


class _Photo:
    """A module at one moment."""

    def __init__(self, module: Module) -> None:
        self.module, self.kind, self.attributes = module, type(module), dict(vars(module))
        self.containers = [(one, one.copy()) for one in self.attributes.values() if isinstance(one, (dict, list, set))]
        held = [one for one in (*module._parameters.values(), *module._buffers.values()) if one is not None]
        self.waiting = [(one, type(one), one.requires_grad, one.device, one.dtype) for one in held if is_lazy(one)]
        self.values = [(one, one.array, one.array.copy(), one.node) for one in held if not is_lazy(one)]

    def restore(self) -> None:
        for container, before in self.containers:  # the same objects: handles of hooks refer to them
            container.clear()
            container.extend(before) if isinstance(container, list) else container.update(before)
        self.module.__class__ = self.kind
        vars(self.module).clear()
        vars(self.module).update(self.attributes)
        for tensor, kind, requires_grad, device, dtype in self.waiting:
            if not is_lazy(tensor):
                expected = UninitializedParameter if isinstance(tensor, Parameter) else UninitializedBuffer
                tensor.__class__ = kind if issubclass(kind, expected) else expected
                tensor._start(requires_grad, device, dtype)
        for tensor, array, before, node in self.values:
            tensor.array, tensor.node = array, node
            if to_numpy(array).tobytes() != to_numpy(before).tobytes():  # a write would spoil the user's tapes
                array[...] = before
                mark_written(array)


@contextmanager
def same_random_numbers(*holders: Any) -> Iterator[None]:
    """Put the state of all random numbers back at the end: the default ones, Python's, NumPy's, and the holders'.

    A holder is a Generator, or a DataLoader that has some.
    """
    found = (default_generator, *(one for holder in holders for one in _generators(holder)))
    ours = {id(one): one for one in found}.values()
    states, python, old = [one.get_state() for one in ours], random.getstate(), numpy.random.get_state()
    try:
        yield
    finally:
        for one, state in zip(ours, states, strict=True):
            one.set_state(state)
        random.setstate(python)
        numpy.random.set_state(old)


def _generators(holder: Any) -> Iterator[Generator]:
    if isinstance(holder, Generator):
        yield holder
    for one in (holder, getattr(holder, "sampler", None), getattr(holder, "batch_sampler", None)):
        found = getattr(one, "generator", None)
        if isinstance(found, Generator):
            yield found
