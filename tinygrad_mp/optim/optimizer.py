"""``Optimizer``: parameter groups, state, and one step over all that has a gradient. Subclasses bring the formula."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy

from tinygrad_mp import gradients
from tinygrad_mp.backend import array_on, device_of, is_array, to_numpy, xp
from tinygrad_mp.errors import DeviceError, DTypeError, SettingError, ShapeError, TapeError
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written

Group = dict[str, Any]


class Optimizer:
    """Base of all optimizers. A subclass passes its defaults here and writes :meth:`update`.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        Leaves to optimize; or groups ``{"params": ..., "lr": ...}``, each with settings of its own.
    defaults : dict
        Settings of groups that do not bring their own.

    Attributes
    ----------
    param_groups : list of dict
        Settings may be changed between steps: ``optimizer.param_groups[0]["lr"] = 0.01``.
    state : dict
        What the optimizer remembers of each parameter, as tensors under PyTorch's names.

    Errors
    ------
    SettingError if there is no parameter, one comes twice, or a setting makes no sense. TapeError for a tensor that
    was computed from others. TypeError for anything but tensors.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        name = type(self).__name__
        if isinstance(params, TensorBase):
            raise TypeError(f"{name} takes an iterable of tensors or groups, not one tensor\n  fix: pass [tensor]")
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        groups = _listed(name, params)
        if not groups:
            raise SettingError(
                f"{name}: there are no parameters to optimize",
                fix="parameters() gives them once: make a new call, or list(...), for every use",
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # --- to be written by subclasses ---

    def check(self, group: Group) -> None:
        """Raise SettingError if the settings of a group make no sense."""

    def update(self, parameter: Any, g: Any, group: Group) -> None:
        """Write the next value of a parameter into ``parameter.array``; ``g`` is the array of its gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no update method")

    # --- groups ---

    def add_param_group(self, param_group: Any) -> None:
        """Add parameters, with settings of their own; what the group leaves out comes from the defaults."""
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f'{name}: a parameter group is a dict with an entry "params", not {param_group!r:.60}')
        given = param_group["params"]
        parameters = [given] if isinstance(given, TensorBase) else _listed(name, given)
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        for position, parameter in enumerate(parameters):
            if not isinstance(parameter, Tensor):
                raise TypeError(f"{name}: parameter {position} is a {type(parameter).__name__}, not a tensor")
            if not parameter.is_leaf:
                raise TapeError(
                    f"{name}: parameter {position}, shape {parameter.shape}, is the result of {parameter.node!r}; "
                    "only leaves can be optimized",
                    fix="pass the tensors it was computed from, or x.detach().requires_grad_()",
                )
            if id(parameter) in known:
                raise SettingError(
                    f"{name}: parameter {position} of the group, shape {parameter.shape}, is there twice",
                    fix="list each tensor once, in one group",
                )
            known.add(id(parameter))
        group = {**self.defaults, **param_group, "params": parameters}
        self.check(group)
        self.param_groups.append(group)

    def require(self, setting: str, value: Any, low: float = 0.0, below: float = float("inf")) -> None:
        """Raise SettingError unless ``low <= value < below``."""
        name = type(self).__name__
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: {setting} must be a number, not {value!r}") from None
        if not low <= number < below:
            interval = f"in [{low:g}, {below:g})" if below < float("inf") else f"finite and at least {low:g}"
            raise SettingError(f"{name}: {setting} must be {interval}, not {value!r}")

    # --- stepping ---

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or with ``set_to_none=False`` fill them with zeros."""
        for group in self.param_groups:
            gradients.clear(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss anew, calls ``backward`` and returns the loss, which ``step`` then returns.

        Errors
        ------
        ShapeError, DTypeError or DeviceError if a gradient does not match its parameter; then nothing has changed.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            due = self._due()
            for parameter, _, _ in due:
                mark_written(parameter.array)
            self.advance(due)
        return loss

    def advance(self, due: list[tuple[Any, Any, Group]]) -> None:
        """Update all parameters that are due: each with the array of its gradient and its group."""
        for parameter, g, group in due:
            self.update(parameter, g, group)

    def _due(self) -> list[tuple[Any, Any, Group]]:
        """Parameters with the arrays of their gradients and their groups; all checked before the first is changed."""
        due = []
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    g, array = parameter.grad.array, parameter.array
                    if g.shape != array.shape or g.dtype != array.dtype or type(g) is not type(array):
                        raise self._mismatch(parameter)
                    due.append((parameter, g, group))
        return due

    def _mismatch(self, parameter: Any) -> Exception:
        found, wanted = parameter.grad, parameter
        kind, what, has, needs = (
            (ShapeError, "shape", found.shape, wanted.shape)
            if found.shape != wanted.shape
            else (DTypeError, "dtype", found.dtype, wanted.dtype)
            if found.dtype != wanted.dtype
            else (DeviceError, "device", found.device, wanted.device)
        )
        error = kind(
            f"a gradient has {what} {has}, its parameter {needs}", fix="set .grad to None, or to one that matches"
        )
        error.locate(f"{type(self).__name__}.step", (("parameter", parameter), ("grad", parameter.grad)))
        return error

    # --- saving ---

    def state_dict(self) -> dict[str, Any]:
        """Settings and state in PyTorch's layout: parameters are numbered through all groups. Tensors share memory."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            numbers.update((id(p), number) for number, p in enumerate(group["params"], start=len(numbers)))
            groups.append({**group, "params": [numbers[id(p)] for p in group["params"]]})
        state = {numbers[id(p)]: dict(entries) for p, entries in self.state.items() if entries}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over settings and a copy of the state; what follows is bit for bit as it would have been.

        Errors
        ------
        SettingError if groups differ in number or size, ShapeError if state does not fit a parameter; then nothing
        has changed.
        """
        name, saved = type(self).__name__, state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved]
        if sizes != saved_sizes:
            raise SettingError(
                f"{name}.load_state_dict: the groups hold {sizes} parameters, those in the state {saved_sizes}",
                fix="make the optimizer over the same parameters, in the same groups, as when it was saved",
            )
        pairs = [
            (number, parameter)
            for group, ours in zip(saved, self.param_groups, strict=True)
            for number, parameter in zip(group["params"], ours["params"], strict=True)
        ]
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, parameter in pairs:
            if number in state_dict["state"]:
                entries = state_dict["state"][number]
                state[parameter] = {key: self._restored(key, value, parameter) for key, value in entries.items()}
        groups = []
        for group, ours in zip(saved, self.param_groups, strict=True):
            settings = {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
            groups.append({**ours, **settings})
        self.state, self.param_groups = state, groups

    def _restored(self, key: str, value: Any, parameter: Any) -> Any:
        """A copy of one saved value, with the dtype and on the device of its parameter."""
        array = value.array if isinstance(value, TensorBase) else value
        if key == "step":
            return counter(to_numpy(array) if is_array(array) else array)
        if not is_array(array):
            return copy.deepcopy(value)
        if array.shape != parameter.shape:
            raise ShapeError(
                f"{type(self).__name__}.load_state_dict: {key} has shape {array.shape}, its parameter {parameter.shape}"
            )
        restored = zeros_like(parameter)
        restored.array[...] = array_on(device_of(parameter.array), array)
        return restored

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def counter(value: float = 0.0) -> Tensor:
    """A count of steps: float32 and on the CPU, as PyTorch's."""
    tensor: Tensor = wrap(Tensor, numpy.array(value, dtype="float32"))
    return tensor


def zeros_like(parameter: Any) -> Any:
    """State of a parameter's shape, dtype and device, all zero."""
    return wrap(Tensor, xp(parameter.array).zeros_like(parameter.array))


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, (set, frozenset)):
        raise TypeError(f"{name}: a set of parameters has no fixed order\n  fix: pass a list")
    if isinstance(values, dict) or not isinstance(values, Iterable):
        raise TypeError(f"{name} takes an iterable of tensors or of groups, not a {type(values).__name__}")
    return list(values)
