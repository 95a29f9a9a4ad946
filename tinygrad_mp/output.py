"""``out=``: a result written into a tensor that the caller brings."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.errors import DTypeError, ShapeError, TapeError, TinygradError
from tinygrad_mp.grad_mode import is_grad_enabled
from tinygrad_mp.mutation import copy_into
from tinygrad_mp.tape import TensorBase

_EXACT = frozenset({"aminmax", "gather", "multinomial"})
"""Functions whose ``out=`` must have the dtype of their result."""
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


class _MisfitError(DTypeError, ValueError):
    """A dtype of ``out=`` that cannot hold the result; for ``arange`` a ValueError in PyTorch."""


def write_out(name: str, result: Any, out: Any, operands: tuple[Any, ...] = ()) -> Any:
    """Write ``result`` into ``out`` and return ``out``; of several results, each into its own.

    A tensor without entries takes the shape of the result, as in PyTorch.

    Errors
    ------
    TapeError (RuntimeError) if something of it would be recorded. DTypeError for a dtype that cannot hold the result.
    ShapeError for another shape: unlike PyTorch, which warns, an ``out`` with entries is never resized.

    >>> from tinygrad_mp import empty, exp, zeros
    >>> exp(zeros(2), out=empty(0))
    tensor([1., 1.])
    """
    try:
        if name in _EXACT:
            _require_dtypes(result, out)
        return _write(result, out, operands)
    except TinygradError as error:
        error.locate(name, [("result", result), ("out", out)])
        raise


def _require_dtypes(result: Any, out: Any) -> None:
    pairs = zip(result, out, strict=False) if isinstance(result, tuple) else [(result, out)]
    for one, place in pairs:
        if one.dtype != place.dtype:
            raise DTypeError(f"the result is {one.dtype}, and out= is {place.dtype}")


def _write(result: Any, out: Any, operands: tuple[Any, ...]) -> Any:
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise DTypeError(f"out= must be a tuple of {len(result)} tensors")
        return type(result)([_write(one, place, operands) for one, place in zip(result, out, strict=True)])
    if not isinstance(out, TensorBase):
        raise DTypeError(f"out= must be a tensor, not {type(out).__name__}")
    if is_grad_enabled() and any(getattr(one, "requires_grad", False) for one in (result, out, *operands)):
        raise TapeError(
            "out= is not recorded, and a tensor here requires a gradient",
            fix="assign the result instead, or compute inside `with no_grad():`",
        )
    array = result.array if isinstance(result, TensorBase) else result
    if _RANK[array.dtype.kind] > _RANK[out.array.dtype.kind]:
        raise _MisfitError(f"a result of {array.dtype} does not fit in out= of {out.array.dtype}")
    if out.array.shape != array.shape:
        if out.array.size:
            raise ShapeError(f"the result has shape {array.shape}, and out= has shape {out.array.shape}")
        out.array, out.view_of = array.astype(out.array.dtype), None
        return out
    return copy_into(out, array)
