"""The normal distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp.distributions.location_scale import LocationScale
from tinygrad_mp.distributions.utils import normals

__all__ = ["Normal"]


class Normal(LocationScale):
    """The normal distribution with mean ``loc`` and standard deviation ``scale``, numbers or tensors.

    >>> import tinygrad_mp as tg
    >>> normal = Normal(0.0, 2.0)
    >>> normal.log_prob(tg.tensor([0.0, 2.0])), normal.cdf(tg.tensor(0.0))
    (tensor([-1.6121, -2.1121]), tensor(0.5000))
    """

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        return self.scale

    @property
    def variance(self) -> Any:
        return self.scale**2

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.loc + normals(self._extended_shape(sample_shape), self.loc) * self.scale

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Any) -> Any:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Any:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()
