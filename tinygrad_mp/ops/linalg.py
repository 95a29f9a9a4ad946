"""Products of matrices and vectors. All of them come down to one primitive, the matrix product of arrays with two
or more axes, so that BLAS does the work and derivatives of every order are there. ``einsum`` has its own file."""

import math
from typing import Any

from tinygrad_mp.backend import threads
from tinygrad_mp.domains import Real
from tinygrad_mp.errors import DTypeError, ShapeError, TinygradError
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.ops.movement import _transpose, reshape
from tinygrad_mp.primitive import primitive

# --- the primitive ----------------------------------------------------------------------------------------------------


def _turned(x: Any) -> Any:
    """``x`` with its last two axes exchanged."""
    return _transpose(x, dim0=-2, dim1=-1)


def _matmul_case(sampler: Any) -> Any:
    m, k, n = (sampler.integer(0, 4) for _ in range(3))
    batch = sampler.shape(max_dims=2)
    first, second = (tuple(sampler.choice((1, size)) for size in batch) for _ in range(2))
    return (sampler.array((*first, m, k)), sampler.array((*second[sampler.integer(0, len(batch)) :], k, n))), {}


@primitive(
    x=lambda g, y: _matmul(g, _turned(y)), y=lambda g, x: _matmul(_turned(x), g), promotes=None, cases=_matmul_case
)
def _matmul(x: Real, y: Real) -> Any:
    """``x @ y`` for operands with two or more axes; those before the last two broadcast."""
    if x.dtype is not y.dtype and x.dtype != y.dtype:
        raise _different_dtypes(x, y)
    try:
        return threads.product(x, y)
    except ValueError as error:
        raise (_different_sizes(x, y) or ShapeError("the batch axes do not broadcast")) from error


def _different_dtypes(x: Any, y: Any) -> DTypeError:
    return DTypeError(
        f"the dtypes differ: x is {x.dtype}, y is {y.dtype}",
        fix="convert one of them, for example with .to(dtype); data is best converted once, when it is loaded",
    )


def _different_sizes(x: Any, y: Any) -> ShapeError | None:
    """The error for operands (one axis or more) whose inner sizes differ; None if they agree."""
    inner, other = x.shape[-1], y.shape[-2] if y.ndim > 1 else y.shape[0]
    if inner == other:
        return None
    if y.ndim > 1 and y.shape[-1] == inner:
        fix = "transpose y: x @ y.mT"
    elif x.ndim > 1 and x.shape[-2] == other:
        fix = "transpose x: x.mT @ y"
    else:
        fix = f"give x {other} columns, or y {inner} rows" if y.ndim > 1 else "give both the same size there"
    place = "second-to-last" if y.ndim > 1 else "only axis"
    return ShapeError(f"the inner sizes differ: x's last axis is {inner}, y's {place} is {other}", fix=fix)


def _located(error: TinygradError, name: str, x: Any, y: Any) -> TinygradError:
    error.locate(name, (("x", x), ("y", y)))
    return error


# --- public -----------------------------------------------------------------------------------------------------------


def matmul(input: Any, other: Any) -> Any:
    """The matrix product, ``input @ other``.

    Parameters
    ----------
    input, other : Tensor
        One or more axes, same dtype. The last two are the matrix, those before broadcast: (..., m, k) @ (..., k, n).
        An operand with one axis is a row on the left, a column on the right, and that axis is not in the result.

    Returns
    -------
    Tensor
        (..., m, n), in the dtype of the operands.

    Errors
    ------
    ShapeError if the inner sizes differ, the batch axes do not broadcast, or an operand has no axes; DTypeError if the
    dtypes differ: nothing is widened silently.

    >>> from tinygrad_mp import tensor
    >>> tensor([[1.0, 2.0], [3.0, 4.0]]) @ tensor([1.0, 1.0])
    tensor([3., 7.])
    """
    try:
        if input.ndim == 2 == other.ndim:
            return _matmul(input, other)
    except AttributeError:  # a number, or no operand at all
        pass
    return _matmul_of_any(input, other, "matmul")


def _matmul_of_any(input: Any, other: Any, name: str) -> Any:
    """Bring the operands to two or more axes, few of them: one large product is faster than a batch of small ones."""
    if not (hasattr(input, "shape") and hasattr(other, "shape")):
        what = DTypeError("an operand is neither a tensor nor an array", fix="multiply by a number with *")
        raise _located(what, name, input, other)
    left, right = tuple(input.shape), tuple(other.shape)
    if not left or not right:
        problem = ShapeError("both operands need at least one axis", fix="multiply by a number with *")
        raise _located(problem, name, input, other)
    wrong = _different_sizes(input, other)
    if wrong is not None:
        raise _located(wrong, name, input, other)
    if input.dtype != other.dtype:
        raise _located(_different_dtypes(input, other), name, input, other)
    x = input if len(left) > 1 else reshape(input, (1, *left))
    y = other if len(right) > 1 else reshape(other, (*right, 1))
    if y.ndim == 2 and x.ndim > 2:
        product = _matmul(reshape(x, (math.prod(left[:-1]), left[-1])), y)
        return reshape(product, (*left[:-1], *right[1:]))
    product = _matmul(x, y)
    if len(left) > 1 and len(right) > 1:
        return product
    batch = tuple(product.shape[:-2])
    return reshape(product, (*batch, *left[-2:-1], *(right[-1:] if len(right) > 1 else ())))


def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices: (m, k), (k, n) -> (m, n). No broadcasting; otherwise as :func:`matmul`.

    >>> from tinygrad_mp import mm, tensor
    >>> mm(tensor([[1.0, 2.0]]), tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    _require("mm", input, mat2, 2, 2)
    return _matmul(input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """The products of two batches of matrices: (b, m, k), (b, k, n) -> (b, m, n). No broadcasting.

    >>> from tinygrad_mp import bmm, ones
    >>> bmm(ones(5, 1, 2), ones(5, 2, 3)).shape
    Size([5, 1, 3])
    """
    _require("bmm", input, mat2, 3, 3)
    if input.shape[0] != mat2.shape[0]:
        problem = ShapeError(
            f"the batch sizes differ: {input.shape[0]} and {mat2.shape[0]}", fix="use matmul, which broadcasts"
        )
        raise _located(problem, "bmm", input, mat2)
    return _matmul(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector: (m, k), (k,) -> (m,). Otherwise as :func:`matmul`.

    >>> from tinygrad_mp import mv, tensor
    >>> mv(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, 0.0]))
    tensor([1., 3.])
    """
    _require("mv", input, vec, 2, 1)
    return _matmul_of_any(input, vec, "mv")


def dot(input: Any, tensor: Any) -> Any:
    """The inner product of two vectors: (k,), (k,) -> (). Same dtype.

    >>> from tinygrad_mp import dot, tensor
    >>> dot(tensor([1.0, 2.0]), tensor([3.0, 4.0]))
    tensor(11.)
    """
    _require("dot", input, tensor, 1, 1)
    return _matmul_of_any(input, tensor, "dot")


def outer(input: Any, vec2: Any) -> Any:
    """All products of the entries of two vectors: (m,), (n,) -> (m, n). Dtypes are promoted.

    >>> from tinygrad_mp import outer, tensor
    >>> outer(tensor([1.0, 2.0]), tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _require("outer", input, vec2, 1, 1)
    return mul(reshape(input, (-1, 1) if input.shape[0] else (0, 1)), vec2)


def _require(name: str, x: Any, y: Any, x_axes: int, y_axes: int) -> None:
    """Raise ShapeError unless the operands have this many axes."""
    if x.ndim != x_axes or y.ndim != y_axes:
        raise _located(
            ShapeError(
                f"x must have {x_axes} and y {y_axes} axes, not {x.ndim} and {y.ndim}",
                fix="reshape, or use matmul, which takes any number of axes",
            ),
            name,
            x,
            y,
        )
