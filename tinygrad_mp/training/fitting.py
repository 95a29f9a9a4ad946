"""From what a user gives ``Model.train`` to a :class:`Session`: everything is checked here, before anything changes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tinygrad_mp import nn, optim
from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.lr_scheduler.base import set_setting
from tinygrad_mp.optim.unbound import Unbound
from tinygrad_mp.training import session
from tinygrad_mp.training.callbacks import Callback, EarlyStopping, NaNGuard, ProgressBar
from tinygrad_mp.training.feeds import Feed, StreamFeed, is_stream
from tinygrad_mp.training.initialization import building
from tinygrad_mp.training.layers.inferring import a_size
from tinygrad_mp.training.losses import BinaryCrossEntropy, CategoricalCrossEntropy, OtherLoss
from tinygrad_mp.training.metrics import Metric, named
from tinygrad_mp.training.sources import ArraySource, StreamSource
from tinygrad_mp.training.targets import Targets

OPTIMIZERS = {
    name.lower(): getattr(optim, name)
    for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SGD", "RMSprop", "Adagrad", "Adadelta", "Rprop")
}


def as_optimizer(given: Any) -> Any:
    """An optimizer, bound or not, from one, a name, or None for Adam."""
    if given is None:
        return optim.Adam()  # type: ignore[call-arg]
    if isinstance(given, str):
        if given.lower() not in OPTIMIZERS:
            raise SettingError(f"Model: unknown optimizer {given!r}", fix=f"use one of {', '.join(OPTIMIZERS)}")
        return OPTIMIZERS[given.lower()]()
    if isinstance(given, type) and issubclass(given, optim.Optimizer):
        raise SettingError(f"Model: the optimizer is the class {given.__name__}", fix=f"make one: {given.__name__}()")
    if not issubclass(_kind(given), optim.Optimizer):
        raise SettingError(f"Model: an optimizer is wanted, not {given!r:.60}", fix="optim.Adam(lr=1e-3)")
    if issubclass(_kind(given), optim.LBFGS):
        raise SettingError(
            "Model: LBFGS computes the loss several times a step, which the trainer does not",
            fix="use Adam, or write the loop: optimizer.step(closure)",
        )
    return given


def _kind(given: Any) -> type:
    """The class of an optimizer or a schedule, bound or not."""
    return given.kind if isinstance(given, Unbound) else type(given)


def as_metrics(given: Any) -> list[Metric] | None:
    """Metrics, from them or their names; None stays, for those that suit the targets."""
    if given is None:
        return None
    made = [named(one) if isinstance(one, str) else one for one in _several(given)]
    for one in made:
        if not isinstance(one, Metric):
            raise SettingError(f"Model: a metric is wanted, not {one!r:.60}", fix='metrics.F1(), or a name: "f1"')
    names = [one.name for one in made]
    if len(set(names)) < len(names):
        raise SettingError(f"Model: two metrics have one name: {', '.join(names)}", fix='F1(name="f1_of_cats")')
    return made


def _several(given: Any) -> list[Any]:
    """One thing, or several, as a list."""
    return list(given) if isinstance(given, (list, tuple)) else [given]


def prepare(model: Any, X: Any, y: Any, **options: Any) -> session.Session:
    """A training, ready to run. Options are those of ``Model.train``.

    What cannot be trained is refused, and the model is then as it was.
    """
    with _undone_if_refused(model):
        return _prepared(model, X, y, options)


@contextmanager
def _undone_if_refused(model: Any) -> Iterator[None]:
    """A context for what precedes a training: an exception undoes building, binding, drawing and holding out."""
    kept = {name: vars(model)[name] for name in ("optimizer", "targets", "classes_", "sample_shapes", "output_shape")}
    split, generator = copy.copy(model.split), model.generator.get_state()
    try:
        with building(model):
            yield
    except BaseException:
        vars(model).update(kept, split=split)
        model.generator.set_state(generator)
        raise


def _prepared(model: Any, X: Any, y: Any, options: dict[str, Any]) -> session.Session:
    loss = model.expect_loss()
    for name in ("epochs", "batch_size", "accumulate"):
        a_size("train", name, options[name])
    for name in ("clip_norm", "clip_value"):
        if options[name] is not None and not options[name] > 0:
            raise SettingError(f"train: {name} must be above 0, not {options[name]!r}")
    state = _state_to_resume(model) if options["resume"] else None
    if options["seed"] is not None and state is None:
        model.generator.manual_seed(options["seed"])
    notes: list[str] = []
    source = stream_source(X, y, options) if is_stream(X) else _arrays(X, y, options)
    build(model, source)
    _warn_of_squashed_outputs(model, loss)
    targets = Targets.of(loss.kind, source.labels, model.output_shape, known_labels(model))
    feed, evaluation = source.feeds(model, targets, options, notes)
    bind_optimizer(model, notes)
    model.__dict__.update(targets=targets, classes_=targets.classes_)
    settings = _settings(model, targets, evaluation, options, notes)
    callbacks = _callbacks(options, settings)
    loss.to(model.placement().device)
    made = session.Session(
        model,
        feed,
        evaluation,
        settings,
        schedule=_schedule(model, feed, options, settings),
        callbacks=callbacks,
        notes=notes,
    )
    if state is not None:
        made.resume(state)
    return made


def evaluate(model: Any, X: Any, y: Any, sample_weight: Any, batch_size: int) -> dict[str, float]:
    """See ``Model.evaluate``."""
    a_size("evaluate", "batch_size", batch_size)
    options = {"sample_weight": sample_weight, "batch_size": batch_size, "steps_per_epoch": None, "shuffle": False}
    source = stream_source(X, y, options) if is_stream(X) else _arrays(X, y, options)
    if not model.built:
        model.expect_parameters("train, load or build the model first")
    build(model, source)
    targets = Targets.of(model.expect_loss().kind, source.labels, model.output_shape, known_labels(model))
    return session.evaluate(model, source.whole(model, targets, batch_size))


def build(model: Any, source: Any) -> None:
    """Build the model from the data, or check that the data fit it."""
    if not model.built:
        model.build_from(source.example(model.placement()))
    source.expect_fit(model)
    model.expect_loss().expect_outputs(model.output_shape)


def known_labels(model: Any) -> Any:
    """The labels of an earlier training, which later ones and evaluations must keep to."""
    return model.classes_ if model.targets is None else model.targets.known_labels()


def bind_optimizer(model: Any, notes: list[str]) -> None:
    """Give the optimizer the parameters, now that there are some."""
    parameters = list(model.parameters())  # the frozen ones too, which may be unfrozen later
    if not any(parameter.requires_grad for parameter in parameters):
        raise SettingError(
            "train: the model has no parameters that need a gradient", fix="unfreeze some, or add layers"
        )
    if isinstance(model.optimizer, Unbound):
        model.optimizer = model.optimizer.bind(parameters)
    held = {id(parameter) for group in model.optimizer.param_groups for parameter in group["params"]}
    strangers = held - {id(parameter) for parameter in model.parameters()}
    if strangers or not held:
        raise SettingError(
            f"train: the optimizer holds {len(strangers)} tensors that are not the model's parameters",
            fix="give Model an optimizer without parameters, optim.Adam(lr=1e-3), which it binds itself",
        )
    forgotten = [name for name, one in model.named_parameters() if one.requires_grad and id(one) not in held]
    if forgotten:
        notes.append(f"the optimizer does not hold {', '.join(forgotten)}: they stay as they are")
    for one in model.settled_regularization():
        what = "everything" if one.everything else "weights, not biases and normalisations"
        notes.append(f"regularization: {one!r} on {what}")


def _arrays(X: Any, y: Any, options: dict[str, Any]) -> ArraySource:
    if options["steps_per_epoch"] is not None:
        raise SettingError("train: steps_per_epoch is for generators; X is cut into batches", fix="leave it out")
    return ArraySource(X, y, options["sample_weight"])


def stream_source(X: Any, y: Any, options: dict[str, Any]) -> StreamSource:
    """Batches from elsewhere; SettingError if targets or weights are given besides."""
    if y is not None or options["sample_weight"] is not None:
        raise SettingError("X gives batches: targets and weights come with them, as (x, y) or (x, y, weight)")
    feed = StreamFeed(X, options["batch_size"], options["steps_per_epoch"], options["shuffle"])
    return StreamSource(feed)


def _settings(
    model: Any, targets: Targets, evaluation: Feed | None, options: dict[str, Any], notes: list[str]
) -> session.Settings:
    metrics = {metric.name: metric for metric in model.metrics_for(targets)}
    columns = ["loss", *metrics]
    columns += [f"val_{name}" for name in columns] if evaluation is not None else []
    monitor = options["monitor"] or ("loss" if evaluation is None else "val_loss")
    if monitor not in columns:
        raise SettingError(f"train: monitor {monitor!r} is no column", fix=f"use one of {', '.join(columns)}")
    metric, mode = metrics.get(monitor.removeprefix("val_")), options["mode"]
    if mode not in ("auto", "min", "max"):
        raise SettingError(f'train: mode must be "auto", "min" or "max", not {mode!r}')
    higher = mode == "max" or (mode == "auto" and metric is not None and metric.higher_is_better)
    if model.metrics is None and metrics:
        notes.append(f"metrics: {', '.join(metrics)}, as the targets are {targets.task}")
    notes.append(f"best epoch: the one with the {'highest' if higher else 'lowest'} {monitor}")
    return session.Settings(
        epochs=options["epochs"],
        accumulate=options["accumulate"],
        clip_norm=options["clip_norm"],
        clip_value=options["clip_value"],
        monitor=monitor,
        higher_is_better=higher,
        restore_best=options["restore_best"],
        schedule_every=_schedule_every(options),
    )


def _schedule_every(options: dict[str, Any]) -> str:
    chosen = options["schedule_every"]
    if chosen not in (None, "epoch", "batch"):
        raise SettingError(f'train: schedule_every must be "epoch" or "batch", not {chosen!r}')
    kind = _kind(options["schedule"])
    if chosen == "batch" and issubclass(kind, optim.lr_scheduler.ReduceLROnPlateau):
        raise SettingError("train: ReduceLROnPlateau looks at epochs", fix='leave out schedule_every="batch"')
    by_batch = issubclass(kind, (optim.lr_scheduler.OneCycleLR, optim.lr_scheduler.CyclicLR))
    return chosen or ("batch" if by_batch else "epoch")


def _schedule(model: Any, feed: Feed, options: dict[str, Any], settings: session.Settings) -> Any:
    schedule = options["schedule"]
    if schedule is None:
        return None
    if not isinstance(schedule, Unbound) or issubclass(schedule.kind, optim.Optimizer):
        if getattr(schedule, "optimizer", None) is not model.optimizer:
            raise SettingError(
                f"train: {schedule!r:.60} is no schedule of the model's optimizer",
                fix="give one without an optimizer: optim.lr_scheduler.StepLR(step_size=10)",
            )
        return schedule
    steps = options["epochs"]
    if _schedule_every(options) == "batch":
        batches = feed.known_length()
        if batches is None:
            raise SettingError(
                "train: the schedule steps every batch, and how many there are is unknown", fix="give steps_per_epoch"
            )
        steps *= -(-batches // options["accumulate"])
    more: dict[str, Any] = {"total_steps": steps, "T_max": steps}
    if issubclass(schedule.kind, optim.lr_scheduler.ReduceLROnPlateau):
        more["mode"] = "max" if settings.higher_is_better else "min"
    for group in model.optimizer.param_groups:  # a new schedule begins where the first did, not where the last ended
        if "initial_lr" in group:
            set_setting(group, "lr", group["initial_lr"])
    return schedule.with_defaults(**more).bind(model.optimizer)


def _callbacks(options: dict[str, Any], settings: session.Settings) -> list[Any]:
    given = [] if options["callbacks"] is None else _several(options["callbacks"])
    for one in given:
        if not isinstance(one, Callback):
            what = f"the class {one.__name__}" if isinstance(one, type) else repr(one)
            raise SettingError(f"train: a callback is wanted, not {what:.60}", fix="for a function LambdaCallback")
    first: list[Any] = [] if any(isinstance(one, NaNGuard) for one in given) else [NaNGuard()]
    if options["early_stopping"] is not None:
        patience = a_size("train", "early_stopping", options["early_stopping"])
        mode = "max" if settings.higher_is_better else "min"
        first.append(EarlyStopping(patience, options["min_delta"], settings.monitor, mode))
    bar = [ProgressBar(options["verbose"])] if options["verbose"] else []
    return [*first, *given, *bar]


def _state_to_resume(model: Any) -> dict[str, Any]:
    if model.session_state is None:
        raise SettingError("train: there is no training to resume", fix="leave resume out, or load a saved one")
    state: dict[str, Any] = model.session_state
    return state


# --- a softmax before a loss that has one -----------------------------------------------------------------------------


class Squashed(NamedTuple):
    """A last activation that the loss applies itself, and what to do about it."""

    name: str
    problem: str
    fix: str


def squashed_twice(loss: Any, last: str) -> Squashed | None:
    """What is wrong if the outputs come from ``last``, ``"softmax"`` or ``"sigmoid"``; None if nothing is.

    >>> squashed_twice(BinaryCrossEntropy(), "sigmoid").fix
    'leave out the last Sigmoid: predict applies it itself'
    """
    inner = loss.function if isinstance(loss, OtherLoss) else loss
    on_logits = (CategoricalCrossEntropy, BinaryCrossEntropy, nn.CrossEntropyLoss, nn.BCEWithLogitsLoss)
    if last not in ("softmax", "sigmoid") or not isinstance(inner, on_logits):
        return None
    what = last.capitalize()
    return Squashed(
        last,
        f"{type(inner).__name__} takes logits, and {what} gives probabilities: gradients stay small, and the model is "
        "never sure",
        f"leave out the last {what}: predict applies it itself"
        if (last == "softmax") == isinstance(inner, (CategoricalCrossEntropy, nn.CrossEntropyLoss))
        else f"leave out the last {what}",
    )


def last_layer(module: Any) -> tuple[str, str]:
    """The path of the last layer of a chain, and ``"softmax"`` or ``"sigmoid"`` if it is one, otherwise ``""``."""
    path: list[str] = []
    while _is_chain(module):
        layers = [pair for pair in module.named_children() if not isinstance(pair[1], (nn.Identity, nn.Flatten))]
        if not layers:
            break
        name, module = layers[-1]
        path.append(name)
    is_softmax = isinstance(module, (nn.Softmax, nn.Softmax2d))
    return ".".join(path), "softmax" if is_softmax else "sigmoid" if isinstance(module, nn.Sigmoid) else ""


def _is_chain(module: Any) -> bool:
    from tinygrad_mp.training.model import Model  # which imports this room

    if isinstance(module, Model):
        return type(module).forward is Model.forward and module._own_forward is None
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _warn_of_squashed_outputs(model: Any, loss: Any) -> None:
    """Warn, at the line that calls ``train``, if the loss applies the model's last layer once more."""
    place, name = last_layer(model)
    found = squashed_twice(loss, name)
    if found is not None:
        warnings.warn(f"layer {place!r}: {found.problem}\n  fix: {found.fix}", UserWarning, stacklevel=5)
