"""Which values there are: ``unique`` and its kin. Gradients go to the first place where a value stands."""

from typing import Any

from tinygrad_mp.backend import is_array, xp
from tinygrad_mp.errors import DTypeError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.counting import like, raw
from tinygrad_mp.ops.indexing import _take
from tinygrad_mp.ops.movement import located, reshape


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The values that occur, each once, in ascending order; each NaN counts as another value.

    Parameters
    ----------
    sorted : bool, default True
        They are in order in any case.
    return_inverse : bool, default False
        Also where each entry of ``input`` went, so that ``values[inverse]`` is ``input`` again.
    return_counts : bool, default False
        Also how often each value occurs.
    dim : int, optional
        Compare slices along ``dim`` as wholes. Default: single entries.

    Returns
    -------
    Tensor, or a tuple ``(values, inverse, counts)`` without what was not asked for

    >>> from tinygrad_mp import tensor, unique
    >>> unique(tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    array = raw(input)
    axis = None if dim is None else one_axis(dim, array.ndim)
    lines = array.reshape(-1) if axis is None or not array.ndim else array
    if axis is not None and not lines.size and (lines.shape[axis] or not _would_hold(lines, axis)):
        raise located(ShapeError(f"slices along dim {dim} have no entries: shape {array.shape}"), "unique", input)
    if lines.size:
        _, places, inverse, counts = xp(array).unique(
            lines, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
        )
    else:
        places = inverse = counts = xp(array).zeros(0, dtype="int64")
    inverse = inverse.reshape(array.shape if axis is None else -1)
    return _asked_for(input, axis, places, inverse, counts, return_inverse, return_counts)


def _would_hold(lines: Any, axis: int) -> bool:
    """Whether a slice along ``axis`` would have entries, if there were one."""
    return 0 not in lines.shape[:axis] + lines.shape[axis + 1 :]


def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """One of each run of equal neighbours; otherwise as :func:`unique`.

    >>> from tinygrad_mp import tensor, unique_consecutive
    >>> unique_consecutive(tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    array = raw(input)
    module = xp(array)
    axis = 0 if dim is None else one_axis(dim, array.ndim)
    lines = array.reshape(-1) if dim is None or not array.ndim else array
    size = lines.shape[axis]
    before = (slice(None),) * axis
    differs = lines[(*before, slice(1, None))] != lines[(*before, slice(None, -1))]
    others = tuple(place for place in range(lines.ndim) if place != axis)
    starts = module.ones(size, dtype="bool")
    starts[1:] = differs.any(axis=others) if others else differs
    (firsts,) = starts.nonzero()
    inverse = starts.astype("int64").cumsum() - 1
    ends = module.concatenate((firsts[1:], module.full(min(size, 1), size, dtype=firsts.dtype)))
    inverse = inverse.reshape(array.shape) if dim is None else inverse
    wanted = None if dim is None else axis
    return _asked_for(input, wanted, firsts, inverse, ends - firsts, return_inverse, return_counts)


def _asked_for(
    input: Any, axis: int | None, places: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool
) -> Any:
    """The entries, or slices along ``axis``, at ``places``, and of the rest what is wanted."""
    lines = reshape(input, -1) if axis is None or not input.ndim else input
    values = _take(lines, places.reshape(1, -1).astype("int64", copy=False), axes=(axis or 0,))
    wanted = (inverse,) * with_inverse + (counts,) * with_counts
    found = (values, *(like(input, part.astype("int64", copy=False)) for part in wanted))
    return found if len(found) > 1 else values


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each entry of ``elements`` is one of ``test_elements``; one of the two may be a number.

    Parameters
    ----------
    assume_unique : bool, default False
        A promise that neither has an entry twice; nothing is made of it.
    invert : bool, default False
        Whether it is none of them.

    >>> from tinygrad_mp import isin, tensor
    >>> isin(tensor([1, 2, 3]), tensor([2, 5]))
    tensor([False,  True, False])
    """
    entries, tests = raw(elements), raw(test_elements)
    if not is_array(entries) and not is_array(tests):
        raise DTypeError("isin: neither operand is a tensor", fix="use Python's `in`")
    module = xp(entries if is_array(entries) else tests)
    found = module.isin(module.asarray(entries), module.asarray(tests), invert=invert)
    return like(elements if is_array(entries) else test_elements, found)
