"""Interpolation and pixel shuffling against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F

MODES: list[tuple[str, bool | None, int]] = [
    ("nearest", None, 1),
    ("nearest", None, 2),
    ("nearest", None, 3),
    ("nearest-exact", None, 2),
    ("linear", False, 1),
    ("linear", True, 1),
    ("bilinear", False, 2),
    ("bilinear", True, 2),
    ("trilinear", False, 3),
    ("trilinear", True, 3),
    ("bicubic", False, 2),
    ("bicubic", True, 2),
    ("area", None, 1),
    ("area", None, 2),
]


def compare(shape: Any, dtype: str = "float64", **settings: Any) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    array = np.random.default_rng(0).normal(size=shape).astype(dtype)
    x, their_x = tg.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    out, right = F.interpolate(x, **settings), torch.nn.functional.interpolate(their_x, **settings)
    g = np.random.default_rng(1).normal(size=right.shape).astype(dtype)
    assert out.shape == tuple(right.shape)
    out.backward(tg.tensor(g))
    right.backward(torch.tensor(g))
    tolerance = 1e-10 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(out.detach().numpy(), right.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(x.grad.numpy(), their_x.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("mode", "align_corners", "axes"), MODES)
def test_it_is_pytorchs_for_sizes_and_factors(mode: str, align_corners: bool | None, axes: int, dtype: str) -> None:
    settings = {"mode": mode, "align_corners": align_corners}
    lengths = (5, 4, 3)[:axes]
    for size in (1, 3, 5, 8, 12, (7, 9, 2)[:axes], (10, 4, 3)[:axes]):
        compare((2, 3, *lengths), dtype, size=size, **settings)
    # Along three axes PyTorch's backward confuses factors that differ: it is not the transpose of its own forward.
    mixed = (2.0, 0.6)[:axes] if axes < 3 else 0.6
    for factor in (1, 2, 3, 0.5, 1.7, 2.5, mixed):
        compare((2, 3, *lengths), dtype, scale_factor=factor, **settings)
        compare((2, 3, *lengths), dtype, scale_factor=factor, recompute_scale_factor=True, **settings)
    compare((0, 3, *lengths), dtype, size=6, **settings)


@pytest.mark.parametrize("shape", [(8, 3, 2), (2, 12, 3, 4), (2, 2, 4, 1, 1), (0, 4, 2, 2)])
def test_pixel_shuffle_is_pytorchs_and_unshuffle_undoes_it(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    array = np.random.default_rng(0).normal(size=shape)
    shuffled = nn.PixelShuffle(2)(tg.tensor(array))
    assert (shuffled.numpy() == torch.nn.PixelShuffle(2)(torch.tensor(array)).numpy()).all()
    assert (nn.PixelUnshuffle(2)(shuffled).numpy() == array).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Upsample(scale_factor=2),
        lambda nn: nn.Upsample(scale_factor=(2, 3)),
        lambda nn: nn.Upsample(size=(3, 5), mode="bilinear", align_corners=True),
        lambda nn: nn.PixelShuffle(3),
        lambda nn: nn.PixelUnshuffle(3),
    ],
)
def test_layers_show_themselves_as_pytorchs_do(make: Any) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    assert repr(make(nn)) == repr(make(torch.nn))
    x = np.random.default_rng(0).normal(size=(2, 9, 3, 3)).astype("float32")
    np.testing.assert_allclose(
        make(nn)(tg.tensor(x)).numpy(), make(torch.nn)(torch.tensor(x)).numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.interpolate(x, 3, mode="cubic"), SettingError, "unknown mode 'cubic'"),
        (lambda x: F.interpolate(x), SettingError, "size or scale_factor"),
        (lambda x: F.interpolate(x, 3, 2.0), SettingError, "size or scale_factor"),
        (lambda x: F.interpolate(x, 3, align_corners=True), SettingError, "align_corners is for linear modes"),
        (lambda x: F.interpolate(x, 3, mode="linear"), ShapeError, "takes an input with 3 axes, not 4"),
        (lambda x: F.interpolate(x, (3, 3, 3)), ShapeError, "size has 3 entries for 2 axes"),
        (lambda x: F.interpolate(x, scale_factor=0.1), ShapeError, "sizes must be positive"),
        (lambda x: F.interpolate(x, scale_factor=-1.0), SettingError, "scale_factor must be positive"),
        (lambda x: F.interpolate(x.long(), 3), DTypeError, "floating dtype"),
        (lambda x: F.interpolate(x, 3, antialias=True), SettingError, "antialias is not supported"),
        (lambda x: F.pixel_shuffle(x, 2), ShapeError, "3 channels are not a multiple of 2"),
        (lambda x: F.pixel_unshuffle(x, 3), ShapeError, "4 x 5 pixels are not multiples of 3"),
        (lambda x: F.pixel_shuffle(x, 0), SettingError, "factor must be at least 1"),
        (lambda x: F.pixel_shuffle(x[0, 0], 1), ShapeError, "three axes or more"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.ones(2, 3, 4, 5))
