"""Pooling of any number of spatial axes."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.errors import ShapeError
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.pooling import _AvgPoolNd, _MaxPool
from tinygrad_mp.training.layers.inferring import sizes


class MaxPool(_MaxPool):
    """The largest entry of every window: :class:`nn.MaxPool1d`, ``2d`` or ``3d``, by the axes of the input.

    Parameters
    ----------
    window : int or tuple of int, default 2
    stride : int or tuple of int, optional
        By default the window: no overlap.
    padding : int or tuple of int, default 0
        At most half of the window.
    dilation : int or tuple of int, default 1
    ceil_mode : bool, default False
        Also count windows that reach over the end.

    Shapes
    ------
    x : (n, channels, *spatial), one to three spatial axes -> the same, smaller

    Errors
    ------
    SettingError for settings out of range; ShapeError for an input without spatial axes, or smaller than the window.

    >>> from tinygrad_mp import ones
    >>> MaxPool()(ones(1, 3, 4, 6)).shape, MaxPool(3)(ones(1, 3, 6)).shape
    (Size([1, 3, 2, 3]), Size([1, 3, 2]))
    """

    def __init__(
        self, window: Any = 2, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> None:
        stride = None if stride is None else sizes("MaxPool", "stride", stride)
        window, padding = sizes("MaxPool", "window", window), sizes("MaxPool", "padding", padding, 0)
        super().__init__(window, stride, padding, sizes("MaxPool", "dilation", dilation), False, ceil_mode)

    @property
    def window(self) -> Any:
        """The size of the windows."""
        return self.kernel_size

    def forward(self, input: Any) -> Any:
        compute = _of_rank(self, input, (F.max_pool1d, F.max_pool2d, F.max_pool3d))
        return compute(input, *self._settings())


class AveragePool(_AvgPoolNd):
    """The mean of every window: :class:`nn.AvgPool1d`, ``2d`` or ``3d``, by the axes of the input.

    Parameters
    ----------
    window, stride, padding, ceil_mode
        As for :class:`MaxPool`.
    count_include_pad : bool, default True
        Count the zeros around the input.

    Shapes
    ------
    x : (n, channels, *spatial), one to three spatial axes -> the same, smaller

    >>> from tinygrad_mp import ones
    >>> AveragePool()(ones(1, 3, 4, 6)).shape
    Size([1, 3, 2, 3])
    """

    def __init__(
        self,
        window: Any = 2,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        name = "AveragePool"
        stride = None if stride is None else sizes(name, "stride", stride)
        window, padding = sizes(name, "window", window), sizes(name, "padding", padding, 0)
        super().__init__(window, stride, padding, ceil_mode, count_include_pad)

    @property
    def window(self) -> Any:
        """The size of the windows."""
        return self.kernel_size

    def forward(self, input: Any) -> Any:
        compute = _of_rank(self, input, (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d))
        settings = (self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return compute(input, *settings)


class GlobalAveragePool(Module):
    """The mean of each channel over all spatial axes: (n, channels, *spatial) -> (n, channels).

    Source: Lin, Chen and Yan, Network in network, 2014.

    Errors
    ------
    ShapeError for an input without spatial axes.

    >>> from tinygrad_mp import ones
    >>> GlobalAveragePool()(ones(2, 3, 4, 4)).shape
    Size([2, 3])
    """

    def forward(self, input: Any) -> Any:
        if input.ndim < 3:
            raise _no_spatial_axes(self, input)
        return input.mean(tuple(range(2, input.ndim)))


def _of_rank(layer: Any, input: Any, functions: Any) -> Any:
    """The function for as many spatial axes as the input has."""
    if not 3 <= input.ndim <= 5:
        raise _no_spatial_axes(layer, input)
    return functions[input.ndim - 3]


def _no_spatial_axes(layer: Any, input: Any) -> ShapeError:
    error = ShapeError(
        "the input needs the axes (n, channels, *spatial)", fix="keep the batch axis and the channels: x.unsqueeze(0)"
    )
    error.locate(type(layer).__name__, (("input", input),))
    return error
