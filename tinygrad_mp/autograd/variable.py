"""``Variable``: what tensors with gradients were called once; programs still write ``Variable(x)``."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.errors import DTypeError
from tinygrad_mp.tape import TensorBase

__all__ = ["Variable"]


class _VariableMeta(type):
    """Every tensor counts as a Variable."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TensorBase)


class Variable(metaclass=_VariableMeta):
    """``Variable(x, requires_grad=False)``: a leaf over the memory of the tensor ``x``.

    ``volatile`` is accepted and has no effect, as in PyTorch: use ``no_grad``. DTypeError if ``x`` is no tensor.

    >>> import tinygrad_mp as tg
    >>> Variable(tg.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    >>> isinstance(tg.ones(2), Variable)
    True
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        if not isinstance(data, TensorBase):
            raise DTypeError(f"Variable data has to be a tensor, but got a {type(data).__name__}")
        leaf: Any = data
        return leaf.detach().requires_grad_(requires_grad)
