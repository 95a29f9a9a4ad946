"""Run a model once on a few samples to look at it, and leave no trace of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tinygrad_mp.grad_mode import enable_grad
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import is_lazy
from tinygrad_mp.random import fork_rng
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.training.modes import modes_kept
from tinygrad_mp.writes import mark_written


def dry_run(
    model: Any,
    inputs: Any,
    before: Callable[[Module, tuple[Any, ...]], None],
    after: Callable[[Module, tuple[Any, ...], Any], Any],
    training: bool = False,
) -> Any:
    """The outputs of ``model``, recorded; hooks see every module before and after its call.

    ``inputs`` is a tensor, a list or tuple of arguments, or a dict of them by name. What ``after`` returns, unless
    None, replaces the output of the module. With ``training`` the model runs in training mode, otherwise in evaluation
    mode. Modes, hooks, buffers and the default generator are then as they were.
    """
    modules = list(model.modules())
    hooked = [(module, module.__dict__["_hooked"]) for module in modules]
    buffers = [(buffer, buffer.array.copy()) for buffer in model.buffers() if not is_lazy(buffer)] if training else []
    hooks = []
    try:
        for module in modules:
            hooks.append(module.register_forward_pre_hook(before))
            hooks.append(module.register_forward_hook(after))
        with modes_kept(model), fork_rng(), enable_grad():
            model.train(training)
            if isinstance(inputs, Mapping):
                return model(**inputs)
            return model(*inputs) if isinstance(inputs, (list, tuple)) else model(inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, ever in hooked:
            module.__dict__["_hooked"] = ever  # a module that ever had a hook is called the long way
        for buffer, values in buffers:
            buffer.array[...] = values
            mark_written(buffer.array)


def tensors_in(value: Any) -> Iterator[Any]:
    """The tensors in nested tuples, lists and dicts.

    >>> from tinygrad_mp import ones
    >>> [one.shape for one in tensors_in((ones(2), {"more": [ones(3), None]}))]
    [Size([2]), Size([3])]
    """
    if isinstance(value, TensorBase):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from tensors_in(one)
    elif isinstance(value, Mapping):
        yield from tensors_in(tuple(value.values()))


def is_leaf(module: Module) -> bool:
    """Whether a module has no modules inside."""
    return not any(True for _ in module.children())
