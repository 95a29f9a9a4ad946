"""Making tensors from data and from nothing, under PyTorch's names."""

from __future__ import annotations

import math
from typing import Any

import numpy

from tinygrad_mp import dtypes
from tinygrad_mp.backend import array_on, as_device, device_of, is_array, xp
from tinygrad_mp.dtypes import DType, as_dtype, get_default_dtype, scalar_dtype
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.interop import array_from_dlpack
from tinygrad_mp.layout import borrowed
from tinygrad_mp.nested import a_kind, host_data, numbers, require_supported
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]

# --- from data ------------------------------------------------------------------------------------------------------


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``; a leaf of the tape.

    Parameters
    ----------
    data : number, nested sequence of numbers, array or Tensor
    dtype : optional
        By default that of an array, a NumPy scalar or a Tensor, and for Python numbers: bool for bools, int64 for
        ints, the default dtype (float32) for floats; mixed, what PyTorch's promotion makes of them.
    device : optional
        By default that of an array or Tensor, "cpu" for other data.
    requires_grad : bool, default False

    Errors
    ------
    ShapeError for a ragged nesting, saying where. DTypeError for what is no number, for an unsupported dtype, and for
    ``requires_grad=True`` with integers.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> tensor([1, 2.5], requires_grad=True)
    tensor([1.0000, 2.5000], requires_grad=True)
    """
    wanted = None if dtype is None else as_dtype(dtype)
    raw = data.array if isinstance(data, TensorBase) else data
    if is_array(raw) and device_of(raw) != "cpu":  # copied there
        array = raw.astype(wanted or raw.dtype)
        return finish(array if device is None else array_on(device, array), None, requires_grad)
    array = numpy.array(host_data(raw, wanted), dtype=wanted, order="C", subok=False)
    return finish(array, device, requires_grad)


def as_tensor(data: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, without a copy where dtype and device allow.

    A Tensor stays itself, tape and all; a writable array shares its memory; anything else is as for :func:`tensor`.

    >>> import numpy
    >>> array = numpy.zeros(2)
    >>> as_tensor(array)[0] = 1.0
    >>> array
    array([1., 0.])
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(data, Tensor):
        same = (wanted is None or wanted == data.dtype) and (device is None or as_device(device) == data.device)
        return data if same else data.to(device=device, dtype=wanted)
    if not is_array(data):
        return tensor(data, dtype=wanted, device=device)
    if device_of(data) == "cpu" and not (type(data) is numpy.ndarray and _is_shareable(data)):
        return tensor(data, dtype=wanted, device=device)
    if wanted is not None and wanted != data.dtype:
        data = data.astype(wanted)
    return wrap_array(data if device is None else array_on(device, data))


def from_numpy(array: Any) -> Tensor:
    """A tensor over the memory of a NumPy array: a change of one is a change of the other.

    Errors
    ------
    DTypeError for what is no NumPy array, an unsupported dtype or a foreign byte order. TinygradError for a read-only
    array, whose memory no tensor may change.

    >>> import numpy
    >>> from_numpy(numpy.array([1.0, 2.0]))
    tensor([1., 2.], dtype=float64)
    """
    if not isinstance(array, numpy.ndarray):
        raise DTypeError(f"from_numpy: expected a NumPy array, got {a_kind(array)}", fix="use tensor(data)")
    if array.dtype != array.dtype.newbyteorder("=") and array.dtype.kind in "iufc":
        raise DTypeError(
            f"from_numpy: the bytes of {array.dtype.str!r} are not in this machine's order",
            fix="use tensor(array), which copies, or array.astype(array.dtype.newbyteorder('='))",
        )
    require_supported("from_numpy", array.dtype)
    if not array.flags.writeable:
        raise TinygradError("from_numpy: the array is read-only", fix="use tensor(array), which copies")
    return wrap_array(array.view(numpy.ndarray))


def from_dlpack(source: Any) -> Tensor:
    """A tensor over the memory of an object with ``__dlpack__``: a NumPy, CuPy, PyTorch or JAX array, or a Tensor.

    Errors
    ------
    DTypeError for what has no ``__dlpack__``, and for an unsupported dtype. TapeError for a Tensor on the tape.

    >>> import numpy
    >>> from_dlpack(numpy.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(source, "__dlpack__"):
        raise DTypeError(f"from_dlpack: {a_kind(source)} has no __dlpack__", fix="use tensor(data)")
    return wrap_array(array_from_dlpack(source))


def _is_shareable(array: Any) -> bool:
    return bool(array.dtype.isnative and array.flags.writeable)


def wrap_array(array: Any) -> Tensor:
    """A tensor over an array of any device, sharing its memory; the dtype must be a supported one."""
    require_supported("tensor", array.dtype)
    result: Tensor = wrap(Tensor, borrowed(array))
    return result


def finish(array: Any, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new array as a tensor on ``device``, a leaf if ``requires_grad``."""
    result: Tensor = wrap(Tensor, array if device is None else array_on(device, array))
    return result.requires_grad_() if requires_grad else result


# --- sizes, dtypes and devices as users give them -------------------------------------------------------------------


def one_size(name: str, size: Any) -> int:
    """A size as a non-negative int; NumPy ints and 0-d integer tensors are welcome, bools are not."""
    try:
        if isinstance(size, (bool, numpy.bool_)):
            raise TypeError
        value = int(size.__index__())
    except (AttributeError, TypeError):
        raise DTypeError(f"{name}: a size is an integer, got {size!r:.60} ({type(size).__name__})") from None
    if value < 0:
        raise ShapeError(f"{name}: a size cannot be negative, got {value}")
    return value


def size_of(name: str, sizes: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    """The shape given as ``2, 3`` or ``(2, 3)`` or ``size=(2, 3)``."""
    if size is not None:
        if sizes:
            raise ShapeError(f"{name}: the size is given twice, as {sizes} and as size={size}")
        sizes = (size,)
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return tuple(one_size(name, one) for one in sizes)


def floating_dtype(name: str, dtype: Any) -> DType:
    """``dtype``, by default the default dtype; it must be a floating one."""
    found = get_default_dtype() if dtype is None else as_dtype(dtype)
    if found not in dtypes.FLOATING:
        raise DTypeError(f"{name}: the dtype must be a floating one, got {found}")
    return found


def like(name: str, input: Any, dtype: Any, device: Any) -> tuple[tuple[int, ...], Any, Any]:
    """Shape, dtype and device of a tensor like ``input``."""
    if not isinstance(input, Tensor):
        raise DTypeError(f"{name}: expected a Tensor, got {a_kind(input)}", fix="use tensor(data) first")
    return input.shape, input.dtype if dtype is None else dtype, input.device if device is None else device


def _filled(shape: tuple[int, ...], value: Any, dtype: DType, device: Any, requires_grad: bool) -> Tensor:
    """A constant, None for zero, made where it shall live from one number that is moved there."""
    if device is None or as_device(device) == "cpu":
        array = numpy.zeros(shape, dtype) if value is None else numpy.full(shape, value, dtype)
    else:
        one = array_on(device, numbers([0 if value is None else value], dtype).reshape(()))
        array = xp(one).broadcast_to(one, shape).copy()
    return finish(array, None, requires_grad)


# --- constants ------------------------------------------------------------------------------------------------------


def zeros(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros.

    Parameters
    ----------
    *sizes : int, or one tuple; or ``size=`` and a tuple
    dtype : by default the default dtype (float32)
    device : default "cpu"
    requires_grad : bool, default False

    >>> zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return _filled(size_of("zeros", sizes, size), None, chosen, device, requires_grad)


def ones(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones; parameters as for :func:`zeros`.

    >>> ones((2,), dtype="int64")
    tensor([1, 1])
    """
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return _filled(size_of("ones", sizes, size), 1, chosen, device, requires_grad)


def empty(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Whatever lies in memory; parameters as for :func:`zeros`.

    >>> empty(2, 0).shape
    Size([2, 0])
    """
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    shape = size_of("empty", sizes, size)
    if device is not None and as_device(device) != "cpu":
        return _filled(shape, None, chosen, device, requires_grad)
    return finish(numpy.empty(shape, chosen), None, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """One number everywhere; its type decides the dtype, unless given.

    >>> full((2,), 7), full((2,), 7.0)
    (tensor([7, 7]), tensor([7., 7.]))
    """
    value = _number("full", fill_value)
    chosen = scalar_dtype(value) if dtype is None else as_dtype(dtype)
    return _filled(size_of("full", (), size), _fitting(value, chosen), chosen, device, requires_grad)


def _number(name: str, value: Any) -> Any:
    """A Python number from a number, a NumPy scalar or a 0-d tensor."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise DTypeError(f"{name}: expected a number, got {a_kind(value)}: {value!r:.60}")
    return value


def _fitting(value: Any, dtype: DType) -> Any:
    """``value`` as a NumPy scalar of ``dtype``, checked."""
    return numbers([value], dtype)[0]


def zeros_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and, unless given, the dtype and device of ``input``.

    >>> zeros_like(arange(3))
    tensor([0, 0, 0])
    """
    shape, dtype, device = like("zeros_like", input, dtype, device)
    return zeros(shape, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and, unless given, the dtype and device of ``input``."""
    shape, dtype, device = like("ones_like", input, dtype, device)
    return ones(shape, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """:func:`empty` with the shape and, unless given, the dtype and device of ``input``."""
    shape, dtype, device = like("empty_like", input, dtype, device)
    return empty(shape, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number in the shape and, unless given, the dtype and device of ``input``.

    >>> full_like(zeros(2), 3)
    tensor([3., 3.])
    """
    shape, dtype, device = like("full_like", input, dtype, device)
    return full(shape, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


# --- sequences ------------------------------------------------------------------------------------------------------


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers ``start``, ``start + step``, ... before ``end``; ``arange(end)`` starts at 0.

    The dtype is int64 if all three are integers, otherwise the default dtype. There are
    ``ceil((end - start) / step)`` numbers, each ``start + i * step``, computed in float64 or int64. If the dtype is an
    integer one, the fractions of ``start`` and ``step`` are cut off first, but they count in the number of numbers
    unless it is int64; so it is in PyTorch.

    Errors
    ------
    SettingError if ``step`` is zero, or leads away from ``end``, or a bound is not finite.

    >>> arange(3), arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    start, end = (0, start) if end is None else (0 if start is None else start, end)
    first, last, by = (_number("arange", value) for value in (start, end, step))
    if any(isinstance(value, complex) for value in (first, last, by)):
        raise DTypeError("arange: complex numbers have no order")
    floating = any(isinstance(value, float) for value in (first, last, by))
    if floating and not all(math.isfinite(value) for value in (first, last, by)):
        raise SettingError(f"arange: from {first} to {last} by {by} has no number of entries")
    if by == 0:
        raise SettingError("arange: step is zero")
    if (last - first) * by < 0:
        raise SettingError(f"arange: step {by} leads from {first} away from {last}", fix="change the sign of step")
    chosen = as_dtype(dtype) if dtype is not None else get_default_dtype() if floating else dtypes.int64
    if floating and chosen.kind in "iu":
        exact = chosen == dtypes.int64
        count = math.ceil((last - first) / by)
        first, last, by = int(first), int(last), int(by)
        if exact and not by:
            raise SettingError("arange: step is zero without its fraction", fix="give a floating dtype")
        count = -((first - last) // by) if exact else count
        array = numpy.arange(count, dtype=numpy.int64) * by + first
    elif floating:
        count = math.ceil((last - first) / by)
        array = numpy.arange(count, dtype=numpy.float64) * by + first
    else:
        numbers([first, last, by], dtypes.int64)
        count = -((first - last) // by)
        array = numpy.arange(count, dtype=numpy.int64) * by + first if count else numpy.empty(0, numpy.int64)
    return finish(array.astype(chosen, copy=False), device, requires_grad)


def linspace(
    start: Any, end: Any, steps: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """``steps`` numbers from ``start`` to ``end``, both included, equally far apart; the default dtype unless given.

    Integer dtypes cut the fractions off, those of ``start`` and ``end`` first.

    >>> linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    count = one_size("linspace", steps)
    first, last = _number("linspace", start), _number("linspace", end)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    if chosen.kind in "iu":
        first, last = int(first), int(last)
    step = (last - first) / max(count - 1, 1)
    array = first + step * numpy.arange(count)  # from both ends, so that both are exact
    array[count // 2 :] = last - step * numpy.arange(count - 1 - count // 2, -1, -1) if count > 1 else first
    return finish(array.astype(chosen), device, requires_grad)


def eye(n: Any, m: Any = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an ``n`` by ``m`` matrix (square by default), zeros elsewhere.

    >>> eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows = one_size("eye", n)
    columns = rows if m is None else one_size("eye", m)
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    return finish(numpy.eye(rows, columns, dtype=chosen), device, requires_grad)
