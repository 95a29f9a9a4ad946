"""The walk backward along the tape: newest node first, each node once, freeing as it goes.

Nodes are numbered as they are made, so the parents of a node always have smaller numbers than the node itself. The
walk keeps the nodes that have received a cotangent in order of their numbers and always goes on with the newest. When
it gets to a node, all of the node's children are behind it, so its cotangent is complete.
"""

from __future__ import annotations

import operator
import threading
from bisect import insort
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tinygrad_mp.backend import as_array_on, is_array, xp
from tinygrad_mp.errors import TapeError
from tinygrad_mp.primitive import project
from tinygrad_mp.registry import (
    GIVEN_G,
    GIVEN_MANY,
    GIVEN_NODE,
    GIVEN_ONE,
    GIVEN_PARAMS,
    IS_G,
    MINUS_G,
    NOTHING,
    PART,
    Links,
)
from tinygrad_mp.tape import Node, TensorBase, wrap
from tinygrad_mp.writes import log as write_log
from tinygrad_mp.writes import overwritten_since

_by_index = operator.attrgetter("index")


def dependencies(roots: Sequence[Node]) -> list[Node]:
    """The nodes that ``roots`` depend on, themselves included, oldest first. No recursion: chains may be long."""
    found = set(roots)
    nodes = list(found)
    for node in nodes:  # the list grows while it is walked
        for parent in node.parents:
            if parent not in found:
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
    first one to arrive is kept as it is, the second makes a fresh sum, later ones add into that sum in place. So do
    rules of large arrays, where nobody else holds the cotangent.
    """
    targets = set(stops or ())
    useful = None if stops is None else _ancestors_of(targets, dependencies(list(roots)))
    ordinary = useful is None and not create_graph
    arrived: dict[Node, Any] = {}
    at_leaves: dict[Node, Any] = {}  # leaves may belong to several tapes at once, so nothing is kept on them
    pending: list[Node] = []  # oldest first
    held, owned = object(), object()  # marks of this walk on nodes: a cotangent, or memory that nobody else holds
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
            if node.state is not held and node.state is not owned:
                raise _two_walks(node)
            if node.hooks is not None:
                g = run_hooks(node, g)
                last_write = write_log.latest
            op: Any = node.op
            links, saved = node.rules, node.saved
            mark, alone = held, False  # alone: nobody else holds g, and no second rule asks for it
            if not ordinary and useful is not None:
                if node in targets:
                    arrived[node] = copied(g)
                if node not in useful:
                    continue
            if saved is None:
                raise _freed(node)
            if node.index < last_write:
                _refuse_overwritten(node)
            if create_graph or op.special:
                if op is PART:
                    _collect_part(node, g, pending, held)
                    continue
                if op.outputs:
                    g = _fill_missing(node, g)
                if create_graph:
                    saved = _lift(node, saved, g)
                if op.variadic:
                    links = _links_to_parts(node, g, saved)
                elif op.large is op and not create_graph:
                    mark, alone = owned, node.state is owned and node.hooks is None and len(node.parents) == 1
                    links = _reusing(links) if alone else links
            for parent in node.parents:
                kind, function, first, picks, names, _, links = links
                if not (ordinary or useful is None or parent in useful or parent in targets):
                    continue
                alike = node.dtype is parent.dtype and node.shape == parent.shape
                if kind == IS_G and alike:
                    pulled = g
                else:
                    if kind == GIVEN_ONE:
                        pulled = function(g, saved[first])
                    elif kind == MINUS_G and alike and not create_graph and parent in at_leaves:
                        at_leaves[parent] -= g  # saves the array of -g
                        continue
                    elif kind <= GIVEN_G:
                        pulled = function(g)
                    elif kind == GIVEN_PARAMS:
                        pulled = function(g, *[saved[i] for i in picks], **{name: node.params[name] for name in names})
                    elif kind == GIVEN_MANY:
                        pulled = function(g, *[saved[i] for i in picks])
                    else:
                        continue  # a custom function gave no gradient
                    if alike and op.elementwise:
                        pass  # the rule's result has the shape and dtype of g
                    elif pulled.shape != parent.shape or pulled.dtype is not parent.dtype:
                        pulled = project(pulled, parent)
                if parent.op is None:
                    before = at_leaves.get(parent)
                    if before is None:  # a gradient shares memory with nothing
                        shared = (pulled is g and not alone) or _is_view(pulled)
                        at_leaves[parent] = copied(pulled) if shared else pulled
                    elif create_graph:
                        at_leaves[parent] = before + pulled
                    else:
                        total = before
                        total += pulled
                        if total is not before:  # of a 0-d array NumPy makes a scalar, which has no "in place"
                            at_leaves[parent] = total
                    continue
                before = parent.cotangent
                if before is None:
                    parent.cotangent, parent.state = pulled, held
                    if mark is owned and (alone or pulled is not g) and not _is_view(pulled):
                        parent.state = owned
                    if not pending or pending[-1].index < parent.index:
                        pending.append(parent)
                    else:
                        insort(pending, parent, key=_by_index)
                elif parent.state is owned and not create_graph:
                    before += pulled
                    parent.cotangent = before
                elif parent.state is held or parent.state is owned:
                    parent.cotangent, parent.state = before + pulled, owned
                else:
                    raise _two_walks(parent)
            if not retain_graph:
                node.saved = None
                node.parents = ()
        for node, g in at_leaves.items():
            if useful is None or node in targets:
                arrived[node] = g if node.hooks is None else run_hooks(node, g)
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
        f"two threads run backward through {node.name()} at the same time", fix="let one finish before the other begins"
    )


def _collect_part(node: Node, g: Any, pending: list[Node], mark: object) -> None:
    """Keep the cotangent of one output of several until the walk reaches the primitive they come from."""
    whole: Any = node.parents[0]
    if whole.cotangent is None:
        whole.cotangent, whole.state = [None] * len(whole.shape), mark
        insort(pending, whole, key=_by_index)
    before = whole.cotangent[node.params]
    whole.cotangent[node.params] = g if before is None else before + g


def _ancestors_of(targets: set[Node], order: list[Node]) -> set[Node]:
    """The nodes of ``order`` from which a walk reaches a target."""
    found: set[Node] = set()
    for node in order:
        if node.saved is None:  # its parents are gone: nobody knows whether a target lies behind it
            raise _freed(node)
        if any(parent in found or parent in targets for parent in node.parents):
            found.add(node)
    return found


def _links_to_parts(node: Node, g: Any, saved: tuple[Any, ...]) -> Links | None:
    """The rules of a primitive of ``*arrays``: each returns its part of what the one rule computes."""
    op: Any = node.op
    kind, function, _, picks, names = op.rules[0]
    if kind == GIVEN_NODE:
        parts = function(g, node)
    else:
        parts = function(g, *[saved[i] for i in picks], **{name: node.params[name] for name in names})
    links: Links | None = None
    for position in reversed(node.rules):
        part = parts[position]
        links = (NOTHING if part is None else GIVEN_G, partial(_given, part), -1, (), (), position, links)
    return links


def _reusing(links: Links) -> Links:
    """The one rule of a large elementwise primitive, which may write its result into the memory of g."""
    kind, function, *rest = links
    return (kind, partial(function, reuse=True) if MINUS_G <= kind <= GIVEN_MANY else function, *rest)


def _given(part: Any, g: Any) -> Any:
    return part


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
    cls = (g if isinstance(g, TensorBase) else next(part for part in g if part is not None)).result_class

    def lift(value: Any, origin: Node | None) -> Any:
        return wrap(cls, value, origin) if is_array(value) and value.dtype.kind in "fc" else value

    op = node.op
    assert op is not None, "a leaf has saved nothing"
    count = len(op.input_names)
    origins = dict(zip(_positions(node), node.parents, strict=True))
    values = saved[0] or () if op.variadic else saved[:count]
    inputs: list[Any] = [lift(value, origins.get(position)) for position, value in enumerate(values)]
    if op.variadic:
        inputs = [tuple(inputs) if saved[0] is not None else None]
    return (*inputs, lift(saved[count], node), *saved[count + 1 :])


def _positions(node: Node) -> Iterator[int]:
    """The positions of a node's parents among the inputs of its primitive."""
    op: Any = node.op
    links = node.rules
    if op.variadic:
        yield from links
        return
    while links is not None:
        *_, position, links = links
        yield position


def _refuse_overwritten(node: Node) -> None:
    op, saved = node.op, node.saved or ()
    names = (*op.input_names, "out") if op is not None else ()
    for name, value in zip(names, saved, strict=False):
        for array in value if isinstance(value, tuple) else (value,):
            if is_array(array) and overwritten_since(array, node.index):
                what = "its output" if name == "out" else f"its input {name}"
                raise TapeError(
                    f"backward of {node.name()} needs {what} {array.shape}, but an in-place operation overwrote it",
                    fix="do not change it in place before backward, or change a clone: x = x.clone()",
                )


def _freed(node: Node) -> TapeError:
    return TapeError(
        f"backward a second time through {node.name()}: the first pass freed what it had saved",
        fix="pass retain_graph=True to the first backward, or compute the output anew",
    )


def _is_view(value: Any) -> bool:
    array = value.array if isinstance(value, TensorBase) else value
    return getattr(array, "base", None) is not None


def copied(value: Any) -> Any:
    """A cotangent in memory of its own, at the same place on the tape."""
    if isinstance(value, TensorBase):
        return wrap(value.result_class, value.array.copy("K"), value.node)
    return value.copy("K")  # in its own order of axes, which is faster than any other


def run_hooks(node: Node, g: Any) -> Any:
    """The cotangent of a node after its hooks have seen it, and perhaps replaced it."""
    for hook in list(node.hooks or ()):
        g = hook(g)
    return g
