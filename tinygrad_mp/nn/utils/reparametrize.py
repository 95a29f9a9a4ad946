"""Weights computed before every call from other parameters: weight and spectral normalisation by hooks.

The same two are in :mod:`tinygrad_mp.nn.utils.parametrizations`, by properties instead of hooks; those are newer.
"""

from __future__ import annotations

from typing import Any

from tinygrad_mp.creation import empty
from tinygrad_mp.errors import SettingError, TinygradError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn.convolution import ConvTranspose1d, ConvTranspose2d
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter, is_lazy
from tinygrad_mp.ops.elementwise import clone
from tinygrad_mp.ops.linalg import dot, mv
from tinygrad_mp.ops.movement import movedim, reshape
from tinygrad_mp.ops.norms import norm

# --- on tensors -------------------------------------------------------------------------------------------------------


def norm_except_dim(v: Any, dim: int | None) -> Any:
    """The norm over all axes but ``dim``, which are kept with size 1; over all, with none kept, if it is None or -1."""
    if dim is None or dim == -1:
        return norm(v)
    if v.ndim == 1:
        return v.abs()
    others = tuple([axis for axis in range(v.ndim) if axis != dim % v.ndim])
    return norm(v, 2, others, keepdim=True)


def as_matrix(weight: Any, dim: int) -> Any:
    """A weight with axis ``dim`` first and all others joined."""
    front = movedim(weight, dim, 0) if dim else weight
    return reshape(front, (front.shape[0], -1))


def unit(x: Any, eps: float) -> Any:
    """``x`` divided by its norm, or by ``eps`` where that is larger; not recorded."""
    with no_grad():
        return x / norm(x).clamp(min=eps)


def output_axis(module: Module) -> int:
    """The axis of the outputs in the weight of a layer."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d)) else 0


def drawn(size: int, like: Any) -> Any:
    """A vector of normal draws with the dtype and device of ``like``."""
    return empty((size,), dtype=like.dtype, device=like.device).normal_()


# --- weight normalisation ---------------------------------------------------------------------------------------------


class _WeightNorm:
    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, dim

    def weight(self, module: Any) -> Any:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / norm_except_dim(v, self.dim))

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Learn the length and the direction of a weight apart: ``weight = g * v / |v|``.

    Parameters
    ----------
    module : Module
        It gets parameters ``<name>_g`` and ``<name>_v`` in the place of ``<name>``.
    name : str, default "weight"
    dim : int or None, default 0
        Each slice along it has a length of its own; None for one length.

    Returns
    -------
    Module
        The same one.

    Source: Salimans and Kingma, Weight normalization, 2016.

    >>> from tinygrad_mp import nn
    >>> layer = weight_norm(nn.Linear(3, 2))
    >>> {name: tuple(value.shape) for name, value in layer.named_parameters()}
    {'bias': (2,), 'weight_g': (2, 1), 'weight_v': (2, 3)}
    """
    _refuse_second(module, _WeightNorm, name)
    hook, weight = _WeightNorm(name, dim), _parameter("weight_norm", module, name)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight.detach(), dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make an ordinary parameter of a weight again. Returns the module. SettingError if there is nothing to undo."""
    hook = _take_off(module, _WeightNorm, name)
    weight = hook.weight(module).detach()
    for suffix in ("", "_g", "_v"):
        delattr(module, name + suffix)
    setattr(module, name, Parameter(weight))
    return module


# --- spectral normalisation -------------------------------------------------------------------------------------------


class _SpectralNorm:
    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations < 1:
            raise SettingError(f"spectral_norm: n_power_iterations must be at least 1, not {n_power_iterations}")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def weight(self, module: Any, iterate: bool) -> Any:
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = as_matrix(weight, self.dim)
        if iterate:
            fixed = matrix.detach()
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(unit(mv(fixed.mT, u), self.eps))
                    u.copy_(unit(mv(fixed, v), self.eps))
                u, v = clone(u), clone(v)  # a second call before backward overwrites the buffers
        return weight / dot(u, mv(matrix, v))

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.weight(module, module.training))


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Divide a weight by its largest singular value, which power iteration follows in training.

    Parameters
    ----------
    module : Module
        It gets a parameter ``<name>_orig`` and buffers ``<name>_u`` and ``<name>_v`` in the place of ``<name>``.
    name : str, default "weight"
    n_power_iterations : int, default 1
        In each call.
    eps : float, default 1e-12
        The least norm to divide by.
    dim : int, optional
        The axis of outputs; by default 0, for transposed convolutions 1.

    Returns
    -------
    Module
        The same one.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, 2018.

    >>> from tinygrad_mp import nn
    >>> list(spectral_norm(nn.Linear(3, 2)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    _refuse_second(module, _SpectralNorm, name)
    hook = _SpectralNorm(name, n_power_iterations, output_axis(module) if dim is None else dim, eps)
    weight = _parameter("spectral_norm", module, name)
    rows, columns = as_matrix(weight, hook.dim).shape
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", unit(drawn(rows, weight), eps))
    module.register_buffer(f"{name}_v", unit(drawn(columns, weight), eps))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Any, name: str = "weight") -> Any:
    """Make an ordinary parameter of a weight again. Returns the module. SettingError if there is nothing to undo."""
    hook = _take_off(module, _SpectralNorm, name)
    weight = hook.weight(module, False).detach()
    for suffix in ("", "_u", "_v", "_orig"):
        delattr(module, name + suffix)
    setattr(module, name, Parameter(weight))
    return module


# --- hooks ------------------------------------------------------------------------------------------------------------


def _parameter(what: str, module: Any, name: str) -> Any:
    weight = module._parameters[name]
    if weight is None or is_lazy(weight):
        raise SettingError(
            f"{what}: the parameter {name!r} of {type(module).__name__} is not there, or has no shape yet"
        )
    return weight


def _refuse_second(module: Any, kind: Any, name: str) -> None:
    if any(isinstance(one.function, kind) and one.function.name == name for one in module._forward_pre_hooks):
        raise TinygradError(f"{type(module).__name__}: {name!r} is normalised already", fix="remove it first")


def _take_off(module: Any, kind: Any, name: str) -> Any:
    for hook in module._forward_pre_hooks:
        if isinstance(hook.function, kind) and hook.function.name == name:
            module._forward_pre_hooks.remove(hook)
            return hook.function
    raise SettingError(f"{type(module).__name__}: {name!r} is not normalised")
