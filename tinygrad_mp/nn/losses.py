"""Losses as modules; the functions, with their formulas, are in :mod:`tinygrad_mp.functional`."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn.module import Module


class _Loss(Module):
    """A loss with ``reduction`` "mean", "sum" or "none". Settings are keyword-only after those of the loss itself."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise SettingError(f'{type(self).__name__}: reduction must be "mean", "sum" or "none", not {reduction!r}')
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """Cross-entropy between logits and targets, class indices or probabilities; see :func:`functional.cross_entropy`.

    Parameters
    ----------
    weight : Tensor (classes,), optional
        A weight for each class; held as a buffer.
    ignore_index : int, default -100
        Targets of this value count nothing.
    reduction : {"mean", "sum", "none"}
    label_smoothing : float in [0, 1], default 0.0

    Shapes
    ------
    input : (classes,) or (n, classes, ...);  target : (), (n, ...) of class indices, or the input's shape

    >>> from tinygrad_mp import nn, tensor
    >>> nn.CrossEntropyLoss()(tensor([[0.0, 0.0]]), tensor([1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        F.check_probability("CrossEntropyLoss", label_smoothing, "label_smoothing")
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log-likelihood of class indices under log-probabilities; see :func:`functional.nll_loss`."""

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of yes-or-no targets under logits; see :func:`functional.binary_cross_entropy_with_logits`.

    ``weight`` and ``pos_weight``, which broadcast to the input, are held as buffers.
    """

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class MSELoss(_Loss):
    """``(input - target)**2``; see :func:`functional.mse_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """``|input - target|``; see :func:`functional.l1_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """Quadratic up to ``delta``, linear beyond; see :func:`functional.huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise SettingError(f"HuberLoss: delta must be positive, not {delta!r}")
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL1Loss(_Loss):
    """Huber's loss divided by its threshold, here ``beta``; see :func:`functional.smooth_l1_loss`."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if not beta >= 0:
            raise SettingError(f"SmoothL1Loss: beta must not be negative, not {beta!r}")
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)
