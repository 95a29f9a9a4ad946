"""Exponentials and logarithms to other bases, inverse trigonometric and hyperbolic functions, and their kin."""

import math
from typing import Annotated, Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, NonZero, OpenUnit, Positive, Real
from tinygrad_mp.ops.activation import sigmoid
from tinygrad_mp.ops.elementary import cos, floating_only, sin
from tinygrad_mp.ops.elementwise import mul, rsqrt, square
from tinygrad_mp.ops.selection import kept, module_of, where
from tinygrad_mp.primitive import primitive

_LN2, _LN10 = math.log(2), math.log(10)
_AboveOne = Annotated[Any, Domain(1.2, 4.0)]


# --- exponentials and logarithms --------------------------------------------------------------------------------------


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g * out * _LN2)
def exp2(x: Real) -> Any:
    """2 to the power ``x``; integers give the default floating dtype, as in all functions of this file.

    >>> from tinygrad_mp import tensor
    >>> exp2(tensor([0.0, 3.0, -1.0]))
    tensor([1.0000, 8.0000, 0.5000])
    """
    return xp(x).exp2(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g / (x * _LN2))
def log2(x: Positive) -> Any:
    """The logarithm to base 2; -inf at 0, NaN below.

    >>> from tinygrad_mp import tensor
    >>> log2(tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    return xp(x).log2(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g / (x * _LN10))
def log10(x: Positive) -> Any:
    """The logarithm to base 10; -inf at 0, NaN below.

    >>> from tinygrad_mp import tensor
    >>> log10(tensor([1.0, 1000.0]))
    tensor([0., 3.])
    """
    return xp(x).log10(x)


@primitive(x=lambda g, x, y: g * sigmoid(x - y), y=lambda g, x, y: g * sigmoid(y - x))
def logaddexp(x: Real, y: Real) -> Any:
    """``log(exp(x) + exp(y))``, without overflow. Floating dtypes only.

    >>> from tinygrad_mp import tensor
    >>> logaddexp(tensor([0.0, 200.0]), tensor([0.0, 0.0]))
    tensor([  0.6931, 200.0000])
    """
    floating_only(x, y)
    return module_of(x, y).logaddexp(x, y)


@primitive(x=lambda g, x, y: g * sigmoid((x - y) * _LN2), y=lambda g, x, y: g * sigmoid((y - x) * _LN2))
def logaddexp2(x: Real, y: Real) -> Any:
    """``log2(2**x + 2**y)``, without overflow. Floating dtypes only.

    >>> from tinygrad_mp import tensor
    >>> logaddexp2(tensor([0.0, 3.0]), tensor([0.0, 3.0]))
    tensor([1., 4.])
    """
    floating_only(x, y)
    return module_of(x, y).logaddexp2(x, y)


# --- inverse trigonometric functions ----------------------------------------------------------------------------------


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g * rsqrt(1 - x * x))
def asin(x: OpenUnit) -> Any:
    """The angle, from -pi/2 to pi/2, whose sine is ``x``; NaN outside of [-1, 1].

    >>> from tinygrad_mp import tensor
    >>> asin(tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    return xp(x).arcsin(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: -g * rsqrt(1 - x * x))
def acos(x: OpenUnit) -> Any:
    """The angle, from 0 to pi, whose cosine is ``x``; NaN outside of [-1, 1].

    >>> from tinygrad_mp import tensor
    >>> acos(tensor([1.0, 0.0]))
    tensor([0.0000, 1.5708])
    """
    return xp(x).arccos(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g / (x * x + 1))
def atan(x: Real) -> Any:
    """The angle, from -pi/2 to pi/2, whose tangent is ``x``.

    >>> from tinygrad_mp import tensor
    >>> atan(tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    return xp(x).arctan(x)


def _by_square_of_radius(g: Any, x: Any, y: Any) -> Any:
    """``g / (x**2 + y**2)``; 0 at the origin, as in PyTorch."""
    radius = square(x) + square(y)
    return kept(g, radius != 0) / where(radius == 0, 1.0, radius)


@primitive(
    promotes="floating",
    x=lambda g, x, y: _by_square_of_radius(g, x, y) * y,
    y=lambda g, x, y: _by_square_of_radius(g, x, y) * -x,
)
def atan2(x: NonZero, y: NonZero) -> Any:
    """The angle, from -pi to pi, of the point whose ordinate is ``x`` and whose abscissa is ``y``.

    The gradients at the origin are 0.

    >>> from tinygrad_mp import tensor
    >>> atan2(tensor([1.0, 0.0]), tensor([0.0, -1.0]))
    tensor([1.5708, 3.1416])
    """
    return module_of(x, y).arctan2(x, y)


# --- hyperbolic functions ---------------------------------------------------------------------------------------------


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g * cosh(x))
def sinh(x: Real) -> Any:
    """The hyperbolic sine, ``(exp(x) - exp(-x)) / 2``.

    >>> from tinygrad_mp import tensor
    >>> sinh(tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    return xp(x).sinh(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g * sinh(x))
def cosh(x: Real) -> Any:
    """The hyperbolic cosine, ``(exp(x) + exp(-x)) / 2``.

    >>> from tinygrad_mp import tensor
    >>> cosh(tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    return xp(x).cosh(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g * rsqrt(x * x + 1))
def asinh(x: Real) -> Any:
    """The number whose hyperbolic sine is ``x``.

    >>> from tinygrad_mp import tensor
    >>> asinh(tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """
    return xp(x).arcsinh(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g * rsqrt(x * x - 1))
def acosh(x: _AboveOne) -> Any:
    """The number, not negative, whose hyperbolic cosine is ``x``; NaN below 1.

    >>> from tinygrad_mp import tensor
    >>> acosh(tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """
    return xp(x).arccosh(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g / (1 - x * x))
def atanh(x: OpenUnit) -> Any:
    """The number whose hyperbolic tangent is ``x``; infinite at -1 and 1, NaN beyond.

    >>> from tinygrad_mp import tensor
    >>> atanh(tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """
    return xp(x).arctanh(x)


# --- their kin --------------------------------------------------------------------------------------------------------


def _sinc_rule(g: Any, x: Any) -> Any:
    t = where(x == 0, 1.0, x) * math.pi
    return kept(g, x != 0) * ((cos(t) - sin(t) / t) / t * math.pi)


@primitive(promotes="floating", x=_sinc_rule)
def sinc(x: NonZero) -> Any:
    """``sin(pi * x) / (pi * x)``, and 1 at 0, where its gradient is 0.

    >>> from tinygrad_mp import tensor
    >>> sinc(tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    return xp(x).sinc(x)


@primitive(x=lambda g, x, out: g * x / out, y=lambda g, y, out: g * y / out)
def hypot(x: NonZero, y: NonZero) -> Any:
    """``sqrt(x**2 + y**2)``, without overflow. The gradients at the origin are NaN. Floating dtypes only.

    >>> from tinygrad_mp import tensor
    >>> hypot(tensor([3.0]), tensor([4.0]))
    tensor([5.])
    """
    floating_only(x, y)
    return module_of(x, y).hypot(x, y)


def deg2rad(input: Any) -> Any:
    """Degrees as radians, ``input * pi / 180``.

    >>> from tinygrad_mp import tensor
    >>> deg2rad(tensor([180.0, 90.0]))
    tensor([3.1416, 1.5708])
    """
    return mul(input, math.pi / 180)


def rad2deg(input: Any) -> Any:
    """Radians as degrees, ``input * 180 / pi``.

    >>> from tinygrad_mp import tensor
    >>> rad2deg(tensor([3.14159265, 0.0]))
    tensor([180.,   0.])
    """
    return mul(input, 180 / math.pi)
