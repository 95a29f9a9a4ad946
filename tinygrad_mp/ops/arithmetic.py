"""Arithmetic beyond the four operations: remainders, signs, fused products, the larger of two numbers. One entry at a
time; inputs broadcast. What is of integers alone is in :mod:`tinygrad_mp.ops.integers`."""

from typing import Annotated, Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, NonZero, Real, Sampler
from tinygrad_mp.dtypes import float64
from tinygrad_mp.errors import DTypeError, SettingError, UndefinedError
from tinygrad_mp.ops import return_types
from tinygrad_mp.ops.comparison import isfinite, isnan
from tinygrad_mp.ops.elementary import floating_only
from tinygrad_mp.ops.elementwise import _division_case as division_case
from tinygrad_mp.ops.elementwise import abs, add, div, divide, mul, pow, sign, sub, zeroed
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.selection import NUMBERS, kept, module_of, where
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import wrap

_BetweenIntegers = Annotated[Any, Domain(-2.4, 2.4, away_from=(-2.0, -1.0, 0.0, 1.0, 2.0), margin=0.1)]


def _kind(x: Any) -> str:
    """The kind of a raw operand's dtype: b, u, i or f."""
    if hasattr(x, "dtype"):
        return str(x.dtype.kind)
    return "b" if isinstance(x, bool) else "i" if isinstance(x, int) else "f"


def kinds_only(kinds: str, *operands: Any, fix: str | None = None) -> None:
    """Refuse operands whose dtype is of another kind."""
    for one in operands:
        if _kind(one) not in kinds:
            raise UndefinedError(f"not defined for {getattr(one, 'dtype', type(one).__name__)}", fix=fix)


# --- remainders -------------------------------------------------------------------------------------------------------


@primitive(x=lambda g: g, y=lambda g, x, y: -g * divide(x, y, rounding_mode="trunc"), cases=division_case)
def fmod(x: Real, y: NonZero) -> Any:
    """The remainder of the division rounded towards zero, which has the sign of ``x``, as in C.

    Errors
    ------
    SettingError for integers divided by 0. DTypeError for booleans.

    >>> from tinygrad_mp import tensor
    >>> fmod(tensor([7, -7]), 3)
    tensor([ 1, -1])
    """
    kinds_only("iuf", *(one for one in (x, y) if hasattr(one, "dtype")))
    if _kind(x) in "iu" and _kind(y) in "iu" and bool(module_of(x, y).any(module_of(x, y).asarray(y) == 0)):
        raise SettingError("ZeroDivisionError: an integer divided by 0", fix="convert first: x.float()")
    return module_of(x, y).fmod(x, y)


@primitive(x=lambda g: g)
def frac(x: _BetweenIntegers) -> Any:
    """``x - trunc(x)``, which has the sign of ``x``. Floating dtypes only.

    >>> from tinygrad_mp import tensor
    >>> frac(tensor([1.25, -1.25]))
    tensor([ 0.2500, -0.2500])
    """
    floating_only(x)
    return x - xp(x).trunc(x)


# --- signs ------------------------------------------------------------------------------------------------------------


def positive(input: Any) -> Any:
    """``+input``: ``input`` itself. UndefinedError for booleans.

    >>> from tinygrad_mp import tensor
    >>> positive(tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    if input.dtype.kind == "b":
        raise UndefinedError("positive: + is not defined for bool", fix="convert first: x.int()")
    return input


@primitive(x=None)
def signbit(x: Real) -> Any:
    """Whether the sign is minus: true of -0.0 too.

    >>> from tinygrad_mp import tensor
    >>> signbit(tensor([1.0, -2.0, -0.0]))
    tensor([False,  True,  True])
    """
    return xp(x).signbit(x) if x.dtype.kind == "f" else x < 0


@primitive(promotes="floating", x=lambda g, x, out: g * (sign(x) * sign(out)), y=lambda g: zeroed(g))
def copysign(x: NonZero, y: NonZero) -> Any:
    """The size of ``x`` with the sign of ``y``. The gradient to ``x`` at 0 is 0, and so is that to ``y``.

    >>> from tinygrad_mp import tensor
    >>> copysign(tensor([1.0, -2.0]), -1)
    tensor([-1., -2.])
    """
    return module_of(x, y).copysign(x, y)


@primitive(promotes=None, x=None, y=None)
def heaviside(x: Real, y: Real) -> Any:
    """0 where ``x < 0`` or NaN, 1 where ``x > 0``, and ``y`` where ``x == 0``. It has no gradient.

    Errors
    ------
    DTypeError if the dtypes differ, as in PyTorch.

    >>> from tinygrad_mp import tensor
    >>> heaviside(tensor([-1.0, 0.0, 2.0]), tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if getattr(x, "dtype", None) != getattr(y, "dtype", None):
        raise DTypeError("the two need one dtype", fix="convert one: values.to(input.dtype)")
    return xp(x).where(x == 0, y, (x > 0).astype(x.dtype))


# --- the larger and the smaller of two, of which a number beats a NaN -------------------------------------------------


def _first_wins(better: Any, y: Any) -> Any:
    return better | isnan(y)


@primitive(
    x=lambda g, x, y: kept(g, _first_wins(x >= y, y)),
    y=lambda g, x, y: kept(g, ~_first_wins(x >= y, y)),
)
def fmax(x: Real, y: Real) -> Any:
    """The larger of two; where one is NaN, the other. At a tie ``x`` gets the gradient.

    >>> from tinygrad_mp import tensor
    >>> fmax(tensor([1.0, float("nan")]), tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return module_of(x, y).fmax(x, y)


@primitive(
    x=lambda g, x, y: kept(g, _first_wins(x <= y, y)),
    y=lambda g, x, y: kept(g, ~_first_wins(x <= y, y)),
)
def fmin(x: Real, y: Real) -> Any:
    """The smaller of two; where one is NaN, the other. At a tie ``x`` gets the gradient.

    >>> from tinygrad_mp import tensor
    >>> fmin(tensor([1.0, float("nan")]), tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return module_of(x, y).fmin(x, y)


# --- products and sums in one -----------------------------------------------------------------------------------------


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """``input + weight * (end - input)``: from ``input`` at weight 0 to ``end`` at weight 1, and beyond.

    From weight 0.5 on it is taken from ``end``, so that both ends are met exactly.

    Parameters
    ----------
    input, end : Tensor
        Of one floating dtype; broadcast.
    weight : number or Tensor
        A tensor has their dtype, and gets a gradient.

    Errors
    ------
    DTypeError if the dtypes differ. UndefinedError for integers.

    >>> from tinygrad_mp import tensor
    >>> lerp(tensor([0.0, 10.0]), tensor([1.0, 20.0]), 0.5)
    tensor([ 0.5000, 15.0000])
    """
    for name, value in (("end", end), ("weight", weight)):
        if not isinstance(value, NUMBERS) and value.dtype != input.dtype:
            raise DTypeError(f"lerp: {name} is {value.dtype}, input {input.dtype}", fix="convert one: x.to(y.dtype)")
    if input.dtype.kind != "f":
        raise UndefinedError(f"lerp: not defined for {input.dtype}", fix="convert first: x.float()")
    gap = end - input
    near, far = input + weight * gap, end - gap * (1 - weight)
    if isinstance(weight, NUMBERS):
        return near if -0.5 < weight < 0.5 else far
    return where(abs(weight) < 0.5, near, far)


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """``input + value * tensor1 * tensor2``. UndefinedError for booleans.

    >>> from tinygrad_mp import tensor
    >>> addcmul(tensor([1.0, 1.0]), tensor([1.0, 2.0]), tensor([3.0, 4.0]), value=0.5)
    tensor([2.5000, 5.0000])
    """
    if input.dtype.kind == "b":
        raise UndefinedError("addcmul: not defined for bool", fix="convert first: x.int()")
    product = mul(tensor1, tensor2)
    return add(input, product if value == 1 else mul(product, value))


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """``input + value * tensor1 / tensor2``. DTypeError for a quotient of integers.

    >>> from tinygrad_mp import tensor
    >>> addcdiv(tensor([1.0, 1.0]), tensor([1.0, 2.0]), tensor([2.0, 4.0]), value=10)
    tensor([6., 6.])
    """
    if tensor1.dtype.kind != "f" and tensor2.dtype.kind != "f":
        raise DTypeError("addcdiv: a quotient of integers", fix="convert one of them: x.float()")
    product = tensor1 if value == 1 else mul(tensor1, value)
    return add(input, product / tensor2)


def float_power(input: Any, exponent: Any) -> Any:
    """``input ** exponent``, computed in float64 whatever the dtypes.

    >>> from tinygrad_mp import tensor
    >>> float_power(tensor([1, 2]), 0.5)
    tensor([1.0000, 1.4142], dtype=float64)
    """
    wide = [float(one) if isinstance(one, NUMBERS) else to_dtype(one, float64) for one in (input, exponent)]
    return pow(*wide)


def ldexp(input: Any, other: Any) -> Any:
    """``input * 2**other``.

    >>> from tinygrad_mp import tensor
    >>> ldexp(tensor([1.0, 3.0]), tensor([3, -1]))
    tensor([8.0000, 1.5000])
    """
    return mul(input, pow(2.0, other))


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """``other - alpha * input``.

    >>> from tinygrad_mp import tensor
    >>> rsub(tensor([1.0, 2.0]), 10, alpha=2)
    tensor([8., 6.])
    """
    return sub(other, input if alpha == 1 else mul(input, alpha))


def rdiv(input: Any, other: Any) -> Any:
    """``other / input``.

    >>> from tinygrad_mp import tensor
    >>> rdiv(tensor([1.0, 2.0]), 4)
    tensor([4., 2.])
    """
    if not hasattr(input, "dtype"):
        raise DTypeError(f"rdiv: {type(input).__name__} is no tensor", fix="write the operator, other / input")
    return div(other, input)


def _mantissa_rule(g: Any, x: Any, out: Any) -> Any:
    return g * where(x == 0, 1.0, out / where(x == 0, 1.0, x))


@primitive(x=_mantissa_rule)
def _mantissa(x: NonZero) -> Any:
    """``x`` divided by the power of two that brings its size into [0.5, 1)."""
    floating_only(x)
    return xp(x).frexp(x)[0]


def frexp(input: Any) -> return_types.frexp:  # type: ignore[valid-type]
    """``(mantissa, exponent)`` with ``input = mantissa * 2**exponent``, the size of the mantissa in [0.5, 1) or 0.

    UndefinedError for integers.

    >>> from tinygrad_mp import tensor
    >>> frexp(tensor([8.0, 0.75]))
    return_types.frexp(
    mantissa=tensor([0.5000, 0.7500]),
    exponent=tensor([4, 0], dtype=int32))
    """
    mantissa = _mantissa(input)
    module = xp(input.array)
    exponent = module.asarray(module.frexp(input.array)[1])
    return return_types.frexp((mantissa, wrap(input.result_class, exponent.astype("int32"))))


# --- what is infinite or no number ------------------------------------------------------------------------------------


def _nan_to_num_case(sampler: Sampler) -> Any:
    return (sampler.array(sampler.shape()),), {"nan": 0.5, "posinf": sampler.choice((None, 7.0)), "neginf": None}


@primitive(x=lambda g, x: kept(g, isfinite(x)), cases=_nan_to_num_case)
def _nan_to_num(x: Real, *, nan: float | None, posinf: float | None, neginf: float | None) -> Any:
    if x.dtype.kind != "f":
        return x.copy()
    return xp(x).nan_to_num(x, nan=nan or 0.0, posinf=posinf, neginf=neginf)


def nan_to_num(input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Any:
    """``input`` with numbers in the place of NaN and infinity, where its gradient is 0.

    Parameters
    ----------
    nan : float, default 0
    posinf, neginf : float, optional
        Default: the largest and the lowest number of the dtype.

    >>> from tinygrad_mp import tensor
    >>> nan_to_num(tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    return _nan_to_num(input, nan=nan, posinf=posinf, neginf=neginf)


@primitive(x=None)
def isposinf(x: Real) -> Any:
    """Whether an entry is plus infinity.

    >>> from tinygrad_mp import tensor
    >>> isposinf(tensor([1.0, float("inf"), float("-inf")]))
    tensor([False,  True, False])
    """
    return x == float("inf")


@primitive(x=None)
def isneginf(x: Real) -> Any:
    """Whether an entry is minus infinity.

    >>> from tinygrad_mp import tensor
    >>> isneginf(tensor([1.0, float("inf"), float("-inf")]))
    tensor([False, False,  True])
    """
    return x == float("-inf")


@primitive(x=None)
def isreal(x: Real) -> Any:
    """Whether an entry is a real number: true of all but complex numbers with an imaginary part.

    >>> from tinygrad_mp import tensor
    >>> isreal(tensor([1.0, 2.0]))
    tensor([True, True])
    """
    return xp(x).isreal(x)


@primitive(x=None, y=None)
def nextafter(x: Real, y: Real) -> Any:
    """The next number of the dtype after ``x`` on the way to ``y``. Floating dtypes only; it has no gradient.

    >>> from tinygrad_mp import tensor
    >>> nextafter(tensor([1.0]), tensor([2.0])) > 1
    tensor([True])
    """
    floating_only(x, y)
    return module_of(x, y).nextafter(x, y)
