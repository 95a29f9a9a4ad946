"""The Dirichlet distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import drawn_by_numpy
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops.gathering import one_hot
from tinygrad_mp.ops.special import xlogy

__all__ = ["Dirichlet"]


class Dirichlet(Distribution):
    """Probabilities that sum to 1, with ``concentration`` along the last axis. Unlike PyTorch's, without ``rsample``.

    >>> import tinygrad_mp as tg
    >>> Dirichlet(tg.tensor([2.0, 2.0])).log_prob(tg.tensor([0.5, 0.5]))
    tensor(0.4055)
    """

    arg_constraints = arguments(concentration=constraints.independent(constraints.positive, 1))
    support = constraints.simplex

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise SettingError(
                "concentration has no axes: its last one counts the parts", fix="give it shape (..., parts)"
            )
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    @property
    def mean(self) -> Any:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Any:
        above = (self.concentration - 1).clamp(min=0)
        corner = (self.concentration < 1).all(-1).unsqueeze(-1)  # all mass at the corner of the largest
        largest = one_hot(self.concentration.argmax(-1), self._event_shape[0]).to(above.dtype)
        total = ops.where(corner, 1.0, above.sum(-1, keepdim=True))
        return ops.where(corner, largest, above / total)

    @property
    def variance(self) -> Any:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def sample(self, sample_shape: Any = ()) -> Any:
        with no_grad():
            shape = self._extended_shape(sample_shape)
            drawn = drawn_by_numpy("standard_gamma", self.concentration, shape, self.concentration)
            return drawn / drawn.sum(-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        own = self.concentration
        return xlogy(own - 1, value).sum(-1) + own.sum(-1).lgamma() - own.lgamma().sum(-1)

    def entropy(self) -> Any:
        own, count = self.concentration, self._event_shape[0]
        total = own.sum(-1)
        log_beta = own.lgamma().sum(-1) - total.lgamma()
        return log_beta - (count - total) * total.digamma() - ((own - 1) * own.digamma()).sum(-1)
