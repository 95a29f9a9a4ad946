"""Measure a case: a process for each engine, whose rounds alternate because a machine's speed drifts meanwhile."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from benchmarks.engines import ENGINES, THREAD_VARIABLES
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
THEIRS, OURS = ENGINES


class UnavailableError(Exception):
    """The engine cannot run the workload; the text says what it lacks."""


class Case(NamedTuple):
    """One line of the results."""

    workload: str
    threads: int
    size: Mapping[str, int]
    series: str = ""
    varied: str = ""


class Series(NamedTuple):
    """How the time of a workload grows with one of its sizes."""

    workload: str
    varied: str
    values: Sequence[int]
    quick: Sequence[int]
    fixed: Mapping[str, int] = {}


GROWTH = {
    "W3 over the batch": Series("W3", "batch", (1, 4, 16, 64, 256), (1, 2)),
    "W4 over the image": Series("W4", "image", (8, 16, 32, 64), (4, 8)),
    "W6 over the depth": Series("W6", "operations", (1000, 10_000, 100_000, 1_000_000), (40, 400)),
    "W6 over the entries, where few entries show the overhead of an operation": Series(
        "W6", "entries", (1, 10, 100, 1000, 10_000, 100_000), (1, 10)
    ),
}


def cases(workloads: Sequence[str], threads: Sequence[int], quick: bool, growth: bool) -> list[Case]:
    """What to measure: each workload at each number of threads, then the series at the first of these."""

    def size(name: str) -> dict[str, int]:
        return {**WORKLOADS[name].size, **(WORKLOADS[name].quick if quick else {})}

    found = [Case(name, count, size(name)) for count in threads for name in workloads]
    for title, series in GROWTH.items() if growth else ():
        if series.workload in workloads:
            for value in series.quick if quick else series.values:
                varied = {**size(series.workload), series.varied: value}
                found.append(Case(series.workload, threads[0], varied, title, series.varied))
    return found


class Worker:
    """A process that runs one engine, and waits while it is not asked."""

    def __init__(self, engine: str, case: Case) -> None:
        self.engine = engine
        environment = {**os.environ, **{name: str(case.threads) for name in THREAD_VARIABLES}}
        arguments = [engine, case.workload, str(case.threads), json.dumps(case.size)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.engines", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def ask(self, question: str, *arguments: int) -> Any:
        """The reply; raises UnavailableError if the engine lacks something, RuntimeError if its process died."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps([question, *arguments]), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.engine} failed with exit status {self.process.wait()}; its words are above")
        reply = json.loads(line)
        if "missing" in reply:
            raise UnavailableError(reply["missing"])
        return reply


def difference(ours: Sequence[float], theirs: Sequence[float], scale: float | None = None) -> float:
    """The largest difference, relative to each of theirs or to ``scale``; not a number if one of them is not."""
    found = [abs(a - b) / (scale or abs(b) or 1.0) for a, b in zip(ours, theirs, strict=True)]
    return float(numpy.max(found))


def measure(case: Case, engines: Sequence[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Run a case on the engines, ``rounds`` times (in a series, a third) for ``seconds`` each, and compare them."""
    rounds = -(-rounds // 3) if case.series else rounds
    result: dict[str, Any] = {**case._asdict(), "size": dict(case.size), "engines": {}}
    workers = [Worker(engine, case) for engine in engines]
    try:
        steps = {}
        for worker in workers:
            try:
                steps[worker] = max(1, round(seconds / worker.ask("warm_up")["seconds"]))
            except UnavailableError as lack:
                result.setdefault("missing", {})[worker.engine] = str(lack)
        times: dict[str, list[float]] = {worker.engine: [] for worker in steps}
        for number in range(rounds):
            # Who goes first changes from round to round.
            for worker in list(steps)[:: -1 if number % 2 else 1]:
                times[worker.engine].append(worker.ask("run", steps[worker])["seconds"])
        for worker in steps:
            result["engines"][worker.engine] = {
                "step_seconds": statistics.median(times[worker.engine]),
                "rounds": times[worker.engine],
                "steps_a_round": steps[worker],
                "peak_bytes": worker.ask("peak")["bytes"],
                **worker.ask("values"),
            }
    finally:
        for worker in workers:
            worker.stop()
    return {**result, **compare(result["engines"])}


def compare(engines: Mapping[str, Any]) -> dict[str, Any]:
    """Ours over theirs; the ratio of time is the median of the rounds' ratios, given with its quartiles."""
    if not {OURS, THEIRS} <= engines.keys():
        return {}
    ours, theirs = engines[OURS], engines[THEIRS]
    ratios = sorted(a / b for a, b in zip(ours["rounds"], theirs["rounds"], strict=True))
    quartiles = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    known = ours["peak_bytes"] is not None and theirs["peak_bytes"]
    return {
        "time_ratio": quartiles[1],
        "time_ratio_quartiles": [quartiles[0], quartiles[2]],
        "memory_ratio": ours["peak_bytes"] / theirs["peak_bytes"] if known else None,
        "loss_difference": difference(ours["losses"], theirs["losses"]),
        "gradient_difference": difference(ours["gradients"], theirs["gradients"], max(theirs["gradients"])),
    }
