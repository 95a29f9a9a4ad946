"""Training programs as people write them: the same losses on PyTorch and on ours, from the same initial weights."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="parity is with PyTorch, which is not importable here")

PROGRAMS = sorted(path.stem for path in (Path(__file__).parent / "programs").glob("*.py") if path.stem != "common")


def losses_of(name: str, engine: Any, dtype: str) -> Any:
    """What a program returns on an engine, with a default dtype."""
    program = importlib.import_module(f"tests.parity.programs.{name}")
    before = engine.get_default_dtype()
    engine.set_default_dtype(getattr(engine, dtype))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # both warn of old idioms
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return numpy.array(program.run(engine))
    finally:
        engine.set_default_dtype(before)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_the_same_losses_in_float64(name: str) -> None:
    expected = losses_of(name, torch, "float64")
    numpy.testing.assert_allclose(losses_of(name, tg, "float64"), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_the_same_losses_in_float32(name: str) -> None:
    """Or as far from PyTorch's as those are from its own in float64: some programs amplify what is rounded."""
    expected, exact = losses_of(name, torch, "float32"), losses_of(name, torch, "float64")
    allowed = 1e-5 * (1 + abs(expected)) + 2 * abs(expected - exact)
    found = losses_of(name, tg, "float32")
    assert found.shape == expected.shape
    assert (abs(found - expected) <= allowed).all(), f"{found}\n{expected}"
