"""Parametrizations: a tensor of a module becomes what modules compute from other tensors, whenever it is asked for."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tinygrad_mp.absent import lookup
from tinygrad_mp.errors import SettingError, TinygradError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn.containers import ModuleDict, ModuleList
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]

_cache: dict[tuple[int, str], Any] = {}
_caching = 0


@contextmanager
def cached() -> Iterator[None]:
    """Within this context each parametrized tensor is computed once."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The modules that compute one tensor, one after the other, and what the first of them is given.

    That is ``original``; or ``original0``, ``original1``, ... if ``right_inverse`` of the first gave several tensors.
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = original
            for module in reversed(list(self)):
                new = _inverse(module, new)
        self.is_tensor = isinstance(new, Tensor)
        if not self.is_tensor and not isinstance(new, Sequence):
            raise SettingError(f"right_inverse must return a tensor or several, not a {type(new).__name__}")
        if self.is_tensor:
            if new.dtype != original.dtype:
                raise SettingError(f"right_inverse made {new.dtype} of {original.dtype}")
            if new is not original:
                original.data = new.detach()
            _register(self, "original", original)
        else:
            for number, one in enumerate(new):
                if isinstance(original, Parameter):
                    one = Parameter(one.detach(), original.requires_grad)
                _register(self, f"original{number}", one)
        self.ntensors = 1 if self.is_tensor else len(new)
        if not unsafe:
            _check_same("the parametrization", self(), tuple(original.shape), original.dtype)

    def originals(self) -> list[Any]:
        """What the first module is given."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that ``value`` is computed from them."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise TinygradError(f"{type(module).__name__} has no right_inverse: its tensor cannot be assigned")
                value = module.right_inverse(value)
            values = [value] if self.is_tensor else list(value)
            if len(values) != self.ntensors:
                raise SettingError(f"right_inverse returned {len(values)} tensors, not {self.ntensors}")
            for original, one in zip(self.originals(), values, strict=True):
                if one.dtype != original.dtype:
                    raise SettingError(f"right_inverse returned {one.dtype}, the original is {original.dtype}")
                original.data = one.detach()

    def forward(self) -> Any:
        """The tensor."""
        value = self[0](*self.originals())
        for module in list(self)[1:]:
            value = module(value)
        return value


def _inverse(module: Any, value: Any) -> Any:
    """``right_inverse(value)``; without such a method ``value`` itself."""
    if not hasattr(module, "right_inverse"):
        return value
    try:
        return module.right_inverse(value)
    except NotImplementedError:
        return value


def _register(module: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


def _check_same(what: str, found: Any, shape: tuple[int, ...], dtype: Any) -> None:
    if not isinstance(found, Tensor):
        raise SettingError(f"{what} must return a tensor, not a {type(found).__name__}")
    if tuple(found.shape) != shape or found.dtype != dtype:
        raise SettingError(
            f"{what} made {tuple(found.shape)} {found.dtype} of {shape} {dtype}", fix="unsafe=True allows it"
        )


def register_parametrization(module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False) -> Any:
    """Compute a parameter or buffer of ``module`` by ``parametrization`` from now on.

    Parameters
    ----------
    module : Module
    tensor_name : str
    parametrization : Module
        Its ``forward`` computes the tensor; a method ``right_inverse``, if it has one, finds what to compute it from
        when a value is assigned.
    unsafe : bool, default False
        Do not check that shape and dtype stay.

    Returns
    -------
    Module
        The same one, of a class of its own.

    Errors
    ------
    SettingError if there is no such tensor, or its shape or dtype would change.

    >>> from tinygrad_mp import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.mT).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        parts = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            _check_same("the parametrization", parametrization(before), tuple(before.shape), before.dtype)
        parts.append(parametrization)
        parts.unsafe = parts.unsafe or unsafe
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        parts = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            kind = type(module)
            methods = {"__getstate__": _refuse_pickling, "__deepcopy__": _deepcopied}
            module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), methods)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = parts
    else:
        raise SettingError(f"{type(module).__name__} has no parameter or buffer {tensor_name!r}")
    return module


def _property(name: str) -> property:
    def get(module: Any) -> Any:
        parts = module.__dict__["_modules"]["parametrizations"][name]
        if not _caching:
            return parts()
        key = (id(module), name)
        if key not in _cache:
            _cache[key] = parts()
        return _cache[key]

    def set_original(module: Any, value: Any) -> None:
        module.parametrizations[name].right_inverse(value)

    return property(get, set_original)


def _refuse_pickling(module: Any) -> Any:
    raise TinygradError(
        "a parametrized module cannot be pickled: its class was made for it", fix="save its state_dict()"
    )


def _deepcopied(module: Any, memo: dict[int, Any]) -> Any:
    # A class of its own, so that removing a parametrization from one leaves it in the other.
    members = {name: value for name, value in vars(type(module)).items() if name not in ("__dict__", "__weakref__")}
    kind: Any = type(type(module).__name__, type(module).__bases__, members)
    twin = kind.__new__(kind)
    memo[id(module)] = twin
    twin.__dict__.update(copy.deepcopy(module.__dict__, memo))
    return twin


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether ``module`` has a parametrization, or one of this tensor."""
    parts = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(parts, ModuleDict):
        return False
    return len(parts) > 0 if tensor_name is None else tensor_name in parts


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make an ordinary tensor of a parametrized one, with its present value or, if not, with the original one.

    Returns the module. SettingError if it has no such parametrization, or several originals and
    ``leave_parametrized=False``.
    """
    if not is_parametrized(module, tensor_name):
        raise SettingError(f"{type(module).__name__} has no parametrization of {tensor_name!r}")
    parts = module.parametrizations[tensor_name]
    if not leave_parametrized and not parts.is_tensor:
        raise SettingError(f"{tensor_name!r} is computed from several tensors: none of them can take its place")
    kept = parts.originals()[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach()
        if parts.is_tensor:
            kept.data = value
        else:
            kept = Parameter(value, kept.requires_grad) if isinstance(kept, Parameter) else value
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, kept)
    if not len(module.parametrizations):
        delattr(module, "parametrizations")
        module.__class__ = type_before_parametrizations(module)
    return module


def type_before_parametrizations(module: Any) -> type:
    """The class of ``module`` without what parametrizations made of it."""
    kind = type(module)
    return kind.__bases__[0] if kind.__dict__.get("__getstate__") is _refuse_pickling else kind


__getattr__ = lookup("nn.utils.parametrize")
