"""A module is described by a tree, and made again from it: the same parts, the same settings, the same outputs."""

from __future__ import annotations

import copy
import functools
import io
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
from tinygrad_mp import nn, optim
from tinygrad_mp.errors import DataFormatError, SettingError, UnsupportedError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.nn.arguments import is_plain, settings_of
from tinygrad_mp.training import layers, names
from tinygrad_mp.training.architecture import encode
from tinygrad_mp.training.names import register
from tinygrad_mp.training.rebuilding import decode, encode_checked


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_registered", {})


def through_a_file(module: Any, custom: Any = None) -> Any:
    """What comes out of a file that ``module`` was written to."""
    file = io.BytesIO()
    tg.save(encode_checked(module), file)
    file.seek(0)
    return decode(tg.load(file), custom)


def bits(value: Any) -> Any:
    """All that can be compared of an output."""
    if isinstance(value, tg.Tensor):
        return (tuple(value.shape), str(value.dtype), value.detach().numpy().tobytes())
    return tuple(map(bits, value)) if isinstance(value, (tuple, list)) else value


def expect_same(found: Any, module: Any) -> None:
    """The same layers, modes, settings and values."""
    assert repr(found) == repr(module)
    pairs = list(zip(found.named_modules(), module.named_modules(), strict=True))
    for (path, one), (own_path, other) in pairs:
        assert (path, type(one), one.training) == (own_path, type(other), other.training)
        settings, expected = settings_of(one), settings_of(other)
        assert list(settings) == list(expected)
        plain = [name for name in settings if is_plain(expected[name]) and name != "device"]  # which tensors tell
        assert [settings[name] for name in plain] == [expected[name] for name in plain]
    state, expected = found.state_dict(), module.state_dict()
    assert list(state) == list(expected)
    for name in state:
        if not nn.parameter.is_lazy(expected[name]):
            assert bits(state[name]) == bits(expected[name])
    frozen = {name: one.requires_grad for name, one in module.named_parameters(remove_duplicate=False)}
    assert {name: one.requires_grad for name, one in found.named_parameters(remove_duplicate=False)} == frozen


def output(module: Any, inputs: tuple[Any, ...]) -> Any:
    tg.manual_seed(7)
    return bits(module(*[one.clone() if isinstance(one, tg.Tensor) else one for one in inputs]))


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


# --- functions and classes of users -----------------------------------------------------------------------------------


class Swirl(nn.Module):
    def __init__(self, angle: float, function: Callable[[Any], Any] = F.relu) -> None:
        super().__init__()
        self.angle, self.function = angle, function

    def forward(self, x: Any) -> Any:
        return self.function(x * self.angle)


def doubled(x: Any) -> Any:
    return 2 * x


def test_classes_and_functions_of_users_come_by_custom_or_by_registration() -> None:
    net = nn.Sequential(Swirl(0.3, doubled), Swirl(0.4, tg.tanh))
    tree = encode_checked(net)
    with pytest.raises(DataFormatError, match="'Swirl', a class or function of a user's, which is not known here"):
        decode(tree)
    expect_same(decode(tree, {"Swirl": Swirl, "doubled": doubled}), net)
    assert register(Swirl) is Swirl
    register(doubled)
    assert decode(tree)[0].function is doubled
    assert decode(tree)[1].function is tg.tanh


def test_a_registered_name_stays() -> None:
    register(Swirl, name="spiral")
    tree = encode_checked(Swirl(1.0))
    assert tree["objects"][0]["class"] == "custom:spiral"
    with pytest.raises(SettingError, match=r"'spiral' is .*Swirl already"):
        register(nn.Linear, name="spiral")
    register(Swirl, name="spiral")  # as a notebook does
    with pytest.raises(TypeError, match="takes a class or a function"):
        register(Swirl(1.0))


def test_two_classes_of_one_name_are_refused() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()

    one, two = type("Same", (Other,), {}), type("Same", (Other,), {})
    with pytest.raises(UnsupportedError, match="another 'Same' is in the same model"):
        encode(nn.Sequential(one(), two()))
    register(one, name="First")
    encode_checked(nn.Sequential(one(), two()))


def test_a_class_of_a_users_cannot_stand_for_one_of_ours() -> None:
    class Linear(nn.Module):
        pass

    register(Linear)
    assert type(decode(encode(nn.Linear(2, 2)), {"nn.Linear": Linear, "Linear": Linear})) is nn.Linear


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_lambda_is_refused_with_the_remedy() -> None:
    with pytest.raises(UnsupportedError, match=r"(?s)'function' of Sequential.1 is a lambda.*fix: define it with def"):
        encode(nn.Sequential(nn.ReLU(), Swirl(1.0, lambda x: x)))


def test_what_a_property_has_computed_is_no_setting() -> None:
    class Cached(nn.Module):
        configuration = ("a", "b")

        @functools.cached_property
        def width(self) -> int:
            return 3

    net = Cached()
    assert net.width == 3
    assert "width" not in vars(through_a_file(net, {"Cached": Cached}))


def test_a_method_of_an_object_is_refused() -> None:
    for method in (Swirl(1.0).forward, [].append):
        with pytest.raises(UnsupportedError, match=r"'function' of Swirl is a .*method, which is not stored"):
            encode(Swirl(1.0, method))


def test_modules_nested_too_deeply_are_refused() -> None:
    net: Any = nn.Identity()
    for _ in range(2000):
        net = nn.Sequential(net)
    with pytest.raises(UnsupportedError, match="so many modules inside each other"):
        encode(net)


def test_modules_nested_deeply_come_back() -> None:
    net: Any = nn.Linear(2, 2)
    for _ in range(60):
        net = nn.Sequential(net)
    expect_same(through_a_file(net), net)


def test_an_argument_that_no_file_can_hold_is_refused() -> None:
    class Net(nn.Module):
        def __init__(self, file: Any) -> None:
            super().__init__()

    with pytest.raises(UnsupportedError, match="the argument 'file' of Net is a StringIO, which is not stored"):
        encode(Net(io.StringIO()))


def test_a_tensor_that_nobody_holds_any_more_is_refused() -> None:
    class Scaled(nn.Module):
        def __init__(self, mean: Any, width: int) -> None:
            super().__init__()

    with pytest.raises(
        UnsupportedError, match=r"(?s)'mean' of Scaled was a tensor of shape \(3,\), which is gone.*fix"
    ):
        encode(Scaled(tg.ones(3), 2))


def test_a_weight_that_is_computed_is_refused() -> None:
    for wrap in (nn.utils.weight_norm, nn.utils.spectral_norm):
        with pytest.raises(UnsupportedError, match=r"(?s)a hook computes the weight of Sequential.0.*fix: .*remove_"):
            encode(nn.Sequential(wrap(nn.Linear(2, 2))))
    with pytest.raises(UnsupportedError, match=r"(?s)Sequential.0 .*no public name.*remove_parametrizations"):
        encode(nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))))


def test_hooks_of_users_are_left_out_with_a_warning() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    handle = net[0].register_forward_hook(lambda *args: None)
    with pytest.warns(UserWarning, match="Sequential.0 has one at forward"):
        encode(net)
    handle.remove()
    encode(net)


def test_a_constructor_that_gives_other_parts_each_time_is_refused() -> None:
    class Moody(nn.Module):
        made = 0

        def __init__(self) -> None:
            super().__init__()
            Moody.made += 1
            if Moody.made > 1:
                raise OSError("the file is gone")

    with pytest.raises(UnsupportedError, match=r"a Moody could not be made again: .*OSError: the file is gone"):
        encode_checked(Moody())


def test_a_class_with_a_new_of_its_own_that_hides_the_arguments_is_refused() -> None:
    class Single(nn.Module):
        def __new__(cls, *args: Any) -> Any:
            return super().__new__(cls)

        def __init__(self, width: int) -> None:
            super().__init__()

    with pytest.raises(UnsupportedError, match="Single, was not made by calling its class"):
        encode(Single(3))


def test_a_part_that_is_no_longer_what_a_constructor_says_is_no_hindrance() -> None:
    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cache: Any = None

    net = Caching()
    net.cache = object()
    assert through_a_file(net, {"Caching": Caching}).cache is None


def test_what_cannot_be_made_the_same_again_is_refused() -> None:
    net = nn.Sequential(nn.Linear(2, 2))

    def shorten(module: Any, state: Any, prefix: str, metadata: Any) -> None:
        state.pop("0.bias")

    net.register_state_dict_post_hook(shorten)
    with pytest.raises(UnsupportedError, match="made again is not the same: its state dict has other names"):
        encode_checked(net)


def test_an_architecture_is_tried_out_once() -> None:
    class Counted(nn.Module):
        made = 0

        def __init__(self, width: int) -> None:
            super().__init__()
            Counted.made += 1
            self.layer = nn.Linear(width, 1)

    net = Counted(3)
    for _ in range(3):
        encode_checked(net)
        net.layer.weight.data.fill_(1.0)
    assert Counted.made == 2
    encode_checked(Counted(4))
    assert Counted.made == 4


# --- hostile trees ----------------------------------------------------------------------------------------------------


def tree_of(record: Any, tensors: Any = ()) -> Any:
    return {"root": 0, "objects": [record], "tensors": list(tensors)}


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "builtins.eval", "nn.functional.relu", "nn.Parameter", "saving.load", "tinygrad_mp.nn.Linear",
        "nn.module.Module", "nn.__class__", "nn.import_module", "nn..Linear", "", "load", "hub.load", "nn.utils.rnn",
        "training.callbacks.CSVLogger", "training.callbacks.ModelCheckpoint", "int", "custom:os", 3, None, ["nn.ReLU"],
    ],
)  # fmt: skip
def test_a_name_that_is_no_module_is_refused(name: Any) -> None:
    with pytest.raises(DataFormatError):
        decode(tree_of({"class": name}))


@pytest.mark.parametrize(
    "name", ["save", "load", "os", "sys.exit", "ops.registry", "nn.functional.lookup", "manual_seed"]
)
def test_a_name_that_is_no_function_of_tensors_is_refused(name: str) -> None:
    settings = {"d_model": 8, "nhead": 2, "activation": {"named": name}}
    with pytest.raises(DataFormatError, match="no layer, loss, metric or function"):
        decode(tree_of({"class": "nn.TransformerEncoderLayer", "settings": settings}))


@pytest.mark.parametrize(
    "record",
    [
        {"class": "nn.ReLU", "attributes": {"forward": 3}},
        {"class": "nn.ReLU", "attributes": {"_modules": {"dict": [["a", 1]]}}},
        {"class": "nn.ReLU", "attributes": {"_hooked": True}},
        {"class": "nn.ReLU", "attributes": {3: 3}},
        {"class": "nn.ReLU", "settings": {"nonsense": 1}},
        {"class": "nn.ReLU", "settings": 3},
        {"class": "nn.ReLU", "children": {"0": 0}, "settings": {"inplace": {"object": 0}}},
        {"class": "nn.Sequential", "children": {"0": 9}},
        {"class": "nn.Sequential", "children": {3: 0}},
        {"class": "nn.Linear", "settings": {"in_features": -1, "out_features": 2}},
        {"class": "nn.Linear", "settings": {"in_features": 2, "out_features": 2}, "parameters": {"weight": 4}},
        {"class": "nn.Linear", "settings": {"in_features": 2, "out_features": 2}, "parameters": {"weight": "0"}},
        {"class": "nn.Threshold", "args": [1, {"bundle": "nn.Linear", "args": [2, 2]}]},
        {"class": "nn.Threshold", "args": [1, {"unbound": "nn.Linear", "settings": {}}]},
        {"class": "nn.Threshold", "args": [1, {"unknown": 3}]},
        {},
        None,
        [],
    ],
)
def test_a_record_that_makes_no_sense_is_refused(record: Any) -> None:
    with pytest.raises(DataFormatError):
        decode(tree_of(record))


@pytest.mark.parametrize("tree", [{}, {"root": 3, "objects": [], "tensors": []}, [], None, {"root": 0, "objects": {}}])
def test_a_tree_that_is_none_is_refused(tree: Any) -> None:
    with pytest.raises(DataFormatError):
        decode(tree)
