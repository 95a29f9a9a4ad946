"""Normalisation with running statistics: of each channel over a batch, or within each example of it."""

import math
from typing import Any

from tinygrad_mp.backend import columns, is_array, xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.ops.layer_normalization import _group_norm
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.standardizing import (
    Moments,
    bias_gradient,
    by_channels,
    check_beside,
    composed,
    pull_channels,
    raw_channels,
    recorded_weight,
    recorded_x,
    refuse,
    require_channels,
    settings,
    summed,
    weight_and_bias,
)
from tinygrad_mp.primitive import primitive
from tinygrad_mp.writes import mark_written

__all__ = ["batch_norm", "instance_norm"]

# --- batch_norm -------------------------------------------------------------------------------------------------------


def _batch_norm_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=2, max_dims=4)
    if sampler.integer(0, 2) == 2:  # rows that are long enough for the kernel that reads them once
        shape = (*shape[:2], 17)
    return (sampler.array(shape), *weight_and_bias(sampler, shape[1:2])), settings(sampler)


def _batch_norm_reference(x: Any, weight: Any, bias: Any, *, eps: float, moments: Any = None) -> Any:
    return composed(x, weight, bias, by_channels(x.shape), eps)


def _pull(g: Any, x: Any, weight: Any, eps: float, moments: Any) -> tuple[Any, Any, Any]:
    """The cotangents of input, weight and bias, on arrays."""
    if not columns.suits(x):
        return pull_channels(g, x, weight, eps, moments)
    found = None if moments is None else moments.of(x)
    middle, factor, _ = columns.standardize(x, None, None, eps)[1:] if found is None else found
    pulled, *sums = columns.pull(g, x, middle, factor, weight)
    if moments is not None:
        moments.keep_sums(g, *sums)
    return pulled, sums[0], sums[1]


def _batch_norm_x(g: Any, x: Any, weight: Any, eps: float, moments: Any) -> Any:
    if not is_array(g):
        return recorded_x(g, x, weight, by_channels(x.shape), eps)
    return _pull(g, x, weight, eps, moments)[0]


def _batch_norm_weight(g: Any, x: Any, eps: float, moments: Any) -> Any:
    if not is_array(g):
        return recorded_weight(g, x, by_channels(x.shape), eps, x.shape[1:2])
    known = None if moments is None else moments.take_sum(g, 0)
    return _pull(g, x, None, eps, None)[1] if known is None else known


@primitive(
    promotes=None,
    cases=_batch_norm_case,
    reference=_batch_norm_reference,
    x=_batch_norm_x,
    weight=_batch_norm_weight,
    bias=lambda g, x_shape, moments: bias_gradient(g, by_channels(x_shape), moments, x_shape[1:2]),
)
def _batch_norm(x: Real, weight: Real, bias: Real, *, eps: float, moments: Any = None) -> Any:
    """By the statistics of the batch; they are kept in ``moments``."""
    if not columns.suits(x):
        return raw_channels(x, weight, bias, eps, moments)
    out, *found = columns.standardize(x, weight, bias, eps)
    if moments is not None:
        moments.keep(x, *found)
    return out


def _scale_channels_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=2, max_dims=4)
    return tuple(sampler.array(one) for one in (shape, shape[1:2], shape[1:2])), {}


def _along_channels(value: Any, ndim: int) -> Any:
    return reshape(value, (-1 if 0 not in value.shape else 0, *[1] * (ndim - 2)))


@primitive(
    promotes=None,
    cases=_scale_channels_case,
    x=lambda g, scale: g * _along_channels(scale, g.ndim),
    scale=lambda g, x: summed(g * x, by_channels(x.shape), x.shape[1:2]),
    shift=lambda g: summed(g, by_channels(g.shape), g.shape[1:2]),
    reference=lambda x, scale, shift: x * _along_channels(scale, x.ndim) + _along_channels(shift, x.ndim),
)
def _scale_channels(x: Real, scale: Real, shift: Real) -> Any:
    """``x * scale + shift`` with a number of each for every channel, axis 1."""
    out = x * _along_channels(scale, x.ndim)
    out += _along_channels(shift, x.ndim)
    return out


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Bring each channel to mean 0 and variance 1, then ``* weight + bias``.

    Parameters
    ----------
    input : Tensor
        Shape (n, channels, ...), floating.
    running_mean, running_var : Tensor or None
        Shape (channels,). In training they are moved in place towards the batch's mean and unbiased variance,
        ``running * (1 - momentum) + batch * momentum``; otherwise they are used.
    weight, bias : Tensor, optional
        Shape (channels,).
    training : bool, default False
        Use mean and variance of the batch.
    momentum : float, default 0.1
    eps : float, default 1e-5
        Added to the variance, which here is the mean of squares (not unbiased).

    Errors
    ------
    ShapeError for an input without channels, for other shapes of the rest, and in training for one entry a channel.
    DTypeError for dtypes that are not floating or differ. SettingError without running statistics out of training.

    Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.batch_norm(tensor([[1.0, 5.0], [3.0, 5.0]]), None, None, training=True)
    tensor([[-1.0000,  0.0000],
            [ 1.0000,  0.0000]])
    """
    name = "batch_norm"
    require_channels(name, input)
    rest = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    check_beside(name, input, input.shape[1:2], rest)
    if training and eps <= 0.0:
        raise SettingError(f"{name}: eps must be positive in training, not {eps}")
    if not training:
        return _by_running(name, input, running_mean, running_var, weight, bias, eps)
    count = math.prod(input.shape) // max(input.shape[1], 1)
    if count == 1:
        refuse(
            ShapeError("training needs more than one entry per channel", fix="use a larger batch, or evaluation mode"),
            name,
            input,
        )
    moments = Moments()
    out = _batch_norm(input, weight, bias, eps=eps, moments=moments)
    middle, _, variance = moments.found
    if count:
        _move_towards(running_mean, middle, momentum)
        _move_towards(running_var, variance * (count / max(count - 1, 1)), momentum)
    return out


def _by_running(name: str, input: Any, middle: Any, variance: Any, weight: Any, bias: Any, eps: float) -> Any:
    if middle is None or variance is None:
        raise SettingError(f"{name}: no running mean and variance to use out of training", fix="pass both")
    middle, variance = (getattr(value, "array", value) for value in (middle, variance))
    dtype = input.dtype
    factor = (1 / xp(variance).sqrt(variance + eps)).astype(dtype, copy=False)
    scale = factor if weight is None else mul(weight, factor)
    shift = mul(scale, -middle.astype(dtype, copy=False))
    return _scale_channels(input, scale, shift if bias is None else bias + shift)


def _move_towards(running: Any, value: Any, momentum: float) -> None:
    if running is not None:
        array = getattr(running, "array", running)
        array *= 1 - momentum
        array += value * momentum
        mark_written(array)


# --- instance_norm ----------------------------------------------------------------------------------------------------


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Bring each channel of each example to mean 0 and variance 1, then ``* weight + bias``.

    Parameters
    ----------
    input : Tensor
        Shape (n, channels, ...), floating.
    running_mean, running_var : Tensor, optional
        Shape (channels,). With ``use_input_stats`` they are moved in place towards the mean over the batch of the
        examples' means and unbiased variances; without it they are used.
    weight, bias : Tensor, optional
        Shape (channels,).
    use_input_stats : bool, default True
    momentum, eps
        As for :func:`batch_norm`.

    Errors
    ------
    Those of :func:`batch_norm`; with ``use_input_stats``, ShapeError for one entry a channel.

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.instance_norm(tensor([[[1.0, 3.0], [10.0, 30.0]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])
    """
    name = "instance_norm"
    require_channels(name, input)
    rest = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    check_beside(name, input, input.shape[1:2], rest)
    if not use_input_stats:
        return _by_running(name, input, running_mean, running_var, weight, bias, eps)
    count = math.prod(input.shape[2:])
    if count == 1:
        refuse(ShapeError("there is one entry per channel: nothing to take a variance of"), name, input)
    moments = Moments()
    out = _group_norm(input, weight, bias, groups=max(input.shape[1], 1), eps=eps, moments=moments)
    if (running_mean is not None or running_var is not None) and math.prod(input.shape):
        middle, factor = (one.reshape(input.shape[:2]) for one in moments.found)
        variance = (1 / (factor * factor) - eps) * (count / (count - 1))
        _move_towards(running_mean, middle.mean(axis=0), momentum)
        _move_towards(running_var, variance.mean(axis=0), momentum)
    return out
