"""The examples of Model: what they tell, their comparison with scikit-learn, and what they do without it."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.examples.running import command, comparison, environment, final_accuracy, model_epochs, run

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLASSIFIER, REGRESSOR = "scikit-learn's MLPClassifier", "scikit-learn's MLPRegressor"

needs_sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs scikit-learn")
full = pytest.mark.skipif(
    "TINYGRAD_MP_FULL_EXAMPLES" not in os.environ, reason="minutes; set TINYGRAD_MP_FULL_EXAMPLES=1"
)


@pytest.fixture
def without_sklearn(tmp_path):
    """The environment of a machine without scikit-learn."""
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "sklearn.py").write_text("raise ImportError('as if it were not installed')\n")
    return environment(absent)


def run_in_full(name, *arguments, cwd):
    return subprocess.run(
        command(name, *arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=3600, check=False
    )


def test_the_digits_say_why_layers_start_as_they_do_and_come_back_from_their_file(tmp_path):
    quick = run("model_digits", "--quick", cwd=tmp_path)
    assert final_accuracy(quick) >= 80
    assert "He normal (std 0.1768): before ReLU, past BatchNorm; no bias: BatchNorm follows" in quick.stdout
    assert "the same predictions: True\n" in quick.stdout
    assert model_epochs(quick)[-1].keys() >= {"loss", "accuracy", "f1", "val_loss", "val_accuracy"}
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".png"] == []


@needs_sklearn
@pytest.mark.parametrize(
    ("name", "what", "lines"),
    [
        ("model_digits", "test accuracy", {"Model", "Model, like scikit-learn's", CLASSIFIER}),
        ("model_regression", "test R2, Friedman", {"Model", REGRESSOR}),
        ("model_regression", "test R2, diabetes", {"Model", REGRESSOR}),
        ("model_fashion_cnn", "test accuracy", {"Model", CLASSIFIER}),
    ],
)
def test_both_are_compared_in_a_table(name, what, lines, tmp_path):
    assert comparison(run(name, "--quick", "--epochs", "1", cwd=tmp_path), what).keys() == lines


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model_digits", "test accuracy"),
        ("model_regression", "test R2, Friedman"),
        ("model_fashion_cnn", "test accuracy"),
    ],
)
def test_without_scikit_learn_the_rest_runs_and_the_extra_is_named(name, what, tmp_path, without_sklearn):
    finished = run(name, "--quick", "--epochs", "1", cwd=tmp_path, env=without_sklearn)
    assert all(line.startswith("Model") for line in comparison(finished, what))
    assert 'the extra "sklearn"' in finished.stdout
    assert finished.stderr == ""


def test_without_the_data_the_clothes_say_how_to_get_them_and_show_no_traceback(tmp_path):
    refused = run("model_fashion_cnn", "--data", "nowhere", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    for words in ("'nowhere' does not exist", "apt-get install dataset-fashion-mnist", "--data DIR", "--quick"):
        assert words in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_a_part_of_fashion_mnist_is_enough_to_tell_most_clothes_apart(tmp_path):
    part = run("model_fashion_cnn", "--data", DEBIAN, "--limit", "3000", "--epochs", "2", cwd=tmp_path)
    assert final_accuracy(part) >= 70
    assert re.search(r"^shirt: .* as ", part.stdout, re.MULTILINE)


@pytest.mark.slow
@needs_sklearn
def test_in_full_the_digits_reach_97_percent_and_no_less_than_scikit_learn(tmp_path):
    scores = comparison(run_in_full("model_digits", cwd=tmp_path), "test accuracy")
    assert scores["Model"] >= max(97, scores[CLASSIFIER])
    assert scores["Model, like scikit-learn's"] >= scores[CLASSIFIER]


@pytest.mark.slow
@needs_sklearn
def test_in_full_numbers_are_predicted_no_worse_than_by_scikit_learn(tmp_path):
    finished = run_in_full("model_regression", cwd=tmp_path)
    friedman, diabetes = (comparison(finished, f"test R2, {name}") for name in ("Friedman", "diabetes"))
    assert friedman["Model"] >= max(0.95, friedman[REGRESSOR])
    assert diabetes["Model"] >= max(0.45, diabetes[REGRESSOR])


@pytest.mark.slow
@full
@needs_sklearn
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_in_full_90_percent_of_fashion_mnist_are_read_right(tmp_path):
    scores = comparison(run_in_full("model_fashion_cnn", "--data", DEBIAN, cwd=tmp_path), "test accuracy")
    assert scores["Model"] >= max(90, scores[CLASSIFIER])
