"""Activations with kinks, and gates, against PyTorch: at every kink, in place, for wrong dtypes and settings."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import functional as F
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, UndefinedError

INF = math.inf
KINKS = [-7.0, -6.0, -3.0, -1.0, -0.5, -0.3, 0.0, 0.2, 0.5, 1.0, 3.0, 6.0, 7.0, 9.0]
BETWEEN = [-6.5, -2.0, -0.7, -0.1, 0.1, 0.7, 2.0, 6.5]
ACTIVATIONS: list[tuple[str, tuple[Any, ...]]] = [
    ("celu", ()),
    ("celu", (2.0,)),
    ("celu", (-0.5,)),
    ("glu", ()),
    ("hardshrink", ()),
    ("hardshrink", (-1.0,)),
    ("hardsigmoid", ()),
    ("hardswish", ()),
    ("hardtanh", ()),
    ("hardtanh", (0.5, 0.5)),
    ("leaky_relu", (0.3,)),
    ("mish", ()),
    ("relu6", ()),
    ("rrelu", (0.2, 0.5)),
    ("selu", ()),
    ("softmin", (0,)),
    ("softshrink", ()),
    ("softshrink", (0.0,)),
    ("softsign", ()),
    ("tanhshrink", ()),
    ("threshold", (0.5, 9.0)),
]
every_activation = pytest.mark.parametrize(("name", "arguments"), ACTIVATIONS)
IN_PLACE = ["celu", "elu", "hardtanh", "leaky_relu", "relu", "rrelu", "selu", "threshold"]


@pytest.fixture
def theirs() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests").nn.functional


@every_activation
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_at_every_kink_value_and_gradient_are_pytorchs(
    theirs: Any, agree: Any, name: str, arguments: Any, dtype: str
) -> None:
    ours, right = getattr(F, name), getattr(theirs, name)
    agree(lambda x: ours(x, *arguments), lambda x: right(x, *arguments), numpy.array(KINKS, dtype))
    order = 1 if name == "hardsigmoid" else 2  # of which PyTorch has one derivative
    agree(lambda x: ours(x, *arguments), lambda x: right(x, *arguments), numpy.array(BETWEEN, dtype), order=order)


@every_activation
def test_at_infinity_values_are_pytorchs(theirs: Any, name: str, arguments: Any) -> None:
    points = numpy.array([INF, -INF, 1e4, -1e4])
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")
    with numpy.errstate(invalid="ignore", over="ignore"):
        mine = getattr(F, name)(tg.tensor(points), *arguments).numpy()
    numpy.testing.assert_allclose(mine, getattr(theirs, name)(torch.tensor(points), *arguments), rtol=1e-12)


@every_activation
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_far_out_nothing_overflows(name: str, arguments: Any, dtype: str) -> None:
    if arguments == (-0.5,):
        pytest.skip("a negative alpha grows as an exponential does")
    x = tg.tensor(numpy.array([3e4, -3e4], dtype), requires_grad=True)
    out = getattr(F, name)(x, *arguments)
    out.sum().backward()
    assert out.array.dtype == x.grad.array.dtype == dtype


@every_activation
@pytest.mark.parametrize("kind", ["bool", "int64"])
def test_integers_are_taken_or_refused_as_by_pytorch(theirs: Any, name: str, arguments: Any, kind: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")
    points = numpy.array([1, 0], kind)
    try:
        right = getattr(theirs, name)(torch.tensor(points), *arguments)
    except RuntimeError as error:
        with pytest.raises(type(error)):
            getattr(F, name)(tg.tensor(points), *arguments)
    else:
        mine = getattr(F, name)(tg.tensor(points), *arguments).numpy()
        assert mine.dtype == right.numpy().dtype
        numpy.testing.assert_allclose(mine, right.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_the_memory_changes_and_the_gradient_is_the_same(theirs: Any, agree: Any, name: str) -> None:
    arguments = {"threshold": (0.1, 9.0)}.get(name, ())
    points = numpy.array([-2.0, -0.5, 0.3, 2.0])
    x = tg.tensor(points)
    assert getattr(F, name)(x, *arguments, inplace=True) is x
    numpy.testing.assert_array_equal(x.numpy(), getattr(F, name)(tg.tensor(points), *arguments).numpy())
    y = tg.tensor(points)
    assert getattr(F, name + "_")(y, *arguments) is y
    numpy.testing.assert_array_equal(y.numpy(), x.numpy())
    agree(
        lambda x: getattr(F, name)(x * 1, *arguments, inplace=True),
        lambda x: getattr(theirs, name)(x * 1, *arguments, inplace=True),
        points,
    )


# --- prelu ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 2), (0, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_prelu_has_a_slope_or_one_for_each_channel(theirs: Any, agree: Any, shape: Any, channels: int) -> None:
    if channels == 3 and len(shape) < 2:
        channels = 1
    rng = numpy.random.default_rng(0)
    x, weight = rng.normal(size=shape), rng.uniform(0.1, 0.5, channels)
    agree(F.prelu, theirs.prelu, numpy.asarray(x), weight, order=2)


def test_prelu_sends_nothing_to_its_slopes_where_the_input_is_positive(theirs: Any, agree: Any) -> None:
    agree(F.prelu, theirs.prelu, numpy.array([INF, 1.0, 0.0, -1.0]), numpy.array([0.5]))


def test_prelu_refuses_slopes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="channels"):
        F.prelu(tg.ones(2, 3), tg.ones(2))
    with pytest.raises(DTypeError, match="float64"):
        F.prelu(tg.ones(2, 3), tg.ones(3, dtype=tg.float64))
    with pytest.raises(UndefinedError):
        F.prelu(tg.ones(2, dtype=tg.int64), tg.ones(1))


# --- random numbers ---------------------------------------------------------------------------------------------------


def test_rrelu_draws_its_slopes_between_the_bounds_and_backward_uses_them() -> None:
    tg.manual_seed(0)
    x = tg.full((1000,), -2.0, requires_grad=True)
    out = F.rrelu(x, 0.1, 0.3, training=True)
    slopes = out.detach().numpy() / -2
    assert 0.1 <= slopes.min() < 0.12
    assert 0.28 < slopes.max() <= 0.3
    out.sum().backward()
    numpy.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-6)
    assert (F.rrelu(tg.ones(5), training=True).numpy() == 1).all()


def test_gumbel_softmax_samples_as_the_probabilities_say() -> None:
    tg.manual_seed(0)
    chances = numpy.array([0.1, 0.2, 0.7])
    logits = tg.tensor(numpy.log(chances)).expand(20000, 3)
    hard = F.gumbel_softmax(logits, tau=0.5, hard=True).numpy()
    assert set(numpy.unique(hard)) <= {0.0, 1.0}
    numpy.testing.assert_allclose(hard.mean(0), chances, atol=0.01)


def test_hard_samples_have_the_gradient_of_soft_ones() -> None:
    logits = tg.tensor([[0.3, -0.2, 1.0]], requires_grad=True)
    weights = tg.tensor([[1.0, 2.0, 3.0]])
    gradients = []
    for hard in (False, True):
        tg.manual_seed(5)
        (g,) = tg.grad((F.gumbel_softmax(logits, tau=0.7, hard=hard) * weights).sum(), logits)
        gradients.append(g.numpy())
    numpy.testing.assert_array_equal(*gradients)
    assert abs(gradients[0]).max() > 0


# --- the axis left open, and wrong settings ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 2), (2, 3, 2, 2)])
def test_softmax_without_dim_takes_pytorchs_axis_and_warns(theirs: Any, name: str, shape: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of these tests")
    x = numpy.asarray(numpy.random.default_rng(0).normal(size=shape))
    with pytest.warns(UserWarning, match="dim"):
        mine = getattr(F, name)(tg.tensor(x))
    with pytest.warns(UserWarning, match="dim"):
        right = getattr(theirs, name)(torch.tensor(x))
    numpy.testing.assert_allclose(mine.numpy(), right, rtol=1e-12)


def test_wrong_settings_are_refused() -> None:
    x = tg.ones(3)
    with pytest.raises(SettingError, match="min_val"):
        F.hardtanh(x, 2.0, 1.0)
    with pytest.raises(SettingError, match="lambd"):
        F.softshrink(x, -1.0)
    with pytest.raises(SettingError, match="alpha"):
        F.celu(x, 0.0)
    with pytest.raises(SettingError, match="is above upper"):
        F.rrelu(x, 0.5, 0.1)
    with pytest.raises(ShapeError, match="half"):
        F.glu(x)
