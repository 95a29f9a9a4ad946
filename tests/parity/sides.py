"""The same value on both engines: from PyTorch's to ours, and from either to NumPy."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy

import tinygrad_mp as tg
from tests.parity.databases import torch
from tinygrad_mp import nn
from tinygrad_mp.nn import functional as F  # noqa: F401 - so that tg.nn.functional is there


class LeftOutError(Exception):
    """A sample holds something that we leave out on purpose: complex, sparse, quantised or bfloat16 tensors."""


class MissingError(Exception):
    """We have no such name."""


def ours(value: Any) -> Any:
    """The counterpart of a value of PyTorch's, in containers too. Tensors are copied and stay leaves."""
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, torch.dtype):
        return _named(tg, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return tg.device(str(value))
    if isinstance(value, torch.Size):
        return getattr(tg, "Size", tuple)(value)
    if isinstance(value, (torch.memory_format, torch.layout)):
        return _named(tg, str(value).removeprefix("torch."))
    if isinstance(value, torch.nn.Module):
        return _module(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(ours(one) for one in value)
    if isinstance(value, (list, tuple)):
        return type(value)(ours(one) for one in value)
    if isinstance(value, dict):
        return {key: ours(one) for key, one in value.items()}
    if isinstance(value, slice):
        return slice(ours(value.start), ours(value.stop), ours(value.step))
    if isinstance(value, types.BuiltinFunctionType) and (value.__module__ or "").startswith("torch"):
        return _named(nn.functional if value.__module__ == "torch._C._nn" else tg, value.__name__)
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch.nn.functional"):
        return _named(nn.functional, value.__name__)
    if isinstance(value, types.FunctionType):
        return rebound(value)
    return value


def _named(home: Any, name: str) -> Any:
    try:
        return getattr(home, name)
    except AttributeError:
        if name in ("bfloat16", "complex32", "sparse_coo", "uint16", "uint32", "uint64", "complex64", "complex128"):
            raise LeftOutError(name) from None
        raise MissingError(name) from None


def ours_together(value: Any) -> Any:
    """As :func:`ours`; a tensor that is there twice is one tensor there too."""
    made: dict[int, Any] = {}

    def convert(one: Any) -> Any:
        if isinstance(one, torch.Tensor):
            if id(one) not in made:
                made[id(one)] = _tensor(one)
            return made[id(one)]
        if isinstance(one, (list, tuple)):
            return type(one)(convert(part) for part in one)
        if isinstance(one, dict):
            return {key: convert(part) for key, part in one.items()}
        return ours(one)

    return convert(value)


def _tensor(value: Any) -> Any:
    plain = value.layout == torch.strided and not value.is_complex() and not value.is_quantized
    if value.ndim > 64:
        raise LeftOutError("more than the 64 axes that NumPy allows")
    if not plain or value.dtype in (torch.bfloat16, torch.uint16, torch.uint32, torch.uint64):
        raise LeftOutError(f"{value.layout} tensors of {value.dtype}")
    made = tg.from_numpy(numpy.array(value.detach().numpy(), order="C", copy=True))
    if isinstance(value, torch.nn.Parameter):
        return nn.Parameter(made, requires_grad=value.requires_grad)
    return made.requires_grad_() if value.requires_grad else made


def _module(value: Any) -> Any:
    settings: dict[str, Any] = {}
    if isinstance(value, (torch.nn.TransformerEncoderLayer, torch.nn.TransformerDecoderLayer)):
        settings = {
            "d_model": value.linear1.in_features, "nhead": value.self_attn.num_heads,
            "dim_feedforward": value.linear1.out_features, "dropout": value.dropout.p,
            "activation": ours(value.activation), "layer_norm_eps": value.norm1.eps,
            "batch_first": value.self_attn.batch_first, "norm_first": value.norm_first,
            "bias": value.linear1.bias is not None,
        }  # fmt: skip
    elif isinstance(value, torch.nn.PairwiseDistance):
        settings = {"p": value.norm, "eps": value.eps, "keepdim": value.keepdim}
    made = _named(nn, type(value).__name__)(**settings)
    state = value.state_dict()
    if state:
        made.to(_named(tg, str(next(iter(state.values())).dtype).removeprefix("torch.")))
        made.load_state_dict({name: ours(one) for name, one in state.items()})
    return made.train(value.training)


class _Names:
    """What stands for ``torch`` in functions of PyTorch's that are run on our tensors."""

    def __getattr__(self, name: str) -> Any:
        return _named(tg, name)


def _with_seed(function: Any, *args: Any, **kwargs: Any) -> Any:
    tg.manual_seed(42)
    return function(*args, **kwargs)


def rebound(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function from PyTorch's tests, such as a lambda, with ours in the place of ``torch``."""
    world = {**function.__globals__, "torch": _Names(), "wrapper_set_seed": _with_seed}
    made = types.FunctionType(function.__code__, world, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def find(path: str) -> Callable[..., Any]:
    """Our function for a dotted name of ``op_db``: of the package, or else a method of ``Tensor``."""
    found: Any = tg
    try:
        for name in path.split("."):
            found = getattr(found, name)
    except AttributeError:
        found = getattr(tg.Tensor, path, None)
        if found is None:
            raise MissingError(path) from None
    if isinstance(found, property):
        return found.fget
    return found


def tensors_in(value: Any) -> Iterator[Any]:
    """The tensors, of either engine, in nested containers, in order."""
    if isinstance(value, (torch.Tensor, tg.Tensor)):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from tensors_in(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_in(one)


def as_numpy(value: Any) -> Any:
    """The values of a tensor of either engine."""
    if isinstance(value, torch.Tensor):
        return value.detach().resolve_conj().resolve_neg().numpy()
    return numpy.asarray(value.detach().numpy())


def dtype_name(value: Any) -> str:
    """The name of a tensor's dtype, without the engine's."""
    return str(value.dtype).rpartition(".")[2]
