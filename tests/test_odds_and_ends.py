"""Small functions and methods that programs use now and then behave as PyTorch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")

# --- gradient ---------------------------------------------------------------------------------------------------------

POINTS = numpy.array([0.0, 0.5, 2.0, 2.25, 5.0])
SPACINGS: dict[str, Any] = {
    "by default": lambda t: {},
    "precise ends": lambda t: {"edge_order": 2},
    "one distance": lambda t: {"spacing": 0.25, "dim": 1},
    "a distance each": lambda t: {"spacing": (2.0, 0.5, 3.0), "edge_order": 2},
    "points": lambda t: {"spacing": (t.tensor(POINTS),), "dim": 1},
    "points, precise ends": lambda t: {
        "spacing": [t.tensor(POINTS), t.tensor(POINTS[:4])],
        "dim": (1, 2),
        "edge_order": 2,
    },
    "the last axis": lambda t: {"dim": -1},
}


@pytest.mark.parametrize("name", SPACINGS)
def test_slopes_and_their_gradients_are_pytorchs(name: str) -> None:
    values = numpy.random.default_rng(3).standard_normal((3, 5, 4))
    found = []
    for package in (tg, torch):
        x = package.tensor(values, requires_grad=True)
        slopes = package.gradient(x, **SPACINGS[name](package))
        assert isinstance(slopes, tuple)
        sum((slope**2).sum() for slope in slopes).backward()
        found.append([*(slope.detach().numpy() for slope in slopes), x.grad.numpy()])
    for mine, right in zip(*found, strict=True):
        numpy.testing.assert_allclose(mine, right, rtol=1e-9, atol=1e-12)


def test_slopes_of_two_entries_of_integers_and_of_float32() -> None:
    for package in (tg, torch):
        assert package.gradient(package.tensor([1, 3]))[0].tolist() == [2.0, 2.0]
    assert tg.gradient(tg.tensor([1, 3, 4]))[0].dtype == tg.float32
    with pytest.raises(tg.ShapeError, match="points have shape"):  # which PyTorch lets pass
        tg.gradient(tg.ones(3, 3), spacing=(tg.ones(2),), dim=0)
    assert tg.gradient(tg.tensor([1.0, 3, 4]), spacing=numpy.float64(2))[0].dtype == tg.float32


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t.gradient(x, edge_order=3),
        lambda t, x: t.gradient(x[:1]),
        lambda t, x: t.gradient(x[:2], edge_order=2),
        lambda t, x: t.gradient(x, dim=(0, 0)),
        lambda t, x: t.gradient(x, spacing=[1.0]),
        lambda t, x: t.gradient(x, spacing=t.ones(3)),
        lambda t, x: t.gradient(x, dim=2),
        lambda t, x: t.unravel_index(x, (2, 3)),
        lambda t, x: t.unravel_index(t.tensor(1), (-2, 3)),
        lambda t, x: t.nonzero_static(x, size=-1),
        lambda t, x: t.poisson(-x),
        lambda t, x: t.poisson(t.tensor([1])),
        lambda t, x: t.binomial(t.tensor([1]), t.tensor([0.5])),
        lambda t, x: t.frombuffer(bytearray(7), dtype=t.float32),
        lambda t, x: t.frombuffer(bytearray(7), dtype=t.int16, count=9),
        lambda t, x: t.frombuffer(bytearray(7), dtype=t.int16, offset=99),
        lambda t, x: t.frombuffer(bytearray(7), dtype=t.int16, count=0),
        lambda t, x: t.frombuffer(bytearray(), dtype=t.int8),
        lambda t, x: x.register_post_accumulate_grad_hook(print),
        lambda t, x: (x.requires_grad_() * 2).register_post_accumulate_grad_hook(print),
    ],
)
def test_what_pytorch_refuses_is_refused(call: Any) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)) as right:
        call(torch, torch.ones(3, 3))
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)) as mine:
        call(tg, tg.ones(3, 3))
    assert isinstance(mine.value, next(kind for kind in right.type.__mro__ if kind.__module__ == "builtins"))


# --- indices, counts and buffers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3), (6,), 6, (1, 2, 3), (4, 4)])
def test_numbers_of_entries_become_indices(shape: Any) -> None:
    numbers = [[0, 5], [3, 1]]
    mine, right = (t.unravel_index(t.tensor(numbers), shape) for t in (tg, torch))
    assert [one.tolist() for one in mine] == [one.tolist() for one in right]
    assert all(one.dtype == tg.int64 for one in mine)


def test_places_of_entries_are_cut_and_filled() -> None:
    for size in (0, 1, 2, 5):
        mine, right = (t.nonzero_static(t.tensor([[0, 1], [2, 0]]), size=size, fill_value=9) for t in (tg, torch))
        assert mine.tolist() == right.tolist()
        assert mine.shape == tuple(right.shape)


def test_counts_have_the_right_moments_and_follow_the_seed() -> None:
    generator = tg.Generator().manual_seed(5)
    rates = tg.full((20000,), 3.0)
    drawn = tg.poisson(rates, generator)
    assert drawn.dtype == tg.float32
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.1)
    assert drawn.var().item() == pytest.approx(3.0, abs=0.2)
    assert tg.equal(drawn, tg.poisson(rates, tg.Generator().manual_seed(5)))
    successes = tg.binomial(tg.full((20000, 1), 10.0), tg.tensor([0.2, 0.7]))
    assert successes.shape == (20000, 2)
    assert successes.mean(0).tolist() == pytest.approx([2.0, 7.0], abs=0.1)
    assert successes.var(0).tolist() == pytest.approx([1.6, 2.1], abs=0.15)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        tg.binomial(tg.ones(1), tg.ones(1) * 2)


def test_a_buffer_is_shared_and_a_read_only_one_copied() -> None:
    buffer = bytearray(numpy.arange(4, dtype="float32").tobytes())
    for package in (tg, torch):
        assert package.frombuffer(buffer, dtype=package.float32, count=2, offset=4).tolist() == [1.0, 2.0]
    x = tg.frombuffer(buffer, dtype=tg.float32)
    x[0] = 7.0
    assert numpy.frombuffer(buffer, "float32")[0] == 7.0
    assert tg.frombuffer(buffer, dtype=tg.float32, requires_grad=True).requires_grad
    with pytest.warns(UserWarning, match="read-only"):
        y = tg.frombuffer(bytes(4), dtype=tg.uint8)
    y[0] = 3


# --- tensors ----------------------------------------------------------------------------------------------------------


def test_hooks_after_accumulation_see_the_gradient_in_place() -> None:
    found = []
    for package in (tg, torch):
        log: list[Any] = []
        layer = package.nn.Linear(2, 1)
        with package.no_grad():
            for parameter in layer.parameters():
                parameter.fill_(1.0)

        def step(parameter: Any, log: Any = log, package: Any = package) -> None:
            log.append((tuple(parameter.shape), parameter.grad.tolist(), package.is_grad_enabled()))
            if len(log) > 2:
                with package.no_grad():
                    parameter -= 0.5 * parameter.grad
                parameter.grad = None

        hooks = [parameter.register_post_accumulate_grad_hook(step) for parameter in layer.parameters()]
        for _ in range(3):
            layer(package.ones(3, 2)).sum().backward()
        hooks[0].remove()
        layer(package.ones(3, 2)).sum().backward()
        found.append((sorted(log[:2]), sorted(log[2:4]), sorted(log[4:6]), log[6:], layer.weight.tolist()))
    assert found[0] == found[1]


def test_a_hook_after_accumulation_returns_nothing_and_stays_with_its_tensor() -> None:
    x = tg.ones(2, requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda x: 3)
    copy.deepcopy(x).sum().backward()
    with pytest.raises(TypeError, match="returned"):
        x.sum().backward()


def test_versions_count_writes() -> None:
    for package in (tg, torch):
        x = package.zeros(3)
        assert x._version == 0
        x += 1
        x[1:].mul_(2)
        x[0] = 5
        assert x._version == 3
        assert x.view(3)._version == x.detach()._version == 3
        assert x.clone()._version == 0
        x.zero_()
        assert x._version == 4


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_tell_size_and_place() -> None:
    for package in (tg, torch):
        x = package.zeros(2, 3, dtype=package.float64)
        part = x[1:, 1:]
        whole = part.untyped_storage()
        assert (whole.nbytes(), whole.size(), len(whole), whole.element_size()) == (48, 48, 48, 1)
        assert whole.data_ptr() == x.data_ptr() == x.storage().data_ptr()
        assert (part.storage().size(), part.storage().nbytes(), part.storage().element_size()) == (6, 48, 8)
        assert x.clone().untyped_storage().data_ptr() != x.data_ptr()
        assert package.nn.Linear(2, 2).weight.untyped_storage().nbytes() == 16
