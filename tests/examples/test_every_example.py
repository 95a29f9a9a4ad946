"""What holds for each example: a short run learns, draws, and ends well, and the file is a notebook."""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.examples.running import EXAMPLES, SCRIPTS, command, environment, run

# The lines in which an example tells how far it is, and their first figure, which falls: a loss or a distance.
REPORT = re.compile(r"^(?:epoch|step) +\d+/\d+  (?:loss|distance) +(\d+\.\d+)", re.MULTILINE)
# A few seconds for each example; those that are not here have no shorter form than --quick.
CHEAPER = {"train_fashion": ("--limit", "640"), "model_fashion_cnn": ("--limit", "640")}
# PyTorch programs but for their import lines; PyTorch has no Model.
PYTORCHS = [name for name in SCRIPTS if not name.startswith("model_")]
HAS_MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None

every_example = pytest.mark.parametrize("name", SCRIPTS)


def short(name):
    return ("--quick", *CHEAPER.get(name, ()))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A function that gives an example's quick run, done once, and the folder that it ran in."""
    done = {}

    def run_once(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            done[name] = run(name, *short(name), cwd=folder), folder
        return done[name]

    return run_once


def assert_it_learns(finished):
    assert finished.returncode == 0, finished.stderr
    figures = [float(figure) for figure in REPORT.findall(finished.stdout)]
    assert len(figures) >= 2, finished.stdout
    assert figures[-1] < figures[0]


@every_example
def test_a_quick_run_learns(name, quick):
    finished, _ = quick(name)
    assert_it_learns(finished)


@pytest.mark.skipif(
    os.environ.get("TINYGRAD_MP_EXAMPLES_ON_PYTORCH") != "1",
    reason="minutes in all; set TINYGRAD_MP_EXAMPLES_ON_PYTORCH=1, as .ci/run does",
)
@pytest.mark.parametrize("name", PYTORCHS)
def test_the_program_is_pytorchs_but_for_its_import_lines(name, tmp_path):
    pytest.importorskip("torch", reason="needs PyTorch")
    for script in (EXAMPLES / "common.py", EXAMPLES / f"{name}.py"):
        lines = script.read_text(encoding="utf-8")
        lines = lines.replace("import tinygrad_mp as tg", "import torch as tg")
        lines = re.sub(r"^from tinygrad_mp(?!\.data import)", "from torch", lines, flags=re.MULTILINE)
        (tmp_path / script.name).write_text(lines, encoding="utf-8")
    changed = [sys.executable, f"{name}.py", *short(name)]
    assert_it_learns(
        subprocess.run(
            changed, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300, check=False
        )
    )


@every_example
def test_the_progress_bar_is_silent_where_there_is_no_terminal(name, quick):
    finished, _ = quick(name)
    assert finished.stderr == ""


@every_example
@pytest.mark.skipif(not HAS_MATPLOTLIB, reason="needs matplotlib")
def test_a_picture_is_drawn(name, quick):
    finished, folder = quick(name)
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert f"picture: {name}.png\n" in finished.stdout


@every_example
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_with_what_has_been_learnt_so_far(name, tmp_path):
    endless = "--epochs" if "--epochs" in run(name, "--help", cwd=tmp_path).stdout else "--steps"
    started = command(name, *short(name), endless, "1000")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(started, cwd=tmp_path, env=environment(), **pipes) as process:
        while not REPORT.match(line := process.stdout.readline()):
            assert line, "it ended before it told how far it was"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert re.search(r"^stopped(?: after \d+ of \d+000 steps|: interrupted)", stdout, re.MULTILINE)
    assert stderr == ""
    assert (tmp_path / f"{name}.png").exists() is HAS_MATPLOTLIB


@every_example
def test_the_cells_of_the_notebook_compile_and_begin_with_a_title_and_its_source(name):
    script = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    before, *cells = re.split(r"^# %%", script, flags=re.MULTILINE)
    assert before == ""
    kinds, bodies = zip(*(cell.split("\n", 1) for cell in cells), strict=True)
    assert set(kinds) == {"", " [markdown]"}
    assert bodies[0].startswith("# # ")
    assert re.search(r"\b(?:19|20)\d\d\b", bodies[0]), "the text does not name its source"
    for kind, body in zip(kinds, bodies, strict=True):
        if kind:
            assert all(line.startswith("#") for line in body.strip().splitlines()), body
        else:
            compile(body, name, "exec")
            assert body.strip()


@pytest.mark.parametrize("name", ["train_digits", "vae", "maml", "char_rnn"])
def test_the_same_seed_gives_the_same_numbers(name, quick, tmp_path):
    finished, _ = quick(name)
    assert REPORT.findall(finished.stdout)
    again = run(name, *short(name), cwd=tmp_path)
    assert again.stdout == finished.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_the_progress_bar_shows_in_a_terminal(tmp_path):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    started, silent = command("train_digits", "--quick"), subprocess.DEVNULL
    with subprocess.Popen(started, cwd=tmp_path, env=environment(), stdout=silent, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"0/90 " in shown
    assert b"90/90 " in shown


@pytest.mark.skipif(not HAS_MATPLOTLIB, reason="needs matplotlib")
def test_the_picture_goes_where_it_is_asked_for(tmp_path):
    asked_for = tmp_path / "a" / "new folder" / "loss.png"
    run("train_digits", "--epochs", "1", "--output", asked_for, cwd=tmp_path)
    assert asked_for.read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.png"))


def test_without_matplotlib_it_learns_and_says_what_is_missing(tmp_path):
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "matplotlib.py").write_text("raise ImportError('as if it were not installed')\n")
    finished = run("train_digits", "--quick", cwd=tmp_path, env=environment(absent))
    assert finished.returncode == 0, finished.stderr
    assert "python -m pip install matplotlib" in finished.stdout
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    "arguments", [("--epochs", "0"), ("--limit", "0"), ("--epochs", "many"), ("--epoch-count", "3")]
)
def test_a_wrong_option_is_refused_in_one_line_without_a_traceback(arguments, tmp_path):
    refused = run("train_fashion", *arguments, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("train_fashion.py: error: ")
    assert "Traceback" not in refused.stderr
