"""The progress bar is a bar on terminals and in notebooks, and whole lines everywhere else."""

from __future__ import annotations

import copy
import io
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.training.callbacks import LambdaCallback, ProgressBar

ROWS = [{"loss": 0.5, "val_loss": 0.25}, {"loss": 0.125, "val_loss": 0.0625}]
LINE = re.compile(r"epoch \d+/\d+  loss [\d.e+-]+  val_loss [\d.e+-]+  \d+\.\d s")

# The stand-in loop of conftest.py, in a process of its own; PRELUDE may set the scene.
PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("conftest", {conftest!r})
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
{prelude}
from tinygrad_mp.training.callbacks import LambdaCallback, ProgressBar
import time
slow = LambdaCallback(on_batch_begin=lambda training: time.sleep(0.15))
conftest.Loop([slow, ProgressBar({verbose})]).run({rows})
"""


def program(verbose: int, prelude: str = "") -> list[str]:
    conftest = str(Path(__file__).with_name("conftest.py"))
    text = PROGRAM.format(conftest=conftest, prelude=prelude, verbose=verbose, rows=ROWS)
    return [sys.executable, "-W", "error", "-c", text]


def piped(command: list[str]) -> str:
    """What a program writes to a pipe as its standard output, every character as it is; it must write no errors."""
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout.decode()


def shown(loop: Any, verbose: int, stream: Any) -> Any:
    loop([ProgressBar(verbose, stream)]).run(ROWS)
    return stream


def test_levels_show_nothing_or_a_line_an_epoch(loop: Any) -> None:
    assert shown(loop, 0, io.StringIO()).getvalue() == ""
    for verbose in (1, 2):
        text = shown(loop, verbose, io.StringIO()).getvalue()
        lines = text.splitlines()
        assert text.isprintable() or set(text) - set("\n") <= set(map(chr, range(32, 127)))
        assert len(lines) == 2
        assert all(LINE.fullmatch(line) for line in lines)
        assert lines[0].startswith("epoch 1/2  loss 0.5000  val_loss 0.2500  ")


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_pipe_gets_whole_lines_and_no_control_characters(loop: Any, verbose: int) -> None:
    ours, theirs = os.pipe()
    with open(theirs, "w") as stream:
        shown(loop, verbose, stream)
    with open(ours, newline="") as reader:
        text = reader.read()
    assert not set(text) & {"\r", "\b", "\x1b"}
    assert [bool(LINE.fullmatch(line)) for line in text.split("\n")] == [True, True, False]


def test_lines_are_written_when_they_are_known() -> None:
    slow = program(1, "conftest.Loop.epochs = (lambda real: lambda *a: (x for e in real(*a) for x in [input()]))("
                      "conftest.Loop.epochs)")  # fmt: skip
    with subprocess.Popen(slow, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        first = process.stdout.readline()  # blocks for ever if lines were kept in a buffer: the program waits for us
        assert first.startswith("epoch 1/2")
        process.communicate("\n\n", timeout=60)


class Terminal:
    """A pseudo-terminal of 100 columns. ``theirs`` is what programs write to, ``read`` gives what they wrote."""

    def __init__(self) -> None:
        pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
        import fcntl
        import struct
        import termios

        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))

    def read(self, until: bytes | None = None) -> str:
        """All until these words, or until nobody has the terminal open any more."""
        found = b""
        while until is None or until not in found:
            try:
                part = os.read(self.ours, 4096)
            except OSError:  # what Linux gives at the end
                part = b""
            if not part:
                os.close(self.ours)
                break
            found += part
        return found.decode()


def shown_on_a_terminal(loop: Any, verbose: int) -> str:
    terminal = Terminal()
    slow = LambdaCallback(on_batch_begin=lambda training: time.sleep(0.15))
    with ThreadPoolExecutor() as pool, open(terminal.theirs, "w") as stream:
        text = pool.submit(terminal.read)
        loop([slow, ProgressBar(verbose, stream)]).run(ROWS)
        stream.close()
        return text.result(60)


def screen(text: str) -> list[str]:
    """What stands on the lines of a terminal after all that was written: a carriage return begins the line again."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in line.replace("\x1b[A", "").split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_a_terminal_has_a_bar_that_gives_place_to_the_line(loop: Any) -> None:
    text = shown_on_a_terminal(loop, 1)
    drawn = text.split("\r")
    assert any(re.search(r"epoch 1/2:  50%\|.+\| 1/2 \[.*loss 0.5\]", part) for part in drawn)
    assert any(re.search(r"epoch 2/2: 100%\|.+\| 2/2 \[.*loss 0.125\]", part) for part in drawn)
    assert all(len(part) <= 100 for part in drawn), "the bar fits the terminal"
    lines = screen(text)
    assert [bool(LINE.fullmatch(line)) for line in lines] == [True, True, False], lines
    assert lines[2] == ""


INTERRUPTED = """
import time
import numpy
import tinygrad_mp as tg
from tinygrad_mp.training import LambdaCallback
X = numpy.linspace(-1, 1, 40)[:, None]
model = tg.Model([tg.Dense(4), tg.ReLU(), tg.Dense(1)], tg.MSE(), metrics=[], seed=0)
slow = LambdaCallback(on_batch_begin=lambda training: time.sleep(0.15))
try:
    model.train(X, X[:, 0], epochs=100, auto_evaluation=0, callbacks=[slow])
except KeyboardInterrupt:
    print("and the program went on")
"""


def test_an_interrupt_on_a_terminal_leaves_whole_lines() -> None:
    terminal = Terminal()
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, stdin=terminal.theirs, stdout=terminal.theirs, stderr=terminal.theirs) as process:
        os.close(terminal.theirs)
        text = terminal.read(b"epoch 4/100: ")
        process.send_signal(signal.SIGINT)
        text += terminal.read()
    assert process.returncode == 0, text
    lines = [line for line in screen(text) if line.startswith(("epoch ", "stopped"))]
    assert [line.split("  loss")[0] for line in lines[:3]] == ["epoch   1/100", "epoch   2/100", "epoch   3/100"]
    assert lines[3:] == ["stopped: interrupted; back to the weights of epoch 3, the best by loss"]
    assert screen(text)[-2:] == ["and the program went on", ""]


def test_a_dumb_terminal_and_level_2_get_lines(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [shown_on_a_terminal(loop, 2)]
    monkeypatch.setenv("TERM", "dumb")
    texts.append(shown_on_a_terminal(loop, 1))
    for text in texts:
        assert [bool(LINE.fullmatch(line)) for line in text.split("\r\n")] == [True, True, False]


NOTEBOOK = """
import types
class Shell:
    config = {"IPKernelApp": {}}
    _filename_map = {}
fake = types.ModuleType("IPython")
fake.__path__ = []
fake.get_ipython = Shell
sys.modules["IPython"] = fake
for name in ("ipywidgets", "IPython.html", "IPython.html.widgets", "IPython.display"):
    sys.modules[name] = None
"""


def test_a_notebook_without_widgets_has_tqdms_bar_and_no_warning() -> None:
    text = piped(program(1, NOTEBOOK))
    assert "\repoch 1/2:  50%|" in text
    lines = screen(text)
    assert [bool(LINE.fullmatch(line)) for line in lines] == [True, True, False], lines


def test_a_notebook_is_asked_for_its_own_bars() -> None:
    widgets = NOTEBOOK + (
        "\nimport tqdm.auto\n"
        "class Bar:\n"
        "    def __init__(self, **given): print('bar', given['total'], given['desc'], given['leave'])\n"
        "    def refresh(self): print('shown')\n"
        "    def update(self): print('update')\n"
        "    def set_postfix_str(self, text, refresh): assert not refresh\n"
        "    def close(self): print('close')\n"
        "tqdm.auto.tqdm = Bar\n"
    )
    command = program(1, "import warnings; warnings.simplefilter('ignore')" + widgets)
    lines = [LINE.sub("line", line) for line in piped(command).splitlines()]
    made = [f"bar 2 epoch {n}/2 False" for n in (1, 2)]
    assert lines == [line for bar in made for line in (bar, "shown", "update", "update", "close", "line")]


def test_a_bar_is_taken_away_when_an_interrupt_comes_as_it_appears(loop: Any) -> None:
    class Terminal(io.StringIO):
        interrupted = False

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            written = super().write(text)
            if "epoch 1/" in text and not self.interrupted:
                self.interrupted = True
                raise KeyboardInterrupt
            return written

    stream = Terminal()
    with pytest.raises(KeyboardInterrupt):
        shown(loop, 1, stream)
    assert "epoch 1/" in stream.getvalue()
    assert screen(stream.getvalue())[0].strip() == ""


def test_a_bar_is_taken_away_when_the_training_fails(loop: Any) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    class Broken(ProgressBar):
        def on_batch_end(self, training: Any) -> None:
            super().on_batch_end(training)
            raise KeyboardInterrupt

    bar, stream = Broken(1, Terminal()), None
    with pytest.raises(KeyboardInterrupt):
        loop([bar]).run(ROWS)
    stream = bar.stream
    assert "epoch 1/2" in stream.getvalue()
    assert screen(stream.getvalue()) == [""]


def test_the_end_says_why_it_came_early_and_which_weights_stay(loop: Any) -> None:
    def last_line(rows: list[dict[str, float]], stop_after: int = 9) -> str:
        stream = io.StringIO()
        stop = LambdaCallback(on_epoch_end=lambda training: training.epoch >= stop_after and training.stop("enough"))
        loop([stop, ProgressBar(1, stream)]).run(rows)
        return stream.getvalue().splitlines()[-1]

    worse, back = [*ROWS[:1], {"val_loss": 3.0}], "back to the weights of epoch 1, the best by val_loss"
    assert LINE.fullmatch(last_line(ROWS)), "nothing to say"
    assert last_line(worse) == back
    assert last_line(ROWS, 1) == "stopped: enough"
    assert last_line(worse, 2) == f"stopped: enough; {back}"


def test_a_models_training_tells_what_was_decided(capsys: pytest.CaptureFixture[str]) -> None:
    X = numpy.linspace(-1, 1, 40)[:, None]
    model = tg.Model([tg.Dense(4), tg.ReLU(), tg.Dense(1)], tg.MSE(), seed=0)
    model.train(X, X[:, 0], epochs=2)
    lines = capsys.readouterr().out.splitlines()
    notes, epochs = lines[:-2], lines[-2:]
    assert any(note.startswith("evaluation: 8 of 40 rows held out") for note in notes)
    assert all(re.match(r"epoch [12]/2  loss [\d.]+  rmse .*  val_loss ", line) for line in epochs)
    model.train(X, X[:, 0], epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_streams_of_few_letters_and_missing_ones_are_no_obstacle(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    loop([ProgressBar(2, stream)]).run([{"R²": 0.5}])
    assert raw.getvalue().startswith(b"epoch 1/1  R\\xb2 0.5")
    monkeypatch.setattr(sys, "stdout", None)
    loop([ProgressBar(1)]).run(ROWS)


def test_a_level_is_0_1_or_2_and_a_bar_can_be_copied_while_it_runs(loop: Any) -> None:
    with pytest.raises(tg.SettingError, match="verbose is 0, 1 or 2, got 3"):
        ProgressBar(3)
    bar = ProgressBar(1)
    bar.on_train_begin(loop([]).training)
    assert copy.deepcopy(bar).verbose == 1
