"""What was measured, as a table on the screen, as Markdown, JSON and a picture."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measure import OURS, ROOT, THEIRS
from benchmarks.workloads import WORKLOADS

HEADER = ("workload", "threads", "PyTorch", "ours", "time", "quartiles", "goal", "memory", "losses", "gradients")


def circumstances(arguments: Sequence[str]) -> dict[str, Any]:
    """Machine, versions, command and day: what the figures depend on."""
    sources = [Path("/proc/cpuinfo"), Path("/proc/meminfo")]
    lines = [line for source in sources if source.exists() for line in source.read_text().splitlines()]
    values = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    memory = values.get("MemTotal", "unknown").split()[0]
    machine = {
        "processor": values.get("model name") or platform.processor() or platform.machine(),
        "vector instructions": "AVX-512" if "avx512f" in values.get("flags", "") else "AVX2 or less",
        "cores": os.cpu_count(),
        "memory": f"{int(memory) / 2**20:.1f} GiB" if memory.isdigit() else memory,
        "system": platform.platform(),
        "load before": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }
    command = shlex.join(["python", "-m", "benchmarks", *arguments])
    day = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"day": day, "command": command, "machine": machine, "versions": versions()}


def versions() -> dict[str, str]:
    """Of Python, and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for package in ("numpy", "torch", "tinygrad_mp"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "from this checkout" if package == OURS and (ROOT / OURS).is_dir() else "not installed"
    return found


def duration(seconds: float) -> str:
    """Three figures, with the fitting unit."""
    unit, size = ("s", 1.0) if seconds >= 1 else ("ms", 1e-3) if seconds >= 1e-3 else ("µs", 1e-6)
    return f"{seconds / size:.3g} {unit}"


def described(result: Mapping[str, Any]) -> str:
    """The workload, or in a series the size that varies."""
    if result["series"]:
        return f"{result['workload']}, {result['varied']} {result['size'][result['varied']]:,}"
    size = ", ".join(f"{name} {value:,}" for name, value in result["size"].items())
    return f"{result['workload']} {WORKLOADS[result['workload']].title}; {size}"


def row(result: Mapping[str, Any]) -> tuple[str, ...]:
    """One line of a table; what is not known is a dash."""

    def time(engine: str) -> str:
        lack, failure = result.get("missing", {}).get(engine), result.get("failure")
        if engine in result["engines"]:
            return duration(result["engines"][engine]["step_seconds"])
        return f"failed: {failure}" if failure else f"not available: {lack}" if lack else "–"

    def figure(name: str, form: str) -> str:
        value = result.get(name)
        return "–" if value is None else format(value, form)

    goal = None if result["series"] else WORKLOADS[result["workload"]].limits.get(result["threads"])
    quartiles = result.get("time_ratio_quartiles")
    return (
        described(result),
        str(result["threads"]),
        time(THEIRS),
        time(OURS),
        figure("time_ratio", ".2f"),
        f"{quartiles[0]:.2f}–{quartiles[1]:.2f}" if quartiles else "–",
        f"≤ {goal:.2f}" if goal is not None else "–",
        figure("memory_ratio", ".2f"),
        figure("loss_difference", ".1e"),
        figure("gradient_difference", ".1e"),
    )


def line(result: Mapping[str, Any]) -> str:
    """A result as one short line, shown as soon as it is there."""
    what, threads, theirs, ours, ratio, *_ = row(result)
    return f"{what}; threads {threads}: PyTorch {theirs}, ours {ours}, ratio {ratio}"


def table(results: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table, aligned, so that it reads well on a screen too."""
    lines = [HEADER, *(row(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    rule = "|".join("-" * (width + 2) for width in widths)
    padded = ((cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    texts = [f"| {' | '.join(cells)} |" for cells in padded]
    return "\n".join([texts[0], f"|{rule}|", *texts[1:]])


def groups(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The results by their series; those of no series under the empty name, first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        found.setdefault(result["series"], []).append(result)
    return found


def markdown(about: Mapping[str, Any], results: Sequence[Mapping[str, Any]], picture: Path | None) -> str:
    """The whole report."""
    facts = {**{name: value for name, value in about["machine"].items() if value}, **about["versions"]}
    parts = [
        "# What was measured",
        f"`{about['command']}` on {about['day']}.",
        "\n".join(f"- {name}: {value}" for name, value in facts.items()),
        "PyTorch and ours: the time of a step, median of the rounds. time, memory: ours over PyTorch's, below 1 where "
        "ours takes less; quartiles: of the ratios of the rounds. goal: what the time should stay within. losses: "
        "the largest relative difference of the first four, which should stay within 1e-4; gradients: the largest "
        "difference of their norms in the first step, relative to the largest norm. `README.md` in the folder "
        "`benchmarks` says how each is taken.",
    ]
    if picture is not None:
        parts.append(f"![ratios of time and memory]({picture.name})")
    for series, members in groups(results).items():
        parts += [f"## {series or 'Workloads'}", table(members)]
    return "\n\n".join(parts) + "\n"


def write(folder: Path, about: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write ``results.json``, ``RESULTS.md`` and, where matplotlib is installed, ``results.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    figures, text = folder / "results.json", folder / "RESULTS.md"
    # JSON knows no NaN; null is read everywhere.
    clean = json.loads(json.dumps({**about, "results": results}), parse_constant=lambda _: None)
    figures.write_text(json.dumps(clean, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    picture = draw(folder / "results.png", results)
    text.write_text(markdown(about, results, picture), encoding="utf-8")
    return [path for path in (figures, text, picture) if path is not None]


def draw(path: Path, results: Sequence[Mapping[str, Any]]) -> Path | None:
    """Bars of the ratios, and a curve for each series; None, and a line that says why, if there is nothing to draw."""
    compared = groups([result for result in results if "time_ratio" in result])
    if not compared:
        print("no picture: there is nothing to compare with; PyTorch was not measured", file=sys.stderr)
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed (python -m pip install 'tinygrad_mp[viz]')", file=sys.stderr)
        return None
    bars = compared.pop("", [])
    panels = 2 * bool(bars) + len(compared)
    figure = Figure(figsize=(11, 3.6 * math.ceil(panels / 2)), layout="constrained")
    figure.suptitle("A training step: tinygrad_mp over PyTorch, CPU (lower is better)")
    axes = iter(figure.subplots(math.ceil(panels / 2), 2, squeeze=False).flat)
    if bars:
        _bars(next(axes), bars, "time_ratio", "time")
        _bars(next(axes), bars, "memory_ratio", "peak of memory")
    for title, members in compared.items():
        _curves(next(axes), members, title.partition(",")[0])
    for empty in axes:
        empty.set_visible(False)
    figure.savefig(path, dpi=120)
    return path


def _bars(axes: Any, results: Sequence[Mapping[str, Any]], name: str, title: str) -> None:
    workloads, threads = (list(dict.fromkeys(result[key] for result in results)) for key in ("workload", "threads"))
    width = 0.8 / len(threads)
    for place, count in enumerate(threads):
        chosen = [result for result in results if result["threads"] == count and result[name] is not None]
        at = [workloads.index(result["workload"]) + (place - (len(threads) - 1) / 2) * width for result in chosen]
        label = f"{count} thread{'s' * (count > 1)}"
        drawn = axes.bar(at, [result[name] for result in chosen], width, label=label)
        axes.bar_label(drawn, fmt="%.2f", fontsize=7)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(title=title, xticks=range(len(workloads)), xticklabels=workloads, ylabel="ours / PyTorch")
    axes.legend(fontsize=8)


def _curves(axes: Any, results: Sequence[Mapping[str, Any]], title: str) -> None:
    varied = results[0]["varied"]
    sizes = [result["size"][varied] for result in results]
    for engine, label in ((THEIRS, "PyTorch"), (OURS, "ours")):
        axes.loglog(sizes, [result["engines"][engine]["step_seconds"] for result in results], marker="o", label=label)
    axes.set(title=title, xlabel=varied, ylabel="seconds a step")
    axes.legend(fontsize=8)
