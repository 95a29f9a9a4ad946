"""Jacobians entry by entry, by backward and by differences, and what to say when they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from tinygrad_mp import autograd
from tinygrad_mp.backend import array_on, device_of, to_numpy
from tinygrad_mp.tape import wrap

__all__ = ["Jacobian", "analytic_jacobian", "numerical_jacobian"]

_SHOWN = 8


def analytic_jacobian(output: Any, value: Any) -> Any:
    """The Jacobian of ``output`` with respect to ``value`` by backward: a row for each entry of the output."""
    rows = []
    for position in range(output.array.size):
        cotangent = numpy.zeros(output.array.shape, dtype=output.array.dtype)
        cotangent.reshape(-1)[position] = 1
        given = wrap(output.result_class, array_on(device_of(output.array), cotangent))
        (pulled,) = autograd.grad(output, value, given, True, allow_unused=True, materialize_grads=True)
        rows.append(to_numpy(pulled.array).reshape(-1).astype("float64"))
    return numpy.array(rows).reshape(output.array.size, value.array.size)


def numerical_jacobian(compute: Callable[[], Any], value: Any, eps: float) -> Any:
    """The same by central differences; ``compute`` is called while one entry of ``value`` after the other is moved."""
    array = value.array
    columns = []
    for position in numpy.ndindex(array.shape):
        kept = array[position].copy()
        sides = []
        try:
            for step in (eps, -eps):
                array[position] = kept + step
                sides.append(to_numpy(compute().array).reshape(-1).astype("float64"))
        finally:
            array[position] = kept
        columns.append((sides[0] - sides[1]) / (2 * eps))
    size = compute().array.size
    return numpy.array(columns).reshape(array.size, size).T


@dataclass
class Jacobian:
    """One Jacobian twice: rows are entries of an output, columns entries of an input."""

    analytic: Any
    numerical: Any
    output_shape: tuple[int, ...]
    input_shape: tuple[int, ...]

    def _excess(self, atol: float, rtol: float) -> Any:
        """By how much each entry is off, in units of what is allowed; infinite where one is not a number."""
        off = numpy.abs(self.analytic - self.numerical) / (atol + rtol * numpy.abs(self.numerical))
        same = numpy.isnan(self.analytic) & numpy.isnan(self.numerical) | (self.analytic == self.numerical)
        return numpy.where(same, 0.0, numpy.where(numpy.isnan(off), numpy.inf, off))

    def agree(self, atol: float, rtol: float) -> bool:
        """Whether all entries are as close as they must be."""
        with numpy.errstate(invalid="ignore"):
            return bool((self._excess(atol, rtol) <= 1.0).all())

    def explain(self, output: str, given: str, atol: float, rtol: float) -> str:
        """The worst entry, a guess at the cause, and both Jacobians around it."""
        with numpy.errstate(invalid="ignore"):
            excess = self._excess(atol, rtol)
            row, column = map(int, numpy.unravel_index(numpy.argmax(excess), excess.shape))
        out_entry, in_entry = _entry(row, self.output_shape), _entry(column, self.input_shape)
        lines = [
            f"  worst entry: d {output}{out_entry} / d {given}{in_entry} is "
            f"{self.analytic[row, column]:.6g} by backward, but {self.numerical[row, column]:.6g} by differences"
        ]
        guess = self.guess(atol)
        if guess:
            lines.append(f"  guess: {guess}")
        lines.append(
            f"  by backward (rows: entries of the {output}; columns: entries of {given}; * is the worst)"
            + _what_is_shown(self.analytic.shape)
        )
        lines.extend(_table(self.analytic, row, column, self.output_shape))
        lines.append("  by differences")
        lines.extend(_table(self.numerical, row, column, self.output_shape))
        return "\n".join(lines)

    def guess(self, atol: float) -> str:
        """What the difference looks like, in words; empty if like nothing known."""
        found, right = self.analytic, self.numerical
        if not numpy.isfinite(found).all():
            return "backward gives NaN or infinity: 0 * inf or 0 / 0 in a rule, often at the edge of a domain"
        if not numpy.isfinite(right).all():
            return "the function itself gives NaN or infinity near the input: check inside of its domain"
        large = numpy.abs(right) > 100 * atol
        if not large.any():
            return "the function is flat here, yet backward gives something: a gradient is sent to the wrong input"
        if (numpy.abs(found) <= atol).all():
            return "backward gives zero: the input was detached, or copied by way of NumPy, before it was used"
        ratios = found[large] / right[large]
        factor = float(numpy.median(ratios))
        if numpy.allclose(ratios, factor, rtol=1e-3) and numpy.allclose(found, factor * right, atol=10 * atol):
            if abs(factor + 1) < 1e-3:
                return "the sign is wrong in every entry"
            by = f"{factor:.4g} times too large" if factor > 1 else f"{factor:.4g} times what it should be"
            return f"every entry is {by}: a constant factor in a rule"
        square = len(self.input_shape) == 2 and self.input_shape[0] == self.input_shape[1]
        if square:
            turned = found.reshape(-1, *self.input_shape).swapaxes(1, 2).reshape(found.shape)
            if numpy.allclose(turned, right, atol=10 * atol, rtol=1e-3):
                return "it is the transpose of what it should be"
        wrong_columns = ~numpy.isclose(found, right, atol=10 * atol, rtol=1e-3).all(axis=0)
        if wrong_columns.sum() == 1 and found.shape[1] > 1:
            return "only one entry of the input is concerned: a tie, a kink or a boundary there?"
        return ""


def _entry(position: int, shape: tuple[int, ...]) -> str:
    """An index as one writes it; nothing for a 0-d array."""
    if not shape:
        return ""
    return f"[{', '.join(str(int(one)) for one in numpy.unravel_index(position, shape))}]"


def _window(worst: int, size: int) -> range:
    start = max(0, min(worst - _SHOWN // 2, size - _SHOWN))
    return range(start, min(size, start + _SHOWN))


def _what_is_shown(shape: tuple[int, int]) -> str:
    return f", around the worst of {shape[0]} x {shape[1]}" if max(shape) > _SHOWN else ""


def _table(matrix: Any, row: int, column: int, output_shape: tuple[int, ...]) -> list[str]:
    """The part of ``matrix`` around an entry, as lines."""
    rows, columns = _window(row, matrix.shape[0]), _window(column, matrix.shape[1])
    labels = [_entry(i, output_shape) or "[]" for i in rows]
    width = max(map(len, labels))
    lines = []
    for label, i in zip(labels, rows, strict=True):
        cells = "".join(f"{matrix[i, j]:>10.4g}{' *' if (i, j) == (row, column) else '  '}" for j in columns)
        lines.append(f"    {label:<{width}}{cells}".rstrip())
    return lines
