"""The history of a training: a table with a row for each epoch."""

from __future__ import annotations

import csv
import difflib
import html
import io
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

from tinygrad_mp.errors import DataFormatError, MissingColumnError, MissingPackageError, SettingError
from tinygrad_mp.saving.replacing import replacing

__all__ = ["History", "direction"]

_SMALLER = ("loss", "mae", "mse", "rmse", "error", "deviance", "perplexity", "norm", "seconds")
_LARGER = ("accuracy", "f1", "precision", "recall", "r2", "auc", "kappa", "mcc", "score")


class History:
    """What a training reported, epoch by epoch.

    Parameters
    ----------
    monitor : str, optional
        The column that says how good an epoch is. By default ``"val_loss"``, or ``"loss"`` where there is none.
    mode : "min" or "max", default "min"
        Whether less or more of it is better.

    Attributes
    ----------
    stop_reason : str or None
        Why the training ended before its last epoch.
    seconds : float
        How long it took.

    ``history["val_loss"]`` is a list, a column, with NaN where an epoch has no such figure; ``"epoch"``, counted from
    1, is always there. ``history[-1]`` is the last epoch's row, a dict. ``len(history)`` is the number of epochs.

    >>> history = History()
    >>> for loss in (0.5, 0.25, 0.375):
    ...     _ = history.append({"loss": loss})
    >>> history
    epoch   loss
        1    0.5
       *2   0.25
        3  0.375
    best epoch: 2 of 3, by loss
    >>> history["loss"], history.best_epoch
    ([0.5, 0.25, 0.375], 2)
    """

    def __init__(self, monitor: str | None = None, mode: str = "min") -> None:
        if mode not in ("min", "max"):
            raise SettingError(f"mode is 'min' or 'max', got {mode!r}")
        self._monitor = monitor
        self.mode = mode
        self.stop_reason: str | None = None
        self.seconds = 0.0
        self._rows: list[dict[str, Any]] = []

    # --- filling -----------------------------------------------------------------------------------------------------

    def append(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Add an epoch, and return its row: what is written to that dict later is in the table too."""
        found = {str(name): _plain(value) for name, value in row.items() if name != "epoch"}
        self._rows.append(found)
        return found

    # --- reading -----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns: ``"epoch"``, and then in the order in which they first appeared."""
        return list(dict.fromkeys(("epoch", *(name for row in self._rows for name in row))))

    def keys(self) -> list[str]:
        """The names of the columns, so that ``dict(history)`` is a dict of lists."""
        return self.columns

    def __contains__(self, name: object) -> bool:
        return name == "epoch" or any(name in row for row in self._rows)

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    def __getitem__(self, key: int | str) -> Any:
        """A column by its name, or the row of an epoch by its place, which counts from 0."""
        if not isinstance(key, str):
            number = range(1, len(self) + 1)[key]
            return {"epoch": number, **self._rows[key]}
        if key == "epoch":
            return list(range(1, len(self) + 1))
        if key not in self:
            near = difflib.get_close_matches(key, self.columns, 1)
            raise MissingColumnError(
                f"the history has no column {key!r}; it has {', '.join(self.columns)}",
                fix=f"did you mean {near[0]!r}?" if near else None,
            )
        return [row.get(key, math.nan) for row in self._rows]

    @property
    def monitor(self) -> str:
        """The column that says how good an epoch is."""
        return self._monitor or ("val_loss" if "val_loss" in self else "loss")

    @monitor.setter
    def monitor(self, name: str | None) -> None:
        self._monitor = name

    @property
    def best_epoch(self) -> int | None:
        """The first epoch, counted from 1, whose monitored figure is finite and the best; None if there is none."""
        sign, monitor = 1 if self.mode == "min" else -1, self.monitor
        column = ((row.get(monitor), epoch) for epoch, row in enumerate(self._rows, 1))
        known = [(sign * value, epoch) for value, epoch in column if value is not None and math.isfinite(value)]
        return min(known)[1] if known else None

    # --- showing -----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        if not self._rows:
            return "History of no epochs"
        header, *lines = self._cells()
        widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]
        if len(lines) > 24:
            lines[10:-10] = [["..." for _ in header]]
        text = ("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        first = "  ".join(cell.rjust(width) for cell, width in zip(header, widths, strict=True))
        return "\n".join([first, *text, self._summary()])

    def _repr_html_(self) -> str:
        header, *lines = self._cells()
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = ""
        for number, line in enumerate(lines, 1):
            style = ' style="font-weight: bold"' if number == self.best_epoch else ""
            body += f"<tr{style}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>"
        below = html.escape(self._summary())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{below}</p>"

    def _cells(self) -> list[list[str]]:
        best, columns = self.best_epoch, self.columns
        rows = [[_shown(row.get(name)) for name in columns[1:]] for row in self._rows]
        return [columns, *([f"{'*' * (n == best)}{n}", *row] for n, row in enumerate(rows, 1))]

    def _summary(self) -> str:
        parts = [f"best epoch: {self.best_epoch or 'none'} of {len(self)}, by {self.monitor}"]
        parts += [f"stopped: {self.stop_reason}"] if self.stop_reason else []
        parts += [f"{self.seconds:.1f} s"] if self.seconds else []
        return "; ".join(parts)

    def plot(self, path: Any = None, columns: Sequence[str] | None = None) -> Any:
        """Draw each figure over the epochs, training and validation together, and mark the best epoch.

        Parameters
        ----------
        path : path, optional
            Where to store the picture; the ending, such as ``.png`` or ``.svg``, says in which format.
        columns : names, optional
            Which figures; ``"val_loss"`` belongs to ``"loss"``. By default all, except times.

        Returns
        -------
        matplotlib.figure.Figure, with one axes a figure

        Errors
        ------
        MissingPackageError without matplotlib. SettingError if there is nothing to draw.
        """
        from tinygrad_mp.training.charts import draw_history

        return draw_history(self, path, columns)

    # --- files and other forms ---------------------------------------------------------------------------------------

    def to_csv(self, path: Any) -> None:
        """Write the table as a CSV file, in one step: until it is complete, an older file stays.

        Numbers are written so that reading gives the same ones; a figure that an epoch lacks is an empty cell.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        names = self.columns[1:]
        writer.writerows([n, *(row.get(name) for name in names)] for n, row in enumerate(self._rows, 1))
        with replacing(os.path.realpath(os.fsdecode(path))) as file:
            file.write(text.getvalue().encode())

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values: ``rows``, a list of dicts, and the other attributes."""
        return {
            "rows": [dict(row) for row in self._rows],
            "monitor": self._monitor,
            "mode": self.mode,
            "stop_reason": self.stop_reason,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> History:
        """The history that :meth:`to_dict` was called on; DataFormatError, a ValueError, for something else."""
        try:
            made = cls(state["monitor"], state["mode"])
            made.stop_reason, made.seconds = state["stop_reason"], float(state["seconds"])
            for row in state["rows"]:
                made.append(row)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataFormatError(f"this is no history as to_dict() gives it: {error!r}") from None
        return made

    def to_pandas(self) -> Any:
        """The table as a ``pandas.DataFrame`` with the epochs as its index; MissingPackageError without pandas."""
        try:
            import pandas
        except ImportError:
            raise MissingPackageError("to_pandas needs pandas", fix="python -m pip install pandas") from None
        table = {name: self[name] for name in self.columns}
        return pandas.DataFrame(table).set_index("epoch")


def direction(monitor: str, metrics: Iterable[Any] = ()) -> str:
    """Whether less or more of a figure is better, "min" or "max"; SettingError if that cannot be known.

    A metric says it itself (``higher_is_better``); of other names the last word decides.

    >>> direction("val_loss"), direction("val_accuracy")
    ('min', 'max')
    """
    name = monitor.removeprefix("val_")
    for metric in metrics:
        if getattr(metric, "name", None) == name and hasattr(metric, "higher_is_better"):
            return "max" if metric.higher_is_better else "min"
    for words, mode in ((_SMALLER, "min"), (_LARGER, "max")):
        if name.endswith(words):
            return mode
    raise SettingError(f"whether less or more {monitor!r} is better is not known", fix="give mode='min' or mode='max'")


def _plain(value: Any) -> Any:
    """A tensor or NumPy value as plain Python: a number, or lists of numbers."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    tolist: Callable[[], Any] | None = getattr(value, "tolist", None)
    return value if tolist is None else tolist()


def _shown(value: Any) -> str:
    """A cell: four digits of a float, all of an integer."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, (bool, int, str)) else "[...]"
