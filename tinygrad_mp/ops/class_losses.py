"""The cross-entropy of rows of logits with class labels, fused: no one-hot matrix, one softmax for both passes."""

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.ops.gathering import gather, one_hot
from tinygrad_mp.ops.movement import squeeze, unsqueeze
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import mean, sum
from tinygrad_mp.ops.residue import Residue, found_in
from tinygrad_mp.ops.softmax import below_maximum, log_softmax, softmax, softmax_rule, total_along
from tinygrad_mp.primitive import primitive


def _labels_case(sampler: Sampler) -> Any:
    count, classes = sampler.integer(0, 4), sampler.integer(1, 4)
    return (sampler.array((count, classes)), sampler.indices((count,), classes)), {}


def _class_losses_case(sampler: Sampler) -> Any:
    inputs, _ = _labels_case(sampler)
    reduction = sampler.choice(("none", "mean", "sum")) if len(inputs[1]) else "none"
    return inputs, {"reduction": reduction, "residue": sampler.choice((None, Residue()))}


def _minus_log_softmax_at(x: Any, labels: Any, *, reduction: str, residue: Any) -> Any:
    """The composition that :func:`class_losses` fuses."""
    losses = -squeeze(gather(log_softmax(x, 1), 1, unsqueeze(labels, 1)), 1)
    return {"none": lambda: losses, "mean": lambda: mean(losses), "sum": lambda: sum(losses)}[reduction]()


def _softmax_minus_one_hot(x: Any, labels: Any) -> Any:
    """The composition that :func:`_class_slopes` fuses."""
    return softmax(x, 1) - to_dtype(one_hot(labels, x.shape[1]), x.dtype)


@primitive(
    promotes=None,
    cases=_labels_case,
    reference=_softmax_minus_one_hot,
    x=lambda g, x: softmax_rule(g, softmax(x, 1), 1),
    labels=None,
)
def _class_slopes(x: Real, labels: Any) -> Any:
    """The derivative of each row's loss: softmax less 1 at the row's label. No one-hot matrix is made."""
    slopes = softmax(x, 1)
    slopes[xp(x).arange(x.shape[0]), labels] -= 1
    return slopes


def _pull_class_losses(g: Any, x: Any, labels: Any, reduction: str, residue: Any) -> Any:
    if reduction == "mean":
        g = g / x.shape[0]
    found = found_in(x, g, residue)
    if found is None:
        return (unsqueeze(g, 1) if reduction == "none" else g) * _class_slopes(x, labels)
    shares, rows = found
    pulled = shares * (g[:, None] if reduction == "none" else g)
    pulled[rows, labels] -= g
    return pulled


@primitive(
    promotes=None,
    cases=_class_losses_case,
    reference=_minus_log_softmax_at,
    x=_pull_class_losses,
    labels=None,
)
def class_losses(x: Real, labels: Any, *, reduction: str, residue: Any = None) -> Any:
    """The cross-entropy of each row of logits, shape (n, classes), with its label, shape (n,); reduced."""
    module = xp(x)
    below, rows = below_maximum(x, 1), module.arange(x.shape[0])
    at_label = below[rows, labels]
    powers = module.exp(below, out=below)
    totals = total_along(powers, 1)
    losses = module.log(totals[:, 0]) - at_label
    if residue is not None:
        powers /= totals  # now the softmax
        residue.keep(x, powers, rows)
    if reduction == "none":
        return losses
    total = losses.sum()
    return total / x.shape[0] if reduction == "mean" else total
