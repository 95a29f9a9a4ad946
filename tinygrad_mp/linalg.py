"""Linear algebra under PyTorch's names: ``tinygrad_mp.linalg.svd(x)``. What each does is said where it is written."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.absent import lookup
from tinygrad_mp.errors import LinAlgError
from tinygrad_mp.keywords import flexible
from tinygrad_mp.ops import decompositions, inverses, joining, matrix_norms, products, pseudo_inverses
from tinygrad_mp.ops.linalg import matmul as _matmul

cholesky = flexible(decompositions.linalg_cholesky)
cholesky_ex = flexible(decompositions.cholesky_ex)
cond = flexible(matrix_norms.cond)
cross = flexible(products.linalg_cross)
det = flexible(inverses.det)
eigh = flexible(decompositions.eigh)
eigvalsh = flexible(decompositions.eigvalsh)
inv = flexible(inverses.inv)
inv_ex = flexible(inverses.inv_ex)
lstsq = flexible(pseudo_inverses.lstsq)
matmul = flexible(_matmul)
matrix_exp = flexible(matrix_norms.matrix_exp)
matrix_norm = flexible(matrix_norms.matrix_norm)
matrix_power = flexible(inverses.matrix_power)
matrix_rank = flexible(pseudo_inverses.matrix_rank)
multi_dot = flexible(products.multi_dot)
norm = flexible(matrix_norms.linalg_norm)
pinv = flexible(pseudo_inverses.pinv)
qr = flexible(decompositions.linalg_qr)
slogdet = flexible(inverses.linalg_slogdet)
solve = flexible(inverses.solve)
solve_ex = flexible(inverses.solve_ex)
solve_triangular = flexible(inverses.solve_triangular)
svd = flexible(decompositions.linalg_svd)
svdvals = flexible(decompositions.svdvals)
tensorinv = flexible(matrix_norms.tensorinv)
tensorsolve = flexible(matrix_norms.tensorsolve)
vander = flexible(products.vander)
vecdot = flexible(products.vecdot)
vector_norm = flexible(matrix_norms.vector_norm)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """A view of the diagonals of matrices: as :func:`tinygrad_mp.diagonal`, of the last two axes by default.

    >>> from tinygrad_mp import tensor
    >>> diagonal(tensor([[[1, 2], [3, 4]]]))
    tensor([[1, 4]])
    """
    return joining.diagonal(A, offset, dim1, dim2)


__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_ex",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "inv_ex",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_ex",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]

__getattr__ = lookup("linalg")
