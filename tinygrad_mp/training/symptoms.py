"""What measurements mean: each function looks for some ailments, and says of each where it is and what helps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy

from tinygrad_mp.backend import to_numpy, xp
from tinygrad_mp.creation import zeros
from tinygrad_mp.optim.unbound import Unbound
from tinygrad_mp.training.examination import Examination, Layer
from tinygrad_mp.training.targets import Targets

Severity = Literal["error", "warning", "note"]

DEAD = 0.25  # share of units of a layer; eight layers deep some are dead from the start
SATURATED = 0.3  # share of entries
RATIO = 1e3  # between the gradients of two layers
STEEP = 100.0  # a gradient's norm over the weights'
FLAT = 1e-7  # likewise, of all layers
MANY = 10  # samples, of which not one says something
RARE = 0.2  # a class's share, over the mean share
FAR = 4.0  # a column's mean or deviation: numbers in 0..1, or standardised ones, lie far below
SMALL = 0.05  # a column's deviation
OFF_CHANCE = 2.0  # times the loss by chance, and two more: unequal data and few inputs start above it
RATES: dict[str, tuple[float, float]] = {
    "SGD": (1e-5, 5.0), "ASGD": (1e-5, 5.0), "Adam": (1e-6, 0.1), "AdamW": (1e-6, 0.1), "NAdam": (1e-6, 0.1),
    "RAdam": (1e-6, 0.1), "Adamax": (1e-6, 0.2), "SparseAdam": (1e-6, 0.1), "RMSprop": (1e-6, 0.1),
    "Adagrad": (1e-4, 2.0), "Adadelta": (1e-2, 10.0), "Rprop": (1e-6, 1.0), "LBFGS": (1e-3, 5.0),
}  # fmt: skip
"""Learning rates outside of which an optimizer does not learn, or diverges, on nearly every problem."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        Training fails; it suffers; it is worth knowing.
    kind : str
        What it is, such as ``"dead units"``.
    place : str
        The path of a layer or parameter, or ``"X"``, ``"y"``, ``"optimizer"``, ``"outputs"``, ``"loss"``.
    problem : str
        In words.
    advice : str
        What helps.
    measured : dict
        The numbers behind it.
    """

    severity: Severity
    kind: str
    place: str
    problem: str
    advice: str
    measured: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.severity}: {self.kind} at {self.place}: {self.problem}\n  fix: {self.advice}"


# --- data -------------------------------------------------------------------------------------------------------------


class Columns:
    """The scale of the columns of a table; of data with more axes, of all entries together.

    Filled piece by piece. Source of the merging: Chan, Golub and LeVeque, Algorithms for computing the sample
    variance, 1983.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.low: Any = math.inf
        self.high: Any = -math.inf
        self.zeros: Any = 0
        self.whole = True
        self.axes = 0
        self._squares: Any = 0.0

    def add(self, array: Any) -> None:
        """Take in some rows."""
        self.axes = array.ndim
        table = array.reshape(len(array), -1) if array.ndim == 2 else array.reshape(-1, 1)
        if not len(table):
            return
        table = table.astype(numpy.float64)
        self.whole = self.whole and bool((table == xp(table).floor(table)).all())
        parts = (table.mean(0), table.var(0) * len(table), table.min(0), table.max(0), (table == 0).sum(0))
        mean, squares, low, high, none = map(to_numpy, parts)
        total = self.count + len(table)
        step = mean - self.mean
        self._squares = self._squares + squares + step**2 * (self.count * len(table) / total)
        self.mean = self.mean + step * (len(table) / total)
        self.low, self.high = numpy.minimum(self.low, low), numpy.maximum(self.high, high)
        self.zeros, self.count = self.zeros + none, total

    @property
    def deviation(self) -> Any:
        """The standard deviation of each column."""
        return numpy.sqrt(self._squares / max(self.count, 1))


def of_inputs(columns: Columns, place: str, straight: bool) -> Iterator[Finding]:
    """Inputs that are far from mean 0 and deviation 1, and columns that say nothing."""
    if columns.count < 2:
        return
    mean, deviation, size = columns.mean, columns.deviation, len(columns.mean)
    constant = columns.low == columns.high
    large = ~constant & ((abs(mean) > FAR) | (deviation > FAR))
    tiny = ~constant & (deviation < SMALL) & (numpy.maximum(abs(columns.low), abs(columns.high)) < 5 * SMALL)
    tiny &= columns.zeros < columns.count / 2  # what is rare is small, and should be
    far = large | tiny
    low, high = float(columns.low.min()), float(columns.high.max())
    measured = {"columns": numpy.flatnonzero(far).tolist(), "mean": mean, "deviation": deviation}
    if straight and columns.whole and low >= 0 and 16 < high <= 255 and (columns.axes > 2 or size > 32):
        text = f"the numbers are whole and lie between {low:g} and {high:g}, like pixels"
        yield Finding("warning", "unscaled inputs", place, text, f"divide by 255: {place} / 255", measured)
    elif straight and far.any():
        worst = int(numpy.where(far, abs(numpy.log(numpy.hypot(mean, deviation).clip(1e-300))), -1).argmax())
        which = f"{int(far.sum())} of {size} columns are" if columns.axes == 2 else "the numbers are"
        example = f"column {worst} has" if columns.axes == 2 else "they have"
        text = (
            f"{which} far from mean 0 and standard deviation 1: {example} mean {mean[worst]:.3g} and deviation "
            f"{deviation[worst]:.3g}"
        )
        advice = f"standardise: ({place} - mean) / std, by the training data's; or put BatchNorm() first"
        yield Finding("warning", "unscaled inputs", place, text, advice, measured)
    if constant.any():
        found = numpy.flatnonzero(constant).tolist()
        where = f"columns {', '.join(map(str, found[:8]))}{', ...' if len(found) > 8 else ''} of {size} are"
        text = f"{where if columns.axes == 2 else 'all numbers are'} constant: nothing can be learnt from them"
        yield Finding("note", "constant inputs", place, text, "leave them out", {"columns": found})


def of_values(columns: Columns) -> Iterator[Finding]:
    """Targets of a regression that are far from where outputs start."""
    if columns.count < 2:
        return
    mean, deviation = columns.mean, columns.deviation
    far = (abs(mean) > 10) | (deviation > 10) | ((deviation < 0.01) & (columns.low < columns.high))
    if far.any():
        worst = int(far.argmax())
        text = (
            f"the targets have mean {mean[worst]:.3g} and deviation {deviation[worst]:.3g}; outputs begin near 0, with "
            "a deviation near 1"
        )
        advice = "train on (y - mean) / std, and turn predictions back: prediction * std + mean"
        yield Finding("warning", "unscaled targets", "y", text, advice, {"mean": mean, "deviation": deviation})


def of_labels(counts: Any, weights: Any, targets: Targets, complete: bool) -> Iterator[Finding]:
    """Classes that are rare, or that are not there.

    ``counts`` are of samples, ``weights`` the sums of theirs. ``complete``: these are all the data there are.
    """
    present = counts > 0
    names = numpy.arange(len(counts)) if targets.classes_ is None else targets.classes_
    if complete and present.sum() < len(counts) and counts.sum() >= MANY * len(counts):
        absent, number = names[~present].tolist(), int(present.sum())
        text = f"the model has an output for each of {len(counts)} labels, and y has {number} of them"
        text += f": there is no {', '.join(map(repr, absent[:8]))}{', ...' if len(absent) > 8 else ''}"
        renumber = "" if present[:number].all() else f"number the labels from 0 to {number - 1}, and "
        advice = f"{renumber}end the model with Dense({number}); or give data with all labels"
        yield Finding("warning", "labels and outputs", "y", text, advice, {"absent": absent})
    if present.sum() == 1 and len(counts) > 1 and counts.sum() > 1:
        text = f"all targets are {names[present][0]!s}: there is nothing to tell apart"
        yield Finding("error", "label imbalance", "y", text, "give data with other labels too", {"shares": [1.0]})
    counts, present = weights, weights > 0
    shares = counts[present] / counts.sum() if present.any() else counts[present]
    if len(shares) > 1 and shares.min() * len(shares) < RARE:
        rare, common = (names[present][place(shares)] for place in (numpy.argmin, numpy.argmax))
        text = f"label {rare!s} has {shares.min():.2%} of the weight, label {common!s} {shares.max():.2%}"
        advice = 'train(class_weight="balanced"), and judge by F1 or balanced accuracy; or collect more of the rare'
        yield Finding("warning", "label imbalance", "y", text, advice, {"shares": shares})


# --- settings ---------------------------------------------------------------------------------------------------------


def of_optimizer(model: Any) -> Iterator[Finding]:
    """A learning rate that cannot be meant, and parameters that it does not move."""
    optimizer = model.optimizer
    bound = optimizer
    if isinstance(optimizer, Unbound):
        bound = optimizer.bind([zeros(1, requires_grad=True)])
    name = type(bound).__name__
    for group in bound.param_groups:
        rate = float(group.get("initial_lr", group["lr"]))
        effective = rate / max(1 - float(group.get("momentum", 0) or 0), 1e-3) if name == "SGD" else rate
        low, high = RATES.get(name, (0.0, math.inf))
        if low <= effective <= high and rate > 0:
            continue
        what = "too small to learn by" if effective < low or rate == 0 else "so large that training diverges"
        with_momentum = "" if effective == rate else f" (with momentum as good as {effective:.3g})"
        yield Finding(
            "warning",
            "learning rate",
            "optimizer",
            f"{name}'s learning rate {rate:.3g}{with_momentum} is {what}, on nearly all problems",
            f"something from {low:g} to {high:g}; model.find_learning_rate(X, y) suggests one",
            {"learning rate": rate, "sane": (low, high)},
        )
        break
    yield from _unmoved(model, None if bound is not optimizer else bound)


def _unmoved(model: Any, bound: Any) -> Iterator[Finding]:
    parameters = dict(model.named_parameters())
    frozen = [name for name, one in parameters.items() if not one.requires_grad]
    if frozen:
        every = len(frozen) == len(parameters)
        size = sum(parameters[name].numel() for name in frozen)
        text = f"{size} of {sum(one.numel() for one in parameters.values())} parameters are frozen"
        yield Finding(
            "error" if every else "note",
            "frozen",
            _listed(frozen),
            text + (": there is nothing to train" if every else ""),
            "parameter.requires_grad_() makes them learn, if that is not meant",
            {"parameters": frozen},
        )
    if bound is not None:
        held = {id(one) for group in bound.param_groups for one in group["params"]}
        lost = [name for name, one in parameters.items() if one.requires_grad and id(one) not in held]
        if lost:
            text = f"the optimizer does not hold {len(lost)} parameters that could learn"
            advice = "optimizer.add_param_group, or give Model an optimizer without parameters: optim.Adam(lr=1e-3)"
            yield Finding("warning", "frozen", _listed(lost), text, advice, {"parameters": lost})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")


# --- the run ----------------------------------------------------------------------------------------------------------


def of_state(model: Any) -> Iterator[Finding]:
    """Parameters and buffers that are no numbers."""
    for kind, named in (("parameter", model.named_parameters()), ("buffer", model.named_buffers())):
        for name, tensor in named:
            array = tensor.array
            if array.dtype.kind != "f":
                continue
            count = int(array.size - xp(array).isfinite(array).sum())
            if count:
                text = f"{count} of {array.size} entries of this {kind} are NaN or infinite"
                advice = "start anew, with a smaller learning rate or clip_norm=1"
                yield Finding("error", "not finite", name, text, advice, {"count": count})


def of_run(seen: Examination) -> Iterator[Finding]:
    """Everything that shows in a forward and a backward pass."""
    if seen.bad is not None:
        place, what = seen.bad
        advice = "look at what this layer computes: a logarithm or root of 0, an overflow; scale the inputs"
        yield Finding("error", "not finite", place, what, advice)
        return
    yield from _of_activations(seen)
    if seen.targets is not None:
        yield from _of_gradients(seen)
    yield from _of_outputs(seen)


def _of_activations(seen: Examination) -> Iterator[Finding]:
    for one in seen.activations.values():
        measured = {"dead": one.dead, "units": one.units, "share": one.dead / max(one.units, 1)}
        if one.dead > DEAD * one.units and seen.samples >= MANY:
            every = one.dead == one.units
            text = f"{one.dead} of {one.units} units give 0 for all {seen.samples} samples: no gradient gets through"
            advice = "a smaller learning rate, scaled inputs, BatchNorm before, or LeakyReLU; then train anew"
            yield Finding("error" if every else "warning", "dead units", one.place, text, advice, measured)
        if one.saturated > SATURATED:
            text = f"{one.saturated:.0%} of the outputs of {one.kind} lie at its limits, where it has no slope"
            advice = "scale the inputs, use smaller weights or BatchNorm before it, or ReLU in its place"
            yield Finding("warning", "saturated", one.place, text, advice, {"share": one.saturated})


def _of_gradients(seen: Examination) -> Iterator[Finding]:
    if seen.unreached:
        text = "the loss does not depend on them: they never change"
        advice = "use them in forward (without detach or no_grad on the way to the loss), or take them out"
        yield Finding("warning", "no gradient", _listed(seen.unreached), text, advice, {"parameters": seen.unreached})
    layers = [layer for layer in seen.layers if layer.matrix]
    steep = [layer for layer in layers if layer.ratio > STEEP]
    if steep:
        worst = max(steep, key=lambda layer: layer.ratio)
        text = (
            f"the gradient's norm is up to {worst.ratio:.3g} times that of the weights ({worst.gradient_norm:.3g} over "
            f"{worst.weight_norm:.3g}, at {worst.place}): one step throws them far"
        )
        advice = "scale inputs and targets, train(clip_norm=1), smaller starting values, normalisation layers"
        yield Finding("error", "exploding gradients", _places(steep), text, advice, _numbers(steep))
    if not layers or not any(layer.gradient_norm for layer in layers):
        return
    low, high = [], []
    for layer in layers[:-1]:
        ratios = _ratios(layer, layers[-1])
        if max(ratios) < 1 / RATIO:
            low.append(layer)
        elif min(ratios) > RATIO and not steep:
            high.append(layer)
    if low:
        advice = "ReLU in place of sigmoid or tanh, BatchNorm, residual connections, or fewer layers"
        text = _compared(min(low, key=lambda layer: layer.gradient_norm), layers[-1])
        yield Finding("warning", "vanishing gradients", _places(low), text, advice, _numbers(low))
    elif not _is_trained(seen.model) and max(layer.ratio for layer in layers) < FLAT and seen.loss > seen.chance / 2:
        worst = max(layers, key=lambda layer: layer.ratio)
        text = f"the gradient's norm is at most {worst.ratio:.2g} times that of the weights ({worst.place})"
        advice = "larger starting values: initialization='auto'"
        yield Finding("warning", "vanishing gradients", _places(layers), text, advice, _numbers(layers))
    if high:
        advice = "smaller starting values: initialization='auto'; BatchNorm, or train(clip_norm=1)"
        text = _compared(max(high, key=lambda layer: layer.gradient_norm), layers[-1])
        yield Finding("warning", "exploding gradients", _places(high), text, advice, _numbers(high))


def _ratios(layer: Layer, last: Layer) -> list[float]:
    """The gradient of a layer over that of the last: as they are, and by the size of the weights."""
    if not last.gradient_norm:
        return [math.nan]
    ratios = [layer.gradient_norm / last.gradient_norm]
    return [*ratios, layer.ratio / last.ratio] if layer.weight_norm and last.weight_norm else ratios


def _compared(layer: Layer, last: Layer) -> str:
    return (
        f"the gradient's norm is {layer.gradient_norm:.3g} at {layer.place}, and {last.gradient_norm:.3g} at the last "
        f"layer ({last.place}): {layer.gradient_norm / last.gradient_norm:.2g} of it"
    )


def _places(layers: Sequence[Layer]) -> str:
    return _listed([layer.place or "(itself)" for layer in layers])


def _numbers(layers: Sequence[Layer]) -> dict[str, Any]:
    return {
        "gradient norms": {layer.place: layer.gradient_norm for layer in layers},
        "over weights": {layer.place: layer.ratio for layer in layers},
    }


def _of_outputs(seen: Examination) -> Iterator[Finding]:
    if seen.outputs is None or seen.samples < 2:
        return
    table = seen.outputs.reshape(seen.samples, -1).astype(numpy.float64)
    spread, size = float(table.std(0).max()), float(numpy.sqrt((table**2).mean()))
    if spread <= 1e-5 * size or spread == 0:
        text = (
            f"all {seen.samples} samples give the same outputs (their deviation is {spread:.2g}, their size {size:.2g})"
        )
        advice = "look for dead units and vanishing gradients above, and for starting values of 0"
        yield Finding("error", "constant outputs", "outputs", text, advice, {"deviation": spread, "size": size})
    elif seen.predicted is not None and _is_trained(seen.model):
        yield from _of_one_class(seen)
    limit = OFF_CHANCE * seen.chance + 2 if seen.model.loss.kind != "values" else 10 * seen.chance + 1e-12
    if seen.loss > limit:
        text = f"the loss is {seen.loss:.3g}; outputs that know nothing would give {seen.chance:.3g}"
        advice = (
            "smaller starting values of the last layer, scaled inputs"
            + (" and targets" if seen.model.loss.kind == "values" else "")
            + ("; after training: a smaller learning rate, and check that y is in the order of X")
        )
        measured = {"loss": seen.loss, "chance": seen.chance}
        yield Finding("warning", "loss above chance", "loss", text, advice, measured)


def _of_one_class(seen: Examination) -> Iterator[Finding]:
    if seen.targets is None or seen.true is None:
        return
    there = numpy.unique(seen.targets.true_classes(seen.true))
    if len(there) > 1 and (seen.predicted == seen.predicted[0]).all():
        one = seen.targets.labels_of(seen.predicted[:1]).tolist()[0]
        text = f"the model predicts {one!r} for all {seen.samples} samples, which have {len(there)} different labels"
        advice = 'train(class_weight="balanced") if that label is the commonest; otherwise train longer, another rate'
        measured = {"label": one, "labels": len(there)}
        yield Finding("warning", "one class", "outputs", text, advice, measured)


def _is_trained(model: Any) -> bool:
    return model.history is not None or bool(getattr(model.optimizer, "state", None))
