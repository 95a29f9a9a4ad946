"""Normalisations against PyTorch's: running statistics, dtypes, layouts of memory, errors, and every kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp.backend import normalizing
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.ops.normalization import _batch_norm
from tinygrad_mp.ops.standardizing import Moments

RNG = np.random.default_rng(0)


def both(torch: Any, array: Any, grad: bool = True) -> tuple[Any, Any]:
    return tg.tensor(array, requires_grad=grad), torch.tensor(array, requires_grad=grad)


def near(ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    right = theirs.detach().numpy()
    assert ours.detach().numpy().dtype == right.dtype
    np.testing.assert_allclose(ours.detach().numpy(), right, rtol=tolerance, atol=tolerance * max(1, abs(right).max()))


def torch_or_skip() -> Any:
    return pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")


BATCHES = [(6, 3), (2, 3, 5), (4, 3, 20), (2, 3, 4, 5), (2, 3, 9, 9), (2, 2, 2, 3, 4), (1, 3, 7)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", BATCHES)
def test_batch_norm_moves_running_statistics_as_pytorch_does(shape: tuple[int, ...], training: bool) -> None:
    torch = torch_or_skip()
    parameters = [both(torch, RNG.normal(size=shape[1]).astype("float32")) for _ in range(2)]
    running = [both(torch, RNG.uniform(0.5, 2, size=shape[1]).astype("float32"), False) for _ in range(2)]
    for _ in range(3):
        x, their_x = both(torch, RNG.normal(3, 2, size=shape).astype("float32"))
        ours = F.batch_norm(x, *(r[0] for r in running), *(p[0] for p in parameters), training, 0.3, 1e-3)
        theirs = torch.nn.functional.batch_norm(
            their_x, *(r[1] for r in running), *(p[1] for p in parameters), training, 0.3, 1e-3
        )
        g, their_g = both(torch, RNG.normal(size=shape).astype("float32"), False)
        ours.backward(g)
        theirs.backward(their_g)
        near(ours, theirs)
        near(x.grad, their_x.grad)
    for one, other in parameters:
        near(one.grad, other.grad, 1e-4)
    for one, other in running:
        near(one, other)


def test_batch_norm_of_memory_with_the_batch_innermost_is_the_same() -> None:
    array = RNG.normal(size=(5, 3, 4, 6))
    weight, bias, g = (
        tg.tensor(RNG.normal(size=3)),
        tg.tensor(RNG.normal(size=3)),
        tg.tensor(RNG.normal(size=array.shape)),
    )
    found = []
    for data in (array, np.ascontiguousarray(array.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)):
        x = tg.tensor(array, requires_grad=True)
        x.array = data
        w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
        out = F.batch_norm(x, None, None, w, b, True)
        out.backward(g)
        found.append([out.detach().numpy(), x.grad.numpy(), w.grad.numpy(), b.grad.numpy()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("part", [1, 7, 40, 1 << 16])
@pytest.mark.parametrize("shape", [(7, 4), (6, 4, 3), (3, 4, 20), (2, 6, 5, 7)])
def test_kernels_give_the_same_in_parts_of_any_size(
    shape: tuple[int, ...], part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = [RNG.normal(size=size) for size in (shape, shape[1:2], shape[1:2])]

    def run() -> list[Any]:
        results = []
        for function in (
            lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
            lambda x, w, b: F.group_norm(x, 2, w, b),
            lambda x, w, b: F.layer_norm(x, shape[1:], w.reshape(-1, *[1] * (len(shape) - 2)).expand(shape[1:])),
        ):
            tensors = [tg.tensor(array, requires_grad=True) for array in arrays]
            out = function(*tensors)
            (out * out * out).sum().backward()
            results += [out, *(tensor.grad for tensor in tensors if tensor.grad is not None)]
        return [result.detach().numpy() for result in results]

    right = run()
    monkeypatch.setattr(normalizing, "_PART", part)
    for one, other in zip(run(), right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_a_second_backward_gives_gradients_of_their_own() -> None:
    x, w, b = (tg.tensor(RNG.normal(size=size), requires_grad=True) for size in ((4, 3), (3,), (3,)))
    out = F.batch_norm(x, None, None, w, b, True)
    g = tg.ones(4, 3, dtype="float64")
    out.backward(g, retain_graph=True)
    first = [tensor.grad for tensor in (x, w, b)]
    for tensor in (x, w, b):
        tensor.grad = None
    out.backward(g)
    for tensor, before in zip((x, w, b), first, strict=True):
        assert not np.shares_memory(tensor.grad.array, before.array)
        np.testing.assert_allclose(tensor.grad.array, before.array)


def test_what_forward_found_is_not_used_for_another_input() -> None:
    moments = Moments()
    x, y = (tg.tensor(RNG.normal(size=(4, 3)), requires_grad=True) for _ in range(2))
    first = _batch_norm(x, None, None, eps=0.1, moments=moments)
    _batch_norm(y, None, None, eps=0.1, moments=moments)
    g = tg.tensor(RNG.normal(size=(4, 3)))
    first.backward(g)
    again = tg.tensor(x.detach().numpy(), requires_grad=True)
    _batch_norm(again, None, None, eps=0.1).backward(g)
    np.testing.assert_allclose(x.grad.array, again.grad.array)


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "rms_norm"])
def test_a_large_offset_costs_no_more_digits_than_pytorch_loses(name: str) -> None:
    torch = torch_or_skip()
    array = (RNG.normal(size=(64, 32)) + 1000).astype("float32")
    arguments: Any = {"batch_norm": (None, None, None, None, True), "group_norm": (4,)}.get(name, ((32,),))
    exact = getattr(torch.nn.functional, name)(torch.tensor(array, dtype=torch.float64), *arguments).numpy()
    ours = getattr(F, name)(tg.tensor(array), *arguments).numpy()
    assert abs(ours - exact).max() < 2e-4


def test_float16_is_computed_in_float32() -> None:
    torch = torch_or_skip()
    array = (RNG.normal(size=(300, 8)) * 300).astype("float16")  # squares overflow float16
    for name, arguments in (("layer_norm", ((8,),)), ("rms_norm", ((8,),)), ("group_norm", (2,))):
        ours = getattr(F, name)(tg.tensor(array), *arguments)
        theirs = getattr(torch.nn.functional, name)(torch.tensor(array), *arguments)
        assert ours.dtype == "float16"
        np.testing.assert_allclose(ours.numpy().astype("float32"), theirs.float().numpy(), atol=4e-3)


@pytest.mark.parametrize("use_input_stats", [True, False])
def test_instance_norm_moves_running_statistics_as_pytorch_does(use_input_stats: bool) -> None:
    torch = torch_or_skip()
    running = [both(torch, RNG.uniform(0.5, 2, size=3).astype("float32"), False) for _ in range(2)]
    weight = both(torch, RNG.normal(size=3).astype("float32"))
    x, their_x = both(torch, RNG.normal(2, 3, size=(4, 3, 5)).astype("float32"))
    ours = F.instance_norm(x, running[0][0], running[1][0], weight[0], None, use_input_stats, 0.2)
    theirs = torch.nn.functional.instance_norm(
        their_x, running[0][1], running[1][1], weight[1], None, use_input_stats, 0.2
    )
    near(ours, theirs)
    (ours**3).sum().backward()
    (theirs**3).sum().backward()
    near(x.grad, their_x.grad, 1e-4)
    near(weight[0].grad, weight[1].grad, 1e-4)
    for one, other in running:
        near(one, other)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 3, 4, 5), (0, 3, 2)])
def test_local_response_norm_is_pytorchs(shape: tuple[int, ...], size: int) -> None:
    torch = torch_or_skip()
    x, their_x = both(torch, RNG.normal(size=shape))
    settings = {"alpha": 0.5, "beta": 0.6, "k": 1.5}
    ours = F.local_response_norm(x, size, **settings)
    theirs = torch.nn.functional.local_response_norm(their_x, size, **settings)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)
    ours.sum().backward()
    theirs.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), their_x.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_empty_batches_pass_and_leave_running_statistics_alone() -> None:
    running = tg.zeros(3)
    x = tg.zeros(0, 3, requires_grad=True)
    F.batch_norm(x, running, None, training=True).sum().backward()
    assert x.grad.shape == (0, 3)
    assert running.tolist() == [0, 0, 0]
    assert F.layer_norm(tg.zeros(0, 4), 4).shape == (0, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.batch_norm(tg.ones(3), None, None, training=True), ShapeError, "batch and a channel axis"),
        (lambda: F.batch_norm(tg.ones(1, 3), None, None, training=True), ShapeError, "more than one entry per channel"),
        (lambda: F.batch_norm(tg.ones(2, 3), None, None), SettingError, "no running mean and variance"),
        (lambda: F.batch_norm(tg.ones(2, 3), tg.ones(2), tg.ones(2)), ShapeError, r"running_mean needs shape \(3,\)"),
        (lambda: F.batch_norm(tg.ones(2, 3, dtype="int64"), None, None, training=True), DTypeError, "floating dtype"),
        (lambda: F.layer_norm(tg.ones(2, 3), (2,)), ShapeError, r"does not end in normalized_shape \(2,\)"),
        (lambda: F.layer_norm(tg.ones(2, 3), 3, tg.ones(2)), ShapeError, r"weight needs shape \(3,\)"),
        (lambda: F.layer_norm(tg.ones(2, 3), 3, tg.ones(3, dtype="float64")), DTypeError, "weight is float64"),
        (lambda: F.group_norm(tg.ones(2, 3), 2), ShapeError, "3 channels cannot be cut in 2 groups"),
        (lambda: F.instance_norm(tg.ones(2, 3, 1)), ShapeError, "one entry per channel"),
        (lambda: F.local_response_norm(tg.ones(2, 3), 2), ShapeError, "three or more axes"),
        (lambda: F.local_response_norm(tg.ones(2, 3, 1), 0), SettingError, "size must be at least 1"),
    ],
)
def test_a_misfit_is_told(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
