"""Penalties on the weights: ``L1`` and ``L2`` enter the gradient, ``WeightDecay`` does not.

They apply to weights: parameters with two axes or more. Biases, and the scales and shifts of normalisations, are left
alone unless ``everything=True``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_mp import optim
from tinygrad_mp.backend import xp
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn.arguments import Configured
from tinygrad_mp.writes import mark_written

STRENGTH = 1e-3
"""Of ``regularization="L1"`` and ``"L2"``."""


class Regularization(Configured):
    """Base: a strength, and what it applies to.

    Parameters
    ----------
    strength : float, at least 0
    everything : bool, default False
        Biases and the parameters of normalisations too.
    """

    def __init__(self, strength: float, everything: bool = False) -> None:
        if not 0 <= strength < float("inf"):
            raise SettingError(f"{type(self).__name__}: the strength must be a number, at least 0, not {strength!r}")
        self.strength, self.everything = strength, everything

    def applies_to(self, parameter: Any) -> bool:
        """Whether a parameter is regularised."""
        return parameter.requires_grad and (self.everything or parameter.ndim >= 2)

    def add_to_gradients(self, parameters: Iterable[Any]) -> None:
        """Add the gradient of the penalty to ``.grad``, in place; after the backward pass."""

    def shrink(self, groups: Iterable[dict[str, Any]]) -> None:
        """Make the parameters of the optimizer's groups smaller, in place; before its step."""

    def __repr__(self) -> str:
        more = ", everything=True" if self.everything else ""
        return f"{type(self).__name__}({self.strength}{more})"


class _Penalty(Regularization):
    def gradient(self, array: Any) -> Any:
        """Of the penalty, at the array of a parameter."""
        raise NotImplementedError

    def add_to_gradients(self, parameters: Iterable[Any]) -> None:
        for parameter in parameters:
            if parameter.grad is not None and self.strength and self.applies_to(parameter):
                parameter.grad.array[...] += self.gradient(parameter.array)
                mark_written(parameter.grad.array)


class L1(_Penalty):
    """Adds ``strength * sign(w)`` to the gradient: the penalty ``strength * sum(|w|)``, which makes weights zero.

    Source: Tibshirani, Regression shrinkage and selection via the lasso, 1996.

    >>> L1(0.01)
    L1(0.01)
    """

    def gradient(self, array: Any) -> Any:
        return xp(array).sign(array) * self.strength


class L2(_Penalty):
    """Adds ``strength * w`` to the gradient: the penalty ``strength / 2 * sum(w**2)``.

    With optimizers that scale the gradient, such as Adam, large gradients shrink this penalty too: there
    :class:`WeightDecay` is meant, and ``Model(regularization="L2")`` chooses it.

    Source: Krogh and Hertz, A simple weight decay can improve generalization, 1991.

    >>> L2(0.01)
    L2(0.01)
    """

    def gradient(self, array: Any) -> Any:
        return array * self.strength


class WeightDecay(Regularization):
    """Takes ``lr * strength * w`` off each weight before the step, apart from the gradient.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.

    >>> WeightDecay(0.01)
    WeightDecay(0.01)
    """

    def shrink(self, groups: Iterable[dict[str, Any]]) -> None:
        for group in groups:
            factor = 1 - float(group["lr"]) * self.strength
            for parameter in group["params"]:
                if parameter.grad is not None and self.applies_to(parameter):
                    parameter.array[...] *= factor
                    mark_written(parameter.array)


def as_regularizations(given: Any) -> list[Regularization | str]:
    """A list of regularisations, from one, several, names, or None. Names wait for the optimizer: :func:`settled`."""
    several = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    for one in several:
        if not isinstance(one, Regularization) and one not in ("L1", "L2"):
            raise SettingError(
                f"Model: unknown regularization {one!r}",
                fix='use "L1", "L2", or L1(strength), L2(strength), WeightDecay(strength) of tinygrad_mp.training',
            )
    return list(several)


def settled(given: list[Regularization | str], optimizer: Any) -> list[Regularization]:
    """With names replaced: ``"L2"`` is :class:`WeightDecay` for optimizers that scale the gradient, L2 for SGD."""
    l2 = L2 if isinstance(optimizer, (optim.SGD, optim.ASGD)) else WeightDecay
    named = {"L1": L1, "L2": l2}
    return [named[one](STRENGTH) if isinstance(one, str) else one for one in given]
