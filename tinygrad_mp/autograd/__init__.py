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

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from threading import RLock
from typing import Any
from weakref import ref

from tinygrad_mp.absent import missing
from tinygrad_mp.backend import as_array_on, xp
from tinygrad_mp.errors import SettingError, ShapeError, TapeError
from tinygrad_mp.grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from tinygrad_mp.tape import Leaf, Node, TensorBase, refresh, wrap
from tinygrad_mp.walk import copied, walk
from tinygrad_mp.writes import mark_written

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]

_LATER = {
    "Function": "autograd.function",
    "Variable": "autograd.variable",
    "detect_anomaly": "autograd.anomaly_mode",
    "set_detect_anomaly": "autograd.anomaly_mode",
    "gradcheck": "testing.torch_style",
    "gradgradcheck": "testing.torch_style",
}
_MODULES = ("anomaly_mode", "function", "functional", "graph", "profiler", "variable")


def __getattr__(name: str) -> Any:
    """Import these when they are first asked for."""
    if name in _MODULES:
        return import_module(f"tinygrad_mp.autograd.{name}")
    if name in _LATER:
        value = globals()[name] = getattr(import_module(f"tinygrad_mp.{_LATER[name]}"), name)
        return value
    raise missing("autograd", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_MODULES})


_accumulating = RLock()
"""Held while gradients are added to ``.grad``: a leaf may be shared by several threads."""


def _roots(outputs: Sequence[Any], cotangents: Sequence[Any], create_graph: bool) -> dict[Node, Any]:
    """The nodes to start from with their cotangents, checked; ones for outputs of one element."""
    if len(outputs) != len(cotangents):
        raise TapeError(f"{len(outputs)} outputs and {len(cotangents)} gradients", fix="give one, or None, for each")
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
    return [value] if hasattr(value, "shape") or not isinstance(value, Iterable) else list(value)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
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
    grad_variables
        An old name of ``grad_tensors``.
    inputs : Tensor, sequence or dict of Tensor, optional
        Add to the gradients of these only.

    Errors
    ------
    TapeError if nothing was recorded, the tape was freed, or a needed value was overwritten. ShapeError if a
    cotangent is missing or has another shape. In every case no ``.grad`` has been touched.
    """
    outputs = _as_list(tensors)
    if grad_variables is not None:
        if grad_tensors is not None:
            raise TapeError("backward: grad_variables is an old name of grad_tensors, and both were given")
        grad_tensors = grad_variables
    given = [None] * len(outputs) if grad_tensors is None else _as_list(grad_tensors)
    chosen = None
    if inputs is not None:
        chosen = _as_list(inputs.values() if isinstance(inputs, Mapping) else inputs)
        if not chosen:
            raise TapeError("backward: inputs is empty", fix="leave it out to reach all leaves")
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
        with _accumulating:
            for tensor, g in owners:
                if tensor is not None and g is not None:
                    _accumulate(tensor, g, create_graph)
                    if _any_after:
                        _run_hooks_after(tensor)


def _accumulate(tensor: Any, g: Any, create_graph: bool) -> None:
    """Add an arrived cotangent to ``tensor.grad``: in place, unless that would change a recorded value."""
    if not isinstance(g, TensorBase):
        g = wrap(tensor.result_class, as_array_on(tensor.array, g))
    before = tensor.grad
    if before is None:
        tensor._grad = g
    elif before.array.shape != g.array.shape:
        raise ShapeError(f".grad was set to shape {before.array.shape}, but its tensor has shape {g.array.shape}")
    elif create_graph or before.node is not None:
        tensor._grad = before + g
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
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Return the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Inputs may be leaves or values computed on the way; a dict of them is answered with a dict.
    grad_outputs : Tensor or sequence, optional
        Cotangents, of the outputs' shapes; may be left out for outputs of one element.
    retain_graph, create_graph
        As for :func:`backward`.
    only_inputs : bool, default True
        Only True has a meaning, as in PyTorch: gradients of other leaves are never added up here.
    allow_unused : bool, optional
        Return None for an input that no output depends on, instead of raising. Default: ``materialize_grads``.
    is_grads_batched : bool, default False
        ``grad_outputs`` have one axis more, in front: gradients for each entry of it, stacked. One walk for each.
    materialize_grads : bool, default False
        Return zeros for an unused input.

    Returns
    -------
    tuple of Tensor
        One for each input, with its shape, dtype and device.

    Errors
    ------
    TapeError if nothing was recorded, an input was not used, or ``inputs`` is empty. SettingError if ``allow_unused``
    is False though ``materialize_grads`` is True.

    >>> from tinygrad_mp import tensor
    >>> x = tensor(3.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> (second,) = grad(first, x)
    >>> first.item(), second.item()
    (27.0, 18.0)
    """
    if not only_inputs:
        raise SettingError("grad: only_inputs=False means nothing any more", fix="call backward to add to all leaves")
    if materialize_grads and allow_unused is False:
        raise SettingError("grad: materialize_grads=True gives zeros for what allow_unused=False forbids")
    if isinstance(inputs, Mapping):
        options = (retain_graph, create_graph, only_inputs, allow_unused, is_grads_batched, materialize_grads)
        return dict(zip(inputs, grad(outputs, list(inputs.values()), grad_outputs, *options), strict=True))
    sources, wanted = _as_list(outputs), _as_list(inputs)
    if not wanted:
        raise TapeError("grad: inputs is empty", fix="name the tensors whose gradients are wanted")
    given = [None] * len(sources) if grad_outputs is None else _as_list(grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        batched = import_module("tinygrad_mp.autograd.functional").batched_grad
        return batched(sources, wanted, given, retain, create_graph, allow_unused, materialize_grads)
    nodes = _nodes_of(wanted)
    with enable_grad() if create_graph else no_grad():
        arrived = walk(
            _roots(sources, given, create_graph),
            stops=nodes,
            create_graph=create_graph,
            retain_graph=retain,
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


_any_after = False  # whether there ever was such a hook: backward need not look for them at every leaf


def add_hook_after(tensor: TensorBase, function: Callable[[Any], None]) -> RemovableHook:
    """Call ``function(tensor)`` when a backward pass has added to ``.grad`` of a leaf."""
    if not isinstance(tensor.node, Leaf):
        what = "does not require a gradient" if tensor.node is None else "is no leaf"
        raise TapeError(f"register_post_accumulate_grad_hook on a tensor that {what}", fix="register it on a parameter")
    global _any_after
    _any_after = True
    leaf = tensor.node
    leaf.after = [] if leaf.after is None else leaf.after
    leaf.after.append(function)
    return RemovableHook(leaf.after, function)


def _run_hooks_after(tensor: Any) -> None:
    for hook in tuple(getattr(tensor.node, "after", None) or ()):
        if hook(tensor) is not None:
            raise TypeError("a hook after the accumulation of a gradient returned something; it may change x.grad only")


def retain_grad(tensor: TensorBase) -> None:
    """Let backward store the cotangent of a tensor that is not a leaf in its ``.grad``."""
    holder = ref(tensor)

    def keep(g: Any) -> None:
        alive = holder()
        if alive is not None:
            with _accumulating:
                _accumulate(alive, copied(g), create_graph=g.node is not None)

    if not any(getattr(hook, "keeps_gradient", False) for hook in tensor.node.hooks or ()):  # type: ignore[union-attr]
        hooks = add_hook(tensor, keep)
        hooks.hook.keeps_gradient = True
