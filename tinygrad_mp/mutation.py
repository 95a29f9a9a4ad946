"""In-place operations, with the gradients that PyTorch gives.

Writing into a tensor does three things. It changes memory, so every view and every NumPy array over that memory sees
it. It notes the write in the log, so that backward refuses to use a saved value that is gone. And when it is recorded
it gives the *base*, the tensor that owns the memory, a new node: "what was there, with this region replaced". Views
hold no truth of their own: before its next use, a view whose memory was written is replayed from its base.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from tinygrad_mp.backend import array_on, device_of, is_array, xp
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import DTypeError, ShapeError, TapeError
from tinygrad_mp.grad_mode import grad_mode
from tinygrad_mp.ops.indexing import assign, getitem, normalize_index, setitem
from tinygrad_mp.primitive import cast, primitive
from tinygrad_mp.tape import Leaf, Node, Steps, TensorBase, make_node, refresh, replay, wrap
from tinygrad_mp.writes import mark_written

_KINDS = ["b", "iu", "f", "c"]


def _write_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1)
    region = sampler.array(shape)[..., :1]
    steps: Steps = (((lambda x: x[..., :1]), {}),)
    return (sampler.array(shape), sampler.array(region.shape)), {"steps": steps}


@primitive(
    promotes=None,
    cases=_write_case,
    base=lambda g, steps: write(g, 0.0, steps=steps),
    value=lambda g, steps: replay(g, steps),
)
def write(base: Real, value: Real, *, steps: Any) -> Any:
    """``base`` with the region that a chain of views shows replaced by ``value``, which may broadcast."""
    result = base.copy()
    replay(result, steps)[...] = value
    return result


def _refuse_leaf(tensor: Any) -> None:
    base = tensor if tensor.view_of is None else tensor.view_of.base
    if isinstance(base.node, Leaf):
        what = "a leaf that requires a gradient" if base is tensor else "a view of a leaf that requires a gradient"
        raise TapeError(
            f"{what}, shape {base.array.shape}, is changed in place",
            fix="change it inside `with no_grad():`, or make a new tensor: x = x + 1 instead of x += 1",
        )


def copy_into(tensor: Any, value: Any) -> Any:
    """Write ``value`` (a tensor, array or number that broadcasts) into the memory of ``tensor``; returns ``tensor``."""
    refresh(tensor)
    array, node, raw = tensor.array, None, value
    if isinstance(value, TensorBase):
        refresh(value)
        node, raw = value.node, value.array
    recording = _records(tensor, value)
    if recording:
        if array.dtype.kind != "f":
            raise DTypeError(f"a value that requires a gradient cannot be written into a {array.dtype} tensor")
        _refuse_leaf(tensor)
    if is_array(raw) and device_of(raw) != device_of(array):
        raw = array_on(device_of(array), raw)
    if raw is not array:
        if not getattr(array.flags, "writeable", True):
            raise ShapeError(
                f"a tensor of shape {array.shape} cannot be written: its memory is read-only, or shared by its entries",
                fix="write into a clone: x = x.clone()",
            )
        assign(array, raw)
    mark_written(array)
    if recording:
        _rebase(tensor, node, getattr(raw, "shape", ()))
    return tensor


def _rebase(tensor: Any, node: Node | None, value_shape: tuple[int, ...]) -> None:
    """Give the base of ``tensor`` the node of its new value; ``node`` is that of what was written."""
    view = tensor.view_of
    base, steps = (tensor, ()) if view is None else (view.base, view.steps)
    before = None if view is None and node is not None else base.node  # all of it replaced: nothing flows back
    op = write.op  # type: ignore[attr-defined]
    parents = tuple(parent for parent in (before, node) if parent is not None)
    links = op.links_when((before is not None, node is not None))
    base.node = make_node(
        op, parents, links, (None, None, None, base.array.shape, value_shape), {"steps": steps}, base.array
    )


def in_place(call: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place form of an operation: ``x.exp_()`` from ``exp``. Shape and dtype of ``x`` stay."""

    @wraps(call)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        refresh(self)
        recording = _records(self, *args, *kwargs.values())
        if recording:
            _refuse_leaf(self)
        # The tape may keep the old value of self, which the write destroys: let it keep a copy.
        old = wrap(self.result_class, self.array.copy(), self.node) if recording else self
        result = call(old, *args, **kwargs)
        array = self.array
        if result.array.shape != array.shape:
            raise ShapeError(
                f"{call.__name__}_: the result has shape {result.array.shape}, but in place it must keep {array.shape}",
                fix=f"use the form that makes a new tensor: x = {call.__name__}(x, ...)",
            )
        if _rank(result.array) > _rank(array):
            raise DTypeError(
                f"{call.__name__}_: the result is {result.array.dtype}, which does not fit in place into {array.dtype}",
                fix="convert the tensor first, for example x = x.float()",
            )
        if not recording or result.node is None or self.view_of is not None:
            return copy_into(self, result)
        array[...] = result.array
        mark_written(array)
        self.node = (result if result.array.dtype == array.dtype else cast(result, dtype=array.dtype)).node
        return self

    method.__name__ = method.__qualname__ = f"{call.__name__}_"
    method.__doc__ = f"In-place form of :func:`{call.__name__}`: writes the result into this tensor and returns it."
    return method


def _records(*values: Any) -> bool:
    """Whether an operation on these values would be recorded."""
    return grad_mode.enabled and any(isinstance(value, TensorBase) and value.node is not None for value in values)


def _rank(array: Any) -> int:
    return next(rank for rank, kinds in enumerate(_KINDS) if array.dtype.kind in kinds)


def fill_in_place(tensor: Any, fill: Callable[..., Any], *args: Any) -> None:
    """Let ``fill(array, *args)`` write the memory of ``tensor``; where that is recorded, what was there gets no more
    gradient."""
    refresh(tensor)
    if grad_mode.enabled and tensor.node is not None:
        values = xp(tensor.array).empty_like(tensor.array)
        _refuse_leaf(tensor)
        fill(values, *args)
        copy_into(tensor, values)
    else:
        fill(tensor.array, *args)
        mark_written(tensor.array)


def set_item(tensor: Any, index: Any, value: Any) -> None:
    """``tensor[index] = value``, with gradients to what stays and to ``value``."""
    refresh(tensor)
    regular = normalize_index(index, tensor)
    part = getitem(tensor, regular.basic) if regular.basic or regular.indices is None else tensor
    if regular.indices is None:
        copy_into(part, value)  # a view: writing it writes the tensor
        return
    picks = regular.in_numpy_form(part.array.ndim)
    if _records(part, value):
        _refuse_leaf(part)
        old = wrap(part.result_class, part.array.copy(), part.node)
        copy_into(part, setitem(old, value, picks))
    else:
        assign(part.array, value.array if isinstance(value, TensorBase) else value, picks)
        mark_written(part.array)
