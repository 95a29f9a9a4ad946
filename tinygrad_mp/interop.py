"""NumPy's functions on tensors, and memory shared with other libraries.

``np.exp(t)`` and ``np.sum(t, axis=0)`` record just as ``t.exp()`` and ``t.sum(dim=0)`` do: NumPy hands the call over
through ``__array_ufunc__`` and ``__array_function__``, and the tables below say which operation is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp import ops
from tinygrad_mp.backend import device_of, is_array, module_of
from tinygrad_mp.errors import DeviceError, TapeError, TinygradError
from tinygrad_mp.tape import TensorBase, wrap

_UFUNCS: dict[Any, Callable[..., Any]] = {
    getattr(numpy, name): function
    for name, function in {
        "add": ops.add,
        "subtract": ops.sub,
        "multiply": ops.mul,
        "divide": ops.div,
        "negative": ops.neg,
        "positive": ops.clone,
        "power": ops.pow,
        "float_power": ops.pow,
        "remainder": ops.remainder,
        "floor_divide": ops.floor_divide,
        "absolute": ops.abs,
        "fabs": ops.abs,
        "sign": ops.sign,
        "exp": ops.exp,
        "expm1": ops.expm1,
        "log": ops.log,
        "log1p": ops.log1p,
        "sqrt": ops.sqrt,
        "square": ops.square,
        "reciprocal": ops.reciprocal,
        "sin": ops.sin,
        "cos": ops.cos,
        "tan": ops.tan,
        "tanh": ops.tanh,
        "maximum": ops.maximum,
        "minimum": ops.minimum,
        "floor": ops.floor,
        "ceil": ops.ceil,
        "rint": ops.round,
        "matmul": ops.matmul,
        "equal": ops.eq,
        "not_equal": ops.ne,
        "less": ops.lt,
        "less_equal": ops.le,
        "greater": ops.gt,
        "greater_equal": ops.ge,
        "logical_and": ops.logical_and,
        "logical_or": ops.logical_or,
        "logical_not": ops.logical_not,
        "logical_xor": ops.logical_xor,
        "isnan": ops.isnan,
        "isinf": ops.isinf,
        "isfinite": ops.isfinite,
    }.items()
}


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        return function(a, dim=axis, keepdim=keepdims)

    return call


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(a: Any, axis: Any = None, *, ddof: int = 0, keepdims: bool = False) -> Any:
        return function(a, dim=axis, correction=ddof, keepdim=keepdims)

    return call


def _transpose(a: Any, axes: Any = None) -> Any:
    return ops.permute(a, axes if axes is not None else tuple(reversed(range(a.ndim))))


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    numpy.sum: _reduce(ops.sum),
    numpy.mean: _reduce(ops.mean),
    numpy.prod: _reduce(ops.prod),
    numpy.max: _reduce(ops.amax),
    numpy.min: _reduce(ops.amin),
    numpy.argmax: _reduce(ops.argmax),
    numpy.argmin: _reduce(ops.argmin),
    numpy.all: _reduce(ops.all),
    numpy.any: _reduce(ops.any),
    numpy.var: _spread(ops.var),
    numpy.std: _spread(ops.std),
    numpy.cumsum: lambda a, axis=None: ops.cumsum(ops.flatten(a) if axis is None else a, dim=axis or 0),
    numpy.reshape: lambda a, shape: ops.reshape(a, shape),
    numpy.transpose: _transpose,
    numpy.swapaxes: lambda a, axis1, axis2: ops.transpose(a, axis1, axis2),
    numpy.squeeze: lambda a, axis=None: ops.squeeze(a) if axis is None else ops.squeeze(a, axis),
    numpy.expand_dims: lambda a, axis: ops.unsqueeze(a, axis),
    numpy.broadcast_to: lambda array, shape: ops.broadcast_to(array, shape),
    numpy.ravel: lambda a: ops.flatten(a),
    numpy.concatenate: lambda arrays, axis=0: ops.cat(_tensors(arrays), dim=axis),
    numpy.stack: lambda arrays, axis=0: ops.stack(_tensors(arrays), dim=axis),
    numpy.where: lambda condition, x, y: ops.where(condition, x, y),
    numpy.clip: lambda a, a_min=None, a_max=None: ops.clamp(a, a_min, a_max),
    numpy.dot: lambda a, b: ops.matmul(a, b) if a.ndim and b.ndim else ops.mul(a, b),
    numpy.outer: lambda a, b: ops.outer(ops.flatten(a), ops.flatten(b)),
    numpy.einsum: lambda subscripts, *operands: ops.einsum(subscripts, *operands),
    numpy.tril: lambda m, k=0: ops.tril(m, k),
    numpy.triu: lambda m, k=0: ops.triu(m, k),
    numpy.flip: lambda m, axis=None: ops.flip(m, tuple(range(m.ndim)) if axis is None else axis),
    numpy.take_along_axis: lambda arr, indices, axis: ops.gather(arr, axis, indices),
    numpy.shape: lambda a: a.shape,
    numpy.ndim: lambda a: a.ndim,
    numpy.size: lambda a: a.numel(),
}


def _tensors(arrays: Any) -> list[Any]:
    cls = next(type(array) for array in arrays if isinstance(array, TensorBase))
    return [array if isinstance(array, TensorBase) else wrap(cls, numpy.asarray(array)) for array in arrays]


def _unsupported(name: str) -> TinygradError:
    return TinygradError(
        f"numpy.{name} has no recorded counterpart for tensors",
        fix="use the tensor's own methods, or leave the tape first: t.detach().numpy()",
    )


class NumpyProtocols:
    """The part of ``Tensor`` that answers when NumPy or another array library calls."""

    __slots__ = ()
    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        operation = _UFUNCS.get(ufunc)
        if method == "reduce" and ufunc is numpy.add:
            return _FUNCTIONS[numpy.sum](inputs[0], kwargs.pop("axis", 0), **kwargs)
        if operation is None or method != "__call__":
            raise _unsupported(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
        if kwargs:
            raise TinygradError(
                f"numpy.{ufunc.__name__} on a tensor takes no {', '.join(kwargs)}",
                fix="an array cannot hold a recorded result: write y = y + t instead of y += t for an array y",
            )
        return operation(*inputs)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        operation = _FUNCTIONS.get(function)
        if operation is None:
            raise _unsupported(function.__name__)
        try:
            return operation(*args, **kwargs)
        except TypeError as error:
            if isinstance(error, TinygradError) or "argument" not in str(error):
                raise
            raise TinygradError(f"numpy.{function.__name__} on a tensor: {error}") from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = host_array(self, "numpy")
        return numpy.array(array, dtype=dtype, copy=copy) if dtype is not None or copy else array

    def __dlpack__(self, **options: Any) -> Any:
        return _leave_tape(self, "__dlpack__").__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()  # type: ignore[attr-defined]


def _leave_tape(tensor: Any, method: str) -> Any:
    if tensor.requires_grad:
        raise TapeError(
            f"{method} on a tensor that requires a gradient would take its values off the tape unseen",
            fix="say so: t.detach().numpy()",
        )
    return tensor.array


def host_array(tensor: Any, method: str) -> Any:
    """The NumPy array under a tensor on the CPU; an error that names the remedy otherwise."""
    array = _leave_tape(tensor, method)
    if type(array) is not numpy.ndarray and not isinstance(array, numpy.ndarray):
        raise DeviceError(
            f"{method} on a tensor on {device_of(array)}: its memory is not the host's", fix="t.cpu().numpy()"
        )
    return array


def array_from_dlpack(source: Any) -> Any:
    """The array that ``source`` (an object with ``__dlpack__``) holds, sharing its memory."""
    if isinstance(source, TensorBase):
        return _leave_tape(source, "from_dlpack")
    if is_array(source):
        return source
    kind, _ = source.__dlpack_device__()
    if kind == 1:
        return numpy.from_dlpack(source)
    if kind == 2:
        return module_of("cuda").from_dlpack(source)
    raise DeviceError(f"from_dlpack: a device of DLPack kind {kind} is neither the CPU nor CUDA")
