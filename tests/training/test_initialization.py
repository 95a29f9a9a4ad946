"""Look-ahead: how each layer starts follows from what comes behind it, wherever that is written down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import ShapeError
from tinygrad_mp.nn import functional as F
from tinygrad_mp.training import Model
from tinygrad_mp.training import layers as L
from tinygrad_mp.training.initialization import initialize

HE, GLOROT, LECUN = math.sqrt(2 / 50), math.sqrt(2 / (50 + 64)), math.sqrt(1 / 50)


def started(*modules: Any, shape: Any = (2, 50)) -> Any:
    """The first of the modules, in a chain that was initialised."""
    net = nn.Sequential(*modules)
    initialize(net, tg.ones(*shape), tg.Generator().manual_seed(5))
    return modules[0]


@pytest.mark.parametrize(
    ("activation", "name", "std"),
    [
        (L.ReLU(), "He", HE),
        (nn.ReLU(inplace=True), "He", HE),
        (L.LeakyReLU(0.3), "He", math.sqrt(2 / (1 + 0.3**2) / 50)),
        (L.PReLU(), "He", math.sqrt(2 / (1 + 0.25**2) / 50)),
        (L.PReLU(True, 0.5), "He", math.sqrt(2 / (1 + 0.5**2) / 50)),
        (nn.PReLU(64), "He", math.sqrt(2 / (1 + 0.25**2) / 50)),
        (L.Swish(), "He", HE),
        (L.ELU(), "He", HE),
        (L.CELU(2.0), "He", HE),
        (L.Softplus(), "He", HE),
        (L.GELU(), "He", HE),
        (L.GELU("tanh"), "He", HE),
        (L.Mish(), "He", HE),
        (L.Hardswish(), "He", HE),
        (L.ReLU6(), "He", HE),
        (nn.Threshold(0.0, 0.0), "He", HE),
        (L.SELU(), "LeCun", LECUN),
        (L.Sigmoid(), "Glorot", GLOROT),
        (L.Tanh(), "Glorot", GLOROT),
        (L.Softmax(), "Glorot", GLOROT),
        (L.Softmax(3.0), "Glorot", GLOROT),
        (L.LogSoftmax(1), "Glorot", GLOROT),
        (nn.Hardtanh(), "Glorot", GLOROT),
        (nn.Softsign(), "Glorot", GLOROT),
    ],
)
def test_the_activation_that_follows_decides(activation: Any, name: str, std: float) -> None:
    layer = started(L.Dense(64), activation, L.Dense(3))
    record = layer.initialization_
    assert record.name == f"{name} normal"
    assert record.std == pytest.approx(std, rel=1e-6)
    assert float(layer.weight.std()) == pytest.approx(std, rel=0.05)
    assert record.reason.startswith(f"before {type(activation).__name__}")
    assert not layer.bias.detach().numpy().any()


_DEEP = (L.ReLU, L.LeakyReLU, L.PReLU, L.ELU, L.SELU)
_CURVED = (L.Swish, L.GELU, L.Mish)  # these keep no scale for long: see the docstring of _gain


@pytest.mark.parametrize(
    ("activation", "depth"), [*((one, 50) for one in _DEEP), *((one, 10) for one in (*_DEEP, *_CURVED))]
)
def test_depth_keeps_the_scale_of_signals_and_gradients(activation: Any, depth: int) -> None:
    width, logs = 256, []
    for seed in range(3):
        generator = tg.Generator().manual_seed(seed)
        net = nn.Sequential(*[module for _ in range(depth) for module in (L.Dense(width), activation())])
        x = tg.randn(64, width, generator=generator)
        initialize(net, x, generator)
        x.requires_grad_()
        out = net(x)
        out.square().sum().backward()
        signal = float(out.detach().square().mean())
        gradient = float(x.grad.square().mean() / (2 * out.detach()).square().mean())
        logs.append([math.log10(signal), math.log10(gradient)])
    # a wrong factor of two a layer would be 10**15 after 50 layers
    assert np.abs(np.median(logs, 0)).max() < (2 if depth == 10 else 4)


def test_the_look_ahead_goes_past_what_passes_signals_on() -> None:
    layer = started(L.Dense(64), L.BatchNorm(), L.Dropout(0.3), L.ReLU())
    assert layer.initialization_.reason == "before ReLU, past BatchNorm and Dropout"
    layer = started(L.Conv(64, 3), L.Dropout(), L.MaxPool(), L.Flatten(), L.ReLU(), shape=(2, 3, 6, 6))
    assert layer.initialization_.reason == "before ReLU, past Dropout, MaxPool and Flatten"
    for middle in (
        [L.AveragePool()],
        [L.GlobalAveragePool()],
        [L.Reshape(8, -1), nn.LayerNorm(128)],
        [nn.GroupNorm(4, 64), nn.Dropout2d()],
        [nn.Identity(), nn.Sequential(nn.Sequential(nn.AdaptiveMaxPool2d(2)))],
        [nn.ZeroPad2d(1), nn.Upsample(scale_factor=2)],
        [nn.MaxPool2d(2, ceil_mode=True), nn.AlphaDropout()],
    ):
        layer = started(L.Conv(64, 3), *middle, L.ReLU(), shape=(2, 3, 6, 6))
        assert layer.initialization_.name == "He normal", middle
        assert layer.initialization_.std == pytest.approx(math.sqrt(2 / 27))


def test_all_ranks_of_convolution_look_ahead() -> None:
    for axes in (1, 2, 3):
        layer = started(L.Conv(8, 3), L.BatchNorm(), L.MaxPool(2), L.ReLU(), shape=(2, 4, *[5] * axes))
        assert layer.initialization_.std == pytest.approx(math.sqrt(2 / (4 * 3**axes)))
        assert layer.bias is None


def test_the_next_layer_and_the_end_stop_the_search() -> None:
    first = started(L.Dense(64), L.Dense(64), L.ReLU())
    assert str(first.initialization_).endswith("before Dense, with no activation between")
    assert started(L.Dense(64)).initialization_.reason == "no activation follows"
    assert started(L.Dense(64)).initialization_.std == pytest.approx(GLOROT)
    assert started(L.Dense(64), nn.Linear(64, 3), L.ReLU()).initialization_.name == "Glorot normal"


def test_what_was_asked_for_is_done_whatever_follows() -> None:
    layer = started(L.Dense(64, initialization="lecun_uniform"), L.ReLU())
    assert layer.initialization_.name == "LeCun uniform"
    assert layer.initialization_.bound == pytest.approx(math.sqrt(3 / 50))
    assert layer.initialization_.reason == "asked for"


# --- graphs -----------------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    """Branches, functions, nested modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = L.Conv(8, 3, padding="same")
        self.body = nn.ModuleDict({"a": L.Conv(8, 3, padding="same"), "b": L.Conv(8, 3, padding="same")})
        self.norms = nn.ModuleList([L.BatchNorm(), L.BatchNorm()])
        self.gate, self.scaled, self.head, self.other = L.Dense(8), L.Dense(16), L.Dense(3), L.Dense(2)
        self.unused = L.Dense(4)

    def forward(self, x: Any) -> Any:
        x = F.leaky_relu(self.stem(x), 0.1)
        y = F.gelu(self.norms[0](self.body["a"](x)))
        x = F.relu(x + F.dropout(self.norms[1](self.body["b"](y)), 0.2))
        x = x.mean((2, 3))
        x = x * F.sigmoid(self.gate(x))
        h = self.scaled(x)
        h = h * F.sigmoid(h)
        return {"classes": F.log_softmax(self.head(h), 1), "value": [self.other(h) @ tg.ones(2, 1)]}


def test_functions_branches_and_nested_modules_are_read_from_the_tape() -> None:
    net = Residual()
    initialize(net, tg.ones(2, 3, 6, 6), tg.Generator())
    said = {name: str(layer.initialization_) for name, layer in net.named_modules() if isinstance(layer, L.Inferring)}
    assert said["stem"] == f"He normal (std {math.sqrt(2 / 1.01 / 27):.4g}): before leaky_relu (gain 1.41)"
    assert said["body.a"].endswith("before gelu, past BatchNorm; no bias: BatchNorm follows")
    assert said["body.b"].endswith("before relu, past BatchNorm and an addition; no bias: BatchNorm follows")
    assert said["gate"].endswith("Glorot normal (std 0.3536): before sigmoid")
    assert said["scaled"].endswith("before x * sigmoid(x)")
    assert said["head"].endswith("before log_softmax")
    assert said["other"].endswith("before matmul, with no activation between")
    assert not net.unused.built


def test_a_residual_sum_is_passed() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = L.Dense(50)

        def forward(self, x: Any) -> Any:
            return x + self.a(x)

    block = started(Block(), L.ReLU())
    assert block.a.initialization_.reason == "before ReLU, past an addition"


def test_several_inputs_come_as_a_list_or_by_name() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.out = L.Embedding(9, 4), L.Dense(4), L.Dense(1)

        def forward(self, words: Any, numbers: Any) -> Any:
            return self.out(F.relu(self.left(words) + self.right(numbers)))

    words, numbers = tg.tensor([1, 2]), tg.ones(2, 3)
    for inputs in ([words, numbers], (words, numbers), {"numbers": numbers, "words": words}):
        net = Pair()
        initialize(net, inputs, tg.Generator())
        assert net.right.initialization_.reason == "before relu, past an addition"
        assert net.left.initialization_.name == "normal"


def test_frozen_layers_and_integer_inputs_are_no_obstacle() -> None:
    layer = L.Dense(64)
    layer.requires_grad_(False)
    assert started(layer, nn.ReLU(inplace=True)).initialization_.name == "He normal"
    assert not layer.weight.requires_grad


def test_what_the_dry_run_does_not_see_starts_as_glorot_and_says_so() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = L.Dense(4), L.Dense(4)

        def forward(self, x: Any) -> Any:
            with tg.no_grad():
                x = self.a(x)
            return F.relu(self.b.forward(x))  # behind the back of hooks

    net = Hidden()
    initialize(net, tg.ones(2, 3), tg.Generator())
    assert net.a.initialization_.name == net.b.initialization_.name == "Glorot normal"
    assert "not seen" in net.a.initialization_.reason
    assert "not seen" in net.b.initialization_.reason


# --- biases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda bias: [L.Dense(6, bias), L.BatchNorm()], (2, 5)),
        (lambda bias: [L.Dense(6, bias), nn.BatchNorm1d(6)], (2, 5)),
        (lambda bias: [L.Conv(6, 3, bias=bias), L.BatchNorm()], (2, 3, 5)),
        (lambda bias: [L.Conv(6, 3, bias=bias), nn.BatchNorm2d(6)], (2, 3, 5, 5)),
        (lambda bias: [L.Conv(6, 3, bias=bias), L.BatchNorm()], (2, 3, 5, 5, 5)),
        (lambda bias: [L.Conv(6, 3, bias=bias), L.Flatten(), L.BatchNorm()], (2, 3, 5, 5)),
        (lambda bias: [L.Conv(6, 3, bias=bias), nn.Identity(), nn.Sequential(L.BatchNorm())], (2, 3, 5, 5)),
        (lambda bias: [L.Dense(6, bias), Transposed(), L.BatchNorm()], (2, 4, 5)),
        (lambda bias: [L.Dense(6, bias), Functional()], (2, 5)),
    ],
)
def test_a_bias_directly_before_batch_norm_is_left_out_unless_asked_for(make: Any, shape: Any) -> None:
    layer = started(*make(None), L.ReLU(), shape=shape)
    assert layer.bias is None
    assert "no bias: " in str(layer.initialization_)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    kept = started(*make(True), L.ReLU(), shape=shape)
    assert kept.bias is not None
    assert "no bias" not in str(kept.initialization_)
    assert started(*make(False), shape=shape).initialization_.bias == "no bias: asked for"
    layer(tg.ones(*shape)).sum().backward()
    layer.reset_parameters()
    assert "follows" in layer.initialization_.bias


class Transposed(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.transpose(1, 2)


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(tg.ones(6))

    def forward(self, x: Any) -> Any:
        return F.batch_norm(x, None, None, self.weight, None, True)


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = L.BatchNorm()

    def forward(self, x: Any) -> Any:
        return self.norm(x) + x


@pytest.mark.parametrize(
    ("modules", "shape"),
    [
        ([L.Dropout(0.5), L.BatchNorm()], (2, 5)),  # what is dropped has no bias
        ([L.ReLU(), L.BatchNorm()], (2, 5)),
        ([nn.LayerNorm(6)], (2, 5)),
        ([L.BatchNorm()], (2, 4, 5)),  # over an axis that is not the bias's
        ([Both()], (2, 5)),  # also seen without it
        ([L.Dense(3)], (2, 5)),
        ([nn.ConstantPad1d(1, 0.0), L.BatchNorm()], (2, 5)),
        ([nn.BatchNorm1d(6).eval()], (2, 5)),  # with fixed statistics
        ([Transposed(), nn.InstanceNorm1d(6, track_running_stats=True)], (2, 4, 5)),
    ],
)
def test_a_bias_that_has_an_effect_stays(modules: Any, shape: Any) -> None:
    assert started(L.Dense(6), *modules, L.Tanh(), shape=shape).bias is not None


def test_a_bias_of_what_scales_a_batch_norm_stays() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = L.Dense(4)

        def forward(self, x: Any) -> Any:
            return F.batch_norm(x, None, None, self.a(x[0]), None, True)

    net = Scaled()
    initialize(net, tg.ones(2, 4))
    assert net.a.bias is not None


def test_what_is_not_part_of_the_result_is_seen_too() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.relu = L.Dense(4), nn.ReLU()

        def forward(self, x: Any) -> Any:
            self.kept = self.relu(self.a(x))
            return x

    net = Aside()
    initialize(net, tg.ones(2, 4))
    assert net.a.initialization_.reason == "before ReLU"


def test_a_bias_of_an_output_stays_though_batch_norm_sees_it_too() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm = L.Dense(3), L.BatchNorm()

        def forward(self, x: Any) -> Any:
            x = self.a(x)
            return x, self.norm(x)

    net = Two()
    initialize(net, tg.ones(2, 4))
    assert net.a.bias is not None


def test_a_layer_that_is_called_twice_keeps_its_bias_unless_batch_norm_follows_both_times() -> None:
    class Twice(nn.Module):
        def __init__(self, second: Any) -> None:
            super().__init__()
            self.a, self.first, self.second = L.Dense(4), L.BatchNorm(), second

        def forward(self, x: Any) -> Any:
            return self.second(self.a(F.relu(self.first(self.a(x)))))

    for second, kept in ((L.BatchNorm(), False), (L.ReLU(), True)):
        net = Twice(second)
        initialize(net, tg.ones(2, 4))
        assert (net.a.bias is not None) is kept
        assert net.a.initialization_.reason == "before relu, past BatchNorm"


def test_leaving_the_bias_out_changes_no_output() -> None:
    tg.manual_seed(0)
    make = lambda bias: nn.Sequential(L.Conv(4, 3, bias=bias), L.Flatten(), L.BatchNorm(), L.Tanh()).double()
    x = tg.randn(8, 2, 5, 5, dtype="float64")
    with_bias, without = make(True), make(None)
    initialize(with_bias, x[:2])
    initialize(without, x[:2])
    state = with_bias.state_dict()
    with tg.no_grad():
        state["0.bias"].uniform_(-1, 1)
    del state["0.bias"]
    without.load_state_dict(state)
    np.testing.assert_allclose(without(x).detach().numpy(), with_bias(x).detach().numpy(), atol=1e-12)


# --- what it leaves alone ---------------------------------------------------------------------------------------------


def test_built_and_plain_layers_are_not_touched() -> None:
    old, plain = L.Dense(4).build((1, 3)), nn.Linear(4, 4)
    before = [one.detach().numpy().copy() for one in (*old.parameters(), *plain.parameters())]
    net = nn.Sequential(old, L.BatchNorm(), plain, L.ReLU(), L.Dense(2))
    initialize(net, tg.ones(2, 3), tg.Generator())
    after = [one.detach().numpy() for one in (*old.parameters(), *plain.parameters())]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    assert old.bias is not None
    values = net[4].weight.detach().numpy().copy()
    initialize(net, tg.ones(2, 3), tg.Generator())
    np.testing.assert_array_equal(values, net[4].weight.detach().numpy())


def test_values_come_from_the_generator_and_nothing_else_moves() -> None:
    def made(seed: int) -> Any:
        net = nn.Sequential(L.Embedding(9, 4), L.Dense(5), L.BatchNorm(), L.Dropout(0.5), L.ReLU(), L.Dense(2))
        net[3].register_forward_hook(lambda *_: calls.append(1))
        net.train()
        net[2].eval()
        generator = tg.Generator().manual_seed(seed)
        initialize(net, tg.tensor([[1, 2]]).transpose(0, 1)[:, 0], generator)
        return net, generator

    calls: list[int] = []
    tg.manual_seed(11)
    state = tg.get_rng_state()
    (first, used), (second, _), (third, _) = made(1), made(1), made(2)
    assert (tg.get_rng_state() == state).all()
    assert len(calls) == 3
    for one, other, different in zip(first.parameters(), second.parameters(), third.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
        if one.ndim > 1:
            assert (one.detach().numpy() != different.detach().numpy()).any()
    assert [module.training for module in first] == [True, True, False, True, True, True]
    assert not first[0]._forward_hooks
    assert not first[0]._hooked
    assert first[3]._hooked
    assert int(first[2].num_batches_tracked) == 0
    assert used.get_state().tolist() != tg.Generator().manual_seed(1).get_state().tolist()
    assert all(one.grad is None for one in first.parameters())


def test_a_dry_run_that_fails_leaves_the_model_unbuilt() -> None:
    net = nn.Sequential(L.Conv(4, 3, 2, 1), L.BatchNorm(), L.PReLU(True), L.Dense(3), L.Reshape(7, 7))
    held, shown = list(net.parameters()), repr(net)
    with pytest.raises(ShapeError, match="cannot have the shape"):
        initialize(net, tg.ones(2, 3, 9, 9))
    assert repr(net) == shown
    assert not any(layer.built for layer in net[:4])
    assert net.training
    assert not net[0]._hooked
    del net[4]
    net.double()
    with pytest.raises(ShapeError):
        initialize(net, tg.ones(2, 3, 4, 4, 4, 4, dtype="float64"))
    assert {one.dtype for one in held} == {tg.float64}
    initialize(net, tg.ones(2, 5, 8, dtype="float64"))
    assert net[0].weight.shape == (4, 5, 3)
    assert net[0].weight.dtype == tg.float64
    assert {id(one) for one in net.parameters()} <= {id(one) for one in held}


def test_an_initialised_network_trains_with_all_its_parameters() -> None:
    tg.manual_seed(3)
    net = Residual()
    x = tg.randn(6, 3, 6, 6)
    initialize(net, x[:2])
    out = net(x)
    (out["classes"].square().sum() + out["value"][0].square().sum()).backward()
    for name, one in net.named_parameters():
        if not name.startswith("unused"):
            assert float(one.grad.abs().sum()) > 0, name


def test_a_model_looks_ahead_through_its_own_forward_and_through_models_inside() -> None:
    def forward(model: Any, x: Any) -> Any:
        return model["out"](x + F.elu(model["body"](x)))

    model = Model({"body": Model([L.Dense(8), L.BatchNorm()]), "out": Model([L.Dense(4), L.SELU()])}, forward=forward)
    model.build((8,))
    assert model["body"][0].initialization_.reason == "before elu, past BatchNorm"
    assert model["body"][0].bias is None
    assert model["out"][0].initialization_.name == "LeCun normal"
    values = model["body"][0].weight.detach().numpy().copy()
    wrapped = Model([model, L.Dense(2)]).build((8,))
    np.testing.assert_array_equal(wrapped[0]["body"][0].weight.detach().numpy(), values)
