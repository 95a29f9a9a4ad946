"""``find_learning_rate``: tries learning rates from tiny to huge, and suggests one."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy

from tinygrad_mp.errors import SettingError
from tinygrad_mp.training.callbacks.base import Callback
from tinygrad_mp.training.untouched import same_random_numbers

__all__ = ["RateFinding", "find_learning_rate"]

_HOPELESS = 4.0  # times the lowest loss so far: larger rates need not be tried
_CLEAR = 5.0  # times its own noise, the fall of the smoothed losses is no chance
_MEMORY = 0.8  # of the running mean by which that is judged


class RateFinding:
    """What :func:`find_learning_rate` found.

    Attributes
    ----------
    rates, losses : list of float
        The rates that were tried, rising, and the loss of the batch that was trained with each.
    smoothed : list of float
        The losses, each averaged with its neighbours.
    suggestion : float or None
        The rate at which the smoothed loss has come half the way down to its lowest; None if it does not fall, or not
        clearly. It is about where the loss falls fastest, and less at the mercy of noise than a slope. Somewhat smaller
        rates are the safer choice for long trainings, and larger ones for schedules that lower them.

    >>> rates = [10.0**power for power in range(-7, 2)]
    >>> RateFinding(rates, [2.0, 2.0, 2.0, 1.9, 1.6, 1.1, 0.9, 1.1, 5.0])
    RateFinding: 9 rates from 1e-07 to 10; half of the fall is behind at 0.001
    """

    def __init__(self, rates: list[float], losses: list[float]) -> None:
        self.rates, self.losses = rates, losses
        self.smoothed = _smoothed(losses)
        place = _halfway(losses, self.smoothed)
        self.suggestion = None if place is None else rates[place]

    def __repr__(self) -> str:
        tried = f"RateFinding: {len(self.rates)} rates from {self.rates[0]:.3g} to {self.rates[-1]:.3g}"
        if self.suggestion is None:
            return f"{tried}; the loss does not fall clearly: try other rates, more steps, or model.diagnose(X, y)"
        return f"{tried}; half of the fall is behind at {self.suggestion:.2g}"

    def plot(self, path: Any = None) -> Any:
        """Draw loss over rate, with the suggestion; stored at ``path``, if given. Returns the matplotlib figure."""
        from tinygrad_mp.training.charts import draw_rates

        return draw_rates(self, path)


def find_learning_rate(
    model: Any,
    X: Any,
    y: Any = None,
    lowest: float = 1e-7,
    highest: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
    callbacks: Sequence[Any] = (),
    **settings: Any,
) -> RateFinding:
    """Train a copy of the model for some batches, each with a larger learning rate, and see when the loss falls.

    Parameters
    ----------
    model : Model
        It, its optimizer, and all random numbers stay as they are, to the bit, and also if this fails.
    X, y
        As of ``Model.train``.
    lowest, highest : float, default 1e-7 and 1.0
        The first rate and the last; each is larger than the one before by the same factor. It ends earlier when the
        loss grows to four times its lowest.
    steps : int, default 100
        How many rates, at least 2: so many batches are trained, several times over the data if need be.
    batch_size : int, default 32
    callbacks : sequence of Callback
        They get the copy's training.
    **settings
        Further arguments of ``Model.train``, such as sample weights and clipping.

    Returns
    -------
    RateFinding

    Errors
    ------
    SettingError unless 0 < lowest < highest and steps > 1, or if the very first loss is not finite. What
    ``Model.train`` raises.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3.
    """
    if not 0 < lowest < highest < math.inf:
        raise SettingError(f"rates rise from lowest to highest and are above 0, got {lowest!r} and {highest!r}")
    if isinstance(steps, bool) or int(steps) != steps or steps < 2:
        raise SettingError(f"steps is an integer of at least 2, got {steps!r}")
    sweep = _Sweep(numpy.geomspace(lowest, highest, int(steps)).tolist())
    with same_random_numbers(X), suppress(_EnoughError):
        copy.deepcopy(model).train(
            X,
            y,
            **{"auto_evaluation": 0.0, "verbose": 0, **settings},
            epochs=int(steps),  # enough, whatever the number of batches
            batch_size=batch_size,
            callbacks=[sweep, *callbacks],
        )
    if len(sweep.losses) < 2:
        raise SettingError(
            f"the loss was {sweep.first:g} at the lowest rate already",
            fix="look at model.diagnose(X, y), and try a smaller lowest",
        )
    return RateFinding(sweep.rates[: len(sweep.losses)], sweep.losses)


class _EnoughError(Exception):
    """Ends the training of the copy."""


class _Sweep(Callback):
    """Sets the rate of each batch, and writes its loss down."""

    order = -2  # before NaNGuard: a loss that is not finite is the end, not an error

    def __init__(self, rates: list[float]) -> None:
        self.rates = rates
        self.losses: list[float] = []
        self.first = math.nan
        self._scales: list[float] = []
        self._running, self._lowest = 0.0, math.inf

    def on_batch_begin(self, training: Any) -> None:
        groups = training.optimizer.param_groups
        if len(self.losses) == len(self.rates):
            raise _EnoughError
        if not self._scales:  # groups keep their proportions
            first = float(groups[0]["lr"]) or 1.0
            self._scales = [float(group["lr"]) / first for group in groups]
        for group, scale in zip(groups, self._scales, strict=True):
            group["lr"] = self.rates[len(self.losses)] * scale

    def on_loss(self, training: Any) -> None:
        loss, count = float(training.loss), len(self.losses) + 1
        self.first = loss if count == 1 else self.first
        if not math.isfinite(loss):
            raise _EnoughError
        self.losses.append(loss)
        self._running = _MEMORY * self._running + (1 - _MEMORY) * loss
        mean = self._running / (1 - _MEMORY**count)
        self._lowest = min(self._lowest, mean)
        if count > 10 and mean > _HOPELESS * max(self._lowest, 1e-12):
            raise _EnoughError


def _reach(losses: list[float]) -> int:
    return max(len(losses) // 20, 1)


def _smoothed(losses: list[float]) -> list[float]:
    """Each averaged with up to a twentieth of all on either side, and at least one."""
    reach = _reach(losses)
    parts = (losses[max(i - reach, 0) : i + reach + 1] for i in range(len(losses)))
    return [math.fsum(part) / len(part) for part in parts]


def _halfway(losses: list[float], smoothed: list[float]) -> int | None:
    """Where half of the fall to the lowest is behind; None where it does not stand out from the noise."""
    lowest = smoothed.index(min(smoothed))
    if lowest <= 2 * _reach(losses):  # too early to know where the fall began
        return None
    start = float(numpy.median(smoothed[:lowest]))
    fall = start - smoothed[lowest]
    # a random sequence of variance v has second differences of variance 6 v, and a slope does not change them
    noise = float(numpy.std(numpy.diff(losses[: lowest + 1], 2))) / math.sqrt(6 * (2 * _reach(losses) + 1))
    if not fall > _CLEAR * noise:
        return None
    return max(place for place in range(lowest) if smoothed[place] >= start - fall / 2)
