"""Losses that hold the layer that makes their logits are PyTorch's: state, values, gradients, and what they refuse."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.nn import functional as F

RNG = np.random.default_rng(0)
CUTOFFS = [3, 7, 12]


def drawn(*shape: int) -> Any:
    return RNG.normal(size=shape)


def probabilities(*shape: int) -> Any:
    chances = RNG.random(shape)
    return chances / chances.sum(axis=1 if len(shape) > 1 else 0, keepdims=True)


# --- AdaptiveLogSoftmaxWithLoss --------------------------------------------------------------------------------------


@pytest.mark.parametrize("head_bias", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        np.array([0, 2, 3, 6, 7, 11, 12, 19]),  # every cluster, at both ends
        np.array([1, 0, 2]),  # the shortlist alone: clusters get no gradient
        np.array([15, 12]),
        np.array([8]),
    ],
)
def test_the_adaptive_softmax_is_pytorchs(parity: Any, target: Any, head_bias: bool) -> None:
    def build(nn: Any) -> Any:
        return nn.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS, div_value=2.0, head_bias=head_bias)

    parity.module(build, drawn(len(target), 64), target)
    ours, theirs = parity.twins(build)
    parity.compare(ours.log_prob, theirs.log_prob, drawn(5, 64))


def test_the_adaptive_softmax_of_a_single_example_is_pytorchs(parity: Any) -> None:
    for target in (1, 9):
        parity.module(lambda nn: nn.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS), drawn(64), np.array(target))


def test_the_adaptive_softmax_in_float32_is_pytorchs(parity: Any) -> None:
    ours, theirs = parity.twins(lambda nn: nn.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS))
    x = drawn(6, 64).astype("float32")
    parity.compare(ours.float(), theirs.float(), x, np.array([0, 4, 8, 13, 19, 1]), tolerance=1e-5)


@pytest.mark.parametrize("scale", [0.0, 5.0, -5.0])
def test_the_adaptive_softmax_predicts_as_pytorch(parity: Any, scale: float) -> None:
    """With the scale of the head's bias the winner is in the shortlist always, now and then, or never."""
    ours, theirs = parity.twins(lambda nn: nn.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS, head_bias=True))
    bias = np.where(np.arange(6) < 3, scale, 0.0)
    ours.load_state_dict({**ours.state_dict(), "head.bias": tg.tensor(bias)})
    theirs.load_state_dict({**theirs.state_dict(), "head.bias": parity.torch.tensor(bias)})
    x = drawn(40, 64)
    found = ours.predict(tg.tensor(x))
    assert found.dtype is tg.int64
    np.testing.assert_array_equal(found.numpy(), theirs.predict(parity.torch.tensor(x)).numpy())
    np.testing.assert_array_equal(found.numpy(), ours.log_prob(tg.tensor(x)).argmax(1).numpy())


def test_the_adaptive_softmax_is_a_softmax_and_its_loss_that_of_the_targets() -> None:
    softmax = nn.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS).double()
    x, target = tg.tensor(drawn(7, 64)), tg.tensor([0, 3, 7, 12, 19, 2, 5])
    logs = softmax.log_prob(x).detach().numpy()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), np.ones(7), rtol=1e-14)
    output, loss = softmax(x, target)
    np.testing.assert_allclose(output.detach().numpy(), logs[np.arange(7), target.numpy()], rtol=1e-12)
    assert loss.item() == pytest.approx(-output.detach().numpy().mean())


def test_the_adaptive_softmax_draws_new_values_and_can_be_copied() -> None:
    softmax = nn.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS, head_bias=True)
    before = {name: value.detach().numpy().copy() for name, value in softmax.named_parameters()}
    twin = pickle.loads(pickle.dumps(copy.deepcopy(softmax)))
    softmax.reset_parameters()
    for name, value in softmax.named_parameters():
        assert not np.array_equal(value.detach().numpy(), before[name]), name
        np.testing.assert_array_equal(dict(twin.named_parameters())[name].detach().numpy(), before[name])


@pytest.mark.parametrize("cutoffs", [[], [0, 3], [3, 20], [7, 3], [3, 3], [2.5]])
def test_cutoffs_that_pytorch_refuses_are_refused(parity: Any, cutoffs: Any) -> None:
    for module in (nn, parity.torch.nn):
        with pytest.raises(ValueError, match="cutoffs"):
            module.AdaptiveLogSoftmaxWithLoss(64, 20, cutoffs)


@pytest.mark.parametrize(
    ("shape", "target"),
    [((2, 64), [1]), ((64,), [1]), ((1, 64), 1), ((1, 64), [[1]]), ((2, 64), [1, 20]), ((2, 64), [-1, 2])],
)
def test_targets_that_pytorch_refuses_are_refused(parity: Any, shape: Any, target: Any) -> None:
    for tensors, module in ((tg, nn), (parity.torch, parity.torch.nn)):
        layer = module.AdaptiveLogSoftmaxWithLoss(64, 20, CUTOFFS)
        with pytest.raises(RuntimeError):
            layer(tensors.zeros(shape), tensors.tensor(target))


# --- LinearCrossEntropyLoss ------------------------------------------------------------------------------------------

SETTINGS: list[tuple[dict[str, Any], tuple[int, ...], Any]] = [
    ({}, (4, 6), np.array([0, 3, 4, 1])),
    ({"bias": True}, (6,), np.array(2)),
    ({"bias": True, "reduction": "sum", "label_smoothing": 0.2}, (4, 6), np.array([0, 3, 4, 1])),
    ({"reduction": "none", "ignore_index": 3}, (4, 6), np.array([0, 3, 4, 3])),
    ({}, (4, 6), np.array([0, -100, 4, 3])),
    ({"bias": True, "reduction": "none"}, (4, 6), probabilities(4, 5)),
    ({"label_smoothing": 0.1}, (6,), probabilities(5)),
    ({"out_features": (2, 3), "bias": True}, (4, 6), RNG.integers(0, 5, (4, 2, 3))),
    ({"out_features": (3,), "reduction": "none"}, (4, 6), probabilities(4, 5, 3)),
    ({"out_features": (3,), "ignore_index": 1, "label_smoothing": 0.3}, (4, 6), RNG.integers(0, 5, (4, 3))),
]


@pytest.mark.parametrize(("settings", "shape", "target"), SETTINGS)
def test_the_linear_cross_entropy_is_pytorchs(parity: Any, settings: Any, shape: Any, target: Any) -> None:
    parity.module(lambda nn: nn.LinearCrossEntropyLoss(6, 5, **settings), drawn(*shape), target)
    single = [array.astype("float32") if array.dtype.kind == "f" else array for array in (drawn(*shape), target)]
    ours, theirs = parity.twins(lambda nn: nn.LinearCrossEntropyLoss(6, 5, **settings))
    parity.compare(ours.float(), theirs.float(), *single, tolerance=1e-5)


def test_the_linear_cross_entropy_with_class_weights_is_pytorchs(parity: Any) -> None:
    weight = RNG.random(5) + 0.5
    ours = nn.LinearCrossEntropyLoss(6, 5, weight=tg.tensor(weight)).double()
    theirs = parity.torch.nn.LinearCrossEntropyLoss(6, 5, weight=parity.torch.tensor(weight)).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    for target in (np.array([0, 3, 4, 1]), probabilities(4, 5)):
        parity.compare(ours, theirs, drawn(4, 6), target)
        ours.zero_grad(), theirs.zero_grad()


def test_the_function_is_pytorchs(parity: Any) -> None:
    for weight, bias, target in (
        (drawn(5, 6), drawn(5), np.array([0, 3, 4, 1])),
        (drawn(5, 2, 3, 6), drawn(5, 2, 3), RNG.integers(0, 5, (4, 2, 3))),
    ):
        parity.compare(
            lambda x, w, b, y: F.linear_cross_entropy(x, w, y, linear_bias=b, reduction="none"),
            lambda x, w, b, y: parity.torch.nn.functional.linear_cross_entropy(
                x, w, y, linear_bias=b, reduction="none"
            ),
            drawn(4, 6),
            weight,
            bias,
            target,
        )


@pytest.mark.parametrize(
    ("x", "weight", "target", "options"),
    [
        ((2, 3, 6), (5, 6), [0, 1], {}),
        ((2, 6), (6,), [0, 1], {}),
        ((2, 6), (5, 7), [0, 1], {}),
        ((6,), (5, 3, 6), [0, 1, 2], {}),
        ((2, 6), (5, 6), [0, 5], {}),
        ((2, 6), (5, 6), [0, 1], {"linear_bias": (4,)}),
        ((2, 6), (5, 6), (2, 5), {"ignore_index": 3}),
    ],
)
def test_what_pytorchs_function_refuses_is_refused(parity: Any, x: Any, weight: Any, target: Any, options: Any) -> None:
    for tensors, function in ((tg, F), (parity.torch, parity.torch.nn.functional)):
        labels = tensors.zeros(target) if isinstance(target, tuple) else tensors.tensor(target)
        given = {k: tensors.zeros(v) if isinstance(v, tuple) else v for k, v in options.items()}
        with pytest.raises((RuntimeError, IndexError)):
            function.linear_cross_entropy(tensors.zeros(x), tensors.zeros(weight), labels, **given)


@pytest.mark.parametrize("settings", [{"weight": (4,)}, {"label_smoothing": 1.5}])
def test_what_pytorchs_module_refuses_is_refused(parity: Any, settings: Any) -> None:
    for tensors, module in ((tg, nn), (parity.torch, parity.torch.nn)):
        given = {k: tensors.ones(v) if isinstance(v, tuple) else v for k, v in settings.items()}
        with pytest.raises(RuntimeError):
            module.LinearCrossEntropyLoss(6, 5, **given)


def test_computing_in_pieces_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(NotImplementedError, match="part after part"):
        F.linear_cross_entropy(tg.zeros(2, 6), tg.zeros(5, 6), tg.tensor([0, 1]), options=object())  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="part after part"):
        nn.LinearCrossEntropyLoss(6, 5, options=object())  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="part after part"):
        nn.LinearCrossEntropyOptions  # noqa: B018
