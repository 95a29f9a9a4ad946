"""The affine map of a dense layer, as one primitive: its weight gradient comes out in the weight's own memory order."""

from typing import Any

from tinygrad_mp.backend import product
from tinygrad_mp.backend.sums import column_sums
from tinygrad_mp.domains import Real, Sampler
from tinygrad_mp.errors import DTypeError, ShapeError
from tinygrad_mp.ops.elementwise import add
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import reshape, transpose
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase


def _case(sampler: Sampler) -> Any:
    lead, columns, rows = sampler.shape(max_dims=2), sampler.integer(0, 4), sampler.integer(0, 4)
    return sampler.array((*lead, columns)), sampler.array((rows, columns)), sampler.array((rows,))


def _composed(x: Any, weight: Any, bias: Any) -> Any:
    return add(_composed_without_bias(x, weight), bias)


def _composed_without_bias(x: Any, weight: Any) -> Any:
    return matmul(x, transpose(weight, 0, 1))


# Backward is mostly given matrices, not tensors: what records would take as long as a small product itself.


def _to_input(g: Any, weight: Any) -> Any:
    return product(g, weight) if _is_plain_matrix(g) else matmul(g, weight)


def _to_weight(g: Any, x: Any) -> Any:
    if _is_plain_matrix(g):
        return product(g.T, x)
    return matmul(transpose(_as_rows(g), 0, 1), _as_rows(x))


def _to_bias(g: Any) -> Any:
    return column_sums(g) if _is_plain_matrix(g) and g.flags.c_contiguous else g  # the engine sums over the rows


def _is_plain_matrix(g: Any) -> bool:
    return g.ndim == 2 and not isinstance(g, TensorBase)


def _as_rows(x: Any) -> Any:
    """``x`` as a matrix: all axes but the last in one."""
    count = 1
    for size in x.shape[:-1]:
        count *= size
    return x if x.ndim == 2 else reshape(x, (count, x.shape[-1]))


@primitive(
    promotes=None,
    cases=lambda s: (_case(s), {}),
    reference=_composed,
    x=_to_input,
    weight=_to_weight,
    bias=_to_bias,
)
def _linear(x: Real, weight: Real, bias: Real) -> Any:
    """``x @ weight.T + bias``; the engine sums the bias's cotangent over the rows."""
    out = _product(x, weight)
    if bias.dtype != out.dtype:
        raise _different_dtypes()
    out += bias
    return out


@primitive(
    promotes=None,
    cases=lambda s: (_case(s)[:2], {}),
    reference=_composed_without_bias,
    x=_to_input,
    weight=_to_weight,
)
def _linear_without_bias(x: Real, weight: Real) -> Any:
    """``x @ weight.T``."""
    return _product(x, weight)


def _product(x: Any, weight: Any) -> Any:
    if x.dtype != weight.dtype:
        raise _different_dtypes()
    if x.ndim == 2:
        return product(x, weight.T)
    return product(_as_rows(x), weight.T).reshape(*x.shape[:-1], weight.shape[0])


def _different_dtypes() -> DTypeError:
    return DTypeError(
        "the dtypes differ",
        fix="convert one of them, for example with .to(dtype); data is best converted once, when it is loaded",
    )


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """Affine map, ``input @ weight.T + bias``.

    Shapes
    ------
    input : (..., in_features) -> (..., out_features)
    weight : (out_features, in_features);  bias : (out_features,)

    Errors
    ------
    ShapeError if the last axes of input and weight differ. DTypeError if their dtypes do.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> F.linear(tensor([1.0, 2.0]), tensor([[1.0, 0.0], [1.0, 1.0]]), tensor([0.0, 10.0]))
    tensor([ 1., 13.])
    """
    if input.shape[-1:] != weight.shape[-1:]:
        raise _wrong_last_axis(input, weight)
    return _linear_without_bias(input, weight) if bias is None else _linear(input, weight, bias)


def _wrong_last_axis(input: Any, weight: Any) -> ShapeError:
    found, wanted = input.shape[-1] if input.shape else "missing", weight.shape[-1]
    error = ShapeError(
        f"the input's last axis is {found}, the weight takes {wanted}",
        fix=f"give this layer {found} inputs, or bring the input to the shape (..., {wanted})"
        if input.shape
        else f"bring the input to the shape (..., {wanted})",
    )
    error.locate("linear", (("input", input), ("weight", weight)))
    return error
