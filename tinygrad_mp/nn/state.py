"""Copy saved values into a module: all of them, or none when something does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tinygrad_mp.backend import array_on, device_of, is_array
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.writes import mark_written


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` did not find in the state, and what it found there but had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def load(module: Any, state: Any, strict: bool) -> IncompatibleKeys:
    """Check the whole of ``state`` against ``module``, then copy; see :meth:`Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict takes a dict of names and tensors, not {type(state).__name__}")
    targets = module.state_dict(keep_vars=True)
    missing = [name for name in targets if name not in state]
    unexpected = [name for name in state if name not in targets]
    values = {name: _array(state[name]) for name in targets if name in state}
    problems = [
        problem
        for name, value in values.items()
        if (problem := _problem(name, value, targets[name].array, state[name]))
    ]
    if strict:
        problems += [f"{name}: missing from the state" for name in missing]
        problems += [f"{name}: in the state, but not in the module" for name in unexpected]
    if problems:
        lines = "\n  ".join(problems)
        fix = "build the module as it was when the state was saved"
        if strict and (missing or unexpected):
            fix += "; strict=False passes over missing and unexpected names"
        raise TinygradError(
            f"{type(module).__name__}.load_state_dict: the state does not fit, nothing was loaded\n  {lines}", fix=fix
        )
    for name, value in values.items():
        array = targets[name].array
        array[...] = array_on(device_of(array), value)
        mark_written(array)
    return IncompatibleKeys(missing, unexpected)


def _array(value: Any) -> Any:
    return value.array if isinstance(value, TensorBase) else value


def _problem(name: str, value: Any, target: Any, given: Any) -> str | None:
    if not is_array(value):
        return f"{name}: expected a tensor, the state has {type(given).__name__}"
    if value.shape != target.shape:
        return f"{name}: shape {target.shape} in the module, {value.shape} in the state"
    return None
