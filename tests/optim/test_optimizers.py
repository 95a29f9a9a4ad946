"""SGD, Adam and AdamW follow PyTorch's, step by step, and can be stopped and taken up again."""

from __future__ import annotations

import copy
import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import optim
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, TapeError

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "betas": (0.7, 0.9), "weight_decay": 0.2, "amsgrad": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.01, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.2, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.01, "betas": (0.7, 0.9), "weight_decay": 0.2, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.01, "betas": (0.7, 0.9), "eps": 1e-4, "weight_decay": 0.2, "maximize": True}),
    ("RAdam", {"lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.01, "alpha": 0.8, "eps": 1e-4, "weight_decay": 0.1, "momentum": 0.9, "maximize": True}),
    ("RMSprop", {"lr": 0.01, "centered": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.02, "etas": (0.3, 1.7), "step_sizes": (1e-3, 0.1), "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.01, "alpha": 0.5, "t0": 20, "weight_decay": 0.1, "maximize": True}),
]
NO_DECAY = ("Rprop",)
IDS = [f"{name}-{'-'.join(settings) or 'defaults'}" for name, settings in SETTINGS]
SHAPES = [(3, 4), (4,), ()]


def leaves(dtype: str = "float32") -> list[Any]:
    rng = np.random.default_rng(0)
    return [tg.tensor(np.asarray(rng.normal(size=shape), dtype=dtype), requires_grad=True) for shape in SHAPES]


def gradient(step: int, number: int, dtype: Any) -> Any:
    rng = np.random.default_rng((step, number))
    return np.asarray(rng.normal(size=SHAPES[number]), dtype=dtype)


def train(optimizer: Any, parameters: list[Any], steps: range) -> None:
    """Steps along gradients that depend on the step's number only."""
    for step in steps:
        for number, parameter in enumerate(parameters):
            parameter.grad = tg.tensor(gradient(step, number, parameter.dtype))
        optimizer.step()


def same_bits(ours: list[Any], theirs: list[Any]) -> bool:
    return all(a.array.tobytes() == b.array.tobytes() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_hundred_steps_equal_pytorchs(name: str, settings: dict[str, Any], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours = leaves(dtype)
    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in ours]

    def groups(parameters: list[Any]) -> list[dict[str, Any]]:
        other = {"lr": 0.02} if name in NO_DECAY else {"lr": 0.02, "weight_decay": 0.05}
        return [{"params": parameters[:2]}, {"params": parameters[2:], **other}]

    optimizer = getattr(optim, name)(groups(ours), **settings)
    oracle = getattr(torch.optim, name)(groups(theirs), **settings)
    for step in range(100):
        for number, parameter in enumerate(theirs):
            parameter.grad = torch.tensor(gradient(step, number, dtype))
        oracle.step()
    train(optimizer, ours, range(100))

    tolerance = 1e-6 if dtype == "float32" else 1e-12
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_the_state_has_pytorchs_names_and_layout(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours = leaves()
    optimizer = getattr(optim, name)(ours, **settings)
    train(optimizer, ours, range(2))
    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in ours]
    oracle = getattr(torch.optim, name)(theirs, **settings)
    for number, parameter in enumerate(theirs):
        parameter.grad = torch.tensor(gradient(0, number, "float32"))
    oracle.step()

    found, wanted = optimizer.state_dict(), oracle.state_dict()
    assert {n: list(entries) for n, entries in found["state"].items()} == {
        n: list(entries) for n, entries in wanted["state"].items()
    }
    for group, their_group in zip(found["param_groups"], wanted["param_groups"], strict=True):
        assert group == {key: their_group[key] for key in group}


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_pytorchs_optimizer_takes_up_where_ours_stopped(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours = leaves()
    optimizer = getattr(optim, name)(ours, **settings)
    train(optimizer, ours, range(5))
    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in ours]
    oracle = getattr(torch.optim, name)(theirs, lr=0.5)
    state = optimizer.state_dict()
    state["state"] = {
        n: {key: torch.tensor(value.numpy().copy()) for key, value in entries.items()}
        for n, entries in state["state"].items()
    }
    oracle.load_state_dict(state)
    for step in range(5, 20):
        for number, parameter in enumerate(theirs):
            parameter.grad = torch.tensor(gradient(step, number, "float32"))
        oracle.step()
    train(optimizer, ours, range(5, 20))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_restored_optimizer_continues_bit_for_bit(name: str, settings: dict[str, Any]) -> None:
    straight, stopped, resumed = leaves(), leaves(), leaves()
    train(getattr(optim, name)(straight, **settings), straight, range(10))

    first = getattr(optim, name)(stopped, **settings)
    train(first, stopped, range(4))
    saved = pickle.loads(pickle.dumps({"optimizer": first.state_dict(), "values": [p.array for p in stopped]}))
    for parameter, value in zip(resumed, saved["values"], strict=True):
        parameter.array[...] = value
    second = getattr(optim, name)(resumed, lr=7.0)
    second.load_state_dict(saved["optimizer"])
    train(second, resumed, range(4, 10))
    assert same_bits(straight, resumed)


def test_a_loaded_state_is_a_copy() -> None:
    first, second = leaves(), leaves()
    source = optim.Adam(first)
    train(source, first, range(2))
    state = source.state_dict()
    target = optim.Adam(second)
    target.load_state_dict(state)
    before = copy.deepcopy([tensor.numpy() for entry in state["state"].values() for tensor in entry.values()])
    train(target, second, range(2, 5))
    after = [tensor.numpy() for entry in state["state"].values() for tensor in entry.values()]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert target.param_groups[0]["params"][0] is second[0]


def test_state_of_other_shapes_is_refused_and_changes_nothing() -> None:
    first, second = leaves(), leaves()[::-1]
    source, target = optim.Adam(first), optim.Adam(second, lr=0.5)
    train(source, first, range(1))
    with pytest.raises(ShapeError, match=r"exp_avg has shape \(3, 4\), its parameter \(\)"):
        target.load_state_dict(source.state_dict())
    assert target.param_groups[0]["lr"] == 0.5
    assert not target.state


def test_groups_of_other_sizes_are_refused() -> None:
    parameters = leaves()
    saved = optim.SGD(parameters).state_dict()
    with pytest.raises(SettingError, match=r"hold \[2\] parameters, those in the state \[3\]"):
        optim.SGD(parameters[:2]).load_state_dict(saved)


def test_a_parameter_without_gradient_stays_as_it_is() -> None:
    parameters = leaves()
    before = parameters[1].array.copy()
    optimizer = optim.AdamW(parameters, weight_decay=0.5)
    parameters[0].grad = tg.tensor(gradient(0, 0, "float32"))
    optimizer.step()
    assert (parameters[1].array == before).all()
    assert list(optimizer.state_dict()["state"]) == [0]


def test_the_gradient_is_not_changed() -> None:
    for name, settings in SETTINGS:
        parameters = leaves()
        optimizer = getattr(optim, name)(parameters, **settings)
        for step in range(3):
            for number, parameter in enumerate(parameters):
                parameter.grad = tg.tensor(gradient(step, number, "float32"))
            optimizer.step()
            for number, parameter in enumerate(parameters):
                assert (parameter.grad.numpy() == gradient(step, number, "float32")).all(), name


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_parameters_change_in_place(name: str, settings: dict[str, Any]) -> None:
    parameters = leaves()
    arrays = [parameter.array for parameter in parameters]
    train(getattr(optim, name)(parameters, **settings), parameters, range(2))
    assert all(p.array is array and p.is_leaf and p.requires_grad for p, array in zip(parameters, arrays, strict=True))


def test_backward_refuses_a_value_that_step_overwrote() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([x], lr=0.1)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(TapeError, match="in-place operation overwrote it"):
        loss.backward()


def test_step_calls_the_closure_with_recording_on_and_returns_its_loss() -> None:
    x = tg.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([x], lr=0.25)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0
    assert x.array.tolist() == [1.5]


def test_zero_grad_drops_or_fills() -> None:
    x = tg.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([x])
    (x * x).sum().backward()
    kept = x.grad
    optimizer.zero_grad(set_to_none=False)
    assert x.grad is kept
    assert kept.numpy().tolist() == [0.0]
    optimizer.zero_grad()
    assert x.grad is None


def test_a_group_added_later_is_trained_with_its_own_settings() -> None:
    first, second = leaves()[:2]
    optimizer = optim.SGD([first], lr=1.0)
    optimizer.add_param_group({"params": second, "lr": 0.0})
    before = second.array.copy()
    for number, parameter in enumerate((first, second)):
        parameter.grad = tg.tensor(gradient(0, number, "float32"))
    start = first.array.copy()
    optimizer.step()
    assert (second.array == before).all()
    np.testing.assert_array_equal(first.array, start - gradient(0, 0, "float32"))
    assert optimizer.param_groups[1]["momentum"] == 0


def test_a_learning_rate_from_numpy_widens_nothing() -> None:
    for name, settings in SETTINGS:
        parameters = leaves()
        optimizer = getattr(optim, name)(parameters, **{**settings, "lr": np.float64(0.01)})
        train(optimizer, parameters, range(2))
        tensors = itertools.chain.from_iterable(entry.values() for entry in optimizer.state.values())
        assert {tensor.dtype.name for tensor in [*parameters, *tensors]} == {"float32"}


def test_float16_stays_float16() -> None:
    for name, settings in SETTINGS:
        parameters = leaves("float16")
        extra = {"eps": 1e-3} if "eps" in optim.__dict__[name](leaves()).defaults else {}
        train(getattr(optim, name)(parameters, **{**settings, **extra}), parameters, range(2))
        assert all(parameter.dtype == "float16" and np.isfinite(parameter.array).all() for parameter in parameters)


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("SGD", {"lr": -0.1}, "SGD: lr must be finite and at least 0, not -0.1"),
        ("SGD", {"lr": float("nan")}, "lr must be finite and at least 0, not nan"),
        ("SGD", {"momentum": -1}, "momentum must be finite and at least 0, not -1"),
        ("SGD", {"nesterov": True}, "nesterov with momentum 0"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "and dampening 0.1"),
        ("Adam", {"betas": (0.9, 1.0)}, r"Adam: betas\[1\] must be in \[0, 1\), not 1.0"),
        ("Adam", {"betas": 0.9}, "betas must be two numbers, not 0.9"),
        ("Adam", {"eps": -1e-8}, "eps must be finite and at least 0, not -1e-08"),
        ("AdamW", {"weight_decay": -0.1}, "AdamW: weight_decay must be finite and at least 0, not -0.1"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)(leaves(), **settings)
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([{"params": leaves(), **settings}])


def test_a_setting_that_is_no_number_is_named() -> None:
    with pytest.raises(TypeError, match="lr must be a number, not 'fast'"):
        optim.SGD(leaves(), lr="fast")  # type: ignore[arg-type]


def test_no_parameters_are_refused() -> None:
    with pytest.raises(SettingError, match="there are no parameters"):
        optim.SGD([])
    used_up = iter(leaves())
    list(used_up)
    with pytest.raises(SettingError, match=r"fix: parameters\(\) gives them once"):
        optim.Adam(used_up)


@pytest.mark.parametrize("params", [lambda p: [p, p], lambda p: [{"params": [p]}, {"params": p}]])
def test_a_parameter_listed_twice_is_refused(params: Any) -> None:
    with pytest.raises(SettingError, match="is there twice"):
        optim.SGD(params(leaves()[0]))


def test_a_tensor_that_was_computed_is_refused() -> None:
    x = tg.tensor([1.0], requires_grad=True)
    with pytest.raises(SettingError, match="is the result of <mul>"):
        optim.SGD([x * 2])


@pytest.mark.parametrize("params", [3, {"params": []}, ["weight"], [("weight", 1)], {1, 2}])
def test_what_is_no_tensor_is_refused(params: Any) -> None:
    with pytest.raises(TypeError, match="SGD"):
        optim.SGD(params)


def test_a_single_tensor_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"fix: pass \[tensor\]"):
        optim.SGD(leaves()[0])


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (np.ones((4, 3), "float32"), ShapeError, r"shape \(4, 3\), its parameter \(3, 4\)"),
        (np.ones((3, 4), "float64"), DTypeError, "dtype float64, its parameter float32"),
    ],
)
def test_a_gradient_that_does_not_match_is_refused_first(wrong: Any, error: Any, message: str) -> None:
    parameters = leaves()
    optimizer = optim.SGD(parameters[::-1])
    for number, parameter in enumerate(parameters):
        parameter.grad = tg.tensor(gradient(0, number, "float32"))
    parameters[0]._grad = tg.tensor(wrong)  # assigning to .grad would refuse it already
    before = [parameter.array.copy() for parameter in parameters]
    with pytest.raises(error, match=message) as caught:
        optimizer.step()
    assert all((p.array == old).all() for p, old in zip(parameters, before, strict=True))
    assert "SGD.step" in str(caught.value)


def test_repr_shows_the_settings_of_each_group() -> None:
    assert repr(optim.SGD(leaves(), lr=0.5)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.5\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )
