"""However the entries of parameters are put together or cut apart, each is updated as if alone."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import optim
from tinygrad_mp.backend import blending, threads, unregister_backend
from tinygrad_mp.optim import fused
from tinygrad_mp.testing.strict import StrictArray, register

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.01, "momentum": 0.8, "nesterov": True}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.01, "betas": (0.8, 0.9), "maximize": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5}),
    ("Rprop", {}),
    ("Adagrad", {"lr": 0.01, "initial_accumulator_value": 0.1}),
    ("Adadelta", {"eps": 1e-3}),
    ("ASGD", {"t0": 2, "weight_decay": 0.1}),
]
NO_EPS = ("SGD", "Rprop", "ASGD")
SHAPES = [(3, 4), (4,), ()]


def leaves(dtype: str = "float32") -> list[Any]:
    rng = np.random.default_rng(0)
    return [tg.tensor(np.asarray(rng.normal(size=shape), dtype=dtype), requires_grad=True) for shape in SHAPES]


def gradient(step: int, number: int, dtype: Any) -> Any:
    return np.asarray(np.random.default_rng((step, number)).normal(size=SHAPES[number]), dtype=dtype)


def train(optimizer: Any, parameters: list[Any], steps: range) -> None:
    for step in steps:
        for number, parameter in enumerate(parameters):
            parameter.grad = tg.tensor(gradient(step, number, parameter.dtype))
        optimizer.step()


def same_bits(ours: list[Any], theirs: list[Any]) -> bool:
    return all(a.array.tobytes() == b.array.tobytes() for a, b in zip(ours, theirs, strict=True))


def trained(name: str, settings: dict[str, Any], dtype: str, memory: Any = lambda array: array) -> list[Any]:
    """Parameters after five steps, in memory laid out by ``memory``."""
    parameters = leaves(dtype)
    for parameter in parameters:
        parameter.data = tg.from_numpy(memory(parameter.array))
    train(getattr(optim, name)(parameters, **settings), parameters, range(5))
    return parameters


WAYS: dict[str, dict[str, int]] = {
    "each by itself": {"SMALL": 0},
    "in blocks": {"SMALL": 0, "BLOCK": 5},
    "few together": {"SMALL": 20, "BLOCK": 40},
    "split over threads": {"SMALL": 0, "BLOCK": 5, "_COST": 10**9},
    "by BLAS": {"SMALL": 0, "WORTH_BLAS": 1},
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_every_way_to_compute_gives_the_same(
    name: str, settings: dict[str, Any], way: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**settings, "eps": 1e-4} if dtype == "float16" and name not in NO_EPS else settings
    expected = trained(name, settings, dtype)
    for constant, value in WAYS[way].items():
        monkeypatch.setattr(blending if constant == "WORTH_BLAS" else fused, constant, value)
    if way == "split over threads":
        monkeypatch.setattr(threads._pool, "count", 2)
    found = trained(name, settings, dtype)
    tolerance = {"float16": 1e-3, "float32": 1e-7, "float64": 1e-15}[dtype]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("small", [0, 100])
@pytest.mark.parametrize(
    "memory", [lambda array: np.array(array, order="F"), lambda array: np.stack([array, array], -1)[..., 0]]
)
def test_parameters_may_lie_in_memory_in_any_order(memory: Any, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = trained("AdamW", {}, "float32")
    monkeypatch.setattr(fused, "SMALL", small)
    assert same_bits(trained("AdamW", {}, "float32", memory), expected)


def test_parameters_join_and_leave_between_steps() -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours = leaves()
    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in ours]
    optimizer, oracle = optim.Adam(ours, lr=0.01), torch.optim.Adam(theirs, lr=0.01)
    present = [(0,), (0, 1), (0, 1, 2), (1,), (), (2, 1), (0, 2), (0, 1, 2)]
    for step, numbers in enumerate(present):
        for number in range(3):
            g = gradient(step, number, "float32") if number in numbers else None
            ours[number].grad = None if g is None else tg.tensor(g)
            theirs[number].grad = None if g is None else torch.tensor(g)
        optimizer.param_groups[0]["lr"] = oracle.param_groups[0]["lr"] = 0.01 * (step + 1)
        optimizer.param_groups[0]["betas"] = oracle.param_groups[0]["betas"] = (0.9 - 0.05 * step, 0.99)
        optimizer.step()
        oracle.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=1e-6, atol=1e-6)
        assert optimizer.state[a]["step"].item() == oracle.state[b]["step"].item()


def test_a_parameter_with_exchanged_memory_is_trained_there() -> None:
    parameters, expected = leaves(), leaves()
    optimizer = optim.AdamW(parameters)
    train(optimizer, parameters, range(2))
    before = parameters[0].array
    parameters[0].data = parameters[0].detach().clone()
    values = before.copy()
    train(optimizer, parameters, range(2, 5))
    train(optim.AdamW(expected), expected, range(5))
    assert same_bits(parameters, expected)
    assert (before == values).all()


def test_one_model_may_step_between_forward_and_backward_of_another() -> None:
    first, second = leaves()[0], leaves()[0]
    loss = (first * first).sum()
    optimizer = optim.SGD([second], lr=0.1)
    second.grad = tg.ones(3, 4)
    optimizer.step()
    loss.backward()
    np.testing.assert_array_equal(first.grad.array, 2 * first.array)


@pytest.mark.parametrize("small", [0, 100])
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_another_device_gives_the_same(
    name: str, settings: dict[str, Any], small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(name, settings, "float32")
    monkeypatch.setattr(fused, "SMALL", small)
    register()
    try:
        parameters = [parameter.detach().to("strict").requires_grad_() for parameter in leaves()]
        optimizer = getattr(optim, name)(parameters, **settings)
        for step in range(5):
            for number, parameter in enumerate(parameters):
                parameter.grad = tg.tensor(gradient(step, number, "float32")).to("strict")
            optimizer.step()
        assert all(type(parameter.array) is StrictArray for parameter in parameters)
        assert same_bits([parameter.cpu() for parameter in parameters], expected)
    finally:
        unregister_backend("strict")


def _disturbances() -> dict[str, Any]:
    def reload(optimizer: Any, _: list[Any]) -> None:
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    def reverse(optimizer: Any, _: list[Any]) -> None:
        optimizer.param_groups[0]["params"].reverse()

    def replace_memory(optimizer: Any, parameters: list[Any]) -> None:
        entries = optimizer.state[parameters[1]]
        entries["exp_avg"] = tg.tensor(entries["exp_avg"].array.copy())

    def skip_one(_: Any, parameters: list[Any]) -> None:
        parameters[0].requires_grad_(False)

    return {"reload": reload, "reverse": reverse, "replace memory": replace_memory, "skip one": skip_one}


@pytest.mark.parametrize("what", _disturbances())
def test_state_that_lies_together_follows_whatever_happens_to_it(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for small in (fused.SMALL, 0):  # together, and each by itself
        monkeypatch.setattr(fused, "SMALL", small)
        parameters = leaves()
        optimizer = optim.Adam(parameters, lr=0.01)
        train(optimizer, parameters, range(3))
        kept = optimizer.state[parameters[2]]["exp_avg"]
        _disturbances()[what](optimizer, parameters)
        train(optimizer, parameters, range(3, 6))
        if what != "reload":
            assert optimizer.state[parameters[2]]["exp_avg"] is kept
        found.append([*parameters, *(optimizer.state[p]["exp_avg_sq"] for p in parameters)])
    for together, alone in zip(*found, strict=True):
        np.testing.assert_allclose(together.array, alone.array, rtol=1e-6)


def test_a_copy_of_an_optimizer_shares_no_state_with_it() -> None:
    parameters = leaves()
    optimizer = optim.Adam(parameters, lr=0.01)
    train(optimizer, parameters, range(2))
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        theirs = other.param_groups[0]["params"]
        before = [optimizer.state[p]["exp_avg"].array.copy() for p in parameters]
        train(other, theirs, range(2, 4))
        for p, state in zip(parameters, before, strict=True):
            np.testing.assert_array_equal(optimizer.state[p]["exp_avg"].array, state)
        assert len(theirs) == len(parameters)
        assert not any(np.shares_memory(a.array, b.array) for a, b in zip(theirs, parameters, strict=True))
