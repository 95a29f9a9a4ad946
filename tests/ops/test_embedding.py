"""Embedding against PyTorch's: padding, norms, frequencies, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"padding_idx": 1},
        {"padding_idx": -1},
        {"scale_grad_by_freq": True},
        {"max_norm": 0.8},
        {"max_norm": 0.8, "norm_type": 1.0, "padding_idx": 0},
        {"max_norm": 0.5, "norm_type": float("inf")},
    ],
)
@pytest.mark.parametrize("shape", [(), (6,), (3, 4), (0,)])
def test_embedding_is_pytorchs(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    rng = np.random.default_rng(1)
    table, index = rng.normal(size=(5, 3)).astype("float32"), rng.integers(0, 5, size=shape)
    ours, theirs = nn.Embedding(5, 3, **settings), torch.nn.Embedding(5, 3, **settings)
    ours.load_state_dict({"weight": table})
    theirs.load_state_dict({"weight": torch.tensor(table)})
    assert repr(ours) == repr(theirs)
    out, right = ours(tg.tensor(index)), theirs(torch.tensor(index))
    g = rng.normal(size=right.shape).astype("float32")
    out.backward(tg.tensor(g))
    right.backward(torch.tensor(g))
    np.testing.assert_allclose(out.detach().numpy(), right.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-6)


def test_padding_starts_at_zero_and_a_given_table_is_frozen() -> None:
    assert nn.Embedding(4, 2, padding_idx=2).weight.detach().numpy()[2].tolist() == [0, 0]
    layer = nn.Embedding.from_pretrained(tg.tensor([[1.0], [2.0]]))
    assert not layer.weight.requires_grad
    assert nn.Embedding.from_pretrained(tg.ones(2, 1), freeze=False).weight.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: F.embedding(tg.tensor([4]), w), IndexRangeError, "index 4 at position 0 is out of range"),
        (lambda w: F.embedding(tg.tensor([-1]), w), IndexRangeError, "index -1"),
        (lambda w: F.embedding(tg.tensor([0]), w, padding_idx=4), IndexRangeError, "padding_idx 4"),
        (lambda w: F.embedding(tg.tensor([0.5]), w), DTypeError, "must be of integers"),
        (lambda w: F.embedding(tg.tensor([True]), w), DTypeError, "not bool"),
        (lambda w: F.embedding(tg.tensor([0]), w[0]), ShapeError, "two axes"),
        (lambda w: F.embedding(tg.tensor([0]), w, sparse=True), SettingError, "no sparse gradients"),
        (lambda w: nn.Embedding(3, 2, padding_idx=3), IndexRangeError, "padding_idx 3"),
        (lambda w: nn.Embedding(3, 2, _weight=w), ShapeError, r"shape \(4, 2\), not \(3, 2\)"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.ones(4, 2))
