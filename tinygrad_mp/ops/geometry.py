"""Sizes of windows as users give them, made regular and checked, for one axis or two; one axis becomes the second."""

import operator
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import SettingError, ShapeError, TinygradError
from tinygrad_mp.ops.movement import reshape

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]
"""Padding: (top, bottom), (left, right); negative numbers crop."""


def sizes(word: str, value: Any, axes: int, least: int) -> Pair:
    """``value``, an int or one for each axis, as a pair: for one axis, that of a height of 1 is put before it."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    numbers = tuple([operator.index(one) for one in (given * axes if len(given) == 1 else given)])
    if len(numbers) != axes or min(numbers) < least:
        many = "an int or a pair of ints" if axes == 2 else "an int"
        raise ShapeError(f"{word} must be {many}, at least {least}, not {value!r}")
    return (numbers[0], numbers[1]) if axes == 2 else (least, numbers[0])


def sides_of(padding: Any, axes: int, kernel: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Padding of a convolution as zeros before and after each axis."""
    if not isinstance(padding, str):
        top, left = sizes("padding", padding, axes, 0)
        return (top, top), (left, left)
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        raise SettingError(f"padding must be an int, a tuple, 'valid' or 'same', not {padding!r}")
    if stride != (1, 1):
        raise SettingError(
            f"padding 'same' is for stride 1, not {stride[2 - axes :]}", fix="pass the padding as an int"
        )
    reach_down, reach_across = (dilation[axis] * (kernel[axis] - 1) for axis in (0, 1))
    return (reach_down // 2, reach_down - reach_down // 2), (reach_across // 2, reach_across - reach_across // 2)


def counted(size: Any, kernel: Any, stride: Pair, padding: Sides, dilation: Pair) -> Pair:
    """How many windows there are along height and width; less than 1 where none fits."""
    rows, columns = (
        (size[axis] + padding[axis][0] + padding[axis][1] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1
        for axis in (0, 1)
    )
    return rows, columns


def require_fit(axes: int, size: Any, kernel: Any, stride: Pair, padding: Sides, dilation: Pair) -> None:
    """Raise ShapeError if there is no window in an image of ``size``."""
    if min(counted(size, kernel, stride, padding, dilation)) >= 1:
        return
    reach, padded = (
        " x ".join(map(str, numbers[2 - axes :]))
        for numbers in (
            [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)],
            [size[axis] + padding[axis][0] + padding[axis][1] for axis in (0, 1)],
        )
    )
    raise ShapeError(
        f"a window of {reach} (kernel and dilation) does not fit an input of {padded}, padding included",
        fix="use a smaller kernel or more padding",
    )


def require_image(shape: Any, axes: int) -> None:
    """Raise ShapeError unless there are a channel axis, ``axes`` more, and perhaps a batch before them."""
    if len(shape) not in (axes + 1, axes + 2):
        letters = "C, H, W" if axes == 2 else "C, L"
        raise ShapeError(f"the input must have the axes (N, {letters}) or ({letters}), not {len(shape)} axes")


def require_filters(axes: int, shape: Any, weight: Any, bias: Any, groups: Any, *, transposed: bool) -> int:
    """Raise ShapeError unless image, weight, bias and groups fit together; the number of groups."""
    require_image(shape, axes)
    count, channels = operator.index(groups), shape[-axes - 1]
    if count < 1:
        raise ShapeError(f"groups must be at least 1, not {groups}")
    if len(weight) != axes + 2 or min(weight[2:]) < 1:
        order = "in channels, out channels / groups" if transposed else "out channels, in channels / groups"
        raise ShapeError(f"the weight must have the axes ({order}, *kernel) with a kernel of at least 1, not {weight}")
    taken = weight[0] if transposed else weight[1] * count
    if channels != taken:
        raise ShapeError(
            f"the input has {channels} channels, the weight takes {taken}"
            + (f" ({weight[1]} in each of {count} groups)" if count > 1 and not transposed else ""),
            fix=f"give this layer {channels} input channels, or bring the input to {taken}",
        )
    if weight[0] % count:
        raise ShapeError(f"{weight[0]} channels cannot be split into {count} groups")
    made = weight[1] * count if transposed else weight[0]
    if bias is not None and tuple(bias.shape) != (made,):
        raise ShapeError(f"the bias must have the shape ({made},), not {tuple(bias.shape)}")
    return count


def with_two_axes(x: Any, axes: int) -> Any:
    """(N, C, H, W) from that, (C, H, W), (N, C, L) or (C, L)."""
    shape = tuple(x.shape)
    if len(shape) == 4 and axes == 2:
        return x
    batch = shape[: -axes - 1] or (1,)
    return reshape(x, (*batch, shape[-axes - 1], *((1,) * (2 - axes)), *shape[-axes:]))


def as_given(out: Any, axes: int, ndim: int) -> Any:
    """The axes of ``out`` that :func:`with_two_axes` added taken away again."""
    if ndim == 4 and axes == 2:
        return out
    shape = tuple(out.shape)
    return reshape(out, (*(shape[:1] if ndim == axes + 2 else ()), shape[1], *shape[4 - axes :]))


def located(error: TinygradError, name: str, *values: Any) -> TinygradError:
    """``error`` with the operation and its operands: input, weight, bias."""
    named = zip(("input", "weight", "bias"), values, strict=False)
    error.locate(name, tuple((word, value) for word, value in named if value is not None))
    return error


# --- pooling ---------------------------------------------------------------------------------------------------------


def like(x: Any, axis: int, count: int) -> Any:
    """An empty array of the shape of ``x`` but for ``count`` along ``axis``, its axes in the same order in memory."""
    return xp(x).empty_like(x, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))


def pooled(size: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Pair:
    """How many windows there are along height and width."""
    rows, columns = (
        _count(size[i], dilation[i] * (kernel[i] - 1) + 1, stride[i], padding[i], ceil_mode) for i in (0, 1)
    )
    return rows, columns


def _count(size: int, reach: int, stride: int, padding: int, ceil_mode: bool) -> int:
    room = size + 2 * padding - reach
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count  # one must not begin after the end


def pooling_geometry(
    name: str, axes: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Pair, ...]:
    """Kernel, stride, padding and dilation as pairs that fit ``x``."""
    try:
        require_image(x.shape, axes)
        if not x.shape[-1 - axes]:
            raise ShapeError("there are no channels; only the batch may be empty")
        kernel = sizes("kernel_size", kernel, axes, 1)
        step = kernel if stride is None or stride == () else sizes("stride", stride, axes, 1)
        dilation, padding = sizes("dilation", dilation, axes, 1), sizes("padding", padding, axes, 0)
        if padding[0] > kernel[0] // 2 or padding[1] > kernel[1] // 2:
            raise ShapeError(f"padding {padding[2 - axes :]} must be at most half of the kernel_size")
        size = (1, x.shape[-1]) if axes == 1 else x.shape[-2:]
        require_fit(axes, size, kernel, step, ((padding[0], padding[0]), (padding[1], padding[1])), dilation)
    except TinygradError as error:
        raise located(error, name, x) from None
    return kernel, step, padding, dilation


def goal_of(name: str, axes: int, x: Any, output_size: Any) -> Pair:
    """The output size of adaptive pooling as a pair; None stands for the size of the input."""
    try:
        require_image(x.shape, axes)
        given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
        if len(given) == axes:
            given = tuple([x.shape[i - axes] if one is None else one for i, one in enumerate(given)])
        goal = sizes("output_size", given, axes, 1)
        if 0 in x.shape[-axes:]:
            raise ShapeError("there is nothing in an input without entries to pool")
    except TinygradError as error:
        raise located(error, name, x) from None
    return goal if axes == 2 else (1, goal[1])


def evenly(size: Any, goal: Pair) -> bool:
    """Whether windows of equal size, side by side, fill the image."""
    return not any(length % count for length, count in zip(size, goal, strict=True))


def spread_evenly(length: int, count: int) -> list[tuple[int, int]]:
    """Begin and length of evenly spread windows, which may overlap by one."""
    starts = [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]
    return [(start, end - start) for start, end in starts]
