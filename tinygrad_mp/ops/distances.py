"""How near two vectors are: cosines and distances; vectors brought to length 1; and forms in two vectors."""

import math
from typing import Annotated, Any

import numpy

from tinygrad_mp.domains import Choice, Positive
from tinygrad_mp.dtypes import result_type
from tinygrad_mp.errors import SettingError, ShapeError, UndefinedError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.contraction import einsum
from tinygrad_mp.ops.elementwise import div, sub
from tinygrad_mp.ops.indexing import getitem
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.norms import norm
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reducing import require_tensors
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.ops.selection import clamp_min
from tinygrad_mp.primitive import broadcast_to, primitive


@primitive(promotes=None, x=lambda g: g)
def _raised(x: Positive, *, low: Annotated[float, Choice((1e-6,))]) -> Any:
    """``x`` where it is above ``low``, else ``low``; the gradient passes everywhere, as if nothing had been raised."""
    return x.clip(low, math.inf)


def raised(input: Any, low: float) -> Any:
    """``max(input, low)`` whose gradient is that of ``input``, as where PyTorch clamps without recording.

    >>> from tinygrad_mp import tensor
    >>> raised(tensor([0.0, 2.0]), 1.0)
    tensor([1., 2.])
    """
    return _raised(input, low=low)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between ``x1`` and ``x2`` along ``dim``.

    Parameters
    ----------
    x1, x2 : Tensor
        They broadcast; of floating dtypes, at least one of them.
    dim : int, default 1
        The axis of the vectors, of the shape to which the two broadcast.
    eps : float, default 1e-8
        The least length of a vector, which keeps zeros away from the denominator.

    >>> from tinygrad_mp import tensor
    >>> cosine_similarity(tensor([[1.0, 0.0]]), tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    require_tensors("cosine_similarity", x1=x1, x2=x2)
    dtype = result_type(*(getattr(one, "array", one) for one in (x1, x2)))
    if dtype.kind != "f":
        raise UndefinedError(f"cosine_similarity: not defined for {dtype}", fix="convert first: x.float()")
    shape = numpy.broadcast_shapes(tuple(x1.shape), tuple(x2.shape))
    axis = one_axis(dim, len(shape))
    units = [_unit(broadcast_to(to_dtype(one, dtype), shape=shape), axis, eps) for one in (x1, x2)]
    return sum(units[0] * units[1], dim=axis)


def _unit(x: Any, axis: int, eps: float) -> Any:
    return x / raised(norm(x, 2, axis, keepdim=True), eps)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norm of ``x1 - x2 + eps`` along the last axis.

    >>> from tinygrad_mp import tensor
    >>> pairwise_distance(tensor([[3.0, 0.0]]), tensor([[0.0, 4.0]]))
    tensor([5.0000])
    """
    require_tensors("pairwise_distance", x1=x1, x2=x2)
    gap = sub(x1, x2) + eps
    return norm(gap, p, -1 if gap.ndim else None, keepdim=keepdim)


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """``input`` divided by its p-norm along ``dim``, which counts as at least ``eps``.

    >>> from tinygrad_mp import tensor
    >>> normalize(tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    result = div(input, clamp_min(norm(input, p, dim, keepdim=True), eps))
    return result if out is None else out.copy_(result)


def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norm distances of all pairs of rows: of 0 and 1, 0 and 2, ..., 1 and 2, ...

    Errors
    ------
    ShapeError unless ``input`` has two axes. SettingError for a negative ``p``.

    >>> from tinygrad_mp import tensor
    >>> pdist(tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist: only supports 2D tensors, got: {input.ndim}D")
    if p < 0:
        raise SettingError(f"pdist: p must not be negative, not {p}")
    rows = range(input.shape[0])
    first = [i for i in rows for _ in range(i + 1, input.shape[0])]
    second = [j for i in rows for j in range(i + 1, input.shape[0])]
    if not first:
        return reshape(getitem(input, slice(0, 0)), (-1,))
    return norm(getitem(input, first) - getitem(input, second), p, 1)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """``x1 @ W @ x2`` for each matrix ``W`` of ``weight``, plus ``bias``.

    Parameters
    ----------
    input1, input2 : Tensor
        Shapes (..., in1) and (..., in2), the same but for the last axis.
    weight : Tensor
        Shape (out, in1, in2).
    bias : Tensor, optional
        Shape (out,).

    Returns
    -------
    Tensor of shape (..., out).

    Errors
    ------
    ShapeError if the shapes do not belong together.

    >>> from tinygrad_mp import ones
    >>> bilinear(ones(2, 3), ones(2, 4), ones(1, 3, 4))
    tensor([[12.],
            [12.]])
    """
    batch = tuple(input1.shape[:-1])
    if weight.ndim != 3:
        raise ShapeError(f"bilinear: weight has {weight.ndim} axes, not 3: (out, in1, in2)")
    if batch != tuple(input2.shape[:-1]):
        raise ShapeError(f"bilinear: input batch dimensions do not match: {batch} and {tuple(input2.shape[:-1])}")
    for number, given, expected in ((1, input1, weight.shape[1]), (2, input2, weight.shape[2])):
        if given.shape[-1] != expected:
            size = given.shape[-1]
            raise ShapeError(f"bilinear: input{number} size does not match weight: got {size} but expected {expected}")
    count = math.prod(batch)
    rows1, rows2 = (reshape(one, (count, one.shape[-1])) for one in (input1, input2))
    result = einsum("bi,oij,bj->bo", rows1, weight, rows2)
    result = reshape(result, (*batch, weight.shape[0]))
    return result if bias is None else result + bias
