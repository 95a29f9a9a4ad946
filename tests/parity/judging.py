"""What the harness finds: whether two results are the same, and a tally of samples."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy

from tests.parity.databases import torch
from tests.parity.sides import as_numpy, dtype_name, tensors_in

TOLERANCES = {"float64": 1e-9, "float32": 1e-5, "float16": 1e-2}
KINDS = ("passed", "wrong", "raised", "missing", "left out")


class WrongError(Exception):
    """A result that differs from PyTorch's."""


@dataclasses.dataclass
class Tally:
    """How many samples went which way, and what was said about those that failed."""

    name: str
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    notes: list[str] = dataclasses.field(default_factory=list)
    bad_inputs: int = 0
    silent: int = 0
    other_class: int = 0

    def add(self, kind: str, note: str = "") -> None:
        """Count a sample."""
        self.counts[kind] += 1
        if note:
            self.notes.append(f"{kind}: {note}")

    @property
    def samples(self) -> int:
        """Samples that PyTorch itself accepts."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """Samples that did not pass."""
        return self.samples - self.counts["passed"]


def one_line(error: BaseException) -> str:
    """An error's class and words, shortened."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:160]}"


def compare(found: Any, expected: Any, what: str) -> None:
    """Raise WrongError unless two results have the same structure, shapes, dtypes and values."""
    if isinstance(expected, torch.Tensor):
        _compare_tensors(found, expected, what)
    elif isinstance(expected, (list, tuple)) and not isinstance(expected, torch.Size):
        if not isinstance(found, (list, tuple)) or len(found) != len(expected):
            raise WrongError(f"{what}: {len(expected)} results expected, got {type(found).__name__}")
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            compare(one, other, f"{what}[{number}]")
    elif isinstance(expected, torch.Size):
        if tuple(found) != tuple(expected):
            raise WrongError(f"{what}: {tuple(found)} instead of {tuple(expected)}")
    elif isinstance(expected, float):
        compare_arrays(numpy.asarray(found), numpy.asarray(expected), 1e-9, what)
    elif expected is None or isinstance(expected, (bool, int, str)):
        if found != expected or type(found) is not type(expected):
            raise WrongError(f"{what}: {found!r:.60} instead of {expected!r:.60}")
    elif isinstance(expected, torch.dtype):
        if str(found).rpartition(".")[2] != str(expected).rpartition(".")[2]:
            raise WrongError(f"{what}: {found} instead of {expected}")
    else:
        raise WrongError(f"{what}: cannot compare {type(expected).__name__}")


def compare_kinds(found: Any, expected: Any, what: str) -> None:
    """Raise WrongError unless shapes and dtypes agree: for random results."""
    mine, theirs = list(tensors_in(found)), list(tensors_in(expected))
    if len(mine) != len(theirs):
        raise WrongError(f"{what}: {len(mine)} tensors instead of {len(theirs)}")
    for one, other in zip(mine, theirs, strict=True):
        _compare_kind(one, other, what)


def _compare_kind(found: Any, expected: Any, what: str) -> None:
    if not hasattr(found, "array"):
        raise WrongError(f"{what}: a tensor expected, got {type(found).__name__}")
    if tuple(found.shape) != tuple(expected.shape):
        raise WrongError(f"{what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
    if dtype_name(found) != dtype_name(expected):
        raise WrongError(f"{what}: dtype {dtype_name(found)} instead of {dtype_name(expected)}")


def _compare_tensors(found: Any, expected: Any, what: str) -> None:
    _compare_kind(found, expected, what)
    compare_arrays(as_numpy(found), as_numpy(expected), TOLERANCES.get(dtype_name(expected), 0.0), what)


def compare_arrays(found: Any, expected: Any, tolerance: float, what: str) -> None:
    """Raise WrongError unless the entries agree to ``tolerance``, relative to their size or that of the largest."""
    if expected.dtype.kind not in "fc":
        if not numpy.array_equal(found, expected):
            raise WrongError(f"{what}: {_first(found, expected, found != expected)}")
        return
    finite = numpy.isfinite(expected)
    with numpy.errstate(all="ignore"):
        odd = ~((found == expected) | (numpy.isnan(found) & numpy.isnan(expected)) | finite)
        scale = numpy.abs(expected[finite]).max(initial=1.0)
        scale = numpy.maximum(numpy.abs(expected), min(scale, 1e3))
        off = finite & ~(numpy.abs(found - expected) <= tolerance * scale)
    if (odd | off).any():
        raise WrongError(f"{what}: {_first(found, expected, odd | off)}")


def _first(found: Any, expected: Any, where: Any) -> str:
    position = tuple(int(axis[0]) for axis in numpy.nonzero(numpy.atleast_1d(where)))
    one, other = numpy.atleast_1d(found)[position], numpy.atleast_1d(expected)[position]
    return f"{int(where.sum())} of {where.size} entries, first at {position}: {one!s} instead of {other!s}"
