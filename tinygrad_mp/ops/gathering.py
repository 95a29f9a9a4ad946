"""Picking and placing entries along one axis by index tensors, filling by mask, one-hot rows."""

import math
import operator
from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.scatter import add_rows, check_range
from tinygrad_mp.domains import Boolean, Real
from tinygrad_mp.errors import DTypeError, IndexRangeError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.elementwise import add, kept
from tinygrad_mp.ops.indexing import _take, getitem, index_array
from tinygrad_mp.ops.movement import expand, reshape
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

# --- public -----------------------------------------------------------------------------------------------------------


def gather(input: Any, dim: int, index: Any) -> Any:
    """Pick along one axis: ``out[i, j, k] = input[i, index[i, j, k], k]`` for ``dim=1``.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : integer Tensor
        As many axes as ``input``, none longer than that of ``input`` except ``dim``. Entries in
        ``[0, input.shape[dim])``; negative ones are refused, as in PyTorch.

    Returns
    -------
    Tensor
        Shape of ``index``, dtype of ``input``. Its gradient adds up where ``index`` repeats a place.

    Errors
    ------
    IndexRangeError for an entry out of range; ShapeError for an index that does not fit; DTypeError if it is not of
    integers.

    >>> from tinygrad_mp import gather, tensor
    >>> gather(tensor([[1.0, 2.0], [3.0, 4.0]]), 1, tensor([[0, 0], [1, 0]]))
    tensor([[1., 1.],
            [4., 3.]])
    """
    dim = one_axis(dim, input.ndim)
    index = _integers("gather", input, index)
    if index.ndim != input.ndim and index.size == 0:  # picks nothing, whatever its axes, as PyTorch
        return reshape(getitem(reshape(input, (-1,)), slice(0, 0)), tuple(index.shape))
    index = _checked_index("gather", input, dim, index)
    if input.ndim != 0 and index.ndim != 0:
        return _gather(input, index, dim=dim)
    picked = _gather(reshape(input, (-1,)), index.reshape(-1), dim=0)
    return reshape(picked, index.shape)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Add along one axis: ``input`` plus ``src[i, j, k]`` at ``[i, index[i, j, k], k]`` for ``dim=1``.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : integer Tensor
        As for :func:`gather`. What goes to one place adds up, in the order of ``src``: the same result every time.
    src : Tensor
        Same dtype as ``input``; as many axes, each at least as long as that of ``index``. The rest is not used.

    Returns
    -------
    Tensor
        Shape and dtype of ``input``.

    Errors
    ------
    As for :func:`gather`; DTypeError if the dtypes differ.

    >>> from tinygrad_mp import scatter_add, tensor
    >>> scatter_add(tensor([1.0, 1.0]), 0, tensor([1, 1, 0]), tensor([1.0, 2.0, 3.0]))
    tensor([4., 4.])
    """
    dim = one_axis(dim, input.ndim)
    index = _checked_index("scatter_add", input, dim, index)
    if input.dtype != src.dtype:
        raise _located(
            DTypeError(f"input is {input.dtype}, but src is {src.dtype}", fix="convert one of them"),
            "scatter_add",
            input=input,
            src=src,
        )
    if input.ndim == 0 or index.ndim == 0 or src.ndim == 0:
        total = scatter_add(reshape(input, (-1,)), 0, index.reshape(-1), reshape(src, (-1,)))
        return reshape(total, input.shape)
    if src.ndim != index.ndim or any(size > least for size, least in zip(index.shape, src.shape, strict=True)):
        raise _located(
            ShapeError("src must have as many axes as index, none of them shorter"), "scatter_add", index=index, src=src
        )
    if src.shape != index.shape:
        src = getitem(src, tuple(slice(size) for size in index.shape))
    return add(input, _scatter_into_zeros(src, index, dim=dim, shape=tuple(input.shape)))


def index_select(input: Any, dim: int, index: Any) -> Any:
    """The entries of ``input`` at positions ``index`` along ``dim``.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : integer Tensor
        One axis, or none for a single position. Entries in ``[0, input.shape[dim])``.

    Returns
    -------
    Tensor
        Shape of ``input``, with ``len(index)`` along ``dim``.

    Errors
    ------
    IndexRangeError for an entry out of range, negative ones included; ShapeError if ``index`` has more axes.

    >>> from tinygrad_mp import index_select, tensor
    >>> index_select(tensor([[1.0, 2.0], [3.0, 4.0]]), 1, tensor([1, 1]))
    tensor([[2., 2.],
            [4., 4.]])
    """
    dim = one_axis(dim, input.ndim)
    index = _integers("index_select", input, index)
    if index.ndim > 1:
        raise _located(
            ShapeError("index must have one axis", fix="flatten it"), "index_select", input=input, index=index
        )
    _check("index_select", input, index, input.shape[dim] if input.ndim else 1, dim)
    index = index.reshape(1, -1)
    if input.ndim == 0:
        return reshape(_take(reshape(input, (1,)), index, axes=(0,)), ())
    return _take(input, index, axes=(dim,))


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Pick along ``dim`` as :func:`gather`, where the other axes of ``input`` and ``indices`` broadcast.

    Parameters
    ----------
    input : Tensor
    indices : integer Tensor
        As many axes as ``input``; entries in ``[-input.shape[dim], input.shape[dim])``, negative ones from the end.
    dim : int, optional
        Without it, both are flattened first.

    Errors
    ------
    As for :func:`gather`.

    >>> from tinygrad_mp import take_along_dim, tensor
    >>> take_along_dim(tensor([[1.0, 3.0], [4.0, 2.0]]), tensor([[1]]), dim=1)
    tensor([[3.],
            [2.]])
    """
    index = _integers("take_along_dim", input, indices)
    if dim is None:
        input, index, dim = reshape(input, (-1,)), index.reshape(-1), 0
    dim = one_axis(dim, input.ndim)
    if index.ndim != input.ndim:
        raise _located(
            ShapeError("indices must have as many axes as input"), "take_along_dim", input=input, indices=index
        )
    shapes = (tuple(input.shape), tuple(index.shape))
    one, other = ((*shape[:dim], 1, *shape[dim + 1 :]) for shape in shapes)
    try:
        common = numpy.broadcast_shapes(one, other)
    except ValueError as error:
        problem = ShapeError(f"apart from axis {dim}, input and indices do not broadcast")
        raise _located(problem, "take_along_dim", input=input, indices=index) from error
    whole, wanted = ((*common[:dim], shape[dim], *common[dim + 1 :]) for shape in shapes)
    if whole != shapes[0]:
        input = expand(input, whole)
    index = xp(index).where(index < 0, index + shapes[0][dim], index)
    return gather(input, dim, xp(index).broadcast_to(index, wanted))


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """``input`` where ``mask`` is False, ``value`` where it is True.

    Parameters
    ----------
    input : Tensor
    mask : boolean Tensor
        Broadcasts with ``input``.
    value : number or 0-d Tensor
        Cast to the dtype of ``input``; a Tensor receives the sum of the cotangents under the mask.

    Errors
    ------
    DTypeError if ``mask`` is not boolean or ``value`` complex; ShapeError if the shapes do not broadcast or ``value``
    has axes.

    >>> from tinygrad_mp import masked_fill, tensor
    >>> masked_fill(tensor([1.0, 2.0]), tensor([False, True]), float("-inf"))
    tensor([1., -inf])
    """
    raw = input.array if isinstance(input, TensorBase) else input
    mask = index_array(mask, raw, "the mask")
    if mask.dtype.kind != "b":
        raise _located(
            DTypeError(f"the mask must be boolean, not {mask.dtype}", fix="compare it: mask != 0"),
            "masked_fill",
            input=input,
            mask=mask,
        )
    if isinstance(value, complex) and raw.dtype.kind != "c":
        raise _located(DTypeError(f"{value} does not fit into {raw.dtype}"), "masked_fill", input=input)
    return _masked_fill(input, mask, value)


def one_hot(labels: Any, num_classes: int = -1) -> Any:
    """Rows that are 1 at the label and 0 elsewhere.

    Parameters
    ----------
    labels : integer Tensor, any shape
        Entries in ``[0, num_classes)``.
    num_classes : int, default -1
        -1: one more than the greatest label.

    Returns
    -------
    int64 Tensor
        Shape of ``labels`` with an axis of ``num_classes`` appended.

    Errors
    ------
    IndexRangeError for a label out of range; DTypeError if labels are not integers; ShapeError if the number of
    classes cannot be told from empty labels.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import one_hot
    >>> one_hot(tensor([0, 2]), num_classes=3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    raw = labels.array if isinstance(labels, TensorBase) else labels
    if raw.dtype.kind not in "iu":
        raise _located(
            DTypeError(f"labels must be integers, not {raw.dtype}", fix="convert them with .long()"),
            "one_hot",
            labels=labels,
        )
    count = operator.index(num_classes)
    if count < -1 or (raw.size == 0 and count < 1):
        raise _located(
            ShapeError("num_classes must be told, and positive", fix="pass num_classes"), "one_hot", labels=labels
        )
    if count == -1:
        count = max(int(raw.max()) + 1, 1)
    try:
        check_range(raw, count, raw.ndim, negative=False, what="label")
    except IndexRangeError as error:
        raise _located(error, "one_hot", labels=labels) from None
    return _one_hot(labels, num_classes=count)


# --- primitives -------------------------------------------------------------------------------------------------------


def _gather_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    dim = sampler.integer(0, len(shape) - 1)
    picked = tuple(sampler.integer(0, size + (axis == dim)) for axis, size in enumerate(shape))
    return (sampler.array(shape), sampler.indices(picked, shape[dim])), {"dim": dim}


def _scatter_case(sampler: Any) -> Any:
    (x, index), params = _gather_case(sampler)
    return (sampler.array(index.shape), index), {"shape": x.shape, **params}


def _places(index: Any, shape: tuple[int, ...], dim: int) -> Any:
    """Where in a flattened array of ``shape`` the entries lie that ``index`` names along ``dim``."""
    module, ndim, step = xp(index), len(shape), math.prod(shape[dim + 1 :])
    places = index if step == 1 else index * step
    starts: Any = 0  # of the lines along dim
    for axis in range(ndim):
        if axis != dim and index.shape[axis] > 1:
            along = (1,) * axis + (-1,) + (1,) * (ndim - axis - 1)
            starts = starts + (module.arange(index.shape[axis]) * math.prod(shape[axis + 1 :])).reshape(along)
    return places if type(starts) is int else places + starts


@primitive(
    x=lambda g, index, x_shape, dim: _scatter_into_zeros(g, index, dim=dim, shape=x_shape),
    index=None,
    promotes=None,
    linear=True,
    cases=_gather_case,
)
def _gather(x: Real, index: Any, *, dim: int) -> Any:
    """``x`` picked along ``dim`` at ``index``, which has as many axes and lies in range."""
    if type(x) is numpy.ndarray and x.flags.c_contiguous:
        return x.reshape(-1).take(_places(index, x.shape, dim))
    region = tuple(slice(None) if axis == dim else slice(size) for axis, size in enumerate(index.shape))
    return xp(x).take_along_axis(x[region], index, axis=dim)


@primitive(
    x=lambda g, index, dim: _gather(g, index, dim=dim), index=None, promotes=None, linear=True, cases=_scatter_case
)
def _scatter_into_zeros(x: Real, index: Any, *, dim: int, shape: tuple[int, ...]) -> Any:
    """Zeros of ``shape`` with ``x`` added at ``index`` along ``dim``; what meets at one place adds up."""
    module, places, count = xp(x), _places(index, shape, dim), math.prod(shape)
    if index.shape[dim] != 1:
        return add_rows(places.reshape(-1), x.reshape(-1, 1), count).reshape(shape)
    total = module.zeros(count, dtype=x.dtype)  # one entry in each line along dim: nothing can meet
    total[places] = x
    return total.reshape(shape)


def _masked_fill_case(sampler: Any) -> Any:
    shape = sampler.shape()
    mask = sampler.array(shape[sampler.integer(0, len(shape)) :], Boolean)
    return (sampler.array(shape), mask, sampler.array(())), {}


@primitive(
    x=lambda g, mask: kept(g, ~mask),
    value=lambda g, mask: kept(g, mask),
    mask=None,
    promotes=None,
    cases=_masked_fill_case,
)
def _masked_fill(x: Real, mask: Boolean, value: Real) -> Any:
    """``x`` with ``value`` where ``mask`` is True."""
    if getattr(value, "ndim", 0) != 0:
        raise ShapeError(f"value must be a number or have no axes, not shape {tuple(value.shape)}")
    if x.shape != mask.shape:
        x, mask = xp(x).broadcast_arrays(x, mask)
    filled = x.copy()
    xp(x).copyto(filled, value, casting="unsafe", where=mask)
    return filled


def _one_hot_case(sampler: Any) -> Any:
    count = sampler.integer(1, 4)
    return (sampler.indices(sampler.shape(), count),), {"num_classes": count}


@primitive(labels=None, promotes=None, cases=_one_hot_case)
def _one_hot(labels: Any, *, num_classes: int) -> Any:
    """A 1 at each label, which lies in range, along a new last axis."""
    module = xp(labels)
    rows = module.zeros((labels.size, num_classes), dtype="int64")
    rows[module.arange(labels.size), labels.reshape(-1)] = 1
    return rows.reshape((*labels.shape, num_classes))


# --- checks -----------------------------------------------------------------------------------------------------------


def _located(error: Any, name: str, **operands: Any) -> Any:
    error.locate(name, operands.items())
    return error


def _integers(name: str, input: Any, index: Any) -> Any:
    """``index`` as a raw integer array on the device of ``input``."""
    raw = index_array(index, input.array if isinstance(input, TensorBase) else input)
    if raw.dtype.kind == "b":
        raise _located(DTypeError("index must be of integers, not bool"), name, input=input, index=raw)
    return raw.astype("int64", copy=False)


def _check(name: str, input: Any, index: Any, size: int, dim: int) -> None:
    try:
        check_range(index, size, dim, negative=False)
    except IndexRangeError as error:
        raise _located(error, name, input=input, index=index) from None


def _checked_index(name: str, input: Any, dim: int, index: Any) -> Any:
    """The index of gather and scatter_add as a raw array that fits ``input`` and lies in range."""
    index = _integers(name, input, index)
    if max(index.ndim, 1) != max(input.ndim, 1):
        problem = ShapeError(
            f"index has {index.ndim} axes, but input has {input.ndim}",
            fix="unsqueeze the index, so that axes correspond",
        )
        raise _located(problem, name, input=input, index=index)
    for axis, (size, limit) in enumerate(zip(index.shape, input.shape, strict=False)):
        if axis != dim and size > limit:
            problem = ShapeError(f"along axis {axis}, index has size {size}, but input only {limit}")
            raise _located(problem, name, input=input, index=index)
    _check(name, input, index, input.shape[dim] if input.ndim else 1, dim)
    return index
