"""Losses of a :class:`Model`: on logits, with a weight for each sample, and with the predictions that belong to them.

>>> import tinygrad_mp as tg
>>> loss = tg.training.CategoricalCrossEntropy()
>>> loss(tg.tensor([[100.0, 0.0]]), tg.tensor([1]))  # of a logit gap of 100: exact, not cut off
tensor(100.)
>>> loss.predictions(tg.tensor([[0.0, 0.0]]))
tensor([[0.5000, 0.5000]])
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from tinygrad_mp import functional as F
from tinygrad_mp import nn
from tinygrad_mp.creation import as_tensor
from tinygrad_mp.errors import SettingError, ShapeError, UnsupportedError
from tinygrad_mp.tape import TensorBase

Kind = Literal["classes", "binary", "values"]


class ModelLoss(nn.Module):
    """Base: a subclass writes :meth:`each`, and :meth:`predictions` unless the outputs are the predictions.

    ``kind`` says what the targets are: ``"classes"``, labels of which each sample has one; ``"binary"``, a label with
    two values, or several; ``"values"``, numbers.
    """

    kind: Kind = "values"

    def each(self, outputs: Any, targets: Any) -> Any:
        """The loss of each sample, (n,)."""
        raise NotImplementedError(f"{type(self).__name__} has no each method")

    def mean(self, outputs: Any, targets: Any) -> Any:
        """The mean of :meth:`each`; to be overridden where there is a shorter way to it."""
        return self.each(outputs, targets).mean()

    def forward(self, outputs: Any, targets: Any, weight: Any = None) -> Any:
        """The mean over samples; with ``weight`` (n,), their sum weighted by it, over the sum of the weights."""
        self.expect_outputs(outputs.shape[1:])
        weight = self.weights(targets, weight)
        if weight is None:
            return self.mean(outputs, targets)
        return (self.each(outputs, targets) * weight).sum() / weight.sum()

    def expect_outputs(self, shape: Sequence[int]) -> None:
        """Raise ShapeError if the loss cannot take outputs with this shape of one sample."""

    def weights(self, targets: Any, weight: Any) -> Any:
        """The weight of each sample, from its own; None where all are alike."""
        return weight

    def mass(self, batch: Any) -> float:
        """What a batch counts for in a mean over batches: the sum of the weights of its samples."""
        weight = self.weights(batch.targets, batch.weight)
        return batch.mass if weight is batch.weight else float(weight.sum())  # of weights that are not rounded

    def predictions(self, outputs: Any) -> Any:
        """What ``Model.predict`` gives: probabilities, or the outputs themselves."""
        return outputs


def _over_samples(entries: Any) -> Any:
    """The mean over all axes but the first."""
    return entries if entries.ndim == 1 else entries.flatten(1).mean(dim=1)


class CategoricalCrossEntropy(ModelLoss):
    """Cross-entropy between logits (n, classes, ...) and classes, through log-sum-exp.

    Parameters
    ----------
    label_smoothing : float in [0, 1], default 0.0
        This share of each target is spread evenly over all classes. Source: Szegedy et al., Rethinking the Inception
        architecture, 2016, section 7.
    temperature : float above 0, default 1.0
        Divides the logits, here and in :meth:`predictions`. Source: Hinton et al., Distilling the knowledge, 2015.
    class_weight : sequence of float (classes,), optional
        How much samples of each class weigh, in training and evaluation. ``Model.train(class_weight=...)`` takes labels
        and ``"balanced"`` too, and is for training only.

    Targets: class indices (n, ...), or a probability for each class, in the outputs' shape.

    >>> from tinygrad_mp import tensor
    >>> CategoricalCrossEntropy()(tensor([[0.0, 0.0]]), tensor([[0.5, 0.5]]))
    tensor(0.6931)
    """

    kind = "classes"

    def __init__(
        self, label_smoothing: float = 0.0, temperature: float = 1.0, class_weight: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        F.check_probability("CategoricalCrossEntropy", label_smoothing, "label_smoothing")
        if not temperature > 0:
            raise SettingError(f"CategoricalCrossEntropy: temperature must be above 0, not {temperature!r}")
        self.label_smoothing, self.temperature = label_smoothing, temperature
        self.class_weight = None if class_weight is None else [float(one) for one in class_weight]
        if self.class_weight is not None and not all(0 <= one < math.inf for one in self.class_weight):
            raise SettingError(f"CategoricalCrossEntropy: class_weight must be at least 0, not {class_weight!r}")

    def expect_outputs(self, shape: Sequence[int]) -> None:
        if self.class_weight is not None and tuple(shape[:1]) != (len(self.class_weight),):
            raise ShapeError(
                f"class_weight has {len(self.class_weight)} entries, the outputs have shape (n, "
                f"{', '.join(map(str, shape))})",
                fix="give one weight for each class",
            )

    def weights(self, targets: Any, weight: Any) -> Any:
        if self.class_weight is None:
            return weight
        if targets.dtype.kind == "f":
            own = targets.movedim(1, -1) @ as_tensor(self.class_weight, dtype=targets.dtype, device=targets.device)
        else:
            own = as_tensor(self.class_weight, device=targets.device)[targets]
        own = _over_samples(own)
        return own if weight is None else own * weight

    def _reduced(self, outputs: Any, targets: Any, reduction: str) -> Any:
        logits = outputs if self.temperature == 1 else outputs / self.temperature
        return F.cross_entropy(logits, targets, reduction=reduction, label_smoothing=self.label_smoothing)

    def each(self, outputs: Any, targets: Any) -> Any:
        return _over_samples(self._reduced(outputs, targets, "none"))

    def mean(self, outputs: Any, targets: Any) -> Any:
        return self._reduced(outputs, targets, "mean")

    def predictions(self, outputs: Any) -> Any:
        return F.softmax(outputs if self.temperature == 1 else outputs / self.temperature, dim=1)

    def extra_repr(self) -> str:
        shown = f"label_smoothing={self.label_smoothing}, temperature={self.temperature}"
        return shown if self.class_weight is None else f"{shown}, class_weight={self.class_weight}"


class BinaryCrossEntropy(ModelLoss):
    """Cross-entropy between logits and labels of two values, 0 and 1, or probabilities of 1; of one shape.

    Parameters
    ----------
    label_smoothing : float in [0, 1], default 0.0
        Moves the targets by this share towards 1/2.

    >>> from tinygrad_mp import tensor
    >>> BinaryCrossEntropy()(tensor([1000.0, -1000.0]), tensor([1.0, 1.0]))
    tensor(500.)
    """

    kind = "binary"

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        F.check_probability("BinaryCrossEntropy", label_smoothing, "label_smoothing")
        self.label_smoothing = label_smoothing

    def _reduced(self, outputs: Any, targets: Any, reduction: str) -> Any:
        if self.label_smoothing:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction=reduction)

    def each(self, outputs: Any, targets: Any) -> Any:
        return _over_samples(self._reduced(outputs, targets, "none"))

    def mean(self, outputs: Any, targets: Any) -> Any:
        return self._reduced(outputs, targets, "mean")

    def predictions(self, outputs: Any) -> Any:
        return F.sigmoid(outputs)

    def extra_repr(self) -> str:
        return f"label_smoothing={self.label_smoothing}"


class _OfValues(ModelLoss):
    function: Callable[..., Any]

    def _settings(self) -> dict[str, Any]:
        return {}

    def each(self, outputs: Any, targets: Any) -> Any:
        return _over_samples(type(self).function(outputs, targets, reduction="none", **self._settings()))

    def mean(self, outputs: Any, targets: Any) -> Any:
        return type(self).function(outputs, targets, **self._settings())


class MSE(_OfValues):
    """The mean squared error, over all entries.

    >>> from tinygrad_mp import tensor
    >>> MSE()(tensor([[1.0, 2.0]]), tensor([[1.0, 4.0]]))
    tensor(2.)
    """

    function = staticmethod(F.mse_loss)


class MAE(_OfValues):
    """The mean absolute error, over all entries.

    >>> from tinygrad_mp import tensor
    >>> MAE()(tensor([[1.0, 2.0]]), tensor([[1.0, 4.0]]))
    tensor(1.)
    """

    function = staticmethod(F.l1_loss)


class Huber(_OfValues):
    """Half the squared error where it is below ``delta``, and straight lines beyond, so that outliers pull less.

    Parameters
    ----------
    delta : float above 0, default 1.0

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> from tinygrad_mp import tensor
    >>> Huber()(tensor([[0.0]]), tensor([[3.0]]))
    tensor(2.5000)
    """

    function = staticmethod(F.huber_loss)

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        if not delta > 0:
            raise SettingError(f"Huber: delta must be above 0, not {delta!r}")
        self.delta = delta

    def _settings(self) -> dict[str, Any]:
        return {"delta": self.delta}

    def extra_repr(self) -> str:
        return f"delta={self.delta}"


class OtherLoss(ModelLoss):
    """Any callable ``loss(outputs, targets)``: one of ``nn``'s, or a function of the user's.

    What it takes for targets, and what its predictions are, is known for ``nn``'s; a function takes values, and its
    predictions are the outputs.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """From the class of ``nn``'s loss."""
        if isinstance(self.function, (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss)):
            return "classes"
        return "binary" if isinstance(self.function, (nn.BCEWithLogitsLoss, nn.BCELoss)) else "values"

    def mean(self, outputs: Any, targets: Any) -> Any:
        found = self.function(outputs, targets)
        if not isinstance(found, TensorBase) or found.array.size != 1:
            what = f"a tensor of shape {found.array.shape}" if isinstance(found, TensorBase) else repr(found)
            raise SettingError(
                f"the loss {_name_of(self.function)} gives {what:.60}: a tensor with one entry is wanted",
                fix="give the mean over the batch",
            )
        return found

    def each(self, outputs: Any, targets: Any) -> Any:
        if getattr(self.function, "reduction", None) is None:
            raise UnsupportedError(
                f"a weight for each sample with the loss {_name_of(self.function)}, which gives one number for all",
                fix="use a loss of tinygrad_mp.training or tinygrad_mp.nn, or leave the weights out",
            )
        one_by_one = copy.copy(self.function)
        one_by_one.reduction = "none"  # type: ignore[attr-defined]
        return _over_samples(one_by_one(outputs, targets))

    def predictions(self, outputs: Any) -> Any:
        if isinstance(self.function, nn.CrossEntropyLoss):
            return F.softmax(outputs, dim=1)
        if isinstance(self.function, nn.NLLLoss):
            return outputs.exp()
        return F.sigmoid(outputs) if isinstance(self.function, nn.BCEWithLogitsLoss) else outputs


LOSSES: dict[str, type[ModelLoss]] = {
    "categorical_cross_entropy": CategoricalCrossEntropy,
    "binary_cross_entropy": BinaryCrossEntropy,
    "mse": MSE,
    "mae": MAE,
    "huber": Huber,
}
"""By name, for ``Model(loss="mse")``."""

_MODULES: dict[Any, type[nn.Module]] = {
    F.cross_entropy: nn.CrossEntropyLoss,
    F.nll_loss: nn.NLLLoss,
    F.multi_margin_loss: nn.MultiMarginLoss,
    F.binary_cross_entropy: nn.BCELoss,
    F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss,
}
"""What functions that take labels are as modules, of which more is known."""


def as_loss(loss: Any) -> ModelLoss:
    """A loss of this module, from one, from a name, or from any callable."""
    if isinstance(loss, ModelLoss):
        return loss
    if isinstance(loss, str):
        if loss not in LOSSES:
            near = difflib.get_close_matches(loss.lower(), LOSSES, n=1, cutoff=0.4)
            known = ", ".join(map(repr, LOSSES))
            raise SettingError(
                f"Model: unknown loss {loss!r}", fix=f"use {repr(near[0]) if near else 'one of these'}: {known}"
            )
        return LOSSES[loss]()
    if isinstance(loss, type):
        raise SettingError(f"Model: the loss is the class {loss.__name__}", fix=f"make one: {loss.__name__}()")
    if callable(loss):
        return OtherLoss(_MODULES[loss]() if loss in _MODULES else loss)
    raise SettingError(
        f"Model: a loss is wanted, not {loss!r:.60}", fix="for classes CategoricalCrossEntropy(), for numbers MSE()"
    )


def _name_of(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)
