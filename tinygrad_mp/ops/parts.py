"""Parts of tensors: splits at given places, slices, and copies with a part replaced."""

import operator
from typing import Any

import numpy

from tinygrad_mp.backend import array_on, contiguous, device_of, xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import IndexRangeError, SettingError, ShapeError
from tinygrad_mp.layout import settle
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.indexing import _add_into_zeros, _slice, _slice_put
from tinygrad_mp.ops.joining import _split
from tinygrad_mp.ops.movement import located, reshape
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Views of consecutive parts along ``dim``: so many, of sizes that differ by one at most, or cut at these places.

    Parameters
    ----------
    indices_or_sections : int, sequence of int, or integer Tensor

    >>> from tinygrad_mp import arange, tensor_split
    >>> tensor_split(arange(5), 2), tensor_split(arange(5), (1, 3))
    ((tensor([0, 1, 2]), tensor([3, 4])), (tensor([0]), tensor([1, 2]), tensor([3, 4])))
    """
    if not input.ndim:
        raise located(ShapeError("a tensor without axes has no parts"), "tensor_split", input)
    axis = one_axis(dim, input.ndim)
    size = input.shape[axis]
    if hasattr(indices_or_sections, "tolist"):
        indices_or_sections = indices_or_sections.tolist()
    if not isinstance(indices_or_sections, (list, tuple)):
        count = operator.index(indices_or_sections)
        if count < 1:
            raise located(SettingError(f"{count} parts", fix="ask for at least 1"), "tensor_split", input)
        large, more = divmod(size, count)
        return _split(input, sizes=(large + 1,) * more + (large,) * (count - more), dim=axis)  # type: ignore[no-any-return]
    cuts = [slice(cut).indices(size)[1] for cut in indices_or_sections]
    before = (slice(None),) * axis
    ends = zip((0, *cuts), (*cuts, size), strict=True)
    return tuple([_slice(input, index=(*before, slice(start, max(start, end)))) for start, end in ends])


def _split_along(name: str, input: Any, where: Any, dim: int, least: int) -> tuple[Any, ...]:
    if input.ndim < least:
        raise located(ShapeError(f"needs at least {least} axes, not {input.ndim}"), name, input)
    if isinstance(where, int) and (where < 1 or input.shape[dim] % where):
        raise located(ShapeError(f"size {input.shape[dim]} along axis {dim} has no {where} equal parts"), name, input)
    return tensor_split(input, where, dim)


def hsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Views of parts along the second axis, or the first if there is one only. An int must divide the size.

    >>> from tinygrad_mp import arange, hsplit
    >>> hsplit(arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Views of parts along the first of two or more axes.

    >>> from tinygrad_mp import vsplit, zeros
    >>> [tuple(part.shape) for part in vsplit(zeros(4, 2), (1,))]
    [(1, 2), (3, 2)]
    """
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Any, indices_or_sections: Any) -> tuple[Any, ...]:
    """Views of parts along the third axis.

    >>> from tinygrad_mp import dsplit, zeros
    >>> [tuple(part.shape) for part in dsplit(zeros(1, 1, 4), 2)]
    [(1, 1, 2), (1, 1, 2)]
    """
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


def select(input: Any, dim: int, index: int) -> Any:
    """A view of the slice at ``index`` along ``dim``, which it lacks.

    >>> from tinygrad_mp import select, tensor
    >>> select(tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    return _slice(input, index=_at("select", input, dim, index))


def _at(name: str, input: Any, dim: int, index: Any) -> tuple[Any, ...]:
    if not input.ndim:
        raise located(IndexRangeError("a tensor without axes has no slices"), name, input)
    axis, place = one_axis(dim, input.ndim), operator.index(index)
    if not -input.shape[axis] <= place < input.shape[axis]:
        problem = IndexRangeError(f"index {place} is out of range for axis {axis} of size {input.shape[axis]}")
        raise located(problem, name, input)
    return (*(slice(None),) * axis, place)


def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of ``input`` with ``src`` at ``index`` along ``dim``.

    >>> from tinygrad_mp import ones, select_scatter, zeros
    >>> select_scatter(zeros(2, 2), ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    return _with_part("select_scatter", input, src, _at("select_scatter", input, dim, index))


def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    """A copy of ``input`` with ``src`` in ``start:end:step`` along ``dim``.

    >>> from tinygrad_mp import ones, slice_scatter, zeros
    >>> slice_scatter(zeros(4), ones(2), start=1, end=3)
    tensor([0., 1., 1., 0.])
    """
    index = (*(slice(None),) * one_axis(dim, input.ndim), slice(start, end, step))
    return _with_part("slice_scatter", input, src, index)


def _with_part(name: str, input: Any, src: Any, index: tuple[Any, ...]) -> Any:
    wanted = raw(input)[index].shape
    if tuple(src.shape) != wanted:
        raise located(ShapeError(f"src must have shape {wanted}, not {tuple(src.shape)}"), name, input)
    return _slice_put(input, src, index=index)


# --- strides ----------------------------------------------------------------------------------------------------------


def _strided_case(sampler: Sampler) -> Any:
    params = {"size": (sampler.integer(0, 2), 2), "stride": (sampler.integer(0, 2), 1), "offset": sampler.integer(0, 1)}
    return (sampler.array((6,)),), params


def _places(size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
    """Which entry of the memory each entry of a strided view is."""
    places: Any = numpy.full(size, offset, dtype="int64")
    for axis, (count, step) in enumerate(zip(size, stride, strict=True)):
        places = places + (numpy.arange(count) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
    return places


def _strided_rule(g: Any, x_shape: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
    places = array_on(device_of(raw(g)), _places(size, stride, offset))
    return _add_into_zeros(g, places[None], shape=x_shape, axes=(0,))


@primitive(x=_strided_rule, linear=True, view=True, cases=_strided_case)
def _as_strided(x: Real, *, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
    """Entries of one axis, over which a view steps."""
    x = contiguous(x)
    strides = tuple(step * x.itemsize for step in stride)
    if type(x) is numpy.ndarray:  # of as_strided the result would not say whose memory it shows
        return numpy.ndarray(size, x.dtype, x, offset * x.itemsize, strides)
    return xp(x).lib.stride_tricks.as_strided(x[offset:], size, strides)


def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A view that steps over the memory of ``input`` by ``stride``, counted in entries; parts may overlap.

    Parameters
    ----------
    input : Tensor
        Contiguous; the memory is what it shows.
    size, stride : sequence of int
        As many steps as sizes.
    storage_offset : int, optional
        Where to begin.

    Errors
    ------
    ShapeError if the view would leave the memory, or ``input`` is not contiguous.

    >>> from tinygrad_mp import arange, as_strided
    >>> as_strided(arange(4), (3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    sizes, steps, offset = tuple(size), tuple(stride), storage_offset or 0
    array = settle(input) if isinstance(input, TensorBase) else input
    last = offset + sum((count - 1) * step for count, step in zip(sizes, steps, strict=False))
    inside = 0 not in sizes and last >= array.size
    if len(sizes) != len(steps) or min((offset, *sizes, *steps)) < 0 or inside or not array.flags.c_contiguous:
        problem = f"sizes {sizes} with steps {steps} from {offset} on do not fit {array.size} contiguous entries"
        raise located(ShapeError(problem, fix="make it contiguous, or index it"), "as_strided", input)
    return _as_strided(reshape(input, -1), size=sizes, stride=steps, offset=offset)
