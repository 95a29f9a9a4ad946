"""Tensors from data and from nothing: PyTorch's dtypes, whose memory it is, and errors that say where."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mp import creation
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.creation import arange, as_tensor, empty, eye, from_numpy, full, linspace, tensor, zeros
from tinygrad_mp.dtypes import float64, set_default_dtype
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.tensor import Tensor

DATA = [
    1,
    2.5,
    True,
    1j,
    [],
    [[], []],
    [1, 2],
    [1, 2.5],
    [True, 2],
    [True, 2.5],
    [1, 1j],
    ((1, 2), [3, 4]),
    range(3),
    numpy.float64(2),
    numpy.int32(2),
    numpy.bool_(True),
    [numpy.float64(1), 2.0],
    [numpy.int32(1), numpy.int32(2)],
    [numpy.int32(1), 2.5],
    [numpy.array([1, 2], "int32"), numpy.array([3, 4], "int32")],
    numpy.arange(6, dtype="int16").reshape(2, 3).T,
    numpy.ones((2, 0), "float16"),
    numpy.array(3.0),
]


def same(ours: Tensor, theirs: Any) -> None:
    assert ours.shape == tuple(theirs.shape)
    assert str(theirs.dtype) == f"torch.{ours.dtype}"
    numpy.testing.assert_allclose(ours.array, theirs.numpy(), rtol=1e-6)


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the reference for dtypes")


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy")
@pytest.mark.parametrize("data", DATA, ids=repr)
def test_data_gets_the_dtype_that_pytorch_gives(torch: Any, data: Any) -> None:
    same(tensor(data), torch.tensor(data))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "uint8"])
@pytest.mark.parametrize("data", [1, 2.75, [0, 3], [True, False], [0.5, 1.0]], ids=repr)
def test_a_dtype_asked_for_is_the_one_given(torch: Any, data: Any, dtype: str) -> None:
    same(tensor(data, dtype=dtype), torch.tensor(data, dtype=getattr(torch, dtype)))


def test_floats_get_the_default_dtype() -> None:
    set_default_dtype("float64")
    try:
        for made in (tensor([1.5]), zeros(2), full((2,), 1.5), arange(0.0, 1.0, 0.5), eye(2), linspace(0, 1, 3)):
            assert made.dtype == float64
    finally:
        set_default_dtype("float32")


def test_a_tensor_is_a_copy_in_c_order() -> None:
    array = numpy.asfortranarray(numpy.ones((2, 3)))
    made = tensor(array)
    array[0, 0] = 9.0
    assert made.array[0, 0] == 1.0
    assert made.array.flags.c_contiguous


def test_a_copy_of_a_tensor_is_a_leaf_of_its_own() -> None:
    source = tensor([1.0], requires_grad=True)
    copy = tensor(source + 1.0, requires_grad=True)
    assert copy.is_leaf
    assert copy.requires_grad
    assert not numpy.shares_memory(copy.array, source.array)
    assert not tensor(source).requires_grad


def test_a_list_of_0d_tensors_is_a_list_of_numbers() -> None:
    made = tensor([[tensor(1.0), tensor(2)], [3, numpy.float32(4)]])
    assert made.array.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert made.dtype == "float32"


def test_a_list_of_longer_tensors_points_to_stack() -> None:
    with pytest.raises(ShapeError, match=r"shape \(2,\)[\s\S]*stack"):
        tensor([tensor([1.0, 2.0]), tensor([1.0, 2.0])])


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([[1, 2], [3]], r"data\[0\] is a sequence of length 2, but data\[1\] is a sequence of length 1"),
        ([1, [2]], r"data\[0\] is a number, but data\[1\] is a sequence of length 1"),
        ([[[1], [2]], [[3], [4, 5]]], r"data\[0\]\[0\] is a sequence of length 1, but data\[1\]\[1\] is a"),
        ([[1, 2], 3], r"data\[1\] is a number"),
        ([[], [1]], r"data\[1\] is a sequence of length 1"),
        ([numpy.ones(2), [1.0]], r"data\[1\] is a sequence of length 1"),
    ],
)
def test_a_ragged_nesting_says_where(data: Any, place: str) -> None:
    with pytest.raises(ShapeError, match=place):
        tensor(data)


@pytest.mark.parametrize(
    "data",
    [
        "text",
        None,
        object(),
        ["a"],
        [1, None],
        {1: 2},
        {1, 2},
        b"ab",
        numpy.array(["a"]),
        numpy.array([None]),
        [numpy.str_("a")],
    ],
    ids=repr,
)
def test_what_is_no_number_is_refused(data: Any) -> None:
    with pytest.raises(DTypeError):
        tensor(data)


def test_a_nesting_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ShapeError, match="deeper"):
        tensor(endless)


@pytest.mark.parametrize(
    ("data", "dtype"), [(2**70, None), (300, "uint8"), ([1, -1], "uint8"), (1j, "float32"), (float("nan"), "int64")]
)
def test_a_number_that_does_not_fit_is_refused(data: Any, dtype: Any) -> None:
    with pytest.raises(DTypeError, match=r"does not fit|does not convert"):
        tensor(data, dtype=dtype)


@pytest.mark.parametrize(
    "make", [lambda: tensor([1, 2], requires_grad=True), lambda: zeros(2, dtype=int, requires_grad=True)]
)
def test_integers_cannot_require_a_gradient(make: Any) -> None:
    with pytest.raises(DTypeError, match="floating"):
        make()


def test_a_foreign_byte_order_is_copied_but_not_shared() -> None:
    array = numpy.arange(3, dtype=">f4")
    assert tensor(array).dtype == "float32"
    assert tensor(array).array.tolist() == [0.0, 1.0, 2.0]
    assert as_tensor(array).array.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(DTypeError, match="order"):
        from_numpy(array)


@pytest.mark.parametrize("dtype", ["uint32", "longdouble", "datetime64[s]", "object", "S3", [("a", "f4")]], ids=str)
def test_a_dtype_without_a_counterpart_is_refused(dtype: Any) -> None:
    array = numpy.zeros(2, dtype)
    for make in (tensor, from_numpy, as_tensor):
        with pytest.raises(DTypeError):
            make(array)


def test_from_numpy_shares_memory_and_refuses_what_may_not_be_written() -> None:
    array = numpy.zeros(3)
    shared = from_numpy(array[::-1])
    array[0] = 5.0
    assert shared.array[2] == 5.0
    array.flags.writeable = False
    with pytest.raises(TinygradError, match="read-only"):
        from_numpy(array)
    assert not numpy.shares_memory(as_tensor(array).array, array)
    with pytest.raises(DTypeError, match="list"):
        from_numpy([1.0])


def test_dlpack_shares_memory_with_other_libraries(torch: Any) -> None:
    theirs = torch.zeros(2, 3)
    shared = creation.from_dlpack(theirs)
    theirs[1, 2] = 4.0
    assert shared.array[1, 2] == 4.0
    assert shared.dtype == "float32"
    with pytest.raises(DTypeError, match="__dlpack__"):
        creation.from_dlpack([1.0])


def test_as_tensor_copies_only_when_it_must() -> None:
    array = numpy.zeros(3)
    assert as_tensor(array).array is array
    assert as_tensor(array, dtype="float64", device="cpu").array is array
    assert as_tensor(array, dtype="float32").dtype == "float32"
    source = tensor([1.0], requires_grad=True)
    assert as_tensor(source) is source
    assert as_tensor(source, dtype="float32", device="cpu") is source
    assert as_tensor([1, 2]).dtype == "int64"


def test_as_tensor_stays_on_the_tape() -> None:
    source = tensor([1.0], requires_grad=True)
    (as_tensor(source, dtype="float64") * 3.0).sum().backward()
    assert source.grad.array.tolist() == [3.0]
    assert source.grad.dtype == "float32"


CONSTANTS = [
    lambda t: t.zeros(2, 3),
    lambda t: t.zeros((2, 3)),
    lambda t: t.zeros([2, 3]),
    lambda t: t.zeros(size=(2, 3)),
    lambda t: t.zeros(()),
    lambda t: t.ones(3, dtype=t.int64),
    lambda t: t.full((2,), 3),
    lambda t: t.full((2,), 3.5),
    lambda t: t.full((2,), True),
    lambda t: t.full((), -0.0),
    lambda t: t.full((2, 0), 7, dtype=t.float64),
    lambda t: t.zeros_like(t.ones(2, dtype=t.int32)),
    lambda t: t.ones_like(t.zeros(2, 0)),
    lambda t: t.full_like(t.zeros(2), 3),
    lambda t: t.full_like(t.zeros(2), 3, dtype=t.int64),
    lambda t: t.eye(3),
    lambda t: t.eye(2, 3, dtype=t.int64),
    lambda t: t.eye(0),
    lambda t: t.arange(5),
    lambda t: t.arange(2, 5),
    lambda t: t.arange(5, 2, -1),
    lambda t: t.arange(0, 10, 3),
    lambda t: t.arange(10, 0, -3),
    lambda t: t.arange(3, 3),
    lambda t: t.arange(2.0),
    lambda t: t.arange(1, 2.5, 0.5),
    lambda t: t.arange(1, 0, -0.3),
    lambda t: t.arange(0, 1, 0.1, dtype=t.float64),
    lambda t: t.arange(3, dtype=t.float32),
    lambda t: t.arange(2**53, 2**53 + 3),
    lambda t: t.linspace(0, 1, 5),
    lambda t: t.linspace(3, -3, 7, dtype=t.float64),
    lambda t: t.linspace(2, 5, 1),
    lambda t: t.linspace(2, 5, 0),
    lambda t: t.linspace(0, 10, 4, dtype=t.int64),
    lambda t: t.linspace(4.3, -3, 50, dtype=t.int64),
    lambda t: t.arange(0.0, -8.000001, -4.0, dtype=t.int64),
    lambda t: t.arange(-0.9, 2.1, 2.0, dtype=t.int32),
    lambda t: t.arange(0, 5, 0.5, dtype=t.int32),
]


class _Ours:
    """Our functions and dtypes in the place of torch's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(creation, name, name)


@pytest.mark.parametrize("number", range(len(CONSTANTS)))
def test_constants_and_sequences_are_pytorchs(torch: Any, number: int) -> None:
    make = CONSTANTS[number]
    ours = make(_Ours())
    same(ours, make(torch))
    assert ours.array.flags.c_contiguous
    assert not ours.requires_grad


def test_negative_zero_keeps_its_sign() -> None:
    assert numpy.signbit(full((2,), -0.0).array).all()


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-7, 7).filter(bool))
def test_arange_is_pythons_range(start: int, end: int, step: int) -> None:
    expected = list(range(start, end, step))
    if expected or start == end:
        assert arange(start, end, step).array.tolist() == expected
    else:
        with pytest.raises(SettingError, match="away"):
            arange(start, end, step)


@pytest.mark.parametrize("arguments", [(0, 5, 0), (0.0, float("inf")), (float("nan"),), (0, 5, -1)])
def test_a_sequence_without_a_length_is_refused(arguments: Any) -> None:
    with pytest.raises(SettingError):
        arange(*arguments)


@pytest.mark.parametrize("make", [zeros, empty, creation.ones])
def test_sizes_may_be_numpy_integers(make: Any) -> None:
    assert make(numpy.int64(2), 3).shape == (2, 3)
    assert make((numpy.int32(2), 3)).shape == (2, 3)
    assert make(2, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    ("sizes", "error", "text"),
    [
        ((-1,), ShapeError, "negative, got -1"),
        (((2, -3),), ShapeError, "negative, got -3"),
        ((2.0,), DTypeError, r"integer, got 2.0 \(float\)"),
        (("2",), DTypeError, "integer"),
        ((True,), DTypeError, "integer"),
        (((2, (3, 4)),), DTypeError, "integer"),
        ((None,), DTypeError, "integer"),
    ],
)
def test_wrong_sizes_are_named(sizes: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        zeros(*sizes)


def test_like_functions_want_a_tensor() -> None:
    with pytest.raises(DTypeError, match="expected a Tensor, got a list"):
        creation.zeros_like([1.0])
    with pytest.raises(DTypeError, match="number"):
        full((2,), "x")
    with pytest.raises(ShapeError, match="twice"):
        zeros(2, size=(3,))


def test_tensors_are_made_on_the_device_asked_for() -> None:
    strict = pytest.importorskip("tinygrad_mp.testing.strict", reason="the strict device")
    strict.register()
    try:
        made = [
            tensor([1.0, 2.0], device="strict"),
            as_tensor(numpy.ones(2), device="strict"),
            *(make(2, device="strict") for make in (zeros, empty, creation.ones, arange, eye)),
            full((2, 2), 3, device="strict"),
            linspace(0, 1, 2, device="strict"),
        ]
        made += [creation.zeros_like(made[0]), creation.full_like(made[0], 2.0), tensor(made[0])]
        assert {str(one.device) for one in made} == {"strict"}
        assert made[-1].array is not made[0].array
        assert str(tensor(made[0], device="cpu").device) == "cpu"
        assert tensor([made[0][0]]).array.tolist() == [1.0]
        assert made[0].requires_grad_().device == made[0].device
    finally:
        unregister_backend("strict")


def test_a_device_that_is_not_there_says_what_is_missing() -> None:
    with pytest.raises(TinygradError, match="unknown device"):
        zeros(2, device="abacus")
