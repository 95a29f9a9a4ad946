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


def _monic(x: Any, coefficients: tuple[Any, ...]) -> Any:
    """The polynomial with 1 and these coefficients, highest power first, by Horner's scheme; in place, as new memory
    costs more than sums."""
    value = x + coefficients[0]
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    return value


# --- gelu -------------------------------------------------------------------------------------------------------------

# For t >= 0, P(X > t) = density(t) * A(t) / B(t) for a standard normal X: the density is needed too, and the quotient
# falls as slowly as 1 / t. A and B are our own fit by iterated weighted least squares at 110 digits (mpmath), with 1
# for the highest power of both. The relative error they bring is at most 1.6e-8 in float32 (t <= 14) and 1.1e-16 in
# float64 (t <= 38); beyond, the density is 0. No coefficient is negative: nothing cancels, the tail keeps its digits.
_TAIL_FLOAT32 = (
    (9.395395983599396, 40.845016441657236, 94.68937918875496, 103.70509549744331),
    (9.395500625909216, 41.840320452971326, 104.17446755077634, 141.5719908709773, 82.7446933365379),
)
_TAIL_FLOAT64 = (
    (
        26.38425142196018,
        341.9308100257528,
        2812.310810199647,
        16045.70435351935,
        65608.67622887786,
        192213.000194466,
        390536.2960594366,
        504042.9143384685,
        321378.90722093364,
    ),
    (
        26.384251421900963,
        342.9308100366407,
        2838.6950607238537,
        16385.63520787718,
        68368.2170571166,
        207584.87861592678,
        450783.5424605782,
        667519.0549853627,
        606764.2260914731,
        256423.2682392795,
    ),
)
_NO_TAIL = 40.0  # from here on both the tail and the density are 0 in every dtype


def tail_by_density(size: Any) -> Any:
    """``P(X > size) / density(size)`` for a standard normal X; ``size`` is not negative, of float32 or float64."""
    above, below = _TAIL_FLOAT64 if size.dtype.itemsize == 8 else _TAIL_FLOAT32
    quotient = _monic(size, constants(above, size))
    quotient /= _monic(size, constants(below, size))
    return quotient


@kernel
def gelu(x: Any, out: Any, slope: Any) -> None:
    """``x * P(X <= x)`` for a standard normal X; with ``t = |x|`` it is ``max(x, 0) - t * P(X > t)``."""
    module = xp(x)
    minus_half, half, scale = constants((-0.5, 0.5, 1 / math.sqrt(2 * math.pi)), x)
    above, below = _TAIL_FLOAT64 if x.dtype.itemsize == 8 else _TAIL_FLOAT32
    size = module.abs(x)
    if type(x) is not numpy.ndarray or not size.max() <= _NO_TAIL:  # to look costs a quarter of cutting off
        size = size.clip(0.0, _NO_TAIL)
    density = size * minus_half
    density *= size
    module.exp(density, out=density)
    density *= scale
    tail = _monic(size, constants(above, x))
    tail /= _monic(size, constants(below, x))
    tail *= density
    if slope is not None:  # 1/2 more than an odd function: 1/2 - P(X > t) + t * density(t)
        density *= size
        density += half
        density -= tail
        _with_sign_of(x, density, slope)
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
