"""What every primitive must keep, as functions ``check(op, case)`` that raise AssertionError with the reason.

The registry-driven tests run them on drawn cases for all primitives; :func:`check_primitive` runs them for one, so
that authors of primitives need not know about tests. The judges are in :mod:`tinygrad_mp.testing.oracles`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_mp import autograd
from tinygrad_mp.backend import Device, array_on, device_of, is_array, owner, to_numpy
from tinygrad_mp.errors import DTypeError
from tinygrad_mp.registry import Op, Rule
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.testing.gradcheck import gradcheck
from tinygrad_mp.testing.oracles import central_difference, complex_step, dot, magnitude
from tinygrad_mp.testing.sampling import Case, sample_cases

__all__ = ["CHECKS", "check_primitive"]


class Run:
    """One application of a primitive to a case, with its backward pass.

    Parameters
    ----------
    dtype : optional
        What floating inputs are converted to first.
    device : optional
        Where inputs and cotangents are put first.
    only : int, optional
        The one input that requires a gradient; by default all that can.
    """

    def __init__(self, op: Op, case: Case, *, dtype: Any = None, device: Any = None, only: int | None = None) -> None:
        self.op, self.case = op, case
        raw = [_prepared(value, dtype, device) for value in case.inputs]
        self.chosen = [i for i in differentiable(op, case) if only is None or i == only]
        self.inputs = [wrap(Tensor, value) if is_array(value) else value for value in raw]
        self.tensors = [self.inputs[i].requires_grad_() for i in self.chosen]
        self.before = [to_numpy(value).copy() if is_array(value) else None for value in raw]
        result = op.call(*self.inputs, **case.params)
        self.outputs: list[Any] = list(result) if op.outputs else [result]
        self.roots = [out for out in self.outputs if out.requires_grad]
        rng = numpy.random.default_rng(7)
        self.cotangents = [_random_like(out, rng) for out in self.roots]

    def gradients(self) -> list[Any]:
        """Run backward into ``.grad``; the gradients, as tensors or None."""
        if self.roots:
            autograd.backward(self.roots, self.cotangents)
        return [tensor.grad for tensor in self.tensors]

    def arrays(self, tensors: Sequence[Any]) -> list[Any]:
        """The entries of tensors on the host."""
        return [to_numpy(tensor.array) for tensor in tensors]


def _prepared(value: Any, dtype: Any, device: Any) -> Any:
    if not is_array(value):
        return value
    array = value.astype(dtype) if dtype is not None and value.dtype.kind == "f" else value
    return array if device is None else array_on(device, array)


def _random_like(out: Any, rng: numpy.random.Generator) -> Any:
    values = numpy.asarray(rng.uniform(0.5, 1.5, out.array.shape) * rng.choice([-1.0, 1.0], out.array.shape))
    return wrap(Tensor, array_on(device_of(out.array), values.astype(out.array.dtype)))


def differentiable(op: Op, case: Case) -> list[int]:
    """The positions of the inputs that have a derivative here."""
    rules = op.rules * len(case.inputs) if op.variadic else op.rules
    pairs = enumerate(zip(rules, case.inputs, strict=True))
    return [
        position
        for position, (rule, value) in pairs
        if rule is not None and is_array(value) and value.dtype.kind == "f"
    ]


def forward_of(op: Op, case: Case, chosen: Sequence[int]) -> Callable[..., list[Any]]:
    """The raw function of the chosen inputs alone, with a list of floating (or complex) outputs."""

    def function(*moved: Any) -> list[Any]:
        inputs = list(case.inputs)
        for position, value in zip(chosen, moved, strict=True):
            inputs[position] = value
        result = op.forward(*inputs, **case.params)
        return [out for out in (result if op.outputs else [result]) if out.dtype.kind in "fc"]

    return function


def _demand(condition: Any, op: Op, case: Case, problem: str) -> None:
    assert condition, f"{op.name}{case!r}: {problem}"


def _bits(array: Any) -> bytes:
    return bytes(numpy.ascontiguousarray(array).tobytes())


# --- the checks -----------------------------------------------------------------------------------------------------


def check_gradient(op: Op, case: Case) -> None:
    """The VJP against differences, complex steps and, for linear primitives, the adjoint identity; and its manners."""
    run = Run(op, case)
    found = run.gradients()
    _check_manners(run, found)
    if not run.chosen:
        _demand(not run.roots, op, case, "the output requires a gradient, but no input has a rule")
        return
    _demand(run.roots, op, case, "an input requires a gradient, but no output does")
    gradients, cotangents = run.arrays(found), run.arrays(run.cotangents)
    rng = numpy.random.default_rng(11)
    points = [case.inputs[i] for i in run.chosen]
    directions = [numpy.asarray(rng.uniform(-1.0, 1.0, x.shape)) for x in points]
    function = forward_of(op, case, run.chosen)
    slopes, scale = _differences(function, points, directions, gradients, cotangents, 1e-7)
    if not abs(dot(gradients, directions) - dot(cotangents, slopes)) <= 1e-5 * scale:
        _explain_wrong_gradient(op, case, run.chosen)
        _demand(False, op, case, f"<J^T u, v> = {dot(gradients, directions)}, <u, J v> = {dot(cotangents, slopes)}")
    exact = complex_step(function, points, directions)
    if exact is not None and _all_near(exact, slopes):
        off = abs(dot(gradients, directions) - dot(cotangents, exact))
        _demand(off <= 1e-10 * scale, op, case, f"the VJP is off by {off / scale:.1e}, relative, by a complex step")
    if op.linear:
        count = len(run.chosen) if op.variadic else 1
        others = [numpy.asarray(rng.uniform(-1.0, 1.0, x.shape)) for x in points[:count]] + points[count:]
        images = function(*others)
        off = abs(dot(cotangents, images) - dot(gradients[:count], others[:count]))
        scale = 1.0 + magnitude(cotangents, images) + magnitude(gradients[:count], others[:count])
        _demand(off <= 1e-12 * scale, op, case, f"<A x, y> = <x, A^T y> is off by {off / scale:.1e}, relative")


def _differences(
    function: Callable[..., Any], points: Any, directions: Any, pulled: Any, weights: Any, tolerance: float
) -> tuple[list[Any], float]:
    """Derivatives along ``directions`` and the size of what is compared; with a tiny step if the usual one disagrees.

    Two random entries may lie so close to each other that the usual step crosses the kink of their maximum; a step of
    1e-7 hardly ever does. It is less exact, so it is tried second.
    """
    for step in (1e-4, 1e-7):
        slopes = central_difference(function, points, directions, step)
        scale = 1.0 + magnitude(pulled, directions) + magnitude(weights, slopes)
        if abs(dot(pulled, directions) - dot(weights, slopes)) <= tolerance * scale:
            break
    return slopes, scale


def _all_near(first: Sequence[Any], second: Sequence[Any]) -> bool:
    return all(numpy.allclose(one, two, rtol=1e-5, atol=1e-7) for one, two in zip(first, second, strict=True))


def _check_manners(run: Run, found: Sequence[Any]) -> None:
    op, case = run.op, run.case
    for position, (value, before) in enumerate(zip(run.inputs, run.before, strict=True)):
        same = before is None or _bits(to_numpy(value.array)) == _bits(before)
        _demand(same, op, case, f"it changed its input {position}")
    for given, fresh in zip(run.cotangents, Run(op, case).cotangents, strict=True):
        _demand(_bits(given.array) == _bits(fresh.array), op, case, "backward changed the cotangent it was given")
    others = [*(value.array for value in run.inputs if isinstance(value, Tensor)), *(g.array for g in run.cotangents)]
    others += [out.array for out in run.outputs]
    for position, gradient in zip(run.chosen, found, strict=True):
        array = run.inputs[position].array
        _demand(gradient is not None, op, case, f"no gradient arrived at input {position}")
        _demand(gradient.array.shape == array.shape, op, case, f"gradient of shape {gradient.array.shape}")
        _demand(gradient.array.dtype == array.dtype, op, case, f"gradient {gradient.array.dtype}, not {array.dtype}")
        _demand(device_of(gradient.array) == device_of(array), op, case, "gradient on another device")
        shared = any(numpy.shares_memory(gradient.array, other) for other in others)
        _demand(not shared, op, case, f"the gradient of input {position} shares memory with something")
        others.append(gradient.array)


def _explain_wrong_gradient(op: Op, case: Case, chosen: Sequence[int]) -> None:
    """Raise GradcheckError with Jacobians, if they show the fault."""
    tensors = [wrap(Tensor, value.copy()) if is_array(value) else value for value in case.inputs]
    points = [tensors[i].requires_grad_() for i in chosen]
    try:
        gradcheck(lambda *_: op.call(*tensors, **case.params), points, fast_mode=False, rtol=1e-6, atol=1e-7)
    except AssertionError as error:
        raise AssertionError(f"{op.name}{case!r}: {error}") from error


def check_second_order(op: Op, case: Case) -> None:
    """The VJP of the VJP against differences of the VJP; and recording must not change the first gradient."""
    run = Run(op, case)
    if not run.roots:
        return
    count = len(run.chosen)
    given = [g.requires_grad_() for g in run.cotangents]
    first = autograd.grad(run.roots, run.tensors, given, create_graph=True, allow_unused=True, materialize_grads=True)
    plain = run.arrays(_vjp(op, case, run.chosen, None))
    for one, two in zip(run.arrays(first), plain, strict=True):
        _demand(numpy.allclose(one, two, rtol=1e-12, atol=1e-12), op, case, "create_graph changes the gradient")
    rng = numpy.random.default_rng(13)
    weights = [numpy.asarray(rng.uniform(-1.0, 1.0, g.array.shape)) for g in first]
    points = [*(case.inputs[i] for i in run.chosen), *run.arrays(given)]
    directions = [numpy.asarray(rng.uniform(-1.0, 1.0, x.shape)) for x in points]
    recorded = [(g, wrap(Tensor, w)) for g, w in zip(first, weights, strict=True) if g.requires_grad]
    second = [numpy.zeros(x.shape) for x in points]
    if recorded:
        roots, own = zip(*recorded, strict=True)
        pulled = autograd.grad(roots, [*run.tensors, *given], own, allow_unused=True, materialize_grads=True)
        for position, (g, x) in enumerate(zip(pulled, points, strict=True)):
            _demand(g.array.shape == x.shape and g.array.dtype == x.dtype, op, case, f"second gradient {position}")
        second = run.arrays(pulled)

    def first_order(*moved: Any) -> list[Any]:
        return run.arrays(_vjp(op, case, run.chosen, moved[count:], moved[:count]))

    slopes, scale = _differences(first_order, points, directions, second, weights, 1e-6)
    found, right = dot(second, directions), dot(weights, slopes)
    _demand(
        abs(found - right) <= 1e-5 * scale,
        op,
        case,
        f"second order: {found:.9g} by backward, {right:.9g} by differences",
    )


def _vjp(op: Op, case: Case, chosen: Sequence[int], cotangents: Any, moved: Any = None) -> list[Any]:
    """The gradients of a fresh run, at moved inputs and for other cotangents."""
    inputs = list(case.inputs)
    for position, value in zip(chosen, moved or (), strict=bool(moved)):
        inputs[position] = value
    run = Run(op, Case(tuple(inputs), case.params))
    if cotangents is not None:
        run.cotangents = [wrap(Tensor, g) for g in cotangents]
    return run.gradients()


def check_dtypes(op: Op, case: Case) -> None:
    """float32 in, float32 out, float32 gradients; float16 likewise; and about the same values."""
    exact = Run(op, case)
    right = exact.arrays(exact.gradients())
    names_dtype = any(isinstance(value, numpy.dtype) for value in case.params.values())
    for dtype, rtol in ((numpy.float32, 2e-4), (numpy.float16, None)):
        with numpy.errstate(all="raise" if rtol else "ignore", under="ignore"):
            try:
                run = Run(op, case, dtype=dtype)
                leaks = [g.dtype for g in _rule_results(run) if g.dtype.itemsize > numpy.dtype(dtype).itemsize]
                found = run.gradients()
            except DTypeError:
                if rtol is None:
                    continue  # linear algebra of float16 does not exist
                raise
        label = numpy.dtype(dtype).name
        _demand(not leaks, op, case, f"{label} in, but a rule computes in {leaks and leaks[0]}")
        for out, reference in zip(run.outputs, exact.outputs, strict=True):
            expected = dtype if reference.array.dtype == numpy.float64 else reference.array.dtype
            fits = names_dtype or out.array.dtype == expected
            _demand(fits, op, case, f"{label} in, {out.array.dtype} out instead of {numpy.dtype(expected)}")
            if rtol and not names_dtype:
                _demand(_near(out.array, reference.array, rtol), op, case, f"{label} result differs from float64's")
        for gradient, reference in zip(found, right, strict=True):
            _demand(gradient.array.dtype == dtype, op, case, f"{label} in, {gradient.array.dtype} gradient")
            if rtol:
                _demand(_near(gradient.array, reference, rtol), op, case, f"{label} gradient differs from float64's")


def _rule_results(run: Run) -> list[Any]:
    """What the rules return before the engine projects it, where every cotangent has the dtype of the inputs."""
    nodes = [root.node for root in run.roots]
    if run.op.outputs or not nodes or any(node.dtype != run.tensors[0].array.dtype for node in nodes):
        return []
    (node,), (g,) = nodes, run.cotangents
    results: list[Any] = []
    for rule in run.op.rules[:1] if run.op.variadic else [run.op.rules[position] for position in run.chosen]:
        assert rule is not None
        _, function, _, picks, names = rule
        pulled = function(g.array, *[node.saved[i] for i in picks], **{name: node.params[name] for name in names})
        results.extend(pulled if run.op.variadic else [pulled])
    return results


def _near(found: Any, right: Any, rtol: float) -> bool:
    scale = float(numpy.abs(right).max(initial=0.0)) if right.dtype.kind == "f" else 0.0
    return bool(numpy.allclose(found.astype(right.dtype), right, rtol=rtol, atol=rtol * (1e-3 + scale), equal_nan=True))


def check_keeps_named(op: Op, case: Case) -> None:
    """A node keeps what the rules of inputs that need a gradient name, and nothing else; one input alone may ask."""
    together = Run(op, case)
    all_gradients = together.gradients()
    for position, expected in zip(together.chosen, all_gradients, strict=True):
        run = Run(op, case, only=position)
        rule = op.rules[0 if op.variadic else position]
        assert rule is not None
        named = _named(op, rule)
        node = run.roots[0].node
        node = node.parents[0] if op.outputs else node
        for name, saved in zip((*op.input_names, "out"), node.saved, strict=False):
            _demand(name in named or saved is None, op, case, f"keeps {name} for a gradient that does not name it")
        kept = [value for value in node.saved[: len(op.input_names)] if value is not None and not op.variadic]
        memory = [owner(value.array) for value in run.inputs if isinstance(value, Tensor)]
        copied = op.promotes is None and any(all(owner(value) is not m for m in memory) for value in kept)
        _demand(not copied, op, case, "keeps a copy of an input")
        (alone,) = run.gradients()
        same = numpy.array_equal(alone.array, expected.array, equal_nan=True)
        _demand(same, op, case, f"the gradient of input {position} changes when it alone is asked for")


def _named(op: Op, rule: Rule) -> set[str]:
    """The values that a rule names, from the positions at which it finds them."""
    return {name for position, name in enumerate((*op.input_names, "out")) if position in rule[3]}


def check_reference(op: Op, case: Case) -> None:
    """A fused primitive agrees with the composition it stands for, in values and gradients."""
    if op.reference is None:
        return
    run = Run(op, case)
    tensors = [wrap(Tensor, value) if is_array(value) else value for value in case.inputs]
    points = [tensors[i].requires_grad_() for i in run.chosen]
    result = op.reference(*tensors, **case.params)
    outputs = list(result) if op.outputs else [result]
    for one, two in zip(run.arrays(run.outputs), run.arrays(outputs), strict=True):
        _demand(one.dtype == two.dtype, op, case, f"{one.dtype}, its reference {two.dtype}")
        _demand(numpy.allclose(one, two, rtol=1e-10, atol=1e-10), op, case, "the value differs from its reference's")
    roots = [out for out in outputs if out.requires_grad]
    if roots:
        autograd.backward(roots, run.cotangents)
        right = run.arrays([point.grad for point in points])
        for position, (one, two) in enumerate(zip(run.arrays(run.gradients()), right, strict=True)):
            near = numpy.allclose(one, two, rtol=1e-9, atol=1e-9)
            _demand(near, op, case, f"the gradient of input {run.chosen[position]} differs from its reference's")


def check_raw(op: Op, case: Case) -> None:
    """Called with arrays, a primitive computes the same as with tensors."""
    run = Run(op, case)
    prepared = op.prepare(*case.inputs)
    result = op.call(*prepared, **case.params)
    for raw, out in zip(result if op.outputs else [result], run.outputs, strict=True):
        array = numpy.asarray(raw)
        same = array.dtype == out.array.dtype and numpy.array_equal(array, out.array, equal_nan=array.dtype.kind == "f")
        _demand(same and array.shape == out.array.shape, op, case, "arrays give another result than tensors")


def check_on_device(op: Op, case: Case, device: str = "strict") -> None:
    """Forward and backward on another device give the numbers of the CPU, and stay there."""
    if any(isinstance(value, Device) for value in case.params.values()):
        return  # it is a move between devices
    here, there = Run(op, case), Run(op, case, device=device)
    pairs = [*zip(here.outputs, there.outputs, strict=True)]
    pairs += zip(here.gradients(), there.gradients(), strict=True)
    for one, two in pairs:
        _demand(device_of(two.array).type == device, op, case, f"a result on {device_of(two.array)}, not {device}")
        a, b = to_numpy(one.array), to_numpy(two.array)
        _demand(a.dtype == b.dtype and a.shape == b.shape, op, case, f"{b.dtype}{b.shape} on {device}")
        near = numpy.allclose(a, b, rtol=1e-9, atol=1e-10, equal_nan=True) if a.size else True
        _demand(near, op, case, f"other numbers on {device}")


CHECKS: dict[str, Callable[[Op, Case], None]] = {
    "gradient": check_gradient,
    "second_order": check_second_order,
    "dtypes": check_dtypes,
    "keeps_named": check_keeps_named,
    "reference": check_reference,
    "raw": check_raw,
}
"""The checks that run on the CPU alone."""


def check_primitive(operation: Any, examples: int = 20, seed: int = 0) -> None:
    """Run all checks on a primitive, for its author.

    Parameters
    ----------
    operation : callable
        What the decorator ``primitive`` returned.
    examples : int, default 20
        How many cases to draw from the words of its signature.
    seed : int, default 0

    Errors
    ------
    AssertionError that names the case and what is wrong.

    >>> from tinygrad_mp import primitive
    >>> from tinygrad_mp.domains import Real
    >>> @primitive(x=lambda g, x: 2 * g * x)
    ... def double_gradient(x: Real):
    ...     return x * x
    >>> check_primitive(double_gradient)
    """
    op: Op = getattr(operation, "op", operation)
    for case in sample_cases(op, examples, seed):
        for check in CHECKS.values():
            check(op, case)
