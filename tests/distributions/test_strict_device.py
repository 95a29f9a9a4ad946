"""Distributions, custom functions and transforms keep to the device of their tensors: on the strict fake device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import distributions
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import StrictArray, register


@pytest.fixture(autouse=True)
def _strict_device() -> Iterator[None]:
    register()
    yield
    unregister_backend("strict")


def on_device(*values: Any) -> list[Any]:
    return [tg.tensor(value, device="strict").requires_grad_() for value in values]


MADE: list[Any] = [
    lambda a, b: distributions.Normal(a, b),
    lambda a, b: distributions.LogNormal(a, b),
    lambda a, b: distributions.Uniform(a, a + b),
    lambda a, b: distributions.Exponential(b),
    lambda a, b: distributions.Laplace(a, b),
    lambda a, b: distributions.Gamma(a, b),
    lambda a, b: distributions.Beta(a, b),
    lambda a, b: distributions.Dirichlet(a),
    lambda a, b: distributions.Bernoulli(logits=a),
    lambda a, b: distributions.Categorical(a),
    lambda a, b: distributions.OneHotCategorical(a),
    lambda a, b: distributions.Poisson(b),
    lambda a, b: distributions.Independent(distributions.Normal(a, b), 1),
    lambda a, b: distributions.RelaxedOneHotCategorical(0.5, a),
]


@pytest.mark.parametrize("number", range(len(MADE)))
def test_draws_densities_and_gradients_stay_on_the_device(number: int) -> None:
    a, b = on_device([0.5, 1.5], [1.0, 0.7])
    made = MADE[number](a, b)
    drawn = made.sample((3,))
    density = made.log_prob(drawn)
    assert isinstance(drawn.array, StrictArray)
    assert isinstance(density.array, StrictArray)
    density.sum().backward()
    if made.has_rsample:
        assert isinstance(made.rsample().array, StrictArray)


def test_functions_and_transforms_stay_on_the_device() -> None:
    class Cube(tg.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x, x * 2

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * x * g + 2 * h

    (x,) = on_device([1.0, 2.0])
    (first,) = tg.autograd.grad(Cube.apply(x)[0].sum(), x, create_graph=True)
    (second,) = tg.autograd.grad(first.sum(), x)
    assert isinstance(second.array, StrictArray)
    assert second.cpu().tolist() == [6.0, 12.0]
    for result in (
        tg.func.grad(lambda x: (x * x).sum())(x.detach()),
        tg.func.jacrev(lambda x: x * x)(x.detach()),
        tg.func.jacfwd(lambda x: x * x)(x.detach()),
        tg.func.hessian(lambda x: (x * x).sum())(x.detach()),
        tg.func.vmap(lambda x: x * x)(x.detach()),
    ):
        assert isinstance(result.array, StrictArray)
    with tg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="sqrt"):
        ((x * 0).sqrt() * 0).sum().backward()
