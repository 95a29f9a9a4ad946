"""What distributions share: arguments as tensors of one shape, probabilities and logits, and draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp import ops
from tinygrad_mp.backend import device_of
from tinygrad_mp.creation import full
from tinygrad_mp.drawing import drawn_by_numpy as drawn_by_numpy
from tinygrad_mp.dtypes import get_default_dtype
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.grad_mode import enable_grad
from tinygrad_mp.ops.activation import sigmoid
from tinygrad_mp.ops.softmax import softmax
from tinygrad_mp.random import rand, randn
from tinygrad_mp.tape import TensorBase

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "sum_rightmost"]


def broadcast_all(*values: Any) -> tuple[Any, ...]:
    """Numbers and tensors as tensors of one shape; numbers get the dtype and device of the first tensor.

    >>> import tinygrad_mp as tg
    >>> broadcast_all(tg.zeros(2), 1)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    tensors = [value for value in values if isinstance(value, TensorBase)]
    for value in values:
        if not isinstance(value, (TensorBase, int, float, numpy.number)):
            raise SettingError(f"a parameter of a distribution is a number or a tensor, not {value!r:.60}")
    dtype, device = (tensors[0].array.dtype, device_of(tensors[0].array)) if tensors else (get_default_dtype(), "cpu")
    made = [value if isinstance(value, TensorBase) else full((), value, dtype=dtype, device=device) for value in values]
    try:
        shape = numpy.broadcast_shapes(*(value.array.shape for value in made))
    except ValueError as error:
        raise ShapeError(f"the parameters do not broadcast: {[tuple(value.array.shape) for value in made]}") from error
    return tuple(value if value.array.shape == shape else ops.expand(value, shape) for value in made)


class lazy_property:
    """An attribute computed when it is first asked for, and recorded even inside ``no_grad``."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = vars(instance)[self.name] = self.function(instance)
        return value


def clamp_probs(probs: Any) -> Any:
    """Probabilities kept so far from 0 and 1 that logarithms are finite."""
    eps = float(numpy.finfo(probs.array.dtype).eps)
    return probs.clamp(eps, 1 - eps)


def probs_to_logits(probs: Any, is_binary: bool = False) -> Any:
    """Logarithms of probabilities; of their odds if there are two."""
    safe = clamp_probs(probs)
    return safe.log() - (-safe).log1p() if is_binary else safe.log()


def logits_to_probs(logits: Any, is_binary: bool = False) -> Any:
    """Probabilities from log-odds; by softmax unless there are two."""
    return sigmoid(logits) if is_binary else softmax(logits, -1)


def sum_rightmost(value: Any, dim: int) -> Any:
    """Sum over the last ``dim`` axes."""
    return value.sum(tuple(range(-dim, 0))) if dim else value


# --- draws, all from the default generator ----------------------------------------------------------------------------


def normals(shape: Any, like: Any) -> Any:
    """Standard normal numbers of the dtype and device of ``like``."""
    return randn(tuple(shape), dtype=like.dtype, device=like.device)


def uniforms(shape: Any, like: Any) -> Any:
    """Numbers in [0, 1) of the dtype and device of ``like``."""
    return rand(tuple(shape), dtype=like.dtype, device=like.device)


def open_uniforms(shape: Any, like: Any) -> Any:
    """Numbers in (0, 1), whose logarithm is finite."""
    info = numpy.finfo(like.array.dtype)
    return uniforms(shape, like).clamp(float(info.tiny), 1 - float(info.eps))
