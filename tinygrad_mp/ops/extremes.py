"""The largest and smallest entries, and where they are.

Gradients follow PyTorch: ``amax``, ``amin``, and ``max``, ``min`` of all entries, share theirs evenly among ties;
``max`` and ``min`` along a ``dim`` send it to the index that they return, the first one.
"""

from typing import Any

from tinygrad_mp.backend import is_array
from tinygrad_mp.domains import Distinct, Flag, Sampler
from tinygrad_mp.errors import IndexRangeError
from tinygrad_mp.ops import reduction, return_types
from tinygrad_mp.ops.axes import one_axis
from tinygrad_mp.ops.gathering import _gather
from tinygrad_mp.ops.movement import reshape, squeeze, unsqueeze
from tinygrad_mp.ops.reduction import axes_of, restored
from tinygrad_mp.ops.selection import maximum, minimum
from tinygrad_mp.primitive import cast, primitive
from tinygrad_mp.tape import TensorBase


def shared_among_ties(g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """The cotangent of the entries of ``x`` that equal their extreme ``out``: each gets an equal share of ``g``."""
    ties = cast(x == restored(out, x.shape, dim, keepdim), dtype=x.dtype)
    return restored(g, x.shape, dim, keepdim) / reduction.sum(ties, dim, True) * ties


def nonempty_case(sampler: Sampler) -> Any:
    """For the checks: arrays with entries to choose from."""
    shape = sampler.shape(min_side=1)
    dim = tuple([axis for axis in range(len(shape)) if sampler.integer(0, 1)]) or tuple(range(len(shape)))
    return (sampler.array(shape, Distinct),), {"dim": dim, "keepdim": sampler.choice((False, True))}


@primitive(x=shared_among_ties, cases=nonempty_case)
def _amax(x: Distinct, *, dim: tuple[int, ...], keepdim: Flag) -> Any:
    try:
        return x.max(axis=dim, keepdims=keepdim)
    except ValueError as error:
        raise _nothing_to_choose_from(x, dim) from error


@primitive(x=shared_among_ties, cases=nonempty_case)
def _amin(x: Distinct, *, dim: tuple[int, ...], keepdim: Flag) -> Any:
    try:
        return x.min(axis=dim, keepdims=keepdim)
    except ValueError as error:
        raise _nothing_to_choose_from(x, dim) from error


def _nothing_to_choose_from(x: Any, dim: Any) -> IndexRangeError:
    return IndexRangeError(
        f"no entry is the largest or smallest of none: shape {tuple(x.shape)} along dim {dim}",
        fix="reduce along a dim of size at least 1",
    )


def _arg_case(sampler: Sampler) -> Any:
    shape = sampler.shape(min_dims=1, min_side=1)
    dim = sampler.choice((None, *range(len(shape))))
    return (sampler.array(shape, Distinct),), {"dim": dim, "keepdim": sampler.choice((False, True))}


@primitive(x=None, cases=_arg_case)
def _argmax(x: Distinct, *, dim: int | None, keepdim: Flag) -> Any:
    try:
        return x.argmax(axis=dim, keepdims=keepdim)
    except ValueError as error:
        raise _nothing_to_choose_from(x, dim) from error


@primitive(x=None, cases=_arg_case)
def _argmin(x: Distinct, *, dim: int | None, keepdim: Flag) -> Any:
    try:
        return x.argmin(axis=dim, keepdims=keepdim)
    except ValueError as error:
        raise _nothing_to_choose_from(x, dim) from error


def amax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest entry along ``dim`` (int, tuple or None for all); nan if there is one among them.

    Ties share the gradient evenly.

    Errors
    ------
    ShapeError if there is nothing to choose from.

    >>> from tinygrad_mp import amax, tensor
    >>> amax(tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
    tensor([4., 3.])
    """
    return _amax(input, dim=axes_of(dim, input.ndim), keepdim=keepdim)


def amin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest entry along ``dim``; otherwise as :func:`amax`.

    >>> from tinygrad_mp import amin, tensor
    >>> amin(tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
    tensor([1., 2.])
    """
    return _amin(input, dim=axes_of(dim, input.ndim), keepdim=keepdim)


def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index, int64, of the largest entry along ``dim``: the first one at ties, and the first nan if there is one.

    Without ``dim`` it is the index into the flattened tensor.

    >>> from tinygrad_mp import argmax, tensor
    >>> argmax(tensor([[1.0, 4.0], [3.0, 2.0]]), dim=1)
    tensor([1, 0])
    """
    return _argmax(input, dim=_place(dim, input.ndim), keepdim=keepdim)


def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the smallest entry along ``dim``; otherwise as :func:`argmax`.

    >>> from tinygrad_mp import argmin, tensor
    >>> argmin(tensor([[1.0, 4.0], [3.0, 2.0]]))
    tensor(0)
    """
    return _argmin(input, dim=_place(dim, input.ndim), keepdim=keepdim)


def max(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest entry; with a ``dim``, the largest along it and their indices; with a tensor, the larger of the two.

    Parameters
    ----------
    dim : int or Tensor, optional
        Default: all entries, as :func:`amax`. A tensor as second argument means :func:`maximum`.

    Returns
    -------
    Tensor, or with an int as ``dim`` the named tuple ``return_types.max`` of ``values`` and ``indices``

    Errors
    ------
    ShapeError if there is nothing to choose from.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([[1.0, 4.0], [3.0, 2.0]])
    >>> x.max()
    tensor(4.)
    >>> values, indices = x.max(dim=0)
    >>> values, indices
    (tensor([3., 4.]), tensor([1, 0]))
    """
    if dim is None:
        return _amax(input, dim=tuple(range(input.ndim)), keepdim=keepdim)
    if isinstance(dim, TensorBase) or is_array(dim):
        return maximum(input, dim)
    return return_types.max(_at(input, _argmax, dim, keepdim))


def min(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest entry; otherwise as :func:`max`.

    >>> from tinygrad_mp import tensor
    >>> tensor([[1.0, 4.0], [3.0, 2.0]]).min(dim=1).values
    tensor([1., 2.])
    """
    if dim is None:
        return _amin(input, dim=tuple(range(input.ndim)), keepdim=keepdim)
    if isinstance(dim, TensorBase) or is_array(dim):
        return minimum(input, dim)
    return return_types.min(_at(input, _argmin, dim, keepdim))


def _place(dim: int | None, ndim: int) -> int | None:
    if dim is None:
        return None
    axis = one_axis(dim, ndim)
    return axis if ndim else None


def _at(input: Any, choose: Any, dim: Any, keepdim: bool) -> tuple[Any, Any]:
    """The entries along ``dim`` that ``choose`` points at, and their indices."""
    axis = one_axis(dim, input.ndim)
    if not input.ndim:
        return reshape(input, ()), choose(input, dim=None, keepdim=False)
    indices = choose(input, dim=axis, keepdim=False)
    kept = unsqueeze(indices, axis)
    values = _gather(input, kept, dim=axis)  # in range: no need for the checks of gather
    return (values, kept) if keepdim else (squeeze(values, axis), indices)
