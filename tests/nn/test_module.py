"""``Module`` keeps track of what is assigned to it, moves it, saves it and shows it."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.errors import DTypeError, TinygradError


class Net(nn.Module):
    """Two layers, a buffer that is saved and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 4)
        self.out = nn.Linear(4, 2, bias=False)
        self.register_buffer("count", tg.tensor(7))
        self.register_buffer("scratch", tg.tensor([1.0]), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.out(self.hidden(x).tanh())


def values(module: nn.Module) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def unchanged(module: nn.Module, before: dict[str, Any]) -> bool:
    return all((value == before[name]).all() for name, value in values(module).items())


# --- registering ----------------------------------------------------------------------------------------------------


def test_parameters_buffers_and_modules_are_found_by_their_paths() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["hidden.weight", "hidden.bias", "out.weight"]
    assert [name for name, _ in net.named_buffers()] == ["count", "scratch"]
    assert [name for name, _ in net.named_modules()] == ["", "hidden", "out"]
    assert [name for name, _ in net.named_children()] == ["hidden", "out"]
    assert next(name for name, _ in net.named_parameters(prefix="net")) == "net.hidden.weight"
    assert list(net.parameters(recurse=False)) == []
    assert list(net.children()) == [net.hidden, net.out]
    assert net.get_submodule("hidden") is net.hidden
    assert net.get_submodule("") is net


def test_what_is_shared_comes_once_unless_asked_for() -> None:
    net = Net()
    net.again = net.hidden
    net.tied = nn.Linear(3, 4)
    net.tied.weight = net.hidden.weight
    assert [name for name, _ in net.named_parameters()] == ["hidden.weight", "hidden.bias", "out.weight", "tied.bias"]
    assert len(list(net.named_modules())) == 4
    assert len(list(net.children())) == 3
    names = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert names.count("again.weight") == names.count("tied.weight") == 1


def test_an_attribute_changes_its_registry_with_its_value() -> None:
    module = nn.Module()
    module.thing = None
    module.thing = nn.Parameter(tg.tensor([1.0]))
    assert [name for name, _ in module.named_parameters()] == ["thing"]
    module.thing = nn.ReLU()
    assert not list(module.parameters())
    assert [name for name, _ in module.named_children()] == ["thing"]
    del module.thing
    assert not list(module.children())
    assert not hasattr(module, "thing")
    module.thing = 3
    assert module.thing == 3


def test_a_parameter_set_to_none_keeps_its_place() -> None:
    layer = nn.Linear(2, 2)
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]
    layer.bias = nn.Parameter(tg.zeros(2))
    assert list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidden", nn.Linear, r"Net: the class Linear cannot be the submodule 'hidden'"),
        ("hidden", 3, "Net: a int cannot be the submodule 'hidden'"),
        ("count", 3, "Net: a int cannot be the buffer 'count'"),
    ],
)
def test_an_attribute_refuses_what_is_of_another_kind(name: str, value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        setattr(Net(), name, value)


def test_a_plain_tensor_cannot_take_the_place_of_a_parameter() -> None:
    with pytest.raises(TypeError, match=r"a Tensor cannot be the parameter 'weight'\n  fix: assign nn.Parameter"):
        nn.Linear(2, 2).weight = tg.zeros(2, 2)


@pytest.mark.parametrize("name", ["", "a.b", "forward"])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    module = nn.Module()
    for register in (
        lambda: module.register_buffer(name, tg.zeros(1)),
        lambda: module.register_parameter(name, None),
        lambda: module.add_module(name, nn.ReLU()),
    ):
        with pytest.raises(KeyError):
            register()


def test_a_forgotten_super_init_is_named_with_the_remedy() -> None:
    class Forgetful(nn.Module):
        def __init__(self, value: Any) -> None:
            self.value = value

    message = r"(?s)Forgetful: .* before Module.__init__ has run.*fix: begin Forgetful.__init__ with super\(\).__init__"
    for value in (nn.ReLU(), nn.Parameter(tg.zeros(1))):
        with pytest.raises(AttributeError, match=message):
            Forgetful(value)
    with pytest.raises(AttributeError, match=message):
        Forgetful(3)(tg.zeros(1))


def test_an_unknown_attribute_is_named_with_the_class() -> None:
    with pytest.raises(AttributeError, match="Net has no attribute 'hiden'"):
        _ = Net().hiden
    assert "hidden" in dir(Net())


def test_a_missing_forward_is_named() -> None:
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


# --- modes, gradients, moving ---------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_module() -> None:
    net = nn.Sequential(Net(), nn.Dropout())
    assert not any(module.training for module in net.eval().modules())
    assert all(module.training for module in net.train().modules())
    with pytest.raises(ValueError, match="train takes True or False"):
        net.train("yes")  # type: ignore[arg-type]


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    net = Net()
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "Linear", "Net"]


def test_freezing_and_clearing_gradients() -> None:
    net = Net()
    net(tg.ones(2, 3)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all((parameter.grad.numpy() == 0).all() for parameter in net.parameters())
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not net.requires_grad_(False)(tg.ones(2, 3)).requires_grad


def test_conversion_keeps_the_parameter_objects_and_converts_their_gradients() -> None:
    net = Net()
    before = list(net.parameters())
    net(tg.ones(2, 3)).sum().backward()
    net.double()
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert {p.dtype.name for p in before} == {p.grad.dtype.name for p in before} == {"float64"}
    assert net.count.dtype == "int64"
    assert net.scratch.dtype == "float64"
    net.zero_grad()
    net(tg.ones(2, 3, dtype="float64")).sum().backward()
    assert {p.grad.dtype.name for p in before} == {"float64"}
    assert net.to("cpu").float().hidden.weight.dtype == "float32"
    assert net.half().hidden.weight.dtype == "float16"
    assert net.to(tg.zeros(1)).hidden.weight.dtype == "float32"


def test_conversion_keeps_tied_parameters_tied() -> None:
    net = Net()
    net.tied = nn.Linear(3, 4)
    net.tied.weight = net.hidden.weight
    net.double()
    assert net.tied.weight is net.hidden.weight
    assert net.tied.weight.dtype == "float64"


def test_a_module_is_not_converted_to_integers() -> None:
    with pytest.raises(DTypeError, match="floating dtype only, not to int64"):
        Net().to(dtype="int64")


# --- saving ---------------------------------------------------------------------------------------------------------


def test_state_shares_memory_and_leaves_out_what_is_not_persistent() -> None:
    net = Net()
    state = net.state_dict()
    assert list(state) == ["count", "hidden.weight", "hidden.bias", "out.weight"]
    assert state["hidden.weight"].array is net.hidden.weight.array
    assert not state["hidden.weight"].requires_grad
    assert type(state["hidden.weight"]) is tg.Tensor
    assert net.state_dict(keep_vars=True)["hidden.weight"] is net.hidden.weight
    assert list(net.out.state_dict(prefix="a.")) == ["a.weight"]


def test_loading_copies_into_the_same_memory() -> None:
    source, target = Net(), Net()
    arrays = [parameter.array for parameter in target.parameters()]
    state = {name: value.numpy() for name, value in source.state_dict().items()}
    assert repr(target.load_state_dict(state)) == "<All keys matched successfully>"
    assert unchanged(target, values(source))
    assert all(p.array is array for p, array in zip(target.parameters(), arrays, strict=True))


def test_loading_keeps_the_dtype_of_the_module() -> None:
    target = Net()
    target.load_state_dict(Net().double().state_dict())
    assert target.hidden.weight.dtype == "float32"


def test_all_that_does_not_fit_is_reported_at_once_and_nothing_is_loaded() -> None:
    source, target = Net().state_dict(), Net()
    before = values(target)
    del source["count"]
    source["hidden.bias"] = tg.zeros(5)
    source["out.weight"] = 3
    source["extra"] = tg.zeros(1)
    with pytest.raises(TinygradError) as caught:
        target.load_state_dict(source)
    assert str(caught.value).splitlines()[:5] == [
        "Net.load_state_dict: the state does not fit, nothing was loaded",
        "  hidden.bias: shape (4,) in the module, (5,) in the state",
        "  out.weight: expected a tensor, the state has int",
        "  count: missing from the state",
        "  extra: in the state, but not in the module",
    ]
    assert unchanged(target, before)


def test_without_strict_names_may_differ_but_shapes_may_not() -> None:
    source, target = Net().state_dict(), Net()
    source["extra"] = source.pop("out.weight")
    result = target.load_state_dict(source, strict=False)
    assert result.missing_keys == ["out.weight"]
    assert result.unexpected_keys == ["extra"]
    assert (target.hidden.weight.array == source["hidden.weight"].array).all()
    source["hidden.weight"] = tg.zeros(1)
    with pytest.raises(TinygradError, match=r"hidden\.weight: shape"):
        target.load_state_dict(source, strict=False)


def test_backward_refuses_a_value_that_loading_overwrote() -> None:
    net = Net()
    loss = net(tg.ones(1, 3)).sum()
    net.load_state_dict(Net().state_dict())
    with pytest.raises(TinygradError, match="in-place operation overwrote it"):
        loss.backward()


def test_names_and_shapes_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    layers = [("a", (5, 4)), ("b", (4, 3))]
    ours = nn.Sequential(OrderedDict((name, nn.Linear(*sizes)) for name, sizes in layers))
    theirs = torch.nn.Sequential(OrderedDict((name, torch.nn.Linear(*sizes)) for name, sizes in layers))
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    x = np.ones((2, 5), "float32")
    with torch.no_grad():
        np.testing.assert_allclose(
            ours(tg.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_is_equal_and_independent(duplicate: Any) -> None:
    net = Net()
    net.tied = nn.Linear(3, 4)
    net.tied.weight = net.hidden.weight
    twin = duplicate(net)
    assert unchanged(twin, values(net))
    assert twin.tied.weight is twin.hidden.weight
    assert type(twin.hidden.weight) is nn.Parameter
    assert twin.hidden.weight.is_leaf
    assert twin.hidden.weight.requires_grad
    before = values(net)
    nn.init.zeros_(twin.hidden.weight)
    assert unchanged(net, before)


# --- hooks ----------------------------------------------------------------------------------------------------------


def test_hooks_see_and_replace_arguments_and_output() -> None:
    class Scale(nn.Module):
        def forward(self, x: Any, by: float = 1.0) -> Any:
            return x * by

    module = Scale()
    seen: list[Any] = []
    first = module.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    second = module.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"by": 10.0}), with_kwargs=True, prepend=True
    )
    third = module.register_forward_hook(lambda module, args, output: seen.append((args[0].item(), output.item())))
    fourth = module.register_forward_hook(lambda module, args, output: output + 0.5)
    assert module(tg.tensor(1.0), by=2.0).item() == 20.5
    assert seen == [(2.0, 20.0)]
    for hook in (first, second, third, fourth):
        hook.remove()
    assert module(tg.tensor(1.0), by=2.0).item() == 2.0


# --- showing --------------------------------------------------------------------------------------------------------


def test_repr_is_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")

    def build(nn: Any) -> Any:
        return nn.Sequential(
            nn.Linear(3, 4),
            nn.ReLU(),
            nn.ReLU(inplace=True),
            nn.LeakyReLU(0.2),
            nn.LeakyReLU(0.2, inplace=True),
            nn.ELU(),
            nn.SiLU(),
            nn.GELU(approximate="tanh"),
            nn.Softplus(),
            nn.Sigmoid(),
            nn.Tanh(),
            nn.Softmax(dim=1),
            nn.LogSoftmax(dim=-1),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Unflatten(1, (2, 3)),
            nn.Identity(),
            nn.Sequential(nn.Linear(1, 1, bias=False), nn.Sequential()),
            nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh()]),
            nn.ModuleDict({"a": nn.Sequential(nn.Tanh()), "b": nn.CrossEntropyLoss()}),
        )

    assert repr(build(nn)) == repr(build(torch.nn))


def test_a_parameter_shows_what_it_is() -> None:
    assert repr(nn.Parameter(tg.tensor([1.0]))) == "Parameter containing:\ntensor([1.], requires_grad=True)"


# --- parameters -----------------------------------------------------------------------------------------------------


def test_what_is_computed_from_a_parameter_is_a_plain_tensor() -> None:
    parameter = nn.Parameter(tg.tensor([1.0, 2.0]))
    assert type(parameter * 2) is tg.Tensor
    assert type(parameter.detach()) is tg.Tensor
    (parameter * 2).sum().backward()
    assert type(parameter.grad) is tg.Tensor


def test_a_parameter_shares_the_memory_of_its_data() -> None:
    data = tg.tensor([1.0])
    assert nn.Parameter(data).array is data.array
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    with pytest.raises(DTypeError, match="only floating"):
        nn.Parameter(tg.tensor([1]))
    with pytest.raises(TypeError, match="made from a tensor, not list"):
        nn.Parameter([1.0])


# --- as a whole -----------------------------------------------------------------------------------------------------


def test_a_bias_free_linear_is_trained_saved_and_restored() -> None:
    tg.manual_seed(0)
    x, wanted = tg.randn(16, 3), tg.tensor([[1.0, -2.0, 0.5]])
    y = nn.functional.linear(x, wanted)
    layer = nn.Linear(3, 1, bias=False)
    optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.5)
    saved: Any = None
    for step in range(60):
        if step == 30:
            saved = pickle.dumps((layer.state_dict(), optimizer.state_dict()))
        optimizer.zero_grad()
        error = layer(x) - y
        (error * error).mean().backward()
        optimizer.step()
    np.testing.assert_allclose(layer.weight.detach().numpy(), wanted.numpy(), atol=1e-3)

    restored = nn.Linear(3, 1, bias=False)
    second = optim.SGD(restored.parameters(), lr=0.5)
    layer_state, optimizer_state = pickle.loads(saved)
    restored.load_state_dict(layer_state)
    second.load_state_dict(optimizer_state)
    for _ in range(30, 60):
        second.zero_grad()
        error = restored(x) - y
        (error * error).mean().backward()
        second.step()
    assert restored.weight.detach().numpy().tobytes() == layer.weight.detach().numpy().tobytes()
