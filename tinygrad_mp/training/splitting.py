"""The part of the data that is held out to evaluate on: drawn once, and the same rows ever after.

A row is known by a digest of what it holds, so that whatever data a later training brings, in whatever order, no row
that was trained on is evaluated on, and none that was held out is trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.errors import SettingError
from tinygrad_mp.random import Generator, rand
from tinygrad_mp.training.arrays import Rows, chunks

_SEED = 0x9E3779B97F4A7C15  # of the digests, any odd number


def digests(rows: Rows) -> Any:
    """A number of 64 bits for each row, from all its inputs in single precision, so that rows are known again in any
    dtype: different rows differ, but for a chance of about ``rows**2 / 2**64``.

    Multilinear hashing: the sum of 32-bit words times random 64-bit numbers. Source: Carter and Wegman, Universal
    classes of hash functions, 1979.
    """
    total = numpy.zeros(len(rows), numpy.uint64)
    random = numpy.random.Generator(numpy.random.Philox(key=_SEED))
    for array in rows.arrays:
        width = math.prod(array.shape[1:])
        keys = random.integers(0, 2**64, width + 1, numpy.uint64)
        for start, chunk in chunks(array):
            words = (
                numpy.ascontiguousarray(to_numpy(chunk), numpy.float32).reshape(len(chunk), width).view(numpy.uint32)
            )
            sums = words.astype(numpy.uint64) @ keys[:-1]
            total[start : start + len(chunk)] += sums + keys[-1]
    return total ^ (total >> numpy.uint64(29))


@dataclass
class Split:
    """Which rows are held out: the digests of all that were, and of all that were trained on."""

    held_out: Any = field(default_factory=lambda: numpy.zeros(0, numpy.uint64))
    trained: Any = field(default_factory=lambda: numpy.zeros(0, numpy.uint64))

    def divide(
        self, rows: Rows, fraction: float, labels: Any, generator: Generator, shuffle: bool
    ) -> tuple[Any, Any, str]:
        """Row numbers to train on and to evaluate on, both ascending, and how they were found, in words.

        Parameters
        ----------
        rows : Rows
        fraction : float in (0, 1)
            Of each class, or of all, to the nearest row.
        labels : int array (n,), or None
            The classes, of which each gives its share.
        generator : Generator
        shuffle : bool
            False holds out the last rows instead, as for data in the order of time.
        """
        if not 0 < fraction < 1:
            raise SettingError(f"train: auto_evaluation must be a fraction in (0, 1), or 0 for none, not {fraction!r}")
        marks = digests(rows)
        known_in = numpy.isin(marks, self.trained)
        known_out = numpy.isin(marks, self.held_out) & ~known_in
        new = ~(known_out | known_in)
        chosen = known_out.copy()
        if not shuffle:
            count = len(rows)
            last = numpy.arange(count) >= count - round(count * fraction)
            chosen, how = (last | known_out) & ~known_in, "the last rows, by time"
        elif new.any():
            chosen[new] = _drawn(marks[new], fraction, None if labels is None else labels[new], generator)
            how = "drawn at random" if labels is None else "drawn at random, from each class its share"
        else:
            how = "those held out before"
        train, evaluate = numpy.flatnonzero(~chosen), numpy.flatnonzero(chosen)
        if known_in.all():
            how = "as earlier trainings of this model used all rows"
        elif not len(evaluate):
            how = f"{len(rows)} rows are too few, or too much alike, to hold out {fraction:.0%} of them"
        self.held_out = numpy.union1d(self.held_out, marks[evaluate])
        self.trained = numpy.union1d(self.trained, marks[train])
        return train, evaluate, how

    def remember(self, rows: Rows) -> None:
        """Note that all of these are trained on."""
        self.trained = numpy.union1d(self.trained, digests(rows))


def _drawn(marks: Any, fraction: float, labels: Any, generator: Generator) -> Any:
    """Which of some rows to hold out. Equal rows stay together; those of which there are too many stay in."""
    _, group, sizes = numpy.unique(marks, return_inverse=True, return_counts=True)
    order = to_numpy(rand(len(sizes), generator=generator).array)[group]
    classes = numpy.zeros(len(marks), numpy.int64) if labels is None else numpy.unique(labels, return_inverse=True)[1]
    chosen = numpy.zeros(len(sizes), bool)
    for label, count in enumerate(_shares(numpy.bincount(classes), fraction)):
        members = numpy.flatnonzero((classes == label) & (sizes[group] <= count))
        chosen[group[members[numpy.argsort(order[members], kind="stable")[:count]]]] = True
    return chosen[group]


def _shares(counts: Any, fraction: float) -> Any:
    """How many of each class: its share, rounded so that the sum is right, and one of each at least stays in."""
    quotas = counts * fraction
    shares = numpy.floor(quotas).astype(int)
    missing = round(counts.sum() * fraction) - shares.sum()
    for label in numpy.argsort(shares - quotas, kind="stable"):
        if missing <= 0:
            break
        if shares[label] < counts[label] - 1:
            shares[label] += 1
            missing -= 1
    return shares
