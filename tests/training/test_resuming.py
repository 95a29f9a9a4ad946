"""A training that is resumed from a file is the same training, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.saved import LABELS, NUMBERS, X, again, classifier, trained, weights
from tinygrad_mp import (
    Dense,
    Dropout,
    Model,
    optim,
)
from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim import lr_scheduler
from tinygrad_mp.training import callbacks

OPTIMIZERS: list[Any] = [
    optim.SGD(lr=0.05, momentum=0.9, nesterov=True),
    optim.Adam(lr=0.02, amsgrad=True, weight_decay=0.01),
    optim.AdamW(lr=0.02),
    optim.Adamax(),
    optim.NAdam(),
    optim.RAdam(),
    optim.RMSprop(centered=True, momentum=0.5),
    optim.Rprop(),
    optim.Adagrad(lr_decay=0.1),
    optim.Adadelta(),
    optim.ASGD(),
]
SCHEDULES: list[Any] = [
    lr_scheduler.StepLR(step_size=2, gamma=0.5),
    lr_scheduler.MultiStepLR(milestones=[1, 3]),
    lr_scheduler.ExponentialLR(gamma=0.8),
    lr_scheduler.CosineAnnealingLR(),
    lr_scheduler.CosineAnnealingWarmRestarts(T_0=2),
    lr_scheduler.OneCycleLR(max_lr=0.05),
    lr_scheduler.CyclicLR(base_lr=0.001, max_lr=0.05, cycle_momentum=False),
    lr_scheduler.LinearLR(),
    lr_scheduler.PolynomialLR(),
    lr_scheduler.ReduceLROnPlateau(patience=0),
    lr_scheduler.SequentialLR(
        schedulers=[lr_scheduler.LinearLR(), lr_scheduler.ExponentialLR(gamma=0.5)], milestones=[2]
    ),
    lr_scheduler.LambdaLR(lr_lambda=lambda epoch: 0.9**epoch),
]


def expect_exact_resumption(make: Callable[[], Model], y: Any, folder: Path, **options: Any) -> None:
    """Compare a training of five epochs with those that go on from the files of each epoch."""
    options = {"batch_size": 16, "verbose": 0, **options}
    keep = callbacks.ModelCheckpoint(folder / "{epoch}.model")
    whole = make()
    whole.train(X, y, epochs=5, callbacks=[keep], **options)
    plain = make()
    plain.train(X, y, epochs=5, **options)
    assert weights(plain) == weights(whole)  # saving changes nothing
    for epoch in (1, 3, 4):
        found = Model.load(folder / f"{epoch}.model")
        found.train(X, y, epochs=5, resume=True, **options)
        assert weights(found) == weights(whole)
        assert found.history.to_dict()["rows"] == whole.history.to_dict()["rows"]
        assert repr(found.optimizer.state_dict()) == repr(whole.optimizer.state_dict())
        assert found.generator.get_state().tolist() == whole.generator.get_state().tolist()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: str(one.kind.__name__))
def test_a_resumed_training_is_the_same_bit_for_bit(optimizer: Any, tmp_path: Path) -> None:
    schedule = lr_scheduler.StepLR(step_size=2, gamma=0.5)
    settings = {"optimizer": optimizer, "regularization": "L2"}
    expect_exact_resumption(lambda: classifier(**settings), LABELS, tmp_path, schedule=schedule, early_stopping=4)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda one: str(one.kind.__name__))
def test_every_schedule_is_resumed(schedule: Any, tmp_path: Path) -> None:
    expect_exact_resumption(
        lambda: Model([Dense(4), Dropout(), Dense(1)], "mse", seed=3), NUMBERS, tmp_path, schedule=schedule
    )


def test_a_training_that_crashed_is_resumed_from_its_last_file(tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 16, "verbose": 0, "accumulate": 2, "clip_norm": 1.0}
    whole = classifier()
    whole.train(X, LABELS, epochs=6, **options)

    def crash(training: Any) -> None:
        if training.epoch == 4:
            raise OSError("the power is gone")

    model = classifier()
    keep = callbacks.ModelCheckpoint(tmp_path / "last.model")
    with pytest.raises(OSError, match="the power is gone"):
        model.train(X, LABELS, epochs=6, callbacks=[keep, callbacks.LambdaCallback(on_batch_end=crash)], **options)
    found = Model.load(tmp_path / "last.model")
    assert len(found.history) == 3
    found.train(X, LABELS, epochs=6, resume=True, **options)
    assert weights(found) == weights(whole)
    model.save(tmp_path / "after.model")  # and after the crash, from the process that lived on
    found = Model.load(tmp_path / "after.model")
    found.train(X, LABELS, epochs=6, resume=True, **options)
    assert weights(found) == weights(whole)


def test_a_finished_training_is_resumed_from_its_file_and_gets_longer(tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 16, "verbose": 0}
    whole, model = classifier(), classifier()
    whole.train(X, LABELS, epochs=5, **options)
    model.train(X, LABELS, epochs=3, **options)
    found = again(model)
    found.train(X, LABELS, epochs=5, resume=True, **options)
    assert weights(found) == weights(whole)


def test_weights_from_a_file_can_be_evaluated_at_once(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "model")
    other = classifier()
    other.load_weights(tmp_path / "model")
    other.classes_ = model.classes_
    assert other.evaluate(X, LABELS) == model.evaluate(X, LABELS)
    with pytest.raises(SettingError, match="no weights yet"):
        classifier().evaluate(X, LABELS)
