"""Cases reach the corners: zero-size, 0-d, broadcasting, every layout; and they obey the words of a signature."""

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_mp.domains import Axes, Axis, Boolean, Distinct, Flag, Integer, NonZero, Positive, Probability, Real
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.primitive import primitive
from tinygrad_mp.registry import REGISTRY
from tinygrad_mp.testing.sampling import domain_of, fill, sample_cases, sampler_of, shapes_of_pattern
from tinygrad_mp.testing.strategies import cases


def _op_of(forward: Any) -> Any:
    """A primitive that the registry forgets again."""
    op = primitive(x=None, name="sampled in a test")(forward).op  # type: ignore[attr-defined]
    del REGISTRY[op.name]
    return op


def test_samples_reach_every_corner() -> None:
    pairs = [case.inputs for case in sample_cases(mul.op, 200)]
    arrays = [array for pair in pairs for array in pair]
    assert any(array.size == 0 for array in arrays)
    assert any(array.ndim == 0 for array in arrays)
    assert any(not array.flags.c_contiguous and array.flags.f_contiguous for array in arrays)
    assert any(array.size > 1 and min(array.strides) < 0 for array in arrays)
    assert any(array.base is not None and array.strides[-1] > array.itemsize for array in arrays if array.ndim)
    assert any(x.ndim != y.ndim for x, y in pairs)
    assert any(x.ndim == y.ndim and x.shape != y.shape for x, y in pairs)


def test_the_same_seed_gives_the_same_cases() -> None:
    first, second = sample_cases(mul.op, 20, seed=5), sample_cases(mul.op, 20, seed=5)
    assert all(
        numpy.array_equal(a, b)
        for x, y in zip(first, second, strict=True)
        for a, b in zip(x.inputs, y.inputs, strict=True)
    )


@pytest.mark.parametrize("word", [Real, Positive, NonZero, Probability, Distinct, Integer, Boolean])
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from([(), (0,), (3,), (4, 4), (2, 3, 4)]))
def test_entries_stay_in_their_domain(word: Any, seed: int, shape: tuple[int, ...]) -> None:
    domain = domain_of(word)
    array = fill(shape, domain, numpy.random.default_rng(seed))
    assert array.shape == shape
    assert array.dtype == {"float": "float64", "int": "int64", "bool": "bool"}[domain.kind]
    if array.size and domain.kind != "bool":
        assert domain.low <= array.min()
        assert array.max() <= domain.high
    for kink in domain.away_from:
        assert (abs(array - kink) >= domain.margin).all()
    if domain.distinct and array.size > 1:
        assert numpy.diff(numpy.sort(array, axis=None)).min() > 1e-2


@given(data=st.data())
def test_parameters_follow_their_words(data: st.DataObject) -> None:
    def forward(x: Real, *, dim: Axis, dims: Axes, keepdim: Flag, note: str = "none") -> Any:
        return x

    op = _op_of(forward)
    case = data.draw(cases(op))
    ndim = case.inputs[0].ndim
    assert ndim >= 1
    assert 0 <= case.params["dim"] < ndim
    assert list(case.params["dims"]) == sorted(set(case.params["dims"]))
    assert case.params["keepdim"] in (False, True)
    assert "note" not in case.params


def test_a_parameter_without_a_word_is_refused_with_the_remedy() -> None:
    def forward(x: Real, *, mystery: Any) -> Any:
        return x

    with pytest.raises(TypeError, match=r"annotate it with a word of tinygrad_mp\.domains"):
        sample_cases(_op_of(forward), 1)


def test_equal_letters_of_a_pattern_get_equal_sizes() -> None:
    sampler = sampler_of(numpy.random.default_rng(0))
    for _ in range(50):
        x, y = shapes_of_pattern("(...,m,k),(...,k,n)->(...,m,n)", sampler)
        assert x[-1] == y[-2]
        numpy.broadcast_shapes(x[:-2], y[:-2])
