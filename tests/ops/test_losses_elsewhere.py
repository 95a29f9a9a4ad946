"""Losses, distances and activations on another device: the same numbers, and nothing brought to the host unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import functional as F
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.testing.strict import StrictArray, register

RNG = numpy.random.default_rng(0)
A, B, C = (RNG.normal(size=(4, 3)) for _ in range(3))
P, Q = (RNG.uniform(0.1, 0.9, (4, 3)) for _ in range(2))
SIGNS = numpy.array([1.0, -1.0, 1.0, -1.0])
LABELS = numpy.array([0, 2, 1, 1])
MANY = numpy.array([[2, 0, -1], [1, -1, -1], [-1, 2, 0], [0, 1, 2]])
LOGITS, TARGETS = RNG.normal(size=(6, 2, 4)), numpy.array([[1, 2], [3, 3]])

CALLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (F.binary_cross_entropy, (P, Q)),
    (F.cosine_embedding_loss, (A, B, SIGNS)),
    (F.cosine_similarity, (A, B)),
    (F.gaussian_nll_loss, (A, B, P)),
    (F.hinge_embedding_loss, (A, numpy.sign(B))),
    (lambda x, y: F.kl_div(x, y, reduction="batchmean"), (A, Q)),
    (F.margin_ranking_loss, (A, B, numpy.sign(C))),
    (F.multi_margin_loss, (A, LABELS)),
    (F.multilabel_margin_loss, (A, MANY)),
    (F.multilabel_soft_margin_loss, (A, Q)),
    (F.normalize, (A,)),
    (F.pdist, (A,)),
    (F.poisson_nll_loss, (A, P)),
    (F.soft_margin_loss, (A, numpy.sign(B))),
    (F.triplet_margin_loss, (A, B, C)),
    (lambda x, y: F.bilinear(x, y, x.new_tensor(numpy.ones((2, 3, 3)))), (A, B)),
    (lambda x, y: F.ctc_loss(x.log_softmax(2), y, [6, 5], [2, 2]), (LOGITS, TARGETS)),
    (lambda x: F.glu(x, 0), (A,)),
    (F.selu, (A,)),
    (F.softsign, (A,)),
    (lambda x, y: F.prelu(x, y[0]), (A, B)),
    (lambda x: F.rrelu(x, 0.2, 0.2, training=True), (A,)),
    (tg.mvlgamma, (P + 3, 2)),
    (tg.frexp, (A,)),
    (tg.lerp, (A, B, P)),
    (tg.special.entr, (P,)),
]


@pytest.fixture(autouse=True)
def _strict_device() -> Iterator[None]:
    register()
    yield
    unregister_backend("strict")


def run(call: Callable[..., Any], arrays: Any, device: str) -> tuple[Any, Any]:
    given = [tg.tensor(one).to(device) if isinstance(one, numpy.ndarray) else one for one in arrays]
    x = given[0].requires_grad_()
    result = call(x, *given[1:])
    out = result[0] if isinstance(result, tuple) else result
    (out * out).sum().backward()
    return out, x.grad


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_the_same_numbers_come_from_another_device(number: int) -> None:
    here, there = run(*CALLS[number], "cpu"), run(*CALLS[number], "strict")
    for one, other in zip(here, there, strict=True):
        assert isinstance(other.array, StrictArray)
        numpy.testing.assert_allclose(other.detach().cpu().numpy(), one.detach().numpy(), rtol=1e-10)
