"""``ParameterDict``: parameters by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn.arguments import forget_arguments
from tinygrad_mp.nn.containers import shown
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.tensor import Tensor

_LEGACY = {"float16": "Half", "float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int", "bool": "Bool"}
"""How the old names of tensor types begin, which PyTorch shows here."""


class NoEntryError(KeyError, AttributeError):
    """There is no parameter of that name: a KeyError, as of a dict, and the AttributeError that PyTorch raises."""


class ParameterDict(Module):
    """A dict of parameters, registered as a dict attribute would not be. Tensors become parameters.

    Parameters
    ----------
    parameters : mapping of str to Tensor, or iterable of pairs, optional
        Other values are kept too, unregistered.

    >>> from tinygrad_mp import nn, ones
    >>> held = nn.ParameterDict({"left": ones(2, 3), "right": ones(3)})
    >>> [name for name, _ in held.named_parameters()]
    ['left', 'right']
    """

    _held: dict[str, Any]

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        forget_arguments(self, ParameterDict)
        self.__dict__["_held"] = {}  # all names in their order, with the values that are no parameters
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._held:
            raise NoEntryError(key)
        return self._parameters[key] if key in self._parameters else self._held[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the names in a ParameterDict are str, not {type(key).__name__}")
        if key not in self._held and hasattr(type(self), key):
            raise KeyError(f"{key!r} is an attribute of every ParameterDict and cannot name a parameter")
        self.__dict__.pop(key, None)
        is_tensor = isinstance(value, Tensor)
        if not is_tensor:
            self._parameters.pop(key, None)
        else:
            self._register_entry("_parameters", key, value if isinstance(value, Parameter) else Parameter(value))
        self._held[key] = None if is_tensor else value

    def __delitem__(self, key: str) -> None:
        del self._held[key]
        self._parameters.pop(key, None)

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__.get("_held", {})
        return held[name] if name in held and name not in self._parameters else super().__getattr__(name)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._held.keys()

    def values(self) -> Iterator[Any]:
        """The parameters."""
        return (self[key] for key in self._held)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and parameter."""
        return ((key, self[key]) for key in self._held)

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of a name; ``default`` if there is none."""
        return self[key] if key in self._held else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of a name, which becomes ``default`` if there is none."""
        if key not in self._held:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        """Take out a parameter and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take out the last pair of name and parameter and return it."""
        key = next(reversed(self._held))
        return key, self.pop(key)

    def clear(self) -> None:
        """Take out everything."""
        for key in list(self):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new one with a value for each of several names."""
        return ParameterDict(OrderedDict((key, default) for key in keys))

    def update(self, parameters: Any) -> None:
        """Add parameters from a mapping or from pairs; those under known names are replaced."""
        pairs = parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs = sorted(pairs)  # of the order of a plain dict PyTorch knows nothing
        for pair in pairs:
            if len(pair) != 2:
                raise SettingError(f"ParameterDict.update takes pairs of name and value, not {pair!r}")
            self[pair[0]] = pair[1]

    def __or__(self, other: ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def _child_lines(self) -> list[str]:
        lines = []
        for key, value in self.items():
            if isinstance(value, Tensor):
                lines.append(f"  ({key}): {shown(value, f'torch.{_LEGACY[value.array.dtype.name]}Tensor')}")
            else:
                lines.append(f"  ({key}): Object of type: {type(value).__name__}")
        return lines
