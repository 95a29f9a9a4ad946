"""The layers are where PyTorch's source has them, are kin of one another as there, and their bases may be built on."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn

torch = pytest.importorskip("torch", reason="the paths are PyTorch's")

CLASSES = [
    name for name in nn.__all__ if isinstance(getattr(nn, name), type) and isinstance(getattr(torch.nn, name, 0), type)
]


@pytest.mark.parametrize("place", [entry.name for entry in pkgutil.iter_modules(torch.nn.modules.__path__)])
def test_a_layer_is_in_the_module_that_pytorch_has_it_in(place: str) -> None:
    theirs = importlib.import_module(f"torch.nn.modules.{place}")
    wanted = [
        name for name in CLASSES if getattr(theirs, name, None) and getattr(theirs, name).__module__ == theirs.__name__
    ]
    if not wanted:
        return
    ours = importlib.import_module(f"tinygrad_mp.nn.modules.{place}")
    for name in wanted:
        assert getattr(ours, name) is getattr(nn, name)


def test_every_form_of_import_finds_them() -> None:
    import tinygrad_mp.nn.modules.conv as by_path
    from tinygrad_mp.nn.modules import Linear, Module
    from tinygrad_mp.nn.modules.loss import _Loss
    from tinygrad_mp.nn.modules.module import Module as BaseModule
    from tinygrad_mp.nn.parameter import Parameter

    assert (Linear, Module, BaseModule, Parameter) == (nn.Linear, nn.Module, nn.Module, nn.Parameter)
    assert tg.nn.modules.conv is by_path
    assert isinstance(nn.MSELoss(), _Loss)
    assert nn.parameter.Parameter is nn.Parameter
    with pytest.raises(AttributeError, match="Sparkle"):
        _ = nn.modules.conv.Sparkle


def test_classes_are_kin_as_in_pytorch() -> None:
    """Programs walk over modules and ask ``isinstance``. Layers that wait for a width are their classes already."""
    names = [name for name in CLASSES if not name.startswith("Lazy")]
    differ = [
        (one, other)
        for one in names
        for other in names
        if issubclass(getattr(nn, one), getattr(nn, other))
        != issubclass(getattr(torch.nn, one), getattr(torch.nn, other))
    ]
    assert not differ


BASES = {
    "batchnorm._BatchNorm": ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"],
    "batchnorm._NormBase": ["BatchNorm2d", "InstanceNorm1d"],
    "conv._ConvNd": ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"],
    "conv._ConvTransposeNd": ["ConvTranspose2d"],
    "dropout._DropoutNd": ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"],
    "instancenorm._InstanceNorm": ["InstanceNorm2d"],
    "loss._Loss": ["MSELoss", "CTCLoss", "TripletMarginLoss", "CrossEntropyLoss"],
    "loss._WeightedLoss": ["CrossEntropyLoss", "NLLLoss", "BCELoss"],
    "pooling._AdaptiveMaxPoolNd": ["AdaptiveMaxPool1d", "AdaptiveMaxPool3d"],
    "pooling._MaxPoolNd": ["MaxPool1d", "MaxPool2d", "MaxPool3d"],
}


@pytest.mark.parametrize("base", BASES)
def test_bases_tell_their_layers_from_others(base: str) -> None:
    place, name = base.split(".")
    for package in (tg, torch):
        found = getattr(getattr(package.nn.modules, place), name)
        assert all(issubclass(getattr(package.nn, layer), found) for layer in BASES[base])
        assert not issubclass(package.nn.Linear, found)


def test_a_loss_and_a_batch_norm_are_built_on_their_bases() -> None:
    x = numpy.random.default_rng(0).standard_normal((4, 3, 2, 2, 2, 2)).astype("float32")
    found = []
    for package in (tg, torch):
        base: Any = package.nn.modules.batchnorm._BatchNorm
        loss: Any = package.nn.modules.loss._Loss

        class AnyAxes(base):  # type: ignore[misc]
            def _check_input_dim(self, input: Any) -> None:
                assert input.ndim > 1

        class Squares(loss):  # type: ignore[misc]
            def forward(self, input: Any) -> Any:
                return (input**2).mean() if self.reduction == "mean" else (input**2).sum()

        assert Squares().reduction == "mean"
        found.append(Squares(reduction="sum")(AnyAxes(3)(package.tensor(x)) + 1).item())
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("padding", [0, "same"])
@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_a_convolution_is_computed_with_another_weight(padding: Any, mode: str) -> None:
    draws = numpy.random.default_rng(1)
    x, weight = draws.standard_normal((2, 3, 6, 6)), draws.standard_normal((4, 3, 3, 3))
    found = [
        package.nn.Conv2d(3, 4, 3, padding=padding, padding_mode=mode)._conv_forward(
            package.tensor(x), package.tensor(weight), None
        )
        for package in (tg, torch)
    ]
    numpy.testing.assert_allclose(found[0].numpy(), found[1].numpy(), rtol=1e-9, atol=1e-12)


def test_sizes_become_tuples_as_in_pytorch() -> None:
    for name in ("_single", "_pair", "_triple", "_quadruple"):
        ours, theirs = (getattr(package.nn.modules.utils, name) for package in (tg, torch))
        assert ours.__name__ == theirs.__name__
        for value in (3, (1, 2), [4], "ab"):
            assert ours(value) == theirs(value)
    assert tg.nn.modules.utils._ntuple(5)(2) == (2,) * 5


def test_a_prefix_is_taken_off_names_and_metadata() -> None:
    for package in (tg, torch):
        wrapped = package.nn.Sequential()
        wrapped.module = package.nn.Sequential(package.nn.Linear(2, 2))
        state = wrapped.state_dict()
        package.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        assert list(state) == ["0.weight", "0.bias"]
        assert sorted(state._metadata) == ["", "0"]
        package.nn.Sequential(package.nn.Linear(2, 2)).load_state_dict(state)
