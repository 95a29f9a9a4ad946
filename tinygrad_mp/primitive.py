"""``primitive``: the decorator that makes operations, and the three that the engine itself needs.

:func:`project` keeps the engine's one invariant: a cotangent has the shape, dtype and device of its primal. It is
built from ``sum_to``, ``broadcast_to`` and ``cast``, primitives like any other, so that it records too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.sums import column_sums
from tinygrad_mp.calls import call_for
from tinygrad_mp.domains import Real
from tinygrad_mp.registry import REGISTRY, make_op


def primitive(
    *,
    name: str | None = None,
    promotes: str | None = "common",
    shapes: str | None = None,
    cases: Callable[..., Any] | None = None,
    view: bool = False,
    linear: bool = False,
    outputs: bool = False,
    elementwise: bool = False,
    reference: Callable[..., Any] | None = None,
    **rules: Callable[..., Any] | None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a primitive of a function on arrays; the same decorator serves this package and its users.

    Parameters
    ----------
    **rules : callable or None
        One VJP rule for each input, under the input's name; None for an input without a derivative.
    name : str, optional
        The name on the tape; by default the function's, without underscores at its ends.
    promotes : {"common", "floating", None}
        What happens to the dtypes of the inputs first: PyTorch's promotion to a common dtype, the same with integers
        turned into the default floating dtype, or nothing.
    shapes : str, optional
        For the checks: shapes of the inputs, as ``"(m,k),(k,n)"``. Without it, shapes that broadcast are drawn.
    cases : callable, optional
        For the checks: ``cases(sampler)`` returns inputs and parameters where words in the signature cannot say it.
    view : bool, default False
        The output may show the memory of the first input.
    linear : bool, default False
        Linear in its first input: checked exactly, as an adjoint.
    outputs : bool, default False
        The function returns a tuple of arrays, and ``g`` is a tuple of as many cotangents.
    elementwise : bool, default False
        A promise that saves backward a look: each rule's result has the shape of ``g`` and, when the input had the
        dtype of the output, its dtype. The checks hold every primitive that gives it to it.
    reference : callable, optional
        For the checks: a slower composition of other primitives that must agree.

    Returns
    -------
    callable
        ``decorate(function)``, which returns the recording function.

    Errors
    ------
    TypeError at definition: an input without a rule, a rule for something else, or a rule that names an unknown value.

    >>> from tinygrad_mp import tensor
    >>> @primitive(x=lambda g, x: 3 * g * x * x)
    ... def cube_(x):
    ...     return x * x * x
    >>> x = tensor([2.0], requires_grad=True)
    >>> cube_(x).sum().backward()
    >>> x.grad
    tensor([12.])
    """
    options = {key: value for key, value in locals().items() if key != "rules"}

    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        op = make_op(forward, rules, options)
        op.call = update_wrapper(call_for(op), forward)
        op.call.op = op  # type: ignore[attr-defined]
        there = forward.__module__ if op.name not in REGISTRY else REGISTRY[op.name].call.__module__
        # A module of this package may be loaded after a user took a name of its: then the registry holds the package's.
        if there != forward.__module__ and (_is_ours(there) or not _is_ours(forward.__module__)):
            raise TypeError(f"a primitive named {op.name!r} exists already, in {there}")
        REGISTRY[op.name] = op
        return op.call

    return decorate


def _is_ours(module: str) -> bool:
    return module.startswith(f"{__package__}.")


_MANY = 1 << 14
"""Entries from which on BLAS sums the columns of a matrix faster than NumPy."""


def _sum_to_case(sampler: Any) -> Any:
    shape = sampler.shape()
    target = tuple(sampler.choice((1, size)) for size in shape)[sampler.integer(0, len(shape)) :]
    return (sampler.array(shape),), {"shape": target}


def _broadcast_to_case(sampler: Any) -> Any:
    shape = sampler.shape()
    small = tuple(sampler.choice((1, size)) for size in shape)[sampler.integer(0, len(shape)) :]
    return (sampler.array(small),), {"shape": shape}


def _cast_case(sampler: Any) -> Any:
    return (sampler.array(sampler.shape()),), {"dtype": numpy.dtype("float64")}


# --- the invariant: a cotangent has the shape and dtype of its primal -------------------------------------------------


@primitive(x=lambda g, x_shape: broadcast_to(g, shape=x_shape), linear=True, cases=_sum_to_case)
def sum_to(x: Real, *, shape: tuple[int, ...]) -> Any:
    """Sum ``x`` over the axes along which an array of ``shape`` would broadcast to it."""
    extra = x.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        axis + extra for axis, size in enumerate(shape) if size == 1 and x.shape[axis + extra] != 1
    )
    if extra and len(axes) == extra and x.size >= _MANY and x.flags.c_contiguous:
        total = column_sums(x.reshape(math.prod(x.shape[:extra]), -1))  # as of the cotangent of a bias
    else:
        total = x.sum(axis=axes, keepdims=True) if axes else x
    return total.reshape(shape)


@primitive(x=lambda g: g, linear=True, view=True, cases=_broadcast_to_case)
def broadcast_to(x: Real, *, shape: tuple[int, ...]) -> Any:
    """``x`` repeated, without a copy, to ``shape``; the engine sums its cotangent back."""
    return xp(x).broadcast_to(x, shape)


@primitive(x=lambda g: g, linear=True, promotes=None, cases=_cast_case)
def cast(x: Real, *, dtype: Any) -> Any:
    """``x`` in another floating dtype; the engine casts its cotangent back."""
    return x.astype(dtype)


def project(g: Any, primal: Any) -> Any:
    """Bring a cotangent to the shape and dtype of its primal: sum over axes that were broadcast, or repeat; cast."""
    if g.shape != primal.shape:
        g = broadcast_to(g, shape=primal.shape) if _broadcasts(g.shape, primal.shape) else sum_to(g, shape=primal.shape)
    return g if g.dtype == primal.dtype else cast(g, dtype=primal.dtype)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    extra = len(large) - len(small)
    return extra >= 0 and all(size in (1, large[axis + extra]) for axis, size in enumerate(small))
