"""Activations of straight pieces and exponential units as modules; the functions are in :mod:`.functional`."""

from __future__ import annotations

import warnings
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.creation import full
from tinygrad_mp.nn import init
from tinygrad_mp.nn.activations import Activation, InPlaceActivation
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter


class Hardtanh(InPlaceActivation):
    """``x`` brought into ``[min_val, max_val]``; see :func:`functional.hardtanh`.

    Errors
    ------
    AssertionError if ``min_val`` is not smaller, as in PyTorch.
    """

    settings: tuple[str, ...] = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                warnings.warn(f"Hardtanh: {old} is now {new}", FutureWarning, stacklevel=2)
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        assert self.max_val > self.min_val, f"Hardtanh: max_val {self.max_val} must be above min_val {self.min_val}"
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """``min(max(x, 0), 6)``; see :func:`functional.relu6`."""

    settings = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class _Plain(InPlaceActivation):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return ""


class Hardsigmoid(_Plain):
    """``min(max(x + 3, 0), 6) / 6``; see :func:`functional.hardsigmoid`."""

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input, self.inplace)


class Hardswish(_Plain):
    """``x * hardsigmoid(x)``; see :func:`functional.hardswish`."""

    def forward(self, input: Any) -> Any:
        return F.hardswish(input, self.inplace)


class Threshold(InPlaceActivation):
    """``x`` where it is above ``threshold``, ``value`` elsewhere; see :func:`functional.threshold`."""

    settings = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Any) -> Any:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class _Shrink(Activation):
    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(_Shrink):
    """``x`` moved towards 0 by ``lambd``, and 0 where it is no larger; see :func:`functional.softshrink`."""

    def forward(self, input: Any) -> Any:
        return F.softshrink(input, self.lambd)


class Hardshrink(_Shrink):
    """``x`` where its size is above ``lambd``, 0 elsewhere; see :func:`functional.hardshrink`."""

    def forward(self, input: Any) -> Any:
        return F.hardshrink(input, self.lambd)


class SELU(InPlaceActivation):
    """``scale * elu(x, alpha)`` for self-normalizing networks; see :func:`functional.selu`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.selu(input, self.inplace)


class CELU(InPlaceActivation):
    """``x`` where positive, ``alpha * (e**(x / alpha) - 1)`` elsewhere; see :func:`functional.celu`."""

    settings = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Any) -> Any:
        return F.celu(input, self.alpha, self.inplace)


class RReLU(InPlaceActivation):
    """In training, slopes below zero are drawn from U(lower, upper), else their mean; see :func:`functional.rrelu`."""

    settings = ("lower", "upper")

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Any) -> Any:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Module):
    """``x`` where positive, ``weight * x`` elsewhere, with learned slopes; see :func:`functional.prelu`.

    Parameters
    ----------
    num_parameters : int, default 1
        1, or the number of channels, which lie along axis 1.
    init : float, default 0.25
        The first value of each slope.
    device, dtype : optional
        Of the slopes; by default the CPU and the default dtype.

    Source: He et al., Delving deep into rectifiers, 2015. Do without weight decay on the slopes.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.PReLU()(tensor([-1.0, 2.0]))
    tensor([-0.2500,  2.0000], grad_fn=<prelu>)
    """

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), init, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Give every slope its first value again."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
