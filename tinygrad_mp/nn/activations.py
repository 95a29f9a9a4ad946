"""Activations as modules, for use in containers; the functions are in :mod:`tinygrad_mp.functional`."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.mutation import in_place
from tinygrad_mp.nn.module import Module
from tinygrad_mp.ops import activation as plain


class Activation(Module):
    """Shape and dtype of the input. ``settings`` are the attributes that ``repr`` shows."""

    settings: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)


class InPlaceActivation(Activation):
    """An activation that may write its result into the input's memory; ``repr`` mentions it only then, as PyTorch's."""

    inplace: bool

    def _run(self, function: Any, input: Any, *args: Any) -> Any:
        return (in_place(function) if self.inplace else function)(input, *args)

    def extra_repr(self) -> str:
        return ", ".join(filter(None, (super().extra_repr(), "inplace=True" if self.inplace else "")))


class ReLU(InPlaceActivation):
    """``max(x, 0)``; see :func:`functional.relu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return self._run(plain.relu, input)


class LeakyReLU(InPlaceActivation):
    """``x`` where positive, ``negative_slope * x`` elsewhere; see :func:`functional.leaky_relu`."""

    settings = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Any) -> Any:
        return self._run(plain.leaky_relu, input, self.negative_slope)


class ELU(InPlaceActivation):
    """``x`` where positive, ``alpha * (e**x - 1)`` elsewhere; see :func:`functional.elu`."""

    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        return self._run(plain.elu, input, self.alpha)


class SiLU(InPlaceActivation):
    """``x * sigmoid(x)``; see :func:`functional.silu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return self._run(plain.silu, input)


class GELU(Activation):
    """``x * P(normal <= x)``, exact or with ``approximate="tanh"``; see :func:`functional.gelu`."""

    settings = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise SettingError(f'GELU: approximate must be "none" or "tanh", not {approximate!r}')
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, approximate=self.approximate)


class Softplus(Activation):
    """``log(1 + e**(beta * x)) / beta``, a smooth relu; see :func:`functional.softplus`."""

    settings = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, beta=self.beta, threshold=self.threshold)


class Sigmoid(Activation):
    """``1 / (1 + e**-x)``; see :func:`functional.sigmoid`."""

    def forward(self, input: Any) -> Any:
        return F.sigmoid(input)


class Tanh(Activation):
    """Hyperbolic tangent; see :func:`functional.tanh`."""

    def forward(self, input: Any) -> Any:
        return F.tanh(input)


class Softmax(Activation):
    """Numbers along ``dim`` as probabilities, ``e**x / sum(e**x)``; see :func:`functional.softmax`.

    Train on the logits with :class:`CrossEntropyLoss` instead, which is exact where this rounds to 0 or 1.
    """

    settings: tuple[str, ...] = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim, 5)


class LogSoftmax(Activation):
    """Logarithm of :class:`Softmax`, without going through it; see :func:`functional.log_softmax`."""

    settings = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim, 5)


class Softmin(Activation):
    """Softmax of minus the input; see :func:`functional.softmin`."""

    settings = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.softmin(input, self.dim, 5)


class Softmax2d(Module):
    """Softmax over the channels of (n, channels, height, width) or (channels, height, width).

    >>> from tinygrad_mp import nn, zeros
    >>> nn.Softmax2d()(zeros(4, 1, 1)).flatten()
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input: Any) -> Any:
        if input.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: an input of 3 or 4 axes is needed, not {input.ndim}")
        return F.softmax(input, -3)


class GLU(Activation):
    """The first half along ``dim`` times the sigmoid of the second; see :func:`functional.glu`."""

    settings = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.glu(input, self.dim)


class Mish(InPlaceActivation):
    """``x * tanh(softplus(x))``; see :func:`functional.mish`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.mish(input, inplace=self.inplace)


class LogSigmoid(Activation):
    """``log(sigmoid(x))``; see :func:`functional.logsigmoid`."""

    def forward(self, input: Any) -> Any:
        return F.logsigmoid(input)


class Softsign(Activation):
    """``x / (1 + |x|)``; see :func:`functional.softsign`."""

    def forward(self, input: Any) -> Any:
        return F.softsign(input)


class Tanhshrink(Activation):
    """``x - tanh(x)``; see :func:`functional.tanhshrink`."""

    def forward(self, input: Any) -> Any:
        return F.tanhshrink(input)
