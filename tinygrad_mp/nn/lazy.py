"""Layers that find out the width of their input at their first call, and are then ordinary ones."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn.arguments import precede_arguments
from tinygrad_mp.nn.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from tinygrad_mp.nn.layers import Linear
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from tinygrad_mp.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy


class LazyModule(Module):
    """A layer some of whose parameters have no shape yet.

    A subclass names the class that it becomes, and the setting that ``wait`` leaves open and :meth:`width` reads.
    """

    cls_to_become: ClassVar[type]
    setting: ClassVar[str]
    axis: ClassVar[int] = 1

    def _wait(self) -> None:
        """Take the shape from all parameters and floating buffers, and find out before the first call."""
        for registry, lazy in ((self._parameters, UninitializedParameter), (self._buffers, UninitializedBuffer)):
            for name, value in registry.items():
                if value is not None and value.ndim:
                    made: Any = lazy(value.requires_grad, value.device, value.dtype)
                    registry[name] = made
        self.__dict__["_waiting"] = self.register_forward_pre_hook(_find_out)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(value) for value in (*self._parameters.values(), *self._buffers.values()))

    def initialize_parameters(self, input: Any, *args: Any) -> None:
        """Find out the width, give the parameters shapes and values, and become an ordinary layer."""
        self.__dict__["_waiting"].remove()
        del self.__dict__["_waiting"]
        width = self.width(input)
        setattr(self, self.setting, width)
        fresh = self.has_uninitialized_params()
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if is_lazy(value):
                value.materialize(self.shape_of(name))
        self.__class__ = self.cls_to_become
        precede_arguments(self, width)  # which is the first that the ordinary layer takes
        if fresh:
            self.reset_parameters()

    def width(self, input: Any) -> int:
        """The width of the input."""
        return int(input.shape[self.axis])

    def shape_of(self, name: str) -> tuple[int, ...]:
        """The shape of a parameter or buffer, now that the width is known."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw new values, if there is anything to put them in."""
        if not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]


def _find_out(module: Any, args: tuple[Any, ...]) -> None:
    module.initialize_parameters(*args)


class LazyLinear(LazyModule, Linear):
    """:class:`Linear` whose ``in_features`` are those of its first input.

    Parameters
    ----------
    out_features : int
    bias : bool, default True
    device, dtype : optional

    >>> from tinygrad_mp import nn, ones
    >>> layer = nn.LazyLinear(2)
    >>> tuple(layer(ones(5, 3)).shape), layer
    ((5, 2), Linear(in_features=3, out_features=2, bias=True))
    """

    cls_to_become, setting, axis = Linear, "in_features", -1

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, out_features, bias, device, dtype)
        self._wait()

    def shape_of(self, name: str) -> tuple[int, ...]:
        """(out_features, in_features), or (out_features,) for the bias."""
        return (self.out_features, self.in_features) if name == "weight" else (self.out_features,)


class _LazyConv(LazyModule):
    setting = "in_channels"

    def __init__(self, out_channels: int, kernel_size: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(0, out_channels, kernel_size, *args, **kwargs)  # type: ignore[call-arg]
        self._wait()

    def width(self, input: Any) -> int:
        """The number of channels."""
        axes = self.axes
        if input.ndim not in (axes + 1, axes + 2):
            wanted = f"{axes + 1} or {axes + 2}"
            raise ShapeError(f"{type(self).__name__}: the input needs {wanted} axes, it has {input.ndim}")
        channels = int(input.shape[-axes - 1])
        if channels % self.groups:
            raise SettingError(f"{type(self).__name__}: {channels} channels cannot be cut in groups")
        return channels

    def shape_of(self, name: str) -> tuple[int, ...]:
        """As of the class that this becomes."""
        conv: Any = self
        if name == "bias":
            return (conv.out_channels,)
        channels = (conv.out_channels, conv.in_channels // conv.groups)
        if conv.transposed:
            channels = (conv.in_channels, conv.out_channels // conv.groups)
        return (*channels, *conv.kernel_size)


class LazyConv1d(_LazyConv, Conv1d):
    """:class:`Conv1d` without ``in_channels``: those of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """:class:`Conv2d` without ``in_channels``: those of its first input.

    >>> from tinygrad_mp import nn, ones
    >>> layer = nn.LazyConv2d(8, 3)
    >>> tuple(layer(ones(1, 3, 5, 5)).shape), layer
    ((1, 8, 3, 3), Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1)))
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """:class:`Conv3d` without ``in_channels``: those of its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """:class:`ConvTranspose1d` without ``in_channels``: those of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """:class:`ConvTranspose2d` without ``in_channels``: those of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """:class:`ConvTranspose3d` without ``in_channels``: those of its first input."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModule):
    setting = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,  # for InstanceNorm too, and the next: so it is in PyTorch
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)  # type: ignore[call-arg]
        self._wait()

    def shape_of(self, name: str) -> tuple[int, ...]:
        """(num_features,)."""
        return (self.num_features,)


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """:class:`BatchNorm1d` without ``num_features``: the channels of its first input.

    >>> from tinygrad_mp import nn, ones
    >>> layer = nn.LazyBatchNorm1d()
    >>> layer(ones(2, 3)).shape, layer.num_features
    (Size([2, 3]), 3)
    """

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """:class:`BatchNorm2d` without ``num_features``: the channels of its first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """:class:`BatchNorm3d` without ``num_features``: the channels of its first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """:class:`InstanceNorm1d` without ``num_features``: the channels of its first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """:class:`InstanceNorm2d` without ``num_features``: the channels of its first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """:class:`InstanceNorm3d` without ``num_features``: the channels of its first input."""

    cls_to_become = InstanceNorm3d
