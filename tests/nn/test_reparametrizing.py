"""Weights computed from other parameters are PyTorch's, by hooks and by parametrizations."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.nn import utils
from tinygrad_mp.nn.utils import parametrizations, parametrize

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")


def pair(parity: Any, build: Any) -> tuple[Any, Any]:
    """Ours and PyTorch's in float64 with the same parameters and buffers."""
    ours, theirs = build(nn).double(), build(parity.torch.nn).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with parity.torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parity.torch.tensor(RNG.normal(size=parameter.shape)))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


NORMS: list[Any] = [
    lambda nn: nn.utils.weight_norm(nn.Linear(3, 2)),
    lambda nn: nn.utils.weight_norm(nn.Conv2d(3, 2, 2), dim=1),
    lambda nn: nn.utils.weight_norm(nn.Linear(3, 2), dim=None),
    lambda nn: nn.utils.weight_norm(nn.Linear(3, 2), "bias"),
    lambda nn: nn.utils.spectral_norm(nn.Linear(3, 2)),
    lambda nn: nn.utils.spectral_norm(nn.ConvTranspose2d(3, 2, 2), n_power_iterations=3),
    lambda nn: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
    lambda nn: nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 2), dim=None),
    lambda nn: nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 2, 2), n_power_iterations=2),
    lambda nn: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2), "bias"),
]


@pytest.mark.parametrize("build", NORMS)
def test_normalised_weights_are_pytorchs_in_training_and_evaluation(parity: Any, build: Any) -> None:
    ours, theirs = pair(parity, build)
    x = RNG.normal(size=(2, 3) if "Linear" in repr(ours) else (2, 3, 4, 4))
    for mode in (True, True, False):
        ours.train(mode)
        theirs.train(mode)
        ours.zero_grad()
        theirs.zero_grad()
        parity.compare(ours, theirs, x)
    name = "bias" if "bias_g" in ours.state_dict() or hasattr(type(ours), "bias") else "weight"
    parity.near(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("build", NORMS[:6])
def test_removing_a_hook_leaves_an_ordinary_parameter(parity: Any, build: Any) -> None:
    ours, theirs = pair(parity, build)
    kind = "weight" if any(name.endswith("_g") for name in ours.state_dict()) else "spectral"
    name = "bias" if "bias_g" in ours.state_dict() else "weight"
    for module, tools in ((ours, utils), (theirs, parity.torch.nn.utils)):
        getattr(tools, f"remove_{kind}_norm")(module, name)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    parity.near(getattr(ours, name), getattr(theirs, name))
    assert not ours._forward_pre_hooks
    with pytest.raises(ValueError, match="is not normalised"):
        getattr(utils, f"remove_{kind}_norm")(ours, name)


def test_two_forward_passes_before_backward_are_allowed() -> None:
    for layer in (utils.spectral_norm(nn.Linear(3, 2)), parametrizations.spectral_norm(nn.Linear(3, 2))):
        (layer(tg.randn(4, 3)).sum() - layer(tg.randn(4, 3)).sum()).backward()
        assert all(parameter.grad is not None for parameter in layer.parameters())


def test_the_largest_singular_value_becomes_one() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(8, 5), n_power_iterations=50)
    values = np.linalg.svd(layer.weight.detach().numpy(), compute_uv=False)
    assert abs(values[0] - 1) < 1e-5


def test_older_states_of_weight_norm_are_read() -> None:
    old, new = utils.weight_norm(nn.Linear(3, 2)), parametrizations.weight_norm(nn.Linear(3, 2))
    new.load_state_dict(old.state_dict())
    assert (new.weight == old.weight).all()


def test_normalising_twice_or_nothing_is_refused() -> None:
    layer = utils.spectral_norm(nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="normalised already"):
        utils.spectral_norm(layer)
    with pytest.raises(ValueError, match="not there"):
        utils.weight_norm(nn.Linear(3, 2, bias=False), "bias")
    with pytest.raises(ValueError, match="at least 1"):
        utils.spectral_norm(nn.Linear(3, 2), n_power_iterations=0)
    with pytest.raises(ValueError, match="no parameter or buffer"):
        parametrizations.spectral_norm(nn.Linear(3, 2), "wait")


# --- parametrize ------------------------------------------------------------------------------------------------------


def programs(t: Any, nn: Any) -> Any:
    class Skew(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.triu(1) - x.triu(1).mT

        def right_inverse(self, x: Any) -> Any:
            return x.triu(1)

    class Doubled(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2

    return Skew, Doubled


def test_parametrizations_are_pytorchs(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        tools = nn.utils.parametrize
        skew, doubled = programs(t, nn)
        layer = nn.Linear(3, 3).double()
        with t.no_grad():
            layer.weight.copy_(t.arange(9).reshape(3, 3))
        original = layer.weight
        log: list[Any] = []
        tools.register_parametrization(layer, "weight", skew())
        assert layer.parametrizations.weight.original is original
        log.append((type(layer).__name__, list(layer.state_dict()), layer.weight.tolist(), original.tolist()))
        layer.weight = t.ones(3, 3, dtype=t.float64).triu(1) * 5
        log.append((layer.weight.tolist(), original.tolist()))
        tools.register_parametrization(layer, "weight", doubled())
        (layer.weight * t.arange(9).reshape(3, 3)).sum().backward()
        log.append((layer.weight.tolist(), original.grad.tolist(), len(layer.parametrizations.weight)))
        log.append((tools.is_parametrized(layer), tools.is_parametrized(layer, "bias"), repr(layer)))
        with tools.cached():
            assert layer.weight is layer.weight
        assert layer.weight is not layer.weight
        twin = copy.deepcopy(layer)
        log.append(twin.weight.tolist())
        assert twin.parametrizations.weight.original is not original
        tools.remove_parametrizations(layer, "weight")
        log.append((type(layer).__name__, list(layer.state_dict()), layer.weight.tolist(), layer.weight is original))
        log.append((type(twin).__name__, tools.is_parametrized(layer)))
        return log

    assert program(tg, nn) == program(parity.torch, parity.torch.nn)


def test_a_copy_is_parametrized_apart_from_its_original() -> None:
    skew, _ = programs(tg, nn)
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", skew())
    twin = copy.deepcopy(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert (twin.weight == layer.weight).all()
    original = twin.parametrizations.weight.original
    parametrize.remove_parametrizations(twin, "weight", leave_parametrized=False)
    assert twin.weight is original
    assert type(twin) is nn.Linear


def test_parametrizations_refuse_what_pytorch_refuses() -> None:
    class Shrink(nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:1]

    class One(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + 1

    layer = nn.Linear(2, 2)
    for call, message in (
        (lambda: parametrize.register_parametrization(layer, "weight", Shrink()), "made"),
        (lambda: parametrize.register_parametrization(layer, "wait", Shrink()), "no parameter or buffer"),
        (lambda: parametrize.remove_parametrizations(layer, "weight"), "no parametrization"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert type(layer) is nn.Linear
    parametrize.register_parametrization(layer, "weight", One())
    with pytest.raises(RuntimeError, match="has no right_inverse"):
        layer.weight = tg.zeros(2, 2)
    with pytest.raises(RuntimeError, match="cannot be pickled"):
        pickle.dumps(layer)
