"""Kernels of smooth activations: the value of a curve and, where it is wanted, its slope, in one go.

Both share most of their work, so backward is one product with a slope that forward has found. A kernel writes into
``out`` and, unless it is None, into ``slope``; :func:`traced` calls it for one block after the other, in threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy

from tinygrad_mp.backend.arrays import contiguous, xp
from tinygrad_mp.backend.kernels import kernel
from tinygrad_mp.backend.threads import split

_BLOCK = 1 << 20
"""Bytes of a block, so that a kernel's temporaries stay in the cache. In smaller ones the calls are so short that
threads wait for one another's hold on the interpreter most of the time; measured."""
_UNIT = 1 << 14
"""Bytes that stay together when a block is split over threads."""
_NANOSECONDS = 4.0
"""What an entry takes, about."""

Curve = Callable[[Any, Any, Any], None]


def traced(curve: Curve, x: Any, slope_too: bool) -> tuple[Any, Any]:
    """The values of ``curve`` at ``x``, and its slopes there if they are wanted (else None); in the dtype of ``x``."""
    wide = contiguous(x.astype("float32") if x.dtype.char == "e" else x).reshape(-1)
    out = xp(x).empty_like(wide)
    slope = xp(x).empty_like(wide) if slope_too else None
    if type(wide) is not numpy.ndarray:
        curve(wide, out, slope)
    else:
        unit = max(1, _UNIT // wide.itemsize)
        size = unit * max(1, _BLOCK // _UNIT)

        def blocks(low: int, high: int) -> None:
            stop = min(high * unit, wide.size)
            for start in range(low * unit, stop, size):
                part = slice(start, min(start + size, stop))
                curve(wide[part], out[part], None if slope is None else slope[part])

        split(blocks, -(-wide.size // unit), wide.size * _NANOSECONDS)
    found = (None if one is None else one.reshape(x.shape).astype(x.dtype, copy=False) for one in (out, slope))
    return tuple(found)  # type: ignore[return-value]


@lru_cache
def _as_arrays(numbers: tuple[float, ...], dtype: Any) -> tuple[Any, ...]:
    return tuple(numpy.array(number, dtype) for number in numbers)


def constants(numbers: tuple[float, ...], x: Any) -> tuple[Any, ...]:
    """Numbers to compute with ``x``. To convert one takes NumPy as long as a thousand sums, so it is done once."""
    return _as_arrays(numbers, x.dtype) if type(x) is numpy.ndarray else numbers


def horner(x: Any, coefficients: tuple[Any, ...]) -> Any:
    """The polynomial with these coefficients, highest power first; in place, as new memory costs more than sums."""
    value = x * coefficients[0]
    value += coefficients[1]
    for coefficient in coefficients[2:]:
        value *= x
        value += coefficient
    return value


# --- gelu -------------------------------------------------------------------------------------------------------------

# For t >= 0, P(X > t) = exp(-t**2 / 2) * A(t) / B(t) for a standard normal X: a power that the density needs too, and a
# quotient that falls as slowly as 1 / t. A and B are our own fit by iterated weighted least squares at 110 digits
# (mpmath); the relative error they bring is at most 5.7e-9 in float32 (t <= 14) and 4.9e-17 in float64 (t <= 38),
# beyond which the power is 0. No coefficient is negative, so nothing cancels, and the tail keeps its digits.
_TAIL_FLOAT32 = (
    (0.39894729515248846, 3.950035984278627, 17.851830487670667, 42.77952020006107, 48.91736298343728),
    (1.0, 9.901937115203234, 45.73267545528449, 117.33564803779326, 163.61989536748330, 97.83472544268810),
)
_TAIL_FLOAT64 = (
    (
        0.39894228040012463694,
        10.739179249896567857,
        141.52193020003765316,
        1181.1673415380232916,
        6828.8561191168391102,
        28264.968952041461849,
        83765.985858014523463,
        172105.05195060971697,
        224652.09547375364624,
        145075.3691037663106,
    ),
    (
        1.0,
        26.919130353451386233,
        355.74287178156145513,
        2987.6665822914864194,
        17470.146832625481951,
        73756.676017385249861,
        226388.1798116979415,
        496599.67540267548985,
        742343.30876854347078,
        680810.98526884886944,
        290150.73820753263503,
    ),
)
_NO_TAIL = 40.0  # from here on both the tail and the density are 0 in every dtype


@kernel
def gelu(x: Any, out: Any, slope: Any) -> None:
    """``x * P(X <= x)`` for a standard normal X; with ``t = |x|`` it is ``max(x, 0) - t * P(X > t)``."""
    module = xp(x)
    minus_half, half, of_density = constants((-0.5, 0.5, 1 / math.sqrt(2 * math.pi)), x)
    above, below = _TAIL_FLOAT64 if x.dtype.itemsize == 8 else _TAIL_FLOAT32
    size = module.abs(x)
    if type(x) is not numpy.ndarray or not size.max() <= _NO_TAIL:  # to look costs a quarter of cutting off
        size = size.clip(0.0, _NO_TAIL)
    power = size * minus_half
    power *= size
    module.exp(power, out=power)
    tail = horner(size, constants(above, x))
    tail /= horner(size, constants(below, x))
    tail *= power
    if slope is not None:  # 1/2 more than an odd function: 1/2 - P(X > t) + t * density(t)
        power *= of_density
        power *= size
        power += half
        power -= tail
        _with_sign_of(x, power, slope)
        slope += half
    tail *= size
    module.clip(x, 0.0, math.inf, out=out)
    out -= tail


def _with_sign_of(x: Any, size: Any, out: Any) -> None:
    """Give ``size``, which is not negative, the sign of ``x``. By bits: three times as fast as NumPy's copysign."""
    bits, sign = ("int64", -(1 << 63)) if x.dtype.itemsize == 8 else ("int32", -(1 << 31))
    module, result = xp(x), out.view(bits)
    module.bitwise_and(x.view(bits), sign, out=result)
    module.bitwise_xor(result, size.view(bits), out=result)


_CUBIC = 0.044715
_SCALE = math.sqrt(2 / math.pi)


@kernel
def gelu_by_tanh(x: Any, out: Any, slope: Any) -> None:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``; beyond 10 the tanh is 1, and no power overflows."""
    module = xp(x)
    near = x.clip(-10.0, 10.0)
    squared = near * near
    t = squared * (_SCALE * _CUBIC)
    t += _SCALE
    t *= near
    module.tanh(t, out=t)
    if slope is not None:
        squared *= 1.5 * _SCALE * _CUBIC
        squared += 0.5 * _SCALE
        squared *= near
        module.multiply(t, t, out=slope)
        module.subtract(1, slope, out=slope)
        slope *= squared
    t += 1
    t *= 0.5
    if slope is not None:
        slope += t
    module.multiply(x, t, out=out)


# --- silu -------------------------------------------------------------------------------------------------------------


@kernel
def silu(x: Any, out: Any, slope: Any) -> None:
    """``x * sigmoid(x)``."""
    module = xp(x)
    s = sigmoid(x)
    module.multiply(x, s, out=out)
    if slope is not None:
        module.subtract(1, s, out=slope)
        slope *= out
        slope += s


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``; where the power is infinite, 0 is right."""
    with numpy.errstate(over="ignore"):
        return 1 / (xp(x).exp(-x) + 1)
