"""Convolution and pooling of volumes, as compositions of those of images: depth is done beside height and width."""

import operator
from typing import Any

from tinygrad_mp.errors import SettingError, ShapeError, TinygradError
from tinygrad_mp.ops.convolution import conv2d, conv_transpose2d
from tinygrad_mp.ops.gathering import gather
from tinygrad_mp.ops.joining import narrow, pad, stack
from tinygrad_mp.ops.max_pooling import ValuesAndIndices, adaptive_max_pool2d, max_pool2d
from tinygrad_mp.ops.movement import reshape, transpose
from tinygrad_mp.ops.pooling import adaptive_avg_pool2d, avg_pool2d

__all__ = [
    "adaptive_avg_pool3d",
    "adaptive_max_pool3d",
    "avg_pool3d",
    "conv3d",
    "conv_transpose3d",
    "max_pool3d",
]

Triple = tuple[int, int, int]


def triple(name: str, word: str, value: Any, least: int = 1) -> Triple:
    """An int, or a sequence of three, as a tuple of three."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    numbers = tuple(map(operator.index, given * 3 if len(given) == 1 else given))
    if len(numbers) != 3 or min(numbers) < least:
        raise ShapeError(f"{name}: {word} must be an int or three of them, at least {least}, not {value!r}")
    return numbers


# --- convolution ------------------------------------------------------------------------------------------------------


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Every window of a volume times every filter.

    The slices of a window along the depth are joined to channels of images, which :func:`conv2d` then sees.

    Parameters
    ----------
    input : Tensor
        (N, channels, D, H, W) or (channels, D, H, W).
    weight : Tensor
        (filters, channels / groups, depth, height, width).
    bias : Tensor, optional
        (filters,).
    stride, padding, dilation : int or three int, default 1, 0 and 1
        ``padding`` may be ``"valid"`` or, for stride 1, ``"same"``.
    groups : int, default 1

    Errors
    ------
    ShapeError, SettingError or DTypeError if these do not fit together.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.nn import functional as F
    >>> tuple(F.conv3d(ones(2, 3, 5, 6, 7), ones(4, 3, 2, 3, 3), padding=1).shape)
    (2, 4, 6, 6, 7)
    """
    if input.ndim == 4:
        return conv3d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    _check("conv3d", input, weight, weight.shape[1] * groups if weight.ndim == 5 else 0)
    filters, per_group, deep = weight.shape[:3]
    strides, dilations = triple("conv3d", "stride", stride), triple("conv3d", "dilation", dilation)
    reach = dilations[0] * (deep - 1)
    if isinstance(padding, str):
        if padding not in ("same", "valid") or (padding == "same" and set(strides) != {1}):
            raise SettingError(f'conv3d: padding is a number, "valid" or, for stride 1, "same", not {padding!r}')
        before, around = (reach // 2 if padding == "same" else 0), padding
        after = reach - before if padding == "same" else 0
    else:
        before, *rest = triple("conv3d", "padding", padding, 0)
        after, around = before, tuple(rest)  # type: ignore[assignment]
    x = pad(input, (0, 0, 0, 0, before, after)) if before or after else input
    batch, channels, depth, height, width = x.shape
    count = (depth - reach - 1) // strides[0] + 1
    if count < 1:
        raise _located(ShapeError(f"windows reach over {reach + 1} slices, there are {depth}"), "conv3d", input, weight)
    steps = [slice(k * dilations[0], k * dilations[0] + (count - 1) * strides[0] + 1, strides[0]) for k in range(deep)]
    slices = [transpose(x[:, :, step], 1, 2) for step in steps]
    apart = [reshape(one, (batch * count, groups, per_group, height, width)) for one in slices]
    images = reshape(stack(apart, 2), (batch * count, deep * channels, height, width))
    flat = reshape(transpose(weight, 1, 2), (filters, deep * per_group, *weight.shape[3:]))
    out = conv2d(images, flat, bias, strides[1:], around, dilations[1:], groups)
    return transpose(reshape(out, (batch, count, *out.shape[1:])), 1, 2)


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of :func:`conv3d`: every entry of the input adds a multiple of the filters to its window.

    Parameters
    ----------
    input : Tensor
        (N, channels, D, H, W) or (channels, D, H, W).
    weight : Tensor
        (channels, filters / groups, depth, height, width).
    bias, stride, padding, groups, dilation
        As of :func:`conv3d`.
    output_padding : int or three int, default 0
        Added to the size of the result, at its end.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.nn import functional as F
    >>> tuple(F.conv_transpose3d(ones(2, 3, 4, 4, 4), ones(3, 5, 2, 2, 2), stride=2).shape)
    (2, 5, 8, 8, 8)
    """
    name = "conv_transpose3d"
    if input.ndim == 4:
        alone = (weight, bias, stride, padding, output_padding, groups, dilation)
        return conv_transpose3d(input.unsqueeze(0), *alone).squeeze(0)
    _check(name, input, weight, weight.shape[0])
    strides, dilations = triple(name, "stride", stride), triple(name, "dilation", dilation)
    pads, extra = triple(name, "padding", padding, 0), triple(name, "output_padding", output_padding, 0)
    if any(more >= max(step, gap) for more, step, gap in zip(extra, strides, dilations, strict=True)):
        raise ShapeError(f"{name}: output_padding {extra} must be less than stride {strides} or dilation {dilations}")
    batch, channels, depth, height, width = input.shape
    deep, filters = weight.shape[2], weight.shape[1] * groups
    images = reshape(transpose(input, 1, 2), (batch * depth, channels, height, width))
    flat = reshape(weight, (channels, weight.shape[1] * deep, *weight.shape[3:]))
    found = conv_transpose2d(images, flat, None, strides[1:], pads[1:], extra[1:], groups, dilations[1:])
    parts = reshape(found, (batch, depth, filters, deep, *found.shape[2:]))
    size = (depth - 1) * strides[0] + 1
    whole = size - 2 * pads[0] + dilations[0] * (deep - 1) + extra[0]
    out = None
    for k in range(deep):
        first = k * dilations[0] - pads[0]
        spread = _spread(transpose(parts[:, :, :, k], 1, 2), strides[0])
        placed = pad(spread, (0, 0, 0, 0, first, whole - size - first))
        out = placed if out is None else out + placed
    return out if bias is None else out + reshape(bias, (-1, 1, 1, 1))


def _spread(x: Any, stride: int) -> Any:
    """``x`` with ``stride - 1`` slices of zeros between its slices along axis 2."""
    if stride == 1:
        return x
    batch, channels, depth, *image = x.shape
    wide = pad(x.unsqueeze(3), (0, 0, 0, 0, 0, stride - 1))
    return narrow(reshape(wide, (batch, channels, depth * stride, *image)), 2, 0, (depth - 1) * stride + 1)


def _check(name: str, input: Any, weight: Any, channels: int) -> None:
    if input.ndim != 5 or weight.ndim != 5:
        problem = "the input needs 4 or 5 axes, the weight 5"
    elif input.shape[1] != channels:
        problem = f"the input has {input.shape[1]} channels, the weight is for {channels}"
    else:
        return
    raise _located(ShapeError(problem), name, input, weight)


def _located(error: TinygradError, name: str, input: Any, weight: Any) -> TinygradError:
    error.locate(name, (("input", input), ("weight", weight)))
    return error


# --- pooling ----------------------------------------------------------------------------------------------------------


def _as_planes(name: str, input: Any) -> Any:
    """A volume as (volumes, D, H, W): to a pool of images, slices are channels."""
    if input.ndim not in (4, 5):
        raise ShapeError(f"{name}: the input needs 4 or 5 axes, it has shape {tuple(input.shape)}")
    if 0 in input.shape[-4:]:
        raise ShapeError(f"{name}: only the batch may be empty, the input has shape {tuple(input.shape)}")
    return reshape(input, (-1, *input.shape[-3:])) if input.shape[0] else reshape(input, (0, *input.shape[-3:]))


def _as_columns(planes: Any) -> Any:
    """(volumes, D, h, w) as images (volumes, 1, D, h * w): pooled along the depth alone."""
    count, depth, height, width = planes.shape
    return reshape(planes, (count, 1, depth, height * width))


def _together(input: Any, planes: Any, columns: Any) -> Any:
    return reshape(columns, (*input.shape[:-3], columns.shape[2], *planes.shape[2:]))


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of every window of a volume; as :func:`max_pool2d`, for (N, C, D, H, W) or (C, D, H, W).

    Indices are ``(slice * H + row) * W + column``.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn import functional as F
    >>> F.max_pool3d(arange(16.0).reshape(1, 2, 2, 4), 2)
    tensor([[[[13., 15.]]]])
    """
    kernel, pads = triple("max_pool3d", "kernel_size", kernel_size), triple("max_pool3d", "padding", padding, 0)
    strides = kernel if stride is None else triple("max_pool3d", "stride", stride)
    gaps = triple("max_pool3d", "dilation", dilation)
    planes = max_pool2d(
        _as_planes("max_pool3d", input), kernel[1:], strides[1:], pads[1:], gaps[1:], ceil_mode, return_indices
    )
    deep = ((kernel[0], 1), (strides[0], 1), (pads[0], 0), (gaps[0], 1), ceil_mode, return_indices)
    if not return_indices:
        return _together(input, planes, max_pool2d(_as_columns(planes), *deep))
    return _with_indices(input, planes, max_pool2d(_as_columns(planes[0]), *deep))


def _with_indices(input: Any, planes: Any, columns: Any) -> Any:
    """Values, and indices in the volume put together from those in slices and those along the depth."""
    values, inner = planes
    found, outer = columns
    image = values.shape[2] * values.shape[3]
    picked = gather(_as_columns(inner).flatten(1), 1, outer.flatten(1))
    flat = outer.flatten(1).floor_divide(max(image, 1)) * (input.shape[-2] * input.shape[-1]) + picked
    return ValuesAndIndices(_together(input, values, found), _together(input, values, flat.reshape(outer.shape)))


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window of a volume; as :func:`avg_pool2d`, for (N, C, D, H, W) or (C, D, H, W).

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn import functional as F
    >>> F.avg_pool3d(arange(16.0).reshape(1, 2, 2, 4), 2)
    tensor([[[[6.5000, 8.5000]]]])
    """
    kernel, pads = triple("avg_pool3d", "kernel_size", kernel_size), triple("avg_pool3d", "padding", padding, 0)
    strides = kernel if stride is None else triple("avg_pool3d", "stride", stride)
    modes, once = (ceil_mode, count_include_pad), None if divisor_override is None else 1
    planes = avg_pool2d(_as_planes("avg_pool3d", input), kernel[1:], strides[1:], pads[1:], *modes, once)
    deep = ((kernel[0], 1), (strides[0], 1), (pads[0], 0))
    return _together(input, planes, avg_pool2d(_as_columns(planes), *deep, *modes, divisor_override))


def _output_sizes(output_size: Any) -> tuple[Any, Any, Any]:
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * 3
    if len(sizes) != 3:
        raise ShapeError(f"output_size must be an int or three of int or None, not {output_size!r}")
    return sizes


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The means of ``output_size`` windows spread evenly over a volume; as :func:`adaptive_avg_pool2d`.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn import functional as F
    >>> F.adaptive_avg_pool3d(arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5000]]]])
    """
    sizes = _output_sizes(output_size)
    planes = adaptive_avg_pool2d(_as_planes("adaptive_avg_pool3d", input), sizes[1:])
    return _together(input, planes, adaptive_avg_pool2d(_as_columns(planes), (sizes[0], None)))


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The largest entries of ``output_size`` windows spread evenly over a volume; as :func:`adaptive_max_pool2d`.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn import functional as F
    >>> F.adaptive_max_pool3d(arange(8.0).reshape(1, 2, 2, 2), (1, 1, None))
    tensor([[[[6., 7.]]]])
    """
    sizes = _output_sizes(output_size)
    planes = adaptive_max_pool2d(_as_planes("adaptive_max_pool3d", input), sizes[1:], return_indices)
    if not return_indices:
        return _together(input, planes, adaptive_max_pool2d(_as_columns(planes), (sizes[0], None)))
    return _with_indices(input, planes, adaptive_max_pool2d(_as_columns(planes[0]), (sizes[0], None), True))
