"""What every loss does at its end: the mean, the sum or none of both; and the two old words for that."""

import warnings
from typing import Any

from tinygrad_mp.errors import DTypeError, SettingError
from tinygrad_mp.ops.reduction import mean, sum

REDUCTIONS = ("mean", "sum", "none")


def settled(
    name: str,
    reduction: str,
    size_average: bool | None = None,
    reduce: bool | None = None,
    allowed: tuple[str, ...] = REDUCTIONS,
) -> str:
    """The reduction that is meant: ``size_average`` and ``reduce``, deprecated in PyTorch too, win and warn.

    >>> settled("mse_loss", "sum")
    'sum'
    """
    if size_average is not None or reduce is not None:
        averages, reduces = (one is None or bool(one) for one in (size_average, reduce))
        reduction = ("mean" if averages else "sum") if reduces else "none"
        old = f"{name}: size_average and reduce are deprecated; use reduction={reduction!r}"
        warnings.warn(old, UserWarning, stacklevel=3)
    if reduction not in allowed:
        known = ", ".join(f'"{one}"' for one in allowed)
        raise SettingError(f"{name}: unknown reduction {reduction!r}", fix=f"use one of {known}")
    return reduction


def reduced(losses: Any, reduction: str) -> Any:
    """``losses``, their mean or their sum.

    >>> from tinygrad_mp import tensor
    >>> reduced(tensor([1.0, 2.0]), "sum")
    tensor(3.)
    """
    if reduction == "mean":
        return mean(losses)
    return sum(losses) if reduction == "sum" else losses


def require_tensors(name: str, **operands: Any) -> None:
    """Raise DTypeError if one of the operands is no tensor."""
    for role, value in operands.items():
        if not hasattr(value, "dtype"):
            raise DTypeError(f"{name}: {role} is {type(value).__name__}, no tensor", fix="tinygrad_mp.tensor(...)")
