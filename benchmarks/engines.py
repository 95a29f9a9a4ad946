"""One engine in a process of its own: builds a workload and answers, line by line, what it is asked on its input.

Started by ``measure.py`` as ``python -m benchmarks.engines ENGINE WORKLOAD THREADS SIZE``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy

from benchmarks.workloads import WORKLOADS, Task

ENGINES = ("torch", "tinygrad_mp")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TINYGRAD_MP_NUM_THREADS",
)
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory(field: str) -> int | None:
    """Bytes that Linux counts for this process under ``field`` (``VmRSS``, ``VmHWM``); None on other systems."""
    if not _STATUS.exists():
        return None
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Let ``VmHWM`` start anew from the memory now in use, where the system allows it."""
    if _RESET.exists():
        with contextlib.suppress(OSError):
            _RESET.write_text("5")


def load(engine: str, threads: int) -> Any:
    """Import the engine, and with one step of the smallest model what it imports only when first used."""
    torch = importlib.import_module(engine)
    if hasattr(torch, "set_num_threads"):
        torch.set_num_threads(threads)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    return torch


class Bench:
    """A workload on an engine."""

    def __init__(self, engine: str, workload: str, threads: int, size: dict[str, int]) -> None:
        self.build, self.size = WORKLOADS[workload].build, size
        self.torch = load(engine, threads)
        forget_peak()
        self.baseline = memory("VmRSS")
        self.task: Task | None = None

    def fresh(self) -> Task:
        """The task from its first weights: trained for long, its numbers would become denormal, and slow."""
        self.task = None  # the old one goes first: two at a time would show in the peak
        self.task = self.build(self.torch, **self.size)
        return self.task

    def warm_up(self) -> dict[str, Any]:
        """Seconds that a step takes roughly, from the last of three, or from one that is long."""
        task = self.fresh()
        for number in range(3):
            start = time.perf_counter()
            task.step(number)
            seconds = time.perf_counter() - start
            if seconds > 1:
                break
        return {"seconds": seconds}

    def run(self, steps: int) -> dict[str, Any]:
        """Seconds of one step, the mean of ``steps``; those of a new model follow a warm-up."""
        task = self.task
        if task is None or task.model is not None:
            task = self.fresh()
            task.step(0), task.step(1)
        step = task.step
        start = time.perf_counter()
        for number in range(steps):
            step(number)
        return {"seconds": (time.perf_counter() - start) / steps}

    def peak(self) -> dict[str, Any]:
        """Bytes of the largest memory so far beyond that after import."""
        highest = memory("VmHWM")
        return {"bytes": None if highest is None or self.baseline is None else highest - self.baseline}

    def values(self) -> dict[str, Any]:
        """The first four losses, and the norm of each gradient of the first step; without dropout, which is random."""
        task = self.fresh()
        for module in task.model.modules() if task.model is not None else ():
            if isinstance(module, self.torch.nn.Dropout):
                module.eval()
        losses = [task.step(0).item()]
        leaves = [*task.inputs, *(task.model.parameters() if task.model is not None else ())]
        norms = [float(numpy.linalg.norm(leaf.grad.numpy().astype(numpy.float64))) for leaf in leaves]
        return {"losses": losses + [task.step(number).item() for number in range(1, 4)], "gradients": norms}


def missing(error: AttributeError, engine: str) -> str | None:
    """The name that the engine lacks; None if it was not the engine that was asked."""
    home = getattr(error.obj, "__name__", None) or type(error.obj).__module__
    return error.name if home.split(".")[0] == engine else None


def main() -> None:
    """Answer until the input ends. What a library may print goes to the error stream."""
    engine, workload, threads, size = sys.argv[1:]
    replies, sys.stdout = sys.stdout, sys.stderr
    bench: Bench | None = None
    for line in sys.stdin:
        question, *arguments = json.loads(line)
        try:
            bench = bench or Bench(engine, workload, int(threads), json.loads(size))
            reply = getattr(bench, question)(*arguments)
        except ImportError as error:
            reply = {"missing": str(error)}
        except AttributeError as error:
            name = missing(error, engine)
            if name is None:
                raise
            reply = {"missing": name}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
