"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp.distributions.location_scale import LocationScale
from tinygrad_mp.distributions.utils import open_uniforms

__all__ = ["Gumbel"]

_EULER = 0.57721566490153286060651209008240243


class Gumbel(LocationScale):
    """The largest of many draws, in the limit.

    >>> import tinygrad_mp as tg
    >>> Gumbel(0.0, 1.0).log_prob(tg.tensor(0.0))
    tensor(-1.)
    """

    @property
    def mean(self) -> Any:
        return self.loc + self.scale * _EULER

    @property
    def stddev(self) -> Any:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Any:
        return self.stddev**2

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(open_uniforms(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return (-((self.loc - value) / self.scale).exp()).exp()

    def icdf(self, value: Any) -> Any:
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Any:
        return self.scale.log() + (1 + _EULER)
