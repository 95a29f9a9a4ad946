"""``decode``: a module from the tree that :mod:`tinygrad_mp.training.architecture` describes it by.

The constructor is called with the arguments that it was given once; then what has become of the object since is put in
place: attributes, parameters, buffers and submodules. Where the constructor made a submodule or a tensor that fits, it
stays and takes the values, so that other references to it inside the module hold.
"""

from __future__ import annotations

import inspect
import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy

from tinygrad_mp.errors import DataFormatError, UnsupportedError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn import Module, Parameter, UninitializedBuffer, UninitializedParameter
from tinygrad_mp.nn.arguments import Configured, arguments_of, is_record, remembered
from tinygrad_mp.nn.parameter import is_lazy
from tinygrad_mp.optim.unbound import Unbound
from tinygrad_mp.random import fork_rng
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training.architecture import Tree, Writer, encode, is_data, state_of
from tinygrad_mp.training.names import CUSTOM, named
from tinygrad_mp.writes import mark_written


def decode(tree: Tree, custom: Mapping[str, Any] | None = None) -> Any:
    """Make the object that :func:`encode` described, with copies of its tensors.

    Parameters
    ----------
    tree : dict
    custom : dict of str to class or function, optional
        Those of users that the tree names and that are not registered.

    Errors
    ------
    DataFormatError if the tree is no such description, names what must not stand in files, or describes what a
    constructor refuses. The default random generator is left where it was.

    >>> from tinygrad_mp import nn
    >>> from tinygrad_mp.training.architecture import encode
    >>> decode(encode(nn.Conv2d(3, 8, 3, padding="same", bias=False)))
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=same, bias=False)
    """
    try:
        with fork_rng(), no_grad():
            return Reader(tree, {} if custom is None else custom).object(tree["root"])
    except DataFormatError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DataFormatError(f"load: the file does not describe a model: {state_of(error)}") from error


def encode_checked(obj: Any) -> Tree:
    """:func:`encode`, tried out: what :func:`decode` makes of it must have the same parts again.

    That is done once for each architecture.

    Errors
    ------
    UnsupportedError if it has not, or its constructors refuse their own arguments.
    """
    writer = Writer()
    tree = writer.tree(obj)
    seen = hash((*_outline(tree), *(id(thing) for thing in writer.custom.values())))
    if seen in _checked:
        return tree
    kinds = {record["class"] for record in tree["objects"] if record["class"].startswith(CUSTOM)}
    fix = "__init__ must make the same parts again from its arguments alone; or save state_dict()"
    try:
        with _undisturbed():
            twin = decode(tree, writer.custom)
    except DataFormatError as error:
        problem = error.problem.removeprefix("load: ")
        raise UnsupportedError(f"save: a {type(obj).__name__} could not be made again: {problem}", fix=fix) from error
    difference = _difference(tree, encode(twin))
    if difference is None and isinstance(obj, Module) and list(twin.state_dict()) != list(obj.state_dict()):
        difference = "its state dict has other names"
    if difference is not None:
        raise UnsupportedError(
            f"save: a {type(obj).__name__} that was made again is not the same: {difference}"
            f"; classes of users in it: {', '.join(sorted(kinds)) or 'none'}",
            fix=fix,
        )
    if len(_checked) > 1000:
        _checked.clear()
    _checked.add(seen)
    return tree


_checked: set[int] = set()


_VALUES = ("attributes", "extra")  # what may change from one time of saving to the next


def _outline(tree: Tree) -> list[str]:
    """A tree without the values in it."""
    objects = [repr({part: one for part, one in record.items() if part not in _VALUES}) for record in tree["objects"]]
    return [*objects, *map(_kind_of, tree["tensors"])]


def _kind_of(tensor: Any) -> str:
    if isinstance(tensor, dict):
        return repr(tensor)
    return repr((type(tensor).__name__, tuple(tensor.shape), tensor.dtype, tensor.device, tensor.requires_grad))


def _difference(tree: Tree, again: Tree) -> str | None:
    """What is not the same in a second tree, in words. It may have more attributes: None, where the first had more."""
    for record, other in zip(tree["objects"], again["objects"], strict=False):
        for part in {**record, **other}:
            before, after = record.get(part), other.get(part)
            if part == "attributes" and before and after:
                after = {name: after[name] for name in before if name in after}
            if part != "extra" and (before or part != "attributes") and not _same(before, after):
                return f"the {part} of {record['class']} were {before!r:.300}, and are {after!r:.300}"
    if len(tree["objects"]) != len(again["objects"]):
        return f"it has {len(again['objects'])} parts instead of {len(tree['objects'])}"
    kinds, others = list(map(_kind_of, tree["tensors"])), list(map(_kind_of, again["tensors"]))
    return None if kinds == others else f"its tensors are {others!r:.300} instead of {kinds!r:.300}"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave NumPy's and Python's random numbers where they were, for the constructors of users."""
    before, numbers = random.getstate(), numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(before)
        numpy.random.set_state(numbers)


class Reader:
    """Makes objects from records, each once."""

    def __init__(self, tree: Tree, custom: Mapping[str, Any]) -> None:
        self._records, self._stored, self._custom = tree["objects"], tree["tensors"], custom
        self._objects: dict[int, Any] = {}
        self._tensors: dict[int, Any] = {}
        self._open: set[int] = set()
        self._taken: set[int] = set()  # ids of tensors and modules that have a number already

    def object(self, number: int) -> Any:
        """The object of a number."""
        if number not in self._objects:
            if number in self._open:
                raise DataFormatError("load: the file describes an object that is an argument of itself")
            self._open.add(number)
            self._keep(number, self._constructed(self._records[number]))
        return self._objects[number]

    def _constructed(self, record: Tree) -> Any:
        kind = named(record["class"], self._custom)
        if not (isinstance(kind, type) and issubclass(kind, Configured)):
            raise DataFormatError(f"load: {record['class']!r:.80} is no class of modules, losses or metrics")
        args = [self.value(one) for one in record.get("args", ())]
        settings = {name: self.value(one) for name, one in record.get("settings", {}).items()}
        made = _called(kind, args, settings)
        kept = arguments_of(made)
        if kept is not None and (kept.args or kept.kwargs):  # those of containers are forgotten
            vars(made)["_arguments"] = remembered(tuple(args), settings)
        return made

    def _keep(self, number: int, made: Any) -> None:
        self._objects[number] = made
        self._taken.add(id(made))
        self._fill(made, self._records[number])

    def value(self, value: Any) -> Any:
        """What :meth:`Writer.value` wrote."""
        if type(value) in (list, tuple, set, frozenset):
            return type(value)([self.value(one) for one in value])
        if type(value) is not dict:
            return value
        if "dict" in value:
            return {self.value(key): self.value(one) for key, one in value["dict"]}
        if "OrderedDict" in value:
            return OrderedDict((self.value(key), self.value(one)) for key, one in value["OrderedDict"])
        if "tensor" in value:
            return self.tensor(value["tensor"])
        if "array" in value:
            return numpy.array(value["array"])
        if "object" in value:
            return self.object(value["object"])
        if "named" in value:
            return named(value["named"], self._custom)
        if "unbound" in value:
            return Unbound(named(value["unbound"], self._custom), self._each(value["settings"]))
        if "partial" in value:
            return partial(self.value(value["partial"]), *self.value(value["args"]), **self.value(value["settings"]))
        return self._bundle(value)

    def _each(self, values: Tree) -> Tree:
        return {name: self.value(one) for name, one in values.items()}

    def _bundle(self, value: Tree) -> Any:
        if "member" in value:
            return named(value["of"], self._custom)[value["member"]]
        if value["bundle"] == "":
            return SimpleNamespace(**self._each(value["fields"]))
        kind = named(value["bundle"], self._custom)
        args = self.value(value.get("args", ()))
        made = _called(kind, list(args), self._each(value.get("fields", {})))
        if not is_record(made):
            raise DataFormatError(f"load: {value['bundle']!r:.80} is no bundle of settings")
        return made

    # --- what has become of it ---

    def _fill(self, made: Any, record: Tree) -> None:
        for name, encoded in record.get("attributes", {}).items():
            value = self.value(encoded)
            if name not in vars(made) or not _same(vars(made)[name], value):
                _check_attribute(made, name)
                vars(made)[name] = value
        for name, encoded in record.get("configuration", {}).items():
            if name not in getattr(type(made), "kept_in_files", ()):
                raise DataFormatError(f"load: the file gives a {type(made).__name__} a setting {name!r:.60}")
            vars(made)[name] = self.value(encoded)
        if not isinstance(made, Module):
            return
        for registry in ("parameters", "buffers"):
            self._refill(vars(made)[f"_{registry}"], record.get(registry, {}), self.tensor)
        vars(made)["_non_persistent"] = set(record.get("transient", ()))
        self._refill(made._modules, record.get("children", {}), self._child)
        for extra in record.get("extra", ()):
            made.set_extra_state(extra)

    def _refill(self, registry: Tree, described: Tree, make: Any) -> None:
        """Put into a registry what was described, under its names and in its order, and nothing else."""
        before = dict(registry)
        registry.clear()
        for name, number in described.items():
            if not isinstance(name, str):
                raise DataFormatError(f"load: {name!r:.60} stands where the name of a part of a module should")
            registry[name] = None if number is None else make(number, before.get(name))

    def _child(self, number: int, present: Any) -> Any:
        """The module of a number; ``present``, made by the constructor, if it was made in the same way."""
        if number not in self._objects and number not in self._open and self._fits(present, self._records[number]):
            self._keep(number, present)
        made = self.object(number)
        if not isinstance(made, Module):
            raise DataFormatError(f"load: a {type(made).__name__} stands where a module should")
        return made

    def _fits(self, present: Any, record: Tree) -> bool:
        if present is None or id(present) in self._taken:
            return False
        if type(present) is not named(record["class"], self._custom):
            return False
        writer = Writer()
        try:
            arguments = writer.arguments(present, "")
        except UnsupportedError:
            return False
        described = {part: record[part] for part in ("args", "settings") if record.get(part)}
        # Arguments that are tensors or objects would have to be compared; making it anew is as right.
        return not writer.objects and not writer.tensors and _same(arguments, described)

    def tensor(self, number: int, present: Any = None) -> Any:
        """The tensor of a number; ``present``, made by the constructor, if it takes the values."""
        if number not in self._tensors:
            made = _tensor(self._stored[number], None if id(present) in self._taken else present)
            self._tensors[number] = made
            self._taken.add(id(made))
        return self._tensors[number]


def _called(kind: Any, args: list[Any], settings: Tree) -> Any:
    try:
        return kind(*args, **settings)
    except DataFormatError:
        raise
    except Exception as error:
        signature = inspect.signature(kind.__init__)
        raise DataFormatError(
            f"load: {kind.__name__}{signature} refuses what the file says: {state_of(error)}",
            fix="a class of yours must still take the arguments of the day it was saved",
        ) from error


def _check_attribute(made: Any, name: Any) -> None:
    """Attributes are data: none may hide a method, a property or a registry."""
    if not isinstance(name, str) or not is_data(type(made), name):
        raise DataFormatError(f"load: the file gives a {type(made).__name__} an attribute {name!r:.60}")


def _same(one: Any, other: Any) -> bool:
    """Whether plain values are the same, with NaN the same as NaN and 1 not as 1.0."""
    return type(one) is type(other) and repr(one) == repr(other)


def _tensor(stored: Any, present: Any) -> Any:
    if isinstance(stored, dict):
        wanted: Any = {"parameter": UninitializedParameter, "buffer": UninitializedBuffer}[stored["lazy"]]
        if type(present) is wanted and present.dtype == stored["dtype"]:
            return present.requires_grad_(stored["requires_grad"])
        return wanted(stored["requires_grad"], None, stored["dtype"])
    if not isinstance(stored, Tensor):
        raise DataFormatError(f"load: a {type(stored).__name__} stands where a tensor should")
    is_parameter = isinstance(stored, Parameter)
    if _takes(present, stored, is_parameter):
        present.array[...] = stored.array
        mark_written(present.array)
        return present.requires_grad_(stored.requires_grad) if is_parameter else present
    copied = stored.detach().clone()
    return Parameter(copied, stored.requires_grad) if is_parameter else copied.requires_grad_(stored.requires_grad)


def _takes(present: Any, stored: Any, is_parameter: bool) -> bool:
    if not isinstance(present, Tensor) or is_lazy(present) or isinstance(present, Parameter) is not is_parameter:
        return False
    same_kind = present.dtype == stored.dtype and present.device == stored.device
    return same_kind and tuple(present.shape) == tuple(stored.shape) and present.is_leaf
