"""Files that grow with a training hold whole lines, whatever happens to it, and go on where it goes on."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp.training.callbacks import CSVLogger, GradientNorm, JSONLLogger, LambdaCallback, ModelCheckpoint
from tinygrad_mp.training.callbacks.files import append_whole

LOGGERS = {"log.csv": CSVLogger, "log.jsonl": JSONLLogger}


@pytest.fixture(params=sorted(LOGGERS))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / request.param


def logger(path: Path) -> Any:
    return LOGGERS[path.name](path)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a log, empty cells left out; every line must be a whole one."""
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    rows = list(csv.DictReader(text.splitlines(), strict=True))
    assert not any(None in row or None in row.values() for row in rows), "cells are missing, or too many"
    return [{name: float(cell) for name, cell in row.items() if cell} for row in rows]


def losses(*values: float) -> list[dict[str, float]]:
    return [{"loss": value} for value in values]


def test_every_epoch_has_its_line_at_once(loop: Any, path: Path) -> None:
    seen = []
    look = LambdaCallback(on_epoch_begin=lambda _: seen.append(len(read(path)) if path.exists() else 0))
    loop([logger(path), look]).run(losses(0.1 + 0.2, 1e-300, 2))
    assert seen == [0, 1, 2]
    assert read(path) == [{"epoch": n, "loss": x} for n, x in enumerate([0.1 + 0.2, 1e-300, 2], 1)]


def test_a_resumed_training_replaces_the_epochs_it_runs_again(loop: Any, path: Path) -> None:
    history = loop([logger(path)]).run(losses(5, 4, 3, 2))
    del history._rows[2:]
    loop([logger(path)], history=history).run(losses(2.5, 1.5))
    assert [row["loss"] for row in read(path)] == [5, 4, 2.5, 1.5]
    loop([logger(path)]).run(losses(9))
    assert [row["loss"] for row in read(path)] == [9]


def test_the_same_logger_serves_a_second_training(loop: Any, path: Path) -> None:
    same = logger(path)
    history = loop([same]).run(losses(5, 4))
    loop([same], history=history).run(losses(3))
    assert [row["loss"] for row in read(path)] == [5, 4, 3]


def test_a_torn_line_at_the_end_is_taken_away(loop: Any, path: Path) -> None:
    history = loop([logger(path)]).run(losses(5, 4))
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    history._rows.pop()
    loop([logger(path)], history=history).run(losses(4))
    assert path.read_bytes() == whole


def test_a_figure_that_comes_later_has_its_place(loop: Any, path: Path) -> None:
    loop([logger(path)]).run([{"loss": 2}, {"loss": 1, "val_loss": 7}, {"loss": 0.5, "val_loss": math.nan, "z": 1}])
    first, second, third = read(path)
    assert first == {"epoch": 1, "loss": 2}
    assert second == {"epoch": 2, "loss": 1, "val_loss": 7}
    assert third.pop("val_loss") is None or path.suffix == ".csv"
    assert third == {"epoch": 3, "loss": 0.5, "z": 1}


def test_nan_and_infinities_are_json_that_others_can_read(loop: Any, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    loop([JSONLLogger(path)]).run([{"loss": math.nan, "matrix": [[math.inf, 1.0]], "R²": 1}])
    assert path.read_text() == '{"epoch": 1, "loss": null, "matrix": [[null, 1.0]], "R²": 1}\n'


def test_texts_with_line_ends_and_quotes_stay_one_line(loop: Any, path: Path) -> None:
    for _ in range(2):
        loop([logger(path)]).run([{'a\n"b",': "c\nd", "loss": 1.0}, {"loss": 2.0}])
        assert path.read_text().count("\n") == (3 if path.suffix == ".csv" else 2)


@pytest.mark.parametrize("content", ["name,age\nx,3\n", "epoch\nx\n", "epoch,loss\n1\n", "[1]\n", "{}\n", "\xff\n"])
def test_another_file_is_not_written_over(loop: Any, path: Path, content: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(tg.DataFormatError, match="choose another path"):
        loop([logger(path)]).run(losses(1.0))
    assert path.read_text() == content


def test_a_write_that_fails_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    append_whole(str(path), b"one\n")
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        return real(descriptor, data[:2])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        append_whole(str(path), b"two\n")
    monkeypatch.undo()
    assert path.read_bytes() == b"one\n"
    append_whole(str(path), b"three\n")
    assert path.read_bytes() == b"one\nthree\n"


def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: (pieces.append(data), real(descriptor, data))[1])
    append_whole(str(tmp_path / "file"), b"x" * 9000 + b"\n")
    assert pieces == [b"x" * 9000 + b"\n"], "a program can be killed between two"


PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("conftest", sys.argv[1])
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
from tinygrad_mp.training.callbacks import CSVLogger, JSONLLogger, TensorBoard
from tinygrad_mp.training.history import History
folder, first, last = sys.argv[2], *map(int, sys.argv[3:])
history = History()
for epoch in range(1, first):
    history.append({})
rows = [{"loss": epoch / 7, "text": "x" * 300} for epoch in range(first, last)]
conftest.Loop([CSVLogger(folder + "/log.csv"), JSONLLogger(folder + "/log.jsonl"), TensorBoard(folder)],
              history=history).run(rows)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_kill_leaves_whole_lines_and_the_training_goes_on_from_there(tmp_path: Path) -> None:
    program = [sys.executable, "-c", PROGRAM, str(Path(__file__).with_name("conftest.py")), str(tmp_path)]
    first, log = 1, tmp_path / "log.jsonl"
    for attempt in range(4):
        before = inode(log)
        with subprocess.Popen([*program, str(first), "30000"], stderr=subprocess.PIPE) as process:
            wait_for(lambda old=before, epoch=first: inode(log) != old and last_epoch(log) > epoch + 9)
            time.sleep(0.037 * attempt)
            assert process.poll() is None
            process.send_signal(signal.SIGKILL if attempt % 2 else signal.SIGINT)
            process.communicate(timeout=60)
        epochs = {name: [int(row["epoch"]) for row in read_rows(tmp_path / name)] for name in LOGGERS}
        for numbers in epochs.values():
            assert numbers == list(range(1, len(numbers) + 1))
        first = len(epochs["log.csv"]) // 2
    subprocess.run([*program, str(first), str(first + 2)], check=True, timeout=60)
    for name in LOGGERS:
        assert [int(row["epoch"]) for row in read_rows(tmp_path / name)] == list(range(1, first + 2))


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.005)


def inode(path: Path) -> int:
    """Another one when the file was replaced: the first epoch's end does that."""
    return path.stat().st_ino if path.exists() else 0


def last_epoch(path: Path) -> int:
    """Of the last line that is whole; 0 if there is none."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return json.loads(lines[-1])["epoch"] if lines else 0


def read_rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text()
    assert text.endswith("\n")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    rows = list(csv.DictReader(text.splitlines(), strict=True))
    assert all(row["text"] in ("x" * 300, "") for row in rows)
    return rows


# --- checkpoints, and the gradient's norm ----------------------------------------------------------------------------


class Saved:
    """Stands for a model that is saved."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def save(self, path: str) -> None:
        self.files.append(path)


def checkpoints(loop: Any, path: Any, **settings: Any) -> list[str]:
    model = Saved()
    keeper = ModelCheckpoint(path, **settings)
    loop([keeper], model=model).run(losses(3, 1, 2, 0.5))
    assert keeper.last_path == (model.files[-1] if model.files else None)
    return model.files


def test_checkpoints_are_named_by_their_figures(loop: Any, tmp_path: Path) -> None:
    files = checkpoints(loop, tmp_path / "a" / "{epoch:02d}-{loss:.1f}")
    assert files == [str(tmp_path / "a" / name) for name in ("01-3.0", "02-1.0", "03-2.0", "04-0.5")]
    assert (tmp_path / "a").is_dir()
    assert checkpoints(loop, str(tmp_path / "same"), every=2) == [str(tmp_path / "same")] * 2
    assert checkpoints(loop, tmp_path / "{{x}}{epoch}", best_only=True) == [
        str(tmp_path / f"{{x}}{n}") for n in (1, 2, 4)
    ]
    assert checkpoints(loop, tmp_path / "{epoch}", best_only=True, every=2) == [str(tmp_path / n) for n in "24"]


@pytest.mark.parametrize("name", ["{val_los}", "{", "{0}", "{loss.x}", "{loss:q}"])
def test_a_name_that_cannot_be_filled_is_refused(loop: Any, tmp_path: Path, name: str) -> None:
    with pytest.raises(tg.SettingError, match="there are loss, epoch"):
        checkpoints(loop, tmp_path / name)
    with pytest.raises(tg.SettingError, match="every is a number of epochs"):
        ModelCheckpoint("x", every=0)


def test_the_norm_is_that_of_all_gradients_together_over_the_epoch(loop: Any) -> None:
    model = tg.nn.Linear(2, 1)
    gradients = iter([(3.0, 4.0), (0.0, 0.0), (0.0, 0.0), (math.inf, 0.0)])

    def fill(training: Any) -> None:
        weight, bias = next(gradients)
        model.weight.grad, model.bias.grad = tg.tensor([[weight, 0.0]]), tg.tensor([bias])

    # the logger is given first, and gets the figures all the same
    rows: list[Any] = []
    show = LambdaCallback(on_epoch_end=lambda training: rows.append(dict(training.logs)))
    history = loop([LambdaCallback(on_batch_begin=fill), GradientNorm(), show], model=model).run(losses(1, 1))
    assert rows[0] == {"loss": 1, "gradient_norm": 2.5, "gradient_norm_max": 5.0}
    assert history["gradient_norm_max"] == [5.0, math.inf]
