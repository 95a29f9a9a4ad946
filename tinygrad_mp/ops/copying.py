"""What copies entries to new places: repetition, reversal, rotation, and the triangles of matrices."""

import operator
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import IndexRangeError, ShapeError, TinygradError, UnsupportedError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.elementwise import clone
from tinygrad_mp.ops.gathering import index_select
from tinygrad_mp.ops.movement import expand, located, reshape, sizes_of
from tinygrad_mp.primitive import primitive, sum_to
from tinygrad_mp.tape import TensorBase, wrap

# --- repetition -----------------------------------------------------------------------------------------------------


def _tile_case(sampler: Sampler) -> Any:
    shape = sampler.shape(max_dims=2)
    extra = sampler.integer(0, 1)
    return (sampler.array(shape),), {"repeats": tuple(sampler.integer(0, 3) for _ in range(len(shape) + extra))}


@primitive(x=lambda g, x_shape, repeats: _untile(g, x_shape, repeats), linear=True, cases=_tile_case)
def _tile(x: Real, *, repeats: tuple[int, ...]) -> Any:
    return xp(x).tile(x, repeats)


def _untile(g: Any, shape: tuple[int, ...], repeats: tuple[int, ...]) -> Any:
    """The sum of the copies in ``g``."""
    sides = (1,) * (len(repeats) - len(shape)) + shape
    apart = tuple([size for pair in zip(repeats, sides, strict=True) for size in pair])
    once = tuple([size for side in sides for size in (1, side)])
    return reshape(sum_to(reshape(g, apart), shape=once), shape)


def repeat(input: Any, *repeats: Any) -> Any:
    """``input`` laid out ``repeats[i]`` times along axis ``i``, copied.

    Parameters
    ----------
    *repeats : int, or one sequence of int
        At least as many as ``input`` has axes; more make new leading axes.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    given = sizes_of(repeats)
    if len(given) < input.ndim or (given and min(given) < 0):
        raise located(
            ShapeError(
                f"repeat by {tuple(given)} for a tensor with {input.ndim} axes",
                fix="give one number, at least 0, for each axis; tile() fills up with ones",
            ),
            "repeat",
            input,
        )
    return _tile(input, repeats=tuple(given))


def tile(input: Any, *dims: Any) -> Any:
    """As :func:`repeat`, with ones put before ``dims`` if there are fewer than axes.

    >>> from tinygrad_mp import tensor, tile
    >>> tile(tensor([[1], [2]]), (2,))
    tensor([[1, 1],
            [2, 2]])
    """
    given = sizes_of(dims)
    return repeat(input, (*(1,) * (input.ndim - len(given)), *given))


def repeat_interleave(input: Any, repeats: Any = None, dim: int | None = None, *, output_size: Any = None) -> Any:
    """Each entry (without ``dim``, of the flattened input) or each slice along ``dim``, ``repeats`` times in a row.

    Parameters
    ----------
    repeats : int, or Tensor of integers with one entry for each slice, or with one for all
        Without it, ``input`` is taken for the repeats: the result names each of its positions so often.
    dim : int, optional
    output_size : int, optional
        How many slices the result must have.

    Errors
    ------
    ShapeError for a negative number, numbers of another size than ``input`` has along ``dim``, or another
    ``output_size``; UnsupportedError if the numbers are not integers.

    >>> from tinygrad_mp import repeat_interleave, tensor
    >>> repeat_interleave(tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    >>> repeat_interleave(tensor([[1], [2]]), tensor([1, 3]), dim=0).flatten()
    tensor([1, 2, 2, 2])
    """
    if repeats is None:
        input, repeats = _positions(input), input
    if dim is None:
        input, dim = reshape(input, -1), 0
    elif input.ndim == 0:
        input = reshape(input, 1)
    axis = one_axis(dim, input.ndim)
    if isinstance(repeats, TensorBase) and repeats.array.size != 1:
        result = index_select(input, axis, _repeated(input, repeats.array, axis))
    else:
        result = _each_repeated(input, operator.index(repeats), axis)
    if output_size is not None and result.shape[axis] != output_size:
        problem = ShapeError(f"output_size is {output_size}, but the repeats sum up to {result.shape[axis]}")
        raise located(problem, "repeat_interleave", input)
    return result


def _positions(repeats: Any) -> Any:
    if repeats.ndim != 1:
        raise located(ShapeError("repeats must have one axis"), "repeat_interleave", repeats)
    return wrap(repeats.result_class, xp(repeats.array).arange(repeats.shape[0]))


def _repeated(input: Any, repeats: Any, axis: int) -> Any:
    """Positions along ``axis``, each as often as ``repeats`` says."""
    if repeats.dtype.kind not in "iu":
        problem: TinygradError = UnsupportedError(f"repeats are integers, not {repeats.dtype}")
    elif repeats.ndim != 1 or repeats.shape[0] != input.shape[axis]:
        problem = ShapeError(f"repeats have shape {repeats.shape}, but axis {axis} has size {input.shape[axis]}")
    elif (repeats < 0).any():
        problem = ShapeError("repeats cannot be negative")
    else:
        lib = xp(repeats)
        return lib.repeat(lib.arange(repeats.shape[0]), repeats)
    raise located(problem, "repeat_interleave", input)


def _each_repeated(input: Any, count: int, axis: int) -> Any:
    if count < 0:
        raise located(ShapeError(f"{count} repeats"), "repeat_interleave", input)
    shape = input.shape
    apart = reshape(input, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    copied = expand(apart, (*shape[: axis + 1], count, *shape[axis + 1 :]))
    return reshape(copied, (*shape[:axis], shape[axis] * count, *shape[axis + 1 :]))


# --- order of entries -----------------------------------------------------------------------------------------------


def _axes_case(sampler: Sampler) -> Any:
    shape = sampler.shape()
    return (sampler.array(shape),), {"dims": tuple(axis for axis in range(len(shape)) if sampler.integer(0, 1))}


@primitive(x=lambda g, dims: _flip(g, dims=dims), linear=True, cases=_axes_case)
def _flip(x: Real, *, dims: tuple[int, ...]) -> Any:
    return xp(x).flip(x, dims).copy()


def flip(input: Any, *dims: Any) -> Any:
    """A copy of ``input`` with the entries in reverse order along the axes ``dims`` (ints or one sequence).

    >>> from tinygrad_mp import flip, tensor
    >>> flip(tensor([1, 2, 3]), 0)
    tensor([3, 2, 1])
    """
    axes = tuple([one_axis(dim, input.ndim) for dim in sizes_of(dims)])
    if len(set(axes)) < len(axes):
        raise located(ShapeError(f"dims {sizes_of(dims)} name an axis twice"), "flip", input)
    return _flip(input, dims=axes if input.ndim else ())


def _roll_case(sampler: Sampler) -> Any:
    inputs, params = _axes_case(sampler)
    return inputs, {"shifts": tuple(sampler.integer(-5, 5) for _ in params["dims"]), **params}


@primitive(
    x=lambda g, shifts, dims: _roll(g, shifts=tuple([-shift for shift in shifts]), dims=dims),
    linear=True,
    cases=_roll_case,
)
def _roll(x: Real, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Any:
    return xp(x).roll(x, shifts, dims) if dims else x.copy()


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """A copy of ``input`` with entries moved by ``shifts`` along ``dims``; what leaves at the end enters in front.

    Without ``dims``, the entries are moved as if flattened.

    Errors
    ------
    ShapeError if there are not as many shifts as dims; IndexRangeError for a dim that is not there.

    >>> from tinygrad_mp import roll, tensor
    >>> roll(tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    steps = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    if not steps:
        raise located(ShapeError("no shifts"), "roll", input)
    if dims is None or dims == ():
        if len(steps) > 1:
            raise located(ShapeError(f"{len(steps)} shifts for no dims"), "roll", input)
        return reshape(_roll(reshape(input, -1), shifts=steps, dims=(0,) * len(steps)), input.shape)
    given = dims if isinstance(dims, (tuple, list)) else (dims,)
    if not input.ndim:
        raise located(IndexRangeError(f"dims {tuple(given)} of a tensor without axes"), "roll", input)
    axes = tuple([one_axis(dim, input.ndim) for dim in given])
    if len(axes) != len(steps):
        raise located(ShapeError(f"{len(steps)} shifts for {len(axes)} dims"), "roll", input)
    return _roll(input, shifts=steps, dims=axes)


# --- triangles ------------------------------------------------------------------------------------------------------


def _triangle_case(sampler: Sampler) -> Any:
    return (sampler.array(sampler.shape(min_dims=2)),), {"diagonal": sampler.integer(-3, 3)}


@primitive(x=lambda g, diagonal: _tril(g, diagonal=diagonal), linear=True, cases=_triangle_case)
def _tril(x: Real, *, diagonal: int) -> Any:
    return xp(x).tril(_matrices(x), diagonal)


@primitive(x=lambda g, diagonal: _triu(g, diagonal=diagonal), linear=True, cases=_triangle_case)
def _triu(x: Real, *, diagonal: int) -> Any:
    return xp(x).triu(_matrices(x), diagonal)


def _matrices(x: Any) -> Any:
    if x.ndim < 2:
        raise ShapeError(f"a matrix has at least 2 axes, this tensor {x.ndim}")
    return x


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of each matrix of ``input`` (its last two axes), with zeros above ``diagonal``.

    >>> from tinygrad_mp import ones, tril
    >>> tril(ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _tril(input, diagonal=diagonal)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of each matrix of ``input`` (its last two axes), with zeros below ``diagonal``.

    >>> from tinygrad_mp import ones, triu
    >>> triu(ones(2, 2), 1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return _triu(input, diagonal=diagonal)


# --- watching -------------------------------------------------------------------------------------------------------


def _tapped_case(sampler: Sampler) -> Any:
    return tuple(sampler.array(sampler.shape()) for _ in range(sampler.integer(1, 3))), {}


@primitive(tensors=lambda g: [clone(one) for one in g], outputs=True, promotes=None, cases=_tapped_case)
def tapped(*tensors: Real) -> tuple[Any, ...]:
    """Copies of the tensors, made by one node of the tape: there their cotangents can be seen together.

    Copies, so that what is done in place to one of them does not reach what it was copied from.
    """
    return tuple([tensor.copy() for tensor in tensors])
