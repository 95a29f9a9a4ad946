"""Words for the signature of a primitive: from which set the checks draw each input and parameter.

``def log(x: Positive)`` says that ``log`` is differentiable for positive ``x``; the tests read the annotation and draw
``x`` from there. The words carry numbers only. Nothing here draws: :mod:`tinygrad_mp.testing` does.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias

__all__ = [
    "Axes",
    "Axis",
    "Boolean",
    "Choice",
    "Distinct",
    "Domain",
    "Flag",
    "Integer",
    "NonZero",
    "Number",
    "OpenUnit",
    "Positive",
    "Probability",
    "Real",
    "Sampler",
    "Smooth",
]


class Domain(NamedTuple):
    """A set of array entries.

    Parameters
    ----------
    low, high : float
        Entries are drawn from ``[low, high]``.
    kind : {"float", "int", "bool"}, default "float"
    away_from : tuple of float
        Kinks and poles; entries keep ``margin`` away from them.
    distinct : bool, default False
        No two entries of one array lie within ``margin`` of each other (for max, sort and their kin).
    margin : float, default 0.1
    """

    low: float = -2.0
    high: float = 2.0
    kind: str = "float"
    away_from: tuple[float, ...] = ()
    distinct: bool = False
    margin: float = 0.1


class Choice(NamedTuple):
    """A static parameter drawn from ``values``."""

    values: tuple[Any, ...]


class AxisChoice(NamedTuple):
    """A static parameter naming one axis (``many=False``) or a sorted tuple of axes of the first input."""

    many: bool


Real: TypeAlias = Annotated[Any, Domain()]
Positive: TypeAlias = Annotated[Any, Domain(0.3, 3.0)]
NonZero: TypeAlias = Annotated[Any, Domain(-3.0, 3.0, away_from=(0.0,), margin=0.3)]
Smooth: TypeAlias = NonZero  # a kink at zero: stay on one side of it
OpenUnit: TypeAlias = Annotated[Any, Domain(-0.9, 0.9)]
Probability: TypeAlias = Annotated[Any, Domain(0.1, 0.9)]
Distinct: TypeAlias = Annotated[Any, Domain(-4.0, 4.0, distinct=True)]
Integer: TypeAlias = Annotated[Any, Domain(-5, 5, kind="int")]
Boolean: TypeAlias = Annotated[Any, Domain(0, 1, kind="bool")]
Number: TypeAlias = Annotated[Any, Domain(-3.0, 3.0)]

Flag: TypeAlias = Annotated[bool, Choice((False, True))]
Axis: TypeAlias = Annotated[int, AxisChoice(many=False)]
Axes: TypeAlias = Annotated[tuple[int, ...], AxisChoice(many=True)]


class Sampler(Protocol):
    """What a primitive's ``cases`` function may ask for; implemented in :mod:`tinygrad_mp.testing`."""

    def integer(self, low: int, high: int) -> int:
        """An integer in ``[low, high]``."""

    def choice(self, values: Any) -> Any:
        """One of ``values``."""

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4) -> tuple[int, ...]:
        """A shape."""

    def array(self, shape: tuple[int, ...], domain: Any = Real) -> Any:
        """An array of that shape with entries from the domain (an annotation word or a Domain)."""

    def indices(self, shape: tuple[int, ...], size: int, negative: bool = False) -> Any:
        """An int64 array of that shape with entries in ``[0, size)``, or in ``[-size, size)`` with ``negative``."""
