"""``Parameter``: a tensor that a module learns; ``Buffer``: one that it keeps; and those whose shape comes later."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_mp.backend import Device, device_of, is_array
from tinygrad_mp.creation import empty
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.layout import borrowed, settle
from tinygrad_mp.tape import Leaf, TensorBase
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

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        data = empty(0) if data is None else data
        array = settle(data) if isinstance(data, Tensor) else data
        if not is_array(array):
            raise TypeError(f"a Parameter is made from a tensor, not {type(data).__name__}: nn.Parameter(tensor(...))")
        self.array = borrowed(array)
        self.node = self._grad = self.view_of = None
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to: moved and saved, but not learned.

    Parameters
    ----------
    data : Tensor or array
        The values; the memory is shared, not copied.
    persistent : bool, default True
        Whether ``state_dict`` holds it.

    >>> from tinygrad_mp import nn, tensor
    >>> module = nn.Module()
    >>> module.mean = nn.Buffer(tensor([1.0]))
    >>> module.state_dict()
    OrderedDict([('mean', tensor([1.]))])
    """

    __slots__ = ("persistent",)
    result_class: ClassVar[type] = Tensor

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        data = empty(0) if data is None else data
        if not isinstance(data, Tensor) and not is_array(data):
            raise TypeError(f"a Buffer is made from a tensor, not {type(data).__name__}: nn.Buffer(tensor(...))")
        self.array = settle(data) if isinstance(data, Tensor) else borrowed(data)
        self.node = self._grad = self.view_of = None
        self.persistent = persistent


_array = TensorBase.__dict__["array"]  # the slot below the property of the same name


class _Lazy(Tensor):
    """A tensor whose shape is not known yet: it has a dtype and a device only, until :meth:`materialize`."""

    __slots__ = ()
    becomes: ClassVar[type]

    def _start(self, requires_grad: bool, device: Any, dtype: Any) -> None:
        _array.__set__(self, empty((0,), device=device, dtype=dtype).array)
        self.node = self._grad = self.view_of = None
        if requires_grad:
            self._wait_for_gradients()

    def _wait_for_gradients(self) -> None:
        place: Any = Tensor.__new__(Tensor)
        place.array = _array.__get__(self)
        self.node = Leaf(place)

    @property
    def array(self) -> Any:
        """Not there yet: raises."""
        raise UninitializedError(
            "a parameter or buffer without a shape was used",
            fix="call the module once, so that it sees the width of its input, or .materialize(shape)",
        )

    @property
    def dtype(self) -> Any:
        """The dtype that the entries will have."""
        return _array.__get__(self).dtype

    @property
    def device(self) -> Device:
        """Where the entries will live."""
        return device_of(_array.__get__(self))

    @property  # type: ignore[misc]
    def requires_grad(self) -> bool:
        """Whether it will require a gradient."""
        return self.node is not None

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Ask for gradients, or stop asking. Returns self."""
        if not requires_grad:
            self.node = None
        elif self.node is None:
            self._wait_for_gradients()
        return self

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of this shape, with arbitrary values."""
        values = empty(tuple(shape), device=device or self.device, dtype=dtype or self.dtype)
        wanted, self.node = self.node is not None, None
        self.__class__ = self.becomes
        _array.__set__(self, values.array)
        if wanted:
            self.node = Leaf(self)

    def moved(self, function: Any) -> None:
        """Take the dtype and device that ``function`` gives an array."""
        _array.__set__(self, function(_array.__get__(self)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = Tensor.__new__(type(self))
        twin._start(self.requires_grad, self.device, self.dtype)
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        return type(self), (self.requires_grad, str(self.device), str(self.dtype))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedError(TinygradError, ValueError):
    """A parameter was used before its shape was known."""


class UninitializedParameter(_Lazy, Parameter):
    """A parameter whose shape a lazy module finds out at its first call.

    >>> from tinygrad_mp import nn
    >>> weight = nn.UninitializedParameter()
    >>> weight.materialize((2, 3))
    >>> type(weight).__name__, tuple(weight.shape)
    ('Parameter', (2, 3))
    """

    __slots__ = ()
    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._start(requires_grad, device, dtype)


class UninitializedBuffer(_Lazy):
    """A buffer whose shape a lazy module finds out at its first call."""

    __slots__ = ()
    becomes = Tensor

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None) -> None:
        self._start(requires_grad, device, dtype)


def is_lazy(value: Any) -> bool:
    """Whether ``value`` is a parameter or buffer without a shape yet.

    >>> is_lazy(UninitializedParameter()), is_lazy(3)
    (True, False)
    """
    return isinstance(value, _Lazy)
