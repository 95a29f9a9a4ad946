"""Normal random numbers, the same to the last bit on every platform.

Each number is the inverse of the normal distribution function at one uniform number: Wichura, Algorithm AS 241: the
percentage points of the normal distribution, Applied Statistics 37 (1988), in its single precision form for float32
and its double precision form for float64. It takes +, *, / and square roots, which IEEE 754 rounds in one way only,
and a logarithm, made here of the same (:func:`portable_log`). NumPy evaluates one operation at a time, so no compiler
fuses a multiplication with an addition. Methods with ``log``, ``cos`` or ``exp`` of the platform (Box-Muller, ziggurat)
differ between machines in the last digit, and from time to time in the whole stream.

A float32 number takes 32 bits and reaches 6.3 standard deviations; a float64 number takes 64 and reaches 9.2.
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend.arrays import xp
from tinygrad_mp.backend.random_bits import BitStream, fill, pieces, require_floating, stream_of
from tinygrad_mp.errors import SettingError

# Coefficients, constant term first: for |q| <= 0.425, for the tail up to r = 5, for the far tail.
# fmt: off
_SINGLE = (
    ((3.3871327179, 50.434271938, 159.29113202, 59.109374720),
     (1.0, 17.895169469, 78.757757664, 67.187563600)),
    ((1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103),
     (1.0, 0.73700164250, 0.12021132975)),
)
_DOUBLE = (
    ((3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
      4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
     (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
      2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3)),
    ((1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
      1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
     (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
      1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9)),
    ((6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
      2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
     (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
      7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15)),
)
# fmt: on
_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476


def fill_normal(array: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> None:
    """Fill a floating array with normal numbers, ``mean + std * z``.

    Errors
    ------
    DTypeError for integer arrays. SettingError if ``std`` is negative.
    """
    require_floating(array, "normal_")
    if not std >= 0.0:
        raise SettingError(f"normal_: a standard deviation is not negative, got {std}")
    stream = stream_of(generator)

    def fill_flat(flat: Any) -> None:
        _standard_normal(flat, stream)
        if std != 1.0:
            flat *= float(std)
        if mean != 0.0:
            flat += float(mean)

    with stream.lock:
        fill(array, fill_flat)


def _standard_normal(flat: Any, stream: BitStream) -> None:
    double = flat.dtype == numpy.float64
    for place, bits in pieces(stream, flat.size, "<i8" if double else "<i4"):
        flat[place] = inverse_normal(bits)


def inverse_normal(bits: Any) -> Any:
    """The normal number at ``(bits + 1/2) / 2**b`` above the median, for signed integers of b = 32 or 64 bits."""
    width = 8 * bits.dtype.itemsize
    kind, (centre, *tails) = (numpy.float32, _SINGLE) if width == 32 else (numpy.float64, _DOUBLE)
    scale = 2.0**-width
    q = bits.astype(kind)
    q += 0.5
    q *= scale
    r = q * q
    numpy.subtract(0.180625, r, out=r)
    outside = numpy.flatnonzero(r < 0.0)
    result = _polynomial(centre[0], r)
    result *= q
    result /= _polynomial(centre[1], r)
    if outside.size:
        # The distance to the nearer end, taken from the integers: 0.5 - |q| would have lost its digits.
        chosen = bits[outside]
        largest = (1 << (width - 1)) - 1
        distance = ((chosen ^ ~(chosen >> (width - 1))) & largest).astype(kind)
        distance += 0.5
        distance *= scale
        size = _tail(numpy.sqrt(-portable_log(distance)), tails)
        result[outside] = numpy.copysign(size, q[outside])
    return result


def normal_quantile(q: Any, distance: Any) -> Any:
    """The number below which a normal number lies with probability ``1/2 + q``, in float64, on any device.

    ``distance`` is that of the probability to the nearer end, ``1/2 - |q|``, of which the caller knows more digits.
    """
    module = xp(q)
    r = 0.180625 - q * q
    centre = q * _polynomial(_DOUBLE[0][0], r) / _polynomial(_DOUBLE[0][1], r)
    outside = module.sqrt(-module.log(distance.clip(1e-320, 0.5)))
    sizes = (
        _polynomial(above, outside - start) / _polynomial(below, outside - start)
        for start, (above, below) in ((1.6, _DOUBLE[1]), (5.0, _DOUBLE[2]))
    )
    size = module.where(outside <= 5.0, *sizes)
    size = module.where(distance == 0, module.inf, size)
    return module.where(r >= 0.0, centre, module.copysign(size, q))


def _tail(r: Any, tails: Any) -> Any:
    """Size of the normal numbers whose tail probability is ``exp(-r * r)``."""
    near = r - 1.6
    size = _polynomial(tails[0][0], near) / _polynomial(tails[0][1], near)
    if len(tails) == 2:
        beyond = numpy.flatnonzero(r > 5.0)
        if beyond.size:
            far = r[beyond] - 5.0
            size[beyond] = _polynomial(tails[1][0], far) / _polynomial(tails[1][1], far)
    return size


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Horner's rule, coefficients from the constant term on."""
    *others, second, last = coefficients
    value = x * last
    value += second
    for coefficient in reversed(others):
        value *= x
        value += coefficient
    return value


def portable_log(x: Any) -> Any:
    """Natural logarithm of positive normal float32 or float64 numbers, by exactly rounded operations; within 3 ulp.

    ``x = m * 2**e`` with m from sqrt(1/2) to sqrt(2), taken apart as integers, and
    ``log m = 2 artanh((m - 1) / (m + 1))`` by its series.
    """
    integers, digits = (numpy.int32, 23) if x.dtype == numpy.float32 else (numpy.int64, 52)
    bits = x.view(integers)
    exponent = (bits - x.dtype.type(_SQRT_HALF).view(integers)) >> digits
    mantissa = (bits - (exponent << digits)).view(x.dtype)
    s = mantissa - 1.0
    mantissa += 1.0
    s /= mantissa
    terms = 5 if x.dtype == numpy.float32 else 11
    result = _polynomial(tuple(2.0 / (2 * k + 1) for k in range(terms)), s * s)
    result *= s
    result += exponent.astype(x.dtype) * _LN2
    return result
