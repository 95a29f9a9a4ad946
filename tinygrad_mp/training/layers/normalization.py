"""``BatchNorm``: one class for features, sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.creation import tensor
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.normalization import _BatchNorm
from tinygrad_mp.training.layers.inferring import Inferring
from tinygrad_mp.training.layers.starting import Initialization


class BatchNorm(Inferring, _BatchNorm):
    """:class:`nn.BatchNorm1d`, :class:`nn.BatchNorm2d` or :class:`nn.BatchNorm3d`, for as many channels as it meets.

    Parameters
    ----------
    momentum : float or None, default 0.1
        The share of a new batch in the running statistics; None: all batches count alike.
    eps : float, default 1e-5
        Added to the variance.
    affine : bool, default True
        Learn a scale and a shift, ``weight`` and ``bias``.

    Shapes
    ------
    x : (n, channels, *spatial), none to three spatial axes -> the same
    weight, bias, running_mean, running_var : (channels,)

    Errors
    ------
    SettingError for settings out of range. ShapeError for other numbers of axes or channels, or one entry a channel
    in training.

    Source: Ioffe and Szegedy, Batch normalization, 2015.

    >>> from tinygrad_mp import ones
    >>> layer = BatchNorm()
    >>> layer(ones(2, 3, 4, 4)).shape, layer.num_features
    (Size([2, 3, 4, 4]), 3)
    """

    anchor = "running_mean"
    axes = (2, 3, 4, 5)

    def __init__(self, momentum: float | None = 0.1, eps: float = 1e-5, affine: bool = True) -> None:
        Module.__init__(self)
        if momentum is not None and not 0 <= momentum <= 1:
            raise SettingError(f"BatchNorm: momentum must lie in [0, 1] or be None, not {momentum!r}")
        if not eps >= 0:
            raise SettingError(f"BatchNorm: eps must not be negative, not {eps!r}")
        self.momentum, self.eps, self.affine, self.track_running_stats = momentum, eps, affine, True
        for name in () if affine else ("weight", "bias"):
            self.register_parameter(name, None)
        self._wait_for(("weight", "bias") if affine else (), ("running_mean", "running_var"))
        self.register_buffer("num_batches_tracked", tensor(0, dtype="int64"))

    def _anchor_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(input_shape) not in self.axes:
            raise ShapeError(f"BatchNorm takes (n, channels, *spatial), the input has the shape {input_shape}")
        return (input_shape[1],)

    def _shape_of(self, name: str, anchor: tuple[int, ...]) -> tuple[int, ...]:
        return anchor[:1] or (0,)

    def _settle(self, anchor: tuple[int, ...]) -> None:
        self.num_features = anchor[0]

    def _draw(self, generator: Any) -> Initialization:
        _BatchNorm.reset_parameters(self)
        return Initialization("scale 1, shift 0" if self.affine else "no parameters", "a normalisation")

    def _begin(self, name: str) -> None:
        init.constant_(getattr(self, name), float(name in ("weight", "running_var")))

    def forward(self, input: Any) -> Any:
        if not self.built:
            self.build(input.shape)
        try:
            return super().forward(input)
        except ShapeError as error:
            raise self._explained(error, input, 1, self.num_features) from None
