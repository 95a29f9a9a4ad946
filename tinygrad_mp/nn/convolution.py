"""Convolution layers: what they hold; the computing is done by :mod:`tinygrad_mp.functional`."""

from __future__ import annotations

import math
import operator
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.creation import empty
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter


class _ConvNd(Module):
    """What the four layers share: settings, a weight, perhaps a bias, and how they start."""

    weight: Parameter
    bias: Parameter | None
    axes: int
    transposed: bool

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.in_channels, self.out_channels = operator.index(in_channels), operator.index(out_channels)
        self.groups = operator.index(groups)
        if self.groups < 1 or self.in_channels % self.groups or self.out_channels % self.groups:
            raise SettingError(f"{name}: in_channels and out_channels must be multiples of groups, {groups}")
        modes = ("zeros",) if self.transposed else ("zeros", "reflect", "replicate", "circular")
        if padding_mode not in modes:
            raise SettingError(f"{name}: unknown padding_mode {padding_mode!r}", fix=f"use one of {modes}")
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise SettingError(f"{name}: padding must be an int, a tuple, 'valid' or 'same', not {padding!r}")
        self.kernel_size = self._sizes("kernel_size", kernel_size, 1)
        self.stride = self._sizes("stride", stride, 1)
        self.dilation = self._sizes("dilation", dilation, 1)
        self.padding = padding if isinstance(padding, str) else self._sizes("padding", padding, 0)
        self.output_padding = self._sizes("output_padding", output_padding, 0)
        if padding == "same" and set(self.stride) != {1}:
            raise SettingError(f"{name}: padding 'same' is for stride 1, not {self.stride}")
        self.padding_mode = padding_mode
        channels = (self.out_channels, self.in_channels // self.groups)
        if self.transposed:
            channels = (self.in_channels, self.out_channels // self.groups)
        self.weight = Parameter(empty((*channels, *self.kernel_size), device=device, dtype=dtype))
        self.register_parameter("bias", None)
        if bias:
            self.bias = Parameter(empty((self.out_channels,), device=device, dtype=dtype))
        self.reset_parameters()

    def _sizes(self, word: str, value: Any, least: int) -> tuple[int, ...]:
        given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * self.axes
        numbers = tuple(map(operator.index, given))
        if len(numbers) != self.axes or min(numbers) < least:
            many = ("an int", "an int or a pair of ints", "an int or three ints")[self.axes - 1]
            raise SettingError(f"{type(self).__name__}: {word} must be {many}, at least {least}, not {value!r}")
        return numbers

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        none = (0,) * self.axes
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != none:
            shown.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.axes:
            shown.append(f"dilation={self.dilation}")
        if self.output_padding != none:
            shown.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        if self.padding_mode != "zeros":
            shown.append(f"padding_mode={self.padding_mode}")
        return ", ".join(shown)


class _Forward(_ConvNd):
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        sizes = (kernel_size, stride, padding, dilation, 0)
        super().__init__(in_channels, out_channels, *sizes, groups, bias, padding_mode, device, dtype)

    def forward(self, input: Any) -> Any:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        """What subclasses of PyTorch's layers call with a weight of their own."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._around(), self.padding_mode), 0
        compute = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        return compute(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _around(self) -> tuple[int, ...]:
        """What to pad with before and after each axis, the last axis first."""
        pairs: list[tuple[int, int]] = []
        for axis in range(self.axes):
            reach = self.dilation[axis] * (self.kernel_size[axis] - 1) if self.padding == "same" else 0
            if isinstance(self.padding, str):
                pairs.append((reach // 2, reach - reach // 2))
            else:
                pairs.append((self.padding[axis], self.padding[axis]))
        return tuple(width for pair in reversed(pairs) for width in pair)


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(padding, str):
            raise SettingError(f"{type(self).__name__}: padding must be an int or a tuple, not {padding!r}")
        sizes = (kernel_size, stride, padding, dilation, output_padding)
        super().__init__(in_channels, out_channels, *sizes, groups, bias, padding_mode, device, dtype)

    def forward(self, input: Any, output_size: Any = None) -> Any:
        extra = self.output_padding if output_size is None else self._extra(input, tuple(output_size))
        compute = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.axes - 1]
        return compute(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _extra(self, input: Any, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """The output_padding that gives the wanted size."""
        wanted = wanted[-self.axes :]
        least = [
            (input.shape[i - self.axes] - 1) * self.stride[i]
            - 2 * int(self.padding[i])
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i in range(self.axes)
        ]
        extra = tuple(size - low for size, low in zip(wanted, least, strict=True))
        if any(not 0 <= more < max(self.stride[i], self.dilation[i]) for i, more in enumerate(extra)):
            most = [low + max(self.stride[i], self.dilation[i]) - 1 for i, low in enumerate(least)]
            raise ShapeError(f"{type(self).__name__}: output_size {wanted} is not between {least} and {most}")
        return extra


class Conv2d(_Forward):
    """Every window of an image times every filter.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair of int
    stride : int or pair of int, default 1
    padding : int, pair of int, "valid" or "same", default 0
    dilation : int or pair of int, default 1
    groups : int, default 1
        Each group of filters sees its group of channels.
    bias : bool, default True
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What to pad with; see :func:`functional.pad`.
    device, dtype : optional
        Of the parameters; by default the CPU and the default dtype.

    Shapes
    ------
    x : (N, in_channels, H, W) or (in_channels, H, W) -> (N, out_channels, rows, columns)
    weight : (out_channels, in_channels / groups, *kernel_size);  bias : (out_channels,)

    Errors
    ------
    SettingError for settings that do not fit together. ShapeError, DTypeError if x does not fit the weight.

    Init: U(-b, b), ``b = 1 / sqrt(in_channels / groups * kernel entries)``, for both, as PyTorch.

    >>> from tinygrad_mp import nn, ones
    >>> nn.Conv2d(3, 8, 3, padding=1)(ones(2, 3, 5, 5)).shape
    Size([2, 8, 5, 5])
    """

    axes = 2


class Conv1d(_Forward):
    """As :class:`Conv2d`, along one axis: (N, in_channels, L) or (in_channels, L).

    >>> from tinygrad_mp import nn, ones
    >>> nn.Conv1d(3, 8, 3)(ones(2, 3, 5)).shape
    Size([2, 8, 3])
    """

    axes = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of a convolution: every entry of x adds a multiple of the filters to its window.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or pair of int
    stride, padding, dilation : int or pair of int, default 1, 0 and 1
        Those of the convolution that this one is the transpose of.
    output_padding : int or pair of int, default 0
        Added to the size of the result, at its end.
    groups : int, default 1
    bias : bool, default True
    padding_mode : {"zeros"}
    device, dtype : optional

    Shapes
    ------
    x : (N, in_channels, H, W) or (in_channels, H, W) -> (N, out_channels, rows, columns)
    weight : (in_channels, out_channels / groups, *kernel_size);  bias : (out_channels,)

    ``forward(x, output_size)`` chooses the output_padding that gives that size. Errors and init as
    :class:`Conv2d`, with out_channels in the place of in_channels, as PyTorch.

    >>> from tinygrad_mp import nn, ones
    >>> nn.ConvTranspose2d(3, 8, 2, stride=2)(ones(2, 3, 5, 5)).shape
    Size([2, 8, 10, 10])
    """

    axes = 2


class ConvTranspose1d(_ConvTransposeNd):
    """As :class:`ConvTranspose2d`, along one axis.

    >>> from tinygrad_mp import nn, ones
    >>> nn.ConvTranspose1d(3, 8, 2, stride=2)(ones(2, 3, 5)).shape
    Size([2, 8, 10])
    """

    axes = 1


class Conv3d(_Forward):
    """As :class:`Conv2d`, for volumes: (N, in_channels, D, H, W) or (in_channels, D, H, W).

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.Conv3d(3, 8, 3)(ones(2, 3, 5, 5, 5)).shape)
    (2, 8, 3, 3, 3)
    """

    axes = 3


class ConvTranspose3d(_ConvTransposeNd):
    """As :class:`ConvTranspose2d`, for volumes.

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.ConvTranspose3d(3, 8, 2, stride=2)(ones(2, 3, 5, 5, 5)).shape)
    (2, 8, 10, 10, 10)
    """

    axes = 3
