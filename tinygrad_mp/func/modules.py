"""Modules as functions of their parameters: ``functional_call`` and ``stack_module_state``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias

from tinygrad_mp.errors import DTypeError, SettingError, TapeError, UnsupportedError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops import stack
from tinygrad_mp.tape import TensorBase

__all__ = ["functional_call", "functionalize", "stack_module_state"]


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers in the place of its own, which are back afterwards.

    Parameters
    ----------
    module : Module
    parameter_and_buffer_dicts : dict from names, as ``named_parameters`` has them, to tensors; or several
        Those that are missing are the module's own. Writes into given buffers reach the given tensors.
    args : any, or tuple
        The positional arguments; anything but a tuple is the one of them.
    kwargs : dict, optional
    tie_weights : bool, default True
        A tensor given for one of several names of one parameter is taken for all of them.
    strict : bool, default False
        Raise if the names are not exactly those of the module.

    Errors
    ------
    DTypeError for a value that is no tensor; SettingError if a name appears in two dicts; TapeError for ``strict``.

    >>> import tinygrad_mp as tg
    >>> layer = tg.nn.Linear(2, 1)
    >>> weights = {"weight": tg.ones(1, 2), "bias": tg.zeros(1)}
    >>> functional_call(layer, weights, tg.tensor([1.0, 2.0]))
    tensor([3.])
    """
    given = _merged(parameter_and_buffer_dicts)
    with _exchanged(_changes(module, given, tie_weights, strict)):
        return module(*(() if args is None else args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(one, Mapping) for one in dicts):
        raise SettingError(f"functional_call: a dict of tensors, or several, is wanted, not a {type(dicts).__name__}")
    merged: dict[str, Any] = {}
    for one in dicts:
        twice = merged.keys() & one.keys()
        if twice:
            raise SettingError(f"functional_call: {sorted(twice)} appear in several of the dicts")
        merged.update(one)
    return merged


_Home: TypeAlias = tuple[dict[str, Any], str]
"""Where a tensor of a module stands: a registry of a submodule, and the key in it."""


def _changes(module: Any, given: dict[str, Any], tie_weights: bool, strict: bool) -> list[tuple[_Home, Any]]:
    homes = _homes(module)
    if strict and homes.keys() != given.keys():
        raise TapeError(
            f"functional_call of {type(module).__name__}: missing names {sorted(homes.keys() - given.keys())}, "
            f"unexpected names {sorted(given.keys() - homes.keys())}"
        )
    same: dict[int, list[str]] = {}
    for name, (entries, key) in homes.items():
        same.setdefault(id(entries[key]), []).append(name)
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(value, TensorBase):
            raise DTypeError(f"functional_call: {name} is a {type(value).__name__}, not a tensor")
        if name in homes:
            entries, key = homes[name]
            for other in same[id(entries[key])] if tie_weights else [name]:
                if other == name or other not in given:
                    changes[other] = value
    return [(homes[name], value) for name, value in changes.items()]


@contextmanager
def _exchanged(changes: list[tuple[_Home, Any]]) -> Iterator[None]:
    before = [((entries, key), entries[key]) for (entries, key), _ in changes]
    try:
        for (entries, key), value in changes:
            entries[key] = value
        yield
    finally:
        for (entries, key), value in before:
            entries[key] = value


def _homes(module: Any) -> dict[str, _Home]:
    """The home of each name."""
    homes = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for registry in ("_parameters", "_buffers"):
            entries = vars(part)[registry]
            for key, value in entries.items():
                if value is not None:
                    homes[f"{path}.{key}" if path else key] = (entries, key)
    return homes


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of modules of one class as one dict, stacked along a new first axis, and so the buffers.

    For ensembles: ``vmap(lambda params, buffers, x: functional_call(model, (params, buffers), x), (0, 0, None))``.

    Errors
    ------
    TapeError if there is no module, or they are of different classes or modes.

    >>> from tinygrad_mp import nn
    >>> parameters, buffers = stack_module_state([nn.Linear(3, 2), nn.Linear(3, 2)])
    >>> tuple(parameters["weight"].shape)
    (2, 2, 3)
    """
    if not models:
        raise TapeError("stack_module_state: at least one module is wanted")
    if len({type(model) for model in models}) > 1:
        raise TapeError("stack_module_state: the modules must be of one class")
    if len({model.training for model in models}) > 1:
        raise TapeError("stack_module_state: the modules must all be in training mode, or all in evaluation mode")
    parameters = {}
    with no_grad():
        for name, first in models[0].named_parameters():
            stacked = stack([model.get_parameter(name) for model in models])
            parameters[name] = stacked.requires_grad_(first.requires_grad)
        buffers = {name: stack([model.get_buffer(name) for model in models]) for name, _ in models[0].named_buffers()}
    return parameters, buffers


def functionalize(func: Any, *, remove: str = "mutations") -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    raise UnsupportedError("func.functionalize: in-place operations are not rewritten", fix="call the function itself")
