"""``python -m benchmarks``: run the workloads, print the table, write Markdown, JSON and a picture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from benchmarks import report
from benchmarks.engines import ENGINES
from benchmarks.measure import Case, cases, measure
from benchmarks.workloads import WORKLOADS


def some_of(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Reads names that commas part."""

    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not among {', '.join(known)}")
        return chosen

    return names


def counts(text: str) -> list[int]:
    """Reads whole numbers above zero that commas part."""
    chosen = [int(part) for part in text.split(",")]
    if min(chosen) < 1:
        raise argparse.ArgumentTypeError("a number of threads is at least 1")
    return chosen


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    options.add_argument("--workloads", type=some_of(tuple(WORKLOADS)), default=list(WORKLOADS), metavar="W1,W2,...")
    options.add_argument("--threads", type=counts, default=[1, 2], metavar="1,2", help="default 1,2")
    options.add_argument("--engines", type=some_of(ENGINES), default=list(ENGINES), metavar=",".join(ENGINES))
    options.add_argument("--rounds", type=int, default=15, help="default 15; each is one measurement of each engine")
    options.add_argument("--seconds", type=float, default=0.2, help="of a round, or one step if that is longer")
    options.add_argument("--growth", action="store_true", help="also how time grows with batch, image, depth, entries")
    options.add_argument("--quick", action="store_true", help="tiny sizes, one round: only to see that all works")
    options.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where to write; by default this folder, and with --quick nowhere, as its times mean nothing",
    )
    return options


def main() -> int:
    """Measure case by case; the exit status is 1 if one failed, not if an engine lacks something."""
    command = parser()
    options = command.parse_args()
    if options.rounds < 1:
        command.error("--rounds must be at least 1")
    absent = [engine for engine in options.engines if find_spec(engine) is None]
    engines = [engine for engine in options.engines if engine not in absent]
    for engine in absent:
        print(f"{engine} is not installed, so it is not measured; benchmarks/README.md says how to get it")
    if not engines:
        return 1
    rounds, seconds = (1, 0.0) if options.quick else (options.rounds, options.seconds)
    about = report.circumstances(sys.argv[1:])
    results = []
    for case in cases(options.workloads, options.threads, options.quick, options.growth):
        results.append(one(case, engines, rounds, seconds))
        print(report.line(results[-1]), file=sys.stderr, flush=True)
    for series, members in report.groups(results).items():
        print(f"\n{series or 'Workloads'}\n\n{report.table(members)}")
    folder = options.output or (None if options.quick else Path(__file__).parent)
    if folder is not None:
        print("\nwritten:", ", ".join(map(str, report.write(folder, about, results))))
    return int(any("failure" in result for result in results))


def one(case: Case, engines: list[str], rounds: int, seconds: float) -> dict[str, object]:
    """Measure a case; the failure of an engine is a result too, so that the others still run."""
    try:
        return measure(case, engines, rounds, seconds)
    except RuntimeError as error:
        print(f"{case.workload}: {error}", file=sys.stderr)
        return {**case._asdict(), "size": dict(case.size), "engines": {}, "failure": str(error)}


if __name__ == "__main__":
    sys.exit(main())
