"""A continuous relaxation of the Bernoulli distribution."""

from __future__ import annotations

import math
from typing import Any

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
from tinygrad_mp.ops.activation import sigmoid, softplus

__all__ = ["RelaxedBernoulli"]


class RelaxedBernoulli(Distribution):
    """Numbers near 0 or 1: 0 and 1 themselves at ``temperature`` 0, differentiable above.

    Source: Maddison, Mnih and Teh, The concrete distribution, 2017.

    >>> import tinygrad_mp as tg
    >>> 0 < RelaxedBernoulli(0.5, probs=0.5).rsample().item() < 1
    True
    """

    arg_constraints = arguments(probs=constraints.unit_interval, logits=constraints.real)
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        one_of(probs, logits)
        self.temperature = temperature
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        (vars(self)[name],) = broadcast_all(given)
        self._param = vars(self)[name]
        super().__init__(self._param.shape, validate_args=validate_args)

    @lazy_property
    def logits(self) -> Any:
        """The logarithm of the odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """The probability of being nearer to 1."""
        return logits_to_probs(self.logits, is_binary=True)

    def rsample(self, sample_shape: Any = ()) -> Any:
        uniform = open_uniforms(self._extended_shape(sample_shape), self.logits)
        logistic = uniform.log() - (-uniform).log1p()
        return sigmoid((logistic + self.logits) / self.temperature)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        temperature = self.temperature
        log_temperature = temperature.log() if hasattr(temperature, "log") else math.log(temperature)
        odds = value.log() - (-value).log1p()
        difference = self.logits - odds * temperature
        density = log_temperature + difference - 2 * softplus(difference)
        return density + softplus(-odds) + softplus(odds)
