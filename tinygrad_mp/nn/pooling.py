"""Pooling layers; the computing is done by :mod:`tinygrad_mp.functional`."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.nn.module import Module


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def _settings(self) -> tuple[Any, ...]:
        return self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool2d(_MaxPool):
    """The largest entry of every window; parameters as of :func:`tinygrad_mp.functional.max_pool2d`.

    Shapes
    ------
    x : (N, C, H, W) or (C, H, W) -> (N, C, rows, columns) or without N

    >>> from tinygrad_mp import nn, ones
    >>> nn.MaxPool2d(2)(ones(1, 3, 4, 6)).shape
    Size([1, 3, 2, 3])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool2d(input, *self._settings())


class MaxPool1d(_MaxPool):
    """As :class:`MaxPool2d`, along one axis: (N, C, L) or (C, L).

    >>> from tinygrad_mp import nn, ones
    >>> nn.MaxPool1d(2)(ones(1, 3, 6)).shape
    Size([1, 3, 3])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool1d(input, *self._settings())


class MaxPool3d(_MaxPool):
    """As :class:`MaxPool2d`, for volumes: (N, C, D, H, W) or (C, D, H, W).

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.MaxPool3d(2)(ones(1, 3, 2, 4, 6)).shape)
    (1, 3, 1, 2, 3)
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool3d(input, *self._settings())


class _AvgPoolNd(Module):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPoolNd):
    """The mean of every window; parameters as of :func:`tinygrad_mp.functional.avg_pool2d`.

    Shapes
    ------
    x : (N, C, H, W) or (C, H, W) -> (N, C, rows, columns) or without N

    >>> from tinygrad_mp import nn, ones
    >>> nn.AvgPool2d(2)(ones(1, 3, 4, 6)).shape
    Size([1, 3, 2, 3])
    """

    def forward(self, input: Any) -> Any:
        sizes = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return F.avg_pool2d(input, *sizes, self.count_include_pad, self.divisor_override)


class AvgPool3d(_AvgPoolNd):
    """As :class:`AvgPool2d`, for volumes: (N, C, D, H, W) or (C, D, H, W).

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.AvgPool3d(2)(ones(1, 3, 2, 4, 6)).shape)
    (1, 3, 1, 2, 3)
    """

    def forward(self, input: Any) -> Any:
        sizes = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return F.avg_pool3d(input, *sizes, self.count_include_pad, self.divisor_override)


class AvgPool1d(Module):
    """As :class:`AvgPool2d`, along one axis: (N, C, L) or (C, L).

    >>> from tinygrad_mp import nn, ones
    >>> nn.AvgPool1d(2)(ones(1, 3, 6)).shape
    Size([1, 3, 3])
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        # Tuples here and not in AvgPool2d, as in PyTorch, so that both print the same.
        single = [one if isinstance(one, tuple) else (one,) for one in (kernel_size, stride or kernel_size, padding)]
        self.kernel_size, self.stride, self.padding = single
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Any) -> Any:
        sizes = (self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return F.avg_pool1d(input, *sizes, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _Adaptive(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_Adaptive):
    """The means of ``output_size`` windows spread evenly over the image; 1 is global pooling, None keeps a size.

    >>> from tinygrad_mp import nn, ones
    >>> nn.AdaptiveAvgPool2d(1)(ones(2, 3, 7, 5)).shape
    Size([2, 3, 1, 1])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """As :class:`AdaptiveAvgPool2d`, along one axis.

    >>> from tinygrad_mp import nn, ones
    >>> nn.AdaptiveAvgPool1d(2)(ones(2, 3, 7)).shape
    Size([2, 3, 2])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool1d(input, self.output_size)


class _AdaptiveMaxPoolNd(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest entries of ``output_size`` windows spread evenly over the image, perhaps with their indices.

    >>> from tinygrad_mp import nn, ones
    >>> nn.AdaptiveMaxPool2d((2, None))(ones(2, 3, 7, 5)).shape
    Size([2, 3, 2, 5])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """As :class:`AdaptiveMaxPool2d`, along one axis.

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.AdaptiveMaxPool1d(2)(ones(2, 3, 7)).shape)
    (2, 3, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """As :class:`AdaptiveMaxPool2d`, for volumes."""

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class AdaptiveAvgPool3d(_Adaptive):
    """As :class:`AdaptiveAvgPool2d`, for volumes.

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.AdaptiveAvgPool3d((1, None, 2))(ones(2, 3, 4, 5, 6)).shape)
    (2, 3, 1, 5, 2)
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool3d(input, self.output_size)
