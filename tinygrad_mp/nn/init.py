"""Starting values: each function fills a tensor in place, unrecorded, and returns it."""

from __future__ import annotations

import math
from typing import Any

import numpy

from tinygrad_mp.absent import lookup
from tinygrad_mp.backend import array_on, device_of
from tinygrad_mp.backend.normals import fill_normal
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
    with no_grad():
        values = array_on(device_of(tensor.array), (gain * matrix).reshape(tensor.shape))
        return tensor.copy_(wrap(tensor.result_class, values))


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
