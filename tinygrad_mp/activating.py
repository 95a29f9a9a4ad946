"""Activations as ``nn.functional`` has them: those that may write into their input, those that draw random numbers,
and softmax with its axis left open."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from tinygrad_mp.creation import zeros_like
from tinygrad_mp.errors import SettingError
from tinygrad_mp.mutation import in_place
from tinygrad_mp.ops import activation, gating, piecewise
from tinygrad_mp.ops.elementwise import log, neg
from tinygrad_mp.ops.softmax import log_softmax as plain_log_softmax
from tinygrad_mp.ops.softmax import softmax as plain_softmax
from tinygrad_mp.random import rand_like

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "silu",
    "softmax",
    "softmin",
    "threshold",
    "threshold_",
]

_written = cache(in_place)


def _run(function: Callable[..., Any], inplace: bool, *args: Any) -> Any:
    return _written(function)(*args) if inplace else function(*args)


def relu(input: Any, inplace: bool = False) -> Any:
    """``max(input, 0)``. See :func:`.activation.relu`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> relu(tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _run(activation.relu, inplace, input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """``input`` where positive, ``negative_slope * input`` elsewhere. See :func:`.activation.leaky_relu`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> leaky_relu(tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """
    return _run(activation.leaky_relu, inplace, input, negative_slope)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``input`` where positive, ``alpha * (exp(input) - 1)`` elsewhere. See :func:`.activation.elu`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> elu(tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _run(activation.elu, inplace, input, alpha)


def silu(input: Any, inplace: bool = False) -> Any:
    """``input * sigmoid(input)``. See :func:`.activation.silu`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> silu(tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    return _run(activation.silu, inplace, input)


def mish(input: Any, inplace: bool = False) -> Any:
    """``input * tanh(softplus(input))``. See :func:`.gating.mish`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> mish(tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    return _run(gating.mish, inplace, input)


def selu(input: Any, inplace: bool = False) -> Any:
    """``scale * elu(input, alpha)`` with the two numbers of self-normalizing networks. See :func:`.piecewise.selu`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> selu(tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return _run(piecewise.selu, inplace, input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """``input`` where positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere. See :func:`.piecewise.celu`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> celu(tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _run(piecewise.celu, inplace, input, alpha)


def relu6(input: Any, inplace: bool = False) -> Any:
    """``min(max(input, 0), 6)``. See :func:`.piecewise.relu6`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> relu6(tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _run(piecewise.relu6, inplace, input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """``input`` brought into ``[min_val, max_val]``. See :func:`.piecewise.hardtanh`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> hardtanh(tensor([-1.0, 2.0]))
    tensor([-1.,  1.])
    """
    return _run(piecewise.hardtanh, inplace, input, min_val, max_val)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """``min(max(input + 3, 0), 6) / 6``. See :func:`.piecewise.hardsigmoid`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> hardsigmoid(tensor([-1.0, 2.0]))
    tensor([0.3333, 0.8333])
    """
    return _run(piecewise.hardsigmoid, inplace, input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """``input * hardsigmoid(input)``. See :func:`.piecewise.hardswish`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> hardswish(tensor([-1.0, 2.0]))
    tensor([-0.3333,  1.6667])
    """
    return _run(piecewise.hardswish, inplace, input)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """``input`` where it is above ``threshold``, ``value`` elsewhere. See :func:`.piecewise.threshold`.

    With ``inplace`` it is written into the memory of ``input``.

    >>> from tinygrad_mp import tensor
    >>> threshold(tensor([-1.0, 2.0]), 0.0, 9.0)
    tensor([9., 2.])
    """
    return _run(piecewise.threshold, inplace, input, threshold, value)


relu_ = _written(activation.relu)
leaky_relu_ = _written(activation.leaky_relu)
elu_ = _written(activation.elu)
selu_ = _written(piecewise.selu)
celu_ = _written(piecewise.celu)
hardtanh_ = _written(piecewise.hardtanh)
threshold_ = _written(piecewise.threshold)

# --- with random numbers ----------------------------------------------------------------------------------------------


def rrelu(
    input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Any:
    """``input`` where positive, elsewhere times a slope drawn from U(lower, upper); the mean slope outside of training.

    Errors
    ------
    SettingError if ``lower`` is larger than ``upper``.

    Draws from the default generator. Source: Xu et al., Empirical evaluation of rectified activations, 2015.

    >>> from tinygrad_mp import tensor
    >>> rrelu(tensor([-1.0, 2.0]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    if lower > upper:
        raise SettingError(f"rrelu: lower={lower} is above upper={upper}", fix="exchange them")
    if not training:
        return _run(activation.leaky_relu, inplace, input, (lower + upper) / 2)
    slopes = rand_like(input.detach()) * (upper - lower) + lower
    return _run(piecewise.sloped, inplace, input, slopes)


def rrelu_(input: Any, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Any:
    """In-place form of :func:`rrelu`.

    >>> from tinygrad_mp import tensor
    >>> rrelu_(tensor([-1.0, 2.0]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    return rrelu(input, lower, upper, training, inplace=True)


def gumbel_softmax(logits: Any, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A sample of the relaxed categorical distribution of ``logits``, through which gradients flow.

    Parameters
    ----------
    logits : Tensor
        Log-probabilities, or what they are up to a constant along ``dim``.
    tau : float, default 1
        The temperature: the smaller, the nearer to one-hot.
    hard : bool, default False
        Give one-hot samples, with the gradient of the soft ones.
    eps : float
        Without use, as in PyTorch.
    dim : int, default -1

    Draws from the default generator. Source: Jang, Gu and Poole, Categorical reparameterization with Gumbel-softmax,
    2017; Maddison, Mnih and Teh, The Concrete distribution, 2017.

    >>> from tinygrad_mp import tensor
    >>> gumbel_softmax(tensor([0.0, 100.0, 0.0]), hard=True)
    tensor([0., 1., 0.])
    """
    exponential = -log(1 - rand_like(logits.detach()))
    # A uniform number that is 0 makes the exponential one 0, whose logarithm would be infinite.
    tiny = 1e-38 if logits.dtype.itemsize > 2 else 1e-7
    gumbels = -log(exponential.clamp(min=tiny))
    soft = plain_softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    chosen = soft.argmax(dim, keepdim=True)
    picked = zeros_like(soft.detach()).scatter_add_(dim, chosen, (chosen >= 0).to(soft.dtype))
    return picked - soft.detach() + soft


# --- softmax with its axis left open ----------------------------------------------------------------------------------


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``exp(input)`` divided by its sum along ``dim``; stable for logits of any size.

    Without ``dim`` it is axis 0 of tensors with 0, 1 or 3 axes and axis 1 of others, with a warning: as in PyTorch.

    >>> from tinygrad_mp import tensor
    >>> softmax(tensor([0.0, 1000.0]), -1)
    tensor([0., 1.])
    """
    return plain_softmax(input, _axis("softmax", input, dim, _stacklevel), dtype=dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``log(softmax(input, dim))``, exact where softmax itself underflows. Without ``dim`` as :func:`softmax`.

    >>> from tinygrad_mp import tensor
    >>> log_softmax(tensor([0.0, 1000.0]), -1)
    tensor([-1000.,     0.])
    """
    return plain_log_softmax(input, _axis("log_softmax", input, dim, _stacklevel), dtype=dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """``softmax(-input, dim)``. Without ``dim`` as :func:`softmax`.

    >>> from tinygrad_mp import tensor
    >>> softmin(tensor([0.0, 1000.0]), -1)
    tensor([1., 0.])
    """
    return plain_softmax(neg(input), _axis("softmin", input, dim, _stacklevel), dtype=dtype)


def _axis(name: str, input: Any, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    axis = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(f"{name} without dim takes dim={axis} here; say which you mean", UserWarning, stacklevel=stacklevel)
    return axis
