"""From a primitive to the function that users call: unwrap tensors, compute, wrap the result, record a node.

Five versions of one thing. :func:`general_call` says it in full; the others say it again for the commonest cases,
:func:`unary_call` and :func:`binary_call` without loops, because every operation of every program passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from types import BuiltinFunctionType
from typing import Any

from numpy import ndarray

from tinygrad_mp.backend import as_array_on
from tinygrad_mp.backend.blocks import LARGE
from tinygrad_mp.dtypes import FLOATING, constant
from tinygrad_mp.grad_mode import grad_mode, switched
from tinygrad_mp.layout import settle
from tinygrad_mp.registry import PART, Op, explain, for_large_arrays
from tinygrad_mp.tape import Node, TensorBase, make_node, refresh, view_between, wrap
from tinygrad_mp.writes import next_index

_new = object.__new__
_NUMBERS = frozenset({int, float})
_NOTHING_SAVED = (None, None, None)


class _Plain:
    """Stands in until :mod:`tinygrad_mp.tensor` names the class that nearly all tensors have."""


plain_class: Any = _Plain
make_plain: Any = _Plain


def set_plain_class(cls: type) -> None:
    """Name the class to test for first: one comparison of types is cheaper than asking for ``result_class``.

    It must have no ``__init__``: ``make_plain()``, which is ``cls()`` but for the metaclass, then makes an empty tensor
    in two thirds of the time of ``object.__new__``.
    """
    global plain_class, make_plain
    plain_class, make_plain = cls, type.__call__.__get__(cls)


def call_for(op: Op) -> Callable[..., Any]:
    """The fastest version that fits the primitive."""
    if op.variadic or op.outputs or (op.view and len(op.input_names) > 1):
        return general_call(op)
    if len(op.input_names) > 2 or (len(op.input_names) == 2 and op.param_domains):
        return several_call(op)
    if len(op.input_names) == 2:
        return binary_call(op)
    return unary_call_with_parameters(op) if op.param_domains or op.view else unary_call(op)


def unary_call(op: Op) -> Callable[..., Any]:
    """One input, no parameters."""
    forward, prepare, numpy_function, links = op.forward, op.prepare, op.numpy_function, op.links_when((True,))
    keep_x, keep_out, keep_shape = op.keeps_input[0], op.keeps_out, op.keeps_shape[0]
    differentiable, accepted, elementwise = links is not None, op.accepted_dtypes, op.elementwise

    def call(x: Any, /) -> Any:
        if type(x) is plain_class:
            cls = plain_class
        elif isinstance(x, TensorBase):
            cls = x.result_class
        else:
            return forward(x)
        if x.view_of is not None:
            refresh(x)
        array = x.array
        if elementwise and array.size >= LARGE and op.large is not op:
            return _call_for_large_arrays(op, x)
        try:
            if accepted is not None and array.dtype not in accepted:
                (array,) = prepare(array)
            out = numpy_function(array) if numpy_function is not None and type(array) is ndarray else forward(array)
        except Exception as error:
            explain(op, error, (x,))
            raise
        if type(out) is not ndarray:
            out = as_array_on(array, out)
        tensor = make_plain() if cls is plain_class else _new(cls)
        tensor.array = out
        tensor._grad = tensor.view_of = None
        parent = x.node
        if parent is None or not differentiable or (switched.count and not grad_mode.enabled):
            tensor.node = None
            return tensor
        node = tensor.node = Node()
        node.op = op
        node.parents = (parent,)
        node.rules = links
        saved = (array if keep_x else None, out if keep_out else None)
        node.saved = (*saved, array.shape) if keep_shape else saved
        node.params = node.hooks = node.cotangent = None
        node.shape = out.shape
        node.dtype = out.dtype
        node.index = next_index()
        return tensor

    return call


def unary_call_with_parameters(op: Op) -> Callable[..., Any]:
    """One input and keyword parameters; the output may be a view of the input."""
    forward, prepare, is_view, defaults = op.forward, op.prepare, op.view, op.defaults
    keep_x, keep_out, keep_shape = op.keeps_input[0], op.keeps_out, op.keeps_shape[0]
    links, accepted = op.links_when((True,)), op.accepted_dtypes

    def call(x: Any, /, **params: Any) -> Any:
        if not isinstance(x, TensorBase):
            return forward(x, **params)
        if x.view_of is not None:
            refresh(x)
        array = settle(x) if is_view else x.array
        try:
            if accepted is not None and array.dtype not in accepted:
                (array,) = prepare(array)
            out = forward(array, **params)
        except Exception as error:
            explain(op, error, (x,))
            raise
        if type(out) is not ndarray:
            out = as_array_on(array, out)
        tensor = wrap(x.result_class, out)
        if is_view:
            tensor.view_of = view_between(x, out, call, params)
        parent = x.node
        if parent is not None and links is not None and not (switched.count and not grad_mode.enabled):
            saved = (array if keep_x else None, out if keep_out else None, array.shape if keep_shape else None)
            tensor.node = make_node(op, (parent,), links, saved, {**defaults, **params} if defaults else params, out)
        return tensor

    return call


def binary_call(op: Op) -> Callable[..., Any]:
    """Two inputs, no parameters."""
    forward, prepare, keep_shapes = op.forward, op.prepare, any(op.keeps_shape)
    accepted, restricted = op.accepted_dtypes or (), op.accepted_dtypes is not None
    differentiable_x, differentiable_y = op.rules[0] is not None, op.rules[1] is not None
    differentiable = differentiable_x and differentiable_y
    only_x, only_y, both = op.kept_when((True, False)), op.kept_when((False, True)), op.kept_when((True, True))
    links_x, links_y, links_both = (
        op.links_when((True, False)),
        op.links_when((False, True)),
        op.links_when((True, True)),
    )
    elementwise, of_operator = op.elementwise, isinstance(forward, BuiltinFunctionType)
    keeps_nothing = not keep_shapes and not any(both)

    def call(x: Any, y: Any, /) -> Any:
        cls: Any
        if type(x) is plain_class and type(y) is plain_class:
            if x.view_of is not None:
                refresh(x)
            if y.view_of is not None:
                refresh(y)
            cls = plain_class
            raw_x = x.array
            raw_y = y.array
            mixed = raw_x.dtype is not raw_y.dtype
            if elementwise and raw_x.size >= LARGE and op.large is not op:
                return _call_for_large_arrays(op, x, y)
            x_node = x.node
            y_node = y.node
        else:
            y_class, raw_y, y_node = _unwrap(y)
            x_class, raw_x, x_node = _unwrap(x)
            cls = x_class or y_class
            if cls is None:
                return forward(x, y)
            if elementwise and getattr(raw_x, "size", 0) >= LARGE and op.large is not op:
                return _call_for_large_arrays(op, x, y)
            if type(raw_y) in _NUMBERS and raw_x.dtype in FLOATING:
                mixed = False
                if of_operator and type(raw_x) is ndarray:
                    raw_y = constant(raw_y, raw_x.dtype)
            elif type(raw_x) in _NUMBERS and of_operator and type(raw_y) is ndarray and raw_y.dtype in FLOATING:
                raw_x = constant(raw_x, raw_y.dtype)
                mixed = type(raw_x) is not ndarray
            else:
                mixed = True
        if not differentiable:
            x_node = x_node if differentiable_x else None
            y_node = y_node if differentiable_y else None
        try:
            if mixed or (restricted and raw_x.dtype not in accepted):
                raw_x, raw_y = prepare(raw_x, raw_y)
            out = forward(raw_x, raw_y)
        except Exception as error:
            explain(op, error, (x, y))
            raise
        if type(out) is not ndarray:
            out = as_array_on(raw_x, out)
        tensor = make_plain() if cls is plain_class else _new(cls)
        tensor.array = out
        tensor._grad = tensor.view_of = None
        if (x_node is None and y_node is None) or (switched.count and not grad_mode.enabled):
            tensor.node = None
            return tensor
        node = tensor.node = Node()
        node.op = op
        if y_node is None:
            node.parents = (x_node,)
            node.rules = links_x
        elif x_node is None:
            node.parents = (y_node,)
            node.rules = links_y
        else:
            node.parents = (x_node, y_node)
            node.rules = links_both
        if keeps_nothing:
            node.saved = _NOTHING_SAVED
        else:
            keep_x, keep_y, keep_out = only_x if y_node is None else only_y if x_node is None else both
            saved = (raw_x if keep_x else None, raw_y if keep_y else None, out if keep_out else None)
            node.saved = (*saved, _shape(raw_x), _shape(raw_y)) if keep_shapes else saved
        node.params = node.hooks = node.cotangent = None
        node.shape = out.shape
        node.dtype = out.dtype
        node.index = next_index()
        return tensor

    return call


def _call_for_large_arrays(op: Op, *inputs: Any) -> Any:
    large = for_large_arrays(op)
    if large.call is op.call:
        large.call = call_for(large)
    return large.call(*inputs)


def _unwrap(value: Any) -> tuple[Any, Any, Node | None]:
    """The class of results, the raw value and the node of an operand; class and node are None if it is no tensor."""
    if not isinstance(value, TensorBase):
        return None, value, None
    if value.view_of is not None:
        refresh(value)
    return value.result_class, value.array, value.node


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of an array; () for a Python number."""
    shape: tuple[int, ...] = getattr(value, "shape", ())
    return shape


def several_call(op: Op) -> Callable[..., Any]:
    """Any number of inputs, parameters."""
    forward, defaults, count = op.forward, op.defaults, len(op.input_names)
    prepare = None if op.promotes is None else op.prepare
    differentiable = tuple(rule is not None for rule in op.rules)
    plans: dict[tuple[bool, ...], tuple[Any, tuple[bool, ...]]] = {}
    keep_shapes = any(op.keeps_shape)

    def call(*inputs: Any, **params: Any) -> Any:
        cls: Any = None
        raw: list[Any] = []
        needed: list[bool] = []
        parents: list[Node] = []
        for value, has_rule in zip(inputs, differentiable, strict=False):
            if isinstance(value, TensorBase):
                if value.view_of is not None:
                    refresh(value)
                if cls is None:
                    cls = value.result_class
                raw.append(value.array)
                if has_rule and value.node is not None:
                    parents.append(value.node)
                    needed.append(True)
                    continue
            else:
                raw.append(value)
            needed.append(False)
        if cls is None or len(inputs) != count:
            return forward(*inputs, **params)
        try:
            if prepare is not None:
                raw = prepare(*raw)  # type: ignore[assignment]
            out = forward(*raw, **params)
        except Exception as error:
            explain(op, error, inputs)
            raise
        if type(out) is not ndarray:
            out = as_array_on(raw[0], out)
        tensor = make_plain() if cls is plain_class else _new(cls)
        tensor.array = out
        tensor.node = tensor._grad = tensor.view_of = None
        if not parents or (switched.count and not grad_mode.enabled):
            return tensor
        chosen = tuple(needed)
        plan = plans.get(chosen)
        if plan is None:
            plan = plans[chosen] = op.links_when(chosen), op.kept_when(chosen)
        links, keep = plan
        saved = [value if named else None for value, named in zip((*raw, out), keep, strict=True)]
        if keep_shapes:
            saved += [_shape(value) for value in raw]
        tensor.node = make_node(op, tuple(parents), links, tuple(saved), {**defaults, **params}, out)
        return tensor

    return call


def general_call(op: Op) -> Callable[..., Any]:
    """Any number of inputs, ``*arrays``, parameters, several outputs, views."""
    forward, prepare, variadic, defaults, is_view = op.forward, op.prepare, op.variadic, op.defaults, op.view
    differentiable = (variadic,) if variadic else tuple(rule is not None for rule in op.rules)
    unprepared = op.promotes is None

    def call(*inputs: Any, **params: Any) -> Any:
        cls: Any = None
        raw: list[Any] = []
        parents: list[Node | None] = []
        recording = False
        if is_view and isinstance(inputs[0], TensorBase):
            settle(inputs[0])
        for value, has_rule in zip(inputs, repeat(True) if variadic else differentiable, strict=False):
            node = None
            if isinstance(value, TensorBase):
                if value.view_of is not None:
                    refresh(value)
                if cls is None:
                    cls = value.result_class
                if has_rule and value.node is not None:
                    node = value.node
                    recording = True
                value = value.array
            raw.append(value)
            parents.append(node)
        if cls is None or len(raw) != len(inputs):
            return forward(*inputs, **params)
        try:
            values = raw if unprepared else prepare(*raw)
            out = forward(*values, **params)
        except Exception as error:
            explain(op, error, inputs)
            raise
        if not recording or (switched.count and not grad_mode.enabled):
            parents = []
        if defaults:
            params = {**defaults, **params}
        if op.outputs:
            return _several_outputs(op, cls, inputs, values, out, parents, params)
        tensor = wrap(cls, out if type(out) is ndarray else as_array_on(values[0], out))
        if is_view:
            tensor.view_of = view_between(inputs[0], tensor.array, call, params)
        if parents:
            tensor.node = _node(op, parents, values, tensor.array, params, tensor.array)
        return tensor

    return call


def _node(op: Op, parents: list[Node | None], values: Sequence[Any], out: Any, params: Any, like: Any) -> Node:
    """The node of one application: the parents that need a gradient, and what the rules that lead to them name.

    Saved are inputs, ``out`` and shapes, in this order; ``*arrays`` count as one input. ``out`` is None for several.
    """
    wanted = tuple([parent for parent in parents if parent is not None])
    if op.variadic:
        saved = (
            tuple(values) if op.keeps_input[0] else None,
            out if op.keeps_out else None,
            tuple(map(_shape, values)),
        )
        places = tuple([position for position, parent in enumerate(parents) if parent is not None])
        return make_node(op, wanted, places, saved, params, like)
    needed = tuple([parent is not None for parent in parents])
    keep = op.kept_when(needed)
    kept = [value if named else None for value, named in zip((*values, out), keep, strict=True)]
    if True in op.keeps_shape:
        kept += [_shape(value) for value in values]
    return make_node(op, wanted, op.links_when(needed), tuple(kept), params, like)


class _Several:
    """The shapes and dtypes of several outputs, in the place of one output's."""

    def __init__(self, tensors: tuple[Any, ...]) -> None:
        self.shape = tuple(tensor.array.shape for tensor in tensors)
        self.dtype = tuple(tensor.array.dtype for tensor in tensors)


def _several_outputs(
    op: Op,
    cls: type,
    inputs: tuple[Any, ...],
    values: Sequence[Any],
    outs: Any,
    parents: list[Node | None],
    params: dict[str, Any],
) -> tuple[Any, ...]:
    """Wrap the outputs. On the tape stand one node for the primitive and, as its children, one for each output."""
    tensors = tuple(wrap(cls, as_array_on(values[0], out)) for out in outs)
    if op.view:
        for position, tensor in enumerate(tensors):
            tensor.view_of = view_between(inputs[0], tensor.array, partial(_output, op, position), params)
    if parents:
        whole = _node(op, parents, values, None, params, _Several(tensors))
        for position, tensor in enumerate(tensors):
            if tensor.array.dtype.kind in "fc":
                tensor.node = make_node(PART, (whole,), None, (), position, tensor.array)
    return tensors


def _output(op: Op, position: int, *inputs: Any, **params: Any) -> Any:
    """One output of a primitive with several."""
    return op.call(*inputs, **params)[position]
