"""Functions and classes of users in files; what no file can hold, and what no file may do."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import pytest

import tinygrad_mp as tg
from tests.training.saved import expect_same, through_a_file
from tinygrad_mp import nn
from tinygrad_mp.errors import DataFormatError, SettingError, UnsupportedError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.training import names
from tinygrad_mp.training.architecture import encode
from tinygrad_mp.training.names import register
from tinygrad_mp.training.rebuilding import decode, encode_checked


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_registered", {})


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
