"""The Gumbel distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import broadcast_all, open_uniforms

__all__ = ["Gumbel"]

_EULER = 0.57721566490153286060651209008240243


class Gumbel(Distribution):
    """The largest of many draws, in the limit.

    >>> import tinygrad_mp as tg
    >>> Gumbel(0.0, 1.0).log_prob(tg.tensor(0.0))
    tensor(-1.)
    """

    arg_constraints = arguments(loc=constraints.real, scale=constraints.positive)
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.loc + self.scale * _EULER

    @property
    def mode(self) -> Any:
        return self.loc

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
