"""Losses and distances as modules: PyTorch's results, repr, settings by place and by old names, and state."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch")

RNG = numpy.random.default_rng(0)
A, B, C = (RNG.normal(size=(4, 3)).astype("float32") for _ in range(3))
P, Q = (RNG.uniform(0.1, 0.9, (4, 3)).astype("float32") for _ in range(2))
SIGNS = numpy.array([1.0, -1.0, 1.0, -1.0], "float32")
TABLE = numpy.where(RNG.uniform(size=(4, 3)) < 0.5, -1.0, 1.0).astype("float32")
LABELS = numpy.array([0, 2, 1, 1])
WEIGHT = numpy.array([0.5, 2.0, 1.5], "float32")

MODULES: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...]]] = [
    ("BCELoss", (), {}, (P, Q)),
    ("BCELoss", (WEIGHT,), {"reduction": "sum"}, (P, Q)),
    ("BCEWithLogitsLoss", (), {"pos_weight": WEIGHT}, (A, Q)),
    ("CosineEmbeddingLoss", (0.2,), {}, (A, B, SIGNS)),
    ("CosineSimilarity", (), {}, (A, B)),
    ("CosineSimilarity", (0, 1e-3), {}, (A, B)),
    ("CrossEntropyLoss", (WEIGHT, None, 2), {}, (A, LABELS)),
    ("GaussianNLLLoss", (), {"full": True}, (A, B, P)),
    ("HingeEmbeddingLoss", (0.5,), {}, (A, TABLE)),
    ("HuberLoss", ("sum", 0.5), {}, (A, B)),
    ("KLDivLoss", (None, None, "batchmean"), {}, (A, Q)),
    ("KLDivLoss", (), {"log_target": True, "reduction": "sum"}, (A, B)),
    ("L1Loss", (None, None, "sum"), {}, (A, B)),
    ("MSELoss", (None, None, "none"), {}, (A, B)),
    ("MarginRankingLoss", (0.5,), {}, (A, B, TABLE)),
    ("MultiLabelMarginLoss", (), {}, (A, numpy.array([[2, 0, -1]] * 4))),
    ("MultiLabelSoftMarginLoss", (WEIGHT,), {}, (A, Q)),
    ("MultiMarginLoss", (2, 0.5, WEIGHT), {}, (A, LABELS)),
    ("NLLLoss", (WEIGHT, None, 1), {}, (A, LABELS)),
    ("PairwiseDistance", (1.0, 1e-3, True), {}, (A, B)),
    ("PoissonNLLLoss", (False, True), {}, (P, Q)),
    ("SmoothL1Loss", (None, None, "mean", 0.5), {}, (A, B)),
    ("SoftMarginLoss", (), {}, (A, TABLE)),
    ("TripletMarginLoss", (0.5, 1.0), {"swap": True}, (A, B, C)),
    ("TripletMarginWithDistanceLoss", (), {"margin": 0.5}, (A, B, C)),
]


def made(library: Any, name: str, places: Any, settings: Any) -> Any:
    as_own = lambda value: library.tensor(value) if isinstance(value, numpy.ndarray) else value
    arguments = {key: as_own(value) for key, value in settings.items()}
    return getattr(library.nn, name)(*map(as_own, places), **arguments)


@pytest.mark.parametrize(("name", "places", "settings", "inputs"), MODULES)
def test_modules_are_pytorchs(name: str, places: Any, settings: Any, inputs: Any) -> None:
    ours, theirs = made(tg, name, places, settings), made(torch, name, places, settings)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, y = tg.tensor(inputs[0], requires_grad=True), torch.tensor(inputs[0], requires_grad=True)
    mine, right = ours(x, *map(tg.tensor, inputs[1:])), theirs(y, *map(torch.tensor, inputs[1:]))
    numpy.testing.assert_allclose(mine.detach().numpy(), right.detach().numpy(), rtol=1e-5, atol=1e-6)
    (mine * mine).sum().backward()
    (right * right).sum().backward()
    numpy.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_holds_and_computes_what_pytorchs_does(bias: bool) -> None:
    ours, theirs = nn.Bilinear(3, 4, 5, bias), torch.nn.Bilinear(3, 4, 5, bias)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({name: tg.tensor(value.detach().numpy()) for name, value in theirs.state_dict().items()})
    x, y = RNG.normal(size=(2, 3)).astype("float32"), RNG.normal(size=(2, 4)).astype("float32")
    mine, right = ours(tg.tensor(x), tg.tensor(y)), theirs(torch.tensor(x), torch.tensor(y))
    numpy.testing.assert_allclose(mine.detach().numpy(), right.detach().numpy(), rtol=1e-5, atol=1e-6)
    mine.sum().backward()
    right.sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        numpy.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_bilinear_starts_within_its_bound_and_refuses_no_inputs() -> None:
    layer = nn.Bilinear(100, 3, 2)
    assert 0.09 < abs(layer.weight.detach().numpy()).max() <= 0.1
    with pytest.raises(ValueError, match="in1_features"):
        nn.Bilinear(0, 3, 2)


def test_ctc_loss_as_a_module_is_pytorchs() -> None:
    logits = RNG.normal(size=(6, 2, 4)).astype("float32")
    arguments = [numpy.array([[1, 2], [3, 3]]), numpy.array([6, 5]), numpy.array([2, 2])]
    mine = nn.CTCLoss(reduction="sum")(tg.tensor(logits).log_softmax(2), *map(tg.tensor, arguments))
    right = torch.nn.CTCLoss(reduction="sum")(torch.tensor(logits).log_softmax(2), *map(torch.tensor, arguments))
    numpy.testing.assert_allclose(mine.numpy(), right.numpy(), rtol=1e-5)


@pytest.mark.parametrize("name", ["MSELoss", "BCELoss", "KLDivLoss", "NLLLoss"])
def test_the_old_names_of_the_reduction_warn_and_are_understood(name: str) -> None:
    for words, reduction in (({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"reduce": True}, "mean")):
        with pytest.warns(UserWarning, match="deprecated"):
            assert getattr(nn, name)(**words).reduction == reduction


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.MultiMarginLoss(p=3),
        lambda: nn.TripletMarginLoss(margin=-1.0),
        lambda: nn.TripletMarginWithDistanceLoss(margin=0.0),
        lambda: nn.BCELoss(reduction="batchmean"),
    ],
)
def test_settings_that_pytorch_refuses_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"supported|not above 0|unknown reduction"):
        make()
