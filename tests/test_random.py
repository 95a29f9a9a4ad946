"""Random numbers: the same everywhere for a seed, distributed as they say, and restored exactly."""

from __future__ import annotations

import hashlib
import math
import pickle
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp.random as ours
from tinygrad_mp.backend import normals, random_bits, unregister_backend
from tinygrad_mp.creation import tensor, zeros
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.random import Generator, bernoulli, multinomial, normal, rand, randint, randn, randperm

# --- the same numbers everywhere ------------------------------------------------------------------------------------


def philox(seed: int, block: int) -> list[int]:
    """One block of Philox4x64-10 by the paper's definition, in Python's integers."""
    multipliers, weyl = (0xD2E7470EE14C6C93, 0xCA5A826395121157), (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
    counter, key, mask = [block + 1, 0, 0, 0], [seed, 0], 2**64 - 1
    for _ in range(10):
        first, second = multipliers[0] * counter[0], multipliers[1] * counter[2]
        counter = [
            (second >> 64) ^ counter[1] ^ key[0],
            second & mask,
            (first >> 64) ^ counter[3] ^ key[1],
            first & mask,
        ]
        key = [(one + step) & mask for one, step in zip(key, weyl, strict=True)]
    return counter


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_the_bits_are_philox_of_seed_and_position(seed: int, position: int) -> None:
    words = random_bits.BitStream(seed, position).words(8)
    assert words.tolist() == philox(seed, position) + philox(seed, position + 1)


WEIGHTS = (0.1, 0.2, 3.0, 0.4)
GOLDEN: dict[str, tuple[Any, str]] = {
    "rand": (lambda g: rand(3, 1001, generator=g), "a12755614e1422f0"),
    "rand float64": (lambda g: rand(3, 1001, dtype="float64", generator=g), "a05c3e4ad4137435"),
    "rand float16": (lambda g: rand(77, dtype="float16", generator=g), "1a0556a67edbe72c"),
    "randn": (lambda g: randn(100_003, generator=g), "3b2e923c9b66a921"),
    "randn float64": (lambda g: randn(100_003, dtype="float64", generator=g), "3c26dbdfe5bdd4ef"),
    "normal": (lambda g: normal(1.5, 2.0, (50,), generator=g), "ed77b2d5f7f54d55"),
    "randint": (lambda g: randint(-3, 1000, (4001,), generator=g), "cc64f2d80a2efe12"),
    "randint, wide": (lambda g: randint(-(2**62), 2**62 + 5, (101,), generator=g), "810d0dbc9c319ceb"),
    "randperm": (lambda g: randperm(1003, generator=g), "8dd23f57b4694b22"),
    "bernoulli": (lambda g: bernoulli(rand(500, generator=g), generator=g), "c282f9c4b8e91255"),
    "bernoulli, one p": (lambda g: bernoulli(zeros(200_000), 0.3, generator=g), "69cede6f1f0a38c8"),
    "multinomial": (lambda g: multinomial(tensor(WEIGHTS), 3, generator=g), "b3db6650e4598ca5"),
    "with replacement": (lambda g: multinomial(tensor(WEIGHTS), 30, True, generator=g), "203d94f8c5193e34"),
}


def fingerprint(array: Any) -> str:
    """Of the values in row-major order and little-endian bytes."""
    plain = numpy.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    return hashlib.sha256(plain.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_seed_gives_the_same_bits_on_every_platform(name: str) -> None:
    make, expected = GOLDEN[name]
    assert fingerprint(make(Generator().manual_seed(2026)).array) == expected


@pytest.mark.parametrize("chunk", [1 << 6, 1 << 20])
@pytest.mark.parametrize("name", GOLDEN)
def test_the_numbers_do_not_depend_on_how_many_are_made_at_a_time(
    name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_bits, "_CHUNK", chunk)
    make, expected = GOLDEN[name]
    assert fingerprint(make(Generator().manual_seed(2026)).array) == expected


def test_the_first_numbers_of_seed_2026() -> None:
    generator = Generator()
    first = rand(3, generator=generator.manual_seed(2026))
    assert first.array.tolist() == [0.38054943084716797, 0.4220341444015503, 0.3975799083709717]
    first = randn(3, generator=generator.manual_seed(2026))
    assert first.array.tolist() == [1.1777377128601074, 1.4188880920410156, 1.2678817510604858]
    assert randint(0, 100, (4,), generator=generator.manual_seed(0)).array.tolist() == [3, 1, 61, 24]


def test_another_process_gets_the_same_numbers() -> None:
    program = "from tinygrad_mp.random import *; manual_seed(5); print(randn(4).array.tobytes().hex())"
    root = str(Path(ours.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    ours.manual_seed(5)
    assert done.stdout.strip() == randn(4).array.tobytes().hex()


def test_a_shape_only_arranges_the_numbers() -> None:
    generator = Generator()
    flat = rand(24, generator=generator.manual_seed(1)).array
    assert (rand(2, 3, 4, generator=generator.manual_seed(1)).array.reshape(-1) == flat).all()


def test_every_device_gets_the_same_numbers() -> None:
    strict = pytest.importorskip("tinygrad_mp.testing.strict", reason="the strict device")
    strict.register()
    try:
        for make in (rand, randn, lambda *size, **named: randint(0, 9, size, **named)):
            here = make(3, 2, generator=Generator().manual_seed(4))
            there = make(3, 2, generator=Generator().manual_seed(4), device="strict")
            assert str(there.device) == "strict"
            assert (tensor(there, device="cpu").array == here.array).all()
        array = zeros(3, 2, device="strict").array
        random_bits.fill_uniform(array, 0.0, 1.0, Generator().manual_seed(4))
        expected = rand(3, 2, generator=Generator().manual_seed(4)).array
        assert (random_bits.array_on("cpu", array) == expected).all()
    finally:
        unregister_backend("strict")


@pytest.mark.gpu
def test_a_gpu_gets_the_same_numbers() -> None:
    for make in (rand, randn):
        there = make(1000, generator=Generator().manual_seed(4), device="cuda")
        here = make(1000, generator=Generator().manual_seed(4))
        assert (tensor(there, device="cpu").array == here.array).all()


# --- generators -----------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(("rand", "randn", "randint", "randperm", "mask")), max_size=5))
def test_a_state_restored_gives_the_same_numbers_again(calls: list[str]) -> None:
    generator = Generator().manual_seed(11)
    draws = {
        "rand": lambda: rand(3, generator=generator),
        "randn": lambda: randn(5, generator=generator),
        "randint": lambda: randint(0, 3 * 2**30, (7,), generator=generator),
        "randperm": lambda: randperm(9, generator=generator),
        "mask": lambda: bernoulli(zeros(3), 0.3, generator=generator),
    }
    for call in calls:
        draws[call]()
    state = generator.get_state()
    first = rand(9, generator=generator).array
    for saved in (state, state.array, state.array.tobytes(), generator.set_state(state).clone_state().get_state()):
        assert (rand(9, generator=generator.set_state(saved)).array == first).all()
    again = pickle.loads(pickle.dumps(generator.set_state(state)))
    assert (rand(9, generator=again).array == first).all()


def test_the_default_generator_is_restarted_saved_and_restored() -> None:
    assert ours.manual_seed(7) is ours.default_generator
    assert ours.initial_seed() == 7
    state = ours.get_rng_state()
    assert (state.dtype, state.shape) == ("uint8", (16,))
    first = rand(4).array
    ours.set_rng_state(state)
    assert (rand(4).array == first).all()
    chosen = ours.seed()
    assert ours.initial_seed() == chosen
    assert chosen != ours.seed()


def test_draws_continue_rather_than_repeat() -> None:
    generator = Generator()
    assert (rand(8, generator=generator).array != rand(8, generator=generator).array).any()
    assert Generator().initial_seed() == 67280421310721


def test_negative_seeds_are_large_ones() -> None:
    assert Generator().manual_seed(-1).initial_seed() == 2**64 - 1


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.5, "1", None])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(TinygradError, match="seed"):
        Generator().manual_seed(seed)


def test_a_wrong_state_or_generator_is_refused() -> None:
    with pytest.raises(SettingError, match="16 bytes"):
        Generator().set_state(b"short")
    with pytest.raises(DTypeError, match="uint8"):
        Generator().set_state(numpy.zeros(16))
    with pytest.raises(DTypeError, match="not a tinygrad_mp Generator"):
        rand(2, generator=numpy.random.default_rng())


def test_threads_never_get_the_same_numbers() -> None:
    generator = Generator().manual_seed(3)
    expected = {rand(500, generator=generator).array.tobytes() for _ in range(40)}
    generator.manual_seed(3)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: rand(500, generator=generator).array.tobytes(), range(40)))
    assert found == expected


# --- distributions --------------------------------------------------------------------------------------------------


def source() -> Generator:
    return Generator().manual_seed(12345)


def distance(sample: Any, cumulative: Any) -> float:
    """Kolmogorov and Smirnov's: sqrt(n) times the largest gap; above 2 with a probability below 0.1 %."""
    ordered = numpy.sort(sample.astype(numpy.float64))
    ranks = (numpy.arange(ordered.size) + 0.5) / ordered.size
    return float(numpy.abs(cumulative(ordered) - ranks).max() * math.sqrt(ordered.size))


def normal_cumulative(x: Any) -> Any:
    return numpy.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in x.tolist()])


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2.0**-11), ("float32", 2.0**-24), ("float64", 2.0**-53)])
def test_uniforms_are_equally_likely_multiples_below_one(dtype: str, step: float) -> None:
    sample = rand(50_000, dtype=dtype, generator=source()).array.astype(numpy.float64)
    assert sample.min() >= 0.0
    assert sample.max() < 1.0
    assert (sample % step == 0).all()
    assert (sample % (2 * step) != 0).mean() == pytest.approx(0.5, abs=0.02)
    assert distance(sample, lambda x: x) < 2.0 + (20.0 if dtype == "float16" else 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals_are_normal(dtype: str) -> None:
    sample = randn(50_000, dtype=dtype, generator=source()).array
    assert sample.dtype == dtype
    assert distance(sample, normal_cumulative) < 2.0
    assert (sample.astype(numpy.float64) ** 4).mean() == pytest.approx(3.0, abs=0.2)


@given(st.integers(-(2**63), 2**63 - 1))
def test_normals_are_the_inverse_of_their_distribution_function(bits: int) -> None:
    reference = statistics.NormalDist()
    for dtype, word, tolerance in (("int64", bits, 2e-15), ("int32", bits >> 32, 5e-7)):
        width = 8 * numpy.dtype(dtype).itemsize
        nearer = min(word + 2 ** (width - 1), 2 ** (width - 1) - 1 - word)  # exact, to the nearer end
        expected = math.copysign(reference.inv_cdf((nearer + 0.5) / 2.0**width), word + 0.5)
        found = normals.inverse_normal(numpy.array([word], dtype))[0]
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize(("dtype", "most"), [("int32", 6.4), ("int64", 9.2)])
def test_normals_are_finite_and_symmetric_to_the_ends(dtype: str, most: float) -> None:
    info = numpy.iinfo(dtype)
    low, high = normals.inverse_normal(numpy.array([info.min, info.max], dtype))
    assert low == -high
    assert most - 0.15 < high < most


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_portable_logarithm_is_the_logarithm(dtype: str) -> None:
    x = numpy.exp(-45 * numpy.random.default_rng(0).random(20_000)).astype(dtype)
    found = normals.portable_log(x)
    assert found.dtype == dtype
    numpy.testing.assert_allclose(found, numpy.log(x.astype(numpy.float64)), rtol=4 * numpy.finfo(dtype).eps, atol=0)
    assert normals.portable_log(numpy.ones(1, dtype))[0] == 0.0


@pytest.mark.parametrize("p", [0.5, 0.9, 1 / 3, 1e-3, 3e-6])
def test_a_mask_has_exactly_the_probability_asked_for(p: float) -> None:
    count = 4_000_000
    found = int(random_bits.bernoulli_mask((2000, 2000), p, source()).sum())
    assert abs(found - p * count) < 4.5 * math.sqrt(count * p * (1 - p))


def test_a_mask_that_16_bits_cannot_decide_is_decided_by_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ties = numpy.full(1 << 16, 0x8000_8000_8000_8000, numpy.uint64)
    bits = random_bits.BitStream(1)
    words = bits.words
    monkeypatch.setattr(bits, "words", lambda count: ties[:count].copy() if count == 10_000 else words(count))
    mask = random_bits.bernoulli_mask((40_000,), (0x8000 + 0.25) / 65536, bits)
    assert mask.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_never_and_always(p: float) -> None:
    assert (random_bits.bernoulli_mask((100,), p) == bool(p)).all()
    assert random_bits.bernoulli_mask((), p).shape == ()
    assert random_bits.bernoulli_mask((0, 3), 0.3).shape == (0, 3)
    assert (bernoulli(tensor([p] * 100)).array == p).all()


def test_each_entry_has_its_own_probability() -> None:
    probabilities = numpy.repeat([0.1, 0.7], 50_000).reshape(2, 50_000).astype("float32")
    drawn = bernoulli(tensor(probabilities), generator=source())
    assert drawn.dtype == "float32"
    numpy.testing.assert_allclose(drawn.array.mean(axis=1), [0.1, 0.7], atol=0.01)


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-3, 4), (7, 8), (0, 1000)])
def test_integers_are_equally_likely(low: int, high: int) -> None:
    sample = randint(low, high, (100_000,), generator=source()).array
    counts = numpy.bincount(sample - low, minlength=high - low)
    expected = 100_000 / (high - low)
    squared = ((counts - expected) ** 2 / expected).sum()
    freedom = high - low - 1
    assert counts.size == high - low
    assert squared <= freedom + 4.5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("span", [3 * 2**30, 2**32, 2**32 + 1, 3 * 2**62, 2**64 - 1])
def test_long_ranges_are_filled_evenly(span: int) -> None:
    low = -(2**63) if span > 2**63 else -5
    sample = randint(low, low + span, (20_000,), generator=source()).array
    unit = numpy.array([(value - low) / span for value in sample.tolist()])
    assert unit.min() >= 0.0
    assert unit.max() < 1.0
    assert distance(unit, lambda x: x) < 2.0


def test_no_integer_is_favoured_where_the_words_do_not_divide_evenly() -> None:
    sample = randint(0, 3 * 2**30, (60_000,), generator=source()).array  # kept as they come, 0 mod 3 would come twice
    assert numpy.bincount(sample % 3) / 20_000 == pytest.approx(numpy.ones(3), abs=0.03)


@pytest.mark.parametrize("count", [0, 1, 2, 1000, (1 << 20) + 1])
def test_a_permutation_has_every_number_once(count: int) -> None:
    order = randperm(count, generator=source())
    assert order.dtype == "int64"
    assert (numpy.sort(order.array) == numpy.arange(count)).all()


def test_every_permutation_is_equally_likely() -> None:
    generator = source()
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(6000):
        order = tuple(randperm(3, generator=generator).array.tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 22.0


def test_multinomial_follows_its_weights() -> None:
    weights = tensor([[1.0, 0.0, 3.0], [2.0, 2.0, 0.0]])
    drawn = multinomial(weights, 40_000, replacement=True, generator=source()).array
    shares = [numpy.bincount(row, minlength=3) / 40_000 for row in drawn]
    numpy.testing.assert_allclose(shares, [[0.25, 0, 0.75], [0.5, 0.5, 0]], atol=0.012)
    generator, firsts = source(), numpy.zeros(3)
    for _ in range(3000):
        drawn = multinomial(weights, 2, generator=generator).array
        assert sorted(drawn[0]) == [0, 2]
        assert sorted(drawn[1]) == [0, 1]
        firsts[drawn[0, 0]] += 1
    assert firsts[2] / 3000 == pytest.approx(0.75, abs=0.035)


@pytest.mark.parametrize(("weights", "count"), [([0.0, 1.0], 2), ([0.0, 0.0], 1), ([-1.0, 2.0], 1), ([math.nan], 1)])
def test_multinomial_refuses_weights_it_cannot_follow(weights: Any, count: int) -> None:
    with pytest.raises(SettingError, match="weights"):
        multinomial(tensor(weights), count)


# --- arguments ------------------------------------------------------------------------------------------------------


def test_shapes_and_dtypes_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the reference for shapes and dtypes")
    mean, std = numpy.zeros((3, 1), "float32"), numpy.ones(4)
    calls = [
        lambda t, a: t.rand(2, 3),
        lambda t, a: t.rand((2, 0)),
        lambda t, a: t.randn(size=(2,)),
        lambda t, a: t.randn(()),
        lambda t, a: t.randint(10, (2, 3)),
        lambda t, a: t.randint(2, 10, (3,)),
        lambda t, a: t.randint(low=0, high=10, size=(3,)),
        lambda t, a: t.randint(high=10, size=(3,)),
        lambda t, a: t.randperm(5),
        lambda t, a: t.normal(0.0, 1.0, (2, 3)),
        lambda t, a: t.normal(a(mean), 2.0),
        lambda t, a: t.normal(1.0, a(std)),
        lambda t, a: t.bernoulli(a(std)),
        lambda t, a: t.bernoulli(a(mean), 0.5),
        lambda t, a: t.rand_like(a(std)),
        lambda t, a: t.randn_like(a(mean)),
        lambda t, a: t.randint_like(a(mean), 5),
        lambda t, a: t.randint_like(a(mean), 2, 5),
        lambda t, a: t.multinomial(a(std), 2),
    ]
    for call in calls:
        mine, theirs = call(ours, tensor), call(torch, torch.from_numpy)
        assert mine.shape == tuple(theirs.shape)
        assert f"torch.{mine.dtype}" == str(theirs.dtype)


def test_normal_takes_means_and_deviations_entry_by_entry() -> None:
    mean = tensor([[-100.0], [100.0]])
    drawn = normal(mean, tensor([1.0, 0.0, 2.0]), generator=source())
    assert drawn.shape == (2, 3)
    assert drawn.array[:, 1].tolist() == [-100.0, 100.0]
    assert (numpy.abs(drawn.array - mean.array) < 12).all()
    assert not normal(tensor([1.0], requires_grad=True)).requires_grad


def test_a_gradient_can_be_asked_for() -> None:
    assert rand(2, requires_grad=True).requires_grad
    assert randn(2, dtype="float64", requires_grad=True).is_leaf


REFUSED: list[tuple[Any, type, str]] = [
    (lambda: rand(2, dtype="int64"), DTypeError, "floating"),
    (lambda: rand(-1), ShapeError, "negative"),
    (lambda: randn(2.5), DTypeError, "integer"),
    (lambda: randint(5, 5, (2,)), SettingError, "less than high"),
    (lambda: randint(0, 5), ShapeError, "size is missing"),
    (lambda: randint(0.5, 5, (2,)), DTypeError, "integers"),
    (lambda: randint(0, 300, (2,), dtype="uint8"), DTypeError, "fit in uint8"),
    (lambda: randint(0, 2**12, (2,), dtype="float16"), DTypeError, "fit in float16"),
    (lambda: randperm(-1), ShapeError, "negative"),
    (lambda: normal(0.0, -1.0, (2,)), SettingError, "not negative"),
    (lambda: normal(tensor([0.0]), tensor([-1.0])), SettingError, "not negative"),
    (lambda: normal(0.0, 1.0), ShapeError, "size is missing"),
    (lambda: normal(tensor([0.0]), 1.0, (2,)), ShapeError, "already"),
    (lambda: normal(zeros(2), zeros(3)), ShapeError, "broadcast"),
    (lambda: bernoulli(tensor([0.5, 1.5])), SettingError, "between 0 and 1"),
    (lambda: bernoulli(tensor([math.nan])), SettingError, "between 0 and 1"),
    (lambda: bernoulli(zeros(2), -0.1), SettingError, "between 0 and 1"),
    (lambda: bernoulli(tensor([1])), DTypeError, "floating"),
    (lambda: ours.rand_like([1.0]), DTypeError, "Tensor"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_wrong_arguments_are_refused(number: int) -> None:
    call, error, text = REFUSED[number]
    with pytest.raises(error, match=text):
        call()


# --- filling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(-3.0, 5.0), (1.0, 1.0), (1.0, 1.002), (-0.1, 0.1)])
def test_uniform_stays_below_its_upper_end(dtype: str, low: float, high: float) -> None:
    array = numpy.empty(50_000, dtype)
    random_bits.fill_uniform(array, low, high, source())
    assert array.min() >= array.dtype.type(low)
    assert array.max() < array.dtype.type(high) or array.dtype.type(low) == array.dtype.type(high)


def test_filling_a_view_leaves_its_neighbours_alone() -> None:
    array = numpy.zeros((4, 6), "float32")
    normals.fill_normal(array[:, ::2], 3.0, 0.5, source())
    assert (array[:, 1::2] == 0).all()
    expected = normal(3.0, 0.5, (4, 3), generator=source()).array
    assert (array[:, ::2] == expected).all()


def test_arrays_of_every_dtype_can_be_filled_with_ones_and_zeros() -> None:
    for dtype in ("bool", "uint8", "int64", "float16", "float32"):
        array = numpy.empty((50, 2), dtype)
        random_bits.fill_bernoulli(array, 0.5, source())
        assert set(numpy.unique(array).tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("fill", "arguments", "error"),
    [
        (random_bits.fill_uniform, (2.0, 1.0), SettingError),
        (random_bits.fill_uniform, (0.0, math.inf), SettingError),
        (random_bits.fill_uniform, (math.nan, 1.0), SettingError),
        (random_bits.fill_uniform, (-3e38, 3e38), SettingError),
        (normals.fill_normal, (0.0, math.nan), SettingError),
    ],
)
def test_ranges_without_numbers_are_refused(fill: Any, arguments: Any, error: type) -> None:
    with pytest.raises(error):
        fill(numpy.zeros(3, "float32"), *arguments)


def test_integers_cannot_be_filled_with_fractions() -> None:
    for fill in (random_bits.fill_uniform, normals.fill_normal):
        with pytest.raises(DTypeError, match="int64"):
            fill(numpy.zeros(3, "int64"))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (7, 9), (64,), (1000, 100)])
def test_a_mask_of_even_chances_takes_a_bit_an_entry(shape):
    first, again = (random_bits.bernoulli_mask(shape, 0.5, random_bits.BitStream(3)) for _ in range(2))
    assert first.shape == shape
    assert first.dtype == bool
    numpy.testing.assert_array_equal(first, again)
    if first.size > 10_000:
        assert abs(first.mean() - 0.5) < 0.005
        assert abs((first[1:] == first[:-1]).mean() - 0.5) < 0.005, "neighbours are independent"
        assert abs(first.mean(axis=0) - 0.5).max() < 0.1, "every place of a word is even"


def test_a_probability_without_axes_gives_a_tensor_without_axes() -> None:
    drawn = bernoulli(tensor(1.0))
    assert drawn.shape == ()
    assert drawn.numpy() == 1.0
