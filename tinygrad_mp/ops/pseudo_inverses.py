"""What is made of singular values and eigenvalues: the pseudo-inverse, the rank, least squares.

Source of the derivative: Golub and Pereyra, The differentiation of pseudo-inverses, 1973.
"""

from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops import return_types
from tinygrad_mp.ops.counting import like
from tinygrad_mp.ops.decompositions import _column, _mean_of_triangles, _mirrored, _svd_case
from tinygrad_mp.ops.inverses import require_matrices
from tinygrad_mp.ops.linalg import _located, _turned, matmul
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase


def _pinv_rule(g: Any, x: Any, out: Any) -> Any:
    # Of constant rank: Golub and Pereyra, equation 4.12.
    turned, pseudo = _turned(g), _turned(out)
    left = matmul(turned - matmul(x, matmul(out, turned)), matmul(out, pseudo))
    right = matmul(matmul(pseudo, out), turned - matmul(matmul(turned, out), x))
    return left + right - matmul(matmul(pseudo, g), pseudo)


def _pinv_case(sampler: Sampler) -> Any:
    inputs, _ = _svd_case(sampler)
    return inputs, {"cutoff": 1e-6}


@primitive(x=_pinv_rule, promotes=None, cases=_pinv_case)
def _pinv(x: Real, *, cutoff: Any) -> Any:
    """The pseudo-inverse; singular values up to ``cutoff``, a number for all or for each matrix, count as 0."""
    module = xp(x)
    u, s, vh = module.linalg.svd(x, full_matrices=False)
    large = s > cutoff
    inverses = module.where(large, 1.0 / module.where(large, s, 1.0), 0.0).astype(x.dtype)
    return module.matmul(vh.swapaxes(-1, -2) * module.expand_dims(inverses, -2), u.swapaxes(-1, -2))


def cutoff_of(x: Any, atol: Any, rtol: Any) -> Any:
    """Up to where singular values count as 0: the larger of ``atol`` and ``rtol`` times the largest; raw, (..., 1)."""
    raw = x.array if isinstance(x, TensorBase) else x
    module = xp(raw)
    atol, rtol = (one.array if isinstance(one, TensorBase) else one for one in (atol, rtol))
    if rtol is None:
        given = atol is not None and bool((module.asarray(atol) > 0).all())
        rtol = 0.0 if given else float(numpy.finfo(x.dtype).eps) * max(x.shape[-2:], default=0)
    if not raw.size:
        return 0.0
    largest = module.linalg.svd(raw, compute_uv=False).max(axis=-1)
    bound = module.maximum(module.asarray(0.0 if atol is None else atol, dtype=raw.dtype), largest * rtol)
    return module.expand_dims(bound, -1)


def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """The Moore-Penrose pseudo-inverse: (..., m, n) -> (..., n, m).

    Parameters
    ----------
    atol, rtol : float or Tensor, optional
        Singular values up to ``max(atol, rtol * largest)`` count as 0. Default of rtol: max(m, n) times the precision
        of the dtype. ``rcond`` is its older name.
    hermitian : bool, default False
        A promise that A is symmetric; only its lower triangle is then read.

    The gradient is right where the rank does not change.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import pinv
    >>> pinv(tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    require_matrices("pinv", A, square=hermitian)
    x = _mean_of_triangles(_mirrored(A, upper=False)) if hermitian else A
    return _pinv(x, cutoff=cutoff_of(x, atol, rcond if rtol is None else rtol))


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """As :func:`tinygrad_mp.linalg.pinv`.

    >>> from tinygrad_mp import pinverse, tensor
    >>> pinverse(tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return pinv(input, rtol=rcond)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """How many singular values exceed the tolerance of :func:`pinv`; int64.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.linalg import matrix_rank
    >>> matrix_rank(ones(3, 3))
    tensor(1)
    """
    require_matrices("matrix_rank", A, square=hermitian)
    raw = A.array if isinstance(A, TensorBase) else A
    if tol is not None:
        atol, rtol = tol, 0.0
    values = xp(raw).linalg.svd(raw, compute_uv=False)
    return like(A, (values > cutoff_of(A, atol, rtol)).sum(axis=-1).astype("int64"))


def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The X that makes ``A @ X - B`` smallest, by the pseudo-inverse.

    Parameters
    ----------
    A : Tensor, (..., m, n)
    B : Tensor, (..., m, k), or a vector (m,), or (..., m) beside a batch
    rcond : float, optional
        As ``rtol`` of :func:`pinv`.
    driver : {"gels", "gelsy", "gelsd", "gelss"}, optional
        Which of LAPACK's routines PyTorch would take; it only says here what is returned beside the solution.

    Returns
    -------
    named tuple ``(solution, residuals, rank, singular_values)``
        Sums of squared residuals where m > n and the rank is full, otherwise empty; the rank but for "gels", singular
        values for "gelsd" and "gelss".

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.linalg import lstsq
    >>> lstsq(tensor([[1.0], [1.0]]), tensor([[1.0], [3.0]])).solution
    tensor([[2.]])
    """
    require_matrices("lstsq", A)
    chosen = "gelsy" if driver is None else driver
    if chosen not in ("gels", "gelsy", "gelsd", "gelss"):
        raise SettingError(f"lstsq: unknown driver {driver!r}", fix="use gels, gelsy, gelsd or gelss")
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))
    side = _column(B) if vector else B
    if A.dtype != B.dtype or side.ndim < 2 or side.shape[-2] != A.shape[-2]:
        problem = f"A of {A.shape[-2]} rows and {A.dtype}, B of shape {tuple(B.shape)} and {B.dtype}"
        raise _located(ShapeError(f"{problem} do not fit together"), "lstsq", A, B)
    rows, columns = A.shape[-2:]
    solution = matmul(pinv(A, rtol=rcond), side)
    rank = matrix_rank(A, rtol=rcond)
    raw = A.array if isinstance(A, TensorBase) else A
    module = xp(raw)
    nothing = module.zeros(0, dtype=raw.dtype)
    residuals, values = reshape(solution, -1)[:0], like(A, nothing)
    if rows > columns and chosen != "gelsy" and bool((rank == columns).all()):
        missing = matmul(A, solution) - side
        residuals = (missing * missing).sum(-2)
    if chosen in ("gelsd", "gelss"):
        values = like(A, module.linalg.svd(raw, compute_uv=False))
    if chosen == "gels":
        rank = to_dtype(like(A, nothing), "int64")
    if vector:
        solution = reshape(solution, tuple(solution.shape[:-1]))
    return return_types.linalg_lstsq((solution, residuals, rank, values))
