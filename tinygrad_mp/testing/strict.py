"""A pretended GPU: arrays over NumPy that refuse whatever CuPy refuses, and a little more.

Code that runs on the strict device touches no array from the host unasked, so it should run on CuPy. What is refused:

- NumPy arrays and lists as operands, and NumPy functions on strict arrays (CuPy forwards some; we want none);
- implicit conversion to NumPy: ``numpy.asarray(x)``, ``for``-loops of NumPy over ``x``; ``x.get()`` is the way;
- names that CuPy lacks (:mod:`tinygrad_mp.testing.cupy_names`), ``ufunc.at``, ``ufunc.reduce`` and ``accumulate`` but
  for add and multiply, ``where=`` and ``initial=`` in reductions and ufuncs, methods of ``random.Generator``.

And where CuPy answers differently, so does the strict device: reductions give 0-d arrays, never Python or NumPy
scalars, and **integer index arrays out of range wrap silently**. ``float(x)``, ``int(x)``, ``bool(x)`` and ``x.item()``
work, but on a GPU they wait for everything asked so far: ``strict.waits`` counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy

from tinygrad_mp.backend import Device, register_backend
from tinygrad_mp.backend.arrays import Backend
from tinygrad_mp.testing import cupy_names as names

__all__ = ["StrictArray", "register", "strict"]

_SCALARS = (bool, int, float, complex, numpy.generic)
_ONLY_SOME = {"reduce": ("add", "multiply"), "accumulate": ("add", "multiply"), "reduceat": ("add",)}
_REFUSED_OPTIONS = frozenset({"where", "initial", "subok", "like"})


def _refuse(what: str, instead: str) -> TypeError:
    return TypeError(f"strict device: {what}; {instead}")


class StrictArray:
    """An array of the strict device. Make one with ``strict.asarray(host_array)``, read one with ``get()``.

    >>> x = strict.asarray(numpy.ones(3))
    >>> (x + 1).sum()
    strict(6.)
    >>> x + numpy.ones(3)
    Traceback (most recent call last):
        ...
    TypeError: strict device: a NumPy array as an operand; move it first: strict.asarray(array)
    """

    __slots__ = ("__weakref__", "_host", "base")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: Any, base: StrictArray | None = None) -> None:
        self._host: Any = host
        self.base = base

    # --- leaving the device: asked for, or refused ---

    def get(self) -> Any:
        """A copy of the entries as a NumPy array."""
        strict.waits += 1
        return self._host.copy()

    def item(self) -> Any:
        """The only entry as a Python number; a device would have to be waited for."""
        strict.waits += 1
        return self._host.item()

    def tolist(self) -> Any:
        """The entries as nested lists; a device would have to be waited for."""
        strict.waits += 1
        return self._host.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._host.dtype.kind not in "iub":
            raise TypeError("only integer arrays can be an index")
        return int(self.item())

    def __bool__(self) -> bool:
        strict.waits += 1
        return bool(self._host)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise _refuse("implicit conversion to a NumPy array", "ask for it with .get()")

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> Any:
        raise _refuse(f"numpy.{function.__name__} on a strict array", "call the function of xp(x)")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        # A NumPy scalar on the left of an operator arrives here; NumPy functions and arrays do so too, and may not.
        scalar = any(isinstance(value, numpy.generic) for value in inputs)
        if method == "__call__" and scalar and not options:
            return getattr(strict, _NAME_OF_UFUNC.get(ufunc, ufunc.__name__))(*inputs)
        if any(isinstance(value, numpy.ndarray) for value in inputs):
            raise _refuse("a NumPy array as an operand", "move it first: strict.asarray(array)")
        raise _refuse(f"numpy.{ufunc.__name__} on a strict array", "call the function of xp(x)")

    # --- what it is ---

    @property
    def device(self) -> str:
        """Where the array lives."""
        return "strict"

    @property
    def T(self) -> StrictArray:  # noqa: N802 - CuPy's name
        """A view with the axes reversed."""
        return self.transpose()  # type: ignore[no-any-return]

    @property
    def real(self) -> Any:
        """The real parts, a view."""
        return _wrap(self._host.real, (self,))

    @property
    def imag(self) -> Any:
        """The imaginary parts, a view."""
        return _wrap(self._host.imag, (self,))

    def __getattr__(self, name: str) -> Any:
        if name in names.ATTRIBUTES:
            return getattr(self._host, name)
        if name not in names.METHODS:
            raise AttributeError(f"strict device: cupy.ndarray has no {name!r}")
        method = getattr(self._host, name)

        def call(*args: Any, **options: Any) -> Any:
            _check_options(options)
            return _wrap(method(*map(_raw, args), **{key: _raw(value) for key, value in options.items()}), (self,))

        return call

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[Any]:
        return (self[position] for position in range(len(self._host)))

    def __repr__(self) -> str:
        return f"strict({self._host!s})"

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, _: Any) -> Any:
        return self.copy()

    # --- entries ---

    def __getitem__(self, key: Any) -> Any:
        return _wrap(self._host[_wrapped_index(self._host, key)], (self,))

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(value, (*_SCALARS, StrictArray)):
            raise _refuse(f"a {type(value).__name__} as the value of an assignment", "move it first")
        self._host[_wrapped_index(self._host, key)] = _raw(value)


def _raw(value: Any) -> Any:
    """What NumPy computes on: the inside of strict arrays, also in lists; arrays of the host are refused."""
    if isinstance(value, StrictArray):
        return value._host
    if isinstance(value, numpy.ndarray):
        raise _refuse("a NumPy array as an operand", "move it first: strict.asarray(array)")
    if type(value) in (list, tuple):
        return type(value)(map(_raw, value))
    return value


def _root(host: Any) -> Any:
    while isinstance(host.base, numpy.ndarray):
        host = host.base
    return host


def _wrap(result: Any, operands: tuple[Any, ...]) -> Any:
    """Put a result of NumPy back on the device, as a view of the operand whose memory it shows."""
    if isinstance(result, numpy.generic):
        return StrictArray(numpy.asarray(result))
    if type(result) in (list, tuple):
        return type(result)(_wrap(one, operands) for one in result)
    if isinstance(result, tuple):  # the named tuples of numpy.linalg
        return tuple(_wrap(one, operands) for one in result)
    if not isinstance(result, numpy.ndarray):
        return result
    memory = _root(result)
    for operand in operands:
        if isinstance(operand, StrictArray):
            if result is operand._host:
                return operand
            if memory is _root(operand._host):
                return StrictArray(result, operand if operand.base is None else operand.base)
    return StrictArray(result)


def _wrapped_index(host: Any, key: Any) -> Any:
    """``key`` for NumPy, with integer arrays taken modulo the size of their axis, as CuPy takes them."""
    keys = key if isinstance(key, tuple) else (key,)
    used = sum(_axes_taken(one) for one in keys)
    result, axis = [], 0
    for one in keys:
        if isinstance(one, (numpy.ndarray, list)):
            raise _refuse(f"a {type(one).__name__} as an index", "move it first: strict.asarray(index)")
        raw = _raw(one)
        if one is Ellipsis:
            axis += host.ndim - used
        elif isinstance(raw, numpy.ndarray) and raw.dtype.kind in "iu" and axis < host.ndim and host.shape[axis]:
            raw = raw % host.shape[axis]
        axis += _axes_taken(one)
        result.append(raw)
    return tuple(result) if isinstance(key, tuple) else result[0]


def _axes_taken(one: Any) -> int:
    if one is None or one is Ellipsis or isinstance(one, bool):
        return 0
    return one._host.ndim if isinstance(one, StrictArray) and one._host.dtype.kind == "b" else 1


def _check_options(options: dict[str, Any], name: str = "") -> None:
    refused = _REFUSED_OPTIONS & {key for key, value in options.items() if value is not None}
    if refused and name != "copyto":
        raise _refuse(f"the option {sorted(refused)[0]}=", "CuPy does not know it")


def _function(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of NumPy for strict arrays."""

    def call(*args: Any, **options: Any) -> Any:
        if name in names.FROM_HOST and args and isinstance(args[0], numpy.ndarray):
            args = (StrictArray(args[0].copy(order="K")), *args[1:])
        _check_options(options, name)
        out = options.get("out")
        if name == "take" and not options.get("mode"):
            options["mode"] = "wrap"
        if name == "take_along_axis":
            args = _wrapped_take_along(*args, **options)
            options = {}
        result = function(*map(_raw, args), **{key: _raw(value) for key, value in options.items()})
        return out if isinstance(out, StrictArray) else _wrap(result, _flat(args))

    call.__name__ = name
    return call


def _wrapped_take_along(array: Any, indices: Any, axis: Any = -1) -> tuple[Any, ...]:
    size = array.size if axis is None else array.shape[axis]
    return array, (indices % size if size else indices), axis


def _flat(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one for value in args for one in (value if isinstance(value, (list, tuple)) else (value,)))


class StrictUfunc:
    """A ufunc as CuPy has it: operands are arrays of the device or numbers, and few methods exist."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._ufunc = getattr(numpy, name)
        self._call = _function(name, self._ufunc)

    def __call__(self, *args: Any, **options: Any) -> Any:
        for value in args:
            if not isinstance(value, (*_SCALARS, StrictArray)):
                kind = "NumPy array" if isinstance(value, numpy.ndarray) else type(value).__name__
                raise _refuse(f"a {kind} as an operand", "move it first: strict.asarray(array)")
        return self._call(*args, **options)

    def outer(self, x: Any, y: Any) -> Any:
        """The ufunc of all pairs."""
        return _wrap(self._ufunc.outer(_raw(x), _raw(y)), ())

    def __getattr__(self, name: str) -> Any:
        if self.__name__ in _ONLY_SOME.get(name, ()):
            return _function(f"{self.__name__}.{name}", getattr(self._ufunc, name))
        raise AttributeError(f"strict device: cupy.{self.__name__} has no {name!r} that serves everywhere")


class _Namespace:
    """Some names of a module of NumPy."""

    def __init__(self, module: Any, label: str, known: frozenset[str]) -> None:
        self._module, self._label, self._known = module, label, known

    def __getattr__(self, name: str) -> Any:
        if name not in self._known:
            raise AttributeError(f"strict device: {self._label} has no {name!r}")
        found = _function(name, getattr(self._module, name))
        setattr(self, name, found)
        return found


class _Random:
    """``cupy.random`` as far as it has one generator that is reproducible."""

    def default_rng(self, seed: Any = None) -> Any:
        """A generator with the methods that CuPy's has."""
        return _Namespace(numpy.random.default_rng(seed), "cupy.random.Generator", names.GENERATOR)


class _Tricks:
    stride_tricks = _Namespace(numpy.lib.stride_tricks, "cupy.lib.stride_tricks", names.STRIDE_TRICKS)


class StrictModule:
    """Stands in the place of the module ``cupy``; ``strict`` is the only one.

    >>> strict.errstate
    Traceback (most recent call last):
        ...
    AttributeError: strict device: cupy has no 'errstate'
    """

    ndarray = StrictArray
    linalg = _Namespace(numpy.linalg, "cupy.linalg", names.LINALG)
    fft = _Namespace(numpy.fft, "cupy.fft", names.FFT)
    lib = _Tricks()
    random = _Random()

    def __init__(self) -> None:
        self.waits = 0

    def asnumpy(self, array: Any) -> Any:
        """A copy of ``array`` on the host."""
        return array.get() if isinstance(array, StrictArray) else numpy.asarray(array)

    def __getattr__(self, name: str) -> Any:
        found: Any
        if name in names.UFUNCS:
            found = StrictUfunc(name)
        elif name in names.CONSTANTS | names.DTYPES:
            found = getattr(numpy, name)
        elif name in names.FUNCTIONS | names.FROM_HOST | names.ON_HOST and hasattr(numpy, name):
            found = _function(name, getattr(numpy, name))
        else:
            raise AttributeError(f"strict device: cupy has no {name!r}")
        setattr(self, name, found)
        return found


strict = StrictModule()
_NAME_OF_UFUNC = {getattr(numpy, name): name for name in names.UFUNCS if hasattr(numpy, name)}

_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                "ne": "not_equal"}  # fmt: skip
_UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def _add_operators() -> None:
    def add(name: str, ufunc: Any, swapped: bool = False, in_place: bool = False) -> None:
        def method(self: Any, other: Any) -> Any:
            if in_place:
                return ufunc(self, other, out=self)
            return ufunc(other, self) if swapped else ufunc(self, other)

        setattr(StrictArray, f"__{name}__", method)

    for name, ufunc in _COMPARISONS.items():
        add(name, getattr(strict, ufunc))
    for name, ufunc in _OPERATORS.items():
        add(name, getattr(strict, ufunc))
        add(f"r{name}", getattr(strict, ufunc), swapped=True)
        add(f"i{name}", getattr(strict, ufunc), in_place=True)
    for name, ufunc in _UNARY.items():
        setattr(StrictArray, f"__{name}__", _unary(getattr(strict, ufunc)))


def _unary(ufunc: Any) -> Callable[[Any], Any]:
    return lambda self: ufunc(self)


_add_operators()


def register() -> None:
    """Make the device ``"strict"`` known to :mod:`tinygrad_mp.backend`; ``unregister_backend("strict")`` undoes it."""
    register_backend(
        Backend(
            name="strict",
            array_type=StrictArray,
            module=strict,
            device_of=lambda array: Device("strict"),
            place=lambda array, device: array if isinstance(array, StrictArray) else strict.asarray(array),
            to_numpy=lambda array: array.get(),
            synchronize=lambda: None,
        )
    )
