"""The strict device refuses what CuPy refuses, and behaves as CuPy does where it differs from NumPy."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from tinygrad_mp.backend import array_on, device_of, owner, to_numpy, unregister_backend, xp
from tinygrad_mp.testing.strict import StrictArray, register, strict


@pytest.fixture(autouse=True)
def _registered() -> Any:
    register()
    yield
    unregister_backend("strict")


def _array(*shape: int) -> Any:
    return strict.asarray(numpy.arange(1.0, 1.0 + numpy.prod(shape, dtype=int)).reshape(shape))


@pytest.mark.parametrize(
    "attempt",
    [
        lambda x: x + numpy.ones(3),
        lambda x: numpy.ones(3) + x,
        lambda x: x + [1.0, 2.0, 3.0],  # noqa: RUF005
        lambda x: numpy.exp(x),
        lambda x: numpy.asarray(x),
        lambda x: numpy.concatenate([x, x]),
        lambda x: strict.where(x > 1, x, numpy.ones(3)),
        lambda x: x[numpy.array([0, 1])],
        lambda x: x.__setitem__(0, numpy.ones(())),
        lambda x: x.sum(where=x > 1),
        lambda x: strict.add(x, x, where=x > 1),
        lambda x: strict.concatenate([x, numpy.ones(3)]),
    ],
)
def test_refuses_to_mix_with_the_host(attempt: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="strict device"):
        attempt(_array(3))


@pytest.mark.parametrize(
    "look",
    [
        lambda: strict.errstate,
        lambda: strict.put_along_axis,
        lambda: strict.concat,
        lambda: strict.add.at,
        lambda: strict.maximum.reduce,
        lambda: strict.lib.stride_tricks.sliding_window_view,
        lambda: strict.random.default_rng(0).normal,
        lambda: strict.random.default_rng(0).permutation,
        lambda: _array(3).newbyteorder,
        lambda: _array(3).__array_interface__,
    ],
)
def test_lacks_what_cupy_lacks(look: Callable[[], Any]) -> None:
    with pytest.raises(AttributeError, match="strict device"):
        look()


def test_reductions_stay_on_the_device() -> None:
    total = _array(3).sum()
    assert type(total) is StrictArray
    assert total.shape == ()
    assert type(strict.max(_array(3))) is StrictArray


def test_leaving_the_device_is_possible_on_request_and_counted() -> None:
    before = strict.waits
    assert float(_array(3).sum()) == 6.0
    assert _array(2).tolist() == [1.0, 2.0]
    assert _array(1).item() == 1.0
    numpy.testing.assert_array_equal(_array(2).get(), [1.0, 2.0])
    assert strict.waits == before + 4


def test_numbers_and_numpy_scalars_may_be_mixed_in() -> None:
    for result in (2.0 * _array(3), numpy.float64(2.0) * _array(3), _array(3) * numpy.float64(2.0)):
        assert type(result) is StrictArray
        numpy.testing.assert_array_equal(result.get(), [2.0, 4.0, 6.0])


def test_integer_arrays_out_of_range_wrap_silently() -> None:
    x, index = _array(3), strict.asarray(numpy.array([3, -1, 4]))
    for picked in (x[index], strict.take(x, index), strict.take_along_axis(x, index, axis=0)):
        numpy.testing.assert_array_equal(picked.get(), [1.0, 3.0, 2.0])
    wide = _array(2, 3)
    numpy.testing.assert_array_equal(wide[..., index].get(), wide.get()[:, [0, 2, 1]])


def test_views_show_the_memory_of_their_base() -> None:
    x = _array(2, 3)
    view = x.T[0]
    assert view.base is x
    assert owner(view) is x
    view[0] = 9.0
    assert x[0, 0].item() == 9.0
    assert x.reshape(6).base is x
    assert (x + 1).base is None


def test_in_place_operators_keep_the_array() -> None:
    x = same = _array(3)
    x += 1.0
    assert x is same
    numpy.testing.assert_array_equal(x.get(), [2.0, 3.0, 4.0])


def test_is_a_device_like_any_other() -> None:
    x = array_on("strict", numpy.ones((2, 3), dtype="float32").T)
    assert type(x) is StrictArray
    assert xp(x) is strict
    assert str(device_of(x)) == "strict"
    assert not x.flags.c_contiguous
    assert x.dtype == numpy.float32
    assert type(to_numpy(x)) is numpy.ndarray
    assert weakref.ref(x)() is x
