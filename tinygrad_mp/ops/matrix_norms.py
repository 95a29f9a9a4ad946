"""Norms of vectors and matrices as ``linalg`` has them, condition numbers, and powers that are inverses of tensors."""

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops import reduction
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.decompositions import svdvals
from tinygrad_mp.ops.elementwise import abs
from tinygrad_mp.ops.extremes import amax, amin
from tinygrad_mp.ops.inverses import inv, solve
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import located, movedim, permute, reshape
from tinygrad_mp.ops.norms import norm as _entries_norm
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.products import matrix_product


def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The norm of the entries along ``dim`` (int, tuple or None for all), as of a vector.

    Parameters
    ----------
    ord : float, default 2
        ``sum(abs(x)**ord)**(1/ord)``; inf and -inf the largest and smallest size, 0 the number of entries not zero.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import vector_norm
    >>> vector_norm(tensor([3.0, -4.0]))
    tensor(5.)
    """
    if isinstance(ord, str):
        raise located(SettingError(f"ord is {ord!r}", fix="use a number; matrix_norm knows names"), "vector_norm", x)
    if dtype is not None:
        x = to_dtype(x, dtype)
    return _entries_norm(x, ord, dim, keepdim)


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The norm of matrices along a pair of axes.

    Parameters
    ----------
    ord : {"fro", "nuc", inf, -inf, 1, -1, 2, -2}, default "fro"
        Root of the sum of squares, sum of singular values, largest or smallest sum of sizes of a row (inf) or column
        (1), largest or smallest singular value (2).
    dim : pair of int, default the last two
    keepdim : bool, default False

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import matrix_norm
    >>> matrix_norm(tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if dtype is not None:
        A = to_dtype(A, dtype)
    if A.ndim < 2 or A.dtype.kind != "f":
        raise located(ShapeError(f"a floating matrix is needed, not {A.ndim} axes of {A.dtype}"), "matrix_norm", A)
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise located(ShapeError(f"dim must be a pair of axes, not {dim!r}"), "matrix_norm", A)
    rows, columns = (one_axis(axis, A.ndim) for axis in dim)
    if rows == columns:
        raise located(ShapeError(f"dim {tuple(dim)} names an axis twice"), "matrix_norm", A)
    if ord == "fro":
        return _entries_norm(A, 2, (rows, columns), keepdim)
    if ord == "nuc" or (not isinstance(ord, str) and math.fabs(ord) == 2):
        values = svdvals(movedim(A, (rows, columns), (-2, -1)))
        out = reduction.sum(values, -1) if ord == "nuc" else (amax if ord > 0 else amin)(values, -1)
    elif isinstance(ord, str) or math.fabs(ord) not in (1, math.inf):
        raise located(SettingError(f"unknown ord {ord!r}", fix="use fro, nuc, 1, 2, inf or their negatives"), "norm", A)
    else:
        summed, other = (rows, columns) if math.fabs(ord) == 1 else (columns, rows)
        sums = reduction.sum(abs(A), summed, True)
        out = (amax if ord > 0 else amin)(sums, other, True)
        return out if keepdim else reshape(out, _without(A, rows, columns))
    return reshape(out, _ones_at(A, rows, columns)) if keepdim else out


def _without(x: Any, *axes: int) -> tuple[int, ...]:
    return tuple(size for axis, size in enumerate(x.shape) if axis not in axes)


def _ones_at(x: Any, *axes: int) -> tuple[int, ...]:
    return tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))


def linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A vector's or a matrix's norm, by the number of axes.

    Without ``ord``: the root of the sum of squares along ``dim``, of all entries by default. With it: of a vector if
    ``dim`` is an int or there is one axis, of matrices if ``dim`` is a pair or there are two axes.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import norm
    >>> norm(tensor([3.0, 4.0])), norm(tensor([[1.0, -2.0], [3.0, 4.0]]), float("inf"))
    (tensor(5.), tensor(7.))
    """
    if ord is None:
        if dim is None:
            out = vector_norm(reshape(A, -1), 2, dtype=dtype)
            return reshape(out, (1,) * A.ndim) if keepdim else out
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if dim is None and A.ndim not in (1, 2):
        problem = ShapeError(f"with ord and no dim there must be 1 or 2 axes, not {A.ndim}", fix="pass dim")
        raise located(problem, "norm", A)
    if pair or (dim is None and A.ndim == 2):
        return matrix_norm(A, ord, dim if pair else (0, 1), keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def cond(A: Any, p: Any = None) -> Any:
    """The condition number: the norm of A times that of its inverse.

    Parameters
    ----------
    p : as ``ord`` of :func:`matrix_norm`, default 2
        2 and -2 by singular values, of any matrix; the others of square ones, and inf where they are singular.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import cond
    >>> cond(tensor([[2.0, 0.0], [0.0, 0.5]]))
    tensor(4.)
    """
    if p is None or p in (2, -2):
        values = svdvals(A)
        large, small = values[..., 0], values[..., -1]
        return small / large if p == -2 else large / small
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


# --- inverses of tensors ----------------------------------------------------------------------------------------------


def tensorinv(A: Any, ind: int = 2) -> Any:
    """The inverse for :func:`tensordot` over ``ind`` axes: of A as the matrix of its first ``ind`` axes by the others.

    >>> from tinygrad_mp import eye
    >>> from tinygrad_mp.linalg import tensorinv
    >>> tensorinv(eye(4).reshape(2, 2, 4)).shape
    Size([4, 2, 2])
    """
    if ind < 1:
        raise located(SettingError(f"ind is {ind}", fix="use at least 1"), "tensorinv", A)
    first, rest = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    size = math.prod(first)
    if size != math.prod(rest):
        raise located(ShapeError(f"axes {first} and {rest} hold different numbers of entries"), "tensorinv", A)
    return reshape(inv(reshape(A, (size, size))), (*rest, *first))


def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """The X with ``tensordot(A, X, X.ndim) = B``.

    Parameters
    ----------
    dims : sequence of int, optional
        Axes of A that are moved to its end first.

    >>> from tinygrad_mp import eye, ones
    >>> from tinygrad_mp.linalg import tensorsolve
    >>> tensorsolve(eye(4).reshape(2, 2, 4), ones(2, 2))
    tensor([1., 1., 1., 1.])
    """
    if dims is not None:
        last = [one_axis(axis, A.ndim) for axis in dims]
        A = permute(A, [axis for axis in range(A.ndim) if axis not in last] + last)
    shape = tuple(A.shape[B.ndim :])
    size = math.prod(shape)
    if math.prod(B.shape) != size or math.prod(A.shape[: B.ndim]) != size:
        raise located(ShapeError(f"A of shape {tuple(A.shape)} is no square system for {B.shape}"), "tensorsolve", A)
    return reshape(solve(reshape(A, (size, size)), reshape(B, (size,))), shape)


# --- exponential ------------------------------------------------------------------------------------------------------

_TERMS = 18
"""Of the Taylor series: with norms up to 1/2 the rest is below the precision of float64."""


def matrix_exp(A: Any) -> Any:
    """The exponential of square matrices, ``I + A + A @ A / 2 + ...``, by scaling and squaring.

    Source: Moler and Van Loan, Nineteen dubious ways to compute the exponential of a matrix, 2003, method 3.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import matrix_exp
    >>> matrix_exp(tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise located(ShapeError(f"a square matrix is needed, not shape {tuple(A.shape)}"), "matrix_exp", A)
    if A.dtype.kind != "f":
        raise located(DTypeError(f"the matrix must be floating, not {A.dtype}", fix="use x.float()"), "matrix_exp", A)
    raw = getattr(A, "array", A)
    module = xp(raw)
    if not raw.size:
        return A * 1
    largest = float(module.abs(raw).sum(axis=-1).max())
    halvings = max(0, math.ceil(math.log2(largest)) + 1) if 0.0 < largest < math.inf else 0
    x = A * 0.5**halvings
    eye = module.eye(A.shape[-1], dtype=A.dtype)
    out = x * (1 / _TERMS) + eye
    for term in range(_TERMS - 1, 0, -1):  # Horner's scheme
        out = matmul(x, out) * (1 / term) + eye
    return matrix_product(out, 2**halvings)
