"""Layers: what they hold and what they compute. The computing is done by :mod:`tinygrad_mp.functional`."""

from __future__ import annotations

import math
import operator
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.creation import empty
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.ops.axes import one_axis


class Identity(Module):
    """Gives its input back. Arguments are accepted and ignored, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """Affine map, ``y = x @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool, default True
    device, dtype : optional
        Of the parameters; by default the CPU and the default dtype.

    Shapes
    ------
    x : (..., in_features) -> (..., out_features)
    weight : (out_features, in_features);  bias : (out_features,)

    Errors
    ------
    ShapeError if x's last axis is not in_features. DTypeError if x's dtype is not the weight's.

    Init: U(-1/sqrt(in), 1/sqrt(in)) for both, as PyTorch. Source: LeCun et al., Efficient BackProp, 1998.

    >>> from tinygrad_mp import nn, ones
    >>> nn.Linear(3, 2)(ones(5, 3)).shape
    Size([5, 2])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = _size("Linear", "in_features", in_features)
        self.out_features = _size("Linear", "out_features", out_features)
        self.weight = Parameter(empty((self.out_features, self.in_features), device=device, dtype=dtype))
        self.register_parameter("bias", None)
        if bias:
            self.bias = Parameter(empty((self.out_features,), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Join the axes from ``start_dim`` to ``end_dim`` into one; by default all but the first.

    Shapes
    ------
    x : (n, c, h, w) -> (n, c * h * w), with the defaults

    >>> from tinygrad_mp import nn, ones
    >>> nn.Flatten()(ones(2, 3, 4)).shape
    Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis ``dim`` into several of sizes ``unflattened_size``, of which one may be -1.

    >>> from tinygrad_mp import nn, ones
    >>> nn.Unflatten(1, (3, 4))(ones(2, 12)).shape
    Size([2, 3, 4])
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        shape = tuple(input.shape)
        axis = one_axis(self.dim, len(shape))
        return input.reshape((*shape[:axis], *self.unflattened_size, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class _DropoutNd(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        F.check_probability(type(self).__name__, p)
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, set each entry to zero with probability ``p`` and divide the others by ``1 - p``; else do nothing.

    Parameters
    ----------
    p : float in [0, 1], default 0.5
    inplace : bool, default False
        Write the result into the input's memory.

    Errors
    ------
    SettingError if p is not in [0, 1].

    Source: Srivastava et al., Dropout, 2014; scaled in training ("inverted"), so that evaluation needs no change.

    >>> from tinygrad_mp import nn, ones
    >>> nn.Dropout(0.3).eval()(ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)


def _size(layer: str, name: str, value: Any) -> int:
    try:
        size = operator.index(value)
    except TypeError:
        raise TypeError(f"{layer}: {name} must be an int, not {value!r}") from None
    if size < 0:
        raise SettingError(f"{layer}: {name} must not be negative, not {size}")
    return size
