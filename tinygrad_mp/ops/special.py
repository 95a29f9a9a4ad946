"""Special functions: the error function's kin, the gamma function's logarithm and its derivatives, entropies.

Neither NumPy nor CuPy has them, so they are made here of what both have. float32 and float16 are computed in float64,
and rounded once.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.curves import tail_by_density
from tinygrad_mp.backend.normals import normal_quantile
from tinygrad_mp.domains import Choice, OpenUnit, Positive, Probability, Real, Sampler
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.elementary import log1p
from tinygrad_mp.ops.elementwise import clamp, exp, log, mul, square
from tinygrad_mp.ops.selection import kept, where
from tinygrad_mp.primitive import primitive

_TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)
_SQRT2 = math.sqrt(2)
_HUGE = 1e15  # from here on a quotient of polynomials is what its highest powers are, and higher ones might overflow
_Order = Annotated[int, Choice((1, 2, 3))]


def _in_float64(function: Callable[..., Any], *arrays: Any) -> Any:
    """What ``function`` makes of the arrays as float64, in the dtype of the first."""
    dtype = next(one.dtype for one in arrays if hasattr(one, "dtype"))
    wide = [one.astype("float64") if hasattr(one, "dtype") else one for one in arrays]
    return function(*wide).astype(dtype, copy=False)


# --- the error function's kin -----------------------------------------------------------------------------------------


def _erfc(x: Any) -> Any:
    module = xp(x)
    size = module.abs(x).clip(0.0, 40.0)
    # P(X > t) of a normal X is density(t) times a quotient of polynomials: no cancellation, far out either.
    tail = module.exp(-size * size) * tail_by_density(size * _SQRT2) * math.sqrt(2 / math.pi)
    return module.where(x < 0, 2 - tail, tail)


@primitive(promotes="floating", x=lambda g, x: g * (exp(-square(clamp(x, -30.0, 30.0))) * -_TWO_BY_ROOT_PI))
def erfc(x: Real) -> Any:
    """``1 - erf(x)``, exact where that is tiny.

    >>> from tinygrad_mp import tensor
    >>> erfc(tensor([0.0, 1.0, 5.0]))
    tensor([1.0000e+00, 1.5730e-01, 1.5375e-12])
    """
    return _in_float64(_erfc, x)


def _erfcx(x: Any) -> Any:
    module = xp(x)
    size = module.abs(x)
    near = size.clip(1e-300, _HUGE)
    tail = tail_by_density(near * _SQRT2) * math.sqrt(2 / math.pi) * (near / size.clip(1e-300, math.inf))
    return module.where(x < 0, 2 * module.exp(x.clip(-27.0, 0.0) ** 2) - tail, tail)


@primitive(promotes="floating", x=lambda g, x, out: g * (2 * x * out - _TWO_BY_ROOT_PI))
def erfcx(x: Real) -> Any:
    """``exp(x**2) * erfc(x)``, which falls as slowly as ``1 / x``.

    >>> from tinygrad_mp import tensor
    >>> erfcx(tensor([0.0, 1.0, 100.0]))
    tensor([1.0000, 0.4276, 0.0056])
    """
    return _in_float64(_erfcx, x)


def _erfinv(y: Any) -> Any:
    module = xp(y)
    size = module.abs(y)
    return module.where(size <= 1, normal_quantile(y * 0.5, (1 - size) * 0.5) * math.sqrt(0.5), math.nan)


@primitive(promotes="floating", x=lambda g, out: g * exp(square(out)) * (1 / _TWO_BY_ROOT_PI))
def erfinv(x: OpenUnit) -> Any:
    """The number whose error function is ``x``; infinite at -1 and 1, NaN beyond.

    Source: Wichura, Algorithm AS 241: the percentage points of the normal distribution, 1988.

    >>> from tinygrad_mp import tensor
    >>> erfinv(tensor([0.0, 0.5, -1.0]))
    tensor([0.0000, 0.4769,   -inf])
    """
    return _in_float64(_erfinv, x)


def ndtr(input: Any) -> Any:
    """The probability that a standard normal number is below ``input``.

    >>> from tinygrad_mp import tensor
    >>> ndtr(tensor([0.0, 1.0]))
    tensor([0.5000, 0.8413])
    """
    return erfc(mul(input, -1 / _SQRT2)) * 0.5


def _ndtri(p: Any) -> Any:
    module = xp(p)
    return module.where((p >= 0) & (p <= 1), normal_quantile(p - 0.5, module.minimum(p, 1 - p)), math.nan)


@primitive(promotes="floating", x=lambda g, out: g * exp(square(out) * 0.5) * math.sqrt(2 * math.pi))
def ndtri(x: Probability) -> Any:
    """The number below which a standard normal number lies with probability ``x``; the inverse of :func:`ndtr`.

    >>> from tinygrad_mp import tensor
    >>> ndtri(tensor([0.5, 0.8413447]))
    tensor([0.0000, 1.0000])
    """
    return _in_float64(_ndtri, x)


def _log_ndtr(x: Any) -> Any:
    module = xp(x)
    below = x.clip(-math.inf, 0.0)
    tail = module.log(tail_by_density((-below).clip(0.0, _HUGE))) - 0.5 * below * below - 0.5 * math.log(2 * math.pi)
    return module.where(x < 0, tail, module.log1p(-0.5 * _erfc(x.clip(0.0, math.inf) / _SQRT2)))


@primitive(promotes="floating", x=lambda g, x, out: g * exp(square(x) * -0.5 - out) * (1 / math.sqrt(2 * math.pi)))
def log_ndtr(x: Real) -> Any:
    """``log(ndtr(x))``, exact where the probability is too small for the dtype.

    >>> from tinygrad_mp import tensor
    >>> log_ndtr(tensor([0.0, -9.0]))
    tensor([ -0.6931, -43.6281])
    """
    return _in_float64(_log_ndtr, x)


# --- the gamma function -----------------------------------------------------------------------------------------------

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
"""B_2k / (2k (2k - 1)), the coefficients of Stirling's series, k from 1 on."""
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
_FAR = 10.0
"""From here on the asymptotic series are right to the last digit of float64."""


def _series(coefficients: tuple[float, ...], s: Any) -> Any:
    value = s * 0.0
    for coefficient in reversed(coefficients):
        value = value * s + coefficient
    return value


def _far_lgamma(x: Any) -> Any:
    """For positive ``x``: Stirling's series, after ``gamma(x) = gamma(x + 10) / (x (x + 1) ... (x + 9))``."""
    module = xp(x)
    product = x * 0.0 + 1
    near = module.where(x < _FAR, x, 1.0)
    for step in range(10):
        product = product * (near + step)
    far = module.where(x < _FAR, x + 10, x)
    value = (far - 0.5) * (module.log(far) - 1) - 0.5 + 0.5 * math.log(2 * math.pi)
    value = value + _series(_STIRLING, 1 / (far * far)) / far
    return value - module.where(x < _FAR, module.log(product), 0.0)


def _around_two(t: Any) -> Any:
    """``lgamma(2 + t)`` by its Taylor series, which keeps the relative precision beside the zero."""
    value = t * 0.0
    for k in range(len(_ZETA_LESS_ONE) + 1, 1, -1):
        value = t * (value + (-1) ** k * _ZETA_LESS_ONE[k - 2] / k)
    return t * (value + (1 - _EULER))


_EULER = 0.5772156649015329
_ZETA_LESS_ONE = tuple(
    sum(n**-k for n in range(99, 1, -1))  # and the rest by Euler and Maclaurin's formula
    + 100**-k * (100 / (k - 1) + 1 / 2 + k / 1200 - k * (k + 1) * (k + 2) / 720e6)
    for k in range(2, 26)  # for |t| < 0.35 those that follow are below 1e-19
)


def _lgamma(x: Any) -> Any:
    module = xp(x)
    mirrored = x < 0.5
    # inf - inf, where Stirling's series meets infinity, would be NaN.
    right = module.where(mirrored, 1 - x, x)
    finite = module.isfinite(right)
    value = _far_lgamma(module.where(finite, right, 1.0))
    one, two = module.abs(right - 1) < 0.35, module.abs(right - 2) < 0.35
    series = _around_two(module.where(one, right - 1, module.where(two, right - 2, 0.0)))
    value = module.where(one | two, series - module.log(module.where(one, right, 1.0)), value)
    value = module.where(finite, value, module.abs(right))
    # gamma(x) gamma(1 - x) = pi / sin(pi x); the sine of the distance to the next integer keeps its digits.
    within = module.where(mirrored & finite, x, 0.5)
    sine = module.abs(module.sin(math.pi * (within - module.rint(within))))
    pole = sine == 0
    reflected = math.log(math.pi) - module.log(module.where(pole, 1.0, sine)) - value
    reflected = module.where(pole | ~finite, module.where(x == x, math.inf, math.nan), reflected)
    return module.where(mirrored, reflected, value)


@primitive(promotes="floating", x=lambda g, x: g * digamma(x))
def lgamma(x: Positive) -> Any:
    """The logarithm of ``|gamma(x)|``; infinite at 0 and the negative integers. Its derivative is :func:`digamma`.

    Source: Stirling's series and Euler's reflection, Abramowitz and Stegun, Handbook of Mathematical Functions, 6.1.

    >>> from tinygrad_mp import tensor
    >>> lgamma(tensor([1.0, 5.0, 0.5]))
    tensor([0.0000, 3.1781, 0.5724])
    """
    return _in_float64(_lgamma, x)


def _digamma(x: Any) -> Any:
    module = xp(x)
    mirrored = x < 0
    right = module.where(mirrored, 1 - x, x)
    # digamma(x) = digamma(x + 10) - 1 / x - 1 / (x + 1) - ... - 1 / (x + 9)
    few = right < _FAR
    near = module.where(few & (right != 0), right, 1.0)
    shifts = 1 / near
    for step in range(1, 10):
        shifts += 1 / (near + step)
    shifts = module.where(few, shifts, 0.0)
    far = module.where(few, right + 10, right)
    s = 1 / (far * far)
    series = s * _series(tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1)), s)
    value = module.log(far) - 0.5 / far - series - shifts
    within = x - module.rint(module.where(module.isfinite(x), x, 0.0))
    tangent = module.tan(math.pi * module.where(mirrored & (within != 0) & module.isfinite(x), within, 0.25))
    value = module.where(mirrored, value - math.pi / tangent, value)
    value = module.where(mirrored & ((within == 0) | ~module.isfinite(x)), math.nan, value)
    return module.where(x == 0, module.copysign(math.inf, -x), value)


@primitive(promotes="floating", x=lambda g, x: g * polygamma(1, x))
def digamma(x: Positive) -> Any:
    """The derivative of ``lgamma``; minus infinity at 0, NaN at the negative integers.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.3.

    >>> from tinygrad_mp import tensor
    >>> digamma(tensor([1.0, 0.5]))
    tensor([-0.5772, -1.9635])
    """
    return _in_float64(_digamma, x)


def _hurwitz(s: float, q: Any) -> Any:
    """``sum((q + k) ** -s, k = 0, 1, ...)``: terms up to 10, then Euler and Maclaurin's formula."""
    module = xp(q)
    finite = module.where(module.isfinite(q), q, 1.0)
    lowest = float(finite.min()) if q.size else _FAR
    total, far = module.zeros_like(q), q
    for step in range(math.ceil(_FAR - lowest)):
        short = q + step < _FAR
        base = module.where(short & (q + step != 0), q + step, 1.0)
        total = total + module.where(short, base**-s, 0.0)
        far = module.where(short, q + step + 1, far)
    rising, power, tail = s, far ** (-s - 1), far ** (1 - s) / (s - 1) + 0.5 * far**-s
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        tail = tail + bernoulli / math.factorial(2 * k) * rising * power
        rising *= (s + 2 * k - 1) * (s + 2 * k)
        power = power / (far * far)
    total = module.where(q == math.inf, 0.0, total + tail)
    total = module.where((q <= 0) & (q == module.rint(q)), math.inf, total)
    return module.where(q == -math.inf, math.nan, total)


def _polygamma_case(sampler: Sampler) -> Any:
    return (sampler.array(sampler.shape(), Positive),), {"n": sampler.choice((1, 2, 3))}


@primitive(promotes="floating", x=lambda g, x, n: g * _polygamma(x, n=n + 1), cases=_polygamma_case)
def _polygamma(x: Positive, *, n: _Order) -> Any:
    sign = -1 if n % 2 == 0 else 1
    return _in_float64(lambda wide: sign * math.factorial(n) * _hurwitz(n + 1.0, wide), x)


def polygamma(n: Any, input: Any = None) -> Any:
    """The derivative number ``n`` of :func:`digamma`. As a method, ``x.polygamma(n)``.

    Errors
    ------
    SettingError for a negative ``n``.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 6.4.

    >>> from tinygrad_mp import tensor
    >>> polygamma(1, tensor([1.0, 2.0]))
    tensor([1.6449, 0.6449])
    """
    if hasattr(n, "dtype"):
        n, input = input, n
    if n < 0:
        raise SettingError(f"polygamma: n must not be negative, not {n}")
    return digamma(input) if n == 0 else _polygamma(input, n=int(n))


def mvlgamma(input: Any, p: int) -> Any:
    """The logarithm of the gamma function of ``p`` dimensions.

    ``p (p - 1) / 4 * log(pi)`` plus the sum of ``lgamma(input - i / 2)`` for i from 0 to ``p - 1``.

    >>> from tinygrad_mp import tensor
    >>> mvlgamma(tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    if p < 1:
        raise SettingError(f"mvlgamma: p must be at least 1, not {p}")
    total = lgamma(input)
    for i in range(1, p):
        total = total + lgamma(input - i / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)


# --- logarithms with care ---------------------------------------------------------------------------------------------


def _logit_rule(g: Any, x: Any, eps: float | None) -> Any:
    if eps is None:
        return g / where((x < 0) | (x > 1), math.nan, x * (1 - x))
    inside = (x >= eps) & (x <= 1 - eps)
    near = where(inside, x, 0.5)
    return kept(g, inside) / (near * (1 - near))


@primitive(promotes="floating", x=_logit_rule)
def _logit(x: Probability, *, eps: Annotated[float | None, Choice((None, 1e-3))]) -> Any:
    if eps is not None:
        x = x.clip(eps, 1 - eps)
    return xp(x).log(x / (1 - x))


def logit(input: Any, eps: float | None = None) -> Any:
    """``log(input / (1 - input))``, the inverse of the sigmoid.

    Parameters
    ----------
    eps : float, optional
        ``input`` is brought into [eps, 1 - eps] first; outside of it the gradient is 0. Without it the result is NaN
        outside of [0, 1].

    >>> from tinygrad_mp import tensor
    >>> logit(tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    return _logit(input, eps=None if eps is None or eps < 0 else eps)


def _as_arrays(x: Any, y: Any) -> tuple[Any, Any]:
    """Both as arrays: a number takes the dtype of the other."""
    like = x if hasattr(x, "dtype") else y
    return tuple(one if hasattr(one, "dtype") else xp(like).asarray(one, dtype=like.dtype) for one in (x, y))


def _xlogy_rule_x(g: Any, x: Any, y: Any) -> Any:
    return g * log(where((x == 0) & (y <= 0), 1.0, y))


@primitive(promotes="floating", x=_xlogy_rule_x, y=lambda g, x, y: g * x / y)
def xlogy(x: Real, y: Positive) -> Any:
    """``x * log(y)``; 0 where ``x`` is 0, unless ``y`` is NaN.

    >>> from tinygrad_mp import tensor
    >>> xlogy(tensor([0.0, 2.0]), tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    x, y = _as_arrays(x, y)
    nothing = (x == 0) & (y == y)
    module = xp(y)
    return module.where(nothing, module.zeros_like(x), x * module.log(module.where(nothing, module.ones_like(y), y)))


def _xlog1py_rule_x(g: Any, x: Any, y: Any) -> Any:
    return g * log1p(where((x == 0) & (y <= -1), 0.0, y))


@primitive(promotes="floating", x=_xlog1py_rule_x, y=lambda g, x, y: g * x / (y + 1))
def xlog1py(x: Real, y: OpenUnit) -> Any:
    """``x * log(1 + y)``; 0 where ``x`` is 0, unless ``y`` is NaN.

    >>> from tinygrad_mp import tensor
    >>> xlog1py(tensor([0.0, 2.0]), tensor([-1.0, 0.0]))
    tensor([0., 0.])
    """
    x, y = _as_arrays(x, y)
    nothing = (x == 0) & (y == y)
    module = xp(y)
    return module.where(nothing, module.zeros_like(x), x * module.log1p(module.where(nothing, module.zeros_like(y), y)))


def entr(input: Any) -> Any:
    """``-input * log(input)``; 0 at 0, minus infinity below.

    >>> from tinygrad_mp import tensor
    >>> entr(tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.3466, 0.0000])
    """
    inside = where(input < 0, 1.0, input)
    return where(input < 0, -math.inf, -xlogy(inside, inside))
