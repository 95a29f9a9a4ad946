"""Student's t-distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import broadcast_all, drawn_by_numpy, normals
from tinygrad_mp.grad_mode import no_grad

__all__ = ["StudentT"]


class StudentT(Distribution):
    """A normal number over the root of a chi-squared one with ``df`` degrees of freedom, over ``df``.

    Unlike PyTorch's it has no ``rsample``.

    >>> import tinygrad_mp as tg
    >>> StudentT(1.0).log_prob(tg.tensor(0.0))
    tensor(-1.1447)
    """

    arg_constraints = arguments(df=constraints.positive, loc=constraints.real, scale=constraints.positive)
    support = constraints.real

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Any:
        return ops.where(self.df <= 1, float("nan"), self.loc)

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        finite = self.scale**2 * self.df / ops.where(self.df > 2, self.df - 2, 1.0)
        return ops.where(self.df > 2, finite, ops.where(self.df > 1, float("inf"), float("nan")).to(finite.dtype))

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            shape = self._extended_shape(sample_shape)
            chi2 = drawn_by_numpy("chisquare", self.df, shape, self.df)
            return self.loc + self.scale * normals(shape, self.df) * (chi2 / self.df).rsqrt()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        norm = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
        norm = norm + (0.5 * self.df).lgamma() - (0.5 * (self.df + 1)).lgamma()
        return -0.5 * (self.df + 1) * (y**2 / self.df).log1p() - norm

    def entropy(self) -> Any:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = half.lgamma() + math.lgamma(0.5) - more.lgamma()
        return self.scale.log() + more * (more.digamma() - half.digamma()) + 0.5 * self.df.log() + log_beta
