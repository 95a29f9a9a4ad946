"""The convolutional example, run as a user runs it: a process of its own, read from its output."""

import contextlib
import importlib.util
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train_fashion.py"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
EPOCH = re.compile(r"^epoch +(\d+)/(\d+)  loss (\d+\.\d+)  train +(\d+\.\d+) %  test +(\d+\.\d+) %$", re.MULTILINE)
SHORT = ("--quick", "--limit", "128", "--epochs", "1")
needs_matplotlib = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib")


def environment(*first_on_the_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*first_on_the_path, ROOT]))}


def train(*arguments, cwd, env=None):
    command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)]
    env = env or environment()
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def final_accuracy(run):
    assert run.returncode == 0, run.stderr
    accuracy = re.search(r"^test accuracy: (\d+\.\d+) %$", run.stdout, re.MULTILINE)
    assert accuracy is not None, run.stdout
    return float(accuracy[1])


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A quick run on few images, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("short")
    return train(*SHORT, "--seed", "7", cwd=folder), folder


def test_a_quick_run_learns_the_digits_of_the_package(tmp_path):
    run = train("--quick", cwd=tmp_path)
    assert final_accuracy(run) >= 90
    assert run.stdout.startswith("1438 images to learn from, 359 to test on; seed 0\n")
    found = EPOCH.findall(run.stdout)
    assert [(epoch, epochs) for epoch, epochs, *_ in found] == [("1", "3"), ("2", "3"), ("3", "3")]
    losses = [float(loss) for _, _, loss, _, _ in found]
    assert losses[-1] < losses[0] / 4


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_a_part_of_fashion_mnist_is_enough_to_tell_most_clothes_apart(tmp_path):
    run = train("--data", DEBIAN, "--limit", "3000", "--epochs", "2", cwd=tmp_path)
    assert final_accuracy(run) >= 65
    assert run.stdout.startswith("3000 images to learn from, 3000 to test on; seed 0\n")


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
@pytest.mark.skipif("TINYGRAD_MP_FULL_EXAMPLES" not in os.environ, reason="minutes; set TINYGRAD_MP_FULL_EXAMPLES=1")
def test_at_least_90_percent_of_fashion_mnist_are_read_right_after_three_epochs(tmp_path):
    command = [sys.executable, str(SCRIPT), "--data", str(DEBIAN)]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=3600, check=False
    )
    assert final_accuracy(run) >= 90


def test_files_that_the_user_names_are_learnt_from(tmp_path):
    for prefix, count in (("train", 70), ("t10k", 30)):
        pixels = numpy.zeros((count, 28, 28), numpy.uint8)
        labels = numpy.arange(count, dtype=numpy.uint8) % 10
        pixels[numpy.arange(count), labels * 2 + 4] = 255  # a line, whose height is the label
        for name, array in ((f"{prefix}-images-idx3-ubyte", pixels), (f"{prefix}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / name).write_bytes(header + array.tobytes())
    run = train("--data", ".", "--epochs", "1", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("70 images to learn from, 30 to test on; seed 0\n")


def test_without_the_data_it_says_how_to_get_them_and_shows_no_traceback(tmp_path):
    run = train("--data", "nowhere", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stdout == ""
    for words in ("'nowhere' does not exist", "apt-get install dataset-fashion-mnist", "--data DIR", "--quick"):
        assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_a_damaged_file_is_named_without_a_traceback(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"PK\3\4")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\0")
    run = train("--data", ".", cwd=tmp_path)
    assert run.returncode == 1
    assert "train-images-idx3-ubyte is not an IDX file" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_progress_bar_is_silent_where_there_is_no_terminal(short):
    run, _ = short
    assert run.returncode == 0
    assert run.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_the_progress_bar_shows_in_a_terminal(tmp_path):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, str(SCRIPT), *SHORT]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=silent, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"0/2 " in shown
    assert b"2/2 " in shown


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(short, tmp_path):
    run, _ = short
    again, other = (train(*SHORT, "--seed", seed, cwd=tmp_path) for seed in (7, 8))
    assert len(EPOCH.findall(run.stdout)) == 1
    assert again.stdout == run.stdout
    assert len(EPOCH.findall(other.stdout)) == 1
    assert EPOCH.findall(other.stdout) != EPOCH.findall(run.stdout)


@needs_matplotlib
def test_the_loss_curve_is_drawn_where_it_is_asked_for(short, tmp_path):
    run, folder = short
    assert (folder / "train_fashion.png").read_bytes().startswith(b"\x89PNG")
    assert "loss curve: train_fashion.png" in run.stdout
    asked_for = tmp_path / "a" / "new folder" / "loss.png"
    train(*SHORT, "--output", asked_for, cwd=tmp_path)
    assert asked_for.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_trains_and_says_what_is_missing(tmp_path):
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "matplotlib.py").write_text("raise ImportError('as if it were not installed')\n")
    run = train(*SHORT, cwd=tmp_path, env=environment(absent))
    assert run.returncode == 0, run.stderr
    assert "python -m pip install matplotlib" in run.stdout
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("arguments", [("--epochs", "0"), ("--limit", "0"), ("--limit", "few"), ("--epoch-count", "3")])
def test_a_wrong_option_is_refused_in_one_line_without_a_traceback(arguments, tmp_path):
    run = train(*arguments, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("train_fashion.py: error: ")
    assert "Traceback" not in run.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_with_what_has_been_learnt_so_far(tmp_path):
    command = [sys.executable, "-u", str(SCRIPT), "--quick", "--limit", "128", "--epochs", "1000"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while not (line := process.stdout.readline()).startswith("epoch"):
            assert line, "it ended before its first epoch"
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert re.search(r"^stopped after \d+ of 2000 steps", stdout, re.MULTILINE)
    assert re.search(r"^test accuracy: ", stdout, re.MULTILINE)
    assert "Traceback" not in stderr
