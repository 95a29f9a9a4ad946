"""``diagnose``: runs a model on some data, forward and backward, and says what is wrong and what helps.

>>> import numpy
>>> from tinygrad_mp import CategoricalCrossEntropy, Dense, Model, ReLU, Softmax
>>> X = numpy.random.default_rng(0).normal(size=(200, 4))
>>> model = Model([Dense(16), ReLU(), Dense(2), Softmax()], loss=CategoricalCrossEntropy(), seed=0)
>>> model.diagnose(X, X[:, 0] > 0)
Diagnosis of Model on 200 samples: 1 error
error  softmax before the loss, at 3: CategoricalCrossEntropy takes logits, and Softmax gives probabilities: ...
       fix: leave out the last Softmax: predict applies it itself
>>> sound = Model([Dense(16), ReLU(), Dense(2)], loss=CategoricalCrossEntropy(), seed=0)
>>> sound.diagnose(X, X[:, 0] > 0)
Diagnosis of Model on 200 samples: healthy
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, overload

import numpy

from tinygrad_mp.backend import to_numpy, xp
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.nn.normalization import _BatchNorm
from tinygrad_mp.training import fitting, symptoms
from tinygrad_mp.training.arrays import Rows, chunks, rows_of
from tinygrad_mp.training.examination import Activation, Examination, Layer
from tinygrad_mp.training.feeds import ArrayFeed, Batch, StreamFeed, is_stream, sample_weights
from tinygrad_mp.training.layers.inferring import a_size
from tinygrad_mp.training.sources import ArraySource, StreamSource
from tinygrad_mp.training.symptoms import Columns, Finding, Severity
from tinygrad_mp.training.targets import Targets, as_labels
from tinygrad_mp.training.untouched import same_random_numbers, untouched

__all__ = ["Diagnosis", "Finding", "diagnose"]

_BATCHES = 4
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Diagnosis(Sequence[Finding]):
    """What :func:`diagnose` found: a sequence of findings, the worst first, and a report when printed.

    Attributes
    ----------
    healthy : bool
        Whether there is nothing but notes.
    samples : int
        On how many it was run.
    loss, chance : float
        The loss on them, and what outputs would have that know nothing; NaN if unknown.
    layers : list of Layer
        ``.place``, ``.gradient_norm``, ``.weight_norm``, ``.ratio`` of modules with parameters, in forward order.
    activations : list of Activation
        ``.place``, ``.kind``, ``.units``, ``.dead`` (how many), ``.saturated`` (share of entries).
    """

    def __init__(
        self,
        name: str,
        findings: Sequence[Finding],
        samples: int = 0,
        loss: float = math.nan,
        chance: float = math.nan,
        layers: Sequence[Layer] = (),
        activations: Sequence[Activation] = (),
    ) -> None:
        self._findings = sorted(findings, key=lambda one: _SEVERITIES.index(one.severity))
        self.name, self.samples, self.loss, self.chance = name, samples, loss, chance
        self.layers, self.activations = list(layers), list(activations)

    @overload
    def __getitem__(self, place: int) -> Finding: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Finding]: ...
    def __getitem__(self, place: int | slice) -> Finding | Sequence[Finding]:
        return self._findings[place]

    def __len__(self) -> int:
        return len(self._findings)

    def of(self, kind: str) -> list[Finding]:
        """The findings of a kind, such as ``"dead units"``."""
        return [one for one in self if one.kind == kind]

    @property
    def healthy(self) -> bool:
        """Whether there is nothing but notes."""
        return all(one.severity == "note" for one in self)

    def _title(self) -> str:
        counts = Counter(one.severity for one in self)
        parts = [f"{counts[name]} {name}{'s' * (counts[name] > 1)}" for name in _SEVERITIES if counts[name]]
        if self.healthy:
            parts.insert(0, "healthy")
        return f"Diagnosis of {self.name} on {self.samples} samples: {', '.join(parts)}"

    def __repr__(self) -> str:
        lines = [self._title()]
        width = max((len(one.severity) for one in self), default=0)
        for one in self:
            lines.append(f"{one.severity.ljust(width)}  {one.kind}, at {one.place}: {one.problem}")
            lines.append(f"{' ' * width}  fix: {one.advice}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = ""
        for one in self:
            cells = (one.severity, one.kind, one.place, one.problem, one.advice)
            rows += f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        head = "".join(f"<th>{name}</th>" for name in ("", "what", "where", "found", "fix"))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        return f"<p>{html.escape(self._title())}</p>{table}"

    def plot(self, path: Any = None) -> Any:
        """Draw the gradient's norm over the weights', of each layer, and the share of dead or saturated units.

        Stored at ``path``, if given. Returns the matplotlib figure; MissingPackageError without matplotlib,
        SettingError if nothing was measured.
        """
        from tinygrad_mp.training.charts import draw_diagnosis

        return draw_diagnosis(self, path)


def diagnose(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    batch_size: int = 256,
) -> Diagnosis:
    """Run some batches through a model, forward and backward, and look for what goes wrong in trainings.

    Nothing is learnt, and nothing of the model changes: weights, buffers, gradients, optimizer, modes and random
    numbers are afterwards what they were, to the bit, also if this fails; a model that was not built is not built then.

    Looked for: NaN and infinity; inputs and targets that are not scaled; labels that are rare, or do not fit the
    outputs; a softmax or sigmoid before a loss on logits; dead and saturated units; gradients that vanish or explode,
    or do not arrive; outputs that are all the same; a loss above that of guessing; frozen parameters; BatchNorm with
    batches of one; a learning rate that cannot be meant.

    Parameters
    ----------
    model : Model
        Before training, or after.
    X, y : as of ``Model.train``
        Up to four batches are run, of rows picked at random, always the same; scale and labels are judged by all rows,
        but of loaders and generators by these batches, which a generator then has no more.
    sample_weight, class_weight : optional
        As of ``Model.train``.
    batch_size : int, default 256

    Returns
    -------
    Diagnosis

    Errors
    ------
    What ``Model.train`` raises for data that make no sense, other than NaN and labels, which are findings.
    """
    loss = model.expect_loss()
    a_size("diagnose", "batch_size", batch_size)
    with same_random_numbers(X), untouched(model, loss), numpy.errstate(all="ignore"):  # findings say it better
        findings: list[Finding] = []
        data = _Stream(X, y, batch_size) if is_stream(X) else _Table(X, y, sample_weight, findings)
        if not data.usable:
            return Diagnosis(type(model).__name__, findings)
        fitting.build(model, data.source)
        broken = list(symptoms.of_state(model))
        findings += broken
        targets = _targets(model, data.source.labels, findings)
        batches = data.batches(model, targets, batch_size, class_weight, findings)
        seen = Examination(model, targets)
        findings += _of_batches(model, batches)
        if not broken:
            seen.run(batches)
            findings += symptoms.of_run(seen)
        findings += _of_last(loss, model, seen)
        for place, columns, number in data.columns(batches, model.placement()):
            findings += symptoms.of_inputs(columns, place, number >= len(seen.straight) or seen.straight[number])
        if targets is not None:
            findings += _of_targets(targets, data, batches, class_weight, model)
        findings += symptoms.of_optimizer(model)
        return Diagnosis(
            type(model).__name__,
            findings,
            seen.samples,
            seen.loss,
            seen.chance,
            seen.layers,
            list(seen.activations.values()),
        )


def _targets(model: Any, labels: Any, findings: list[Finding]) -> Targets | None:
    """How the targets are written; None, and a finding, for those that do not fit the model."""
    try:
        return Targets.of(model.expect_loss().kind, labels, model.output_shape, fitting.known_labels(model))
    except TinygradError as error:
        advice = error.fix or "give targets that fit the loss and the outputs"
        findings.append(Finding("error", "labels and outputs", "y", error.problem, advice))
        return None


def _of_last(loss: Any, model: Any, seen: Examination) -> Iterator[Finding]:
    """A softmax or sigmoid at the end, seen on the tape or, where there is none, in the list of layers."""
    place, name = seen.last or ("", "")
    found = fitting.squashed_twice(loss, name)
    if found is None:
        place, layer = fitting.last_layer(model)
        found = fitting.squashed_twice(loss, layer)
    if found is not None:
        yield Finding("error", f"{found.name} before the loss", place or "outputs", found.problem, found.fix)


def _of_batches(model: Any, batches: Sequence[Batch]) -> Iterator[Finding]:
    lonely = sum(batch.size == 1 for batch in batches)
    norms = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    if lonely and norms:
        text = f"{lonely} of {len(batches)} batches have one sample, by which there is nothing to normalise"
        advice = "a batch_size of at least 2, better 16; or GroupNorm or LayerNorm in place of BatchNorm"
        yield Finding("error", "batch of one", ", ".join(norms[:3]), text, advice, {"layers": norms})


def _of_targets(
    targets: Targets, data: _Table | _Stream, batches: Sequence[Batch], class_weight: Any, model: Any
) -> Iterator[Finding]:
    if targets.form == "values":
        columns = Columns()
        for encoded, _ in data.encoded(targets, batches):
            columns.add(encoded.reshape(len(encoded), -1))
        yield from symptoms.of_values(columns)
    elif targets.task in ("binary", "multiclass"):
        number = 2 if targets.task == "binary" else targets.shape[0]
        weights, counts = numpy.zeros(number), numpy.zeros(number, int)
        for encoded, weight in data.encoded(targets, batches):
            classes = to_numpy(targets.true_classes(encoded))
            counts += numpy.bincount(classes.ravel(), minlength=number)
            each = numpy.ones(len(classes)) if weight is None else weight
            each = numpy.broadcast_to(each.reshape(-1, *[1] * (classes.ndim - 1)), classes.shape)
            weights += numpy.bincount(classes.ravel(), each.ravel(), minlength=number)
        if class_weight is not None:
            weights = weights * targets.class_weights(class_weight, counts)
        new = model.targets is None and targets.form != "binary"
        yield from symptoms.of_labels(counts, weights, targets, complete=new and isinstance(data, _Table))


# --- data -------------------------------------------------------------------------------------------------------------


class _Table:
    """Rows of arrays, without those that hold NaN or infinity."""

    def __init__(self, X: Any, y: Any, weight: Any, findings: list[Finding]) -> None:
        rows, labels = Rows(X), None if y is None else as_labels(y)
        bad = numpy.zeros(len(rows), bool)
        for array, place in (*((one, "X") for one in rows.arrays), (labels, "y")):
            if array is not None and array.dtype.kind == "f" and len(array) == len(rows):
                bad |= _not_finite(array, place, findings)
        if bad.any():
            keep = numpy.flatnonzero(~bad)
            parts = [rows_of(array, keep) for array in rows.arrays]
            X = parts[0] if not isinstance(X, (dict, tuple)) else tuple(parts)
            X = X if rows.names is None else dict(zip(rows.names, parts, strict=True))
            weight = None if weight is None else sample_weights(weight, len(rows))[keep]
            labels = None if labels is None else rows_of(labels, keep)
        self.usable = not bad.all() or not bad.size
        if self.usable:
            self.source = ArraySource(X, labels, weight)

    def batches(
        self, model: Any, targets: Targets | None, batch_size: int, class_weight: Any, findings: list[Finding]
    ) -> list[Batch]:
        """A few, of rows picked at random."""
        source, index = self.source, numpy.arange(len(self.source.rows))
        index = index if source.weight is None else index[source.weight > 0]
        index = numpy.random.default_rng(0).permutation(index)[: _BATCHES * batch_size]
        if len(index) % batch_size == 1 and len(index) > 1:
            index = index[:-1] if batch_size > 1 else index  # a batch of one that is nobody's wish
        labels, weights = (None, None) if targets is None else (source.labels, None)
        if targets is not None and class_weight is not None:
            weights = targets.class_weights(class_weight, source.counts(targets))
        feed = ArrayFeed(
            source.rows,
            labels,
            targets,
            model.placement(),
            batch_size,
            weight=source.weight,
            index=index,
            class_weights=weights,
        )
        return [batch for batch in feed if _counts(batch)]

    def columns(self, batches: Sequence[Batch], placement: Any) -> Iterator[tuple[str, Columns, int]]:
        """The scale of each input."""
        rows = self.source.rows
        for number, array in enumerate(rows.arrays):
            if placement.keep_integers and array.dtype.kind in "iu":
                continue  # indices
            columns = Columns()
            for _, chunk in chunks(array):
                columns.add(chunk)
            key = rows.names[number] if rows.names is not None else number
            yield "X" if len(rows.arrays) == 1 else f"X[{key!r}]", columns, number

    def encoded(self, targets: Targets, batches: Sequence[Batch]) -> Iterator[tuple[Any, Any]]:
        """All targets, and their weights."""
        weight = self.source.weight
        for start, chunk in chunks(self.source.labels):
            yield targets.encode(chunk), None if weight is None else weight[start : start + len(chunk)]


class _Stream:
    """Batches from elsewhere."""

    usable = True

    def __init__(self, X: Any, y: Any, batch_size: int) -> None:
        options = {"batch_size": batch_size, "steps_per_epoch": None, "shuffle": False, "sample_weight": None}
        self.source: StreamSource = fitting.stream_source(X, y, options)

    def batches(
        self, model: Any, targets: Targets | None, batch_size: int, class_weight: Any, findings: list[Finding]
    ) -> list[Batch]:
        """The first few, without those that hold NaN or infinity."""
        feed: StreamFeed = self.source.feed
        feed.targets, feed.placement = targets, model.placement()
        if targets is not None and class_weight is not None:
            feed.class_weights = targets.class_weights(class_weight, None)
        taken = []
        for batch in islice(feed, _BATCHES):
            values = list(batch.inputs.values() if isinstance(batch.inputs, dict) else batch.inputs)
            arrays = [(one.array, "X") for one in values]
            arrays += [] if batch.targets is None else [(batch.targets.array, "y")]
            bad = [_not_finite(array, place, findings).any() for array, place in arrays if array.dtype.kind == "f"]
            taken += [] if any(bad) or not _counts(batch) else [batch]
        return taken

    def columns(self, batches: Sequence[Batch], placement: Any) -> Iterator[tuple[str, Columns, int]]:
        """The scale of each input."""
        if not batches:
            return
        first = batches[0].inputs
        keys = list(first) if isinstance(first, dict) else range(len(first))
        for number, key in enumerate(keys):
            arrays = [batch.inputs[key].array for batch in batches]
            if arrays[0].dtype.kind == "f":
                columns = Columns()
                for array in arrays:
                    columns.add(array)
                yield "X" if len(keys) == 1 else f"X[{key!r}]", columns, number

    def encoded(self, targets: Targets, batches: Sequence[Batch]) -> Iterator[tuple[Any, Any]]:
        """The targets of the batches."""
        for batch in batches:
            plain = batch.weight is None or self.source.feed.class_weights is not None  # those are weighed later
            yield batch.targets.array, None if plain else to_numpy(batch.weight.array)


def _counts(batch: Batch) -> bool:
    """Whether a sample of the batch has a weight above 0."""
    return batch.weight is None or bool(batch.weight.array.any())


def _not_finite(array: Any, place: str, findings: list[Finding]) -> Any:
    """Which rows hold NaN or infinity; with a finding, if some do."""
    bad, count = numpy.zeros(len(array), bool), 0
    for start, chunk in chunks(array):
        wrong = ~xp(chunk).isfinite(chunk).reshape(len(chunk), -1)
        count += int(wrong.sum())
        bad[start : start + len(chunk)] = to_numpy(wrong.any(axis=1))
    if count:
        rows = numpy.flatnonzero(bad)
        text = f"{count} entries are NaN or infinite, in {len(rows)} of {len(bad)} rows, first in row {rows[0]}"
        advice = "drop these rows, or fill the gaps, for example with the mean of the column"
        findings.append(Finding("error", "not finite", place, text, advice, {"count": count, "rows": rows}))
    return bad
