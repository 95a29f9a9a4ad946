"""Methods of ``Tensor`` that fill it: with draws, made in float64 and rounded to the dtype, or along its diagonal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from tinygrad_mp.backend import array_on, device_of, to_numpy
from tinygrad_mp.backend.normals import fill_normal
from tinygrad_mp.backend.random_bits import bernoulli_of, fill_bernoulli, fill_integers, fill_uniform, integer_limits
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.mutation import fill_in_place
from tinygrad_mp.tape import TensorBase


def _put(array: Any, values: Any) -> None:
    array[...] = array_on(device_of(array), values.astype(array.dtype))


def _fill(tensor: Any, name: str, draw: Callable[[tuple[int, ...]], Any], integers: bool = False) -> Any:
    if tensor.array.dtype.kind not in ("iuf" if integers else "f"):
        raise DTypeError(f"{name}: the draws do not fit in a {tensor.array.dtype} tensor", fix="use x.float() first")
    fill_in_place(tensor, lambda array: _put(array, draw(array.shape)))
    return tensor


def _uniform(shape: tuple[int, ...], generator: Any) -> Any:
    draws = numpy.empty(shape)
    fill_uniform(draws, 0.0, 1.0, generator)
    return draws


def _require(name: str, fits: bool, what: str) -> None:
    if not fits:
        raise SettingError(f"{name}: {what}")


def uniform_(self: Any, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Any:
    """Write draws from the uniform distribution on [low, high). Returns self."""
    fill_in_place(self, fill_uniform, low, high, generator)
    return self


def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Write draws from the normal distribution. Returns self."""
    fill_in_place(self, fill_normal, mean, std, generator)
    return self


def fill_diagonal_(self: Any, fill_value: Any, wrap: bool = False) -> Any:
    """Write a number onto the diagonal: of a matrix, or the entries whose indices are all equal. Returns self.

    With ``wrap``, the diagonal of a tall matrix begins anew below the row after its end.

    Errors
    ------
    ShapeError with fewer than two axes, or with more than two of different sizes.

    >>> from tinygrad_mp import zeros
    >>> zeros(2, 3).fill_diagonal_(5)
    tensor([[5., 0., 0.],
            [0., 5., 0.]])
    """
    shape = self.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(f"fill_diagonal_: two axes are needed, or more of equal size, not {tuple(shape)}")
    if len(shape) > 2:
        places = numpy.arange(shape[0])
        self[(places,) * len(shape)] = fill_value
        return self
    rows, columns = shape
    for first in range(0, rows if wrap else min(rows, 1), columns + 1):
        self[first : first + columns].diagonal().fill_(fill_value)
    return self


def exponential_(self: Any, lambd: float = 1.0, *, generator: Any = None) -> Any:
    """Write draws from the exponential distribution of rate ``lambd``, more than 0. Returns self.

    >>> from tinygrad_mp import zeros
    >>> bool((zeros(100).exponential_(2.0) >= 0).all())
    True
    """
    _require("exponential_", lambd > 0, f"the rate is more than 0, not {lambd}")
    return _fill(self, "exponential_", lambda shape: -numpy.log1p(-_uniform(shape, generator)) / lambd)


def cauchy_(self: Any, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Any:
    """Write draws from the Cauchy distribution of this median and half-width ``sigma``, more than 0. Returns self."""
    _require("cauchy_", sigma > 0, f"sigma is more than 0, not {sigma}")
    return _fill(
        self, "cauchy_", lambda shape: median + sigma * numpy.tan(math.pi * (_uniform(shape, generator) - 0.5))
    )


def log_normal_(self: Any, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Any:
    """Write draws whose logarithms are normal with this mean and standard deviation, more than 0. Returns self."""
    _require("log_normal_", std > 0, f"std is more than 0, not {std}")

    def draw(shape: tuple[int, ...]) -> Any:
        draws = numpy.empty(shape)
        fill_normal(draws, mean, std, generator)
        return numpy.exp(draws)

    return _fill(self, "log_normal_", draw)


def geometric_(self: Any, p: float, *, generator: Any = None) -> Any:
    """Write how many trials of probability ``p``, between 0 and 1, the first success takes: 1, 2, ... Returns self.

    >>> from tinygrad_mp import zeros
    >>> bool((zeros(100).geometric_(0.3) >= 1).all())
    True
    """
    _require("geometric_", 0 < p < 1, f"p lies between 0 and 1, {p} does not")
    scale = math.log1p(-p)

    def draw(shape: tuple[int, ...]) -> Any:
        return numpy.floor(numpy.log1p(-_uniform(shape, generator)) / scale) + 1

    return _fill(self, "geometric_", draw, integers=True)


def random_(self: Any, *bounds: Any, to: Any = None, generator: Any = None, **first: Any) -> Any:
    """Write integers equally likely in ``[from, to)``: ``random_(from, to)``, ``random_(to)``. Returns self.

    Without bounds they go from 0 to the largest of an integer dtype, or to the largest up to which a floating one has
    all integers.

    Errors
    ------
    SettingError if the range is empty, DTypeError if it does not fit the dtype.

    >>> from tinygrad_mp import zeros
    >>> bool((zeros(100).random_(3, 5) >= 3).all())
    True
    """
    dtype = self.array.dtype
    low, high = first.pop("from", None), to
    if first or len(bounds) > 2:
        raise SettingError(f"random_ takes from, to and generator, not {sorted(first) or bounds}")
    if len(bounds) == 2:
        low, high = bounds
    elif bounds and (high is not None or low is not None):
        low, high = (bounds[0], high) if low is None else (low, bounds[0])
    elif bounds:
        high = bounds[0]
    if high is None:
        high = 2 if dtype.kind == "b" else integer_limits(dtype)[1] + 1
    if dtype.kind == "b":
        draws = numpy.empty(self.array.shape, numpy.int64)
        fill_integers(draws, low or 0, high, generator)
        fill_in_place(self, _put, draws)
        return self
    fill_in_place(self, fill_integers, low or 0, high, generator)
    return self


def bernoulli_(self: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
    """Write ones with probability ``p`` (a number, or a tensor of them that broadcasts), else zeros. Returns self.

    >>> from tinygrad_mp import tensor, zeros
    >>> zeros(2, 2).bernoulli_(tensor([0.0, 1.0]))
    tensor([[0., 1.],
            [0., 1.]])
    """
    if isinstance(p, TensorBase):
        chances = numpy.broadcast_to(to_numpy(p.array), self.array.shape)
        fill_in_place(self, lambda array: _put(array, bernoulli_of(chances, generator)))
    else:
        fill_in_place(self, fill_bernoulli, p, generator)
    return self
