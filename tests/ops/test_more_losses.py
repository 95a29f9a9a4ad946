"""Losses of probabilities and with margins, and distances, against PyTorch: values, gradients, edges, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import functional as F
from tinygrad_mp.errors import DTypeError, IndexRangeError, SettingError, ShapeError, UndefinedError

INF = math.inf
REDUCTIONS = ["mean", "sum", "none"]
RNG = numpy.random.default_rng(0)
A, B, C = (RNG.normal(size=(4, 3)) for _ in range(3))
P, Q = RNG.uniform(0.05, 0.95, (4, 3)), RNG.uniform(0.05, 0.95, (4, 3))
SIGNS = numpy.array([1.0, -1.0, 1.0, -1.0])
SIGN_TABLE = numpy.where(RNG.uniform(size=(4, 3)) < 0.5, -1.0, 1.0)
COUNTS = RNG.poisson(2.0, (4, 3)).astype("float64")
WEIGHT = numpy.array([0.5, 2.0, 1.5])

FLOATING: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("binary_cross_entropy", (P, Q), {}),
    ("cosine_embedding_loss", (A, B, SIGNS), {}),
    ("cosine_embedding_loss", (A, B, SIGNS), {"margin": 0.3}),
    ("gaussian_nll_loss", (A, B, P), {}),
    ("gaussian_nll_loss", (A, B, P), {"full": True, "eps": 0.5}),
    ("gaussian_nll_loss", (A, B, P[:, :1]), {}),
    ("gaussian_nll_loss", (A, B, P[:, 0]), {}),
    ("gaussian_nll_loss", (A, B, P[:1]), {}),
    ("hinge_embedding_loss", (A, SIGN_TABLE), {}),
    ("hinge_embedding_loss", (A, SIGN_TABLE), {"margin": 0.2}),
    ("kl_div", (numpy.log(P), Q), {}),
    ("kl_div", (numpy.log(P), numpy.log(Q)), {"log_target": True}),
    ("margin_ranking_loss", (A, B, SIGN_TABLE), {}),
    ("margin_ranking_loss", (A, B, SIGN_TABLE), {"margin": 0.5}),
    ("margin_ranking_loss", (A[:, :1], B[:1], SIGN_TABLE), {}),
    ("multilabel_soft_margin_loss", (A, (SIGN_TABLE + 1) / 2), {}),
    ("multilabel_soft_margin_loss", (A, Q, WEIGHT), {}),
    ("poisson_nll_loss", (A, COUNTS), {}),
    ("poisson_nll_loss", (A, COUNTS), {"full": True}),
    ("poisson_nll_loss", (P, COUNTS), {"log_input": False, "eps": 1e-3}),
    ("triplet_margin_loss", (A, B, C), {}),
    ("triplet_margin_loss", (A, B, C), {"p": 1, "swap": True, "margin": 0.3, "eps": 1e-3}),
    ("triplet_margin_loss", (A[0], B[0], C[0]), {}),
    ("triplet_margin_with_distance_loss", (A, B, C), {"swap": True}),
]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.filterwarnings("ignore:.*(batchmean|batch size).*:UserWarning")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arrays", "settings"), FLOATING)
def test_values_and_gradients_to_every_input_are_pytorchs(
    torch: Any, agree: Any, name: str, arrays: Any, settings: dict[str, Any], dtype: str, reduction: str
) -> None:
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    agree(
        lambda *x: ours(*x, reduction=reduction, **settings),
        lambda *x: theirs(*x, reduction=reduction, **settings),
        *(one.astype(dtype) for one in arrays),
        # PyTorch's second derivative of binary_cross_entropy is right to 1e-9 only.
        order=2 if dtype == "float64" and "triplet" not in name and name != "binary_cross_entropy" else 1,
    )


# --- probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_binary_cross_entropy_is_bounded_at_0_and_1_as_pytorchs(torch: Any, agree: Any) -> None:
    for dtype in ("float32", "float64"):
        inputs = numpy.array([0.0, 1.0, 0.0, 1.0, 1e-40, 0.5], dtype)
        targets = numpy.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.5], dtype)
        agree(
            lambda x, t=targets: F.binary_cross_entropy(x, tg.tensor(t), reduction="none"),
            lambda x, t=targets: torch.nn.functional.binary_cross_entropy(x, torch.tensor(t), reduction="none"),
            inputs,
        )


def test_binary_cross_entropy_with_weights_is_pytorchs(torch: Any, agree: Any) -> None:
    agree(
        lambda x, t: F.binary_cross_entropy(x, t, tg.tensor(WEIGHT)),
        lambda x, t: torch.nn.functional.binary_cross_entropy(x, t, torch.tensor(WEIGHT)),
        P,
        Q,
    )


def test_kl_div_is_0_where_the_target_is_and_divides_by_the_batch_when_asked(torch: Any, agree: Any) -> None:
    target = numpy.where(Q < 0.5, 0.0, Q)
    for shape in ((4, 3), (12,)):
        agree(
            lambda x, s=shape: F.kl_div(x.reshape(s), tg.tensor(target).reshape(s), reduction="batchmean"),
            lambda x, s=shape: torch.nn.functional.kl_div(
                x.reshape(s), torch.tensor(target).reshape(s), reduction="batchmean"
            ),
            numpy.log(P),
        )
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(tg.tensor(P), tg.tensor(Q))


def test_gaussian_nll_loss_takes_a_number_for_the_variance(torch: Any, agree: Any) -> None:
    agree(
        lambda x, y: F.gaussian_nll_loss(x, y, 2.0),
        lambda x, y: torch.nn.functional.gaussian_nll_loss(x, y, 2.0),
        A,
        B,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_soft_margin_loss_is_pytorchs(torch: Any, agree: Any, reduction: str) -> None:
    for signs in (SIGN_TABLE, SIGN_TABLE.astype("int64"), SIGN_TABLE[:, :1]):
        agree(
            lambda x, y=signs: F.soft_margin_loss(x, tg.tensor(y), reduction=reduction),
            lambda x, y=signs: torch.nn.functional.soft_margin_loss(x, torch.tensor(y), reduction=reduction),
            A,
            order=2,
        )


def test_soft_margin_loss_stays_finite_where_its_exponential_does_not() -> None:
    losses = F.soft_margin_loss(tg.tensor([1000.0]), tg.tensor([-1.0]))
    assert losses.item() == 1000.0


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("settings", [{}, {"p": 2, "margin": 0.5}, {"weight": WEIGHT}])
def test_multi_margin_loss_is_pytorchs(torch: Any, agree: Any, settings: dict[str, Any], reduction: str) -> None:
    def loss(library: Any, function: Any, x: Any, labels: Any) -> Any:
        given = {k: library.tensor(v) if k == "weight" else v for k, v in settings.items()}
        return function(x, library.tensor(labels), reduction=reduction, **given)

    labels = numpy.array([0, 2, 1, 1])
    theirs = torch.nn.functional.multi_margin_loss
    for x, y in ((A, labels), (A[0], labels[0]), (A[:0], labels[:0])):
        if len(x) == 0 and reduction != "none":
            continue  # PyTorch gives what lay in memory
        agree(
            lambda x, y=y: loss(tg, F.multi_margin_loss, x, y),
            lambda x, y=y: loss(torch, theirs, x, y),
            x,
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_multilabel_margin_loss_is_pytorchs(torch: Any, agree: Any, reduction: str) -> None:
    labels = numpy.array([[2, 0, -1], [1, 1, -1], [-1, 2, 0], [0, 1, 2]])
    theirs = torch.nn.functional.multilabel_margin_loss
    for x, y in ((A, labels), (A[0], labels[0])):
        agree(
            lambda x, y=y: F.multilabel_margin_loss(x, tg.tensor(y), reduction=reduction),
            lambda x, y=y: theirs(x, torch.tensor(y), reduction=reduction),
            x,
        )


# --- distances --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("one", "other", "dim"), [((4, 3), (4, 3), 1), ((4, 1), (1, 3), 0), ((2, 3, 4), (4,), -1)])
def test_cosine_similarity_broadcasts_as_pytorchs(
    torch: Any, agree: Any, one: Any, other: Any, dim: int, dtype: str
) -> None:
    rng = numpy.random.default_rng(1)
    agree(
        lambda x, y: F.cosine_similarity(x, y, dim=dim),
        lambda x, y: torch.nn.functional.cosine_similarity(x, y, dim=dim),
        rng.normal(size=one).astype(dtype),
        rng.normal(size=other).astype(dtype),
        order=2 if dtype == "float64" else 1,
    )


def test_cosine_similarity_of_zeros_is_0_with_pytorchs_gradient(torch: Any, agree: Any) -> None:
    agree(F.cosine_similarity, torch.nn.functional.cosine_similarity, numpy.zeros((2, 3)), B[:2])


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, INF])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance_is_pytorchs(torch: Any, agree: Any, p: float, keepdim: bool) -> None:
    theirs = torch.nn.functional.pairwise_distance
    for y in (B, B[0]):
        agree(
            lambda x, y: F.pairwise_distance(x, y, p, keepdim=keepdim),
            lambda x, y: theirs(x, y, p, keepdim=keepdim),
            A,
            y,
        )
    agree(F.pairwise_distance, theirs, A, A, order=1)


@pytest.mark.parametrize(("p", "dim"), [(2.0, 1), (1.0, 0), (3.0, -1), (INF, 1), (2.0, (0, 1))])
def test_normalize_is_pytorchs(torch: Any, agree: Any, p: float, dim: Any) -> None:
    agree(lambda x: F.normalize(x, p, dim), lambda x: torch.nn.functional.normalize(x, p, dim), A, order=2)
    agree(F.normalize, torch.nn.functional.normalize, numpy.zeros((2, 3)))


@pytest.mark.parametrize("p", [1.0, 2.0, INF])
def test_pdist_is_pytorchs(torch: Any, agree: Any, p: float) -> None:
    agree(lambda x: F.pdist(x, p), lambda x: torch.nn.functional.pdist(x, p), A)
    assert F.pdist(tg.ones(1, 2)).shape == (0,)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bilinear_is_pytorchs(torch: Any, agree: Any, batch: Any, dtype: str) -> None:
    rng = numpy.random.default_rng(2)
    shapes = [(*batch, 3), (*batch, 4), (5, 3, 4), (5,)]
    agree(F.bilinear, torch.nn.functional.bilinear, *(rng.normal(size=shape).astype(dtype) for shape in shapes))


# --- connectionist temporal classification ----------------------------------------------------------------------------

LOGITS = RNG.normal(size=(7, 3, 5))
LABELS = numpy.array([[1, 2, 2, 4], [3, 3, 0, 0], [4, 0, 0, 0]])


def ctc(library: Any, function: Any, logits: Any, labels: Any, spans: Any, lengths: Any, **settings: Any) -> Any:
    given = [library.tensor(numpy.array(one)) for one in (labels, spans, lengths)]
    return function(logits.log_softmax(-1), *given, **settings)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("spans", "lengths"), [([7, 7, 7], [4, 2, 1]), ([7, 5, 3], [4, 2, 1]), ([7, 4, 1], [3, 0, 1])])
def test_ctc_loss_is_pytorchs(torch: Any, agree: Any, spans: Any, lengths: Any, reduction: str) -> None:
    joined = numpy.concatenate([row[:length] for row, length in zip(LABELS, lengths, strict=True)])
    for labels in (LABELS, joined):
        agree(
            lambda x, y=labels: ctc(tg, F.ctc_loss, x, y, spans, lengths, reduction=reduction),
            lambda x, y=labels: ctc(torch, torch.nn.functional.ctc_loss, x, y, spans, lengths, reduction=reduction),
            LOGITS,
        )


def test_ctc_loss_of_one_sequence_with_another_blank_is_pytorchs(torch: Any, agree: Any) -> None:
    agree(
        lambda x: ctc(tg, F.ctc_loss, x, [1, 2, 2], [7], [3], blank=4),
        lambda x: ctc(torch, torch.nn.functional.ctc_loss, x, [1, 2, 2], [7], [3], blank=4),
        LOGITS[:, 0],
    )


def test_ctc_loss_gives_log_probabilities_themselves_pytorchs_gradient(torch: Any, agree: Any) -> None:
    logs = LOGITS - numpy.log(numpy.exp(LOGITS).sum(-1, keepdims=True))
    settings = ([7, 5, 3], [4, 2, 1])
    agree(
        lambda x: F.ctc_loss(x, tg.tensor(LABELS), *map(tg.tensor, settings)),
        lambda x: torch.nn.functional.ctc_loss(x, torch.tensor(LABELS), *map(torch.tensor, settings)),
        logs,
    )


def test_targets_that_do_not_fit_cost_infinity_or_nothing(torch: Any, agree: Any) -> None:
    lengths, spans = [4, 2, 1], [3, 5, 7]  # 4 labels, two of them the same, take 5 steps
    losses = ctc(tg, F.ctc_loss, tg.tensor(LOGITS), LABELS, spans, lengths, reduction="none")
    assert losses[0].item() == INF
    agree(
        lambda x: ctc(tg, F.ctc_loss, x, LABELS, spans, lengths, zero_infinity=True),
        lambda x: ctc(torch, torch.nn.functional.ctc_loss, x, LABELS, spans, lengths, zero_infinity=True),
        LOGITS,
    )


# --- what is wrong ----------------------------------------------------------------------------------------------------

X, Y = tg.ones(2, 3), tg.ones(2, 4)
ERRORS: list[tuple[Callable[[], Any], type, str]] = [
    (lambda: F.binary_cross_entropy(X * 2, X), SettingError, "all elements of input"),
    (lambda: F.binary_cross_entropy(X * math.nan, X), SettingError, "all elements of input"),
    (lambda: F.binary_cross_entropy(X, -X), SettingError, "all elements of target"),
    (lambda: F.binary_cross_entropy(X, X.double()), DTypeError, "one floating dtype"),
    (lambda: F.binary_cross_entropy(X, Y), ShapeError, "shape of the input"),
    (lambda: F.binary_cross_entropy(X, X, reduction="batchmean"), SettingError, "unknown reduction"),
    (lambda: F.kl_div(X, X.long()), UndefinedError, "int64"),
    (lambda: F.gaussian_nll_loss(X, X, -X), SettingError, "negative"),
    (lambda: F.gaussian_nll_loss(X, X, Y), ShapeError, "incorrect size"),
    (lambda: F.cosine_embedding_loss(X, X, X), ShapeError, "0 or 1 axes"),
    (lambda: F.cosine_embedding_loss(X, X, tg.ones(())), ShapeError, "expects inputs with 1"),
    (lambda: F.margin_ranking_loss(X, X, tg.ones(3)), ShapeError, "same number of axes"),
    (lambda: F.soft_margin_loss(tg.ones(3), tg.ones(3, 1)), ShapeError, "shape of the input"),
    (lambda: F.multi_margin_loss(X, tg.tensor([0, 7])), IndexRangeError, "out of range"),
    (lambda: F.multi_margin_loss(X, tg.tensor([0])), ShapeError, "inconsistent target size"),
    (lambda: F.multi_margin_loss(X, tg.tensor([0.0, 1.0])), DTypeError, "int64"),
    (lambda: F.multi_margin_loss(X, tg.tensor([0, 1]), p=3), SettingError, "p == 1"),
    (lambda: F.multi_margin_loss(X, tg.tensor([0, 1]), weight=tg.ones(2)), ShapeError, "weight size"),
    (lambda: F.multi_margin_loss(X, tg.tensor([0, 1]), weight=tg.ones(1, 3)), ShapeError, "one-dimensional"),
    (lambda: F.cross_entropy(X, X, ignore_index=1), SettingError, "beside a target of probabilities"),
    (lambda: F.multilabel_margin_loss(X, tg.tensor([[0, 1, 5], [0, 1, 2]])), IndexRangeError, "out of range"),
    (lambda: F.multilabel_margin_loss(X, tg.tensor([[0, 1], [0, 1]])), ShapeError, "inconsistent target size"),
    (lambda: F.triplet_margin_loss(X, X, tg.ones(3)), ShapeError, "same number of axes"),
    (lambda: F.triplet_margin_loss(X, X, X, margin=0.0), SettingError, "not above 0"),
    (lambda: F.cosine_similarity(X.long(), X.long()), UndefinedError, "int64"),
    (lambda: F.cosine_similarity(X[0], X[0]), IndexRangeError, "dim 1"),
    (lambda: F.pdist(X[0]), ShapeError, "2D"),
    (lambda: F.pdist(X, -1.0), SettingError, "negative"),
    (lambda: F.bilinear(X, tg.ones(3, 4), tg.ones(5, 3, 4)), ShapeError, "batch dimensions"),
    (lambda: F.bilinear(X, X, tg.ones(5, 3, 4)), ShapeError, "expected 4"),
    (lambda: F.ctc_loss(tg.ones(3, 2, 4), tg.tensor([[1], [9]]), [3, 3], [1, 1]), IndexRangeError, "out of range"),
    (lambda: F.ctc_loss(tg.ones(3, 2, 4), tg.tensor([[1], [2]]), [3], [1, 1]), ShapeError, "size 2"),
    (lambda: F.ctc_loss(tg.ones(3, 2, 4), tg.tensor([[1], [2]]), [4, 3], [1, 1]), SettingError, "at most 3"),
    (lambda: F.ctc_loss(tg.ones(3, 2, 4), tg.tensor([[1], [2]]), [3, 3], [2, 1]), ShapeError, "room for 1"),
    (lambda: F.ctc_loss(tg.ones(3, 1, 4), tg.tensor([[1]]), [3], [1], blank=4), IndexRangeError, "blank"),
]


@pytest.mark.parametrize(("call", "error", "words"), ERRORS, ids=[words for _, _, words in ERRORS])
def test_bad_input_is_refused_with_what_is_wrong(call: Callable[[], Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "soft_margin_loss", "hinge_embedding_loss"])
@pytest.mark.parametrize(
    "words", [{"size_average": False}, {"reduce": False}, {"size_average": True}, {"size_average": False, "reduce": 1}]
)
def test_the_old_words_for_the_reduction_still_work_and_warn(torch: Any, name: str, words: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match="reduction="):
        mine = getattr(F, name)(tg.tensor(A), tg.tensor(SIGN_TABLE), **words)
    with pytest.warns(UserWarning, match="reduction="):
        theirs = getattr(torch.nn.functional, name)(torch.tensor(A), torch.tensor(SIGN_TABLE), **words)
    numpy.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-12)
