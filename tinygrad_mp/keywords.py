"""PyTorch's ways to call an operation: all arguments by keyword, ``axis=`` for ``dim=``, ``alpha=`` and ``out=``.

The operations themselves take what they need and no more, so that a small one costs little. :func:`flexible` puts a
function before one of them that lets the common call through and sorts out every other: it knows NumPy's words as
PyTorch does, and it says what is wrong with a list where a tensor should be.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.backend import is_array
from tinygrad_mp.dtypes import result_type
from tinygrad_mp.errors import DTypeError, UnsupportedError
from tinygrad_mp.output import write_out
from tinygrad_mp.tape import TensorBase

_MISSING: Any = object()
_OF_MAKERS = frozenset({"layout", "memory_format", "names", "out", "pin_memory"})
_TENSOR_FIRST = frozenset({"input", "x", "self", "tensor"})
_INPUT, _OTHER = ("input", "x", "self", "tensor"), ("other", "y", "exponent", "mat2", "vec", "vec2", "tensor")
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "input": _INPUT,
    "self": _INPUT,
    "x": _INPUT,
    "a": _INPUT,
    "x1": _INPUT,
    "other": _OTHER,
    "x2": _OTHER,
    "exponent": _OTHER,
    "mat2": _OTHER,
    "vec": _OTHER,
    "vec2": _OTHER,
    "tensor": _OTHER,
    "tensors": ("arrays",),
    "axis": ("dim", "axes"),
    "dim": ("axis", "dims", "axes"),
    "dims": ("dim", "axes"),
    "keepdims": ("keepdim",),
    "size": ("shape",),
}
_SIZES = ("dims", "dim", "size", "sizes", "shape", "axes", "axis", "repeats")
_NUMBER_FIRST = frozenset({
    "add", "bitwise_and", "bitwise_or", "bitwise_xor", "div", "divide", "float_power", "floor_divide", "mul",
    "multiply", "pow", "remainder", "sub", "subtract", "true_divide", "xlogy",
})  # fmt: skip
"""Functions of two that PyTorch also calls with a number and a tensor."""
_TENSORS_ONLY = frozenset({
    "allclose", "atan2", "fmax", "fmin", "gcd", "hypot", "isclose", "lcm", "ldexp", "logaddexp", "logaddexp2",
    "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "nextafter",
})  # fmt: skip
"""Functions of two that PyTorch calls with two tensors and nothing else."""
_OF_ONE: dict[str, dict[str, str]] = {"max": {"other": "dim"}, "min": {"other": "dim"}}
_IN_MEMORY = (ops.clone, ops.contiguous)
_SCALED = {ops.add: ops.scaled_add, ops.sub: ops.scaled_sub}


class _Parameters:
    """What a function takes: inputs of a primitive by position only, the rest by position or keyword.

    ``open``: it takes ``*arguments`` of its own, which are called ``rest``.
    """

    def __init__(
        self, positional: tuple[str, ...], keywords: frozenset[str], open: bool, rest: str | None = None
    ) -> None:
        self.positional, self.keywords, self.open, self.rest = positional, keywords, open, rest


def _parameters(function: Callable[..., Any]) -> _Parameters:
    op = getattr(function, "op", None)
    if op is not None:
        return _Parameters(op.input_names, frozenset(op.param_domains), op.variadic)
    found = inspect.signature(function).parameters.values()
    by_place = tuple(one.name for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD))
    by_name = frozenset(one.name for one in found if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD))
    rest = next((one.name for one in found if one.kind is one.VAR_POSITIONAL), None)
    return _Parameters(by_place, by_name, rest is not None, rest)


def flexible(function: Callable[..., Any], *, method: bool = False) -> Callable[..., Any]:
    """``function`` in all the ways in which PyTorch lets its counterpart be called; as a method, without ``out=``.

    >>> from tinygrad_mp import tensor
    >>> total = flexible(ops.sum)
    >>> total(tensor([[1.0, 2.0]]), axis=0, keepdims=True)
    tensor([[1., 2.]])
    """
    op: Any = getattr(function, "op", None)
    plain = op is not None and not op.param_domains and not op.variadic
    if plain and len(op.input_names) == 1:
        return function if method and function is not ops.clone else update_wrapper(_of_one(function), function)
    if plain and len(op.input_names) == 2:
        return update_wrapper(_of_two(function, method), function)
    return update_wrapper(_of_many(function, method), function)


def makes(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes tensors, with PyTorch's further keywords: ``out=``, and those without effect here.

    >>> from tinygrad_mp import empty
    >>> from tinygrad_mp.creation import arange
    >>> makes(arange)(3, out=empty(0), pin_memory=False)
    tensor([0., 1., 2.])
    """

    def _made(*given: Any, **keywords: Any) -> Any:
        if not keywords.keys() & _OF_MAKERS:
            return function(*given, **keywords)
        for word in ("pin_memory", "memory_format", "names"):
            keywords.pop(word, None)
        layout, out = keywords.pop("layout", None), keywords.pop("out", None)
        if layout is not None and str(layout) != "strided":
            raise UnsupportedError(f"{function.__name__}: layout {layout} is not there", fix="tensors are strided")
        made = function(*given, **keywords)
        return made if out is None else write_out(function.__name__, made, out)

    return update_wrapper(_made, function)


def _of_one(function: Callable[..., Any]) -> Callable[..., Any]:
    def _flexible(x: Any = _MISSING, /, *more: Any, **keywords: Any) -> Any:
        if keywords or more or not isinstance(x, TensorBase):
            return _sorted_out(function, () if x is _MISSING else (x, *more), keywords, False)
        return function(x)

    return _flexible


def _of_two(function: Callable[..., Any], method: bool) -> Callable[..., Any]:
    if function.__name__ in _TENSORS_ONLY:
        return _of_many(function, method)

    def _flexible(x: Any = _MISSING, y: Any = _MISSING, /, *more: Any, **keywords: Any) -> Any:
        if keywords or more or y is _MISSING or not isinstance(x, TensorBase):
            given = tuple([one for one in (x, y) if one is not _MISSING])
            return _sorted_out(function, (*given, *more), keywords, method)
        return function(x, y)

    return _flexible


def _of_many(function: Callable[..., Any], method: bool) -> Callable[..., Any]:
    keywords_of: Any = None
    tensors_only = function.__name__ in _TENSORS_ONLY

    def _flexible(*given: Any, **keywords: Any) -> Any:
        nonlocal keywords_of
        if keywords:
            if keywords_of is None:
                keywords_of = _parameters(function).keywords
            if not keywords.keys() <= keywords_of:
                return _sorted_out(function, given, keywords, method)
        if tensors_only and not (len(given) >= 2 and isinstance(given[1], TensorBase)):
            return _sorted_out(function, given, keywords, method)
        if method or (given and isinstance(given[0], TensorBase)):
            return function(*given, **keywords)
        return _sorted_out(function, given, keywords, method)

    return _flexible


def _sorted_out(function: Callable[..., Any], given: tuple[Any, ...], keywords: dict[str, Any], method: bool) -> Any:
    """Call ``function`` with the arguments where it expects them."""
    name = function.__name__.strip("_")
    if function in _SCALED and "alpha" in keywords:
        _check_alpha(name, given, keywords)
        function = _SCALED[function]
    if function in _IN_MEMORY:
        keywords.pop("memory_format", None)
    parameters = _parameters(function)
    out = _MISSING if method or "out" in parameters.keywords else keywords.pop("out", _MISSING)
    renamed: dict[str, Any] = {}
    if parameters.rest in _SIZES and len(given) <= len(parameters.positional):
        rest = next((word for word in _SIZES if word in keywords and word not in parameters.keywords), None)
        given, keywords = _with_sizes(given, keywords, rest, parameters.positional)
    for word, value in keywords.items():
        known = _known_as(word, name, parameters)
        if known is None or known in renamed:
            twice = "is given twice" if known else "is not known"
            takes = dict.fromkeys((*parameters.positional, *sorted(parameters.keywords)))
            raise UnsupportedError(f"{name}: the argument {word!r} {twice}", fix=f"it takes {', '.join(takes)}")
        renamed[known] = value
    if not parameters.open:
        for parameter in parameters.positional[len(given) :]:
            if parameter not in renamed:
                break
            given = (*given, renamed.pop(parameter))
    if parameters.positional and parameters.positional[0] in _TENSOR_FIRST:
        _require_tensors(name, given)
    elif parameters.open and not parameters.keywords and len(given) == 1 and isinstance(given[0], (list, tuple)):
        given = tuple(given[0])
    result = function(*given, **renamed)
    return result if out is _MISSING or out is None else write_out(name, result, out, given)


def _with_sizes(given: Any, keywords: dict[str, Any], word: str | None, first: tuple[str, ...]) -> tuple[Any, Any]:
    """Sizes or axes that were given by keyword, behind the tensor: ``flip(x, dims=(0, 1))`` as ``flip(x, (0, 1))``."""
    if word is None:
        return given, keywords
    tensor = [keywords[name] for name in _INPUT if name in keywords and not given and len(first) == 1]
    others = {name: value for name, value in keywords.items() if name != word and not (tensor and name in _INPUT)}
    return (*given, *tensor, keywords[word]), others


def _known_as(word: str, name: str, parameters: _Parameters) -> str | None:
    """The parameter that ``word`` means."""
    known = {*parameters.positional, *parameters.keywords}
    if word in known:
        return word
    if _OF_ONE.get(name, {}).get(word) in known:
        return _OF_ONE[name][word]
    return next((other for other in _SYNONYMS.get(word, ()) if other in known), None)


def _require_tensors(name: str, given: tuple[Any, ...]) -> None:
    """Raise an error unless there is a tensor or an array where one must be."""
    if not given:
        raise UnsupportedError(f"{name}: the argument 'input' is missing")
    first = given[0]
    if name in _NUMBER_FIRST and isinstance(first, (bool, int, float, complex)):
        if any(isinstance(one, TensorBase) for one in given[1:]):
            return
    elif _is_tensor(first):
        if name not in _TENSORS_ONLY or len(given) < 2 or _is_tensor(given[1]):
            return
        first = given[1]
    raise DTypeError(f"{name}: {type(first).__name__} is no tensor", fix="make it a tensor: tensor(data)")


def _is_tensor(value: Any) -> bool:
    return isinstance(value, TensorBase) or is_array(value) or hasattr(value, "dtype")


def _check_alpha(name: str, given: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    operands = [getattr(one, "array", one) for one in (*given, keywords.get("other", 0))]
    if isinstance(keywords["alpha"], float) and result_type(*operands).kind not in "fc":
        raise DTypeError(f"{name}: alpha={keywords['alpha']} is a fraction, and the tensors hold integers")
