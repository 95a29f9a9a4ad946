"""Losses over the grid of their settings, against PyTorch; logits without bounds; errors that say what to do."""

from __future__ import annotations

import math
from importlib import import_module
from itertools import product
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import functional as F
from tinygrad_mp import tensor
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError, TapeError

REDUCTIONS = ["mean", "sum", "none"]
SHAPES = [(4,), (3, 4), (3, 4, 2), (2, 4, 2, 2), (0, 4)]
NAN, INF = math.nan, math.inf
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def drawn(shape: Any, dtype: str = "float64", seed: int = 0) -> Any:
    return numpy.random.default_rng(seed).normal(size=shape).astype(dtype)


def labels_for(shape: Any, ignored: str) -> tuple[Any, int]:
    """Labels for logits of four classes, and the ignored one: none, some or all of them are."""
    places = shape[:1] * (len(shape) > 1) + shape[2:]
    labels = numpy.random.default_rng(1).integers(0, 4, places)
    if ignored == "all":
        return numpy.full_like(labels, 2), 2
    if ignored == "some" and labels.size > 1:
        labels.flat[0] = -100
    return labels, -100


# --- cross-entropy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@every_reduction
def test_cross_entropy_with_labels_is_pytorchs(torch: Any, agree: Any, shape: Any, reduction: str, dtype: str) -> None:
    weight = numpy.array([0.5, 1.0, 2.0, 0.25], dtype)
    for weighted, smoothing, ignored in product((False, True), (0.0, 0.3), ("none", "some", "all")):
        labels, ignore_index = labels_for(shape, ignored)

        def loss(library: Any, function: Any, logits: Any, weighted=weighted, labels=labels, **settings: Any) -> Any:
            weights = library.tensor(weight) if weighted else None
            return function(logits, library.tensor(labels), weights, reduction=reduction, **settings)

        settings = {"ignore_index": ignore_index, "label_smoothing": smoothing}
        agree(
            lambda x, loss=loss, settings=settings: loss(tg, F.cross_entropy, x, **settings),
            lambda x, loss=loss, settings=settings: loss(torch, torch.nn.functional.cross_entropy, x, **settings),
            drawn(shape, dtype),
            order=2,
        )
        if not smoothing:
            agree(
                lambda x, loss=loss, i=ignore_index: loss(tg, F.nll_loss, x, ignore_index=i),
                lambda x, loss=loss, i=ignore_index: loss(torch, torch.nn.functional.nll_loss, x, ignore_index=i),
                drawn(shape, dtype),
            )


@every_reduction
def test_the_softmax_that_forward_kept_serves_every_backward_and_no_other_logits(reduction: str) -> None:
    labels = tensor([0, 3, 1])
    logits = tensor(drawn((3, 4), "float32"), requires_grad=True)
    losses = F.cross_entropy(logits, labels, reduction=reduction)
    for _ in range(2):
        losses.sum().backward(retain_graph=True)
    kept, logits.grad = logits.grad / 2, None
    (slopes,) = tg.grad(losses.sum(), logits, create_graph=True)  # recorded: computed anew
    numpy.testing.assert_allclose(kept.numpy(), slopes.detach().numpy(), rtol=1e-6, atol=1e-7)
    with tg.no_grad():
        logits.mul_(2)
    with pytest.raises(TapeError, match="in-place operation overwrote it"):
        losses.sum().backward()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@every_reduction
def test_cross_entropy_with_probabilities_is_pytorchs_and_differentiates_both(
    torch: Any, agree: Any, shape: Any, reduction: str, dtype: str
) -> None:
    weight = numpy.array([0.5, 1.0, 2.0, 0.25], dtype)
    for weighted, smoothing in product((False, True), (0.0, 0.3)):

        def loss(library: Any, function: Any, x: Any, y: Any, weighted=weighted, smoothing=smoothing) -> Any:
            weights = library.tensor(weight) if weighted else None
            return function(x, y, weights, reduction=reduction, label_smoothing=smoothing)

        agree(
            lambda x, y, loss=loss: loss(tg, F.cross_entropy, x, y),
            lambda x, y, loss=loss: loss(torch, torch.nn.functional.cross_entropy, x, y),
            drawn(shape, dtype),
            abs(drawn(shape, dtype, seed=2)),
            order=2,
        )


def test_the_gradient_to_class_weights_counts_the_divisor_too() -> None:
    weight = tensor([1.0, 2.0, 3.0], dtype=tg.float64, requires_grad=True)
    logits, labels = tensor(drawn((4, 3))), tensor([0, 1, 2, 1])
    F.cross_entropy(logits, labels, weight).backward()
    for place in range(3):
        step = numpy.zeros(3)
        step[place] = 1e-6
        high, low = (F.cross_entropy(logits, labels, weight.detach() + tensor(s * step)).item() for s in (1, -1))
        assert weight.grad[place].item() == pytest.approx((high - low) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("dtype", [tg.uint8, tg.int16, tg.int32, tg.int64])
def test_labels_may_be_of_any_integer_dtype(dtype: Any) -> None:
    logits = tensor(drawn((3, 4)))
    expected = F.cross_entropy(logits, tensor([0, 3, 1])).item()
    assert F.cross_entropy(logits, tensor([0, 3, 1], dtype=dtype)).item() == expected
    assert F.cross_entropy(logits, numpy.array([0, 3, 1])).item() == expected


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_huge_logits_have_an_exact_cross_entropy(torch: Any, agree: Any, dtype: str) -> None:
    for label in (0, 1, 2):
        agree(
            lambda x, y=label: F.cross_entropy(x, tensor([y])),
            lambda x, y=label: torch.nn.functional.cross_entropy(x, torch.tensor([y])),
            numpy.array([[1e4, -1e4, 0.0]], dtype),
        )


def test_a_class_masked_by_minus_infinity_gets_no_gradient(torch: Any, agree: Any) -> None:
    agree(
        lambda x: F.cross_entropy(x, tensor([1])),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([1])),
        [[-INF, 0.0, 1.0]],
        order=2,
    )


# --- softmax ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(300, 10), (7, 60, 7), (3000, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_short_rows_have_the_softmax_of_few(torch: Any, agree: Any, name: str, shape: Any, dtype: str) -> None:
    values = numpy.random.default_rng(0).normal(size=shape).astype(dtype)
    values[0, :1] = 1e4
    order = 2 if dtype == "float64" else 0
    agree(lambda x: getattr(tg, name)(x, -1), lambda x: getattr(torch, name)(x, -1), values, order=order)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_softmax_takes_logits_of_any_size(torch: Any, agree: Any, name: str, dtype: str) -> None:
    for values, dim in product(([[1e4, -1e4, 0.0]], [[-INF, 0.0, 1.0]], [[NAN, 0.0, 1.0]]), (1, -1)):
        agree(
            lambda x, d=dim: getattr(tg, name)(x, d),
            lambda x, d=dim: getattr(torch, name)(x, d),
            numpy.array(values, dtype),
        )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("values", [[-INF, -INF], [INF, 0.0], [INF, INF]])
def test_a_row_without_a_softmax_is_nan_and_numpy_warns(name: str, values: Any) -> None:
    with pytest.warns(RuntimeWarning, match="invalid value"):
        out = getattr(tg, name)(tensor([values, [0.0, 1.0]]), -1)
    assert out.isnan().tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_no_axes_or_no_entries_is_fine(torch: Any, agree: Any, name: str) -> None:
    for values, dim in ((2.0, 0), (2.0, -1), (numpy.zeros((0, 3)), 1), (numpy.zeros((3, 0)), 1)):
        agree(lambda x, d=dim: getattr(tg, name)(x, d), lambda x, d=dim: getattr(torch, name)(x, d), values)


def test_softmax_casts_first_when_asked() -> None:
    assert tg.softmax(tensor([1, 2]), 0, dtype=tg.float64).dtype == tg.float64
    assert tg.log_softmax(tensor([1.0], dtype=tg.float16), 0, dtype=tg.float32).dtype == tg.float32
    with pytest.raises(NotImplementedError, match="not defined for int64"):
        tg.softmax(tensor([1, 2]), 0)


def test_softmax_without_an_axis_or_with_a_wrong_one_raises() -> None:
    with pytest.raises(SettingError, match=r"(?s)along which axis.*fix: pass dim="):
        tg.softmax(tg.ones(2, 2))
    with pytest.raises(IndexRangeError, match=r"^softmax: dim 2 is out of range"):
        tg.softmax(tg.ones(2, 2), 2)


# --- two classes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_reduction
def test_binary_cross_entropy_is_pytorchs(torch: Any, agree: Any, reduction: str, dtype: str) -> None:
    targets = numpy.random.default_rng(3).random((3, 4)).astype(dtype)
    factors = {"weight": numpy.array([0.5, 1, 2, 3], dtype), "pos_weight": numpy.array([[0.5], [1], [4]], dtype)}
    for given in ((), ("weight",), ("pos_weight",), ("weight", "pos_weight")):

        def loss(library: Any, function: Any, x: Any, y: Any, given: Any = given) -> Any:
            return function(x, y, reduction=reduction, **{key: library.tensor(factors[key]) for key in given})

        for logits in (drawn((3, 4), dtype), numpy.array([[1e4, -1e4, 0.0, 25.0]] * 3, dtype)):
            agree(
                lambda x, y, loss=loss: loss(tg, F.binary_cross_entropy_with_logits, x, y),
                lambda x, y, loss=loss: loss(torch, torch.nn.functional.binary_cross_entropy_with_logits, x, y),
                logits,
                targets,
                order=2 if dtype == "float64" else 1,
            )


@pytest.mark.parametrize("logit", [-20.5, 20.5, -25.0, 40.0])
def test_binary_cross_entropy_of_sure_logits_keeps_its_digits(logit: float) -> None:
    x = tensor([logit], dtype=tg.float64, requires_grad=True)
    F.binary_cross_entropy_with_logits(x, tensor([1.0], dtype=tg.float64)).backward()
    assert x.grad.item() == pytest.approx(-1 / (1 + math.exp(logit)), rel=1e-14)
    loss = F.binary_cross_entropy_with_logits(x, tensor([1.0], dtype=tg.float64)).item()
    assert loss == pytest.approx(math.log1p(math.exp(-logit)), rel=1e-14)


# --- numbers ----------------------------------------------------------------------------------------------------------

BETWEEN: list[tuple[str, dict[str, Any]]] = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    *(("huber_loss", {"delta": delta}) for delta in (1.0, 0.5, 2.0)),
    *(("smooth_l1_loss", {"beta": beta}) for beta in (1.0, 0.5, 2, 0.0)),
]
GAPS = [0.0, 1.1, -1.1, 0.55, -0.55, 3.0, -3.0, 2.1, 100.0, 0.3]


@pytest.mark.parametrize(("name", "settings"), BETWEEN)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@every_reduction
def test_a_loss_between_numbers_is_pytorchs(
    torch: Any, agree: Any, name: str, settings: dict[str, Any], reduction: str, dtype: str
) -> None:
    theirs = getattr(torch.nn.functional, name)
    straight = name == "l1_loss" or settings.get("beta") == 0  # PyTorch's second derivative is no array then
    agree(
        lambda x, y: getattr(F, name)(x, y, reduction=reduction, **settings),
        lambda x, y: theirs(x, y, reduction=reduction, **settings),
        numpy.array(GAPS, dtype) * 0.5,
        numpy.array(GAPS, dtype) * -0.5,
        order=1 if dtype == "float16" or straight else 2,
    )


@pytest.mark.parametrize(("name", "settings"), BETWEEN)
def test_the_gradient_where_a_loss_bends_is_pytorchs(torch: Any, agree: Any, name: str, settings: Any) -> None:
    theirs = getattr(torch.nn.functional, name)
    gaps = [0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0]
    agree(lambda x, y: getattr(F, name)(x, y, **settings), lambda x, y: theirs(x, y, **settings), gaps, [0.0] * 7)


@pytest.mark.parametrize(("name", "settings"), BETWEEN[:5])
@every_reduction
def test_weights_of_entries_count_as_in_pytorch(
    torch: Any, agree: Any, name: str, settings: dict[str, Any], reduction: str
) -> None:
    weight = numpy.random.default_rng(4).random(10)
    theirs = getattr(torch.nn.functional, name)
    agree(
        lambda x, y: getattr(F, name)(x, y, reduction=reduction, weight=tensor(weight), **settings),
        lambda x, y: theirs(x, y, reduction=reduction, weight=torch.tensor(weight), **settings),
        GAPS,
        [0.0] * 10,
    )


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3)])
@every_reduction
def test_losses_of_no_axes_or_no_entries_are_pytorchs(
    torch: Any, agree: Any, name: str, shape: Any, reduction: str
) -> None:
    theirs = getattr(torch.nn.functional, name)
    agree(
        lambda x, y: getattr(F, name)(x, y, reduction=reduction),
        lambda x, y: theirs(x, y, reduction=reduction),
        numpy.full(shape, 0.5),
        numpy.full(shape, 0.25),
    )


@pytest.mark.parametrize("dtype", [tg.int64, tg.bool])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"])
def test_whole_targets_leave_the_loss_in_single_precision(name: str, dtype: Any) -> None:
    x = tensor([0.5, 1.5], requires_grad=True)
    loss = getattr(F, name)(x, tensor([0, 1], dtype=dtype))
    loss.backward()
    assert loss.dtype == x.grad.dtype == tg.float32


# --- errors -----------------------------------------------------------------------------------------------------------

X = tg.ones(3, 4)
LABELS = tensor([0, 1, 2])
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: F.cross_entropy(X, tensor([0, 4, 1])), IndexRangeError, r"label 4 at \(1,\).*there are 4 classes"),
    (lambda: F.nll_loss(X, tensor([0, 1, -1])), IndexRangeError, r"label -1 at \(2,\).*labels run from 0 to 3"),
    (lambda: F.cross_entropy(X[0], tensor(7)), IndexRangeError, r"label 7 at \(\)"),
    (lambda: F.cross_entropy(X, tensor([0, 1])), ShapeError, r"class indices need shape \(3,\)"),
    (lambda: F.cross_entropy(X, tensor([[0], [1], [2]])), ShapeError, r"need shape \(3,\)"),
    (lambda: F.cross_entropy(X, tg.ones(3, 5)), ShapeError, "probabilities need the shape of the logits"),
    (lambda: F.cross_entropy(tensor(1.0), tensor(0)), ShapeError, "no class axis"),
    (lambda: F.cross_entropy(X, LABELS > 0), DTypeError, r"neither class indices.*fix: target.long\(\)"),
    (lambda: F.nll_loss(X, X), DTypeError, "no class indices"),
    (lambda: F.cross_entropy(X.long(), LABELS), DTypeError, r"logits must be floating, not int64.*input.float\(\)"),
    (lambda: F.cross_entropy(X, [0, 1, 2]), DTypeError, "the target is list.*tinygrad_mp.tensor"),
    (lambda: F.mse_loss([1.0], X), DTypeError, "the input is list"),
    (lambda: F.cross_entropy(X, LABELS, tg.ones(3)), ShapeError, r"weight needs shape \(4,\).*weight +\(3,\)"),
    (lambda: F.nll_loss(X, LABELS, tg.ones(5)), ShapeError, r"weight needs shape \(4,\)"),
    (lambda: F.cross_entropy(X, LABELS, tg.ones(4).double()), DTypeError, r"float32, not float64.*weight.to\("),
    (lambda: F.cross_entropy(X, LABELS, reduction="avg"), SettingError, "unknown reduction 'avg'"),
    (lambda: F.cross_entropy(X, LABELS, label_smoothing=1.5), SettingError, "label_smoothing must lie"),
    (lambda: F.mse_loss(X, tg.ones(3, 1)), ShapeError, "the target needs the shape of the input"),
    (lambda: F.l1_loss(X, tg.ones(4, 3)), ShapeError, r"fix: reshape it, for example target.reshape\(\(3, 4\)\)"),
    (lambda: F.mse_loss(X, X, weight=tg.ones(4)), ShapeError, "the weight needs the shape of the input.*weight"),
    (lambda: F.binary_cross_entropy_with_logits(X, tg.ones(4)), ShapeError, "the target needs the shape"),
    (lambda: F.huber_loss(X, X, delta=0.0), SettingError, "delta must be positive"),
    (lambda: F.huber_loss(X, X, reduction="avg"), SettingError, "unknown reduction"),
    (lambda: F.smooth_l1_loss(X, X, beta=-1.0), SettingError, "beta must not be negative"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_does_not_fit_is_refused_and_the_error_says_where(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=rf"(?s){message}") as caught:
        call()
    first, *rest = str(caught.value).splitlines()
    assert first.split(":")[0] in F.__all__
    assert any("at test_loss.py:" in line for line in rest)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_softmax_of_cross_entropy_is_computed_once(monkeypatch, reduction):
    """Also where the cotangent is a number, as that of a mean is."""
    logits = tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]], requires_grad=True)
    loss = F.cross_entropy(logits, tensor([0, 2]), reduction=reduction).sum()
    monkeypatch.setattr(import_module("tinygrad_mp.ops.class_losses"), "_class_slopes", None)
    (2.0 * loss).backward()
    assert logits.grad is not None
