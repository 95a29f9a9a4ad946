"""``NaNGuard``: ends a training whose loss is no number any more, and says where that began."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import NonFiniteError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.random import default_generator
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.training.callbacks.base import Callback
from tinygrad_mp.writes import mark_written

__all__ = ["NaNGuard", "first_not_finite"]


class NaNGuard(Callback):
    """Refuse to go on when a loss is NaN or infinite, and name the cause.

    Every training has one. The error names the epoch, the batch, and the first of these that is not finite: the
    batch's inputs, its targets, a parameter, a buffer, the output of a layer (found by running the batch through the
    model once more, in the same mode), or only the loss.

    Parameters
    ----------
    raises : bool, default True
        Raise NonFiniteError, which is a FloatingPointError; otherwise the training stops, with the same text as its
        ``stop_reason``.
    """

    order = -1

    def __init__(self, raises: bool = True) -> None:
        self.raises = raises

    def on_loss(self, training: Any) -> None:
        """Look at the loss of the batch."""
        if not math.isfinite(training.loss):
            where = f"in epoch {training.epoch}, batch {training.batch} (counted from 0)"
            cause, fix = first_not_finite(training.model, training.inputs, training.targets)
            self._end(training, f"the loss is {training.loss:g} {where}: {cause}", fix)

    def on_epoch_end(self, training: Any) -> None:
        """Look at the losses of the epoch: the last step, too, may have spoilt the model."""
        for name in ("loss", "val_loss"):
            value = training.logs.get(name)
            if value is not None and not math.isfinite(value):
                found = _bad_state(training.model)
                cause, fix = found or ("all parameters are finite", "look for NaN in the validation data")
                self._end(training, f"{name} is {value:g} after epoch {training.epoch}: {cause}", fix)
                return

    def _end(self, training: Any, problem: str, fix: str) -> None:
        if self.raises:
            raise NonFiniteError(problem, fix=fix)
        training.stop(problem)


_DIVERGED = "use a smaller learning rate, clip gradients, or look at their size with GradientNorm()"


def first_not_finite(model: Any, inputs: Any, targets: Any = None) -> tuple[str, str]:
    """What of a batch is the first not to be finite, in words, and what can be done about it.

    ``inputs`` are the model's arguments: a tensor, a tuple or list of them, or a dict. Nothing of the model changes:
    not its buffers, and not the state of its random numbers.
    """
    for name, data in (("inputs", inputs), ("targets", targets)):
        for tensor in _tensors(data):
            count = _count(tensor)
            if count:
                fix = f"clean the {name}: remove these rows, or fill the gaps"
                return f"the {name} hold {_values(count, tensor)}", fix
    return _bad_state(model) or _bad_layer(model, inputs)


def _bad_state(model: Any) -> tuple[str, str] | None:
    """The first parameter or buffer that is not finite."""
    for kind, named in (("parameter", model.named_parameters()), ("buffer", model.named_buffers())):
        for name, tensor in named:
            count = _count(tensor)
            if count:
                return f"the {kind} {name!r} holds {_values(count, tensor)}", _DIVERGED
    return None


def _bad_layer(model: Any, inputs: Any) -> tuple[str, str]:
    """The first layer, in the order in which they finish, whose output is not finite."""
    found: list[str] = []
    names = {module: name for name, module in model.named_modules()}

    def look(module: Any, args: Any, output: Any) -> None:
        for tensor in () if found else _tensors(output):
            count = _count(tensor)
            if count:
                layer = f"layer {names[module]!r}" if names[module] else "the model's own forward"
                found.append(f"the output of {layer} ({type(module).__name__}) holds {_values(count, tensor)}")

    with no_grad(), _unchanged(model), numpy.errstate(all="ignore"), ExitStack() as hooks:
        for module in names:
            hooks.enter_context(module.register_forward_hook(look))
        if isinstance(inputs, dict):
            model(**inputs)
        else:
            model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)
    if found:
        return found[0], _DIVERGED + "; of data that are not scaled, scale them"
    return "inputs, parameters and outputs are finite, the loss function is not", "check it at these outputs"


@contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Put buffers, such as running means, and random numbers back at the end."""
    generators = [default_generator, *filter(None, [getattr(model, "generator", None)])]
    states = [generator.get_state() for generator in generators]
    buffers = [(buffer, buffer.array.copy()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, before in buffers:
            buffer.array[...] = before
            mark_written(buffer.array)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors in a value: itself, or those in its tuples, lists and dicts."""
    if isinstance(value, TensorBase):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)


def _count(tensor: Any) -> int:
    """How many entries are NaN or infinite."""
    array = tensor.array
    if array.dtype.kind not in "fc":
        return 0
    return int(array.size - xp(array).isfinite(array).sum())


def _values(count: int, tensor: Any) -> str:
    array = tensor.array
    nans = int(xp(array).isnan(array).sum())
    kind = "NaN" if nans == count else "infinite" if not nans else "NaN or infinite"
    return f"{count} of {array.size} values that are {kind}"
