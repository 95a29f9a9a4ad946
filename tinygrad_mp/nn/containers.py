"""Modules that hold modules: in a chain, in a list, in a dict; and a list of parameters."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Self

from tinygrad_mp.errors import IndexRangeError, SettingError
from tinygrad_mp.nn.arguments import forget_arguments
from tinygrad_mp.nn.module import Module, _indent
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.tensor import Tensor


class _Numbered(Module):
    """A module whose entries are numbered from 0: what a chain and the two lists have in common."""

    _registry = "_modules"

    def _entries(self) -> list[Any]:
        return list(self.__dict__[self._registry].values())

    def _refill(self, entries: Iterable[Any]) -> None:
        registry: dict[str, Any] = self.__dict__[self._registry]
        entries = list(entries)
        registry.clear()
        for number, entry in enumerate(entries):
            self._put(str(number), entry)

    def _name(self, index: Any) -> str:
        names: list[str] = list(self.__dict__[self._registry])
        position = operator.index(index)
        if not -len(names) <= position < len(names):
            raise IndexRangeError(f"index {position} is out of range for a {type(self).__name__} of {len(names)}")
        return names[position]

    def _put(self, name: str, entry: Any) -> None:
        self.__dict__[self._registry][name] = self._check(entry)

    def _check(self, entry: Any) -> Any:
        """``entry`` if it may be held, otherwise an error."""
        if not isinstance(entry, Module):
            hint = "; pass the modules one by one: *modules" if isinstance(entry, (list, tuple)) else ""
            raise TypeError(f"{type(self).__name__} holds modules, not a {type(entry).__name__}{hint}")
        return entry

    def __len__(self) -> int:
        return len(self.__dict__[self._registry])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries())

    def __getitem__(self, index: Any) -> Any:
        """One entry; or for a slice, a container of the same kind over the same entries."""
        if isinstance(index, slice):
            part = type(self).__new__(type(self))
            Module.__init__(part)
            part.training = self.training
            if isinstance(self, Sequential):  # its names stay
                part.__dict__[self._registry].update(list(self.__dict__[self._registry].items())[index])
            else:
                part._refill(self._entries()[index])
            return part
        return self.__dict__[self._registry][self._name(index)]

    def __setitem__(self, index: int, entry: Any) -> None:
        self._put(self._name(index), entry)

    def __delitem__(self, index: int | slice) -> None:
        entries = self._entries()
        if not isinstance(index, slice):
            self._name(index)
        del entries[index]
        self._refill(entries)

    def append(self, module: Any) -> Self:
        """Add an entry at the end. Returns self."""
        return self.insert(len(self), module)

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add several entries at the end. Returns self."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Any) -> Self:
        """Put an entry before the one at ``index``. Returns self."""
        entries = self._entries()
        if not -len(entries) <= index <= len(entries):
            raise IndexRangeError(f"index {index} is out of range for a {type(self).__name__} of {len(entries)}")
        if index == len(entries):  # names given in an OrderedDict stay
            self._put(str(index), module)
        else:
            self._check(module)
            entries.insert(index, module)
            self._refill(entries)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take out an entry and return it."""
        entry = self[index]
        del self[index]
        return entry

    def __iadd__(self, modules: Iterable[Any]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Any]) -> Any:
        """A new container of the same kind, with the entries of both."""
        joined = self[:]
        joined._refill(self._entries())
        return joined.extend(other)


class Sequential(_Numbered):
    """Modules run one after the other, each on the output of the one before.

    Parameters
    ----------
    *modules : Module, or one dict of str to Module
        Named ``"0"``, ``"1"``, ... or by the keys.

    >>> from tinygrad_mp import nn
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net[:2]
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        forget_arguments(self, Sequential)
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._check(module))
        else:
            self.extend(modules)

    def __mul__(self, count: int) -> Sequential:
        """A new chain, this one ``count`` times: the same modules again, not copies."""
        if not isinstance(count, int):
            raise TypeError(f"a Sequential can be repeated an int of times, not {count!r}")
        if count < 1:
            raise SettingError(f"a Sequential can be repeated once or more, not {count} times")
        return Sequential(*self._entries() * count)

    __rmul__ = __mul__

    def __imul__(self, count: int) -> Self:
        self._refill((self * count)._entries())
        return self

    def forward(self, input: Any) -> Any:
        """Run all modules; no modules give the input back."""
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules, registered as a list attribute would not be. It has no ``forward``.

    >>> from tinygrad_mp import nn
    >>> nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        forget_arguments(self, ModuleList)
        self.extend(modules or ())

    def _child_lines(self) -> list[str]:
        lines, start = [], 0
        for text, run in groupby(map(repr, self)):
            count = len(list(run))
            label = f"({start})" if count == 1 else f"({start}-{start + count - 1})"
            lines.append(f"{label}: {'' if count == 1 else f'{count} x '}{_indent(text)}")
            start += count
        return lines


class ParameterList(_Numbered):
    """A list of parameters, registered as a list attribute would not be. Tensors become parameters.

    Parameters
    ----------
    values : iterable, optional
        Other objects are kept too, unregistered.

    Errors
    ------
    TypeError for a module, which belongs into a :class:`ModuleList`.

    >>> from tinygrad_mp import nn, ones
    >>> nn.ParameterList([ones(2), ones(2, 3)])
    ParameterList(
        (0): Parameter containing: [torch.float32 of size 2]
        (1): Parameter containing: [torch.float32 of size 2x3]
    )
    """

    _registry = "_parameters"
    _others: dict[str, Any]  # by name, what is no parameter

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        forget_arguments(self, ParameterList)
        self.__dict__["_others"] = {}
        self.extend(() if values is None else values)

    def _entries(self) -> list[Any]:
        return [self._others.get(name, entry) for name, entry in self._parameters.items()]

    def __getitem__(self, index: Any) -> Any:
        entry = super().__getitem__(index)
        return self._others.get(self._name(index)) if entry is None else entry

    def _refill(self, entries: Iterable[Any]) -> None:
        self.__dict__["_others"] = {}
        super()._refill(entries)

    def _put(self, name: str, entry: Any) -> None:
        self._others.pop(name, None)
        super()._put(name, entry)
        if self._parameters[name] is None:  # which keeps the place
            self._others[name] = entry

    def _check(self, entry: Any) -> Any:
        if isinstance(entry, Module):
            raise TypeError(f"ParameterList holds no modules, and this is a {type(entry).__name__}: use a ModuleList")
        return entry if isinstance(entry, Parameter) else Parameter(entry) if isinstance(entry, Tensor) else None

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add several values at the end. Returns self. TypeError for a tensor, which is one value."""
        if isinstance(modules, Tensor) or not isinstance(modules, Iterable):
            raise TypeError(f"ParameterList.extend takes an iterable of values, not a {type(modules).__name__}")
        return super().extend(modules)

    def _child_lines(self) -> list[str]:
        return [
            f"  ({i}): {shown(entry, f'torch.{entry.array.dtype}')}"
            if isinstance(entry, Tensor)
            else f"  ({i}): Object of type: {type(entry).__name__}"
            for i, entry in enumerate(self)
        ]


def shown(entry: Any, kind: str) -> str:
    """A parameter as PyTorch's containers show it."""
    return f"Parameter containing: [{kind} of size {'x'.join(map(str, entry.shape))}]"


class ModuleDict(Module):
    """A dict of modules, registered as a dict attribute would not be. It has no ``forward``.

    >>> from tinygrad_mp import nn
    >>> nn.ModuleDict({"rectify": nn.ReLU(), "squash": nn.Tanh()})
    ModuleDict(
      (rectify): ReLU()
      (squash): Tanh()
    )
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        forget_arguments(self, ModuleDict)
        self.update(modules or {})

    def update(self, modules: Any) -> None:
        """Add modules from a mapping or from pairs; those under known names are replaced."""
        for name, module in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[name] = module

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Pairs of name and module."""
        return self._modules.items()

    def pop(self, name: str) -> Any:
        """Take out a module and return it."""
        return self._modules.pop(name)

    def clear(self) -> None:
        """Take out all modules."""
        self._modules.clear()
