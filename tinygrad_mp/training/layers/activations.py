"""Activations that nn has with fewer settings: learned slopes for as many channels as there are, and a temperature."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp import nn
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.training.layers.inferring import Inferring
from tinygrad_mp.training.layers.starting import Initialization


class PReLU(Inferring, nn.PReLU):
    """``x`` where positive, ``weight * x`` elsewhere, with slopes that are learned: one, or one for each channel.

    Parameters
    ----------
    per_channel : bool, default False
        A slope for each entry of axis 1, as many as the first input has.
    init : float, default 0.25
        The first value of each slope.

    Source: He et al., Delving deep into rectifiers, 2015.

    >>> from tinygrad_mp import tensor
    >>> layer = PReLU(per_channel=True)
    >>> layer(tensor([[-1.0, 2.0]])), tuple(layer.weight.shape)
    (tensor([[-0.2500,  2.0000]], grad_fn=<prelu>), (2,))
    """

    def __init__(self, per_channel: Any = False, init: float = 0.25) -> None:
        Module.__init__(self)
        if not isinstance(per_channel, bool):
            fix = "the number of channels is found out: PReLU(per_channel=True), or nn.PReLU(channels)"
            raise SettingError(f"PReLU: per_channel must be True or False, not {per_channel!r}", fix=fix)
        if not math.isfinite(init):
            raise SettingError(f"PReLU: init must be a finite number, not {init!r}")
        self.per_channel, self.init = per_channel, init
        self._wait_for(("weight",))

    def _anchor_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (input_shape[1] if self.per_channel and len(input_shape) > 1 else 1,)

    def _shape_of(self, name: str, anchor: tuple[int, ...]) -> tuple[int, ...]:
        return (anchor[0] if self.per_channel and anchor else 1,)

    def _settle(self, anchor: tuple[int, ...]) -> None:
        self.num_parameters = anchor[0]

    def _draw(self, generator: Any) -> Initialization:
        init.constant_(self.weight, self.init)
        return Initialization(f"slope {self.init:g}", "a learned slope")

    def forward(self, input: Any) -> Any:
        if not self.built:
            self.build(input.shape)
        return F.prelu(input, self.weight)


class Softmax(nn.Softmax):
    """``softmax(x / temperature)``: numbers along an axis as probabilities.

    Train on logits with a loss that takes them instead, which is exact where this rounds to 0 or 1.

    Parameters
    ----------
    temperature : float, default 1.0
        Above 1 the probabilities come closer to each other, below 1 the largest stands out.
    dim : int, default -1

    Errors
    ------
    SettingError for a temperature that is not positive.

    >>> from tinygrad_mp import tensor
    >>> Softmax(2.0)(tensor([[0.0, 2.0]]))
    tensor([[0.2689, 0.7311]])
    """

    settings: tuple[str, ...] = ("temperature", "dim")

    def __init__(self, temperature: float = 1.0, dim: int = -1) -> None:
        super().__init__(dim)
        if not 0 < temperature < math.inf:
            fix = "the axis is named: Softmax(dim=1)"
            raise SettingError(f"Softmax: the temperature must be positive and finite, not {temperature!r}", fix=fix)
        self.temperature = temperature

    def forward(self, input: Any) -> Any:
        return F.softmax(input if self.temperature == 1 else input / self.temperature, self.dim)
