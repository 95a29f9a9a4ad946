"""Attributes of ``Tensor`` that say what it is, and its transposes."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.errors import ShapeError, UnsupportedError
from tinygrad_mp.later import fetch


class Attributes:
    """Properties under PyTorch's names that follow from others."""

    __slots__ = ()

    @property
    def itemsize(self: Any) -> int:
        """Bytes of one entry."""
        size: int = self.array.dtype.itemsize
        return size

    @property
    def nbytes(self: Any) -> int:
        """Bytes of all entries."""
        return int(self.array.size * self.itemsize)

    @property
    def is_cuda(self: Any) -> bool:
        """Whether the array lives on a CUDA device."""
        return bool(self.device.type == "cuda")

    @property
    def is_cpu(self: Any) -> bool:
        """Whether the array lives on the CPU."""
        return bool(self.device.type == "cpu")

    @property
    def is_sparse(self) -> bool:
        """False: every tensor is dense."""
        return False

    @property
    def is_quantized(self) -> bool:
        """False: no tensor is quantised."""
        return False

    @property
    def is_meta(self) -> bool:
        """False: every tensor has its values."""
        return False

    @property
    def layout(self) -> Any:
        """How the entries are stored: always ``strided``."""
        return fetch("formats", "strided")

    @property
    def output_nr(self) -> int:
        """Which output of its ``grad_fn`` this tensor is: 0, because each output has a node of its own."""
        return 0

    @property
    def retains_grad(self: Any) -> bool:
        """Whether ``retain_grad`` was called on this result of an operation."""
        hooks = () if self.is_leaf else self.node.hooks or ()
        return any(getattr(hook, "keeps_gradient", False) for hook in hooks)

    @property
    def T(self) -> Any:  # noqa: N802 - the field's name for it
        """The axes in reverse order, as a view."""
        return ops.reverse_axes(self)

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes exchanged, as a view."""
        return ops.matrix_transpose(self)

    @property
    def H(self: Any) -> Any:  # noqa: N802
        """The matrix transposed, as a view. ShapeError for another number of axes than two or none."""
        if self.ndim not in (0, 2):
            raise ShapeError(f"H: a matrix is wanted, the shape is {self.array.shape}", fix="use .mT for batches")
        return self.mH if self.ndim else self

    @property
    def mH(self: Any) -> Any:  # noqa: N802
        """The matrices transposed, as a view; of complex ones, which are left out, also conjugated."""
        if self.array.dtype.kind == "c":
            raise UnsupportedError("mH of complex matrices", fix="use numpy: x.numpy().conj().swapaxes(-1, -2)")
        return ops.matrix_transpose(self)

    @property
    def real(self: Any) -> Any:
        """The tensor itself; of a complex one, which are left out, nothing."""
        if self.array.dtype.kind == "c":
            raise UnsupportedError("the real part of a complex tensor", fix="use numpy: x.numpy().real")
        return self
