"""NumPy's functions on tensors.

``np.exp(t)`` and ``np.sum(t, axis=0)`` record just as ``t.exp()`` and ``t.sum(dim=0)`` do: NumPy hands the call over
through ``__array_ufunc__`` and ``__array_function__``, and the tables below say which operation is meant. What is in
no table NumPy computes itself, on the values of tensors of the host, as long as no gradient is lost by that: where an
operand requires one, it is an error that names the remedy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_mp import ops
from tinygrad_mp.backend import xp
from tinygrad_mp.dtypes import NAMES
from tinygrad_mp.errors import UnsupportedError
from tinygrad_mp.interop import host_array
from tinygrad_mp.ops import contraction, copying, cumulative, elementary, extremes, gathering, norms
from tinygrad_mp.tape import TensorBase, wrap

_NAMES: dict[str, Callable[..., Any]] = {
    "add": ops.add,
    "subtract": ops.sub,
    "multiply": ops.mul,
    "divide": ops.div,
    "negative": ops.neg,
    "positive": ops.clone,
    "power": ops.pow,
    "remainder": ops.remainder,
    "floor_divide": ops.floor_divide,
    "absolute": ops.abs,
    "sign": ops.sign,
    "exp": ops.exp,
    "expm1": elementary.expm1,
    "log": ops.log,
    "log1p": elementary.log1p,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "reciprocal": ops.reciprocal,
    "sin": elementary.sin,
    "cos": elementary.cos,
    "tan": elementary.tan,
    "tanh": ops.tanh,
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "floor": elementary.floor,
    "ceil": elementary.ceil,
    "rint": elementary.round,
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
    "bitwise_and": ops.bitwise_and,
    "bitwise_or": ops.bitwise_or,
    "bitwise_xor": ops.bitwise_xor,
    "invert": ops.bitwise_not,
    "isnan": ops.isnan,
    "isinf": ops.isinf,
    "isfinite": ops.isfinite,
}
_UFUNCS: dict[Any, Callable[..., Any]] = {getattr(numpy, name): function for name, function in _NAMES.items()}


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


def _take_along(arr: Any, indices: Any, axis: int) -> Any:
    array, index = _tensors((arr, indices))
    return gathering.take_along_dim(array, index, axis)


def _filled(name: str) -> Callable[..., Any]:
    def call(a: Any, *args: Any, dtype: Any = None) -> Any:
        return wrap(a.result_class, getattr(xp(a.array), name)(a.array, *args, dtype=dtype))

    return call


def _stack_rows(tup: Any) -> Any:
    return ops.cat([one if one.ndim > 1 else ops.reshape(one, (1, -1)) for one in _tensors(tup)], dim=0)


def _stack_columns(tup: Any) -> Any:
    parts = [one if one.ndim else ops.reshape(one, (1,)) for one in _tensors(tup)]
    return ops.cat(parts, dim=0 if parts[0].ndim == 1 else 1)


def _tensors(arrays: Any) -> list[Any]:
    cls = next(array.result_class for array in arrays if isinstance(array, TensorBase))
    return [array if isinstance(array, TensorBase) else wrap(cls, numpy.asarray(array)) for array in arrays]


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    numpy.sum: _reduce(ops.sum),
    numpy.mean: _reduce(ops.mean),
    numpy.prod: _reduce(ops.prod),
    numpy.max: _reduce(extremes.amax),
    numpy.min: _reduce(extremes.amin),
    numpy.amax: _reduce(extremes.amax),
    numpy.amin: _reduce(extremes.amin),
    numpy.argmax: _reduce(extremes.argmax),
    numpy.argmin: _reduce(extremes.argmin),
    numpy.all: _reduce(ops.all),
    numpy.any: _reduce(ops.any),
    numpy.var: _spread(ops.var),
    numpy.std: _spread(ops.std),
    numpy.cumsum: lambda a, axis=None: cumulative.cumsum(ops.flatten(a) if axis is None else a, dim=axis or 0),
    numpy.linalg.norm: lambda x, *, axis=None, keepdims=False: norms.norm(x, dim=axis, keepdim=keepdims),
    numpy.reshape: lambda a, shape: ops.reshape(a, shape),
    numpy.transpose: _transpose,
    numpy.swapaxes: lambda a, axis1, axis2: ops.transpose(a, axis1, axis2),
    numpy.moveaxis: lambda a, source, destination: ops.movedim(a, source, destination),
    numpy.squeeze: lambda a, axis=None: ops.squeeze(a) if axis is None else ops.squeeze(a, axis),
    numpy.expand_dims: lambda a, axis: ops.unsqueeze(a, axis),
    numpy.broadcast_to: lambda array, shape: ops.broadcast_to(array, shape),
    numpy.ravel: lambda a: ops.flatten(a),
    numpy.copy: lambda a: ops.clone(a),
    numpy.concatenate: lambda arrays, axis=0: ops.cat(_tensors(arrays), dim=axis),
    numpy.stack: lambda arrays, axis=0: ops.stack(_tensors(arrays), dim=axis),
    numpy.vstack: _stack_rows,
    numpy.hstack: _stack_columns,
    numpy.where: lambda condition, x, y: ops.where(condition, x, y),
    numpy.clip: lambda a, a_min=None, a_max=None: ops.clamp(a, a_min, a_max),
    numpy.dot: lambda a, b: ops.matmul(a, b) if numpy.ndim(a) and numpy.ndim(b) else ops.mul(a, b),
    numpy.outer: lambda a, b: ops.outer(*map(ops.flatten, _tensors((a, b)))),
    numpy.einsum: lambda subscripts, *operands: contraction.einsum(subscripts, *_tensors(operands)),
    numpy.tril: lambda m, k=0: copying.tril(m, k),
    numpy.triu: lambda m, k=0: copying.triu(m, k),
    numpy.flip: lambda m, axis=None: copying.flip(m, tuple(range(m.ndim)) if axis is None else axis),
    numpy.take_along_axis: lambda arr, indices, axis=-1: _take_along(arr, indices, axis),
    numpy.isclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: ops.isclose(a, b, rtol, atol, equal_nan),
    numpy.zeros_like: _filled("zeros_like"),
    numpy.ones_like: _filled("ones_like"),
    numpy.empty_like: _filled("empty_like"),
    numpy.full_like: _filled("full_like"),
}
_SIGNATURES = {function: inspect.signature(operation) for function, operation in _FUNCTIONS.items()}

# These ask about arrays rather than compute with them, so they lose no gradient.
_QUESTIONS = frozenset(
    {
        numpy.shape,
        numpy.ndim,
        numpy.size,
        numpy.result_type,
        numpy.can_cast,
        numpy.iscomplexobj,
        numpy.isrealobj,
        numpy.shares_memory,
        numpy.may_share_memory,
        numpy.array_equal,
        numpy.allclose,
    }
)
_WRITERS = frozenset({numpy.copyto, numpy.put, numpy.place, numpy.putmask, numpy.fill_diagonal, numpy.put_along_axis})


# --- methods of Tensor, under the names that NumPy looks for ----------------------------------------------------------


def __array_ufunc__(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:  # noqa: N807
    """What a ufunc, or one of its methods, does on operands of which one is a tensor."""
    operation = _UFUNCS.get(ufunc)
    if method == "__call__" and operation is not None and not kwargs:
        return operation(*inputs)
    if method == "reduce" and ufunc is numpy.add and not set(kwargs) - {"axis", "keepdims"}:
        return ops.sum(inputs[0], dim=kwargs.get("axis", 0), keepdim=kwargs.get("keepdims", False))
    name = f"numpy.{ufunc.__name__}"
    if method != "__call__":
        name, operation = f"{name}.{method}", None
    function = getattr(ufunc, method)
    if method == "at" and isinstance(inputs[0], TensorBase):
        raise _writes(name, inputs)
    result = _by_numpy(function, name, inputs, kwargs, known=operation is not None)
    return result if "out" in kwargs else _as_tensor(type(self).result_class, result)


def __array_function__(  # noqa: N807
    self: Any, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What any other function of NumPy does on arguments of which one is a tensor."""
    operation = _FUNCTIONS.get(function)
    if operation is not None and _accepts(_SIGNATURES[function], args, kwargs):
        return operation(*args, **kwargs)
    name = f"{function.__module__}.{function.__name__}"
    if function in _QUESTIONS:
        return function(*map(_raw, args), **{key: _raw(value) for key, value in kwargs.items()})
    if function in _WRITERS and isinstance(args[0], TensorBase):
        raise _writes(name, args)
    return _by_numpy(function, name, args, kwargs, known=operation is not None)


# --- what has no counterpart ----------------------------------------------------------------------------------------


def _accepts(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _by_numpy(function: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, known: bool) -> Any:
    """Let NumPy compute on the values of the tensors, if no gradient is lost by that."""
    found = list(_found(args))
    if any(isinstance(one, TensorBase) for one in _found((kwargs.get("out"),))):
        raise _writes(name, tuple(found))
    if any(one.requires_grad for one in (*found, *_found(tuple(kwargs.values())))):
        if "out" in kwargs:
            problem = "out= is an array, which cannot hold a result that is recorded"
            fix = "write y = y + t instead of y += t for an array y, or use t.detach()"
        elif known:
            problem = f"it cannot be recorded with the arguments {', '.join(kwargs) or 'given'}"
            fix = "use the tensor's own method, or leave the tape first: t.detach().numpy()"
        else:
            problem = "it has no recorded counterpart, and an operand requires a gradient"
            fix = "use the tensor's own methods, or leave the tape first: t.detach().numpy()"
        raise _located(UnsupportedError(problem, fix=fix), name, found)
    return function(*map(_values, args), **{key: _values(value) for key, value in kwargs.items()})


def _writes(name: str, args: tuple[Any, ...]) -> UnsupportedError:
    error = UnsupportedError(
        "NumPy cannot write into a tensor, the tape would not know",
        fix="assign, t[index] = value, use in-place methods such as t.add_(...), or write into t.numpy()",
    )
    return _located(error, name, [one for one in args if isinstance(one, TensorBase)])


def _located(error: UnsupportedError, name: str, tensors: list[Any]) -> UnsupportedError:
    error.locate(name, [(f"operand {position}", tensor) for position, tensor in enumerate(tensors)])
    return error


def _found(values: Any) -> Iterator[Any]:
    """The tensors among values and in lists and tuples of them."""
    for value in values:
        if isinstance(value, TensorBase):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _found(value)


def _values(value: Any) -> Any:
    """``value`` with NumPy arrays in the place of tensors."""
    if isinstance(value, TensorBase):
        return host_array(value, "NumPy's function")
    return type(value)(map(_values, value)) if type(value) in (list, tuple) else value


_TENSOR_DTYPES = frozenset(NAMES.values())


def _raw(value: Any) -> Any:
    return value.array if isinstance(value, TensorBase) else value


def _as_tensor(cls: type, result: Any) -> Any:
    """What a ufunc returned as tensors; what no tensor can hold stays as it is."""
    if isinstance(result, tuple):
        return tuple(_as_tensor(cls, one) for one in result)
    return wrap(cls, numpy.asarray(result)) if getattr(result, "dtype", None) in _TENSOR_DTYPES else result
