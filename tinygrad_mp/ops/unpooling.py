"""What undoes max pooling, and pooling by other means than the mean and the maximum."""

import math
from typing import Any

from tinygrad_mp.backend import as_array_on, xp
from tinygrad_mp.backend.scatter import check_range
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.activation import relu
from tinygrad_mp.ops.elementwise import abs, pow, sign
from tinygrad_mp.ops.indexing import setitem
from tinygrad_mp.ops.max_pooling import max_pool1d, max_pool2d
from tinygrad_mp.ops.movement import reshape
from tinygrad_mp.ops.pooling import avg_pool1d, avg_pool2d
from tinygrad_mp.ops.volumes import avg_pool3d, max_pool3d
from tinygrad_mp.tape import wrap

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d"]


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Put what :func:`max_pool2d` found back where it found it, among zeros.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    indices : Tensor of int64, shape of input
        From ``max_pool2d(..., return_indices=True)``.
    kernel_size, stride, padding
        Of the pooling.
    output_size : sequence of int, optional
        Of the result, where pooling has rounded it down; it may have the batch and channels before it.

    Errors
    ------
    ShapeError if sizes do not fit, IndexRangeError for an index outside of the result.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> found, indices = F.max_pool2d(tensor([[[1.0, 4.0], [2.0, 3.0]]]), 2, return_indices=True)
    >>> F.max_unpool2d(found, indices, 2)
    tensor([[[0., 4.],
             [0., 0.]]])
    """
    return _unpooled("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """As :func:`max_unpool2d`, along one axis."""
    return _unpooled("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """As :func:`max_unpool2d`, for volumes."""
    return _unpooled("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _numbers(value: Any, axes: int) -> tuple[int, ...]:
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return given * axes if len(given) == 1 else given


def _unpooled(
    name: str, axes: int, input: Any, indices: Any, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    if input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{name}: the input needs {axes + 1} or {axes + 2} axes, it has {input.ndim}")
    if tuple(indices.shape) != tuple(input.shape):
        raise ShapeError(f"{name}: indices have shape {tuple(indices.shape)}, the input {tuple(input.shape)}")
    if indices.dtype != "int64":
        raise DTypeError(f"{name}: indices must be int64, not {indices.dtype}")
    kernel = _numbers(kernel, axes)
    strides, pads = kernel if stride is None else _numbers(stride, axes), _numbers(padding, axes)
    image = tuple(input.shape[-axes:])
    sizes = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(image, kernel, strides, pads, strict=True))
    if output_size is not None:
        wanted = tuple(output_size)
        wanted = wanted[2:] if len(wanted) == axes + 2 else wanted
        if len(wanted) != axes or any(
            not size - s < w < size + s for w, size, s in zip(wanted, sizes, strides, strict=True)
        ):
            raise ShapeError(f"{name}: output_size {tuple(output_size)} is not near {sizes}, by less than the stride")
        sizes = wanted
    if min(sizes) < 0:
        raise ShapeError(f"{name}: the result would have the sizes {sizes}")
    lead, total = tuple(input.shape[:-axes]), math.prod(sizes)
    rows = math.prod(lead)
    index = indices.array.reshape(rows, -1)
    check_range(index, total, 0, negative=False)
    module = xp(index)
    empty = as_array_on(input.array, module.zeros((rows, total), dtype=input.dtype))
    picks = (module.arange(rows)[:, None], index)
    out = setitem(wrap(input.result_class, empty), reshape(input, index.shape), picks)
    return reshape(out, (*lead, *sizes))


# --- by a power -------------------------------------------------------------------------------------------------------


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm of every window without the absolute values: ``sum(x ** norm_type) ** (1 / norm_type)``.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    norm_type : float
        The power; ``inf`` for the largest absolute value.
    kernel_size, stride, ceil_mode
        As of :func:`avg_pool2d`.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.lp_pool2d(tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    return _by_power(avg_pool2d, max_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """As :func:`lp_pool2d`, along one axis."""
    return _by_power(avg_pool1d, max_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """As :func:`lp_pool2d`, for volumes."""
    return _by_power(avg_pool3d, max_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


def _by_power(
    mean: Any, largest: Any, axes: int, input: Any, power: float, kernel: Any, stride: Any, ceil_mode: bool
) -> Any:
    if power == 0:
        raise SettingError("lp_pool: norm_type must not be 0")
    if math.isinf(power):
        found = largest(abs(input) if power > 0 else -abs(input), kernel, stride, 0, 1, ceil_mode)
        return found if power > 0 else -found
    found = mean(pow(input, power), kernel, stride, 0, ceil_mode)
    return pow(sign(found) * relu(abs(found)) * math.prod(_numbers(kernel, axes)), 1.0 / power)
