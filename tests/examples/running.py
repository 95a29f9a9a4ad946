"""Examples, run as users run them: each in a process of its own, read from its output."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "common")
EPOCH = re.compile(r"^epoch +(\d+)/(\d+)  loss (\d+\.\d+)  train +(\d+\.\d+) %  test +(\d+\.\d+) %$", re.MULTILINE)


def environment(*first_on_the_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*first_on_the_path, ROOT]))}


def command(name, *arguments):
    return [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *map(str, arguments)]


def run(name, *arguments, cwd, env=None):
    env = env or environment()
    return subprocess.run(
        command(name, *arguments), cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def model_epochs(finished):
    """The figures of each epoch that a Model's progress tells: a list of dicts."""
    lines = re.findall(r"^epoch +\d+/\d+  (.*)  \d+\.\d s$", finished.stdout, re.MULTILINE)
    return [{name: float(figure) for name, figure in map(str.split, line.split("  "))} for line in lines]


def comparison(finished, what):
    """The tables whose scores are ``what``: the score of each line, by its name."""
    assert finished.returncode == 0, finished.stderr
    heading = re.escape(what)
    table = re.search(rf"^ +{heading} +time +peak memory\n((?:.* MB\n)+)", finished.stdout, re.MULTILINE)
    assert table is not None, finished.stdout
    line = re.compile(r"^(.*?)  +(-?\d+\.\d+)(?: %)?  +\d+\.\d s  +\d+\.\d MB$", re.MULTILINE)
    return {name: float(score) for name, score in line.findall(table[1])}


def final_accuracy(finished):
    """The last figure that a classifier prints."""
    assert finished.returncode == 0, finished.stderr
    figure = re.search(r"^test accuracy: (\d+\.\d+) %$", finished.stdout, re.MULTILINE)
    assert figure is not None, finished.stdout
    return float(figure[1])
