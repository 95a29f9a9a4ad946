"""Arithmetic beyond the four operations, against PyTorch: values, gradients, dtypes, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.errors import DTypeError, SettingError, UndefinedError

NAN, INF = math.nan, math.inf
X, Y, Z = (numpy.random.default_rng(seed).uniform(0.3, 3.0, (2, 3)) for seed in range(3))


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["addcmul", "addcdiv"])
def test_fused_products_are_pytorchs(torch: Any, agree: Any, name: str, dtype: str) -> None:
    arrays = [one.astype(dtype) for one in (X, Y, Z)]
    agree(getattr(tg, name), getattr(torch, name), *arrays, order=2)
    agree(
        lambda x, y, z: getattr(x, name)(y, z, value=-0.5),
        lambda x, y, z: getattr(x, name)(y, z, value=-0.5),
        *arrays,
        order=2,
    )


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0, -0.7, 2.0])
def test_lerp_is_pytorchs_to_the_last_bit_at_both_ends(torch: Any, agree: Any, weight: float) -> None:
    agree(lambda x, y: tg.lerp(x, y, weight), lambda x, y: torch.lerp(x, y, weight), X, Y)
    weights = numpy.full((2, 3), weight)
    agree(tg.lerp, torch.lerp, X, Y, weights, order=2)
    if weight == 1.0:
        assert (tg.lerp(tg.tensor(X), tg.tensor(Y), weight).numpy() == Y).all()


def test_a_mixture_of_dtypes_is_refused_by_lerp_and_heaviside() -> None:
    one, other = tg.ones(2), tg.ones(2, dtype=tg.float64)
    with pytest.raises(DTypeError, match="end is float64"):
        tg.lerp(one, other, 0.5)
    with pytest.raises(DTypeError, match="one dtype"):
        tg.heaviside(one, other)


@pytest.mark.parametrize("name", ["fmod", "copysign", "fmax", "fmin", "float_power", "xlogy"])
@pytest.mark.parametrize("kinds", [("int32", "int64"), ("int64", "float32"), ("float32", "float64"), ("uint8", "int8")])
def test_promotion_is_pytorchs(torch: Any, name: str, kinds: tuple[str, str]) -> None:
    arrays = [numpy.array([1, 3, 2], kind) for kind in kinds]
    mine = getattr(tg, name)(*map(tg.tensor, arrays)).numpy()
    theirs = getattr(torch, name)(*map(torch.tensor, arrays)).numpy()
    assert mine.dtype == theirs.dtype
    numpy.testing.assert_allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize("number", [2, -3, 1.5])
@pytest.mark.parametrize("name", ["fmod", "copysign", "xlogy", "float_power"])
@pytest.mark.parametrize("kind", ["int64", "float32"])
def test_a_number_in_the_second_place_widens_nothing(torch: Any, name: str, kind: str, number: float) -> None:
    array = numpy.array([1, 3, 2], kind)
    with numpy.errstate(invalid="ignore"):
        mine = getattr(tg.tensor(array), name)(number).numpy()
    theirs = getattr(torch.tensor(array), name)(number).numpy()
    assert mine.dtype == theirs.dtype
    numpy.testing.assert_allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ["gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift"])
def test_integers_have_pytorchs_divisors_and_shifts(torch: Any, name: str) -> None:
    x, y = numpy.array([12, -9, 0, 7]), numpy.array([2, 6, 3, 0])
    mine, theirs = getattr(tg, name)(tg.tensor(x), tg.tensor(y)), getattr(torch, name)(torch.tensor(x), torch.tensor(y))
    assert mine.tolist() == theirs.tolist()


def test_shifts_are_operators_on_both_sides() -> None:
    x = tg.tensor([1, 2, 3])
    assert (x << 1).tolist() == [2, 4, 6]
    assert (x >> 1).tolist() == [0, 1, 1]
    assert (2 << x).tolist() == [4, 8, 16]
    assert (32 >> x).tolist() == [16, 8, 4]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("frac", ([1],)),
        ("gcd", ([1.0], [2.0])),
        ("bitwise_left_shift", ([1.0], [2.0])),
        ("fmod", ([True], [True])),
        ("positive", ([True],)),
        ("lerp", ([1], [2], 0.5)),
        ("hypot", ([1], [2])),
        ("logaddexp", ([1], [2])),
        ("nextafter", ([1], [2])),
        ("addcmul", ([True], [True], [True])),
    ],
)
def test_what_pytorch_does_not_define_for_a_dtype_is_not_defined(torch: Any, name: str, arguments: Any) -> None:
    def call(library: Any) -> None:
        getattr(library, name)(*(library.tensor(one) if isinstance(one, list) else one for one in arguments))

    with pytest.raises(RuntimeError) as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(tg)
    with pytest.raises(UndefinedError):
        call(tg)


def test_an_integer_divided_by_zero_and_a_quotient_of_integers_in_addcdiv_are_refused() -> None:
    with pytest.raises(SettingError, match="ZeroDivisionError"):
        tg.fmod(tg.tensor([1, 2]), 0)
    with pytest.raises(DTypeError, match="integers"):
        tg.addcdiv(tg.ones(2), tg.tensor([1, 2]), tg.tensor([1, 2]))


@pytest.mark.parametrize("settings", [{}, {"nan": 2.5}, {"posinf": 1.0}, {"nan": -1.0, "posinf": 3.0, "neginf": -3.0}])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_nan_to_num_is_pytorchs(torch: Any, agree: Any, settings: dict[str, float], dtype: str) -> None:
    with numpy.errstate(invalid="ignore"):
        points = numpy.array([1.0, NAN, INF, -INF, -2.0]).astype(dtype)
    agree(lambda x: tg.nan_to_num(x, **settings), lambda x: torch.nan_to_num(x, **settings), points, order=0)


def test_heaviside_nextafter_ldexp_and_rsub_are_pytorchs(torch: Any, agree: Any) -> None:
    points, values = numpy.array([-1.0, 0.0, -0.0, 2.0, NAN, INF]), numpy.array([0.5])
    agree(tg.heaviside, torch.heaviside, points, values, order=0)
    agree(tg.nextafter, torch.nextafter, points, values, order=0)
    agree(tg.ldexp, torch.ldexp, X, numpy.array([1.0, -2.0, 3.0]))
    agree(lambda x, y: tg.rsub(x, y, alpha=3), lambda x, y: torch.rsub(x, y, alpha=3), X, Y)


def test_frexp_takes_numbers_apart_as_pytorch_does(torch: Any, agree: Any) -> None:
    points = numpy.array([8.0, -0.75, 0.0, 1e-30, 3e30])
    agree(lambda x: tg.frexp(x).mantissa, lambda x: torch.frexp(x).mantissa, points)
    agree(lambda x: tg.frexp(x).exponent, lambda x: torch.frexp(x).exponent, points, order=0)


def test_the_sign_of_booleans_is_themselves() -> None:
    assert tg.sign(tg.tensor([True, False])).tolist() == [True, False]


def test_heaviside_has_no_gradient() -> None:
    x = tg.tensor([1.0, -1.0], requires_grad=True)
    assert not tg.heaviside(x, tg.tensor([0.5])).requires_grad


NAMES = ["acos", "sinh", "atan2", "copysign", "erfinv", "exp2", "fmod", "hypot", "lgamma", "xlogy"]


@pytest.mark.parametrize("name", NAMES)
def test_in_place_forms_write_and_keep_their_gradients(torch: Any, agree: Any, name: str) -> None:
    two = name in ("atan2", "copysign", "fmod", "hypot", "xlogy")
    inputs = [X / 4, Y] if two else [X / 4]
    agree(
        lambda x, *rest: getattr(x.clone(), f"{name}_")(*rest),
        lambda x, *rest: getattr(x.clone(), f"{name}_")(*rest),
        *inputs,
    )


@pytest.mark.parametrize("name", ["absolute", "arccos", "clip", "divide", "fix", "multiply", "negative", "subtract"])
def test_other_names_of_one_thing_are_functions_too(torch: Any, name: str) -> None:
    arguments = {"clip": (0.2, 0.4), "divide": (2.0,), "multiply": (2.0,), "subtract": (2.0,)}.get(name, ())
    mine = getattr(tg, name)(tg.tensor(X / 4), *arguments).numpy()
    numpy.testing.assert_allclose(mine, getattr(torch, name)(torch.tensor(X / 4), *arguments), rtol=1e-15)
