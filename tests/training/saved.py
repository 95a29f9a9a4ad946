"""What tests of files share: data, small models, ways through a file, and comparisons."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

import tinygrad_mp as tg
from tinygrad_mp import (
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    Model,
    ReLU,
    nn,
    optim,
)
from tinygrad_mp.nn.arguments import is_plain, settings_of
from tinygrad_mp.training import BatchNorm
from tinygrad_mp.training.rebuilding import decode, encode_checked

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
LABELS = np.array(["cat", "dog", "fox"])[CLASSES]
NUMBERS = X[:, :1] * 2 - X[:, 1:2]


def network() -> list[nn.Module]:
    return [Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)]


def classifier(**settings: Any) -> Model:
    settings = {"optimizer": optim.Adam(lr=0.02), "seed": 0, **settings}
    return Model(network(), CategoricalCrossEntropy(label_smoothing=0.1, temperature=2.0), **settings)


def trained(**settings: Any) -> Model:
    model = classifier(**settings)
    model.train(X, LABELS, epochs=2, batch_size=16, verbose=0)
    return model


def written(model: Model, **settings: Any) -> bytes:
    file = io.BytesIO()
    model.save(file, **settings)
    return file.getvalue()


def again(model: Model, **settings: Any) -> Model:
    return Model.load(io.BytesIO(written(model)), **settings)


def weights(model: Any) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


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
