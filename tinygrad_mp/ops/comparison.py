"""Comparisons, tests and logic: boolean results, or bits. None has a gradient."""

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Boolean, Integer, Real
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.selection import module_of
from tinygrad_mp.primitive import primitive

# --- comparisons ----------------------------------------------------------------------------------------------------


@primitive(x=None, y=None)
def eq(x: Integer, y: Integer) -> Any:
    """``x == y``, elementwise with broadcasting. NaN equals nothing.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) == tensor([1.0, 3.0])
    tensor([ True, False])
    """
    return x == y


@primitive(x=None, y=None)
def ne(x: Integer, y: Integer) -> Any:
    """``x != y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) != 1
    tensor([False,  True])
    """
    return x != y


@primitive(x=None, y=None)
def lt(x: Integer, y: Integer) -> Any:
    """``x < y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) < 2
    tensor([ True, False])
    """
    return x < y


@primitive(x=None, y=None)
def le(x: Integer, y: Integer) -> Any:
    """``x <= y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) <= 1
    tensor([ True, False])
    """
    return x <= y


@primitive(x=None, y=None)
def gt(x: Integer, y: Integer) -> Any:
    """``x > y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) > 1
    tensor([False,  True])
    """
    return x > y


@primitive(x=None, y=None)
def ge(x: Integer, y: Integer) -> Any:
    """``x >= y``, elementwise with broadcasting.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]) >= 2
    tensor([False,  True])
    """
    return x >= y


# --- tests ----------------------------------------------------------------------------------------------------------


@primitive(x=None)
def isnan(x: Real) -> Any:
    """Whether an entry is NaN.

    >>> from tinygrad_mp import tensor
    >>> isnan(tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return xp(x).isnan(x)


@primitive(x=None)
def isinf(x: Real) -> Any:
    """Whether an entry is infinite, of either sign.

    >>> from tinygrad_mp import tensor
    >>> isinf(tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """
    return xp(x).isinf(x)


@primitive(x=None)
def isfinite(x: Real) -> Any:
    """Whether an entry is neither infinite nor NaN.

    >>> from tinygrad_mp import tensor
    >>> isfinite(tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    return xp(x).isfinite(x)


@primitive(x=None, y=None)
def _isclose(x: Integer, y: Integer, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    return module_of(x, y).isclose(x, y, rtol, atol, equal_nan)


def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether ``|input - other| <= atol + rtol * |other|``, elementwise with broadcasting.

    Parameters
    ----------
    rtol, atol : float, default 1e-5 and 1e-8
    equal_nan : bool, default False
        Count two NaN as close.

    Errors
    ------
    SettingError for a negative tolerance.

    >>> from tinygrad_mp import tensor
    >>> isclose(tensor([1.0, 2.0]), tensor([1.000001, 2.1]))
    tensor([ True, False])
    """
    if rtol < 0 or atol < 0:
        raise SettingError(f"isclose: a tolerance cannot be negative: rtol={rtol}, atol={atol}")
    return _isclose(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all entries are close, as :func:`isclose` says.

    >>> from tinygrad_mp import tensor
    >>> allclose(tensor([1.0, 2.0]), tensor([1.0, 2.000001]))
    True
    """
    close = isclose(input, other, rtol, atol, equal_nan)
    return bool(getattr(close, "array", close).all())


def equal(input: Any, other: Any) -> bool:
    """Whether two tensors have the same shape and the same values. NaN equals nothing.

    >>> from tinygrad_mp import tensor
    >>> equal(tensor([1.0, 2.0]), tensor([1.0, 2.0])), equal(tensor([1.0]), tensor([1.0, 1.0]))
    (True, False)
    """
    if input.shape != other.shape:
        return False
    same = eq(input, other)
    return bool(getattr(same, "array", same).all())


# --- logic: whether an entry is zero or not -------------------------------------------------------------------------


@primitive(x=None, y=None)
def logical_and(x: Boolean, y: Boolean) -> Any:
    """Whether both are nonzero.

    >>> from tinygrad_mp import tensor
    >>> logical_and(tensor([True, True]), tensor([2.0, 0.0]))
    tensor([ True, False])
    """
    return module_of(x, y).logical_and(x, y)


@primitive(x=None, y=None)
def logical_or(x: Boolean, y: Boolean) -> Any:
    """Whether one or both are nonzero.

    >>> from tinygrad_mp import tensor
    >>> logical_or(tensor([True, False]), tensor([2.0, 0.0]))
    tensor([ True, False])
    """
    return module_of(x, y).logical_or(x, y)


@primitive(x=None, y=None)
def logical_xor(x: Boolean, y: Boolean) -> Any:
    """Whether exactly one is nonzero.

    >>> from tinygrad_mp import tensor
    >>> logical_xor(tensor([True, False]), tensor([2.0, 3.0]))
    tensor([False,  True])
    """
    return module_of(x, y).logical_xor(x, y)


@primitive(x=None)
def logical_not(x: Boolean) -> Any:
    """Whether an entry is zero.

    >>> from tinygrad_mp import tensor
    >>> logical_not(tensor([0.0, 2.0]))
    tensor([ True, False])
    """
    return xp(x).logical_not(x)


# --- bits of integers; for booleans the same as logic ---------------------------------------------------------------


@primitive(x=None, y=None)
def bitwise_and(x: Boolean, y: Boolean) -> Any:
    """``x & y`` of booleans or integers. DTypeError for floating dtypes.

    >>> from tinygrad_mp import tensor
    >>> tensor([6, 5]) & 3
    tensor([2, 1])
    """
    return x & y


@primitive(x=None, y=None)
def bitwise_or(x: Boolean, y: Boolean) -> Any:
    """``x | y`` of booleans or integers. DTypeError for floating dtypes.

    >>> from tinygrad_mp import tensor
    >>> tensor([6, 5]) | 1
    tensor([7, 5])
    """
    return x | y


@primitive(x=None, y=None)
def bitwise_xor(x: Boolean, y: Boolean) -> Any:
    """``x ^ y`` of booleans or integers. DTypeError for floating dtypes.

    >>> from tinygrad_mp import tensor
    >>> tensor([6, 5]) ^ 3
    tensor([5, 6])
    """
    return x ^ y


@primitive(x=None)
def bitwise_not(x: Boolean) -> Any:
    """``~x`` of booleans or integers. DTypeError for floating dtypes.

    >>> from tinygrad_mp import tensor
    >>> ~tensor([True, False])
    tensor([False,  True])
    """
    return ~x
