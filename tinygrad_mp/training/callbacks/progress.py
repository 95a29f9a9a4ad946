"""``ProgressBar``: shows a training as it runs, in the way that suits where it is shown."""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.training.callbacks.base import Callback

__all__ = ["ProgressBar"]

_REFRESH = 0.1  # seconds between two looks at the figures


class ProgressBar(Callback):
    """Show how far a training is.

    Parameters
    ----------
    verbose : 0, 1 or 2, default 1
        0: nothing. 1: what was decided for this training, and why; a bar for each epoch, with the mean loss so far,
        which gives place to a line when the epoch ends; and with which weights the training ends. 2: the same without
        bars.
    stream : file object, optional
        Where to; by default the standard output at the time when the training begins.

    Bars appear on terminals and in notebooks. In a file or a pipe, as in CI, 1 does what 2 does: whole lines, and no
    control characters.
    """

    order = 1

    def __init__(self, verbose: int = 1, stream: Any = None) -> None:
        if verbose not in (0, 1, 2):
            raise SettingError(f"ProgressBar: verbose is 0, 1 or 2, got {verbose!r}")
        self.verbose, self.stream = int(verbose), stream
        self._bar: Any = None
        self._file: Any = None
        self._make: Any = None
        self._began = self._shown = self._sum = 0.0

    def on_train_begin(self, training: Any) -> None:
        """See where it is shown, and tell what was decided."""
        self._file = self.stream if self.stream is not None else sys.stdout  # None in a program without a console
        self._make = _maker(self._file) if self.verbose == 1 else None
        for note in training.notes if self.verbose else ():
            self._say(note)

    def on_epoch_begin(self, training: Any) -> None:
        """Begin a bar."""
        self._began = self._shown = time.monotonic()
        self._sum = 0.0
        if self._make is not None:
            self._bar = self._make(
                total=training.batches,
                desc=f"epoch {training.epoch}/{training.epochs}",
                unit="batch",
                file=self._file,
                leave=False,
                dynamic_ncols=True,
                delay=1e-9,  # show nothing before it is ours to close: an interrupt may come at any moment
            )
            self._bar.refresh()

    def on_batch_end(self, training: Any) -> None:
        """Move the bar, and show the loss so far now and then."""
        if self._bar is None:
            return
        self._sum += training.loss
        now = time.monotonic()
        if now - self._shown >= _REFRESH:
            self._shown = now
            self._bar.set_postfix_str(f"loss {self._sum / (training.batch + 1):.4g}", refresh=False)
        self._bar.update()

    def on_epoch_end(self, training: Any) -> None:
        """Put the epoch's line in the place of the bar."""
        self._close()
        if self.verbose:
            figures = [f"{name} {_number(value)}" for name, value in training.logs.items() if _is_number(name, value)]
            number = str(training.epoch).rjust(len(str(training.epochs)))
            seconds = f"{time.monotonic() - self._began:.1f} s"
            self._say("  ".join([f"epoch {number}/{training.epochs}", *figures, seconds]))

    def on_train_end(self, training: Any) -> None:
        """Take an unfinished bar away, say why the training ended early, and with the weights of which epoch."""
        if self._bar is not None and not _in_notebook():  # an interrupt as it was drawn: tqdm wipes what it knows of
            self._file.write("\r" + " " * len(str(self._bar)) + "\r")
        self._close()
        best = training.history.best_epoch
        went_back = training.settings.restore_best and best not in (None, training.epoch)
        parts = [f"stopped: {training.stop_reason}"] if training.stop_reason else []
        parts += [f"back to the weights of epoch {best}, the best by {training.history.monitor}"] if went_back else []
        if self.verbose and parts:
            self._say("; ".join(parts))

    def _close(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _say(self, line: str) -> None:
        if self._file is None:
            return
        encoding = getattr(self._file, "encoding", None) or "utf-8"
        self._file.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._file.flush()

    def __getstate__(self) -> dict[str, Any]:
        """Without the stream in use and the bar, so that a model with its callbacks can be copied while it learns."""
        return {**self.__dict__, "_bar": None, "_file": None, "_make": None}


def _maker(file: Any) -> Any:
    """The class of bars for a stream; None where bars make no sense."""
    if file is sys.stdout and _in_notebook():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where ipywidgets is absent, and then does without
            from tqdm.auto import tqdm
        return tqdm
    isatty = getattr(file, "isatty", None)
    if isatty is None or not isatty() or os.environ.get("TERM") == "dumb":
        return None
    from tqdm.std import tqdm as bar

    return bar


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, rather than a console."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ())


def _is_number(name: str, value: Any) -> bool:
    return name != "epoch" and isinstance(value, (int, float))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:#.4g}"  # with its zeros, so that lines stay in columns
