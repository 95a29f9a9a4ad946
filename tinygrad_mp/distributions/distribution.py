"""``Distribution``: what all distributions have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from tinygrad_mp.creation import as_tensor
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.constraints import Constraint, is_dependent
from tinygrad_mp.distributions.utils import lazy_property
from tinygrad_mp.errors import SettingError, ShapeError, UnsupportedError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.sizes import Size
from tinygrad_mp.tape import TensorBase

__all__ = ["Distribution"]


class Distribution:
    """A distribution of tensors, or a batch of them.

    A sample has the shape ``sample_shape + batch_shape + event_shape``: independent draws, of as many distributions as
    the parameters say, each of which gives an event.

    Parameters
    ----------
    batch_shape, event_shape : Size
    validate_args : bool, default True
        Check parameters, and values given to ``log_prob`` and ``cdf``.

    Errors
    ------
    SettingError (a ValueError) for a parameter or a value outside of what is allowed. UnsupportedError (a
    NotImplementedError) for what a distribution does not have, such as ``rsample`` of a discrete one.
    """

    has_rsample = False
    has_enumerate_support = False
    arg_constraints: Any = {}  # noqa: RUF012 - a property in some
    support: Any = constraints.dependent
    _validate_args: ClassVar[bool] = True

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether arguments are checked where ``validate_args`` is not given."""
        if not isinstance(value, bool):
            raise SettingError(f"set_default_validate_args: True or False, not {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            vars(self)["_validate_args"] = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            given = vars(self).get(name)
            if given is None and isinstance(getattr(type(self), name, None), (lazy_property, property)):
                continue  # computed from another parameter
            if is_dependent(constraint):
                continue
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise SettingError(
                    f"{type(self).__name__}: {name} ({_what(value)}) must be {constraint!r}; it is\n{_shown(value)}",
                    fix="correct it, or pass validate_args=False",
                )

    # --- shapes -------------------------------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one event."""
        return self._event_shape

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*Size(sample_shape), *self._batch_shape, *self._event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        """The same distribution in a larger batch: parameters are expanded, not copied."""
        shape = Size(batch_shape)
        new: Self = object.__new__(type(self))
        vars(new).update(vars(self))
        for name, constraint in self.arg_constraints.items():
            value = vars(self).get(name)
            if isinstance(value, TensorBase):
                event: tuple[int, ...] = value.array.shape[value.array.ndim - constraint.event_dim :]
                vars(new)[name] = value.expand((*shape, *event))  # type: ignore[attr-defined]
        if "_param" in vars(self):
            vars(new)["_param"] = vars(new).get("probs", vars(new).get("logits"))
        new._batch_shape = shape
        return new

    # --- draws --------------------------------------------------------------------------------------------------------

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draws of shape ``sample_shape + batch_shape + event_shape``, without gradients."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draws through which gradients flow to the parameters (reparameterised), where ``has_rsample`` says so."""
        raise UnsupportedError(f"{type(self).__name__}.rsample: draws are not differentiable", fix="use sample()")

    def sample_n(self, n: int) -> Any:
        """``sample((n,))``."""
        return self.sample((n,))

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _lacks(self, name: str) -> Any:
        raise UnsupportedError(f"{type(self).__name__} has no {name}")

    @property
    def mean(self) -> Any:
        """The mean."""
        return self._lacks("mean")

    @property
    def mode(self) -> Any:
        """The value of greatest density."""
        return self._lacks("mode")

    @property
    def variance(self) -> Any:
        """The variance."""
        return self._lacks("variance")

    @property
    def stddev(self) -> Any:
        """The square root of the variance."""
        return self.variance.sqrt()

    def log_prob(self, value: Any) -> Any:
        """The logarithm of the density, or probability, at ``value``; of shape ``sample_shape + batch_shape``."""
        return self._lacks("log_prob")

    def cdf(self, value: Any) -> Any:
        """The probability of values up to ``value``."""
        return self._lacks("cdf")

    def icdf(self, value: Any) -> Any:
        """The inverse of ``cdf``."""
        return self._lacks("icdf")

    def entropy(self) -> Any:
        """The entropy, in nats; of shape ``batch_shape``."""
        return self._lacks("entropy")

    def perplexity(self) -> Any:
        """``exp(entropy())``."""
        return self.entropy().exp()

    def enumerate_support(self, expand: bool = True) -> Any:
        """All values, along a new first axis; of discrete distributions with finitely many."""
        return self._lacks("enumerate_support")

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, TensorBase):
            raise SettingError(
                f"{type(self).__name__}: the value is a {type(value).__name__}, not a tensor",
                fix="make it one: tensor(value)",
            )
        found, wanted = value.array.shape, (*self._batch_shape, *self._event_shape)
        ndim = len(self._event_shape)
        if ndim and found[len(found) - ndim :] != tuple(self._event_shape):
            raise ShapeError(f"the value has shape {found}, and events have shape {tuple(self._event_shape)}")
        for given, own in zip(reversed(found), reversed(wanted), strict=False):
            if given != own and given != 1 and own != 1:
                raise ShapeError(f"the value's shape {found} does not broadcast with the distribution's {wanted}")
        if is_dependent(self.support):
            return
        if not bool(self.support.check(value).all()):
            raise SettingError(
                f"{self!r}: a value ({_what(value)}) must be {self.support!r}; it is\n{_shown(value)}",
                fix="correct it, or pass validate_args=False",
            )

    def __repr__(self) -> str:
        own = [(name, vars(self)[name]) for name in self.arg_constraints if name in vars(self)]
        texts = [f"{name}: {value.item() if value.numel() == 1 else value.shape}" for name, value in own]
        return f"{type(self).__name__}({', '.join(texts)})"


def _what(value: Any) -> str:
    return f"{type(value).__name__} of shape {tuple(as_tensor(value).shape)}"


def _shown(value: Any) -> str:
    return str(value.item() if value.ndim == 0 else value.detach())


def arguments(**constraint: Constraint) -> Mapping[str, Constraint]:
    """What parameters must be, by name."""
    return constraint
