"""A module of ours beside PyTorch's: the same state, then the same outputs, gradients and buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn


def _flat(value: Any) -> Iterator[Any]:
    """The tensors in nested tuples, lists and packed sequences."""
    if isinstance(value, (tuple, list)):
        for one in value:
            yield from _flat(one)
    elif value is not None:
        yield value


def _twins(build: Callable[[Any], Any], torch: Any, seed: int = 0) -> tuple[Any, Any]:
    """Our module and PyTorch's, in float64, with the same random state."""
    ours, theirs = build(nn).double(), build(torch.nn).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs).replace("NonDynamicallyQuantizableLinear", "Linear")
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.tensor(rng.normal(size=parameter.shape) / 2))
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def _as_tensors(make: Any, value: Any, grad: bool = True) -> Any:
    """Arrays in nested tuples as tensors; floating ones want gradients."""
    if isinstance(value, tuple):
        return tuple(_as_tensors(make, one, grad) for one in value)
    if not isinstance(value, np.ndarray):
        return value
    return make(value.copy(), requires_grad=grad and value.dtype.kind == "f")


def _near(one: Any, other: Any, what: str, tolerance: float = 1e-9) -> None:
    """Equal in shape, dtype and, to the tolerance, in values."""
    mine, right = one.detach().numpy(), other.detach().numpy()
    assert mine.shape == right.shape, what
    assert mine.dtype == right.dtype, what
    np.testing.assert_allclose(mine, right, rtol=tolerance, atol=tolerance, err_msg=what)


def _compare(ours: Any, theirs: Any, torch: Any, *inputs: Any, tolerance: float = 1e-9, **options: Any) -> None:
    """Outputs, gradients of inputs and parameters, buffers: ours against PyTorch's.

    ``ours`` and ``theirs`` may be modules or functions; arrays among the arguments become tensors.
    """
    args, their_args = _as_tensors(tg.tensor, inputs), _as_tensors(torch.tensor, inputs)
    found = list(_flat(ours(*args, **{k: _as_tensors(tg.tensor, v, False) for k, v in options.items()})))
    right = list(_flat(theirs(*their_args, **{k: _as_tensors(torch.tensor, v, False) for k, v in options.items()})))
    assert len(found) == len(right)
    for position, (one, other) in enumerate(zip(found, right, strict=True)):
        _near(one, other, f"output {position}", tolerance)
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=tuple(one.shape)) for one in found]
    sum((a * tg.tensor(w)).sum() for a, w in zip(found, weights, strict=True) if a.requires_grad).backward()
    sum((a * torch.tensor(w)).sum() for a, w in zip(right, weights, strict=True) if a.requires_grad).backward()
    leaves = [(f"input {i}", a, b) for i, (a, b) in enumerate(zip(_flat(args), _flat(their_args), strict=True))]
    if hasattr(ours, "named_parameters"):
        pairs = zip(ours.named_parameters(), theirs.named_parameters(), strict=True)
        leaves += [(name, a, b) for (name, a), (_, b) in pairs]
        for (name, a), (_, b) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
            _near(a, b, name, tolerance)
    for name, a, b in leaves:
        assert (getattr(a, "grad", None) is None) == (getattr(b, "grad", None) is None), name
        if getattr(a, "grad", None) is not None:
            _near(a.grad, b.grad, f"gradient of {name}", tolerance)


class Parity:
    """Comparisons with PyTorch."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch

    def twins(self, build: Callable[[Any], Any], seed: int = 0) -> tuple[Any, Any]:
        """Our module and PyTorch's, in float64, with the same random state, from ``build(nn)``."""
        return _twins(build, self.torch, seed)

    def compare(self, ours: Any, theirs: Any, *inputs: Any, tolerance: float = 1e-9, **options: Any) -> None:
        """Outputs, gradients and buffers of two modules or functions."""
        _compare(ours, theirs, self.torch, *inputs, tolerance=tolerance, **options)

    def module(self, build: Callable[[Any], Any], *inputs: Any, **options: Any) -> None:
        """Names, shapes and repr of a module, then outputs, gradients and buffers from the same state."""
        self.compare(*self.twins(build), *inputs, **options)

    def near(self, one: Any, other: Any, tolerance: float = 1e-9) -> None:
        """Equal in shape, dtype and values."""
        _near(one, other, "", tolerance)


@pytest.fixture
def parity() -> Parity:
    """Comparisons of whole modules with PyTorch's."""
    return Parity(pytest.importorskip("torch", reason="PyTorch is the reference of these tests"))
