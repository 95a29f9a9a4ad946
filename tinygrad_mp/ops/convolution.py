"""Convolution: every window of an image times a weight. Three primitives, each the derivative of the others.

``out = conv2d(x, weight)`` is linear in the image and in the weight. So the gradient to the image is linear in ``out``
and the weight, and the gradient to the weight in the image and ``out``: one trilinear form, seen from three sides. All
derivatives, of any order, are made of these three.
"""

from typing import Any

from tinygrad_mp.backend.correlation import correlate, correlate_weight
from tinygrad_mp.backend.windows import batch_innermost, batch_last
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import DTypeError, ShapeError, TinygradError
from tinygrad_mp.ops.geometry import (
    Pair,
    Sides,
    as_given,
    counted,
    located,
    require_filters,
    require_fit,
    sides_of,
    sizes,
    with_two_axes,
)
from tinygrad_mp.ops.joining import _pad
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.reduction import sum
from tinygrad_mp.ops.window import unfold
from tinygrad_mp.primitive import primitive

# --- public -----------------------------------------------------------------------------------------------------------


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Every window of ``input`` times every filter of ``weight`` (a correlation, as everywhere in deep learning).

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    weight : Tensor
        (out channels, C / groups, kernel height, kernel width).
    bias : Tensor, optional
        (out channels,).
    stride : int or pair of int, default 1
    padding : int, pair of int, "valid" or "same", default 0
        Zeros around the image. "same", for stride 1, keeps its size; where that takes an odd number of zeros, the
        extra one is at the end.
    dilation : int or pair of int, default 1
        Distance between the entries of a window.
    groups : int, default 1
        Channels are split into as many groups, and each filter sees one of them.

    Returns
    -------
    Tensor
        (N, out channels, rows, columns) or without N; rows ``(H + 2 padding - dilation (kernel - 1) - 1) // stride
        + 1``. In memory the batch is the innermost axis, which the next convolution is fastest with.

    Errors
    ------
    ShapeError if sizes do not fit; DTypeError if the dtypes differ; SettingError for an unknown padding.

    Windows are laid out as columns, a part of bounded size at a time, and multiplied. Source: Chellapilla, Puri and
    Simard, High performance convolutional neural networks for document processing, 2006.

    >>> from tinygrad_mp import arange, ones
    >>> from tinygrad_mp.nn.functional import conv2d
    >>> conv2d(arange(9.0).reshape(1, 1, 3, 3), ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return _any_convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """As :func:`conv2d`, along one axis: input (N, C, L) or (C, L), weight (out channels, C / groups, kernel).

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import conv1d
    >>> conv1d(tensor([[1.0, 2.0, 4.0]]), tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2.]])
    """
    return _any_convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv2d`: every entry of ``input`` adds a multiple of the filters to its window.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    weight : Tensor
        (C, out channels / groups, kernel height, kernel width).
    bias : Tensor, optional
        (out channels,).
    stride, padding, dilation : int or pair of int
        Those of the convolution that this one is the transpose of.
    output_padding : int or pair of int, default 0
        Added to the size of the result, at its end: with a stride, several sizes have a convolution of one size. Less
        than the stride or the dilation.
    groups : int, default 1

    Returns
    -------
    Tensor
        (N, out channels, rows, columns) or without N; rows
        ``(H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1``.

    Errors
    ------
    As :func:`conv2d`.

    >>> from tinygrad_mp import tensor, ones
    >>> from tinygrad_mp.nn.functional import conv_transpose2d
    >>> conv_transpose2d(tensor([[[1.0, 2.0]]]), ones(1, 1, 1, 2), stride=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    return _any_transpose("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """As :func:`conv_transpose2d`, along one axis: input (N, C, L) or (C, L), weight (C, out / groups, kernel).

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn.functional import conv_transpose1d
    >>> conv_transpose1d(tensor([[1.0, 2.0]]), tensor([[[1.0, 10.0]]]))
    tensor([[ 1., 12., 20.]])
    """
    return _any_transpose("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


# --- the primitives -------------------------------------------------------------------------------------------------


def _by_unfold(x: Any, weight: Any, bias: Any, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    """What convolution means: windows as columns, times the filters as a matrix."""
    batch, units = x.shape[0], weight.shape[0]
    counts = counted(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    columns = unfold(_pad(x, pad=((0, 0), (0, 0), *padding), value=0.0), tuple(weight.shape[2:]), dilation, 0, stride)
    columns = reshape(columns, (batch, groups, columns.shape[1] // groups, columns.shape[2]))
    matrices = reshape(weight, (groups, units // groups, columns.shape[2]))
    out = reshape(matmul(matrices, columns), (batch, units, *counts))
    return out if bias is None else out + reshape(bias, (units, 1, 1))


def _geometry_case(sampler: Any) -> tuple[Any, Any, dict[str, Any]]:
    """The shapes of an image and a weight, and parameters."""
    kernel, dilation, stride = (tuple(sampler.integer(1, high) for _ in range(2)) for high in (3, 2, 3))
    padding = tuple((sampler.integer(0, 2), sampler.integer(0, 2)) for _ in range(2))
    least = (1 + dilation[axis] * (kernel[axis] - 1) - padding[axis][0] - padding[axis][1] for axis in range(2))
    size = tuple(max(one, 1) + sampler.integer(0, 3) for one in least)
    groups = sampler.integer(1, 2)
    channels, units = sampler.integer(1, 2), groups * sampler.integer(1, 2)
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (sampler.integer(0, 3), groups * channels, *size), (units, channels, *kernel), params


def _conv_case(sampler: Any) -> Any:
    shape, weight, params = _geometry_case(sampler)
    bias = sampler.array(weight[:1]) if sampler.integer(0, 1) else None
    return (sampler.array(shape), sampler.array(weight), bias), params


def _out_shape(shape: Any, weight: Any, params: dict[str, Any]) -> tuple[int, ...]:
    counts = counted(shape[2:], weight[2:], params["stride"], params["padding"], params["dilation"])
    return (shape[0], weight[0], *counts)


def _input_case(sampler: Any) -> Any:
    shape, weight, params = _geometry_case(sampler)
    y = sampler.array(_out_shape(shape, weight, params))
    return (y, sampler.array(weight)), {"size": shape[2:], **params}


def _weight_case(sampler: Any) -> Any:
    shape, weight, params = _geometry_case(sampler)
    y = sampler.array(_out_shape(shape, weight, params))
    return (sampler.array(shape), y), {"size": weight[2:], **params}


def _x_of_conv(g: Any, weight: Any, x_shape: Any, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    return _conv2d_input(g, weight, size=x_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups)


def _weight_of_conv(
    g: Any, x: Any, weight_shape: Any, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Any:
    return _conv2d_weight(x, g, size=weight_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups)


def _y_of_input(g: Any, weight: Any, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    return _conv2d(g, weight, None, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _weight_of_input(
    g: Any, y: Any, weight_shape: Any, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Any:
    return _conv2d_weight(g, y, size=weight_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups)


def _x_of_weight(g: Any, y: Any, x_shape: Any, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    return _conv2d_input(y, g, size=x_shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups)


def _y_of_weight(g: Any, x: Any, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    return _conv2d(x, g, None, stride=stride, padding=padding, dilation=dilation, groups=groups)


@primitive(
    x=_x_of_conv,
    weight=_weight_of_conv,
    bias=lambda g: sum(g, (0, 2, 3)),
    promotes=None,
    cases=_conv_case,
    reference=_by_unfold,
)
def _conv2d(x: Real, weight: Real, bias: Real, *, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    """(N, C, H, W), (O, C / groups, \\*kernel), (O,) or None -> (N, O, rows, columns)."""
    _require_one_dtype(x, weight, bias)
    counts = counted(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    out = batch_innermost(x, (x.shape[0], weight.shape[0], *counts))
    filters = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    offset = padding[0][0], padding[1][0]
    correlate(batch_last(x), filters, bias, batch_last(out), offset=offset, stride=stride, dilation=dilation)
    return out


@primitive(y=_y_of_input, weight=_weight_of_input, promotes=None, linear=True, cases=_input_case)
def _conv2d_input(
    y: Real, weight: Real, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int
) -> Any:
    """Gradient to the image of ``size`` from the cotangent ``y`` of the result.

    Entries of the image that are a stride apart meet the same entries of the filters. They are one correlation of ``y``
    with these entries, turned around; so there are as many correlations as strides, and nothing is added into place.
    """
    _require_one_dtype(y, weight)
    units, channels, tall, wide = weight.shape
    filters = weight.reshape(groups, units // groups, channels, tall, wide).swapaxes(1, 2)
    out = batch_innermost(y, (y.shape[0], groups * channels, *size))
    image, y = batch_last(out), batch_last(y)
    across = _phases(size[1], wide, stride[1], padding[1][0], dilation[1])
    for places_down, taps_down, offset_down, dilation_down in _phases(
        size[0], tall, stride[0], padding[0][0], dilation[0]
    ):
        for places, taps, offset, step in across:
            part, chosen = image[:, places_down, places], filters[:, :, :, taps_down, taps]
            if chosen.size and y.size:
                correlate(y, chosen, None, part, offset=(offset_down, offset), dilation=(dilation_down, step))
            else:
                part[...] = 0
    return out


def _phases(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[tuple[slice, slice, int, int]]:
    """Along one axis: places of the image a stride apart, the entries of the filter they meet, turned around, and the
    offset and dilation of their correlation."""
    phases = []
    for phase in range(min(stride, size)):
        tap = next((tap for tap in range(kernel) if (phase + padding - tap * dilation) % stride == 0), None)
        if tap is None:
            phases.append((slice(phase, None, stride), slice(0, 0), 0, 1))
            continue
        step = next(step for step in range(1, stride + 1) if step * dilation % stride == 0)  # between such entries
        count = (kernel - 1 - tap) // step + 1
        last = tap + (count - 1) * step
        window = (phase + padding - tap * dilation) // stride  # the last one that the first of these places is in
        apart = step * dilation // stride
        taps = slice(last, tap - step if tap >= step else None, -step)
        phases.append((slice(phase, None, stride), taps, (count - 1) * apart - window, apart))
    return phases


@primitive(x=_x_of_weight, y=_y_of_weight, promotes=None, linear=True, cases=_weight_case)
def _conv2d_weight(x: Real, y: Real, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair, groups: int) -> Any:
    """Gradient to filters of ``size`` from the image and the cotangent ``y`` of the result."""
    _require_one_dtype(x, y)
    offset = padding[0][0], padding[1][0]
    filters = correlate_weight(
        batch_last(x), batch_last(y), size, groups, offset=offset, stride=stride, dilation=dilation
    )
    return filters.reshape(-1 if filters.size else y.shape[0], *filters.shape[2:])


def _require_one_dtype(*arrays: Any) -> None:
    dtypes = [array.dtype for array in arrays if array is not None]
    if any(dtype != dtypes[0] for dtype in dtypes):
        raise DTypeError(
            f"the dtypes differ: {', '.join(map(str, dtypes))}",
            fix="convert one of them, for example x.to(weight.dtype)",
        )


# --- one axis or two --------------------------------------------------------------------------------------------------


def _any_convolution(
    name: str, axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    """conv1d and conv2d: check, bring to two axes and a batch, call the primitive."""
    try:
        groups = require_filters(axes, tuple(x.shape), tuple(weight.shape), bias, groups, transposed=False)
        stride, dilation = sizes("stride", stride, axes, 1), sizes("dilation", dilation, axes, 1)
        image, filters = with_two_axes(x, axes), with_two_axes(weight, axes)
        size, kernel = image.shape[2:], filters.shape[2:]
        sides = sides_of(padding, axes, kernel, stride, dilation)
        require_fit(axes, size, kernel, stride, sides, dilation)
    except TinygradError as error:
        raise located(error, name, x, weight, bias) from None
    out = _conv2d(image, filters, bias, stride=stride, padding=sides, dilation=dilation, groups=groups)
    return as_given(out, axes, len(x.shape))


def _any_transpose(
    name: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Any:
    """conv_transpose1d and conv_transpose2d, likewise."""
    try:
        groups = require_filters(axes, tuple(x.shape), tuple(weight.shape), bias, groups, transposed=True)
        stride, dilation = sizes("stride", stride, axes, 1), sizes("dilation", dilation, axes, 1)
        (top, left), (more_down, more_across) = (
            sizes(word, value, axes, 0) for word, value in (("padding", padding), ("output_padding", output_padding))
        )
        if more_down >= max(stride[0], dilation[0]) or more_across >= max(stride[1], dilation[1]):
            raise ShapeError(f"output_padding {output_padding!r} must be less than the stride or the dilation")
        # Cropping the extra at the end makes the convolution's number of windows that of the input again.
        sides = (top, top - more_down), (left, left - more_across)
        image, filters = with_two_axes(x, axes), with_two_axes(weight, axes)
        kernel = filters.shape[2:]
        size = tuple(
            [
                (image.shape[2 + i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - sides[i][0] - sides[i][1]
                for i in (0, 1)
            ]
        )
        if min(image.shape[2:]) < 1 or min(size) < 1:
            raise ShapeError(f"the result would have the size {size[2 - axes :]}", fix="use less padding")
    except TinygradError as error:
        raise located(error, name, x, weight, bias) from None
    out = _conv2d_input(image, filters, size=size, stride=stride, padding=sides, dilation=dilation, groups=groups)
    return as_given(out if bias is None else out + reshape(bias, (-1, 1, 1)), axes, len(x.shape))
