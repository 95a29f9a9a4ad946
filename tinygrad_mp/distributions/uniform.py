"""The uniform distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution
from tinygrad_mp.distributions.utils import broadcast_all, uniforms
from tinygrad_mp.errors import SettingError

__all__ = ["Uniform"]


class Uniform(Distribution):
    """Every number in ``[low, high)`` is equally likely.

    >>> import tinygrad_mp as tg
    >>> Uniform(0.0, 4.0).log_prob(tg.tensor(1.0))
    tensor(-1.3863)
    """

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)
        if self._validate_args and not bool((self.low < self.high).all()):
            raise SettingError(f"Uniform is not defined when low >= high: low is {self.low}, high is {self.high}")

    @property
    def arg_constraints(self) -> Any:
        """Each bound is bounded by the other."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property
    def support(self) -> Any:
        """From ``low`` to ``high``."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Any:
        return (self.low + self.high) / 2

    @property
    def mode(self) -> Any:
        return self.high * float("nan")

    @property
    def stddev(self) -> Any:
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Any:
        return (self.high - self.low) ** 2 / 12

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.low + uniforms(self._extended_shape(sample_shape), self.low) * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        inside = (value >= self.low) & (value < self.high)
        return ops.where(inside, -(self.high - self.low).log(), -float("inf"))

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Any) -> Any:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        return (self.high - self.low).log()
