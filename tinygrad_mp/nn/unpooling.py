"""Layers that undo max pooling, pool by powers, and cut images in windows and put them together."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_mp import functional as F
from tinygrad_mp.nn.module import Module


class _MaxUnpool(Module):
    axes: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        given = (kernel_size, kernel_size if stride is None else stride, padding)
        tuples = (one if isinstance(one, (tuple, list)) else (one,) * self.axes for one in given)
        self.kernel_size, self.stride, self.padding = map(tuple, tuples)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        unpool = getattr(F, f"max_unpool{self.axes}d")
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """As :class:`MaxUnpool2d`, along one axis."""

    axes = 1


class MaxUnpool2d(_MaxUnpool):
    """Put back what max pooling found, among zeros; see :func:`functional.max_unpool2d`.

    >>> from tinygrad_mp import nn, tensor
    >>> found, indices = nn.MaxPool2d(2, return_indices=True)(tensor([[[1.0, 4.0], [2.0, 3.0]]]))
    >>> nn.MaxUnpool2d(2)(found, indices)
    tensor([[[0., 4.],
             [0., 0.]]])
    """

    axes = 2


class MaxUnpool3d(_MaxUnpool):
    """As :class:`MaxUnpool2d`, for volumes."""

    axes = 3


class _LPPool(Module):
    axes: ClassVar[int]

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Any) -> Any:
        pool = getattr(F, f"lp_pool{self.axes}d")
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """As :class:`LPPool2d`, along one axis."""

    axes = 1


class LPPool2d(_LPPool):
    """Pooling by powers; see :func:`functional.lp_pool2d`.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.LPPool2d(2, (1, 2))(tensor([[[3.0, 4.0]]]))
    tensor([[[5.]]])
    """

    axes = 2


class LPPool3d(_LPPool):
    """As :class:`LPPool2d`, for volumes."""

    axes = 3


class Unfold(Module):
    """The windows of images, each as a column; see :func:`functional.unfold`.

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.Unfold((2, 3))(ones(1, 5, 3, 4)).shape)
    (1, 30, 4)
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """Columns put back as windows of images and added up; see :func:`functional.fold`.

    >>> from tinygrad_mp import nn, ones
    >>> tuple(nn.Fold((3, 4), (2, 3))(ones(1, 30, 4)).shape)
    (1, 5, 3, 4)
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Any) -> Any:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
