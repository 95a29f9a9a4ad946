"""Arithmetic and powers, one entry at a time. Inputs broadcast; integers become the default floating dtype where the
result is not an integer. Choices between entries are in :mod:`tinygrad_mp.ops.selection`; trigonometric functions,
rounding and their kin in :mod:`tinygrad_mp.ops.elementary`.
"""

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, NonZero, Positive, Real, Sampler, Smooth
from tinygrad_mp.dtypes import result_type
from tinygrad_mp.errors import DTypeError, SettingError
from tinygrad_mp.ops.selection import NUMBERS, module_of
from tinygrad_mp.ops.selection import clamp as clamp
from tinygrad_mp.ops.selection import kept as kept
from tinygrad_mp.ops.selection import maximum as maximum
from tinygrad_mp.ops.selection import minimum as minimum
from tinygrad_mp.ops.selection import where as where
from tinygrad_mp.primitive import primitive

_FRACTION = Domain(0.2, 0.8)


# --- arithmetic -----------------------------------------------------------------------------------------------------


@primitive(elementwise=True, x=lambda g: g, y=lambda g: g)
def add(x: Real, y: Real) -> Any:
    """``x + y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) + 1
    tensor([2., 3.])
    """
    return x + y


@primitive(elementwise=True, x=lambda g: g, y=lambda g: -g)
def sub(x: Real, y: Real) -> Any:
    """``x - y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) - tensor([3.0, 1.0])
    tensor([-2.,  1.])
    """
    return x - y


@primitive(elementwise=True, x=lambda g, y: g * y, y=lambda g, x: g * x)
def mul(x: Real, y: Real) -> Any:
    """``x * y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) * 3
    tensor([3., 6.])
    """
    return x * y


@primitive(promotes="floating", elementwise=True, x=lambda g, y: g / y, y=lambda g, y, out: -g * out / y)
def div(x: Real, y: NonZero) -> Any:
    """``x / y``, elementwise with broadcasting; integers give the default floating dtype.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2]) / 4
    tensor([0.2500, 0.5000])
    """
    return x / y


@primitive(elementwise=True, x=lambda g: -g, linear=True)
def neg(x: Real) -> Any:
    """``-x``.

    >>> from tinygrad_mp import tensor
    >>> -tensor([1.0, -2.0])
    tensor([-1.,  2.])
    """
    return -x


@primitive(elementwise=True, x=lambda g: g, linear=True)
def clone(x: Real) -> Any:
    """A copy in memory of its own; gradients flow through.

    >>> from tinygrad_mp import tensor
    >>> clone(tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    return x.copy()


def scaled_add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """``input + alpha * other``; the operator ``+`` is :func:`add`, which does without the test.

    >>> from tinygrad_mp import tensor
    >>> scaled_add(tensor([1.0, 2.0]), tensor([3.0, 4.0]), alpha=10)
    tensor([31., 42.])
    """
    return add(input, other if alpha == 1 else mul(other, alpha))


def scaled_sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """``input - alpha * other``; the operator ``-`` is :func:`sub`, which does without the test.

    >>> from tinygrad_mp import tensor
    >>> scaled_sub(tensor([1.0, 2.0]), 1.0, alpha=2)
    tensor([-1.,  0.])
    """
    return sub(input, other if alpha == 1 else mul(other, alpha))


# --- division with rounding -----------------------------------------------------------------------------------------


def _division_case(sampler: Sampler) -> Any:
    """Quotients that keep away from integers, where the result jumps."""
    shape = sampler.shape()
    y = sampler.array(shape, NonZero)
    return ((sampler.array(shape, _FRACTION) + sampler.indices(shape, 3, negative=True)) * y, y), {}


@primitive(x=lambda g: zeroed(g), y=lambda g: zeroed(g), cases=_division_case)
def floor_divide(x: Real, y: NonZero) -> Any:
    """``x // y``: the quotient rounded towards minus infinity. Its gradient is zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return x // y


@primitive(x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y), cases=_division_case)
def remainder(x: Real, y: NonZero) -> Any:
    """``x % y = x - y * (x // y)``, which has the sign of ``y``, as in Python.

    >>> from tinygrad_mp import tensor
    >>> tensor([7, -7]) % 3
    tensor([1, 2])
    """
    return x % y


@primitive(x=lambda g: zeroed(g), y=lambda g: zeroed(g), cases=_division_case)
def _truncate_divide(x: Real, y: NonZero) -> Any:
    """The quotient rounded towards zero. Its gradient is zero."""
    dtype = result_type(x, y)
    if dtype.kind == "f":
        return module_of(x, y).trunc(x / y)
    floored = x // y
    towards_zero = (floored < 0) & (floored * y != x)
    return floored + towards_zero.astype(dtype)


def divide(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """``input / other``, rounded when asked; the operator ``/`` is :func:`div`, which does without the test.

    Parameters
    ----------
    rounding_mode : {None, "trunc", "floor"}
        Round not at all, towards zero, or towards minus infinity. Integers then give integers, and gradients are 0.

    Errors
    ------
    SettingError for another mode.

    >>> from tinygrad_mp import tensor
    >>> divide(tensor([7, -7]), 2, rounding_mode="trunc")
    tensor([ 3, -3])
    """
    if rounding_mode is None:
        return div(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return _truncate_divide(input, other)
    raise SettingError(f"rounding_mode {rounding_mode!r} is unknown", fix='use None, "trunc" or "floor"')


# --- sign and size --------------------------------------------------------------------------------------------------


@primitive(elementwise=True, x=lambda g, x: g * sign(x))
def abs(x: Smooth) -> Any:
    """``|x|``; the gradient at 0 is 0, and at NaN it is NaN (0 in PyTorch).

    >>> from tinygrad_mp import tensor
    >>> tensor([-1.5, 2.0]).abs()
    tensor([1.5000, 2.0000])
    """
    return xp(x).abs(x)


@primitive(x=lambda g: zeroed(g))
def sign(x: Smooth) -> Any:
    """-1, 0 or 1, in the dtype of ``x``; NaN at NaN (0 in PyTorch). Its gradient is zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([-1.5, 0.0, 2.0]).sign()
    tensor([-1.,  0.,  1.])
    """
    return x.copy() if x.dtype.kind == "b" else xp(x).sign(x)  # NumPy has no sign of booleans


@primitive(x=None)
def zeroed(x: Real) -> Any:
    """Zeros of the shape and dtype of ``x``: the gradient of what is constant almost everywhere."""
    return xp(x).zeros_like(x)


# --- powers ---------------------------------------------------------------------------------------------------------


@primitive(elementwise=True, x=lambda g, x: g * (x + x))
def square(x: Real) -> Any:
    """``x * x``.

    >>> from tinygrad_mp import tensor
    >>> tensor([3.0, -2.0]).square()
    tensor([9., 4.])
    """
    return x * x


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g / (out + out))
def sqrt(x: Positive) -> Any:
    """The square root; NaN below 0.

    >>> from tinygrad_mp import tensor
    >>> tensor([4.0, 2.0]).sqrt()
    tensor([2.0000, 1.4142])
    """
    return xp(x).sqrt(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g * out * out * out * -0.5)
def rsqrt(x: Positive) -> Any:
    """``1 / sqrt(x)``.

    >>> from tinygrad_mp import tensor
    >>> tensor([4.0, 0.25]).rsqrt()
    tensor([0.5000, 2.0000])
    """
    return 1 / xp(x).sqrt(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, out: -g * out * out)
def reciprocal(x: NonZero) -> Any:
    """``1 / x``.

    >>> from tinygrad_mp import tensor
    >>> tensor([4.0, -0.5]).reciprocal()
    tensor([ 0.2500, -2.0000])
    """
    return 1 / x


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g * out)
def exp(x: Real) -> Any:
    """e to the power ``x``.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).exp()
    tensor([1.0000, 2.7183])
    """
    return xp(x).exp(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g / x)
def log(x: Positive) -> Any:
    """The natural logarithm; -inf at 0, NaN below.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]).log()
    tensor([0.0000, 0.6931])
    """
    return xp(x).log(x)


def _pow_rule_x(g: Any, x: Any, y: Any) -> Any:
    if isinstance(y, NUMBERS):
        if y == 0:
            return zeroed(g)
        return g if y == 1 else g * (x + x) if y == 2 else g * (pow(x, y - 1) * y)
    # Where x and y are both 0, the formula's 0 * 0**-1 would be NaN: raise that exponent to 0.
    return g * (y * pow(x, y - 1 + (x == 0) * (y == 0)))


def _pow_rule_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    if isinstance(x, NUMBERS):
        if x > 0:
            return g * out * math.log(x)
        x = zeroed(y) + x
    # 0**y is constant for y >= 0: a logarithm of 1 there makes the gradient 0, not NaN.
    return g * out * log(where((x == 0) * (y >= 0), 1.0, x))


def _pow_case(sampler: Sampler) -> Any:
    shape = sampler.shape()
    if sampler.integer(0, 1):
        return (sampler.array(shape, NonZero), sampler.choice((0, 1, 2, 3, 4, 5, -1, -2, -3))), {}
    exponent = sampler.choice((sampler.array(shape, Real), 0.5, -0.5, 2.5))
    return (sampler.array(shape, Positive), exponent), {}


@primitive(x=_pow_rule_x, y=_pow_rule_y, cases=_pow_case)
def pow(x: Positive, y: Real) -> Any:
    """``x ** y``. Where ``x`` is 0 and ``y >= 0``, the gradient to ``y`` is 0, and to ``x`` too where ``y`` is 0.

    Errors
    ------
    DTypeError for integers to negative powers.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, -2.0]) ** 3
    tensor([ 1., -8.])
    """
    if isinstance(y, NUMBERS) and not isinstance(x, NUMBERS):
        return _power(x, y)
    of_integers = x.dtype.kind in "iu" if hasattr(x, "dtype") else isinstance(x, int)
    if of_integers and y.dtype.kind == "i" and bool((y < 0).any()):
        raise _negative_power()
    return x**y


def _power(x: Any, y: float) -> Any:
    """A fixed power. Products where they do, because NumPy's power is slow, and slower yet on negative numbers."""
    if x.dtype.kind != "f":
        if y < 0 and x.dtype.kind != "c":
            raise _negative_power()
        return x**y
    if y == 2:
        return x * x
    if y in _POWERS:
        return _POWERS[y](x)
    if isinstance(y, int) or y.is_integer():
        size = xp(x).abs(x) ** float(y)
        return xp(x).copysign(size, x) if y % 2 else size
    return x**y


_POWERS: dict[float, Any] = {
    0: lambda x: xp(x).ones_like(x),
    1: lambda x: x.copy(),
    3: lambda x: x * x * x,
    4: lambda x: (x * x) * (x * x),
    0.5: lambda x: xp(x).sqrt(x),
    -0.5: lambda x: 1 / xp(x).sqrt(x),
    -1: lambda x: 1 / x,
    -2: lambda x: 1 / (x * x),
}


def _negative_power() -> DTypeError:
    return DTypeError(
        "integers to negative powers are no integers", fix="convert the base first, for example x = x.float()"
    )


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g - g * out * out)
def tanh(x: Real) -> Any:
    """The hyperbolic tangent.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).tanh()
    tensor([0.0000, 0.7616])
    """
    return xp(x).tanh(x)
