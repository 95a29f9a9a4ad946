"""Shapes by PyTorch's further names: short compositions of :mod:`tinygrad_mp.ops.movement`."""

from typing import Any

from tinygrad_mp.errors import DTypeError, ShapeError, UnsupportedError
from tinygrad_mp.ops.elementwise import clone
from tinygrad_mp.ops.joining import narrow
from tinygrad_mp.ops.movement import expand, flatten, matrix_transpose, reshape, sizes_of, transpose, view
from tinygrad_mp.primitive import sum_to
from tinygrad_mp.tape import TensorBase


def t(input: Any) -> Any:
    """The transpose of a matrix, as a view; fewer axes stay as they are.

    Errors
    ------
    ShapeError for more than two axes.

    >>> from tinygrad_mp import zeros
    >>> zeros(2, 3).t().shape
    Size([3, 2])
    """
    if input.ndim > 2:
        raise ShapeError(f"t: at most two axes are wanted, there are {input.ndim}", fix="use .mT, or .transpose(0, 1)")
    return transpose(input, 0, 1) if input.ndim == 2 else view(input, *input.shape)


def adjoint(input: Any) -> Any:
    """The last two axes exchanged, as a view. Complex matrices are left out.

    >>> from tinygrad_mp import zeros
    >>> zeros(4, 2, 3).adjoint().shape
    Size([4, 3, 2])
    """
    if input.dtype.kind == "c":
        raise UnsupportedError("adjoint of complex matrices", fix="use numpy: x.numpy().conj().swapaxes(-1, -2)")
    return matrix_transpose(input)


def ravel(input: Any) -> Any:
    """All entries along one axis; a view where memory allows.

    >>> from tinygrad_mp import zeros
    >>> zeros(2, 3).ravel().shape
    Size([6])
    """
    return flatten(input)


def detach(input: Any) -> Any:
    """A tensor over the same memory that is not on the tape."""
    return input.detach()


def view_as(input: Any, other: Any) -> Any:
    """``input.view(other.shape)``."""
    return view(input, *_shape("view_as", other))


def reshape_as(input: Any, other: Any) -> Any:
    """``input.reshape(other.shape)``."""
    return reshape(input, _shape("reshape_as", other))


def expand_as(input: Any, other: Any) -> Any:
    """``input.expand(other.shape)``.

    >>> from tinygrad_mp import tensor, zeros
    >>> tensor([[1.0], [2.0]]).expand_as(zeros(2, 2))
    tensor([[1., 1.],
            [2., 2.]])
    """
    return expand(input, *_shape("expand_as", other))


def _shape(name: str, other: Any) -> tuple[int, ...]:
    if not isinstance(other, TensorBase):
        raise DTypeError(f"{name}: expected a tensor, got a {type(other).__name__}")
    return tuple(other.array.shape)


def sum_to_size(input: Any, *size: Any) -> Any:
    """``input`` summed over the axes along which a tensor of ``size`` would broadcast to it.

    >>> from tinygrad_mp import ones
    >>> ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    shape = sizes_of(size)
    extra = input.ndim - len(shape)
    if extra < 0 or any(one not in (1, size) for one, size in zip(shape, input.shape[extra:], strict=True)):
        raise ShapeError(f"sum_to_size: {tuple(input.shape)} is no broadcast of {shape}")
    return sum_to(input, shape=shape)


def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    """:func:`narrow` in memory of its own."""
    return clone(narrow(input, dim, start, length))


def unchanged(input: Any) -> Any:
    """``input``: what ``resolve_neg``, ``resolve_conj``, ``real`` and ``conj`` make of a real tensor."""
    if input.dtype.kind == "c":
        raise UnsupportedError("complex tensors are not computed with", fix="use numpy: x.numpy().conj()")
    return input
