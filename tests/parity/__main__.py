"""Compare with PyTorch's own samples and print what fails: ``python -m tests.parity --ops sort,topk -v``."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Iterable

from tests.parity.databases import MODULES, OPS, OPTIMIZERS, torch
from tests.parity.judging import KINDS, Tally
from tests.parity.modules import COMMON_MODULES, run_module
from tests.parity.op_names import COMMON_OPS
from tests.parity.ops import FORMS, run_op
from tests.parity.optimizers import NAMED_BY_ISSUE_C, run_optimizer


def chosen(patterns: str | None, names: Iterable[str], common: Iterable[str]) -> list[str]:
    """The names that match one of some comma-separated patterns, whatever the variant; without, the common ones."""
    names = list(names)
    if not patterns:
        return [name for name in names if name.partition(":")[0] in set(common)]
    wanted = patterns.split(",")
    found = [
        name
        for name in names
        for pattern in wanted
        if fnmatch.fnmatch(name, pattern)
        or fnmatch.fnmatch(name.partition(":")[0], pattern)
        or name.partition(":")[0].rpartition(".")[2] == pattern
    ]
    return list(dict.fromkeys(found))


def report(tallies: list[Tally], verbose: int) -> None:
    """A table, what fails most first, and the sums."""
    tallies = sorted(tallies, key=lambda one: (-one.counts["wrong"], -one.failed, -one.silent, one.name))
    shown = [one for one in tallies if verbose or one.failed or one.silent or one.other_class]
    if shown:
        print(f"{'':40}" + "".join(f"{kind:>9}" for kind in KINDS) + "   bad inputs: silent  other class  of")
    for one in shown:
        counts = "".join(f"{one.counts[kind] or '.':>9}" for kind in KINDS)
        print(f"{one.name:40}{counts}{one.silent or '.':>21}{one.other_class or '.':>13}{one.bad_inputs or '.':>4}")
        notes = one.notes if verbose > 1 else one.notes[:6] if verbose else one.notes[:1]
        for note in notes:
            print(f"    {note}")
    total = sum(one.samples for one in tallies)
    sums = {kind: sum(one.counts[kind] for one in tallies) for kind in KINDS}
    print(", ".join(f"{count} {kind}" for kind, count in sums.items()), f"of {total} samples", end="; ")
    print(f"{100 * sums['passed'] / max(total, 1):.2f} % passed; ", end="")
    print(f"{sum(not one.failed for one in tallies)} of {len(tallies)} entries wholly; bad inputs: ", end="")
    print(f"{sum(one.silent for one in tallies)} silent, {sum(one.other_class for one in tallies)} of another class,")
    print(f"of {sum(one.bad_inputs for one in tallies)}")


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    for table in ("ops", "modules", "optimizers"):
        parser.add_argument(
            f"--{table}", nargs="?", const="", help="names or patterns, separated by commas; without: the common ones"
        )
    parser.add_argument("--limit", type=int, help="samples of each entry, at most")
    parser.add_argument("--dtype", help="float64 (default), float32, int64, ...")
    parser.add_argument("--sample", type=int, help="only the sample of this number")
    parser.add_argument("--form", choices=FORMS, default="function", help="how the ops are called")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="show notes; twice: all of them")
    options = parser.parse_args()
    dtype = None if options.dtype is None else getattr(torch, options.dtype)
    runs = [
        (
            "ops",
            OPS,
            COMMON_OPS,
            lambda name: run_op(name, limit=options.limit, dtype=dtype, only=options.sample, form=options.form),
        ),
        ("modules", MODULES, COMMON_MODULES, run_module),
        ("optimizers", OPTIMIZERS, NAMED_BY_ISSUE_C, run_optimizer),
    ]
    every = all(getattr(options, table) is None for table, *_ in runs)
    failed = False
    for table, entries, common, run in runs:
        if every or getattr(options, table) is not None:
            print(f"\n=== {table}")
            tallies = [run(name) for name in chosen(getattr(options, table), entries, common)]
            report(tallies, options.verbose)
            failed = failed or any(one.failed or one.silent or one.other_class for one in tallies)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
