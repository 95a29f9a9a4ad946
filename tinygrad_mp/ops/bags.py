"""Rows of a table, picked by number and reduced bag by bag."""

from typing import Any

import numpy

from tinygrad_mp.backend import array_on, device_of, to_numpy, xp
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.ops.elementwise import where
from tinygrad_mp.ops.embedding import embedding
from tinygrad_mp.ops.extremes import max
from tinygrad_mp.ops.gathering import index_select, scatter_add
from tinygrad_mp.ops.joining import pad
from tinygrad_mp.ops.movement import expand, reshape
from tinygrad_mp.tape import wrap

__all__ = ["embedding_bag"]


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sums, means or maxima of the rows of ``weight`` that bags of numbers name.

    Parameters
    ----------
    input : integer Tensor
        (bags, numbers), or all numbers in one vector, cut by ``offsets``.
    weight : Tensor
        (rows, width).
    offsets : integer Tensor, optional
        Where each bag begins; the first one at 0.
    max_norm, norm_type, scale_grad_by_freq, sparse
        As of :func:`embedding`.
    mode : {"mean", "sum", "max"}
        A bag without numbers gives zeros.
    per_sample_weights : Tensor, optional
        Of input's shape: factors of the rows, for sums only.
    include_last_offset : bool, default False
        The last offset is where the last bag ends.
    padding_idx : int, optional
        This number counts as absent.

    Returns
    -------
    Tensor
        (bags, width).

    Errors
    ------
    ShapeError, SettingError, IndexRangeError for what does not fit.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.embedding_bag(tensor([0, 1, 1]), tensor([[1.0], [4.0]]), tensor([0, 2]), mode="sum")
    tensor([[5.],
            [4.]])
    """
    name = "embedding_bag"
    if mode not in ("sum", "mean", "max"):
        raise SettingError(f'{name}: mode must be "sum", "mean" or "max", not {mode!r}')
    if mode == "max" and scale_grad_by_freq:
        raise SettingError(f"{name}: maxima do not scale gradients by frequency")
    if per_sample_weights is not None and tuple(per_sample_weights.shape) != tuple(input.shape):
        raise ShapeError(f"{name}: per_sample_weights need input's shape {tuple(input.shape)}")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"{name}: per_sample_weights are for sums, not for mode {mode!r}")
    if weight.ndim != 2:
        raise ShapeError(f"{name}: weight needs two axes, (rows, width), not {weight.ndim}")
    starts = _starts(input, offsets, include_last_offset)
    flat = reshape(input, (-1,))
    module, place = xp(flat.array), device_of(flat.array)
    lengths = (starts[1:] - starts[:-1]).astype("int64")
    bags = len(lengths)
    bag = array_on(place, numpy.repeat(numpy.arange(bags), lengths))
    rows = embedding(flat, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    there = module.ones(flat.shape, bool)
    if padding_idx is not None:
        there = flat.array != padding_idx % weight.shape[0]
    kind = rows.result_class
    if mode == "max":
        return _largest(rows, bag, starts, there, bags)
    if per_sample_weights is not None:
        rows = rows * reshape(per_sample_weights, (-1, 1))
    rows = where(wrap(kind, there[:, None]), rows, 0.0)
    zeros = wrap(kind, module.zeros((bags, weight.shape[1]), dtype=rows.dtype))
    total = scatter_add(zeros, 0, expand(wrap(kind, bag[:, None]), rows.shape), rows)
    if mode == "sum":
        return total
    counts = module.bincount(bag[there], minlength=bags)[:, None]
    return total / wrap(kind, module.maximum(counts, 1).astype(rows.dtype))


def _starts(input: Any, offsets: Any, include_last: bool) -> Any:
    """Where each bag begins, and the end of the last, on the host."""
    if input.ndim == 2:
        if offsets is not None:
            raise ShapeError("embedding_bag: the rows of the input are the bags, offsets must be left out")
        return numpy.arange(input.shape[0] + 1) * input.shape[1]
    if input.ndim != 1 or offsets is None or offsets.ndim != 1:
        raise ShapeError("embedding_bag: the input is a matrix, or a vector with a vector of offsets")
    starts = to_numpy(offsets.array).astype("int64")
    count = input.shape[0]
    if include_last and not starts.size:
        raise ShapeError("embedding_bag: include_last_offset needs an offset")
    ends = starts if include_last else numpy.append(starts, count)
    if (ends[:1] != 0).any() or (ends[1:] < ends[:-1]).any() or ends[-1] > count:
        raise ShapeError(f"embedding_bag: offsets {starts.tolist()} do not rise from 0 to {count} at most")
    if include_last and ends[-1] != count:
        raise ShapeError(f"embedding_bag: the last offset is {ends[-1]}, there are {count} numbers")
    return ends


def _largest(rows: Any, bag: Any, starts: Any, there: Any, bags: int) -> Any:
    """The largest entries of the rows of each bag, zeros if there is none; the first of equal ones counts."""
    module, kind = xp(rows.array), rows.result_class
    count, width = rows.shape
    longest = int((starts[1:] - starts[:-1]).max(initial=0))
    position = module.arange(count) - array_on(device_of(rows.array), starts)[bag]
    table = module.full((bags, longest + 1), count)  # one column more, so that no bag is without entries
    table[bag[there], position[there]] = module.arange(count)[there]
    padded = index_select(pad(rows, (0, 0, 0, 1), value=-float("inf")), 0, wrap(kind, table.reshape(-1)))
    values = max(reshape(padded, (bags, longest + 1, width)), 1)[0]
    return where(wrap(kind, module.isinf(values.array) & ~(table < count).any(axis=1)[:, None]), 0.0, values)
