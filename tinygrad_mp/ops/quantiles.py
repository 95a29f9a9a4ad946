"""Quantiles: places between sorted entries."""

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Distinct, Sampler
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.counting import like, raw
from tinygrad_mp.ops.elementary import floor
from tinygrad_mp.ops.gathering import _gather
from tinygrad_mp.ops.movement import located, movedim, reshape, squeeze
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.selection import clamp
from tinygrad_mp.ops.sorting import _argsort
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _count_case(sampler: Sampler) -> Any:
    return (sampler.array(sampler.shape(min_dims=1), Distinct),), {}


@primitive(x=None, cases=_count_case)
def _last_numbers(x: Distinct) -> Any:
    """How many entries of the last axis are not NaN, less one; that axis stays."""
    return ((x == x).sum(axis=-1, keepdims=True) - 1).astype(x.dtype)


def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """The values below which the shares ``q`` of the entries lie; NaN where there is a NaN among them.

    Parameters
    ----------
    input : floating Tensor
    q : float, or Tensor with at most one axis and the dtype of ``input``
        In [0, 1].
    dim : int, optional
        Default: of all entries.
    keepdim : bool, default False
    interpolation : {"linear", "lower", "higher", "midpoint", "nearest"}
        What to take where the place ``q * (n - 1)`` lies between two entries.

    Returns
    -------
    Tensor
        Without the reduced axis; with an axis for ``q`` in front if it has one.

    Errors
    ------
    DTypeError for integers, or if the dtypes differ; ShapeError if there are no entries; SettingError for a share
    outside [0, 1] or an unknown interpolation.

    >>> from tinygrad_mp import quantile, tensor
    >>> quantile(tensor([1.0, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, skip_nan=False)


def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """As :func:`quantile`, of the entries that are not NaN; NaN where all are.

    >>> from tinygrad_mp import nanquantile, tensor
    >>> nanquantile(tensor([1.0, float("nan"), 2.0]), 0.5)
    tensor(1.5000)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, skip_nan=True)


def _checked_shares(name: str, input: Any, q: Any) -> None:
    if input.dtype.name not in ("float32", "float64"):
        problem = f"the input must be float32 or float64, not {input.dtype}"
        raise located(DTypeError(problem, fix="convert it: x.float()"), name, input)
    if not math.prod(input.shape):
        raise located(ShapeError("there are no entries"), name, input)
    if not hasattr(q, "dtype"):
        if not 0 <= q <= 1:
            raise located(SettingError(f"q must be in [0, 1], not {q}"), name, input)
        return
    if q.ndim > 1:
        raise located(ShapeError(f"q must be a number or have one axis, not shape {tuple(q.shape)}"), name, input)
    if q.dtype != input.dtype:
        raise located(DTypeError(f"q is {q.dtype}, but the input is {input.dtype}"), name, input)
    if not bool(((raw(q) >= 0) & (raw(q) <= 1)).all()):
        raise located(SettingError("the entries of q must be in [0, 1]"), name, input)


def _quantile(name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool) -> Any:
    _checked_shares(name, input, q)
    if interpolation not in INTERPOLATIONS:
        fix = f"use one of {', '.join(INTERPOLATIONS)}"
        raise located(SettingError(f"unknown interpolation {interpolation!r}", fix=fix), name, input)
    is_tensor = isinstance(q, TensorBase)
    axis = 0 if dim is None else one_axis(dim, input.ndim)
    flat = dim is None or not input.ndim
    x = reshape(input, -1) if flat else movedim(input, axis, -1)
    shares = reshape(q, -1) if is_tensor else like(input, xp(raw(input)).full((1,), q, dtype=input.dtype))
    last = _last_numbers(x)
    ranks = shares * (clamp(last, min=0.0) if skip_nan else x.shape[-1] - 1.0)
    if not skip_nan:
        ranks = ranks + (last - (x.shape[-1] - 1.0)).ne(0) * (x.shape[-1] - 1.0 - ranks)  # NaN stands at the end
    out = _between(x, ranks.expand(*x.shape[:-1], shares.shape[0]), interpolation)
    out = movedim(out, -1, 0)
    if keepdim:
        kept = (1,) * input.ndim if flat else tuple(1 if a == axis else s for a, s in enumerate(input.shape))
        out = reshape(out, (shares.shape[0], *kept))
    return out if is_tensor and q.ndim else squeeze(out, 0)


def _between(x: Any, ranks: Any, interpolation: str) -> Any:
    """The values at ``ranks`` of the last axis of ``x``, once sorted."""
    axis = x.ndim - 1
    in_order = _gather(x, _argsort(x, dim=axis, descending=False), dim=axis)

    def at(places: Any) -> Any:
        return _gather(in_order, to_dtype(places.detach(), "int64"), dim=axis)

    if interpolation in ("lower", "higher", "nearest"):
        return at({"lower": ranks.floor, "higher": ranks.ceil, "nearest": ranks.round}[interpolation]())
    low, high = at(floor(ranks)), at(ranks.ceil())
    share = 0.5 if interpolation == "midpoint" else ranks - floor(ranks)
    return low + (high - low) * share
