"""Saving and loading: all values of a module are loaded, or none when something does not fit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy

from tinygrad_mp.autograd import RemovableHook
from tinygrad_mp.backend import array_on, device_of, is_array
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.nn.hooks import Called
from tinygrad_mp.nn.parameter import Parameter, is_lazy
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` did not find in the state, and what it found there but had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


_HOOKS = ("_state_pre_hooks", "_state_hooks", "_load_pre_hooks", "_load_post_hooks")
EXTRA = "_extra_state"


class Saved(Called):
    """The part of :class:`Module` that makes a state of its values and takes one back."""

    _version: int = 1
    """Saved as ``state_dict()._metadata[path]["version"]``, for :meth:`_load_from_state_dict` to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update({kind: [] for kind in _HOOKS})

    # --- saving ---

    def state_dict(
        self, *args: Any, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by path, as detached tensors over the same memory.

        ``prefix`` goes before every name; ``keep_vars`` gives the parameters themselves; ``destination`` is filled.

        >>> from tinygrad_mp import nn
        >>> {name: tuple(value.shape) for name, value in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
        destination, prefix = given.get("destination", destination), given.get("prefix", prefix)
        keep_vars = given.get("keep_vars", keep_vars)
        state: dict[str, Any] = OrderedDict() if destination is None else destination
        if destination is None:
            vars(state)["_metadata"] = OrderedDict()
        metadata = {"version": self._version}
        if hasattr(state, "_metadata"):
            state._metadata[prefix[:-1]] = metadata
        for hook in tuple(self._state_pre_hooks):
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(state, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in tuple(self._state_hooks):
            answer = hook(self, state, prefix, metadata)
            state = state if answer is None else answer
        return state

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Put the values of this module itself into ``destination``; to be overridden."""
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and name not in self._non_persistent:
                destination[prefix + name] = value if keep_vars or is_lazy(value) else value.detach()
        if _has_extra(self):
            destination[prefix + EXTRA] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """What else to save; to be overridden together with :meth:`set_extra_state`."""
        raise RuntimeError("get_extra_state is there to be overridden, together with set_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take back what :meth:`get_extra_state` gave; to be overridden."""
        raise RuntimeError("set_extra_state is there to be overridden, together with get_extra_state")

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHook:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict`` looks at this module."""
        return _add_hook(self, "_state_pre_hooks", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHook:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` on the finished state, which it may change."""
        return _add_hook(self, "_state_hooks", hook)

    _register_state_dict_hook = register_state_dict_post_hook

    # --- loading ---

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into the parameters and buffers, which keep their memory, dtype and device.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
            PyTorch's tensors on the CPU are taken too.
        strict : bool, default True
            Names must match exactly.
        assign : bool, default False
            Take the tensors themselves, with their memory, dtype and device, instead of copying from them.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``; both empty if ``strict``.

        Errors
        ------
        TinygradError listing all that does not fit, missing and unexpected names and wrong shapes; then nothing has
        been changed.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict takes a dict of names and tensors, not {type(state_dict).__name__}")
        state: dict[str, Any] = OrderedDict(state_dict)  # hooks may change it
        plan, keys, problems = _Plan(assign), IncompatibleKeys([], []), list[str]()
        modules: list[Saved] = []
        versions = getattr(state_dict, "_metadata", None) or {}
        _visit(self, "", state, versions, plan, keys, problems, modules)
        keys.unexpected_keys.extend(name for name in state if name not in plan.known)
        hooks = [(module, hook) for module in modules for hook in module._load_post_hooks]
        undo: list[Callable[[], None]] = []
        if not problems and (hooks or not strict or not any(keys)):
            undo = [change(bool(hooks)) for change in plan.changes]
            for module, hook in hooks:
                if hook(module, keys) is not None:
                    problems.append("a hook after load_state_dict returned something; it may change its lists in place")
        if strict:
            problems += [f"{name}: missing from the state" for name in keys.missing_keys]
            problems += [f"{name}: in the state, but not in the module" for name in keys.unexpected_keys]
        if problems:
            for restore in undo:
                restore()
            lines = "\n  ".join(problems)
            fix = "build the module as it was when the state was saved"
            if strict and any(keys):
                fix += "; strict=False passes over missing and unexpected names"
            name = type(self).__name__
            message = f"{name}.load_state_dict: the state does not fit, nothing was loaded\n  {lines}"
            raise TinygradError(message, fix=fix)
        return keys

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Plan what to load into this module itself; to be overridden by what changes ``state_dict`` first."""
        plan: _Plan = local_metadata["plan"]
        hook_arguments = (state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        for hook in tuple(self._load_pre_hooks):
            hook(self, *hook_arguments)
        for registry in (self._parameters, self._buffers):
            for name, target in registry.items():
                path = prefix + name
                if target is None or name in self._non_persistent:
                    continue
                plan.known.add(path)
                if path not in state_dict:
                    missing_keys.append(path)
                    continue
                value = _array(state_dict[path])
                if is_array(value) and value.shape == (1,) and not is_lazy(target) and target.shape == ():
                    value = value[0:1].reshape(())  # saved when PyTorch had no tensors without axes
                problem = _problem(value, target, state_dict[path])
                if problem is not None:
                    error_msgs.append(f"{path}: {problem}")
                elif value is not None:  # two layers that have no shape yet have nothing to copy
                    plan.add(registry, name, target, state_dict[path], value)
        path = prefix + EXTRA
        if _has_extra(self):
            plan.known.add(path)
            if path in state_dict:
                plan.changes.append(_extra_change(self, state_dict[path]))
            else:
                missing_keys.append(path)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHook:
        """Call ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)``
        before this module is looked at; it may change ``state_dict``, which is a copy."""
        return _add_hook(self, "_load_pre_hooks", hook)

    def _register_load_state_dict_pre_hook(self, hook: Callable[..., Any], with_module: bool = False) -> RemovableHook:
        called = hook if with_module else lambda module, *args: hook(*args)
        return _add_hook(self, "_load_pre_hooks", called)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHook:
        """Call ``hook(module, incompatible_keys)`` when values are loaded; it may change the two lists in place."""
        return _add_hook(self, "_load_post_hooks", hook)


def _add_hook(module: Saved, kind: str, hook: Callable[..., Any]) -> RemovableHook:
    module.__dict__[kind].append(hook)
    return RemovableHook(module.__dict__[kind], hook)


class _Plan:
    """What loading is going to change, and which names have a place."""

    def __init__(self, assign: bool) -> None:
        self.assign = assign
        self.known: set[str] = set()
        self.changes: list[Callable[[bool], Callable[[], None]]] = []

    def add(self, registry: dict[str, Any], name: str, target: Any, given: Any, value: Any) -> None:
        if self.assign and not is_lazy(target):
            self.changes.append(lambda keep: _assigned(registry, name, target, given, value))
        else:
            self.changes.append(lambda keep: _copied(target, value, keep))


def _assigned(registry: dict[str, Any], name: str, target: Any, given: Any, value: Any) -> Callable[[], None]:
    if isinstance(target, Parameter):
        new: Any = given if isinstance(given, Parameter) else Parameter(wrap(Tensor, value), target.requires_grad)
    else:
        new = given if isinstance(given, TensorBase) else wrap(Tensor, value)
    registry[name] = new
    return lambda: registry.update({name: target})


def _copied(target: Any, value: Any, keep: bool) -> Callable[[], None]:
    if is_lazy(target):
        target.materialize(value.shape)
    array = target.array
    before = array.copy() if keep else None
    array[...] = array_on(device_of(array), value)
    mark_written(array)

    def restore() -> None:
        array[...] = before

    return restore


def _extra_change(module: Saved, value: Any) -> Callable[[bool], Callable[[], None]]:
    def change(keep: bool) -> Callable[[], None]:
        before = module.get_extra_state() if keep else None
        module.set_extra_state(value)
        return lambda: module.set_extra_state(before)

    return change


def _has_extra(module: Saved) -> bool:
    return type(module).get_extra_state is not Saved.get_extra_state


def _visit(
    module: Any,
    prefix: str,
    state: Any,
    versions: Mapping[str, Any],
    plan: _Plan,
    keys: IncompatibleKeys,
    problems: list[str],
    modules: list[Any],
) -> None:
    metadata = {**versions.get(prefix[:-1], {}), "assign_to_params_buffers": plan.assign, "plan": plan}
    module._load_from_state_dict(state, prefix, metadata, True, *keys, problems)
    for name, child in module._modules.items():
        if child is not None:
            _visit(child, f"{prefix}{name}.", state, versions, plan, keys, problems, modules)
    modules.append(module)


def _array(value: Any) -> Any:
    """The array of a tensor of ours, or of another library's."""
    if isinstance(value, TensorBase):
        return None if is_lazy(value) else value.array
    if not is_array(value) and hasattr(value, "__array__") and hasattr(value, "detach"):
        return numpy.asarray(value.detach().cpu())
    return value


def _problem(value: Any, target: Any, given: Any) -> str | None:
    if is_lazy(given):
        return None if is_lazy(target) else "the state has a parameter without a shape yet"
    if not is_array(value):
        return f"expected a tensor, the state has {type(given).__name__}"
    if not is_lazy(target) and value.shape != target.shape:
        return f"shape {tuple(target.shape)} in the module, {tuple(value.shape)} in the state"
    return None
