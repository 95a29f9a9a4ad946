"""Normalisation layers: statistics of a batch, of an example, of the last axes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_mp import functional as F
from tinygrad_mp.creation import empty, ones, tensor, zeros
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.writes import mark_written


class _Normalization(Module):
    """A weight that starts at one and a bias that starts at zero; either may be missing."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(self, shape: Any, weight: bool, bias: bool, device: Any, dtype: Any) -> None:
        for name, wanted in (("weight", weight), ("bias", bias)):
            made = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, made)

    def reset_parameters(self) -> None:
        """Put ones into the weight and zeros into the bias."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _Tracking(_Normalization):
    """What batch and instance normalisation share: parameters and running statistics."""

    _version = 2  # as PyTorch's, with num_batches_tracked
    axes: ClassVar[tuple[int, ...]]
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self._make_affine((num_features,), affine, affine and bias, device, dtype)
        made: tuple[Any, ...] = (None, None, None)
        if track_running_stats:
            one = {"device": device, "dtype": dtype}
            made = zeros(num_features, **one), ones(num_features, **one), tensor(0, dtype="int64", device=device)
        for name, value in zip(("running_mean", "running_var", "num_batches_tracked"), made, strict=True):
            self.register_buffer(name, value)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Start anew, running statistics included."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check_input_dim(self, input: Any) -> None:
        if input.ndim not in self.axes:
            wanted = " or ".join(map(str, self.axes))
            error = ShapeError(f"takes an input with {wanted} axes, not {input.ndim}")
            error.locate(type(self).__name__, (("input", input),))
            raise error

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Tracking):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        momentum = self.momentum or 0.0
        if self.training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked.array
            count += 1  # what add_ does, in a tenth of the time
            mark_written(count)
            if self.momentum is None:  # the plain mean over all batches
                momentum = 1 / int(self.num_batches_tracked)
        own = self.training or self.running_mean is None
        track = not self.training or self.track_running_stats
        mean, variance = (self.running_mean, self.running_var) if track else (None, None)
        return F.batch_norm(input, mean, variance, self.weight, self.bias, own, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Bring each channel to mean 0 and variance 1 over the batch, then scale and shift it by what is learned.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float, default 1e-5
        Added to the variance.
    momentum : float or None, default 0.1
        The share of a new batch in the running statistics; None: all batches count alike.
    affine : bool, default True
        Learn weight and bias.
    track_running_stats : bool, default True
        Keep running statistics in training and use them in evaluation; otherwise the batch's are always used.
    device, dtype : optional
    bias : bool, default True
        With ``affine``: learn a bias.

    Shapes
    ------
    input : (n, num_features) or (n, num_features, length) -> the same
    weight, bias, running_mean, running_var : (num_features,)

    Errors
    ------
    ShapeError for another number of axes or channels, or one entry a channel in training.

    Init: weight 1, bias 0, mean 0, variance 1, as PyTorch. Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.BatchNorm1d(1)(tensor([[1.0], [3.0]])).detach()
    tensor([[-1.0000],
            [ 1.0000]])
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """:class:`BatchNorm1d` for images: (n, num_features, height, width).

    >>> from tinygrad_mp import nn, randn
    >>> nn.BatchNorm2d(3)(randn(2, 3, 4, 4)).shape
    Size([2, 3, 4, 4])
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """:class:`BatchNorm1d` for volumes: (n, num_features, depth, height, width)."""

    axes = (5,)


class _InstanceNorm(_Tracking):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Any) -> Any:
        self._check_input_dim(input)
        alone = input.ndim == self.axes[0]
        out = F.instance_norm(
            input.unsqueeze(0) if alone else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )
        return out.squeeze(0) if alone else out


class InstanceNorm1d(_InstanceNorm):
    """Bring each channel of each example to mean 0 and variance 1.

    Parameters
    ----------
    num_features : int
        Channels.
    eps, momentum, affine, track_running_stats, device, dtype, bias
        As for :class:`BatchNorm1d`, but ``affine`` and ``track_running_stats`` are False by default.

    Shapes
    ------
    input : (n, num_features, length) or (num_features, length) -> the same

    Source: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.InstanceNorm1d(1)(tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]])
    """

    axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """:class:`InstanceNorm1d` for images: (n, num_features, height, width), or one without the batch axis."""

    axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """:class:`InstanceNorm1d` for volumes: (n, num_features, depth, height, width), or without n."""

    axes = (4, 5)


class GroupNorm(_Normalization):
    """Bring each of ``num_groups`` groups of channels of each example to mean 0 and variance 1, then scale and shift.

    Parameters
    ----------
    num_groups, num_channels : int
        The former divides the latter.
    eps : float, default 1e-5
    affine : bool, default True
        Learn weight and bias, shape (num_channels,).
    device, dtype : optional
    bias : bool, default True
        With ``affine``: learn a bias.

    Shapes
    ------
    input : (n, num_channels, ...) -> the same

    Errors
    ------
    SettingError if the channels do not divide.

    Source: Wu and He, Group normalization, 2018.

    >>> from tinygrad_mp import nn, randn
    >>> nn.GroupNorm(2, 6)(randn(3, 6, 5)).shape
    Size([3, 6, 5])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise SettingError(f"GroupNorm: {num_channels} channels cannot be cut in {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._make_affine((num_channels,), affine, affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        settings = f"eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, {settings}"


def _sizes(name: str, normalized_shape: Any) -> tuple[int, ...]:
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not sizes or math.prod(sizes) < 0:
        raise SettingError(f"{name}: normalized_shape names the sizes of the last axes, at least one, not {sizes}")
    return sizes


class LayerNorm(_Normalization):
    """Bring the entries along the last axes to mean 0 and variance 1, then scale and shift them by what is learned.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of those axes.
    eps : float, default 1e-5
    elementwise_affine : bool, default True
        Learn weight and bias, of shape ``normalized_shape``.
    bias : bool, default True
        With ``elementwise_affine``: learn a bias.
    device, dtype : optional

    Shapes
    ------
    input : (..., *normalized_shape) -> the same

    Errors
    ------
    ShapeError if the input ends otherwise.

    Source: Ba, Kiros and Hinton, Layer normalization, 2016.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.LayerNorm(2)(tensor([[1.0, 3.0]])).detach()
    tensor([[-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._make_affine(self.normalized_shape, elementwise_affine, elementwise_affine and bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Any) -> Any:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        settings = f"eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, {settings}"


class RMSNorm(_Normalization):
    """Divide the entries along the last axes by the root of the mean of their squares, then scale them.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
        By default the dtype's distance from 1 to the next number.
    elementwise_affine : bool, default True
        Learn a weight of shape ``normalized_shape``.
    device, dtype : optional

    Source: Zhang and Sennrich, Root mean square layer normalization, 2019.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.RMSNorm(2)(tensor([[2.0, -2.0]])).detach()
    tensor([[ 1.0000, -1.0000]])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Put ones into the weight."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Divide each entry by a power of the mean of squares of its neighbouring channels; see
    :func:`functional.local_response_norm`.

    >>> from tinygrad_mp import nn, ones
    >>> nn.LocalResponseNorm(2)(ones(1, 4, 3, 3)).shape
    Size([1, 4, 3, 3])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
