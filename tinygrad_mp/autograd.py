"""The tape: how operations are recorded and how gradients flow back. Read this file first.

A *primitive* is a function on arrays with a VJP rule (vector-Jacobian product) for each input that has a derivative.
A rule takes the cotangent ``g`` of the output and, **by the names of its parameters**, what else it needs: an input,
an input's ``_shape``, a keyword parameter, or ``out``::

    @primitive(x=lambda g, y: g * y, y=lambda g, x: g * x)
    def mul(x, y):
        return x * y

Given arrays, a primitive computes. Given tensors, it computes on their arrays and, if one of them needs a gradient,
records a Node: which primitive, which parents, and the values that the rules name (``calls.py``, ``tape.py``). Nodes
are numbered as they are made, so the parents of a node always have smaller numbers than the node itself: **sorting by
number is a topological order**, and backward simply walks from the newest node to the oldest (``walk.py``).

Rules are written with primitives and operators. On arrays they compute; under ``create_graph=True`` they are handed
tensors and therefore record, which is all that second and higher derivatives take.

One invariant holds throughout, kept by ``primitive.project`` alone: a cotangent has the shape, dtype and device of its
primal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from tinygrad_mp.absent import lookup
from tinygrad_mp.backend import as_array_on, xp
from tinygrad_mp.errors import ShapeError, TapeError
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.tape import Node, TensorBase, refresh, wrap
from tinygrad_mp.walk import copied, walk
from tinygrad_mp.writes import mark_written


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
            _accumulate(alive, copied(g), create_graph=g.node is not None)

    if not any(getattr(hook, "keeps_gradient", False) for hook in tensor.node.hooks or ()):  # type: ignore[union-attr]
        hooks = add_hook(tensor, keep)
        hooks.hook.keeps_gradient = True


__getattr__ = lookup("autograd")
