"""PyTorch as the judge of one operation: values, gradients and, when asked, second derivatives, with their dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

_TOLERANCES = {"float16": 4e-3, "float32": 2e-5, "float64": 1e-11}


def _derivatives(library: Any, differentiate: Any, function: Any, arrays: Any, order: int) -> list[Any]:
    """The value, then the derivatives of its weighted sum, then those of a polynomial of these."""
    inputs = [library.tensor(numpy.array(array)) for array in arrays]
    sources = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    out = function(*inputs)
    results = [out]
    order = order if sources else 0
    if order:
        numbers = numpy.arange(1.0, out.numel() + 1) / 4
        out = (out * library.tensor(numbers.reshape(tuple(out.shape)), dtype=out.dtype)).sum()
    for remaining in reversed(range(order)):
        gradients = differentiate(out, sources, create_graph=True, allow_unused=True, materialize_grads=True)
        results += gradients
        out = sum((g * g * 3 + g).sum() for g in gradients) if remaining else out
        if not out.requires_grad:
            break
    return [result.detach().numpy() for result in results]


@pytest.fixture
def agree() -> Callable[..., None]:
    """``agree(ours, theirs, *arrays, order=1)``: the same values, dtypes and derivatives; floating arrays get them.

    Where PyTorch has derivatives beyond ours, ours are constant, and PyTorch's must be 0.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")

    def check(ours: Any, theirs: Any, *arrays: Any, order: int = 1) -> None:
        mine = _derivatives(tg, tg.grad, ours, arrays, order)
        right = _derivatives(torch, torch.autograd.grad, theirs, arrays, order)
        assert all((extra == 0).all() for extra in right[len(mine) :])
        for place, (one, other) in enumerate(zip(mine, right, strict=False)):
            assert (one.dtype, one.shape) == (other.dtype, other.shape), place
            tolerance = _TOLERANCES.get(other.dtype.name, 0)
            with numpy.errstate(over="ignore"):
                numpy.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=f"part {place}")

    return check
