"""What recording costs, as ratios within one run: one recorded operation over NumPy's, a chain over torch's, import.

Run it with ``python benchmarks/overhead.py``; torch is optional. Rounds of the two sides alternate, and the medians of
their ratios are printed, because this machine's speed may drift meanwhile.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

import tinygrad_mp as tg

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]


def seconds(function: Callable[[], Any], repeat: int = 1) -> float:
    """Seconds that one of ``repeat`` calls takes."""
    start = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - start) / repeat


def alternate(one: Callable[[], Any], two: Callable[[], Any], rounds: int, repeat: int = 1) -> tuple[float, float]:
    """Median seconds of each, their rounds interleaved, after a warm-up."""
    seconds(one, repeat), seconds(two, repeat)
    pairs = [(seconds(one, repeat), seconds(two, repeat)) for _ in range(rounds)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def chain(x: Any, a: Any, b: Any, c: Any) -> Any:
    """One thousand small operations."""
    for _ in range(250):
        x = x * a
        x = x + b
        x = x.tanh()
        x = x - c
    return x.sum()


def single_operation(rounds: int) -> dict[str, float]:
    """Nanoseconds of ``np.add`` on 10 float32 entries, and what a recorded ``a + b`` takes beyond it."""
    a, b = (numpy.random.default_rng(seed).standard_normal(10).astype(numpy.float32) for seed in (0, 1))
    s, t = (tg.tensor(array, requires_grad=True) for array in (a, b))
    recorded, plain = alternate(lambda: s + t, lambda: numpy.add(a, b), rounds * 4, repeat=2000)
    return {"np.add (ns)": plain * 1e9, "recorded a + b beyond np.add (ns)": (recorded - plain) * 1e9}


def number_against_torch(rounds: int) -> dict[str, float]:
    """A recorded ``x * 2.5`` on 10 entries over torch's, and over that of two tensors."""
    array = numpy.random.default_rng(0).standard_normal(10).astype(numpy.float32)
    ours = tg.tensor(array, requires_grad=True)
    mine, plain = alternate(lambda: ours * 2.5, lambda: ours * ours, rounds, repeat=2000)
    figures = {"x * 2.5 over x * x": mine / plain}
    if torch is not None:
        torch.set_num_threads(1)
        theirs = torch.tensor(array, requires_grad=True)
        mine, torchs = alternate(lambda: ours * 2.5, lambda: theirs * 2.5, rounds, repeat=2000)
        figures["x * 2.5 over torch"] = mine / torchs
    return figures


def chain_against_torch(rounds: int, constants: bool) -> dict[str, float]:
    """A chain of 1000 operations on 10 entries, forward and backward, over torch's at one thread."""
    rng = numpy.random.default_rng(0)
    arrays = [rng.standard_normal(10).astype(numpy.float32) for _ in range(4)]
    flags = [True] + [not constants] * 3
    ours = [tg.tensor(array, requires_grad=flag) for array, flag in zip(arrays, flags, strict=True)]
    what = "constant operands" if constants else "every operand needs a gradient"
    if torch is None:
        return {f"chain of 1000, {what}: microseconds per operation": seconds(lambda: chain(*ours).backward()) * 1e3}
    torch.set_num_threads(1)
    theirs = [torch.tensor(array, requires_grad=flag) for array, flag in zip(arrays, flags, strict=True)]
    mine, torchs = alternate(lambda: chain(*ours).backward(), lambda: chain(*theirs).backward(), rounds)
    return {
        f"chain of 1000, {what}: microseconds per operation": mine * 1e3,
        f"chain of 1000, {what}: over torch": mine / torchs,
    }


def import_time(rounds: int) -> dict[str, float]:
    """Wall time of importing the package over that of importing NumPy alone, each in a fresh interpreter."""

    # Compiled bytecode is cached at the first import, as it is for any user, whatever this environment says.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def interpreter(code: str) -> Callable[[], Any]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True, env=environment)

    package, plain = alternate(interpreter("import tinygrad_mp"), interpreter("import numpy"), rounds)
    nothing, _ = alternate(interpreter("pass"), interpreter("pass"), 3)
    return {"import over import numpy": (package - nothing) / (plain - nothing), "whole process": package / plain}


def main() -> None:
    """Measure and print; with ``--json`` also as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    figures |= single_operation(arguments.rounds)
    figures |= number_against_torch(arguments.rounds)
    figures |= chain_against_torch(arguments.rounds, constants=True)
    figures |= chain_against_torch(arguments.rounds, constants=False)
    figures |= import_time(max(5, arguments.rounds // 4))
    versions = {"python": platform.python_version(), "numpy": numpy.__version__, "machine": platform.processor()}
    if torch is not None:
        versions["torch"] = torch.__version__
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    for name, value in figures.items():
        print(f"{value:10.2f}  {name}")
    if arguments.json:
        print(json.dumps({"versions": versions, "figures": figures}))


if __name__ == "__main__":
    main()
