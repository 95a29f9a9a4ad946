"""``autograd.functional``: products with Jacobians and Hessians, and these themselves, of functions of tensors.

All of it is backward passes. ``J^T v`` is one. ``J v`` is two: the first, recorded, is a function of its cotangent
``u``, linear in it; the second differentiates that with respect to ``u``, which is where ``J v`` comes from (the
"double backward trick", J. Townsend, 2017). :mod:`tinygrad_mp.func` says the same things in another style.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.absent import lookup
from tinygrad_mp.autograd import grad
from tinygrad_mp.backend import xp
from tinygrad_mp.creation import eye, ones_like, zeros, zeros_like
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, TapeError, UnsupportedError
from tinygrad_mp.grad_mode import enable_grad
from tinygrad_mp.layout import settle
from tinygrad_mp.tape import Leaf, TensorBase, refresh, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


# --- what all of them share, and tinygrad_mp.func too -----------------------------------------------------------------


def fresh(value: Any, connected: bool) -> Any:
    """A tensor of the same values to differentiate with respect to; on the tape behind ``value`` if ``connected``."""
    refresh(value)
    if connected and value.node is not None:
        return ops.clone(value)
    if value.array.dtype.kind not in "fc":
        raise DTypeError(
            f"only floating tensors can be differentiated with respect to, this one is {value.array.dtype}",
            fix="convert it first: x = x.float()",
        )
    leaf = wrap(value.result_class, settle(value))
    leaf.node = Leaf(leaf)
    return leaf


def pull_back(outputs: Sequence[Any], inputs: Sequence[Any], cotangents: Sequence[Any], create_graph: bool) -> Any:
    """``J^T v`` for each input; zeros where no output depends on it. The tape is kept."""
    pairs = [(out, v) for out, v in zip(outputs, cotangents, strict=True) if out.requires_grad]
    if not pairs:
        return tuple(zeros_like(value) for value in inputs)
    roots, given = zip(*pairs, strict=True)
    return grad(roots, inputs, given, True, create_graph, allow_unused=True, materialize_grads=True)


def push_forward(outputs: Sequence[Any], inputs: Sequence[Any], tangents: Sequence[Any], create_graph: bool) -> Any:
    """``J v`` for each output, by the double backward trick; zeros where it depends on no input."""
    return linearized(outputs, inputs)(tangents, create_graph)


def linearized(outputs: Sequence[Any], inputs: Sequence[Any]) -> Callable[[Sequence[Any], bool], Any]:
    """``push_forward`` in two steps: one backward pass at once, the other for each ``(tangents, create_graph)``."""
    cotangents = [fresh(zeros_like(out), False) if out.requires_grad else None for out in outputs]
    chosen = [u for u in cotangents if u is not None]
    roots = [out for out in outputs if out.requires_grad]
    pulled = grad(roots, inputs, chosen, True, True, allow_unused=True) if roots else [None] * len(inputs)

    def push(tangents: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
        linear = [(g, v) for g, v in zip(pulled, tangents, strict=True) if g is not None and v is not None]
        pairs = [(g, v) for g, v in linear if g.requires_grad]
        pushed: Any = iter(())
        if pairs:
            sums, given = zip(*pairs, strict=True)
            pushed = iter(grad(sums, chosen, given, True, create_graph, allow_unused=True, materialize_grads=True))
        return tuple(
            zeros_like(out) if u is None or not pairs else next(pushed)
            for out, u in zip(outputs, cotangents, strict=True)
        )

    return push


def rows_of(output: Any, inputs: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
    """The Jacobians of one output, of shape ``(*output.shape, *input.shape)``: one backward pass for each entry."""
    count = output.numel()
    if not output.requires_grad or not count:
        return tuple(zeros(*output.shape, *value.shape, dtype=value.dtype, device=value.device) for value in inputs)
    units = eye(count, dtype=output.dtype, device=output.device).reshape(count, *output.shape)
    stacked = batched_grad([output], list(inputs), [units], True, create_graph, True, True)
    return tuple(
        rows.reshape(*output.shape, *value.shape) for rows, value in zip(stacked, inputs, strict=True)
    )  # recorded if create_graph is: the caller has enable_grad


def batched_grad(
    outputs: list[Any],
    inputs: list[Any],
    cotangents: list[Any],
    retain_graph: bool,
    create_graph: bool,
    allow_unused: bool | None,
    materialize_grads: bool,
) -> tuple[Any, ...]:
    """:func:`autograd.grad` for each entry along the first axis of the cotangents, stacked: one walk for each."""
    sizes = {g.shape[0] if len(g.shape) else 0 for g in cotangents if g is not None}
    if len(sizes) != 1:
        raise ShapeError("grad: is_grads_batched needs grad_outputs with one axis more, in front, all of one size")
    (size,) = sizes
    if not size:
        raise ShapeError("grad: is_grads_batched with a batch of size zero")
    rows = []
    for position in range(size):
        given = [None if g is None else g[position] for g in cotangents]
        keep = retain_graph or position + 1 < size
        rows.append(
            grad(
                outputs,
                inputs,
                given,
                keep,
                create_graph,
                allow_unused=allow_unused,
                materialize_grads=materialize_grads,
            )
        )
    columns = zip(*rows, strict=True)
    return tuple(None if column[0] is None else _stacked(column, create_graph) for column in columns)


def _stacked(column: Sequence[Any], create_graph: bool) -> Any:
    if create_graph:
        with enable_grad():
            return ops.stack(column)
    first = column[0]
    return wrap(first.result_class, xp(first.array).stack([one.array for one in column]))


# --- arguments and results ------------------------------------------------------------------------------------------


def _tensors(values: Any, what: str, name: str) -> tuple[bool, tuple[Any, ...]]:
    """Whether it is a tuple, and the tensors as one."""
    several = isinstance(values, tuple)
    found = values if several else (values,)
    for value in found:
        if not isinstance(value, TensorBase):
            raise DTypeError(f"{name}: {what} must be a tensor or a tuple of tensors, not a {type(value).__name__}")
    return several, found


def _call(
    name: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
) -> tuple[bool, tuple[Any, ...], bool, tuple[Any, ...]]:
    several_in, given = _tensors(inputs, "the inputs", name)
    taken = tuple(fresh(value, create_graph) for value in given)
    several_out, outputs = _tensors(func(*taken), "the outputs of the function", name)
    if strict:
        for position, out in enumerate(outputs):
            if not out.requires_grad:
                raise TapeError(f"{name}: output {position} does not depend on the inputs, which strict=True forbids")
            _require_dependence(name, out, taken, f"output {position}")
    return several_in, taken, several_out, outputs


def _require_dependence(name: str, out: Any, inputs: Sequence[Any], what: str) -> None:
    found = grad(out, inputs, zeros_like(out), True, allow_unused=True)
    for position, g in enumerate(found):
        if g is None:
            raise TapeError(f"{name}: {what} is independent of input {position}, which strict=True forbids")


def _vector(name: str, v: Any, like: Sequence[Any], several: bool, default: str) -> tuple[Any, ...]:
    """The vector as a tuple of the shapes of ``like``; ones if it is left out and there is one entry."""
    if v is None:
        if several or like[0].numel() != 1:
            raise TapeError(f"{name}: v can be left out only if {default} is one tensor of one entry")
        return (ones_like(like[0]),)
    _, vectors = _tensors(v, "v", name)
    if len(vectors) != len(like):
        raise TapeError(f"{name}: v has {len(vectors)} tensors, but there are {len(like)} to go with them")
    for vector, value in zip(vectors, like, strict=True):
        if vector.shape != value.shape:
            raise ShapeError(f"{name}: v has shape {tuple(vector.shape)}, but it goes with {tuple(value.shape)}")
    return vectors


def _result(values: Sequence[Any], several: bool, create_graph: bool) -> Any:
    kept = tuple(values) if create_graph else tuple(value.detach() for value in values)
    return kept if several else kept[0]


def _require_tape(name: str, values: Sequence[Any], what: str) -> None:
    for position, value in enumerate(values):
        if not value.requires_grad:
            raise TapeError(f"{name}: the {what} {position} is independent of the input, which strict=True forbids")


# --- the functions --------------------------------------------------------------------------------------------------


def vjp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(*inputs), v^T J)``, the product of a vector with the Jacobian.

    Parameters
    ----------
    func : callable
        Takes tensors, returns a tensor or a tuple of them.
    inputs : Tensor or tuple of Tensor
    v : Tensor or tuple, optional
        Of the outputs' shapes; may be left out for one output of one entry.
    create_graph : bool, default False
        Record the results, with their dependence on ``inputs``.
    strict : bool, default False
        Raise if an output does not depend on an input, instead of giving zeros.

    >>> import tinygrad_mp as tg
    >>> vjp(lambda x: x**2, tg.tensor([1.0, 2.0]), tg.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        several, taken, several_out, outputs = _call("vjp", func, inputs, create_graph, strict)
        vectors = _vector("vjp", v, outputs, several_out, "the output")
        pulled = pull_back(outputs, taken, vectors, create_graph)
        if strict and create_graph:
            _require_tape("vjp", pulled, "product with input")
        return _result(outputs, several_out, create_graph), _result(pulled, several, create_graph)


def jvp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(*inputs), J v)``, by two backward passes. Parameters as :func:`vjp`; ``v`` has the inputs' shapes.

    >>> import tinygrad_mp as tg
    >>> jvp(lambda x: x.sum(), tg.tensor([1.0, 2.0]), tg.tensor([1.0, 0.5]))
    (tensor(3.), tensor(1.5000))
    """
    with enable_grad():
        several, taken, several_out, outputs = _call("jvp", func, inputs, create_graph, strict)
        vectors = _vector("jvp", v, taken, several, "the input")
        pushed = push_forward(outputs, taken, vectors, create_graph)
        if strict and create_graph:
            _require_tape("jvp", pushed, "product with output")
        return _result(outputs, several_out, create_graph), _result(pushed, several_out, create_graph)


def jacobian(
    func: Any,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian, of shape ``(*output.shape, *input.shape)``: one backward pass for each entry of the output.

    Parameters
    ----------
    func, inputs, create_graph, strict
        As for :func:`vjp`.
    vectorize : bool, default False
        Accepted; there is one way to compute it.
    strategy : {"reverse-mode", "forward-mode"}
        "forward-mode" (with ``vectorize=True``, as in PyTorch) gives the same, in the same way.

    Returns
    -------
    Tensor, or tuple
        A tuple over the outputs if ``func`` returns one, of tuples over the inputs if ``inputs`` is one.

    >>> import tinygrad_mp as tg
    >>> jacobian(lambda x: x**2, tg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise SettingError(f"jacobian: strategy is 'reverse-mode' or 'forward-mode', not {strategy!r}")
    if strategy == "forward-mode" and not vectorize:
        raise UnsupportedError("jacobian: strategy='forward-mode' needs vectorize=True")
    if strict and vectorize:
        raise TapeError("jacobian: strict=True and vectorize=True do not go together")
    with enable_grad():
        several, taken, several_out, outputs = _call("jacobian", func, inputs, create_graph, strict)
        table = []
        for out in outputs:
            row = rows_of(out, taken, create_graph)
            if strict and create_graph:
                _require_tape("jacobian", row, "Jacobian with respect to input")
            table.append(_result(row, several, create_graph))
        return tuple(table) if several_out else table[0]


def _single(name: str, func: Callable[..., Any]) -> Callable[..., Any]:
    """``func``, with an error unless it returns one tensor of one entry; as a 0-d tensor."""

    def call(*args: Any) -> Any:
        out = func(*args)
        several, _ = _tensors(out, "the output of the function", name)
        if several:
            raise TapeError(f"{name}: the function should return a single tensor, not a tuple")
        if out.numel() != 1:
            raise ShapeError(f"{name}: the function should return one entry, not a tensor of shape {tuple(out.shape)}")
        return out.reshape(())

    return call


def hessian(
    func: Any,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function with one entry as its value, of shape ``(*input.shape, *input.shape)``.

    Parameters as for :func:`jacobian`, whose Jacobian it is. A tuple of tuples if ``inputs`` is a tuple.

    >>> import tinygrad_mp as tg
    >>> hessian(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _tensors(inputs, "the inputs", "hessian")
    single = _single("hessian", func)

    def gradient(*values: Any) -> Any:
        found = jacobian(single, values, True, strict)
        return found if isinstance(inputs, tuple) else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vhp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(*inputs), v^T H)``, a vector times the Hessian; parameters as for :func:`vjp`, ``v`` shaped as inputs.

    >>> import tinygrad_mp as tg
    >>> vhp(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]), tg.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        several, taken, _, outputs = _call("vhp", func, inputs, create_graph, strict)
        value = _single("vhp", lambda: outputs[0] if len(outputs) == 1 else outputs)()
        vectors = _vector("vhp", v, taken, several, "the input")
        first = pull_back([value], taken, [ones_like(value)], True)
        if strict:
            _require_tape("vhp", first, "gradient with respect to input")
        second = pull_back(first, taken, vectors, create_graph)
        return _result(outputs, False, create_graph), _result(second, several, create_graph)


def hvp(func: Any, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple[Any, Any]:
    """``(func(*inputs), H v)``; the Hessian is symmetric, so this is :func:`vhp` under its other name.

    >>> import tinygrad_mp as tg
    >>> hvp(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]), tg.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return vhp(func, inputs, v, create_graph, strict)


__getattr__ = lookup("autograd.functional")
