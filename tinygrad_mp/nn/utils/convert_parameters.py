"""Parameters packed into one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_mp.errors import ShapeError, UnsupportedError
from tinygrad_mp.ops.joining import cat
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Any]) -> Any:
    """All entries of the parameters as one vector, recorded.

    >>> from tinygrad_mp import nn
    >>> parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    Size([8])
    """
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[Any]) -> None:
    """Copy a vector back into the parameters, unrecorded. ShapeError if its length is not theirs together."""
    if not isinstance(vec, Tensor):
        raise UnsupportedError(f"vector_to_parameters takes a tensor, not a {type(vec).__name__}")
    parameters = list(parameters)
    total = sum(parameter.numel() for parameter in parameters)
    if vec.shape != (total,):
        raise ShapeError(f"the parameters have {total} entries together, the vector has shape {tuple(vec.shape)}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.array[...] = vec.array[start:stop].reshape(parameter.shape)
        mark_written(parameter.array)
        start = stop
