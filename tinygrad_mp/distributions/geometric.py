"""The geometric distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.bernoulli import one_of
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    open_uniforms,
    probs_to_logits,
)
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops.loss import binary_cross_entropy_with_logits

__all__ = ["Geometric"]


class Geometric(Distribution):
    """How many trials fail before the first success, which has probability ``probs``.

    >>> import tinygrad_mp as tg
    >>> Geometric(0.5).log_prob(tg.tensor(1.0))
    tensor(-1.3863)
    """

    arg_constraints = arguments(probs=constraints.unit_interval, logits=constraints.real)
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of(probs, logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        (vars(self)[name],) = broadcast_all(given)
        self._param = vars(self)[name]
        super().__init__(self._param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise SettingError(f"Geometric: probs must be positive, and some are not: {self.probs}")

    @lazy_property
    def logits(self) -> Any:
        """The logarithm of the odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def mean(self) -> Any:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Any:
        return self.probs.detach() * 0

    @property
    def variance(self) -> Any:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            uniform = open_uniforms(self._extended_shape(sample_shape), self.probs)
            failing = (-self.probs.clamp(max=1 - 1e-7)).log1p()
            return (uniform.log() / failing).floor()

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        failing = ops.where((probs == 1) & (value == 0), 0.0, probs)
        return value * (-failing).log1p() + self.probs.log()

    def entropy(self) -> Any:
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
