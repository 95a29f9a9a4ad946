"""``vmap``: a function of one sample as a function of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import numpy

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.backend.random_bits import default_stream
from tinygrad_mp.creation import zeros
from tinygrad_mp.errors import SettingError, TapeError
from tinygrad_mp.func.trees import Structure, flatten, spread, unflatten
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.ops import stack, unbind
from tinygrad_mp.tape import TensorBase

__all__ = ["vmap"]

_RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that calls ``func`` for each entry along an axis of its arguments, and stacks what it returns.

    **It is a loop.** PyTorch's gives every operation a batch axis; ours calls ``func`` once for each entry, which is
    right for every function, branches on values included, and takes as long as the calls take together. A function that
    can be written for a batch is faster so.

    Parameters
    ----------
    func : callable
        Takes tensors or nests of them, and returns tensors or a nest of them.
    in_dims : int, None or nest, default 0
        The axis of each positional argument to go along; None for one that every call gets whole. An entry holds for
        all that is nested below it. Keyword arguments are passed on whole.
    out_dims : int, None or nest, default 0
        Where the new axis goes in each output; None for one that is the same for every entry, which is not stacked.
    randomness : {"error", "different", "same"}
        What happens when ``func`` draws from the default generator: an error, other numbers for each, or the same.
    chunk_size : int, optional
        Accepted: one entry is computed at a time.

    Errors
    ------
    SettingError (a ValueError) for axes that do not fit; TapeError for randomness that was not allowed.

    >>> import tinygrad_mp as tg
    >>> vmap(lambda x, y: x @ y, in_dims=(0, None))(tg.ones(3, 2), tg.arange(2.0))
    tensor([1., 1., 1.])
    >>> vmap(tg.func.grad(lambda x: x**2))(tg.arange(3.0))
    tensor([0., 2., 4.])
    """
    name = f"vmap({getattr(func, '__name__', 'function')})"
    if randomness not in _RANDOMNESS:
        raise TapeError(f"vmap: randomness is one of {_RANDOMNESS}, not {randomness!r}")
    if chunk_size is not None and chunk_size <= 0:
        raise SettingError(f"vmap: chunk_size is None or a positive number, not {chunk_size}")

    @wraps(func)
    def _call(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten(args)
        dims = _in_dims(name, in_dims, leaves, structure)
        size = _size(name, leaves, dims)
        if not size:
            return _empty(name, func, leaves, dims, structure, kwargs, out_dims)
        columns = [leaf if dim is None else unbind(leaf, dim) for leaf, dim in zip(leaves, dims, strict=True)]
        rows, shape = [], None
        for position in _drawing(name, randomness, size):
            given = [one if dim is None else one[position] for one, dim in zip(columns, dims, strict=True)]
            found, shape = flatten(func(*unflatten(given, structure), **kwargs))
            rows.append(found)
        assert shape is not None, "there is at least one entry"
        places = _out_dims(name, out_dims, rows[0], shape)
        outputs = [_stacked(name, column, place) for column, place in zip(zip(*rows, strict=True), places, strict=True)]
        return unflatten(outputs, shape)

    return _call


def _in_dims(name: str, in_dims: Any, leaves: Sequence[Any], structure: Structure) -> list[Any]:
    """The axis of each leaf, not negative, or None."""
    if isinstance(in_dims, list):
        in_dims = tuple(in_dims)
    if isinstance(in_dims, bool) or not isinstance(in_dims, (int, tuple)):
        raise SettingError(f"{name}: in_dims is an int or a tuple like the arguments, not {in_dims!r}")
    if not leaves:
        raise SettingError(f"{name}: there are no inputs to map over")
    dims = spread(in_dims, structure)
    if dims is None:
        raise SettingError(f"{name}: in_dims {in_dims!r} do not fit the arguments, which are {structure}")
    found: list[int | None] = []
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is None:
            found.append(None)
            continue
        if isinstance(dim, bool) or not isinstance(dim, int):
            raise SettingError(f"{name}: an entry of in_dims is an int or None, not {dim!r}")
        if not isinstance(leaf, TensorBase):
            raise SettingError(
                f"{name}: in_dims has {dim} for a {type(leaf).__name__}, and only tensors are mapped over",
                fix="give None in in_dims for it",
            )
        ndim = leaf.array.ndim
        if not -ndim <= dim < ndim:
            raise SettingError(f"{name}: in_dims has {dim} for a tensor of shape {leaf.array.shape}")
        found.append(dim % ndim)
    return found


def _size(name: str, leaves: Sequence[Any], dims: Sequence[Any]) -> int:
    sizes = [leaf.array.shape[dim] for leaf, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise SettingError(f"{name}: in_dims is None for every input, so there is nothing to map over")
    if len(set(sizes)) > 1:
        raise SettingError(f"{name}: the mapped axes have different sizes: {sizes}")
    size: int = sizes[0]
    return size


def _drawing(name: str, randomness: str, size: int) -> Iterator[int]:
    """The positions of a batch; between them, what ``randomness`` says happens to the default generator."""
    before = default_stream.state
    for position in range(size):
        if randomness == "same" and position:
            default_stream.state = before
        yield position
        if randomness == "error" and default_stream.state != before:
            raise TapeError(
                f"{name}: a random operation was called, and randomness is 'error'",
                fix="say randomness='different' or 'same', or draw outside and map over what was drawn",
            )


def _out_dims(name: str, out_dims: Any, found: Sequence[Any], structure: Structure) -> list[Any]:
    for value in found:
        if not isinstance(value, TensorBase) and out_dims is not None:
            raise SettingError(f"{name}: the function must return tensors only, not a {type(value).__name__}")
    places = spread(out_dims, structure)
    if places is None:
        raise SettingError(f"{name}: out_dims {out_dims!r} do not fit the outputs, which are {structure}")
    for place in places:
        if place is not None and (isinstance(place, bool) or not isinstance(place, int)):
            raise SettingError(f"{name}: an entry of out_dims is an int or None, not {place!r}")
    return places


def _stacked(name: str, column: Sequence[Any], place: int | None) -> Any:
    if place is not None:
        return stack(list(column), place)
    first = column[0]
    if isinstance(first, TensorBase):
        same = all(numpy.array_equal(to_numpy(first.array), to_numpy(other.array), True) for other in column)
    else:
        same = all(other == first for other in column)
    if not same:
        raise SettingError(f"{name}: out_dims is None for an output that differs between entries")
    return first


def _empty(
    name: str,
    func: Callable[..., Any],
    leaves: Sequence[Any],
    dims: Sequence[Any],
    structure: Structure,
    kwargs: dict[str, Any],
    out_dims: Any,
) -> Any:
    """For a batch of size zero: what the function returns for zeros says which shapes the outputs have."""
    given = []
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is not None:
            shape = tuple(size for axis, size in enumerate(leaf.array.shape) if axis != dim)
            leaf = zeros(shape, dtype=leaf.array.dtype, device=leaf.device)
        given.append(leaf)
    before = default_stream.state
    with no_grad():
        found, shape_of = flatten(func(*unflatten(given, structure), **kwargs))
    default_stream.state = before
    places = _out_dims(name, out_dims, found, shape_of)
    outputs = [
        one if place is None else stack([one], place).narrow(place, 0, 0)
        for one, place in zip(found, places, strict=True)
    ]
    return unflatten(outputs, shape_of)
