"""Every primitive against PyTorch: values, gradients, second order and dtypes, in float64 and float32.

The samples are those of the registry's checks. A primitive finds its counterpart by its name, in ``torch``,
``torch.nn.functional`` or ``torch.Tensor``; where the name or the parameters differ, by the table below. One that has
neither must stand in WITHOUT, with the reason: none is skipped in silence.
"""

import importlib
import math
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


def _recurrence(x: Any, factor: Any, dim: int) -> Any:
    x, parts = x.to(torch.result_type(x, factor)), []
    for one, share in zip(x.unbind(dim), factor.unbind(dim), strict=True):
        parts.append(one + share * parts[-1] if parts else one)
    return torch.stack(parts, dim) if parts else x * 1


def _cofactor(x: Any) -> Any:
    return torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT


def _windows(function: Any) -> Callable[..., Any]:
    return lambda x, kernel, **params: function(x, kernel_size=kernel, **params)


def _conv2d(x: Any, weight: Any, bias: Any = None, *, padding: Any, **params: Any) -> Any:
    (top, bottom), (left, right) = padding
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, **params)


def _conv2d_input(y: Any, weight: Any, size: Any, groups: int, **params: Any) -> Any:
    shape = (y.shape[0], weight.shape[1] * groups, *size)
    x = torch.zeros(shape, dtype=y.dtype, requires_grad=True)
    out = _conv2d(x, weight, groups=groups, **params)
    return torch.autograd.grad(out, x, y, create_graph=True)[0]


def _conv2d_weight(x: Any, y: Any, size: Any, groups: int, **params: Any) -> Any:
    shape = (y.shape[1], x.shape[1] // groups, *size)
    weight = torch.zeros(shape, dtype=y.dtype, requires_grad=True)
    return torch.autograd.grad(_conv2d(x, weight, groups=groups, **params), weight, y, create_graph=True)[0]


def _max_places(x: Any, kernel: Any, **params: Any) -> Any:
    return F.max_pool2d(x.detach(), kernel, return_indices=True, **params)[1].flatten(2)


def _max_spread(y: Any, x: Any, largest: Any, **params: Any) -> Any:
    flat = torch.zeros_like(x).flatten(2)
    return flat.scatter_add(2, _max_places(x, **params), y.flatten(2)).reshape(x.shape)


def _max_pick(y: Any, x: Any, largest: Any, **params: Any) -> Any:
    return y.flatten(2).gather(2, _max_places(x, **params)).reshape(largest.shape)


def _pool_sum(x: Any, dim: int, size: int, stride: int, padding: int, count: int) -> Any:
    if not count:
        return x.narrow(dim, 0, 0)
    x = x.movedim(dim, -1)
    reach = (count - 1) * stride + size
    x = F.pad(x, (padding, max(0, reach - padding - x.shape[-1])))[..., :reach]
    return x.unfold(-1, size, stride).sum(-1).movedim(-1, dim)


def _pool_spread(x: Any, dim: int, length: int, **params: Any) -> Any:
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    source = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(_pool_sum(source, dim, count=x.shape[dim], **params), source, x, create_graph=True)[0]


def _attention(q: Any, k: Any, v: Any, mask: Any, kept: Any, causal: bool, scale: float, p: float) -> Any:
    # PyTorch's own function, which has no second derivative, is compared in tests/ops/test_attention.py.
    scores = q @ k.mT * scale
    if causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    empty = (scores == -torch.inf).all(-1, keepdim=True)
    weights = torch.softmax(scores.masked_fill(empty, 0.0), -1).masked_fill(empty, 0.0)
    return (weights if kept is None else weights * kept / (1 - p)) @ v


def _resampled(x: Any, dim: int, places: Any) -> Any:
    low, high = (torch.from_numpy(index) for index in (places.low, places.high))
    if places.share is None:
        return x.index_select(dim, low)
    share = torch.from_numpy(places.share).to(x.dtype).reshape(-1, *[1] * (x.ndim - dim - 1))
    return x.index_select(dim, low) * (1 - share) + x.index_select(dim, high) * share


def _resampled_back(x: Any, length: int, dim: int, places: Any) -> Any:
    shape = (*x.shape[:dim], length, *x.shape[dim + 1 :])
    source = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(_resampled(source, dim, places), source, x, create_graph=True)[0]


def _neighbour_sum(x: Any, dim: int, before: int, after: int) -> Any:
    x = x.movedim(dim, -1)
    if not x.shape[-1]:
        return x.movedim(-1, dim) * 1
    return F.pad(x, (before, after)).unfold(-1, before + after + 1, 1).sum(-1).movedim(-1, dim)


def _normalized(function: Any, x: Any, weight: Any, bias: Any) -> Any:
    """Around two faults of PyTorch: no second derivative with a bias alone, and odd gradients of empty tensors."""
    if not x.numel():
        return x + sum(one.sum() * 0 for one in (weight, bias) if one is not None)
    return function(torch.ones_like(bias) if weight is None and bias is not None else weight, bias)


def _from_afar(function: Callable[..., Any], step: Callable[..., Any]) -> Callable[..., Any]:
    """A function of x from that of x + 20: PyTorch's polygamma(1), a derivative of these, is right to 5e-10 only, but
    there to the last digit."""
    return lambda x, **params: function(x + 20, **params) + sum(step(x + k, **params) for k in range(20))


def _polygamma_step(x: Any, n: int) -> Any:
    return (-1) ** (n + 1) * math.factorial(n) * x ** -(n + 1)


def _hardsigmoid(six: Any) -> Any:
    """PyTorch's own has one derivative only; it takes a sixth in float32."""
    return six.detach() / 6 + (six - six.detach()) * 0.1666666716337204


def _trailing(x: Any, axes: int) -> tuple[int, ...]:
    return tuple(x.shape[x.ndim - axes :])


def _as_torch(dtype: Any) -> Any:
    return getattr(torch, numpy.dtype(dtype).name)


def _recurrent(function: Any, gates: int) -> Callable[..., Any]:
    """All steps in one direction: PyTorch's layer with the unit matrix for what the inputs are multiplied by."""

    def run(inputs: Sequence[Any], batch_sizes: Any, reverse: bool, residue: Any = None, **params: Any) -> Any:
        name = params.pop("nonlinearity", None)
        call = function if name is None else getattr(torch, f"rnn_{name}")
        x, *states = inputs[: 3 if gates == 4 else 2]
        weight, *bias = inputs[len(states) + 1 :]
        zeros = torch.zeros(weight.shape[0], dtype=x.dtype)
        weights = [torch.eye(len(zeros), dtype=x.dtype), weight, zeros, bias[0] if bias else zeros]
        hx = [state.expand(2, *state.shape) for state in states]
        steps = torch.tensor(batch_sizes)
        out, *last = call(x, steps, hx if gates == 4 else hx[0], weights * 2, True, 1, 0.0, False, True)
        size = states[0].shape[1]
        return [out[:, size:] if reverse else out[:, :size], *(one[int(reverse)] for one in last)]

    return run


COUNTERPARTS: dict[str, Callable[..., Any]] = {
    "add_into_zeros": _add_into_zeros,
    "argsort": lambda x, dim, descending: torch.argsort(x, stable=True, dim=dim, descending=descending),
    "last_numbers": lambda x: (~x.isnan()).sum(-1, keepdim=True).to(x.dtype) - 1,
    "median_of_all": lambda x, skip_nan: torch.nanmedian(x) if skip_nan else torch.median(x),
    "median_place": lambda x, dim, skip_nan: (torch.nanmedian if skip_nan else torch.median)(x, dim, True).indices,
    "mode_place": lambda x, dim: torch.mode(x, dim, True).indices,
    "rank_place": lambda x, rank, dim: torch.kthvalue(x, rank + 1, dim, True).indices,
    "recurrence": _recurrence,
    "running_place": lambda x, dim, largest: (torch.cummax if largest else torch.cummin)(x, dim).indices,
    "all": _over_all_if_empty(torch.all),
    "amax": _over_all_if_empty(torch.amax),
    "amin": _over_all_if_empty(torch.amin),
    "any": _over_all_if_empty(torch.any),
    "binary_cross_entropy": lambda x, target: -torch.log(x) * target - torch.log1p(-x) * (1 - target),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "cast": lambda x, dtype: x.to(dtype),
    "cholesky": lambda x: torch.linalg.cholesky((x + x.mT) / 2),
    "class_losses": lambda x, labels, reduction, residue: F.cross_entropy(x, labels, reduction=reduction),
    "class_slopes": lambda x, labels: torch.softmax(x, 1) - F.one_hot(labels, x.shape[1]).to(x.dtype),
    "cofactor": _cofactor,
    "conv2d": _conv2d,
    "conv2d_input": _conv2d_input,
    "conv2d_weight": _conv2d_weight,
    "digamma": _from_afar(torch.digamma, lambda x: -1 / x),
    "diagonal_embed": _diagonal_embed,
    "as_strided": lambda x, size, stride, offset: torch.as_strided(x, size, stride, offset),
    "floor_divide": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "fold": lambda x, size, kernel, **params: F.fold(x, output_size=size, kernel_size=kernel, **params),
    "fold_dim": _fold_dim,
    "gather": lambda x, index, dim: torch.gather(x, dim, index),
    "gru": _recurrent(torch.gru, 3),
    "hardsigmoid": lambda x: _hardsigmoid(F.relu6(x + 3)),
    "hardtanh": lambda x, low, high: F.hardtanh(x, low, high),
    "inv": torch.linalg.inv,
    "kept": lambda x, mask: torch.where(mask, x, torch.zeros((), dtype=x.dtype)),
    "erfcx": torch.special.erfcx,
    "lgamma": _from_afar(torch.lgamma, lambda x: -torch.log(x)),
    "linear_without_bias": lambda x, weight: F.linear(x, weight),
    "log_ndtr": torch.special.log_ndtr,
    "logsumexp": _over_all_if_empty(torch.logsumexp),
    "lstm": _recurrent(torch.lstm, 4),
    "mantissa": lambda x: torch.frexp(x)[0],
    "max_pick": _max_pick,
    "max_pool2d": lambda x, kernel, **params: F.max_pool2d(x, kernel, **params),
    "max_pool2d_indices": lambda x, kernel, **params: F.max_pool2d(x, kernel, return_indices=True, **params)[1],
    "max_spread": _max_spread,
    "mean": _over_all_if_empty(torch.mean),
    "ndtri": torch.special.ndtri,
    "norm": lambda x, p, dim, keepdim: torch.linalg.vector_norm(x, ord=p, dim=dim, keepdim=keepdim),
    "pinv": lambda x, cutoff: torch.linalg.pinv(x, atol=cutoff, rtol=0.0),
    "pad": lambda x, pad, value: F.pad(x, [one for pair in reversed(pad) for one in pair], value=value),
    "polygamma": _from_afar(lambda x, n: torch.polygamma(n, x), _polygamma_step),
    "pool_spread": _pool_spread,
    "pool_sum": _pool_sum,
    "prelu": lambda x, slope: torch.where(x > 0, x, x * slope),
    "put": lambda x, value, indices, axes: _put(x, value, _place(indices, axes, x.ndim)),
    "raised": lambda x, low: x.clamp(min=low),
    "reshape": lambda x, shape: x.reshape(shape),
    "rnn": _recurrent(None, 1),
    "roll": lambda x, shifts, dims: torch.roll(x, shifts, dims) if dims else x.clone(),
    "scatter_into_zeros": lambda x, index, dim, shape: torch.scatter_add(_zeros(x, shape), dim, index, x),
    "slogdet": torch.linalg.slogdet,
    "solve": torch.linalg.solve,
    "scatter_extreme": lambda x, src, index, dim, largest, include_self: torch.scatter_reduce(
        x, dim, index, src, "amax" if largest else "amin", include_self=include_self
    ),
    "slice": _forward_slices,
    "slice_into_zeros": _slice_into_zeros,
    "slice_put": _slice_put_by_mask,
    "split": lambda x, sizes, dim: torch.split(x, list(sizes), dim),
    "std": _over_all_if_empty(torch.std),
    "sum": _over_all_if_empty(torch.sum),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "take": lambda x, indices, axes, unique=False: x[_place(indices, axes, x.ndim)],
    "tapped": lambda inputs: [x.clone() for x in inputs],
    "tile": lambda x, repeats: x.tile(repeats),
    "top_places": lambda x, k, dim, largest: torch.topk(x, k, dim, largest).indices,
    "truncate_divide": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "unfold": _windows(F.unfold),
    "unfold_dim": lambda x, dim, size, step: x.unfold(dim, size, step),
    "var": _over_all_if_empty(torch.var),
    "zeroed": lambda x: x * 0,
    "xlog1py": torch.special.xlog1py,
    "batch_norm": lambda x, weight, bias, eps, moments: _normalized(
        lambda w, b: torch.batch_norm(x, w, b, None, None, True, 0.1, eps, False), x, weight, bias
    ),
    "gelu": lambda x, approximate, residue: F.gelu(x, approximate=approximate),
    "group_norm": lambda x, weight, bias, groups, eps, moments: _normalized(
        lambda w, b: torch.group_norm(x, groups, w, b, eps, False), x, weight, bias
    ),
    "layer_norm": lambda x, weight, bias, axes, eps, moments: _normalized(
        lambda w, b: F.layer_norm(x, _trailing(x, axes), w, b, eps), x, weight, bias
    ),
    "neighbour_sum": _neighbour_sum,
    "resample": _resampled,
    "resample_back": _resampled_back,
    "rms_norm": lambda x, weight, axes, eps, moments: F.rms_norm(x, _trailing(x, axes), weight, eps),
    "scale_channels": lambda x, scale, shift: (
        x * scale.reshape(-1, *[1] * (x.ndim - 2)) + shift.reshape(-1, *[1] * (x.ndim - 2))
    ),
    "silu": lambda x, residue: F.silu(x),
    "scaled_dot_product_attention": lambda tensors, causal, scale, p, of_mask: _attention(*tensors, causal, scale, p),
}

WITHOUT = {
    "eigh": "signs of vectors are free; compared without them in tests/ops/test_decompositions.py",
    "qr": "as eigh",
    "svd": "as eigh",
    "move": "copies between devices; its numbers are its input's",
    "write": "the engine's record of an in-place operation, tested against PyTorch with those",
}


def counterpart(op: Op) -> Callable[..., Any] | None:
    """PyTorch's function for ``op``."""
    if op.name in WITHOUT:
        return None
    if op.name in COUNTERPARTS:
        return COUNTERPARTS[op.name]
    return next((getattr(home, op.name) for home in (torch, F, torch.Tensor) if hasattr(home, op.name)), None)


def test_every_primitive_has_a_counterpart_or_a_reason() -> None:
    lonely = {name for name in NAMES if counterpart(REGISTRY[name]) is None}
    assert lonely - set(WITHOUT) == set()


def test_the_tables_name_only_primitives_that_exist() -> None:
    assert set(COUNTERPARTS) | set(WITHOUT) <= set(NAMES)


def _torch_inputs(case: Case, chosen: Sequence[int], rounded: Any, dtype: Any) -> list[Any]:
    made: list[Any] = []
    for position, value in enumerate(case.inputs):
        if isinstance(value, numpy.ndarray):
            value = value.astype(rounded).astype(dtype) if value.dtype.kind == "f" else value
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


def _theirs(op: Op, case: Case, run: Run, rounded: Any, dtype: Any) -> tuple[list[Any], list[Any], list[Any]]:
    inputs = _torch_inputs(case, run.chosen, rounded, dtype)
    params = {name: _as_torch(v) if isinstance(v, numpy.dtype) else v for name, v in case.params.items()}
    function = counterpart(op)
    assert function is not None
    result = function(inputs, **params) if op.variadic else function(*inputs, **params)
    outputs = list(result) if op.outputs else [result]
    roots = [out for out in outputs if out.requires_grad]
    if not roots:
        return outputs, [], []
    given = [
        torch.from_numpy(g.array.copy()).to(root.dtype).requires_grad_()
        for g, root in zip(run.cotangents, roots, strict=True)
    ]
    wanted = [inputs[position] for position in run.chosen]
    options = {"create_graph": True, "allow_unused": True, "materialize_grads": True}
    first = torch.autograd.grad(roots, wanted, given, **options)
    pairs = [(g, torch.from_numpy(w).to(g.dtype)) for g, w in zip(first, _weights(first), strict=True)]
    pairs = [pair for pair in pairs if pair[0].requires_grad]
    if not pairs:
        return outputs, list(first), []
    ends, weights = zip(*pairs, strict=True)
    return outputs, list(first), list(torch.autograd.grad(ends, [*wanted, *given], weights, **options))


def _compare(ours: Sequence[Any], theirs: Sequence[Any], judges: Sequence[Any], tolerance: float, what: str) -> None:
    """Ours against PyTorch's: dtype and shape, and numbers to what PyTorch finds in float64, for in float32 it rounds
    too, and in other places (the second derivative of a product of 24 numbers by 2e-3)."""
    for position, (mine, other, judge) in enumerate(zip(ours, theirs, judges, strict=True)):
        right = other.detach().numpy(force=True)
        assert mine.dtype == right.dtype, f"{what} {position}: {mine.dtype}, PyTorch has {right.dtype}"
        assert mine.shape == right.shape, f"{what} {position}: shape {mine.shape}, PyTorch has {right.shape}"
        right = judge.detach().numpy(force=True)
        scale = float(numpy.abs(right[numpy.isfinite(right)]).max(initial=1.0)) if right.dtype.kind == "f" else 0.0
        numpy.testing.assert_allclose(
            mine, right, rtol=tolerance, atol=tolerance * scale, err_msg=f"{what} {position} differs from PyTorch's"
        )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_agrees_with_pytorch(name: str, dtype: str, data: st.DataObject) -> None:
    op = REGISTRY[name]
    if name in WITHOUT:
        pytest.skip(f"no counterpart in PyTorch: {WITHOUT[name]}")
    case = data.draw(cases(op))
    run, outputs, first, second = _ours(op, case, dtype)
    right_outputs, right_first, right_second = _theirs(op, case, run, dtype, dtype)
    judges = (
        _theirs(op, case, run, dtype, "float64") if dtype != "float64" else (right_outputs, right_first, right_second)
    )
    tolerance = 1e-10 if dtype == "float64" else 2e-5
    _compare(outputs, right_outputs, judges[0], tolerance, "output")
    _compare(first, right_first, judges[1], tolerance, "gradient")
    if second and right_second:
        _compare(second, right_second, judges[2], 10 * tolerance, "second gradient")
    for value in [] if second and right_second else [*second, *(g.numpy(force=True) for g in right_second)]:
        assert not value.any(), "only one of the two has a second gradient, and it is not zero"


OTHERWISE = {
    "all": {"uint8"},  # always bool; PyTorch keeps uint8 from its days before bool
    "any": {"uint8"},
    "hardsigmoid": {"bool", "uint8", "int32", "int64"},  # refused, as by PyTorch's own function
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
