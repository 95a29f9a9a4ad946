"""Weight and spectral normalisation as parametrizations."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.absent import lookup
from tinygrad_mp.errors import IndexRangeError, SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.utils import parametrize
from tinygrad_mp.nn.utils.reparametrize import as_matrix, drawn, norm_except_dim, output_axis, unit
from tinygrad_mp.ops.elementwise import clone
from tinygrad_mp.ops.linalg import dot, mv
from tinygrad_mp.ops.norms import norm
from tinygrad_mp.tensor import Tensor

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Learn the length and the direction of a weight apart; see :func:`tinygrad_mp.nn.utils.weight_norm`.

    The length is ``parametrizations.<name>.original0``, the direction ``original1``; states saved with the older form,
    ``<name>_g`` and ``<name>_v``, are read too. Returns the module.

    >>> from tinygrad_mp import nn
    >>> list(weight_norm(nn.Linear(3, 2)).state_dict())
    ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(module: Any, state: dict[str, Any], prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_{suffix}" for suffix in "gv"]
        if all(one in state for one in old):
            for number, one in enumerate(old):
                state[f"{prefix}parametrizations.{name}.original{number}"] = state.pop(one)

    module.register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    _u: Any
    _v: Any

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexRangeError(f"spectral_norm: dim {dim} is out of range for a weight with {weight.ndim} axes")
        if n_power_iterations < 1:
            raise SettingError(f"spectral_norm: n_power_iterations must be at least 1, not {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim % weight.ndim, eps, n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            rows, columns = matrix.shape
            self.register_buffer("_u", unit(drawn(rows, weight), eps))
            self.register_buffer("_v", unit(drawn(columns, weight), eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Any, count: int) -> None:
        with no_grad():
            for _ in range(count):
                self._u.copy_(unit(mv(matrix, self._v), self.eps))
                self._v.copy_(unit(mv(matrix.mT, self._u), self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return weight / norm(weight).clamp(min=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        # Clones, because a second call before backward overwrites the buffers.
        return weight / dot(clone(self._u), mv(matrix, clone(self._v)))

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """Divide a weight by its largest singular value; see :func:`tinygrad_mp.nn.utils.spectral_norm`.

    Power iteration begins with 15 steps. Returns the module.

    >>> from tinygrad_mp import nn
    >>> [name.rpartition(".")[2] for name in spectral_norm(nn.Linear(3, 2)).state_dict()]
    ['bias', 'original', '_u', '_v']
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise SettingError(f"spectral_norm: {type(module).__name__} has no parameter or buffer {name!r}")
    axis = output_axis(module) if dim is None else dim
    part = _SpectralNorm(weight, n_power_iterations, axis, eps)
    parametrize.register_parametrization(module, name, part)
    return module


__getattr__ = lookup("nn.utils.parametrizations")
