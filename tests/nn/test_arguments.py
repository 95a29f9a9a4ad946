"""A module remembers how it was made, and that costs it nothing else: memory, copies, pickles."""

import abc
import copy
import gc
import pickle
import weakref
from dataclasses import dataclass
from typing import Any

import numpy
import pytest

from tinygrad_mp import nn, ones
from tinygrad_mp.nn.arguments import Configured, Held, Lost, arguments_of, settings_of


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Dropout(0.3), {"p": 0.3, "inplace": False}),
        (nn.ReLU(), {"inplace": False}),
        (nn.AvgPool2d(2), {"kernel_size": 2, "stride": 2, "padding": 0, "ceil_mode": False}),
        (nn.Linear(3, 2, bias=False), {"in_features": 3, "out_features": 2, "bias": False, "dtype": None}),
        (nn.Identity(3, width=4), {"args": (3,), "width": 4}),
        (nn.LazyLinear(5), {"out_features": 5, "bias": True}),
    ],
)
def test_settings_are_the_parameters_of_the_constructor(layer: Any, expected: dict[str, Any]) -> None:
    assert expected.items() <= settings_of(layer).items()


def test_settings_follow_the_attributes() -> None:
    layer = nn.Dropout(0.3)
    layer.p = 0.6
    assert settings_of(layer)["p"] == 0.6


def test_a_lazy_layer_knows_its_width_when_it_has_become_an_ordinary_one() -> None:
    linear, conv = nn.LazyLinear(5), nn.LazyConv2d(4, 3, padding=1)
    linear(ones(2, 3))
    conv(ones(2, 3, 8, 8))
    assert settings_of(linear)["in_features"] == 3
    assert arguments_of(conv).args == (3, 4, 3)


def test_a_module_of_any_arguments_is_copied_and_pickled() -> None:
    class Odd(nn.Module):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

    odd = Odd((n for n in range(3)), lambda x: x, [object()], ones(3), handle=open, path={"a": {1, 2}})
    twin = copy.deepcopy(odd)
    assert twin.layer.weight.tolist() == odd.layer.weight.tolist()
    nested = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    nested.arguments = nested._arguments
    for one in (copy.deepcopy(nested), pickle.loads(pickle.dumps(nested))):
        assert len(one) == 3
    kept = pickle.loads(pickle.dumps(arguments_of(odd)))
    assert [type(value) for value in kept.args] == [Lost, Lost, list, Held]
    assert kept.kwargs == {"handle": open, "path": {"a": {1, 2}}}


def test_tensors_and_data_are_not_kept_alive() -> None:
    class Data:
        pass

    class Net(nn.Module):
        def __init__(self, data: Data, table: Any, values: Any) -> None:
            super().__init__()

    data, table, values = Data(), ones(3), numpy.ones(3)
    net = Net(data, table, values)
    assert [type(value) for value in arguments_of(net).args] == [Lost, Held, Held]
    references = [weakref.ref(value) for value in (data, table, values)]
    del data, table, values
    gc.collect()
    assert [reference() for reference in references] == [None] * 3


def test_what_a_container_no_longer_holds_is_not_kept_alive() -> None:
    layer = nn.Linear(2, 2)
    chain, reference = nn.Sequential(layer, nn.ReLU()), weakref.ref(layer)
    del layer
    chain[0] = nn.Identity()
    gc.collect()
    assert reference() is None


def test_a_layer_that_was_only_copied_is_not_kept_alive() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    encoder, reference = nn.TransformerEncoder(layer, 2), weakref.ref(layer)
    del layer
    gc.collect()
    assert reference() is None
    assert settings_of(encoder)["encoder_layer"] is encoder.layers[0]


def test_a_copy_remembers_its_own_parts() -> None:
    class Around(nn.Module):
        def __init__(self, inner: nn.Module, scale: Any) -> None:
            super().__init__()
            self.inner = inner
            self.register_buffer("scale", scale)

    twin = copy.deepcopy(Around(nn.Linear(2, 2), ones(2)))
    inner, scale = arguments_of(twin).args
    assert inner is twin.inner
    assert scale.value is twin.scale


def test_bundles_of_settings_are_remembered() -> None:
    @dataclass
    class Config:
        width: int = 3

    class Net(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()

    config = Config()
    assert arguments_of(Net(config)).args == (config,)


def test_other_bases_get_the_arguments() -> None:
    class Counted:
        def __new__(cls, count: int) -> Any:
            made = object.__new__(cls)
            made.count = count
            return made

    class Net(nn.Module, Counted, abc.ABC):
        def __init__(self, count: int) -> None:
            super().__init__()

    assert Net(4).__dict__["count"] == 4


def test_a_configured_object_needs_no_constructor() -> None:
    class Bare(Configured):
        pass

    assert settings_of(Bare()) == {}
