"""What is known of each primitive, worked out once, when it is defined.

:data:`REGISTRY` maps a primitive's name to its :class:`Op`. Gradient checks, parity tests and documentation read it,
so a primitive is under all of them from the moment it is defined.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any, TypeAlias

import numpy

from tinygrad_mp.backend import device_of, is_array, xp
from tinygrad_mp.backend.blocks import blockwise
from tinygrad_mp.dtypes import FLOATING, promote
from tinygrad_mp.errors import DeviceError, DTypeError, IndexRangeError, ShapeError, TinygradError

IS_G, MINUS_G, GIVEN_G, GIVEN_ONE, GIVEN_MANY, GIVEN_PARAMS, GIVEN_NODE, NOTHING = range(8)

# Functions that do one operator and nothing else are replaced by the operator itself, which saves a Python call.
_OPERATORS: dict[tuple[bytes, int], Callable[..., Any]] = {
    (plain.__code__.co_code, plain.__code__.co_argcount): function
    for plain, function in (
        (lambda x: -x, operator.neg),
        (lambda x, y: x + y, operator.add),
        (lambda x, y: x - y, operator.sub),
        (lambda x, y: x * y, operator.mul),
        (lambda x, y: x / y, operator.truediv),
        (lambda x, y: x @ y, operator.matmul),
    )
}
_IDENTITY = (lambda g: g).__code__.co_code
_NEGATION = (lambda g: -g).__code__.co_code


_OF_MODULE = (lambda x: xp(x).negative(x)).__code__


def _numpy_function(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """NumPy's own function, when all that ``function`` does is to call it: ``return xp(x).exp(x)``."""
    code = function.__code__
    if code.co_code != _OF_MODULE.co_code or code.co_names[:1] != ("xp",) or code.co_kwonlyargcount:
        return None
    found: Callable[..., Any] = getattr(numpy, code.co_names[1])
    return found


def _as_operator(function: Callable[..., Any]) -> Callable[..., Any]:
    code = function.__code__
    return _OPERATORS.get((code.co_code, code.co_argcount), function)


Rule: TypeAlias = tuple[int, Callable[..., Any], int, tuple[int, ...], tuple[str, ...]]
"""A VJP rule and where the values that it names are found: ``(kind, function, first, picks, params)``.

``kind`` says how to call it: not at all (the result is ``g``, or ``-g``, which may be subtracted instead), with ``g``
alone, with one saved value (at ``first``), with several (at ``picks``), or with parameters too; with the node itself,
for what is no primitive; or not, because no gradient goes there. A plain tuple, because backward takes one apart at
every step.
"""

Links: TypeAlias = tuple[int, Callable[..., Any], int, tuple[int, ...], tuple[str, ...], int, Any]
"""The rules of a node, as a linked list: a rule, the position of its input, and the links that follow (or None).

Backward takes the next rule off in the same step that takes the rule apart, and all nodes of an op share their links.
"""


class Op:
    """One primitive. ``saved`` values of its nodes lie in the order: inputs, ``out``, shapes of inputs."""

    __slots__ = (
        "accepted_dtypes",
        "call",
        "cases",
        "defaults",
        "domains",
        "elementwise",
        "forward",
        "input_names",
        "keeps_input",
        "keeps_out",
        "keeps_shape",
        "kept",
        "large",
        "linear",
        "links",
        "name",
        "numpy_function",
        "outputs",
        "param_domains",
        "prepare",
        "promotes",
        "reference",
        "rules",
        "shapes",
        "special",
        "variadic",
        "view",
    )

    name: str
    call: Callable[..., Any]
    forward: Callable[..., Any]
    numpy_function: Callable[..., Any] | None
    input_names: tuple[str, ...]
    variadic: bool
    elementwise: bool
    outputs: bool
    special: bool
    view: bool
    linear: bool
    promotes: str | None
    prepare: Callable[..., tuple[Any, ...]]
    accepted_dtypes: frozenset[Any] | None
    rules: tuple[Rule | None, ...]
    defaults: dict[str, Any]
    domains: dict[str, Any]
    param_domains: dict[str, Any]
    shapes: str | None
    cases: Callable[..., Any] | None
    reference: Callable[..., Any] | None
    keeps_input: tuple[bool, ...]
    keeps_out: bool
    keeps_shape: tuple[bool, ...]
    kept: dict[tuple[bool, ...], tuple[bool, ...]]
    links: dict[tuple[bool, ...], Links | None]
    large: Op | None

    def kept_when(self, needed: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which inputs and (last) whether ``out`` must be saved when these inputs need a gradient."""
        known = self.kept.get(needed)
        if known is None:
            picks = {pick for rule, need in zip(self.rules, needed, strict=True) if need and rule for pick in rule[3]}
            known = self.kept[needed] = tuple(position in picks for position in range(len(needed) + 1))
        return known

    def links_when(self, needed: tuple[bool, ...]) -> Links | None:
        """The rules that lead to the inputs that need a gradient."""
        if needed not in self.links:
            links: Links | None = None
            for position in reversed(range(len(needed))):
                rule = self.rules[position]
                if needed[position] and rule is not None:
                    links = (*rule, position, links)
            self.links[needed] = links
        return self.links[needed]

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.input_names)})>"


REGISTRY: dict[str, Op] = {}


def make_op(forward: Callable[..., Any], rules: Mapping[str, Any], options: Mapping[str, Any]) -> Op:
    """Read a primitive's signature and rules; a rule that names something unknown fails here, at import."""
    op = Op()
    op.name = options["name"] or forward.__name__.strip("_")
    op.forward = _as_operator(forward)
    code = forward.__code__  # inspect.signature would say it too, and would double the time of importing the package
    names = code.co_varnames
    inputs = names[: code.co_argcount]
    statics = names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    variable = names[len(inputs) + len(statics) :][:1] if code.co_flags & inspect.CO_VARARGS else ()
    if bool(inputs) == bool(variable) or code.co_flags & inspect.CO_VARKEYWORDS or forward.__defaults__:
        raise TypeError(f"primitive {op.name}: arrays are positional (or one *arrays), parameters are keyword-only")
    annotations = forward.__annotations__
    op.numpy_function = _numpy_function(forward)
    op.variadic = bool(variable)
    op.input_names = inputs or variable
    op.defaults = dict(forward.__kwdefaults__ or {})
    op.domains = {name: annotations.get(name, inspect.Parameter.empty) for name in op.input_names}
    op.param_domains = {name: annotations.get(name, inspect.Parameter.empty) for name in statics}
    op.outputs, op.view, op.linear = options["outputs"], options["view"], options["linear"]
    op.shapes, op.cases, op.reference = options["shapes"], options["cases"], options["reference"]
    op.elementwise = options["elementwise"]
    op.special, op.large = op.outputs or op.variadic, None
    op.promotes = options["promotes"]
    op.prepare = _PREPARE[op.promotes]
    op.accepted_dtypes = FLOATING if op.promotes == "floating" else None
    _read_rules(op, rules, statics)
    return op


def _read_rules(op: Op, rules: Mapping[str, Any], statics: tuple[str, ...]) -> None:
    unknown = set(rules) - set(op.input_names)
    if unknown:
        raise TypeError(f"primitive {op.name}: a rule for {sorted(unknown)}, but its inputs are {op.input_names}")
    missing = set(op.input_names) - set(rules)
    if missing:
        raise TypeError(f"primitive {op.name}: no rule for {sorted(missing)}; write None if it has no derivative")
    count = len(op.input_names)
    places = {name: position for position, name in enumerate((*op.input_names, "out"))}
    places |= {f"{name}_shape": count + 1 + position for position, name in enumerate(op.input_names)}
    op.rules = tuple(_read_rule(op, name, rules[name], places, statics) for name in op.input_names)
    picked = {pick for rule in op.rules if rule for pick in rule[3]}
    op.keeps_input = tuple(position in picked for position in range(count))
    op.keeps_out = count in picked
    op.keeps_shape = tuple(count + 1 + position in picked for position in range(count))
    op.kept, op.links = {}, {}
    if op.outputs and op.keeps_out:
        raise TypeError(f"primitive {op.name}: a rule cannot name 'out' when there are several outputs")


def _read_rule(op: Op, name: str, function: Any, places: Mapping[str, int], statics: tuple[str, ...]) -> Rule | None:
    if function is None:
        return None
    if not hasattr(function, "__code__"):
        raise TypeError(f"primitive {op.name}: the rule for {name} must be a plain function, not {function!r}")
    names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    if not names or names[0] != "g":
        raise TypeError(f"primitive {op.name}: the rule for {name} must take the cotangent g first, not {names[:1]}")
    for asked in names[1:]:
        if asked not in places and asked not in statics:
            known = ", ".join([*places, *statics])
            raise TypeError(f"primitive {op.name}: the rule for {name} names {asked!r}; known here are {known}")
    picks = tuple(places[asked] for asked in names[1:] if asked in places)
    params = tuple(asked for asked in names[1:] if asked in statics)
    order = [asked for asked in names[1:] if asked in places]
    if params and names[1:] != [*order, *params]:
        raise TypeError(f"primitive {op.name}: in the rule for {name}, parameters come after saved values")
    if function.__code__.co_code == _IDENTITY:
        return IS_G, function, -1, (), ()
    if function.__code__.co_code == _NEGATION:
        return MINUS_G, operator.neg, -1, (), ()
    kind = GIVEN_PARAMS if params else min(GIVEN_G + len(picks), GIVEN_MANY)
    return kind, _as_operator(function), picks[0] if picks else -1, picks, params


def for_large_arrays(op: Op) -> Op:
    """The same elementwise primitive, with forward pass and rules that go through large arrays in blocks."""
    if op.large is None:
        from copy import copy  # not above: importing the package must stay fast

        large = copy(op)
        large.forward = blockwise(op.forward if op.numpy_function is None else op.numpy_function)
        large.numpy_function = None
        large.rules = tuple(
            (rule[0], blockwise(rule[1]), *rule[2:]) if rule is not None and MINUS_G <= rule[0] <= GIVEN_MANY else rule
            for rule in op.rules
        )
        large.links, large.large, op.large, large.special = {}, large, large, True
    return op.large


def _unchanged(*operands: Any) -> tuple[Any, ...]:
    return operands


_PREPARE: dict[str | None, Callable[..., tuple[Any, ...]]] = {
    "common": promote,
    "floating": partial(promote, floating=True),
    None: _unchanged,
}


def explain(op: Op, error: Exception, inputs: tuple[Any, ...]) -> None:
    """Turn what went wrong inside ``op`` into an error of ours: annotate it, or raise a better one from it.

    Returns when the error is best left as it is; the caller then raises it again.
    """
    names = op.input_names if not op.variadic else tuple(f"{op.input_names[0]}[{i}]" for i in range(len(inputs)))
    operands = tuple(zip(names, inputs, strict=False))
    arrays = [getattr(value, "array", value) for value in inputs]
    found = [array for array in arrays if is_array(array)]
    better: TinygradError | None = None
    if isinstance(error, TinygradError):
        error.locate(op.name, operands)
        return
    clash = "" if op.shapes else _first_clash([tuple(array.shape) for array in found])
    if len({str(device_of(array)) for array in found}) > 1:
        better = DeviceError("the operands live on different devices", fix="move one of them with .to(device)")
    elif clash and (op.promotes or "broadcast" in str(error)):
        better = ShapeError(
            f"the shapes do not broadcast: {clash}",
            fix="reshape or unsqueeze one operand so that, from the last axis on, sizes are equal or 1",
        )
    elif isinstance(error, IndexError):
        better = IndexRangeError(str(error))
    elif isinstance(error, ValueError):
        better = ShapeError(str(error))
    elif isinstance(error, (TypeError, OverflowError)) and _raised_inside(op, error):
        better = DTypeError(str(error))
    if better is not None:
        better.locate(op.name, operands)
        raise better from error


def _raised_inside(op: Op, error: Exception) -> bool:
    """Whether the error came from the body of a primitive rather than from calling it with wrong arguments."""
    if op.numpy_function is not None or not isinstance(op.forward, FunctionType):
        return True  # a body in C leaves no trace, and takes inputs only, which were counted before
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None


def _first_clash(shapes: list[tuple[int, ...]]) -> str:
    """The first axis, from the last, whose sizes differ and are not 1; empty if there is none."""
    for axis in range(1, max(map(len, shapes), default=0) + 1):
        sizes = {shape[-axis] for shape in shapes if len(shape) >= axis} - {1}
        if len(sizes) > 1:
            return f"axis -{axis} has sizes " + " and ".join(map(str, sorted(sizes)))
    return ""


PART = Op()
"""The op of a node that stands for one output of a primitive with several; ``params`` is its position."""
PART.name, PART.input_names, PART.rules, PART.special = "part", (), (), True
