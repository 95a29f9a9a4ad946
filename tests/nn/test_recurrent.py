"""Recurrent layers exchange states with PyTorch's and compute the same, forward, backward and twice backward."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.nn.utils import rnn

RNG = np.random.default_rng(0)
LAYERS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "bias": False, "batch_first": True},
    {"bidirectional": True, "batch_first": True},
]
KINDS: list[tuple[str, dict[str, Any]]] = [
    *(("LSTM", settings) for settings in LAYERS),
    *(("GRU", settings) for settings in LAYERS),
    *(("RNN", settings) for settings in LAYERS),
    ("RNN", {"nonlinearity": "relu"}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"proj_size": 1, "bias": False}),
]


def first_states(name: str, settings: dict[str, Any], batch: tuple[int, ...]) -> Any:
    lead = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    h = RNG.normal(size=(lead, *batch, settings.get("proj_size") or 4))
    return (h, RNG.normal(size=(lead, *batch, 4))) if name == "LSTM" else h


@pytest.mark.parametrize(("name", "settings"), KINDS)
def test_layers_are_pytorchs_with_and_without_states_and_batches(
    parity: Any, name: str, settings: dict[str, Any]
) -> None:
    def build(nn: Any) -> Any:
        return getattr(nn, name)(3, 4, **settings)

    x = RNG.normal(size=(2, 5, 3) if settings.get("batch_first") else (5, 2, 3))
    parity.module(build, x)
    parity.module(build, x, first_states(name, settings, (2,)))
    parity.module(build, x[0], first_states(name, settings, ()))
    parity.module(build, x[0])


@pytest.mark.parametrize(("name", "settings"), KINDS)
@pytest.mark.parametrize("is_sorted", [True, False])
def test_packed_sequences_are_pytorchs(parity: Any, name: str, settings: dict[str, Any], is_sorted: bool) -> None:
    torch = parity.torch
    ours, theirs = parity.twins(lambda nn: getattr(nn, name)(3, 4, **settings))
    lengths = [5, 3, 3, 1] if is_sorted else [3, 5, 1, 3]

    def run(module: Any, rnn: Any) -> Any:
        def call(x: Any, hx: Any) -> Any:
            out, last = module(rnn.pack_padded_sequence(x, lengths, enforce_sorted=is_sorted), hx)
            return out.data, rnn.pad_packed_sequence(out, padding_value=0.5, total_length=6)[0], last

        call.named_parameters, call.named_buffers = module.named_parameters, module.named_buffers  # type: ignore[attr-defined]
        return call

    x, hx = RNG.normal(size=(5, 4, 3)), first_states(name, settings, (4,))
    parity.compare(run(ours, rnn), run(theirs, torch.nn.utils.rnn), x, hx)


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells_are_pytorchs(parity: Any, name: str, bias: bool) -> None:
    def build(nn: Any) -> Any:
        return getattr(nn, name)(3, 4, bias=bias)

    x, h = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 4))
    hx = (h, RNG.normal(size=(2, 4))) if name == "LSTMCell" else h
    parity.module(build, x, hx)
    parity.module(build, x)
    parity.module(build, x[0])
    parity.module(build, x[0], tuple(one[0] for one in hx) if isinstance(hx, tuple) else hx[0])


def test_a_cell_with_relu_is_pytorchs(parity: Any) -> None:
    parity.module(lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"), RNG.normal(size=(2, 3)))


@pytest.mark.parametrize(("name", "settings"), [("LSTM", {}), ("GRU", {"bidirectional": True}), ("RNN", {})])
def test_a_gradient_penalty_through_layers_is_pytorchs(parity: Any, name: str, settings: dict[str, Any]) -> None:
    ours, theirs = parity.twins(lambda nn: getattr(nn, name)(3, 4, num_layers=2, **settings))
    array = RNG.normal(size=(4, 2, 3))

    def penalty(library: Any, module: Any) -> list[Any]:
        x = library.tensor(array, requires_grad=True)
        autograd = tg if library is tg else library.autograd
        (first,) = autograd.grad((module(x)[0] ** 2).sum(), [x], create_graph=True)
        (second,) = autograd.grad((first**2).sum(), [x], create_graph=True)
        (second**2).sum().backward()
        return [first, second, x.grad, *(parameter.grad for parameter in module.parameters())]

    for one, other in zip(penalty(tg, ours), penalty(parity.torch, theirs), strict=True):
        parity.near(one, other, 1e-8)


def test_float32_stays_float32_and_near_pytorchs(parity: Any) -> None:
    torch = parity.torch
    ours, theirs = parity.twins(lambda nn: nn.LSTM(3, 8))
    x = RNG.normal(size=(6, 2, 3)).astype("float32")
    ours.float()
    theirs.float()
    out, other = ours(tg.tensor(x))[0], theirs(torch.tensor(x))[0]
    out.sum().backward()
    other.sum().backward()
    parity.near(out, other, 1e-5)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        parity.near(a.grad, b.grad, 1e-5)


def test_dropout_is_between_layers_and_in_training_only() -> None:
    tg.manual_seed(0)
    layer = nn.LSTM(3, 4, num_layers=2, dropout=0.5)
    x = tg.randn(5, 2, 3)
    assert not np.allclose(*(layer(x)[0].detach().numpy() for _ in range(2)))
    layer.eval()
    assert np.allclose(*(layer(x)[0].detach().numpy() for _ in range(2)))
    with pytest.warns(UserWarning, match="dropout=.* has no effect"):
        nn.LSTM(3, 4, dropout=0.5)
    one = nn.LSTM(3, 4, num_layers=2, dropout=1.0)
    last = nn.LSTM(4, 4)
    last.load_state_dict({n.replace("l1", "l0"): v for n, v in one.state_dict().items() if "l1" in n})
    np.testing.assert_allclose(one(x)[0].detach().numpy(), last(tg.zeros(5, 2, 4))[0].detach().numpy(), rtol=1e-6)


def test_frozen_weights_get_no_gradient_and_the_rest_do() -> None:
    layer = nn.GRU(3, 4)
    layer.weight_hh_l0.requires_grad_(False)
    layer(tg.randn(5, 2, 3))[0].sum().backward()
    assert layer.weight_hh_l0.grad is None
    assert layer.weight_ih_l0.grad is not None


def test_a_second_backward_through_a_kept_tape_gives_the_same() -> None:
    layer = nn.LSTM(3, 4)
    loss = layer(tg.randn(5, 2, 3))[0].sum()
    loss.backward(retain_graph=True)
    first = layer.weight_hh_l0.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), 2 * first, rtol=1e-6)


def test_the_last_state_has_its_own_memory() -> None:
    out, h = nn.RNN(3, 4)(tg.randn(5, 2, 3))
    before = out.detach().numpy().copy()
    h.detach().fill_(7.0)
    assert (out.detach().numpy() == before).all()


def test_all_weights_and_flattening_are_there() -> None:
    layer = nn.LSTM(3, 4, num_layers=2, proj_size=2)
    layer.flatten_parameters()
    assert [len(weights) for weights in layer.all_weights] == [5, 5]
    assert layer.all_weights[1][0] is layer.weight_ih_l1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_layers_are_copied_and_pickled(duplicate: Any) -> None:
    layer = nn.GRU(3, 4)
    x = tg.randn(5, 2, 3)
    np.testing.assert_array_equal(layer(x)[0].detach().numpy(), duplicate(layer)(x)[0].detach().numpy())


WRONG_LAYERS: list[Any] = [
    lambda nn: nn.LSTM(3, 4, num_layers=0),
    lambda nn: nn.LSTM(3, 0),
    lambda nn: nn.LSTM(3, 4, proj_size=4),
    lambda nn: nn.LSTM(3, 4, proj_size=-1),
    lambda nn: nn.LSTM(3, 4, num_layers=2, dropout=1.5),
    lambda nn: nn.LSTM(3, 4.5),
    lambda nn: nn.RNN(3, 4, nonlinearity="cos"),
]


@pytest.mark.parametrize("build", WRONG_LAYERS)
def test_settings_that_pytorch_refuses_are_refused_with_its_class_of_error(parity: Any, build: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - PyTorch says which
        build(parity.torch.nn)
    with pytest.raises(caught.type):
        build(nn)


WRONG_INPUTS: list[Any] = [
    lambda t, m: m(t.zeros(2, 2, 2, 3)),
    lambda t, m: m(t.zeros(5, 2, 4)),
    lambda t, m: m(t.zeros(5, 2, 3), (t.zeros(1, 3, 4), t.zeros(1, 3, 4))),
    lambda t, m: m(t.zeros(5, 2, 3), (t.zeros(2, 4), t.zeros(2, 4))),
    lambda t, m: m(t.zeros(5, 3), (t.zeros(1, 2, 4), t.zeros(1, 2, 4))),
    lambda t, m: m(t.zeros(5, 2, 3, dtype=t.float64)),
    lambda t, m: m(t.zeros(0, 2, 3)),
]


@pytest.mark.parametrize("call", WRONG_INPUTS)
def test_inputs_that_pytorch_refuses_are_refused_with_its_class_of_error(parity: Any, call: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(parity.torch, parity.torch.nn.LSTM(3, 4))
    with pytest.raises(caught.type):
        call(tg, nn.LSTM(3, 4))


# --- sequences --------------------------------------------------------------------------------------------------------


def test_padding_and_packing_are_pytorchs(parity: Any) -> None:
    theirs = parity.torch.nn.utils.rnn
    arrays = tuple(RNG.normal(size=(length, 2)) for length in (2, 4, 1))
    for settings in ({}, {"batch_first": True, "padding_value": -1.0}, {"padding_side": "left"}):
        parity.compare(
            lambda *x, settings=settings: rnn.pad_sequence(x, **settings),
            lambda *x, settings=settings: theirs.pad_sequence(x, **settings),
            *arrays,
        )

    def there_and_back(rnn: Any) -> Any:
        def call(*x: Any) -> Any:
            packed = rnn.pack_sequence(x, enforce_sorted=False)
            padded, lengths = rnn.pad_packed_sequence(packed, batch_first=True, padding_value=3.0, total_length=5)
            assert lengths.tolist() == [2, 4, 1]
            assert packed.sorted_indices.tolist() == [1, 0, 2]
            assert packed.unsorted_indices.tolist() == [1, 0, 2]
            assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
            return packed.data, padded, rnn.unpack_sequence(packed), rnn.unpad_sequence(padded, lengths, True)

        return call

    parity.compare(there_and_back(rnn), there_and_back(theirs), *arrays)


def test_a_packed_sequence_is_converted_copied_and_shown_as_pytorchs(parity: Any) -> None:
    packed = rnn.pack_sequence([tg.tensor([1.0, 2.0]), tg.tensor([3.0])])
    other = parity.torch.nn.utils.rnn.pack_sequence([parity.torch.tensor([1.0, 2.0]), parity.torch.tensor([3.0])])
    assert repr(packed) == repr(other)
    assert packed.double().data.dtype == "float64"
    assert packed.to("cpu") is packed
    assert not packed.is_cuda
    again = pickle.loads(pickle.dumps(packed))
    assert isinstance(again, rnn.PackedSequence)
    assert again.data.tolist() == [1.0, 3.0, 2.0]


WRONG_SEQUENCES: list[Any] = [
    lambda t, r: r.pack_padded_sequence(t.zeros(4, 3), [4, 2, 0]),
    lambda t, r: r.pack_padded_sequence(t.zeros(4, 3), [2, 4, 1]),
    lambda t, r: r.pack_padded_sequence(t.zeros(4, 3), [2, 4]),
    lambda t, r: r.pack_sequence([t.zeros(1), t.zeros(2)]),
    lambda t, r: r.pad_sequence([]),
    lambda t, r: r.pad_sequence(3),
    lambda t, r: r.pad_sequence([t.zeros(2, 3), t.zeros(1, 2)]),
    lambda t, r: r.pad_packed_sequence(r.pack_sequence([t.zeros(3)]), total_length=2),
]


@pytest.mark.parametrize("call", WRONG_SEQUENCES)
def test_sequences_that_pytorch_refuses_are_refused_with_its_class_of_error(parity: Any, call: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(parity.torch, parity.torch.nn.utils.rnn)
    with pytest.raises(caught.type):
        call(tg, rnn)
