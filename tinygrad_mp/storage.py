"""Where a tensor lies in memory, and what may be done to that place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp.backend import owner, xp
from tinygrad_mp.errors import DTypeError, ShapeError, TapeError
from tinygrad_mp.layout import settle, strides
from tinygrad_mp.nested import a_kind
from tinygrad_mp.ops.movement import sizes_of
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.writes import mark_written


def element_size(self: Any) -> int:
    """Bytes of one entry."""
    size: int = self.array.dtype.itemsize
    return size


def storage_offset(self: Any) -> int:
    """Entries between the start of the memory that this tensor shows and its first entry.

    >>> from tinygrad_mp import arange
    >>> arange(5)[2:].storage_offset()
    2
    """
    whole = owner(settle(self))
    return int((self.data_ptr() - _address(whole)) // self.array.dtype.itemsize)


def _address(array: Any) -> int:
    address: int = array.ctypes.data if hasattr(array, "ctypes") else array.data.ptr
    return address


def ndimension(self: Any) -> int:
    """The number of axes."""
    count: int = self.array.ndim
    return count


def get_device(self: Any) -> int:
    """The number of the CUDA device; -1 on the CPU."""
    return -1 if self.device.type == "cpu" else int(self.device.index or 0)


def dim_order(self: Any) -> tuple[int, ...]:
    """The axes from the one with the largest stride to that with the smallest."""
    steps = strides(self)
    return tuple(sorted(range(len(steps)), key=lambda axis: -steps[axis]))


def is_set_to(self: Any, tensor: Any) -> bool:
    """Whether both show the same entries of the same memory, in the same order."""
    same = self.array.shape == tensor.array.shape and self.stride() == tensor.stride()
    return bool(same and self.data_ptr() == tensor.data_ptr() and self.dtype == tensor.dtype)


def share_memory_(self: Any) -> Any:
    """This tensor: threads of one process share its memory anyway."""
    return self


def is_shared(self: Any) -> bool:
    """Whether other processes share this tensor's memory: never."""
    return False


def pin_memory(self: Any, device: Any = None) -> Any:
    """This tensor: memory of the host is not pinned."""
    return self


def is_pinned(self: Any, device: Any = None) -> bool:
    """Whether the memory is pinned: never."""
    return False


class UntypedStorage:
    """The memory under a tensor and its views, as bytes: how much it is and where it lies.

    >>> from tinygrad_mp import zeros
    >>> x = zeros(3)
    >>> x.untyped_storage().nbytes(), x[1:].untyped_storage().data_ptr() == x.data_ptr()
    (12, True)
    """

    def __init__(self, tensor: Any) -> None:
        self._memory, self.device = owner(settle(tensor)), tensor.device
        self._entry = 1

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return _address(self._memory)

    def nbytes(self) -> int:
        """How many bytes there are."""
        return int(self._memory.nbytes)

    def element_size(self) -> int:
        """Bytes of one entry."""
        return self._entry

    def size(self) -> int:
        """How many entries there are."""
        return self.nbytes() // self._entry

    __len__ = size


class TypedStorage(UntypedStorage):
    """:class:`UntypedStorage` as entries of the tensor's dtype."""

    def __init__(self, tensor: Any) -> None:
        super().__init__(tensor)
        self.dtype, self._entry = tensor.dtype, tensor.array.dtype.itemsize


def untyped_storage(self: Any) -> UntypedStorage:
    """The memory under this tensor, as bytes."""
    return UntypedStorage(self)


def storage(self: Any) -> TypedStorage:
    """The memory under this tensor, as entries.

    >>> from tinygrad_mp import zeros
    >>> zeros(4)[1:].storage().size()
    4
    """
    return TypedStorage(self)


# --- in place ---------------------------------------------------------------------------------------------------------


def _off_the_tape(self: Any, what: str) -> None:
    if self.requires_grad:
        raise TapeError(f"{what} on a tensor that requires a gradient", fix="use x.detach(), or reshape and cat")


def set_(self: Any, source: Any = None) -> Any:
    """Let this tensor show the memory of ``source``; without one, nothing. Returns self.

    >>> from tinygrad_mp import tensor, zeros
    >>> zeros(3).set_(tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    if source is not None and not isinstance(source, TensorBase):
        raise DTypeError(f"set_: expected a tensor, got {a_kind(source)}")
    if source is not None and source.array.dtype != self.array.dtype:
        raise DTypeError(f"set_: the tensor is {self.array.dtype}, the source {source.array.dtype}")
    _off_the_tape(self, "set_")
    self.array = xp(self.array).empty((0,), self.array.dtype) if source is None else settle(source)
    self.view_of = None
    return self


def resize_(self: Any, *sizes: Any, memory_format: Any = None) -> Any:
    """Give this tensor another shape: its first entries in C order stay, new ones are not initialised. Returns self.

    Unlike in PyTorch, tensors that shared the memory keep the old one when it has to grow.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0, 3.0, 4.0]).resize_(1, 3)
    tensor([[1., 2., 3.]])
    """
    _off_the_tape(self, "resize_")
    shape = sizes_of(sizes)
    if any(size < 0 for size in shape):
        raise ShapeError(f"resize_: sizes are not negative, got {shape}")
    array = settle(self)
    flat = array.reshape(-1)
    count = 1
    for size in shape:
        count *= size
    if count > flat.size:
        grown = xp(array).empty(count, array.dtype)
        grown[: flat.size] = flat
        flat = grown
    self.array, self.view_of = flat[:count].reshape(shape), None
    mark_written(self.array)
    return self


def resize_as_(self: Any, the_template: Any, *, memory_format: Any = None) -> Any:
    """:func:`resize_` to the shape of another tensor. Returns self."""
    return resize_(self, tuple(the_template.shape))


# --- entry by entry, with a Python function ---------------------------------------------------------------------------


def _each(self: Any, others: tuple[Any, ...], function: Callable[..., Any], name: str) -> Any:
    if self.device.type != "cpu":
        raise TapeError(f"{name} calls a Python function on every entry: on the CPU only", fix="use x.cpu() first")
    _off_the_tape(self, name)
    arrays = xp(self.array).broadcast_arrays(self.array, *(other.array for other in others))
    if arrays[0].shape != self.array.shape:
        raise ShapeError(f"{name}: the operands broadcast to {arrays[0].shape}, the tensor has {self.array.shape}")
    values = [function(*entries) for entries in zip(*(one.ravel().tolist() for one in arrays), strict=True)]
    self.array[...] = xp(self.array).asarray(values, dtype=self.array.dtype).reshape(self.array.shape)
    mark_written(self.array)
    return self


def apply_(self: Any, callable: Callable[[Any], Any]) -> Any:
    """Replace every entry by what the function makes of it; slow, on the CPU, off the tape. Returns self.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0, 2.0]).apply_(lambda entry: entry + 1)
    tensor([2., 3.])
    """
    return _each(self, (), callable, "apply_")


def map_(self: Any, tensor: Any, callable: Callable[[Any, Any], Any]) -> Any:
    """Replace every entry by what the function makes of it and of that of ``tensor``. Returns self."""
    return _each(self, (tensor,), callable, "map_")


def map2_(self: Any, x: Any, y: Any, callable: Callable[[Any, Any, Any], Any]) -> Any:
    """Replace every entry by what the function makes of it and of those of ``x`` and ``y``. Returns self."""
    return _each(self, (x, y), callable, "map2_")
