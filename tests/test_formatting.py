"""repr of a tensor is PyTorch's, for every dtype, shape and option."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.creation import finish, from_numpy, tensor
from tinygrad_mp.dtypes import float32, float64, set_default_dtype
from tinygrad_mp.errors import SettingError
from tinygrad_mp.formatting import format_tensor, get_printoptions, printoptions, set_printoptions
from tinygrad_mp.ops.elementwise import add

DTYPES = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool", "complex64")


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    yield
    set_printoptions(profile="default")


def shown(data: Any, **options: Any) -> str:
    with printoptions(**options):
        return format_tensor(tensor(data))


def torch_shows(array: Any, **options: Any) -> str:
    """What torch prints, with its dtypes as we write them: without the prefix, which may move the dtype up a line."""
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for repr")
    torch.set_printoptions(**{"profile": "default", **options})
    try:
        text: str = repr(torch.from_numpy(array.copy()))
    finally:
        torch.set_printoptions(profile="default")
    return text.replace("torch.", "")


def unwrapped(text: str) -> str:
    """The dtype, at the end, on the last row: torch's is longer by its prefix and may need a row of its own."""
    return text.replace(",\n       dtype=", ", dtype=")


@st.composite
def arrays(draw: st.DrawFn, max_side: int = 5) -> Any:
    dtype = numpy.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=max_side))
    scale = draw(st.sampled_from((2.0**-20, 2.0**-10, 1.0, 64.0, 2.0**16, 2.0**40)))
    if dtype.kind == "f":
        scale = min(scale, 2.0**14) if dtype == "float16" else scale
        usual = st.floats(-scale, scale, width=16 if dtype == "float16" else 32 if dtype == "float32" else 64)
        whole = st.integers(-1000, 1000).map(float)
        odd = st.sampled_from((0.0, -0.0, math.nan, math.inf, -math.inf, 1e-5, 5.5, 2048.0))
        elements = st.one_of(*draw(st.sampled_from(((usual,), (whole,), (usual, odd), (whole, odd), (odd,)))))
        elements = elements.map(dtype.type)
    elif dtype.kind == "c":
        elements = st.complex_numbers(max_magnitude=50, allow_nan=False, width=64)
    else:
        elements = hnp.from_dtype(dtype)
    return draw(hnp.arrays(dtype, shape, elements=elements))


@given(arrays())
def test_a_tensor_is_shown_as_pytorch_shows_it(array: Any) -> None:
    assert unwrapped(format_tensor(from_numpy(array.copy()))) == unwrapped(torch_shows(array))


BORDERS = [
    [1e8, 1e6],
    [1.1e8, 1.1e6],
    [1.0, 1000.0],
    [1.0, 1001.0],
    [0.5, 500.0],
    [0.5, 501.0],
    [1e-4, 2e-4],
    [9.9e-5, 2e-4],
    [0.0, -1.0],
    [math.nan, math.inf],
    [math.nan, 0.5, -math.inf],
    list(range(-15, 30)),
    [True, False] * 9,
]


@pytest.mark.parametrize("data", BORDERS, ids=str)
def test_the_borders_between_notations_are_pytorchs(data: Any) -> None:
    array = numpy.array(data)
    assert format_tensor(from_numpy(array.copy())) == torch_shows(array)


def test_requires_grad_goes_to_the_line_where_pytorch_puts_it() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for repr")
    for first in (1.0, 10.0, 100.0):
        for count in range(1, 40):  # last lines of every length
            data = [first] + [1.0] * count
            ours = format_tensor(tensor(data, requires_grad=True))
            assert ours == repr(torch.tensor(data, requires_grad=True))


@given(
    arrays(),
    st.fixed_dictionaries(
        {
            "precision": st.integers(0, 7),
            "edgeitems": st.integers(0, 3),
            "linewidth": st.integers(20, 120),
            "threshold": st.integers(1, 200),
            "sci_mode": st.sampled_from((None, True, False)),
        }
    ),
)
def test_print_options_mean_what_they_mean_in_pytorch(array: Any, options: dict[str, Any]) -> None:
    with printoptions(**options):
        text = format_tensor(from_numpy(array.copy()))
    body, theirs = text, torch_shows(array, **options)
    if array.size > options["threshold"]:
        assert f"size={array.shape}" in text  # ours alone: what was left out cannot be counted
        body = text.replace(f"size={array.shape}", "")
    assert without_suffix(body) == without_suffix(theirs)


def without_suffix(text: str) -> str:
    """The entries alone: where the suffixes break lines depends on their lengths, which differ."""
    return text[: text.rindex("]") + 1] if "]" in text else text.split(",")[0].rstrip(")")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([2.0, 4.0], "tensor([2., 4.])"),
        (2.5, "tensor(2.5000)"),
        ([0.0, -0.0, 1.5], "tensor([0.0000, -0.0000, 1.5000])"),
        ([math.nan, 1.0], "tensor([nan, 1.])"),
        ([math.inf, -1.5], "tensor([    inf, -1.5000])"),
        ([True, False], "tensor([ True, False])"),
        ([[1, -2], [3, 40]], "tensor([[ 1, -2],\n        [ 3, 40]])"),
        ([], "tensor([])"),
        ([[], []], "tensor([], size=(2, 0))"),
        ([1e-5, 1.0], "tensor([1.0000e-05, 1.0000e+00])"),
        (numpy.array([1.0]), "tensor([1.], dtype=float64)"),
        (numpy.zeros((0,), "int64"), "tensor([], dtype=int64)"),
        (1 + 2j, "tensor(1.+2.j)"),
    ],
)
def test_small_tensors_are_short(data: Any, text: str) -> None:
    assert shown(data) == text


def test_a_large_tensor_shows_its_edges_and_its_size() -> None:
    text = format_tensor(from_numpy(numpy.arange(2000).reshape(40, 50)))
    assert text.splitlines()[0] == "tensor([[   0,    1,    2,  ...,   47,   48,   49],"
    assert text.splitlines()[3] == "        ...,"
    assert text.endswith("[1950, 1951, 1952,  ..., 1997, 1998, 1999]], size=(40, 50))")


def test_the_tape_is_shown() -> None:
    leaf = tensor([1.0], requires_grad=True)
    assert format_tensor(leaf) == "tensor([1.], requires_grad=True)"
    assert format_tensor(add(leaf, 1.0)) == "tensor([2.], grad_fn=<add>)"


def test_the_default_dtype_is_not_shown() -> None:
    set_default_dtype(float64)
    try:
        assert format_tensor(tensor([1.0])) == "tensor([1.])"
        assert shown(numpy.ones(1, "float32")) == "tensor([1.], dtype=float32)"
    finally:
        set_default_dtype(float32)


def test_extreme_numbers_are_shown_without_a_warning() -> None:
    assert shown(numpy.array([5e-324, 1.7e308])) == "tensor([4.9407e-324, 1.7000e+308], dtype=float64)"
    assert "2147483648" in shown([-(2**31), 7])


def test_a_tensor_on_another_device_says_so() -> None:
    strict = pytest.importorskip("tinygrad_mp.testing.strict", reason="the strict device")
    strict.register()
    try:
        array = numpy.arange(1200.0, dtype="float32").reshape(30, 40)
        text = format_tensor(finish(array, "strict"))
        assert text.endswith("]], device='strict', size=(30, 40))")
        assert without_suffix(text) == without_suffix(format_tensor(from_numpy(array)))
    finally:
        unregister_backend("strict")


def test_options_hold_within_their_block_only() -> None:
    with printoptions(precision=1, linewidth=20):
        assert get_printoptions()["linewidth"] == 20
        assert format_tensor(tensor([0.123] * 3)) == "tensor([0.1, 0.1,\n        0.1])"
    assert get_printoptions()["linewidth"] == 80
    set_printoptions(profile="short")
    assert get_printoptions()["precision"] == 2


@pytest.mark.parametrize("options", [{"profile": "tall"}, {"precision": -1}])
def test_unknown_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        set_printoptions(**options)
