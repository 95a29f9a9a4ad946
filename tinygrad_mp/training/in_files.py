"""The part of :class:`Model` that is written to files and read again; how, is in :mod:`.persistence`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from tinygrad_mp import nn
from tinygrad_mp.training import persistence


class KeptInFiles(nn.Module):
    """A module that is saved whole, and made again from its file."""

    def save(self, path: Any, *, training_state: bool = True) -> None:
        """Write all of the model to one file, from which :meth:`load` makes it again.

        Layers with their settings and weights, loss, metrics, regularization, labels, which rows are held out, the
        history and the random state; and the states of the optimizer, of the schedule and of the training, so that
        ``train(resume=True)`` goes on as if it had not stopped. Callbacks call it during training likewise.

        Parameters
        ----------
        path : path, or file object with ``write``
            An existing file is replaced in one step when the new one is complete and on the disk. It is a safetensors
            file without pickles, checked by a digest when it is read.
        training_state : bool, default True
            False leaves the optimizer's state and the training's out: the file is about a fifth as large.

        Errors
        ------
        UnsupportedError, naming the place, for what no file can hold: a lambda, a weight that a parametrization or a
        hook computes, an argument that is no plain value. The file was not touched then. OSError if it cannot be
        written.

        >>> import os, tempfile
        >>> from tinygrad_mp import Dense, Model
        >>> path = os.path.join(tempfile.mkdtemp(), "digits.model")
        >>> Model([Dense(3)]).build((4,)).save(path)
        >>> Model.load(path)[0].weight.shape
        Size([3, 4])
        """
        persistence.save(self, path, training_state)

    @classmethod
    def load(cls, path: Any, *, custom: Mapping[str, Any] | None = None, map_location: Any = None) -> Self:
        """The model that :meth:`save` wrote.

        Parameters
        ----------
        path : path, or file object with ``read``
        custom : dict of str to class or function, optional
            Yours, by their names, unless they are registered with ``tinygrad_mp.training.register``.
        map_location : optional
            As of ``tinygrad_mp.load``: ``"cpu"`` for a model that was on a GPU.

        Errors
        ------
        DataFormatError, a ValueError, for a file that is damaged, hostile, of a newer version, something else, or
        names classes that are not known. Nothing that stands in a file is imported or run.
        """
        return persistence.load(path, cls, custom, map_location)  # type: ignore[no-any-return]

    def load_weights(self, path: Any, *, strict: bool = True) -> Any:
        """Take parameters and buffers from a file of a Model, or of a state dict; all or none.

        Errors
        ------
        As of :meth:`load`, and of ``load_state_dict`` if names or shapes do not fit. Nothing has changed then.
        """
        return persistence.load_weights(self, path, strict)
