"""Distances between points, which are the last axis."""

import math
from typing import Any

from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.elementwise import sqrt
from tinygrad_mp.ops.linalg import _located, matmul
from tinygrad_mp.ops.movement import transpose, unsqueeze
from tinygrad_mp.ops.norms import norm
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.ops.selection import clamp_min, kept
from tinygrad_mp.primitive import cast

_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")
_MANY = 1 << 24
"""From how many differences on Euclidean distances come from a matrix product, which needs no memory for them."""


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of ``input - other``, which broadcast, over all entries.

    >>> from tinygrad_mp import dist, tensor
    >>> dist(tensor([1.0, 2.0]), tensor([4.0, 6.0]))
    tensor(5.)
    """
    return norm(input - other, p)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = _MODES[0]) -> Any:
    """All distances between points of two sets.

    Parameters
    ----------
    x1 : Tensor, (..., m, d)
    x2 : Tensor, (..., n, d)
        Batches broadcast.
    p : float, default 2
        At least 0, as of :func:`norm`.
    compute_mode : str
        Whether Euclidean distances come from squares and a matrix product, which is faster and less exact where points
        are close. Here that is done for "use_mm_for_euclid_dist" and for large sets.

    Returns
    -------
    Tensor
        (..., m, n). Its gradient is 0 where points coincide.

    Errors
    ------
    ShapeError for points of different length; SettingError for a negative p; DTypeError for integers.

    >>> from tinygrad_mp import cdist, tensor
    >>> cdist(tensor([[0.0, 0.0]]), tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        problem = ShapeError(f"points of shapes {tuple(x1.shape)} and {tuple(x2.shape)} do not fit together")
        raise _located(problem, "cdist", x1, x2)
    if x1.dtype.kind != "f" or x2.dtype.kind != "f":
        raise _located(DTypeError(f"the points are {x1.dtype} and {x2.dtype}, not floating"), "cdist", x1, x2)
    if p < 0 or compute_mode not in _MODES:
        raise _located(SettingError(f"p is {p}, compute_mode {compute_mode!r}"), "cdist", x1, x2)
    count = math.prod(x1.shape) * x2.shape[-2]
    if p == 2 and compute_mode != _MODES[2] and (count >= _MANY or compute_mode == _MODES[1]) and x1.dtype == x2.dtype:
        squares = sum(x1 * x1, -1, True) + unsqueeze(sum(x2 * x2, -1), -2) - matmul(x1, transpose(x2, -2, -1)) * 2
        squares = clamp_min(squares, 0.0)
        same = squares == 0
        return kept(sqrt(squares + cast(same, dtype=squares.dtype)), ~same)
    return _lengths(unsqueeze(x1, -2) - unsqueeze(x2, -3), p)


def _lengths(differences: Any, p: float) -> Any:
    """The p-norms along the last axis; 0 for points without entries."""
    return norm(differences, p, -1) if differences.shape[-1] else sum(differences, -1)
