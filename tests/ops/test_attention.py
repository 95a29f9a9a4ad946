"""scaled_dot_product_attention against PyTorch's: in parts of any size, masks that hide everything, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp.backend import attending
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F

RNG = np.random.default_rng(0)


def compare(shapes: Any, mask: Any = None, dtype: str = "float64", tolerance: float = 1e-9, **settings: Any) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    arrays = [RNG.normal(size=shape).astype(dtype) for shape in shapes]
    ours = [tg.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    out = F.scaled_dot_product_attention(*ours, None if mask is None else tg.tensor(mask), **settings)
    right = torch.nn.functional.scaled_dot_product_attention(
        *theirs, None if mask is None else torch.tensor(mask), **settings
    )
    g = RNG.normal(size=right.shape).astype(dtype)
    out.backward(tg.tensor(g))
    right.backward(torch.tensor(g))
    np.testing.assert_allclose(out.detach().numpy(), right.detach().numpy(), rtol=tolerance, atol=tolerance)
    for one, other in zip(ours, theirs, strict=True):
        assert one.grad.dtype == dtype
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("part", [1, 30, 1 << 17])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 4), (2, 3, 7, 4), (1, 1, 40, 2)])
def test_it_is_pytorchs_in_parts_of_any_size(
    shape: tuple[int, ...], causal: bool, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "_PART", part)
    compare([shape] * 3, is_causal=causal)
    compare([shape, (*shape[:-2], 3, shape[-1]), (*shape[:-2], 3, 6)], is_causal=causal)
    compare([shape] * 3, dtype="float32", tolerance=1e-4, is_causal=causal, scale=0.3)


@pytest.mark.parametrize("mask_shape", [(5, 6), (1, 6), (2, 1, 5, 6), (2, 3, 5, 6), (3, 1, 6)])
@pytest.mark.parametrize("kind", ["bool", "float64"])
def test_masks_broadcast_and_may_be_boolean_or_added(kind: str, mask_shape: tuple[int, ...]) -> None:
    mask = RNG.uniform(size=mask_shape) < 0.7 if kind == "bool" else RNG.normal(size=mask_shape)
    if kind == "bool":
        mask[..., 0] = True
    compare([(2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4)], mask)


def test_a_target_that_may_see_nothing_gets_zero_and_a_gradient_of_zero() -> None:
    for hidden in (tg.tensor([[False, False], [True, False]]), tg.tensor([[-np.inf, -np.inf], [0.0, -np.inf]])):
        q, k, v = (tg.tensor(RNG.normal(size=(2, 3)).astype("float32"), requires_grad=True) for _ in range(3))
        out = F.scaled_dot_product_attention(q, k, v, hidden)
        assert (out.detach().numpy()[0] == 0).all()
        out.sum().backward()
        assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))
        assert (q.grad.numpy()[0] == 0).all()


def test_batch_axes_broadcast_and_heads_are_shared() -> None:
    compare([(2, 3, 5, 4), (3, 5, 4), (1, 1, 5, 4)])
    compare([(2, 6, 5, 4), (2, 2, 5, 4), (2, 2, 5, 4)], enable_gqa=True)


def test_an_added_mask_gets_its_gradient() -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    arrays = [RNG.normal(size=shape) for shape in ((2, 5, 4), (2, 6, 4), (2, 6, 4), (5, 6))]
    ours, theirs = ([make(a, requires_grad=True) for a in arrays] for make in (tg.tensor, torch.tensor))
    (F.scaled_dot_product_attention(*ours) ** 2).sum().backward()
    (torch.nn.functional.scaled_dot_product_attention(*theirs) ** 2).sum().backward()
    np.testing.assert_allclose(ours[3].grad.numpy(), theirs[3].grad.numpy(), rtol=1e-9, atol=1e-12)


def test_dropout_keeps_the_mean_follows_the_seed_and_is_the_same_in_backward() -> None:
    q, k = (tg.tensor(RNG.normal(size=(64, 8, 4))) for _ in range(2))
    v = tg.ones(64, 8, 1, dtype="float64", requires_grad=True)
    tg.manual_seed(0)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.25)
    assert abs(out.detach().numpy().mean() - 1) < 0.05
    assert out.detach().numpy().std() > 0.1
    out.sum().backward()
    np.testing.assert_allclose(v.grad.numpy().sum(), out.detach().numpy().sum())  # linear in v
    tg.manual_seed(0)
    assert (F.scaled_dot_product_attention(q, k, v, dropout_p=0.25).detach().numpy() == out.detach().numpy()).all()
    assert (F.scaled_dot_product_attention(q, k, v, dropout_p=1.0).detach().numpy() == 0).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=2.0), SettingError, "dropout_p must lie"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, x, is_causal=True), SettingError, "exclude each other"),
        (lambda x: F.scaled_dot_product_attention(x, x[:, :1], x), ShapeError, "query's width is 2, key's 1"),
        (lambda x: F.scaled_dot_product_attention(x, x, x[:1]), ShapeError, "3 keys, but 1 values"),
        (lambda x: F.scaled_dot_product_attention(x, x.double(), x), DTypeError, "need one floating dtype"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, x), ShapeError, r"attn_mask does not broadcast to \(3, 3\)"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, x.long()[:, :1]), DTypeError, "boolean or floating"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.ones(3, 2))
