"""Losses of probabilities, and of distributions by their parameters."""

import math
import warnings
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Probability, Sampler
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, UndefinedError
from tinygrad_mp.ops.distances import raised
from tinygrad_mp.ops.elementwise import exp, log, square
from tinygrad_mp.ops.movement import unsqueeze
from tinygrad_mp.ops.reducing import REDUCTIONS, reduced, require_tensors, settled
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.ops.selection import clamp_min, where
from tinygrad_mp.ops.special import xlogy
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import wrap

__all__ = ["binary_cross_entropy", "gaussian_nll_loss", "kl_div", "poisson_nll_loss"]

# --- yes or no --------------------------------------------------------------------------------------------------------


def _within(role: str, values: Any) -> None:
    if values.size and not bool((values.min() >= 0) & (values.max() <= 1)):  # NaN is not within either
        raise SettingError(f"all elements of {role} should be between 0 and 1", fix="pass logits through a sigmoid")


def _bounded_log(values: Any) -> Any:
    """The logarithm, but at least -100, as PyTorch has it: no probability of 0 makes the loss infinite."""
    module = xp(values)
    logs = module.log(module.where(values > 0, values, module.ones_like(values))).clip(-100.0, math.inf)
    return module.where(values > 0, logs, module.full_like(logs, -100.0))


_LEAST = 9.999999960041972e-13  # 1e-12 in float32, which is what PyTorch has here for every dtype


def _bce_case(sampler: Sampler) -> Any:
    shape = sampler.shape()
    return (sampler.array(shape, Probability), sampler.array(shape, Probability)), {}


@primitive(
    promotes=None,
    cases=_bce_case,
    x=lambda g, x, target: g * (x - target) / clamp_min((1 - x) * x, _LEAST),
    target=lambda g, x: g * (log(1 - x) - log(x)),
)
def _binary_cross_entropy(x: Probability, target: Probability) -> Any:
    _within("input", x)
    _within("target", target)
    rest = 1 - x
    near_one = xp(x).log1p(-xp(x).where(rest > 0, x, xp(x).zeros_like(x))).clip(-100.0, math.inf)
    logs_of_rest = xp(x).where(rest > 0, near_one, xp(x).full_like(near_one, -100.0))
    return (target - 1) * logs_of_rest - target * _bounded_log(x)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``-target * log(input) - (1 - target) * log(1 - input)``; the logarithms are at least -100.

    Better take the logits, and :func:`binary_cross_entropy_with_logits`, which loses no digits.

    Parameters
    ----------
    input, target : Tensor
        Probabilities, of the same shape and dtype.
    weight : Tensor, optional
        A factor for each entry; broadcasts.
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    ShapeError if the shapes differ, DTypeError if the dtypes do, SettingError for what is no probability.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.binary_cross_entropy(tensor([0.5, 0.0]), tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931, 100.0000])
    """
    name = "binary_cross_entropy"
    reduction = settled(name, reduction, size_average, reduce)
    require_tensors(name, input=input, target=target)
    operands = (("input", input), ("target", target))
    if input.shape != target.shape:
        shapes = ShapeError("the target needs the shape of the input", fix="reshape the target, or check the shapes")
        shapes.locate(name, operands)
        raise shapes
    if input.dtype.kind != "f" or target.dtype != input.dtype:
        kinds = DTypeError("input and target need one floating dtype", fix="convert one: target.to(input.dtype)")
        kinds.locate(name, operands)
        raise kinds
    losses = _binary_cross_entropy(input, target)
    return reduced(losses if weight is None else losses * weight, reduction)


# --- distributions ----------------------------------------------------------------------------------------------------


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """The divergence of Kullback and Leibler, ``target * (log(target) - input)``; 0 where the target is 0.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor
        Probabilities, or log-probabilities with ``log_target``; broadcasts.
    reduction : {"mean", "batchmean", "sum", "none"}
        "mean" divides by the number of entries, and warns, as in PyTorch; "batchmean" by the size of axis 0, which is
        the divergence itself.

    Errors
    ------
    UndefinedError for integers. SettingError for an unknown reduction.

    Source: Kullback and Leibler, On information and sufficiency, 1951.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.kl_div(tensor([[0.5, 0.5]]).log(), tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    require_tensors("kl_div", input=input, target=target)
    reduction = settled("kl_div", reduction, size_average, reduce, (*REDUCTIONS, "batchmean"))
    for one in (input, target):
        if one.dtype.kind != "f":
            raise UndefinedError(f"kl_div: not defined for {one.dtype}", fix="convert first: x.float()")
    if reduction == "mean" and size_average is None and reduce is None:
        advice = "kl_div: reduction 'mean' divides by the number of entries; the divergence itself is 'batchmean'"
        warnings.warn(advice, UserWarning, stacklevel=2)
    losses = exp(target) * (target - input) if log_target else xlogy(target, target) - target * input
    if reduction == "batchmean":
        return sum(losses) / input.shape[0] if input.ndim else sum(losses)
    return reduced(losses, reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Minus the log-likelihood of counts under Poisson's distribution.

    Parameters
    ----------
    input : Tensor
        The expected counts, or their logarithms with ``log_input``.
    target : Tensor
        The counts; broadcasts.
    log_input : bool, default True
        ``exp(input) - target * input``, otherwise ``input - target * log(input + eps)``.
    full : bool, default False
        Add Stirling's approximation of ``log(target!)`` where the target is above 1.
    reduction : {"mean", "sum", "none"}

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.poisson_nll_loss(tensor([0.0, 1.0]), tensor([1.0, 2.0]), reduction="none")
    tensor([1.0000, 0.7183])
    """
    require_tensors("poisson_nll_loss", input=input, target=target)
    reduction = settled("poisson_nll_loss", reduction, size_average, reduce)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = where(target > 1, target, 1.0)
        stirling = many * log(many) - many + log(many * (2 * math.pi)) * 0.5
        losses = losses + where(target > 1, stirling, 0.0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Minus the log-likelihood under normal distributions: ``(log(var) + (input - target)**2 / var) / 2``.

    Parameters
    ----------
    input, target : Tensor
        Means and values; they broadcast.
    var : Tensor or float
        Variances, of the shape of ``input``, or without its last axis, or with size 1 in one place. Those below ``eps``
        count as ``eps``, of which their gradient knows nothing.
    full : bool, default False
        Add ``log(2 * pi) / 2``.
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    SettingError for a negative variance, ShapeError for another shape.

    Source: Nix and Weigend, Estimating the mean and variance of the target probability distribution, 1994.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.gaussian_nll_loss(tensor([0.0]), tensor([2.0]), tensor([1.0]))
    tensor(2.)
    """
    name = "gaussian_nll_loss"
    require_tensors(name, input=input, target=target)
    if isinstance(var, (int, float)):
        var = wrap(input.result_class, xp(input.array).full_like(input.array, var))
    raw = getattr(var, "array", var)
    if bool((raw < 0).any()):
        raise SettingError(f"{name}: var has negative entry/entries")
    shape, given = tuple(input.shape), tuple(var.shape)
    if given != shape:
        if given == shape[:-1]:
            var = unsqueeze(var, -1)
        elif len(given) != len(shape) or [one for one, other in zip(given, shape, strict=True) if one != other] != [1]:
            raise ShapeError(f"{name}: var is of incorrect size {given} for an input of shape {shape}")
    reduction = settled(name, reduction)
    var = raised(var, eps)
    losses = (log(var) + square(input - target) / var) * 0.5
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)
