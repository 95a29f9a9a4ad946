"""Losses, computed on logits where there are any: softmax, cross-entropy and its kin, and losses between numbers.

Every loss takes ``reduction``: "mean", "sum" or "none". Shapes must agree exactly: a target of shape (n,) against an
input of shape (n, 1) would broadcast to (n, n) and train on nonsense, so it raises.
"""

from typing import Any

from tinygrad_mp.backend import is_array, xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.ops.activation import softplus
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.elementwise import abs, exp, square
from tinygrad_mp.ops.gathering import gather, one_hot
from tinygrad_mp.ops.movement import reshape, squeeze, unsqueeze
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import mean, sum
from tinygrad_mp.ops.selection import clamp
from tinygrad_mp.primitive import primitive

# --- softmax ----------------------------------------------------------------------------------------------------------


def _softmax_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    return (sampler.array(shape),), {"dim": sampler.integer(0, len(shape) - 1)}


def _softmax_rule(g: Any, out: Any, dim: int) -> Any:
    weighted = g * out
    return weighted - out * sum(weighted, dim=dim, keepdim=True)


@primitive(promotes="floating", cases=_softmax_case, x=_softmax_rule)
def _softmax(x: Real, *, dim: int) -> Any:
    powers = xp(x).exp(_below_maximum(x, dim))
    powers /= powers.sum(axis=dim, keepdims=True)
    return powers


@primitive(
    promotes="floating",
    cases=_softmax_case,
    x=lambda g, out, dim: g - exp(out) * sum(g, dim=dim, keepdim=True),
)
def _log_softmax(x: Real, *, dim: int) -> Any:
    below = _below_maximum(x, dim)
    below -= xp(x).log(xp(x).exp(below).sum(axis=dim, keepdims=True))
    return below


def _below_maximum(x: Any, dim: int) -> Any:
    """``x`` less its maximum along ``dim``, which keeps every power at most 1; a slice of -inf stays -inf."""
    if x.shape[dim] == 0:
        return x.copy()
    top = x.max(axis=dim, keepdims=True)
    return x - xp(x).where(xp(x).isfinite(top), top, xp(x).zeros_like(top))


def _axis_of(input: Any, dim: Any) -> int:
    # Without dim, PyTorch takes axis 0 of 0-d, 1-d and 3-d inputs and axis 1 of the others, and warns. Say it instead.
    if dim is None:
        raise SettingError("softmax along which axis?", fix="pass dim=, often -1")
    return one_axis(dim, input.ndim)


def softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """``exp(input)`` divided by its sum along ``dim``; stable for logits of any size.

    Shape of ``input``; its dtype, or ``dtype``, to which it is cast first. SettingError without ``dim``.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1000.0]).softmax(-1)
    tensor([0., 1.])
    """
    return _along(_softmax, input, dim, dtype)


def log_softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """``log(softmax(input, dim))``, exact where softmax itself underflows.

    Shape of ``input``; its dtype, or ``dtype``, to which it is cast first. SettingError without ``dim``.

    >>> from tinygrad_mp import tensor
    >>> tensor([0.0, 1000.0]).log_softmax(-1)
    tensor([-1000.,     0.])
    """
    return _along(_log_softmax, input, dim, dtype)


def _along(call: Any, input: Any, dim: Any, dtype: Any) -> Any:
    axis = _axis_of(input, dim)
    if dtype is not None:
        input = to_dtype(input, dtype)
    if input.ndim == 0:
        return reshape(call(reshape(input, (1,)), dim=0), ())
    return call(input, dim=axis)


# --- classes ----------------------------------------------------------------------------------------------------------


def _class_losses_case(sampler: Sampler) -> Any:
    count, classes = sampler.integer(0, 4), sampler.integer(1, 4)
    return (sampler.array((count, classes)), sampler.indices((count,), classes)), {}


def _minus_log_softmax_at(x: Any, labels: Any) -> Any:
    """The composition that :func:`_class_losses` fuses."""
    return -squeeze(gather(_log_softmax(x, dim=1), 1, unsqueeze(labels, 1)), 1)


def _class_losses_rule(g: Any, x: Any, labels: Any) -> Any:
    wrong = _softmax(x, dim=1) - to_dtype(one_hot(labels, x.shape[1]), x.dtype)
    return unsqueeze(g, 1) * wrong


@primitive(
    promotes=None,
    cases=_class_losses_case,
    reference=_minus_log_softmax_at,
    x=_class_losses_rule,
    labels=None,
)
def _class_losses(x: Real, labels: Any) -> Any:
    """The cross-entropy of each row of logits, shape (n, classes), with its label, shape (n,)."""
    module = xp(x)
    below = _below_maximum(x, 1)
    at_label = below[module.arange(x.shape[0]), labels]
    return module.log(module.exp(below).sum(axis=1)) - at_label


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
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
    _check_reduction(name, size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise SettingError(f"{name}: label_smoothing must lie in [0, 1], not {label_smoothing}")
    axis = _class_axis(name, input)
    if target.dtype.kind == "f":
        return _soft_cross_entropy(input, target, weight, axis, reduction, label_smoothing)
    _check_labels(name, input, target, axis, ignore_index)
    if weight is None and not label_smoothing and input.ndim == 2:
        counted = _counted(target, ignore_index)
        if counted is None:
            return _reduced(_class_losses(input, target), reduction)
    logs = log_softmax(input, axis)
    if not label_smoothing:
        return nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    losses = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction="none")
    spread = -sum(logs if weight is None else logs * _along_classes(weight, logs, axis), dim=axis)
    counted = _counted(target, ignore_index)
    if counted is not None:
        spread = spread * to_dtype(counted, spread.dtype)
    losses = losses * (1 - label_smoothing) + spread * (label_smoothing / logs.shape[axis])
    if reduction != "mean":
        return _reduced(losses, reduction)
    return sum(losses) / _total_weight(target, weight, ignore_index, losses)


def _soft_cross_entropy(input: Any, target: Any, weight: Any, axis: int, reduction: str, smoothing: float) -> Any:
    if target.shape != input.shape:
        raise _mismatch("cross_entropy", "probabilities need the shape of the logits", input, target)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[axis]
    logs = log_softmax(input, axis)
    if weight is not None:
        logs = logs * _along_classes(weight, logs, axis)
    losses = -sum(logs * target, dim=axis)
    return _reduced(losses, reduction)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
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
    _check_reduction(name, size_average, reduce, reduction)
    axis = _class_axis(name, input)
    _check_labels(name, input, target, axis, ignore_index)
    counted = _counted(target, ignore_index)
    labels = target if counted is None else target * to_dtype(counted, target.dtype)
    losses = -squeeze(gather(input, axis, unsqueeze(to_dtype(labels, "int64"), axis)), axis)
    if weight is not None:
        losses = losses * weight[labels]
    if counted is not None:
        losses = losses * to_dtype(counted, losses.dtype)
    if reduction != "mean" or (weight is None and counted is None):
        return _reduced(losses, reduction)
    return sum(losses) / _total_weight(target, weight, ignore_index, losses)


def _class_axis(name: str, input: Any) -> int:
    if input.ndim == 0:
        raise ShapeError(f"{name}: the input has no class axis", fix="give it shape (classes,) or (n, classes, ...)")
    if input.dtype not in FLOATING:
        raise DTypeError(f"{name}: logits must be floating, not {input.dtype}", fix="input.float()")
    return 0 if input.ndim == 1 else 1


def _check_labels(name: str, input: Any, target: Any, axis: int, ignore_index: int) -> None:
    """Class indices have the input's shape without its class axis, an integer dtype, and lie in range."""
    expected = input.shape[:axis] + input.shape[axis + 1 :]
    if target.dtype.kind not in "iu":
        problem = f"a target of {target.dtype} holds neither class indices (integers) nor probabilities (floating)"
        raise _located(DTypeError(problem, fix="target.long()"), name, input, target)
    if target.shape != expected:
        raise _mismatch(name, f"class indices need shape {tuple(expected)}", input, target)
    labels = target.array if hasattr(target, "array") else target
    classes = input.shape[axis]
    outside = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
    if bool(outside.any()):
        place = tuple(int(axis_places[0]) for axis_places in outside.nonzero()) if outside.ndim else ()
        error = IndexRangeError(
            f"class label {int(labels[place])} at {place} is out of range: there are {classes} classes",
            fix=f"labels run from 0 to {classes - 1}; ignore_index is {ignore_index}",
        )
        raise _located(error, name, input, target)


def _counted(target: Any, ignore_index: int) -> Any:
    """Which examples count, as a boolean array; None if all do."""
    labels = target.array if hasattr(target, "array") else target
    counted = labels != ignore_index
    return None if bool(counted.all()) else counted


def _total_weight(target: Any, weight: Any, ignore_index: int, losses: Any) -> Any:
    """The sum of the weights of the examples that count: what "mean" divides by."""
    counted = _counted(target, ignore_index)
    if weight is None:
        return xp(counted).count_nonzero(counted).astype(losses.dtype) if counted is not None else losses.numel()
    raw = weight.array if hasattr(weight, "array") else weight
    labels = target.array if hasattr(target, "array") else target
    chosen = raw[labels if counted is None else labels * counted]
    return (chosen if counted is None else chosen * counted.astype(chosen.dtype)).sum().astype(losses.dtype)


def _along_classes(weight: Any, like: Any, axis: int) -> Any:
    return reshape(weight, tuple(-1 if place == axis else 1 for place in range(like.ndim)))


# --- two classes ------------------------------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
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
    _check_reduction(name, size_average, reduce, reduction)
    _check_same_shape(name, input, target)
    missing = softplus(-input)  # -log(sigmoid(input))
    factor = None if pos_weight is None else (pos_weight - 1) * target + 1
    losses = (1 - target) * input + (missing if factor is None else factor * missing)
    return _reduced(losses if weight is None else losses * weight, reduction)


# --- numbers ----------------------------------------------------------------------------------------------------------


def mse_loss(
    input: Any, target: Any, size_average: None = None, reduce: None = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """``(input - target)**2``. ShapeError if the shapes differ; ``weight`` has the same shape too.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.mse_loss(tensor([1.0, 2.0]), tensor([0.0, 0.0]))
    tensor(2.5000)
    """
    return _between("mse_loss", square, input, target, size_average, reduce, reduction, weight)


def l1_loss(
    input: Any, target: Any, size_average: None = None, reduce: None = None, reduction: str = "mean", weight: Any = None
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

    Source: Huber, Robust estimation of a location parameter, 1964.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.huber_loss(tensor([0.5, 3.0]), tensor([0.0, 0.0]), reduction="none")
    tensor([0.1250, 2.5000])
    """
    if not delta > 0:
        raise SettingError(f"huber_loss: delta must be positive, not {delta}")
    return _between("huber_loss", lambda gap: _huber(gap, delta), input, target, None, None, reduction, weight)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
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
    name: str, loss: Any, input: Any, target: Any, size_average: None, reduce: None, reduction: str, weight: Any
) -> Any:
    _check_reduction(name, size_average, reduce, reduction)
    _check_same_shape(name, input, target)
    losses = loss(input - target)
    if weight is None:
        return _reduced(losses, reduction)
    if weight.shape != losses.shape:
        raise _mismatch(name, "the weight needs the shape of the input", input, weight)
    weighted = losses * weight
    return sum(weighted) / sum(weight) if reduction == "mean" else _reduced(weighted, reduction)


# --- shared -----------------------------------------------------------------------------------------------------------


def _reduced(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return mean(losses)
    return sum(losses) if reduction == "sum" else losses


def _check_reduction(name: str, size_average: Any, reduce: Any, reduction: str) -> None:
    if size_average is not None or reduce is not None:
        raise SettingError(f"{name}: size_average and reduce are gone", fix='use reduction="mean", "sum" or "none"')
    if reduction not in ("mean", "sum", "none"):
        raise SettingError(f"{name}: unknown reduction {reduction!r}", fix='use "mean", "sum" or "none"')


def _check_same_shape(name: str, input: Any, target: Any) -> None:
    if input.shape != target.shape:
        raise _mismatch(name, "the target needs the shape of the input", input, target)


def _mismatch(name: str, problem: str, input: Any, target: Any) -> TinygradError:
    fix = f"reshape the target, for example target.reshape({tuple(input.shape)})"
    hint = fix if is_array(getattr(target, "array", target)) and _same_size(input, target) else "check the two shapes"
    return _located(ShapeError(problem, fix=hint), name, input, target)


def _same_size(input: Any, target: Any) -> bool:
    return bool(getattr(input, "array", input).size == getattr(target, "array", target).size)


def _located(error: TinygradError, name: str, input: Any, target: Any) -> TinygradError:
    error.locate(name, (("input", input), ("target", target)))
    return error
