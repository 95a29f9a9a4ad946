"""The categorical distribution, over the integers below a number."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp import ops
from tinygrad_mp.creation import arange, full
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.bernoulli import one_of
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import lazy_property, logits_to_probs, probs_to_logits
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.random import multinomial

__all__ = ["Categorical"]


class Categorical(Distribution):
    """The integers 0 to n - 1, with probabilities along the last axis of ``probs``, or ``logits``.

    ``probs`` need not sum to 1, nor ``logits`` be normalised: both are.

    >>> import tinygrad_mp as tg
    >>> Categorical(tg.tensor([1.0, 3.0])).log_prob(tg.tensor([0, 1]))
    tensor([-1.3863, -0.2877])
    """

    arg_constraints = arguments(probs=constraints.simplex, logits=constraints.real_vector)
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of(probs, logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        if given.ndim < 1:
            raise SettingError(
                f"{name} has no axes: its last one counts the classes", fix="give it shape (..., classes)"
            )
        if probs is not None:
            self._param = vars(self)["probs"] = probs / probs.sum(-1, keepdim=True)
        else:
            self._param = vars(self)["logits"] = logits - ops.logsumexp(logits, -1, keepdim=True)
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @property
    def _num_events(self) -> int:
        return int(self._param.shape[-1])

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> Any:
        """The integers below the number of categories."""
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self) -> Any:
        """Logarithms of the probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Any:
        """The probabilities."""
        return logits_to_probs(self.logits)

    @property
    def param_shape(self) -> Any:
        """The shape of ``probs``."""
        return self._param.shape

    @property
    def mean(self) -> Any:
        return full(self._batch_shape, float("nan"), dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mode(self) -> Any:
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Any:
        return self.mean

    def sample(self, sample_shape: Any = ()) -> Any:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            rows = self.probs.detach().reshape(-1, self._num_events)
            count = shape[: len(shape) - len(self._batch_shape)].numel()
            return multinomial(rows, count, True).T.reshape(shape)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        value = value.long().unsqueeze(-1)
        shape = numpy.broadcast_shapes(value.shape[:-1], self.logits.shape[:-1])
        logits = self.logits.expand((*shape, self._num_events))
        return logits.gather(-1, value.expand((*shape, 1))).squeeze(-1)

    def entropy(self) -> Any:
        logits = self.logits.clamp(min=float(numpy.finfo(self.logits.array.dtype).min))
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        values = arange(self._num_events, device=self._param.device)
        values = values.reshape(-1, *(1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
