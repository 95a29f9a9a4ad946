"""Recurrent layers in one direction, each a primitive over all time steps: plain, LSTM and GRU.

The rows of all time steps lie one after the other, step ``t`` in ``batch_sizes[t]`` rows, as in a packed sequence:
sizes never grow, so a step updates the first rows of the state and leaves the others. The products with the inputs are
made before, for all steps at once. Backward walks the steps in the opposite order and makes the weight's gradient in
one product; to record it, as for second derivatives, the composition of operations is recorded and pulled back.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

from tinygrad_mp.autograd import grad
from tinygrad_mp.backend import contiguous, product, xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.grad_mode import is_grad_enabled
from tinygrad_mp.ops.activation import relu, sigmoid
from tinygrad_mp.ops.elementwise import clone, tanh
from tinygrad_mp.ops.joining import cat, chunk, narrow, split
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import transpose
from tinygrad_mp.ops.residue import Residue, found_in
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

__all__ = ["gru", "lstm", "rnn"]

Sizes = tuple[int, ...]


def lstm(x: Any, h: Any, c: Any, weight: Any, projection: Any, sizes: Sizes, reverse: bool) -> tuple[Any, Any, Any]:
    """All steps of an LSTM in one direction.

    Parameters
    ----------
    x : Tensor, shape (rows, 4 * hidden)
        What the inputs add to the gates: input, forget, cell, output.
    h, c : Tensor, shape (n, hidden); with a projection h is (n, projected)
    weight : Tensor, shape (4 * hidden, hidden or projected)
    projection : Tensor of shape (projected, hidden), or None
    sizes : tuple of int
        Rows of each step; they never grow and begin with n.
    reverse : bool
        Whether time runs from the last step to the first.

    Returns
    -------
    tuple of Tensor
        The hidden states of all rows, and the last hidden and cell states.

    Source: Hochreiter and Schmidhuber, 1997; forget gates: Gers, Schmidhuber and Cummins, 2000; projection: Sak,
    Senior and Beaufays, 2014.
    """
    if projection is not None:
        composed: tuple[Any, Any, Any] = _compose_lstm(x, h, c, weight, projection, batch_sizes=sizes, reverse=reverse)
        return composed
    tensors = (x, h, c, weight)
    out: tuple[Any, Any, Any] = _lstm(*tensors, batch_sizes=sizes, reverse=reverse, residue=_residue(tensors))
    return out


def gru(x: Any, h: Any, weight: Any, bias: Any, sizes: Sizes, reverse: bool) -> tuple[Any, Any]:
    """All steps of a GRU in one direction: as :func:`lstm` with three gates, reset, update and new.

    ``bias`` is that of the product with the hidden state, shape (3 * hidden,), or None; the reset gate multiplies its
    part of the new state too.

    Source: Cho et al., 2014, in the form that multiplies by the weight first and resets the product, as PyTorch does.
    """
    tensors = (x, h, weight) if bias is None else (x, h, weight, bias)
    out: tuple[Any, Any] = _gru(*tensors, batch_sizes=sizes, reverse=reverse, residue=_residue(tensors))
    return out


def rnn(x: Any, h: Any, weight: Any, nonlinearity: str, sizes: Sizes, reverse: bool) -> tuple[Any, Any]:
    """All steps of ``h = tanh(x + h @ weight.T)`` in one direction; ``nonlinearity`` is "tanh" or "relu".

    Source: Elman, Finding structure in time, 1990.
    """
    tensors = (x, h, weight)
    settings = {"nonlinearity": nonlinearity, "batch_sizes": sizes, "reverse": reverse}
    out: tuple[Any, Any] = _rnn(*tensors, **settings, residue=_residue(tensors))
    return out


def _residue(tensors: tuple[Any, ...]) -> Residue | None:
    needed = is_grad_enabled() and any(getattr(tensor, "node", None) is not None for tensor in tensors)
    return Residue() if needed else None


# --- as compositions --------------------------------------------------------------------------------------------------


def _scan(x: Any, state: tuple[Any, ...], sizes: Sizes, reverse: bool, step: Callable[..., Any]) -> tuple[Any, ...]:
    """Run ``step(rows of x, *rows of the state)``, which returns the new rows of the state, the hidden ones first."""
    parts = split(x, sizes)
    outs: list[Any] = [None] * len(sizes)
    order = range(len(sizes))
    for t in reversed(order) if reverse else order:
        count = sizes[t]
        new = step(parts[t], *(_first(one, count) for one in state))
        state = tuple([_put_first(one, rows) for one, rows in zip(state, new, strict=True)])
        outs[t] = new[0]
    return cat(outs), *(clone(one) for one in state)


def _first(state: Any, count: int) -> Any:
    return state if count == state.shape[0] else narrow(state, 0, 0, count)


def _put_first(state: Any, rows: Any) -> Any:
    """``state`` with new first rows."""
    count = rows.shape[0]
    return rows if count == state.shape[0] else cat((rows, narrow(state, 0, count, state.shape[0] - count)))


def _compose_lstm(*tensors: Any, batch_sizes: Sizes, reverse: bool, residue: Any = None) -> Any:
    x, h, c, weight, *projection = tensors
    turned = transpose(weight, 0, 1)

    def step(part: Any, h: Any, c: Any) -> tuple[Any, Any]:
        i, f, g, o = chunk(part + matmul(h, turned), 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (matmul(h, transpose(projection[0], 0, 1)) if projection else h), c

    return _scan(x, (h, c), batch_sizes, reverse, step)


def _compose_gru(*tensors: Any, batch_sizes: Sizes, reverse: bool, residue: Any = None) -> Any:
    x, h, weight, *bias = tensors
    turned = transpose(weight, 0, 1)

    def step(part: Any, h: Any) -> tuple[Any]:
        hidden = matmul(h, turned) + bias[0] if bias else matmul(h, turned)
        (r, u, n), (to_r, to_u, to_n) = chunk(part, 3, 1), chunk(hidden, 3, 1)
        new = tanh(n + sigmoid(r + to_r) * to_n)
        return (new + sigmoid(u + to_u) * (h - new),)

    return _scan(x, (h,), batch_sizes, reverse, step)


def _compose_rnn(*tensors: Any, nonlinearity: str, batch_sizes: Sizes, reverse: bool, residue: Any = None) -> Any:
    x, h, weight = tensors
    turned = transpose(weight, 0, 1)
    bend = tanh if nonlinearity == "tanh" else relu
    return _scan(x, (h,), batch_sizes, reverse, lambda part, h: (bend(part + matmul(h, turned)),))


def _recorded(composed: Callable[..., Any], g: Any, tensors: tuple[Any, ...], **settings: Any) -> list[Any]:
    """The cotangents of ``tensors``, recorded: the composition is recorded on clones and pulled back."""
    # Clones, because one of the tensors may have been computed from another.
    clones = [clone(tensor) if isinstance(tensor, TensorBase) else tensor for tensor in tensors]
    wanted = [one for one in clones if getattr(one, "node", None) is not None]
    pulled = grad(composed(*clones, **settings), wanted, g, create_graph=True)
    answers = iter(pulled)
    return [next(answers) if any(one is other for other in wanted) else None for one in clones]


# --- on arrays --------------------------------------------------------------------------------------------------------


def _spans(sizes: Sizes, reverse: bool) -> Iterator[tuple[int, int, int]]:
    """First row, end of rows and number of rows of each step, in the order of time."""
    stops = list(accumulate(sizes))
    steps = list(zip(stops, sizes, strict=True))
    return ((stop - count, stop, count) for stop, count in (reversed(steps) if reverse else steps))


def _replaced(state: Any, rows: Any) -> Any:
    """``state`` with new first rows; they themselves if they are all."""
    return rows if len(rows) == len(state) else xp(rows).concatenate((rows, state[len(rows) :]))


def _in_rows(parts: list[Any], reverse: bool) -> Any:
    """What was collected step by step, in the order of the rows."""
    return xp(parts[0]).concatenate(parts[::-1] if reverse else parts)


def _halves(like: Any, gates: int, linear: int) -> Any:
    """Factors with which one tanh serves all gates: ``sigmoid(x) = tanh(x / 2) / 2 + 1 / 2``, but for one gate."""
    size = like.shape[1]
    factor = xp(like).full(gates * size, 0.5, dtype=like.dtype)
    factor[linear * size : (linear + 1) * size] = 1
    return factor


def _forward_lstm(tensors: tuple[Any, ...], sizes: Sizes, reverse: bool, residue: Residue | None) -> tuple[Any, ...]:
    x, h, c, weight = tensors
    module, size = xp(x), h.shape[1]
    factor = _halves(h, 4, 2)
    turned = contiguous((weight * factor[:, None]).T)
    gates, term = x * factor, 1 - factor
    out, curved = module.empty((2, len(x), size), dtype=x.dtype)
    before: tuple[list[Any], list[Any]] = ([], [])
    for start, stop, count in _spans(sizes, reverse):
        h_before, c_before = h[:count], c[:count]
        z = gates[start:stop]
        z += h_before @ turned
        module.tanh(z, out=z)
        z *= factor
        z += term
        new = z[:, size : 2 * size] * c_before
        new += z[:, :size] * z[:, 2 * size : 3 * size]
        module.tanh(new, out=curved[start:stop])
        module.multiply(z[:, 3 * size :], curved[start:stop], out=out[start:stop])
        h, c = _replaced(h, out[start:stop]), _replaced(c, new)
        if residue is not None:
            before[0].append(h_before)
            before[1].append(c_before)
    if residue is not None:
        residue.keep(x, gates, curved, *(_in_rows(one, reverse) for one in before))
    return out, h.copy(), c


def _pull_lstm(g: Any, tensors: tuple[Any, ...], sizes: Sizes, reverse: bool, found: Any) -> tuple[Any, ...]:
    gates, curved, h_before, c_before = found
    rows, size = curved.shape
    module = xp(gates)
    pulled = module.empty((rows, 4, size), dtype=gates.dtype)
    i, f, n, o = (gates[:, k * size : (k + 1) * size] for k in range(4))
    # How each gate answers to the cell, and the output gate and the cell to the hidden state: no step needs the next.
    module.multiply(i * n, 1 - i, out=pulled[:, 0])
    module.multiply(c_before * f, 1 - f, out=pulled[:, 1])
    module.multiply(i, 1 - n * n, out=pulled[:, 2])
    module.multiply(curved * o, 1 - o, out=pulled[:, 3])
    to_cell = o * (1 - curved * curved)
    weight, flat = contiguous(tensors[3]), pulled.reshape(rows, 4 * size)
    to_h, to_c = g[1].copy(), g[2].copy()
    for start, stop, count in reversed(list(_spans(sizes, reverse))):
        hidden = g[0][start:stop] + to_h[:count]
        cell = hidden * to_cell[start:stop]
        cell += to_c[:count]
        pulled[start:stop, :3] *= cell[:, None]
        pulled[start:stop, 3] *= hidden
        module.multiply(cell, f[start:stop], out=to_c[:count])
        to_h[:count] = flat[start:stop] @ weight
    return flat, to_h, to_c, product(flat.T, h_before)


def _forward_gru(tensors: tuple[Any, ...], sizes: Sizes, reverse: bool, residue: Residue | None) -> tuple[Any, ...]:
    x, h, weight, *bias = tensors
    module, size = xp(x), h.shape[1]
    factor = _halves(h, 3, 2)
    turned = contiguous((weight * factor[:, None]).T)
    offset = bias[0] * factor if bias else None
    gates = x * factor
    out, hidden = module.empty((2, len(x), size), dtype=x.dtype)
    before: list[Any] = []
    for start, stop, count in _spans(sizes, reverse):
        h_before = h[:count]
        added = h_before @ turned
        if offset is not None:
            added += offset
        z, n, rows = gates[start:stop, : 2 * size], gates[start:stop, 2 * size :], hidden[start:stop]
        z += added[:, : 2 * size]
        module.tanh(z, out=z)
        z *= 0.5
        z += 0.5
        rows[...] = added[:, 2 * size :]
        n += z[:, :size] * rows
        module.tanh(n, out=n)
        new = module.subtract(h_before, n, out=out[start:stop])
        new *= z[:, size:]
        new += n
        h = _replaced(h, new)
        if residue is not None:
            before.append(h_before)
    if residue is not None:
        residue.keep(x, gates, hidden, _in_rows(before, reverse))
    return out, h.copy()


def _pull_gru(g: Any, tensors: tuple[Any, ...], sizes: Sizes, reverse: bool, found: Any) -> tuple[Any, ...]:
    gates, hidden, h_before = found
    rows, size = hidden.shape
    module = xp(gates)
    r, u, n = (gates[:, k * size : (k + 1) * size] for k in range(3))
    pulled = module.empty((rows, 3, size), dtype=gates.dtype)
    to_new = (1 - u) * (1 - n * n)
    module.multiply(to_new, r, out=pulled[:, 2])
    module.multiply(pulled[:, 2] * hidden, 1 - r, out=pulled[:, 0])
    module.multiply((h_before - n) * u, 1 - u, out=pulled[:, 1])
    weight, flat = contiguous(tensors[2]), pulled.reshape(rows, 3 * size)
    to_h = g[1].copy()
    for start, stop, count in reversed(list(_spans(sizes, reverse))):
        state = g[0][start:stop] + to_h[:count]
        pulled[start:stop] *= state[:, None]
        to_new[start:stop] *= state
        module.multiply(state, u[start:stop], out=to_h[:count])
        to_h[:count] += flat[start:stop] @ weight
    to_x = flat.copy()
    to_x[:, 2 * size :] = to_new
    return to_x, to_h, product(flat.T, h_before), flat.sum(axis=0)


def _forward_rnn(
    tensors: tuple[Any, ...], nonlinearity: str, sizes: Sizes, reverse: bool, residue: Residue | None
) -> tuple[Any, ...]:
    x, h, weight = tensors
    module = xp(x)
    turned = contiguous(weight.T)
    out = x.copy()
    before: list[Any] = []
    for start, stop, count in _spans(sizes, reverse):
        h_before, z = h[:count], out[start:stop]
        z += h_before @ turned
        if nonlinearity == "tanh":
            module.tanh(z, out=z)
        else:
            z *= z > 0
        h = _replaced(h, z)
        if residue is not None:
            before.append(h_before)
    if residue is not None:
        residue.keep(x, out, _in_rows(before, reverse))
    return out, h.copy()


def _pull_rnn(
    g: Any, tensors: tuple[Any, ...], nonlinearity: str, sizes: Sizes, reverse: bool, found: Any
) -> tuple[Any, ...]:
    out, h_before = found
    pulled = 1 - out * out if nonlinearity == "tanh" else (out > 0).astype(out.dtype)
    weight = contiguous(tensors[2])
    to_h = g[1].copy()
    for start, stop, count in reversed(list(_spans(sizes, reverse))):
        rows = pulled[start:stop]
        rows *= g[0][start:stop] + to_h[:count]
        to_h[:count] = rows @ weight
    return pulled, to_h, product(pulled.T, h_before)


# --- the primitives ---------------------------------------------------------------------------------------------------


def _case(gates: int, states: int, bias: bool = False) -> Callable[[Sampler], Any]:
    def case(sampler: Sampler) -> Any:
        sizes = tuple(sorted((sampler.integer(1, 3) for _ in range(sampler.integer(1, 4))), reverse=True))
        size = sampler.integer(1, 3)
        shapes: list[tuple[int, ...]] = [(sum(sizes), gates * size), *[(sizes[0], size)] * states, (gates * size, size)]
        if bias and sampler.integer(0, 1):
            shapes.append((gates * size,))
        residue = Residue() if sampler.integer(0, 1) else None
        params = {"batch_sizes": sizes, "reverse": bool(sampler.integer(0, 1)), "residue": residue}
        return tuple(sampler.array(shape) for shape in shapes), params

    return case


def _rnn_case(sampler: Sampler) -> Any:
    inputs, params = _case(1, 1)(sampler)
    return inputs, {"nonlinearity": sampler.choice(("tanh", "relu")), **params}


def _found(forward: Callable[..., Any], g: Any, tensors: tuple[Any, ...], residue: Any, *settings: Any) -> Any:
    """What forward found on its way; computed anew where it was not kept."""
    found = found_in(tensors[0], g[0], residue)
    if found is None:
        residue = Residue()
        forward(tensors, *settings, residue)
        found = residue.found
    return found


def _lstm_rule(g: Any, tensors: Any, batch_sizes: Sizes, reverse: bool, residue: Any) -> Any:
    if isinstance(g[0], TensorBase):
        return _recorded(_compose_lstm, g, tensors, batch_sizes=batch_sizes, reverse=reverse)
    found = _found(_forward_lstm, g, tensors, residue, batch_sizes, reverse)
    return _pull_lstm(g, tensors, batch_sizes, reverse, found)


@primitive(tensors=_lstm_rule, outputs=True, promotes=None, cases=_case(4, 2), reference=_compose_lstm)
def _lstm(*tensors: Real, batch_sizes: Sizes, reverse: bool, residue: Any = None) -> tuple[Any, ...]:
    """See :func:`lstm`; the tensors are x, h, c and weight."""
    return _forward_lstm(tensors, batch_sizes, reverse, residue)


def _gru_rule(g: Any, tensors: Any, batch_sizes: Sizes, reverse: bool, residue: Any) -> Any:
    if isinstance(g[0], TensorBase):
        return _recorded(_compose_gru, g, tensors, batch_sizes=batch_sizes, reverse=reverse)
    found = _found(_forward_gru, g, tensors, residue, batch_sizes, reverse)
    return _pull_gru(g, tensors, batch_sizes, reverse, found)[: len(tensors)]


@primitive(tensors=_gru_rule, outputs=True, promotes=None, cases=_case(3, 1, bias=True), reference=_compose_gru)
def _gru(*tensors: Real, batch_sizes: Sizes, reverse: bool, residue: Any = None) -> tuple[Any, ...]:
    """See :func:`gru`; the tensors are x, h, weight and perhaps bias."""
    return _forward_gru(tensors, batch_sizes, reverse, residue)


def _rnn_rule(g: Any, tensors: Any, nonlinearity: str, batch_sizes: Sizes, reverse: bool, residue: Any) -> Any:
    settings = {"nonlinearity": nonlinearity, "batch_sizes": batch_sizes, "reverse": reverse}
    if isinstance(g[0], TensorBase):
        return _recorded(_compose_rnn, g, tensors, **settings)
    found = _found(_forward_rnn, g, tensors, residue, nonlinearity, batch_sizes, reverse)
    return _pull_rnn(g, tensors, nonlinearity, batch_sizes, reverse, found)


@primitive(tensors=_rnn_rule, outputs=True, promotes=None, cases=_rnn_case, reference=_compose_rnn)
def _rnn(*tensors: Real, nonlinearity: str, batch_sizes: Sizes, reverse: bool, residue: Any = None) -> tuple[Any, ...]:
    """See :func:`rnn`; the tensors are x, h and weight."""
    return _forward_rnn(tensors, nonlinearity, batch_sizes, reverse, residue)
