"""Connectionist temporal classification: the loss of a sequence of labels that are not aligned with the input."""

from typing import Any

import numpy

from tinygrad_mp.backend import array_on, device_of, to_numpy, xp
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError, UndefinedError
from tinygrad_mp.ops.elementwise import exp
from tinygrad_mp.ops.gathering import gather
from tinygrad_mp.ops.joining import cat
from tinygrad_mp.ops.movement import reshape, unsqueeze
from tinygrad_mp.ops.reducing import reduced, require_tensors, settled
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.ops.selection import clamp_min, kept, where
from tinygrad_mp.ops.transcendental import logaddexp

_NEVER = -1e30
"""The logarithm of the probability of what cannot be: finite, so that differences of two such are no NaN."""


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Minus the log-probability that a path of labels and blanks, without repetitions and blanks, is the target.

    Parameters
    ----------
    log_probs : Tensor
        Log-probabilities, shape (time, n, classes) or (time, classes), as ``log_softmax`` gives them.
    targets : Tensor
        Labels without blanks, integer: shape (n, longest), or all one after the other, shape (sum of lengths,).
    input_lengths, target_lengths : Tensor or sequence of int
        Shape (n,), or a single one.
    blank : int, default 0
        The label of the blank.
    reduction : {"mean", "sum", "none"}
        "mean" divides each loss by the length of its target first.
    zero_infinity : bool, default False
        Count losses of targets that are too long for their input, which are infinite, as 0.

    Errors
    ------
    ShapeError for lengths that do not fit, IndexRangeError for labels that are no classes.

    The gradient is PyTorch's: that of a loss after ``log_softmax``, so to ``log_probs`` alone it adds their powers.
    Where the loss is infinite it is 0.

    Source: Graves et al., Connectionist temporal classification, 2006, section 4.

    >>> from tinygrad_mp import tensor, zeros
    >>> from tinygrad_mp.nn import functional as F
    >>> F.ctc_loss(zeros(2, 1, 2).log_softmax(2), tensor([[1]]), [2], [1])
    tensor(0.2877)
    """
    name = "ctc_loss"
    require_tensors(name, log_probs=log_probs, targets=targets)
    reduction = settled(name, reduction)
    if log_probs.dtype.kind != "f":
        raise UndefinedError(f"{name}: not defined for {log_probs.dtype}", fix="convert first: x.float()")
    if log_probs.ndim not in (2, 3):
        raise ShapeError(f"{name}: log_probs has {log_probs.ndim} axes, not 3 (time, n, classes) or 2")
    single = log_probs.ndim == 2
    batch = unsqueeze(log_probs, 1) if single else log_probs
    steps, count, classes = batch.shape
    if not 0 <= blank < classes:
        raise IndexRangeError(f"{name}: blank must be in label range: 0 to {classes - 1}, not {blank}")
    spans, lengths = (_lengths(name, one, count) for one in (input_lengths, target_lengths))
    if spans.size and (spans.max() > steps or spans.min() < 0):
        raise SettingError(f"{name}: Expected input_lengths to have value at most {steps} and at least 0")
    labels = _padded(name, targets, lengths, classes, single)
    losses = _losses(batch, labels, spans, lengths, blank)
    infinite = (losses > -_NEVER / 2).detach()
    losses = where(infinite, 0.0 if zero_infinity else float("inf"), losses)
    if reduction == "mean":
        losses = losses / array_on(device_of(batch.array), numpy.maximum(lengths, 1).astype(batch.dtype))
    return reduced(reshape(losses, ()) if single and reduction == "none" else losses, reduction)


def _lengths(name: str, given: Any, count: int) -> Any:
    raw = getattr(given, "array", given)
    lengths = numpy.asarray(raw if isinstance(raw, (int, list, tuple)) else to_numpy(raw))
    if lengths.dtype.kind not in "iu":
        raise DTypeError(f"{name}: lengths are integers, not {lengths.dtype}")
    if lengths.size != count:
        raise ShapeError(f"{name}: lengths must be of size {count}, one for each sequence, not {lengths.size}")
    return lengths.reshape(-1).astype("int64")


def _padded(name: str, targets: Any, lengths: Any, classes: int, single: bool) -> Any:
    """The targets as a NumPy array (n, longest)."""
    raw = to_numpy(targets.array)
    if raw.dtype.kind not in "iu":
        raise DTypeError(f"{name}: targets are integers, not {raw.dtype}", fix="convert them: targets.long()")
    longest = int(lengths.max(initial=0))
    labels = numpy.zeros((lengths.size, longest), "int64")
    if raw.ndim == 1 and not single:
        if raw.size != lengths.sum():
            raise ShapeError(f"{name}: {raw.size} targets, but their lengths add up to {lengths.sum()}")
        ends = lengths.cumsum()
        pieces = [raw[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    else:
        rows = raw.reshape(lengths.size, -1)
        if longest > rows.shape[1]:
            raise ShapeError(f"{name}: a target of length {longest}, but targets has room for {rows.shape[1]}")
        pieces = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    for row, piece in zip(labels, pieces, strict=True):
        row[: len(piece)] = piece
        if piece.size and not 0 <= piece.min() <= piece.max() < classes:
            raise IndexRangeError(f"{name}: a label is out of range: labels run from 0 to {classes - 1}")
    return labels


def _losses(log_probs: Any, labels: Any, spans: Any, lengths: Any, blank: int) -> Any:
    """The loss of each sequence, by the forward variables of section 4.1, for all sequences at once."""
    steps, count, _ = log_probs.shape
    states = numpy.full((count, 2 * labels.shape[1] + 1), blank)
    states[:, 1::2] = labels
    # A blank between two labels may be left out, unless they are the same.
    skips = numpy.zeros(states.shape, bool)
    skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    places, skips, spans, lengths = (array_on(device_of(log_probs.array), x) for x in (states, skips, spans, lengths))
    module = xp(places)
    index = module.broadcast_to(places, (steps, *places.shape))
    emitted = clamp_min(gather(log_probs, 2, index), _NEVER)
    never = emitted[:1, :, :1] * 0.0 + _NEVER if steps else None
    if never is None:
        return module.where(lengths == 0, 0.0, -_NEVER).astype(log_probs.dtype)
    gap = reshape(never, (count, 1)).detach()
    starts = module.arange(places.shape[1]) < 2
    paths = where(module.broadcast_to(starts, places.shape), emitted[0], _NEVER)
    for step in range(1, steps):
        one = cat([gap, paths[:, :-1]], 1)
        two = where(skips, cat([gap, gap, paths[:, :-2]], 1)[:, : places.shape[1]], _NEVER)
        ways = logaddexp(logaddexp(paths, one), two) + emitted[step]
        paths = where((step < spans)[:, None], ways, paths)
    last = gather(paths, 1, (2 * lengths)[:, None])
    before = where((lengths > 0)[:, None], gather(paths, 1, module.maximum(2 * lengths - 1, 0)[:, None]), _NEVER)
    losses = -reshape(logaddexp(last, before), (-1,))
    shares = kept(exp(log_probs), (module.arange(steps)[:, None] < spans)[:, :, None])
    total = sum(shares, (0, 2))
    return losses + (total - total.detach())
