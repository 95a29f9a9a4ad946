"""A continuous relaxation of the categorical distribution."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.categorical import Categorical
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import open_uniforms
from tinygrad_mp.ops.softmax import softmax

__all__ = ["RelaxedOneHotCategorical"]


class RelaxedOneHotCategorical(Distribution):
    """Points of the simplex near its corners: one-hot draws at ``temperature`` 0, differentiable above.

    Source: Maddison, Mnih and Teh, The concrete distribution, 2017; Jang, Gu and Poole, Gumbel-softmax, 2017.

    >>> import tinygrad_mp as tg
    >>> RelaxedOneHotCategorical(0.5, logits=tg.zeros(3)).rsample().shape
    Size([3])
    """

    arg_constraints = arguments(probs=constraints.simplex, logits=constraints.real_vector)
    support = constraints.simplex
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        self.temperature = temperature
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape)
        new._categorical = self._categorical.expand(batch_shape)
        return new

    @property
    def probs(self) -> Any:
        """The probabilities of the corners."""
        return self._categorical.probs

    @property
    def logits(self) -> Any:
        """Their logarithms."""
        return self._categorical.logits

    def rsample(self, sample_shape: Any = ()) -> Any:
        uniform = open_uniforms(self._extended_shape(sample_shape), self.logits)
        gumbel = -(-uniform.log()).log()
        return softmax((self.logits + gumbel) / self.temperature, -1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        count = self._event_shape[0]
        temperature = self.temperature
        log_temperature = temperature.log() if hasattr(temperature, "log") else math.log(temperature)
        logs = value.log()
        score = self.logits - logs * temperature
        score = (score - ops.logsumexp(score, -1, keepdim=True)).sum(-1)
        return score + math.lgamma(count) + (count - 1) * log_temperature - logs.sum(-1)
