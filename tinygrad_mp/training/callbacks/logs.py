"""Callbacks that write a line an epoch to a file: ``CSVLogger`` and ``JSONLLogger``."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from typing import Any

from tinygrad_mp.errors import DataFormatError
from tinygrad_mp.saving.replacing import replacing
from tinygrad_mp.training.callbacks.base import Callback
from tinygrad_mp.training.callbacks.files import append_whole, parent_made, whole_lines

__all__ = ["CSVLogger", "JSONLLogger"]

_Row = dict[str, Any]


class _Log(Callback):
    """What the two share: the file is read when the training begins, and continued from the epoch that is run then."""

    order = 1

    def __init__(self, path: Any) -> None:
        self.path = path
        self._rows: list[_Row] = []  # what the file holds, until the first epoch's end
        self._begun = False

    def on_train_begin(self, training: Any) -> None:
        """See that the file, if there is one, is such a log."""
        path = parent_made(self.path)
        try:
            self._rows = self._read(whole_lines(path))
            if not all(type(row["epoch"]) is int for row in self._rows):
                raise ValueError("an epoch is no number")
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise DataFormatError(
                f"{path} is there, but is no log of a training ({error}); it is left as it is",
                fix="choose another path, or remove the file",
            ) from None
        self._begun = False

    def on_epoch_end(self, training: Any) -> None:
        """Add the epoch's line; the first one takes the place of lines of the same epoch and later ones."""
        path = os.fsdecode(self.path)
        row = {"epoch": training.epoch, **{name: value for name, value in training.logs.items() if name != "epoch"}}
        if self._begun and self._fits(row):
            append_whole(path, f"{self._line(row)}\n".encode())
            return
        if self._begun:
            self._rows = self._read(whole_lines(path))
        self._rows = [old for old in self._rows if old["epoch"] < training.epoch]
        self._store(path, [*self._rows, row])
        self._rows, self._begun = [], True

    def _store(self, path: str, rows: list[_Row]) -> None:
        with replacing(os.path.realpath(path)) as file:
            file.write("".join(f"{line}\n" for line in self._lines(rows)).encode())

    def _lines(self, rows: list[_Row]) -> list[str]:
        return [self._line(row) for row in rows]

    def _fits(self, row: _Row) -> bool:
        """Whether the row can be appended to what is there."""
        return True

    def _line(self, row: _Row) -> str:
        """The row as a line."""
        raise NotImplementedError

    def _read(self, lines: list[str]) -> list[_Row]:
        """The rows of a file, with an ``"epoch"`` each; an exception if it is something else."""
        raise NotImplementedError


class CSVLogger(_Log):
    """Write every epoch's figures to a CSV file as soon as they are known.

    Parameters
    ----------
    path : path
        Folders that are missing are made.

    A file that is there is continued: rows of epochs that are run again, and of later ones, are replaced by the new
    ones, so that a training that was interrupted and resumed leaves the file of one that was not, and a new one begins
    it anew. The file holds whole lines at every moment, whatever happens to the program. A figure that appears later
    than others becomes a column of the whole file, empty where it was not known.

    Errors
    ------
    DataFormatError at the beginning of the training if the file is something else; OSError if it cannot be written.
    """

    def __init__(self, path: Any) -> None:
        super().__init__(path)
        self._columns: list[str] = []

    def _fits(self, row: _Row) -> bool:
        return set(row) <= set(self._columns)

    def _lines(self, rows: list[_Row]) -> list[str]:
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        return [_csv_line(self._columns), *map(self._line, rows)]

    def _line(self, row: _Row) -> str:
        return _csv_line([row.get(name) for name in self._columns])

    def _read(self, lines: list[str]) -> list[_Row]:
        header, *rows = csv.reader(lines) if lines else [["epoch"]]
        if header[:1] != ["epoch"] or any(len(row) != len(header) for row in rows):
            raise ValueError("its first column is not 'epoch', or its rows are not all of one length")
        return [{**dict(zip(header, row, strict=True)), "epoch": int(row[0])} for row in rows]


class JSONLLogger(_Log):
    """Write every epoch's figures to a file of JSON, an object a line, as soon as they are known.

    Parameters
    ----------
    path : path
        Folders that are missing are made. A file that is there is continued as :class:`CSVLogger` does it.

    NaN and infinities, which JSON lacks, are written as null.

    Errors
    ------
    As of :class:`CSVLogger`.
    """

    def _line(self, row: _Row) -> str:
        return json.dumps(_without_nan(row), ensure_ascii=False, allow_nan=False)

    def _read(self, lines: list[str]) -> list[_Row]:
        return [json.loads(line) for line in lines]


def _csv_line(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(
        [" ".join(cell.splitlines()) if isinstance(cell, str) else cell for cell in cells]
    )
    return text.getvalue()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    return [_without_nan(part) for part in value] if isinstance(value, (list, tuple)) else value
