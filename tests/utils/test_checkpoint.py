"""``utils.checkpoint`` calls what it is given: values and gradients as without it, and as PyTorch's."""

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.utils.checkpoint import checkpoint, checkpoint_sequential


def test_a_checkpoint_changes_neither_values_nor_gradients() -> None:
    layers = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = tg.randn(5, 3, requires_grad=True)
    for compute in (
        lambda: checkpoint(layers, x, use_reentrant=False),
        lambda: checkpoint_sequential(layers, 2, x, use_reentrant=False),
    ):
        x.grad = None
        compute().sum().backward()
        found = x.grad
        (expected,) = tg.autograd.grad(layers(x).sum(), x)
        assert tg.equal(found, expected)
