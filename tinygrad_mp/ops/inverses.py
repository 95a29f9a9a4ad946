"""Square systems: inverse, solution, determinant. Matrices are the last two axes; those before are a batch.

Sources of the derivatives: Giles, An extended collection of matrix derivative results, 2008.
"""

from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, Real, Sampler
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, LinAlgError, ShapeError
from tinygrad_mp.ops import return_types
from tinygrad_mp.ops.copying import tril, triu
from tinygrad_mp.ops.counting import like as as_input
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.linalg import _located, _turned, matmul
from tinygrad_mp.ops.movement import located, reshape
from tinygrad_mp.ops.products import matrix_product
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.ops.selection import where
from tinygrad_mp.primitive import primitive

# --- checks -----------------------------------------------------------------------------------------------------------


def require_matrices(name: str, input: Any, square: bool = False) -> Any:
    """``input``, or an error unless it is a batch of floating (square) matrices."""
    if input.ndim < 2:
        raise located(ShapeError(f"a matrix has at least 2 axes, this tensor {input.ndim}"), name, input)
    if square and input.shape[-1] != input.shape[-2]:
        raise located(ShapeError(f"the matrix is not square: {input.shape[-2]} x {input.shape[-1]}"), name, input)
    if input.dtype not in FLOATING or input.dtype.name == "float16":
        fix = "convert it: x.float()"
        raise located(DTypeError(f"the matrix must be float32 or float64, not {input.dtype}", fix=fix), name, input)
    return input


def square_case(sampler: Sampler) -> Any:
    """For the checks: matrices far from singular."""
    size = sampler.integer(0, 3)
    x = sampler.array((*sampler.shape(max_dims=1), size, size), Domain(-0.4, 0.4))
    return (x + 2.0 * numpy.eye(size),), {}


# --- inverse ----------------------------------------------------------------------------------------------------------


def _singular(name: str) -> LinAlgError:
    return LinAlgError(f"{name}: the matrix is singular", fix="use pinv or lstsq, or add a multiple of the identity")


@primitive(x=lambda g, out: -matmul(_turned(out), matmul(g, _turned(out))), promotes=None, cases=square_case)
def _inv(x: Real) -> Any:
    """The inverse of each matrix."""
    try:
        return xp(x).linalg.inv(x)
    except numpy.linalg.LinAlgError as error:
        raise _singular("inv") from error


def inv(A: Any) -> Any:
    """The inverse of square matrices, (..., n, n).

    Errors
    ------
    LinAlgError (a RuntimeError) for a singular matrix. ShapeError if it is not square; DTypeError if not floating.

    >>> from tinygrad_mp import tensor
    >>> tensor([[2.0, 0.0], [0.0, 4.0]]).inverse()
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _inv(require_matrices("inv", A, square=True))


def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """The inverse and, instead of an error for singular matrices, ``info``: 0 where it is right.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import inv_ex
    >>> inv_ex(tensor([[2.0]])).info
    tensor(0, dtype=int32)
    """
    return _checked(inv, "linalg_inv_ex", A, A, check_errors=check_errors)


def _checked(function: Any, result: str, like: Any, *operands: Any, check_errors: bool) -> Any:
    """A function's result with ``info``, which says where it failed."""
    info = xp(raw(like)).zeros(like.shape[:-2], dtype="int32")
    try:
        out = function(*operands)
    except LinAlgError:
        if check_errors:
            raise
        out, info = operands[-1] * float("nan"), info + 1
    return getattr(return_types, result)((out, as_input(like, info)))


# --- solution ---------------------------------------------------------------------------------------------------------


def _solve_case(sampler: Sampler) -> Any:
    (a,), _ = square_case(sampler)
    return (a, sampler.array((*a.shape[:-1], sampler.integer(0, 2)))), {}


@primitive(
    a=lambda g, a, out: -matmul(_solve(_turned(a), g), _turned(out)),
    b=lambda g, a: _solve(_turned(a), g),
    promotes=None,
    cases=_solve_case,
)
def _solve(a: Real, b: Real) -> Any:
    """``inv(a) @ b``, for matrices ``b``; the batch axes broadcast."""
    try:
        return xp(a).linalg.solve(a, b)
    except numpy.linalg.LinAlgError as error:
        raise _singular("solve") from error


def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """The solution X of ``A @ X = B``, or with ``left=False`` of ``X @ A = B``.

    Parameters
    ----------
    A : Tensor, (..., n, n)
    B : Tensor, (..., n, k), (n,) or, beside a batch, (..., n)
        Batches broadcast. Same dtype as ``A``.
    left : bool, default True

    Returns
    -------
    Tensor
        Shape of ``B``, with the batch axes of both.

    Errors
    ------
    LinAlgError if ``A`` is singular; ShapeError if the shapes do not fit; DTypeError if the dtypes differ.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import solve
    >>> solve(tensor([[2.0, 0.0], [0.0, 4.0]]), tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    require_matrices("solve", A, square=True)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    if A.dtype != B.dtype:
        raise _located(DTypeError(f"the dtypes differ: {A.dtype} and {B.dtype}"), "solve", A, B)
    if vector and not left:
        raise _located(ShapeError("with left=False, the right side must be a matrix"), "solve", A, B)
    side = reshape(B, (*B.shape, 1)) if vector else B
    size = side.shape[-2 if left else -1] if side.ndim > 1 else None
    if size != A.shape[-1]:
        raise _located(ShapeError(f"a system of size {A.shape[-1]}, but {size} right sides"), "solve", A, B)
    if not left:
        return _turned(_solve(_turned(A), _turned(side)))
    out = _solve(A, side)
    return reshape(out, tuple(out.shape[:-1])) if vector else out


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """The solution and ``info``, as :func:`inv_ex`.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import solve_ex
    >>> solve_ex(tensor([[2.0]]), tensor([[4.0]])).result
    tensor([[2.]])
    """

    def solved(a: Any, b: Any) -> Any:
        return solve(a, b, left=left)

    return _checked(solved, "linalg_solve_ex", A, A, B, check_errors=check_errors)


def solve_triangular(
    A: Any,
    B: Any,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Any:
    """The solution X of ``A @ X = B`` (``X @ A = B``) for triangular ``A``; the other triangle is not read.

    Parameters
    ----------
    A : Tensor, (..., n, n)
    B : Tensor, (..., n, k)
    upper : bool
    left : bool, default True
    unitriangular : bool, default False
        Take the diagonal for ones, without reading it.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import solve_triangular
    >>> solve_triangular(tensor([[2.0, 9.0], [1.0, 1.0]]), tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
    require_matrices("solve_triangular", A, square=True)
    require_matrices("solve_triangular", B)
    offset = int(unitriangular)
    triangle = triu(A, offset) if upper else tril(A, -offset)
    if unitriangular:
        module = xp(getattr(A, "array", A))
        triangle = triangle + module.eye(A.shape[-1], dtype=A.dtype)
    return solve(triangle, B, left=left)


# --- determinant ------------------------------------------------------------------------------------------------------


def _scaled(g: Any, x: Any) -> Any:
    """A number for each matrix, times that matrix."""
    return reshape(g, (*g.shape, 1, 1)) * x


def _cofactor_rule(g: Any, x: Any, out: Any) -> Any:
    # Of det(x) * inv(x).T, where x is not singular.
    turned, size = _turned(_inv(x)), _det(x)
    inner = sum(sum(g * turned, -1), -1)
    return _scaled(inner, out) - _scaled(size, matmul(turned, matmul(_turned(g), turned)))


@primitive(x=_cofactor_rule, promotes=None, cases=square_case)
def _cofactor(x: Real) -> Any:
    """The gradient of the determinant, by singular values: right for singular matrices too."""
    module = xp(x)
    u, s, vh = module.linalg.svd(x, full_matrices=False)
    size = x.shape[-1]
    # Products of all singular values but one.
    rows = module.where(module.eye(size, dtype="bool"), 1.0, module.expand_dims(s, -2)).astype(x.dtype)
    others = rows.prod(axis=-1)
    sign = module.linalg.det(u) * module.linalg.det(vh)
    return module.matmul(u * module.expand_dims(others * module.expand_dims(sign, -1), -2), vh).astype(x.dtype)


@primitive(x=lambda g, x: _scaled(g, _cofactor(x)), promotes=None, cases=square_case)
def _det(x: Real) -> Any:
    """The determinant of each matrix."""
    return xp(x).linalg.det(x)


def det(A: Any) -> Any:
    """The determinant of square matrices: (..., n, n) -> (...). Its gradient is right for singular matrices.

    >>> from tinygrad_mp import det, tensor
    >>> det(tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    return _det(require_matrices("det", A, square=True))


@primitive(x=lambda g, x: _scaled(g[1], _turned(_inv(x))), promotes=None, outputs=True, cases=square_case)
def _slogdet(x: Real) -> tuple[Any, ...]:
    """Sign and logarithm of the determinant; the sign is constant."""
    return tuple(xp(x).linalg.slogdet(x))


def linalg_slogdet(A: Any) -> Any:
    """The sign of the determinant and the logarithm of its size: ``(sign, logabsdet)``; 0 and -inf if singular.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import slogdet
    >>> slogdet(tensor([[-1.0]])).sign
    tensor(-1.)
    """
    return return_types.linalg_slogdet(_slogdet(require_matrices("slogdet", A, square=True)))


def slogdet(input: Any) -> Any:
    """As :func:`tinygrad_mp.linalg.slogdet`.

    >>> from tinygrad_mp import slogdet, tensor
    >>> slogdet(tensor([[2.0]])).logabsdet
    tensor(0.6931)
    """
    return return_types.slogdet(_slogdet(require_matrices("slogdet", input, square=True)))


def logdet(input: Any) -> Any:
    """The logarithm of the determinant; NaN where that is negative, -inf where it is 0.

    >>> from tinygrad_mp import logdet, tensor
    >>> logdet(tensor([[2.0]]))
    tensor(0.6931)
    """
    sign, size = _slogdet(require_matrices("logdet", input, square=True))
    return where(sign < 0, float("nan"), size)


# --- powers -----------------------------------------------------------------------------------------------------------


def matrix_power(input: Any, n: int) -> Any:
    """``n`` square matrices multiplied; of the inverse for negative ``n``, the identity for 0.

    >>> from tinygrad_mp import matrix_power, tensor
    >>> matrix_power(tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        raise located(ShapeError(f"a square matrix is needed, not shape {tuple(input.shape)}"), "matrix_power", input)
    if n == 0:
        module = xp(getattr(input, "array", input))
        return input * 0 + module.eye(input.shape[-1], dtype=input.dtype)
    return matrix_product(inv(input) if n < 0 else input, abs(n)) if abs(n) > 1 or n < 0 else input.clone()
