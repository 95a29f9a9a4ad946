"""Divisors and multiples of integers, and shifts of their bits. One entry at a time; inputs broadcast."""

from typing import Annotated, Any

from tinygrad_mp.domains import Domain, Integer
from tinygrad_mp.ops.arithmetic import kinds_only
from tinygrad_mp.ops.selection import module_of
from tinygrad_mp.primitive import primitive

_Shift = Annotated[Any, Domain(0, 5, kind="int")]
_NO_INTEGER = "convert first: x.long()"


@primitive(x=None, y=None)
def gcd(x: Integer, y: Integer) -> Any:
    """The greatest common divisor of integers, which is not negative.

    >>> from tinygrad_mp import tensor
    >>> gcd(tensor([12, -8]), tensor([18, 6]))
    tensor([6, 2])
    """
    kinds_only("iu", x, y, fix=_NO_INTEGER)
    return module_of(x, y).gcd(x, y)


@primitive(x=None, y=None)
def lcm(x: Integer, y: Integer) -> Any:
    """The least common multiple of integers, which is not negative.

    >>> from tinygrad_mp import tensor
    >>> lcm(tensor([4, -3]), tensor([6, 5]))
    tensor([12, 15])
    """
    kinds_only("iu", x, y, fix=_NO_INTEGER)
    return module_of(x, y).lcm(x, y)


@primitive(x=None, y=None)
def bitwise_left_shift(x: Integer, y: _Shift) -> Any:
    """``x << y``: integers times ``2**y``.

    >>> from tinygrad_mp import tensor
    >>> bitwise_left_shift(tensor([1, 5]), 2)
    tensor([ 4, 20])
    """
    kinds_only("iu", x, y, fix=_NO_INTEGER)
    return module_of(x, y).left_shift(x, y)


@primitive(x=None, y=None)
def bitwise_right_shift(x: Integer, y: _Shift) -> Any:
    """``x >> y``: integers divided by ``2**y``, rounded towards minus infinity.

    >>> from tinygrad_mp import tensor
    >>> bitwise_right_shift(tensor([4, 21]), 2)
    tensor([1, 5])
    """
    kinds_only("iu", x, y, fix=_NO_INTEGER)
    return module_of(x, y).right_shift(x, y)


def left_shift_of(input: Any, other: Any) -> Any:
    """``other << input``, for the operator with a number in front.

    >>> from tinygrad_mp import tensor
    >>> left_shift_of(tensor([1, 2]), 3)
    tensor([ 6, 12])
    """
    return bitwise_left_shift(other, input)


def right_shift_of(input: Any, other: Any) -> Any:
    """``other >> input``, for the operator with a number in front.

    >>> from tinygrad_mp import tensor
    >>> right_shift_of(tensor([1, 2]), 12)
    tensor([6, 3])
    """
    return bitwise_right_shift(other, input)
