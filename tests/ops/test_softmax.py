"""Softmax by rows: in blocks of any size, with and without a search for the largest entry of each row."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import tensor
from tinygrad_mp.backend import softening

RNG = numpy.random.default_rng(0)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("high", [60.0, -1e9])
@pytest.mark.parametrize("block", [1, 12, 1 << 15])
@pytest.mark.parametrize("shape", [(7,), (5, 4), (2, 3, 40), (3, 1)])
def test_in_blocks_of_any_size_it_is_pytorchs(
    torch: Any, agree: Any, name: str, high: float, block: int, shape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(softening, "_BLOCK", block)
    monkeypatch.setattr(softening, "_HIGH", high)  # below all entries: the largest of each row is looked for
    values = RNG.normal(0, 3, shape)
    agree(lambda x: getattr(tg, name)(x, -1), lambda x: getattr(torch, name)(x, -1), values, order=2)
    agree(lambda x: getattr(tg, name)(x, -1), lambda x: getattr(torch, name)(x, -1), values.T.astype("float32"))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_very_different_height_stand_side_by_side(torch: Any, agree: Any, name: str, dtype: str) -> None:
    rows = RNG.normal(size=(6, 5))
    rows += [[0.0], [59.0], [1e4], [-90.0], [-1e4], [-50.0]]
    rows[0, 1:] = -numpy.inf
    for values in (rows, rows[[0, 1]], rows[[0, 3]], rows[[3, 4]], rows[[5, 5]]):
        agree(lambda x: getattr(tg, name)(x, -1), lambda x: getattr(torch, name)(x, -1), values.astype(dtype))


def test_a_row_of_minus_infinity_alone_is_nan_beside_others_that_are_not() -> None:
    values = RNG.normal(size=(3, 40))
    values[1] = -numpy.inf
    with pytest.warns(RuntimeWarning, match="invalid value"):
        out = tensor(values).softmax(-1)
    assert out.isnan().any(1).tolist() == [False, True, False]
