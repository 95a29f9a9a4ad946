"""Random bits, and the numbers made from them: uniforms, integers, permutations, yes or no.

The bits are those of Philox4x64-10 (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, 2011),
taken from NumPy's ``random_raw``, a stream that NumPy guarantees. The key is the seed; block number ``n`` of four
64-bit words is the cipher of the counter ``n + 1``. A generator is therefore a seed and a position, 16 bytes, and every
draw starts at a fresh block. All conversions are made here, by operations that IEEE 754 rounds exactly, because NumPy
does not promise that its own (``standard_normal``, ``integers``, ...) stay as they are.

So the same seed gives the same bits in every process, on every platform, with every version of NumPy, and on every
device: numbers for a GPU are made on the CPU and moved. Words are read as little-endian, low part first.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock, local
from typing import Any

import numpy

from tinygrad_mp.backend.arrays import array_on, device_of
from tinygrad_mp.errors import DTypeError, SettingError

_CHUNK = 1 << 14  # words made at a time: 128 KiB, so that the passes over them stay in cache
_BLOCK = 4  # words in one block of Philox4x64
DEFAULT_SEED = 67280421310721  # of a generator that was given none, as in PyTorch


def as_seed(seed: Any) -> int:
    """``seed`` as an integer in ``[0, 2**64)``; negative ones count from the end, as in PyTorch."""
    try:
        value = seed.__index__()
    except (AttributeError, TypeError):
        raise DTypeError(f"a seed is an integer, not {seed!r}") from None
    if not -(2**63) <= value < 2**64:
        raise SettingError(f"seed {value} is out of range", fix="use a seed from -2**63 to 2**64 - 1")
    return int(value) % 2**64


class BitStream:
    """A seed and a position in its stream of random blocks.

    Attributes
    ----------
    seed : int
    position : int
        How many blocks of four 64-bit words have been used.
    lock : RLock
        Held while one draw takes its words, so that threads get different ones.

    >>> stream = BitStream(7)
    >>> first, state = stream.words(3), stream.state
    >>> again = BitStream(7).words(3)
    >>> bool((first == again).all()), stream.position, len(state)
    (True, 1, 16)
    """

    def __init__(self, seed: Any = DEFAULT_SEED, position: int = 0) -> None:
        self.lock = RLock()
        self._philox: Any = None
        self.restart(seed, position)

    def restart(self, seed: Any, position: int = 0) -> None:
        """Go to ``position`` in the stream of ``seed``."""
        value = as_seed(seed)
        with self.lock:
            self.seed, self.position = value, position
            self._philox = None  # made at the first draw: numpy.random takes long to import

    def restart_anywhere(self) -> int:
        """Restart with a seed from the operating system, and return it."""
        self.restart(int.from_bytes(os.urandom(8), "little"))
        return self.seed

    @property
    def state(self) -> bytes:
        """Seed and position, as two little-endian 64-bit integers; settable."""
        with self.lock:
            return struct.pack("<QQ", self.seed, self.position)

    @state.setter
    def state(self, value: bytes) -> None:
        if len(value) != 16:
            raise SettingError(f"the state of a generator has 16 bytes, got {len(value)}", fix="get it by get_state")
        self.restart(*struct.unpack("<QQ", value))

    def words(self, count: int) -> Any:
        """The next ``count`` 64-bit words, from whole blocks."""
        blocks = -(-count // _BLOCK)
        with self.lock:
            if self._philox is None:
                self._philox = numpy.random.Philox(key=self.seed, counter=self.position)
            self.position += blocks
            words = self._philox.random_raw(blocks * _BLOCK)
        return words.astype("<u8", copy=False)[:count]  # changes nothing on a little-endian machine

    def __reduce__(self) -> Any:
        return BitStream, (self.seed, self.position)


default_stream = BitStream()
default_stream.restart_anywhere()


class _Own(local):
    stream: BitStream | None = None


_own = _Own()


def draw_in_this_thread_from(stream: BitStream) -> None:
    """Give the calling thread a default stream of its own, so that its numbers do not depend on other threads."""
    _own.stream = stream


@contextmanager
def drawing_from(stream: BitStream) -> Iterator[None]:
    """A context in which the calling thread's default stream is this one."""
    before = _own.stream
    _own.stream = stream
    try:
        yield
    finally:
        _own.stream = before


def default_stream_here() -> BitStream:
    """The default stream of the calling thread."""
    return _own.stream or default_stream


def stream_of(generator: Any) -> BitStream:
    """The bits of a Generator; of the default one for None."""
    if generator is None:
        return _own.stream or default_stream
    stream = generator if isinstance(generator, BitStream) else getattr(generator, "stream", None)
    if not isinstance(stream, BitStream):
        raise DTypeError(f"generator is a {type(generator).__name__}, not a tinygrad_mp Generator")
    return stream


def pieces(stream: BitStream, count: int, kind: str) -> Iterator[tuple[slice, Any]]:
    """``count`` little-endian integers of dtype ``kind``, a cache-sized piece at a time, with their place.

    Pieces end at whole blocks, so their size changes no number.
    """
    per_word = 8 // int(kind[-1])
    step = _CHUNK * per_word
    for start in range(0, count, step):
        size = min(step, count - start)
        yield slice(start, start + size), stream.words(-(-size // per_word)).view(kind)[:size]


def fill(array: Any, fill_flat: Callable[[Any], Any]) -> None:
    """Let ``fill_flat`` fill a flat NumPy array, and have its numbers in ``array``, whatever its device and strides."""
    if type(array) is numpy.ndarray and array.flags.c_contiguous:
        fill_flat(array.reshape(-1))
        return
    values = numpy.empty(array.size, array.dtype)
    fill_flat(values)
    array[...] = array_on(device_of(array), values.reshape(array.shape))


# --- uniforms -------------------------------------------------------------------------------------------------------

# For each dtype: integers of its size, how far to shift them so that as many bits are left as the mantissa holds, and
# the same integers read as signed (the top bit is clear after the shift), which processors convert faster.
_UNIFORM = {
    numpy.dtype("float16"): ("<u2", 5, "<i2"),
    numpy.dtype("float32"): ("<u4", 8, "<i4"),
    numpy.dtype("float64"): ("<u8", 11, "<i8"),
}


def _unit_uniform(flat: Any, stream: BitStream) -> None:
    """Multiples of ``2**-b`` in ``[0, 1)``, equally likely: b is 11, 24 or 53 for float16, float32, float64."""
    kind, shift, signed = _UNIFORM[flat.dtype]
    scale = 2.0 ** (shift - 8 * flat.dtype.itemsize)
    for place, bits in pieces(stream, flat.size, kind):
        bits >>= shift
        part = flat[place]
        part[...] = bits.view(signed)
        part *= scale


def fill_uniform(array: Any, low: float = 0.0, high: float = 1.0, generator: Any = None) -> None:
    """Fill a floating array with numbers equally likely in ``[low, high)``; all ``low`` where the two are equal.

    The numbers are ``low + (high - low) * u`` with u a multiple of 2**-24 (float32), 2**-53 (float64) or 2**-11
    (float16), rounded to the dtype; a result that rounds up to ``high`` becomes the number below it.

    Errors
    ------
    DTypeError for integer arrays. SettingError unless ``low <= high`` and both and their difference are finite.
    """
    require_floating(array, "uniform_")
    stream, kind = stream_of(generator), array.dtype.type
    if low == 0.0 and high == 1.0:
        with stream.lock:
            fill(array, lambda flat: _unit_uniform(flat, stream))
        return
    lowest, highest = _finite(kind, low), _finite(kind, high)
    if not (low <= high and numpy.isfinite(_finite(kind, float(highest) - float(lowest)))):
        raise SettingError(f"uniform_: from {low} to {high} is no range of finite {array.dtype} numbers")

    def fill_flat(flat: Any) -> None:
        _unit_uniform(flat, stream)
        flat *= kind(float(highest) - float(lowest))
        flat += lowest
        if lowest < highest:
            numpy.minimum(flat, numpy.nextafter(highest, lowest), out=flat)

    with stream.lock:
        fill(array, fill_flat)


def _finite(kind: Any, value: float) -> Any:
    """``value`` in the floating type ``kind``; NaN, without a warning, where it is too large."""
    value = float(value)
    return kind(value) if abs(value) <= float(numpy.finfo(kind).max) else kind("nan")


def require_floating(array: Any, name: str) -> None:
    """Raise unless the dtype is float16, float32 or float64."""
    if array.dtype not in _UNIFORM:
        raise DTypeError(f"{name}: {array.dtype} cannot hold these numbers", fix="use float16, float32 or float64")


# --- yes or no ------------------------------------------------------------------------------------------------------


def bernoulli_mask(shape: tuple[int, ...], p: float, generator: Any = None) -> Any:
    """A boolean NumPy array, each entry True with probability ``p``, for dropout: 16 bits an entry; for 1/2 one.

    The probability is exactly ``p`` (to 2**-69): a 16-bit number below ``p * 2**16`` says yes, one above says no, and
    the one in 65536 that lies across the border is decided by 53 further bits.
    """
    stream = stream_of(generator)
    p = float(p)
    if not 0.0 <= p <= 1.0:
        raise SettingError(f"bernoulli: a probability lies between 0 and 1, got {p}")
    if p in (0.0, 1.0):
        return numpy.full(shape, p == 1.0)
    if p == 0.5:
        size = math.prod(shape)
        octets = stream.words(-(-size // 64)).view(numpy.uint8)
        return numpy.unpackbits(octets, count=size, bitorder="little").view(bool).reshape(shape)
    mask = numpy.empty(shape, bool)
    flat = mask.reshape(-1)
    whole, border = divmod(p * 65536.0, 1.0)
    threshold = numpy.uint16(whole)
    undecided = []
    with stream.lock:
        for place, bits in pieces(stream, flat.size, "<u2"):
            numpy.less(bits, threshold, out=flat[place])
            if border:
                undecided.append(numpy.flatnonzero(bits == threshold) + place.start)
        if undecided:
            where = numpy.concatenate(undecided)
            further = numpy.empty(where.size)
            _unit_uniform(further, stream)
            flat[where] = further < border
    return mask


def fill_bernoulli(array: Any, p: Any = 0.5, generator: Any = None) -> None:
    """Fill an array of any dtype with ones, of probability ``p``, and zeros; see :func:`bernoulli_mask`."""
    mask = bernoulli_mask(array.shape, p, generator)
    array[...] = array_on(device_of(array), mask)


def bernoulli_of(probabilities: Any, generator: Any = None) -> Any:
    """A boolean NumPy array, each entry True with its own probability (to 2**-53), from a NumPy array of them."""
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise SettingError("bernoulli: a probability lies between 0 and 1, and some do not")
    uniform = numpy.empty(probabilities.shape)
    fill_uniform(uniform, generator=generator)
    return uniform < probabilities


# --- integers -------------------------------------------------------------------------------------------------------


def fill_integers(array: Any, low: Any, high: Any, generator: Any = None) -> None:
    """Fill an array with integers equally likely in ``[low, high)``; no value is favoured.

    Method: Lemire, Fast random integer generation in an interval, 2019, on 32-bit words for ranges up to 2**32; for
    longer ones, 64-bit words cut to the bits that ``high - low - 1`` has. Numbers refused are drawn anew at the end.

    Errors
    ------
    SettingError if ``low >= high``. DTypeError if the dtype cannot hold the range or a bound is no integer.
    """
    stream, dtype = stream_of(generator), array.dtype
    low, high = _integer(low), _integer(high)
    if low >= high:
        raise SettingError(f"no integers from {low} up to but not including {high}", fix="make low less than high")
    smallest, largest = integer_limits(dtype)
    if low < smallest or high - 1 > largest:
        raise DTypeError(f"integers from {low} to {high - 1} do not fit in {dtype}")

    def fill_flat(flat: Any) -> None:
        offset = numpy.uint64(low % 2**64)
        missing = []
        for place, values, refused in _draw(stream, flat.size, high - low):
            flat[place] = (values + offset).view(numpy.int64)
            missing.append(numpy.flatnonzero(refused) + place.start)
        again = numpy.concatenate(missing) if missing else numpy.empty(0, numpy.int64)
        while again.size:
            still = []
            for place, values, refused in _draw(stream, again.size, high - low):
                flat[again[place]] = (values + offset).view(numpy.int64)
                still.append(again[place][refused])
            again = numpy.concatenate(still)

    with stream.lock:
        fill(array, fill_flat)


def _integer(bound: Any) -> int:
    try:
        return int(bound.__index__())
    except (AttributeError, TypeError):
        raise DTypeError(f"the bounds of random integers are integers, got {bound!r}") from None


def _draw(stream: BitStream, count: int, span: int) -> Iterator[tuple[slice, Any, Any]]:
    """Pieces of uint64 values in ``[0, span)`` with a mask of those that must be drawn again."""
    if span <= 2**32:
        wide, floor = numpy.uint64(span), numpy.uint64(2**32 % span)
        for place, bits in pieces(stream, count, "<u4"):
            product = bits.astype(numpy.uint64) * wide
            yield place, product >> numpy.uint64(32), (product & numpy.uint64(0xFFFFFFFF)) < floor
    else:
        cut, top = numpy.uint64((1 << (span - 1).bit_length()) - 1), numpy.uint64(span - 1)
        for place, bits in pieces(stream, count, "<u8"):
            bits &= cut
            yield place, bits, bits > top


def integer_limits(dtype: Any) -> tuple[int, int]:
    """The smallest and largest integer of ``dtype``; of a floating one, the range in which it holds every integer."""
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind in "iu":
        info = numpy.iinfo(dtype)
        return int(info.min), int(info.max)
    if dtype.kind == "f":
        exact: int = 2 ** (numpy.finfo(dtype).nmant + 1)
        return -exact, exact
    raise DTypeError(f"random integers cannot have dtype {dtype}")


def permutation(count: int, generator: Any = None) -> Any:
    """The numbers 0 to ``count - 1`` in random order, as an int64 NumPy array.

    They are sorted by random keys: up to 2**20 numbers, by the high bits of a word whose low bits are the number
    itself (a tie, which keeps their order, comes up once in 30 permutations of a million); beyond, by 64 bits.
    """
    words = stream_of(generator).words(count)
    if count > 1 << 20:
        order: Any = numpy.argsort(words, kind="stable").astype(numpy.int64, copy=False)
        return order
    bits = numpy.uint64(max(count - 1, 0).bit_length())
    words >>= bits
    words <<= bits
    words |= numpy.arange(count, dtype=numpy.uint64)
    words.sort()
    words &= numpy.uint64((1 << int(bits)) - 1)
    return words.view(numpy.int64).astype(numpy.int64, copy=False)
