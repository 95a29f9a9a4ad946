"""Products of matrices and vectors beyond ``matmul``: with something added, along named axes, of whole tensors."""

import math
import operator
from itertools import pairwise
from typing import Any

import numpy

from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.copying import roll
from tinygrad_mp.ops.cumulative import cumprod
from tinygrad_mp.ops.joining import cat, diagonal
from tinygrad_mp.ops.linalg import _located, bmm, dot, matmul, mm, mv, outer
from tinygrad_mp.ops.movement import expand, located, permute, reshape
from tinygrad_mp.ops.reduction import sum

# --- with something added ---------------------------------------------------------------------------------------------


def _scaled_sum(name: str, input: Any, product: Any, beta: Any, alpha: Any) -> Any:
    """``beta * input + alpha * product``; with beta 0, NaN in ``input`` is not seen, as in PyTorch."""
    if not hasattr(input, "dtype") or input.dtype != product.dtype:
        found = getattr(input, "dtype", type(input).__name__)
        problem = DTypeError(f"the input is {found}, but the product {product.dtype}", fix="convert one of them")
        raise _located(problem, name, input, product)
    if product.dtype.kind != "f" and any(isinstance(factor, float) for factor in (beta, alpha)):
        if name == "addr":
            problem = DTypeError(f"beta {beta} and alpha {alpha} must be integers, as the tensors are")
            raise _located(problem, name, input, product)
        beta, alpha = int(beta), int(alpha)  # as PyTorch does it
    try:
        fits = numpy.broadcast_shapes(tuple(input.shape), tuple(product.shape)) == tuple(product.shape)
    except ValueError:
        fits = False
    if not fits:
        wrong = ShapeError(f"shape {tuple(input.shape)} does not expand to that of the product, {product.shape}")
        raise _located(wrong, name, input, product)
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product + expand(input * 0, product.shape).masked_fill(~(input == input), 0)
    return (input if beta == 1 else input * beta) + product


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` for matrices; ``input`` broadcasts to the product.

    >>> from tinygrad_mp import addmm, tensor
    >>> addmm(tensor([1.0]), tensor([[1.0, 2.0]]), tensor([[3.0], [4.0]]))
    tensor([[12.]])
    """
    return _scaled_sum("addmm", input, mm(mat1, mat2), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * (mat @ vec)`` for a matrix and a vector.

    >>> from tinygrad_mp import addmv, tensor
    >>> addmv(tensor([1.0]), tensor([[1.0, 2.0]]), tensor([3.0, 4.0]), alpha=2)
    tensor([23.])
    """
    return _scaled_sum("addmv", input, mv(mat, vec), beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``.

    >>> from tinygrad_mp import addr, tensor
    >>> addr(tensor([1.0]), tensor([1.0, 2.0]), tensor([3.0]))
    tensor([[4.],
            [7.]])
    """
    product = outer(vec1, vec2)
    if input.dtype.kind != product.dtype.kind or input.dtype == product.dtype:
        product = product if input.dtype == product.dtype else product.to(input.dtype)
    return _scaled_sum("addr", input, product, beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2)``.

    >>> from tinygrad_mp import baddbmm, ones
    >>> baddbmm(ones(1), ones(2, 1, 3), ones(2, 3, 1)).flatten()
    tensor([4., 4.])
    """
    return _scaled_sum("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``.

    >>> from tinygrad_mp import addbmm, ones
    >>> addbmm(ones(1), ones(2, 1, 3), ones(2, 3, 1))
    tensor([[7.]])
    """
    return _scaled_sum("addbmm", input, sum(bmm(batch1, batch2), 0, dtype=batch1.dtype), beta, alpha)


# --- along named axes -------------------------------------------------------------------------------------------------


def _axes_to_sum(a: Any, b: Any, dims: Any) -> tuple[list[int], list[int]]:
    """The axes of ``a`` and of ``b`` over which to sum."""
    if hasattr(dims, "tolist"):
        dims = dims.tolist()
    if not isinstance(dims, (list, tuple)):
        count = operator.index(dims)
        if not 0 <= count <= min(a.ndim, b.ndim):
            problem = ShapeError(f"{count} axes cannot be summed: x has {a.ndim}, y has {b.ndim}")
            raise _located(problem, "tensordot", a, b)
        return list(range(a.ndim - count, a.ndim)), list(range(count))
    first, second = (list(one) if isinstance(one, (list, tuple)) else [one] for one in dims)
    return [one_axis(axis, a.ndim) for axis in first], [one_axis(axis, b.ndim) for axis in second]


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sum products of ``a`` and ``b`` over pairs of axes.

    Parameters
    ----------
    dims : int, or a pair of sequences of int
        The number of last axes of ``a`` and first axes of ``b``, or which axes of each. Default 2.

    Returns
    -------
    Tensor
        With the other axes of ``a`` and then those of ``b``.

    Errors
    ------
    ShapeError if the sizes differ; DTypeError if the dtypes do.

    >>> from tinygrad_mp import ones, tensordot
    >>> tensordot(ones(2, 3, 4), ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    Size([2, 5])
    """
    first, second = _axes_to_sum(a, b, dims)
    sizes, others = [a.shape[axis] for axis in first], [b.shape[axis] for axis in second]
    if len(sizes) != len(others) or any(x != y and 1 not in (x, y) for x, y in zip(sizes, others, strict=True)):
        problem = ShapeError(f"the axes to sum over have sizes {sizes} and {others}")
        raise _located(problem, "tensordot", a, b)
    for place, (x, y) in enumerate(zip(sizes, others, strict=True)):  # an axis of size 1 meets a sum
        if x != y:
            a = sum(a, first[place], True, dtype=a.dtype) if y == 1 else a
            b = sum(b, second[place], True, dtype=b.dtype) if x == 1 else b
            sizes[place] = 1
    left = [axis for axis in range(a.ndim) if axis not in first]
    right = [axis for axis in range(b.ndim) if axis not in second]
    shape = [a.shape[axis] for axis in left] + [b.shape[axis] for axis in right]
    rows, inner = math.prod(shape[: len(left)]), math.prod(sizes)
    x = reshape(permute(a, left + first) if a.ndim else a, (rows, inner))
    y = reshape(permute(b, second + right) if b.ndim else b, (inner, math.prod(shape[len(left) :])))
    return reshape(mm(x, y), tuple(shape))


def inner(input: Any, other: Any) -> Any:
    """Sums of products along the last axes: (..., k), (---, k) -> (..., ---); a number multiplies.

    >>> from tinygrad_mp import inner, tensor
    >>> inner(tensor([1.0, 2.0]), tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not input.ndim or not other.ndim:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        problem = ShapeError(f"the last axes have sizes {input.shape[-1]} and {other.shape[-1]}")
        raise _located(problem, "inner", input, other)
    return tensordot(input, other, ([-1], [-1]))


def vdot(input: Any, other: Any) -> Any:
    """The inner product of two vectors, as :func:`dot`.

    >>> from tinygrad_mp import tensor, vdot
    >>> vdot(tensor([1.0, 2.0]), tensor([3.0, 4.0]))
    tensor(11.)
    """
    return dot(input, other)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Sums of products along ``dim``, where the other axes broadcast.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import vecdot
    >>> vecdot(tensor([[1.0, 2.0], [0.0, 1.0]]), tensor([3.0, 4.0]))
    tensor([11.,  4.])
    """
    return sum(x * y, dim)


def ger(input: Any, vec2: Any) -> Any:
    """All products of the entries of two vectors: :func:`outer` under its older name.

    >>> from tinygrad_mp import ger, tensor
    >>> ger(tensor([1.0, 2.0]), tensor([3.0]))
    tensor([[3.],
            [6.]])
    """
    return outer(input, vec2)


def kron(input: Any, other: Any) -> Any:
    """The Kronecker product: each entry of ``input`` times the whole of ``other``.

    >>> from tinygrad_mp import kron, tensor
    >>> kron(tensor([1.0, 2.0]), tensor([1.0, 1.0]))
    tensor([1., 1., 2., 2.])
    """
    ndim = max(input.ndim, other.ndim)
    left = (1,) * (ndim - input.ndim) + tuple(input.shape)
    right = (1,) * (ndim - other.ndim) + tuple(other.shape)
    x = reshape(input, tuple(size for one in left for size in (one, 1)))
    y = reshape(other, tuple(size for one in right for size in (1, one)))
    return reshape(x * y, tuple(one * another for one, another in zip(left, right, strict=True)))


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """The cross product along an axis of size 3; the other axes broadcast.

    Parameters
    ----------
    dim : int, optional
        Default: the first axis of size 3.

    Errors
    ------
    ShapeError if the axis does not have size 3.

    >>> from tinygrad_mp import cross, tensor
    >>> cross(tensor([1.0, 0.0, 0.0]), tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if dim is None:
        threes = [axis for axis, size in enumerate(input.shape) if size == 3]
        if not threes:
            raise _located(ShapeError("no axis has size 3"), "cross", input, other)
        dim = threes[0]
    return linalg_cross(input, other, dim=dim)


def linalg_cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """The cross product along ``dim``, which has size 3; the other axes broadcast.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import cross
    >>> cross(tensor([1.0, 0.0, 0.0]), tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        problem = ShapeError(f"the operands have {input.ndim} and {other.ndim} axes", fix="unsqueeze one of them")
        raise _located(problem, "cross", input, other)
    axis = one_axis(dim, input.ndim)
    if input.ndim == 0 or input.shape[axis] != 3 or other.shape[axis] != 3:
        raise _located(ShapeError(f"axis {dim} must have size 3"), "cross", input, other)
    shape = numpy.broadcast_shapes(tuple(input.shape), tuple(other.shape))
    x, y = expand(input, shape), expand(other, shape)
    return roll(x, -1, axis) * roll(y, -2, axis) - roll(x, -2, axis) * roll(y, -1, axis)


def trace(input: Any) -> Any:
    """The sum of the diagonal of a matrix.

    >>> from tinygrad_mp import tensor, trace
    >>> trace(tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if input.ndim != 2:
        raise located(ShapeError(f"a matrix has 2 axes, this tensor {input.ndim}"), "trace", input)
    return sum(diagonal(input))


# --- many of them -----------------------------------------------------------------------------------------------------


def multi_dot(tensors: Any) -> Any:
    """The product of several matrices, in the order of multiplication that takes the fewest steps.

    The first may be a row vector and the last a column vector, each with one axis, which the result then lacks.

    Errors
    ------
    ShapeError if the sizes do not fit, or there are fewer than two.

    Source: Cormen, Leiserson, Rivest, Stein: Introduction to Algorithms, 2009, section 15.2.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.linalg import multi_dot
    >>> multi_dot([ones(2, 3), ones(3, 4), ones(4)])
    tensor([12., 12.])
    """
    parts = list(tensors)
    if len(parts) < 2:
        raise ShapeError(f"multi_dot: {len(parts)} tensors", fix="give at least two")
    row, column = parts[0].ndim == 1, parts[-1].ndim == 1
    if row:
        parts[0] = reshape(parts[0], (1, -1))
    if column:
        parts[-1] = reshape(parts[-1], (-1, 1))
    for part in parts:
        if part.ndim != 2:
            raise located(ShapeError(f"each must be a matrix, not of {part.ndim} axes"), "multi_dot", part)
    for one, other in pairwise(parts):
        if one.shape[1] != other.shape[0]:
            problem = ShapeError(f"the inner sizes differ: {one.shape[1]} and {other.shape[0]}")
            raise _located(problem, "multi_dot", one, other)
    product = _multiplied(parts, _best_splits([part.shape[0] for part in parts] + [parts[-1].shape[1]]), 0, len(parts))
    shape = product.shape[int(row) : 1 if column else 2]
    return product if not row and not column else reshape(product, tuple(shape))


def _best_splits(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each part of a chain of matrices, ``sizes[i]`` by ``sizes[i + 1]``, to multiply it cheapest."""
    count = len(sizes) - 1
    cost = {(i, i + 1): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(2, count + 1):
        for start in range(count - length + 1):
            end = start + length
            price = {
                cut: cost[start, cut] + cost[cut, end] + sizes[start] * sizes[cut] * sizes[end]
                for cut in range(start + 1, end)
            }
            cuts[start, end] = min(price, key=price.__getitem__)
            cost[start, end] = price[cuts[start, end]]
    return cuts


def _multiplied(parts: list[Any], cuts: dict[tuple[int, int], int], start: int, end: int) -> Any:
    if end == start + 1:
        return parts[start]
    cut = cuts[start, end]
    return mm(_multiplied(parts, cuts, start, cut), _multiplied(parts, cuts, cut, end))


def chain_matmul(*matrices: Any) -> Any:
    """The product of matrices, as :func:`tinygrad_mp.linalg.multi_dot`.

    >>> from tinygrad_mp import chain_matmul, ones
    >>> chain_matmul(ones(1, 3), ones(3, 2))
    tensor([[3., 3.]])
    """
    parts = matrices[0] if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)) else matrices
    return parts[0] if len(parts) == 1 else multi_dot(parts)


def matrix_product(input: Any, n: int) -> Any:
    """``n`` matrices ``input`` multiplied, by repeated squaring; ``n`` is at least 1."""
    result = None
    while True:
        if n & 1:
            result = input if result is None else matmul(result, input)
        n >>= 1
        if not n:
            return result
        input = matmul(input, input)


def vander(x: Any, N: int | None = None) -> Any:
    """The powers 0 to ``N - 1`` of each entry, on a new last axis.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import vander
    >>> vander(tensor([2.0, 3.0]), N=3)
    tensor([[1., 2., 4.],
            [1., 3., 9.]])
    """
    if not x.ndim:
        x = reshape(x, 1)
    count = x.shape[-1] if N is None else operator.index(N)
    if count < 1:
        raise located(SettingError(f"N is {count}", fix="use at least 1"), "vander", x)
    column = reshape(x, (*x.shape, 1))
    factors = cat((column * 0 + 1, expand(column, (*x.shape, count - 1))), -1)
    return cumprod(factors, -1)
