"""Every layer, container and loss of ``nn`` with settings that are not the defaults, and inputs for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.nn import functional as F
from tinygrad_mp.training import layers


def signal(*shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (tg.randn(*shape),)


def tokens(*shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (tg.randint(0, 5, shape),)


def pair(*shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (tg.randn(*shape), tg.randn(*shape))


def _unpooled(axes: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: getattr(F, f"max_pool{axes}d")(tg.randn(1, 2, *[6] * axes), 2, return_indices=True)


def _parameters(*shapes: tuple[int, ...]) -> list[Any]:
    return [nn.Parameter(tg.randn(*shape)) for shape in shapes]


_C1, _C2, _C3 = signal(2, 4, 9), signal(2, 4, 9, 8), signal(2, 4, 6, 5, 6)
_CELL = signal(3, 5)


def _logits() -> tuple[Any, ...]:
    return tg.randn(4, 3), tg.tensor([0, 2, 1, 2])


def _log_probabilities() -> tuple[Any, ...]:
    return F.log_softmax(tg.randn(4, 3), 1), tg.tensor([0, 2, 1, 2])


def _zero_to_one() -> tuple[Any, ...]:
    return tg.rand(4, 3), tg.rand(4, 3)


def _signs() -> tuple[Any, ...]:
    return tg.randn(4, 3), tg.tensor([[1.0, -1.0, 1.0]] * 4)


def _three() -> tuple[Any, ...]:
    return tg.randn(4, 3), tg.randn(4, 3), tg.randn(4, 3)


LAYERS: dict[str, tuple[Callable[[], Any], Callable[[], tuple[Any, ...]] | None]] = {
    # --- affine ---
    "Linear": (lambda: nn.Linear(5, 3, bias=False), signal(2, 5)),
    "Linear float64": (lambda: nn.Linear(5, 3, dtype=tg.float64), lambda: (tg.randn(2, 5, dtype=tg.float64),)),
    "Bilinear": (lambda: nn.Bilinear(3, 4, 2, bias=False), lambda: (tg.randn(2, 3), tg.randn(2, 4))),
    "Identity": (lambda: nn.Identity(3, unused=True), signal(2, 5)),
    "Embedding": (lambda: nn.Embedding(5, 3, padding_idx=1, max_norm=1.0, norm_type=3.0), tokens(2, 4)),
    "Embedding.from_pretrained": (lambda: nn.Embedding.from_pretrained(tg.randn(5, 3), padding_idx=2), tokens(2, 4)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(5, 3, mode="sum", padding_idx=0), tokens(2, 4)),
    "LazyLinear": (lambda: nn.LazyLinear(3, bias=False), signal(2, 5)),
    # --- convolution ---
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=False), _C1),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), padding="same", padding_mode="reflect", groups=2), _C2),
    "Conv3d": (lambda: nn.Conv3d(4, 2, 2, stride=(1, 2, 1), bias=False), _C3),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 2, 3, stride=2, output_padding=1, bias=False), _C1),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, groups=2, dilation=2), _C2),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(4, 2, 2, bias=False), _C3),
    **{
        f"LazyConv{axes}d": (
            lambda axes=axes: getattr(nn, f"LazyConv{axes}d")(3, 2, stride=2, bias=False),
            {1: _C1, 2: _C2, 3: _C3}[axes],
        )
        for axes in (1, 2, 3)
    },
    **{
        f"LazyConvTranspose{axes}d": (
            lambda axes=axes: getattr(nn, f"LazyConvTranspose{axes}d")(3, 2, padding=1),
            {1: _C1, 2: _C2, 3: _C3}[axes],
        )
        for axes in (1, 2, 3)
    },
    # --- normalisation ---
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4, momentum=0.3, eps=1e-3), _C1),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, momentum=None, affine=False), _C2),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(4, track_running_stats=False), _C3),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, affine=True), _C1),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, track_running_stats=True, momentum=0.4), _C2),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(4, affine=True, track_running_stats=True), _C3),
    **{
        f"Lazy{kind}{axes}d": (
            lambda kind=kind, axes=axes: getattr(nn, f"Lazy{kind}{axes}d")(eps=1e-2, affine=True),
            {1: _C1, 2: _C2, 3: _C3}[axes],
        )
        for kind in ("BatchNorm", "InstanceNorm")
        for axes in (1, 2, 3)
    },
    "LayerNorm": (lambda: nn.LayerNorm((4, 9), eps=1e-2, bias=False), _C1),
    "RMSNorm": (lambda: nn.RMSNorm(9, eps=1e-2), _C1),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4, affine=False), _C2),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0), _C2),
    # --- recurrent ---
    "RNN": (lambda: nn.RNN(5, 4, 2, nonlinearity="relu", bidirectional=True, dropout=0.3), signal(3, 2, 5)),
    "LSTM": (lambda: nn.LSTM(5, 4, 2, bias=False, batch_first=True, proj_size=3), signal(3, 2, 5)),
    "GRU": (lambda: nn.GRU(5, 4, bidirectional=True), signal(3, 2, 5)),
    "RNNBase": (lambda: nn.RNNBase("GRU", 5, 4, 2, batch_first=True), None),
    "RNNCell": (lambda: nn.RNNCell(5, 4, bias=False, nonlinearity="relu"), _CELL),
    "LSTMCell": (lambda: nn.LSTMCell(5, 4, bias=False), _CELL),
    "GRUCell": (lambda: nn.GRUCell(5, 4), _CELL),
    "RNNCellBase": (lambda: nn.RNNCellBase(5, 4, True, 3), None),
    # --- attention ---
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(8, 2, dropout=0.1, add_bias_kv=True, add_zero_attn=True, kdim=5, vdim=6),
        lambda: (tg.randn(3, 2, 8), tg.randn(4, 2, 5), tg.randn(4, 2, 6)),
    ),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.2, F.gelu, batch_first=True, norm_first=True, bias=False),
        signal(2, 3, 8),
    ),
    "TransformerDecoderLayer": (
        lambda: nn.TransformerDecoderLayer(8, 2, 16, activation=tg.tanh, layer_norm_eps=1e-3),
        pair(3, 2, 8),
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, activation="gelu"), num_layers=2, norm=nn.LayerNorm(8, eps=1e-2)
        ),
        signal(3, 2, 8),
    ),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), num_layers=2),
        pair(3, 2, 8),
    ),
    "Transformer": (lambda: nn.Transformer(8, 2, 1, 2, 16, dropout=0.0, activation="gelu"), pair(3, 2, 8)),
    # --- activations ---
    "CELU": (lambda: nn.CELU(0.7), _C1),
    "ELU": (lambda: nn.ELU(alpha=0.7), _C1),
    "GELU": (lambda: nn.GELU("tanh"), _C1),
    "GLU": (lambda: nn.GLU(1), _C1),
    "Hardshrink": (lambda: nn.Hardshrink(0.7), _C1),
    "Hardsigmoid": (lambda: nn.Hardsigmoid(inplace=True), _C1),
    "Hardswish": (lambda: nn.Hardswish(), _C1),
    "Hardtanh": (lambda: nn.Hardtanh(-0.3, 0.7), _C1),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.3), _C1),
    "LogSigmoid": (lambda: nn.LogSigmoid(), _C1),
    "LogSoftmax": (lambda: nn.LogSoftmax(1), _C1),
    "Mish": (lambda: nn.Mish(), _C1),
    "PReLU": (lambda: nn.PReLU(4, init=0.1), _C1),
    "RReLU": (lambda: nn.RReLU(0.1, 0.5), _C1),
    "ReLU": (lambda: nn.ReLU(inplace=True), _C1),
    "ReLU6": (lambda: nn.ReLU6(), _C1),
    "SELU": (lambda: nn.SELU(), _C1),
    "SiLU": (lambda: nn.SiLU(), _C1),
    "Sigmoid": (lambda: nn.Sigmoid(), _C1),
    "Softmax": (lambda: nn.Softmax(dim=0), _C1),
    "Softmax2d": (lambda: nn.Softmax2d(), _C2),
    "Softmin": (lambda: nn.Softmin(dim=1), _C1),
    "Softplus": (lambda: nn.Softplus(2.0, 5.0), _C1),
    "Softshrink": (lambda: nn.Softshrink(0.2), _C1),
    "Softsign": (lambda: nn.Softsign(), _C1),
    "Tanh": (lambda: nn.Tanh(), _C1),
    "Tanhshrink": (lambda: nn.Tanhshrink(), _C1),
    "Threshold": (lambda: nn.Threshold(0.3, -1.0), _C1),
    # --- dropout ---
    **{
        name: (lambda name=name: getattr(nn, name)(0.3, inplace=True), _C2)
        for name in ("Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")
    },
    "Dropout1d": (lambda: nn.Dropout1d(0.3), _C1),
    "Dropout3d": (lambda: nn.Dropout3d(0.3), _C3),
    # --- pooling ---
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, padding=1, ceil_mode=True), _C1),
    "MaxPool2d": (lambda: nn.MaxPool2d((2, 3), dilation=2), _C2),
    "MaxPool3d": (lambda: nn.MaxPool3d(2, return_indices=True), _C3),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2, 1, count_include_pad=False), _C1),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, divisor_override=2), _C2),
    "AvgPool3d": (lambda: nn.AvgPool3d(2, ceil_mode=True), _C3),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), _C1),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, None)), _C2),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(2), _C3),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(3, return_indices=True), _C1),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((None, 2)), _C2),
    "AdaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d(2), _C3),
    "LPPool1d": (lambda: nn.LPPool1d(3.0, 2), lambda: (tg.rand(2, 4, 9),)),
    "LPPool2d": (lambda: nn.LPPool2d(1.0, 2, ceil_mode=True), lambda: (tg.rand(2, 4, 9, 8),)),
    "LPPool3d": (lambda: nn.LPPool3d(2.0, 2, stride=1), _C3),
    **{
        f"MaxUnpool{axes}d": (lambda axes=axes: getattr(nn, f"MaxUnpool{axes}d")(2), _unpooled(axes))
        for axes in (1, 2, 3)
    },
    # --- shapes ---
    "Flatten": (lambda: nn.Flatten(2, -1), _C2),
    "Unflatten": (lambda: nn.Unflatten(1, (2, -1)), _C2),
    "Fold": (lambda: nn.Fold((4, 5), (2, 2), padding=1), lambda: (tg.randn(2, 8, 30),)),
    "Unfold": (lambda: nn.Unfold((2, 3), dilation=2, stride=2), _C2),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), _C2),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), _C2),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), lambda: (tg.randn(2, 4, 6, 8),)),
    "Upsample": (lambda: nn.Upsample(scale_factor=1.5, mode="bilinear", align_corners=True), _C2),
    "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d(size=(12, 11)), _C2),
    "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d(scale_factor=2), _C2),
    **{
        f"{kind}Pad{axes}d": (
            lambda kind=kind, axes=axes: getattr(nn, f"{kind}Pad{axes}d")(
                (1, 2) * axes, *([0.5] if kind == "Constant" else [])
            ),
            {1: _C1, 2: _C2, 3: _C3}[axes],
        )
        for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
        for axes in (1, 2, 3)
    },
    # --- containers ---
    "Sequential": (lambda: nn.Sequential({"first": nn.Linear(5, 3), "then": nn.ReLU()}), signal(2, 5)),
    "ModuleList": (lambda: nn.ModuleList(nn.Linear(2, 2) for _ in range(3)), None),
    "ModuleDict": (lambda: nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.ModuleList([nn.Tanh()])}), None),
    "ParameterList": (lambda: nn.ParameterList([*_parameters((2, 3), (4,)), "a text", (1, None)]), None),
    "ParameterDict": (lambda: nn.ParameterDict({"left": tg.randn(2), "right": 3.5}), None),
    # --- distances and losses ---
    "CosineSimilarity": (lambda: nn.CosineSimilarity(0, eps=1e-3), pair(4, 3)),
    "PairwiseDistance": (lambda: nn.PairwiseDistance(1.0, keepdim=True), pair(4, 3)),
    "L1Loss": (lambda: nn.L1Loss(reduction="sum"), pair(4, 3)),
    "MSELoss": (lambda: nn.MSELoss(reduction="none"), pair(4, 3)),
    "HuberLoss": (lambda: nn.HuberLoss(delta=0.3), pair(4, 3)),
    "SmoothL1Loss": (lambda: nn.SmoothL1Loss(beta=0.2), pair(4, 3)),
    "CrossEntropyLoss": (
        lambda: nn.CrossEntropyLoss(tg.tensor([1.0, 2.0, 0.5]), ignore_index=1, label_smoothing=0.1),
        _logits,
    ),
    "NLLLoss": (lambda: nn.NLLLoss(weight=tg.tensor([1.0, 2.0, 0.5])), _log_probabilities),
    "NLLLoss2d": (
        lambda: nn.NLLLoss2d(reduction="sum"),
        lambda: (F.log_softmax(tg.randn(2, 3, 4, 4), 1), tg.randint(0, 3, (2, 4, 4))),
    ),
    "AdaptiveLogSoftmaxWithLoss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(16, 9, [2, 5], div_value=2.0, head_bias=True),
        lambda: (tg.randn(4, 16), tg.tensor([0, 3, 8, 1])),
    ),
    "LinearCrossEntropyLoss": (
        lambda: nn.LinearCrossEntropyLoss(
            5, 3, out_features=(2,), bias=True, weight=tg.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1
        ),
        lambda: (tg.randn(4, 5), tg.tensor([[0, 2], [1, 1], [2, 0], [1, 2]])),
    ),
    "BCELoss": (lambda: nn.BCELoss(weight=tg.tensor([1.0, 2.0, 0.5]), reduction="sum"), _zero_to_one),
    "BCEWithLogitsLoss": (lambda: nn.BCEWithLogitsLoss(pos_weight=tg.tensor([1.0, 2.0, 0.5])), _zero_to_one),
    "KLDivLoss": (lambda: nn.KLDivLoss(reduction="batchmean", log_target=True), pair(4, 3)),
    "PoissonNLLLoss": (lambda: nn.PoissonNLLLoss(log_input=False, full=True), _zero_to_one),
    "GaussianNLLLoss": (
        lambda: nn.GaussianNLLLoss(full=True, eps=1e-3),
        lambda: (tg.randn(4, 3), tg.randn(4, 3), tg.rand(4, 3)),
    ),
    "CTCLoss": (
        lambda: nn.CTCLoss(blank=1, zero_infinity=True),
        lambda: (F.log_softmax(tg.randn(6, 2, 4), 2), tg.tensor([[2, 3], [3, 3]]), (6, 6), (2, 1)),
    ),
    "CosineEmbeddingLoss": (
        lambda: nn.CosineEmbeddingLoss(0.2),
        lambda: (tg.randn(4, 3), tg.randn(4, 3), tg.tensor([1.0, -1.0, 1.0, -1.0])),
    ),
    "HingeEmbeddingLoss": (lambda: nn.HingeEmbeddingLoss(0.4), _signs),
    "MarginRankingLoss": (lambda: nn.MarginRankingLoss(0.4), lambda: (*pair(4, 3)(), tg.ones(4, 3))),
    "MultiLabelMarginLoss": (
        lambda: nn.MultiLabelMarginLoss(reduction="sum"),
        lambda: (tg.randn(2, 3), tg.tensor([[0, 2, -1], [1, -1, -1]])),
    ),
    "MultiLabelSoftMarginLoss": (
        lambda: nn.MultiLabelSoftMarginLoss(weight=tg.tensor([1.0, 2.0, 0.5])),
        lambda: (tg.randn(4, 3), tg.ones(4, 3)),
    ),
    "MultiMarginLoss": (lambda: nn.MultiMarginLoss(p=2, margin=0.5, weight=tg.tensor([1.0, 2.0, 0.5])), _logits),
    "SoftMarginLoss": (lambda: nn.SoftMarginLoss(reduction="none"), _signs),
    "TripletMarginLoss": (lambda: nn.TripletMarginLoss(0.3, p=1.0, swap=True), _three),
    "TripletMarginWithDistanceLoss": (
        lambda: nn.TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance(1.0), margin=0.3, swap=True),
        _three,
    ),
}

TRAINERS_LAYERS: dict[str, tuple[Callable[[], Any], Callable[[], tuple[Any, ...]] | None]] = {
    "Dense": (
        lambda: layers.Dense(3, bias=True, initialization="lecun_uniform", bias_initialization=0.5),
        signal(2, 5),
    ),
    "Dense without bias": (lambda: layers.Dense(3, initialization="glorot_uniform", bias=False), signal(2, 5)),
    "Conv": (
        lambda: layers.Conv(6, (3, 2), stride=2, padding="same", dilation=1, groups=2, initialization="he_uniform"),
        _C2,
    ),
    "Conv of three axes": (lambda: layers.Conv(2, 2, stride=(1, 2, 1), padding=1, dilation=2, bias=False), _C3),
    "BatchNorm": (lambda: layers.BatchNorm(momentum=None, eps=1e-3, affine=False), _C2),
    "BatchNorm of features": (lambda: layers.BatchNorm(momentum=0.4), signal(6, 3)),
    "Embedding": (lambda: layers.Embedding(5, 3, padding_idx=1, initialization="orthogonal"), tokens(2, 4)),
    "MaxPool": (lambda: layers.MaxPool(3, 2, padding=1, dilation=1, ceil_mode=True), _C1),
    "AveragePool": (lambda: layers.AveragePool((3, 2), padding=1, count_include_pad=False), _C2),
    "GlobalAveragePool": (lambda: layers.GlobalAveragePool(), _C3),
    "Reshape": (lambda: layers.Reshape(9, 4), _C1),
    "PReLU": (lambda: layers.PReLU(per_channel=True, init=0.1), _C2),
    "Softmax": (lambda: layers.Softmax(temperature=2.0, dim=1), _C1),
}
