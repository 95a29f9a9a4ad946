"""Dropout of whole channels, and dropout that keeps mean and variance. Plain dropout is in :mod:`.functional`."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tinygrad_mp.backend import array_on, device_of
from tinygrad_mp.backend.random_bits import bernoulli_mask
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.mutation import in_place

__all__ = ["alpha_dropout", "dropout1d", "dropout2d", "feature_alpha_dropout"]

_LOWEST = 1.7580993408473766  # minus the value of SELU at minus infinity: its scale times its alpha


def check_probability(name: str, value: Any, what: str = "p") -> None:
    """Raise SettingError unless ``value`` is a number in [0, 1]."""
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise SettingError(f"{name}: {what} must be a number between 0 and 1, not {value!r}")


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Set each channel to zero with probability ``p`` and divide the others by ``1 - p``.

    Parameters
    ----------
    input : Tensor
        Shape (n, channels, length) or (channels, length), floating.
    p : float in [0, 1], default 0.5
    training : bool, default True
        Otherwise the input is given back as it is.
    inplace : bool, default False
        Write the result into the input's memory.

    Errors
    ------
    SettingError if p is not in [0, 1], ShapeError for another number of axes, DTypeError for integers.

    Source: Tompson et al., Efficient object localization using convolutional networks, 2015.

    >>> from tinygrad_mp import ones
    >>> dropout1d(ones(2, 3, 4), 1.0).sum()
    tensor(0.)
    """
    if input.ndim not in (2, 3):
        raise _wrong_axes("dropout1d", input, "2 or 3")
    return _drop("dropout1d", input, p, training, inplace, input.ndim - 1)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """:func:`dropout1d` for images: (n, channels, height, width).

    An input with three axes is taken for (n, channels, length), as in PyTorch, not for one image; one with another
    number, at least two, for (n, channels, ...), with a warning.

    >>> from tinygrad_mp import ones
    >>> dropout2d(ones(2, 3, 4, 5), training=False).sum()
    tensor(120.)
    """
    if input.ndim not in (3, 4):
        _warn_of_axes("dropout2d", input)
    return _drop("dropout2d", input, p, training, inplace, 2)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """:func:`dropout1d` for volumes: (n, channels, depth, height, width), or without n.

    >>> from tinygrad_mp import ones
    >>> dropout3d(ones(1, 2, 3, 4, 5), training=False).sum()
    tensor(120.)
    """
    if input.ndim not in (4, 5):
        _warn_of_axes("dropout3d", input)
    return _drop("dropout3d", input, p, training, inplace, 1 if input.ndim == 4 else 2)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout for networks with SELU: keeps mean 0 and variance 1.

    With probability ``p`` an entry becomes the least value that SELU can take; then all are scaled and shifted.

    Parameters
    ----------
    input : Tensor
        Floating.
    p : float in [0, 1], default 0.5
    training : bool, default False
        Otherwise the input is given back as it is.
    inplace : bool, default False
        Write the result into the input's memory.

    Errors
    ------
    SettingError if p is not in [0, 1], DTypeError for integers.

    Source: Klambauer et al., Self-normalizing neural networks, 2017.

    >>> from tinygrad_mp import ones
    >>> alpha_dropout(ones(3))
    tensor([1., 1., 1.])
    """
    return _drop("alpha_dropout", input, p, training, inplace, input.ndim, alpha=True)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """:func:`alpha_dropout` of whole channels, for an input of shape (n, channels, ...).

    >>> from tinygrad_mp import ones
    >>> feature_alpha_dropout(ones(1, 1, 3), 1.0, training=True)
    tensor([[[0., 0., 0.]]])
    """
    if input.ndim < 2:
        raise _wrong_axes("feature_alpha_dropout", input, "2 or more")
    return _drop("feature_alpha_dropout", input, p, training, inplace, 2, alpha=True)


def _drop(name: str, input: Any, p: float, training: bool, inplace: bool, axes: int, alpha: bool = False) -> Any:
    """Draw once for each place along the first ``axes`` axes."""
    check_probability(name, p)
    if input.dtype not in FLOATING:
        raise DTypeError(f"{name}: the input is {input.dtype}, not floating", fix="convert it first: x = x.float()")
    if not training or p == 0:
        return input
    shape = (*input.shape[:axes], *[1] * (input.ndim - axes))
    factor = array_on(device_of(input.array), bernoulli_mask(shape, 1 - p)).astype(input.dtype)
    if p == 1 or not alpha:
        factor *= 1 / (1 - p) if p < 1 else 0.0
        return (in_place(_scaled) if inplace else _scaled)(input, factor)
    scale = 1 / math.sqrt((_LOWEST * _LOWEST * p + 1) * (1 - p))
    shift = (factor - (1 - p)) * (_LOWEST * scale)  # dropped entries go to -_LOWEST before scale and shift
    factor *= scale
    return (in_place(_scaled_and_shifted) if inplace else _scaled_and_shifted)(input, factor, shift)


def _scaled(input: Any, factor: Any) -> Any:
    return input * factor


def _scaled_and_shifted(input: Any, factor: Any, shift: Any) -> Any:
    return input * factor + shift


def _warn_of_axes(name: str, input: Any) -> None:
    if input.ndim < 2:
        raise _wrong_axes(name, input, "2 or more")
    warnings.warn(
        f"{name} received an input with {input.ndim} axes: its first two are taken for a batch and its channels; "
        "use dropout() to drop single entries",
        UserWarning,
        stacklevel=3,
    )


def _wrong_axes(name: str, input: Any, axes: str) -> ShapeError:
    error = ShapeError(f"takes an input with {axes} axes, not {input.ndim}")
    error.locate(name, (("input", input),))
    return error
