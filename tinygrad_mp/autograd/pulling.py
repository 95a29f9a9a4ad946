"""The backward pass of one ``autograd.Function``: cotangents as tensors in, gradients out, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_mp.backend import as_array_on, device_of, xp
from tinygrad_mp.errors import DeviceError, ShapeError, TapeError
from tinygrad_mp.grad_mode import is_grad_enabled
from tinygrad_mp.tape import Node, TensorBase, refresh, wrap

__all__ = ["Shapes", "node_of", "pull_back"]


class Shapes(tuple[Any, ...]):
    """The shapes of several outputs, told from the one shape of one output by its class."""

    __slots__ = ()


def node_of(value: Any) -> Node | None:
    """The place of a tensor on the tape; None for one without, and for anything else."""
    if not isinstance(value, TensorBase):
        return None
    refresh(value)
    return value.node


def pull_back(cls: type, backward: Callable[..., Any], g: Any, node: Node) -> Sequence[Any]:
    """Call ``backward`` with the cotangents as tensors; its gradients, checked, as the walk wants them."""
    assert node.saved is not None, "the walk has looked"
    ctx: Any = node.saved[2]
    parts = g if isinstance(node.shape, Shapes) else [g]
    cotangents = [None if part is None else _as_tensor(part, ctx) for part in parts]
    if ctx._materialize and isinstance(node.shape, Shapes):
        like = next(part for part in cotangents if part is not None)
        cotangents = [
            _zeros(like, shape, dtype) if part is None and shape is not None else part
            for part, shape, dtype in zip(cotangents, node.shape, node.dtype, strict=True)
        ]
    before, ctx._node = ctx._node, node
    try:
        answer = backward(ctx, *cotangents)
    finally:
        ctx._node = before
    gradients = _complete(cls, answer, node.params)
    recording = is_grad_enabled()
    for position, parent in zip(node.rules, node.parents, strict=True):
        gradient = gradients[position]
        if gradient is not None:
            _check(cls, gradient, position, parent, cotangents)
            # Nobody knows who else holds the user's array. A view of it is what the walk copies before it keeps it.
            shown = gradient.array.view()
            gradients[position] = wrap(ctx._class, shown, node_of(gradient)) if recording else shown
    return gradients


def _as_tensor(part: Any, ctx: Any) -> Any:
    return part if isinstance(part, TensorBase) else wrap(ctx._class, xp(part).asarray(part))


def _zeros(like: Any, shape: Any, dtype: Any) -> Any:
    array = xp(like.array).zeros(shape, dtype=dtype)
    return wrap(like.result_class, as_array_on(like.array, array))


def _complete(cls: type, answer: Any, are_tensors: tuple[bool, ...]) -> list[Any]:
    """What ``backward`` returned as one gradient for each argument."""
    found = list(answer) if isinstance(answer, tuple) else [answer]
    wanted = len(are_tensors)
    if len(found) > wanted and all(one is None for one in found[wanted:]):
        del found[wanted:]
    if len(found) != wanted:
        raise TapeError(
            f"{cls.__name__}.backward returned an incorrect number of gradients: expected {wanted}, got {len(found)}",
            fix="return one for each argument of forward, None for those without",
        )
    for position, (one, is_tensor) in enumerate(zip(found, are_tensors, strict=True)):
        if one is not None and not isinstance(one, TensorBase):
            raise TapeError(
                f"{cls.__name__}.backward returned a {type(one).__name__} at position {position}",
                fix="return tensors or None, several of them as a tuple",
            )
        if one is not None and not is_tensor:
            raise TapeError(
                f"{cls.__name__}.backward returned a gradient at position {position}, but that argument of forward "
                "is not a tensor",
                fix="return None there",
            )
    return found


def _check(cls: type, gradient: Any, position: int, parent: Node, cotangents: Sequence[Any]) -> None:
    """The engine sums a gradient down to its input's shape, as after broadcasting; it must not have to repeat it."""
    shape, wanted = gradient.array.shape, tuple(parent.shape)
    extra = len(shape) - len(wanted)
    if extra < 0 or any(size not in (1, shape[axis + extra]) for axis, size in enumerate(wanted)):
        raise ShapeError(
            f"{cls.__name__}.backward returned an invalid gradient at position {position}: got shape {shape}, "
            f"but the input has shape {wanted}"
        )
    like = next(part for part in cotangents if part is not None)
    if device_of(gradient.array) != device_of(like.array):
        raise DeviceError(
            f"{cls.__name__}.backward returned a gradient on {device_of(gradient.array)} at position {position}, "
            f"but was given one on {device_of(like.array)}"
        )
