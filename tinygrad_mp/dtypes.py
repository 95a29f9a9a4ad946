"""Dtypes under PyTorch's names, default dtypes, and PyTorch's type promotion.

A dtype is NumPy's own ``numpy.dtype`` object, on every device. Promotion looks first at the category (bool, integer,
floating, complex) and then at the rank of the operand (an array with axes, a 0-d array, a Python number): an operand
of lower rank widens the result only when its category is higher. So ``float32 tensor * 2.0`` and
``float32 tensor * float64 0-d tensor`` stay float32, and ``int64 tensor * 2.0`` is float32, the default.
"""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.errors import DTypeError

DType = numpy.dtype[Any]

bool_: DType = numpy.dtype("bool")
uint8: DType = numpy.dtype("uint8")
int8: DType = numpy.dtype("int8")
int16: DType = numpy.dtype("int16")
int32: DType = numpy.dtype("int32")
int64: DType = numpy.dtype("int64")
float16: DType = numpy.dtype("float16")
float32: DType = numpy.dtype("float32")
float64: DType = numpy.dtype("float64")
complex64: DType = numpy.dtype("complex64")
complex128: DType = numpy.dtype("complex128")

NAMES: dict[str, DType] = {
    "bool": bool_,
    "uint8": uint8,
    "int8": int8,
    "int16": int16,
    "short": int16,
    "int32": int32,
    "int": int32,
    "int64": int64,
    "long": int64,
    "float16": float16,
    "half": float16,
    "float32": float32,
    "float": float32,
    "float64": float64,
    "double": float64,
    "complex64": complex64,
    "complex128": complex128,
}
_SUPPORTED = frozenset(NAMES.values())
_PYTHON: dict[type, DType] = {bool: bool_, int: int64, float: float32, complex: complex64}
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
FLOATING = frozenset({float16, float32, float64})
DIFFERENTIABLE = FLOATING

_default = float32


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python floats; float32 unless changed.

    >>> get_default_dtype()
    dtype('float32')
    """
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of tensors made from Python floats: float32 or float64."""
    global _default
    chosen = as_dtype(dtype)
    if chosen not in (float32, float64):
        raise DTypeError(f"the default dtype must be float32 or float64, not {chosen}")
    _default = chosen


def as_dtype(dtype: Any) -> DType:
    """Return the ``numpy.dtype`` meant by a dtype, a NumPy scalar type, a Python type or a name.

    The Python types mean what they mean in PyTorch: ``float`` is the default dtype and ``int`` is int64.

    >>> as_dtype("float32"), as_dtype(int), as_dtype("half")
    (dtype('float32'), dtype('int64'), dtype('float16'))
    """
    if isinstance(dtype, numpy.dtype):
        found: DType = dtype
    elif isinstance(dtype, str) and dtype in NAMES:
        found = NAMES[dtype]
    elif dtype is float:
        found = _default
    elif isinstance(dtype, type) and dtype in _PYTHON:
        found = _PYTHON[dtype]
    else:
        try:
            found = numpy.dtype(dtype)
        except TypeError as error:
            raise _unknown(dtype) from error
    if found not in _SUPPORTED:
        raise _unknown(dtype)
    return found


def _unknown(dtype: Any) -> DTypeError:
    names = ", ".join(sorted({d.name for d in _SUPPORTED}))
    return DTypeError(f"unknown dtype {dtype!r}", fix=f"use one of {names}")


def scalar_dtype(value: Any) -> DType:
    """The dtype that a tensor made from this Python number gets."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default
    if isinstance(value, complex):
        return complex64 if _default is float32 else complex128
    raise DTypeError(f"{type(value).__name__} is neither a number nor an array", fix="make it a tensor: tensor(data)")


def _join(first: DType, second: DType) -> DType:
    """Promote two dtypes of operands of equal rank."""
    if first == second:
        return first
    one, two = _CATEGORY[first.kind], _CATEGORY[second.kind]
    if one == two or min(one, two) == 2:  # two of a kind, or floating with complex
        return numpy.promote_types(first, second)
    return first if one > two else second


def result_type(*operands: Any) -> DType:
    """The dtype of an elementwise result of these arrays and Python numbers, as PyTorch has it.

    >>> import numpy
    >>> result_type(numpy.ones(3, dtype="int64"), 2.0)
    dtype('float32')
    >>> result_type(numpy.ones(3, dtype="float32"), numpy.float64(2.0), numpy.array(2.0))
    dtype('float32')
    >>> result_type(numpy.ones(3, dtype="float32"), numpy.ones(3))
    dtype('float64')
    """
    ranks: list[DType | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, numpy.generic):
            operand = operand.item()
        dtype = getattr(operand, "dtype", None)
        if dtype is None:
            rank, dtype = 2, scalar_dtype(operand)
        else:
            if dtype.kind not in _CATEGORY:
                raise _unknown(dtype)
            rank = 1 if operand.ndim == 0 else 0
        before = ranks[rank]
        ranks[rank] = dtype if before is None else _join(before, dtype)
    result: DType | None = None
    for lower in ranks:
        if result is None:
            result = lower
        elif lower is not None and _CATEGORY[lower.kind] > _CATEGORY[result.kind]:
            result = _join(result, lower)
    assert result is not None, "result_type needs an operand"
    return result


def promote(*operands: Any, floating: bool = False) -> tuple[Any, ...]:
    """Bring raw operands to their common dtype; with ``floating``, integers become the default dtype.

    Python numbers stay Python numbers where NumPy's weak promotion gives the same result.
    """
    dtype = result_type(*operands)
    if floating and dtype.kind not in "fc":
        dtype = _default
    return tuple(_cast(operand, dtype) for operand in operands)


_constants: dict[tuple[Any, float], Any] = {}
_MANY_CONSTANTS = 1024


def constant(number: float, dtype: DType) -> Any:
    """A Python number beside an array of this floating dtype, as NumPy takes it: from a cache, as an array.

    NumPy takes twice as long over a small array and a Python number as over two small arrays. A number that the dtype
    cannot hold is returned as it is, for NumPy to judge, and so is zero, which has two signs.
    """
    known = _constants.get((dtype, number))
    if known is not None:
        return known
    if not 1e-4 < abs(number) < 6e4:
        return number
    if len(_constants) >= _MANY_CONSTANTS:
        _constants.clear()
    known = _constants[dtype, number] = numpy.array(number, dtype)
    known.flags.writeable = False
    return known


def _cast(operand: Any, dtype: DType) -> Any:
    if isinstance(operand, numpy.generic):
        operand = operand.item()
    found = getattr(operand, "dtype", None)
    if found is None:
        if dtype.kind == "b" and not isinstance(operand, bool):
            return bool(operand)
        return operand
    return operand if found == dtype else operand.astype(dtype)
