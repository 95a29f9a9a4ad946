"""Mixtures."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.categorical import Categorical
from tinygrad_mp.distributions.distribution import Distribution
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops.softmax import log_softmax

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """One of the distributions along the last axis of a batch, chosen by ``mixture_distribution``.

    >>> import tinygrad_mp as tg
    >>> from tinygrad_mp.distributions import Categorical, Normal
    >>> two = MixtureSameFamily(Categorical(tg.ones(2)), Normal(tg.tensor([-1.0, 1.0]), 1.0))
    >>> two.log_prob(tg.tensor(0.0))
    tensor(-1.4189)
    """

    def __init__(
        self, mixture_distribution: Any, component_distribution: Distribution, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise SettingError("the mixture distribution must be a Categorical")
        if not isinstance(component_distribution, Distribution):
            raise SettingError("the component distribution must be a Distribution")
        batch = component_distribution.batch_shape
        if not batch or batch[-1] != mixture_distribution.probs.shape[-1]:
            raise SettingError(
                f"the mixture chooses among {mixture_distribution.probs.shape[-1]}, "
                f"and the last axis of the components' batch is {tuple(batch[-1:])}"
            )
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(batch[:-1], component_distribution.event_shape, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape)
        count = self.component_distribution.batch_shape[-1]
        new.component_distribution = self.component_distribution.expand((*batch_shape, count))
        new.mixture_distribution = self.mixture_distribution.expand(tuple(batch_shape))
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        """That of the components."""
        return self.component_distribution.support

    def _weights(self) -> Any:
        """The probabilities of the components, with axes for the event."""
        probs = self.mixture_distribution.probs
        return probs.reshape(*probs.shape, *(1,) * len(self._event_shape))

    @property
    def _axis(self) -> int:
        return -1 - len(self._event_shape)

    @property
    def mean(self) -> Any:
        return (self._weights() * self.component_distribution.mean).sum(self._axis)

    @property
    def variance(self) -> Any:
        inside = (self._weights() * self.component_distribution.variance).sum(self._axis)
        apart = (self.component_distribution.mean - self.mean.unsqueeze(self._axis)) ** 2
        return inside + (self._weights() * apart).sum(self._axis)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            chosen = self.mixture_distribution.sample(sample_shape)
            drawn = self.component_distribution.sample(sample_shape)
            chosen = chosen.expand(drawn.shape[: chosen.ndim])
            chosen = chosen.reshape(*chosen.shape, *(1,) * (1 + len(self._event_shape)))
            index = chosen.expand((*chosen.shape[: drawn.ndim + self._axis], 1, *self._event_shape))
            return drawn.gather(drawn.ndim + self._axis, index).squeeze(self._axis)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        parts = self.component_distribution.log_prob(value.unsqueeze(self._axis))
        return ops.logsumexp(parts + log_softmax(self.mixture_distribution.logits, -1), -1)

    def cdf(self, value: Any) -> Any:
        below = self.component_distribution.cdf(value.unsqueeze(self._axis))
        return (below * self.mixture_distribution.probs).sum(-1)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
