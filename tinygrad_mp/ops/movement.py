"""New shapes and orders of axes for the same entries. All are views, as in PyTorch, where memory allows.

Parts of tensors and tensors made of parts are in :mod:`tinygrad_mp.ops.joining`, what copies entries to new places in
:mod:`tinygrad_mp.ops.copying`.
"""

from typing import Any

from tinygrad_mp.backend import contiguous as contiguous_array
from tinygrad_mp.backend import owner
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import ShapeError, TinygradError
from tinygrad_mp.layout import is_contiguous, settle
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.primitive import broadcast_to as _broadcast_to
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

# --- shapes ---------------------------------------------------------------------------------------------------------


def _reshape_case(sampler: Sampler) -> Any:
    shape = sampler.shape()
    size = 1
    for side in shape:
        size *= side
    targets = [(size,), (1, size), shape[::-1], (size, 1, 1)] + ([(-1,)] if size else [])
    return (sampler.array(shape),), {"shape": sampler.choice(targets)}


@primitive(x=lambda g, x_shape: _reshape(g, shape=x_shape), linear=True, view=True, cases=_reshape_case)
def _reshape(x: Real, *, shape: tuple[int, ...]) -> Any:
    try:
        out = x.reshape(shape)
    except ValueError as error:
        raise _does_not_reshape(x, shape) from error
    if out.shape != shape and min(shape) < -1:  # NumPy takes every negative size for -1
        raise _does_not_reshape(x, shape)
    return out


def _does_not_reshape(x: Any, shape: Any) -> ShapeError:
    return ShapeError(
        f"shape {tuple(x.shape)} with {x.size} entries does not fit into {shape}",
        fix="keep the number of entries; one size may be -1, it is then worked out",
    )


def reshape(input: Any, *shape: Any) -> Any:
    """The entries of ``input``, in C order, in another shape; a view where memory allows, otherwise a copy.

    Parameters
    ----------
    *shape : int, or one sequence of int
        One size may be -1: it is worked out from the others.

    Errors
    ------
    ShapeError if the number of entries differs.

    >>> from tinygrad_mp import reshape, tensor
    >>> reshape(tensor([[1, 2], [3, 4]]), -1)
    tensor([1, 2, 3, 4])
    """
    return _reshape(input, shape=sizes_of(shape))


def view(input: Any, *shape: Any) -> Any:
    """As :func:`reshape`, but never a copy: the result always shows the memory of ``input``.

    Errors
    ------
    ShapeError if the number of entries differs, or if no strides show this memory in that shape.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([1.0, 2.0, 3.0, 4.0])
    >>> x.view(2, 2)
    tensor([[1., 2.],
            [3., 4.]])
    """
    array = settle(input) if isinstance(input, TensorBase) else input
    if not array.flags.c_contiguous and owner(array.reshape(sizes_of(shape))) is not owner(array):
        raise located(
            ShapeError(
                f"the entries of this tensor do not lie in memory as shape {sizes_of(shape)} needs",
                fix="use x.reshape(...), which copies when it must, or x.contiguous().view(...)",
            ),
            "view",
            input,
        )
    return reshape(input, *shape)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """``input`` with the axes from ``start_dim`` to ``end_dim``, both included, made one.

    >>> from tinygrad_mp import flatten, zeros
    >>> flatten(zeros(2, 3, 4), 1).shape
    Size([2, 12])
    """
    shape = input.shape
    if not shape:
        return _reshape(input, shape=(1,))
    first, last = one_axis(start_dim, len(shape)), one_axis(end_dim, len(shape))
    if first > last:
        raise located(ShapeError(f"start_dim {start_dim} comes after end_dim {end_dim}"), "flatten", input)
    size = 1
    for side in shape[first : last + 1]:
        size *= side
    return _reshape(input, shape=(*shape[:first], size, *shape[last + 1 :]))


def squeeze(input: Any, dim: Any = None) -> Any:
    """``input`` without its axes of size 1: all of them, or those in ``dim`` (int or tuple) that have size 1.

    >>> from tinygrad_mp import squeeze, zeros
    >>> squeeze(zeros(1, 2, 1)).shape, squeeze(zeros(1, 2, 1), (0, 1)).shape
    (Size([2]), Size([2, 1]))
    """
    shape = input.shape
    if dim is None:
        return _reshape(input, shape=tuple([size for size in shape if size != 1]))
    axes = {one_axis(one, len(shape)) for one in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    return _reshape(input, shape=tuple([size for axis, size in enumerate(shape) if size != 1 or axis not in axes]))


def unsqueeze(input: Any, dim: int) -> Any:
    """``input`` with a new axis of size 1 at position ``dim`` of the result.

    >>> from tinygrad_mp import unsqueeze, zeros
    >>> unsqueeze(zeros(2, 3), -1).shape
    Size([2, 3, 1])
    """
    shape = input.shape
    axis = one_axis(dim, len(shape) + 1)
    return _reshape(input, shape=(*shape[:axis], 1, *shape[axis:]))


# --- order of axes --------------------------------------------------------------------------------------------------


def _transpose_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    axes = range(len(shape))
    return (sampler.array(shape),), {"dim0": sampler.choice(axes), "dim1": sampler.choice(axes)}


@primitive(x=lambda g, dim0, dim1: _transpose(g, dim0=dim0, dim1=dim1), linear=True, view=True, cases=_transpose_case)
def _transpose(x: Real, *, dim0: int, dim1: int) -> Any:
    return x.swapaxes(dim0, dim1)


def _permute_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=3, max_dims=3)
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    return (sampler.array(shape),), {"dims": sampler.choice(orders)}


@primitive(x=lambda g, dims: _permute(g, dims=_inverse(dims)), linear=True, view=True, cases=_permute_case)
def _permute(x: Real, *, dims: tuple[int, ...]) -> Any:
    return x.transpose(dims)


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """A view of ``input`` with two axes exchanged. ``swapaxes`` is the same.

    >>> from tinygrad_mp import tensor
    >>> tensor([[1, 2, 3]]).transpose(0, 1)
    tensor([[1],
            [2],
            [3]])
    """
    ndim = input.ndim
    first, second = one_axis(dim0, ndim), one_axis(dim1, ndim)
    return _transpose(input, dim0=first, dim1=second) if ndim else _reshape(input, shape=())


swapaxes = transpose


def permute(input: Any, *dims: Any) -> Any:
    """A view of ``input`` whose axis ``i`` is the axis ``dims[i]`` of ``input``.

    Parameters
    ----------
    *dims : int, or one sequence of int
        Each axis exactly once; negative ones count from the end.

    >>> from tinygrad_mp import permute, zeros
    >>> permute(zeros(2, 3, 4), 2, 0, -2).shape
    Size([4, 2, 3])
    """
    ndim = input.ndim
    given = sizes_of(dims)
    order = tuple([one_axis(dim, ndim) for dim in given])
    if len(order) != ndim or len(set(order)) < ndim:
        raise located(ShapeError(f"dims {tuple(given)} do not name each of the {ndim} axes once"), "permute", input)
    return _permute(input, dims=order)


def reverse_axes(input: Any) -> Any:
    """``x.T``: a view with the axes in reverse order; the transpose of a matrix.

    >>> from tinygrad_mp import zeros
    >>> zeros(2, 3).T.shape
    Size([3, 2])
    """
    ndim = input.ndim
    return _transpose(input, dim0=0, dim1=1) if ndim == 2 else _permute(input, dims=tuple(range(ndim - 1, -1, -1)))


def matrix_transpose(input: Any) -> Any:
    """``x.mT``: a view with the last two axes exchanged, the transpose of each matrix of a batch.

    >>> from tinygrad_mp import zeros
    >>> zeros(5, 2, 3).mT.shape
    Size([5, 3, 2])
    """
    ndim = input.ndim
    if ndim < 2:
        raise located(ShapeError(f"a matrix has at least 2 axes, this tensor {ndim}"), "mT", input)
    return _transpose(input, dim0=ndim - 2, dim1=ndim - 1)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """A view of ``input`` with the axes ``source`` moved to ``destination`` (ints or tuples); the others keep order.

    >>> from tinygrad_mp import movedim, zeros
    >>> movedim(zeros(2, 3, 4), 0, -1).shape
    Size([3, 4, 2])
    """
    ndim = input.ndim
    moved = [one_axis(axis, ndim) for axis in (source if isinstance(source, (tuple, list)) else (source,))]
    places = [
        one_axis(axis, ndim) for axis in (destination if isinstance(destination, (tuple, list)) else (destination,))
    ]
    if len(moved) != len(places) or len(set(moved)) < len(moved) or len(set(places)) < len(places):
        raise located(
            ShapeError(f"source {source} and destination {destination} must name equally many distinct axes"),
            "movedim",
            input,
        )
    if not ndim:
        return _reshape(input, shape=())
    target = dict(zip(places, moved, strict=True))
    rest = iter([axis for axis in range(ndim) if axis not in moved])
    return _permute(input, dims=tuple([target[axis] if axis in target else next(rest) for axis in range(ndim)]))


# --- repetition -----------------------------------------------------------------------------------------------------


def broadcast_to(input: Any, shape: Any) -> Any:
    """A view of ``input`` that repeats it, without a copy, along axes of size 1 and new leading ones, to ``shape``.

    >>> from tinygrad_mp import broadcast_to, tensor
    >>> broadcast_to(tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return expand(input, shape)


def expand(input: Any, *sizes: Any) -> Any:
    """As :func:`broadcast_to`, where a size of -1 keeps the axis as it is.

    >>> from tinygrad_mp import tensor
    >>> tensor([[1], [2]]).expand(-1, 2)
    tensor([[1, 1],
            [2, 2]])
    """
    shape, given = input.shape, sizes_of(sizes)
    extra = len(given) - len(shape)
    if -1 in given and -1 not in given[: max(extra, 0)]:
        given = tuple([shape[axis - extra] if size == -1 else size for axis, size in enumerate(given)])
    fits = extra >= 0 and all(old in (1, new) for old, new in zip(shape, given[extra:], strict=True))
    if not fits or -1 in given:
        raise located(
            ShapeError(
                f"shape {tuple(shape)} does not expand to {tuple(given)}",
                fix="from the last axis on, sizes must be equal, or 1 in the tensor; -1 keeps an existing axis",
            ),
            "expand",
            input,
        )
    return _broadcast_to(input, shape=tuple(given))


# --- memory ---------------------------------------------------------------------------------------------------------


@primitive(x=lambda g: g, linear=True)
def _contiguous(x: Real) -> Any:
    return contiguous_array(x)


def contiguous(input: Any) -> Any:
    """``input`` itself if its entries lie in memory in C order, otherwise a copy that does.

    >>> from tinygrad_mp import zeros
    >>> zeros(2, 3).T.contiguous().view(6).shape
    Size([6])
    """
    ordered = is_contiguous(input) if isinstance(input, TensorBase) else input.flags.c_contiguous
    return input if ordered else _contiguous(input)


# --- for the wrappers of this room ------------------------------------------------------------------------------------


def sizes_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """``(2, 3)`` of ``f(x, 2, 3)`` and of ``f(x, (2, 3))``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return sizes


def located(error: TinygradError, operation: str, input: Any) -> TinygradError:
    """``error``, raised by a wrapper outside of a primitive, with the operation and its operand named."""
    error.locate(operation, [("input", input)])
    return error
