"""The main job, run as a user runs it: a process of its own, read from its output."""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train_digits.py"
EPOCH = re.compile(r"^epoch +(\d+)/(\d+)  loss (\d+\.\d+)  train +(\d+\.\d+) %  test +(\d+\.\d+) %$", re.MULTILINE)


def environment(*first_on_the_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*first_on_the_path, ROOT]))}


def train(*arguments, cwd, env=None):
    command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)]
    env = env or environment()
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A quick run, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("quick")
    return train("--quick", "--seed", "7", cwd=folder), folder


def test_the_held_out_fifth_is_read_with_at_least_97_percent(tmp_path):
    run = train(cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    accuracy = re.search(r"^test accuracy: (\d+\.\d+) %$", run.stdout, re.MULTILINE)
    assert accuracy is not None, run.stdout
    assert float(accuracy[1]) >= 97
    losses = [float(loss) for _, _, loss, _, _ in EPOCH.findall(run.stdout)]
    assert losses[-1] < losses[0] / 4


def test_a_quick_run_prints_loss_and_both_accuracies_per_epoch(quick):
    run, _ = quick
    assert run.returncode == 0, run.stderr
    assert [(epoch, epochs) for epoch, epochs, *_ in EPOCH.findall(run.stdout)] == [("1", "2"), ("2", "2")]


def test_the_progress_bar_is_silent_where_there_is_no_terminal(quick):
    run, _ = quick
    assert run.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_the_progress_bar_shows_in_a_terminal(tmp_path):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, str(SCRIPT), "--quick"]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=silent, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"0/90 " in shown
    assert b"90/90 " in shown


def test_the_same_seed_gives_the_same_numbers(quick, tmp_path):
    run, _ = quick
    again = train("--quick", "--seed", "7", cwd=tmp_path)
    assert len(EPOCH.findall(run.stdout)) == 2
    assert again.stdout == run.stdout


def test_another_seed_gives_other_numbers(quick, tmp_path):
    run, _ = quick
    other = train("--quick", "--seed", "8", cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    assert EPOCH.findall(other.stdout) != EPOCH.findall(run.stdout)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")
def test_the_loss_curve_is_drawn_where_it_is_asked_for(quick, tmp_path):
    run, folder = quick
    assert (folder / "train_digits.png").read_bytes().startswith(b"\x89PNG")
    assert "loss curve: train_digits.png" in run.stdout
    asked_for = tmp_path / "a" / "new folder" / "loss.png"
    train("--epochs", "1", "--output", asked_for, cwd=tmp_path)
    assert asked_for.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_trains_and_says_what_is_missing(tmp_path):
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "matplotlib.py").write_text("raise ImportError('as if it were not installed')\n")
    run = train("--quick", cwd=tmp_path, env=environment(absent))
    assert run.returncode == 0, run.stderr
    assert "python -m pip install matplotlib" in run.stdout
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("arguments", [("--epochs", "0"), ("--epochs", "many"), ("--epoch-count", "3")])
def test_a_wrong_option_is_refused_in_one_line_without_a_traceback(arguments, tmp_path):
    run = train(*arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("train_digits.py: error: ")
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_with_what_has_been_learnt_so_far(tmp_path):
    command = [sys.executable, "-u", str(SCRIPT), "--epochs", "1000"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("epoch"):
            assert line, "it ended before its first epoch"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert re.search(r"^stopped after \d+ of 45000 steps", stdout, re.MULTILINE)
    assert re.search(r"^test accuracy: ", stdout, re.MULTILINE)
    assert "Traceback" not in stderr
