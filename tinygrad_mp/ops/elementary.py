"""Trigonometric functions, exponentials near zero, the error function, and rounding, one entry at a time.

Rounding is constant between its jumps: its gradient is zero.
"""

import math
from typing import Annotated, Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Domain, OpenUnit, Real, Sampler
from tinygrad_mp.errors import UndefinedError
from tinygrad_mp.ops.elementwise import clamp, exp, square, zeroed
from tinygrad_mp.primitive import primitive

_BetweenIntegers = Annotated[Any, Domain(-2.4, 2.4, away_from=(-2.0, -1.0, 0.0, 1.0, 2.0), margin=0.1)]


def floating_only(*operands: Any) -> None:
    """Refuse integers and booleans, for which PyTorch has no such operation either."""
    for one in operands:
        if hasattr(one, "dtype") and one.dtype.kind not in "fc":
            raise UndefinedError(f"not defined for {one.dtype}", fix="convert first: x.float()")


# --- trigonometric functions, and exponentials near zero ------------------------------------------------------------


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g * cos(x))
def sin(x: Real) -> Any:
    """The sine of ``x`` radians.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).sin()
    tensor([0.0000, 0.8415])
    """
    return xp(x).sin(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: -g * sin(x))
def cos(x: Real) -> Any:
    """The cosine of ``x`` radians.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).cos()
    tensor([1.0000, 0.5403])
    """
    return xp(x).cos(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g + g * out * out)
def tan(x: OpenUnit) -> Any:
    """The tangent of ``x`` radians.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).tan()
    tensor([0.0000, 1.5574])
    """
    return xp(x).tan(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g + g * out)
def expm1(x: Real) -> Any:
    """``exp(x) - 1``, precise near 0.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).expm1()
    tensor([0.0000, 1.7183])
    """
    return xp(x).expm1(x)


@primitive(promotes="floating", elementwise=True, x=lambda g, x: g / (x + 1))
def log1p(x: OpenUnit) -> Any:
    """``log(1 + x)``, precise near 0.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1.0]).log1p()
    tensor([0.0000, 0.6931])
    """
    return xp(x).log1p(x)


# --- the error function ---------------------------------------------------------------------------------------------

# erf(x) = tanh(x * P(x**2) / Q(x**2)). Neither NumPy nor the array API has erf, but all have a fast tanh, and it is
# kind: tanh keeps the relative error of its argument near 0 and forgives all of it where it saturates. P and Q are
# our own fit to atanh(erf(x)) / x, by iterated weighted least squares at 50 digits (mpmath); the error that they
# bring to erf is at most 3.4e-9 for degree 3 and 1.1e-17 for degree 9. No coefficient is negative: nothing cancels.
# Each row: where both erf and NumPy's tanh have become 1, then P and Q, highest power first.
_ERF_FLOAT32 = (
    4.5,
    (2.178017829490699e-3, 4.2644100915645244e-2, 2.7980337613840056e-1, 1.12837917081938),
    (3.2486886000411064e-4, 2.3688023501847757e-2, 1.568895195247488e-1, 1.0),
)
_ERF_FLOAT64 = (
    6.0,
    (
        4.697354878211551e-10,
        6.480714172542459e-08,
        2.2983159394766585e-06,
        4.6048932876160635e-05,
        0.0006284710756263786,
        0.006042831742988919,
        0.04167624999115699,
        0.20170502082746958,
        0.6362232632239598,
        1.1283791670955126,
    ),
    (
        2.8805970821869963e-11,
        1.3879019988856752e-08,
        8.086271086158613e-07,
        1.914762416820612e-05,
        0.0003039987994563549,
        0.0032781867470217706,
        0.025169036177708166,
        0.13588305667721032,
        0.47275833822343793,
        1.0,
    ),
)


def _polynomial(s: Any, coefficients: tuple[float, ...]) -> Any:
    """Horner's scheme; in place, because new memory costs more than arithmetic."""
    value = s * coefficients[0]
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= s
    value += coefficients[-1]
    return value


@primitive(
    promotes="floating",
    # Beyond 30 the slope is 0 in every dtype, and the square might overflow.
    x=lambda g, x: g * (exp(-square(clamp(x, -30.0, 30.0))) * (2 / math.sqrt(math.pi))),
)
def erf(x: Real) -> Any:
    """The error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to ``x``.

    Right to about two units in the last place.

    >>> from tinygrad_mp import tensor
    >>> erf(tensor([0.0, 1.0, -10.0]))
    tensor([ 0.0000,  0.8427, -1.0000])
    """
    if x.dtype.char == "e":
        return erf(x.astype("float32")).astype(x.dtype)
    bound, above, below = _ERF_FLOAT64 if x.dtype.itemsize == 8 else _ERF_FLOAT32
    near = x.clip(-bound, bound)
    s = near * near
    near *= _polynomial(s, above)
    near /= _polynomial(s, below)
    return xp(near).tanh(near)


# --- rounding -------------------------------------------------------------------------------------------------------


def _is_whole(x: Any) -> bool:
    return x.dtype.kind in "biu"


@primitive(x=lambda g: zeroed(g))
def floor(x: _BetweenIntegers) -> Any:
    """The largest integer not above ``x``, in the dtype of ``x``. Its gradient is zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.5, -1.5]).floor()
    tensor([ 1., -2.])
    """
    return x.copy() if _is_whole(x) else xp(x).floor(x)


@primitive(x=lambda g: zeroed(g))
def ceil(x: _BetweenIntegers) -> Any:
    """The smallest integer not below ``x``, in the dtype of ``x``. Its gradient is zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.5, -1.5]).ceil()
    tensor([ 2., -1.])
    """
    return x.copy() if _is_whole(x) else xp(x).ceil(x)


@primitive(x=lambda g: zeroed(g))
def trunc(x: _BetweenIntegers) -> Any:
    """The integer next to ``x`` on the side of 0, in the dtype of ``x``. Its gradient is zero.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.5, -1.5]).trunc()
    tensor([ 1., -1.])
    """
    return x.copy() if _is_whole(x) else xp(x).trunc(x)


def _round_case(sampler: Sampler) -> Any:
    shape, decimals = sampler.shape(), sampler.choice((0, 1, -1))
    near_integers = sampler.indices(shape, 3, negative=True) + sampler.array(shape, Domain(-0.4, 0.4))
    return (near_integers / 10.0**decimals,), {"decimals": decimals}


@primitive(x=lambda g: zeroed(g), cases=_round_case)
def _round(x: Real, *, decimals: int) -> Any:
    return x.copy() if _is_whole(x) else x.round(decimals)


def round(input: Any, *, decimals: int = 0) -> Any:
    """The nearest multiple of ``10**-decimals``, in the dtype of ``input``; a half goes to the even one.

    Parameters
    ----------
    decimals : int, default 0
        Negative ones round to tens, hundreds and so on.

    Its gradient is zero.

    >>> from tinygrad_mp import tensor
    >>> round(tensor([0.5, 1.5, -1.26])), round(tensor([-1.26]), decimals=1)
    (tensor([ 0.,  2., -1.]), tensor([-1.3000]))
    """
    return _round(input, decimals=decimals)
