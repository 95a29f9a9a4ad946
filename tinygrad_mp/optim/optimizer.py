"""``Optimizer``: parameter groups, state, and one step over all that has a gradient. Subclasses bring the formula."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy

from tinygrad_mp import gradients
from tinygrad_mp.backend import array_on, device_of, is_array, to_numpy, xp
from tinygrad_mp.dtypes import DIFFERENTIABLE, float32, float64, get_default_dtype
from tinygrad_mp.errors import DeviceError, DTypeError, SettingError, ShapeError, UnsupportedError
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.optim.hooks import Hooked
from tinygrad_mp.optim.unbound import Bindable
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written

Group = dict[str, Any]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required: Any = _Required()
"""Stands in ``defaults`` for a setting that each group must bring."""


class Optimizer(Hooked, metaclass=Bindable):
    """Base of all optimizers. A subclass passes its defaults here and writes :meth:`update`, or :meth:`step`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Leaves to optimize, with names if wanted (``model.named_parameters()``); or groups
        ``{"params": ..., "lr": ...}``, each with settings of its own.
    defaults : dict
        Settings of groups that do not bring their own. A learning rate may be a tensor of one entry. The switches
        ``foreach``, ``fused`` and ``capturable`` of PyTorch's change nothing here; ``differentiable`` is refused.

    Attributes
    ----------
    param_groups : list of dict
        Settings may be changed between steps: ``optimizer.param_groups[0]["lr"] = 0.01``.
    state : dict
        What the optimizer remembers of each parameter, as tensors under PyTorch's names.

    Errors
    ------
    SettingError if there is no parameter, one comes twice, only some have names, a tensor was computed from others, or
    a setting makes no sense. TypeError for anything but tensors.

    Without ``params``, ``optim.Adam(lr=0.01)`` gives its settings, :class:`Unbound`, which a ``Model`` binds to its
    parameters.
    """

    subject = "params"

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        name = type(self).__name__
        if isinstance(params, TensorBase):
            raise TypeError(f"{name} takes an iterable of tensors or groups, not one tensor\n  fix: pass [tensor]")
        self.defaults = defaults
        self.forget_hooks()
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

    def buffers(self, group: Group) -> tuple[str, ...]:
        """The names of that part of the state which has the shape of its parameter."""
        return ()

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
        parameters: list[Any] = [given] if isinstance(given, TensorBase) else _listed(name, given)
        names = [parameter[0] for parameter in parameters if isinstance(parameter, tuple) and len(parameter) == 2]
        if names:
            if len(names) < len(parameters):
                raise SettingError(f"{name}: some parameters of the group have names, others have none")
            parameters = [parameter for _, parameter in parameters]
            param_group = {**param_group, "param_names": names}
        if any(("param_names" in group) != ("param_names" in param_group) for group in self.param_groups):
            raise SettingError(f"{name}: the parameters of some groups have names, those of others have none")
        self._check_parameters(parameters)
        group = {**param_group, "params": parameters}
        for setting, default in self.defaults.items():
            if default is required and setting not in group:
                raise SettingError(f"{name}: a group brings no {setting}, which has no default")
            group.setdefault(setting, copy.deepcopy(default) if isinstance(default, TensorBase) else default)
        self._check_switches(group)
        self.check(group)
        self.param_groups.append(group)

    def _check_parameters(self, parameters: list[Any]) -> None:
        name = type(self).__name__
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        for position, parameter in enumerate(parameters):
            if not isinstance(parameter, Tensor):
                raise TypeError(f"{name}: parameter {position} is a {type(parameter).__name__}, not a tensor")
            if not parameter.is_leaf:
                raise SettingError(
                    f"{name}: parameter {position}, shape {parameter.array.shape}, is the result of "
                    f"{parameter.node!r}; only leaves can be optimized",
                    fix="pass the tensors it was computed from, or x.detach().requires_grad_()",
                )
            if id(parameter) in known:
                raise SettingError(
                    f"{name}: parameter {position} of the group, shape {parameter.array.shape}, is there twice",
                    fix="list each tensor once, in one group",
                )
            known.add(id(parameter))

    def _check_switches(self, group: Group) -> None:
        name = type(self).__name__
        if group.get("differentiable"):
            raise UnsupportedError(
                f"{name}: steps are not recorded, so differentiable=True has no effect to give",
                fix="write the step with tensors: w = w - lr * grad(loss, w, create_graph=True)[0]",
            )
        if group.get("foreach") and group.get("fused"):
            raise SettingError(
                f"{name}: foreach and fused exclude each other", fix="leave both out, they change nothing"
            )

    def require(self, setting: str, value: Any, low: float = 0.0, below: float = float("inf")) -> None:
        """Raise SettingError unless ``low <= value < below``."""
        name = type(self).__name__
        if isinstance(value, TensorBase) and value.array.size != 1:
            raise SettingError(f"{name}: {setting} is a tensor of shape {value.array.shape}, it must have one entry")
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
            (ShapeError, "shape", tuple(found.shape), tuple(wanted.shape))
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
        for hook in self.hooks["state_dict_pre"]:
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            numbers.update((id(p), number) for number, p in enumerate(group["params"], start=len(numbers)))
            settings = {key: value for key, value in group.items() if key != "params"}
            groups.append({**settings, "params": [numbers[id(p)] for p in group["params"]]})
        state = {
            numbers[id(key)] if isinstance(key, TensorBase) else key: dict(entries)
            for key, entries in self.state.items()
            if entries
        }
        saved: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self.hooks["state_dict_post"]:
            changed = hook(self, saved)
            saved = saved if changed is None else changed
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over settings and a copy of the state; what follows is bit for bit as it would have been.

        A state dict of PyTorch's optimizer of the same name, with its tensors, is taken as well.

        Errors
        ------
        SettingError if groups differ in number or size, ShapeError if state does not fit a parameter; then nothing
        has changed.
        """
        state_dict = dict(state_dict)
        for hook in self.hooks["load_state_dict_pre"]:
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        name, saved = type(self).__name__, state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved]
        if sizes != saved_sizes:
            raise SettingError(
                f"{name}.load_state_dict: the groups hold {sizes} parameters, those in the state {saved_sizes}",
                fix="make the optimizer over the same parameters, in the same groups, as when it was saved",
            )
        groups, places = [], {}
        for group, ours in zip(saved, self.param_groups, strict=True):
            settings = {key: _copied(value) for key, value in group.items() if key != "params"}
            groups.append({**ours, **settings})
            for number, parameter in zip(group["params"], ours["params"], strict=True):
                places[number] = parameter, self.buffers(groups[-1])
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, entries in state_dict["state"].items():
            if number in places:
                parameter, shaped = places[number]
                state[parameter] = {
                    key: self._restored(key, value, parameter, key in shaped) for key, value in entries.items()
                }
            else:
                state[number] = _copied(entries)
        self.state, self.param_groups = state, groups
        for hook in self.hooks["load_state_dict_post"]:
            hook(self)

    def _restored(self, key: str, value: Any, parameter: Any, shaped: bool) -> Any:
        """A copy of one saved value, with the dtype and on the device of its parameter unless it counts something."""
        if isinstance(value, dict):
            return {inner: self._restored(key, one, parameter, False) for inner, one in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._restored(key, one, parameter, False) for one in value)
        array = _array(value)
        if key in COUNTERS:
            return counter(to_numpy(array) if is_array(array) else array, getattr(array, "dtype", None))
        if not is_array(array):
            return copy.deepcopy(value)
        if shaped and array.shape != parameter.shape:
            raise ShapeError(
                f"{type(self).__name__}.load_state_dict: {key} has shape {array.shape}, "
                f"its parameter {parameter.array.shape}"
            )
        if array.shape == parameter.shape:
            restored = zeros_like(parameter)  # its entries lie in memory in the parameter's order
            restored.array[...] = array_on(device_of(parameter.array), array)
            return restored
        dtype = parameter.dtype if array.dtype in DIFFERENTIABLE else array.dtype
        return wrap(Tensor, array_on(device_of(parameter.array), array).astype(dtype))  # astype copies

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("hooks", "stepping")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "hooks" not in vars(self):
            self.forget_hooks()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


COUNTERS = frozenset({"step", "mu_product", "eta", "mu"})
"""State that is one number on the CPU, with a dtype of its own."""


def counter(value: Any = 0.0, dtype: Any = None) -> Tensor:
    """A number that changes with the steps, on the CPU and in PyTorch's dtype: float64 only if that is the default."""
    dtype = dtype or (float64 if get_default_dtype() == float64 else float32)
    tensor: Tensor = wrap(Tensor, numpy.array(value, dtype=dtype))
    return tensor


def _array(value: Any) -> Any:
    """The array under a tensor of ours, or one with the values of PyTorch's; other values as they are."""
    if isinstance(value, TensorBase):
        return value.array
    if not is_array(value) and hasattr(value, "detach") and hasattr(value, "__array__"):
        return numpy.asarray(value.detach().cpu())
    return value


def _copied(value: Any) -> Any:
    """A deep copy, with tensors of ours in the place of PyTorch's."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    array = _array(value)
    return copy.deepcopy(value) if array is value or isinstance(value, TensorBase) else wrap(Tensor, array.copy())


def zeros_like(parameter: Any) -> Any:
    """State of a parameter's shape, dtype and device, all zero."""
    return wrap(Tensor, xp(parameter.array).zeros_like(parameter.array))


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, (set, frozenset)):
        raise TypeError(f"{name}: a set of parameters has no fixed order\n  fix: pass a list")
    if isinstance(values, dict) or not isinstance(values, Iterable):
        raise TypeError(f"{name} takes an iterable of tensors or of groups, not a {type(values).__name__}")
    return list(values)
