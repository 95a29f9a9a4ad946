"""Norms. Their gradients at zero are zero, never nan, as in PyTorch."""

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, Flag, NonZero, Sampler
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops.elementwise import abs, sign
from tinygrad_mp.ops.extremes import shared_among_ties
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import axes_of, require_floating, restored, widened
from tinygrad_mp.ops.selection import kept
from tinygrad_mp.primitive import cast, primitive


def _norm_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_side=1)
    dim = tuple([axis for axis in range(len(shape)) if sampler.integer(0, 1)]) or tuple(range(len(shape)))
    x = sampler.array(shape, Domain(0.3, 4.0, distinct=True)) * sampler.choice((1.0, -1.0))
    return (x,), {
        "p": sampler.choice((0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf)),
        "dim": dim,
        "keepdim": sampler.choice((False, True)),
    }


def _norm_rule(g: Any, x: Any, out: Any, p: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    g, norm = restored(g, x.shape, dim, keepdim), restored(out, x.shape, dim, keepdim)
    if p == 0:
        return g * 0.0
    if p == 1:
        return g * sign(x)
    if math.isinf(p):
        return shared_among_ties(g, abs(x), norm, dim, True) * sign(x)
    # Adding 1 to zeros keeps quotients and powers, and their own derivatives, finite; what they multiply is 0 there.
    g, norm = kept(g, norm != 0), norm + cast(norm == 0, dtype=norm.dtype)
    if p == 2:
        return g / norm * x
    size = abs(x) + cast(x == 0, dtype=x.dtype)
    return g * sign(x) * (size / norm) ** (p - 1)


@primitive(x=_norm_rule, cases=_norm_case)
def _norm(x: NonZero, *, p: float, dim: tuple[int, ...], keepdim: Flag) -> Any:
    wide = widened(require_floating(x))
    module = xp(x)
    if p == 2:
        norm = module.sqrt((wide * wide).sum(axis=dim, keepdims=keepdim))
    elif p == 1:
        norm = module.abs(wide).sum(axis=dim, keepdims=keepdim)
    elif p == 0:
        norm = (wide != 0).astype(wide.dtype).sum(axis=dim, keepdims=keepdim)
    elif not math.isinf(p):
        norm = (module.abs(wide) ** p).sum(axis=dim, keepdims=keepdim) ** (1 / p)
    else:
        norm = _extreme(module.abs(wide), p, dim, keepdim)
    return norm.astype(x.dtype, copy=False)


def _extreme(size: Any, p: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    try:
        return size.max(axis=dim, keepdims=keepdim) if p > 0 else size.min(axis=dim, keepdims=keepdim)
    except ValueError as error:
        raise ShapeError(
            f"the norm with p={p} of no entries: shape {tuple(size.shape)} along dim {dim}",
            fix="reduce along a dim of size at least 1",
        ) from error


def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The p-norm of the entries along ``dim``, as of a vector: ``sum(abs(x)**p)**(1/p)``.

    Parameters
    ----------
    p : float, inf, -inf, "fro" or "nuc", default "fro"
        "fro" is 2; "nuc" the sum of the singular values of matrices, along two axes;
        inf the largest absolute value, -inf the smallest; 0 counts the entries that are not zero.
    dim : int or tuple of int, optional
        Default: all axes.
    keepdim : bool, default False
    dtype : dtype, optional
        ``input`` is converted to it first.

    Errors
    ------
    DTypeError if the dtype is not floating. ShapeError for p=inf of no entries.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([3.0, -4.0])
    >>> x.norm(), x.norm(1)
    (tensor(5.), tensor(7.))
    """
    if isinstance(p, str):
        if p == "nuc":
            from tinygrad_mp.ops.matrix_norms import matrix_norm

            return matrix_norm(input, "nuc", (0, 1) if dim is None and input.ndim == 2 else dim, keepdim, dtype=dtype)
        if p != "fro":
            raise SettingError(f"norm: unknown p {p!r}", fix="use a number, inf, 'fro' or 'nuc'")
        p = 2
    if dtype is not None:
        input = to_dtype(input, dtype)
    return _norm(input, p=float(p), dim=axes_of(dim, input.ndim), keepdim=keepdim)
