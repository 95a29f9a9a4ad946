"""The Laplace distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions.location_scale import LocationScale
from tinygrad_mp.distributions.utils import open_uniforms

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """Exponential to both sides of ``loc``, with mean distance ``scale``.

    >>> import tinygrad_mp as tg
    >>> Laplace(0.0, 1.0).log_prob(tg.tensor(1.0))
    tensor(-1.6931)
    """

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def stddev(self) -> Any:
        return 2**0.5 * self.scale

    @property
    def variance(self) -> Any:
        return 2 * self.scale**2

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._quantile(open_uniforms(self._extended_shape(sample_shape), self.loc) - 0.5)

    def _quantile(self, centred: Any) -> Any:
        return self.loc - self.scale * centred.sign() * (-2 * centred.abs()).log1p()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        difference = value - self.loc
        return 0.5 - 0.5 * difference.sign() * (-difference.abs() / self.scale).expm1()

    def icdf(self, value: Any) -> Any:
        return self._quantile(value - 0.5)

    def entropy(self) -> Any:
        return 1 + (2 * self.scale).log()
