"""Layers that find out sizes at first sight: nn's layers underneath, for any number of axes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import IndexRangeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.training import layers as L
from tinygrad_mp.training.layers.starting import fans, standard_deviation

IMAGE, SEQUENCE, VOLUME = (2, 4, 7, 6), (2, 4, 9), (2, 4, 5, 6, 5)

# ours, the same in nn, the shape of an input
TWINS: dict[str, tuple[Callable[[], Any], Callable[[], Any], tuple[int, ...]]] = {
    "dense": (lambda: L.Dense(3), lambda: nn.Linear(5, 3), (2, 5)),
    "dense on a sequence": (lambda: L.Dense(3, bias=False), lambda: nn.Linear(5, 3, bias=False), (2, 4, 5)),
    "dense on one sample": (lambda: L.Dense(3), lambda: nn.Linear(5, 3), (5,)),
    "conv 1d": (lambda: L.Conv(6, 3), lambda: nn.Conv1d(4, 6, 3), SEQUENCE),
    "conv 2d": (lambda: L.Conv(6, 3, bias=False), lambda: nn.Conv2d(4, 6, 3, bias=False), IMAGE),
    "conv 3d": (lambda: L.Conv(6, 2, groups=2), lambda: nn.Conv3d(4, 6, 2, groups=2), VOLUME),
    "conv with all settings": (
        lambda: L.Conv(6, (3, 2), (2, 1), (1, 2), 2, (1, 2)),
        lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2),
        IMAGE,
    ),
    "conv same": (lambda: L.Conv(6, 3, padding="same"), lambda: nn.Conv2d(4, 6, 3, padding="same"), IMAGE),
    "conv same, even": (lambda: L.Conv(6, 4, padding="same"), lambda: nn.Conv2d(4, 6, 4, padding="same"), IMAGE),
    "conv same, even, dilated": (
        lambda: L.Conv(6, 2, padding="same", dilation=3),
        lambda: nn.Conv1d(4, 6, 2, padding="same", dilation=3),
        SEQUENCE,
    ),
    "conv same 3d": (lambda: L.Conv(6, 2, padding="same"), lambda: nn.Conv3d(4, 6, 2, padding="same"), VOLUME),
    "depthwise": (lambda: L.Conv(8, 3, groups=4), lambda: nn.Conv2d(4, 8, 3, groups=4), IMAGE),
    "batch norm": (lambda: L.BatchNorm(), lambda: nn.BatchNorm1d(4), (6, 4)),
    "batch norm 1d": (lambda: L.BatchNorm(0.3), lambda: nn.BatchNorm1d(4, momentum=0.3), SEQUENCE),
    "batch norm 2d": (lambda: L.BatchNorm(eps=0.1), lambda: nn.BatchNorm2d(4, eps=0.1), IMAGE),
    "batch norm 3d": (lambda: L.BatchNorm(None), lambda: nn.BatchNorm3d(4, momentum=None), VOLUME),
    "batch norm, bare": (lambda: L.BatchNorm(affine=False), lambda: nn.BatchNorm2d(4, affine=False), IMAGE),
    "prelu": (lambda: L.PReLU(), lambda: nn.PReLU(), IMAGE),
    "prelu per channel": (lambda: L.PReLU(True, 0.1), lambda: nn.PReLU(4, 0.1), IMAGE),
    "max pool 1d": (lambda: L.MaxPool(), lambda: nn.MaxPool1d(2), SEQUENCE),
    "max pool 2d": (lambda: L.MaxPool(3, 2, 1), lambda: nn.MaxPool2d(3, 2, 1), IMAGE),
    "max pool 2d, ceil": (
        lambda: L.MaxPool((2, 3), ceil_mode=True),
        lambda: nn.MaxPool2d((2, 3), ceil_mode=True),
        IMAGE,
    ),
    "max pool 3d": (lambda: L.MaxPool(2, dilation=2), lambda: nn.MaxPool3d(2, dilation=2), VOLUME),
    "average pool 1d": (lambda: L.AveragePool(3), lambda: nn.AvgPool1d(3), SEQUENCE),
    "average pool 2d": (
        lambda: L.AveragePool(3, 2, 1, count_include_pad=False),
        lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        IMAGE,
    ),
    "average pool 3d": (lambda: L.AveragePool((2, 3, 2)), lambda: nn.AvgPool3d((2, 3, 2)), VOLUME),
    "global pool": (
        lambda: L.GlobalAveragePool(),
        lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        IMAGE,
    ),
    "flatten": (lambda: L.Flatten(), lambda: nn.Flatten(), IMAGE),
    "reshape": (lambda: L.Reshape(2, -1), lambda: nn.Unflatten(1, (2, 2)), (3, 4)),
    "softmax": (lambda: L.Softmax(), lambda: nn.Softmax(-1), (3, 4)),
}


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("training", [True, False])
def test_a_layer_does_what_nns_layer_does_with_the_same_state(name: str, training: bool) -> None:
    ours, theirs, shape = TWINS[name]
    mine, twin = ours().double().train(training), theirs().double().train(training)
    x = tg.randn(*shape, dtype="float64", requires_grad=True)
    with tg.no_grad():
        copy.deepcopy(mine)(x)  # which builds a copy only
    mine.load_state_dict(twin.state_dict())
    y = x.detach().requires_grad_()
    a, b = mine(x), twin(y)
    np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    a.square().sum().backward()
    b.square().sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())
    for (key, one), (other_key, other) in zip(mine.named_parameters(), twin.named_parameters(), strict=True):
        assert key == other_key
        np.testing.assert_array_equal(one.grad.numpy(), other.grad.numpy())
    assert list(mine.state_dict()) == list(twin.state_dict())
    for key, value in twin.state_dict().items():
        np.testing.assert_array_equal(mine.state_dict()[key].numpy(), value.numpy())
    twin.load_state_dict(mine.state_dict())


@pytest.mark.parametrize("name", TWINS)
def test_a_layer_builds_at_first_sight_and_trains(name: str) -> None:
    ours, theirs, shape = TWINS[name]
    layer, x = ours(), tg.randn(*shape, requires_grad=True)
    kinds = [type(one).__name__ for one in layer.parameters()]
    assert set(kinds) <= {"UninitializedParameter"}
    held = list(layer.parameters())  # as an optimizer may
    out = layer(x)
    assert out.shape == theirs()(x).shape
    assert out.dtype == tg.float32
    assert [id(one) for one in layer.parameters()] == [id(one) for one in held]
    assert {name: one.shape for name, one in layer.state_dict().items()} == {
        name: one.shape for name, one in theirs().state_dict().items()
    }
    out.square().sum().backward()
    assert all(one.grad is not None for one in layer.parameters())


@pytest.mark.parametrize("name", TWINS)
def test_layers_pickle_and_copy_built_and_unbuilt(name: str) -> None:
    ours, _, shape = TWINS[name]
    layer, x = ours(), tg.randn(*shape)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert twin(x).shape == layer.__class__.__call__(copy.deepcopy(layer), x).shape
    layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        twin.eval(), layer.eval()
        np.testing.assert_array_equal(twin(x).detach().numpy(), layer(x).detach().numpy())
        layer.train()


def test_layers_are_the_modules_of_nn() -> None:
    assert isinstance(L.Dense(3), nn.Linear)
    assert isinstance(L.Embedding(3, 2), nn.Embedding)
    assert isinstance(L.PReLU(), nn.PReLU)
    assert isinstance(L.Softmax(), nn.Softmax)
    assert L.Swish is nn.SiLU
    assert L.Dropout is nn.Dropout
    assert L.Flatten is nn.Flatten
    assert not L.Dense(3).built
    assert L.Dense(3).build((None, 4)).built


def test_repr_shows_what_was_asked_for_and_then_what_nn_shows() -> None:
    shown = [
        L.Dense(8),
        L.Dense(8, False),
        L.Conv(8, 3, padding="same"),
        L.BatchNorm(),
        L.PReLU(True),
        L.Embedding(9, 2),
    ]
    assert list(map(repr, shown)) == [
        "Dense(units=8)",
        "Dense(units=8, bias=False)",
        "Conv(filters=8, kernel=3, padding='same')",
        "BatchNorm()",
        "PReLU(per_channel=True)",
        "Embedding(count=9, width=2)",
    ]
    dense, conv, norm = L.Dense(8).build((1, 3)), L.Conv(8, 3, 2).build((1, 3, 9)), L.BatchNorm().build((1, 3))
    assert repr(dense)[5:] == repr(nn.Linear(3, 8))[6:]
    assert repr(conv)[4:] == repr(nn.Conv1d(3, 8, 3, 2, "valid"))[6:]
    assert repr(norm)[9:] == repr(nn.BatchNorm1d(3))[11:]
    assert repr(L.Embedding(9, 2, 1).build((1,))) == repr(nn.Embedding(9, 2, 1))


def test_states_of_unbuilt_layers_are_as_those_of_lazy_layers() -> None:
    source, target = nn.Sequential(L.Dense(3), L.BatchNorm()), nn.Sequential(L.Dense(3), L.BatchNorm())
    assert [type(one).__name__ for one in source.state_dict().values()][:2] == ["UninitializedParameter"] * 2
    target.load_state_dict(source.state_dict())
    assert not target[0].built
    assert not target[1].built
    target(tg.randn(4, 2))
    with pytest.raises(TinygradError, match="without a shape"):
        target.load_state_dict(source.state_dict())


def test_lazy_layers_of_nn_take_a_state_that_has_no_shapes_yet() -> None:
    assert not nn.LazyLinear(3).load_state_dict(nn.LazyLinear(3).state_dict()).missing_keys


def test_loading_builds_with_all_sizes_known_at_once() -> None:
    conv = L.Conv(6, 3, stride=2, padding=1, groups=2)
    conv.load_state_dict(nn.Conv3d(4, 6, 3, groups=2).state_dict())
    assert conv.built
    assert (conv.axes, conv.in_channels, conv.kernel_size) == (3, 4, (3, 3, 3))
    assert conv.stride == (2, 2, 2)
    assert conv.padding == (1, 1, 1)
    assert conv.initialization_ is not None
    assert conv.initialization_.name == "loaded"
    assert conv(tg.ones(1, 4, 5, 5, 5)).shape == (1, 6, 3, 3, 3)


@pytest.mark.parametrize(
    ("layer", "other"),
    [
        (lambda: L.Dense(3), lambda: nn.Linear(4, 5)),
        (lambda: L.Dense(3), lambda: nn.Conv1d(4, 3, 1)),
        (lambda: L.Conv(6, 3), lambda: nn.Conv2d(4, 6, (3, 2))),
        (lambda: L.Conv(6, (3, 3)), lambda: nn.Conv1d(4, 6, 3)),
        (lambda: L.Conv(6, 3), lambda: nn.Linear(4, 6)),
        (lambda: L.Embedding(6, 3), lambda: nn.Embedding(6, 4)),
        (lambda: L.PReLU(), lambda: nn.PReLU(4)),
        (lambda: L.Dense(3, bias=True), lambda: nn.Linear(4, 3, bias=False)),
        (lambda: L.Dense(3, bias=False), lambda: nn.Linear(4, 3)),
    ],
)
def test_a_state_that_does_not_fit_the_settings_is_refused_and_changes_nothing(layer: Any, other: Any) -> None:
    mine = layer()
    with pytest.raises(TinygradError, match="nothing was loaded"):
        mine.load_state_dict(other().state_dict())
    assert not mine.built
    assert all(type(one).__name__.startswith("Uninit") for one in mine.parameters())


def test_a_state_without_a_bias_fits_a_layer_that_may_do_without() -> None:
    layer = L.Dense(3)
    layer.load_state_dict(nn.Linear(4, 3, bias=False).state_dict())
    assert layer.bias is None
    assert layer.built
    assert layer.initialization_ is not None
    assert list(layer.state_dict()) == ["weight"]
    assert layer(tg.ones(1, 4)).shape == (1, 3)


def test_states_go_to_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the other side")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(36, 3)
    )
    ours = nn.Sequential(L.Conv(4, 3), L.BatchNorm(), L.Flatten(), L.Dense(3))
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 2, 5, 5)
    found = ours.eval()(tg.tensor(x.numpy())).detach().numpy()
    np.testing.assert_allclose(found, theirs.eval()(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})


def test_what_a_state_lacks_starts_as_ever() -> None:
    norm = L.BatchNorm()
    norm.load_state_dict({"running_mean": tg.ones(3)}, strict=False)
    assert norm.built
    assert norm.running_var.tolist() == [1, 1, 1]
    assert norm.bias.tolist() == [0, 0, 0]
    assert norm.weight.tolist() == [1, 1, 1]
    assert norm.running_mean.tolist() == [1, 1, 1]
    dense = L.Dense(2, bias=True, bias_initialization=0.5)
    dense.load_state_dict({"weight": tg.ones(2, 3)}, strict=False)
    assert dense.bias.tolist() == [0.5, 0.5]
    other = L.Dense(2)
    other.load_state_dict({}, strict=False)
    assert not other.built


def test_a_layer_keeps_the_dtype_it_was_moved_to_before_it_was_built() -> None:
    net = nn.Sequential(L.Dense(3), L.BatchNorm(), L.PReLU(True)).double()
    assert net(tg.randn(4, 2, dtype="float64")).dtype == tg.float64
    assert {one.dtype for one in net.parameters()} == {tg.float64}


def test_frozen_before_it_is_built_a_layer_stays_frozen() -> None:
    layer = L.Dense(3)
    layer.requires_grad_(False)
    layer(tg.ones(1, 2))
    assert not layer.weight.requires_grad


def test_a_built_layer_is_not_drawn_again() -> None:
    layer = L.Dense(3).build((1, 4))
    before = layer.weight.detach().numpy().copy()
    layer.build((1, 9))
    layer(tg.ones(1, 4))
    np.testing.assert_array_equal(layer.weight.detach().numpy(), before)
    layer.reset_parameters()
    assert (layer.weight.detach().numpy() != before).all()
    L.Dense(3).reset_parameters()  # nothing there yet, nothing to do


@pytest.mark.parametrize(
    ("make", "first", "second", "words"),
    [
        (lambda: L.Dense(3), (2, 4), (2, 5), ("Dense", "4", "5")),
        (lambda: L.Conv(3, 1), (2, 4, 5, 5), (2, 3, 5, 5), ("Conv", "4", "3")),
        (lambda: L.BatchNorm(), (2, 4), (2, 5), ("BatchNorm", "4", "5")),
    ],
)
def test_another_width_later_names_the_layer_what_was_built_and_what_came(
    make: Any, first: Any, second: Any, words: Any
) -> None:
    net = nn.Sequential(nn.Identity(), make())
    net(tg.ones(*first))
    with pytest.raises(ShapeError) as caught:
        net(tg.ones(*second))
    text = str(caught.value)
    assert "layer: Sequential.1" in text
    assert "built for" in text
    assert all(word in text for word in words)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: L.Dense(3), ()),
        (lambda: L.Conv(3, 3), (4, 5)),
        (lambda: L.Conv(3, (3, 3)), (1, 4, 5)),
        (lambda: L.Conv(3, 3), (1, 2, 3, 3, 3, 3)),
        (lambda: L.Conv(4, 3, groups=2), (1, 3, 5)),
        (lambda: L.Conv(4, 9), (1, 3, 5)),
        (lambda: L.BatchNorm(), (4,)),
        (lambda: L.MaxPool(), (4, 4)),
        (lambda: L.MaxPool(9), (1, 1, 4, 4)),
        (lambda: L.MaxPool((2, 2)), (1, 1, 4)),
        (lambda: L.AveragePool(), (4, 4)),
        (lambda: L.GlobalAveragePool(), (4, 4)),
        (lambda: L.Reshape(3, 2), (4, 5)),
        (lambda: L.Reshape(-1, 2), (4, 5)),
    ],
)
def test_inputs_that_do_not_fit_are_refused(make: Any, shape: Any) -> None:
    with pytest.raises(ShapeError):
        make()(tg.ones(*shape) if shape else tg.tensor(1.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Dense(0),
        lambda: L.Dense(True),
        lambda: L.Dense(3, bias="zeros"),
        lambda: L.Dense(3, initialization="he"),
        lambda: L.Dense(3, bias_initialization="ones"),
        lambda: L.Dense(3, bias_initialization=float("nan")),
        lambda: L.Conv(3, 0),
        lambda: L.Conv(3, (3, 3), stride=(1, 1, 1)),
        lambda: L.Conv(3, 3, padding="full"),
        lambda: L.Conv(3, 3, padding=-1),
        lambda: L.Conv(3, 3, groups=2),
        lambda: L.Conv(3, (1, 1, 1, 1)),
        lambda: L.BatchNorm(2.0),
        lambda: L.BatchNorm(eps=-1.0),
        lambda: L.MaxPool(0),
        lambda: L.AveragePool(2, 0),
        lambda: L.Softmax(0.0),
        lambda: L.Softmax(-1),
        lambda: L.PReLU(3),
        lambda: L.Reshape(-1, -1),
        lambda: L.Reshape(-2),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any) -> None:
    with pytest.raises(SettingError):
        make()


def test_a_size_that_is_no_integer_is_a_type_error() -> None:
    for make in (lambda: L.Dense(3.0), lambda: L.Conv(3, "same"), lambda: L.Embedding("a", 3)):
        with pytest.raises(TypeError):
            make()


def test_an_unknown_initialization_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="he_normal"):
        L.Dense(3, initialization="he-normal")


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_keeps_the_size_or_divides_it_by_the_stride(size: int, kernel: int, stride: int) -> None:
    for axes in (1, 2):
        out = L.Conv(2, kernel, stride, "same")(tg.ones(1, 1, *[size] * axes))
        assert out.shape == (1, 2, *[-(-size // stride)] * axes)


def test_same_with_a_stride_is_every_so_many_of_the_unstrided() -> None:
    x = tg.randn(2, 3, 9, 8, dtype="float64")
    every, some = L.Conv(4, 4, padding="same").double(), L.Conv(4, 4, 2, "same").double()
    dense = every(x)
    some.load_state_dict(every.state_dict())
    np.testing.assert_allclose(some(x).detach().numpy(), dense.detach().numpy()[:, :, ::2, ::2], atol=1e-12)


# --- how weights start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["he", "glorot", "lecun"])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
@pytest.mark.parametrize(
    ("make", "shape", "fan_in", "fan_out"),
    [
        (lambda how: L.Dense(500, initialization=how), (1, 400), 400, 500),
        (lambda how: L.Conv(128, 5, initialization=how), (1, 64, 9, 9), 64 * 25, 128 * 25),
        (lambda how: L.Conv(256, 9, groups=128, initialization=how), (1, 256, 9, 9), 2 * 81, 2 * 81),
    ],
)
def test_named_initializations_follow_the_true_formulas(
    family: str, kind: str, make: Any, shape: Any, fan_in: int, fan_out: int
) -> None:
    tg.manual_seed(7)
    layer = make(f"{family}_{kind}").build(shape)
    wanted = {"he": 2 / fan_in, "glorot": 2 / (fan_in + fan_out), "lecun": 1 / fan_in}[family] ** 0.5
    values = layer.weight.detach().numpy().astype("float64")
    assert abs(values.std() / wanted - 1) < 0.01
    assert abs(values.mean()) < 0.01 * wanted
    record = layer.initialization_
    if kind == "normal":
        assert record.std == pytest.approx(wanted)
        assert record.bound is None
        assert np.abs(values).max() > 3.5 * wanted
    else:
        assert record.bound == pytest.approx(3**0.5 * wanted)
        assert record.std is None
        assert 0.999 * record.bound < np.abs(values).max() <= record.bound
    assert record.reason == "asked for"
    assert not layer.bias.detach().numpy().any()


def test_formulas_are_those_of_nn_init() -> None:
    weight = tg.empty(300, 500)
    for family, call in (("he", nn.init.kaiming_normal_), ("glorot", nn.init.xavier_normal_)):
        std = float(call(weight).std())
        assert std == pytest.approx(standard_deviation(family, *fans((300, 500))), rel=0.01)


def test_other_initializations() -> None:
    rows = L.Dense(6, initialization="orthogonal").build((1, 9)).weight.detach().numpy()
    np.testing.assert_allclose(rows @ rows.T, np.eye(6), atol=1e-6)
    assert not L.Dense(6, initialization="zeros").build((1, 9)).weight.detach().numpy().any()
    layer = L.Dense(6, initialization=lambda weight, generator: nn.init.constant_(weight, 3.0))
    layer.bias_initialization = lambda bias, generator: nn.init.constant_(bias, 2.0)
    layer.build((1, 9))
    assert (layer.weight.detach().numpy() == 3).all()
    assert (layer.bias.detach().numpy() == 2).all()


def test_on_its_own_a_layer_says_so_and_starts_as_glorot() -> None:
    layer = L.Dense(30).build((1, 50))
    assert str(layer.initialization_) == "Glorot normal (std 0.1581): built on its own, with no model to look ahead in"
    assert str(L.Dense(3, bias=False).build((1, 5)).initialization_).endswith("no bias: asked for")


def test_layers_draw_from_the_default_generator() -> None:
    first = L.Dense(3)
    tg.manual_seed(3)
    first.build((1, 4))
    tg.manual_seed(3)
    np.testing.assert_array_equal(first.weight.detach().numpy(), L.Dense(3).build((2, 4)).weight.detach().numpy())


# --- embedding, shapes, softmax ---------------------------------------------------------------------------------------


def test_embedding_looks_up_as_nns_and_starts_normal() -> None:
    tg.manual_seed(0)
    layer = L.Embedding(2000, 50, padding_idx=-1)
    found = layer(tg.tensor([[0, 1999]]))
    assert found.shape == (1, 2, 50)
    assert not found[0, 1].detach().numpy().any()
    assert float(layer.weight.std()) == pytest.approx(1.0, abs=0.01)
    found.sum().backward()
    assert layer.weight.grad[0].tolist() == [1] * 50
    assert layer.weight.grad[1999].tolist() == [0] * 50
    with pytest.raises(IndexRangeError):
        layer(tg.tensor([2000]))
    assert layer.padding_idx == 1999
    with pytest.raises(IndexRangeError):
        L.Embedding(3, 2, padding_idx=3)
    small = L.Embedding(200, 300, initialization="glorot_uniform").build((1,))
    assert float(small.weight.abs().max()) <= (6 / 500) ** 0.5


def test_softmax_divides_by_the_temperature() -> None:
    x = tg.randn(3, 4, 2, dtype="float64")
    hot, plain = L.Softmax(5.0, dim=1)(x), nn.Softmax(1)(x / 5.0)
    np.testing.assert_allclose(hot.numpy(), plain.numpy(), atol=1e-12)
    assert repr(L.Softmax(5.0)) == "Softmax(temperature=5.0, dim=-1)"


def test_reshape_keeps_the_batch_even_an_empty_one() -> None:
    assert L.Reshape((3, 2))(tg.ones(0, 6)).shape == (0, 3, 2)
    assert L.Reshape(-1, 2)(tg.ones(0, 6)).shape == (0, 3, 2)


def test_a_network_of_all_layers_trains() -> None:
    tg.manual_seed(1)
    net = nn.Sequential(
        L.Conv(8, 3, padding="same"), L.BatchNorm(), L.Swish(), L.MaxPool(),
        L.Conv(8, 2, padding="same", groups=2), L.PReLU(True), L.Dropout(0.1), L.AveragePool(),
        L.Flatten(), L.Dense(16), L.BatchNorm(), L.ReLU(), L.Reshape(4, 4), L.GlobalAveragePool(), L.Dense(2),
    )  # fmt: skip
    x, y = tg.randn(64, 1, 8, 8), tg.arange(64) % 2
    with tg.no_grad():
        x[:, :, 0, 0] += 3.0 * y[:, None]
    net(x)
    optimizer = tg.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.3


def test_the_functions_of_init_start_weights() -> None:
    layer = L.Dense(300, initialization=nn.init.xavier_uniform_, bias_initialization=nn.init.ones_).build((2, 500))
    bound = (6 / 800) ** 0.5
    assert bound * 0.99 < float(abs(layer.weight.detach().numpy()).max()) <= bound
