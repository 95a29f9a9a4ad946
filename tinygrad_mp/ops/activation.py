"""Activations: relu and its smooth kin. None overflows, whatever its input; most take floating dtypes only."""

import math
from typing import Annotated, Any

from tinygrad_mp.backend import curves as kernels
from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Choice, Real, Smooth
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.elementary import erf, floating_only
from tinygrad_mp.ops.elementwise import clamp, exp, kept, square, tanh, where
from tinygrad_mp.ops.residue import Residue, found_in, residue_for
from tinygrad_mp.primitive import primitive

__all__ = ["elu", "gelu", "leaky_relu", "logsigmoid", "relu", "sigmoid", "silu", "softplus", "tanh"]

_INF = math.inf
_Slope = Annotated[float, Choice((0.01, 0.3, 1.5))]
_Alpha = Annotated[float, Choice((1.0, 0.7))]
_Beta = Annotated[float, Choice((1.0, 2.0))]
_Threshold = Annotated[float, Choice((20.0,))]
_Residue = Annotated[Any, Choice((None, Residue()))]
_Approximation = Annotated[str, Choice(("none", "tanh"))]

# --- with a kink ----------------------------------------------------------------------------------------------------


@primitive(elementwise=True, x=lambda g, out: kept(g, out != 0))
def relu(x: Smooth) -> Any:
    """``max(x, 0)``; the gradient at 0 is 0.

    Source: Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, 2010.

    >>> from tinygrad_mp import tensor
    >>> relu(tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    # To clip is three times as fast as numpy.maximum with a number.
    return x.clip(0.0, _INF) if x.dtype.kind == "f" else xp(x).maximum(x, 0)


@primitive(x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope))
def _leaky_relu(x: Smooth, *, negative_slope: _Slope) -> Any:
    floating_only(x)
    other = x * negative_slope
    return xp(x).maximum(x, other) if negative_slope <= 1 else xp(x).minimum(x, other)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """``input`` where positive, ``negative_slope * input`` elsewhere.

    Parameters
    ----------
    negative_slope : float, default 0.01
        Also the gradient at 0.

    Source: Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013.

    >>> from tinygrad_mp import tensor
    >>> leaky_relu(tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """
    return _leaky_relu(input, negative_slope=negative_slope)


@primitive(x=lambda g, x, alpha: where(x > 0, g, g * exp(clamp(x, max=0.0)) * alpha))
def _elu(x: Smooth, *, alpha: _Alpha) -> Any:
    floating_only(x)
    below = x.clip(-_INF, 0.0)
    # exp(t) - 1 = tanh(t / 2) * (exp(t) + 1): as precise as expm1, and three times as fast in NumPy.
    return x.clip(0.0, _INF) + alpha * (xp(x).tanh(below * 0.5) * (xp(x).exp(below) + 1))


def elu(input: Any, alpha: float = 1.0) -> Any:
    """``input`` where positive, ``alpha * (exp(input) - 1)`` elsewhere; the gradient at 0 is ``alpha``.

    Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by ELUs, 2016.

    >>> from tinygrad_mp import tensor
    >>> elu(tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _elu(input, alpha=alpha)


# --- smooth ---------------------------------------------------------------------------------------------------------


@primitive(promotes="floating", elementwise=True, x=lambda g, out: g * out * (1 - out))
def sigmoid(x: Real) -> Any:
    """``1 / (1 + exp(-x))``.

    >>> from tinygrad_mp import tensor
    >>> sigmoid(tensor([0.0, -2.0]))
    tensor([0.5000, 0.1192])
    """
    if x.dtype.char == "e":  # a power may be too large for float16 where the result is not too small
        return kernels.sigmoid(x.astype("float32")).astype(x.dtype)
    return kernels.sigmoid(x)


def _curve(kernel: Any, x: Any, residue: Any) -> Any:
    """The values of a curve; its slopes are kept for backward."""
    out, slope = kernels.traced(kernel, x, residue is not None)
    if residue is not None:
        residue.keep(x, slope)
    return out


def _silu_rule(g: Any, x: Any, residue: Any) -> Any:
    found = found_in(x, g, residue)
    if found is not None:
        return g * found[0]
    s = sigmoid(x)
    return g * (s + x * s * (1 - s))


@primitive(x=_silu_rule, reference=lambda x, *, residue: x * sigmoid(x))
def _silu(x: Real, *, residue: _Residue = None) -> Any:
    floating_only(x)
    return _curve(kernels.silu, x, residue)


def silu(input: Any) -> Any:
    """``input * sigmoid(input)``, also called swish.

    Source: Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2018.

    >>> from tinygrad_mp import tensor
    >>> silu(tensor([0.0, 1.0, -1.0]))
    tensor([ 0.0000,  0.7311, -0.2689])
    """
    return _silu(input, residue=residue_for(input))


def _log_one_plus_exp(minus_size: Any) -> Any:
    """``log(1 + exp(t))`` for ``t <= 0``: eight times as fast as NumPy's log1p, and as precise.

    ``w - 1`` is exact for ``1 <= w <= 2``, so that what ``w = 1 + z`` has lost of ``z`` can be put back.
    """
    z = xp(minus_size).exp(minus_size)
    w = z + 1
    return xp(w).log(w) + (z - (w - 1)) / w


def _softplus_rule(g: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x if beta == 1 else x * beta
    return where(scaled > threshold, g, g * sigmoid(scaled))


@primitive(x=_softplus_rule)
def _softplus(x: Real, *, beta: _Beta, threshold: _Threshold) -> Any:
    floating_only(x)
    scaled = x if beta == 1 else x * beta
    out = scaled.clip(0.0, _INF) + _log_one_plus_exp(-xp(x).abs(scaled))
    return where(scaled > threshold, x, out if beta == 1 else out / beta)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta * input)) / beta``, a smooth relu.

    Parameters
    ----------
    beta : float, default 1
    threshold : float, default 20
        Where ``beta * input`` is above it, the result is ``input`` itself, and the gradient 1.

    >>> from tinygrad_mp import tensor
    >>> softplus(tensor([0.0, 1.0, 100.0]))
    tensor([  0.6931,   1.3133, 100.0000])
    """
    return _softplus(input, beta=beta, threshold=threshold)


@primitive(elementwise=True, x=lambda g, x: g * sigmoid(-x))
def logsigmoid(x: Real) -> Any:
    """``log(sigmoid(x))``.

    >>> from tinygrad_mp import tensor
    >>> logsigmoid(tensor([0.0, -100.0]))
    tensor([  -0.6931, -100.0000])
    """
    floating_only(x)
    return x.clip(-_INF, 0.0) - _log_one_plus_exp(-xp(x).abs(x))


# --- gelu -----------------------------------------------------------------------------------------------------------

_CUBIC = 0.044715
_SCALE = math.sqrt(2 / math.pi)


def _cdf_terms(x: Any, approximate: str) -> tuple[Any, Any]:
    """The normal distribution's ``(P(X <= x), density at x)``, exact or by tanh.

    Far out both are constant in every dtype, so the powers of ``x`` are taken from a bounded one: they cannot overflow.
    """
    if approximate == "none":
        near = clamp(x, -40.0, 40.0)
        return (erf(near * math.sqrt(0.5)) + 1) * 0.5, exp(square(near) * -0.5) * (1 / math.sqrt(2 * math.pi))
    near = clamp(x, -10.0, 10.0)
    squared = square(near)
    t = tanh(near * (squared * (_SCALE * _CUBIC) + _SCALE))
    return (t + 1) * 0.5, (1 - t * t) * (squared * (1.5 * _SCALE * _CUBIC) + 0.5 * _SCALE)


def _gelu_rule(g: Any, x: Any, approximate: str, residue: Any) -> Any:
    found = found_in(x, g, residue)
    if found is not None:
        return g * found[0]
    below, density = _cdf_terms(x, approximate)
    return g * (below + x * density)


def _gelu_reference(x: Any, *, approximate: str, residue: Any) -> Any:
    return x * _cdf_terms(x, approximate)[0]


@primitive(x=_gelu_rule, reference=_gelu_reference)
def _gelu(x: Real, *, approximate: _Approximation, residue: _Residue = None) -> Any:
    floating_only(x)
    return _curve(kernels.gelu if approximate == "none" else kernels.gelu_by_tanh, x, residue)


def gelu(input: Any, approximate: str = "none") -> Any:
    """``input * P(X <= input)`` for a standard normal X.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        By the error function, or by ``0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))`` for P.

    Errors
    ------
    SettingError for another approximation.

    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    >>> from tinygrad_mp import tensor
    >>> gelu(tensor([0.0, 1.0, -1.0]))
    tensor([ 0.0000,  0.8413, -0.1587])
    """
    if approximate not in ("none", "tanh"):
        raise SettingError(f'gelu: approximate must be "none" or "tanh", not {approximate!r}')
    return _gelu(input, approximate=approximate, residue=residue_for(input))
