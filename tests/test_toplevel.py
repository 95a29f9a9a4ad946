"""Functions that PyTorch has both in nn.functional and at the top, and devices as scopes."""

from __future__ import annotations

from typing import Any

import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.dropout(lib.ones(3), 0.5, False),
        lambda lib: lib.dropout(lib.ones(3), p=1.0, train=True),
        lambda lib: lib.alpha_dropout(lib.ones(3), 0.5, train=False),
        lambda lib: lib.feature_alpha_dropout(lib.ones(1, 3), 0.5, train=False),
        lambda lib: lib.embedding(lib.arange(6.0).reshape(3, 2), lib.tensor([[2, 0]])),
        lambda lib: lib.embedding(lib.arange(6.0).reshape(3, 2), lib.tensor([2]), 2),
        lambda lib: lib.constant_pad_nd(lib.ones(1, 2), (1, 0, 0, 1), 3),
        lambda lib: lib.fill(lib.zeros(2), 4),
        lambda lib: lib.tensor(lib.get_device(lib.zeros(2))),
        lambda lib: lib.conv2d(lib.ones(1, 1, 3, 3), lib.ones(2, 1, 2, 2), padding=1),
        lambda lib: lib.conv1d(lib.ones(1, 2, 4), lib.ones(2, 1, 3), groups=2),
        lambda lib: lib.max_pool2d(lib.arange(16.0).reshape(1, 1, 4, 4), 2),
        lambda lib: lib.layer_norm(lib.arange(6.0).reshape(2, 3), (3,)),
        lambda lib: lib.pixel_shuffle(lib.arange(8.0).reshape(1, 4, 1, 2), 2),
    ],
)
def test_a_function_at_the_top_does_what_pytorchs_does(call: Any) -> None:
    ours, theirs = call(tg), call(torch)
    assert ours.shape == tuple(theirs.shape)
    assert ours.flatten().tolist() == pytest.approx(theirs.flatten().tolist(), rel=1e-5)


def test_padding_rows_get_no_gradient() -> None:
    weight = tg.ones(3, 2, requires_grad=True)
    tg.embedding(weight, tg.tensor([0, 2]), 2).sum().backward()
    assert weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_the_cpu_can_be_a_scope_and_another_device_cannot() -> None:
    with tg.device("cpu"):
        assert tg.zeros(2).device == "cpu"
    with pytest.raises(tg.UnsupportedError, match="device="), tg.device("cuda"):
        pass


def test_a_result_tells_whether_it_retains_its_gradient() -> None:
    x = tg.ones(2, requires_grad=True)
    y = x * 2
    assert not y.retains_grad
    y.retain_grad()
    assert y.retains_grad
    assert not x.retains_grad
