"""Independent judges of gradients. They know functions of arrays and differences; they share no code with the engine.

A rule is judged by a random projection: with directions ``v`` for the inputs and cotangents ``u`` for the outputs,
``<u, J v>`` from an oracle must equal ``<J^T u, v>`` from the rule. One number stands for the whole Jacobian: a wrong
entry changes it, except by a coincidence of measure zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy

__all__ = ["central_difference", "complex_step", "dot", "magnitude"]

Arrays = Sequence[Any]


def dot(first: Arrays, second: Arrays) -> float:
    """The inner product of two lists of arrays.

    >>> dot([numpy.array([1.0, 2.0])], [numpy.array([3.0, 4.0])])
    11.0
    """
    return float(sum(numpy.sum(x * y) for x, y in zip(first, second, strict=True)))


def magnitude(first: Arrays, second: Arrays) -> float:
    """How large the terms of :func:`dot` are together: what its rounding errors are relative to."""
    return float(sum(numpy.sum(numpy.abs(x * y)) for x, y in zip(first, second, strict=True)))


def central_difference(
    function: Callable[..., Arrays], inputs: Arrays, directions: Arrays, step: float = 1e-4
) -> list[Any]:
    """The derivatives of the outputs along ``directions``, by differences of fourth order.

    The error is about ``step**4`` times the fifth derivative plus 1e-16 / ``step``: 1e-12 for functions of size one.

    >>> (slope,) = central_difference(lambda x: [x**3], [numpy.array([2.0])], [numpy.array([1.0])])
    >>> bool(abs(slope[0] - 12.0) < 1e-9)
    True
    """

    def at(distance: float) -> Arrays:
        moved = (numpy.asarray(x + distance * v) for x, v in zip(inputs, directions, strict=True))
        return [numpy.array(out, copy=True) for out in function(*moved)]

    near, far = zip(at(step), at(-step), strict=True), zip(at(2 * step), at(-2 * step), strict=True)
    return [(8 * (a - b) - (c - d)) / (12 * step) for (a, b), (c, d) in zip(near, far, strict=True)]


def complex_step(function: Callable[..., Arrays], inputs: Arrays, directions: Arrays) -> list[Any] | None:
    """The derivatives along ``directions`` to machine precision: the imaginary part of ``f(x + i h v) / h``.

    There is no difference, so nothing cancels and ``h`` can be 1e-200. It is right only where ``function`` is analytic
    and computed by operations that NumPy has for complex numbers. Returns None where it is seen not to be; where it
    silently is not (``abs``, ``maximum``), a comparison with :func:`central_difference` tells.

    >>> (slope,) = complex_step(lambda x: [numpy.exp(x)], [numpy.array([1.0])], [numpy.array([1.0])])
    >>> bool(slope[0] == numpy.exp(1.0))
    True
    """
    tiny = 1e-200
    moved = [numpy.asarray(x + 1j * (tiny * v)) for x, v in zip(inputs, directions, strict=True)]
    try:
        with warnings.catch_warnings(), numpy.errstate(all="ignore"):
            warnings.simplefilter("error")
            outputs = [numpy.asarray(out) for out in function(*moved)]
            right = [numpy.asarray(out) for out in function(*inputs)]
    except Exception:  # whatever goes wrong, goes wrong because NumPy's function is not for complex numbers
        return None
    if any(out.dtype.kind != "c" for out in outputs):
        return None
    # A function may choose its constants by dtype, and then be another one for complex numbers.
    if not all(
        numpy.allclose(out.real, real, rtol=1e-13, atol=1e-15) for out, real in zip(outputs, right, strict=True)
    ):
        return None
    slopes = [out.imag / tiny for out in outputs]
    return slopes if all(numpy.isfinite(slope).all() for slope in slopes) else None
