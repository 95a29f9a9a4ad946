"""Reading and writing parts of a tensor: ``x[index]``, and copies with a part replaced.

An index is split in two. Its *basic* part (ints, slices, None, Ellipsis) gives a view. Its *advanced* part (integer
arrays, masks) then picks from that view: all index arrays are broadcast together and stacked into one integer array
``indices``, one layer for each axis that they index, so that one primitive does all picking. A mask means the integer
arrays of its True places.
"""

import math
import operator
from typing import Any, NamedTuple

import numpy

from tinygrad_mp.backend import array_on, contiguous, device_of, is_array, xp
from tinygrad_mp.backend.scatter import add_rows, check_range
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import DeviceError, DTypeError, IndexRangeError, ShapeError, TinygradError
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

_ALL = slice(None)
_PLAIN = frozenset({int, type(None), type(...)})

# --- public -----------------------------------------------------------------------------------------------------------


def getitem(x: Any, index: Any) -> Any:
    """``x[index]``.

    Parameters
    ----------
    x : Tensor
    index : int, slice, Ellipsis, None, bool, list, integer or boolean array or Tensor, or a tuple of these
        Ints, slices, Ellipsis and None give a view; integer arrays (negative entries count from the end) and masks
        give a copy. Slices may have negative steps, as in NumPy. Where NumPy and PyTorch differ, PyTorch is followed:
        an int beside arrays is taken first, as if alone.

    Errors
    ------
    IndexRangeError for an index out of range or too many indices; ShapeError for a mask of another shape and for index
    arrays that do not broadcast; DTypeError for an index that is neither integer nor boolean.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> x[0, ::2], x[:, [0, -1]], x[x > 4]
    (tensor([1., 3.]), tensor([[1., 3.],
            [4., 6.]]), tensor([5., 6.]))
    """
    if type(index) is int:
        return _slice(x, index=(index,))
    if _is_mask_of(x, index):  # of one axis, it picks with one integer array
        x, index = reshape(x, (-1,)), getattr(index, "array", index).reshape(-1)
    basic, axes, indices, unique = normalize_index(index, x)
    if indices is None:
        return _slice(x, index=basic)
    if basic:
        x = _slice(x, index=basic)
    return _take(x, indices, axes=axes, unique=unique)


def setitem(x: Any, value: Any, index: Any) -> Any:
    """A copy of ``x`` with ``x[index]`` replaced by ``value``; recorded for both.

    Parameters
    ----------
    x : Tensor
    value : Tensor, array or number
        Broadcasts to the shape of ``x[index]``, and is cast to the dtype of ``x``.
    index
        As for :func:`getitem`. If an index array repeats a place, one of its values is kept, and, as in PyTorch, all
        of them receive the cotangent of that place.

    Errors
    ------
    Those of :func:`getitem`; ShapeError if ``value`` does not broadcast to ``x[index]``; DTypeError if it requires a
    gradient and ``x`` is not floating.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.ops import setitem
    >>> setitem(tensor([1.0, 2.0, 3.0]), 0.0, slice(1, None))
    tensor([1., 0., 0.])
    """
    if isinstance(value, TensorBase) and value.node is not None and x.dtype.kind not in "fc":
        raise DTypeError(
            f"setitem: a value that requires a gradient cannot be written into a {x.dtype} tensor",
            fix="make the tensor floating first: x = x.float()",
        )
    basic, axes, indices, _ = normalize_index(index, x)
    if indices is None:
        return _slice_put(x, value, index=basic)
    if not basic:
        return _put(x, value, indices, axes=axes)
    return _slice_put(x, _put(_slice(x, index=basic), value, indices, axes=axes), index=basic)


# --- reading an index -------------------------------------------------------------------------------------------------


class Index(NamedTuple):
    """An index made regular: ``x[basic]`` is a view, and ``indices`` picks from that view along its ``axes``.

    ``basic`` holds ints, slices, None and Ellipsis, and is () if there is nothing to do. ``indices`` is an int64 array
    of shape ``(len(axes), ...)``, in range, on the device of ``x``; or None. ``unique``: no entry is picked twice.
    """

    basic: tuple[Any, ...]
    axes: tuple[int, ...]
    indices: Any
    unique: bool

    def in_numpy_form(self, ndim: int) -> tuple[Any, ...]:
        """What to put between brackets to pick from ``x[basic]``, an array with ``ndim`` axes."""
        return _place(self.indices, self.axes, ndim)


def normalize_index(index: Any, x: Any) -> Index:
    """Split ``index`` into its basic part and one integer array on the device of ``x`` (a raw array or a Tensor).

    As in PyTorch, ints are basic, and so are 0-d integer arrays. Basic indices are checked when they are used, arrays
    here.
    """
    items = index if type(index) is tuple else (index,)
    if all(map(_is_plain, items)):
        return Index(items, (), None, True)
    try:
        return _split(items, x.array if isinstance(x, TensorBase) else x)
    except TinygradError as error:
        error.locate("index", (("x", x),))
        raise


def _split(items: tuple[Any, ...], raw: Any) -> Index:
    """The work of :func:`normalize_index`, where there are arrays among ``items``."""
    basic: list[Any] = []
    axes: list[int] = []
    arrays: list[Any] = []
    masks = advanced = axis = place = 0  # ``axis`` counts the axes of x, ``place`` those of x[basic]
    for item in _without_ellipsis([_regular(item, raw) for item in items], raw.shape):
        if not is_array(item):
            basic.append(item)
            axis += item is not None
            place += type(item) is not int
            continue
        advanced += 1
        masks += item.dtype.kind == "b"
        if item.dtype.kind != "b":
            check_range(item, raw.shape[axis], axis)
            layers, picked = [item], _ALL
        elif item.ndim == 0:  # a new axis of size 1, taken once or not at all
            layers, picked = [item.reshape(1).nonzero()[0]], None
        else:
            _check_mask(item, raw.shape, axis)
            layers, picked = list(item.nonzero()), _ALL
        for layer in layers:
            arrays.append(layer)
            axes.append(place)
            basic.append(picked)
            axis, place = axis + (picked is not None), place + 1
    if all(type(item) is slice and item == _ALL for item in basic):
        basic = []
    return Index(tuple(basic), tuple(axes), _stacked(arrays), masks == advanced == 1)


def _is_mask_of(x: Any, index: Any) -> bool:
    """Whether ``index`` is one boolean array or Tensor over all of the several axes of ``x``."""
    dtype = getattr(index, "dtype", None)
    return dtype is not None and dtype.kind == "b" and index.ndim > 1 and x.shape == index.shape and 0 not in x.shape


def index_array(index: Any, like: Any, name: str = "index") -> Any:
    """``index`` (Tensor, array or list) as a raw integer or boolean array on the device of the array ``like``."""
    if isinstance(index, TensorBase):
        index = index.array
    elif not is_array(index):
        try:
            index = numpy.asarray(index)
        except ValueError as error:
            raise ShapeError(f"{name} is a list whose parts differ in length: {index!r}") from error
        if index.size == 0 and index.dtype.kind == "f":  # an empty list says nothing of its dtype
            index = index.astype("int64")
    if index.dtype.kind not in "biu":
        raise DTypeError(
            f"{name} must be of integers or booleans, not {index.dtype}", fix="convert it, for example with .long()"
        )
    if type(index) is not type(like):
        if type(index) is not numpy.ndarray:
            raise DeviceError(
                f"{name} lives on {device_of(index)}, but what it indexes on {device_of(like)}",
                fix="move the index with .to(device)",
            )
        index = array_on(device_of(like), index)
    return index


def _is_plain(item: Any) -> bool:
    """Whether ``item`` is basic as it stands: an int, None, Ellipsis, or a slice between ints."""
    if type(item) is slice:
        return type(item.start) in _PLAIN and type(item.stop) in _PLAIN and type(item.step) in _PLAIN
    return type(item) in _PLAIN


def _regular(item: Any, raw: Any) -> Any:
    """One part of an index as an int, a slice between ints, None, Ellipsis, or an array with axes or booleans."""
    if _is_plain(item):
        return item
    if isinstance(item, slice):
        return slice(*(None if end is None else operator.index(end) for end in (item.start, item.stop, item.step)))
    if isinstance(item, (bool, numpy.bool_)):
        return xp(raw).asarray(bool(item))
    if isinstance(item, (list, tuple, range, TensorBase)) or is_array(item):
        array = index_array(item, raw, "the index")
        return int(array) if array.ndim == 0 and array.dtype.kind != "b" else array
    try:
        return operator.index(item)
    except TypeError as error:
        raise DTypeError(
            f"a tensor cannot be indexed with {item!r}, a {type(item).__name__}",
            fix="use ints, slices, ..., None, integer or boolean tensors, arrays or lists",
        ) from error


def _without_ellipsis(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    """Write out the Ellipsis as full slices; refuse more indices than there are axes."""
    taken = sum(
        item.ndim if is_array(item) and item.dtype.kind == "b" else item is not None and item is not ...
        for item in items
    )
    if taken > len(shape):
        raise IndexRangeError(
            f"too many indices: {taken} axes are indexed, but the tensor has {len(shape)}, shape {shape}"
        )
    dots = [position for position, item in enumerate(items) if item is ...]
    if len(dots) > 1:
        raise IndexRangeError("an index can only have one Ellipsis (...)")
    if not dots:
        return items
    return [*items[: dots[0]], *[_ALL] * (len(shape) - taken), *items[dots[0] + 1 :]]


def _check_mask(mask: Any, shape: tuple[int, ...], axis: int) -> None:
    covered = shape[axis : axis + mask.ndim]
    if mask.shape != covered:
        raise ShapeError(
            f"a mask of shape {mask.shape} indexes axes of sizes {covered}, from axis {axis} of shape {shape}",
            fix="give the mask exactly the sizes of the axes it stands for",
        )


def _stacked(arrays: list[Any]) -> Any:
    """Broadcast index arrays together and stack them: shape (number of arrays, ...); None if there are none."""
    if len(arrays) <= 1:
        return arrays[0].astype("int64", copy=False)[None] if arrays else None
    module = xp(arrays[0])
    try:
        together = module.broadcast_arrays(*arrays)
    except ValueError as error:
        shapes = " and ".join(str(tuple(array.shape)) for array in arrays)
        raise ShapeError(f"index arrays of shapes {shapes} do not broadcast together") from error
    return module.stack(together).astype("int64", copy=False)


def _place(indices: Any, axes: tuple[int, ...], ndim: int) -> tuple[Any, ...]:
    """The tuple of slices and arrays with which NumPy picks ``indices`` along ``axes``."""
    index: list[Any] = [_ALL] * ndim
    for axis, layer in zip(axes, indices, strict=True):
        index[axis] = layer
    return tuple(index)


# --- basic indexing ---------------------------------------------------------------------------------------------------


def _slice_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    index: list[Any] = []
    for size in shape[: sampler.integer(1, len(shape))]:
        start, step = sampler.integer(-size, size - 1), sampler.choice((1, 2, -1, None))
        index += sampler.choice(((start,), (slice(start, None, step),), (slice(None, start),), (None, _ALL)))
    return (sampler.array(shape),), {"index": tuple(index)}


def _slice_into_zeros_case(sampler: Any) -> Any:
    (x,), params = _slice_case(sampler)
    return (sampler.array(x[params["index"]].shape),), {"shape": x.shape, **params}


@primitive(
    x=lambda g, x_shape, index: _slice_into_zeros(g, shape=x_shape, index=index),
    promotes=None,
    linear=True,
    view=True,
    cases=_slice_case,
)
def _slice(x: Real, *, index: tuple[Any, ...]) -> Any:
    """``x[index]`` for ints, slices, None and Ellipsis: a view."""
    try:
        # With an Ellipsis, NumPy gives a view even where nothing but ints would give a copy, a scalar.
        return x[index] if ... in index else x[(*index, ...)]
    except IndexError as error:
        raise IndexRangeError(str(error), fix=f"the shape is {tuple(x.shape)}; -n to n - 1 index n entries") from error


@primitive(x=lambda g, index: _slice(g, index=index), promotes=None, linear=True, cases=_slice_into_zeros_case)
def _slice_into_zeros(x: Real, *, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    """Zeros of ``shape`` with ``x`` at ``index``."""
    whole = xp(x).zeros(shape, dtype=x.dtype)
    whole[index] = x
    return whole


def _slice_put_case(sampler: Any) -> Any:
    (x,), params = _slice_case(sampler)
    shape = x[params["index"]].shape
    return (x, sampler.array(shape[sampler.integer(0, len(shape)) :])), params


@primitive(
    x=lambda g, index: _slice_put(g, 0.0, index=index),
    value=lambda g, index: _slice(g, index=index),
    promotes=None,
    cases=_slice_put_case,
)
def _slice_put(x: Real, value: Real, *, index: tuple[Any, ...]) -> Any:
    """A copy of ``x`` with ``value`` at ``index``."""
    whole = x.copy()
    assign(_slice(whole, index=index), value)
    return whole


def assign(part: Any, value: Any, index: Any = ...) -> None:
    """Write ``value`` into the raw array ``part`` at ``index``; surplus leading axes of size 1 are dropped."""
    try:
        part[index] = value
    except ValueError as error:
        shape, given = tuple(part[index].shape), tuple(getattr(value, "shape", ()))
        surplus = len(given) - len(shape)
        if surplus > 0 and given[:surplus] == (1,) * surplus:
            return assign(part, value.reshape(given[surplus:]), index)
        raise ShapeError(f"a value of shape {given} does not broadcast to the indexed part, shape {shape}") from error


# --- picking with integer arrays --------------------------------------------------------------------------------------


def _take_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    axes = tuple(axis for axis in range(len(shape)) if sampler.integer(0, 1)) or (len(shape) - 1,)
    picked = sampler.shape(max_dims=2)
    indices = xp(0).stack([sampler.indices(picked, shape[axis], negative=True) for axis in axes])
    return (sampler.array(shape), indices), {"axes": axes}


def _add_into_zeros_case(sampler: Any) -> Any:
    (x, indices), params = _take_case(sampler)
    return (sampler.array(x[_place(indices, params["axes"], x.ndim)].shape), indices), {"shape": x.shape, **params}


@primitive(
    x=lambda g, indices, x_shape, axes, unique: _add_into_zeros(g, indices, shape=x_shape, axes=axes, unique=unique),
    indices=None,
    promotes=None,
    linear=True,
    cases=_take_case,
)
def _take(x: Real, indices: Any, *, axes: tuple[int, ...], unique: bool = False) -> Any:
    """Pick from ``x``: ``indices[i]`` along ``axes[i]``, all together, as NumPy's advanced indexing; in range."""
    if len(axes) == 1 and x.flags.c_contiguous:  # otherwise take copies all of x first
        return x.take(indices[0], axes[0])
    return contiguous(x[_place(indices, axes, x.ndim)])  # NumPy may give a transposed view of a copy


@primitive(
    x=lambda g, indices, axes, unique: _take(g, indices, axes=axes, unique=unique),
    indices=None,
    promotes=None,
    linear=True,
    cases=_add_into_zeros_case,
)
def _add_into_zeros(
    x: Real, indices: Any, *, shape: tuple[int, ...], axes: tuple[int, ...], unique: bool = False
) -> Any:
    """Zeros of ``shape`` with ``x`` added at ``indices`` along ``axes``; what meets at one place adds up."""
    module = xp(x)
    if unique:
        total = module.zeros(shape, dtype=x.dtype)
        total[_place(indices, axes, len(shape))] = x
        return total
    # Bring the picked axes of x to the front and count places by one number: then it is a sum of rows.
    count = indices.ndim - 1
    first = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0
    front = tuple(range(first, first + count))
    others = tuple(axis for axis in range(len(shape)) if axis not in axes)
    place: Any = 0
    for axis, layer in zip(axes, indices, strict=True):
        place = place * shape[axis] + module.where(layer < 0, layer + shape[axis], layer)
    sizes, rest = [shape[axis] for axis in axes], [shape[axis] for axis in others]
    values = x.transpose(front + tuple(axis for axis in range(x.ndim) if axis not in front))
    rows = add_rows(place.reshape(-1), values.reshape(place.size, math.prod(rest)), math.prod(sizes))
    order = axes + others
    return rows.reshape((*sizes, *rest)).transpose(tuple(order.index(axis) for axis in range(len(shape))))


def _put_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    axis = sampler.integer(0, len(shape) - 1)
    count, start = sampler.integer(0, shape[axis]), sampler.integer(0, shape[axis] - 1)
    indices = (xp(0).arange(count) + start)[None] % shape[axis] - sampler.choice((0, shape[axis]))
    x = sampler.array(shape)
    target = x[_place(indices, (axis,), x.ndim)].shape
    return (x, sampler.array(target[sampler.integer(0, len(target)) :]), indices), {"axes": (axis,)}


@primitive(
    x=lambda g, indices, axes: _put(g, 0.0, indices, axes=axes),
    value=lambda g, indices, axes: _take(g, indices, axes=axes),
    indices=None,
    promotes=None,
    cases=_put_case,
)
def _put(x: Real, value: Real, indices: Any, *, axes: tuple[int, ...]) -> Any:
    """A copy of ``x`` with ``value`` at ``indices`` along ``axes``."""
    whole = x.copy()
    assign(whole, value, _place(indices, axes, x.ndim))
    return whole
