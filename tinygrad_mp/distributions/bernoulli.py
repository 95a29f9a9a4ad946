"""The Bernoulli distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops.loss import binary_cross_entropy_with_logits
from tinygrad_mp.random import bernoulli

__all__ = ["Bernoulli"]


def one_of(probs: Any, logits: Any) -> None:
    """Raise unless exactly one of the two is given."""
    if (probs is None) == (logits is None):
        raise SettingError("either probs or logits must be specified, but not both")


class Bernoulli(Distribution):
    """1 with probability ``probs``, otherwise 0; or by ``logits``, the logarithm of the odds.

    >>> import tinygrad_mp as tg
    >>> Bernoulli(0.25).log_prob(tg.tensor([0.0, 1.0]))
    tensor([-0.2877, -1.3863])
    """

    arg_constraints = arguments(probs=constraints.unit_interval, logits=constraints.real)
    support = constraints.boolean
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of(probs, logits)
        if probs is not None:
            (vars(self)["probs"],) = broadcast_all(probs)
        else:
            (vars(self)["logits"],) = broadcast_all(logits)
        self._param = self.logits if probs is None else self.probs
        super().__init__(self._param.shape, validate_args=validate_args)

    @lazy_property
    def logits(self) -> Any:
        """The logarithm of the odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability of 1."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def mean(self) -> Any:
        return self.probs

    @property
    def mode(self) -> Any:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return ops.where(self.probs == 0.5, float("nan"), mode)

    @property
    def variance(self) -> Any:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            return bernoulli(self.probs.detach().expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Any:
        values = ops.stack([self._param.detach() * 0, self._param.detach() * 0 + 1])
        if expand:
            return values
        return values.reshape(2, -1)[:, 0].reshape(2, *(1,) * len(self._batch_shape))
