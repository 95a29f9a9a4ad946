"""Functions of functions: ``grad``, ``vjp``, ``jvp``, ``jacrev``, ``jacfwd``, ``hessian``. They nest in every order.

A transform hands the function tensors of its own to differentiate with respect to. If an input stands on a tape
already, because another transform or the user differentiates with respect to it, the tensor is a recorded copy, so
both see what they should. Results are recorded when something else than the transform's own inputs led to them and
requires a gradient; ``no_grad`` outside of a transform concerns only that.

There is no forward mode. ``jvp`` and ``jacfwd`` are two backward passes: the first, recorded, is linear in its
cotangent, and the second differentiates it with respect to that (the "double backward trick", J. Townsend, 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from tinygrad_mp.autograd.functional import fresh, linearized, pull_back, rows_of
from tinygrad_mp.creation import ones_like, zeros
from tinygrad_mp.errors import SettingError, ShapeError, TapeError
from tinygrad_mp.func.trees import Structure, flatten, map_leaves, unflatten
from tinygrad_mp.grad_mode import enable_grad, is_grad_enabled
from tinygrad_mp.ops import stack
from tinygrad_mp.tape import Leaf, Node, TensorBase
from tinygrad_mp.walk import dependencies

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "value_and_grad", "vjp"]


class _Call:
    """One call of a function under a transform: what it was given to differentiate, and what came out."""

    def __init__(self, name: str, function: Callable[..., Any], has_aux: bool) -> None:
        self.name, self.function, self.has_aux = name, function, has_aux
        self.outside = is_grad_enabled()
        self.aux: Any = None

    def take(self, values: Sequence[Any]) -> list[Any]:
        """Tensors to differentiate with respect to, for these values."""
        for value in values:
            if not isinstance(value, TensorBase):
                raise SettingError(f"{self.name}: only tensors can be differentiated with respect to, not {value!r}")
        self.taken = [fresh(value, self.outside) for value in values]
        self.mine = {value.node for value in self.taken}
        return self.taken

    def run(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call the function; ``outputs`` are the tensors of its output, in ``structure``."""
        out = self.function(*args, **kwargs)
        if self.has_aux:
            if not isinstance(out, tuple) or len(out) != 2:
                raise TapeError(f"{self.name}: with has_aux=True the function returns a tuple (output, aux)")
            out, self.aux = out
        self.outputs, self.structure = flatten(out)
        for value in self.outputs:
            if not isinstance(value, TensorBase):
                raise TapeError(f"{self.name}: the function must return tensors only, not a {type(value).__name__}")
        nodes = [value.node for value in self.outputs if value.requires_grad]
        self.connected = self.outside and self.leads_elsewhere(nodes)
        return out

    def leads_elsewhere(self, nodes: Sequence[Node]) -> bool:
        """Whether the nodes depend on a leaf that is not one of this call's, which somebody else may ask for."""
        return any(isinstance(node, Leaf) and node not in self.mine for node in dependencies(nodes))

    def release(self, value: Any) -> Any:
        """A result without the tape of this call, unless somebody else needs it."""
        if not isinstance(value, TensorBase) or not value.requires_grad:  # type: ignore[attr-defined]
            return value
        keeps = self.connected and self.leads_elsewhere([value.node])  # type: ignore[list-item]
        return value if keeps else value.detach()  # type: ignore[attr-defined]


def _chosen(name: str, argnums: Any, args: Sequence[Any]) -> tuple[int, ...]:
    """The positions that ``argnums`` means, not negative."""
    wanted = argnums if isinstance(argnums, tuple) else (argnums,)
    if not wanted:
        raise TapeError(f"{name}: argnums is empty")
    found = []
    for number in wanted:
        if isinstance(number, bool) or not isinstance(number, int):
            raise TapeError(f"{name}: argnums is an int or a tuple of ints, not {argnums!r}")
        if not -len(args) <= number < len(args):
            raise TapeError(f"{name}: argnums has {number}, but there are {len(args)} positional arguments")
        found.append(number % len(args))
    if len(set(found)) < len(found):
        raise TapeError(f"{name}: argnums names an argument twice: {argnums!r}")
    return tuple(found)


def _run_with_chosen(call: _Call, argnums: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Structure:
    """Call the function with tensors to differentiate in the place of the chosen arguments; their structure."""
    places = _chosen(call.name, argnums, args)
    chosen = tuple(args[place] for place in places)
    leaves, structure = flatten(chosen if isinstance(argnums, tuple) else chosen[0])
    nest = unflatten(call.take(leaves), structure)
    replaced = list(args)
    for place, value in zip(places, nest if isinstance(argnums, tuple) else (nest,), strict=True):
        replaced[place] = value
    call.run(replaced, kwargs)
    return structure


def _gradient(
    name: str, func: Callable[..., Any], argnums: Any, has_aux: bool, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Any, Any, Any]:
    """``(gradients, value, aux)``."""
    call = _Call(name, func, has_aux)
    with enable_grad():
        structure = _run_with_chosen(call, argnums, args, kwargs)
        if call.structure.kind is not None:
            raise TapeError(f"{name}: the function must return one tensor, not a {call.structure.kind.__name__}")
        (value,) = call.outputs
        if value.ndim:
            raise ShapeError(
                f"{name}: the function must return a scalar, not a tensor of shape {tuple(value.shape)}",
                fix="reduce it, as with .sum(); or use vjp or jacrev",
            )
        pulled = pull_back([value], call.taken, [ones_like(value)], call.connected)
    gradients = unflatten([call.release(g) for g in pulled], structure)
    return gradients, call.release(value), map_leaves(call.release, call.aux)


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The function that computes the gradient of ``func``.

    Parameters
    ----------
    func : callable
        Takes tensors, or nests of them, and returns a 0-d tensor; with ``has_aux`` a tuple of that and anything else.
    argnums : int or tuple of int, default 0
        The arguments to differentiate with respect to; the gradient has their structure, in a tuple for a tuple.
    has_aux : bool, default False
        Return ``(gradient, aux)``.

    Errors
    ------
    SettingError if an argument to differentiate with respect to is no tensor. TapeError, ShapeError if ``func`` does
    not return what it should.

    >>> import tinygrad_mp as tg
    >>> grad(grad(lambda x: x**3))(tg.tensor(2.0))
    tensor(12.)
    """

    @wraps(func)
    def _call(*args: Any, **kwargs: Any) -> Any:
        gradients, _, aux = _gradient("grad", func, argnums, has_aux, args, kwargs)
        return (gradients, aux) if has_aux else gradients

    return _call


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As :func:`grad`, but the function returns ``(gradient, value)``, or ``(gradient, (value, aux))``.

    >>> import tinygrad_mp as tg
    >>> grad_and_value(lambda x: x**3)(tg.tensor(2.0))
    (tensor(12.), tensor(8.))
    """

    @wraps(func)
    def _call(*args: Any, **kwargs: Any) -> Any:
        gradients, value, aux = _gradient("grad_and_value", func, argnums, has_aux, args, kwargs)
        return gradients, ((value, aux) if has_aux else value)

    return _call


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """:func:`grad_and_value` in the other order, JAX's: ``(value, gradient)``, or ``((value, aux), gradient)``.

    >>> import tinygrad_mp as tg
    >>> value_and_grad(lambda x: x**3)(tg.tensor(2.0))
    (tensor(8.), tensor(12.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def _call(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
        return value, gradients

    return _call


# --- products with the Jacobian -------------------------------------------------------------------------------------


def _same_structure(name: str, what: str, value: Any, structure: Structure, like: Sequence[Any]) -> list[Any]:
    leaves, found = flatten(value)
    if found != structure:
        raise TapeError(f"{name}: {what} have the structure {found}, but {structure} was expected")
    for leaf, one in zip(leaves, like, strict=True):
        if not isinstance(leaf, TensorBase):
            raise TapeError(f"{name}: {what} are tensors, not a {type(leaf).__name__}")
        if leaf.array.shape != one.array.shape:
            raise ShapeError(f"{name}: {what} have shape {leaf.array.shape} where {one.array.shape} was expected")
    return leaves


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``(output, vjp_fn)``, with ``has_aux`` also ``aux``: the value, and the product of a vector with the Jacobian.

    ``vjp_fn(cotangents)`` takes what has the structure of the output, and returns a tuple with a gradient for each
    primal. It may be called many times.

    >>> import tinygrad_mp as tg
    >>> output, pull = vjp(lambda x: x**2, tg.tensor([1.0, 2.0]))
    >>> pull(tg.ones(2))
    (tensor([2., 4.]),)
    """
    call = _Call("vjp", func, has_aux)
    with enable_grad():
        leaves, structure = flatten(primals)
        call.run(unflatten(call.take(leaves), structure), {})
    outputs = call.outputs

    def _pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given = _same_structure("vjp", "cotangents", cotangents, call.structure, outputs)
        asked = is_grad_enabled() and any(one.requires_grad for one in given)
        record = (asked or call.connected) if create_graph is None else create_graph
        with enable_grad():
            pulled = pull_back(outputs, call.taken, given, record)
        return unflatten(pulled if asked else [call.release(g) for g in pulled], structure)

    value = unflatten([call.release(out) for out in outputs], call.structure)
    return (value, _pull, map_leaves(call.release, call.aux)) if has_aux else (value, _pull)


def _push(name: str, func: Callable[..., Any], primals: Any, has_aux: bool) -> tuple[_Call, Structure, Any]:
    if not isinstance(primals, tuple) or not primals:
        raise TapeError(f"{name}: primals is a tuple of tensors, so that func(*primals) is right, not {primals!r:.40}")
    call = _Call(name, func, has_aux)
    with enable_grad():
        leaves, structure = flatten(primals)
        call.run(unflatten(call.take(leaves), structure), {})
        return call, structure, linearized(call.outputs, call.taken)


def _pushed(call: _Call, structure: Structure, push: Any, tangents: Any) -> Any:
    given = _same_structure(call.name, "tangents", tangents, structure, call.taken)
    asked = is_grad_enabled() and any(one.requires_grad for one in given)
    with enable_grad():
        found = push(given, asked or call.connected)
    return unflatten(found if asked else [call.release(one) for one in found], call.structure)


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple[Any, ...]:
    """``(output, J v)``, with ``has_aux`` also ``aux``: the value, and its change along ``tangents``.

    Parameters
    ----------
    func : callable
    primals, tangents : tuple of tensors, or of nests of them
    strict : bool, default False
        Raise if an output depends on no primal, instead of giving zeros.

    By two backward passes, as the module says.

    >>> import tinygrad_mp as tg
    >>> jvp(lambda x: x**2, (tg.tensor([1.0, 2.0]),), (tg.tensor([1.0, 0.5]),))
    (tensor([1., 4.]), tensor([2., 2.]))
    """
    call, structure, push = _push("jvp", func, primals, has_aux)
    if strict and not all(out.requires_grad for out in call.outputs):
        raise TapeError("jvp: an output depends on no primal, which strict=True forbids")
    pushed = _pushed(call, structure, push, tangents)
    value = unflatten([call.release(out) for out in call.outputs], call.structure)
    return (value, pushed, map_leaves(call.release, call.aux)) if has_aux else (value, pushed)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``(output, jvp_fn)``: the value, and the function ``jvp_fn(*tangents)`` that is linear in them.

    >>> import tinygrad_mp as tg
    >>> value, push = linearize(lambda x: x**2, tg.tensor([1.0, 2.0]))
    >>> push(tg.tensor([1.0, 0.5]))
    tensor([2., 2.])
    """
    call, structure, push = _push("linearize", func, primals, False)

    def _push_along(*tangents: Any) -> Any:
        return _pushed(call, structure, push, tangents)

    return unflatten([call.release(out) for out in call.outputs], call.structure), _push_along


# --- the whole Jacobian ---------------------------------------------------------------------------------------------


def _jacobian(
    name: str, func: Callable[..., Any], argnums: Any, has_aux: bool, rows: Callable[[_Call], list[Any]]
) -> Callable[..., Any]:
    """The function that computes Jacobians; ``rows(call)`` has, for each output, one for each input."""

    @wraps(func)
    def _call(*args: Any, **kwargs: Any) -> Any:
        call = _Call(name, func, has_aux)
        with enable_grad():
            structure = _run_with_chosen(call, argnums, args, kwargs)
            table = rows(call)
        nests = [unflatten([call.release(one) for one in row], structure) for row in table]
        result = unflatten(nests, call.structure)
        return (result, map_leaves(call.release, call.aux)) if has_aux else result

    return _call


def _check_chunk(name: str, chunk_size: int | None) -> None:
    if chunk_size is not None and chunk_size <= 0:
        raise SettingError(f"{name}: chunk_size is None or a positive number, not {chunk_size}")


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """The function that computes the Jacobian, row by row: one backward pass for each entry of the output.

    Its results have the structure of the output, with that of the chosen arguments below, and the shape
    ``(*output.shape, *input.shape)``. ``chunk_size`` is accepted: one row is computed at a time.

    >>> import tinygrad_mp as tg
    >>> jacrev(lambda x: x**2)(tg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _check_chunk("jacrev", chunk_size)

    def rows(call: _Call) -> list[Any]:
        return [rows_of(out, call.taken, call.connected) for out in call.outputs]

    return _jacobian("jacrev", func, argnums, has_aux, rows)


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """As :func:`jacrev`, column by column: after one recorded backward pass, another for each entry of the input.

    Worth it where the output has many more entries than the input. ``randomness`` and ``chunk_size`` are accepted.

    >>> import tinygrad_mp as tg
    >>> jacfwd(lambda x: x.sum() ** tg.arange(3))(tg.tensor([1.0, 2.0]))
    tensor([[0., 0.],
            [1., 1.],
            [6., 6.]])
    """
    _check_chunk("jacfwd", chunk_size)

    def rows(call: _Call) -> list[Any]:
        push = linearized(call.outputs, call.taken)
        table: list[list[Any]] = [[] for _ in call.outputs]
        for position, value in enumerate(call.taken):
            columns = [push(tangents, call.connected) for tangents in _units(call.taken, position)]
            for number, out in enumerate(call.outputs):
                shape = (*out.shape, *value.shape)
                parts = [column[number] for column in columns]
                whole = stack(parts, -1).reshape(shape) if parts else zeros(shape, dtype=out.dtype, device=out.device)
                table[number].append(whole)
        return table

    return _jacobian("jacfwd", func, argnums, has_aux, rows)


def _units(values: Sequence[Any], position: int) -> Any:
    """Tangents that move one entry of the input at ``position`` after the other; None for inputs that stay."""
    value = values[position]
    for entry in range(value.numel()):
        unit = zeros(value.numel(), dtype=value.dtype, device=value.device)
        unit.array[entry] = 1
        yield [unit.reshape(value.shape) if i == position else None for i in range(len(values))]


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The function that computes the Hessian: ``jacrev(jacrev(func))``, of shape ``(*out, *input, *input)``.

    >>> import tinygrad_mp as tg
    >>> hessian(lambda x: (x**3).sum())(tg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacrev(jacrev(func, argnums), argnums)
