"""Layers of padding, of volumes, lazy ones and their kin are PyTorch's: names, repr, values and gradients."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape)


IMAGES = (2, 4, 5, 6)
VOLUMES = (2, 4, 5, 6, 7)
LAYERS: list[tuple[Any, tuple[int, ...]]] = [
    (lambda nn: nn.ConstantPad1d((1, 2), 3.5), (2, 3, 4)),
    (lambda nn: nn.ConstantPad2d(1, 3.5), (2, 3, 4)),
    (lambda nn: nn.ConstantPad3d((1, 0, -1, 2, 0, 1), -1), VOLUMES),
    (lambda nn: nn.ZeroPad1d(2), (3, 4)),
    (lambda nn: nn.ZeroPad2d((1, 2, 0, -1)), IMAGES),
    (lambda nn: nn.ZeroPad3d(1), VOLUMES),
    (lambda nn: nn.ReflectionPad1d((1, 2)), (2, 3, 4)),
    (lambda nn: nn.ReflectionPad2d(2), IMAGES),
    (lambda nn: nn.ReflectionPad3d((1, 2, 0, 1, 1, 0)), VOLUMES),
    (lambda nn: nn.ReplicationPad1d(2), (2, 3, 4)),
    (lambda nn: nn.ReplicationPad2d((1, 2, 0, 3)), IMAGES),
    (lambda nn: nn.ReplicationPad3d(1), VOLUMES),
    (lambda nn: nn.CircularPad1d((1, 2)), (2, 3, 4)),
    (lambda nn: nn.CircularPad2d(2), IMAGES),
    (lambda nn: nn.CircularPad3d((1, 2, 0, 1, 1, 0)), VOLUMES),
    (lambda nn: nn.Conv2d(4, 3, 3, padding=(1, 2), padding_mode="reflect"), IMAGES),
    (lambda nn: nn.Conv2d(4, 3, (2, 3), padding="same", padding_mode="circular", dilation=2), IMAGES),
    (lambda nn: nn.Conv1d(4, 3, 3, padding=1, padding_mode="replicate", bias=False), (2, 4, 5)),
    (lambda nn: nn.Conv3d(4, 6, (1, 2, 3), stride=(2, 1, 1), padding=1, groups=2), VOLUMES),
    (lambda nn: nn.Conv3d(4, 6, 2, padding="same"), VOLUMES),
    (lambda nn: nn.ConvTranspose3d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), VOLUMES),
    (lambda nn: nn.MaxPool3d(2, return_indices=True), VOLUMES),
    (lambda nn: nn.MaxPool3d(3, 2, 1, 1, ceil_mode=True), VOLUMES),
    (lambda nn: nn.AvgPool3d(3, 2, 1, count_include_pad=False), VOLUMES),
    (lambda nn: nn.AdaptiveAvgPool3d((2, None, 3)), VOLUMES),
    (lambda nn: nn.AdaptiveMaxPool3d(2, return_indices=True), VOLUMES),
    (lambda nn: nn.AdaptiveMaxPool1d(2, return_indices=True), (2, 4, 5)),
    (lambda nn: nn.Unfold((2, 3), dilation=2, padding=1, stride=2), IMAGES),
    (lambda nn: nn.Fold((4, 5), (2, 3), padding=1), (2, 12, 25)),
    (lambda nn: nn.UpsamplingNearest2d(scale_factor=2), IMAGES),
    (lambda nn: nn.UpsamplingBilinear2d(size=(7, 9)), IMAGES),
    (lambda nn: nn.ChannelShuffle(2), IMAGES),
    (lambda nn: nn.InstanceNorm3d(4, affine=True, track_running_stats=True), VOLUMES),
    (lambda nn: nn.Dropout3d(0.0), VOLUMES),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("build", "shape"), LAYERS)
def test_layers_are_pytorchs(parity: Any, build: Any, shape: tuple[int, ...]) -> None:
    parity.module(build, drawn(*shape))


def test_pooling_by_powers_and_its_undoing_are_pytorchs(parity: Any) -> None:
    for axes in (1, 2, 3):
        x = abs(drawn(2, 3, *(4, 6, 8)[:axes])) + 0.1
        parity.module(lambda nn, axes=axes: getattr(nn, f"LPPool{axes}d")(2, 2, stride=1), x)
        pooled, indices = getattr(parity.torch.nn, f"MaxPool{axes}d")(2, return_indices=True)(parity.torch.tensor(x))
        parity.module(lambda nn, axes=axes: getattr(nn, f"MaxUnpool{axes}d")(2), pooled.numpy(), indices.numpy())


def test_embedding_bags_are_pytorchs(parity: Any) -> None:
    numbers, offsets = np.array([1, 2, 4, 5, 4, 3]), np.array([0, 4])
    for settings in ({}, {"mode": "sum", "padding_idx": 4}, {"mode": "max", "max_norm": 1.0, "norm_type": 3.0}):
        parity.module(lambda nn, settings=settings: nn.EmbeddingBag(7, 3, **settings), numbers, offsets)
    layer = nn.EmbeddingBag.from_pretrained(tg.ones(3, 2), mode="sum")
    assert not layer.weight.requires_grad
    assert layer(tg.tensor([[0, 1]])).tolist() == [[2.0, 2.0]]
    assert (nn.EmbeddingBag(3, 2, padding_idx=1).weight[1] == 0).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda nn: nn.Conv2d(1, 1, 1, padding_mode="mirror"),
        lambda nn: nn.ConvTranspose2d(1, 1, 1, padding_mode="reflect"),
        lambda nn: nn.Conv3d(3, 4, 1, groups=2),
        lambda nn: nn.CircularPad2d(1)(0),
        lambda nn: nn.Sequential(nn.ReLU()) * 0,
        lambda nn: nn.Sequential(nn.ReLU()) * 1.5,
        lambda nn: nn.ParameterDict(["a"]),
        lambda nn: nn.ParameterDict()["a"],
    ],
)
def test_what_pytorch_refuses_is_refused_with_its_class_of_error(parity: Any, build: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - PyTorch says which
        build(parity.torch.nn)
    with pytest.raises(caught.type):
        build(nn)


# --- lazy -------------------------------------------------------------------------------------------------------------


LAZY: list[tuple[Any, tuple[int, ...]]] = [
    (lambda nn: nn.LazyLinear(3), (5, 4)),
    (lambda nn: nn.LazyLinear(3, bias=False), (2, 5, 4)),
    (lambda nn: nn.LazyConv1d(6, 2, groups=2), (2, 4, 5)),
    (lambda nn: nn.LazyConv2d(3, (2, 3), stride=2, padding=1), IMAGES),
    (lambda nn: nn.LazyConv2d(3, 2), IMAGES[1:]),
    (lambda nn: nn.LazyConv3d(3, 2, bias=False), VOLUMES),
    (lambda nn: nn.LazyConvTranspose1d(3, 2), (2, 4, 5)),
    (lambda nn: nn.LazyConvTranspose2d(6, 2, stride=2, groups=2), IMAGES),
    (lambda nn: nn.LazyConvTranspose3d(3, 2), VOLUMES),
    (lambda nn: nn.LazyBatchNorm1d(), (5, 4)),
    (lambda nn: nn.LazyBatchNorm2d(eps=1e-3, momentum=0.2), IMAGES),
    (lambda nn: nn.LazyBatchNorm3d(affine=False), VOLUMES),
    (lambda nn: nn.LazyInstanceNorm1d(affine=True), (2, 4, 5)),
    (lambda nn: nn.LazyInstanceNorm2d(track_running_stats=True), IMAGES),
    (lambda nn: nn.LazyInstanceNorm3d(), VOLUMES),
]


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize(("build", "shape"), LAZY)
def test_lazy_layers_become_pytorchs(parity: Any, build: Any, shape: tuple[int, ...]) -> None:
    x = drawn(*shape)

    def settled(nn: Any) -> Any:
        layer = build(nn).double()
        assert repr(layer).startswith("Lazy")
        layer(tg.tensor(x) if nn is not parity.torch.nn else parity.torch.tensor(x))
        assert not layer._forward_pre_hooks
        return layer

    assert repr(build(nn)) == repr(build(parity.torch.nn))
    parity.module(settled, x)


def test_a_lazy_layer_is_copied_pickled_loaded_and_started_as_an_ordinary_one() -> None:
    layer = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        twin(tg.randn(5, 4))
        assert type(twin[0]) is nn.Linear
        assert tuple(twin[0].weight.shape) == (3, 4)
        assert 0 < abs(twin[0].weight.detach().numpy()).max() <= 0.5
        assert twin[1].weight.tolist() == [1.0] * 3
    assert layer[0].has_uninitialized_params()
    with pytest.raises(ValueError, match="without a shape"):
        sum(parameter.numel() for parameter in layer.parameters())
    layer.load_state_dict(twin.state_dict())
    x = tg.randn(5, 4)
    np.testing.assert_allclose(layer.eval()(x).detach().numpy(), twin.eval()(x).detach().numpy())


# --- containers -------------------------------------------------------------------------------------------------------


def test_a_dict_of_parameters_is_pytorchs(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        held = nn.ParameterDict({"b": t.ones(2, 3), "a": nn.Parameter(t.zeros(1, dtype=t.float64)), "n": 3})
        log: list[Any] = [repr(held), list(held.keys()), len(held), "a" in held, held["n"], held.n, held.get("z", 7)]
        held["c"] = t.ones(2)
        held.update([("a", t.full((2,), 5.0))])
        held.d = nn.Parameter(t.ones(1))
        log += [list(held.state_dict()), held.a.tolist(), type(held["c"]).__name__, [k for k, _ in held.items()]]
        log += [[k for k, _ in held.named_parameters()], held.pop("b").tolist(), list(reversed(held))]
        both = held | nn.ParameterDict({"e": t.zeros(1)})
        log += [list(both), list(held.copy()), held.setdefault("f", t.ones(1)).tolist(), held.popitem()[0]]
        del held["c"]
        held.clear()
        return [*log, len(held), len(list(held.parameters()))]

    assert program(tg, nn) == program(parity.torch, parity.torch.nn)


def test_chains_and_lists_are_joined_and_repeated_as_pytorchs(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        chain = nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh(), nn.Sigmoid())
        twice = chain * 2
        assert twice[0] is twice[3]
        chain *= 2
        held = nn.ModuleList([nn.ReLU()]) + nn.ModuleList([nn.Tanh()])
        return repr(chain), repr(twice), repr(held), len(held), repr(2 * twice)

    assert program(tg, nn) == program(parity.torch, parity.torch.nn)


def test_a_list_of_parameters_shows_itself_as_pytorchs(parity: Any) -> None:
    def show(t: Any, nn: Any) -> str:
        return repr(nn.Sequential(nn.ReLU(), nn.ParameterList([t.zeros(2), t.zeros(2, 3)])))

    assert show(tg, nn) == show(parity.torch, parity.torch.nn)
