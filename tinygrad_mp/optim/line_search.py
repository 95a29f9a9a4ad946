"""A line search for the strong Wolfe conditions: far enough down, and flat enough.

Brackets a minimum by steps that grow, then narrows the bracket, both by the minima of cubics through values and slopes.

Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 3.5 and 3.6 and eq. 3.59, with the safeguards of
Schmidt's minFunc, 2005, which PyTorch has too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

DECREASE, CURVATURE = 1e-4, 0.9
"""The constants c1 and c2 of the conditions."""


class Point(NamedTuple):
    """A point on the line: the step to it, the value there, the gradient, and the slope along the line."""

    t: Any
    value: float
    gradient: Any
    slope: Any


def strong_wolfe(
    evaluate: Callable[[Any], Point], start: Point, t: Any, reach: Any, tolerance: float, most: int
) -> tuple[Point, int]:
    """A step that fulfils the conditions, or the best found, and how often ``evaluate`` was called.

    Parameters
    ----------
    evaluate : function of a step
    start : Point
        Where the step is 0.
    t : float
        The step to try first.
    reach : float
        The largest entry of the direction; a bracket that moves no entry by more than ``tolerance`` is given up.
    most : int
        How often to try after the first time.
    """

    def too_high(point: Point) -> bool:
        return bool(point.value > start.value + DECREASE * point.t * start.slope)

    def flat(point: Point) -> bool:
        return bool(abs(point.slope) <= -CURVATURE * start.slope)

    point, previous, tries, done = evaluate(t), start, 0, False
    while tries < most:
        if too_high(point) or (tries > 1 and point.value >= previous.value):
            break
        if flat(point):
            return point, tries + 1
        if point.slope >= 0:
            break
        bounds = point.t + 0.01 * (point.t - previous.t), point.t * 10
        previous, point = point, evaluate(_cubic_minimum(previous, point, bounds))
        tries += 1
    low, high = start if tries == most else previous, point
    if high.value < low.value:
        low, high = high, low

    stalled = False  # whether the last minimum lay close to an end of the bracket
    while not done and tries < most and abs(high.t - low.t) * reach >= tolerance:
        left, right = sorted((low.t, high.t))
        t = _cubic_minimum(low, high, (left, right))
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stalled or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stalled = near
        point = evaluate(t)
        tries += 1
        if too_high(point) or point.value >= low.value:
            high = point
            if high.value < low.value:
                low, high = high, low
            continue
        done = flat(point)
        if not done and point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, tries + 1


def _cubic_minimum(a: Point, b: Point, bounds: tuple[Any, Any]) -> Any:
    """Where the cubic through two points with their slopes is least, within bounds; their middle if it has no such."""
    if a.t > b.t:
        a, b = b, a
    with numpy.errstate(all="ignore"):
        d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t)
        square = d1**2 - a.slope * b.slope
        if not square >= 0:
            return (bounds[0] + bounds[1]) / 2.0
        d2 = square**0.5
        least = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(least, bounds[0]), bounds[1])
