"""The Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp.creation import full
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import broadcast_all, open_uniforms

__all__ = ["Cauchy"]


class Cauchy(Distribution):
    """The ratio of two normal numbers, moved to ``loc`` and stretched by ``scale``; it has no mean.

    >>> import tinygrad_mp as tg
    >>> Cauchy(0.0, 1.0).log_prob(tg.tensor(1.0))
    tensor(-1.8379)
    """

    arg_constraints = arguments(loc=constraints.real, scale=constraints.positive)
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return full(self._batch_shape, float("nan"), dtype=self.loc.dtype, device=self.loc.device)

    @property
    def mode(self) -> Any:
        return self.loc

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
