"""The history is a table that loses nothing, finds its best epoch, and shows itself."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.training.history import History, direction


def history_of(**columns: list[float]) -> History:
    history = History()
    for row in zip(*columns.values(), strict=True):
        history.append(dict(zip(columns, row, strict=True)))
    return history


def test_columns_and_rows_are_read_by_name_and_place() -> None:
    history = history_of(loss=[3.0, 2.0], val_loss=[4.0, 5.0])
    assert history.columns == ["epoch", "loss", "val_loss"]
    assert history["val_loss"] == [4.0, 5.0]
    assert history[-1] == {"epoch": 2, "loss": 2.0, "val_loss": 5.0}
    assert [row["epoch"] for row in history] == history["epoch"] == [1, 2]  # type: ignore[attr-defined]
    assert dict(history) == {"epoch": [1, 2], "loss": [3.0, 2.0], "val_loss": [4.0, 5.0]}
    assert "loss" in history
    assert "accuracy" not in history
    with pytest.raises(IndexError):
        history[2]


def test_a_figure_that_comes_late_is_nan_before() -> None:
    history = History()
    history.append({"loss": 2.0})
    history.append({"loss": 1.0, "val_loss": 3.0})
    assert math.isnan(history["val_loss"][0])
    assert history["val_loss"][1] == 3.0
    assert history.best_epoch == 2


def test_what_is_written_to_a_row_later_is_in_the_table() -> None:
    history = History()
    row = history.append({"loss": 2.0})
    row["gradient_norm"] = 7.0
    assert history["gradient_norm"] == [7.0]


def test_a_wrong_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"it has epoch, loss, val_loss\n(.|\n)*fix: did you mean 'val_loss'"):
        history_of(loss=[1.0], val_loss=[1.0])["val_los"]


def test_tensors_and_numpy_values_become_plain_ones() -> None:
    history = History()
    history.append({"a": tg.tensor(1.5), "b": numpy.float32(0.5), "c": numpy.int64(3), "d": numpy.eye(2)})
    row = history[0]
    assert [type(row[name]) for name in "abcd"] == [float, float, int, list]
    assert json.loads(json.dumps(history.to_dict()))["rows"][0]["d"] == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([3.0, 1.0, 1.0, 2.0], "min", 2),
        ([3.0, 1.0, 3.0, 2.0], "max", 1),
        ([math.nan, 2.0, math.nan], "min", 2),
        ([math.nan, math.nan], "min", None),
        ([math.inf, 5.0], "min", 2),
        ([], "min", None),
    ],
)
def test_the_best_epoch_is_the_first_of_the_best(values: list[float], mode: str, best: int | None) -> None:
    history = History("val_score", mode)
    for value in values:
        history.append({"val_score": value, "loss": -value})
    assert history.best_epoch == best


def test_validation_is_monitored_where_there_is_one() -> None:
    assert history_of(loss=[1.0]).monitor == "loss"
    assert history_of(loss=[1.0], val_loss=[1.0]).monitor == "val_loss"
    chosen = history_of(loss=[1.0], val_loss=[1.0])
    chosen.monitor = "loss"
    assert chosen.monitor == "loss"


def test_csv_holds_the_same_numbers_and_leaves_gaps_empty(tmp_path: Path) -> None:
    history = History()
    history.append({"loss": 0.1 + 0.2, 'odd, "name"': 1})
    history.append({"loss": 1e-300, "val_loss": math.nan})
    path = tmp_path / "history.csv"
    path.write_text("something older")
    history.to_csv(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [0.1 + 0.2, 1e-300]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [row['odd, "name"'] for row in rows] == ["1", ""]
    assert [row["val_loss"] for row in rows] == ["", "nan"]
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_a_history_comes_back_from_its_dict() -> None:
    history = history_of(loss=[1.0, math.nan, 0.5])
    history.append({"val_loss": 2.0})
    history.monitor, history.mode, history.stop_reason, history.seconds = "loss", "max", "enough", 1.5
    again = History.from_dict(json.loads(json.dumps(history.to_dict())))
    assert repr(again.to_dict()) == repr(history.to_dict())
    assert repr(again) == repr(history)
    for wrong in ({}, {**history.to_dict(), "rows": [3]}, {**history.to_dict(), "mode": "best"}, None):
        with pytest.raises(tg.DataFormatError):
            History.from_dict(wrong)  # type: ignore[arg-type]


def test_it_prints_as_a_table_with_the_best_epoch_marked() -> None:
    history = history_of(loss=[0.5, 0.25], val_accuracy=[0.125, 1.0])
    history.stop_reason, history.seconds = "the time limit of 2 s is reached", 2.04
    assert repr(history).splitlines() == [
        "epoch  loss  val_accuracy",
        "    1   0.5         0.125",
        "   *2  0.25             1",
        "best epoch: 2 of 2, by loss; stopped: the time limit of 2 s is reached; 2.0 s",
    ]
    assert repr(History()) == "History of no epochs"


def test_a_long_table_is_shortened_in_the_middle() -> None:
    lines = repr(history_of(loss=[1.0 / n for n in range(1, 101)])).splitlines()
    assert len(lines) == 1 + 10 + 1 + 10 + 1
    assert len({len(line) for line in lines[:-1]}) == 1
    assert lines[10].split()[0] == "10"
    assert lines[12].split()[0] == "91"


def test_html_escapes_names_and_marks_the_best_epoch() -> None:
    text = history_of(**{"<b>": [1.0, 2.0], "loss": [2.0, 1.0]})._repr_html_()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert text.count('<tr style="font-weight: bold"><td>*2</td>') == 1


def test_direction_is_the_metrics_or_the_last_words() -> None:
    turned = SimpleNamespace(name="loss", higher_is_better=True)
    assert direction("val_loss", [turned]) == "max"
    assert direction("val_top_k_accuracy") == "max"
    assert direction("rmse") == "min"
    with pytest.raises(tg.SettingError, match="give mode="):
        direction("val_something")
    with pytest.raises(tg.SettingError, match="'min' or 'max'"):
        History("loss", "auto")


def test_pandas_gets_the_table_or_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    history = history_of(loss=[1.0, 0.5])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(tg.MissingPackageError, match="pip install pandas"):
        history.to_pandas()
    monkeypatch.undo()
    pytest.importorskip("pandas")
    frame = history.to_pandas()
    assert frame["loss"].tolist() == [1.0, 0.5]
    assert frame.index.tolist() == [1, 2]


# --- the picture -----------------------------------------------------------------------------------------------------


def test_the_picture_shows_the_columns_and_the_best_epoch(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = history_of(
        loss=[3.0, 2.0, 1.0], accuracy=[0.1, 0.2, 0.3], val_loss=[3.0, 2.5, 2.75], seconds=[1.0, 1.0, 1.0]
    )
    figure = history.plot(tmp_path / "history.png")
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    losses, accuracies = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in losses.lines}
    assert drawn["training"] == ([1, 2, 3], [3.0, 2.0, 1.0])
    assert drawn["validation"] == ([1, 2, 3], [3.0, 2.5, 2.75])
    assert drawn["best: epoch 2"] == ([2], [2.5])
    assert [text.get_text() for text in losses.get_legend().get_texts()] == ["training", "validation", "best: epoch 2"]
    assert list(accuracies.lines[0].get_ydata()) == [0.1, 0.2, 0.3]
    assert [2, 2] in [list(line.get_xdata()) for line in accuracies.lines], "the best epoch is marked everywhere"
    (alone,) = history.plot(tmp_path / "alone.svg", columns=["accuracy"]).axes
    assert alone.get_title() == "accuracy"
    with pytest.raises(ValueError, match="not supported"):
        history.plot(tmp_path / "history.docx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.svg", "history.png"]


def test_a_picture_that_is_not_stored_is_shown_by_pyplot() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    figure = history_of(loss=[1.0]).plot()
    assert figure.number not in before
    assert pyplot.get_fignums() == [*before, figure.number]
    pyplot.close(figure)


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(tg.SettingError, match="no numbers to draw"):
        History().plot()
    with pytest.raises(KeyError):
        history_of(loss=[1.0]).plot(columns=["val_loss"])
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(tg.MissingPackageError, match="fix: python -m pip install matplotlib"):
        history_of(loss=[1.0]).plot("history.png")
