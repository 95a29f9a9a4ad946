"""Inputs and parameters for any registered primitive, drawn from the words of its signature.

:class:`CaseSampler` implements :class:`tinygrad_mp.domains.Sampler`. Where it gets its decisions from is open: a NumPy
Generator (benchmarks, parity, :func:`check_primitive`) or hypothesis (:mod:`tinygrad_mp.testing.strategies`), which
then shrinks failing cases. Only shapes, layouts and parameters are decisions; entries come from a seeded generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy

from tinygrad_mp.domains import AxisChoice, Choice, Domain
from tinygrad_mp.registry import Op

__all__ = ["Case", "CaseSampler", "draw_case", "sample_cases"]

LAYOUTS = ("contiguous", "transposed", "strided", "reversed")


@dataclass(frozen=True)
class Case:
    """What to call a primitive with: raw inputs, parameters by name."""

    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        shown = [
            f"{value.dtype}{list(value.shape)} strides {value.strides}" if hasattr(value, "strides") else repr(value)
            for value in self.inputs
        ]
        return f"({', '.join([*shown, *(f'{name}={value!r}' for name, value in self.params.items())])})"


class CaseSampler:
    """Draws what :class:`tinygrad_mp.domains.Sampler` promises.

    Parameters
    ----------
    decide : callable
        ``decide(low, high)`` returns an integer in ``[low, high]``; low values should be the simple ones.
    entries : numpy.random.Generator
        Where the entries of arrays come from.
    layouts : bool, default True
        Let arrays lie in memory transposed, with gaps, or backwards.

    >>> sampler = sampler_of(numpy.random.default_rng(0))
    >>> bool(sampler.indices((4,), 3).max() < 3)
    True
    """

    def __init__(
        self, decide: Callable[[int, int], int], entries: numpy.random.Generator, *, layouts: bool = True
    ) -> None:
        self._decide, self.entries, self._layouts = decide, entries, layouts

    def integer(self, low: int, high: int) -> int:
        """An integer in ``[low, high]``."""
        return self._decide(low, high)

    def choice(self, values: Any) -> Any:
        """One of ``values``."""
        values = tuple(values)
        return values[self._decide(0, len(values) - 1)]

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> tuple[int, ...]:
        """A shape; one in eight or so has a side of zero, where allowed."""
        ndim = self._decide(min_dims, max_dims)
        sides = [self._decide(max(min_side, 1), max_side) for _ in range(ndim)]
        if ndim and min_side == 0 and self._decide(0, 7) == 7:
            sides[self._decide(0, ndim - 1)] = 0
        return tuple(sides)

    def array(self, shape: tuple[int, ...], domain: Any = None) -> Any:
        """An array of that shape with entries from the domain (an annotation word or a Domain)."""
        return self._laid_out(fill(tuple(shape), domain_of(domain), self.entries))

    def indices(self, shape: tuple[int, ...], size: int, negative: bool = False) -> Any:
        """An int64 array of that shape with entries in ``[0, size)``, or in ``[-size, size)`` with ``negative``."""
        entries = self.entries.integers(-size if negative else 0, max(size, 1), size=shape, dtype="int64")
        return self._laid_out(numpy.asarray(entries))

    def _laid_out(self, array: Any) -> Any:
        """``array`` with another layout in memory, now and then."""
        if not self._layouts or array.ndim == 0:
            return array
        layout = LAYOUTS[max(0, self._decide(0, 6) - 3)]
        if layout == "transposed":
            return numpy.ascontiguousarray(array.T).T
        if layout == "strided":
            wide = numpy.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=array.dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        if layout == "reversed":
            return numpy.ascontiguousarray(array[::-1])[::-1]
        return array


def sampler_of(rng: numpy.random.Generator, *, layouts: bool = True) -> CaseSampler:
    """A sampler that decides by a NumPy Generator."""
    return CaseSampler(lambda low, high: int(rng.integers(low, high + 1)), rng, layouts=layouts)


# --- words ----------------------------------------------------------------------------------------------------------


def domain_of(word: Any) -> Domain:
    """The Domain in an annotation word; the default Domain where there is none."""
    found = _note(word)
    return found if isinstance(found, Domain) else Domain()


def _note(word: Any) -> Any:
    """What a word like ``Annotated[Any, Domain(...)]`` carries, or the note itself."""
    if isinstance(word, (Domain, Choice, AxisChoice)):
        return word
    return next((one for one in get_args(word) if isinstance(one, (Domain, Choice, AxisChoice))), None)


def fill(shape: tuple[int, ...], domain: Domain, rng: numpy.random.Generator) -> Any:
    """An array with entries from ``domain``: float64, int64 or bool."""
    if domain.kind == "bool":
        return numpy.asarray(rng.random(shape) < 0.5)
    if domain.kind == "int":
        return numpy.asarray(rng.integers(int(domain.low), int(domain.high) + 1, size=shape, dtype="int64"))
    size = int(numpy.prod(shape, dtype=int))
    if domain.distinct:
        # Distinct multiples of a step, moved by less than a quarter of it: no ties, also not after a perturbation.
        count = max(size, 2)
        step = (domain.high - domain.low) / count
        flat = domain.low + step * (rng.permutation(count)[:size] + 0.5 + rng.uniform(-0.2, 0.2, size))
    else:
        flat = rng.uniform(domain.low, domain.high, size)
    for kink in domain.away_from:
        near = numpy.abs(flat - kink) < domain.margin
        side = numpy.where((flat < kink) & (kink - domain.margin >= domain.low), -1.0, 1.0)
        flat = numpy.where(near, kink + side * domain.margin * rng.uniform(1.0, 2.0, size), flat)
    return flat.reshape(shape)


# --- cases ----------------------------------------------------------------------------------------------------------


def draw_case(op: Op, sampler: CaseSampler) -> Case:
    """Draw inputs and parameters for ``op``: by its ``cases``, or by ``shapes`` and the words of its signature."""
    if op.cases is not None:
        inputs, params = op.cases(sampler)
        # Arithmetic of NumPy on 0-d arrays gives scalars; a primitive is given arrays, or numbers of Python.
        return Case(tuple(numpy.asarray(x) if isinstance(x, numpy.generic) else x for x in inputs), dict(params))
    names = op.input_names
    if op.variadic:
        names = names * sampler.integer(1, 3)
    words = [_word(op, op.domains[name]) for name in names]
    notes = {name: _note(_word(op, word)) for name, word in op.param_domains.items()}
    one_axis = AxisChoice(many=False) in notes.values()
    if op.shapes is not None:
        shapes = shapes_of_pattern(op.shapes, sampler)
    elif op.variadic:
        shapes = [sampler.shape(min_dims=1 if one_axis else 0)] * len(names)
    else:
        shapes = broadcastable_shapes(len(names), sampler, min_dims=1 if one_axis else 0)
    inputs = tuple(sampler.array(shape, word) for shape, word in zip(shapes, words, strict=True))
    return Case(inputs, _draw_params(op, notes, inputs[0].ndim, sampler))


def _word(op: Op, word: Any) -> Any:
    """An annotation; looked up where it is text, as it is under ``from __future__ import annotations``."""
    if not isinstance(word, str):
        return word
    try:
        return eval(word, op.call.__wrapped__.__globals__)  # type: ignore[attr-defined]
    except NameError as error:
        raise TypeError(
            f"primitive {op.name}: the annotation {word!r} is text and its name is not known in the module; "
            "leave out `from __future__ import annotations` there"
        ) from error


def _draw_params(op: Op, notes: dict[str, Any], ndim: int, sampler: CaseSampler) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, note in notes.items():
        if isinstance(note, Choice):
            params[name] = sampler.choice(note.values)
        elif isinstance(note, AxisChoice):
            some = tuple(axis for axis in range(ndim) if note.many and sampler.integer(0, 1))
            params[name] = some if note.many else sampler.integer(0, ndim - 1)
        elif isinstance(note, Domain):
            value = fill((), note, sampler.entries).item()
            params[name] = value
        elif name not in op.defaults:
            raise TypeError(
                f"primitive {op.name}: nothing says from where to draw the parameter {name!r}; "
                "annotate it with a word of tinygrad_mp.domains, or give cases="
            )
    return params


def broadcastable_shapes(count: int, sampler: CaseSampler, *, min_dims: int = 0) -> list[tuple[int, ...]]:
    """``count`` shapes that broadcast together; often equal, some with axes of size one or missing in front."""
    full = sampler.shape(min_dims=min_dims)
    shapes = [full] * count
    if count == 1 or sampler.integer(0, 2) == 0:
        return shapes
    for position in range(count):
        drop = sampler.integer(0, max(0, len(full) - min_dims)) if sampler.integer(0, 1) else 0
        shapes[position] = tuple(1 if sampler.integer(0, 3) == 3 else side for side in full[drop:])
    return shapes


def shapes_of_pattern(pattern: str, sampler: CaseSampler) -> list[tuple[int, ...]]:
    """Shapes for a pattern such as ``"(m,k),(k,n)"``: equal letters get equal sizes, ``...`` axes that broadcast.

    >>> shapes_of_pattern("(m,3),(m)", sampler_of(numpy.random.default_rng(3)))[0][1]
    3
    """
    groups = re.findall(r"\(([^)]*)\)", pattern.split("->")[0])
    sizes: dict[str, int] = {}
    zero = sampler.integer(0, 7) == 7
    batches = iter(broadcastable_shapes(sum("..." in group for group in groups), sampler) if "..." in pattern else ())
    shapes = []
    for group in groups:
        shape: list[int] = []
        for letter in filter(None, (part.strip() for part in group.split(","))):
            if letter == "...":
                shape.extend(next(batches)[-2:])
            elif letter.isdecimal():
                shape.append(int(letter))
            else:
                if letter not in sizes:
                    sizes[letter] = sampler.integer(0 if zero else 1, 4)
                shape.append(sizes[letter])
        shapes.append(tuple(shape))
    return shapes


def sample_cases(op: Op, count: int, seed: int = 0, *, layouts: bool = True) -> list[Case]:
    """``count`` reproducible cases for ``op``, without hypothesis.

    >>> from tinygrad_mp.ops.elementwise import mul
    >>> [len(case.inputs) for case in sample_cases(mul.op, 3)]
    [2, 2, 2]
    """
    sampler = sampler_of(numpy.random.default_rng(seed), layouts=layouts)
    return [draw_case(op, sampler) for _ in range(count)]
