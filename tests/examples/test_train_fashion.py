"""The convolutional example, and the files that it learns from."""

import os
import struct
import subprocess
from pathlib import Path

import numpy
import pytest

from tests.examples.running import EPOCH, command, environment, final_accuracy, run

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def test_a_quick_run_learns_the_digits_of_the_package(tmp_path):
    quick = run("train_fashion", "--quick", "--epochs", "3", cwd=tmp_path)
    assert final_accuracy(quick) >= 90
    assert quick.stdout.startswith("1438 images to learn from, 359 to test on; seed 0\n")
    found = EPOCH.findall(quick.stdout)
    assert [(epoch, epochs) for epoch, epochs, *_ in found] == [("1", "3"), ("2", "3"), ("3", "3")]
    losses = [float(loss) for _, _, loss, _, _ in found]
    assert losses[-1] < losses[0] / 4


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_a_part_of_fashion_mnist_is_enough_to_tell_most_clothes_apart(tmp_path):
    part = run("train_fashion", "--data", DEBIAN, "--limit", "3000", "--epochs", "2", cwd=tmp_path)
    assert final_accuracy(part) >= 65
    assert part.stdout.startswith("3000 images to learn from, 3000 to test on; seed 0\n")


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
@pytest.mark.skipif("TINYGRAD_MP_FULL_EXAMPLES" not in os.environ, reason="minutes; set TINYGRAD_MP_FULL_EXAMPLES=1")
def test_at_least_90_percent_of_fashion_mnist_are_read_right_after_three_epochs(tmp_path):
    full = command("train_fashion", "--data", DEBIAN)
    finished = subprocess.run(
        full, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=3600, check=False
    )
    assert final_accuracy(finished) >= 90


def test_files_that_the_user_names_are_learnt_from(tmp_path):
    for prefix, count in (("train", 70), ("t10k", 30)):
        pixels = numpy.zeros((count, 28, 28), numpy.uint8)
        labels = numpy.arange(count, dtype=numpy.uint8) % 10
        pixels[numpy.arange(count), labels * 2 + 4] = 255  # a line, whose height is the label
        for name, array in ((f"{prefix}-images-idx3-ubyte", pixels), (f"{prefix}-labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / name).write_bytes(header + array.tobytes())
    finished = run("train_fashion", "--data", ".", "--epochs", "1", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("70 images to learn from, 30 to test on; seed 0\n")


def test_without_the_data_it_says_how_to_get_them_and_shows_no_traceback(tmp_path):
    refused = run("train_fashion", "--data", "nowhere", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    for words in ("'nowhere' does not exist", "apt-get install dataset-fashion-mnist", "--data DIR", "--quick"):
        assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_damaged_file_is_named_without_a_traceback(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"PK\3\4")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\0")
    refused = run("train_fashion", "--data", ".", cwd=tmp_path)
    assert refused.returncode == 1
    assert "train-images-idx3-ubyte is not an IDX file" in refused.stderr
    assert "Traceback" not in refused.stderr
