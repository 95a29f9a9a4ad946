"""``ModelCheckpoint``: saves the model while it learns."""

from __future__ import annotations

import os
from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.training.callbacks.base import Callback
from tinygrad_mp.training.callbacks.files import parent_made

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Save the model, with all that is needed to resume its training, at the end of epochs.

    Parameters
    ----------
    path : path
        May hold names of figures in braces, with a format if you like: ``"run/{epoch:03d}-{val_loss:.3f}.model"``.
        Otherwise each file takes the place of the one before, in one step. Folders that are missing are made.
    every : int, default 1
        Save every so many epochs.
    best_only : bool, default False
        Save only epochs that are the best so far.

    ``last_path`` is the path of the file that was written last, or None.

    Errors
    ------
    SettingError if there is no figure of a name in ``path``. OSError if the file cannot be written.
    """

    order = 1

    def __init__(self, path: Any, every: int = 1, best_only: bool = False) -> None:
        if isinstance(every, bool) or int(every) != every or every < 1:
            raise SettingError(f"ModelCheckpoint: every is a number of epochs, at least 1, got {every!r}")
        self.path, self.every, self.best_only = path, int(every), best_only
        self.last_path: str | None = None

    def on_epoch_end(self, training: Any) -> None:
        """Save, if it is the epoch for it."""
        if training.epoch % self.every or (self.best_only and not training.is_best):
            return
        path = parent_made(self._path(training))
        training.model.save(path)
        self.last_path = path

    def _path(self, training: Any) -> str:
        template = os.fsdecode(self.path)
        known = {**training.logs, "epoch": training.epoch}
        try:
            return template.format_map(known)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise SettingError(
                f"ModelCheckpoint: the path {template!r} cannot be filled: {error!r}; there are {', '.join(known)}",
                fix="a brace that is meant as such is doubled: {{",
            ) from None
