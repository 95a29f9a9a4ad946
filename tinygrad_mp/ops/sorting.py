"""Order: sorting, and the entries that stand at given places of the sorted order.

NaN counts as larger than every number, as in PyTorch. Values are picked from the input by the indices that are
returned with them, so gradients go exactly there. Sorting is always stable, whether that is asked for or not.
"""

import operator
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Distinct, Flag, Sampler
from tinygrad_mp.errors import IndexRangeError
from tinygrad_mp.ops import reduction, return_types
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.comparison import isnan
from tinygrad_mp.ops.cumulative import running_extreme
from tinygrad_mp.ops.gathering import _gather
from tinygrad_mp.ops.movement import located, reshape, squeeze
from tinygrad_mp.primitive import cast, primitive

# --- primitives: where entries stand ----------------------------------------------------------------------------------


def _order_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    params = {"dim": sampler.integer(0, len(shape) - 1), "descending": sampler.choice((False, True))}
    return (sampler.array(shape, Distinct),), params


@primitive(x=None, cases=_order_case)
def _argsort(x: Distinct, *, dim: int, descending: Flag) -> Any:
    """The stable order of the entries along ``dim``."""
    module = xp(x)
    keys = x.astype("uint8") if x.dtype.kind == "b" else x
    if not descending:
        return module.argsort(keys, axis=dim, kind="stable")
    # Sorted back to front, so that equal entries keep their order and NaN comes first.
    backward = module.flip(module.argsort(module.flip(keys, dim), axis=dim, kind="stable"), dim)
    return x.shape[dim] - 1 - backward


def _top_case(sampler: Sampler) -> Any:
    (x,), params = _order_case(sampler)
    return (x,), {
        "k": sampler.integer(0, x.shape[params["dim"]]),
        "dim": params["dim"],
        "largest": params["descending"],
    }


@primitive(x=None, cases=_top_case)
def _top_places(x: Distinct, *, k: int, dim: int, largest: Flag) -> Any:
    """Where the ``k`` largest or smallest entries along ``dim`` stand, in their order."""
    module, size, first = xp(x), x.shape[dim], (*(slice(None),) * dim, slice(k))
    if not 0 < k * 4 <= size:
        return _argsort.op.forward(x, dim=dim, descending=largest)[first]  # type: ignore[attr-defined]
    keys = x.astype("uint8") if x.dtype.kind == "b" else x
    parted = module.argpartition(keys, size - k if largest else k - 1, axis=dim)
    picked = module.sort(parted[(*first[:-1], slice(-k, None))] if largest else parted[first], axis=dim)
    values = module.take_along_axis(x, picked, axis=dim)
    order = _argsort.op.forward(values, dim=dim, descending=largest)  # type: ignore[attr-defined]
    return module.take_along_axis(picked, order, axis=dim)


def _place_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    return (sampler.array(shape, Distinct),), {"dim": sampler.integer(0, len(shape) - 1)}


def _rank_case(sampler: Sampler) -> Any:
    (x,), params = _place_case(sampler)
    return (x,), {"rank": sampler.integer(0, x.shape[params["dim"]] - 1), **params}


@primitive(x=None, cases=_rank_case)
def _rank_place(x: Distinct, *, rank: int, dim: int) -> Any:
    """Where the entry along ``dim`` stands that has place ``rank`` in order, by a partition: a tenth of the time that
    sorting takes. The axis stays, with size 1."""
    keys = x.astype("uint8") if x.dtype.kind == "b" else x
    return xp(x).argpartition(keys, rank, axis=dim)[(*(slice(None),) * dim, slice(rank, rank + 1))].copy()


def _middle_case(sampler: Sampler) -> Any:
    inputs, params = _place_case(sampler)
    return inputs, {**params, "skip_nan": sampler.choice((False, True))}


@primitive(x=None, cases=_middle_case)
def _median_place(x: Distinct, *, dim: int, skip_nan: Flag) -> Any:
    """Where the lower median along ``dim`` stands; that axis stays, with size 1."""
    module, size = xp(x), x.shape[dim]
    numbers = (x == x).sum(axis=dim, keepdims=True)  # what is not NaN, and comes first in order
    if (numbers == size).all():
        return _rank_place.op.forward(x, rank=(size - 1) // 2, dim=dim)  # type: ignore[attr-defined]
    order = module.argsort(x, axis=dim, kind="stable")
    middle = (numbers - 1) // 2
    middle = module.maximum(middle, 0) if skip_nan else module.where(numbers < size, numbers, middle)
    return module.take_along_axis(order, middle, axis=dim)


@primitive(x=None, cases=_place_case)
def _mode_place(x: Distinct, *, dim: int) -> Any:
    """Where the commonest value along ``dim`` stands, the smallest if there are several; the axis stays, at size 1."""
    module = xp(x)
    order = module.argsort(x.astype("uint8") if x.dtype.kind == "b" else x, axis=dim, kind="stable")
    in_order = module.take_along_axis(x, order, axis=dim)
    last, first = _ends(x.ndim, dim)
    along = (1,) * dim + (-1,) + (1,) * (x.ndim - dim - 1)
    places = module.broadcast_to(module.arange(x.shape[dim]).reshape(along), x.shape).copy()
    starts = places.copy()
    starts[last] *= in_order[last] != in_order[first]
    longest = (places - running_extreme(starts, dim, True)).argmax(axis=dim, keepdims=True)
    return module.take_along_axis(order, longest, axis=dim)


def _ends(ndim: int, dim: int) -> tuple[Any, Any]:
    """All but the first, and all but the last entries along ``dim``."""
    before = (slice(None),) * dim
    return (*before, slice(1, None)), (*before, slice(None, -1))


def _shared_rule(g: Any, x: Any, out: Any) -> Any:
    ties = cast((x == out) | (isnan(x) & isnan(out)), dtype=x.dtype)
    return g / reduction.sum(ties) * ties


def _full_case(sampler: Sampler) -> Any:
    return (sampler.array(sampler.shape(min_dims=1, max_dims=1, min_side=1), Distinct),), {
        "skip_nan": sampler.choice((False, True))
    }


@primitive(x=_shared_rule, cases=_full_case)
def _median_of_all(x: Distinct, *, skip_nan: Flag) -> Any:
    """The lower median of one axis; unlike along a ``dim``, entries equal to it share its gradient."""
    return x[_median_place.op.forward(x, dim=0, skip_nan=skip_nan)[0]]  # type: ignore[attr-defined]


# --- sorting ----------------------------------------------------------------------------------------------------------


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The entries along ``dim`` in order, and where they were.

    Parameters
    ----------
    dim : int, default -1
    descending : bool, default False
    stable : bool, default False
        Whether equal entries must keep their order; they always do.

    Returns
    -------
    named tuple ``(values, indices)``
        Both of the shape of ``input``; indices int64.

    >>> from tinygrad_mp import sort, tensor
    >>> values, indices = sort(tensor([3.0, 1.0, 2.0]), descending=True)
    >>> values, indices
    (tensor([3., 2., 1.]), tensor([0, 2, 1]))
    """
    axis = one_axis(dim, input.ndim)
    if not input.ndim:
        flat = sort(reshape(input, -1), 0)
        return return_types.sort([reshape(part, ()) for part in flat])
    indices = _argsort(input, dim=axis, descending=bool(descending))
    return return_types.sort((_gather(input, indices, dim=axis), indices))


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices, int64, that put the entries along ``dim`` in order. As those of :func:`sort`.

    >>> from tinygrad_mp import argsort, tensor
    >>> argsort(tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    axis = one_axis(dim, input.ndim)
    if not input.ndim:
        return reshape(_argsort(reshape(input, -1), dim=0, descending=False), ())
    return _argsort(input, dim=axis, descending=bool(descending))


def msort(input: Any) -> Any:
    """The entries along the first axis in ascending order.

    >>> from tinygrad_mp import msort, tensor
    >>> msort(tensor([[3.0, 1.0], [2.0, 4.0]]))
    tensor([[2., 1.],
            [3., 4.]])
    """
    return sort(input, 0)[0]


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest (or smallest) entries along ``dim``, in order, and where they are.

    Parameters
    ----------
    k : int
    dim : int, default -1
    largest : bool, default True
    sorted : bool, default True
        They are in order in any case. Which of equal entries are taken is not said, as in PyTorch.

    Errors
    ------
    IndexRangeError if there are fewer than ``k`` entries.

    >>> from tinygrad_mp import tensor, topk
    >>> topk(tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    axis, count = one_axis(dim, input.ndim), operator.index(k)
    size = input.shape[axis] if input.ndim else 1
    if not 0 <= count <= size:
        raise located(IndexRangeError(f"k is {count}, but there are {size} entries along dim {dim}"), "topk", input)
    if not input.ndim:
        flat = topk(reshape(input, -1), count, 0)
        return return_types.topk([reshape(part, ()) if count else part for part in flat])
    indices = _top_places(input, k=count, dim=axis, largest=bool(largest))
    return return_types.topk((_gather(input, indices, dim=axis), indices))


# --- order statistics -------------------------------------------------------------------------------------------------


def _picked(input: Any, place: Any, axis: int, keepdim: bool, result: Any) -> Any:
    """The entries at ``place``, which has size 1 along ``axis``."""
    values = _gather(input, place, dim=axis)
    return result((values, place) if keepdim else (squeeze(values, axis), squeeze(place, axis)))


def _along(name: str, input: Any, dim: int, keepdim: bool, place: Any) -> Any:
    """The named tuple ``name`` of the entries along ``dim`` that ``place(input, axis)`` points at."""
    axis, result = one_axis(dim, input.ndim), getattr(return_types, name)
    if not input.ndim:
        flat = _along(name, reshape(input, -1), 0, False, place)
        return result(flat)
    if not input.shape[axis]:
        problem = f"there are no entries along dim {dim} to choose from: shape {tuple(input.shape)}"
        raise located(IndexRangeError(problem), name, input)
    return _picked(input, place(input, axis), axis, keepdim, result)


def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest entry along ``dim``, counted from 1, and where it is.

    Errors
    ------
    IndexRangeError if ``k`` is not in ``[1, size along dim]``.

    >>> from tinygrad_mp import kthvalue, tensor
    >>> kthvalue(tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    axis, rank = one_axis(dim, input.ndim), operator.index(k)
    size = input.shape[axis] if input.ndim else 1
    if not 1 <= rank <= size:
        raise located(IndexRangeError(f"k is {rank}, but there are {size} entries along dim {dim}"), "kthvalue", input)

    def place(x: Any, axis: int) -> Any:
        return _rank_place(x, rank=rank - 1, dim=axis)

    return _along("kthvalue", input, dim, keepdim, place)


def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The entry in the middle of the sorted order, the lower one of two; NaN if there is one.

    Parameters
    ----------
    dim : int, optional
        Default: of all entries; equal ones then share the gradient. With it, the named tuple ``(values, indices)``.

    >>> from tinygrad_mp import median, tensor
    >>> median(tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    return _middle("median", input, dim, keepdim, skip_nan=False)


def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """As :func:`median`, of the entries that are not NaN; NaN where all are.

    >>> from tinygrad_mp import nanmedian, tensor
    >>> nanmedian(tensor([4.0, float("nan"), 3.0]))
    tensor(3.)
    """
    return _middle("nanmedian", input, dim, keepdim, skip_nan=True)


def _middle(name: str, input: Any, dim: int | None, keepdim: bool, skip_nan: bool) -> Any:
    if dim is not None:
        return _along(name, input, dim, keepdim, lambda x, axis: _median_place(x, dim=axis, skip_nan=skip_nan))
    flat = reshape(input, -1)
    if not flat.shape[0]:
        return reduction.sum(flat) * float("nan") if input.dtype.kind == "f" else _no_median(name, input)
    return _median_of_all(flat, skip_nan=skip_nan)


def _no_median(name: str, input: Any) -> Any:
    raise located(IndexRangeError(f"no entry is the median of none, and {input.dtype} has no NaN"), name, input)


def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """The commonest value along ``dim``, the smallest if there are several, and where it stands last.

    >>> from tinygrad_mp import mode, tensor
    >>> mode(tensor([2.0, 3.0, 2.0, 3.0, 1.0]))
    return_types.mode(
    values=tensor(2.),
    indices=tensor(2))
    """
    return _along("mode", input, dim, keepdim, lambda x, axis: _mode_place(x, dim=axis))
