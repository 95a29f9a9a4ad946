"""Helpers that programs import from PyTorch's module of this name: sizes as tuples, and names of saved values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tinygrad_mp.absent import lookup

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    """A function that makes a tuple: of an iterable its entries, of one value ``n`` times that.

    >>> _ntuple(3)(1), _ntuple(3)([1, 2])
    ((1, 1, 1), (1, 2))
    """

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple[Any, ...]:
    """Each entry ``n`` times, from the last: the widths of ``pad`` from those of axes.

    >>> _reverse_repeat_tuple((1, 2), 2)
    (2, 2, 1, 1)
    """
    return tuple(entry for entry in reversed(tuple(t)) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix off the names that begin with it, in place: ``"module."`` of wrapped models.

    >>> state = {"module.weight": 1, "step": 2}
    >>> consume_prefix_in_state_dict_if_present(state, "module.")
    >>> state
    {'step': 2, 'weight': 1}
    """
    for name in [name for name in state_dict if name.startswith(prefix)]:
        state_dict[name.removeprefix(prefix)] = state_dict.pop(name)
    metadata = getattr(state_dict, "_metadata", {})
    for path in [path for path in metadata if path and f"{path}.".startswith(prefix)]:
        metadata[f"{path}.".removeprefix(prefix).removesuffix(".")] = metadata.pop(path)


__getattr__ = lookup("nn.modules.utils")
