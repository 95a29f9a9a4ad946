"""What a callback is: an object whose methods a training calls at its stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from tinygrad_mp.nn.arguments import Configured

__all__ = ["HOOKS", "Callback", "LambdaCallback", "listeners"]

HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_loss",
    "on_gradients",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
)
"""The stages of a training, in their order."""


class Callback(Configured):
    """Base of what watches, records or stops a training: override the stages that you want to hear of.

    Each method gets the training that is running, with these attributes:

    - ``model``, ``optimizer``, ``schedule``, ``history``
    - ``epochs`` (how many there will be at most), ``epoch`` (counted from 1), ``batches`` (in an epoch; None if that
      is unknown), ``batch`` (counted from 0)
    - ``inputs``, ``targets``: the batch, as tensors; ``loss``: its loss, a float
    - ``logs``: at ``on_epoch_end`` the epoch's row, a dict of numbers by name; what a callback writes there becomes a
      column of the history
    - ``is_best``: at ``on_epoch_end``, whether no epoch before was as good
    - ``stop(reason)``: end the training after this epoch; ``stop(reason, now=True)``: after this batch, and the epoch
      does not count; ``stop_reason``: why it ended, or None

    ``order`` says when a callback's turn is among the others: those with less come first, equal ones in the order in
    which they were given. Callbacks that add figures have -1, those that write or show them have 1.

    >>> class Counter(Callback):
    ...     def __init__(self):
    ...         self.batches = 0
    ...     def on_batch_end(self, training):
    ...         self.batches += 1
    """

    order: ClassVar[int] = 0

    def on_train_begin(self, training: Any) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, training: Any) -> None:
        """Before the first batch of an epoch."""

    def on_batch_begin(self, training: Any) -> None:
        """Before the forward pass of a batch."""

    def on_loss(self, training: Any) -> None:
        """After the forward pass, when ``loss`` is known."""

    def on_gradients(self, training: Any) -> None:
        """Before gradients are clipped and the optimizer steps: after a batch's backward pass, or that of several."""

    def on_batch_end(self, training: Any) -> None:
        """After a batch, and the optimizer's step if there was one."""

    def on_epoch_end(self, training: Any) -> None:
        """After the last batch and the validation, when the epoch's ``logs`` are known."""

    def on_train_end(self, training: Any) -> None:
        """When the training ends, however it ends."""

    def state_dict(self) -> dict[str, Any]:
        """What it must remember for a training that is resumed to go on exactly; nothing, unless overridden."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave."""


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    on_train_begin, on_epoch_begin, on_batch_begin, on_loss, on_gradients, on_batch_end, on_epoch_end, on_train_end
        Functions of the training, see :class:`Callback`; those that are absent cost nothing.

    >>> tell = LambdaCallback(on_epoch_end=lambda training: print(training.epoch, training.logs["loss"]))
    """

    def __init__(
        self,
        *,
        on_train_begin: Callable[[Any], Any] | None = None,
        on_epoch_begin: Callable[[Any], Any] | None = None,
        on_batch_begin: Callable[[Any], Any] | None = None,
        on_loss: Callable[[Any], Any] | None = None,
        on_gradients: Callable[[Any], Any] | None = None,
        on_batch_end: Callable[[Any], Any] | None = None,
        on_epoch_end: Callable[[Any], Any] | None = None,
        on_train_end: Callable[[Any], Any] | None = None,
    ) -> None:
        given = locals()
        for hook in HOOKS:
            function = given[hook]
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"LambdaCallback: {hook} is a function of the training, got {function!r:.60}")
            setattr(self, hook, function)


def listeners(callbacks: Iterable[Any], hook: str) -> list[Callable[[Any], Any]]:
    """What to call at a stage: the methods of those callbacks that have one of their own, sorted by ``order``.

    >>> listeners([Callback(), LambdaCallback(on_loss=print)], "on_loss")
    [<built-in function print>]
    """
    silent = vars(Callback)[hook]
    ordered = sorted(callbacks, key=lambda callback: int(getattr(callback, "order", 0)))
    methods = [getattr(callback, hook, silent) for callback in ordered]
    return [method for method in methods if getattr(method, "__func__", method) is not silent]
