"""The methods of ``Tensor`` that are operations: a table onto :mod:`tinygrad_mp.ops`, which says what each does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinygrad_mp import dtypes, ops
from tinygrad_mp.errors import DTypeError
from tinygrad_mp.keywords import flexible
from tinygrad_mp.later import IN_PLACE, METHODS, offer
from tinygrad_mp.mutation import in_place
from tinygrad_mp.tape import TensorBase


def _or_not_implemented(compare: Callable[..., Any]) -> Callable[..., Any]:
    """``compare`` for operators: ``t == None`` is False, as for any two objects that know nothing of each other."""

    def equality(self: Any, other: Any) -> Any:
        known = hasattr(other, "dtype") or isinstance(other, (int, float, complex))
        return compare(self, other) if known else NotImplemented

    return equality


def _tensor(x: Any) -> Any:
    """``x``, which a method was called with: unbound, it may be called with anything."""
    if isinstance(x, TensorBase):
        return x
    raise DTypeError(f"a method of Tensor was called with a {type(x).__name__}", fix="write the operator")


def _method(call: Callable[..., Any]) -> Callable[..., Any]:
    return flexible(call, method=True) if call.__module__.startswith(ops.__name__) else call


def _writing(call: Callable[..., Any]) -> Callable[..., Any]:
    return in_place(_method(call))


class Methods:
    """Operators and operations, under PyTorch's names."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What `later.METHODS` and `later.IN_PLACE` list has a type only when it is there."""

    # --- operators --------------------------------------------------------------------------------------------------

    __add__ = ops.add
    __sub__ = ops.sub
    __mul__ = ops.mul
    __truediv__ = ops.div
    __floordiv__ = ops.floor_divide
    __mod__ = ops.remainder
    __pow__ = ops.pow
    __matmul__ = ops.matmul
    __neg__ = ops.neg
    __pos__ = ops.clone
    __abs__ = ops.abs
    __eq__ = _or_not_implemented(ops.eq)
    __ne__ = _or_not_implemented(ops.ne)
    __lt__ = ops.lt
    __le__ = ops.le
    __gt__ = ops.gt
    __ge__ = ops.ge
    __and__ = ops.bitwise_and
    __rand__ = ops.bitwise_and
    __or__ = ops.bitwise_or
    __ror__ = ops.bitwise_or
    __xor__ = ops.bitwise_xor
    __rxor__ = ops.bitwise_xor
    __invert__ = ops.bitwise_not
    __getitem__ = ops.getitem
    __iadd__ = in_place(ops.add)
    __isub__ = in_place(ops.sub)
    __imul__ = in_place(ops.mul)
    __itruediv__ = in_place(ops.div)
    __ifloordiv__ = in_place(ops.floor_divide)
    __imod__ = in_place(ops.remainder)
    __ipow__ = in_place(ops.pow)
    __iand__ = in_place(ops.bitwise_and)
    __ior__ = in_place(ops.bitwise_or)
    __ixor__ = in_place(ops.bitwise_xor)

    def __radd__(self, other: Any) -> Any:
        return ops.add(_tensor(self), other)

    def __rmul__(self, other: Any) -> Any:
        return ops.mul(_tensor(self), other)

    def __rsub__(self, other: Any) -> Any:
        return ops.sub(other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.div(other, self)

    def __rfloordiv__(self, other: Any) -> Any:
        return ops.floor_divide(other, self)

    def __rmod__(self, other: Any) -> Any:
        return ops.remainder(other, self)

    def __rpow__(self, other: Any) -> Any:
        return ops.pow(other, self)

    def __rmatmul__(self, other: Any) -> Any:
        return ops.matmul(other, self)

    # --- operations: what each does is said in tinygrad_mp.ops --------------------------------------------------------

    add = ops.add
    sub = ops.sub
    subtract = ops.sub
    mul = ops.mul
    multiply = ops.mul
    div = ops.divide
    divide = ops.divide
    true_divide = ops.div
    neg = ops.neg
    negative = ops.neg
    pow = ops.pow
    abs = ops.abs
    absolute = ops.abs
    sign = ops.sign
    exp = ops.exp
    log = ops.log
    sqrt = ops.sqrt
    rsqrt = ops.rsqrt
    square = ops.square
    reciprocal = ops.reciprocal
    maximum = ops.maximum
    minimum = ops.minimum
    clamp = ops.clamp
    clip = ops.clamp
    allclose = ops.allclose
    equal = ops.equal
    remainder = ops.remainder
    floor_divide = ops.floor_divide
    clone = ops.clone
    isnan = ops.isnan
    isinf = ops.isinf
    isfinite = ops.isfinite
    eq = ops.eq
    ne = ops.ne
    lt = ops.lt
    le = ops.le
    gt = ops.gt
    ge = ops.ge
    logical_and = ops.logical_and
    logical_or = ops.logical_or
    logical_not = ops.logical_not
    logical_xor = ops.logical_xor
    isclose = ops.isclose
    bitwise_and = ops.bitwise_and
    bitwise_or = ops.bitwise_or
    bitwise_xor = ops.bitwise_xor
    bitwise_not = ops.bitwise_not
    tanh = ops.tanh
    sum = ops.sum
    mean = ops.mean
    prod = ops.prod
    var = ops.var
    std = ops.std
    logsumexp = ops.logsumexp
    all = ops.all
    any = ops.any
    reshape = ops.reshape
    view = ops.view
    flatten = ops.flatten
    transpose = ops.transpose
    permute = ops.permute
    squeeze = ops.squeeze
    unsqueeze = ops.unsqueeze
    expand = ops.expand
    broadcast_to = ops.broadcast_to
    split = ops.split
    chunk = ops.chunk
    unbind = ops.unbind
    diagonal = ops.diagonal
    narrow = ops.narrow
    movedim = ops.movedim
    swapaxes = ops.swapaxes
    contiguous = ops.contiguous
    matmul = ops.matmul
    dot = ops.dot
    outer = ops.outer
    mv = ops.mv
    mm = ops.mm
    bmm = ops.bmm

    def float(self, memory_format: Any = None) -> Any:
        """This tensor in float32."""
        return ops.to_dtype(self, dtypes.float32)

    def int(self, memory_format: Any = None) -> Any:
        """This tensor in int32."""
        return ops.to_dtype(self, dtypes.int32)

    def bool(self, memory_format: Any = None) -> Any:
        """This tensor in bool: whether entries differ from zero."""
        return ops.to_dtype(self, dtypes.bool_)


for _name, _operation in list(vars(Methods).items()):
    if not (_name.startswith("_") or _name.endswith("_")) and getattr(_operation, "__module__", "").startswith(
        ops.__name__
    ):
        setattr(Methods, _name, _method(_operation))

offer(Methods, METHODS, make=_method)
offer(Methods, IN_PLACE, suffix="_", make=_writing)
