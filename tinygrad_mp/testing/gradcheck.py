"""``gradcheck`` and ``gradgradcheck``: is the gradient of a function right? Compare it with differences; explain.

The gradient says how the output changes when an input changes a little. That can be tried out: move the input by
``eps`` to both sides and divide the change of the output by ``2 * eps``. Backward must give the same, entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from tinygrad_mp import autograd
from tinygrad_mp.backend import array_on, device_of, to_numpy, xp
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.testing.jacobians import Jacobian, analytic_jacobian, numerical_jacobian

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(TinygradError, AssertionError):
    """A gradient is wrong, or the function cannot be checked; the text says which and what to do."""


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    fast_mode: bool = True,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of ``function`` with central differences.

    Parameters
    ----------
    function : callable
        Takes ``inputs``, returns a Tensor or several. Called many times: it must always return the same.
    inputs : Tensor or sequence
        Those with ``requires_grad`` are checked. They must be float64: float32 differences have no correct digits.
        Anything else is passed on as it is.
    eps : float, default 1e-6
        How far inputs are moved, to both sides.
    atol, rtol : float, default 1e-5 and 1e-3
        An entry may be off by ``atol + rtol * |numerical|``.
    nondet_tol : float, default 0
        By how much two runs of the same function may differ.
    fast_mode : bool, default True
        First compare a random projection of the Jacobians, which takes two calls for each input, and compute them
        in full only if it differs. False: in full at once.
    raise_exception : bool, default True
        Raise on failure; otherwise return False.

    Returns
    -------
    bool
        True if all gradients are right.

    Errors
    ------
    GradcheckError for a wrong gradient, with the worst entry, a guess at the cause and the Jacobians; for inputs that
    are not float64, share memory or are changed by ``function``; for a function that is not deterministic or whose
    output does not require a gradient.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.testing import gradcheck
    >>> x = tensor([0.5, 2.0], dtype="float64", requires_grad=True)
    >>> gradcheck(lambda x: (x * x).sum(), x)
    True

    A wrong rule, and what is said about it:

    >>> from tinygrad_mp import primitive
    >>> @primitive(x=lambda g, x: 3.0 * g * x)
    ... def wrong_square(x):
    ...     return x * x
    >>> gradcheck(wrong_square, x)
    Traceback (most recent call last):
        ...
    tinygrad_mp.testing.gradcheck.GradcheckError: gradcheck: the gradient of the output with respect to input 0 is wrong
      worst entry: d output[1] / d input 0[1] is 6 by backward, but 4 by differences
      guess: every entry is 1.5 times too large: a constant factor in a rule
      by backward (rows: entries of the output; columns: entries of input 0; * is the worst)
        [0]       1.5           0
        [1]         0           6 *
      by differences
        [0]         1           0
        [1]         0           4 *
      ...
      fix: correct the rule of the operation; gradcheck its parts one by one to find it
    """
    try:
        _Check(function, inputs, eps, atol, rtol, nondet_tol).run(fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    function: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    fast_mode: bool = True,
    raise_exception: bool = True,
) -> bool:
    """Check the gradients of the gradients: :func:`gradcheck` of the backward pass of ``function``.

    The backward pass is itself a function, of the inputs and of the cotangents of the outputs.

    Parameters
    ----------
    function, inputs, eps, atol, rtol, nondet_tol, fast_mode, raise_exception
        As for :func:`gradcheck`.
    grad_outputs : Tensor or sequence of Tensor, optional
        Cotangents, one for each output that requires a gradient; by default random ones.

    Returns
    -------
    bool
        True if all second derivatives are right.

    Errors
    ------
    GradcheckError as for :func:`gradcheck`; "output" and "input" in its text are those of the backward pass.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.testing import gradgradcheck
    >>> x = tensor([0.5, 2.0], dtype="float64", requires_grad=True)
    >>> gradgradcheck(lambda x: x * x * x, x)
    True
    """
    args = _as_tuple(inputs)
    chosen = [position for position, value in enumerate(args) if _requires_grad(value)]
    try:
        roots = [out for out in _as_tuple(function(*args)) if _requires_grad(out)]
        if not chosen or not roots:
            _Check(function, inputs, eps, atol, rtol, nondet_tol).run(fast_mode)  # says what is wrong
        cotangents = _as_tuple(grad_outputs) if grad_outputs is not None else _random_like(roots)

        def backward_pass(*values: Any) -> Any:
            own, given = values[: len(args)], values[len(args) :]
            outputs = [out for out in _as_tuple(function(*own)) if _requires_grad(out)]
            pulled = autograd.grad(
                outputs, [own[i] for i in chosen], given, create_graph=True, allow_unused=True, materialize_grads=True
            )
            return tuple(pulled)

        check = _Check(backward_pass, (*args, *cotangents), eps, atol, rtol, nondet_tol)
        check.constant_is_fine = True
        check.run(fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _random_like(outputs: Sequence[Any]) -> tuple[Any, ...]:
    rng = numpy.random.default_rng(0)
    made = []
    for out in outputs:
        values = numpy.asarray(rng.standard_normal(out.array.shape), dtype=out.array.dtype)
        made.append(wrap(out.result_class, array_on(device_of(out.array), values)).requires_grad_())
    return tuple(made)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _requires_grad(value: Any) -> bool:
    return isinstance(value, TensorBase) and bool(value.requires_grad)  # type: ignore[attr-defined]


class _Check:
    """One run of gradcheck."""

    def __init__(
        self, function: Callable[..., Any], inputs: Any, eps: float, atol: float, rtol: float, nondet_tol: float
    ) -> None:
        self.function, self.inputs = function, _as_tuple(inputs)
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.constant_is_fine = False
        self.chosen = [position for position, value in enumerate(self.inputs) if _requires_grad(value)]

    def run(self, fast: bool) -> None:
        """Check everything; raises :class:`GradcheckError`."""
        self._check_inputs()
        before = [value.array.copy() if isinstance(value, TensorBase) else None for value in self.inputs]
        outputs = self.outputs()
        for position, (value, copy) in enumerate(zip(self.inputs, before, strict=True)):
            if copy is not None and not _same(value.array, copy):
                raise GradcheckError(
                    f"the function changes input {position} in place, so it cannot be called twice with the same",
                    fix="let it work on a copy: x = x.clone()",
                )
        self.roots = [position for position, out in enumerate(outputs) if _requires_grad(out)]
        if not self.roots and not self.constant_is_fine:
            raise GradcheckError(
                "no output requires a gradient: the function does not record what it does with the inputs",
                fix="compute with tensors throughout; .numpy(), .detach(), .item() and no_grad() cut the tape",
            )
        self._check_same_twice(outputs, self.outputs(), "outputs")
        rng = numpy.random.default_rng(0)
        self.cotangents = [numpy.asarray(rng.standard_normal(outputs[i].array.shape)) for i in self.roots]
        gradients = self.gradients(outputs)
        self._check_gradients(gradients)
        for position, gradient in zip(self.chosen, gradients, strict=True):
            if not fast or not self._projections_agree(position, gradient, rng):
                self._compare_in_full(position)

    def outputs(self) -> tuple[Any, ...]:
        """Call the function."""
        outputs = _as_tuple(self.function(*self.inputs))
        for out in outputs:
            if not isinstance(out, TensorBase):
                raise GradcheckError(
                    f"the function returns a {type(out).__name__}", fix="return a Tensor, or a tuple of Tensors"
                )
        return outputs

    def gradients(self, outputs: Sequence[Any]) -> list[Any]:
        """The gradients of the chosen inputs for the cotangents of this check."""
        roots = [outputs[i] for i in self.roots]
        wanted = [self.inputs[i] for i in self.chosen]
        if not roots:
            return [wrap(value.result_class, xp(value.array).zeros_like(value.array)) for value in wanted]
        given = [_place(u.astype(out.array.dtype), out) for u, out in zip(self.cotangents, roots, strict=True)]
        return list(autograd.grad(roots, wanted, given, True, allow_unused=True, materialize_grads=True))

    def _check_inputs(self) -> None:
        if not self.chosen:
            raise GradcheckError(
                "no input requires a gradient: there is nothing to check", fix="call requires_grad_() on an input"
            )
        for position in self.chosen:
            array = self.inputs[position].array
            if array.dtype != numpy.float64:
                raise GradcheckError(
                    f"input {position} is {array.dtype}: differences of such numbers are too inexact to judge by",
                    fix=f"make it float64: x = x.detach().double().requires_grad_() for input {position}",
                )
            if array.size and any(
                stride == 0 and size > 1 for stride, size in zip(array.strides, array.shape, strict=True)
            ):
                raise GradcheckError(
                    f"elements of input {position} share memory, so none can be moved alone",
                    fix="pass a copy instead of an expanded tensor: x = x.clone()",
                )
            for other, value in enumerate(self.inputs):
                shared = other != position and isinstance(value, TensorBase) and type(value.array) is type(array)
                if shared and xp(array).may_share_memory(array, value.array):
                    raise GradcheckError(
                        f"input {position} and input {other} share memory: moving one moves the other",
                        fix="pass a copy of one of them: x = x.clone()",
                    )

    def _check_same_twice(self, first: Sequence[Any], second: Sequence[Any], what: str) -> None:
        for position, (one, two) in enumerate(zip(first, second, strict=True)):
            if not _same(one.array, two.array, self.nondet_tol):
                raise GradcheckError(
                    f"the {what} differ between two calls with the same inputs, first at number {position}",
                    fix="fix the seed inside the function, call eval() on modules with dropout, or give nondet_tol",
                )

    def _check_gradients(self, gradients: Sequence[Any]) -> None:
        self._check_same_twice(gradients, self.gradients(self.outputs()), "gradients")
        for position, gradient in zip(self.chosen, gradients, strict=True):
            array, found = self.inputs[position].array, gradient.array
            if found.shape != array.shape or found.dtype != array.dtype:
                raise GradcheckError(
                    f"the gradient of input {position} has shape {found.shape} and dtype {found.dtype}, "
                    f"the input has {array.shape} and {array.dtype}"
                )
            if xp(array).may_share_memory(found, array):
                raise GradcheckError(f"the gradient of input {position} shares memory with the input")

    def _projections_agree(self, position: int, gradient: Any, rng: numpy.random.Generator) -> bool:
        """Compare ``<u, J v>`` by differences with ``<J^T u, v>`` by backward."""
        array = self.inputs[position].array
        direction = rng.standard_normal(array.shape)
        kept, step = array.copy(), _place(self.eps * direction, self.inputs[position]).array
        sides = []
        try:
            for moved in (kept + step, kept - step):
                array[...] = moved
                found = self.outputs()
                sides.append([to_numpy(found[i].array).astype("float64") for i in self.roots])
        finally:
            array[...] = kept
        slopes = [(up - down) / (2 * self.eps) for up, down in zip(*sides, strict=True)]
        numerical = sum(float(numpy.sum(u * slope)) for u, slope in zip(self.cotangents, slopes, strict=True))
        analytic = float(numpy.sum(to_numpy(gradient.array) * direction))
        entries = array.size * sum(u.size for u in self.cotangents)
        return bool(abs(analytic - numerical) <= self.atol * max(1.0, entries**0.5) + self.rtol * abs(numerical))

    def _compare_in_full(self, position: int) -> None:
        for number in self.roots:
            found = Jacobian(
                analytic_jacobian(self.outputs()[number], self.inputs[position]),
                numerical_jacobian(lambda number=number: self.outputs()[number], self.inputs[position], self.eps),  # type: ignore[misc]
                self.outputs()[number].array.shape,
                self.inputs[position].array.shape,
            )
            if not found.agree(self.atol, self.rtol):
                name = "the output" if len(self.outputs()) == 1 else f"output {number}"
                raise GradcheckError(
                    f"the gradient of {name} with respect to input {position} is wrong\n"
                    + found.explain(name.removeprefix("the "), f"input {position}", self.atol, self.rtol),
                    fix="correct the rule of the operation; gradcheck its parts one by one to find it",
                )


def _place(values: Any, like: Any) -> Any:
    return wrap(like.result_class, array_on(device_of(like.array), numpy.asarray(values)))


def _same(first: Any, second: Any, tolerance: float = 0.0) -> bool:
    one, two = to_numpy(first), to_numpy(second)
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    if tolerance == 0.0 or one.dtype.kind not in "fc":
        return bool(numpy.array_equal(one, two, equal_nan=one.dtype.kind in "fc"))
    return bool(numpy.allclose(one, two, rtol=0.0, atol=tolerance, equal_nan=True))
