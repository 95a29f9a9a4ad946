"""``nn.functional``: the functions behind the layers, and composites without rules of their own."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.activating import (
    celu,
    celu_,
    elu,
    elu_,
    gumbel_softmax,
    hardsigmoid,
    hardswish,
    hardtanh,
    hardtanh_,
    leaky_relu,
    leaky_relu_,
    log_softmax,
    mish,
    relu,
    relu6,
    relu_,
    rrelu,
    rrelu_,
    selu,
    selu_,
    silu,
    softmax,
    softmin,
    threshold,
    threshold_,
)
from tinygrad_mp.backend import array_on, device_of
from tinygrad_mp.backend.random_bits import bernoulli_mask
from tinygrad_mp.dropping import alpha_dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from tinygrad_mp.dropping import check_probability as check_probability
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, UnsupportedError
from tinygrad_mp.mutation import in_place
from tinygrad_mp.ops.activation import gelu, logsigmoid, sigmoid, softplus, tanh
from tinygrad_mp.ops.attention import scaled_dot_product_attention
from tinygrad_mp.ops.bags import embedding_bag
from tinygrad_mp.ops.convolution import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from tinygrad_mp.ops.ctc import ctc_loss
from tinygrad_mp.ops.distances import bilinear, cosine_similarity, normalize, pairwise_distance, pdist
from tinygrad_mp.ops.embedding import embedding
from tinygrad_mp.ops.gathering import one_hot
from tinygrad_mp.ops.gating import glu, softsign, tanhshrink
from tinygrad_mp.ops.grids import affine_grid, grid_sample
from tinygrad_mp.ops.layer_normalization import group_norm, layer_norm, local_response_norm, rms_norm
from tinygrad_mp.ops.linear import linear
from tinygrad_mp.ops.loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from tinygrad_mp.ops.margin_losses import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from tinygrad_mp.ops.max_pooling import adaptive_max_pool1d, adaptive_max_pool2d, max_pool1d, max_pool2d
from tinygrad_mp.ops.normalization import batch_norm, instance_norm
from tinygrad_mp.ops.padding import pad
from tinygrad_mp.ops.piecewise import hardshrink, prelu, softshrink
from tinygrad_mp.ops.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, avg_pool1d, avg_pool2d
from tinygrad_mp.ops.probability_losses import binary_cross_entropy, gaussian_nll_loss, kl_div, poisson_nll_loss
from tinygrad_mp.ops.resampling import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle, upsample
from tinygrad_mp.ops.unpooling import lp_pool1d, lp_pool2d, lp_pool3d, max_unpool1d, max_unpool2d, max_unpool3d
from tinygrad_mp.ops.volumes import (
    adaptive_avg_pool3d,
    adaptive_max_pool3d,
    avg_pool3d,
    conv3d,
    conv_transpose3d,
    max_pool3d,
)
from tinygrad_mp.ops.window import fold, unfold

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Set each entry to zero with probability ``p`` and divide the others by ``1 - p``.

    Parameters
    ----------
    input : Tensor
    p : float in [0, 1], default 0.5
    training : bool, default True
        Otherwise the input is given back as it is.
    inplace : bool, default False
        Write the result into the input's memory.

    Errors
    ------
    SettingError if p is not in [0, 1]. DTypeError for integers.

    Draws from the default generator. Source: Srivastava et al., Dropout, 2014.
    """
    check_probability("dropout", p)
    if input.dtype not in FLOATING:
        raise DTypeError(f"dropout: the input is {input.dtype}, not floating", fix="convert it first: x = x.float()")
    if not training or p == 0:
        return input
    kept = array_on(device_of(input.array), bernoulli_mask(input.shape, 1 - p))
    mask = kept.astype(input.dtype)
    mask *= 1 / (1 - p) if p < 1 else 0.0
    return in_place(_masked)(input, mask) if inplace else _masked(input, mask)


def _masked(input: Any, mask: Any) -> Any:
    return input * mask


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """The old name of ``interpolate(..., mode="nearest")``."""
    return interpolate(input, size, scale_factor)


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """The old name of ``interpolate(..., mode="bilinear", align_corners=True)``."""
    return interpolate(input, size, scale_factor, "bilinear", True)


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: None = None,
) -> Any:
    """Cross-entropy of the logits ``linear(input, linear_weight, linear_bias)`` with targets.

    Parameters
    ----------
    input : Tensor (in_features,) or (n, in_features)
    linear_weight : Tensor (classes, in_features), or (classes, d1, ..., in_features) for several targets a row
    target : Tensor
        Class indices, () or (n, d1, ...); or probabilities, (classes,) or (n, classes, d1, ...).
    linear_bias : Tensor (classes, d1, ...), optional
    weight, reduction, label_smoothing
        As of :func:`cross_entropy`.
    ignore_index : int, optional
        Rows with this class index count nothing; -100 if it is not given. Not beside probabilities.
    options : None
        PyTorch's ways to compute it in pieces are not offered: UnsupportedError.

    Errors
    ------
    ShapeError, SettingError, and those of :func:`cross_entropy`.

    >>> from tinygrad_mp import ones, tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.linear_cross_entropy(ones(2, 3), ones(4, 3), tensor([0, 3]))
    tensor(1.3863)
    """
    name = "linear_cross_entropy"
    check_no_options(name, options)
    if input.ndim not in (1, 2):
        raise ShapeError(f"{name}: the input has 1 or 2 axes, not {input.ndim}", fix="input.flatten(0, -2)")
    if linear_weight.ndim < 2:
        raise ShapeError(f"{name}: linear_weight has at least 2 axes, (classes, in_features), not {linear_weight.ndim}")
    outputs = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != outputs:
        raise ShapeError(f"{name}: linear_bias must have shape {outputs}, not {tuple(linear_bias.shape)}")
    if len(outputs) > 1:
        if input.ndim == 1:
            raise ShapeError(f"{name}: several targets a row need an input of rows", fix="input.unsqueeze(0)")
        linear_weight = linear_weight.flatten(0, -2)
        linear_bias = None if linear_bias is None else linear_bias.flatten()
    logits = linear(input, linear_weight, linear_bias)
    if len(outputs) > 1:
        logits = logits.reshape(input.shape[0], *outputs)
    if ignore_index is None:
        ignore_index = -100
    elif target.shape == logits.shape:
        raise SettingError(f"{name}: ignore_index={ignore_index} beside a target of probabilities", fix="leave it out")
    return cross_entropy(
        logits,
        target,
        weight=weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def check_no_options(name: str, options: Any) -> None:
    """Refuse what PyTorch takes to compute a :func:`linear_cross_entropy` in pieces."""
    if options is not None:
        raise UnsupportedError(
            f"{name} takes no options: it computes all logits at once",
            fix="options=None; to save memory, call backward() on the sum over a part of the rows, part after part",
        )
