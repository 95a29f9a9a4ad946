"""A loss that is no number ends the training, and the error names what was the first to be none."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.training.callbacks import NaNGuard


class Log(nn.Module):
    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return (-1 - x).log()


def network(*more: nn.Module) -> nn.Sequential:
    tg.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), *more, nn.Linear(4, 2))


def training(model: nn.Module, inputs: Any, loss: float = math.nan, **more: Any) -> SimpleNamespace:
    fixed = {"epoch": 2, "batch": 5, "targets": tg.zeros(8), "logs": {}}
    return SimpleNamespace(model=model, inputs=inputs, loss=loss, **{**fixed, **more})


def problem(*args: Any, **more: Any) -> str:
    with pytest.raises(FloatingPointError) as caught:
        NaNGuard().on_loss(training(*args, **more))
    assert isinstance(caught.value, tg.NonFiniteError)
    assert caught.value.fix
    return caught.value.problem


def test_a_finite_loss_passes() -> None:
    NaNGuard().on_loss(training(network(), tg.randn(8, 3), loss=1e30))


def test_inputs_come_first_then_targets_then_parameters() -> None:
    model, x = network(), tg.randn(8, 3)
    with tg.no_grad():
        model[0].bias[1] = math.inf
    begin = "the loss is nan in epoch 2, batch 5 (counted from 0): "
    assert problem(model, x) == f"{begin}the parameter '0.bias' holds 1 of 4 values that are infinite"
    y = tg.tensor([0.0, math.nan, -math.inf])
    assert problem(model, x, targets=y) == f"{begin}the targets hold 2 of 3 values that are NaN or infinite"
    x[0, 0] = math.nan
    assert problem(model, x, targets=y) == f"{begin}the inputs hold 1 of 24 values that are NaN"


def test_a_buffer_is_named() -> None:
    model = network()
    model[1].running_var[0] = math.inf
    assert "the buffer '1.running_var' holds 1 of 4" in problem(model, tg.randn(8, 3))


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_first_layer_whose_output_is_not_finite_is_named(wrapped: bool) -> None:
    model = network(nn.Sequential(nn.ReLU(), Log()))
    x = tg.randn(8, 3)
    assert "the output of layer '3.1' (Log) holds 32 of 32 values that are NaN" in problem(
        model, (x,) if wrapped else x
    )


def test_arithmetic_between_layers_is_laid_to_the_one_around_it() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x: tg.Tensor, scale: tg.Tensor) -> tg.Tensor:
            return self.inner(x) / (scale - scale)

    inputs = {"x": tg.ones(2, 3), "scale": tg.ones(1)}
    assert "the output of the model's own forward (Block) holds 6 of 6" in problem(Block(), inputs)


def test_a_loss_function_alone_is_named_too() -> None:
    assert problem(network(), tg.randn(8, 3)).endswith("outputs are finite, the loss function is not")


def test_looking_for_the_cause_changes_nothing() -> None:
    model = network()
    model.generator = tg.Generator().manual_seed(3)  # type: ignore[assignment]
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    states = tg.get_rng_state().tolist(), model.generator.get_state().tolist()
    problem(model, tg.ones(8, 3))
    assert (tg.get_rng_state().tolist(), model.generator.get_state().tolist()) == states
    assert all((before[name] == tensor.numpy()).all() for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_it_can_stop_instead_of_raising(loop: Any) -> None:
    history = loop([NaNGuard(raises=False)], model=network(), inputs=tg.ones(8, 3)).run(
        [{"loss": 1.0}, {"loss": math.inf}, {"loss": 1.0}]
    )
    assert len(history) == 2
    assert history.stop_reason.startswith("the loss is inf in epoch 2, batch 0")


def test_a_last_step_that_spoils_the_model_is_found_at_the_end_of_the_epoch() -> None:
    model = network()
    now = training(model, None, logs={"loss": 1.0, "val_loss": math.nan, "val_roc_auc": math.nan})
    with pytest.raises(tg.NonFiniteError, match="val_loss is nan after epoch 2: all parameters are finite"):
        NaNGuard().on_epoch_end(now)
    with tg.no_grad():
        model[3].weight[0] = math.nan
    with pytest.raises(tg.NonFiniteError, match=r"the parameter '3\.weight' holds 4 of 8"):
        NaNGuard().on_epoch_end(now)
    now.logs = {"loss": 1.0, "val_roc_auc": math.nan}
    NaNGuard().on_epoch_end(now)
