"""Elementwise functions of large arrays, one block that fits the cache after the other, in several threads.

``g - g * out * out`` on ten million entries writes and reads two arrays that nobody wants. Block by block these never
leave the cache: less time, and no memory. The function itself does not know.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend.threads import get_num_threads, split

LARGE = 1 << 17
"""Entries from which on blocks are worth their cost."""
BLOCK = 1 << 16
"""Entries of a block. Smaller ones fit the cache better, but threads would wait for each other's hold on Python."""

_UFUNCS: dict[Any, numpy.ufunc] = {
    operator.add: numpy.add,
    operator.sub: numpy.subtract,
    operator.mul: numpy.multiply,
    operator.truediv: numpy.divide,
    operator.neg: numpy.negative,
}
_NANOSECONDS = 1.0
"""What an entry takes, about: it is read and written once or twice."""


def blockwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives what ``function`` gives, and goes through large NumPy arrays in blocks.

    ``function`` must be elementwise. Operands that broadcast, other array types and tensors are handed on to it whole.
    With ``reuse=True`` the result may be written into the memory of the first operand.
    """
    ufunc = function if isinstance(function, numpy.ufunc) else _UFUNCS.get(function)

    def evaluate(*operands: Any, reuse: bool = False) -> Any:
        operands = _in_one_order(operands)
        one_pass = ufunc is not None and get_num_threads() == 1  # over memory: blocks would gain nothing
        found = None if one_pass and not reuse else _flattened(operands)
        if found is None:
            return function(*operands)
        flat, first, axes = found
        size, dtype = first.size, function(*_part(flat, 0, 1)).dtype
        if reuse and first is operands[0] and first.dtype == dtype and first.base is None and first.flags.writeable:
            result = first
        elif one_pass:
            return function(*operands)
        else:
            result = numpy.empty_like(first, dtype)
        out = result.transpose(axes).reshape(-1)

        def blocks(low: int, high: int) -> None:
            for start in range(low * BLOCK, min(high * BLOCK, size), BLOCK):
                stop = min(start + BLOCK, size)
                if ufunc is not None:
                    ufunc(*_part(flat, start, stop), out=out[start:stop])
                else:
                    out[start:stop] = function(*_part(flat, start, stop))

        split(blocks, -(-size // BLOCK), size * _NANOSECONDS * len(flat))
        return result

    return evaluate


def _in_one_order(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Large arrays in C order turned to have the batch innermost, if others have it so: together they would be walked
    through with large strides, and their result, and what follows, would be in C order.
    """
    large = [x for x in operands if type(x) is numpy.ndarray and x.ndim > 2 and x.size >= LARGE]
    if all(x.flags.c_contiguous for x in large):
        return operands
    from tinygrad_mp.backend.windows import batch_last, batch_turned  # not above: few programs get here

    shape = next((x.shape for x in large if not x.flags.c_contiguous and batch_last(x).flags.c_contiguous), None)
    alike = [type(x) is numpy.ndarray and x.shape == shape and x.flags.c_contiguous for x in operands]
    return tuple(batch_turned(x) if turn else x for x, turn in zip(operands, alike, strict=True))


def _part(flat: list[Any], start: int, stop: int) -> list[Any]:
    return [operand[start:stop] if type(operand) is numpy.ndarray else operand for operand in flat]


def _flattened(operands: tuple[Any, ...]) -> tuple[list[Any], Any, tuple[int, ...]] | None:
    """The operands as rows in the order of memory, with the first large one, and its axes in the order of memory.

    Numbers, and arrays that repeat one entry, become numbers. None if there is no large NumPy array, or if large ones
    differ in shape or order of memory.
    """
    large: list[Any] = []
    flat: list[Any] = []
    for operand in operands:
        if type(operand) is numpy.ndarray:
            if operand.size >= LARGE and any(operand.strides):
                large.append(operand)
            elif operand.size and not any(operand.strides):
                operand = operand[(0,) * operand.ndim]
            else:
                return None
        elif not isinstance(operand, (int, float, numpy.generic)):
            return None
        flat.append(operand)
    if not large:
        return None
    first = large[0]
    if any(operand.shape != first.shape for operand in operands if type(operand) is numpy.ndarray and operand.ndim):
        return None
    if all(operand.flags.c_contiguous for operand in large):
        axes = tuple(range(first.ndim))
        rows = [operand.reshape(-1) for operand in large]
    else:
        axes = tuple(sorted(range(first.ndim), key=lambda axis: -first.strides[axis]))
        turned = [operand.transpose(axes) for operand in large]
        if not all(operand.flags.c_contiguous for operand in turned):
            return None
        rows = [operand.reshape(-1) for operand in turned]
    taken = iter(rows)
    return [next(taken) if type(operand) is numpy.ndarray else operand for operand in flat], first, axes
