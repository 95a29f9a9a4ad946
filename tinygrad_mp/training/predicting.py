"""What a model gives for data of any length, batch by batch, into one array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend.random_bits import drawing_from
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.training.arrays import Rows
from tinygrad_mp.training.feeds import ArrayFeed, StreamFeed, is_stream
from tinygrad_mp.training.layers.inferring import a_size
from tinygrad_mp.training.modes import evaluating

Finish = Callable[[Any], Any]


def collected(model: Any, X: Any, batch_size: int, out: Any, finish: Finish) -> Any:
    """What ``finish`` makes of the outputs for all of X, in evaluation mode, written to ``out`` if it is given."""
    a_size("predict", "batch_size", batch_size)
    with no_grad(), evaluating(model), drawing_from(model.generator.stream):
        if is_stream(X):
            return _of_stream(model, StreamFeed(X, batch_size), out, finish)
        return _of_rows(model, Rows(X), batch_size, out, finish)


def _of_rows(model: Any, rows: Rows, batch_size: int, out: Any, finish: Finish) -> Any:
    if model.sample_shapes is None:
        model.expect_parameters("train, load or build the model first")
    else:
        rows.expect_samples(model.sample_shapes)
    if not len(rows):
        return _nothing(model, out, finish)
    start = 0
    for batch in ArrayFeed(rows, None, None, model.placement(), batch_size):
        part = finish(model.run(batch.inputs).array)
        if out is None:
            out = numpy.empty((len(rows), *part.shape[1:]), part.dtype)
        elif start == 0:
            _expect_room(out, (len(rows), *part.shape[1:]), part.dtype)
        out[start : start + len(part)] = part
        start += len(part)
    return out


def _of_stream(model: Any, stream: StreamFeed, out: Any, finish: Finish) -> Any:
    """Where it is not known how many rows there are."""
    stream.placement = model.placement()
    pieces, count = [], 0
    for batch in stream:
        part = finish(model.run(batch.inputs).array)
        start, count = count, count + len(part)
        if out is None:
            pieces.append(part)
        elif count > len(out):
            raise ShapeError(f"predict: out has {len(out)} rows, and there are more")
        else:
            _expect_room(out, (len(out), *part.shape[1:]), part.dtype)
            out[start:count] = part
    if not count:
        raise SettingError("predict: there are no batches")
    if out is not None and count < len(out):
        raise ShapeError(f"predict: out has {len(out)} rows, the result {count}")
    return numpy.concatenate(pieces) if out is None else out


def _nothing(model: Any, out: Any, finish: Finish) -> Any:
    """The result for no rows."""
    if model.output_shape is None:
        raise SettingError("predict: X has no rows, and the model was not built", fix="train or build it first")
    part = finish(numpy.zeros((1, *model.output_shape), model.placement().dtype))[:0]
    return part if out is None else out


def _expect_room(out: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise unless ``out`` can take the result."""
    if tuple(out.shape) != shape:
        raise ShapeError(f"predict: out has shape {tuple(out.shape)}, the result {shape}")
    if not numpy.can_cast(dtype, out.dtype, "same_kind"):
        raise DTypeError(f"predict: out has dtype {out.dtype}, the result {dtype}")
