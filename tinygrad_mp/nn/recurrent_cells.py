"""Single steps of recurrent layers."""

from __future__ import annotations

import math
import operator
from typing import Any, ClassVar

from tinygrad_mp.creation import empty, zeros
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.nn.recurrent import directed


class RNNCellBase(Module):
    """One step of a recurrent layer: the weights, without a layer's number in their names.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
    num_chunks : int
        The number of gates.
    device, dtype : optional
    """

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    states: ClassVar[int] = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = operator.index(input_size), operator.index(hidden_size), bias
        if self.input_size < 0 or self.hidden_size < 1:
            raise SettingError(f"{type(self).__name__}: sizes must be positive, not {input_size} and {hidden_size}")
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        rows = num_chunks * self.hidden_size
        self.weight_ih = Parameter(empty((rows, self.input_size), **made))
        self.weight_hh = Parameter(empty((rows, self.hidden_size), **made))
        self.register_parameter("bias_ih", Parameter(empty((rows,), **made)) if bias else None)
        self.register_parameter("bias_hh", Parameter(empty((rows,), **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values from U(-b, b), ``b = 1 / sqrt(hidden_size)``."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, mode: str, input: Any, hx: Any) -> tuple[Any, ...]:
        name = type(self).__name__
        if input.ndim not in (1, 2):
            raise ShapeError(f"{name}: the input needs 1 or 2 axes, it has shape {tuple(input.shape)}")
        alone = input.ndim == 1
        rows = input.unsqueeze(0) if alone else input
        shape = (rows.shape[0], self.hidden_size)
        if hx is None:
            states = [zeros(shape, dtype=input.dtype, device=input.device)] * self.states
        else:
            given = list(hx) if self.states > 1 else [hx]
            states = [one.unsqueeze(0) if alone and one.ndim == 1 else one for one in given]
            if len(states) != self.states or any(tuple(one.shape) != shape for one in states):
                found = ", ".join(str(tuple(one.shape)) for one in given)
                raise ShapeError(f"{name}: each state needs shape {shape[1:] if alone else shape}, found {found}")
            if any(one.dtype != input.dtype for one in states):
                raise DTypeError(f"{name}: the input is {input.dtype}, the state is not")
        biases = None if self.bias_ih is None or self.bias_hh is None else (self.bias_ih, self.bias_hh)
        weights = (self.weight_ih, self.weight_hh, biases, None)
        _, *last = directed(mode, rows, states, *weights, (shape[0],), False)
        return tuple(one.squeeze(0) for one in last) if alone else tuple(last)

    def extra_repr(self) -> str:
        shown = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            shown += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            shown += f", nonlinearity={self.nonlinearity}"
        return shown


class RNNCell(RNNCellBase):
    """One step of :class:`RNN`.

    Shapes
    ------
    input : (n, input_size) or (input_size,);  hx : (n, hidden_size) or (hidden_size,), zeros by default -> as hx
    weight_ih : (hidden_size, input_size);  weight_hh : (hidden_size, hidden_size);  bias_ih, bias_hh : (hidden_size,)

    >>> from tinygrad_mp import nn, randn
    >>> nn.RNNCell(3, 4)(randn(2, 3)).shape
    Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next hidden state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise SettingError(f'RNNCell: nonlinearity must be "tanh" or "relu", not {self.nonlinearity!r}')
        return self._step(f"RNN_{self.nonlinearity.upper()}", input, hx)[0]


class GRUCell(RNNCellBase):
    """One step of :class:`GRU`; shapes as :class:`RNNCell`, with three gates.

    >>> from tinygrad_mp import nn, randn
    >>> nn.GRUCell(3, 4)(randn(2, 3)).shape
    Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """The next hidden state."""
        return self._step("GRU", input, hx)[0]


class LSTMCell(RNNCellBase):
    """One step of :class:`LSTM`; shapes as :class:`RNNCell`, with four gates and pairs of states (h, c).

    >>> from tinygrad_mp import nn, randn
    >>> h, c = nn.LSTMCell(3, 4)(randn(2, 3))
    >>> h.shape, c.shape
    (Size([2, 4]), Size([2, 4]))
    """

    states = 2

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """The next states (h, c)."""
        h, c = self._step("LSTM", input, hx)
        return h, c
