"""A module is described by a tree, and made again from it: the same parts, the same settings, the same outputs."""

from __future__ import annotations

import copy
import functools
import math
import pickle
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy
import pytest

import tinygrad_mp as tg
from tests.training.every_layer import LAYERS, TRAINERS_LAYERS
from tests.training.saved import bits, expect_same, output, through_a_file
from tinygrad_mp import nn, optim
from tinygrad_mp.nn import functional as F
from tinygrad_mp.nn.arguments import settings_of
from tinygrad_mp.training import layers, names
from tinygrad_mp.training.architecture import encode
from tinygrad_mp.training.rebuilding import decode, encode_checked


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_registered", {})


# --- every layer ------------------------------------------------------------------------------------------------------


def test_the_list_holds_every_layer() -> None:
    public = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    known = {name for name in public if issubclass(getattr(nn, name), nn.Module)} - {"Module"}
    assert known - set(LAYERS) == set()
    ours = {getattr(layers, name) for name in layers.__all__} - {layers.Inferring, layers.Initialization}
    assert {one.__name__ for one in ours if not one.__module__.startswith("tinygrad_mp.nn")} - set(
        TRAINERS_LAYERS
    ) == set()


EVERY = [
    *[pytest.param(case, id=name) for name, case in LAYERS.items()],
    *[pytest.param(case, id=f"training {name}") for name, case in TRAINERS_LAYERS.items()],
]


@pytest.mark.parametrize("case", EVERY)
def test_every_layer_comes_back_bit_for_bit(case: Any) -> None:
    make, inputs_of = case
    tg.manual_seed(3)
    module, inputs = make(), () if inputs_of is None else inputs_of()
    if inputs_of is not None:
        output(module, inputs)  # running statistics, and the widths of lazy layers
    for position, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(position > 0)
    for training in (True, False):
        module.train(training)
        found = through_a_file(module)
        expect_same(found, module)
        if inputs_of is not None:
            assert output(found, inputs) == output(module, inputs)
            module = found  # and again, from what was made again


@pytest.mark.parametrize(
    "case",
    [case for case in EVERY if str(case.id).startswith(("Lazy", "training Dense", "training Conv", "training Ba"))],
)
def test_lazy_layers_come_back_before_their_first_call(case: Any) -> None:
    make, inputs_of = case
    module = make().double()
    found = through_a_file(module)
    expect_same(found, module)
    assert inputs_of is not None
    (x,) = inputs_of()
    assert output(found, (x.double(),)) == output(module, (x.double(),))


def test_how_a_layer_started_comes_back() -> None:
    layer = layers.Dense(3).build((None, 4))
    found = through_a_file(layer)
    assert found.initialization_ == layer.initialization_
    assert type(found.initialization_) is layers.Initialization
    tg.manual_seed(2)
    layer.reset_parameters()
    tg.manual_seed(2)
    found.reset_parameters()
    expect_same(found, layer)


@pytest.mark.slow  # importing them takes most of it
def test_pytorchs_own_samples_of_modules_come_back() -> None:
    pytest.importorskip("torch", reason="the samples are PyTorch's, which is not importable here")
    from tests.parity.databases import MODULES, seed_all, spread, torch
    from tests.parity.modules import our_module
    from tests.parity.sides import LeftOutError, MissingError

    seen = 0
    for info in MODULES.values():
        seed_all()
        samples = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=True)
        for _, one in spread(list(samples), 6):
            try:
                module = our_module(info, one.constructor_input, training=False)
            except (LeftOutError, MissingError, RuntimeError):
                continue
            foreign = [getattr(value, "__module__", type(value).__module__) for value in settings_of(module).values()]
            if any(str(home).partition(".")[0] == "torch" for home in foreign):
                continue  # an argument that is PyTorch's
            expect_same(through_a_file(module), module)
            seen += 1
    assert seen > 300


# --- what has become of a module --------------------------------------------------------------------------------------


def test_settings_changed_later_come_back() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.LeakyReLU(), nn.BatchNorm1d(3))
    net[0].p, net[1].negative_slope, net[2].momentum = 0.1, 0.3, 0.9
    net.note = ["added", 3]
    found = through_a_file(net)
    assert (found[0].p, found[1].negative_slope, found[2].momentum, found.note) == (0.1, 0.3, 0.9, ["added", 3])


def test_an_attribute_that_was_made_of_an_argument_is_not_taken_for_it() -> None:
    class Twice(nn.Module):
        def __init__(self, width: int = 2) -> None:
            super().__init__()
            self.width = 2 * width
            self.layer = nn.Linear(self.width, 1)

    found = through_a_file(Twice(3), {"Twice": Twice})
    assert (found.width, found.layer.in_features) == (6, 6)


def test_layers_that_were_exchanged_added_and_taken_out_come_back() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8))
            self.head = nn.Linear(8, 10)
            self.unused = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(x))

    net = Net()
    net.head = nn.Linear(8, 2, bias=False)
    net.body.append(nn.Tanh())
    net.body[0] = nn.Linear(4, 8, bias=False)
    net.unused = None
    net.extra = nn.ModuleDict({"one": nn.ReLU()})
    net.body[2].weight = nn.Parameter(tg.randn(8, 8), requires_grad=False)
    net.body[2].bias = None
    net.body[2].register_buffer("mask", tg.ones(3), persistent=False)
    found = through_a_file(net, {"Net": Net})
    expect_same(found, net)
    assert found._modules["unused"] is None
    assert bits(found.body[2].mask) == bits(net.body[2].mask)
    assert "body.2.mask" not in found.state_dict()
    x = tg.randn(2, 4)
    assert output(found, (x,)) == output(net, (x,))


def test_references_inside_a_module_hold() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.order = {"first": self.layer}  # not registered
            self.weights = [self.layer.weight]

        def forward(self, x: Any) -> Any:
            return self.order["first"](x) + self.weights[0].sum()

    net = Net()
    found = through_a_file(net, {"Net": Net})
    assert found.order["first"] is found.layer
    assert found.weights[0] is found.layer.weight
    x = tg.randn(2, 3)
    assert output(found, (x,)) == output(net, (x,))


def test_shared_modules_and_tied_parameters_come_back_shared() -> None:
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.Tanh(), shared, nn.Linear(4, 4, bias=False))
    net[3].weight = shared.weight
    found = through_a_file(net)
    assert found[0] is found[2]
    assert found[3].weight is found[0].weight
    assert len(list(found.parameters())) == 2
    found[0].weight.data.fill_(0.0)
    assert not found[3](tg.ones(4)).any()


def test_ties_that_were_cut_stay_cut() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)
            self.two.weight = self.one.weight

    net = Tied()
    assert through_a_file(net, {"Tied": Tied}).two.weight is not net.one.weight
    net.two.weight = nn.Parameter(tg.zeros(2, 2))
    found = through_a_file(net, {"Tied": Tied})
    assert found.two.weight is not found.one.weight
    assert bits(found.one.weight) == bits(net.one.weight)


def test_a_module_that_is_an_argument_is_the_one_that_is_held() -> None:
    class Residual(nn.Module):
        def __init__(self, inner: nn.Module, *more: nn.Module, after: nn.Module | None = None) -> None:
            super().__init__()
            self.inner, self.more, self.after = inner, nn.ModuleList(more), after
            self.held = inner

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    net = Residual(Residual(nn.Linear(3, 3)), nn.ReLU(), nn.Tanh(), after=nn.GELU())
    found = through_a_file(net, {"Residual": Residual})
    expect_same(found, net)
    assert found.held is found.inner


def test_values_of_every_kind_come_back() -> None:
    class Kind(Enum):
        WIDE = "wide"

    class Pair(NamedTuple):
        left: int
        right: float

    @dataclass
    class Config:
        width: int
        layers: list[int]
        kind: Kind = Kind.WIDE

    class Net(nn.Module):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            self.given = args, kwargs

    values: list[Any] = [
        None, True, -3, 10**30, 0.1, float("nan"), float("-inf"), 2j, "text", b"bytes", (1, (2,)), [1, [2]], {1, 2},
        {"a": 1, 2: (3,)}, tg.float64, numpy.float32(0.1), numpy.dtype("int8"), tg.Size([2, 3]), nn.Linear, F.relu,
        float, Kind.WIDE, Pair(1, 2.0), Config(3, [4, 5]), Namespace(depth=3), optim.Adam(lr=0.1),
        OrderedDict(b=1, a=(2,)), functools.partial(nn.BatchNorm2d, eps=1e-3), math.sqrt,
    ]  # fmt: skip
    custom = {"Kind": Kind, "Pair": Pair, "Config": Config, "Net": Net, "sqrt": math.sqrt}
    array, table = numpy.arange(3), tg.arange(4)
    net = Net(*values, array, table=table, options={"names": values})
    args, kwargs = through_a_file(net, custom).given
    for found, value in zip(args, values, strict=False):
        if isinstance(value, Namespace):
            assert vars(found) == vars(value)
        else:
            assert type(found) is type(value)
            assert repr(found) == repr(value)
    assert bits(kwargs["table"]) == bits(table)
    assert args[-1].tolist() == [0, 1, 2]
    assert len(kwargs["options"]["names"]) == len(values)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_can_be_described_too(duplicate: Callable[[Any], Any]) -> None:
    loss = nn.CrossEntropyLoss(weight=tg.tensor([1.0, 2.0]))
    net = nn.Sequential(nn.Embedding.from_pretrained(tg.randn(4, 3)), nn.Linear(3, 2), loss)
    expect_same(through_a_file(duplicate(net)), net)


def test_extra_state_comes_back() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: Any = tg.zeros(2)

        def get_extra_state(self) -> Any:
            return {"seen": self.seen}

        def set_extra_state(self, state: Any) -> None:
            self.seen = state["seen"]

    net = Counter()
    net.seen = tg.tensor([3.0, 4.0])
    assert through_a_file(net, {"Counter": Counter}).seen.tolist() == [3.0, 4.0]


def test_the_description_shares_memory_and_what_is_made_of_it_does_not() -> None:
    layer = nn.Linear(2, 2)
    tree = encode(layer)
    assert tree["tensors"][0] is layer.weight
    found = decode(tree)
    found.weight.data.fill_(0.0)
    assert layer.weight.all()


def test_random_numbers_stay_where_they_were() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = float(numpy.random.rand())
            self.layer = nn.Linear(3, 3)

    net, other, expected = Noisy(), Noisy(), list[Any]()
    other.offset = 0.5
    for _ in range(2):
        tg.manual_seed(1)
        numpy.random.seed(1)
        if expected:
            assert through_a_file(net, {"Noisy": Noisy}).offset == net.offset
            numpy.random.seed(1)  # loading draws what the constructor draws
            encode_checked(other)
        expected.append((tg.rand(3).tolist(), numpy.random.rand()))
    assert expected[0] == expected[1]


def test_the_default_dtype_of_the_day_does_not_matter() -> None:
    tg.set_default_dtype(tg.float64)
    try:
        net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        tree = encode_checked(net)
    finally:
        tg.set_default_dtype(tg.float32)
    expect_same(decode(tree), net)
