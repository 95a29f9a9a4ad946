"""Activations made of straight pieces, and the exponential units: what happens at each kink is PyTorch's choice."""

import math
from typing import Annotated, Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Choice, Domain, Real, Sampler, Smooth
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, UndefinedError
from tinygrad_mp.ops.activation import elu
from tinygrad_mp.ops.elementary import floating_only
from tinygrad_mp.ops.elementwise import clamp, exp, mul
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.selection import kept, where
from tinygrad_mp.primitive import primitive

__all__ = [
    "celu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "prelu",
    "relu6",
    "selu",
    "softshrink",
    "threshold",
]

_Bent = Annotated[Any, Domain(-5.0, 5.0, away_from=(-3.0, -1.0, -0.5, 0.5, 1.0, 3.0), margin=0.1)]
_Half = Annotated[float, Choice((0.5, 1.0))]


def _no_booleans(x: Any) -> None:
    if x.dtype.kind == "b":
        raise UndefinedError("not defined for bool", fix="convert first: x.float()")


# --- bounded ----------------------------------------------------------------------------------------------------------


@primitive(
    x=lambda g, x, low, high: kept(g, ~((x <= low) | (x >= high))),
    cases=lambda sampler: ((sampler.array(sampler.shape(), _Bent),), {"low": -1.0, "high": sampler.choice((1.0, 3.0))}),
)
def _hardtanh(x: _Bent, *, low: float, high: float) -> Any:
    _no_booleans(x)
    return x.clip(low, high) if x.dtype.kind == "f" else x.clip(int(low), int(high))


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """``input`` brought into ``[min_val, max_val]``; the gradient at both bounds is 0.

    Errors
    ------
    SettingError if ``min_val`` is larger. UndefinedError for booleans.

    >>> from tinygrad_mp import tensor
    >>> hardtanh(tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise SettingError(f"hardtanh: min_val {min_val} is larger than max_val {max_val}")
    return _hardtanh(input, low=min_val, high=max_val)


def relu6(input: Any) -> Any:
    """``min(max(input, 0), 6)``; the gradient at 0 and at 6 is 0.

    Source: Krizhevsky, Convolutional deep belief networks on CIFAR-10, 2010.

    >>> from tinygrad_mp import tensor
    >>> relu6(tensor([-3.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    return _hardtanh(input, low=0.0, high=6.0)


_SIXTH = 0.1666666716337204  # in float32, which is what PyTorch's gradient has for every dtype


@primitive(elementwise=True, x=lambda g, x: kept(g, (x > -3) & (x < 3)) * _SIXTH)
def hardsigmoid(x: _Bent) -> Any:
    """``min(max(x + 3, 0), 6) / 6``, a sigmoid of straight pieces. Floating dtypes only.

    >>> from tinygrad_mp import tensor
    >>> hardsigmoid(tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if x.dtype.kind != "f":
        raise UndefinedError(f"not defined for {x.dtype}", fix="convert first: x.float()")
    return (x + 3).clip(0.0, 6.0) / 6


def _hardswish_rule(g: Any, x: Any) -> Any:
    return kept(g, ~(x <= -3)) * where(x < 3, x * (1 / 3) + 0.5, 1.0)


@primitive(x=_hardswish_rule)
def hardswish(x: _Bent) -> Any:
    """``x * hardsigmoid(x)``. Floating dtypes only.

    Source: Howard et al., Searching for MobileNetV3, 2019.

    >>> from tinygrad_mp import tensor
    >>> hardswish(tensor([-4.0, 1.0, 4.0]))
    tensor([-0.0000,  0.6667,  4.0000])
    """
    floating_only(x)
    return x * ((x + 3).clip(0.0, 6.0) / 6)


# --- with a gap -------------------------------------------------------------------------------------------------------


@primitive(x=lambda g, x, threshold: kept(g, ~(x <= threshold)))
def _threshold(x: _Bent, *, threshold: Annotated[float, Choice((0.5, -1.0))], value: _Half) -> Any:
    _no_booleans(x)
    return xp(x).where(x <= threshold, xp(x).asarray(value).astype(x.dtype), x)


def threshold(input: Any, threshold: float, value: float) -> Any:
    """``input`` where it is above ``threshold``, ``value`` elsewhere.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.threshold(tensor([0.0, 1.0, 2.0]), 1.0, 9.0)
    tensor([9., 9., 2.])
    """
    return _threshold(input, threshold=threshold, value=value)


@primitive(x=lambda g, x, lambd: kept(g, ~((x >= -lambd) & (x <= lambd))))
def _softshrink(x: _Bent, *, lambd: _Half) -> Any:
    floating_only(x)
    return x - x.clip(-lambd, lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """``input`` moved towards 0 by ``lambd``, and 0 where it is no larger; the gradient at both kinks is 0.

    Errors
    ------
    SettingError if ``lambd`` is negative. UndefinedError for integers.

    >>> from tinygrad_mp import tensor
    >>> softshrink(tensor([-2.0, 0.3, 2.0]))
    tensor([-1.5000,  0.0000,  1.5000])
    """
    if not lambd >= 0:
        raise SettingError(f"softshrink: lambd must not be negative, not {lambd}")
    return _softshrink(input, lambd=lambd)


@primitive(x=lambda g, x, lambd: kept(g, ~((x >= -lambd) & (x <= lambd))))
def _hardshrink(x: _Bent, *, lambd: _Half) -> Any:
    floating_only(x)
    return kept(x, ~((x >= -lambd) & (x <= lambd)))


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """``input`` where its size is larger than ``lambd``, 0 elsewhere. UndefinedError for integers.

    >>> from tinygrad_mp import tensor
    >>> hardshrink(tensor([-2.0, 0.3, 2.0]))
    tensor([-2.,  0.,  2.])
    """
    return _hardshrink(input, lambd=lambd)


# --- with a slope or a curve below zero -------------------------------------------------------------------------------


def _prelu_case(sampler: Sampler) -> Any:
    shape = sampler.shape()
    small = tuple(sampler.choice((1, side)) for side in shape)
    return (sampler.array(shape, Smooth), sampler.array(small, Real)), {}


@primitive(
    name="prelu",
    promotes=None,
    cases=_prelu_case,
    x=lambda g, x, slope: where(x > 0, g, g * slope),
    slope=lambda g, x: where(x > 0, 0.0, g * x),
)
def sloped(x: Smooth, slope: Real) -> Any:
    """``x`` where positive, ``slope * x`` elsewhere, with slopes that broadcast to ``x``.

    >>> from tinygrad_mp import tensor
    >>> sloped(tensor([-1.0, 2.0]), tensor([0.5]))
    tensor([-0.5000,  2.0000])
    """
    return where(x > 0, x, x * slope)


def prelu(input: Any, weight: Any) -> Any:
    """``input`` where positive, ``weight * input`` elsewhere, with learned slopes.

    Parameters
    ----------
    input : Tensor
        Floating; axis 1 is that of the channels.
    weight : Tensor
        One slope, or one for each channel.

    Errors
    ------
    ShapeError if the weight fits neither. DTypeError if the dtypes differ, UndefinedError for integers.

    Source: He et al., Delving deep into rectifiers, 2015.

    >>> from tinygrad_mp import tensor
    >>> prelu(tensor([[-1.0, -1.0]]), tensor([0.25, 0.5]))
    tensor([[-0.2500, -0.5000]])
    """
    floating_only(input, weight)
    if input.dtype != weight.dtype:
        raise DTypeError(f"prelu: input is {input.dtype}, weight {weight.dtype}", fix="convert one: x.to(y.dtype)")
    count, channels = math.prod(weight.shape), input.shape[1] if input.ndim > 1 else 1
    if count != 1 and (weight.ndim != 1 or count != channels):
        error = ShapeError(
            f"{weight.shape} slopes for {channels} channels", fix="give one slope, or one for each entry of axis 1"
        )
        error.locate("prelu", (("input", input), ("weight", weight)))
        raise error
    return sloped(input, reshape(weight, () if count == 1 else (count, *[1] * (input.ndim - 2))))


_ALPHA, _SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(input: Any) -> Any:
    """``scale * elu(input, alpha)``, with the two numbers for which depth keeps mean 0 and variance 1.

    Source: Klambauer et al., Self-normalizing neural networks, 2017.

    >>> from tinygrad_mp import tensor
    >>> selu(tensor([-1.0, 0.0, 1.0]))
    tensor([-1.1113,  0.0000,  1.0507])
    """
    floating_only(input)
    return mul(elu(input, _ALPHA), _SCALE)


@primitive(x=lambda g, x, alpha: where(x > 0, g, g * exp(clamp(x, max=0.0) * (1 / alpha))))
def _celu(x: Smooth, *, alpha: Annotated[float, Choice((1.0, 2.0, 0.5))]) -> Any:
    floating_only(x)
    below = x.clip(-math.inf, 0.0) / alpha
    # exp(t) - 1 = tanh(t / 2) * (exp(t) + 1): as precise as expm1, and three times as fast in NumPy.
    return x.clip(0.0, math.inf) + xp(x).tanh(below * 0.5) * (xp(x).exp(below) + 1) * alpha


def celu(input: Any, alpha: float = 1.0) -> Any:
    """``input`` where positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere: smooth at 0 for every alpha.

    Errors
    ------
    SettingError if ``alpha`` is 0. UndefinedError for integers.

    Source: Barron, Continuously differentiable exponential linear units, 2017.

    >>> from tinygrad_mp import tensor
    >>> celu(tensor([-1.0, 2.0]), alpha=2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise SettingError("ZeroDivisionError: celu: alpha must not be 0")
    return _celu(input, alpha=alpha)
