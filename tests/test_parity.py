"""Every primitive against PyTorch: values, gradients, second order and dtypes, in float64 and float32.

The samples are those of the registry's checks. A primitive finds its counterpart by its name, in ``torch``,
``torch.nn.functional`` or ``torch.Tensor``; where the name or the parameters differ, by the table below. One that has
neither must stand in WITHOUT, with the reason: none is skipped in silence.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp.ops
from tinygrad_mp import autograd
from tinygrad_mp.registry import REGISTRY, Op
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.testing.checks import Run
from tinygrad_mp.testing.sampling import Case
from tinygrad_mp.testing.strategies import cases

torch = pytest.importorskip("torch", reason="parity is with PyTorch, which is not importable here")
F = torch.nn.functional

for _module in pkgutil.walk_packages(tinygrad_mp.ops.__path__, "tinygrad_mp.ops."):
    importlib.import_module(_module.name)
NAMES = sorted(name for name, op in REGISTRY.items() if op.call.__module__.startswith("tinygrad_mp."))


def _over_all_if_empty(function: Any) -> Callable[..., Any]:
    """PyTorch reduces over all axes for ``dim=()``; here that means over none, as in NumPy."""

    def reduce(x: Any, dim: Sequence[int], **params: Any) -> Any:
        if dim == () and x.ndim:
            return function(x[None], dim=(0,), **params | {"keepdim": False})
        return function(x, dim=dim, **params)

    return reduce


def _place(indices: Any, axes: Sequence[int], ndim: int) -> Any:
    place = [slice(None)] * ndim
    for axis, index in zip(axes, indices, strict=True):
        place[axis] = index
    return tuple(place)


def _put(x: Any, value: Any, place: Any) -> Any:
    whole = x.clone()
    whole[place] = value
    return whole


def _zeros(x: Any, shape: Sequence[int]) -> Any:
    return torch.zeros(tuple(shape), dtype=x.dtype)


def _add_into_zeros(x: Any, indices: Any, shape: Any, axes: Any, unique: bool = False) -> Any:
    # The transpose of picking, so PyTorch's own derivative of picking says what it is.
    source = torch.zeros(tuple(shape), dtype=x.dtype, requires_grad=True)
    picked = source[_place(indices, axes, len(shape))]
    return torch.autograd.grad(picked, source, x, create_graph=True)[0]


def _fold_dim(x: Any, length: int, dim: int, size: int, step: int) -> Any:
    shape = list(x.shape[:-1])
    shape[dim] = length
    source = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(source.unfold(dim, size, step), source, x, create_graph=True)[0]


def _diagonal_embed(x: Any, shape: Any, offset: int, dim1: int, dim2: int) -> Any:
    source = torch.zeros(tuple(shape), dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(torch.diagonal(source, offset, dim1, dim2), source, x, create_graph=True)[0]


def _forward_slices(x: Any, index: Any) -> Any:
    """``x[index]``, also for the negative steps that PyTorch lacks."""
    axis = 0
    for one in index:
        if isinstance(one, slice) and one.step is not None and one.step < 0:
            positions = torch.tensor(range(x.shape[axis])[one], dtype=torch.int64)
            x, one = x.index_select(axis, positions), slice(None)
        if one is None:
            x, axis = x.unsqueeze(axis), axis + 1
        elif isinstance(one, slice):
            x, axis = x[(slice(None),) * axis + (one,)], axis + 1
        elif isinstance(one, int):
            x = x.select(axis, one)
    return x


def _slice_into_zeros(x: Any, shape: Any, index: Any) -> Any:
    source = torch.zeros(tuple(shape), dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(_forward_slices(source, index), source, x, create_graph=True)[0]


def _slice_put_by_mask(x: Any, value: Any, index: Any) -> Any:
    numbers = _forward_slices(torch.arange(x.numel()).reshape(x.shape), index)
    flat = x.reshape(-1).index_put((numbers.reshape(-1),), value.expand(numbers.shape).reshape(-1))
    return flat.reshape(x.shape)


def _windows(function: Any) -> Callable[..., Any]:
    return lambda x, kernel, **params: function(x, kernel_size=kernel, **params)


def _as_torch(dtype: Any) -> Any:
    return getattr(torch, numpy.dtype(dtype).name)


COUNTERPARTS: dict[str, Callable[..., Any]] = {
    "add_into_zeros": _add_into_zeros,
    "all": _over_all_if_empty(torch.all),
    "amax": _over_all_if_empty(torch.amax),
    "amin": _over_all_if_empty(torch.amin),
    "any": _over_all_if_empty(torch.any),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "cast": lambda x, dtype: x.to(dtype),
    "class_losses": lambda x, labels: F.cross_entropy(x, labels, reduction="none"),
    "diagonal_embed": _diagonal_embed,
    "floor_divide": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "fold": lambda x, size, kernel, **params: F.fold(x, output_size=size, kernel_size=kernel, **params),
    "fold_dim": _fold_dim,
    "gather": lambda x, index, dim: torch.gather(x, dim, index),
    "kept": lambda x, mask: torch.where(mask, x, torch.zeros((), dtype=x.dtype)),
    "linear_without_bias": lambda x, weight: F.linear(x, weight),
    "logsumexp": _over_all_if_empty(torch.logsumexp),
    "mean": _over_all_if_empty(torch.mean),
    "norm": lambda x, p, dim, keepdim: torch.linalg.vector_norm(x, ord=p, dim=dim, keepdim=keepdim),
    "pad": lambda x, pad, value: F.pad(x, [one for pair in reversed(pad) for one in pair], value=value),
    "put": lambda x, value, indices, axes: _put(x, value, _place(indices, axes, x.ndim)),
    "reshape": lambda x, shape: x.reshape(shape),
    "roll": lambda x, shifts, dims: torch.roll(x, shifts, dims) if dims else x.clone(),
    "scatter_into_zeros": lambda x, index, dim, shape: torch.scatter_add(_zeros(x, shape), dim, index, x),
    "slice": _forward_slices,
    "slice_into_zeros": _slice_into_zeros,
    "slice_put": _slice_put_by_mask,
    "split": lambda x, sizes, dim: torch.split(x, list(sizes), dim),
    "std": _over_all_if_empty(torch.std),
    "sum": _over_all_if_empty(torch.sum),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "take": lambda x, indices, axes, unique=False: x[_place(indices, axes, x.ndim)],
    "tile": lambda x, repeats: x.tile(repeats),
    "truncate_divide": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "unfold": _windows(F.unfold),
    "unfold_dim": lambda x, dim, size, step: x.unfold(dim, size, step),
    "var": _over_all_if_empty(torch.var),
    "zeroed": lambda x: x * 0,
}

WITHOUT = {
    "move": "copies between devices; its numbers are its input's",
    "write": "the engine's record of an in-place operation, tested against PyTorch with those",
}


def counterpart(op: Op) -> Callable[..., Any] | None:
    """PyTorch's function for ``op``."""
    if op.name in COUNTERPARTS:
        return COUNTERPARTS[op.name]
    return next((getattr(home, op.name) for home in (torch, F, torch.Tensor) if hasattr(home, op.name)), None)


def test_every_primitive_has_a_counterpart_or_a_reason() -> None:
    lonely = {name for name in NAMES if counterpart(REGISTRY[name]) is None}
    assert lonely - set(WITHOUT) == set()


def test_the_tables_name_only_primitives_that_exist() -> None:
    assert set(COUNTERPARTS) | set(WITHOUT) <= set(NAMES)


def _torch_inputs(case: Case, chosen: Sequence[int], dtype: Any) -> list[Any]:
    made: list[Any] = []
    for position, value in enumerate(case.inputs):
        if isinstance(value, numpy.ndarray):
            value = value.astype(dtype) if value.dtype.kind == "f" else value
            value = torch.from_numpy(numpy.array(value, order="C", copy=True)).requires_grad_(position in chosen)
        made.append(value)
    return made


def _weights(arrays: Sequence[Any]) -> list[Any]:
    rng = numpy.random.default_rng(3)
    return [numpy.asarray(rng.uniform(-1.0, 1.0, array.shape)) for array in arrays]


def _ours(op: Op, case: Case, dtype: Any) -> tuple[Run, list[Any], list[Any], list[Any]]:
    """The run, outputs, gradients and second gradients (of inputs, then cotangents)."""
    run = Run(op, case, dtype=dtype)
    if not run.roots:
        return run, run.arrays(run.outputs), [], []
    given = [g.requires_grad_() for g in run.cotangents]
    options = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
    first = autograd.grad(run.roots, run.tensors, given, **options)
    pairs = [
        (g, wrap(Tensor, w.astype(g.array.dtype))) for g, w in zip(first, _weights(run.arrays(first)), strict=True)
    ]
    pairs = [pair for pair in pairs if pair[0].requires_grad]
    if not pairs:
        return run, run.arrays(run.outputs), run.arrays(first), []
    ends, weights = zip(*pairs, strict=True)
    second = autograd.grad(ends, [*run.tensors, *given], weights, **options)
    return run, run.arrays(run.outputs), run.arrays(first), run.arrays(second)


def _theirs(op: Op, case: Case, run: Run, dtype: Any) -> tuple[list[Any], list[Any], list[Any]]:
    inputs = _torch_inputs(case, run.chosen, dtype)
    params = {name: _as_torch(v) if isinstance(v, numpy.dtype) else v for name, v in case.params.items()}
    function = counterpart(op)
    assert function is not None
    result = function(inputs, **params) if op.variadic else function(*inputs, **params)
    outputs = list(result) if op.outputs else [result]
    roots = [out for out in outputs if out.requires_grad]
    if not roots:
        return outputs, [], []
    given = [torch.from_numpy(g.array.copy()).requires_grad_() for g in run.cotangents]
    wanted = [inputs[position] for position in run.chosen]
    options = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
    first = torch.autograd.grad(roots, wanted, given, **options)
    pairs = [(g, torch.from_numpy(w).to(g.dtype)) for g, w in zip(first, _weights(first), strict=True)]
    pairs = [pair for pair in pairs if pair[0].requires_grad]
    if not pairs:
        return outputs, list(first), []
    ends, weights = zip(*pairs, strict=True)
    return outputs, list(first), list(torch.autograd.grad(ends, [*wanted, *given], weights, **options))


def _compare(ours: Sequence[Any], theirs: Sequence[Any], tolerance: float, what: str) -> None:
    for position, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        right = other.detach().numpy(force=True)
        assert mine.dtype == right.dtype, f"{what} {position}: {mine.dtype}, PyTorch has {right.dtype}"
        assert mine.shape == right.shape, f"{what} {position}: shape {mine.shape}, PyTorch has {right.shape}"
        scale = float(numpy.abs(right[numpy.isfinite(right)]).max(initial=1.0)) if right.dtype.kind == "f" else 0.0
        numpy.testing.assert_allclose(
            mine, right, rtol=tolerance, atol=tolerance * scale, err_msg=f"{what} {position} differs from PyTorch's"
        )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_agrees_with_pytorch(name: str, dtype: str, data: st.DataObject) -> None:
    op = REGISTRY[name]
    if name in WITHOUT and counterpart(op) is None:
        pytest.skip(f"no counterpart in PyTorch: {WITHOUT[name]}")
    case = data.draw(cases(op))
    run, outputs, first, second = _ours(op, case, dtype)
    right_outputs, right_first, right_second = _theirs(op, case, run, dtype)
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    _compare(outputs, right_outputs, tolerance, "output")
    _compare(first, right_first, tolerance, "gradient")
    if second and right_second:
        _compare(second, right_second, 10 * tolerance, "second gradient")
    for value in [] if second and right_second else [*second, *(g.numpy(force=True) for g in right_second)]:
        assert not value.any(), "only one of the two has a second gradient, and it is not zero"


OTHERWISE = {
    "all": {"uint8"},  # always bool; PyTorch keeps uint8 from its days before bool
    "any": {"uint8"},
    "sign": {"bool"},  # NumPy has no sign of booleans
    "square": {"bool"},  # stays bool, as x * x does
    "sum_to": {"bool", "uint8", "int32"},  # of the engine: sees cotangents only
    "zeroed": {"bool"},
}
"""Dtypes for which a primitive differs from its counterpart on purpose."""

DTYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
PROMOTING = [name for name in NAMES if REGISTRY[name].promotes is not None and name not in WITHOUT]


@pytest.mark.filterwarnings("ignore")  # casts and divisions by zero are not the matter here
@pytest.mark.parametrize("name", PROMOTING)
@given(data=st.data())
def test_promotes_dtypes_as_pytorch_does(name: str, data: st.DataObject) -> None:
    op = REGISTRY[name]
    case = data.draw(cases(op, layouts=False))
    floats = [position for position, value in enumerate(case.inputs) if getattr(value, "dtype", None) == numpy.float64]
    known = st.sampled_from([dtype for dtype in DTYPES if dtype not in OTHERWISE.get(name, ())])
    dtypes = {position: data.draw(known) for position in floats}
    # Not negative, because there is no unsigned -1 and no integer power of it.
    inputs = [numpy.array(abs(v), dtypes[i]) if i in dtypes else v for i, v in enumerate(case.inputs)]
    theirs = [torch.from_numpy(numpy.array(value, order="C")) if hasattr(value, "dtype") else value for value in inputs]
    function: Any = counterpart(op)
    try:
        right = function(theirs, **case.params) if op.variadic else function(*theirs, **case.params)
    except (RuntimeError, TypeError, NotImplementedError):
        return  # PyTorch has no answer for these dtypes
    mine = op.call(*(wrap(Tensor, value) if hasattr(value, "dtype") else value for value in inputs), **case.params)
    for one, other in zip(mine if op.outputs else [mine], right if op.outputs else [right], strict=True):
        assert one.array.dtype.name == str(other.dtype).removeprefix("torch."), f"of {list(dtypes.values())}"
