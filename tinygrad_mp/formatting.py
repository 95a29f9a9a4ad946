"""How a tensor is shown: as PyTorch shows it.

Beyond PyTorch, a tensor too large to be shown whole tells its ``size=``, for nobody can count what is left out, and
``grad_fn=<tanh>`` names the op as the registry does. The dtype is shown unless it follows from the entries
(the default floating dtype, int64, bool), the device unless it is the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import numpy

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.dtypes import get_default_dtype
from tinygrad_mp.errors import SettingError

__all__ = ["format_tensor", "get_printoptions", "printoptions", "set_printoptions"]


class _Options(NamedTuple):
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are shown.

    Parameters
    ----------
    precision : int, 4 at first
        Digits after the decimal point.
    threshold : int, 1000 at first
        Tensors with more entries are summarised.
    edgeitems : int, 3 at first
        Entries shown at each end of a summarised axis.
    linewidth : int, 80 at first
    profile : {"default", "short", "full"}
        Set the others to a set of values first.
    sci_mode : bool, optional
        Whether to write 1.0000e+00; None, as in every call that leaves it out, decides by the entries.

    >>> from tinygrad_mp import tensor
    >>> set_printoptions(precision=2)
    >>> tensor([0.123456])
    tensor([0.12])
    >>> set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise SettingError(f"unknown profile {profile!r}; use one of {', '.join(_PROFILES)}")
    base = _options if profile is None else _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and value < 0:
            raise SettingError(f"{name} cannot be negative, got {value}")
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options = base._replace(sci_mode=sci_mode, **chosen)


def get_printoptions() -> dict[str, Any]:
    """The options in force, by name."""
    return _options._asdict()


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """:func:`set_printoptions` for the length of a ``with`` block.

    >>> from tinygrad_mp import tensor
    >>> with printoptions(sci_mode=True):
    ...     print(tensor([0.5]))
    tensor([5.0000e-01])
    """
    global _options
    before = _options
    set_printoptions(**options)
    try:
        yield
    finally:
        _options = before


def format_tensor(tensor: Any) -> str:
    """The text that ``repr`` gives of a tensor on any device."""
    array, options = tensor.array, _options
    prefix = "tensor("
    cut = array.size > options.threshold
    shown = _edges(array, options.edgeitems) if cut else to_numpy(array)
    show = _shower(shown, options)
    body = "[]" if not array.size else _nested(shown.tolist(), array.shape, len(prefix), show, cut, options)
    return _with_suffixes(prefix + body, _suffixes(tensor, cut), len(prefix), options.linewidth)


def _suffixes(tensor: Any, cut: bool) -> list[str]:
    array, found = tensor.array, []
    if str(tensor.device) != "cpu":
        found.append(f"device='{tensor.device}'")
    if cut or (not array.size and array.ndim != 1):
        found.append(f"size={tuple(array.shape)}")
    floating = get_default_dtype()
    complex_ = numpy.result_type(floating, numpy.complex64)
    obvious = (floating, complex_, numpy.int64, numpy.bool_) if array.size else (floating,)
    if array.dtype not in obvious:
        found.append(f"dtype={array.dtype}")
    if tensor.grad_fn is not None:
        found.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        found.append("requires_grad=True")
    return found


def _with_suffixes(text: str, suffixes: list[str], indent: int, linewidth: int) -> str:
    """Add them on the last line as far as they fit; PyTorch leaves two columns of the first such line empty."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        used += len(", ") + len(suffix)
        if used > linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
    return text + ")"


# --- entries --------------------------------------------------------------------------------------------------------


def _edges(array: Any, count: int) -> Any:
    """The entries at both ends of every axis, as a NumPy array: corners only are moved off a device."""
    sides = []  # for each axis: pairs of (where from, where to)
    shape = []
    for size in array.shape:
        if size > 2 * count:
            sides.append([(slice(0, count), slice(0, count)), (slice(size - count, size), slice(count, 2 * count))])
            shape.append(2 * count)
        else:
            sides.append([(slice(0, size), slice(0, size))])
            shape.append(size)
    result = numpy.empty(shape, array.dtype)
    for corner in product(*sides):
        sources, targets = zip(*corner, strict=True)
        result[targets] = to_numpy(array[sources])
    return result


class _Shower(NamedTuple):
    """How one entry is shown, and the width that rows reckon with."""

    width: int
    show: Callable[[Any], str]


def _justified(values: list[Any], show: Callable[[Any], str]) -> _Shower:
    """Entries are set to the right, in the width of the longest of ``values``."""
    width = max(map(len, map(show, values)), default=1)
    return _Shower(width, lambda value: show(value).rjust(width))


def _shower(values: Any, options: _Options) -> _Shower:
    """What shows entries like these."""
    if values.dtype.kind == "c":
        return _complex_shower(values, options)
    if values.dtype.kind != "f":
        return _justified(values.ravel().tolist(), str)
    # As in PyTorch, zeros and numbers that are not finite take the width that the others need.
    usual: list[float] = values[numpy.isfinite(values) & (values != 0)].tolist()
    return _justified(usual, _float_style(usual, options))


def _float_style(values: list[float], options: _Options) -> Callable[[float], str]:
    """Whole numbers, fixed or scientific notation: what suits these finite numbers, none of which is zero."""
    if values:
        smallest, largest = min(map(abs, values)), max(map(abs, values))
        wide = largest / smallest > 1000.0 or largest > 1e8 or smallest < 1e-4
        if wide if options.sci_mode is None else options.sci_mode:
            return f"{{:.{options.precision}e}}".format
    if all(value.is_integer() for value in values):
        return lambda value: f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"
    return f"{{:.{options.precision}f}}".format


def _complex_shower(values: Any, options: _Options) -> _Shower:
    real, imaginary = _shower(values.real, options), _shower(values.imag, options)

    def show(value: complex) -> str:
        second = imaginary.show(value.imag).lstrip() + "j"
        return real.show(value.real) + (second if second[0] in "+-" else "+" + second)

    return _Shower(real.width + imaginary.width + 1, show)


# --- rows and brackets ----------------------------------------------------------------------------------------------


def _nested(values: Any, shape: tuple[int, ...], indent: int, show: _Shower, cut: bool, options: _Options) -> str:
    """The text of nested lists; ``shape`` is that of the whole tensor, of which ``values`` may hold the edges only."""
    if not shape:
        return show.show(values)
    edge = options.edgeitems
    gap = cut and shape[0] > 2 * edge
    if len(shape) == 1:
        items = [show.show(value) for value in values]
        if gap:
            items.insert(edge, " ..." if edge else "...")
        per_line = max(1, (options.linewidth - indent) // (show.width + 2))
        lines = [", ".join(items[start : start + per_line]) for start in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = [_nested(value, shape[1:], indent + 1, show, cut, options) for value in values]
    if gap:
        blocks.insert(edge, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(blocks) + "]"
