"""Counting: how often, how many, and in which bin. Counts and places have no gradients."""

import operator
from typing import Any

import numpy

from tinygrad_mp.backend import as_array_on, is_array, xp
from tinygrad_mp.dtypes import FLOATING, result_type
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops import reduction, return_types
from tinygrad_mp.ops.comparison import ne
from tinygrad_mp.ops.movement import located
from tinygrad_mp.ops.selection import where as _where
from tinygrad_mp.tape import TensorBase, wrap


def raw(x: Any) -> Any:
    """The array of a tensor; an array as it is."""
    return x.array if isinstance(x, TensorBase) else x


def like(x: Any, array: Any) -> Any:
    """A raw result as what ``x`` is: a tensor without a gradient, or a raw array."""
    return wrap(x.result_class, as_array_on(x.array, array)) if isinstance(x, TensorBase) else array


# --- nonzero ----------------------------------------------------------------------------------------------------------


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Where the entries are that are not zero, in C order.

    Parameters
    ----------
    as_tuple : bool, default False

    Returns
    -------
    int64 Tensor of shape (count, number of axes), or with ``as_tuple`` one Tensor (count,) for each axis

    >>> from tinygrad_mp import nonzero, tensor
    >>> nonzero(tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    array = raw(input)
    places = (array if array.ndim else array.reshape(1)).nonzero()
    if as_tuple:
        return tuple([like(input, place.astype("int64", copy=False)) for place in places])
    module = xp(array)
    if not array.ndim:
        return like(input, module.zeros((places[0].shape[0], 0), dtype="int64"))
    return like(input, module.stack(places, axis=1).astype("int64", copy=False))


def nonzero_static(input: Any, *, size: int, fill_value: int = -1) -> Any:
    """:func:`nonzero` with ``size`` rows: the first ones, or more that hold ``fill_value``.

    >>> from tinygrad_mp import nonzero_static, tensor
    >>> nonzero_static(tensor([0, 1, 2]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    if size < 0:
        raise SettingError(f"nonzero_static: size is not negative, {size} is")
    found = raw(nonzero(input))[:size]
    result = xp(found).full((size, found.shape[1]), fill_value, dtype="int64")
    result[: found.shape[0]] = found
    return like(input, result)


def argwhere(input: Any) -> Any:
    """Where the entries are that are not zero: int64, shape (count, number of axes).

    >>> from tinygrad_mp import argwhere, tensor
    >>> argwhere(tensor([0.0, 2.0, 3.0]))
    tensor([[1],
            [2]])
    """
    return nonzero(input)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition``, ``other`` elsewhere; with the condition alone, its nonzero places as a tuple.

    Parameters
    ----------
    condition : boolean Tensor
    input, other : Tensor or number, optional
        All three broadcast. What is not chosen gets a gradient of 0, even where it is infinite or NaN.

    Errors
    ------
    DTypeError if ``condition`` is not boolean. TypeError if only one of ``input`` and ``other`` is given.

    >>> from tinygrad_mp import tensor, where
    >>> where(tensor([True, False]), tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    >>> where(tensor([True, False]))
    (tensor([0]),)
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise DTypeError("where: one of input and other is missing", fix="give both, or the condition alone")
    return _where(condition, input, other)


def tensor_where(self: Any, condition: Any, other: Any) -> Any:
    """``x.where(condition, other)``: ``x`` where ``condition``, ``other`` elsewhere.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, -2.0]).where(tensor([True, False]), 0.0)
    tensor([1., 0.])
    """
    return _where(condition, self, other)


def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many entries along ``dim`` (int, tuple or None for all) are not zero; int64.

    >>> from tinygrad_mp import count_nonzero, tensor
    >>> count_nonzero(tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """
    return reduction.sum(ne(input, 0), dim)


# --- places in a sorted sequence --------------------------------------------------------------------------------------


def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where each value would have to be put into a sorted sequence to keep its order.

    Parameters
    ----------
    sorted_sequence : Tensor
        Ascending along its last axis. Either one axis, or all axes but the last as those of ``input``.
    input : Tensor or number
    out_int32 : bool, default False
        Indices as int32 instead of int64.
    right : bool, default False
        Among equal entries, after the last rather than before the first. ``side="right"`` is the same.
    side : {"left", "right"}, optional
    sorter : integer Tensor, optional
        The order that sorts ``sorted_sequence``, as :func:`argsort` gives it.

    Returns
    -------
    integer Tensor
        Shape of ``input``; entries in ``[0, size of the last axis]``.

    Errors
    ------
    ShapeError if the shapes do not fit; DTypeError if the dtypes differ; SettingError if side and right disagree.

    >>> from tinygrad_mp import searchsorted, tensor
    >>> searchsorted(tensor([1.0, 3.0, 5.0]), tensor([3.0, 6.0]), right=True)
    tensor([2, 3])
    """
    sequence = raw(sorted_sequence)
    values = raw(input) if is_array(raw(input)) else xp(sequence).asarray(input, dtype=result_type(sequence, input))
    _check_search(sorted_sequence, sequence, input, values, right, side)
    module = xp(sequence)
    if sorter is not None:
        order = raw(sorter)
        if order.shape != sequence.shape or order.dtype.kind not in "iu":
            problem = "sorter must be of integers, of the shape of sorted_sequence"
            raise located(ShapeError(problem), "searchsorted", sorted_sequence)
        sequence = module.take_along_axis(sequence, order, axis=-1)
    where = "right" if right or side == "right" else "left"
    if sequence.ndim == 1:
        places = module.searchsorted(sequence, values.reshape(-1), side=where)
    else:
        places = module.zeros(values.shape, dtype="int64")
        for row in numpy.ndindex(sequence.shape[:-1]):
            places[row] = module.searchsorted(sequence[row], values[row], side=where)
    places = places.reshape(values.shape).astype("int32" if out_int32 else "int64")
    return like(sorted_sequence if isinstance(sorted_sequence, TensorBase) else input, places)


def _check_search(whole: Any, sequence: Any, input: Any, values: Any, right: bool, side: str | None) -> None:
    problem: Any = None
    if side not in (None, "left", "right") or (side == "left" and right):
        problem = SettingError(f"side is {side!r} and right is {right}", fix="use side='left' or side='right'")
    elif not sequence.ndim:
        problem = ShapeError("a sorted sequence has at least one axis")
    elif sequence.ndim > 1 and (
        sequence.ndim != values.ndim or sequence.shape[:-1] != values.shape[:-1] or not is_array(raw(input))
    ):
        problem = ShapeError(
            f"sequences of shape {tuple(sequence.shape)} do not fit values of shape {tuple(values.shape)}",
            fix="all axes but the last must be equal, or the sequence has one axis",
        )
    elif is_array(raw(input)) and values.ndim and sequence.dtype != values.dtype:
        problem = DTypeError(f"the sequence is {sequence.dtype}, but the values are {values.dtype}")
    if problem is not None:
        raise located(problem, "searchsorted", whole)


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The bin of each value: 0 up to ``boundaries[0]``, then 1 up to ``boundaries[1]``, and so on.

    Parameters
    ----------
    input : Tensor or number
    boundaries : Tensor
        One axis, ascending.
    out_int32 : bool, default False
    right : bool, default False
        A value equal to a boundary belongs to the bin after it.

    >>> from tinygrad_mp import bucketize, tensor
    >>> bucketize(tensor([0.0, 1.0, 2.5]), tensor([1.0, 2.0]))
    tensor([0, 0, 2])
    """
    if boundaries.ndim != 1:
        raise located(ShapeError(f"boundaries must have one axis, not {boundaries.ndim}"), "bucketize", boundaries)
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


# --- histograms -------------------------------------------------------------------------------------------------------


def _limits(name: str, input: Any, low: float, high: float, around: float) -> tuple[float, float]:
    """The range of a histogram: that of the data where none is given, and never empty."""
    array = raw(input)
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if not (low <= high and high - low < float("inf")):
        raise located(SettingError(f"the range from {low} to {high} is empty or infinite"), name, input)
    return (low - around, high + around) if low == high else (low, high)


def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many entries lie in each of ``bins`` equal parts of ``[min, max]``, in the dtype of ``input``.

    Parameters
    ----------
    bins : int, default 100
    min, max : number, default 0
        If both are equal, the least and greatest entry. What lies outside is not counted, nor is NaN.

    >>> from tinygrad_mp import histc, tensor
    >>> histc(tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    count = operator.index(bins)
    if count < 1:
        raise located(SettingError(f"{count} bins", fix="use at least 1"), "histc", input)
    if input.dtype.kind == "b":
        raise located(DTypeError("booleans are not counted in bins", fix="use x.sum()"), "histc", input)
    array = raw(input).reshape(-1)
    low, high = _limits("histc", input, min, max, 1.0)
    inside = array[(array >= low) & (array <= high)]
    places = xp(array).minimum(((inside - low) * count / (high - low)).astype("int64"), count - 1)
    return like(input, xp(array).bincount(places, minlength=count).astype(array.dtype))


def histogram(
    input: Any, bins: Any, *, range: tuple[float, float] | None = None, weight: Any = None, density: bool = False
) -> Any:
    """How many entries lie in each bin, and the edges of the bins.

    Parameters
    ----------
    input : floating Tensor
    bins : int or Tensor
        A number of equal bins, or their edges, ascending.
    range : pair of float, optional
        What the bins cover; default: from the least entry to the greatest.
    weight : Tensor, optional
        What each entry counts; default 1.
    density : bool, default False
        Divide by the sum and by the widths of the bins, so that the area is 1.

    Returns
    -------
    named tuple ``(hist, bin_edges)``

    >>> from tinygrad_mp import histogram, tensor
    >>> histogram(tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 3.0)).hist
    tensor([2., 1.])
    """
    if input.dtype not in FLOATING:
        raise located(DTypeError(f"the input must be floating, not {input.dtype}"), "histogram", input)
    array = raw(input).reshape(-1)
    module = xp(array)
    if isinstance(bins, TensorBase):
        edges = raw(bins)
        if edges.ndim != 1 or edges.dtype != array.dtype:
            raise located(ShapeError("the edges must have one axis and the dtype of the input"), "histogram", bins)
    else:
        if operator.index(bins) < 1:
            raise located(SettingError(f"{bins} bins", fix="use at least 1"), "histogram", input)
        low, high = _limits("histogram", input, *(range or (0.0, 0.0)), 0.5)
        edges = module.linspace(low, high, operator.index(bins) + 1, dtype=array.dtype)
    count = edges.shape[0] - 1
    inside = (array >= edges[0]) & (array <= edges[-1])
    places = module.minimum(module.searchsorted(edges, array[inside], side="right") - 1, count - 1)
    if weight is not None and weight.shape != input.shape:
        raise located(ShapeError(f"weight has shape {tuple(weight.shape)}, the input another"), "histogram", input)
    weights = None if weight is None else raw(weight).reshape(-1)[inside]
    hist = module.bincount(places, weights, minlength=count).astype(array.dtype)
    if density:
        hist = hist / (hist.sum() * (edges[1:] - edges[:-1]))
    return return_types.histogram((like(input, hist), like(input, edges)))


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each of the numbers 0, 1, 2, ... occurs.

    Parameters
    ----------
    input : integer Tensor
        One axis, no entry negative.
    weights : Tensor, optional
        What each entry counts, of the shape of ``input``; default 1.
    minlength : int, default 0

    Returns
    -------
    Tensor
        At least ``minlength`` entries, up to the greatest of ``input``. int64; with weights their dtype if that is
        floating, else float64.

    Errors
    ------
    ShapeError for other shapes or negative entries; DTypeError if ``input`` is not of integers.

    >>> from tinygrad_mp import bincount, tensor
    >>> bincount(tensor([0, 2, 2]), minlength=4)
    tensor([1, 0, 2, 0])
    """
    array = raw(input)
    problem: Any = None
    if array.dtype.kind not in "iu":
        problem = DTypeError(f"the input must be of integers, not {array.dtype}")
    elif array.ndim != 1 or minlength < 0 or (array.size and int(array.min()) < 0):
        problem = ShapeError("the input must have one axis and no negative entry, and minlength too be at least 0")
    elif weights is not None and weights.shape != input.shape:
        problem = ShapeError(f"weights have shape {tuple(weights.shape)}, the input {tuple(input.shape)}")
    if problem is not None:
        raise located(problem, "bincount", input)
    module, array = xp(array), array.astype("int64", copy=False)
    if weights is None:
        return like(input, module.bincount(array, minlength=minlength).astype("int64", copy=False))
    counts = module.bincount(array, raw(weights).astype("float64"), minlength=minlength)
    return like(input, counts.astype(weights.dtype if weights.dtype in FLOATING else "float64", copy=False))
