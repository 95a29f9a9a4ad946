"""Losses that are content once a margin is kept: between two inputs, between classes, between pairs and triplets."""

from collections.abc import Callable
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops.activation import logsigmoid, relu
from tinygrad_mp.ops.distances import pairwise_distance
from tinygrad_mp.ops.elementwise import minimum, sqrt
from tinygrad_mp.ops.gathering import gather
from tinygrad_mp.ops.movement import reshape, unsqueeze
from tinygrad_mp.ops.reducing import reduced, require_tensors, settled
from tinygrad_mp.ops.reduction import mean, sum
from tinygrad_mp.ops.selection import clamp_min, kept, where

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

# --- like or unlike ---------------------------------------------------------------------------------------------------


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1: for distances of like and unlike.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.hinge_embedding_loss(tensor([0.5, 0.5]), tensor([1, -1]), margin=2.0, reduction="none")
    tensor([0.5000, 1.5000])
    """
    require_tensors("hinge_embedding_loss", input=input, target=target)
    reduction = settled("hinge_embedding_loss", reduction, size_average, reduce)
    unlike = where(target != 1, clamp_min(margin - input, 0.0), 0.0)
    return reduced(unlike + where(target != -1, input, 0.0), reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``1 - cosine`` where the target is 1, ``max(0, cosine - margin)`` where it is -1.

    Parameters
    ----------
    input1, input2 : Tensor
        Shape (n, features) or (features,).
    target : Tensor
        Shape (n,) or (): 1 for like, -1 for unlike.
    margin : float, default 0
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    ShapeError if the shapes do not belong together.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.cosine_embedding_loss(tensor([[1.0, 0.0]]), tensor([[0.0, 2.0]]), tensor([1]))
    tensor(1.)
    """
    name = "cosine_embedding_loss"
    require_tensors(name, input1=input1, input2=input2, target=target)
    reduction = settled(name, reduction, size_average, reduce)
    if target.ndim > 1:
        raise ShapeError(f"{name}: a target with 0 or 1 axes is expected, not {target.ndim}")
    if {input1.ndim, input2.ndim} != {target.ndim + 1}:
        raise ShapeError(
            f"{name}: a target with {target.ndim} axes expects inputs with {target.ndim + 1}, "
            f"but they have the shapes {tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    # Added to the squares of the lengths; PyTorch has this number here, and another in cosine_similarity.
    lengths = (sum(input1 * input1, -1) + 1e-12) * (sum(input2 * input2, -1) + 1e-12)
    cosine = sum(input1 * input2, -1) / sqrt(lengths)
    like, unlike = 1 - cosine, clamp_min(cosine - margin, 0.0)
    return reduced(where(target == 1, like, 0.0) + where(target == -1, unlike, 0.0), reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``max(0, -target * (input1 - input2) + margin)``: a target of 1 wants the first larger, -1 the second.

    ShapeError if the numbers of axes differ.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.margin_ranking_loss(tensor([3.0]), tensor([1.0]), tensor([-1]), margin=0.5)
    tensor(2.5000)
    """
    name = "margin_ranking_loss"
    require_tensors(name, input1=input1, input2=input2, target=target)
    reduction = settled(name, reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        shapes = [tuple(one.shape) for one in (input1, input2, target)]
        raise ShapeError(f"{name}: all need the same number of axes, but the shapes are {shapes}")
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0.0), reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``log(1 + exp(-target * input))`` for targets of 1 and -1. ShapeError if the target has another shape.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.soft_margin_loss(tensor([0.0, 2.0]), tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931, 0.1269])
    """
    require_tensors("soft_margin_loss", input=input, target=target)
    reduction = settled("soft_margin_loss", reduction, size_average, reduce)
    products = target * input
    if products.shape != input.shape:
        error = ShapeError("the target needs the shape of the input, or must broadcast to it", fix="reshape the target")
        error.locate("soft_margin_loss", (("input", input), ("target", target)))
        raise error
    return reduced(-logsigmoid(products), reduction)


# --- classes ----------------------------------------------------------------------------------------------------------


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over classes of ``-target * logsigmoid(input) - (1 - target) * logsigmoid(-input)``.

    Parameters
    ----------
    input, target : Tensor
        Shape (n, classes) or (classes,): logits, and 1 for the classes that apply, 0 for others.
    weight : Tensor, optional
        A factor for each class.
    reduction : {"mean", "sum", "none"}
        Of the losses of examples.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.multilabel_soft_margin_loss(tensor([[0.0, 0.0]]), tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """
    require_tensors("multilabel_soft_margin_loss", input=input, target=target)
    reduction = settled("multilabel_soft_margin_loss", reduction, size_average, reduce)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduced(mean(losses if weight is None else losses * weight, dim=-1), reduction)


def _as_rows(name: str, input: Any) -> Any:
    """Scores as (n, classes)."""
    if input.ndim > 2 or (input.ndim and not input.shape[-1]):
        raise ShapeError(f"{name}: scores of shape (n, classes) or (classes,) are needed, not {tuple(input.shape)}")
    return input if input.ndim == 2 else reshape(input, (1, -1))


def _labels(name: str, input: Any, target: Any, shape: tuple[int, ...], low: int, classes: int) -> Any:
    """The raw labels in that shape, in ``[low, classes)``."""
    labels = getattr(target, "array", target)
    error: Any = None
    if labels.dtype != "int64":
        error = DTypeError(f"labels are int64, but the target is {labels.dtype}", fix="convert it: target.long()")
    elif labels.size != xp(labels).empty(shape).size or (target.ndim == len(shape) and tuple(target.shape) != shape):
        error = ShapeError(f"inconsistent target size: {tuple(target.shape)} for input of size {tuple(input.shape)}")
    elif labels.size and not bool((labels.min() >= low) & (labels.max() < classes)):
        error = IndexRangeError(f"the target is out of range: labels run from {low} to {classes - 1}")
    if error is not None:
        error.locate(name, (("input", input), ("target", target)))
        raise error
    return labels.reshape(shape)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum over the other classes of ``max(0, margin - input[target] + input[other])**p``, by the number of classes.

    Parameters
    ----------
    input : Tensor
        Scores, shape (n, classes) or (classes,).
    target : Tensor
        Class indices, int64, shape (n,) or ().
    p : {1, 2}
    margin : float, default 1
    weight : Tensor, optional
        Shape (classes,): a factor for the examples of each class.
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    IndexRangeError for a class out of range, ShapeError for shapes that do not belong together.

    Source: Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines, 2001.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.multi_margin_loss(tensor([[0.1, 0.2, 0.4, 0.8]]), tensor([3]))
    tensor(0.3250)
    """
    name = "multi_margin_loss"
    require_tensors(name, input=input, target=target)
    reduction = settled(name, reduction, size_average, reduce)
    if p not in (1, 2):
        raise SettingError(f"{name}: only p == 1 and p == 2 supported, not {p}")
    if weight is not None and weight.ndim != 1:
        raise ShapeError(f"{name}: weight must be one-dimensional, but it has {weight.ndim} axes")
    rows = _as_rows(name, input)
    count, classes = rows.shape
    labels = _labels(name, input, target, (count,), 0, classes)
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ShapeError(f"{name}: inconsistent weight size, expected {classes} but got {tuple(weight.shape)}")
    gaps = relu(margin - gather(rows, 1, labels[:, None]) + rows)
    losses = kept(gaps if p == 1 else gaps * gaps, xp(labels).arange(classes) != labels[:, None])
    if weight is not None:
        losses = losses * unsqueeze(weight[labels], 1)
    losses = sum(losses, 1) / classes
    return reduced(losses if input.ndim == 2 else reshape(losses, ()), reduction)


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum over pairs of a class that applies and one that does not of ``max(0, 1 - input[yes] + input[no])``, by
    the number of classes.

    Parameters
    ----------
    input : Tensor
        Scores, shape (n, classes) or (classes,).
    target : Tensor
        int64, of the same shape: the classes that apply, and -1 after the last of them.
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    IndexRangeError for a class out of range, ShapeError for shapes that do not belong together.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.multilabel_margin_loss(tensor([[0.1, 0.2, 0.4, 0.8]]), tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """
    name = "multilabel_margin_loss"
    require_tensors(name, input=input, target=target)
    reduction = settled(name, reduction, size_average, reduce)
    rows = _as_rows(name, input)
    labels = _labels(name, input, target, tuple(rows.shape), -1, rows.shape[1])
    module = xp(labels)
    counts = module.cumsum(labels < 0, axis=1) == 0  # what comes after the first -1 counts nothing
    places = module.where(counts, labels, 0)
    applies = ((places[:, :, None] == module.arange(rows.shape[1])) & counts[:, :, None]).any(axis=1)
    gaps = relu(1 - unsqueeze(gather(rows, 1, places), 2) + unsqueeze(rows, 1))
    losses = sum(kept(gaps, counts[:, :, None] & ~applies[:, None, :]), (1, 2)) / rows.shape[1]
    return reduced(losses if input.ndim == 2 else reshape(losses, ()), reduction)


# --- triplets ---------------------------------------------------------------------------------------------------------


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))``, where d is :func:`pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : Tensor
        Shape (n, features) or (features,); they broadcast, but have the same number of axes.
    margin : float, default 1
    p, eps
        As for :func:`pairwise_distance`.
    swap : bool, default False
        Take the smaller of ``d(anchor, negative)`` and ``d(positive, negative)``.
    reduction : {"mean", "sum", "none"}

    Errors
    ------
    ShapeError for different numbers of axes, SettingError for a margin that is not positive.

    Source: Balntas et al., Learning shallow convolutional feature descriptors with triplet losses, 2016.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.triplet_margin_loss(tensor([[0.0]]), tensor([[2.0]]), tensor([[1.5]]))
    tensor(1.5000)
    """
    name = "triplet_margin_loss"
    require_tensors(name, anchor=anchor, positive=positive, negative=negative)
    reduction = settled(name, reduction, size_average, reduce)
    _require_margin(name, margin)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{name}: all need the same number of axes, but anchor has {anchor.ndim}, "
            f"positive {positive.ndim} and negative {negative.ndim}"
        )
    distance = lambda one, other: pairwise_distance(one, other, p, eps)
    return _of_triplets(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """:func:`triplet_margin_loss` with a distance of one's own; by default :func:`pairwise_distance`.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> one, two, four = tensor([1.0]), tensor([2.0]), tensor([4.0])
    >>> F.triplet_margin_with_distance_loss(one, four, two, distance_function=lambda x, y: abs(x - y))
    tensor(3.)
    """
    name = "triplet_margin_with_distance_loss"
    reduction = settled(name, reduction)
    _require_margin(name, margin)
    return _of_triplets(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def _require_margin(name: str, margin: float) -> None:
    if margin <= 0:
        raise SettingError(f"{name}: margin={margin} is not above 0")


def _of_triplets(
    anchor: Any, positive: Any, negative: Any, distance: Callable[[Any, Any], Any], margin: float, swap: bool, by: str
) -> Any:
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(margin + near - far, 0.0), by)
