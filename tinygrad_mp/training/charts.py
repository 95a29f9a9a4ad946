"""Pictures of trainings, drawn with matplotlib where it is installed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tinygrad_mp.errors import MissingPackageError, SettingError
from tinygrad_mp.saving.replacing import replacing

if TYPE_CHECKING:
    from tinygrad_mp.training.diagnosis import Diagnosis
    from tinygrad_mp.training.history import History
    from tinygrad_mp.training.rate_finder import RateFinding

__all__ = ["draw_diagnosis", "draw_history", "draw_rates", "new_figure", "store"]

_TRAIN, _VALIDATION, _MARK = "#1f77b4", "#d95f02", "#444444"
_TIMES = ("epoch", "seconds")


def new_figure(path: Any, width: float, height: float) -> Any:
    """An empty figure: one that ``pyplot.show()`` shows if it is not to be stored, otherwise one that nobody keeps.

    MissingPackageError without matplotlib.
    """
    try:
        if path is None:
            from matplotlib import pyplot

            figure = pyplot.figure(figsize=(width, height), layout="constrained")
            if "inline" in pyplot.get_backend():  # a notebook shows what a cell returns, and open figures once more
                pyplot.close(figure)
            return figure
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackageError("pictures need matplotlib", fix="python -m pip install matplotlib") from None
    return Figure(figsize=(width, height), layout="constrained")


def store(figure: Any, path: Any) -> Any:
    """Write the figure to a file, if there is a path, and return it. Until it is complete, an older file stays."""
    if path is not None:
        picture, name = BytesIO(), os.fsdecode(path)
        figure.savefig(picture, dpi=120, format=os.path.splitext(name)[1][1:] or "png")
        with replacing(os.path.realpath(name)) as file:
            file.write(picture.getvalue())
    return figure


def draw_history(history: History, path: Any = None, columns: Sequence[str] | None = None) -> Any:
    """The picture of a history: see ``History.plot``."""
    names = [name for name in history.columns if name not in _TIMES] if columns is None else list(columns)
    for name in names:
        _ = history[name]  # refuses unknown names
    drawn = [name for name in names if all(isinstance(value, (int, float)) for value in history[name])]
    figures = list(dict.fromkeys(name.removeprefix("val_") for name in drawn))
    if not len(history) or not figures:
        raise SettingError("the history holds no numbers to draw", fix="train the model first")
    across = min(len(figures), 3)
    down = math.ceil(len(figures) / across)
    figure = new_figure(path, 4.5 * across, 3.2 * down)
    for place, name in enumerate(figures, 1):
        axes = figure.add_subplot(down, across, place)
        _draw(axes, history, name, [one for one in (name, f"val_{name}") if one in drawn])
    return store(figure, path)


def _draw(axes: Any, history: History, name: str, columns: Sequence[str]) -> None:
    epochs, best = history["epoch"], history.best_epoch
    for column in columns:
        validation = column.startswith("val_")
        label, colour = ("validation", _VALIDATION) if validation else ("training", _TRAIN)
        axes.plot(epochs, history[column], color=colour, label=label, marker="." if len(epochs) < 30 else None)
        if best is not None and column == history.monitor:
            axes.plot([best], [history[column][best - 1]], "o", color=colour, label=f"best: epoch {best}")
    if best is not None:
        axes.axvline(best, color=_MARK, linewidth=0.8, linestyle=":")
    axes.set_title(name)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    if len(columns) > 1 or axes.get_legend_handles_labels()[1] != ["training"]:
        axes.legend(frameon=False)


def draw_rates(finding: RateFinding, path: Any = None) -> Any:
    """The picture of a search for a learning rate: see ``RateFinding.plot``."""
    figure = new_figure(path, 5.5, 3.6)
    axes = figure.add_subplot()
    axes.plot(finding.rates, finding.losses, color=_TRAIN, alpha=0.35, label="each batch")
    axes.plot(finding.rates, finding.smoothed, color=_TRAIN, label="smoothed")
    if finding.suggestion is not None:
        height = finding.smoothed[finding.rates.index(finding.suggestion)]
        label = f"half of the fall: {finding.suggestion:.2g}"
        axes.plot([finding.suggestion], [height], "o", color=_VALIDATION, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return store(figure, path)


def draw_diagnosis(diagnosis: Diagnosis, path: Any = None) -> Any:
    """The picture of a diagnosis: see ``Diagnosis.plot``."""
    ratios = {layer.place or "(itself)": layer.ratio for layer in diagnosis.layers if layer.ratio > 0}
    shares = {one.place: max(one.dead / max(one.units, 1), one.saturated) for one in diagnosis.activations}
    if not ratios and not shares:
        raise SettingError("nothing was measured, so there is nothing to draw", fix="print the findings, and mend them")
    figure = new_figure(path, 10, 1.2 + 0.3 * max(len(ratios), len(shares), 4))
    titles = ("gradient norm / weight norm", "dead or saturated share of units")
    for place, (title, values) in enumerate(zip(titles, (ratios, shares), strict=True), 1):
        axes = figure.add_subplot(1, 2, place)
        axes.barh(list(values), list(values.values()), color=(_TRAIN, _VALIDATION)[place - 1])
        axes.invert_yaxis()  # the first layer on top
        axes.set_title(title)
        axes.grid(alpha=0.25, axis="x")
        if place == 1 and values:
            axes.set_xscale("log")
        elif place == 2:
            axes.set_xlim(0, 1)
    return store(figure, path)
