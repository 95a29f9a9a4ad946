"""Windows that slide over images: their entries as columns (im2col), columns added back (col2im)."""

import operator
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.windows import inside
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import ShapeError, TinygradError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.primitive import primitive

Pair = tuple[int, int]

# --- public -----------------------------------------------------------------------------------------------------------


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of images as columns (im2col).

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    kernel_size, dilation, padding, stride : int or pair of int
        Size of the window, distance between its entries, zeros around the image, distance between windows; for height
        and width. Defaults 1, 0 and 1.

    Returns
    -------
    Tensor
        (N, C * kernel height * kernel width, L) or without N; L windows, row by row, each with its channels in order
        and, within a channel, its entries row by row.

    Errors
    ------
    ShapeError if ``input`` has another number of axes, or the window does not fit into the padded image.

    >>> from tinygrad_mp import arange
    >>> from tinygrad_mp.nn.functional import unfold
    >>> unfold(arange(6.0).reshape(1, 2, 3), 2)
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    kernel, dilation, padding, stride = _geometry("unfold", input, kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4):
        problem = ShapeError(f"input must have the axes (N, C, H, W) or (C, H, W), not {input.ndim}")
        raise _located(problem, "unfold", input)
    shape = tuple(input.shape)
    counts = _counts(shape[-2:], kernel, dilation, padding, stride)
    if min(counts) < 1:
        raise _located(_does_not_fit(shape[-2:], kernel, dilation, padding), "unfold", input)
    x = input if len(shape) == 4 else reshape(input, (1, *shape))
    columns = _unfold(x, kernel=kernel, dilation=dilation, padding=padding, stride=stride)
    return columns if len(shape) == 4 else reshape(columns, tuple(columns.shape[1:]))


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Columns added back into images (col2im): what windows share adds up. The transpose of :func:`unfold`.

    Parameters
    ----------
    input : Tensor
        (N, C * kernel height * kernel width, L) or without N, as :func:`unfold` returns it.
    output_size : int or pair of int
        Height and width of the images.
    kernel_size, dilation, padding, stride : int or pair of int
        As for :func:`unfold`.

    Returns
    -------
    Tensor
        (N, C, H, W) or (C, H, W).

    Errors
    ------
    ShapeError if the second axis is no multiple of the window's size, or L is not the number of windows.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.nn.functional import fold, unfold
    >>> fold(unfold(ones(1, 2, 3), 2), (2, 3), 2)
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """
    kernel, dilation, padding, stride = _geometry("fold", input, kernel_size, dilation, padding, stride)
    size = _pair("fold", input, "output_size", output_size, 1)
    if input.ndim not in (2, 3):
        problem = ShapeError(f"input must have the axes (N, columns, windows) or (columns, windows), not {input.ndim}")
        raise _located(problem, "fold", input)
    shape = tuple(input.shape)
    rows, columns = _counts(size, kernel, dilation, padding, stride)
    if min(rows, columns) < 1:
        raise _located(_does_not_fit(size, kernel, dilation, padding), "fold", input)
    if shape[-2] % (kernel[0] * kernel[1]):
        problem = ShapeError(
            f"the columns have {shape[-2]} entries, which is no multiple of the window's {kernel[0]} x {kernel[1]}"
        )
        raise _located(problem, "fold", input)
    if shape[-1] != rows * columns:
        problem = ShapeError(
            f"there are {shape[-1]} windows, but an image of {size[0]} x {size[1]} has {rows} x {columns} = "
            f"{rows * columns}",
            fix="pass the output_size, kernel_size, dilation, padding and stride that made the columns",
        )
        raise _located(problem, "fold", input)
    x = input if len(shape) == 3 else reshape(input, (1, *shape))
    images = _fold(x, size=size, kernel=kernel, dilation=dilation, padding=padding, stride=stride)
    return images if len(shape) == 3 else reshape(images, tuple(images.shape[1:]))


def unfold_dim(input: Any, dimension: int, size: int, step: int) -> Any:
    """The windows along one axis; ``Tensor.unfold(dimension, size, step)`` of PyTorch, but a copy, not a view.

    Parameters
    ----------
    input : Tensor
    dimension : int
    size : int
        Of a window; at most that of the axis.
    step : int
        Distance between windows, at least 1.

    Returns
    -------
    Tensor
        Shape of ``input`` with the number of windows along ``dimension``, and an axis of ``size`` appended.

    Errors
    ------
    ShapeError if the window does not fit or ``step`` is less than 1.

    >>> from tinygrad_mp import arange
    >>> arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    dim = one_axis(dimension, input.ndim)
    shape = tuple(input.shape)
    size, step, length = operator.index(size), operator.index(step), shape[dim] if shape else 1
    if not 0 <= size <= length:
        raise _located(ShapeError(f"a window of size {size} does not fit axis {dim} of size {length}"), "unfold", input)
    if step < 1:
        raise _located(ShapeError(f"the step must be at least 1, not {step}"), "unfold", input)
    if not shape:
        return reshape(input, (1,) * size or (0,))
    return _unfold_dim(input, dim=dim, size=size, step=step)


# --- the primitives -------------------------------------------------------------------------------------------------


def _window_case(sampler: Any) -> Any:
    kernel, dilation, padding, stride = (
        tuple(sampler.integer(low, high) for _ in range(2)) for low, high in ((1, 3), (1, 2), (0, 2), (1, 3))
    )
    least = (1 + dilation[axis] * (kernel[axis] - 1) - 2 * padding[axis] for axis in range(2))
    image = tuple(max(size, 1) + sampler.integer(0, 3) for size in least)
    shape = (sampler.integer(0, 2), sampler.integer(1, 2), *image)
    return (sampler.array(shape),), {"kernel": kernel, "dilation": dilation, "padding": padding, "stride": stride}


def _fold_case(sampler: Any) -> Any:
    (x,), params = _window_case(sampler)
    rows, columns = _counts(x.shape[2:], *params.values())
    shape = (x.shape[0], x.shape[1] * params["kernel"][0] * params["kernel"][1], rows * columns)
    return (sampler.array(shape),), {"size": x.shape[2:], **params}


def _fold_back(g: Any, x_shape: Any, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    return _fold(g, size=x_shape[2:], kernel=kernel, dilation=dilation, padding=padding, stride=stride)


def _unfold_back(g: Any, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    return _unfold(g, kernel=kernel, dilation=dilation, padding=padding, stride=stride)


@primitive(x=_fold_back, linear=True, cases=_window_case)
def _unfold(x: Real, *, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    """Windows of (N, C, H, W) as columns (N, C * kernel, L): one copy out of a view that repeats entries."""
    module = xp(x)
    batch, channels, height, width = x.shape
    rows, columns = _counts((height, width), kernel, dilation, padding, stride)
    if padding != (0, 0):
        top, left = padding
        padded = module.zeros((batch, channels, height + 2 * top, width + 2 * left), dtype=x.dtype)
        padded[:, :, top : top + height, left : left + width] = x
        x = padded
    shape = (batch, channels, *kernel, rows, columns)
    by_batch, by_channel, by_row, by_column = x.strides
    strides = (
        *(by_batch, by_channel, by_row * dilation[0], by_column * dilation[1]),
        *(by_row * stride[0], by_column * stride[1]),
    )
    windows = module.empty(shape, dtype=x.dtype)  # filled rather than copied: it must never share memory with x
    windows[...] = module.lib.stride_tricks.as_strided(x, shape, strides)
    return windows.reshape(batch, channels * kernel[0] * kernel[1], rows * columns)


@primitive(x=_unfold_back, linear=True, cases=_fold_case)
def _fold(x: Real, *, size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    """Columns (N, C * kernel, L) added into (N, C, H, W): for each entry of the window, one strided sum."""
    rows, columns = _counts(size, kernel, dilation, padding, stride)
    batch, channels = x.shape[0], x.shape[1] // (kernel[0] * kernel[1])
    windows = x.reshape(batch, channels, *kernel, rows, columns)
    images = xp(x).zeros((batch, channels, *size), dtype=x.dtype)
    across = [inside(j * dilation[1] - padding[1], stride[1], size[1], columns) for j in range(kernel[1])]
    for i in range(kernel[0]):
        from_rows, to_rows = inside(i * dilation[0] - padding[0], stride[0], size[0], rows)
        for j, (from_columns, to_columns) in enumerate(across):
            images[:, :, to_rows, to_columns] += windows[:, :, i, j, from_rows, from_columns]
    return images


def _unfold_dim_case(sampler: Any) -> Any:
    shape = sampler.shape(min_dims=1, max_dims=2, min_side=3, max_side=6)
    dim = sampler.integer(0, len(shape) - 1)
    params = {"dim": dim, "size": sampler.integer(0, shape[dim]), "step": sampler.integer(1, 3)}
    return (sampler.array(shape),), params


def _fold_dim_case(sampler: Any) -> Any:
    (x,), params = _unfold_dim_case(sampler)
    count = (x.shape[params["dim"]] - params["size"]) // params["step"] + 1
    shape = (*x.shape[: params["dim"]], count, *x.shape[params["dim"] + 1 :], params["size"])
    return (sampler.array(shape),), {"length": x.shape[params["dim"]], **params}


@primitive(
    x=lambda g, x_shape, dim, size, step: _fold_dim(g, length=x_shape[dim], dim=dim, size=size, step=step),
    linear=True,
    cases=_unfold_dim_case,
)
def _unfold_dim(x: Real, *, dim: int, size: int, step: int) -> Any:
    """Windows of ``size`` along ``dim``, on a new last axis."""
    shape = (*x.shape[:dim], (x.shape[dim] - size) // step + 1, *x.shape[dim + 1 :], size)
    strides = (*x.strides[:dim], x.strides[dim] * step, *x.strides[dim + 1 :], x.strides[dim])
    windows = xp(x).empty(shape, dtype=x.dtype)
    windows[...] = xp(x).lib.stride_tricks.as_strided(x, shape, strides)
    return windows


@primitive(
    x=lambda g, dim, size, step: _unfold_dim(g, dim=dim, size=size, step=step), linear=True, cases=_fold_dim_case
)
def _fold_dim(x: Real, *, length: int, dim: int, size: int, step: int) -> Any:
    """Windows on the last axis added back along ``dim``, which gets ``length``."""
    count = x.shape[dim]
    total = xp(x).zeros((*x.shape[:dim], length, *x.shape[dim + 1 : -1]), dtype=x.dtype)
    for place in range(size):
        total[(slice(None),) * dim + (slice(place, place + step * (count - 1) + 1, step),)] += x[..., place]
    return total


# --- geometry -------------------------------------------------------------------------------------------------------


def _located(error: TinygradError, name: str, input: Any) -> TinygradError:
    error.locate(name, (("input", input),))
    return error


def _pair(name: str, input: Any, word: str, value: Any, least: int) -> Pair:
    """``value``, an int or two, as a pair of ints that are at least ``least``."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    pair = tuple(map(operator.index, values * 2 if len(values) == 1 else values))
    if len(pair) != 2 or min(pair) < least:
        problem = ShapeError(f"{word} must be an int or a pair of ints, at least {least}, not {value!r}")
        raise _located(problem, name, input)
    return pair[0], pair[1]


def _geometry(name: str, input: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Pair, ...]:
    given = (("kernel_size", kernel, 1), ("dilation", dilation, 1), ("padding", padding, 0), ("stride", stride, 1))
    return tuple(_pair(name, input, word, value, least) for word, value, least in given)


def _counts(size: Any, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Pair:
    """How many windows there are along height and width; less than 1 where none fits."""
    rows, columns = (
        (size[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    return rows, columns


def _does_not_fit(size: Any, kernel: Pair, dilation: Pair, padding: Pair) -> ShapeError:
    reach = " x ".join(str(dilation[axis] * (kernel[axis] - 1) + 1) for axis in (0, 1))
    padded = " x ".join(str(size[axis] + 2 * padding[axis]) for axis in (0, 1))
    return ShapeError(
        f"a window of {reach} (kernel_size {kernel}, dilation {dilation}) does not fit an image of {padded}, padding "
        "included",
        fix="use a smaller kernel_size or more padding",
    )
