"""Starting values have the promised spread; gradients are clipped as PyTorch clips them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import SettingError, ShapeError, TapeError, TinygradError
from tinygrad_mp.nn import init, utils


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda w: init.uniform_(w, -1, 3), 4 / math.sqrt(12)),
        (lambda w: init.normal_(w, 2.0, 0.5), 0.5),
        (lambda w: init.xavier_uniform_(w, gain=2.0), 2 * math.sqrt(2 / 500)),
        (lambda w: init.xavier_normal_(w), math.sqrt(2 / 500)),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 200)),
        (lambda w: init.kaiming_normal_(w, a=1.0, mode="fan_out"), math.sqrt(1 / 300)),
    ],
)
def test_random_values_have_the_promised_spread(fill: Any, std: float) -> None:
    tg.manual_seed(0)
    weight = nn.Parameter(tg.zeros(300, 200))
    array = weight.array
    assert fill(weight) is weight
    assert weight.array is array
    assert weight.is_leaf
    assert abs(array.std() / std - 1) < 0.02
    assert array.dtype == "float32"


def test_the_seed_or_a_generator_fixes_the_values() -> None:
    first, second = tg.zeros(4, 4), tg.zeros(4, 4)
    init.kaiming_normal_(first, generator=tg.Generator().manual_seed(5))
    init.kaiming_normal_(second, generator=tg.Generator().manual_seed(5))
    assert (first.numpy() == second.numpy()).all()


def test_constants() -> None:
    assert init.ones_(tg.zeros(2)).numpy().tolist() == [1, 1]
    assert init.zeros_(tg.ones(2)).numpy().tolist() == [0, 0]
    assert init.constant_(tg.zeros(2), 0.5).numpy().tolist() == [0.5, 0.5]


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 2)])
def test_orthogonal_rows_or_columns_are_orthonormal(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(tg.zeros(*shape), gain=2.0).numpy().reshape(shape[0], -1) / 2
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-6)


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(SettingError, match="unknown nonlinearity 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(SettingError, match='mode must be "fan_in" or "fan_out"'):
        init.kaiming_uniform_(tg.zeros(2, 2), mode="fan")
    with pytest.raises(ShapeError, match="two axes at least are needed"):
        init.xavier_normal_(tg.zeros(3))


def test_backward_refuses_a_value_that_init_overwrote() -> None:
    weight = nn.Parameter(tg.ones(2, 2))
    loss = (weight * weight).sum()
    init.zeros_(weight)
    with pytest.raises(TapeError, match="in-place operation overwrote it"):
        loss.backward()


@pytest.mark.parametrize(
    ("limits", "mean", "std"),
    [((-2.0, 2.0), 0.0, 1.0), ((-0.5, 1.0), 0.3, 0.4), ((2.0, 3.0), 0.5, 1.0), ((-0.01, 0.02), 0.0, 1.0)],
)
def test_cut_normal_draws_have_the_right_distribution(limits: Any, mean: float, std: float) -> None:
    tg.manual_seed(0)
    values = init.trunc_normal_(tg.zeros(200, 300), mean, std, *limits).numpy()
    assert limits[0] <= values.min()
    assert values.max() <= limits[1]
    grid = np.linspace(*limits, 10001)
    density = np.exp(-(((grid - mean) / std) ** 2) / 2)
    density /= density.sum()
    expected = (grid * density).sum()
    spread = math.sqrt((density * (grid - expected) ** 2).sum())
    assert abs(values.mean() - expected) < 0.02 * spread
    assert abs(values.std() / spread - 1) < 0.02


def test_a_cut_far_from_the_mean_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="more than two standard deviations"):
        init.trunc_normal_(tg.zeros(3), 9.0, 1.0)


@pytest.mark.parametrize("shape", [(4, 3, 5), (6, 2, 3, 4), (2, 3, 1, 2, 3), (4, 6, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_identity_fillings_are_pytorchs(parity: Any, shape: tuple[int, ...], groups: int) -> None:
    parity.near(init.dirac_(tg.ones(*shape), groups), parity.torch.nn.init.dirac_(parity.torch.ones(*shape), groups))
    parity.near(init.eye_(tg.ones(*shape[:2])), parity.torch.nn.init.eye_(parity.torch.ones(*shape[:2])))


def test_sparse_filling_has_the_promised_zeros_in_each_column() -> None:
    values = init.sparse_(tg.ones(10, 50), 0.25, std=2.0).numpy()
    assert ((values == 0).sum(axis=0) == 3).all()
    assert 1.5 < values[values != 0].std() < 2.5


@pytest.mark.parametrize(
    "call",
    [
        lambda t, init: init.eye_(t.zeros(3)),
        lambda t, init: init.dirac_(t.zeros(3, 3)),
        lambda t, init: init.dirac_(t.zeros(3, 3, 3), 2),
        lambda t, init: init.sparse_(t.zeros(3), 0.1),
        lambda t, init: init.orthogonal_(t.zeros(3)),
        lambda t, init: init.xavier_uniform_(t.zeros(3)),
        lambda t, init: init.calculate_gain("swish"),
    ],
)
def test_what_pytorch_refuses_to_fill_is_refused_with_its_class_of_error(parity: Any, call: Any) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - PyTorch says which
        call(parity.torch, parity.torch.nn.init)
    with pytest.raises(caught.type):
        call(tg, init)


def test_old_names_of_fillings_work_with_a_warning(parity: Any) -> None:
    for name in ("uniform", "normal", "xavier_uniform", "kaiming_normal", "orthogonal", "eye"):
        with pytest.warns(FutureWarning, match=name):
            assert getattr(init, name)(tg.zeros(3, 3)).numpy().any()
        assert hasattr(parity.torch.nn.init, name)


# --- gradients ------------------------------------------------------------------------------------------------------


def with_gradients(torch: Any = None) -> list[Any]:
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.normal(size=shape), dtype="float32") for shape in [(3, 2), (4,), ()]]
    make = tg.tensor if torch is None else torch.tensor
    parameters = [make(array, requires_grad=True) for array in arrays]
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.grad = make(np.asarray(3 * array))
    return parameters


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clipping_the_norm_is_pytorchs(max_norm: float, norm_type: float) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    ours, theirs = with_gradients(), with_gradients(torch)
    found = utils.clip_grad_norm_(ours, max_norm, norm_type)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6)
        assert a.grad.dtype == "float32"


def test_clipping_leaves_short_gradients_and_missing_ones_alone() -> None:
    parameters = with_gradients()
    before = [parameter.grad.numpy().copy() for parameter in parameters]
    utils.clip_grad_norm_([*parameters, tg.tensor(1.0, requires_grad=True)], 1e6)
    assert all((p.grad.numpy() == old).all() for p, old in zip(parameters, before, strict=True))
    assert utils.clip_grad_norm_([], 1.0).item() == 0.0


def test_a_norm_that_is_not_finite_can_be_refused_and_changes_nothing() -> None:
    parameters = with_gradients()
    parameters[0].grad = tg.full((3, 2), float("nan"))
    before = parameters[1].grad.numpy().copy()
    with pytest.raises(TinygradError, match="the norm of the gradients is nan"):
        utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    assert (parameters[1].grad.numpy() == before).all()


def test_clipping_values_bounds_every_entry() -> None:
    parameters = with_gradients()
    before = [parameter.grad.numpy().copy() for parameter in parameters]
    utils.clip_grad_value_(parameters, 0.5)
    for parameter, old in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), np.clip(old, -0.5, 0.5))


def test_parameters_go_into_a_vector_and_back() -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = utils.parameters_to_vector(source.parameters())
    assert vector.shape == (8,)
    utils.vector_to_parameters(vector, target.parameters())
    for a, b in zip(source.parameters(), target.parameters(), strict=True):
        assert (a.detach().numpy() == b.detach().numpy()).all()
    with pytest.raises(ShapeError, match=r"8 entries together, the vector has shape \(7,\)"):
        utils.vector_to_parameters(tg.zeros(7), target.parameters())


def test_norms_are_found_and_used_apart(parity: Any) -> None:
    ours, theirs = with_gradients(), with_gradients(parity.torch)
    clip = parity.torch.nn.utils
    norm = utils.get_total_norm([x.grad for x in ours], 1.0)
    right = clip.get_total_norm([x.grad for x in theirs], 1.0)
    parity.near(norm, right, 1e-6)
    utils.clip_grads_with_norm_(ours, 0.5, norm)
    clip.clip_grads_with_norm_(theirs, 0.5, right)
    for a, b in zip(ours, theirs, strict=True):
        parity.near(a.grad, b.grad, 1e-6)


def test_a_vector_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a tensor, not a list"):
        utils.vector_to_parameters([1.0], [])
