"""The Poisson distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import broadcast_all, drawn_by_numpy
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops.special import xlogy

__all__ = ["Poisson"]


class Poisson(Distribution):
    """How many events come in a time in which ``rate`` are expected.

    >>> import tinygrad_mp as tg
    >>> Poisson(2.0).log_prob(tg.tensor(1.0))
    tensor(-1.3069)
    """

    arg_constraints = arguments(rate=constraints.nonnegative)
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return self.rate

    @property
    def mode(self) -> Any:
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return drawn_by_numpy("poisson", self.rate, self._extended_shape(sample_shape), self.rate)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return xlogy(value, self.rate) - self.rate - (value + 1).lgamma()
