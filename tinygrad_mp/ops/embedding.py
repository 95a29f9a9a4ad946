"""Rows of a table, picked by number."""

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.scatter import check_range
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops.elementwise import where
from tinygrad_mp.ops.indexing import _take, index_array
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.writes import mark_written

__all__ = ["embedding"]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of ``weight`` that ``input`` names.

    Parameters
    ----------
    input : integer Tensor, any shape
        Entries in ``[0, number of rows)``.
    weight : Tensor
        Shape (number of rows, width).
    padding_idx : int, optional
        This row gets no gradient. Negative: counted from the end.
    max_norm : float, optional
        Rows that are used and whose norm is larger are first scaled down to it, **in place**, as in PyTorch.
    norm_type : float, default 2.0
        Which p-norm that is.
    scale_grad_by_freq : bool, default False
        Divide the gradient of each row by how often ``input`` names it.
    sparse : bool, default False
        There are no sparse gradients here; only False is accepted.

    Returns
    -------
    Tensor
        Shape of ``input`` with an axis of ``width`` appended.

    Errors
    ------
    IndexRangeError for an entry or a padding_idx out of range, DTypeError if ``input`` is not of integers, ShapeError
    if ``weight`` does not have two axes, SettingError for sparse gradients.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.embedding(tensor([1, 0, 1]), tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.],
            [3., 4.]])
    """
    if sparse:
        raise SettingError("embedding: there are no sparse gradients", fix="sparse=False")
    table = weight.array if isinstance(weight, TensorBase) else weight
    index = _row_numbers(input, weight, table)
    padding = None if padding_idx is None else _checked_padding(padding_idx, table.shape[0])
    if max_norm is not None:
        _limit_rows(table, index, max_norm, norm_type)
    rows = _take(weight, index[None], axes=(0,))
    if getattr(rows, "node", None) is None:
        return rows
    if padding is not None:
        rows = where((index == padding)[..., None], rows.detach(), rows)
    if scale_grad_by_freq:
        often = xp(index).bincount(index.reshape(-1), minlength=table.shape[0])[index]
        constant = rows.detach()
        rows = constant + (rows - constant) * (1 / often.astype(table.dtype))[..., None]
    return rows


def _row_numbers(input: Any, weight: Any, table: Any) -> Any:
    operands = (("input", input), ("weight", weight))
    try:
        if table.ndim != 2:
            raise ShapeError(f"weight needs two axes, (rows, width), not {table.ndim}")
        index = index_array(input, table, "input")
        if index.dtype.kind == "b":
            raise DTypeError("input must be of integers, not bool", fix="convert it with .long()")
        check_range(index, table.shape[0], 0, negative=False)
    except (DTypeError, IndexRangeError, ShapeError) as error:
        error.locate("embedding", operands)
        raise
    return index.astype("int64", copy=False)


def _checked_padding(padding_idx: int, count: int) -> int:
    if not -count <= padding_idx < count:
        raise IndexRangeError(f"embedding: padding_idx {padding_idx} is out of range for {count} rows")
    return padding_idx % count


def _limit_rows(table: Any, index: Any, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are used down to ``max_norm``, in place and unrecorded."""
    module = xp(table)
    used = module.unique(index.reshape(-1))
    rows = table[used]
    if norm_type == float("inf"):
        norms = module.abs(rows).max(axis=1, keepdims=True)
    else:
        norms = (module.abs(rows) ** norm_type).sum(axis=1, keepdims=True) ** (1 / norm_type)
    table[used] = module.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
    mark_written(table)
