"""What optimizers share: names, hooks, switches, learning rates that are tensors, copies, state dicts of PyTorch's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.optim.hooks import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from tinygrad_mp.optim.optimizer import Optimizer, required

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "maximize": True}),
    ("AdamW", {}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.2}),
    ("NAdam", {"lr": 0.01, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.01, "betas": (0.7, 0.9), "weight_decay": 0.2}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Rprop", {}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("ASGD", {"lambd": 0.01, "t0": 3}),
]
IDS = [name for name, _ in SETTINGS]
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


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_state_dict_of_pytorchs_is_taken_up(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    theirs = [torch.tensor(p.array.copy(), requires_grad=True) for p in leaves()]
    oracle = getattr(torch.optim, name)(theirs, **settings)
    ours = leaves()
    optimizer = getattr(optim, name)(ours, lr=0.7)
    for step in range(20):
        if step == 5:
            optimizer.load_state_dict(oracle.state_dict())
            for a, b in zip(ours, theirs, strict=True):
                a.array[...] = b.detach().numpy()
        for number, parameter in enumerate(theirs):
            parameter.grad = torch.tensor(gradient(step, number, "float32"))
        oracle.step()
        if step >= 5:
            train(optimizer, ours, range(step, step + 1))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_copy_of_parameters_and_optimizer_continues_alike(name: str, settings: dict[str, Any], copied: Any) -> None:
    parameters = leaves()
    optimizer = getattr(optim, name)(parameters, **settings)
    optimizer.register_step_pre_hook(lambda *_: None)  # which stays behind, as functions cannot be pickled
    train(optimizer, parameters, range(3))
    others, twin = copied((parameters, optimizer))
    assert twin.param_groups[0]["params"][0] is others[0]
    train(optimizer, parameters, range(3, 6))
    before = [parameter.array.copy() for parameter in parameters]
    train(twin, others, range(3, 6))
    assert same_bits(parameters, others)
    assert all((p.array == old).all() for p, old in zip(parameters, before, strict=True))


def test_named_parameters_bring_their_names() -> None:
    model = nn.Linear(2, 3)
    optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    assert "param_names: ['weight', 'bias']" in repr(optimizer)
    with pytest.raises(ValueError, match="have names"):
        optimizer.add_param_group({"params": [tg.zeros(2, requires_grad=True)]})
    with pytest.raises(ValueError, match="some parameters of the group have names"):
        optim.SGD([("weight", model.weight), model.bias])


def test_names_stay_when_a_state_without_names_is_loaded() -> None:
    first, second = leaves(), leaves()
    optimizer = optim.SGD([(f"p{n}", p) for n, p in enumerate(first)])
    optimizer.load_state_dict(optim.SGD(second, lr=0.5).state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["p0", "p1", "p2"]
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_hooks_run_around_a_step_and_may_change_its_arguments() -> None:
    parameters, seen = leaves(), []
    optimizer = optim.SGD(parameters, lr=0.1)

    def before(opt: Any, args: Any, kwargs: Any) -> Any:
        seen.append(("before", opt is optimizer, args[0] is optimizer, dict(kwargs)))
        return args, {"closure": lambda: seen.append("closure")}

    handle = optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(lambda opt, args, kwargs: seen.append("after"))
    everywhere = [
        register_optimizer_step_pre_hook(lambda *_: seen.append("first")),
        register_optimizer_step_post_hook(lambda *_: seen.append("last")),
    ]
    try:
        optimizer.step()
        assert seen == ["first", ("before", True, True, {}), "closure", "after", "last"]
        handle.remove()
        for one in everywhere:
            one.remove()
        seen.clear()
        optimizer.step()
        assert seen == ["after"]
    finally:
        for one in everywhere:
            one.remove()
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="returns None or a pair"):
        optimizer.step()


def test_hooks_see_and_change_what_is_saved_and_loaded() -> None:
    parameters, seen = leaves(), []
    optimizer = optim.SGD(parameters, lr=0.1)
    optimizer.register_state_dict_pre_hook(lambda opt: seen.append("saving"))
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: {**state, "state": {0: {"seen": 3}}})
    optimizer.register_load_state_dict_post_hook(lambda opt: seen.append("loaded"))
    saved = optimizer.state_dict()
    assert saved["extra"] == 1
    optimizer.load_state_dict(saved)
    assert seen == ["saving", "loaded"]
    assert optimizer.state[parameters[0]] == {"seen": 3}


def test_switches_that_change_nothing_are_accepted_and_the_others_refused() -> None:
    for name in ("SGD", "Adam", "Adagrad"):
        optimizer = getattr(optim, name)(leaves(), foreach=True, fused=False)
        assert optimizer.param_groups[0]["foreach"] is True
        with pytest.raises(RuntimeError, match="foreach and fused exclude each other"):
            getattr(optim, name)(leaves(), foreach=True, fused=True)
    assert optim.RAdam(leaves(), capturable=True).defaults["capturable"] is True
    for name in ("SGD", "Adam", "ASGD", "Rprop", "NAdam"):
        with pytest.raises(TypeError, match="write the step with tensors"):
            getattr(optim, name)(leaves(), differentiable=True)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_the_learning_rate_may_be_a_tensor(name: str, settings: dict[str, Any]) -> None:
    ours, others = leaves("float64"), leaves("float64")
    train(getattr(optim, name)(ours, **{**settings, "lr": 0.25}), ours, range(3))
    train(getattr(optim, name)(others, **{**settings, "lr": tg.tensor([0.25])}), others, range(3))
    assert same_bits(ours, others)
    with pytest.raises(ValueError, match=r"lr is a tensor of shape \(2,\), it must have one entry"):
        getattr(optim, name)(leaves(), lr=tg.tensor([0.1, 0.2]))


def test_a_subclass_may_write_its_own_step() -> None:
    class Signed(Optimizer):
        def __init__(self, params: Any, lr: Any = required) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.state[p]["count"] = self.state[p].get("count", 0) + 1
                        p.data.add_(-group["lr"] * tg.sign(p.grad.data))

    x = tg.tensor([1.0, -1.0], requires_grad=True)
    with pytest.raises(ValueError, match="a group brings no lr"):
        Signed([x])
    optimizer, calls = Signed([x], lr=0.5), []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    (x * x).sum().backward()
    optimizer.step()
    assert x.tolist() == [0.5, -0.5]
    assert calls == [1]
    assert optimizer.state_dict()["state"] == {0: {"count": 1}}


def test_adagrad_has_its_state_before_the_first_step_as_pytorchs() -> None:
    state = optim.Adagrad(leaves(), initial_accumulator_value=0.5).state_dict()["state"]
    assert state[0]["sum"].tolist() == [[0.5] * 4] * 3
    assert state[2]["step"].item() == 0


@pytest.mark.parametrize("name", ["Adafactor", "Muon", "SparseAdam"])
def test_what_is_left_out_names_the_alternative(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"optim.{name} is not here(.|\n)*fix: use"):
        getattr(optim, name)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("Adamax", {"lr": -1}),
        ("Adamax", {"betas": (1.0, 0.9)}),
        ("NAdam", {"momentum_decay": -1}),
        ("RAdam", {"eps": -1}),
        ("RMSprop", {"alpha": -0.1}),
        ("RMSprop", {"momentum": -0.1}),
        ("Rprop", {"etas": (1.1, 1.2)}),
        ("Rprop", {"lr": -1}),
        ("Adagrad", {"lr_decay": -1}),
        ("Adagrad", {"initial_accumulator_value": -1}),
        ("Adadelta", {"rho": 1.5}),
        ("Adadelta", {"rho": -0.5}),
        ("ASGD", {"weight_decay": -1}),
    ],
)
def test_a_bad_setting_is_refused_where_pytorch_refuses_it(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{name}: {next(iter(settings))}"):
        getattr(optim, name)(leaves(), **settings)


def test_rho_may_be_one() -> None:
    optim.Adadelta(leaves(), rho=1)
