"""Every parameter of every layer is trained, kept as part of the best epoch, and saved: none is left out silently.

A layer that leaves out its bias once lost its weight, too, in a system that this one replaces.
"""

import numpy as np
import pytest

import tinygrad_mp as tg
from tests.training.every_layer import LAYERS
from tinygrad_mp import Model, optim
from tinygrad_mp.training.callbacks import LambdaCallback
from tinygrad_mp.training.layers import BatchNorm, Conv, Dense, Flatten

TRAINABLE = [
    name
    for name, (make, inputs) in LAYERS.items()
    if inputs is not None and any(one.requires_grad for one in make().parameters())
]


def values(model):
    return {name: one.array.copy() for name, one in [*model.named_parameters(), *model.named_buffers()]}


def squares(outputs):
    """The sum of the squares of all floating tensors in a structure."""
    if isinstance(outputs, tg.Tensor):
        return (outputs * outputs).sum() if outputs.dtype.kind == "f" else 0.0
    parts = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, (tuple, list)) else ()
    return sum(map(squares, parts))


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_parameter_is_trained_and_restored(name):
    tg.manual_seed(0)
    make, inputs = LAYERS[name]
    layer, given = make(), inputs()

    def forward(model, x):
        total = squares(model.layer(*given))
        return total.reshape(1, 1).expand(len(x), 1) + 0 * x

    kept, gradients = {}, {}

    def note(training):
        gradients.update(
            {
                path: one.grad is not None and bool(one.grad.array.any())
                for path, one in training.model.named_parameters()
            }
        )

    def keep(training):
        kept[training.epoch] = values(training.model)
        for parameter in training.model.parameters():  # the next epoch is worse
            parameter.array[...] *= 3

    model = Model({"layer": layer}, "mse", optim.Adam(lr=1e-3), metrics=[], forward=forward, seed=0)
    model.build((1,))
    before = values(model)
    x = np.zeros((2, 1), np.float32)
    watch = LambdaCallback(on_gradients=note, on_epoch_end=keep)
    model.train(x, x, epochs=2, auto_evaluation=0, verbose=0, callbacks=[watch])
    held = {id(one) for group in model.optimizer.param_groups for one in group["params"]}
    assert held == {id(one) for one in model.parameters() if one.requires_grad}
    best = kept[model.history.best_epoch]
    for path, was in before.items():
        if gradients.get(path):
            assert (best[path] != was).any() or not was.size, f"{path} has a gradient and was not trained"
    assert any(gradients.values())
    after = values(model)
    assert after.keys() == best.keys()
    for path, array in best.items():
        assert np.array_equal(after[path], array, equal_nan=True), f"{path} was not restored"


@pytest.mark.parametrize("layers", [
    [Conv(3, 3, bias=False), Flatten(), Dense(2)],
    [Conv(3, 3), BatchNorm(), Flatten(), Dense(2)],
    [Conv(3, 3), Flatten(), BatchNorm(), Dense(2)],
    [Conv(3, 3, bias=False, initialization="he_uniform"), BatchNorm(), Flatten(), Dense(2)],
])  # fmt: skip
def test_a_convolution_without_a_bias_is_trained_checkpointed_saved_and_restored(layers, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 1, 6, 6)).astype(np.float32), np.arange(40) % 2
    model = Model(layers, "categorical_cross_entropy", optim.Adam(lr=0.01), seed=0).build((1, 6, 6))
    assert model[0].bias is None
    start, kept = values(model), {}
    watch = LambdaCallback(on_epoch_end=lambda training: kept.update({training.epoch: values(training.model)}))
    model.train(X, y, epochs=3, batch_size=8, verbose=0, callbacks=[watch])
    assert (model[0].weight.array != start["0.weight"]).any()
    assert (model[0].weight.array == kept[model.history.best_epoch]["0.weight"]).all()
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert (again[0].weight.array == model[0].weight.array).all()
    assert (again.predict(X) == model.predict(X)).all()
