"""Matrices taken apart: Cholesky, QR, singular values, eigenvalues of symmetric matrices.

Matrices are the last two axes; those before are a batch. Factors are recomputed in the backward pass rather than kept,
so that derivatives of every order are recorded. Where two singular values or eigenvalues are equal, single vectors are
not determined; what does not depend on the choice still gets its right gradient.

Sources of the derivatives: Giles, An extended collection of matrix derivative results, 2008; Murray, Differentiation of
the Cholesky decomposition, 2016; Seeger et al., Auto-differentiating linear algebra, 2017; Townsend, Differentiating
the singular value decomposition, 2016; Walter, Lehmann, Lamour, On evaluating higher-order derivatives of the QR
decomposition, 2012.
"""

from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, Flag, Real, Sampler
from tinygrad_mp.errors import LinAlgError, SettingError
from tinygrad_mp.ops import return_types
from tinygrad_mp.ops.copying import tril
from tinygrad_mp.ops.counting import like
from tinygrad_mp.ops.inverses import _checked, _solve, require_matrices, solve_triangular, square_case
from tinygrad_mp.ops.joining import cat, narrow
from tinygrad_mp.ops.linalg import _turned, matmul
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.primitive import cast, primitive
from tinygrad_mp.tape import TensorBase

# --- for the rules ----------------------------------------------------------------------------------------------------


def _eye(x: Any, size: int) -> Any:
    """The identity, on the device and in the dtype of ``x``: a raw array."""
    return xp(getattr(x, "array", x)).eye(size, dtype=x.dtype)


def _row(x: Any) -> Any:
    return reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _column(x: Any) -> Any:
    return reshape(x, (*x.shape, 1))


def _over(x: Any, y: Any) -> Any:
    """``x / y``, where 1 stands for a ``y`` of 0."""
    return x / (y + cast(y == 0, dtype=y.dtype))


def _mean_of_triangles(x: Any) -> Any:
    """What the primitives for symmetric matrices look at, so that their gradients are symmetric."""
    return (x + x.swapaxes(-1, -2)) * 0.5


def _mirrored(x: Any, upper: bool) -> Any:
    """``x``, changed by a constant if need be, so that the mean of its triangles is what one triangle says."""
    raw = x.array if isinstance(x, TensorBase) else x
    module, turned = xp(raw), raw.swapaxes(-1, -2)
    if bool((raw == turned).all()):
        return x
    half = module.triu(raw) if upper else module.tril(raw)
    other = module.triu(raw, 1) if upper else module.tril(raw, -1)
    return x + (half + other.swapaxes(-1, -2) - _mean_of_triangles(raw))


def _lower_half(x: Any) -> Any:
    """The lower triangle, with half of the diagonal."""
    return tril(x) - x * _eye(x, x.shape[-1]) * 0.5


# --- Cholesky ---------------------------------------------------------------------------------------------------------


def _positive_case(sampler: Sampler) -> Any:
    (x,), _ = square_case(sampler)
    return (x @ x.swapaxes(-1, -2),), {}


def _cholesky_rule(g: Any, out: Any) -> Any:
    inner = _lower_half(matmul(_turned(out), tril(g)))
    whole = _solve(_turned(out), _turned(_solve(_turned(out), _turned(inner))))
    return (whole + _turned(whole)) * 0.5


@primitive(x=_cholesky_rule, promotes=None, cases=_positive_case)
def _cholesky(x: Real) -> Any:
    """The lower triangular factor of the mean of ``x`` and its transpose."""
    try:
        return xp(x).linalg.cholesky(_mean_of_triangles(x))
    except numpy.linalg.LinAlgError as error:
        raise LinAlgError(
            "cholesky: the matrix is not positive definite", fix="add a multiple of the identity: x + 1e-6 * eye(n)"
        ) from error


def linalg_cholesky(A: Any, *, upper: bool = False) -> Any:
    """The lower triangular L with ``L @ L.mT = A``, for symmetric positive definite A; with ``upper`` its transpose.

    Only one triangle of A is read; the gradient is symmetric.

    Errors
    ------
    LinAlgError (a RuntimeError) if A is not positive definite.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import cholesky
    >>> cholesky(tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    require_matrices("cholesky", A, square=True)
    lower = _cholesky(_mirrored(A, upper))
    return _turned(lower) if upper else lower


def cholesky(input: Any, upper: bool = False) -> Any:
    """As :func:`tinygrad_mp.linalg.cholesky`.

    >>> from tinygrad_mp import cholesky, tensor
    >>> cholesky(tensor([[4.0]]))
    tensor([[2.]])
    """
    return linalg_cholesky(input, upper=upper)


def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """The factor and, instead of an error, ``info``: 0 where it is right.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import cholesky_ex
    >>> cholesky_ex(tensor([[4.0]])).L
    tensor([[2.]])
    """

    def factored(a: Any) -> Any:
        return linalg_cholesky(a, upper=upper)

    return _checked(factored, "linalg_cholesky_ex", A, A, check_errors=check_errors)


def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    """The solution X of ``A @ X = B``, given A's Cholesky factor L.

    >>> from tinygrad_mp import cholesky_solve, tensor
    >>> cholesky_solve(tensor([[8.0]]), tensor([[2.0]]))
    tensor([[2.]])
    """
    lower = _turned(L) if upper else L
    return solve_triangular(_turned(lower), solve_triangular(lower, B, upper=False), upper=True)


def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """The inverse of A, given its Cholesky factor L.

    >>> from tinygrad_mp import cholesky_inverse, tensor
    >>> cholesky_inverse(tensor([[2.0]]))
    tensor([[0.2500]])
    """
    require_matrices("cholesky_inverse", L, square=True)
    return cholesky_solve(L * 0 + _eye(L, L.shape[-1]), L, upper)


# --- QR ---------------------------------------------------------------------------------------------------------------


def _tall_case(sampler: Sampler) -> Any:
    (x,), _ = square_case(sampler)
    extra = sampler.array((*x.shape[:-2], sampler.integer(0, 2), x.shape[-1]))
    return (numpy.concatenate((x, extra), axis=-2),), {}


def _qr_rule(g: Any, x: Any) -> Any:
    (g_q, g_r), (q, r) = g, _qr(x)
    product = matmul(r, _turned(g_r)) - matmul(_turned(g_q), q)
    symmetric = tril(product) + _turned(tril(product, -1))
    return _turned(_solve(r, _turned(g_q + matmul(q, symmetric))))


@primitive(x=_qr_rule, promotes=None, outputs=True, cases=_tall_case)
def _qr(x: Real) -> tuple[Any, ...]:
    """Orthonormal columns and an upper triangle, for matrices with at least as many rows as columns."""
    return tuple(xp(x).linalg.qr(x))


def linalg_qr(A: Any, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and upper triangular R with ``Q @ R = A``.

    Parameters
    ----------
    A : Tensor, (..., m, n)
    mode : {"reduced", "complete", "r"}
        Q is (..., m, min(m, n)), or square, or left out: then it is empty.

    Errors
    ------
    SettingError for another mode. "complete" with m > n and "r" have no gradient: their result does not require one.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import qr
    >>> qr(tensor([[3.0, 1.0], [4.0, 2.0]])).R.abs()
    tensor([[5.0000, 2.2000],
            [0.0000, 0.4000]])
    """
    return return_types.linalg_qr(_factored("qr", A, mode))


def qr(input: Any, some: bool = True) -> Any:
    """As :func:`tinygrad_mp.linalg.qr`; ``some=False`` is its mode "complete".

    >>> from tinygrad_mp import qr, tensor
    >>> qr(tensor([[3.0]])).R.abs()
    tensor([[3.]])
    """
    return return_types.qr(_factored("qr", input, "reduced" if some else "complete"))


def _factored(name: str, x: Any, mode: str) -> tuple[Any, Any]:
    require_matrices(name, x)
    rows, columns = x.shape[-2:]
    if mode not in ("reduced", "complete", "r"):
        raise SettingError(f"{name}: unknown mode {mode!r}", fix='use "reduced", "complete" or "r"')
    if mode == "r" or (mode == "complete" and rows > columns):
        raw = x.array if isinstance(x, TensorBase) else x
        if mode == "r":
            upper = xp(raw).linalg.qr(raw)[1]
            return like(x, upper[..., :0, :0].reshape(-1)[:0]), like(x, upper)
        whole = xp(raw).linalg.qr(raw, mode="complete")
        return like(x, whole[0]), like(x, whole[1])
    if rows >= columns:
        return _qr(x)  # type: ignore[no-any-return]
    q, upper = _qr(narrow(x, -1, 0, rows))
    return q, cat((upper, matmul(_turned(q), narrow(x, -1, rows, columns - rows))), -1)


# --- singular values --------------------------------------------------------------------------------------------------


def _svd_case(sampler: Sampler) -> Any:
    """Distinct singular values, none of them near zero."""
    rows, columns = sampler.integer(0, 3), sampler.integer(0, 3)
    size = min(rows, columns)
    x = sampler.array((*sampler.shape(max_dims=1), rows, columns), Domain(-0.3, 0.3))
    x[..., range(size), range(size)] += 2.0 * numpy.arange(1.0, size + 1)
    return (x,), {}


def _svd_rule(g: Any, x: Any) -> Any:
    (g_u, g_s, g_vh), (u, s, vh) = g, _svd(x)
    rows, columns, size = x.shape[-2], x.shape[-1], s.shape[-1]
    turns_u, turns_v = matmul(_turned(u), g_u), matmul(vh, _turned(g_vh))
    skew_u, skew_v = turns_u - _turned(turns_u), turns_v - _turned(turns_v)
    # Vectors that turn together divide by a gap, those that turn apart by a sum, which equal values do not make 0.
    inner = _over(skew_u + skew_v, _row(s) - _column(s)) + _over(skew_u - skew_v, _row(s) + _column(s))
    inner = inner * 0.5 + _column(g_s) * _eye(x, size)
    out = matmul(matmul(u, inner), vh)
    if rows > size:
        out = out + matmul(_over(g_u - matmul(u, turns_u), _row(s)), vh)
    if columns > size:
        out = out + matmul(u, _over(g_vh - matmul(_turned(turns_v), vh), _column(s)))
    return out


@primitive(x=_svd_rule, promotes=None, outputs=True, cases=_svd_case)
def _svd(x: Real) -> tuple[Any, ...]:
    """Left singular vectors, singular values in falling order, right singular vectors as rows."""
    return tuple(xp(x).linalg.svd(x, full_matrices=False))


def linalg_svd(A: Any, full_matrices: bool = True) -> Any:
    """``A = U @ diag(S) @ Vh`` with orthonormal U and Vh, and S in falling order.

    Parameters
    ----------
    A : Tensor, (..., m, n)
    full_matrices : bool, default True
        U and Vh are square; the vectors beyond min(m, n) have no gradient. Otherwise (..., m, k) and (..., k, n).

    Returns
    -------
    named tuple ``(U, S, Vh)``

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import svd
    >>> svd(tensor([[3.0, 0.0], [0.0, -5.0]])).S
    tensor([5., 3.])
    """
    require_matrices("svd", A)
    u, s, vh = _svd(A)
    rows, columns = A.shape[-2:]
    if full_matrices and rows != columns:
        raw = A.array if isinstance(A, TensorBase) else A
        whole_u, _, whole_vh = xp(raw).linalg.svd(raw, full_matrices=True)
        size = s.shape[-1]
        if rows > size:
            u = cat((u, like(A, whole_u[..., size:])), -1)
        if columns > size:
            vh = cat((vh, like(A, whole_vh[..., size:, :])), -2)
    return return_types.linalg_svd((u, s, vh))


def svd(input: Any, some: bool = True, compute_uv: bool = True) -> Any:
    """``(U, S, V)`` with ``input = U @ diag(S) @ V.mT``; as :func:`tinygrad_mp.linalg.svd`, with V instead of Vh.

    Parameters
    ----------
    some : bool, default True
        Only the first min(m, n) vectors.
    compute_uv : bool, default True
        Otherwise U and V are zeros.

    >>> from tinygrad_mp import svd, tensor
    >>> svd(tensor([[3.0, 0.0], [0.0, -5.0]])).S
    tensor([5., 3.])
    """
    u, s, vh = linalg_svd(input, full_matrices=not some or not compute_uv)
    if not compute_uv:
        u, vh = u.detach() * 0, vh.detach() * 0
    return return_types.svd((u, s, _turned(vh)))


def svdvals(A: Any) -> Any:
    """The singular values, in falling order: (..., m, n) -> (..., min(m, n)).

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import svdvals
    >>> svdvals(tensor([[3.0, 0.0], [0.0, -5.0]]))
    tensor([5., 3.])
    """
    return _svd(require_matrices("svdvals", A))[1]


# --- eigenvalues of symmetric matrices --------------------------------------------------------------------------------


def _symmetric_case(sampler: Sampler) -> Any:
    size = sampler.integer(0, 3)
    x = sampler.array((*sampler.shape(max_dims=1), size, size), Domain(-0.3, 0.3))
    return (x + x.swapaxes(-1, -2) + numpy.diag(3.0 * numpy.arange(size)),), {"upper": sampler.choice((False, True))}


def _eigh_rule(g: Any, x: Any, upper: bool) -> Any:
    (g_values, g_vectors), (values, vectors) = g, _eigh(x, upper=upper)
    turns = matmul(_turned(vectors), g_vectors)
    turns = _over(turns - _turned(turns), _row(values) - _column(values)) * 0.5
    inner = turns + _column(g_values) * _eye(x, x.shape[-1])
    return matmul(matmul(vectors, inner), _turned(vectors))


@primitive(x=_eigh_rule, promotes=None, outputs=True, cases=_symmetric_case)
def _eigh(x: Real, *, upper: Flag) -> tuple[Any, ...]:
    """Eigenvalues of the mean of ``x`` and its transpose in rising order, and eigenvectors as columns."""
    return tuple(xp(x).linalg.eigh(_mean_of_triangles(x), UPLO="U" if upper else "L"))


def eigh(A: Any, UPLO: str = "L") -> Any:
    """Eigenvalues, in rising order, and orthonormal eigenvectors, as columns, of symmetric matrices.

    Parameters
    ----------
    A : Tensor, (..., n, n)
    UPLO : {"L", "U"}
        The triangle that is read.

    Returns
    -------
    named tuple ``(eigenvalues, eigenvectors)``

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import eigh
    >>> eigh(tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    require_matrices("eigh", A, square=True)
    if UPLO.upper() not in ("L", "U"):
        raise SettingError(f"eigh: UPLO is {UPLO!r}", fix='use "L" or "U"')
    upper = UPLO.upper() == "U"
    return return_types.linalg_eigh(_eigh(_mirrored(A, upper), upper=upper))


def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, in rising order; as :func:`eigh`.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import eigvalsh
    >>> eigvalsh(tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    return eigh(A, UPLO)[0]
