"""Activations as modules, for use in containers; the functions are in :mod:`tinygrad_mp.functional`."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.errors import SettingError
from tinygrad_mp.mutation import in_place
from tinygrad_mp.nn.module import Module


class _Activation(Module):
    """Shape and dtype of the input. ``settings`` are the attributes that ``repr`` shows."""

    settings: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


class _InPlaceActivation(_Activation):
    """An activation that may write its result into the input's memory; ``repr`` mentions it only then, as PyTorch's."""

    inplace: bool

    def _run(self, function: Any, input: Any, *args: Any) -> Any:
        return (in_place(function) if self.inplace else function)(input, *args)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, (super().extra_repr(), "inplace=True" if self.inplace else "")))


class ReLU(_InPlaceActivation):
    """``max(x, 0)``; see :func:`functional.relu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return self._run(F.relu, input)


class LeakyReLU(_InPlaceActivation):
    """``x`` where positive, ``negative_slope * x`` elsewhere; see :func:`functional.leaky_relu`."""

    settings = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        return self._run(F.leaky_relu, input, self.negative_slope)


class ELU(_InPlaceActivation):
    """``x`` where positive, ``alpha * (e**x - 1)`` elsewhere; see :func:`functional.elu`."""

    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        return self._run(F.elu, input, self.alpha)


class SiLU(_InPlaceActivation):
    """``x * sigmoid(x)``; see :func:`functional.silu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return self._run(F.silu, input)


class GELU(_Activation):
    """``x * P(normal <= x)``, exact or with ``approximate="tanh"``; see :func:`functional.gelu`."""

    settings = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise SettingError(f'GELU: approximate must be "none" or "tanh", not {approximate!r}')
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, approximate=self.approximate)


class Softplus(_Activation):
    """``log(1 + e**(beta * x)) / beta``, a smooth relu; see :func:`functional.softplus`."""

    settings = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, beta=self.beta, threshold=self.threshold)


class Sigmoid(_Activation):
    """``1 / (1 + e**-x)``; see :func:`functional.sigmoid`."""

    def forward(self, input: Any) -> Any:
        return F.sigmoid(input)


class Tanh(_Activation):
    """Hyperbolic tangent; see :func:`functional.tanh`."""

    def forward(self, input: Any) -> Any:
        return F.tanh(input)


class Softmax(_Activation):
    """Numbers along ``dim`` as probabilities, ``e**x / sum(e**x)``; see :func:`functional.softmax`.

    Train on the logits with :class:`CrossEntropyLoss` instead, which is exact where this rounds to 0 or 1.
    """

    settings = ("dim",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim)


class LogSoftmax(_Activation):
    """Logarithm of :class:`Softmax`, without going through it; see :func:`functional.log_softmax`."""

    settings = ("dim",)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim)
