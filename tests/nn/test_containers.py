"""Containers behave as the lists and dicts that they stand for, and register what they hold."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import IndexRangeError


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_children()]


def test_a_sequential_runs_in_order_and_is_indexed_like_a_list() -> None:
    first, second, third = nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)
    net = nn.Sequential(first, second, third)
    x = tg.ones(4, 3)
    assert (net(x).detach().numpy() == third(second(first(x))).detach().numpy()).all()
    assert net[0] is first
    assert net[-1] is third
    assert list(net[1:]) == [second, third]
    assert isinstance(net[:2], nn.Sequential)
    assert len(net) == 3
    assert list(net) == [first, second, third]
    net[1] = nn.Identity()
    assert isinstance(net[1], nn.Identity)
    del net[1]
    assert names(net) == ["0", "1"]
    assert net.append(second) is net
    assert net.insert(0, third) is net
    assert list(net) == [third, first, third, second]
    assert net.pop() is second
    assert nn.Sequential()(x) is x


def test_a_sequential_takes_names_from_a_dict() -> None:
    net = nn.Sequential(OrderedDict(first=nn.Linear(3, 2), second=nn.Tanh()))
    assert names(net) == ["first", "second"]
    assert net.first is net[0]
    assert names(net[1:]) == ["second"]
    net[1] = nn.Identity()
    assert isinstance(net.second, nn.Identity)


def test_a_slice_shares_its_parameters() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    assert net[:1][0].weight is net[0].weight


def test_a_module_list_registers_what_it_holds() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2)])
    layers += [nn.Linear(2, 3)]
    layers.append(nn.Tanh()).extend(nn.Tanh() for _ in range(2))
    assert [name for name, _ in layers.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert names(layers) == ["0", "1", "2", "3", "4"]
    assert names(layers[2:]) == ["0", "1", "2"]
    assert layers[-1] in layers
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(1)


def test_a_module_dict_registers_what_it_holds() -> None:
    layers = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Tanh()})
    layers["c"] = nn.ReLU()
    layers.update([("b", nn.Sigmoid())])
    assert list(layers) == list(layers.keys()) == ["a", "b", "c"]
    assert "a" in layers
    assert len(layers) == 3
    assert dict(layers.items())["b"] is layers["b"]
    assert isinstance(layers.pop("c"), nn.ReLU)
    del layers["b"]
    assert list(layers.values()) == [layers["a"]]
    layers.clear()
    assert len(layers) == 0


def test_a_parameter_list_registers_what_it_holds() -> None:
    parameter = nn.Parameter(tg.zeros(2))
    held = nn.ParameterList([parameter, tg.ones(3)])
    held.append(tg.zeros(1))
    assert [name for name, _ in held.named_parameters()] == ["0", "1", "2"]
    assert held[0] is parameter
    assert all(isinstance(entry, nn.Parameter) for entry in held)
    assert len(held[1:]) == 2
    assert list(held.state_dict()) == ["0", "1", "2"]


@pytest.mark.parametrize("make", [lambda: nn.Sequential([nn.ReLU()]), lambda: nn.ModuleList([3])])
def test_what_is_no_module_is_refused(make: Any) -> None:
    with pytest.raises(TypeError, match="holds modules, not a"):
        make()


def test_a_list_of_modules_is_refused_with_the_remedy() -> None:
    with pytest.raises(TypeError, match=r"pass the modules one by one: \*modules"):
        nn.Sequential([nn.ReLU()])


@pytest.mark.parametrize("index", [2, -3])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    net = nn.Sequential(nn.ReLU(), nn.ReLU())
    with pytest.raises(IndexRangeError, match=f"index {index} is out of range for a Sequential of 2"):
        net[index]
    with pytest.raises(IndexError):
        del net[index]


def test_a_parameter_list_takes_what_pytorchs_takes(parity: Any) -> None:
    def program(t: Any) -> Any:
        held = t.nn.ParameterList([t.ones(2), "name", None, t.nn.Parameter(t.zeros(1))])
        found: list[Any] = [repr(held).replace(" ", ""), list(held.state_dict()), len(held), held[1], held[-2]]
        held[1] = t.ones(3)
        held.append({"a": 1})
        held += [t.ones(1)]
        found += [
            sorted(name for name, _ in held.named_parameters()),
            held[4],
            list(held[4:5]),
            held[1].requires_grad,
        ]
        found.append([type(one).__name__ for one in held[::2]])
        for wrong in (t.ones(2), 3):
            try:
                held.extend(wrong)
            except TypeError:
                found.append("refused")
        try:
            held()
        except RuntimeError:
            found.append("not called")
        return found

    assert program(tg) == program(parity.torch)


def test_a_parameter_list_keeps_its_values_in_order_when_entries_go_and_come() -> None:
    held = nn.ParameterList([tg.ones(1), "a", tg.ones(2)])
    held.insert(0, "first")
    del held[1]
    assert [one if isinstance(one, str) else tuple(one.shape) for one in held] == ["first", "a", (2,)]
    assert held.pop() is not None
    assert list(held.parameters()) == []
    with pytest.raises(TypeError, match="ModuleList"):
        held.append(nn.ReLU())
    assert list(held) == ["first", "a"]
