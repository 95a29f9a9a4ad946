"""Callbacks are called at their stages, and those that end a training end it when they should."""

from __future__ import annotations

import copy
import math
import pickle
import time
from types import SimpleNamespace
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp.training.callbacks import HOOKS, Callback, EarlyStopping, LambdaCallback, TimeLimit, listeners


def rows(*losses: float, name: str = "loss") -> list[dict[str, float]]:
    return [{name: loss} for loss in losses]


def test_stages_come_in_their_order(loop: Any) -> None:
    seen: list[str] = []
    watch = LambdaCallback(**{hook: lambda _, hook=hook: seen.append(hook) for hook in HOOKS})
    loop([watch]).run(rows(1.0))
    begin, epoch, *batch, end, last = HOOKS
    assert seen == [begin, epoch, *batch, *batch, end, last]


def test_only_overridden_stages_are_called_and_order_decides() -> None:
    class Late(Callback):
        order = 1

        def on_loss(self, training: Any) -> None:
            pass

    class Early(Late):
        order = -1

    late, early, idle, plain = Late(), Early(), Callback(), LambdaCallback(on_loss=print)
    stranger = SimpleNamespace(on_loss=print)
    assert listeners([late, idle, plain, early, stranger], "on_loss") == [early.on_loss, print, print, late.on_loss]
    assert listeners([late, idle, plain, early], "on_epoch_end") == []


def test_a_lambda_callback_takes_functions_only() -> None:
    with pytest.raises(TypeError, match="on_loss is a function"):
        LambdaCallback(on_loss=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        LambdaCallback(on_los=print)  # type: ignore[call-arg]


# --- early stopping --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "settings", "epochs"),
    [
        ([3, 2, 1, 0], {"patience": 1}, 4),
        ([3, 2, 2, 1], {"patience": 1}, 3),
        ([3, 2, 2, 1, 1, 1, 0], {"patience": 2}, 6),
        ([3, 2.5, 2.4, 0], {"patience": 2, "min_delta": 0.7}, 3),
        ([3, 2.5, 0], {"patience": 1, "min_delta": 0.5}, 2),
        ([3, 2.5, 2.4, 1.9, 1.8, 1.7], {"patience": 2, "min_delta": 0.55}, 6),
        ([math.nan, 2, math.nan, 1, math.nan, math.nan, 0], {"patience": 2}, 6),
        ([math.inf, math.inf, 1], {"patience": 1}, 2),
        ([1, 2, 3], {"patience": 1, "mode": "max"}, 3),
    ],
)
def test_it_stops_after_so_many_epochs_without_improvement(
    loop: Any, losses: list[float], settings: dict[str, Any], epochs: int
) -> None:
    history = loop([EarlyStopping(**settings)]).run(rows(*losses))
    assert len(history) == epochs


def test_it_says_why_it_stopped(loop: Any) -> None:
    history = loop([EarlyStopping(2, 0.1)]).run(rows(1.0, 0.95, 0.95))
    assert history.stop_reason == "loss has not improved by more than 0.1 for 2 epochs"
    history = loop([EarlyStopping(1)]).run(rows(1.0, 1.0))
    assert history.stop_reason == "loss has not improved for 1 epoch"


def test_it_follows_the_history_or_its_own_figure(loop: Any) -> None:
    both = [{"loss": -i, "val_loss": value, "val_fit": i} for i, value in enumerate([2.0, 1.0, 1.5, 0.5])]
    assert len(loop([EarlyStopping(1)]).run(both)) == 3
    assert len(loop([EarlyStopping(1, monitor="loss")]).run(both)) == 4
    assert len(loop([EarlyStopping(1)], monitor="val_fit", mode="max").run(both)) == 4
    assert len(loop([EarlyStopping(1)], monitor="val_fit", mode="min").run(both)) == 2
    metric = SimpleNamespace(name="fit", higher_is_better=False)
    model = SimpleNamespace(metrics=[metric])
    assert len(loop([EarlyStopping(1, monitor="val_fit")], model=model).run(both)) == 2


def test_an_epoch_without_the_figure_does_not_count(loop: Any) -> None:
    validated = [{"loss": 1.0, "val_loss": 1.0}, {"loss": 1.0}, {"loss": 1.0}, {"loss": 1.0, "val_loss": 1.0}]
    assert len(loop([EarlyStopping(1)]).run([*validated, *validated])) == 4


def test_a_figure_that_is_not_there_is_refused(loop: Any) -> None:
    with pytest.raises(tg.MissingColumnError, match="'val_f1' is not reported; there are loss"):
        loop([EarlyStopping(monitor="val_f1")]).run(rows(1.0))
    with pytest.raises(tg.SettingError, match="whether less or more 'val_x' is better"):
        loop([EarlyStopping(monitor="val_x")]).run(rows(1.0))


@pytest.mark.parametrize(
    "settings", [{"patience": 0}, {"patience": 1.5}, {"patience": True}, {"min_delta": -1}, {"mode": "best"}]
)
def test_senseless_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(tg.SettingError, match="EarlyStopping: "):
        EarlyStopping(**settings)
    with pytest.raises(tg.SettingError, match="TimeLimit: "):
        TimeLimit(0)


def test_a_resumed_training_goes_on_counting_and_a_new_one_does_not(loop: Any) -> None:
    stopper = EarlyStopping(3)
    history = loop([stopper]).run(rows(1.0, 1.0, 1.0))
    resumed = EarlyStopping(3)
    resumed.load_state_dict(stopper.state_dict())
    assert len(loop([resumed], history=history).run(rows(1.0, 1.0))) == 4
    assert len(loop([stopper]).run(rows(1.0, 1.0, 1.0))) == 3


def test_the_time_limit_counts_from_the_beginning(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    tick = LambdaCallback(on_batch_begin=lambda _: clock.__setitem__(0, clock[0] + 1.0))
    history = loop([tick, TimeLimit(5.0)]).run(rows(*range(10)))
    assert len(history) == 3, "two batches an epoch, a second each"
    assert history.stop_reason == "the time limit of 5 s is reached"


def test_callbacks_remember_how_they_were_made_and_can_be_copied() -> None:
    stopper = EarlyStopping(5, monitor="loss")
    assert (stopper._arguments.args, stopper._arguments.kwargs) == ((5,), {"monitor": "loss"})
    for again in (copy.deepcopy(stopper), pickle.loads(pickle.dumps(stopper))):
        assert (again.patience, again.monitor) == (5, "loss")
