"""The log-normal distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import arguments
from tinygrad_mp.distributions.normal import Normal
from tinygrad_mp.distributions.transformed_distribution import TransformedDistribution
from tinygrad_mp.distributions.transforms import ExpTransform

__all__ = ["LogNormal"]


class LogNormal(TransformedDistribution):
    """Numbers whose logarithm is normal with mean ``loc`` and standard deviation ``scale``.

    >>> import tinygrad_mp as tg
    >>> LogNormal(0.0, 1.0).log_prob(tg.tensor(1.0))
    tensor(-0.9189)
    """

    arg_constraints = arguments(loc=constraints.real, scale=constraints.positive)
    support = constraints.positive
    base_dist: Any

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        super().__init__(Normal(loc, scale, validate_args=validate_args), ExpTransform(), validate_args)

    @property
    def loc(self) -> Any:
        """The mean of the logarithm."""
        return self.base_dist.loc

    @property
    def scale(self) -> Any:
        """The standard deviation of the logarithm."""
        return self.base_dist.scale

    @property
    def mean(self) -> Any:
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Any:
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Any:
        return (self.scale**2).expm1() * (2 * self.loc + self.scale**2).exp()

    def entropy(self) -> Any:
        return self.base_dist.entropy() + self.loc
