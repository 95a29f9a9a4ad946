"""The order of axes in memory, which is the engine's own business.

Convolution, pooling and normalisation leave the batch innermost in memory, and what follows them elementwise does as
they did. Nobody is to see that: a tensor whose memory is its own counts as C-contiguous, and as soon as its memory is
to be seen or shared, by a view, ``detach()``, ``numpy()`` or DLPack, :func:`settle` brings it to C order first. Views,
and tensors over memory that came from outside, are what their strides say.

An array without a ``base`` belongs to the one tensor that holds it. The tape may hold it too: it keeps the old array,
whose values stay what they were.
"""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend import contiguous
from tinygrad_mp.tape import TensorBase


def is_settled(array: Any) -> bool:
    """Whether the strides of a tensor's array are those that users see."""
    return array.flags.c_contiguous or array.base is not None


def settle(tensor: TensorBase) -> Any:
    """Bring memory that belongs to ``tensor`` alone to C order, before anything else shows it; the tensor's array."""
    array = tensor.array
    if not is_settled(array):
        array = tensor.array = contiguous(array)
    return array


def borrowed(array: Any) -> Any:
    """``array`` as one that belongs to somebody else, who sees its memory too: it keeps its place."""
    return array if is_settled(array) else array[...]


def is_contiguous(tensor: TensorBase) -> bool:
    """Whether, as users see it, the entries lie in row-major order without gaps."""
    array = tensor.array
    return bool(array.flags.c_contiguous or not is_settled(array))


def strides(tensor: TensorBase) -> tuple[int, ...]:
    """Entries to step over for the next one along each axis, as users see it."""
    array = tensor.array
    if is_settled(array):
        return tuple(step // array.itemsize for step in array.strides)
    steps, step = [], 1
    for size in reversed(array.shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))
