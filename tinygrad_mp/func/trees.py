"""Nested tuples, lists and dicts as a flat list and a structure. Everything else is a leaf, None too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["Structure", "flatten", "map_leaves", "spread", "unflatten"]


class Structure:
    """How leaves were nested: the class of the node, the keys of a dict, and the structures below; or a leaf."""

    __slots__ = ("below", "keys", "kind")

    def __init__(self, kind: Any, keys: tuple[Any, ...], below: tuple[Structure, ...]) -> None:
        self.kind, self.keys, self.below = kind, keys, below

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and (self.kind, self.keys, self.below) == (
            other.kind,
            other.keys,
            other.below,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        parts = ", ".join(map(repr, self.below))
        return f"{self.kind.__name__}{self.keys or ''}({parts})"


_LEAF = Structure(None, (), ())


def flatten(value: Any) -> tuple[list[Any], Structure]:
    """The leaves, and how they are nested.

    >>> flatten({"a": 1, "b": (2, [3])})
    ([1, 2, 3], dict('a', 'b')(*, tuple(*, list(*))))
    """
    leaves: list[Any] = []
    return leaves, _collect(value, leaves)


def _collect(value: Any, leaves: list[Any]) -> Structure:
    if isinstance(value, dict):
        return Structure(type(value), tuple(value), tuple(_collect(one, leaves) for one in value.values()))
    if isinstance(value, (tuple, list)):
        return Structure(type(value), (), tuple(_collect(one, leaves) for one in value))
    leaves.append(value)
    return _LEAF


def unflatten(leaves: Iterable[Any], structure: Structure) -> Any:
    """Nest leaves again.

    >>> unflatten([1, 2, 3], flatten({"a": 0, "b": (0, [0])})[1])
    {'a': 1, 'b': (2, [3])}
    """
    return _build(iter(leaves), structure)


def _build(leaves: Iterator[Any], structure: Structure) -> Any:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    parts = [_build(leaves, below) for below in structure.below]
    if issubclass(kind, dict):
        return kind(zip(structure.keys, parts, strict=True))
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)  # a named tuple takes its parts one by one


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """The same nest with ``function`` of each leaf."""
    leaves, structure = flatten(value)
    return unflatten([function(leaf) for leaf in leaves], structure)


def spread(prefix: Any, structure: Structure) -> list[Any] | None:
    """One entry of ``prefix`` for each leaf of a structure of which it is the top: a leaf of it holds for all below.

    None if they do not fit.

    >>> spread((0, None), flatten(((1, 2), 3))[1])
    [0, 0, None]
    """
    if isinstance(prefix, (tuple, list, dict)):
        entries = list(prefix.values()) if isinstance(prefix, dict) else list(prefix)
        same_kind = structure.kind is not None and isinstance(prefix, dict) == issubclass(structure.kind, dict)
        if not same_kind or len(entries) != len(structure.below):
            return None
        if isinstance(prefix, dict):
            if set(prefix) != set(structure.keys):
                return None
            entries = [prefix[key] for key in structure.keys]
        found: list[Any] = []
        for entry, below in zip(entries, structure.below, strict=True):
            part = spread(entry, below)
            if part is None:
                return None
            found += part
        return found
    return [prefix] * _count(structure)


def _count(structure: Structure) -> int:
    return 1 if structure.kind is None else sum(map(_count, structure.below))
