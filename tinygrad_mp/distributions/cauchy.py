"""The Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp.creation import full
from tinygrad_mp.distributions.location_scale import LocationScale
from tinygrad_mp.distributions.utils import open_uniforms

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """The ratio of two normal numbers, moved to ``loc`` and stretched by ``scale``; it has no mean.

    >>> import tinygrad_mp as tg
    >>> Cauchy(0.0, 1.0).log_prob(tg.tensor(1.0))
    tensor(-1.8379)
    """

    @property
    def mean(self) -> Any:
        return full(self._batch_shape, float("nan"), dtype=self.loc.dtype, device=self.loc.device)

    @property
    def variance(self) -> Any:
        return full(self._batch_shape, float("inf"), dtype=self.loc.dtype, device=self.loc.device)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.icdf(open_uniforms(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Any) -> Any:
        return (math.pi * (value - 0.5)).tan() * self.scale + self.loc

    def entropy(self) -> Any:
        return math.log(4 * math.pi) + self.scale.log()
