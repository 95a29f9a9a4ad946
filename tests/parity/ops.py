"""Run entries of PyTorch's ``op_db`` on both engines: samples forward and backward, and inputs that must be refused."""

from __future__ import annotations

import copy
import functools
import inspect
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy

import tinygrad_mp as tg
from tests.parity.databases import OPS, seed_all, spread, torch
from tests.parity.judging import TOLERANCES, Tally, WrongError, compare, compare_arrays, compare_kinds, one_line
from tests.parity.sides import LeftOutError, MissingError, as_numpy, dtype_name, find, ours, rebound, tensors_in

RANDOM = {
    "bernoulli", "cauchy", "empty", "empty_like", "exponential", "geometric", "log_normal", "multinomial",
    "new_empty", "nn.functional.alpha_dropout", "nn.functional.dropout", "nn.functional.dropout2d",
    "nn.functional.dropout3d", "nn.functional.feature_alpha_dropout", "nn.functional.rrelu", "normal", "rand_like",
    "randint", "randint_like", "randn", "randn_like", "uniform",
}  # fmt: skip
"""Of these only shapes and dtypes are compared: the generators differ."""


FORMS = ("function", "method", "in place")


def their_function(op: Any, form: str) -> Callable[..., Any] | None:
    """A form of an entry of ``op_db``; None where PyTorch has none."""
    if form == "function":
        return op.op  # type: ignore[no-any-return]
    found = op.method_variant if form == "method" else op.inplace_variant
    return found if form == "method" or found is None else _on_a_copy(found)


def _on_a_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: function(x.clone(), *args, **kwargs)


def our_function(op: Any, form: str = "function") -> Callable[..., Any]:
    """What we have for a form of an entry of ``op_db``."""
    if form != "function":
        found = _our_variant(op.method_variant if form == "method" else op.inplace_variant)
        return found if form == "method" else _on_a_copy(found)
    if isinstance(op.op, types.FunctionType) and op.op.__module__.startswith("torch.testing"):
        return rebound(op.op)
    return find(op.name)


def _our_variant(theirs: Any) -> Callable[..., Any]:
    if isinstance(theirs, functools.partial):
        return functools.partial(ours(theirs.func), **theirs.keywords)
    if theirs.__name__ == "<lambda>":
        return rebound(theirs)
    found = getattr(tg.Tensor, theirs.__name__, None)
    if found is None:
        raise MissingError(f"Tensor.{theirs.__name__}")
    return found  # type: ignore[no-any-return]


def samples_of(op: Any, dtype: Any) -> list[Any]:
    """All samples of an entry, the same at every run."""
    seed_all()
    needs_grad = op.supports_autograd and dtype.is_floating_point
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(op.sample_inputs("cpu", dtype, requires_grad=needs_grad))


def run_op(
    key: str, *, limit: int | None = None, dtype: Any = None, only: int | None = None, form: str = "function"
) -> Tally:
    """Compare the samples of an entry, and its bad inputs unless ``only`` one sample is asked for.

    ``form`` is one of FORMS.
    """
    op = OPS[key]
    tally = Tally(key)
    if dtype is None:
        choices = (torch.float64, torch.float32, torch.int64, torch.bool)
        dtype = next((one for one in choices if one in op.supported_dtypes("cpu")), None)
    if dtype is None or dtype not in op.supported_dtypes("cpu") or their_function(op, form) is None:
        return tally
    for number, sample in spread(samples_of(op, dtype), limit):
        if only in (None, number):
            _run_sample(tally, op, number, sample, form)
    if only is None and form == "function" and dtype == torch.float64 and op.error_inputs_func is not None:
        _run_bad_inputs(tally, op)
    return tally


def _run_sample(tally: Tally, op: Any, number: int, sample: Any, form: str) -> None:
    inputs, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = copy_of((inputs, kwargs))
        try:
            expected = _as_meant(op, their_function(op, form))(*theirs[0], **theirs[1])
        except Exception:
            return  # not a sample that PyTorch accepts
        label = f"#{number} {describe(inputs, kwargs)}"
        try:
            _judge(op, sample, (inputs, kwargs), theirs, expected, form)
        except WrongError as error:
            tally.add("wrong", f"{label}: {error}")
        except (MissingError, LeftOutError) as error:
            tally.add("missing" if isinstance(error, MissingError) else "left out", f"{label}: {error}")
        except Exception as error:
            tally.add("raised", f"{label}: {one_line(error)}")
        else:
            tally.add("passed")


def _judge(op: Any, sample: Any, given: Any, theirs: Any, expected: Any, form: str) -> None:
    function = _as_meant(op, our_function(op, form))
    if any(one.is_complex() or one.layout != torch.strided for one in tensors_in(expected)):
        raise LeftOutError("a complex or sparse result")
    mine = ours(given)
    found = function(*mine[0], **mine[1])
    if op.name in RANDOM or given[1].get("dropout_p"):
        return compare_kinds(found, expected, "result")
    if isinstance(sample.output_process_fn_grad, types.FunctionType):
        found, expected = processed(sample.output_process_fn_grad, found, expected)
    compare(found, expected, "result")
    if op.supports_autograd:
        compare_gradients(mine, found, theirs, expected)
    return None


def _as_meant(op: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of symmetric matrices, of which the database gives any: made symmetric first, as in PyTorch."""
    if getattr(op.gradcheck_wrapper, "__name__", "") != "gradcheck_wrapper_hermitian_input":
        return function
    return lambda x, *args, **kwargs: function(x + x.swapaxes(-1, -2), *args, **kwargs)


def processed(function: Any, found: Any, expected: Any) -> tuple[Any, Any]:
    """What is well defined about results such as eigenvectors, whose signs are not; PyTorch's databases say what."""
    return rebound(function)(found), function(expected)


def compare_gradients(mine: Any, found: Any, theirs: Any, expected: Any) -> None:
    """Raise WrongError unless the gradients of all inputs agree, for random cotangents."""
    ends = [
        (one, other) for one, other in zip(tensors_in(found), tensors_in(expected), strict=True) if other.requires_grad
    ]
    leaves = [pair for pair in zip(tensors_in(mine), tensors_in(theirs), strict=True) if pair[1].requires_grad]
    if not ends or not leaves:
        if any(one.requires_grad for one in tensors_in(found)) and leaves:
            raise WrongError("a result requires a gradient, PyTorch's does not")
        return
    if not all(one.requires_grad for one, _ in ends):
        raise WrongError("a result does not require a gradient, PyTorch's does")
    rng = numpy.random.default_rng(7)
    cotangents = [rng.uniform(-1.0, 1.0, tuple(other.shape)).astype(as_numpy(other).dtype) for _, other in ends]
    outputs, wanted = [other for _, other in ends], [leaf for _, leaf in leaves]
    try:
        second = torch.autograd.grad(
            outputs, wanted, [torch.from_numpy(numpy.asarray(one)) for one in cotangents], allow_unused=True
        )
    except RuntimeError:
        return  # PyTorch has no derivative here
    first = tg.autograd.grad(
        [one for one, _ in ends], [leaf for leaf, _ in leaves], [tg.tensor(one) for one in cotangents],
        allow_unused=True,
    )  # fmt: skip
    for number, (one, other, leaf) in enumerate(zip(first, second, wanted, strict=True)):
        expected_array = numpy.zeros(tuple(leaf.shape)) if other is None else as_numpy(other)
        found_array = numpy.zeros(tuple(leaf.shape)) if one is None else as_numpy(one)
        if found_array.shape != expected_array.shape:
            raise WrongError(f"gradient {number}: shape {found_array.shape} instead of {expected_array.shape}")
        compare_arrays(found_array, expected_array, TOLERANCES[dtype_name(leaf)], f"gradient {number}")


def copy_of(value: Any) -> Any:
    """Samples with tensors of their own, so that nothing a function does is seen twice."""
    if isinstance(value, torch.Tensor):
        made = value.detach().clone()
        return made.requires_grad_() if value.requires_grad else made
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(copy_of(one) for one in value))
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)(copy_of(one) for one in value)
    if isinstance(value, dict):
        return {key: copy_of(one) for key, one in value.items()}
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value)
    return value


def describe(inputs: Any, kwargs: Any) -> str:
    """A call's arguments in few words: shapes instead of tensors."""

    def short(value: Any) -> str:
        if isinstance(value, torch.Tensor):
            return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        if isinstance(value, (list, tuple)):
            return "(" + ", ".join(short(one) for one in value) + ")"
        return repr(value)

    parts = [short(one) for one in inputs] + [f"{name}={short(one)}" for name, one in kwargs.items()]
    return f"({', '.join(parts)})"[:200]


# --- inputs that must be refused ------------------------------------------------------------------------------------


def _bad_inputs(op: Any) -> Iterator[tuple[int, Any]]:
    seed_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from enumerate(list(op.error_inputs("cpu")))


def _run_bad_inputs(tally: Tally, op: Any) -> None:
    for number, bad in _bad_inputs(op):
        sample = bad.sample_input
        inputs, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
        expected = bad.error_type
        if not (inspect.isclass(expected) and issubclass(expected, Exception)) or issubclass(expected, Warning):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                op.op(*copy_of(inputs), **copy_of(kwargs))
            except expected:
                pass
            except Exception:
                continue
            else:
                continue
            label = f"bad input #{number} {describe(inputs, kwargs)}"
            try:
                function, mine = our_function(op), ours((inputs, kwargs))
            except (LeftOutError, MissingError):
                continue
            tally.bad_inputs += 1
            try:
                function(*mine[0], **mine[1])
            except expected:
                continue
            except Exception as error:
                tally.other_class += 1
                tally.notes.append(f"other class: {label}: {one_line(error)} instead of {expected.__name__}")
            else:
                tally.silent += 1
                tally.notes.append(f"silent: {label}: expected {expected.__name__} {bad.error_regex!r:.80}")
