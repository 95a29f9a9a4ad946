"""``Tensor``: an array with a place on the tape. Its operations are a table in :mod:`tinygrad_mp.methods`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from tinygrad_mp import autograd, dtypes, ops
from tinygrad_mp.absent import mark_absent, present
from tinygrad_mp.attributes import Attributes
from tinygrad_mp.backend import Device, array_on, device_of
from tinygrad_mp.calls import set_plain_class
from tinygrad_mp.dtypes import DIFFERENTIABLE, DType
from tinygrad_mp.errors import DTypeError, IndexRangeError, ShapeError, TapeError, UnsupportedError
from tinygrad_mp.interop import NumpyProtocols, host_array
from tinygrad_mp.later import fetch
from tinygrad_mp.layout import is_contiguous, settle, strides
from tinygrad_mp.methods import Methods
from tinygrad_mp.mutation import copy_into, set_item
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.sizes import KNOWN_SIZES, Size
from tinygrad_mp.tape import Leaf, Node, TensorBase, refresh, wrap
from tinygrad_mp.writes import writes_to


class TensorType(type):
    """The class of ``Tensor``: calling that is PyTorch's old way to make one. The engine goes round it (calls.py)."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        if cls.__init__ is object.__init__:  # type: ignore[misc]
            return fetch("legacy", "tensor_of")(cls, args, options)
        return super().__call__(*args, **options)

    def __dir__(cls) -> list[str]:
        return present(cls, super().__dir__())


class Tensor(Methods, Attributes, NumpyProtocols, TensorBase, metaclass=TensorType):
    """An n-dimensional array that remembers how it was made. Make one with :func:`tinygrad_mp.tensor`.

    Attributes
    ----------
    array : numpy.ndarray or cupy.ndarray
        The values themselves, not a copy.
    node : Node or None
        Its place on the tape; None when it needs no gradient.
    grad : Tensor or None
        The gradient that backward passes have added up; of leaves only, unless ``retain_grad`` was called.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The size along each axis."""
        return KNOWN_SIZES[self.array.shape]

    @property
    def dtype(self) -> DType:
        """The dtype of the entries."""
        dtype: DType = self.array.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        ndim: int = self.array.ndim
        return ndim

    @property
    def device(self) -> Device:
        """Where the array lives."""
        return device_of(self.array)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size along ``dim``."""
        if dim is None:
            return self.shape
        if not -self.ndim <= dim < self.ndim:
            raise IndexRangeError(f"size: dim {dim} is out of range for a tensor with {self.ndim} dimensions")
        return self.shape[dim]

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def numel(self) -> int:
        """The number of entries."""
        size: int = self.array.size
        return size

    nelement = numel

    def stride(self, dim: int | None = None) -> Any:
        """Entries to step over for the next one along each axis, or along ``dim``."""
        steps = strides(self)
        return steps if dim is None else steps[one_axis(dim, self.ndim)]

    def is_contiguous(self) -> bool:
        """Whether the entries lie in memory in row-major order without gaps."""
        return is_contiguous(self)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.dtype in dtypes.FLOATING

    def data_ptr(self) -> int:
        """The address of the first entry."""
        array = settle(self)
        address: int = array.ctypes.data if hasattr(array, "ctypes") else array.data.ptr
        return address

    # --- gradients --------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded; settable on leaves."""
        refresh(self)
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """Whether the user made it, rather than a recorded operation."""
        return not self.requires_grad or isinstance(self.node, Leaf)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor; None for a leaf."""
        return None if self.is_leaf else self.node

    @property
    def data(self) -> Self:
        """A tensor over the same memory that is not on the tape; settable, which exchanges the values."""
        return self.detach()

    @data.setter
    def data(self, value: TensorBase) -> None:
        if not isinstance(value, TensorBase):
            raise DTypeError(f"data is a tensor, not a {type(value).__name__}", fix="use tensor(values)")
        self.array = settle(value)
        self.view_of = None
        if isinstance(self.node, Leaf):
            self.node.shape, self.node.dtype = self.array.shape, self.array.dtype
        else:
            self.node = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for gradients of this leaf, or stop asking. Floating dtypes only. Returns self.

        >>> from tinygrad_mp import zeros
        >>> zeros(2).requires_grad_()
        tensor([0., 0.], requires_grad=True)
        """
        if not requires_grad:
            if not self.is_leaf:
                raise TapeError(
                    f"requires_grad = False on the result of {self.node!r}", fix="use x.detach() for the values alone"
                )
            self.node = None
        elif not self.requires_grad:
            if self.array.dtype not in DIFFERENTIABLE:
                raise DTypeError(
                    f"only floating dtypes can require gradients, this tensor has {self.array.dtype}",
                    fix="convert it first: x = x.float()",
                )
            self.view_of = None
            self.node = Leaf(self)
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradients of this tensor to ``.grad`` of the leaves it depends on.

        See :func:`tinygrad_mp.autograd.backward` for the parameters and errors.
        """
        autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Self:
        """A tensor over the same memory that is not on the tape."""
        result: Self = wrap(self.result_class, settle(self))
        return result

    def detach_(self) -> Self:
        """Take this tensor off the tape. Returns self."""
        self.node = self.view_of = None
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in ``.grad``, though it is the result of an operation."""
        if not self.requires_grad:
            raise TapeError("retain_grad on a tensor that does not require a gradient")
        if not self.is_leaf:
            autograd.retain_grad(self)

    def register_hook(self, hook: Callable[[Any], Any]) -> autograd.RemovableHook:
        """Call ``hook(cotangent)`` in every backward pass, when the cotangent is complete.

        A tensor that the hook returns takes its place. Returns a handle with ``remove()``.
        """
        return autograd.add_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> autograd.RemovableHook:
        """Call ``hook(tensor)`` whenever a backward pass has added to ``.grad`` of this leaf.

        Returns a handle with ``remove()``. TapeError unless it is a leaf that requires a gradient.

        >>> from tinygrad_mp import ones
        >>> x = ones(2, requires_grad=True)
        >>> hook = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
        >>> (x * 3).sum().backward()
        tensor([3., 3.])
        """
        return autograd.add_hook_after(self, hook)

    @property
    def _version(self) -> int:
        """How often the memory under this tensor was written by in-place operations."""
        return writes_to(self.array)

    # --- moving -----------------------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> Any:
        """The NumPy array over the same memory. TapeError if a gradient is required, DeviceError off the CPU.

        With ``force``, ``x.detach().cpu().numpy()``.
        """
        return host_array(self.detach().cpu() if force else self, "numpy")

    def item(self) -> Any:
        """The one entry as a Python number. ShapeError if there are more."""
        if self.numel() != 1:
            raise ShapeError(f"item() on a tensor of shape {self.array.shape}", fix="use .tolist(), or index it first")
        return self.array.item()

    def tolist(self) -> Any:
        """The entries as nested lists of Python numbers."""
        return self.array.tolist()

    # --- in place ---------------------------------------------------------------------------------------------------

    def copy_(self, src: Any, non_blocking: bool = False) -> Self:
        """Write ``src``, which may broadcast and be cast, into this tensor's memory. Returns self."""
        copy_into(self, src)
        return self

    def fill_(self, value: Any) -> Self:
        """Write ``value`` into every entry. Returns self."""
        copy_into(self, value)
        return self

    def zero_(self) -> Self:
        """Write zero into every entry. Returns self."""
        copy_into(self, 0)
        return self

    # --- Python's protocols -----------------------------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Any) -> None:
        set_item(self, index, value)

    def __len__(self) -> int:
        if not self.ndim:
            raise UnsupportedError("a 0-d tensor has no len()", fix="use .item() for its value")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise UnsupportedError("a 0-d tensor cannot be iterated over", fix="use .item() for its value")
        return iter(ops.unbind(self, 0))

    def __reversed__(self) -> Any:
        return self.flip(0) if self.ndim else self

    def __contains__(self, value: Any) -> bool:
        if not (isinstance(value, (bool, int, float, complex)) or hasattr(value, "dtype")):
            raise DTypeError(f"a tensor contains numbers, not a {type(value).__name__}")
        return bool((self.array == getattr(value, "array", value)).any())

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(
                f"the truth value of a tensor of shape {self.array.shape} is ambiguous", fix="use .any() or .all()"
            )
        return bool(self.array.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.array.size != 1:
            raise DTypeError(
                f"an index is one integer, this is a {self.dtype} tensor of shape {self.array.shape}",
                fix="use .tolist(), or convert it with .long()",
            )
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __dir__(self) -> list[str]:
        return present(type(self), super().__dir__())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)

    def __repr__(self) -> str:
        text: str = fetch("formatting", "format_tensor")(self)
        return text

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self) -> Any:
        return _rebuild, (self.__class__, host_array(self.detach().cpu(), "pickle"), self.requires_grad, self.device)

    def __copy__(self) -> Any:
        shallow = wrap(self.__class__, settle(self), self.node)
        shallow.view_of, shallow._grad = self.view_of, self._grad
        return shallow

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise TapeError(
                f"only leaves can be deep-copied, not the result of {self.node!r}", fix="copy x.detach() instead"
            )
        from copy import deepcopy  # not above: importing the package must stay fast

        result = wrap(self.__class__, self.array.copy())
        memo[id(self)] = result
        if self.node is not None:
            result.node = Leaf(result)
        result.grad = deepcopy(self.grad, memo)
        return result


def _rebuild(cls: type, array: Any, requires_grad: bool, device: Device) -> Any:
    """Make a tensor of what :meth:`Tensor.__reduce__` gave to pickle."""
    tensor = wrap(cls, array_on(device, array))
    if requires_grad:
        tensor.node = Leaf(tensor)
    return tensor


set_plain_class(Tensor)
mark_absent(Tensor)
