"""New arrangements made of others: axes added, tensors put side by side, diagonals, rotations."""

from collections.abc import Sequence
from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.copying import flip
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.elementwise import clone
from tinygrad_mp.ops.joining import _diagonal_embed, _nothing, cat, pad
from tinygrad_mp.ops.joining import diagonal as _diagonal_of
from tinygrad_mp.ops.movement import expand, located, reshape, transpose, unsqueeze
from tinygrad_mp.ops.selection import where

# --- axes -------------------------------------------------------------------------------------------------------------


def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """A view with axis ``dim`` as several, of ``sizes``, of which one may be -1.

    >>> from tinygrad_mp import unflatten, zeros
    >>> unflatten(zeros(2, 6), 1, (2, -1)).shape
    Size([2, 2, 3])
    """
    axis = one_axis(dim, input.ndim)
    parts = list(sizes)
    if not parts or not input.ndim:
        raise located(ShapeError(f"axis {dim} cannot become sizes {tuple(parts)}"), "unflatten", input)
    size = input.shape[axis]
    known = 1
    for part in parts:
        known *= 1 if part == -1 else part
    if parts.count(-1) == 1 and known:
        parts[parts.index(-1)] = size // known
        known *= size // known
    if known != size or min(parts) < 0:
        raise located(
            ShapeError(f"sizes {tuple(sizes)} do not multiply to {size}, that of axis {dim}"), "unflatten", input
        )
    return reshape(input, (*input.shape[:axis], *parts, *input.shape[axis + 1 :]))


def _each(function: Any) -> Any:
    """A function of one tensor, for several of them too."""

    def apply(tensors: tuple[Any, ...]) -> Any:
        if len(tensors) == 1 and not isinstance(tensors[0], (list, tuple)):
            return function(tensors[0])
        given = tensors[0] if len(tensors) == 1 else tensors
        return tuple([function(one) for one in given])

    return apply


def atleast_1d(*tensors: Any) -> Any:
    """Tensors (or one sequence of them) with at least one axis.

    >>> from tinygrad_mp import atleast_1d, tensor
    >>> atleast_1d(tensor(2.0))
    tensor([2.])
    """
    return _each(lambda x: x if x.ndim else reshape(x, 1))(tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two axes; new ones come first.

    >>> from tinygrad_mp import atleast_2d, tensor
    >>> atleast_2d(tensor([1.0, 2.0])).shape
    Size([1, 2])
    """
    return _each(lambda x: x if x.ndim > 1 else reshape(x, (1, -1)))(tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors with at least three axes: (n,) becomes (1, n, 1), and (m, n) becomes (m, n, 1).

    >>> from tinygrad_mp import atleast_3d, tensor
    >>> atleast_3d(tensor([1.0, 2.0])).shape
    Size([1, 2, 1])
    """

    def wide(x: Any) -> Any:
        return x if x.ndim > 2 else unsqueeze(x, 2) if x.ndim == 2 else reshape(x, (1, -1, 1))

    return _each(wide)(tensors)


# --- broadcasting -----------------------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape to which shapes (ints or sequences of int) broadcast.

    >>> from tinygrad_mp import broadcast_shapes
    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    given = [(one,) if isinstance(one, int) else tuple(one) for one in shapes]
    try:
        return tuple(numpy.broadcast_shapes(*given))
    except ValueError as error:
        raise ShapeError(f"broadcast_shapes: {', '.join(map(str, given))} do not broadcast") from error


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Views of tensors, expanded to the shape to which they broadcast.

    >>> from tinygrad_mp import broadcast_tensors, zeros
    >>> [tuple(x.shape) for x in broadcast_tensors(zeros(2, 1), zeros(3))]
    [(2, 3), (2, 3)]
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shape = broadcast_shapes(*(one.shape for one in given))
    return tuple([expand(one, shape) for one in given])


# --- side by side -----------------------------------------------------------------------------------------------------


def hstack(tensors: Sequence[Any]) -> Any:
    """Tensors joined along the second axis, or the first if they have only one.

    >>> from tinygrad_mp import hstack, tensor
    >>> hstack([tensor([1, 2]), tensor([3])])
    tensor([1, 2, 3])
    """
    parts = _at_least(tensors, atleast_1d, "hstack")
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Tensors joined as rows, along the first axis. ``row_stack`` is the same.

    >>> from tinygrad_mp import tensor, vstack
    >>> vstack([tensor([1, 2]), tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return cat(_at_least(tensors, atleast_2d, "vstack"), 0)


def dstack(tensors: Sequence[Any]) -> Any:
    """Tensors joined along the third axis.

    >>> from tinygrad_mp import dstack, tensor
    >>> dstack([tensor([1, 2]), tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat(_at_least(tensors, atleast_3d, "dstack"), 2)


def column_stack(tensors: Sequence[Any]) -> Any:
    """Tensors joined as columns, along the second axis.

    >>> from tinygrad_mp import column_stack, tensor
    >>> column_stack([tensor([1, 2]), tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return cat(_at_least(tensors, lambda x: x if x.ndim > 1 else reshape(x, (-1, 1)), "column_stack"), 1)


def _at_least(tensors: Sequence[Any], widen: Any, name: str) -> list[Any]:
    if not len(tensors):
        raise _nothing(name)
    return [widen(one) for one in tensors]


def block_diag(*tensors: Any) -> Any:
    """A matrix with the tensors, of up to two axes, along its diagonal, and zeros elsewhere.

    >>> from tinygrad_mp import block_diag, tensor
    >>> block_diag(tensor([[1, 2]]), tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    for one in tensors:
        if one.ndim > 2:
            raise located(ShapeError(f"a block has up to 2 axes, not {one.ndim}"), "block_diag", one)
    blocks = [atleast_2d(one) for one in tensors]
    width, start, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        rows.append(pad(block, (start, width - start - block.shape[1])))
        start += block.shape[1]
    return cat(rows, 0)


# --- diagonals and rotations ------------------------------------------------------------------------------------------


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices, along two new axes, with the last axis of ``input`` on their diagonals and zeros elsewhere.

    >>> from tinygrad_mp import diag_embed, tensor
    >>> diag_embed(tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if not input.ndim:
        raise located(ShapeError("a tensor without axes is no diagonal"), "diag_embed", input)
    first, second = one_axis(dim1, input.ndim + 1), one_axis(dim2, input.ndim + 1)
    if first == second:
        raise located(ShapeError(f"dim1 {dim1} and dim2 {dim2} are the same axis"), "diag_embed", input)
    size = input.shape[-1] + abs(offset)
    sizes = iter(input.shape[:-1])
    shape = tuple([size if axis in (first, second) else next(sizes) for axis in range(input.ndim + 1)])
    return _diagonal_embed(input, shape=shape, offset=offset, dim1=first, dim2=second)


def diag(input: Any, diagonal: int = 0) -> Any:
    """A matrix with a vector on its diagonal, or the diagonal of a matrix, as a copy.

    >>> from tinygrad_mp import diag, tensor
    >>> diag(tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise located(ShapeError(f"diag takes one axis or two, not {input.ndim}"), "diag", input)
    return clone(_diagonal_of(input, diagonal))


def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with all entries of ``input`` on its diagonal.

    >>> from tinygrad_mp import diagflat, tensor
    >>> diagflat(tensor([[1], [2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    return diag_embed(reshape(input, -1), offset)


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of ``input`` with ``src`` on the diagonal that :func:`diagonal` would show.

    >>> from tinygrad_mp import diagonal_scatter, ones, zeros
    >>> diagonal_scatter(zeros(2, 2), ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    shape = tuple(_diagonal_of(input, offset, dim1, dim2).shape)
    if tuple(src.shape) != shape:
        raise located(ShapeError(f"src must have shape {shape}, not {tuple(src.shape)}"), "diagonal_scatter", input)
    place = {"offset": offset, "dim1": one_axis(dim1, input.ndim), "dim2": one_axis(dim2, input.ndim)}
    ones = xp(raw(input)).ones(shape, dtype="bool")
    whole = tuple(input.shape)
    mask = _diagonal_embed.op.forward(ones, shape=whole, **place)  # type: ignore[attr-defined]
    return where(mask, _diagonal_embed(src, shape=whole, **place), input)


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """A copy rotated ``k`` times by 90 degrees, from the first of two axes towards the second.

    >>> from tinygrad_mp import rot90, tensor
    >>> rot90(tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2 or input.ndim < 2:
        raise located(ShapeError(f"two of at least two axes are needed, not {dims} of {input.ndim}"), "rot90", input)
    first, second = (one_axis(dim, input.ndim) for dim in dims)
    if first == second:
        raise located(ShapeError(f"dims {tuple(dims)} name an axis twice"), "rot90", input)
    turns = k % 4
    if turns == 0:
        return clone(input)
    if turns == 2:
        return flip(input, (first, second))
    return (
        transpose(flip(input, (second,)), first, second)
        if turns == 1
        else flip(transpose(input, first, second), (second,))
    )


def fliplr(input: Any) -> Any:
    """A copy with the second axis reversed.

    >>> from tinygrad_mp import fliplr, tensor
    >>> fliplr(tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    if input.ndim < 2:
        raise located(ShapeError(f"needs at least 2 axes, not {input.ndim}"), "fliplr", input)
    return flip(input, (1,))


def flipud(input: Any) -> Any:
    """A copy with the first axis reversed.

    >>> from tinygrad_mp import flipud, tensor
    >>> flipud(tensor([1, 2]))
    tensor([2, 1])
    """
    if not input.ndim:
        raise located(ShapeError("a tensor without axes has nothing to flip"), "flipud", input)
    return flip(input, (0,))
