"""Axes of a batch counted as axes of the event."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution
from tinygrad_mp.distributions.utils import sum_rightmost
from tinygrad_mp.errors import SettingError
from tinygrad_mp.sizes import Size

__all__ = ["Independent"]


class Independent(Distribution):
    """``base_distribution`` with the last ``reinterpreted_batch_ndims`` axes of its batch as axes of the event.

    ``log_prob`` and ``entropy`` sum over them.

    >>> import tinygrad_mp as tg
    >>> from tinygrad_mp.distributions import Normal
    >>> Independent(Normal(tg.zeros(2), 1.0), 1).log_prob(tg.zeros(3, 2)).shape
    Size([3])
    """

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        batch, event = base_distribution.batch_shape, base_distribution.event_shape
        if reinterpreted_batch_ndims > len(batch):
            raise SettingError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), "
                f"actual {reinterpreted_batch_ndims} vs {len(batch)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        cut = len(batch) - reinterpreted_batch_ndims
        super().__init__(batch[:cut], (*batch[cut:], *event), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        shape = Size(batch_shape)
        inner = (*shape, *self._event_shape[: self.reinterpreted_batch_ndims])
        return type(self)(self.base_dist.expand(inner), self.reinterpreted_batch_ndims, validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As of the base."""
        return self.base_dist.has_rsample

    @constraints.dependent_property
    def support(self) -> Any:
        """That of the base, for the whole event."""
        return constraints.independent(self.base_dist.support, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Any:
        return self.base_dist.mean

    @property
    def mode(self) -> Any:
        return self.base_dist.mode

    @property
    def variance(self) -> Any:
        return self.base_dist.variance

    def sample(self, sample_shape: Any = ()) -> Any:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Any:
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Any:
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
