"""Layers that put something around images and signals; see :func:`functional.pad`."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_mp import functional as F
from tinygrad_mp.errors import ShapeError
from tinygrad_mp.nn.module import Module


class _Pad(Module):
    """Widths before and after each axis, the last axis first; one number stands for all."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: Any) -> None:
        super().__init__()
        given = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * (2 * self.axes)
        self.padding = given

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """``value`` around the last axis.

    Parameters
    ----------
    padding : int or pair of int
        On the left and the right; negative numbers crop.
    value : float

    >>> from tinygrad_mp import nn, tensor
    >>> nn.ConstantPad1d((1, 2), 7.0)(tensor([[1.0, 2.0]]))
    tensor([[7., 1., 2., 7., 7.]])
    """

    axes = 1


class ConstantPad2d(_ConstantPadNd):
    """As :class:`ConstantPad1d`, around the last two axes: left, right, top, bottom."""

    axes = 2


class ConstantPad3d(_ConstantPadNd):
    """As :class:`ConstantPad1d`, around the last three axes: left, right, top, bottom, front, back."""

    axes = 3


class _Zeros(_ConstantPadNd):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_Zeros, ConstantPad1d):
    """Zeros around the last axis."""


class ZeroPad2d(_Zeros, ConstantPad2d):
    """Zeros around the last two axes: left, right, top, bottom.

    >>> from tinygrad_mp import nn, ones
    >>> nn.ZeroPad2d((0, 1, 1, 0))(ones(1, 1, 2))
    tensor([[[0., 0., 0.],
             [1., 1., 0.]]])
    """


class ZeroPad3d(_Zeros, ConstantPad3d):
    """Zeros around the last three axes: left, right, top, bottom, front, back."""


class ReflectionPad1d(_Pad):
    """The entries next to the border, mirrored at it: (C, L) or (N, C, L).

    >>> from tinygrad_mp import nn, tensor
    >>> nn.ReflectionPad1d(2)(tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """As :class:`ReflectionPad1d`, for (C, H, W) or (N, C, H, W)."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """As :class:`ReflectionPad1d`, for (C, D, H, W) or (N, C, D, H, W)."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The entry at the border, repeated: (C, L) or (N, C, L).

    >>> from tinygrad_mp import nn, tensor
    >>> nn.ReplicationPad1d(1)(tensor([[1.0, 2.0]]))
    tensor([[1., 1., 2., 2.]])
    """

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """As :class:`ReplicationPad1d`, for (C, H, W) or (N, C, H, W)."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """As :class:`ReplicationPad1d`, for (C, D, H, W) or (N, C, D, H, W)."""

    axes, mode = 3, "replicate"


class _CircularPadNd(_Pad):
    mode = "circular"

    def forward(self, input: Any) -> Any:
        if input.ndim not in (self.axes + 1, self.axes + 2):
            name = type(self).__name__
            raise ShapeError(f"{name}: the input needs {self.axes + 1} or {self.axes + 2} axes, it has {input.ndim}")
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """The entries at the other end: (C, L) or (N, C, L).

    >>> from tinygrad_mp import nn, tensor
    >>> nn.CircularPad1d(1)(tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1., 2., 3., 1.]])
    """

    axes = 1


class CircularPad2d(_CircularPadNd):
    """As :class:`CircularPad1d`, for (C, H, W) or (N, C, H, W)."""

    axes = 2


class CircularPad3d(_CircularPadNd):
    """As :class:`CircularPad1d`, for (C, D, H, W) or (N, C, D, H, W)."""

    axes = 3
