"""Methods that change the shape of a tensor itself, over the same memory: ``unsqueeze_``, ``t_`` and kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.errors import TapeError
from tinygrad_mp.grad_mode import is_grad_enabled
from tinygrad_mp.ops.shaping import t as transposed
from tinygrad_mp.tape import Leaf, refresh, wrap


def _turned(self: Any, call: Callable[..., Any], *args: Any) -> Any:
    """Make ``self`` what ``call`` makes of it: a view of what it was, recorded if that was."""
    refresh(self)
    if isinstance(self.node, Leaf) and is_grad_enabled():
        raise TapeError(
            f"{call.__name__}_: a leaf that requires a gradient, shape {self.array.shape}, is changed in place",
            fix=f"make a new tensor: x = x.{call.__name__}(...)",
        )
    before = wrap(self.result_class, self.array, self.node)
    before.view_of = self.view_of
    after = call(before, *args)
    self.array = after.array
    if self.node is not None:
        self.node, self.view_of = after.node, after.view_of
    elif self.view_of is not None:
        self.view_of = after.view_of
    return self


def unsqueeze_(self: Any, dim: int) -> Any:
    """Put an axis of size 1 at ``dim``. Returns self.

    >>> from tinygrad_mp import zeros
    >>> zeros(2).unsqueeze_(0).shape
    Size([1, 2])
    """
    return _turned(self, ops.unsqueeze, dim)


def squeeze_(self: Any, dim: Any = None) -> Any:
    """Drop the axes of size 1, or those of ``dim``. Returns self."""
    return _turned(self, ops.squeeze, *(() if dim is None else (dim,)))


def transpose_(self: Any, dim0: int, dim1: int) -> Any:
    """Exchange two axes. Returns self."""
    return _turned(self, ops.transpose, dim0, dim1)


def t_(self: Any) -> Any:
    """Transpose a matrix; fewer axes stay. Returns self."""
    return _turned(self, transposed)
