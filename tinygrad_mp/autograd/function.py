"""``Function``: an operation whose forward and backward pass the user writes, with tensors, as two static methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, ClassVar

from tinygrad_mp.autograd.pulling import Shapes, node_of, pull_back
from tinygrad_mp.errors import DTypeError, TapeError, UnsupportedError
from tinygrad_mp.grad_mode import is_grad_enabled, no_grad
from tinygrad_mp.registry import GIVEN_NODE, PART, Op
from tinygrad_mp.tape import Leaf, Node, TensorBase, make_node, wrap
from tinygrad_mp.writes import mark_written, next_index, overwritten_since

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]

watch: Callable[[str, Sequence[Any], Sequence[Any]], None] | None = None
"""What looks for NaN in inputs and outputs, while :mod:`tinygrad_mp.autograd.anomaly_mode` is on."""


class _Saved:
    """One saved tensor: its class, array and node, or of which output it is the value. Never the tensor itself.

    An output holds the node, which holds the context: a tensor saved as such would be a cycle.
    """

    __slots__ = ("array", "cls", "made_at", "node", "output")

    def __init__(self, tensor: Any, output: int | None) -> None:
        self.cls, self.array, self.made_at, self.output = type(tensor), tensor.array, next_index(), output
        self.node = tensor.node if output is None else None

    def off_the_tape(self) -> _Saved:
        """The same without its node."""
        other: _Saved = object.__new__(_Saved)
        other.cls, other.array, other.made_at, other.output, other.node = self.cls, self.array, self.made_at, None, None
        return other


class FunctionCtx:
    """What ``forward`` leaves for ``backward``; any attribute may be set on it.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        For each argument of ``forward``, whether a gradient is wanted.
    saved_tensors : tuple of Tensor
        What ``save_for_backward`` was given; in ``backward`` only.
    """

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._saved: tuple[_Saved | None, ...] = ()
        self._node: Node | None = None
        self._dirty: tuple[Any, ...] = ()
        self._constant: tuple[Any, ...] = ()
        self._materialize = True
        self._class: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None), inputs and outputs above all, for ``saved_tensors``; the last call counts.

        Errors
        ------
        TypeError for anything else: set it as an attribute instead.
        """
        for position, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, TensorBase):
                raise DTypeError(
                    f"save_for_backward: argument {position} is a {type(tensor).__name__}, not a tensor",
                    fix="keep it as an attribute: ctx.name = value",
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Accepted for PyTorch's sake; there is no forward mode that would ask for them."""

    def mark_dirty(self, *tensors: Any) -> None:
        """Say that ``forward`` changed these inputs in place; each must also be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say that these outputs have no derivative; ``backward`` still gets a cotangent for each, zeros."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (the default) or None for outputs that nothing depends on."""
        self._materialize = bool(value)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The saved tensors, at their places on the tape. TapeError if one has been overwritten since."""
        return tuple(None if saved is None else self._restored(saved) for saved in self._saved)

    def _restored(self, saved: _Saved) -> Any:
        if overwritten_since(saved.array, saved.made_at):
            raise TapeError(
                f"a tensor saved for backward, shape {saved.array.shape}, was changed by an in-place operation since",
                fix="do not change it in place before backward, or save a clone",
            )
        node = saved.node
        if saved.output is not None and self._node is not None and saved.array.dtype.kind in "fc":
            node = self._node
            if isinstance(node.shape, Shapes):
                node = make_node(PART, (node,), None, (), saved.output, saved.array)
        return wrap(saved.cls, saved.array, node)


class _Several:
    """The shapes and dtypes of several outputs, in the place of one output's; None where an output is no tensor."""

    def __init__(self, outputs: Sequence[Any]) -> None:
        self.shape = Shapes(out.array.shape if isinstance(out, TensorBase) else None for out in outputs)
        self.dtype = tuple(out.array.dtype if isinstance(out, TensorBase) else None for out in outputs)


class Function:
    """An operation with a backward pass of its own. Derive from it, and call ``apply``.

    Write two static methods. ``forward(ctx, *args)`` computes, with tensors, unrecorded; arguments may be anything.
    ``backward(ctx, *grad_outputs)`` takes a cotangent for each output and returns one gradient for each argument of
    ``forward``, None for those without. Instead of taking ``ctx``, ``forward(*args)`` may leave the context to a third
    method, ``setup_context(ctx, inputs, output)``.

    ``backward`` is recorded under ``create_graph=True``: second derivatives are right if it computes with tensors, and
    is decorated with :func:`once_differentiable` otherwise.

    Errors
    ------
    TapeError (a RuntimeError) for a wrong number of gradients, or one for what is no tensor. ShapeError for a gradient
    whose shape does not broadcast down to its input's.

    >>> import tinygrad_mp as tg
    >>> class Cube(tg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    _op: ClassVar[Op]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._op = _op_of(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TapeError(
            f"{type(self).__name__} is not to be instantiated",
            fix=f"make forward and backward static methods, and call {type(self).__name__}.apply(...)",
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: a tensor, or a tuple. To be overridden."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save on ``ctx`` what ``backward`` needs. To be overridden by functions whose ``forward`` takes no ctx."""
        raise NotImplementedError("setup_context is not overridden, so forward takes ctx itself")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return one gradient for each argument of ``forward``. To be overridden."""
        raise NotImplementedError("a Function that is differentiated needs a static method backward(ctx, *grads)")

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name for ``backward``."""
        raise NotImplementedError("a Function that is differentiated needs a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` on ``args`` and put the result on the tape."""
        separate = cls.setup_context is not Function.setup_context
        ctx = FunctionCtx()
        if separate or kwargs:
            bound = signature(cls.forward).bind(*(args if separate else (ctx, *args)), **kwargs)
            bound.apply_defaults()
            args = bound.args if separate else bound.args[1:]
        nodes = [node_of(arg) for arg in args]
        ctx.needs_input_grad = tuple(node is not None for node in nodes)
        with no_grad():
            result = cls.forward(*args) if separate else cls.forward(ctx, *args)
            if separate:
                cls.setup_context(ctx, args, result)
        raw = list(result) if isinstance(result, tuple) else [result]
        if watch is not None:
            watch(cls.__name__, args, raw)
        _check_dirty(cls, ctx, args, raw)
        recording = is_grad_enabled() and any(ctx.needs_input_grad)
        outputs = [_output(cls, ctx, out, args, recording) for out in raw]
        if recording:
            _record(cls, ctx, nodes, args, raw, outputs)
        if not isinstance(result, tuple):
            return outputs[0]
        return tuple(outputs) if type(result) is tuple else type(result)(*outputs)


def _is_one_of(value: Any, several: Sequence[Any]) -> bool:
    return any(value is one for one in several)


def _check_dirty(cls: type, ctx: FunctionCtx, args: Sequence[Any], outputs: Sequence[Any]) -> None:
    for tensor in ctx._dirty:
        if not _is_one_of(tensor, args):
            raise TapeError(f"{cls.__name__}: mark_dirty was given a tensor that is not an input")
        if not _is_one_of(tensor, outputs):
            raise TapeError(f"{cls.__name__}: mark_dirty was given an input that forward does not return")
        mark_written(tensor.array)


def _output(cls: type, ctx: FunctionCtx, out: Any, args: Sequence[Any], recording: bool) -> Any:
    """What the user gets for one output: itself; another tensor over the same memory where it is somebody else's."""
    if not isinstance(out, TensorBase):
        return out
    if _is_one_of(out, ctx._dirty):
        if recording and isinstance(out.node, Leaf):
            raise TapeError(
                f"{cls.__name__}: a leaf that requires a gradient, shape {out.array.shape}, is changed in place",
                fix="give it a clone",
            )
        if recording and out.view_of is not None:
            raise UnsupportedError(f"{cls.__name__}: a view is changed in place", fix="give it a clone")
        return out
    foreign = _is_one_of(out, args) or out.view_of is not None or isinstance(out.node, Leaf)
    return wrap(out.result_class, out.array) if foreign else out


def _record(
    cls: type[Function],
    ctx: FunctionCtx,
    nodes: Sequence[Node | None],
    args: Sequence[Any],
    raw: Sequence[Any],
    outputs: Sequence[Any],
) -> None:
    """Put the outputs on the tape: one node for the function and, if there are several outputs, one for each."""
    tensors = [out for out in outputs if isinstance(out, TensorBase)]
    if not tensors:
        return
    ctx._class = tensors[0].result_class
    ctx._saved = tuple(
        None if tensor is None else _Saved(tensor, next((i for i, out in enumerate(raw) if out is tensor), None))
        for tensor in ctx._to_save
    )
    parents = tuple(node for node in nodes if node is not None)
    places = tuple(position for position, node in enumerate(nodes) if node is not None)
    are_tensors = tuple(isinstance(arg, TensorBase) for arg in args)
    several = len(outputs) > 1
    like = _Several(outputs) if several else tensors[0].array
    whole = make_node(cls._op, parents, places, (None, None, ctx), are_tensors, like)
    for position, (out, made) in enumerate(zip(outputs, raw, strict=True)):
        if not isinstance(out, TensorBase):
            continue
        if out.array.dtype.kind not in "fc" or _is_one_of(made, ctx._constant):
            out.node = None
        else:
            out.node = make_node(PART, (whole,), None, (), position, out.array) if several else whole
    ctx._to_save = ctx._dirty = ctx._constant = ()  # tensors that would hold the node that holds the context


# --- backward -------------------------------------------------------------------------------------------------------


def _op_of(cls: type[Function]) -> Op:
    """What the tape needs to know of a function, above all how to call its ``backward``."""

    def pull(g: Any, node: Node) -> Sequence[Any]:
        return pull_back(cls, cls.vjp if cls.backward is Function.backward else cls.backward, g, node)

    op = Op()
    op.name, op.input_names, op.special, op.variadic = cls.__name__, ("inputs",), True, True
    op.outputs = op.elementwise = op.view = op.linear = False
    op.large = None
    op.rules = ((GIVEN_NODE, pull, -1, (), ()),)
    return op


# --- once only ------------------------------------------------------------------------------------------------------


class _Refuse(Function):
    """Passes gradients on; differentiating it again is what cannot be done."""

    @staticmethod
    def forward(ctx: Any, count: int, *values: Any) -> Any:
        """The first ``count`` values; the others say what they came from."""
        return values[:count]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Refuse."""
        raise TapeError(
            "trying to differentiate twice a function that was marked with @once_differentiable",
            fix="write its backward with tensors, and take the decorator off",
        )


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a ``backward`` that computes otherwise than with tensors: a second derivative through it raises.

    >>> import tinygrad_mp as tg
    >>> class Sine(tg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x.sin()
    ...
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * tg.as_tensor(np.cos(x.numpy()))
    """

    @wraps(function)
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        # Inside no_grad the saved tensors still say that they require a gradient, which .numpy() would refuse.
        origins = [one for one in (*grad_outputs, *ctx.saved_tensors) if node_of(one) is not None]
        kept, ctx._saved = ctx._saved, tuple(None if one is None else one.off_the_tape() for one in ctx._saved)
        try:
            with no_grad():
                answer = function(ctx, *(_detached(one) for one in grad_outputs))
        finally:
            ctx._saved = kept
        if not (is_grad_enabled() and origins):
            return answer
        several = answer if isinstance(answer, tuple) else (answer,)
        places = [i for i, one in enumerate(several) if isinstance(one, TensorBase)]
        refusing = _Refuse.apply(len(places), *(several[i] for i in places), *origins)
        result = list(several)
        for place, one in zip(places, refusing, strict=True):
            result[place] = one
        return tuple(result)

    return backward


def _detached(value: Any) -> Any:
    return wrap(value.result_class, value.array) if isinstance(value, TensorBase) else value


class InplaceFunction(Function):
    """A :class:`Function`, under a name that older programs use."""
