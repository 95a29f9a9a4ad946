"""Padding: values, or what is inside, continued beyond the edges."""

import operator
from collections.abc import Sequence
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import SettingError, ShapeError, UnsupportedError
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.indexing import _take
from tinygrad_mp.ops.joining import pad as constant_pad
from tinygrad_mp.ops.movement import located

_MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """``input`` made larger, as ``torch.nn.functional.pad``.

    Parameters
    ----------
    pad : sequence of int
        Before and after the last axis, before and after the one before it, and so on. Negative numbers crop.
    mode : {"constant", "reflect", "replicate", "circular"}
        What stands beyond the edges: ``value``; the entries mirrored at the edge, which is not repeated; the entry at
        the edge; the entries of the other side. All but the first pad the last one, two or three axes of an input with
        one or two more.
    value : float, optional
        For "constant"; default 0.

    Errors
    ------
    ShapeError if ``pad`` has odd length, too many numbers, crops more than there is, or reaches further than the input
    goes: "reflect" less than its size, "circular" up to it. UnsupportedError (NotImplementedError) for other axes.

    >>> from tinygrad_mp.nn.functional import pad
    >>> from tinygrad_mp import tensor
    >>> pad(tensor([[1.0, 2.0, 3.0]]), (2, 1), "reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    if mode == "constant":
        return constant_pad(input, pad, value=value)
    if mode not in _MODES:
        raise AbsentModeError(f"pad: unknown mode {mode!r}", fix=f"use one of {', '.join(_MODES)}")
    if value:
        raise located(SettingError(f"mode {mode!r} takes no value"), "pad", input)
    numbers = [operator.index(one) for one in pad]
    count = len(numbers) // 2
    if len(numbers) % 2 or not 1 <= count <= 3 or input.ndim not in (count + 1, count + 2):
        problem = f"mode {mode!r} cannot pad {count} axes of a tensor with {input.ndim}"
        raise located(AbsentModeError(problem, fix="give it one or two axes more than are padded"), "pad", input)
    for place in range(count):
        before, after = numbers[2 * place : 2 * place + 2]
        input = _continued(input, input.ndim - 1 - place, before, after, mode)
    return input


class AbsentModeError(UnsupportedError, NotImplementedError):
    """A way of padding that is not there, as PyTorch says it: with a NotImplementedError."""


def _continued(x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """``x`` continued along one axis."""
    if mode == "circular" and min(before, after) < 0:  # what is cropped is not continued
        crop = (min(before, 0), min(after, 0))
        x = constant_pad(x, [0] * (2 * (x.ndim - 1 - axis)) + list(crop))
        before, after = max(before, 0), max(after, 0)
    size = x.shape[axis]
    reach = {"reflect": size - 1, "circular": size, "replicate": max(before, after)}[mode]
    if max(before, after) > reach or ((before or after) and not size) or before + size + after < (1 if size else 0):
        problem = f"pad {(before, after)} with mode {mode!r} does not fit axis {axis} of size {size}"
        raise located(ShapeError(problem), "pad", x)
    if not before and not after:
        return x
    module = xp(raw(x))
    places = module.arange(-before, size + after)
    if mode == "replicate":
        places = places.clip(0, size - 1)
    elif mode == "circular":
        places = places % size
    else:
        places = module.abs(places)
        places = (size - 1) - module.abs(size - 1 - places)
    return _take(x, places[None], axes=(axis,))
