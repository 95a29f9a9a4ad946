"""Losses, computed on logits where there are any: cross-entropy and its kin, and losses between numbers.

Every loss takes ``reduction``: "mean", "sum" or "none". Shapes must agree exactly: a target of shape (n,) against an
input of shape (n, 1) would broadcast to (n, n) and train on nonsense, so it raises.
"""

import math
from typing import Any

import numpy

from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.ops.activation import logsigmoid
from tinygrad_mp.ops.class_losses import class_losses
from tinygrad_mp.ops.elementwise import abs, square
from tinygrad_mp.ops.gathering import gather
from tinygrad_mp.ops.movement import reshape, squeeze, unsqueeze
from tinygrad_mp.ops.reducing import reduced, settled
from tinygrad_mp.ops.reduction import mean, sum
from tinygrad_mp.ops.residue import residue_for
from tinygrad_mp.ops.selection import clamp, kept
from tinygrad_mp.ops.softmax import log_softmax

_INT64, _UINT64 = numpy.dtype("int64"), numpy.dtype("uint64")

# --- classes ----------------------------------------------------------------------------------------------------------


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Minus the log-probability that ``softmax(input)`` gives the target.

    Parameters
    ----------
    input : Tensor
        Logits, shape (classes,), (n, classes) or (n, classes, ...).
    target : Tensor
        Class indices, integer, of the input's shape without its class axis; or probabilities, floating, of the input's
        shape.
    weight : Tensor, optional
        Shape (classes,): what an example of each class counts.
    ignore_index : int, default -100
        Examples with this index count nothing. Class indices only.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the sum of the weights of the examples that count, as PyTorch does; probabilities, by their
        number.
    label_smoothing : float in [0, 1], default 0.0
        The share of each target that is spread evenly over the classes (Szegedy et al., Rethinking the Inception
        Architecture, 2016, section 7).

    Errors
    ------
    IndexRangeError for a class index out of range, ShapeError for shapes that do not belong together, DTypeError for
    logits that are not floating, SettingError for an unknown reduction.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.cross_entropy(tensor([[0.0, 0.0], [100.0, 0.0]]), tensor([1, 0]))
    tensor(0.3466)
    """
    name = "cross_entropy"
    reduction = settled(name, reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise SettingError(f"{name}: label_smoothing must lie in [0, 1], not {label_smoothing}")
    axis = _class_axis(name, input, target, weight)
    if target.dtype.kind == "f":
        if ignore_index >= 0:
            raise SettingError(
                f"{name}: ignore_index={ignore_index} beside a target of probabilities", fix="leave it out"
            )
        return _soft_cross_entropy(input, target, weight, axis, reduction, label_smoothing)
    labels, counted = _read_labels(name, input, target, axis, ignore_index)
    if weight is None and counted is None and not label_smoothing and input.ndim == 2:
        fused = reduction if labels.size and input.dtype.itemsize > 2 else "none"  # sums of float16 need care
        losses = class_losses(input, labels, reduction=fused, residue=residue_for(input))
        return losses if fused == reduction else reduced(losses, reduction)
    return _label_losses(log_softmax(input, axis), labels, weight, axis, counted, reduction, label_smoothing)


def _soft_cross_entropy(input: Any, target: Any, weight: Any, axis: int, reduction: str, smoothing: float) -> Any:
    if target.shape != input.shape:
        raise _mismatch("cross_entropy", "probabilities need the shape of the logits", input, target)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[axis]
    logs = log_softmax(input, axis)
    if weight is not None:
        logs = logs * _along_classes(weight, logs, axis)
    losses = -sum(logs * target, dim=axis)
    return reduced(losses, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """Minus the log-probability in ``input`` of the class that ``target`` names.

    Parameters
    ----------
    input : Tensor
        Log-probabilities, shape (classes,), (n, classes) or (n, classes, ...), as ``log_softmax`` gives them.
    target : Tensor
        Class indices, integer, of the input's shape without its class axis.
    weight, ignore_index, reduction
        As for :func:`cross_entropy`.

    Errors
    ------
    Those of :func:`cross_entropy`.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.nll_loss(tensor([[-1.0, -2.0], [-3.0, -4.0]]), tensor([0, 1]))
    tensor(2.5000)
    """
    name = "nll_loss"
    reduction = settled(name, reduction, size_average, reduce)
    axis = _class_axis(name, input, target, weight)
    labels, counted = _read_labels(name, input, target, axis, ignore_index)
    return _label_losses(input, labels, weight, axis, counted, reduction, 0.0)


def _label_losses(
    logs: Any, labels: Any, weight: Any, axis: int, counted: Any, reduction: str, smoothing: float
) -> Any:
    """Minus the log-probabilities at ``labels``, an array; 0 where ``counted``, if given, is False."""
    places = labels if counted is None else labels * counted
    factor = None if weight is None else weight[places]
    losses = -squeeze(gather(logs, axis, unsqueeze(places, axis)), axis)
    if factor is not None:
        losses = losses * factor
    if smoothing:
        spread = -sum(logs if weight is None else logs * _along_classes(weight, logs, axis), dim=axis)
        losses = losses * (1 - smoothing) + spread * (smoothing / logs.shape[axis])
    if counted is not None:
        losses = kept(losses, counted)
    if reduction != "mean":
        return reduced(losses, reduction)
    if not labels.size or (counted is not None and not counted.any()):
        return sum(losses) + math.nan  # the mean of nothing; its gradient is zero, as in PyTorch
    if factor is None:
        return mean(losses) if counted is None else sum(losses) / int(counted.sum())
    return sum(losses) / sum(factor if counted is None else kept(factor, counted))


def _class_axis(name: str, input: Any, target: Any, weight: Any) -> int:
    """Where the classes of the logits lie, once it is sure that they have them and that ``weight`` fits them."""
    _check_tensors(name, input, target)
    if input.ndim == 0:
        raise ShapeError(f"{name}: the input has no class axis", fix="give it shape (classes,) or (n, classes, ...)")
    if input.dtype not in FLOATING:
        raise DTypeError(f"{name}: logits must be floating, not {input.dtype}", fix="input.float()")
    axis = 0 if input.ndim == 1 else 1
    if weight is not None:
        if tuple(weight.shape) != (input.shape[axis],):
            problem = f"the weight needs shape ({input.shape[axis]},), one for each class"
            raise _located(ShapeError(problem, fix="check its shape"), name, input, weight, "weight")
        if weight.dtype != input.dtype:
            problem = f"the weight must have the dtype of the input, {input.dtype}, not {weight.dtype}"
            raise _located(DTypeError(problem, fix="weight.to(input.dtype)"), name, input, weight, "weight")
    return axis


def _read_labels(name: str, input: Any, target: Any, axis: int, ignore_index: int) -> tuple[Any, Any]:
    """The class indices as an int64 array, and a boolean array of which of them count: None if all do.

    They have the input's shape without its class axis, an integer dtype, and lie in range unless they are ignored.
    """
    expected = input.shape[:axis] + input.shape[axis + 1 :]
    if target.dtype.kind not in "iu":
        wanted = "class indices (integers)" + (" nor probabilities (floating)" if name == "cross_entropy" else "")
        problem = f"a target of {target.dtype} holds {'neither' if 'nor' in wanted else 'no'} {wanted}"
        raise _located(DTypeError(problem, fix="target.long()"), name, input, target)
    if target.shape != expected:
        raise _mismatch(name, f"class indices need shape {tuple(expected)}", input, target)
    labels = getattr(target, "array", target)
    if labels.dtype != _INT64:
        labels = labels.astype(_INT64)
    classes = input.shape[axis]
    all_in_range = not labels.size or bool(labels.view(_UINT64).max() < classes)  # negative ones are huge there
    if all_in_range and not 0 <= ignore_index < classes:
        return labels, None
    counted = labels != ignore_index
    outside = ((labels < 0) | (labels >= classes)) & counted
    if not all_in_range and bool(outside.any()):
        place = tuple(int(axis_places[0]) for axis_places in outside.nonzero()) if outside.ndim else ()
        error = IndexRangeError(
            f"class label {int(labels[place])} at {place} is out of range: there are {classes} classes",
            fix=f"labels run from 0 to {classes - 1}; ignore_index is {ignore_index}",
        )
        raise _located(error, name, input, target)
    return labels, None if bool(counted.all()) else counted


def _along_classes(weight: Any, like: Any, axis: int) -> Any:
    return reshape(weight, tuple(-1 if place == axis else 1 for place in range(like.ndim)))


# --- two classes ------------------------------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """``-target * log(sigmoid(input)) - (1 - target) * log(1 - sigmoid(input))``, stable for logits of any size.

    Parameters
    ----------
    input, target : Tensor
        Logits and probabilities of the same shape.
    weight : Tensor, optional
        A factor for each entry; broadcasts.
    pos_weight : Tensor, optional
        A factor for the first term; broadcasts. Above 1 it favours recall.
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    ShapeError if the shapes differ, SettingError for an unknown reduction.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.binary_cross_entropy_with_logits(tensor([0.0, 1000.0]), tensor([1.0, 1.0]))
    tensor(0.3466)
    """
    name = "binary_cross_entropy_with_logits"
    reduction = settled(name, reduction, size_average, reduce)
    _check_same_shape(name, input, target)
    present = logsigmoid(input)
    factor = None if pos_weight is None else (pos_weight - 1) * target + 1
    losses = (1 - target) * input - (present if factor is None else factor * present)
    return reduced(losses if weight is None else losses * weight, reduction)


# --- numbers ----------------------------------------------------------------------------------------------------------


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """``(input - target)**2``. ShapeError if the shapes differ; ``weight`` has the same shape too.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.mse_loss(tensor([1.0, 2.0]), tensor([0.0, 0.0]))
    tensor(2.5000)
    """
    return _between("mse_loss", square, input, target, size_average, reduce, reduction, weight)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """``|input - target|``. ShapeError if the shapes differ; ``weight`` has the same shape too.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.l1_loss(tensor([1.0, 2.0]), tensor([0.0, 0.0]))
    tensor(1.5000)
    """
    return _between("l1_loss", abs, input, target, size_average, reduce, reduction, weight)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Half the squared difference up to ``delta``, then linear.

    ShapeError if the shapes differ; ``weight`` has the same shape too. "mean" is the mean of the weighted losses, as in
    PyTorch, while :func:`mse_loss` and :func:`l1_loss` divide by the sum of the weights.

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.huber_loss(tensor([0.5, 3.0]), tensor([0.0, 0.0]), reduction="none")
    tensor([0.1250, 2.5000])
    """
    if not delta > 0:
        raise SettingError(f"huber_loss: delta must be positive, not {delta}")
    reduction = settled("huber_loss", reduction)
    losses = _between("huber_loss", lambda gap: _huber(gap, delta), input, target, None, None, "none", weight)
    return reduced(losses, reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """``huber_loss(delta=beta) / beta``; the absolute difference for ``beta=0``.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.smooth_l1_loss(tensor([0.5, 3.0]), tensor([0.0, 0.0]), reduction="none", beta=0.5)
    tensor([0.2500, 2.7500])
    """
    if beta < 0:
        raise SettingError(f"smooth_l1_loss: beta must not be negative, it is {beta}")
    loss = (lambda gap: _huber(gap, beta) / beta) if beta else abs
    return _between("smooth_l1_loss", loss, input, target, size_average, reduce, reduction, None)


def _huber(gap: Any, delta: float) -> Any:
    inner = clamp(gap, -delta, delta)  # its square is the quadratic part, the rest of the gap the linear one
    return inner * (gap - inner * 0.5)


def _between(
    name: str, loss: Any, input: Any, target: Any, size_average: Any, reduce: Any, reduction: str, weight: Any
) -> Any:
    reduction = settled(name, reduction, size_average, reduce)
    _check_same_shape(name, input, target)
    losses = loss(input - target)
    if weight is None:
        return reduced(losses, reduction)
    if weight.shape != losses.shape:
        raise _mismatch(name, "the weight needs the shape of the input", input, weight, "weight")
    weighted = losses * weight
    return sum(weighted) / sum(weight) if reduction == "mean" else reduced(weighted, reduction)


# --- shared -----------------------------------------------------------------------------------------------------------


def _check_same_shape(name: str, input: Any, target: Any) -> None:
    _check_tensors(name, input, target)
    if input.shape != target.shape:
        raise _mismatch(name, "the target needs the shape of the input", input, target)


def _check_tensors(name: str, input: Any, target: Any) -> None:
    for role, value in (("input", input), ("target", target)):
        if not hasattr(value, "dtype"):
            raise DTypeError(f"{name}: the {role} is {type(value).__name__}, no tensor", fix="tinygrad_mp.tensor(...)")


def _mismatch(name: str, problem: str, input: Any, other: Any, role: str = "target") -> TinygradError:
    reshaped = f"{role}.reshape({tuple(input.shape)})"
    same_size = math.prod(input.shape) == math.prod(other.shape)
    hint = f"reshape it, for example {reshaped}" if same_size else "check the two shapes"
    return _located(ShapeError(problem, fix=hint), name, input, other, role)


def _located(error: TinygradError, name: str, input: Any, other: Any, role: str = "target") -> TinygradError:
    error.locate(name, (("input", input), (role, other)))
    return error
