"""``assert_close``: that two tensors, or two structures of tensors and numbers, are equal but for rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy

from tinygrad_mp.backend import device_of, is_array, to_numpy
from tinygrad_mp.errors import SettingError
from tinygrad_mp.layout import strides
from tinygrad_mp.tape import TensorBase

__all__ = ["assert_close"]

_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_TOLERANCES |= {"complex64": _TOLERANCES["float32"], "complex128": _TOLERANCES["float64"]}
"""By dtype, what is allowed of the expected size and beyond; nothing for integers and booleans. As PyTorch's."""


class _Settings(NamedTuple):
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_stride: bool


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Do nothing if ``abs(actual - expected) <= atol + rtol * abs(expected)`` everywhere; AssertionError otherwise.

    Parameters
    ----------
    actual, expected : Tensor, array, number or None, or sequences or mappings of these
        Structures must be the same, with the same keys.
    allow_subclasses : bool, default True
        If not, the two must be of one class.
    rtol, atol : float, optional
        Both or none. By default 1e-3 and 1e-5 for float16, 1.3e-6 and 1e-5 for float32, 1e-7 and 1e-7 for float64, of
        two dtypes the larger; 0 for integers.
    equal_nan : bool, default False
        Whether NaN equals NaN.
    check_device, check_dtype, check_stride
        Whether these must be equal. There is one layout, so that ``check_layout`` changes nothing.
    msg : str, or function of the message that returns one, optional
        What the error says instead.

    Errors
    ------
    AssertionError that says where the two differ and by how much. TypeError for what cannot be compared. SettingError
    if only one of ``rtol`` and ``atol`` is given.

    >>> from tinygrad_mp import tensor
    >>> assert_close(tensor([1.0, 2.0]), tensor([1.0, 2.0 + 1e-6]))
    >>> assert_close({"a": tensor([1, 2])}, {"a": tensor([1, 3])})
    Traceback (most recent call last):
    AssertionError: the values are not close
      at ['a']
      Mismatched elements: 1 / 2 (50.0%)
      Greatest absolute difference: 1 at index (1,), up to 0 allowed
      Greatest relative difference: 0.333 at index (1,), up to 0 allowed
    """
    if (rtol is None) != (atol is None):
        raise SettingError(f"assert_close takes both rtol and atol or none, not rtol={rtol} and atol={atol}")
    settings = _Settings(rtol, atol, equal_nan, check_device, check_dtype, check_stride)
    problem = _problem(actual, expected, "", settings, allow_subclasses)
    if problem is not None:
        raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)


def _problem(actual: Any, expected: Any, path: str, settings: _Settings, subclasses: bool) -> str | None:
    """What is wrong first, if anything is."""
    where = f"\n  at {path}" if path else ""
    if not subclasses and type(actual) is not type(expected):
        kinds = f"{type(actual).__name__} and {type(expected).__name__}"
        raise TypeError(f"assert_close: the classes differ, {kinds}{where}")
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"the keys differ: {sorted(map(str, actual))} and {sorted(map(str, expected))}{where}"
        parts = [(actual[key], expected[key], f"{path}[{key!r}]") for key in actual]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"the lengths differ: {len(actual)} and {len(expected)}{where}"
        parts = [(one, other, f"{path}[{i}]") for i, (one, other) in enumerate(zip(actual, expected, strict=True))]
    else:
        return _problem_of_values(actual, expected, where, settings)
    found = (_problem(*part, settings, subclasses) for part in parts)
    return next((problem for problem in found if problem is not None), None)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, numpy.generic)


def _array(value: Any) -> Any:
    array = value.array if isinstance(value, TensorBase) else value
    if not is_array(array) and not _is_number(array) and not isinstance(array, numpy.generic):
        raise TypeError(f"assert_close compares tensors, arrays and numbers, not a {type(value).__name__}")
    return array if is_array(array) else numpy.asarray(array)


def _problem_of_values(actual: Any, expected: Any, where: str, settings: _Settings) -> str | None:
    if actual is None or expected is None:
        return None if actual is expected else f"only one of the two is None: {actual!r} and {expected!r}{where}"
    a, e = _array(actual), _array(expected)
    if _is_number(actual) != _is_number(expected) and settings.check_dtype:
        raise TypeError(
            f"assert_close: {type(actual).__name__} and {type(expected).__name__} cannot be compared{where}"
        )
    pairs = [("shapes", a.shape, e.shape, True)]
    pairs += [("devices", str(device_of(a)), str(device_of(e)), settings.check_device)]
    pairs += [("dtypes", str(a.dtype), str(e.dtype), settings.check_dtype)]
    if isinstance(actual, TensorBase) and isinstance(expected, TensorBase):
        pairs += [("strides", strides(actual), strides(expected), settings.check_stride)]
    for name, one, other, checked in pairs:
        if checked and one != other:
            return f"the {name} differ: {one} and {other}{where}"
    if settings.rtol is None or settings.atol is None:
        allowed = [_TOLERANCES.get(array.dtype.name, (0.0, 0.0)) for array in (a, e)]
        rtol, atol = max(rtol for rtol, _ in allowed), max(atol for _, atol in allowed)
    else:
        rtol, atol = settings.rtol, settings.atol
    return _difference(to_numpy(a), to_numpy(e), rtol, atol, settings.equal_nan, where)


def _difference(a: Any, e: Any, rtol: float, atol: float, equal_nan: bool, where: str) -> str | None:
    exact = not rtol and not atol and not equal_nan
    wide = "complex128" if "c" in (a.dtype.kind, e.dtype.kind) else "float64"
    with numpy.errstate(all="ignore"):
        a_wide, e_wide = a.astype(wide), e.astype(wide)
        close = a == e if exact else (a == e) | numpy.isclose(a_wide, e_wide, rtol, atol, equal_nan)
        if close.all():
            return None
        difference = numpy.where(close, 0.0, abs(a_wide - e_wide))
        relative = numpy.where(close, 0.0, difference / abs(e_wide))
    lines = [f"the values are not close{where}"]
    if a.ndim == 0:
        lines.append(f"Expected {e.item()!r} but got {a.item()!r}")
    else:
        count = a.size - int(numpy.count_nonzero(close))
        lines.append(f"Mismatched elements: {count} / {a.size} ({count / a.size:.1%})")
    for kind, values, most in (("absolute", difference, atol), ("relative", relative, rtol)):
        place = numpy.unravel_index(int(numpy.argmax(values)), values.shape)
        at = f" at index {tuple(int(i) for i in place)}" if a.ndim else ""
        lines.append(f"Greatest {kind} difference: {values[place]:.3g}{at}, up to {most:g} allowed")
    return "\n  ".join(lines)
