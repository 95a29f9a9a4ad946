"""Reductions made of others: pairs of them, and those that leave out NaN."""

from typing import Any

from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops import reduction, return_types
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.comparison import isnan
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.elementwise import sqrt
from tinygrad_mp.ops.extremes import amax, amin
from tinygrad_mp.ops.joining import diagonal
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import located, reshape, transpose
from tinygrad_mp.ops.norms import norm
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.selection import clamp, clamp_min, kept, where


def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest and the largest entry along ``dim``; ties share the gradient.

    >>> from tinygrad_mp import aminmax, tensor
    >>> aminmax(tensor([1.0, 3.0, 2.0])).max
    tensor(3.)
    """
    if dim is not None and input.ndim and not input.shape[one_axis(dim, input.ndim)]:
        raise located(IndexRangeError(f"there are no entries along dim {dim}"), "aminmax", input)
    return return_types.aminmax((amin(input, dim, keepdim), amax(input, dim, keepdim)))


def var_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """The variance and the mean along ``dim``; parameters as of :func:`var`.

    >>> from tinygrad_mp import tensor, var_mean
    >>> var_mean(tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(2.))
    """
    variance = reduction.var(input, dim, unbiased, keepdim, correction=correction)
    return variance, reduction.mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """The standard deviation and the mean along ``dim``; parameters as of :func:`std`.

    >>> from tinygrad_mp import std_mean, tensor
    >>> std_mean(tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(2.))
    """
    deviation = reduction.std(input, dim, unbiased, keepdim, correction=correction)
    return deviation, reduction.mean(input, None if isinstance(dim, bool) else dim, keepdim)


def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The sum of the entries along ``dim`` that are not NaN; parameters as of :func:`sum`.

    >>> from tinygrad_mp import nansum, tensor
    >>> nansum(tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    if dtype is not None:
        input = to_dtype(input, dtype)
    return reduction.sum(kept(input, ~isnan(input)) if input.dtype.kind == "f" else input, dim, keepdim)


def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The mean of the entries along ``dim`` that are not NaN, NaN where all are; parameters as of :func:`mean`.

    >>> from tinygrad_mp import nanmean, tensor
    >>> nanmean(tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    if dtype is not None:
        input = to_dtype(input, dtype)
    if input.dtype.kind != "f":
        problem = DTypeError(f"needs a floating dtype, not {input.dtype}", fix="convert first: x.float()")
        raise located(problem, "nanmean", input)
    numbers = ~isnan(input)
    count = to_dtype(reduction.sum(numbers, dim, keepdim), input.dtype)
    return reduction.sum(kept(input, numbers), dim, keepdim) / count


def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """``input`` with each slice along ``dim`` whose p-norm exceeds ``maxnorm`` scaled down to it.

    >>> from tinygrad_mp import renorm, tensor
    >>> renorm(tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    axis = one_axis(dim, input.ndim)
    if input.ndim < 2:
        raise located(ShapeError(f"slices need at least 2 axes, not {input.ndim}"), "renorm", input)
    if p <= 0 or maxnorm < 0:
        problem = SettingError(f"p is {p} and maxnorm {maxnorm}", fix="use p > 0 and maxnorm >= 0")
        raise located(problem, "renorm", input)
    others = tuple(place for place in range(input.ndim) if place != axis)
    norms = norm(input, p, others, True)
    return input * where(norms > maxnorm, maxnorm / (norms + 1e-7), 1.0)


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariances of variables, the rows of a matrix, of which the columns are observations.

    Parameters
    ----------
    input : Tensor, (variables, observations), or one variable
    correction : int, default 1
        The divisor is the number of observations less this.
    fweights : integer Tensor, optional
        How often each observation counts.
    aweights : Tensor, optional
        How much each observation weighs.

    Errors
    ------
    ShapeError for more axes, or other numbers of weights.

    >>> from tinygrad_mp import cov, tensor
    >>> cov(tensor([[0.0, 2.0], [2.0, 0.0]]))
    tensor([[ 2., -2.],
            [-2.,  2.]])
    """
    if input.ndim > 2:
        raise located(ShapeError(f"a matrix is needed, not {input.ndim} axes"), "cov", input)
    x = reshape(input, (1, -1)) if input.ndim < 2 else input
    count = x.shape[1]
    weights: Any = None
    for given, kinds in ((fweights, "iu"), (aweights, "f")):
        if given is not None:
            if given.dtype.kind not in kinds or bool((raw(given) < 0).any()):
                problem = DTypeError("fweights must be integers, aweights floating, and none negative")
                raise located(problem, "cov", given)
            if tuple(given.shape) != (count,):
                raise located(ShapeError(f"{count} observations, but weights of shape {tuple(given.shape)}"), "cov", x)
            weights = given if weights is None else weights * given
    if weights is None:
        away = x - reduction.mean(x, 1, True)
        product = matmul(away, transpose(away, 0, 1)) / max(count - correction, 0)
    else:
        total = reduction.sum(weights)
        away = x - reduction.sum(x * weights, 1, True) / total
        share = 1.0 if aweights is None else reduction.sum(weights * aweights) / total
        product = matmul(away * weights, transpose(away, 0, 1)) / clamp_min(total - share * correction, 0.0)
    return reshape(product, ()) if product.shape == (1, 1) else product


def corrcoef(input: Any) -> Any:
    """The correlations of variables, the rows of a matrix: covariances over deviations, in [-1, 1].

    >>> from tinygrad_mp import corrcoef, tensor
    >>> corrcoef(tensor([[0.0, 2.0], [2.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise located(ShapeError(f"a matrix is needed, not {input.ndim} axes"), "corrcoef", input)
    table = cov(input)
    if not table.ndim:
        return table / table
    deviations = sqrt(diagonal(table))
    return clamp(table / reshape(deviations, (-1, 1)) / deviations, -1.0, 1.0)
