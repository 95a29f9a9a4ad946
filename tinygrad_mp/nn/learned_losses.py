"""Losses that hold what turns features into logits, and learn it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tinygrad_mp import functional as F
from tinygrad_mp.errors import IndexRangeError, SettingError, ShapeError
from tinygrad_mp.nn.containers import ModuleList, Sequential
from tinygrad_mp.nn.layers import Linear
from tinygrad_mp.nn.losses import WeightedLoss
from tinygrad_mp.nn.module import Module
from tinygrad_mp.ops.joining import cat


class LinearCrossEntropyLoss(WeightedLoss):
    """A linear layer and the cross-entropy of its logits; see :func:`functional.linear_cross_entropy`.

    Parameters
    ----------
    in_features, num_classes : int
    out_features : tuple of int, default ()
        Axes of targets of one row, where a row has several.
    bias : bool, default False
    device, dtype : optional
        Of the parameters.
    reduction : {"mean", "sum", "none"}
    weight : Tensor (num_classes,), optional
        A weight for each class; held as a buffer.
    ignore_index : int, optional
        Targets of this class index count nothing; -100 if it is not given.
    label_smoothing : float in [0, 1], default 0.0
    options : None
        PyTorch's ways to compute it in pieces are not offered: UnsupportedError.

    Shapes
    ------
    input : (in_features,) or (n, in_features)
    target : () or (n, *out_features) of class indices; or (num_classes,) or (n, num_classes, *out_features)
    linear.weight : (num_classes * prod(out_features), in_features)

    >>> from tinygrad_mp import nn, randn, tensor
    >>> nn.LinearCrossEntropyLoss(5, 10)(randn(2, 5), tensor([3, 7])).shape
    Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ShapeError(f"LinearCrossEntropyLoss: weight must have shape {(num_classes,)}, not {weight.shape}")
        F.check_probability("LinearCrossEntropyLoss", label_smoothing, "label_smoothing")
        F.check_no_options("LinearCrossEntropyLoss", options)
        super().__init__(weight=weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, out_features
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, device, dtype)
        self.options = options

    def forward(self, input: Any, target: Any) -> Any:
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes},"
            f" out_features={self.out_features}, bias={self.linear.bias is not None}, reduction={self.reduction},"
            f" ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, options={self.options}"
        )


class _ASMoutput(NamedTuple):
    """What :class:`AdaptiveLogSoftmaxWithLoss` gives."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over very many classes that spends little on rare ones; classes are sorted, the most frequent first.

    The classes before the first cutoff, and one for each cluster of later classes, share a first softmax, the head.
    Each cluster has a softmax of its own on fewer features, and only those with a target in the batch are computed.

    Parameters
    ----------
    in_features, n_classes : int
    cutoffs : sequence of int
        Increasing, from 1 to ``n_classes - 1``: where clusters begin.
    div_value : float, default 4.0
        Cluster ``i``, from 1 on, works on ``in_features // div_value**i`` features.
    head_bias : bool, default False
    device, dtype : optional
        Of the parameters.

    Shapes
    ------
    input : (n, in_features) or (in_features,);  target : (n,) or (), class indices
    output, the log-probability of each target : (n,) or ();  loss, minus their mean : ()

    Errors
    ------
    SettingError for cutoffs out of order or range; ShapeError; IndexRangeError for a target out of range.

    Source: Grave et al., Efficient softmax approximation for GPUs, 2017.

    >>> from tinygrad_mp import nn, randn, tensor
    >>> softmax = nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 30])
    >>> output, loss = softmax(randn(3, 16), tensor([2, 99, 11]))
    >>> output.shape, softmax.log_prob(randn(3, 16)).shape
    (Size([3]), Size([3, 100]))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        whole = [int(cutoff) for cutoff in cutoffs]
        if not cutoffs or whole != cutoffs or any(low >= high for low, high in pairwise([0, *whole, n_classes])):
            raise SettingError(
                f"AdaptiveLogSoftmaxWithLoss: cutoffs must be increasing whole numbers from 1 to {n_classes - 1},"
                f" at least one, not {cutoffs}"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*whole, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = whole[0]
        self.n_clusters = len(whole)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for number, (start, stop) in enumerate(pairwise(self.cutoffs), 1):
            features = int(in_features // div_value**number)
            self.tail.append(
                Sequential(
                    Linear(in_features, features, False, device, dtype),
                    Linear(features, stop - start, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw new values."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1 or input_.shape[:-1] != target_.shape:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss takes an input (n, {self.in_features}) and a target (n,), or"
                f" ({self.in_features},) and (); these are {tuple(input_.shape)} and {tuple(target_.shape)}"
            )
        if target_.ndim == 0:
            output, loss = self.forward(input_.unsqueeze(0), target_.unsqueeze(0))
            return _ASMoutput(output.squeeze(0), loss)
        if target_.shape[0] and not bool(((target_ >= 0) & (target_ < self.n_classes)).all()):
            lowest, highest = target_.min().item(), target_.max().item()
            raise IndexRangeError(
                f"AdaptiveLogSoftmaxWithLoss: targets must be from 0 to {self.n_classes - 1},"
                f" and these are from {lowest} to {highest}"
            )
        entry = target_  # of the head: a class of the shortlist, or the target's cluster
        output = input_.new_zeros(target_.shape[0])
        for number, (start, stop) in enumerate(pairwise(self.cutoffs)):
            rows = ((target_ >= start) & (target_ < stop)).nonzero().squeeze(1)
            if rows.shape[0]:
                within = F.log_softmax(self.tail[number](input_[rows]), 1)
                own = within.gather(1, (target_[rows] - start).unsqueeze(1)).squeeze(1)
                output = output.index_copy(0, rows, own)
                entry = entry.index_fill(0, rows, self.shortlist_size + number)
        head = F.log_softmax(self.head(input_), 1)
        output = output + head.gather(1, entry.unsqueeze(1)).squeeze(1)
        return _ASMoutput(output, -output.mean())

    def log_prob(self, input: Any) -> Any:
        """The log-probabilities of all classes: (n, in_features) -> (n, n_classes)."""
        return self._log_prob(input, self.head(input))

    def _log_prob(self, input: Any, logits: Any) -> Any:
        head = F.log_softmax(logits, 1)
        parts = [head[:, : self.shortlist_size]]
        for number, tail in enumerate(self.tail, self.shortlist_size):
            parts.append(F.log_softmax(tail(input), 1) + head[:, number : number + 1])
        return cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """The most probable class of each row: (n, in_features) -> (n,), int64.

        Clusters are computed only for rows whose most probable entry of the head is one.
        """
        logits = self.head(input)
        best = logits.argmax(1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        if not rows.shape[0]:
            return best
        return best.index_copy(0, rows, self._log_prob(input[rows], logits[rows]).argmax(1))
