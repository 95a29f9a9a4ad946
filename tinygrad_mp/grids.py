"""Grids, combinations and indices of parts: made of one-dimensional tensors, or from nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import combinations as choices
from itertools import combinations_with_replacement
from typing import Any

import numpy

from tinygrad_mp import dtypes, ops
from tinygrad_mp.backend import is_array
from tinygrad_mp.creation import as_tensor, finish, full, linspace, one_size, tensor, wrap_array
from tinygrad_mp.dtypes import as_dtype, get_default_dtype
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nested import a_kind
from tinygrad_mp.ops.copying import flip
from tinygrad_mp.ops.gathering import index_select
from tinygrad_mp.tape import TensorBase


def _listed(name: str, tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    given = tuple(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    for one in given:
        if not isinstance(one, TensorBase):
            raise DTypeError(f"{name}: expected tensors, got {a_kind(one)}", fix="make them tensors: tensor(data)")
    return given


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """The coordinates of a grid: for each tensor, its entries along an axis of their own, repeated along the others.

    Parameters
    ----------
    *tensors : Tensor with at most one axis, or one list of them
    indexing : {"ij", "xy"}
        "xy" exchanges the first two axes. Default: "ij" (PyTorch warns that this will change one day).

    Errors
    ------
    ShapeError for more axes or no tensors, SettingError for another indexing, DTypeError for different dtypes.

    >>> from tinygrad_mp import tensor
    >>> rows, columns = meshgrid(tensor([1, 2]), tensor([3, 4, 5]), indexing="ij")
    >>> rows
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    given = _listed("meshgrid", tensors)
    if not given:
        raise ShapeError("meshgrid: at least one tensor is needed")
    if indexing not in (None, "ij", "xy"):
        raise SettingError(f"meshgrid: indexing {indexing!r} is unknown", fix='use "ij" or "xy"')
    if any(one.ndim > 1 for one in given):
        raise ShapeError("meshgrid: each tensor has at most one axis", fix="flatten them first")
    if len({(one.dtype, one.device) for one in given}) > 1:
        raise DTypeError("meshgrid: the tensors have different dtypes or devices")
    swapped = indexing == "xy" and len(given) > 1
    if swapped:
        given = (given[1], given[0], *given[2:])
    shape = tuple([one.numel() for one in given])
    grid = [
        ops.expand(ops.reshape(one, tuple([-1 if axis == place else 1 for axis in range(len(given))])), shape)
        for place, one in enumerate(given)
    ]
    return (grid[1], grid[0], *grid[2:]) if swapped else tuple(grid)


def cartesian_prod(*tensors: Any) -> Any:
    """All ways to take one entry of each one-dimensional tensor, a row each; of one tensor, that tensor.

    >>> from tinygrad_mp import tensor
    >>> cartesian_prod(tensor([1, 2]), tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    given = _listed("cartesian_prod", tensors)
    if not given or any(one.ndim != 1 for one in given):
        raise ShapeError("cartesian_prod: tensors with one axis are wanted")
    if len(given) == 1:
        return given[0]
    return ops.stack([ops.flatten(one) for one in meshgrid(*given, indexing="ij")], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to take ``r`` entries of a one-dimensional tensor, in their order, a row each.

    >>> from tinygrad_mp import tensor
    >>> combinations(tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    (input,) = _listed("combinations", (input,))
    if input.ndim != 1:
        raise ShapeError(f"combinations: a tensor with one axis is wanted, not of shape {tuple(input.shape)}")
    if r < 0:
        raise SettingError(f"combinations: r is not negative, got {r}")
    if r == 0:
        return input.new_empty(0)
    choose = combinations_with_replacement if with_replacement else choices
    rows = numpy.array(list(choose(range(input.shape[0]), r)), dtype=numpy.int64).reshape(-1, r)
    places = finish(rows.reshape(-1), input.device)
    return ops.reshape(index_select(input, 0, places), (len(rows), r))


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of the entries of ``x`` as columns, ``N`` of them (default: as many as entries), the highest first.

    >>> from tinygrad_mp import tensor
    >>> vander(tensor([2.0, 3.0]), 3)
    tensor([[4., 2., 1.],
            [9., 3., 1.]])
    """
    (x,) = _listed("vander", (x,))
    if x.ndim != 1:
        raise ShapeError(f"vander: a tensor with one axis is wanted, not of shape {tuple(x.shape)}")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise SettingError(f"vander: N is not negative, got {count}")
    if count == 0:
        return x.new_empty((x.shape[0], 0))
    column = ops.unsqueeze(x if x.dtype.kind in "fc" else x.long(), 1)
    powers = finish(numpy.arange(count), x.device)
    return ops.pow(column, powers.to(dtype=column.dtype) if increasing else flip(powers, 0).to(dtype=column.dtype))


# --- indices of triangles ---------------------------------------------------------------------------------------------


def _triangle(name: str, places: Any, row: Any, col: Any, offset: int, dtype: Any, device: Any) -> Any:
    rows, columns = one_size(name, row), one_size(name, col)
    found = numpy.stack(places(rows, offset, columns))
    return finish(found.astype(as_dtype(dtypes.int64 if dtype is None else dtype)), device)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """The indices, (2, n), of the entries on and below the diagonal ``offset`` of a matrix; int64 by default.

    >>> tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle("tril_indices", numpy.tril_indices, row, col, offset, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Any:
    """The indices, (2, n), of the entries on and above the diagonal ``offset`` of a matrix; int64 by default.

    >>> triu_indices(2, 2, offset=1)
    tensor([[0],
            [1]])
    """
    return _triangle("triu_indices", numpy.triu_indices, row, col, offset, dtype, device)


# --- numbers ----------------------------------------------------------------------------------------------------------


def logspace(
    start: Any,
    end: Any,
    steps: Any,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """``base`` to the powers that :func:`linspace` gives.

    >>> logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    exponents = linspace(start, end, steps, dtype="float64").array
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return finish(numpy.power(float(base), exponents).astype(chosen), device, requires_grad)


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """A tensor without axes that holds a number; the default dtype unless given.

    >>> scalar_tensor(3)
    tensor(3.)
    """
    return full(
        (), s, dtype=get_default_dtype() if dtype is None else dtype, device=device, requires_grad=requires_grad
    )


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Any:
    """``obj`` as a tensor: sharing its memory where dtype and device allow, unless ``copy``.

    Errors
    ------
    SettingError if ``copy`` is False and a copy is needed.

    >>> asarray([1.0, 2.0])
    tensor([1., 2.])
    """
    if copy:
        made = tensor(obj, dtype=dtype, device=device)
    else:
        made = as_tensor(obj, dtype=dtype, device=device)
        shared = made is obj or (is_array(obj) and numpy.shares_memory(made.array, obj))
        if copy is False and not shared:
            raise SettingError("asarray: copy=False, and a copy is needed", fix="leave copy out")
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """The index along each axis of entries that are numbered in C order; numbers beyond the last begin anew.

    Errors
    ------
    TypeError for indices that are no integers. SettingError for a negative size.

    >>> from tinygrad_mp import tensor
    >>> unravel_index(tensor([1, 5]), (2, 3))
    (tensor([0, 1]), tensor([1, 2]))
    """
    if not isinstance(indices, TensorBase) or indices.array.dtype.kind not in "iu":
        raise TypeError(f"unravel_index: indices are an integer tensor, not {getattr(indices, 'dtype', indices)!r:.60}")
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if any(size < 0 for size in sizes):
        raise SettingError(f"unravel_index: sizes are not negative, got {sizes}")
    found: list[Any] = []
    for size in reversed(sizes):
        found.append(indices % size)
        indices = indices // size
    return tuple(reversed(found))


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Any:
    """A tensor of one axis over the memory of a buffer: a bytearray, an array.array, a memory map.

    Parameters
    ----------
    dtype : dtype
    count : int, default -1
        How many entries; by default as many as there are.
    offset : int, default 0
        How many bytes to pass over first.

    A buffer that is read-only, as bytes are, is copied, with a warning.

    Errors
    ------
    SettingError if the entries do not fit into the buffer, or if there are none.

    >>> frombuffer(bytearray([1, 0, 2, 0]), dtype="int16")
    tensor([1, 2], dtype=int16)
    """
    wanted, view = as_dtype(dtype), memoryview(buffer)
    rest = view.nbytes - offset
    fits = 0 <= offset < view.nbytes and (count > 0 or (count < 0 and rest % wanted.itemsize == 0))
    if not fits or count * wanted.itemsize > rest:
        wish = "all entries" if count < 0 else f"{count} entries"
        raise SettingError(f"frombuffer: {wish} of {wanted} do not fit into {view.nbytes} bytes from byte {offset} on")
    array = numpy.frombuffer(buffer, wanted, count, offset)
    if view.readonly:
        warnings.warn("frombuffer: the buffer is read-only and has been copied", UserWarning, stacklevel=2)
        array = array.copy()
    return wrap_array(array).requires_grad_(requires_grad)
