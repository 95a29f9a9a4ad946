"""``Model``: a network with what it is trained by; gives itself starting values, trains, predicts, and is saved.

>>> import numpy
>>> from tinygrad_mp import Dense, MSE, Model, ReLU, optim
>>> X = numpy.linspace(-1, 1, 100)[:, None]
>>> model = Model([Dense(16), ReLU(), Dense(1)], loss=MSE(), optimizer=optim.Adam(lr=0.05), seed=0)
>>> history = model.train(X, X**2, epochs=30, batch_size=20, verbose=0)
>>> history["loss"][-1] < 0.01, model.predict(X).shape
(True, (100, 1))
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, ClassVar, Self

from tinygrad_mp import nn, optim
from tinygrad_mp.backend import as_device, to_numpy
from tinygrad_mp.backend.random_bits import drawing_from
from tinygrad_mp.creation import zeros
from tinygrad_mp.dtypes import get_default_dtype
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.nn.arguments import forget_arguments
from tinygrad_mp.random import Generator
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training import fitting
from tinygrad_mp.training.feeds import Placement
from tinygrad_mp.training.history import History
from tinygrad_mp.training.in_files import KeptInFiles
from tinygrad_mp.training.initialization import building, initialize
from tinygrad_mp.training.losses import ModelLoss, as_loss
from tinygrad_mp.training.metrics import automatic
from tinygrad_mp.training.modes import evaluating
from tinygrad_mp.training.predicting import collected
from tinygrad_mp.training.regularization import Regularization, as_regularizations, settled
from tinygrad_mp.training.scores import predicted, predicted_classes
from tinygrad_mp.training.splitting import Split
from tinygrad_mp.training.targets import Targets
from tinygrad_mp.utils.data.sampler import draw_seed

_NAMED_ELSEWHERE = {"fit": "call train(X, y)", "predict_proba": "call predict(X)", "score": "call evaluate(X, y)"}
_SETTINGS: dict[
    str, Callable[[Any], Any]
] = {  # no layers, though some are modules; and what makes them of what is given
    "loss": lambda given: None if given is None else as_loss(given),
    "optimizer": fitting.as_optimizer,
    "metrics": fitting.as_metrics,
    "regularization": as_regularizations,
}
_in_training: set[int] = set()  # ids of models
_beginning = Lock()  # held while one looks there


class Model(KeptInFiles):
    """Layers, a loss and an optimizer; a module like any other, and a trainer.

    Parameters
    ----------
    layers : list of Module, dict of str to Module, or one Module
        Run one after the other. Named ``"0"``, ``"1"``, ... as in ``nn.Sequential``, or by the keys.
    loss : ModelLoss, name, module or function
        ``CategoricalCrossEntropy()``, ``BinaryCrossEntropy()``, ``MSE()``, ``MAE()``, ``Huber()``; their names, such as
        ``"mse"``; a loss of ``nn``; or any ``loss(outputs, targets)``.
    optimizer : optional
        As ``optim.Adam(lr=1e-3)``, without parameters, which it is given when there are some; or a name, such as
        ``"sgd"``. By default Adam.
    metrics : list of Metric or of names, optional
        By default chosen by the loss: accuracy and F1 for classes, RMSE and R2 for numbers. ``[]`` for none.
    forward : callable(model, *inputs), optional
        How the layers are put together where they are no chain: ``lambda model, a, b: model.out(model.one(a) + b)``.
        Or write a subclass with a ``forward`` of its own.
    regularization : L1, L2, WeightDecay, their list, or "L1" or "L2"; optional
        Of weights, not of biases and normalisations. ``"L2"`` is WeightDecay for optimizers that scale the gradient.
    seed : int, optional
        Of starting values, shuffling, the split and dropout: the same seed, the same model. By default drawn from the
        default generator, so that ``manual_seed`` fixes it too.

    Attributes
    ----------
    classes_ : array or None
        The labels, in the order of the outputs, where they are not simply 0, 1, ...
    history : History or None
        Of the last training.
    generator : Generator
        All that is random in this model comes from here.
    """

    kept_in_files: ClassVar[tuple[str, ...]] = (*_SETTINGS, "_own_forward")
    """What files keep besides the layers."""

    def __init__(
        self,
        layers: Any = (),
        loss: Any = None,
        optimizer: Any = None,
        metrics: Sequence[Any] | None = None,
        *,
        forward: Callable[..., Any] | None = None,
        regularization: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        forget_arguments(self, Model)
        for name, layer in _named(layers):
            self.add_module(name, layer)
        self._own_forward = forward
        self.loss, self.optimizer, self.metrics, self.regularization = loss, optimizer, metrics, regularization
        self.generator = Generator().manual_seed(draw_seed(None) if seed is None else seed)
        self.classes_: Any = None
        self.targets: Targets | None = None
        self.sample_shapes: list[tuple[int, ...]] | dict[str, tuple[int, ...]] | None = None
        self.output_shape: tuple[int, ...] | None = None
        self.history: History | None = None
        self.split = Split()
        self._session: Any = None
        self._session_state: dict[str, Any] | None = None
        self.built = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SETTINGS:
            self.__dict__[name] = _SETTINGS[name](value)
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in _NAMED_ELSEWHERE:
            problem = f"Model has no attribute {name!r}\n  fix: {_NAMED_ELSEWHERE[name]}"
            raise AttributeError(problem, name=name, obj=self)
        return super().__getattr__(name)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As of all modules, do nothing; SettingError for the loss and the optimizer, which the constructor takes."""
        misplaced = sorted({"loss", "optimizer", "metrics"} & set(kwargs))
        if misplaced:
            raise SettingError(
                f"compile does not take {', '.join(misplaced)}",
                fix="Model(layers, loss=..., optimizer=..., metrics=...)",
            )

    # --- as a module ---

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, key: int | str) -> Any:
        """A layer, by position or by name."""
        return self._modules[key] if isinstance(key, str) else list(self._modules.values())[key]

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Logits, or values: the layers one after the other, or what ``forward=`` says."""
        if not self.built:
            self.build_from(inputs or named)
        if self._own_forward is not None:
            return self._own_forward(self, *inputs, **named)
        if named or len(inputs) != 1:
            raise SettingError(
                f"a Model of layers in a chain takes one input, not {len(inputs) + len(named)}",
                fix="say how they are put together: Model(layers, forward=...)",
            )
        (value,) = inputs
        for layer in self._modules.values():
            value = layer(value)
        return value

    def run(self, inputs: Any) -> Any:
        """The outputs for a batch's inputs, a tuple or a dict."""
        return self(**inputs) if isinstance(inputs, dict) else self(*inputs)

    def build(self, *input_shapes: Any, dtype: Any = None) -> Self:
        """Make the parameters and give them starting values, from the shape of one sample (of each input).

        >>> from tinygrad_mp import Dense, Model
        >>> Model([Dense(3)]).build((5,))[0].weight.shape
        Size([3, 5])
        """
        dtype = get_default_dtype() if dtype is None else dtype
        self.build_from(tuple(_example(shape, dtype) for shape in input_shapes))
        return self

    def build_from(self, inputs: Any) -> None:
        """As :meth:`build`, from the inputs of a batch."""
        if not isinstance(inputs, (tuple, dict)):
            inputs = (inputs,)
        with building(self), drawing_from(self.generator.stream):
            for module in self.modules():  # those inside are built with this one, so that the look-ahead sees all
                if isinstance(module, Model):
                    module.__dict__["built"] = True
            initialize(self, _first_rows(inputs), self.generator)
            self.expect_parameters(
                "forward does not reach it in evaluation mode: build it, layer.build(input_shape), or take it out"
            )
            with no_grad(), evaluating(self):
                outputs = self.run(_first_rows(inputs))
            if not isinstance(outputs, Tensor):
                raise SettingError(f"forward gives a {type(outputs).__name__}: a Model's outputs are one tensor")
            rows = min(2, *map(len, inputs.values() if isinstance(inputs, dict) else inputs))
            if not outputs.ndim or len(outputs) != rows:
                raise ShapeError(
                    f"for {rows} samples the outputs have shape {tuple(outputs.shape)}: their first axis is not that "
                    "of samples",
                    fix="give X of shape (n, features); one feature by X[:, None]",
                )
        self.sample_shapes = (
            {name: tuple(value.shape[1:]) for name, value in inputs.items()}
            if isinstance(inputs, dict)
            else [tuple(value.shape[1:]) for value in inputs]
        )
        self.output_shape = tuple(outputs.shape[1:])

    def placement(self) -> Placement:
        """The dtype and device of the parameters, and whether inputs may be indices."""
        for parameter in self.parameters():
            if parameter.dtype.kind == "f":
                dtype, device = parameter.dtype, parameter.device
                break
        else:
            dtype, device = get_default_dtype(), as_device("cpu")
        looks_up = any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in self.modules())
        return Placement(dtype, device, looks_up)

    # --- training ---

    def train(  # type: ignore[override]  # with a bool it is Module.train
        self,
        X: Any = True,
        y: Any = None,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        validation_data: Any = None,
        auto_evaluation: float = 0.2,
        early_stopping: int | None = None,
        min_delta: float = 0.0,
        monitor: str | None = None,
        mode: Any = "auto",
        restore_best: bool = True,
        shuffle: bool = True,
        sample_weight: Any = None,
        class_weight: Any = None,
        steps_per_epoch: int | None = None,
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        schedule: Any = None,
        schedule_every: str | None = None,
        callbacks: Sequence[Any] = (),
        verbose: int = 1,
        seed: int | None = None,
        resume: bool = False,
    ) -> Any:
        """Train, and keep the weights of the best epoch, however training ends. (``train(True)`` only sets the mode.)

        Parameters
        ----------
        X : array (n, ...), Tensor, data frame, memmap; a tuple or dict of these for several inputs
            Or batches ``(x, y)`` or ``(x, y, weight)``: a DataLoader, Dataset, generator, or function that returns one.
        y : array
            Labels of any kind, class indices, one-hot or soft rows; or numbers.
        epochs : int, default 10
        batch_size : int, default 32
            The last batch may be smaller, and is used. One of a single row joins the batch before, if the model has a
            batch norm, which could not be computed.
        validation_data : (X, y) or (X, y, weight), or batches; optional
            Evaluated on after each epoch.
        auto_evaluation : float in [0, 1), default 0.2
            Without ``validation_data``, hold out this share of the rows: of each class its share, drawn once for the
            life of the model. 0 holds out nothing. With ``shuffle=False`` the last rows. No row that was ever trained
            on is held out.
        early_stopping : int, optional
            Stop when ``monitor`` has not improved, by more than ``min_delta``, for so many epochs.
        monitor : str, optional
            The column that says which epoch is best: by default ``"val_loss"``, or ``"loss"`` without evaluation.
        mode : {"auto", "min", "max"}
            Whether less or more of it is better.
        restore_best : bool, default True
            At the end, on early stopping, Ctrl-C and errors, go back to the best epoch: weights, optimizer, schedule.
        shuffle : bool, default True
            Take the rows in a new order in each epoch.
        sample_weight : array (n,), optional
        class_weight : dict of label to weight, list, or "balanced"; optional
        steps_per_epoch : int, optional
            Batches an epoch, for generators that do not end. Of one that does, training ends with it.
        accumulate : int, default 1
            Step after so many batches, with the gradient of the mean over all their samples.
        clip_norm, clip_value : float, optional
            Largest norm of all gradients together; largest size of an entry. The value is clipped first.
        schedule : optional
            As ``optim.lr_scheduler.CosineAnnealingLR()``, without an optimizer; lengths that are left out become those
            of this training. Or one of the model's optimizer.
        schedule_every : {"epoch", "batch"}, optional
            When it steps. By default every batch for OneCycleLR and CyclicLR, every epoch for others.
        callbacks : sequence of Callback
        verbose : {0, 1, 2}
            Silent; a progress bar; a line an epoch.
        seed : int, optional
            Restarts the model's generator.
        resume : bool, default False
            Go on with the last training, interrupted or saved, up to ``epochs`` in all: the same bits as if it had not
            stopped, given the same data and settings.

        Returns
        -------
        History

        Errors
        ------
        ShapeError, DTypeError, SettingError, IndexRangeError for data or settings that make no sense, and if this model
        is being trained already; nothing has changed then. NonFiniteError when the loss is no number any more.
        """
        options = {name: value for name, value in locals().items() if name not in ("self", "X", "y", "__class__")}
        if isinstance(X, bool):
            defaults: Any = Model.train.__kwdefaults__
            asked = [name for name, value in options.items() if name != "mode" and value is not defaults[name]]
            if asked or y is not None:
                raise TypeError(f"train() lacks X, and has {', '.join(asked) or 'y'}\n  fix: train(X, y, ...)")
            return super().train(mode if isinstance(mode, bool) else X)
        with _beginning:
            if id(self) in _in_training:
                raise SettingError(
                    "this model is being trained: by another thread, or by what called this callback",
                    fix="train a copy, copy.deepcopy(model)",
                )
            _in_training.add(id(self))
        try:
            with drawing_from(self.generator.stream), enable_grad():
                session = fitting.prepare(self, X, y, **options)
                self._session, self.history = session, session.history
                try:
                    return session.run()
                finally:
                    self._session = None
                    self._session_state = session.state()
        finally:
            _in_training.discard(id(self))

    @property
    def session_state(self) -> dict[str, Any] | None:
        """What ``train(resume=True)`` goes on from: the state after the last complete epoch; None before any."""
        return self._session_state if self._session is None else self._session.state()

    def metrics_for(self, targets: Any) -> list[Any]:
        """Fresh metrics: the user's, or those for the task."""
        chosen: list[Any] = automatic(targets.task) if self.metrics is None else list(copy.deepcopy(self.metrics))
        for metric in chosen:
            if targets.task in ("binary", "multiclass"):
                metric.classes = 2 if targets.task == "binary" else targets.shape[0]
        return chosen

    def settled_regularization(self) -> list[Regularization]:
        """With ``"L2"`` understood, now that the optimizer is known."""
        return settled(self.regularization, self.optimizer)

    # --- using ---

    def evaluate(self, X: Any, y: Any = None, *, sample_weight: Any = None, batch_size: int = 256) -> dict[str, float]:
        """The loss and the metrics on data, as a dict; data as :meth:`train` takes them."""
        return fitting.evaluate(self, X, y, sample_weight, batch_size)

    def predict(self, X: Any, *, batch_size: int = 256, out: Any = None) -> Any:
        """Probabilities for losses on classes, values otherwise, as a NumPy array (n, ...).

        Parameters
        ----------
        X : as for :meth:`train`
        batch_size : int, default 256
            Memory is needed for one batch, besides the result.
        out : array (n, ...), optional
            Where to write the result, for example a memmap. It is returned.
        """
        return collected(self, X, batch_size, out, lambda outputs: predicted(self.expect_loss(), outputs))

    def predict_logits(self, X: Any, *, batch_size: int = 256, out: Any = None) -> Any:
        """The outputs as they are; parameters as of :meth:`predict`."""
        return collected(self, X, batch_size, out, to_numpy)

    def predict_classes(self, X: Any, *, batch_size: int = 256, out: Any = None) -> Any:
        """The likeliest label of each sample (n,); parameters as of :meth:`predict`."""
        loss = self.expect_loss()
        targets = self.targets
        if targets is None:
            if self.output_shape is None or loss.kind == "values":
                raise SettingError(f"predict_classes: the loss {loss} is not for classes, or the model is untrained")
            targets = Targets("binary" if loss.kind == "binary" else "labels", self.output_shape)
        elif targets.task == "regression":
            raise SettingError("predict_classes: the model was trained on numbers", fix="use predict")
        known = targets

        def classes(outputs: Any) -> Any:
            return known.labels_of(to_numpy(predicted_classes(loss, known, outputs)))

        return collected(self, X, batch_size, out, classes)

    def expect_parameters(self, fix: str) -> None:
        """Raise SettingError if a layer has none yet."""
        for name, module in self.named_modules():
            if name and getattr(module, "built", True) is False:
                raise SettingError(f"layer {name!r} ({type(module).__name__}) has no weights yet", fix=fix)

    def expect_loss(self) -> ModelLoss:
        """The loss; SettingError without one."""
        if self.loss is None:
            raise SettingError("this Model has no loss", fix="for classes Model(loss=CategoricalCrossEntropy(), ...)")
        loss: ModelLoss = self.loss
        return loss

    # --- looking ---

    def summary(self, input_shape: Any = None, batch_size: int = 32) -> Any:
        """Layer by layer: output shape, parameters, how they start and why, and the memory that a batch takes.

        Parameters
        ----------
        input_shape : the shape of one sample, or a list of them; by default those that the model was built for
        batch_size : int, default 32

        See :func:`training.summary.summary`.
        """
        from tinygrad_mp.training.summary import summary

        return summary(self, input_shape, batch_size)

    def find_learning_rate(self, X: Any, y: Any = None, **options: Any) -> Any:
        """Try learning rates from tiny to huge on some batches, and suggest one; the model stays as it is.

        Options and result are those of :func:`training.rate_finder.find_learning_rate`.
        """
        from tinygrad_mp.training.rate_finder import find_learning_rate

        return find_learning_rate(self, X, y, **options)

    def diagnose(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, class_weight: Any = None, batch_size: int = 256
    ) -> Any:
        """Run some batches, and say what is wrong with the model, its settings or the data, and what helps.

        The model stays as it is. Parameters and result are those of :func:`training.diagnosis.diagnose`.
        """
        from tinygrad_mp.training.diagnosis import diagnose

        weights = {"sample_weight": sample_weight, "class_weight": class_weight}
        return diagnose(self, X, y, **weights, batch_size=batch_size)

    def __getstate__(self) -> dict[str, Any]:
        """Without the training that is under way, and its data: copies go on from its last complete epoch."""
        return {**self.__dict__, "_session": None, "_session_state": self.session_state}

    def extra_repr(self) -> str:
        shown = {name: self.__dict__.get(name) for name in _SETTINGS}
        return "\n".join(f"{name}={_one_line(value)}" for name, value in shown.items() if value not in (None, []))


def _named(layers: Any) -> list[tuple[str, Any]]:
    if isinstance(layers, nn.Module):
        return [("module", layers)]
    if isinstance(layers, Mapping):
        return list(layers.items())
    if not isinstance(layers, (list, tuple)):
        raise TypeError(f"Model takes a list of layers, a dict, or one module, not a {type(layers).__name__}")
    for place, layer in enumerate(layers):
        if isinstance(layer, type):
            raise TypeError(f"Model: layer {place} is the class {layer.__name__}\n  fix: make one: {layer.__name__}()")
        if not isinstance(layer, nn.Module):
            raise TypeError(f"Model: layer {place} is a {type(layer).__name__}, not a Module")
    return [(str(place), layer) for place, layer in enumerate(layers)]


def _example(shape: Any, dtype: Any) -> Any:
    """Two samples of a shape."""
    return zeros((2, *([shape] if isinstance(shape, int) else shape)), dtype=dtype)


def _first_rows(inputs: Any) -> Any:
    """The first two samples of a batch, detached."""
    for value in inputs.values() if isinstance(inputs, dict) else inputs:
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise TypeError(f"a Model is called with tensors, not with a {kind}\n  fix: call predict(X)")
    if isinstance(inputs, dict):
        return {name: value[:2].detach() for name, value in inputs.items()}
    return tuple(value[:2].detach() for value in inputs)


def _one_line(value: Any) -> str:
    if isinstance(value, optim.Optimizer):
        return f"{type(value).__name__}(lr={float(value.param_groups[0]['lr']):g})"
    return repr(value)
