"""Transformers exchange states with PyTorch's and compute the same, with every kind of mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import SettingError, ShapeError

RNG = np.random.default_rng(0)
CAUSAL = np.triu(np.full((4, 4), -np.inf), 1)
PADDING = np.array([[False] * 4, [False, False, True, True], [False, False, False, True]])


def with_activations(settings: dict[str, Any], nn: Any) -> dict[str, Any]:
    made = {"module": nn.GELU(), "function": nn.functional.silu}
    return {name: made.get(value, value) if name == "activation" else value for name, value in settings.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_first": True, "norm_first": True},
        {"bias": False, "activation": "gelu"},
        {"activation": "module", "layer_norm_eps": 1e-3},
        {"activation": "function"},
    ],
)
@pytest.mark.parametrize(
    "masks",
    [
        {},
        {"src_mask": CAUSAL, "is_causal": True},
        {"src_mask": CAUSAL < 0},
        {"src_key_padding_mask": PADDING},
        {"src_mask": CAUSAL, "src_key_padding_mask": np.where(PADDING, -np.inf, 0.0)},
    ],
)
def test_encoder_layers_are_pytorchs(parity: Any, settings: dict[str, Any], masks: dict[str, Any]) -> None:
    x = RNG.normal(size=(3, 4, 8))
    x = x if settings.get("batch_first") else x.transpose(1, 0, 2).copy()

    def build(nn: Any) -> Any:
        return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, **with_activations(settings, nn))

    parity.module(build, x, **masks)


@pytest.mark.parametrize("settings", [{}, {"norm_first": True, "batch_first": True}, {"bias": False}])
@pytest.mark.parametrize(
    "masks",
    [
        {},
        {"tgt_mask": CAUSAL, "tgt_is_causal": True},
        {"tgt_key_padding_mask": PADDING, "memory_mask": np.eye(4, 5, dtype=bool)},
        {"memory_key_padding_mask": np.array([[False] * 5] * 2 + [[False] * 3 + [True] * 2])},
    ],
)
def test_decoder_layers_are_pytorchs(parity: Any, settings: dict[str, Any], masks: dict[str, Any]) -> None:
    x, memory = RNG.normal(size=(3, 4, 8)), RNG.normal(size=(3, 5, 8))
    if not settings.get("batch_first"):
        x, memory = x.transpose(1, 0, 2).copy(), memory.transpose(1, 0, 2).copy()
    parity.module(lambda nn: nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, **settings), x, memory, **masks)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("settings", [{}, {"norm_first": True, "batch_first": True}, {"bias": False}])
def test_the_whole_is_pytorchs(parity: Any, settings: dict[str, Any]) -> None:
    src, tgt = RNG.normal(size=(3, 5, 8)), RNG.normal(size=(3, 4, 8))
    if not settings.get("batch_first"):
        src, tgt = src.transpose(1, 0, 2).copy(), tgt.transpose(1, 0, 2).copy()

    def build(nn: Any) -> Any:
        return nn.Transformer(8, 2, 2, 2, 16, 0.0, **settings)

    parity.module(build, src, tgt, tgt_mask=CAUSAL, tgt_key_padding_mask=np.where(PADDING, -np.inf, 0.0))
    parity.module(build, src, tgt, tgt_mask=CAUSAL, tgt_is_causal=True)
    one = (slice(None), 0) if not settings.get("batch_first") else (0,)
    parity.module(build, src[one].copy(), tgt[one].copy())


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_stacks_without_a_last_norm_are_pytorchs(parity: Any) -> None:
    parity.module(
        lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), 2),
        RNG.normal(size=(4, 3, 8)),
        mask=CAUSAL,
        src_key_padding_mask=np.where(PADDING, -np.inf, 0.0),
    )
    parity.module(
        lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0), 2),
        RNG.normal(size=(4, 3, 8)),
        RNG.normal(size=(5, 3, 8)),
    )


def test_copies_of_a_layer_learn_apart() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    encoder = nn.TransformerEncoder(layer, 2)
    first, second = encoder.layers
    assert first.linear1.weight is not second.linear1.weight
    assert first.linear1.weight is not layer.linear1.weight
    assert (first.linear1.weight == second.linear1.weight).all()


def test_the_causal_mask_is_pytorchs(parity: Any) -> None:
    ours = nn.Transformer.generate_square_subsequent_mask(3)
    theirs = parity.torch.nn.Transformer.generate_square_subsequent_mask(3)
    parity.near(ours, theirs)


def test_dropout_is_in_training_only_and_matrices_start_by_glorots_rule() -> None:
    tg.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.5)
    x = tg.randn(4, 3, 8)
    assert not np.allclose(*(model(x, x).detach().numpy() for _ in range(2)))
    model.eval()
    assert np.allclose(*(model(x, x).detach().numpy() for _ in range(2)))
    bound = np.sqrt(6 / (16 + 8))
    weight = model.encoder.layers[0].linear1.weight.detach().numpy()
    assert 0.8 * bound < abs(weight).max() <= bound


def test_what_does_not_fit_is_told() -> None:
    model = nn.Transformer(8, 2, 1, 1, 16)
    with pytest.raises(ShapeError, match="batches of 3 in src and of 2 in tgt"):
        model(tg.zeros(4, 3, 8), tg.zeros(4, 2, 8))
    with pytest.raises(ShapeError, match="width 8"):
        model(tg.zeros(4, 3, 6), tg.zeros(4, 3, 6))
    with pytest.raises(SettingError, match="activation"):
        nn.TransformerEncoderLayer(8, 2, activation="silu")
