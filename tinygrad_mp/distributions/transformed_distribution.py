"""Distributions of what a transform makes of draws."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution
from tinygrad_mp.distributions.independent import Independent
from tinygrad_mp.distributions.transforms import ComposeTransform, Transform
from tinygrad_mp.distributions.utils import sum_rightmost
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """What one or several transforms, in order, make of draws of ``base_distribution``.

    >>> import tinygrad_mp as tg
    >>> from tinygrad_mp.distributions import Normal, TanhTransform
    >>> squashed = TransformedDistribution(Normal(0.0, 1.0), [TanhTransform(cache_size=1)])
    >>> squashed.log_prob(tg.tensor(0.5))
    tensor(-0.7821)
    """

    def __init__(self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None) -> None:
        if isinstance(transforms, Transform):
            transforms = [transforms]
        if not isinstance(transforms, list) or not all(isinstance(one, Transform) for one in transforms):
            raise SettingError(f"transforms must be a Transform or a list of Transforms, not {transforms!r}")
        self.transforms: list[Transform] = transforms
        domain = max((one.domain.event_dim for one in transforms), default=0)
        missing = domain - len(base_distribution.event_shape)
        self.base_dist = Independent(base_distribution, missing) if missing > 0 else base_distribution
        super().__init__(self.base_dist.batch_shape, self.base_dist.event_shape, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape)
        new.base_dist = self.base_dist.expand(batch_shape)
        return new

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As of the base."""
        return self.base_dist.has_rsample

    @constraints.dependent_property
    def support(self) -> Any:
        """Where the last transform leads."""
        if not self.transforms:
            return self.base_dist.support
        codomain = self.transforms[-1].codomain
        missing = len(self.event_shape) - codomain.event_dim
        return constraints.independent(codomain, missing) if missing > 0 else codomain

    def _transformed(self, x: Any) -> Any:
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return self._transformed(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self._transformed(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        total: Any = 0.0
        ndim = len(self.event_shape)
        y = value
        for transform in reversed(self.transforms):
            x = transform.invert(y)
            stretch = transform.log_abs_det_jacobian(x, y)
            total = total - sum_rightmost(stretch, ndim - transform.domain.event_dim)
            y = x
        return total + self.base_dist.log_prob(y)

    def cdf(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        below = self.base_dist.cdf(ComposeTransform(self.transforms).invert(value))
        return self._turned(below)

    def icdf(self, value: Any) -> Any:
        return self._transformed(self.base_dist.icdf(self._turned(value)))

    def _turned(self, probability: Any) -> Any:
        """``1 - p`` where the transforms together fall."""
        sign = ComposeTransform(self.transforms).sign
        return sign * (probability - 0.5) + 0.5
