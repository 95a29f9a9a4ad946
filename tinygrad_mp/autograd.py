"""The tape: how operations are recorded and how gradients flow back. Read this file first.

A *primitive* is a function on arrays with a VJP rule (vector-Jacobian product) for each input that has a derivative.
A rule takes the cotangent ``g`` of the output and, **by the names of its parameters**, what else it needs: an input,
an input's ``_shape``, a keyword parameter, or ``out``::

    @primitive(x=lambda g, y: g * y, y=lambda g, x: g * x)
    def mul(x, y):
        return x * y

Given arrays, a primitive computes. Given tensors, it computes on their arrays and, if one of them needs a gradient,
records a Node: which primitive, which parents, and the values that the rules name (``calls.py``). Nodes are numbered
as they are made, so the parents of a node always have smaller numbers than the node itself: **sorting by number is a
topological order**, and backward simply walks from the newest node to the oldest.

Rules are written with primitives and operators. On arrays they compute; under ``create_graph=True`` they are handed
tensors and therefore record, which is all that second and higher derivatives take.

One invariant holds throughout, kept by ``project`` alone: a cotangent has the shape, dtype and device of its primal.
"""

from __future__ import annotations

import operator
import threading
from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from tinygrad_mp.backend import as_array_on, is_array, xp
from tinygrad_mp.errors import ShapeError, TapeError
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.primitive import project
from tinygrad_mp.registry import GIVEN_G, GIVEN_ONE, GIVEN_PARAMS, IS_G, PART, Rule
from tinygrad_mp.tape import Node, TensorBase, refresh, wrap
from tinygrad_mp.writes import log as write_log
from tinygrad_mp.writes import mark_written, overwritten_since

_by_index = operator.attrgetter("index")

# --- backward -------------------------------------------------------------------------------------------------------


def tape(roots: Sequence[Node]) -> list[Node]:
    """The nodes that ``roots`` depend on, themselves included, oldest first. No recursion: chains may be long."""
    found = set(roots)
    nodes = list(found)
    for node in nodes:  # the list grows while it is walked
        for parent in node.parents:
            if parent is not None and parent not in found:
                found.add(parent)
                nodes.append(parent)
    nodes.sort(key=_by_index)
    return nodes


def walk(
    roots: dict[Node, Any], *, stops: Sequence[Node] | None = None, create_graph: bool = False, retain_graph: bool
) -> dict[Node, Any]:
    """Pull the cotangents of ``roots`` back along the tape, newest node first.

    Returns the cotangents that arrived at ``stops``, or at leaves when ``stops`` is None; only nodes on a way there
    are visited. A cotangent of a node is complete when the walk reaches it, because all its children are newer. The
    first one to arrive is kept as it is, the second makes a fresh sum, later ones add into that sum in place.
    """
    targets = set(stops or ())
    useful = None if stops is None else _ancestors_of(targets, tape(list(roots)))
    ordinary = useful is None and not create_graph
    arrived: dict[Node, Any] = {}
    at_leaves: dict[Node, Any] = {}  # leaves may belong to several tapes at once, so nothing is kept on them
    pending: list[Node] = []  # oldest first
    held, summed = object(), object()  # marks of this walk on nodes: one cotangent, or a sum that nobody else holds
    last_write = write_log.latest
    aside = _set_aside()
    _walks.running.append(pending)
    try:
        for node, g in roots.items():
            if node.op is None:
                at_leaves[node] = g
            else:
                node.cotangent, node.state = g, held
                pending.append(node)
        pending.sort(key=_by_index)
        while pending:
            node = pending.pop()
            g = node.cotangent
            node.cotangent = None
            if node.state is not held and node.state is not summed:
                raise _two_walks(node)
            if node.hooks is not None:
                g = _run_hooks(node, g)
                last_write = write_log.latest
            op, parents, rules, saved = node.op, node.parents, node.rules, node.saved
            if not ordinary and useful is not None:
                if node in targets:
                    arrived[node] = _copy(g)
                if node not in useful:
                    continue
            if op.special:
                if op is PART:
                    _collect_part(node, g, pending, held)
                    continue
                if op.outputs:
                    g = _fill_missing(node, g)
            if saved is None:
                raise _freed(node)
            if node.index < last_write:
                _refuse_overwritten(node)
            if create_graph:
                saved = _lift(node, saved, g)
            if op.variadic:
                rules = _variadic_rules(node, g, saved)
            for parent, (kind, function, first, picks, names) in zip(parents, rules):
                if parent is None or not (ordinary or useful is None or parent in useful or parent in targets):
                    continue
                alike = node.shape == parent.shape and node.dtype is parent.dtype
                if kind == IS_G and alike:
                    pulled = g
                else:
                    if kind == GIVEN_ONE:
                        pulled = function(g, saved[first])
                    elif kind <= GIVEN_G:
                        pulled = function(g)
                    elif kind == GIVEN_PARAMS:
                        pulled = function(g, *[saved[i] for i in picks], **{name: node.params[name] for name in names})
                    else:
                        pulled = function(g, *[saved[i] for i in picks])
                    if alike and op.elementwise:
                        pass  # the rule's result has the shape and dtype of g
                    elif pulled.shape != parent.shape or pulled.dtype is not parent.dtype:
                        pulled = project(pulled, parent)
                if parent.op is None:
                    before = at_leaves.get(parent)
                    if before is None:  # a gradient shares memory with nothing
                        at_leaves[parent] = _copy(pulled) if pulled is g or _is_view(pulled) else pulled
                    elif create_graph:
                        at_leaves[parent] = before + pulled
                    else:
                        before += pulled
                        at_leaves[parent] = before
                    continue
                before = parent.cotangent
                if before is None:
                    parent.cotangent, parent.state = pulled, held
                    if not pending or pending[-1].index < parent.index:
                        pending.append(parent)
                    else:
                        insort(pending, parent, key=_by_index)
                elif parent.state is summed and not create_graph:
                    before += pulled
                    parent.cotangent = before
                else:
                    parent.cotangent = before + pulled
                    parent.state = summed if parent.state is held else parent.state
            if not retain_graph:
                node.saved = None
                node.parents = ()
        for node, g in at_leaves.items():
            if useful is None or node in targets:
                arrived[node] = g if node.hooks is None else _run_hooks(node, g)
    finally:
        for node in pending:
            node.cotangent = None
        _walks.running.pop()
        for node, g, state in aside:
            node.cotangent, node.state = g, state
    return arrived


class _Walks(threading.local):
    """The walks of this thread that have begun and not ended: more than one when a hook calls backward."""

    def __init__(self) -> None:
        self.running: list[list[Node]] = []


_walks = _Walks()


def _set_aside() -> list[tuple[Node, Any, object]]:
    """Clear the cotangents of an outer walk from its nodes, which an inner one may visit, and return them."""
    if not _walks.running:
        return []
    aside = [(node, node.cotangent, node.state) for node in _walks.running[-1]]
    for node, _, _ in aside:
        node.cotangent = None
    return aside


def _two_walks(node: Node) -> TapeError:
    return TapeError(
        f"two threads run backward through {node.name} at the same time", fix="let one finish before the other begins"
    )


def _collect_part(node: Node, g: Any, pending: list[Node], mark: object) -> None:
    """Keep the cotangent of one output of several until the walk reaches the primitive they come from."""
    (whole,) = node.parents
    if whole.cotangent is None:
        whole.cotangent, whole.state = [None] * len(whole.shape), mark
        insort(pending, whole, key=_by_index)
    before = whole.cotangent[node.params]
    whole.cotangent[node.params] = g if before is None else before + g


def _ancestors_of(targets: set[Node], order: list[Node]) -> set[Node]:
    """The nodes of ``order`` from which a walk reaches a target."""
    found: set[Node] = set()
    for node in order:
        if any(parent in found or parent in targets for parent in node.parents if parent is not None):
            found.add(node)
    return found


def _variadic_rules(node: Node, g: Any, saved: tuple[Any, ...]) -> list[Rule]:
    """A rule for each of ``*arrays`` that returns its part of what the primitive's one rule computes."""
    _, function, _, picks, names = node.op.rules[0]  # type: ignore[union-attr,misc]
    parts = function(g, *[saved[i] for i in picks], **{name: node.params[name] for name in names})
    return [(GIVEN_G, lambda _, part=part: part, -1, (), ()) for part in parts]  # type: ignore[misc]


def _fill_missing(node: Node, parts: list[Any]) -> tuple[Any, ...]:
    """The cotangents of several outputs, with zeros for outputs that nothing depends on."""
    like = next(part for part in parts if part is not None)
    raw = like.array if isinstance(like, TensorBase) else like

    def zeros(shape: Any, dtype: Any) -> Any:
        array = as_array_on(raw, xp(raw).zeros(shape, dtype=dtype))
        return wrap(like.result_class, array) if isinstance(like, TensorBase) else array

    pairs = zip(node.shape, node.dtype, strict=True)
    return tuple(zeros(*pair) if part is None else part for part, pair in zip(parts, pairs, strict=True))


def _lift(node: Node, saved: tuple[Any, ...], g: Any) -> tuple[Any, ...]:
    """Saved arrays as tensors with their place on the tape, so that rules record what they compute from them."""
    cls = (g[0] if isinstance(g, tuple) else g).result_class

    def lift(value: Any, origin: Node | None) -> Any:
        return wrap(cls, value, origin) if is_array(value) and value.dtype.kind in "fc" else value

    op = node.op
    assert op is not None, "a leaf has saved nothing"
    count = len(op.input_names)
    if op.variadic:
        inputs: list[Any] = [saved[0] and tuple(map(lift, saved[0], node.parents))]
    else:  # a node may list only the parents that need a gradient, with their rules
        origins = {id(rule): parent for rule, parent in zip(node.rules, node.parents, strict=True)}
        inputs = [lift(value, origins.get(id(rule))) for value, rule in zip(saved[:count], op.pulls, strict=True)]
    return (*inputs, lift(saved[count], node), *saved[count + 1 :])


def _refuse_overwritten(node: Node) -> None:
    op, saved = node.op, node.saved or ()
    names = (*op.input_names, "out")  # type: ignore[union-attr]
    for name, value in zip(names, saved, strict=False):
        for array in value if isinstance(value, tuple) else (value,):
            if is_array(array) and overwritten_since(array, node.index):
                what = "its output" if name == "out" else f"its input {name}"
                raise TapeError(
                    f"backward of {node.name} needs {what}, shape {array.shape}, but an in-place operation overwrote it",
                    fix="do not change it in place before backward, or change a clone: x = x.clone()",
                )


def _freed(node: Node) -> TapeError:
    return TapeError(
        f"backward a second time through {node.name}: the first pass freed what it had saved",
        fix="pass retain_graph=True to the first backward, or compute the output anew",
    )


def _is_view(value: Any) -> bool:
    array = value.array if isinstance(value, TensorBase) else value
    return getattr(array, "base", None) is not None


def _copy(value: Any) -> Any:
    if isinstance(value, TensorBase):
        return wrap(value.result_class, value.array.copy(), value.node)
    return value.copy()


# --- what users call ------------------------------------------------------------------------------------------------


def _roots(outputs: Sequence[Any], cotangents: Sequence[Any], create_graph: bool) -> dict[Node, Any]:
    """The nodes to start from with their cotangents, checked; ones for outputs of one element."""
    roots: dict[Node, Any] = {}
    for position, (output, given) in enumerate(zip(outputs, cotangents, strict=True)):
        refresh(output)
        node, array = output.node, output.array
        if node is None:
            raise TapeError(
                f"output {position}, shape {array.shape}, does not require a gradient: nothing was recorded",
                fix="make its inputs with requires_grad=True, and compute it outside of no_grad and detach",
            )
        if given is None:
            if array.size != 1:
                raise ShapeError(
                    f"backward on a tensor of shape {array.shape}: a gradient is implied only for one element",
                    fix="reduce it first, as in loss.sum().backward(), or pass gradient= of the same shape",
                )
            g = xp(array).ones_like(array)
        else:
            g = given.array if isinstance(given, TensorBase) else as_array_on(array, given)
            if g.shape != node.shape:
                raise ShapeError(f"the gradient has shape {g.shape}, the output it belongs to {node.shape}")
            g = g.astype(node.dtype, copy=node.op is None)
        if create_graph:
            g = wrap(output.result_class, g, given.node if isinstance(given, TensorBase) else None)
        roots[node] = roots[node] + g if node in roots else g
    return roots


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of ``tensors`` to ``.grad`` of the leaves they depend on.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
    grad_tensors : Tensor or sequence, optional
        Cotangents, of the tensors' shapes; may be left out for tensors of one element.
    retain_graph : bool, optional
        Keep the saved values for another backward. Default: the value of ``create_graph``.
    create_graph : bool, default False
        Record the backward pass itself, for derivatives of higher order.
    inputs : sequence of Tensor, optional
        Add to the gradients of these only.

    Errors
    ------
    TapeError if nothing was recorded, the tape was freed, or a needed value was overwritten. ShapeError if a
    cotangent is missing or has another shape. In every case no ``.grad`` has been touched.
    """
    outputs = _as_list(tensors)
    given = [None] * len(outputs) if grad_tensors is None else _as_list(grad_tensors)
    chosen = None if inputs is None else _as_list(inputs)
    with enable_grad() if create_graph else no_grad():
        arrived = walk(
            _roots(outputs, given, create_graph),
            stops=None if chosen is None else _nodes_of(chosen),
            create_graph=create_graph,
            retain_graph=create_graph if retain_graph is None else retain_graph,
        )
        if chosen is None:
            owners = ((node.tensor(), g) for node, g in arrived.items())  # type: ignore[attr-defined]
        else:
            owners = ((tensor, arrived.get(tensor.node)) for tensor in {id(t): t for t in chosen}.values())
        for tensor, g in owners:
            if tensor is not None and g is not None:
                _accumulate(tensor, g, create_graph)


def _accumulate(tensor: Any, g: Any, create_graph: bool) -> None:
    """Add an arrived cotangent to ``tensor.grad``: in place, unless that would change a recorded value."""
    if not isinstance(g, TensorBase):
        g = wrap(tensor.result_class, as_array_on(tensor.array, g))
    before = tensor.grad
    if before is None:
        tensor.grad = g
    elif before.array.shape != g.array.shape:
        raise ShapeError(f".grad was set to shape {before.array.shape}, but its tensor has shape {g.array.shape}")
    elif create_graph or before.node is not None:
        tensor.grad = before + g
    else:
        before.array += g.array
        mark_written(before.array)


def _nodes_of(inputs: Sequence[Any]) -> list[Node]:
    nodes = []
    for position, tensor in enumerate(inputs):
        refresh(tensor)
        if tensor.node is None:
            raise TapeError(
                f"input {position}, shape {tensor.array.shape}, does not require a gradient",
                fix="call requires_grad_() on it before computing the output",
            )
        nodes.append(tensor.node)
    return nodes


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Inputs may be leaves or values computed on the way.
    grad_outputs : Tensor or sequence, optional
        Cotangents, of the outputs' shapes; may be left out for outputs of one element.
    retain_graph, create_graph
        As for :func:`backward`.
    allow_unused : bool, default False
        Return None for an input that no output depends on, instead of raising.
    materialize_grads : bool, default False
        Return zeros for such an input.

    Returns
    -------
    tuple of Tensor
        One for each input, with its shape, dtype and device.

    >>> from tinygrad_mp import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> (second,) = grad(first, x)
    >>> first.item(), second.item()
    (27.0, 18.0)
    """
    sources, wanted = _as_list(outputs), _as_list(inputs)
    given = [None] * len(sources) if grad_outputs is None else _as_list(grad_outputs)
    nodes = _nodes_of(wanted)
    with enable_grad() if create_graph else no_grad():
        arrived = walk(
            _roots(sources, given, create_graph),
            stops=nodes,
            create_graph=create_graph,
            retain_graph=create_graph if retain_graph is None else retain_graph,
        )
    results: list[Any] = []
    for position, (tensor, node) in enumerate(zip(wanted, nodes, strict=True)):
        g = arrived.get(node)
        if g is None and materialize_grads:
            g = xp(tensor.array).zeros_like(tensor.array)
        elif g is None and not allow_unused:
            raise TapeError(
                f"input {position}, shape {node.shape}, was not used to compute the outputs",
                fix="pass allow_unused=True to get None for it",
            )
        if g is not None and not isinstance(g, TensorBase):
            g = wrap(tensor.result_class, as_array_on(tensor.array, g))
        results.append(g)
    return tuple(results)


class RemovableHook:
    """Returned by ``register_hook``; ``remove()`` takes the hook off again. Also a context manager."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self.hook = hooks, hook

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        self._hooks[:] = [hook for hook in self._hooks if hook is not self.hook]

    def __enter__(self) -> RemovableHook:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


def add_hook(tensor: TensorBase, function: Callable[[Any], Any]) -> RemovableHook:
    """Call ``function(cotangent)`` when the cotangent of ``tensor`` is complete; a returned tensor replaces it."""
    refresh(tensor)
    if tensor.node is None:
        raise TapeError("a hook on a tensor that does not require a gradient", fix="call requires_grad_() first")
    node, cls = tensor.node, tensor.result_class
    if node.hooks is None:
        node.hooks = []

    def hook(g: Any) -> Any:
        lifted = g if isinstance(g, TensorBase) else wrap(cls, xp(g).asarray(g))
        answer = function(lifted)
        if answer is None:
            return g
        if answer.array.shape != node.shape:
            raise ShapeError(f"a hook returned shape {answer.array.shape} for a cotangent of shape {node.shape}")
        return answer if isinstance(g, TensorBase) else answer.array

    node.hooks.append(hook)
    return RemovableHook(node.hooks, hook)


def retain_grad(tensor: TensorBase) -> None:
    """Let backward store the cotangent of a tensor that is not a leaf in its ``.grad``."""
    holder = ref(tensor)

    def keep(g: Any) -> None:
        alive = holder()
        if alive is not None:
            _accumulate(alive, _copy(g), create_graph=g.node is not None)

    if not any(getattr(hook, "keeps_gradient", False) for hook in tensor.node.hooks or ()):  # type: ignore[union-attr]
        hooks = add_hook(tensor, keep)
        hooks.hook.keeps_gradient = True


def _run_hooks(node: Node, g: Any) -> Any:
    for hook in list(node.hooks or ()):
        g = hook(g)
    return g
