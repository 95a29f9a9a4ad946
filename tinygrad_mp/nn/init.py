"""Starting values: each function fills a tensor in place, unrecorded, and returns it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy

from tinygrad_mp.absent import lookup
from tinygrad_mp.backend import array_on, device_of
from tinygrad_mp.backend.normals import fill_normal
from tinygrad_mp.backend.random_bits import fill_uniform
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.tape import wrap

_GAINS = {
    **dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation of the weights that keeps the scale of signals through a nonlinearity.

    ``param`` is the negative slope of ``"leaky_relu"``, 0.01 by default.

    >>> round(calculate_gain("relu"), 4), round(calculate_gain("tanh"), 4)
    (1.4142, 1.6667)
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise SettingError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}", fix=f"use one of {known}")
    return _GAINS[nonlinearity]


def constant_(tensor: Any, val: float) -> Any:
    """Fill with ``val``."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Any) -> Any:
    """Fill with zeros."""
    return constant_(tensor, 0)


def ones_(tensor: Any) -> Any:
    """Fill with ones."""
    return constant_(tensor, 1)


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """Fill with numbers drawn evenly from [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """Fill with numbers drawn from the normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill from U(-a, a), ``a = gain * sqrt(6 / (fan_in + fan_out))``. Source: Glorot and Bengio, 2010, eq. 16."""
    bound = gain * math.sqrt(6 / _positive(sum(_fans(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill from N(0, s), ``s = gain * sqrt(2 / (fan_in + fan_out))``. Source: Glorot and Bengio, 2010, eq. 12."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / _positive(sum(_fans(tensor)))), generator)


def kaiming_uniform_(
    tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill from U(-b, b), ``b = gain * sqrt(3 / fan)``; ``a`` is the negative slope of a leaky relu.

    Source: He et al., Delving deep into rectifiers, 2015, eq. 10 (and eq. 14 with ``mode="fan_out"``).
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Any:
    """Fill from N(0, s), ``s = gain / sqrt(fan)``; see :func:`kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """Fill with a random orthogonal matrix times ``gain``; axes after the first count as one.

    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, 2013.
    """
    _fans(tensor)
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    normal = numpy.empty((max(rows, columns), min(rows, columns)))
    fill_normal(normal, generator=generator)
    q, r = numpy.linalg.qr(normal)
    q = q * numpy.copysign(1.0, numpy.diagonal(r))  # makes every orthogonal matrix equally likely
    matrix = q.T if rows < columns else q
    return _filled(tensor, (gain * matrix).reshape(tensor.shape))


def trunc_normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Any:
    """Fill from the normal distribution cut off outside of [a, b].

    Entries outside are drawn again; where few would lie inside, evenly drawn ones are kept by their density instead.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"trunc_normal_: the mean {mean} lies more than two standard deviations outside of [{a}, {b}]; what is "
            "drawn there may not be quite normal",
            stacklevel=2,
        )
    inside = (math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))) / 2
    values = numpy.empty(tuple(tensor.shape))
    pending = numpy.ones(values.shape, bool)
    peak = (max(a, min(mean, b)) - mean) / std
    while pending.any():
        drawn = numpy.empty(int(pending.sum()))
        if inside > 0.3:
            fill_normal(drawn, mean, std, generator)
            kept = (drawn >= a) & (drawn <= b)
        else:
            fill_uniform(drawn, a, b, generator)
            height = numpy.empty_like(drawn)
            fill_uniform(height, 0.0, 1.0, generator)
            kept = height < numpy.exp((peak**2 - ((drawn - mean) / std) ** 2) / 2)
        values[pending] = drawn
        pending[pending] = ~kept
    return _filled(tensor, values)


def eye_(tensor: Any) -> Any:
    """Fill a matrix with ones on its diagonal and zeros elsewhere."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_ fills matrices, not a tensor of shape {tuple(tensor.shape)}")
    return _filled(tensor, numpy.eye(*tensor.shape))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """Fill the weight of a convolution so that as many channels as possible go through unchanged.

    Parameters
    ----------
    tensor : Tensor, shape (out, in / groups, *window) with 1 to 3 axes of the window
    groups : int, default 1
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ShapeError(f"dirac_ fills the weights of convolutions, with 3 to 5 axes, not {shape}")
    if shape[0] % groups:
        raise ShapeError(f"dirac_: {shape[0]} outputs cannot be cut in {groups} groups")
    values = numpy.zeros(shape)
    middle = tuple(size // 2 for size in shape[2:])
    outputs = shape[0] // groups
    for channel in range(min(outputs, shape[1])):
        values[(slice(channel, None, outputs), channel, *middle)] = 1
    return _filled(tensor, values)


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """Fill a matrix from N(0, std), with a share of ``sparsity`` of each column set to zero.

    Source: Martens, Deep learning via Hessian-free optimization, 2010.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_ fills matrices, not a tensor of shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    values, order = numpy.empty((rows, columns)), numpy.empty((rows, columns))
    fill_normal(values, 0.0, std, generator)
    fill_uniform(order, 0.0, 1.0, generator)
    numpy.put_along_axis(values, order.argsort(axis=0)[: math.ceil(sparsity * rows)], 0.0, axis=0)
    return _filled(tensor, values)


def _filled(tensor: Any, values: Any) -> Any:
    """``tensor`` with values that were made on the host."""
    with no_grad():
        return tensor.copy_(wrap(tensor.result_class, array_on(device_of(tensor.array), values)))


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise SettingError(f'kaiming: mode must be "fan_in" or "fan_out", not {mode!r}')
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(_positive(fan))


def _fans(tensor: Any) -> tuple[int, int]:
    """How many numbers go into, and out of, each unit of a weight (out, in, *window)."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"a weight of shape {tuple(tensor.shape)} has no fan-in and fan-out: two axes at least are needed",
            fix="use init.uniform_ or init.normal_ for vectors",
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _positive(fan: int) -> int:
    """``fan``, or 1 for a weight without entries, where nothing will be drawn."""
    return max(fan, 1)


__getattr__ = lookup("nn.init")


# --- old names --------------------------------------------------------------------------------------------------------


def _old(function: Callable[..., Any]) -> Callable[..., Any]:
    name = function.__name__

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(f"nn.init.{name[:-1]} is an old name: write nn.init.{name}", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__doc__ = f"The old name of :func:`{name}`."
    return call


uniform = _old(uniform_)
normal = _old(normal_)
constant = _old(constant_)
eye = _old(eye_)
dirac = _old(dirac_)
xavier_uniform = _old(xavier_uniform_)
xavier_normal = _old(xavier_normal_)
kaiming_uniform = _old(kaiming_uniform_)
kaiming_normal = _old(kaiming_normal_)
orthogonal = _old(orthogonal_)
sparse = _old(sparse_)
