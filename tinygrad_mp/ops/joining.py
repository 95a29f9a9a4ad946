"""Parts of tensors, and tensors made of parts.

``narrow``, ``split``, ``chunk``, ``unbind`` and ``diagonal`` show the memory of their input, as in PyTorch; ``cat``,
``stack`` and ``pad`` copy. They come in pairs, each the gradient of the other: split and cat, unbind and stack, narrow
and pad.
"""

import operator
from collections.abc import Sequence
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.movement import located
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

# --- parts along one axis -------------------------------------------------------------------------------------------


def _split_case(sampler: Sampler) -> Any:
    sizes = tuple(sampler.integer(0, 3) for _ in range(sampler.integer(1, 3)))
    shape = list(sampler.shape(min_dims=1))
    dim = sampler.integer(0, len(shape) - 1)
    shape[dim] = sum(sizes)
    return (sampler.array(tuple(shape)),), {"sizes": sizes, "dim": dim}


@primitive(x=lambda g, dim: _cat(*g, dim=dim), linear=True, view=True, outputs=True, cases=_split_case)
def _split(x: Real, *, sizes: tuple[int, ...], dim: int) -> tuple[Any, ...]:
    before = (slice(None),) * dim
    parts, start = [], 0
    for size in sizes:
        parts.append(x[(*before, slice(start, start + size))])
        start += size
    if start != x.shape[dim] or min(sizes, default=0) < 0:
        raise ShapeError(f"sizes {sizes} do not add up to {x.shape[dim]}, the size along dim {dim}")
    return tuple(parts)


def split(input: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Views of consecutive parts of ``input`` along ``dim``.

    Parameters
    ----------
    split_size_or_sections : int or sequence of int
        The size of every part (the last may be smaller), or the sizes of all parts.

    Errors
    ------
    ShapeError if the sizes do not add up to the size along ``dim``.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2, 3]).split(2)
    (tensor([1, 2]), tensor([3]))
    """
    shape = input.shape
    if not shape:
        raise located(ShapeError("a tensor without axes has no parts"), "split", input)
    axis = one_axis(dim, len(shape))
    if hasattr(split_size_or_sections, "__index__"):
        part, whole = split_size_or_sections.__index__(), shape[axis]
        if part < 0 or (part == 0 and whole):
            raise located(ShapeError(f"parts of size {part}", fix="use a size of at least 1"), "split", input)
        full, rest = divmod(whole, part) if part else (1, 0)
        sizes = (part,) * full + ((rest,) if rest or not full else ())
    else:
        sizes = tuple(split_size_or_sections)
    return _split(input, sizes=sizes, dim=axis)  # type: ignore[no-any-return]


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most ``chunks`` views of consecutive parts of ``input`` along ``dim``, all but the last of equal size.

    As in PyTorch there are fewer than ``chunks`` of them where rounding the size up uses ``input`` up sooner.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2, 3]).chunk(2)
    (tensor([1, 2]), tensor([3]))
    """
    if chunks < 1:
        raise located(ShapeError(f"{chunks} chunks", fix="ask for at least 1"), "chunk", input)
    size = input.shape[one_axis(dim, input.ndim)] if input.ndim else 0
    return split(input, -(-size // chunks) if size else (0,) * chunks, dim)


def _narrow_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1)
    dim = sampler.integer(0, len(shape) - 1)
    start = sampler.integer(0, shape[dim])
    return (sampler.array(shape),), {"dim": dim, "start": start, "length": sampler.integer(0, shape[dim] - start)}


@primitive(
    x=lambda g, x_shape, dim, start, length: _pad(
        g,
        pad=tuple([(start, size - start - length) if axis == dim else (0, 0) for axis, size in enumerate(x_shape)]),
        value=0.0,
    ),
    linear=True,
    view=True,
    cases=_narrow_case,
)
def _narrow(x: Real, *, dim: int, start: int, length: int) -> Any:
    return x[(*(slice(None),) * dim, slice(start, start + length))]


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """A view of the ``length`` slices of ``input`` from ``start`` on, along ``dim``.

    Parameters
    ----------
    start : int, or 0-d Tensor of an integer
        Negative ones count from the end.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2, 3]).narrow(0, 1, 2)
    tensor([2, 3])
    """
    axis = one_axis(dim, input.ndim)
    size = input.shape[axis] if input.ndim else 0
    if hasattr(start, "dtype") and (start.dtype.kind not in "iu" or start.ndim):
        raise located(ShapeError(f"start is one integer, not {start!r:.60}"), "narrow", input)
    start = operator.index(start)
    first = start + size if start < 0 else start
    if length < 0 or not 0 <= first <= size - length:
        raise located(
            IndexRangeError(f"{length} slices from {start} on, but there are {size} along dim {dim}"), "narrow", input
        )
    return _narrow(input, dim=axis, start=first, length=length)


def _unbind_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    return (sampler.array(shape),), {"dim": sampler.integer(0, len(shape) - 1)}


@primitive(x=lambda g, dim: _stack(*g, dim=dim), linear=True, view=True, outputs=True, cases=_unbind_case)
def _unbind(x: Real, *, dim: int) -> tuple[Any, ...]:
    before = (slice(None),) * dim
    return tuple([x[(*before, position, ...)] for position in range(x.shape[dim])])


def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """Views of all slices of ``input`` along ``dim``, which they lack.

    >>> from tinygrad_mp import tensor, unbind
    >>> unbind(tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    if not input.ndim:
        raise located(IndexRangeError("a tensor without axes has no slices"), "unbind", input)
    return _unbind(input, dim=one_axis(dim, input.ndim))  # type: ignore[no-any-return]


# --- joining --------------------------------------------------------------------------------------------------------


def _cat_case(sampler: Sampler) -> Any:
    shape = list(sampler.shape(min_dims=1))
    dim = sampler.integer(0, len(shape) - 1)
    shapes = [(*shape[:dim], sampler.integer(0, 3), *shape[dim + 1 :]) for _ in range(sampler.integer(1, 3))]
    return tuple(sampler.array(one) for one in shapes), {"dim": dim}


@primitive(
    tensors=lambda g, tensors_shape, dim: _split(g, sizes=tuple([shape[dim] for shape in tensors_shape]), dim=dim),
    cases=_cat_case,
)
def _cat(*tensors: Real, dim: int) -> Any:
    try:
        return xp(tensors[0]).concatenate(tensors, axis=dim)
    except ValueError as error:
        raise ShapeError(
            f"the shapes {', '.join(str(tuple(one.shape)) for one in tensors)} differ in more than dim {dim}",
            fix="sizes must be equal along every other dim; to join along a new one use stack",
        ) from error


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors joined along an existing axis. Dtypes are promoted; tensors of shape (0,) are left out, as in PyTorch.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of equal sizes along all axes but ``dim``.

    Errors
    ------
    ShapeError if other sizes differ, or if there is no tensor. DTypeError for what is no tensor.

    >>> from tinygrad_mp import cat, tensor
    >>> cat([tensor([1, 2]), tensor([3.0])])
    tensor([1., 2., 3.])
    """
    if tensors.__class__ is not list and isinstance(tensors, TensorBase):
        raise DTypeError("cat: the tensors come in a list or a tuple, and this is one tensor", fix="cat([a, b])")
    parts = tuple(tensors)
    if not parts:
        raise _nothing("cat")
    try:
        ndim = parts[0].ndim
        for part in parts:
            if part.ndim != ndim or not ndim:
                parts = tuple([one for one in parts if one.shape != (0,)])
                ndim = parts[0].ndim
                break
    except AttributeError:
        raise DTypeError("cat: one of the parts is no tensor", fix="make it a tensor: tensor(data)") from None
    if not ndim:
        raise located(ShapeError("a tensor without axes cannot be joined", fix="use stack"), "cat", parts[0])
    return _cat(*parts, dim=one_axis(dim, ndim))


def _stack_case(sampler: Sampler) -> Any:
    shape = sampler.shape(max_dims=2)
    arrays = tuple(sampler.array(shape) for _ in range(sampler.integer(1, 3)))
    return arrays, {"dim": sampler.integer(0, len(shape))}


@primitive(tensors=lambda g, dim: _unbind(g, dim=dim), cases=_stack_case)
def _stack(*tensors: Real, dim: int) -> Any:
    try:
        return xp(tensors[0]).stack(tensors, axis=dim)
    except ValueError as error:
        raise ShapeError(
            f"the shapes differ: {', '.join(str(tuple(one.shape)) for one in tensors)}",
            fix="to join along an existing dim use cat",
        ) from error


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape joined along a new axis ``dim``. Dtypes are promoted.

    >>> from tinygrad_mp import stack, tensor
    >>> stack([tensor([1, 2]), tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    parts = tuple(tensors)
    if not parts:
        raise _nothing("stack")
    return _stack(*parts, dim=one_axis(dim, parts[0].ndim + 1))


def _nothing(operation: str) -> ShapeError:
    error = ShapeError("no tensors to join", fix="pass a sequence of at least one tensor")
    error.locate(operation, [])
    return error


# --- padding --------------------------------------------------------------------------------------------------------


def _pad_case(sampler: Sampler) -> Any:
    shape = sampler.shape(max_dims=2)
    pads = tuple((sampler.integer(-(size // 2), 2), sampler.integer(-(size // 2), 2)) for size in shape)
    return (sampler.array(shape),), {"pad": pads, "value": sampler.choice((0.0, 1.5))}


@primitive(
    x=lambda g, pad: _pad(g, pad=tuple([(-before, -after) for before, after in pad]), value=0.0), cases=_pad_case
)
def _pad(x: Real, *, pad: tuple[tuple[int, int], ...], value: float) -> Any:
    kept, place, shape = [], [], []
    for size, (before, after) in zip(x.shape, pad, strict=True):
        first, last = max(-before, 0), size - max(-after, 0)
        start = max(before, 0)
        if first > last:
            raise ShapeError(f"pad {(before, after)} crops more than the {size} there are")
        kept.append(slice(first, last))
        place.append(slice(start, start + last - first))
        shape.append(before + size + after)
    module = xp(x)
    out = module.full(shape, value, dtype=x.dtype) if value else module.zeros(shape, dtype=x.dtype)
    out[tuple(place)] = x[tuple(kept)]
    return out


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """``input`` with ``value`` around it, as ``torch.nn.functional.pad``.

    Parameters
    ----------
    pad : sequence of int
        Before and after the last axis, before and after the one before it, and so on. Negative numbers crop.
    mode : {"constant"}
    value : float, optional
        Default 0.

    Errors
    ------
    ShapeError if ``pad`` has odd length, too many numbers, or crops more than there is.

    >>> from tinygrad_mp.nn.functional import pad
    >>> from tinygrad_mp import tensor
    >>> pad(tensor([[1, 2]]), (1, 0, 0, 1))
    tensor([[0, 1, 2],
            [0, 0, 0]])
    """
    if mode != "constant":
        raise SettingError(f"pad: unknown mode {mode!r}", fix="use 'constant'")
    numbers = tuple(pad)
    if len(numbers) % 2 or len(numbers) > 2 * input.ndim:
        raise located(
            ShapeError(
                f"pad {numbers} for a tensor with {input.ndim} axes",
                fix="give two numbers for each axis, last axis first",
            ),
            "pad",
            input,
        )
    pairs = tuple([(numbers[i], numbers[i + 1]) for i in range(len(numbers) - 2, -1, -2)])
    return _pad(input, pad=((0, 0),) * (input.ndim - len(pairs)) + pairs, value=value or 0.0)


# --- diagonals ------------------------------------------------------------------------------------------------------


def _diagonal_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=2)
    first, second = sampler.choice([(a, b) for a in range(len(shape)) for b in range(len(shape)) if a != b])
    return (sampler.array(shape),), {"offset": sampler.integer(-2, 2), "dim1": first, "dim2": second}


@primitive(
    x=lambda g, x_shape, offset, dim1, dim2: _diagonal_embed(g, shape=x_shape, offset=offset, dim1=dim1, dim2=dim2),
    linear=True,
    view=True,
    cases=_diagonal_case,
)
def _diagonal(x: Real, *, offset: int, dim1: int, dim2: int) -> Any:
    return _raw_diagonal(x, offset, dim1, dim2)


def _raw_diagonal(x: Any, offset: int, dim1: int, dim2: int) -> Any:
    out = x.diagonal(offset, dim1, dim2)
    # NumPy alone makes this view read-only; PyTorch lets one write through it.
    if not getattr(out.flags, "writeable", True) and x.flags.writeable:
        out.flags.writeable = True
    return out


def _diagonal_embed_case(sampler: Sampler) -> Any:
    (x,), params = _diagonal_case(sampler)
    diagonal = x.diagonal(params["offset"], params["dim1"], params["dim2"])
    return (sampler.array(diagonal.shape),), {"shape": x.shape, **params}


@primitive(
    x=lambda g, offset, dim1, dim2: _diagonal(g, offset=offset, dim1=dim1, dim2=dim2),
    linear=True,
    cases=_diagonal_embed_case,
)
def _diagonal_embed(x: Real, *, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Any:
    """Zeros of ``shape`` with ``x`` on a diagonal: the transpose of ``diagonal``."""
    out = xp(x).zeros(shape, dtype=x.dtype)
    _raw_diagonal(out, offset, dim1, dim2)[...] = x
    return out


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A view of the diagonal of the matrices along ``dim1`` and ``dim2``; it becomes the last axis.

    Parameters
    ----------
    offset : int, default 0
        Positive: above the main diagonal; negative: below it.

    >>> from tinygrad_mp import diagonal, tensor
    >>> diagonal(tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    first, second = one_axis(dim1, input.ndim), one_axis(dim2, input.ndim)
    if first == second:
        raise located(ShapeError(f"dim1 {dim1} and dim2 {dim2} are the same axis"), "diagonal", input)
    return _diagonal(input, offset=offset, dim1=first, dim2=second)
