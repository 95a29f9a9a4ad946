"""What lies on the tape: ``Node``, ``Leaf``, what the tape knows of a tensor, and views."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias
from weakref import ref

from tinygrad_mp.backend import device_of
from tinygrad_mp.errors import DeviceError, DTypeError, ShapeError, TapeError
from tinygrad_mp.grad_mode import enable_grad
from tinygrad_mp.writes import next_index, overwritten_since

if TYPE_CHECKING:
    from tinygrad_mp.registry import Op

_new = object.__new__
Steps: TypeAlias = tuple[tuple[Callable[..., Any], dict[str, Any]], ...]


class Node:
    """One application of a primitive on the tape.

    ``saved`` holds raw arrays in the order of the primitive's inputs, then its output, then input shapes, with None
    where no rule asks. It is None as a whole once backward has freed the node. ``parents`` are the nodes of the inputs
    that need a gradient, none once backward has freed the node: nodes, never tensors, so no reference cycle can form,
    and a tape dies with its last tensor. ``rules`` are the VJP rules that lead to them, linked one to the next
    (:data:`registry.Links`); the positions of the parents, if the primitive takes ``*arrays``.
    ``cotangent`` and ``state`` are used by walks; ``place``, the user's line, is known under ``detect_anomaly`` only.
    ``index`` grows with every node made, so parents have smaller indices than their children.
    """

    __slots__ = (
        "cotangent",
        "dtype",
        "hooks",
        "index",
        "op",
        "params",
        "parents",
        "place",
        "rules",
        "saved",
        "shape",
        "state",
    )

    op: Op | None
    parents: tuple[Node, ...]
    rules: Any
    saved: tuple[Any, ...] | None
    params: Any
    shape: Any
    dtype: Any
    index: int
    hooks: list[Callable[[Any], Any]] | None
    cotangent: Any
    state: object
    place: str | None

    def name(self) -> str:
        """The name of the primitive; "leaf" where gradients arrive."""
        return self.op.name if self.op is not None else "leaf"

    @property
    def next_functions(self) -> tuple[tuple[Node, int], ...]:
        """The nodes of the inputs that need a gradient, as PyTorch gives them: each with the number of the output."""
        return tuple((parent, 0) for parent in self.parents)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Leaf(Node):
    """Where gradients arrive: the node of a tensor that the user asked gradients for."""

    __slots__ = ("after", "tensor")

    after: list[Callable[[Any], None]] | None

    def __init__(self, tensor: TensorBase) -> None:
        self.op = self.rules = self.params = self.hooks = self.cotangent = None
        self.parents, self.saved = (), ()
        self.shape, self.dtype, self.index = tensor.array.shape, tensor.array.dtype, next_index()
        self.tensor, self.after = ref(tensor), None

    @property
    def variable(self) -> TensorBase | None:
        """The tensor whose gradient arrives here, if it still lives."""
        return self.tensor()


def _set_grad(tensor: TensorBase, grad: Any) -> None:
    """Assign to ``.grad``, as users do; the engine writes the slot itself."""
    if grad is not None:
        if not isinstance(grad, TensorBase):
            raise DTypeError(f".grad is a tensor or None, not {type(grad).__name__}", fix="use tensor(data)")
        found, wanted = grad.array, tensor.array
        if grad is tensor:
            raise TapeError("a tensor cannot be its own .grad", fix="assign a clone: x.grad = x.clone()")
        if found.shape != wanted.shape:
            raise ShapeError(f".grad of shape {found.shape} is assigned to a tensor of shape {wanted.shape}")
        if found.dtype != wanted.dtype:
            raise DTypeError(f".grad of {found.dtype} is assigned to a {wanted.dtype} tensor", fix="convert it")
        if device_of(found) != device_of(wanted):
            raise DeviceError(f".grad on {device_of(found)} is assigned to a tensor on {device_of(wanted)}")
    tensor._grad = grad


class TensorBase:
    """What the tape knows of a tensor: its array, its node (None: no gradient), its gradient, what it is a view of.

    The result of a primitive has the ``result_class`` of its first tensor operand: the operand's own class, unless
    the class names another, as a Parameter names Tensor.
    """

    __slots__ = ("__weakref__", "_grad", "array", "node", "view_of")

    result_class: ClassVar[type]
    array: Any
    node: Node | None
    _grad: Any
    view_of: View | None
    grad: Any = property(attrgetter("_grad"), _set_grad)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "result_class" not in cls.__dict__:
            cls.result_class = cls


def wrap(cls: type, array: Any, node: Node | None = None) -> Any:
    """A tensor of class ``cls`` over ``array``, which is not copied."""
    tensor: Any = _new(cls)
    tensor.array, tensor.node, tensor._grad, tensor.view_of = array, node, None, None
    return tensor


def make_node(op: Op, parents: tuple[Node, ...], rules: Any, saved: tuple[Any, ...], params: Any, like: Any) -> Node:
    """Put one application of ``op`` on the tape; ``like`` has the output's shape and dtype."""
    node = Node()
    node.op, node.parents, node.rules, node.saved, node.params = op, parents, rules, saved, params
    node.hooks = node.cotangent = None
    node.shape, node.dtype, node.index = like.shape, like.dtype, next_index()
    return node


class View:
    """Which tensor a view shows, by which primitives, and when its node was made."""

    __slots__ = ("base", "made_at", "steps")

    def __init__(self, base: TensorBase, steps: Steps) -> None:
        self.base, self.steps, self.made_at = base, steps, next_index()


def replay(source: Any, steps: Steps) -> Any:
    """Apply a chain of views to another array or tensor of the base's shape."""
    for call, params in steps:
        source = call(source, **params)
    return source


def view_between(tensor: TensorBase, out: Any, call: Callable[..., Any], params: dict[str, Any]) -> View | None:
    """The View by which ``out = call(tensor)`` shows the memory of ``tensor``; None when it has memory of its own."""
    array, memory = tensor.array, out.base
    if memory is None or (memory is not array and memory is not array.base):
        return None
    below = tensor.view_of
    if below is None:
        return View(tensor, ((call, params),))
    return View(below.base, (*below.steps, (call, params)))


def refresh(tensor: TensorBase) -> None:
    """Make the node of a view anew if the memory under it was written since it was made."""
    view = tensor.view_of
    if view is None or not overwritten_since(tensor.array, view.made_at):
        return
    view.made_at = next_index()
    with enable_grad():
        tensor.node = replay(view.base, view.steps).node
