"""Writing entries to places given by index tensors: copies with places replaced, added to, or reduced into.

Each comes in place too, with an underscore. Where an index repeats a place and values replace one another, the last
one stays, and all of them receive the cotangent of that place, as in PyTorch.
"""

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.scatter import check_range
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.counting import raw
from tinygrad_mp.ops.elementwise import add, clone, mul
from tinygrad_mp.ops.gathering import (
    _integers,
    _located,
    masked_fill,
)
from tinygrad_mp.ops.indexing import _add_into_zeros, _put, _slice, _slice_into_zeros, _take, getitem, normalize_index
from tinygrad_mp.ops.indexing import setitem as _setitem
from tinygrad_mp.ops.movement import expand, reshape
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.scatter_reductions import entries_of, everywhere, scatter_reduce

# --- along one axis, slice by slice -----------------------------------------------------------------------------------


def _slices(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[Any, int, Any, Any]:
    """What slice-wise writing needs: operands with at least one axis, the axis, and an index in range."""
    axis = one_axis(dim, input.ndim)
    places = _integers(name, input, index).reshape(-1)
    if getattr(index, "ndim", 1) > 1:
        raise _located(ShapeError("index must have one axis", fix="flatten it"), name, input=input, index=index)
    x = input if input.ndim else reshape(input, 1)
    try:
        check_range(places, x.shape[axis], axis, negative=False)
    except IndexRangeError as error:
        raise _located(error, name, input=input, index=places) from None
    if source is None:
        return x, axis, places, None
    if source.dtype != input.dtype:
        problem = DTypeError(f"input is {input.dtype}, but source is {source.dtype}", fix="convert one of them")
        raise _located(problem, name, input=input, source=source)
    part = source if source.ndim else reshape(source, 1)
    wanted = (*x.shape[:axis], places.shape[0], *x.shape[axis + 1 :])
    if tuple(part.shape) != wanted:
        unfit = ShapeError(f"source must have shape {wanted}, not {tuple(source.shape)}")
        raise _located(unfit, name, input=input, source=source)
    return x, axis, places, part


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """``input`` plus ``alpha`` times the slices of ``source`` at ``index`` along ``dim``; what meets adds up.

    Parameters
    ----------
    index : integer Tensor
        One axis; entries in ``[0, input.shape[dim])``.
    source : Tensor
        Of the dtype of ``input``; its shape, with ``len(index)`` along ``dim``.

    Errors
    ------
    IndexRangeError, ShapeError, DTypeError for what does not fit.

    >>> from tinygrad_mp import index_add, tensor, zeros
    >>> index_add(zeros(3), 0, tensor([0, 2, 0]), tensor([1.0, 2.0, 3.0]))
    tensor([4., 0., 2.])
    """
    x, axis, places, part = _slices("index_add", input, dim, index, source)
    if alpha != 1:
        part = mul(part, alpha)
    total = add(x, _add_into_zeros(part, places[None], shape=tuple(x.shape), axes=(axis,)))
    return reshape(total, input.shape)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """A copy of ``input`` with the slices of ``source`` at ``index`` along ``dim``; parameters as :func:`index_add`.

    >>> from tinygrad_mp import index_copy, tensor, zeros
    >>> index_copy(zeros(3), 0, tensor([2, 0]), tensor([1.0, 2.0]))
    tensor([2., 0., 1.])
    """
    x, axis, places, part = _slices("index_copy", input, dim, index, source)
    return reshape(_put(x, part, places[None], axes=(axis,)), input.shape)


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A copy of ``input`` with ``value``, a number or 0-d tensor, in the slices at ``index`` along ``dim``.

    >>> from tinygrad_mp import index_fill, tensor, zeros
    >>> index_fill(zeros(3), 0, tensor([0, 2]), 5.0)
    tensor([5., 0., 5.])
    """
    if getattr(value, "ndim", 0):
        raise _located(ShapeError("value must be a number or have no axes"), "index_fill", input=input, value=value)
    x, axis, places, _ = _slices("index_fill", input, dim, index, None)
    mask = xp(places).zeros(x.shape[axis], dtype="bool")
    mask[places] = True
    return reshape(masked_fill(x, mask.reshape((-1,) + (1,) * (x.ndim - axis - 1)), value), input.shape)


def index_reduce(input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True) -> Any:
    """As :func:`scatter_reduce`, slice by slice.

    Parameters
    ----------
    reduce : {"prod", "mean", "amax", "amin"}

    >>> from tinygrad_mp import index_reduce, ones, tensor
    >>> index_reduce(ones(2), 0, tensor([0, 0]), tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])
    """
    x, axis, places, part = _slices("index_reduce", input, dim, index, source)
    along = (1,) * axis + (-1,) + (1,) * (x.ndim - axis - 1)
    whole = xp(places).broadcast_to(places.reshape(along), part.shape)
    return reshape(scatter_reduce(x, axis, whole, part, reduce, include_self=include_self), input.shape)


# --- by several index tensors -----------------------------------------------------------------------------------------


def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """A copy of ``input`` with ``input[indices] = values``, or ``+=`` that adds up where places repeat.

    Parameters
    ----------
    indices : tuple of Tensor or None
        One integer tensor or mask for each of the first axes; None for all of an axis.
    values : Tensor
        Broadcasts to ``input[indices]``; same dtype.
    accumulate : bool, default False

    >>> from tinygrad_mp import index_put, tensor, zeros
    >>> index_put(zeros(3), (tensor([1, 1]),), tensor([1.0, 2.0]), accumulate=True)
    tensor([0., 3., 0.])
    """
    if getattr(values, "dtype", input.dtype) != input.dtype:
        problem = DTypeError(f"input is {input.dtype}, but values are {values.dtype}", fix="convert one of them")
        raise _located(problem, "index_put", input=input, values=values)
    index = tuple(slice(None) if one is None else one for one in indices)
    if not accumulate:
        return _setitem(input, values, index)
    basic, axes, places, unique = normalize_index(index, input)
    if places is None:
        return add(input, _slice_into_zeros(expand(values, input[index].shape), shape=input.shape, index=basic))
    part = _slice(input, index=basic) if basic else input
    picked = expand(values, _take(raw(part), places, axes=axes).shape)
    total = _add_into_zeros(picked, places, shape=tuple(part.shape), axes=axes, unique=unique)
    return add(input, _slice_into_zeros(total, shape=tuple(input.shape), index=basic) if basic else total)


def take(input: Any, index: Any) -> Any:
    """The entries of ``input``, as if flattened, at ``index``; negative ones count from the end. Shape of ``index``.

    >>> from tinygrad_mp import take, tensor
    >>> take(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([0, -1]))
    tensor([1., 4.])
    """
    return _take(reshape(input, -1), _flat_places("take", input, index)[None], axes=(0,))


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy of ``input`` with ``source`` at ``index``, as if both were flattened; or added there.

    >>> from tinygrad_mp import put, tensor, zeros
    >>> put(zeros(2, 2), tensor([0, -1]), tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    places = _flat_places("put", input, index).reshape(-1)
    if source.dtype != input.dtype or math.prod(source.shape) != places.shape[0]:
        problem = ShapeError(f"{places.shape[0]} places, but a source of shape {tuple(source.shape)}, {source.dtype}")
        raise _located(problem, "put", input=input, source=source)
    x, values = reshape(input, -1), reshape(source, -1)
    if accumulate:
        out = add(x, _add_into_zeros(values, places[None], shape=tuple(x.shape), axes=(0,)))
    else:
        out = _put(x, values, places[None], axes=(0,))
    return reshape(out, input.shape)


def _flat_places(name: str, input: Any, index: Any) -> Any:
    places = _integers(name, input, index)
    try:
        check_range(places, math.prod(input.shape), 0)
    except IndexRangeError as error:
        raise _located(error, name, input=input, index=places) from None
    return places


# --- by masks ---------------------------------------------------------------------------------------------------------


def _mask_over(name: str, input: Any, mask: Any) -> tuple[Any, Any]:
    """``input`` and a raw boolean mask, broadcast together."""
    found = raw(mask)
    if getattr(found, "dtype", None) != "bool":
        problem = DTypeError(f"the mask must be boolean, not {getattr(found, 'dtype', type(found))}")
        raise _located(problem, name, input=input, mask=mask)
    try:
        whole, found = xp(found).broadcast_arrays(raw(input), found)
    except ValueError as error:
        unfit = ShapeError("input and mask do not broadcast")
        raise _located(unfit, name, input=input, mask=mask) from error
    return (input if whole.shape == tuple(input.shape) else expand(input, whole.shape)), found


def masked_select(input: Any, mask: Any) -> Any:
    """The entries of ``input`` where ``mask`` is True, in C order, as one axis; the two broadcast.

    >>> from tinygrad_mp import masked_select, tensor
    >>> masked_select(tensor([1.0, 2.0, 3.0]), tensor([True, False, True]))
    tensor([1., 3.])
    """
    x, found = _mask_over("masked_select", input, mask)
    return getitem(reshape(x, -1), found.reshape(-1))


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy of ``input`` with the first entries of ``source``, in order, where ``mask`` is True.

    Errors
    ------
    ShapeError if ``source`` has fewer entries than the mask has True; DTypeError if the dtypes differ.

    >>> from tinygrad_mp import masked_scatter, tensor, zeros
    >>> masked_scatter(zeros(3), tensor([True, False, True]), tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    x, found = _mask_over("masked_scatter", input, mask)
    places = found.reshape(-1).nonzero()[0]
    if source.dtype != input.dtype:
        problem = DTypeError(f"input is {input.dtype}, but source is {source.dtype}", fix="convert one of them")
        raise _located(problem, "masked_scatter", input=input, source=source)
    if math.prod(source.shape) < places.shape[0]:
        missing = ShapeError(f"the mask has {places.shape[0]} True, but source only {math.prod(source.shape)} entries")
        raise _located(missing, "masked_scatter", input=input, source=source)
    values = reshape(source, -1)[: places.shape[0]]
    return reshape(_put(reshape(x, -1), values, places.astype("int64", copy=False)[None], axes=(0,)), x.shape)


# --- along one axis, entry by entry -----------------------------------------------------------------------------------


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """A copy of ``input`` with ``src[i, j, k]`` at ``[i, index[i, j, k], k]``, for ``dim=1``.

    Parameters
    ----------
    index : integer Tensor
        As many axes as ``input``, none longer but along ``dim``; entries in ``[0, input.shape[dim])``.
    src : Tensor or number
        As many axes as ``index``, none shorter; what lies beyond ``index`` is not used. Or one ``value`` for all.
    reduce : {None, "add", "multiply"}
        Replace, or add to or multiply what is there. PyTorch advises :func:`scatter_reduce` instead.

    Errors
    ------
    IndexRangeError, ShapeError, DTypeError for what does not fit.

    >>> from tinygrad_mp import scatter, tensor, zeros
    >>> scatter(zeros(2, 3), 1, tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    given = src if value is None else value
    if given is None:
        raise _located(DTypeError("neither src nor value is given"), "scatter", input=input)
    one = not hasattr(given, "dtype") or (value is not None and not given.ndim)
    x, axis, places, part = entries_of("scatter", input, dim, index, None if one else given)
    if reduce not in (None, "add", "multiply"):
        raise SettingError(f"scatter: unknown reduce {reduce!r}", fix='use "add" or "multiply"')
    if not places.size:
        return clone(input)
    if reduce is None:
        return reshape(
            _put(x, given if one else part, everywhere(places, axis), axes=tuple(range(x.ndim))), input.shape
        )
    if one:
        part = expand(reshape(x, -1)[:1] * 0 + given, (places.size,)) if x.shape else x
        part = to_dtype(reshape(part, places.shape), input.dtype)
    return reshape(scatter_reduce(x, axis, places, part, "sum" if reduce == "add" else "prod"), input.shape)
