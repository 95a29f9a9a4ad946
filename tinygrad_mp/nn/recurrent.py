"""Recurrent layers: what they hold and how their layers and directions are put together."""

from __future__ import annotations

import math
import operator
import warnings
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.creation import empty, zeros
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.nn.utils.rnn import PackedSequence
from tinygrad_mp.ops import recurrent
from tinygrad_mp.ops.gathering import index_select
from tinygrad_mp.ops.joining import cat, stack
from tinygrad_mp.ops.movement import transpose

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class _DTypesDifferError(DTypeError, ValueError):
    """The dtype of the input is not that of the weights; a ValueError in PyTorch."""


class RNNBase(Module):
    """What the three layers share: sizes, weights under PyTorch's names, and the walk through layers and directions.

    Parameters
    ----------
    mode : {"LSTM", "GRU", "RNN_TANH", "RNN_RELU"}
    input_size, hidden_size : int
    num_layers : int, default 1
    bias : bool, default True
    batch_first : bool, default False
        Batches are (n, steps, ...) instead of (steps, n, ...); the states are not affected.
    dropout : float, default 0.0
        Between layers, in training.
    bidirectional : bool, default False
        A second direction runs from the last step to the first; the outputs of both stand side by side.
    proj_size : int, default 0
        Of an LSTM: width to which hidden states are projected; 0 for no projection.
    device, dtype : optional
    """

    _layer_names: list[tuple[str, ...]]

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in _GATES:
            raise SettingError(f"{name}: unknown mode {mode!r}", fix=f"use one of {', '.join(_GATES)}")
        F.check_probability(name, dropout, "dropout")
        for setting, value in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(value, bool):
                raise DTypeError(f"{name}: {setting} is True or False, not {value!r}")
        self.mode, self.input_size, self.hidden_size = mode, operator.index(input_size), operator.index(hidden_size)
        self.num_layers, self.bias, self.batch_first = operator.index(num_layers), bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, operator.index(proj_size)
        if min(self.input_size, self.hidden_size, self.num_layers) < 1:
            raise SettingError(f"{name}: input_size, hidden_size and num_layers must be at least 1")
        if not 0 <= self.proj_size < self.hidden_size:
            raise SettingError(f"{name}: proj_size must be from 0 to less than hidden_size, not {proj_size}")
        if self.proj_size and mode != "LSTM":
            raise SettingError(f"{name}: only an LSTM has a projection", fix="leave proj_size out")
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout} has no effect, as it stands between layers and there is one",
                stacklevel=2,
            )
        width, gates = self.proj_size or self.hidden_size, _GATES[mode] * self.hidden_size
        self._layer_names = []
        for layer in range(self.num_layers):
            into = self.input_size if layer == 0 else width * (2 if bidirectional else 1)
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates, into), "weight_hh": (gates, width)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if self.proj_size:
                    shapes["weight_hr"] = (self.proj_size, self.hidden_size)
                self._layer_names.append(tuple(f"{word}_l{layer}{suffix}" for word in shapes))
                for path, shape in zip(self._layer_names[-1], shapes.values(), strict=True):
                    self.register_parameter(path, Parameter(empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values from U(-b, b), ``b = 1 / sqrt(hidden_size)``."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: here weights need no common memory. It is there for PyTorch's sake."""

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, path) for path in names] for names in self._layer_names]

    # --- running ---

    def _run(self, input: Any, hx: Any) -> tuple[Any, tuple[Any, ...]]:
        """Outputs, and the last states as a tuple: the hidden ones and for an LSTM the cells'."""
        if isinstance(input, PackedSequence):
            data, sizes = input.data, tuple(input.batch_sizes.tolist())
            self._check_input(data, 2)
            states = self._states(hx, sizes[0], data, input.sorted_indices, True)
            out, last = self._layers(data, states, sizes)
            if input.unsorted_indices is not None:
                last = tuple(index_select(one, 1, input.unsorted_indices) for one in last)
            return PackedSequence(out, *input[1:]), last
        if input.ndim not in (2, 3):
            raise self._misfit(f"the input needs 2 or 3 axes, it has {input.ndim}", input)
        self._check_input(input, input.ndim)
        batched = input.ndim == 3
        steps = input.unsqueeze(1) if not batched else transpose(input, 0, 1) if self.batch_first else input
        length, batch = steps.shape[:2]
        if not length:
            raise self._misfit("the input has no steps", input)
        states = self._states(hx, batch, input, None, batched)
        out, last = self._layers(steps.reshape(length * batch, self.input_size), states, (batch,) * length)
        out = out.reshape(length, batch, out.shape[-1])
        if not batched:
            return out.squeeze(1), tuple(one.squeeze(1) for one in last)
        return (transpose(out, 0, 1) if self.batch_first else out), last

    def _layers(self, rows: Any, states: tuple[Any, ...], sizes: tuple[int, ...]) -> tuple[Any, tuple[Any, ...]]:
        directions = 2 if self.bidirectional else 1
        ends = []
        for layer in range(self.num_layers):
            outs = []
            for direction in range(directions):
                place = layer * directions + direction
                out, *last = self._direction(rows, place, [one[place] for one in states], sizes, direction == 1)
                outs.append(out)
                ends.append(last)
            rows = outs[0] if directions == 1 else cat(outs, 1)
            if self.dropout and layer < self.num_layers - 1:
                rows = F.dropout(rows, self.dropout, self.training)
        return rows, tuple(stack(one) for one in zip(*ends, strict=True))

    def _direction(self, rows: Any, place: int, states: list[Any], sizes: tuple[int, ...], reverse: bool) -> Any:
        weights = self._layer_names[place]
        into, hidden = getattr(self, weights[0]), getattr(self, weights[1])
        biases = (getattr(self, weights[2]), getattr(self, weights[3])) if self.bias else None
        projection = getattr(self, weights[-1]) if self.proj_size else None
        return directed(self.mode, rows, states, into, hidden, biases, projection, sizes, reverse)

    def _states(self, hx: Any, batch: int, like: Any, order: Any, batched: bool) -> tuple[Any, ...]:
        """The first states, (layers * directions, n, width), in the order of the batch; zeros by default."""
        lead = self.num_layers * (2 if self.bidirectional else 1)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: 2 if self.mode == "LSTM" else 1]
        if hx is None:
            return tuple(zeros(lead, batch, width, dtype=like.dtype, device=like.device) for width in widths)
        given = tuple(hx) if self.mode == "LSTM" else (hx,)
        if len(given) != len(widths):
            raise self._misfit(f"the states are a pair (h, c), not {len(given)} tensors", like)
        for one, width in zip(given, widths, strict=True):
            wanted = (lead, batch, width) if batched else (lead, width)
            if tuple(one.shape) != wanted:
                raise self._misfit(f"a state needs shape {wanted}, not {tuple(one.shape)}", one)
            if one.dtype != like.dtype:
                raise DTypeError(f"{type(self).__name__}: the input is {like.dtype}, a state is {one.dtype}")
        if not batched:
            given = tuple(one.unsqueeze(1) for one in given)
        return given if order is None else tuple(index_select(one, 1, order) for one in given)

    def _check_input(self, input: Any, axes: int) -> None:
        weight = getattr(self, self._layer_names[0][0])
        if input.dtype != weight.dtype:
            raise _DTypesDifferError(
                f"{type(self).__name__}: the input is {input.dtype}, the weights are {weight.dtype}",
                fix=f"convert the input, input.to({str(weight.dtype)!r}), or the model",
            )
        if input.ndim != axes:
            raise self._misfit(f"packed data need {axes} axes, not {input.ndim}", input)
        if input.shape[-1] != self.input_size:
            raise self._misfit(f"the input's last axis is {input.shape[-1]}, input_size is {self.input_size}", input)

    def _misfit(self, problem: str, found: Any) -> ShapeError:
        error = ShapeError(problem)
        error.locate(type(self).__name__, (("found", found),))
        return error

    def extra_repr(self) -> str:
        shown = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        for name, default in {**defaults, "bidirectional": False}.items():
            if getattr(self, name) != default:
                shown.append(f"{name}={getattr(self, name)}")
        return ", ".join(shown)


def directed(
    mode: str,
    rows: Any,
    states: list[Any],
    into: Any,
    hidden: Any,
    biases: Any,
    projection: Any,
    sizes: tuple[int, ...],
    reverse: bool,
) -> Any:
    """One layer in one direction: outputs of all rows, and the last states. One product serves all inputs."""
    if mode == "GRU":  # its reset gate needs the second bias apart
        x = F.linear(rows, into, biases and biases[0])
        return recurrent.gru(x, states[0], hidden, biases and biases[1], sizes, reverse)
    x = F.linear(rows, into, biases and biases[0] + biases[1])
    if mode == "LSTM":
        return recurrent.lstm(x, states[0], states[1], hidden, projection, sizes, reverse)
    return recurrent.rnn(x, states[0], hidden, "tanh" if mode == "RNN_TANH" else "relu", sizes, reverse)


class RNN(RNNBase):
    """Plain recurrent layers: ``h = tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)``, step by step.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int, default 1
    nonlinearity : {"tanh", "relu"}
    bias, batch_first, dropout, bidirectional, device, dtype
        See :class:`RNNBase`.

    Shapes
    ------
    input : (steps, n, input_size), with ``batch_first`` (n, steps, input_size), (steps, input_size), or packed
    hx : (num_layers * directions, n, hidden_size), without a batch (num_layers * directions, hidden_size)
    -> output : as input, with width hidden_size * directions;  h_n : as hx

    Errors
    ------
    SettingError for settings without sense. ShapeError or DTypeError for inputs and states that do not fit.

    Init: U(-b, b), ``b = 1 / sqrt(hidden_size)``, as PyTorch. Source: Elman, Finding structure in time, 1990.

    >>> from tinygrad_mp import nn, randn
    >>> out, h = nn.RNN(3, 4, num_layers=2)(randn(5, 2, 3))
    >>> out.shape, h.shape
    (Size([5, 2, 4]), Size([2, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        mode = f"RNN_{str(nonlinearity).upper()}"
        if mode not in _GATES:
            raise SettingError(f'RNN: nonlinearity must be "tanh" or "relu", not {nonlinearity!r}')
        sizes = (input_size, hidden_size, num_layers)
        super().__init__(mode, *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Outputs of all steps, and the last hidden state."""
        out, (h,) = self._run(input, hx)
        return out, h


class GRU(RNNBase):
    """Gated recurrent units: gates decide how much of the state is kept and how much of it the new one sees.

    ``r, z = sigmoid(x @ w_i.T + b_i + h @ w_h.T + b_h)``; ``n = tanh(x @ w_in.T + b_in + r * (h @ w_hn.T + b_hn))``;
    ``h = (1 - z) * n + z * h``. Parameters, shapes, errors and init as :class:`RNN`, without nonlinearity; weights
    hold r, z and n, one below the other.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.

    >>> from tinygrad_mp import nn, randn
    >>> out, h = nn.GRU(3, 4, bidirectional=True, batch_first=True)(randn(2, 5, 3))
    >>> out.shape, h.shape
    (Size([2, 5, 8]), Size([2, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, 0, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Outputs of all steps, and the last hidden state."""
        out, (h,) = self._run(input, hx)
        return out, h


class LSTM(RNNBase):
    """Long short-term memory: gates decide what a cell takes in, keeps and shows.

    ``i, f, o = sigmoid(x @ w_i.T + b_i + h @ w_h.T + b_h)``, ``g = tanh(...)``; ``c = f * c + i * g``;
    ``h = o * tanh(c)``, and with ``proj_size`` ``h = h @ w_hr.T``. Parameters, shapes, errors and init as
    :class:`RNN`, without nonlinearity and with ``proj_size``; weights hold i, f, g and o, one below the other. States
    are pairs (h, c): h has width ``proj_size or hidden_size``, c has hidden_size.

    Source: Hochreiter and Schmidhuber, Long short-term memory, 1997.

    >>> from tinygrad_mp import nn, randn
    >>> out, (h, c) = nn.LSTM(3, 4)(randn(5, 2, 3))
    >>> out.shape, h.shape, c.shape
    (Size([5, 2, 4]), Size([1, 2, 4]), Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Any, Any]]:
        """Outputs of all steps, and the last states (h, c)."""
        out, (h, c) = self._run(input, hx)
        return out, (h, c)
