"""The benchmarks run and their files can be read; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the root of the checkout, with one thread."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def quick(folder: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and the figures that it writes."""
    done = run("-m", "benchmarks", "--quick", "--threads", "1", "--output", str(folder), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_a_quick_run_of_our_engine_alone_prints_a_table_and_writes_it_as_markdown_and_json(tmp_path: Path) -> None:
    printed, figures = quick(tmp_path, "--workloads", "W1,W6", "--engines", "tinygrad_mp")
    assert [result["workload"] for result in figures["results"]] == ["W1", "W6"]
    for result in figures["results"]:
        ours = result["engines"]["tinygrad_mp"]
        assert ours["step_seconds"] > 0
        assert len(ours["losses"]) == 4
        assert all(math.isfinite(value) for value in ours["losses"] + ours["gradients"])
    assert {"numpy", "python", "tinygrad_mp"} <= figures["versions"].keys()
    assert "--workloads W1,W6" in figures["command"]
    written = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    for line in (line for line in printed.splitlines() if line.startswith("| W")):
        assert line in written


def test_both_engines_start_from_the_same_weights_and_find_the_same_losses(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is what the benchmarks compare with")
    _, figures = quick(tmp_path, "--workloads", "W1,W6")
    for result in figures["results"]:
        assert result["loss_difference"] < 1e-4
        assert result["gradient_difference"] < 1e-4
        assert result["time_ratio"] > 0


def test_a_workload_that_needs_what_the_engine_lacks_says_what_it_is() -> None:
    code = """if True:
        from benchmarks import engines, workloads
        build = lambda torch: torch.nn.LayerOfTheFuture(1)
        workloads.WORKLOADS["W1"] = workloads.WORKLOADS["W1"]._replace(build=build)
        engines.main()"""
    arguments = ["tinygrad_mp", "W1", "1", "{}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        input='["warm_up"]\n',
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == {"missing": "LayerOfTheFuture"}, done.stderr


def test_an_unknown_workload_is_refused_with_the_names_of_the_known() -> None:
    done = run("-m", "benchmarks", "--workloads", "W99")
    assert done.returncode == 2
    assert "W99 is not among W1, W2" in done.stderr


def test_one_round_of_overhead_gives_finite_figures() -> None:
    done = run("benchmarks/overhead.py", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])["figures"]
    assert all(math.isfinite(value) for value in figures.values())
