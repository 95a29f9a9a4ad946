"""What the normalisations share: layouts of groups of entries, what a forward pass leaves for its backward pass, the
calls of the kernels in :mod:`tinygrad_mp.backend.normalizing`, and the same said with recorded operations.

A rule calls the kernels on arrays. On tensors, where a derivative of the rule may be asked for, it computes mean and
variance anew with operations, so that they are differentiated too.
"""

import math
import weakref
from typing import Any, NamedTuple

from tinygrad_mp.backend import contiguous, is_array, xp
from tinygrad_mp.backend import normalizing as kernels
from tinygrad_mp.backend.windows import batch_innermost, batch_last, straightened
from tinygrad_mp.domains import Sampler
from tinygrad_mp.errors import DTypeError, ShapeError, TinygradError
from tinygrad_mp.ops.elementwise import rsqrt, square
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.reduction import mean, require_floating, sum, widened
from tinygrad_mp.ops.residue import Residue

# --- what forward found, for backward ---------------------------------------------------------------------------------


class Moments(Residue):
    """Mean and 1 / standard deviation that a forward pass found, and the sums of a cotangent that backward finds.

    The sums belong to that cotangent, as the moments do to the input.
    """

    __slots__ = ("_sums", "_sums_of", "turned")

    def __init__(self) -> None:
        super().__init__()
        self._sums_of: Any = None
        self._sums: list[Any] = []
        self.turned = False  # the memory of the input has the batch innermost

    def keep_sums(self, g: Any, *sums: Any) -> None:
        """Keep the cotangents of weight and bias that came along with that of the input."""
        self._sums_of, self._sums = weakref.ref(g), list(sums)

    def take_sum(self, g: Any, place: int) -> Any:
        """One of the sums over ``g``, once: it becomes a gradient, which nothing else may share."""
        if self._sums_of is None or self._sums_of() is not g:
            return None
        taken, self._sums[place] = self._sums[place], None
        return taken


class Layout(NamedTuple):
    """How ``x`` is seen: its shape for the kernels, the axes over which to average, and the shape of weight and bias
    beside it."""

    shape: tuple[int, ...]
    dims: tuple[int, ...]
    affine: tuple[int, ...]


def by_channels(shape: tuple[int, ...]) -> Layout:
    """The layout of batch normalisation: (batch, channels, length)."""
    return Layout((shape[0], shape[1], math.prod(shape[2:])), (0, 2), (shape[1], 1))


def by_groups(shape: tuple[int, ...], groups: int) -> Layout:
    """The layout of group normalisation: (batch, groups, channels of each, length)."""
    each = shape[1] // groups
    return Layout((shape[0], groups, each, math.prod(shape[2:])), (2, 3), (groups, each, 1))


def by_rows(shape: tuple[int, ...], axes: int) -> Layout:
    """The layout of layer normalisation over the last ``axes`` axes: (rows, 1, entries, 1)."""
    lead = len(shape) - axes
    size = math.prod(shape[lead:])
    return Layout((math.prod(shape[:lead]), 1, size, 1), (2, 3), (1, size, 1))


# --- on arrays --------------------------------------------------------------------------------------------------------


def _innermost_batch(x: Any) -> bool:
    """Whether the memory of (batch, channels, ...) has the batch innermost: then each channel is one long row."""
    return x.ndim > 1 and not x.flags.c_contiguous and batch_last(x).flags.c_contiguous


def _seen(x: Any, layout: Layout) -> Any:
    """``x`` contiguous, wide enough for sums, and in the shape of the layout."""
    return None if x is None else contiguous(widened(x)).reshape(layout.shape)


def _beside(weight: Any, layout: Layout) -> Any:
    return None if weight is None else widened(weight).reshape(layout.affine)


def _as(like: Any, value: Any) -> Any:
    return value.reshape(like.shape).astype(like.dtype, copy=False)


def _channel_view(x: Any, turned: bool) -> Any:
    """(batch, channels, length) for the kernels; with ``turned``, (1, channels, length * batch)."""
    x = widened(x)
    if turned:
        batch, channels, length = by_channels(x.shape).shape
        x = straightened(x.reshape(batch, channels, 1, length).transpose(1, 2, 3, 0))
        return x.reshape(1, channels, length * batch)
    return contiguous(x).reshape(by_channels(x.shape).shape)


def _channel_room(view: Any, shape: tuple[int, ...], turned: bool) -> tuple[Any, Any]:
    """With ``turned``, memory for a result of the shape in the order of the view, and that as the kernels see it."""
    if not turned:
        return None, None
    result = batch_innermost(view, shape)
    return result, batch_last(result).reshape(view.shape)


def _channel_result(like: Any, value: Any, result: Any) -> Any:
    return _as(like, value) if result is None else result.astype(like.dtype, copy=False)


def raw_channels(x: Any, weight: Any, bias: Any, eps: float, moments: Moments | None) -> Any:
    """Batch normalisation of arrays."""
    turned = _innermost_batch(x)
    view = _channel_view(x, turned)
    middle, variance = kernels.channel_moments(view)
    factor = 1 / xp(x).sqrt(variance + eps)
    if moments is not None:
        moments.keep(x, middle, factor, variance)
        moments.turned = turned
    weight, bias = (None if one is None else widened(one) for one in (weight, bias))
    result, room = _channel_room(view, x.shape, turned)
    value = kernels.standardize_channels(view, middle, factor, weight, bias, room)
    return _channel_result(x, value, result)


def pull_channels(g: Any, x: Any, weight: Any, eps: float, moments: Moments | None) -> tuple[Any, Any, Any]:
    """The cotangents of input, weight and bias of :func:`raw_channels`."""
    turned = _innermost_batch(x)
    view, given = _channel_view(x, turned), _channel_view(g, turned)
    found = None if moments is None else moments.of(x)
    if found is None:
        middle, variance = kernels.channel_moments(view)
        found = (middle, 1 / xp(x).sqrt(variance + eps))
    wide = None if weight is None else widened(weight)
    result, room = _channel_room(view, x.shape, turned)
    pulled, *sums = kernels.pull_channels(given, view, found[0], found[1], wide, room)
    sums = [one.astype(x.dtype, copy=False) for one in sums]
    if moments is not None:
        moments.keep_sums(g, *sums)
    return _channel_result(x, pulled, result), sums[0], sums[1]


def raw_rows(x: Any, weight: Any, bias: Any, layout: Layout, eps: float, centred: bool, moments: Moments | None) -> Any:
    """Layer, group and RMS normalisation of arrays."""
    view = _seen(x, layout)
    out, middle, factor = kernels.standardize_rows(view, _beside(weight, layout), _beside(bias, layout), eps, centred)
    if moments is not None:
        moments.keep(x, middle, factor)
    return _as(x, out)


def pull_rows(
    g: Any, x: Any, weight: Any, layout: Layout, eps: float, centred: bool, moments: Moments | None, affine: Any
) -> tuple[Any, Any, Any]:
    """``affine``: the shape of weight and bias; None if there are none."""
    view = _seen(x, layout)
    found = None if moments is None else moments.of(x)
    if found is None:
        found = kernels.standardize_rows(view, None, None, eps, centred)[1:]
    wide = _beside(weight, layout)
    pulled, *sums = kernels.pull_rows(_seen(g, layout), view, found[0], found[1], wide, affine is not None)
    if affine is not None:
        sums = [one.reshape(affine).astype(x.dtype, copy=False) for one in sums]
        if moments is not None:
            moments.keep_sums(g, *sums)
    return _as(x, pulled), sums[0], sums[1]


# --- recorded ---------------------------------------------------------------------------------------------------------


def _unit(x: Any, dims: tuple[int, ...], eps: float, centred: bool) -> tuple[Any, Any]:
    """``x`` brought to mean 0 and variance 1, and the factor that did the latter, as operations."""
    away = x - mean(x, dims, True) if centred else x
    factor = rsqrt(mean(square(away), dims, True) + eps)
    return away * factor, factor


def composed(x: Any, weight: Any, bias: Any, layout: Layout, eps: float, centred: bool = True) -> Any:
    """The composition that the primitives fuse."""
    unit, _ = _unit(reshape(x, layout.shape), layout.dims, eps, centred)
    if weight is not None:
        unit = unit * reshape(weight, layout.affine)
    if bias is not None:
        unit = unit + reshape(bias, layout.affine)
    return reshape(unit, x.shape)


def recorded_x(g: Any, x: Any, weight: Any, layout: Layout, eps: float, centred: bool = True) -> Any:
    """The cotangent of the input, by operations."""
    g, dims = reshape(g, layout.shape), layout.dims
    unit, factor = _unit(reshape(x, layout.shape), dims, eps, centred)
    if weight is not None:
        g = g * reshape(weight, layout.affine)
    pulled = g - unit * mean(g * unit, dims, True)
    if centred:
        pulled = pulled - mean(g, dims, True)
    return reshape(pulled * factor, x.shape)


def summed(g: Any, layout: Layout, shape: tuple[int, ...]) -> Any:
    """``g`` summed over all that shares an entry of weight and bias."""
    lead = len(layout.shape) - len(layout.affine)
    return reshape(sum(reshape(g, layout.shape), (*range(lead), len(layout.shape) - 1)), shape)


def raw_summed(g: Any, layout: Layout, shape: tuple[int, ...], turned: bool) -> Any:
    """As :func:`summed`, on an array, and in the order of the kernels."""
    if turned:
        view = _channel_view(g, turned)
    else:
        view = contiguous(widened(g)).reshape((layout.shape[0], math.prod(layout.shape[1:-1]), layout.shape[-1]))
    return kernels.total_by_channel(view).reshape(shape).astype(g.dtype, copy=False)


def bias_gradient(g: Any, layout: Layout, moments: Any, shape: tuple[int, ...]) -> Any:
    """The cotangent of a bias, which may be known already."""
    if not is_array(g):
        return summed(g, layout, shape)
    known = None if moments is None else moments.take_sum(g, 1)
    return raw_summed(g, layout, shape, moments is not None and moments.turned) if known is None else known


def recorded_weight(g: Any, x: Any, layout: Layout, eps: float, shape: Any, centred: bool = True) -> Any:
    """The cotangent of the weight, by operations."""
    unit, _ = _unit(reshape(x, layout.shape), layout.dims, eps, centred)
    return summed(reshape(g, layout.shape) * unit, layout, shape)


# --- for the checks ---------------------------------------------------------------------------------------------------


def weight_and_bias(sampler: Sampler, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Weight and bias, both, one or none."""
    weight, bias = sampler.array(shape), sampler.array(shape)
    return sampler.choice(((weight, bias), (weight, None), (None, bias), (None, None)))  # type: ignore[no-any-return]


def settings(sampler: Sampler) -> dict[str, Any]:
    """A number to add to the variance, and whether to keep what forward finds."""
    return {"eps": sampler.choice((0.1, 0.5)), "moments": sampler.choice((None, Moments()))}


# --- checks -----------------------------------------------------------------------------------------------------------


def refuse(error: Any, name: str, input: Any, **others: Any) -> None:
    """Raise ``error`` with a line for each operand."""
    error.locate(name, (("input", input), *others.items()))
    raise error


def require_channels(name: str, input: Any) -> None:
    """Raise ShapeError unless the input has a batch and a channel axis."""
    if input.ndim < 2:
        refuse(
            ShapeError("the input needs a batch and a channel axis", fix="bring it to (n, channels, ...)"), name, input
        )


def check_beside(name: str, input: Any, shape: Any, others: dict[str, Any]) -> None:
    """Weight, bias and running statistics have ``shape``; the former the dtype of the input, which is floating."""
    try:
        require_floating(input)
    except DTypeError as error:
        refuse(error, name, input)
    for word, value in others.items():
        if value is None:
            continue
        if tuple(value.shape) != tuple(shape):
            problem: TinygradError = ShapeError(f"{word} needs shape {tuple(shape)}, not {tuple(value.shape)}")
            refuse(problem, name, input, **{word: value})
        if value.dtype != input.dtype and not word.startswith("running"):
            problem = DTypeError(f"input is {input.dtype}, {word} is {value.dtype}", fix="convert one of them")
            refuse(problem, name, input, **{word: value})
