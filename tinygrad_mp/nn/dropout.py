"""Dropout layers of whole channels, and for self-normalising networks; the plain one is in :mod:`.layers`."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.nn.layers import _DropoutNd


class Dropout1d(_DropoutNd):
    """In training, set each channel of (n, channels, length) to zero with probability ``p``; see
    :func:`functional.dropout1d`.

    >>> from tinygrad_mp import nn, ones
    >>> nn.Dropout1d(1.0)(ones(1, 2, 3)).sum()
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """In training, set each channel of (n, channels, height, width) to zero with probability ``p``; see
    :func:`functional.dropout2d`.

    >>> from tinygrad_mp import nn, ones
    >>> nn.Dropout2d().eval()(ones(1, 2, 3, 3)).sum()
    tensor(18.)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """In training, set each channel of (n, channels, depth, height, width) to zero with probability ``p``; see
    :func:`functional.dropout3d`."""

    def forward(self, input: Any) -> Any:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1; see :func:`functional.alpha_dropout`.

    >>> from tinygrad_mp import nn, ones
    >>> nn.AlphaDropout().eval()(ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """:class:`AlphaDropout` of whole channels; see :func:`functional.feature_alpha_dropout`."""

    def forward(self, input: Any) -> Any:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
