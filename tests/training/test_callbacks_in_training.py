"""Callbacks do in ``Model.train`` what they promise."""

from __future__ import annotations

import csv
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import MSE, BatchNorm, Dense, Dropout, Model, ReLU, optim
from tinygrad_mp.training import (
    CSVLogger,
    EarlyStopping,
    GradientNorm,
    JSONLLogger,
    LambdaCallback,
    ModelCheckpoint,
    NaNGuard,
    TensorBoard,
    TimeLimit,
)

X = numpy.random.default_rng(0).normal(size=(60, 3)).astype(numpy.float32)
Y = X.sum(axis=1, keepdims=True)


def learner(*more: Any, **settings: Any) -> Model:
    layers = [Dense(4), BatchNorm(), ReLU(), Dropout(0.2), *more, Dense(1)]
    return Model(layers, MSE(), **{"optimizer": optim.Adam(lr=0.01), "seed": 0, **settings})


def train(model: Model, *callbacks: Any, **settings: Any) -> Any:
    return model.train(X, Y, **{"epochs": 3, "batch_size": 16, "verbose": 0, "callbacks": callbacks, **settings})


def weights(model: Model) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_stages_come_with_what_they_tell() -> None:
    seen: list[tuple[str, int, int]] = []

    def note(stage: str) -> Any:
        return lambda training: seen.append((stage, training.epoch, training.batch))

    def check(training: Any) -> None:
        assert training.batches == 3
        assert training.inputs[0].shape[1:] == (3,)
        assert math.isfinite(training.loss)

    stages = ("on_train_begin", "on_epoch_begin", "on_loss", "on_gradients", "on_epoch_end", "on_train_end")
    train(learner(), LambdaCallback(**{stage: note(stage) for stage in stages}, on_batch_end=check), epochs=1)
    batch = [("on_loss", 1, n) for n in range(3) for _ in (0, 1)]
    batch[1::2] = [("on_gradients", 1, n) for n in range(3)]
    assert [entry[0] for entry in seen] == [*stages[:2], *(stage for stage, *_ in batch), *stages[-2:]]
    assert seen[2:-2] == batch


def test_loggers_get_every_column_whatever_their_place(tmp_path: Path) -> None:
    table, lines = tmp_path / "log.csv", tmp_path / "log.jsonl"
    board = TensorBoard(tmp_path / "runs")
    model = learner()
    history = train(model, CSVLogger(table), JSONLLogger(lines), board, GradientNorm())
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == history.columns
    assert {"gradient_norm", "gradient_norm_max", "val_rmse"} < set(history.columns)
    for name in history.columns:
        assert [float(row[name]) for row in rows] == history[name]
        assert [json.loads(line)[name] for line in lines.read_text().splitlines()] == history[name]
    for run in ("training", "validation"):
        (file,) = (tmp_path / "runs" / run).iterdir()
        assert b"rmse" in file.read_bytes()
    assert model.session_state is not None
    assert "gradient_norm" in model.session_state["history"]["rows"][-1]


def test_a_metric_that_is_a_table_goes_with_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    model = Model([Dense(3)], "categorical_cross_entropy", metrics=["accuracy", "confusion_matrix"], seed=0)
    logs = [CSVLogger(tmp_path / "log.csv"), JSONLLogger(tmp_path / "log.jsonl"), TensorBoard(tmp_path / "runs")]
    history = model.train(X, numpy.arange(60) % 3, epochs=2, callbacks=logs)
    assert numpy.shape(history["val_confusion_matrix"][0]) == (3, 3)
    assert (
        json.loads((tmp_path / "log.jsonl").read_text().splitlines()[1])["confusion_matrix"]
        == history[1]["confusion_matrix"]
    )
    assert "confusion_matrix" not in capsys.readouterr().out.partition("epoch ")[2]
    assert "[...]" in repr(history)
    assert [axes.get_title() for axes in history.plot(tmp_path / "history.png").axes] == ["loss", "accuracy"]
    history.to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_bytes() == (tmp_path / "log.csv").read_bytes()


def test_the_gradients_norm_is_measured_before_clipping_and_changes_nothing() -> None:
    clipped: list[float] = []

    def after(training: Any) -> None:
        clipped.append(max(float(parameter.grad.abs().max()) for parameter in training.model.parameters()))

    watched, plain = learner(), learner()
    history = train(watched, GradientNorm(), clip_norm=1e-3, accumulate=2)
    train(plain, clip_norm=1e-3, accumulate=2)
    assert weights(watched) == weights(plain)
    assert all(norm > 1e-3 for norm in history["gradient_norm"])
    assert all(most >= mean for mean, most in zip(history["gradient_norm"], history["gradient_norm_max"], strict=True))


def test_a_time_limit_ends_an_epoch_that_is_under_way_and_what_is_resumed_is_exact() -> None:
    whole = learner()
    expected = train(whole, restore_best=False)
    parts = learner()
    limit = TimeLimit(0.2)
    slow = LambdaCallback(on_batch_end=lambda training: training.epoch == 2 and time.sleep(0.3))
    history = train(parts, slow, limit, restore_best=False)
    assert history.stop_reason == "the time limit of 0.2 s is reached"
    assert len(history) == 1
    found = train(parts, resume=True, restore_best=False)
    assert weights(whole) == weights(parts)
    assert found["val_loss"] == expected["val_loss"]


def test_a_time_limit_that_is_up_with_the_last_batch_keeps_the_epoch() -> None:
    slow = LambdaCallback(on_batch_end=lambda training: training.batch == 2 and time.sleep(0.3))
    history = train(learner(), slow, TimeLimit(0.25))
    assert len(history) == 1
    assert history.stop_reason == "the time limit of 0.25 s is reached"


def test_a_checkpoint_is_resumed_as_if_nothing_had_happened(tmp_path: Path) -> None:
    def watchers(name: str) -> list[Any]:
        return [
            CSVLogger(tmp_path / f"{name}.csv"),
            GradientNorm(),
            EarlyStopping(4, 100.0),
            ModelCheckpoint(tmp_path / name / "{epoch}-{val_loss:.2f}"),
            ModelCheckpoint(tmp_path / name / "best", best_only=True),
        ]

    settings = {"epochs": 9, "batch_size": 16, "restore_best": False}
    whole, parts = learner(), learner()
    expected = train(whole, *watchers("whole"), **settings)
    assert expected.stop_reason == "val_loss has not improved by more than 100 for 4 epochs"

    def interrupt(training: Any) -> None:
        if training.epoch == 3 and training.batch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(parts, *watchers("parts"), LambdaCallback(on_batch_end=interrupt), **settings)
    (path,) = (tmp_path / "parts").glob("2-*")
    again = Model.load(path)
    found = train(again, *watchers("parts"), **settings, resume=True)
    assert weights(again) == weights(whole)
    assert dict(found) == dict(expected)
    assert found.stop_reason == expected.stop_reason
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("whole", "parts")]
    assert names[0] == names[1]
    assert len(names[0]) == len(expected) + 1
    best = Model.load(tmp_path / "parts" / "best")
    assert best.history is not None
    assert len(best.history) == best.history.best_epoch == expected.best_epoch


def test_two_early_stoppings_keep_their_memories_apart() -> None:
    def stoppers() -> list[EarlyStopping]:
        return [EarlyStopping(4, 1e9, "loss"), EarlyStopping(3, 1e9, "val_loss")]

    model = learner()
    train(model, *stoppers(), epochs=2)
    first, second = stoppers()
    history = train(model, first, second, epochs=9, resume=True)
    assert history.stop_reason == "val_loss has not improved by more than 1e+09 for 3 epochs"
    assert (first.waited, second.waited, len(history)) == (3, 3, 4)


def test_the_guard_names_the_layer_of_a_model() -> None:
    class Broken(tg.nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return x / 0.0

    model = learner(Broken())
    with numpy.errstate(all="ignore"), pytest.raises(tg.NonFiniteError, match=r"in epoch 1, batch 0") as caught:
        train(model)
    assert "the output of layer '4' (Broken)" in caught.value.problem
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_the_guard_can_stop_instead_and_the_weights_are_sound() -> None:
    def spoil(training: Any) -> None:
        if training.epoch == 2 and training.batch == 1:
            training.model[0].weight.array[0] = math.nan

    model = learner()
    history = train(model, NaNGuard(raises=False), LambdaCallback(on_batch_begin=spoil))
    assert "epoch 2, batch 1 (counted from 0): the parameter '0.weight' holds 3 of 12" in history.stop_reason
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert len(history) == 1


def test_callbacks_cost_a_batch_nothing_that_they_do_not_use() -> None:
    calls: list[str] = []

    class Watch(LambdaCallback):
        def __getattribute__(self, name: str) -> Any:
            calls.append(name)
            return super().__getattribute__(name)

    watch = Watch(on_epoch_end=lambda training: None)
    train(learner(), watch, epochs=1)
    before = len(calls)
    calls.clear()
    train(learner(), watch, epochs=5)
    assert len(calls) - before <= 4 * 3, "a few looks an epoch, none a batch"
