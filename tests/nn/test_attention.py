"""MultiheadAttention exchanges states with PyTorch's and computes the same, with every kind of mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError

RNG = np.random.default_rng(0)
LAYERS: list[dict[str, Any]] = [
    {},
    {"batch_first": True},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "add_bias_kv": True, "batch_first": True},
    {"kdim": 5, "vdim": 6},
    {"kdim": 5, "bias": False, "batch_first": True},
]
MASKS: list[dict[str, Any]] = [
    {},
    {"attn_mask": np.triu(np.ones((4, 5), bool), 2)},
    {"attn_mask": RNG.normal(size=(4, 5)).astype("float32")},
    {"attn_mask": RNG.normal(size=(6, 4, 5)).astype("float32")},
    {"key_padding_mask": np.array([[False] * 5, [False, False, True, True, True], [False, True] * 2 + [True]])},
    {
        "key_padding_mask": np.array([[False] * 5, [False, False, True, True, True], [False] * 4 + [True]]),
        "attn_mask": np.eye(4, 5, 1, dtype=bool),
    },
]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("settings", LAYERS)
def test_it_is_pytorchs(settings: dict[str, Any], masks: dict[str, Any], need_weights: bool) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours, theirs = nn.MultiheadAttention(8, 2, **settings), torch.nn.MultiheadAttention(8, 2, **settings)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(RNG.normal(size=parameter.shape)))
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    widths = (8, settings.get("kdim", 8), settings.get("vdim", 8))
    arrays = [
        RNG.normal(size=(3, length, width)).astype("float32") for length, width in zip((4, 5, 5), widths, strict=True)
    ]
    if not settings.get("batch_first"):
        arrays = [array.transpose(1, 0, 2).copy() for array in arrays]
    inputs = [tg.tensor(array, requires_grad=True) for array in arrays]
    their_inputs = [torch.tensor(array, requires_grad=True) for array in arrays]
    for average in (True, False):
        options = {"need_weights": need_weights, "average_attn_weights": average}
        out, weights = ours(*inputs, **{n: tg.tensor(m) for n, m in masks.items()}, **options)
        right, right_weights = theirs(*their_inputs, **{n: torch.tensor(m) for n, m in masks.items()}, **options)
        np.testing.assert_allclose(out.detach().numpy(), right.detach().numpy(), rtol=1e-3, atol=1e-4)
        assert (weights is None) == (right_weights is None)
        if weights is not None:
            np.testing.assert_allclose(weights.detach().numpy(), right_weights.detach().numpy(), rtol=1e-3, atol=1e-5)
    out.sum().backward()
    right.sum().backward()
    for one, other in zip([*inputs, *ours.parameters()], [*their_inputs, *theirs.parameters()], strict=True):
        scale = other.grad.abs().max().item()
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-3, atol=1e-4 * max(scale, 1))


def test_self_attention_without_a_batch_is_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours, theirs = nn.MultiheadAttention(6, 3), torch.nn.MultiheadAttention(6, 3)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    array = RNG.normal(size=(4, 6)).astype("float32")
    mask = np.triu(np.ones((4, 4), bool), 1)
    x, their_x = tg.tensor(array), torch.tensor(array)
    padding = np.array([False, False, False, True])
    for options in ({}, {"need_weights": False}, {"average_attn_weights": False}):
        found = ours(x, x, x, attn_mask=tg.tensor(mask), key_padding_mask=tg.tensor(padding), **options)
        right = theirs(
            their_x, their_x, their_x, attn_mask=torch.tensor(mask), key_padding_mask=torch.tensor(padding), **options
        )
        for one, other in zip(found, right, strict=True):
            if other is not None:
                assert one.shape == tuple(other.shape)
                np.testing.assert_allclose(one.detach().numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_it_starts_as_pytorchs() -> None:
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = math.sqrt(6 / (64 + 3 * 64))
    weight = layer.in_proj_weight.detach().numpy()
    assert 0.95 * bound < abs(weight).max() <= bound
    assert (layer.in_proj_bias.detach().numpy() == 0).all()
    assert (layer.out_proj.bias.detach().numpy() == 0).all()
    assert layer.bias_k.shape == (1, 1, 64)


def test_weights_are_dropped_in_training_only() -> None:
    tg.manual_seed(0)
    layer = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)
    x = tg.randn(2, 3, 4)
    for need_weights in (True, False):
        layer.train()
        assert not np.allclose(*(layer(x, x, x, need_weights=need_weights)[0].detach().numpy() for _ in range(2)))
        layer.eval()
        assert np.allclose(*(layer(x, x, x, need_weights=need_weights)[0].detach().numpy() for _ in range(2)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda layer, x: nn.MultiheadAttention(5, 2), SettingError, "cannot be cut in 2 heads"),
        (lambda layer, x: nn.MultiheadAttention(4, 2, dropout=3.0), SettingError, "dropout must be a number"),
        (lambda layer, x: layer(x, x, x[:2]), ShapeError, "value needs shape"),
        (lambda layer, x: layer(x, x[..., :2], x), ShapeError, "need widths 4, 4, 4"),
        (lambda layer, x: layer(x, x, x, attn_mask=x[0] > 0), ShapeError, "attn_mask needs shape"),
        (lambda layer, x: layer(x, x, x, key_padding_mask=x[0] > 0), ShapeError, "key_padding_mask needs shape"),
        (lambda layer, x: layer(x, x, x, attn_mask=tg.ones(3, 3).long()), DTypeError, "boolean or floating"),
        (lambda layer, x: layer(x, x, x, is_causal=True), SettingError, "pass attn_mask too"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(nn.MultiheadAttention(4, 2), tg.ones(3, 2, 4))
