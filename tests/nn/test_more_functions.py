"""Volumes, grids, bags, unpooling: compositions that agree with PyTorch, forward and backward."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp.nn import functional as F

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape)


def both(parity: Any, name: str, *arrays: Any, **options: Any) -> None:
    """A function of nn.functional and PyTorch's of the same name."""
    theirs = getattr(parity.torch.nn.functional, name)
    parity.compare(getattr(F, name), theirs, *arrays, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1},
        {"stride": (1, 2, 3), "padding": (0, 1, 2), "dilation": (2, 1, 1)},
        {"padding": "same", "dilation": 2},
        {"padding": "valid"},
    ],
)
def test_convolution_of_volumes(parity: Any, options: Any) -> None:
    both(parity, "conv3d", drawn(2, 4, 5, 6, 7), drawn(6, 4, 2, 3, 2), drawn(6), **options)
    both(parity, "conv3d", drawn(2, 4, 5, 6, 7), drawn(6, 2, 2, 3, 2), None, groups=2, **options)
    both(parity, "conv3d", drawn(4, 5, 6, 7), drawn(6, 4, 2, 3, 2), **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": (1, 2, 3), "padding": (0, 1, 2), "dilation": (2, 1, 1), "output_padding": (1, 0, 2)},
        {"padding": 1, "dilation": 2},
    ],
)
def test_transposed_convolution_of_volumes(parity: Any, options: Any) -> None:
    both(parity, "conv_transpose3d", drawn(2, 4, 3, 4, 5), drawn(4, 3, 2, 3, 3), drawn(3), **options)
    both(parity, "conv_transpose3d", drawn(2, 4, 3, 4, 5), drawn(4, 3, 2, 3, 3), drawn(6), groups=2, **options)
    both(parity, "conv_transpose3d", drawn(4, 3, 4, 5), drawn(4, 3, 2, 3, 3), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": (2, 3, 2), "stride": (1, 2, 1), "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    ],
)
def test_pooling_of_volumes(parity: Any, options: Any) -> None:
    for shape in ((2, 3, 5, 6, 7), (3, 5, 6, 7)):
        both(parity, "max_pool3d", drawn(*shape), **options)
        both(parity, "max_pool3d", drawn(*shape), return_indices=True, **options)
        both(parity, "max_pool3d", RNG.integers(0, 2, shape).astype(float), return_indices=True, **options)
        both(parity, "avg_pool3d", drawn(*shape), **options)
        both(parity, "avg_pool3d", drawn(*shape), count_include_pad=False, **options)
        both(parity, "avg_pool3d", drawn(*shape), divisor_override=3, **options)
    both(parity, "max_pool3d", drawn(2, 3, 5, 6, 7), 2, 1, 0, (2, 1, 2))


@pytest.mark.parametrize("size", [1, (2, None, 3), (4, 2, 7)])
def test_adaptive_pooling_of_volumes(parity: Any, size: Any) -> None:
    both(parity, "adaptive_avg_pool3d", drawn(2, 3, 5, 6, 7), size)
    both(parity, "adaptive_max_pool3d", drawn(3, 5, 6, 7), size, return_indices=True)


def test_second_derivatives_go_through_convolutions_of_volumes(parity: Any) -> None:
    x, w = drawn(1, 2, 3, 3, 3), drawn(2, 2, 2, 2, 2)

    def penalty(library: Any, conv: Any) -> Any:
        grad = tg.grad if library is tg else library.autograd.grad
        a, b = library.tensor(x, requires_grad=True), library.tensor(w, requires_grad=True)
        (first,) = grad((conv(a, b, stride=2, padding=1) ** 2).sum(), [a], create_graph=True)
        return grad((first**2).sum(), [a, b])

    for one, other in zip(penalty(tg, F.conv3d), penalty(parity.torch, parity.torch.nn.functional.conv3d), strict=True):
        parity.near(one, other)


# --- unpooling and powers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpooling_puts_entries_back(parity: Any, axes: int) -> None:
    torch = parity.torch
    x = torch.tensor(drawn(2, 3, *(7, 9, 5)[:axes]))
    for options in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}):
        pool = getattr(torch.nn.functional, f"max_pool{axes}d")
        values, indices = pool(x, **options, return_indices=True)
        exact = (None,) if "padding" in options else ()
        for size in (*exact, tuple(x.shape[2:]), tuple(x.shape)):
            both(parity, f"max_unpool{axes}d", values.numpy(), indices.numpy(), **options, output_size=size)
        values, indices = values[0].numpy(), indices[0].numpy()
        both(parity, f"max_unpool{axes}d", values, indices, **options, output_size=tuple(x.shape[2:]))


def test_unpooling_refuses_what_does_not_fit() -> None:
    x, indices = tg.zeros(1, 2, 2), tg.tensor([[[0, 1], [2, 16]]])
    with pytest.raises(IndexError):
        F.max_unpool2d(x, indices, 2)
    with pytest.raises(ValueError, match="is not near"):
        F.max_unpool2d(x, indices, 2, output_size=(9, 4))
    with pytest.raises(ValueError, match="indices have shape"):
        F.max_unpool2d(x, indices[:, :1], 2)


@pytest.mark.parametrize("power", [1, 2.0, 3, math.inf, -math.inf])
def test_pooling_by_powers(parity: Any, power: float) -> None:
    for axes in (1, 2, 3):
        x = abs(drawn(2, 3, *(7, 6, 5)[:axes])) + 0.1
        both(parity, f"lp_pool{axes}d", x, power, 2)
        both(parity, f"lp_pool{axes}d", x, power, 3, 2, True)


# --- grids ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("size", [(2, 1, 3, 4), (2, 1, 2, 3, 4), (2, 1, 5, 1)])
@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid")
def test_affine_grids(parity: Any, align: bool, size: Any) -> None:
    axes = len(size) - 2
    both(parity, "affine_grid", drawn(2, axes, axes + 1), size, align_corners=align)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_sampling_at_grids(parity: Any, mode: str, padding: str, align: bool) -> None:
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    both(parity, "grid_sample", drawn(2, 3, 5, 6), 1.5 * drawn(2, 4, 3, 2), **options)
    both(parity, "grid_sample", drawn(1, 1, 1, 6), 1.5 * drawn(1, 4, 3, 2), **options)
    if mode != "bicubic":
        both(parity, "grid_sample", drawn(2, 3, 4, 5, 6), 1.5 * drawn(2, 2, 3, 4, 3), **options)
    if mode == "bilinear":
        edges = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 1.0]), -1)[None]
        both(parity, "grid_sample", drawn(1, 2, 3, 5), edges, **options)


def test_grids_refuse_what_pytorch_refuses(parity: Any) -> None:
    calls: list[Any] = [
        lambda t, f: f.grid_sample(t.zeros(1, 1, 2, 2), t.zeros(1, 1, 1, 2), mode="cubic"),
        lambda t, f: f.grid_sample(t.zeros(1, 1, 2, 2), t.zeros(1, 1, 1, 2), padding_mode="wrap"),
        lambda t, f: f.grid_sample(t.zeros(1, 1, 2, 2), t.zeros(1, 1, 1, 3), align_corners=True),
        lambda t, f: f.grid_sample(t.zeros(1, 1, 2, 2), t.zeros(2, 1, 1, 2), align_corners=True),
        lambda t, f: f.affine_grid(t.zeros(1, 3, 3), (1, 1, 2, 2), align_corners=True),
        lambda t, f: f.affine_grid(t.zeros(1, 2, 3), (1, 1, 2), align_corners=True),
        lambda t, f: f.affine_grid(t.zeros(1, 2, 3), (1, 1, 2, 0), align_corners=True),
    ]
    for call in calls:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            call(parity.torch, parity.torch.nn.functional)
        with pytest.raises(caught.type):
            call(tg, F)
    with pytest.warns(UserWarning, match="align_corners"):
        F.grid_sample(tg.zeros(1, 1, 2, 2), tg.zeros(1, 1, 1, 2))


# --- bags -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 2, -1])
def test_bags(parity: Any, mode: str, padding: int | None) -> None:
    numbers, weight = np.array([1, 2, 4, 5, 4, 3, 2, 9, 2]), drawn(10, 3)
    weight[4] = weight[5]  # the first of equal ones gets the gradient
    options = {"mode": mode, "padding_idx": padding}
    both(parity, "embedding_bag", numbers.reshape(3, 3), weight, **options)
    both(parity, "embedding_bag", numbers, weight, np.array([0, 4, 4, 6]), **options)
    both(parity, "embedding_bag", numbers, weight, np.array([0, 4, 8, 9]), include_last_offset=True, **options)
    if mode == "sum":
        factors = {"per_sample_weights": drawn(9)}
        both(parity, "embedding_bag", numbers, weight, np.array([0, 4]), **options, **factors)


def test_gradients_of_bags_are_scaled_by_frequency_as_those_of_embeddings() -> None:
    # PyTorch's own, on the CPU, divides the row of one number by the frequency of another: not an oracle here.
    numbers, table = tg.tensor([1, 2, 4, 2, 2]), drawn(5, 2)
    first, second = tg.tensor(table, requires_grad=True), tg.tensor(table, requires_grad=True)
    F.embedding_bag(numbers, first, tg.tensor([0, 2]), mode="sum", scale_grad_by_freq=True).sum().backward()
    F.embedding(numbers, second, scale_grad_by_freq=True).sum().backward()
    np.testing.assert_allclose(first.grad.numpy(), second.grad.numpy())


def test_bags_refuse_what_pytorch_refuses(parity: Any) -> None:
    calls: list[Any] = [
        lambda t, f: f.embedding_bag(t.tensor([0, 1]), t.zeros(3, 2)),
        lambda t, f: f.embedding_bag(t.tensor([[0, 1]]), t.zeros(3, 2), t.tensor([0])),
        lambda t, f: f.embedding_bag(t.tensor([0, 1]), t.zeros(3, 2), t.tensor([0]), mode="median"),
        lambda t, f: f.embedding_bag(t.tensor([0, 1]), t.zeros(3, 2), t.tensor([1])),
        lambda t, f: f.embedding_bag(t.tensor([0, 1]), t.zeros(3, 2), t.tensor([0, 3])),
        lambda t, f: f.embedding_bag(t.tensor([0, 1]), t.zeros(3), t.tensor([0])),
        lambda t, f: f.embedding_bag(t.tensor([0, 1]), t.zeros(3, 2), t.tensor([0]), per_sample_weights=t.ones(2)),
        lambda t, f: f.embedding_bag(t.tensor([0, 7]), t.zeros(3, 2), t.tensor([0])),
    ]
    for call in calls:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            call(parity.torch, parity.torch.nn.functional)
        with pytest.raises((caught.type, IndexError)):
            call(tg, F)


def test_channels_are_shuffled_and_old_names_resample(parity: Any) -> None:
    both(parity, "channel_shuffle", drawn(2, 6, 3, 4), 3)
    x = drawn(1, 2, 3, 4)
    nn = parity.torch.nn.functional
    parity.compare(lambda x: F.upsample_nearest(x, None, 2), lambda x: nn.interpolate(x, scale_factor=2), x)
    wide = {"scale_factor": 2, "mode": "bilinear", "align_corners": True}
    parity.compare(lambda x: F.upsample_bilinear(x, scale_factor=2), lambda x: nn.interpolate(x, **wide), x)


def test_channels_of_volumes_are_dropped_whole() -> None:
    tg.manual_seed(0)
    out = F.dropout3d(tg.ones(4, 8, 2, 3, 2)).numpy().reshape(32, -1)
    assert set(np.unique(out)) == {0.0, 2.0}
    assert (out == out[:, :1]).all()
