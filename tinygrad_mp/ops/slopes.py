"""Slopes estimated from values at points along the axes."""

from collections.abc import Sequence
from typing import Any

from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.joining import cat, narrow
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.tape import TensorBase


def gradient(input: Any, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """The slopes of ``input`` along axes: central differences inside, one-sided ones at both ends.

    Parameters
    ----------
    spacing : number, or sequence of numbers or of 1-d tensors, optional
        How far apart points are, for all axes or for each; or the points of each axis. By default 1.
    dim : int or sequence of int, optional
        By default all axes.
    edge_order : 1 or 2, default 1
        The order of precision at the ends.

    Returns
    -------
    tuple of Tensor, one for each axis

    Errors
    ------
    ShapeError if an axis has fewer than ``edge_order + 1`` entries, or points do not fit it. SettingError for another
    edge_order, an axis that comes twice, or another number of spacings than of axes. TypeError for one tensor of points
    that is not in a sequence.

    Inside, at distances a and b from its neighbours: ``(a**2 * after - b**2 * before + (b**2 - a**2) * here)``
    over ``a * b * (a + b)``.
    Source: Fornberg, Generation of finite difference formulas on arbitrarily spaced grids, 1988.

    >>> from tinygrad_mp import gradient, tensor
    >>> gradient(tensor([0.0, 1.0, 4.0, 9.0]))
    (tensor([1., 2., 4., 5.]),)
    """
    if edge_order not in (1, 2):
        raise SettingError(f"gradient: edge_order is 1 or 2, not {edge_order!r}")
    given = range(input.ndim) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    axes = [one_axis(axis, input.ndim) for axis in given]
    if len(set(axes)) < len(axes):
        raise SettingError(f"gradient: an axis appears twice in dim={tuple(given)}")
    if isinstance(spacing, TensorBase) and spacing.array.ndim:
        raise TypeError("gradient: points are given in a sequence with one tensor for each axis: spacing=(points,)")
    steps = list(spacing) if isinstance(spacing, Sequence) else [1.0 if spacing is None else spacing] * len(axes)
    if len(steps) != len(axes):
        raise SettingError(f"gradient: {len(steps)} spacings for {len(axes)} axes")
    return tuple(_along(input, axis, step, edge_order) for axis, step in zip(axes, steps, strict=True))


def _along(x: Any, dim: int, step: Any, edge_order: int) -> Any:
    size = x.shape[dim]
    if size <= edge_order:
        raise ShapeError(f"gradient: axis {dim} has {size} entries, edge_order={edge_order} needs {edge_order + 1}")
    points = isinstance(step, TensorBase) and step.array.ndim > 0
    if points:
        if step.array.shape != (size,):
            raise ShapeError(f"gradient: axis {dim} has {size} entries, its points have shape {step.array.shape}")
        distances = narrow(step, 0, 1, size - 1) - narrow(step, 0, 0, size - 1)
        distances = reshape(distances, (size - 1, *(1,) * (x.ndim - dim - 1)))

    def gap(start: int, length: int = 1) -> Any:
        return narrow(distances, 0, start, length) if points else step

    def entries(start: int, length: int = 1) -> Any:
        return narrow(x, dim, start, length)

    used = range(edge_order + 1)
    first = _end([entries(i) for i in used], [gap(i) for i in range(edge_order)])
    last = _end([entries(size - 1 - i) for i in used], [gap(size - 2 - i) for i in range(edge_order)])
    if size == 2:
        return cat((first, -last), dim)
    before, here, after = (entries(start, size - 2) for start in range(3))
    if points:
        a, b = gap(0, size - 2), gap(1, size - 2)
        inner = (a * a * after - b * b * before + (b * b - a * a) * here) / (a * b * (a + b))
    else:
        inner = (after - before) / (2 * step)
    return cat((first, inner, -last), dim)


def _end(x: list[Any], h: list[Any]) -> Any:
    """The slope inward from the first of two or three entries at distances ``h``."""
    if len(h) == 1:
        return (x[1] - x[0]) / h[0]
    a, b = h
    return x[1] * ((a + b) / (a * b)) - x[0] * ((2 * a + b) / (a * (a + b))) - x[2] * (a / (b * (a + b)))
