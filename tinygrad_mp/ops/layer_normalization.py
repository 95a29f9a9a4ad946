"""Normalisation within each example: by groups of channels, along the last axes, and by the squares of neighbours."""

from typing import Any

import numpy

from tinygrad_mp.backend import is_array
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops.elementwise import pow, square
from tinygrad_mp.ops.standardizing import (
    Layout,
    Moments,
    bias_gradient,
    by_groups,
    by_rows,
    check_beside,
    composed,
    pull_rows,
    raw_rows,
    recorded_weight,
    recorded_x,
    refuse,
    require_channels,
    settings,
    weight_and_bias,
)
from tinygrad_mp.primitive import primitive

__all__ = ["group_norm", "layer_norm", "local_response_norm", "rms_norm"]

# --- the rules --------------------------------------------------------------------------------------------------------


def _row_rule_x(
    g: Any, x: Any, weight: Any, layout: Layout, eps: float, centred: bool, moments: Any, shape: Any
) -> Any:
    if not is_array(g):
        return recorded_x(g, x, weight, layout, eps, centred)
    return pull_rows(g, x, weight, layout, eps, centred, moments, shape)[0]


def _row_rule_weight(g: Any, x: Any, layout: Layout, eps: float, centred: bool, moments: Any, shape: Any) -> Any:
    if not is_array(g):
        return recorded_weight(g, x, layout, eps, shape, centred)
    known = None if moments is None else moments.take_sum(g, 0)
    return pull_rows(g, x, None, layout, eps, centred, None, shape)[1] if known is None else known


# --- by groups of channels --------------------------------------------------------------------------------------------


def _group_norm_case(sampler: Sampler) -> Any:
    shape = list(sampler.shape(min_dims=2, max_dims=4))
    groups, each = sampler.integer(1, 3), shape[1]
    shape[1] = groups * each
    return (sampler.array(tuple(shape)), *weight_and_bias(sampler, (groups * each,))), {
        "groups": groups,
        **settings(sampler),
    }


def _group_norm_reference(x: Any, weight: Any, bias: Any, *, groups: int, eps: float, moments: Any = None) -> Any:
    return composed(x, weight, bias, by_groups(x.shape, groups), eps)


@primitive(
    promotes=None,
    cases=_group_norm_case,
    reference=_group_norm_reference,
    x=lambda g, x, weight, groups, eps, moments: _row_rule_x(
        g, x, weight, by_groups(x.shape, groups), eps, True, moments, x.shape[1:2]
    ),
    weight=lambda g, x, groups, eps, moments: _row_rule_weight(
        g, x, by_groups(x.shape, groups), eps, True, moments, x.shape[1:2]
    ),
    bias=lambda g, x_shape, groups, moments: bias_gradient(g, by_groups(x_shape, groups), moments, x_shape[1:2]),
)
def _group_norm(x: Real, weight: Real, bias: Real, *, groups: int, eps: float, moments: Any = None) -> Any:
    """``groups`` groups of channels."""
    return raw_rows(x, weight, bias, by_groups(x.shape, groups), eps, True, moments)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Bring each group of channels of each example to mean 0 and variance 1, then ``* weight + bias``.

    Parameters
    ----------
    input : Tensor
        Shape (n, channels, ...), floating.
    num_groups : int
        Divides the number of channels.
    weight, bias : Tensor, optional
        Shape (channels,).
    eps : float, default 1e-5
        Added to the variance.

    Errors
    ------
    ShapeError for an input without channels, channels that do not divide, other shapes of weight and bias. DTypeError
    for dtypes that are not floating or differ.

    Source: Wu and He, Group normalization, 2018.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.group_norm(tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    require_channels("group_norm", input)
    channels = input.shape[1]
    if num_groups < 1 or channels % num_groups:
        refuse(ShapeError(f"{channels} channels cannot be cut in {num_groups} groups"), "group_norm", input)
    check_beside("group_norm", input, (channels,), {"weight": weight, "bias": bias})
    return _group_norm(input, weight, bias, groups=num_groups, eps=eps, moments=Moments())


# --- along the last axes ----------------------------------------------------------------------------------------------


def _trailing_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    axes = sampler.integer(1, len(shape))
    return shape, axes, shape[len(shape) - axes :]


def _layer_norm_case(sampler: Sampler) -> Any:
    shape, axes, trailing = _trailing_case(sampler)
    return (sampler.array(shape), *weight_and_bias(sampler, trailing)), {"axes": axes, **settings(sampler)}


def _layer_norm_reference(x: Any, weight: Any, bias: Any, *, axes: int, eps: float, moments: Any = None) -> Any:
    return composed(x, weight, bias, by_rows(x.shape, axes), eps)


@primitive(
    promotes=None,
    cases=_layer_norm_case,
    reference=_layer_norm_reference,
    x=lambda g, x, weight, axes, eps, moments: _row_rule_x(
        g, x, weight, by_rows(x.shape, axes), eps, True, moments, x.shape[x.ndim - axes :]
    ),
    weight=lambda g, x, axes, eps, moments: _row_rule_weight(
        g, x, by_rows(x.shape, axes), eps, True, moments, x.shape[x.ndim - axes :]
    ),
    bias=lambda g, x_shape, axes, moments: bias_gradient(
        g, by_rows(x_shape, axes), moments, x_shape[len(x_shape) - axes :]
    ),
)
def _layer_norm(x: Real, weight: Real, bias: Real, *, axes: int, eps: float, moments: Any = None) -> Any:
    """The last ``axes`` axes."""
    return raw_rows(x, weight, bias, by_rows(x.shape, axes), eps, True, moments)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Bring the entries along the last axes to mean 0 and variance 1, then ``* weight + bias``.

    Parameters
    ----------
    input : Tensor
        Shape (..., *normalized_shape), floating.
    normalized_shape : int or sequence of int
        The sizes of the last axes.
    weight, bias : Tensor, optional
        Of that shape.
    eps : float, default 1e-5
        Added to the variance.

    Errors
    ------
    ShapeError if the input does not end in ``normalized_shape``, or weight or bias have another shape. DTypeError for
    dtypes that are not floating or differ.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.layer_norm(tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    axes = _trailing("layer_norm", input, normalized_shape, {"weight": weight, "bias": bias})
    return _layer_norm(input, weight, bias, axes=axes, eps=eps, moments=Moments())


def _rms_norm_case(sampler: Sampler) -> Any:
    shape, axes, trailing = _trailing_case(sampler)
    weight = sampler.choice((sampler.array(trailing), None))
    return (sampler.array(shape), weight), {"axes": axes, **settings(sampler)}


def _rms_norm_reference(x: Any, weight: Any, *, axes: int, eps: float, moments: Any = None) -> Any:
    return composed(x, weight, None, by_rows(x.shape, axes), eps, centred=False)


@primitive(
    promotes=None,
    cases=_rms_norm_case,
    reference=_rms_norm_reference,
    x=lambda g, x, weight, axes, eps, moments: _row_rule_x(
        g, x, weight, by_rows(x.shape, axes), eps, False, moments, x.shape[x.ndim - axes :]
    ),
    weight=lambda g, x, axes, eps, moments: _row_rule_weight(
        g, x, by_rows(x.shape, axes), eps, False, moments, x.shape[x.ndim - axes :]
    ),
)
def _rms_norm(x: Real, weight: Real, *, axes: int, eps: float, moments: Any = None) -> Any:
    """The last ``axes`` axes, without taking off the mean."""
    return raw_rows(x, weight, None, by_rows(x.shape, axes), eps, False, moments)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Divide the entries along the last axes by the root of the mean of their squares, then ``* weight``.

    Parameters
    ----------
    input, normalized_shape, weight
        As for :func:`layer_norm`.
    eps : float, optional
        Added to the mean of squares; by default the dtype's distance from 1 to the next number.

    Errors
    ------
    Those of :func:`layer_norm`.

    Source: Zhang and Sennrich, Root mean square layer normalization, 2019.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.rms_norm(tensor([3.0, 3.0, -3.0]), (3,))
    tensor([ 1.0000,  1.0000, -1.0000])
    """
    axes = _trailing("rms_norm", input, normalized_shape, {"weight": weight})
    if eps is None:
        eps = float(numpy.finfo(input.dtype).eps)
    return _rms_norm(input, weight, axes=axes, eps=eps, moments=Moments())


def _trailing(name: str, input: Any, normalized_shape: Any, others: dict[str, Any]) -> int:
    """How many axes ``normalized_shape`` names, after checking that they are the last of the input."""
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not sizes or tuple(input.shape[max(input.ndim - len(sizes), 0) :]) != sizes:
        refuse(ShapeError(f"the input does not end in normalized_shape {sizes}"), name, input)
    check_beside(name, input, sizes, others)
    return len(sizes)


# --- by neighbours ----------------------------------------------------------------------------------------------------


def _neighbour_sum_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    params = {
        "dim": sampler.integer(0, len(shape) - 1),
        "before": sampler.integer(0, 3),
        "after": sampler.integer(0, 3),
    }
    return (sampler.array(shape),), params


@primitive(
    promotes=None,
    linear=True,
    cases=_neighbour_sum_case,
    x=lambda g, dim, before, after: _neighbour_sum(g, dim=dim, before=after, after=before),
)
def _neighbour_sum(x: Real, *, dim: int, before: int, after: int) -> Any:
    """Each entry plus ``before`` entries before it along ``dim`` and ``after`` after it; beyond the ends are none."""
    total, size = x.copy(), x.shape[dim]
    lead = (slice(None),) * dim
    for offset in [*range(-min(before, size), 0), *range(1, min(after, size - 1) + 1)]:
        here, there = slice(max(0, -offset), size - max(0, offset)), slice(max(0, offset), size + min(0, offset))
        total[(*lead, here)] += x[(*lead, there)]
    return total


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """``input / (k + alpha * mean of squares of neighbouring channels) ** beta``.

    Parameters
    ----------
    input : Tensor
        Shape (n, channels, ...), floating.
    size : int
        How many channels are neighbours, the entry's own included: ``size // 2`` before it. The mean is over ``size``
        also at the ends, where beyond there is 0.
    alpha, beta, k : float

    Errors
    ------
    ShapeError for an input of fewer than three axes, as in PyTorch. SettingError for a size below 1.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional networks, 2012, section
    3.3; alpha is divided by ``size``, as PyTorch does.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.local_response_norm(tensor([[[1.0], [2.0]]]), 1, alpha=1.0, beta=1.0)
    tensor([[[0.5000],
             [0.4000]]])
    """
    if input.ndim < 3:
        refuse(ShapeError("the input needs three or more axes: (n, channels, ...)"), "local_response_norm", input)
    if size < 1:
        raise SettingError(f"local_response_norm: size must be at least 1, not {size}")
    total = _neighbour_sum(square(input), dim=1, before=size // 2, after=(size - 1) // 2)
    return input / pow(total * (alpha / size) + k, beta)
