"""The half-normal distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.normal import Normal
from tinygrad_mp.distributions.utils import broadcast_all

__all__ = ["HalfNormal"]


class HalfNormal(Distribution):
    """The absolute value of a normal number with mean 0 and standard deviation ``scale``.

    >>> import tinygrad_mp as tg
    >>> HalfNormal(1.0).log_prob(tg.tensor(0.0))
    tensor(-0.2258)
    """

    arg_constraints = arguments(scale=constraints.positive)
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def _normal(self) -> Normal:
        return Normal(self.scale * 0, self.scale, validate_args=False)

    @property
    def mean(self) -> Any:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Any:
        return self.scale * 0

    @property
    def variance(self) -> Any:
        return self.scale**2 * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._normal.rsample(sample_shape).abs()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return ops.where(value >= 0, self._normal.log_prob(value) + math.log(2), -float("inf"))

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self._normal.cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        return self._normal.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        return self._normal.entropy() - math.log(2)
