"""``Parameter``: a tensor that a module learns."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_mp.backend import is_array
from tinygrad_mp.layout import borrowed, settle
from tinygrad_mp.tensor import Tensor


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to. Operations on it give plain tensors.

    Parameters
    ----------
    data : Tensor or array
        The values; the memory is shared, not copied.
    requires_grad : bool, default True

    Errors
    ------
    DTypeError for a dtype that is not floating with ``requires_grad``. TypeError for other data than a tensor.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.Parameter(tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()
    result_class: ClassVar[type] = Tensor

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        array = settle(data) if isinstance(data, Tensor) else data
        if not is_array(array):
            raise TypeError(f"a Parameter is made from a tensor, not {type(data).__name__}: nn.Parameter(tensor(...))")
        self.array = borrowed(array)
        self.node = self.grad = self.view_of = None
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
