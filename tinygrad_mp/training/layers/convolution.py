"""``Conv``: one class for sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn.convolution import _Forward
from tinygrad_mp.nn.module import Module
from tinygrad_mp.training.layers.inferring import Weighted, a_choice_of_bias, a_size, sizes
from tinygrad_mp.training.layers.starting import Setting, check_bias_setting, check_setting


class Conv(Weighted, _Forward):
    """:class:`nn.Conv1d`, :class:`nn.Conv2d` or :class:`nn.Conv3d`: the first input says which, and how many channels.

    Parameters
    ----------
    filters : int
        The channels of the output.
    kernel : int or tuple of int
        The size of the window, for all spatial axes or for each.
    stride : int or tuple of int, default 1
    padding : "valid", "same", int or tuple of int, default "valid"
        ``"same"`` keeps the size, or with a stride divides it by the stride and rounds up; where that takes an odd
        number of zeros, the extra one is at the end.
    groups : int, default 1
        Each group of filters sees its group of channels.
    dilation : int or tuple of int, default 1
    bias, initialization, bias_initialization
        As for :class:`Dense`.

    Shapes
    ------
    x : (n, channels, *spatial), one to three spatial axes -> (n, filters, *spatial)
    weight : (filters, channels / groups, *kernel);  bias : (filters,)

    Errors
    ------
    SettingError for settings that do not fit together; ShapeError for an input that does not fit them.

    >>> from tinygrad_mp import ones
    >>> layer = Conv(8, 3, padding="same")
    >>> layer
    Conv(filters=8, kernel=3, padding='same')
    >>> layer(ones(2, 3, 5, 5)).shape, layer
    (Size([2, 8, 5, 5]), Conv(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=same))
    """

    padding_mode = "zeros"

    def __init__(
        self,
        filters: int,
        kernel: Any,
        stride: Any = 1,
        padding: Any = "valid",
        groups: int = 1,
        dilation: Any = 1,
        bias: bool | None = None,
        initialization: Setting = "auto",
        bias_initialization: Any = "zeros",
    ) -> None:
        Module.__init__(self)
        self.out_channels, self.groups = a_size("Conv", "filters", filters), a_size("Conv", "groups", groups)
        if self.out_channels % self.groups:
            raise SettingError(f"Conv: {filters} filters cannot be cut in {groups} groups")
        self.kernel_size: Any = sizes("Conv", "kernel", kernel)
        self.stride: Any = sizes("Conv", "stride", stride)
        self.dilation: Any = sizes("Conv", "dilation", dilation)
        if isinstance(padding, str) and padding not in ("valid", "same"):
            raise SettingError(f'Conv: padding must be "valid", "same", an int or a tuple, not {padding!r}')
        self.padding: Any = padding if isinstance(padding, str) else sizes("Conv", "padding", padding, 0)
        given = (self.kernel_size, self.stride, self.dilation, self.padding)
        ranks = {len(one) for one in given if isinstance(one, tuple)}
        if len(ranks) > 1:
            raise SettingError(f"Conv: kernel, stride, dilation and padding {given} are for different numbers of axes")
        self.use_bias = a_choice_of_bias("Conv", bias)
        self.initialization = check_setting("Conv", initialization)
        self.bias_initialization = check_bias_setting("Conv", bias_initialization)
        self._wait_for(("weight", "bias"))
        if bias is False:
            self.bias = None

    @property
    def filters(self) -> int:
        """The channels of the output."""
        return self.out_channels

    @property
    def kernel(self) -> Any:
        """The size of the window."""
        return self.kernel_size

    def _anchor_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        axes = len(input_shape) - 2
        given = (self.kernel_size, self.stride, self.dilation, self.padding)
        wanted = next((len(one) for one in given if isinstance(one, tuple)), axes)
        if not 1 <= axes <= 3 or axes != wanted:
            spatial = "one to three spatial axes" if axes == wanted else f"{wanted} spatial axes"
            fix = "give it the shape (n, channels, *spatial): the batch axis and the channels are needed too"
            raise ShapeError(f"Conv takes {spatial}, the input has the shape {input_shape}", fix=fix)
        channels = input_shape[1]
        if channels % self.groups:
            raise ShapeError(f"Conv: {channels} channels cannot be cut in {self.groups} groups")
        return self._shape_of("weight", (0, channels // self.groups, *[0] * axes))

    def _shape_of(self, name: str, anchor: tuple[int, ...]) -> tuple[int, ...]:
        if name == "bias":
            return (self.filters,)
        axes = min(max(len(anchor) - 2, 1), 3)
        kernel = self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,) * axes
        return (self.filters, anchor[1] if len(anchor) > 1 else 0, *kernel)

    def _settle(self, anchor: tuple[int, ...]) -> None:
        self.axes, self.in_channels = len(anchor) - 2, anchor[1] * self.groups
        self.kernel_size, self.output_padding = anchor[2:], (0,) * self.axes
        self.stride, self.dilation = self._sizes("stride", self.stride, 1), self._sizes("dilation", self.dilation, 1)
        if not isinstance(self.padding, str):
            self.padding = self._sizes("padding", self.padding, 0)

    def forward(self, input: Any) -> Any:
        if not self.built:
            self.build(input.shape)
        compute = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        padding = self.padding
        if padding == "same" and self.stride != (1,) * self.axes:  # which nn's layers refuse
            input, padding = F.pad(input, self._around()), 0
        try:
            return compute(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        except ShapeError as error:
            raise self._explained(error, input, 1, self.in_channels) from None
