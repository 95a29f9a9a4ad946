"""Random tensors, under PyTorch's names.

Numbers come from a :class:`Generator`; without one, from the default generator, which :func:`manual_seed` restarts and
which otherwise starts somewhere else in every process. What a seed guarantees: **the same bits** for every function
here, in every process, on every platform, with every version of NumPy, and on every device. (A GPU's numbers are made
on the CPU and moved, so that they are the same ones.) Numbers lie in the order of the flattened tensor, so
``rand(6).reshape(2, 3)`` equals ``rand(2, 3)``; float32 and float64 tensors have different numbers. They are not
PyTorch's numbers. Drawing is thread-safe; which thread gets which numbers is not determined, so give each its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from tinygrad_mp import dtypes
from tinygrad_mp.absent import lookup
from tinygrad_mp.backend import as_device, device_of, to_numpy
from tinygrad_mp.backend.normals import fill_normal, portable_log
from tinygrad_mp.backend.random_bits import (
    DEFAULT_SEED,
    BitStream,
    bernoulli_mask,
    bernoulli_of,
    default_stream_here,
    fill_integers,
    fill_uniform,
    permutation,
)
from tinygrad_mp.creation import finish, floating_dtype, like, one_size, size_of
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.tape import TensorBase
from tinygrad_mp.tensor import Tensor

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]


class Generator:
    """A source of random numbers: a seed and a position in its stream.

    Parameters
    ----------
    device : str or Device, default "cpu"
        Kept for PyTorch's sake. A generator serves tensors on every device, with the same numbers.

    >>> first = Generator().manual_seed(3)
    >>> second = Generator().manual_seed(3)
    >>> rand(2, generator=first).tolist() == rand(2, generator=second).tolist()
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = as_device(device)
        self.stream = BitStream(DEFAULT_SEED)

    def manual_seed(self, seed: int) -> Generator:
        """Restart with this seed, an integer from -2**63 to 2**64 - 1, and return the generator."""
        self.stream.restart(seed)
        return self

    def seed(self) -> int:
        """Restart with a seed from the operating system, and return it."""
        return self.stream.restart_anywhere()

    def initial_seed(self) -> int:
        """The seed it was last restarted with."""
        return self.stream.seed

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of 16 entries: seed and position, little-endian."""
        return finish(numpy.frombuffer(self.stream.state, numpy.uint8).copy())

    def set_state(self, new_state: Any) -> Generator:
        """Continue exactly where ``get_state`` was called; takes its tensor, a NumPy array or bytes."""
        if not isinstance(new_state, (bytes, bytearray)):
            array = numpy.asarray(to_numpy(getattr(new_state, "array", new_state)))
            if array.dtype != numpy.uint8:
                raise DTypeError(f"the state of a generator is a uint8 tensor, got {array.dtype}")
            new_state = array.tobytes()
        self.stream.state = bytes(new_state)
        return self

    def clone_state(self) -> Generator:
        """Another generator that will give the same numbers as this one."""
        return Generator(self.device).set_state(self.stream.state)

    def __repr__(self) -> str:
        return f"<Generator device={str(self.device)!r} seed={self.stream.seed} position={self.stream.position}>"


class _DefaultGenerator(Generator):
    """The generator of the calling thread: a worker of a DataLoader has one of its own, all others share one."""

    def __init__(self) -> None:
        self.device = as_device("cpu")

    @property
    def stream(self) -> BitStream:  # type: ignore[override]
        """Seed and position."""
        return default_stream_here()


default_generator = _DefaultGenerator()
"""Where numbers come from when no generator is given."""


def manual_seed(seed: int) -> Generator:
    """Restart the default generator with this seed, and return it.

    >>> _ = manual_seed(0)
    >>> randint(0, 100, (4,))
    tensor([ 3,  1, 61, 24])
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Restart the default generator with a seed from the operating system, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was last restarted with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Any) -> None:
    """Put the default generator back where :func:`get_rng_state` was called."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **ignored: Any) -> Iterator[None]:
    """A context after which the default generator is where it was before; ``devices`` is accepted.

    >>> _ = manual_seed(0)
    >>> with fork_rng():
    ...     first = rand(2)
    >>> first.tolist() == rand(2).tolist()
    True
    """
    before = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(before)


# --- floating numbers -----------------------------------------------------------------------------------------------


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers equally likely in [0, 1): multiples of 2**-24 for float32, of 2**-53 for float64.

    Parameters
    ----------
    *sizes : int, or one tuple; or ``size=`` and a tuple
    generator : Generator, optional
        By default the one that :func:`manual_seed` restarts.
    dtype : floating dtype, by default the default dtype
    device : default "cpu"
    requires_grad : bool, default False

    >>> rand(2, 3).shape
    Size([2, 3])
    """
    array = numpy.empty(size_of("rand", sizes, size), floating_dtype("rand", dtype))
    fill_uniform(array, 0.0, 1.0, generator)
    return finish(array, device, requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and standard deviation 1; parameters as for :func:`rand`.

    >>> randn(2, 3).shape
    Size([2, 3])
    """
    array = numpy.empty(size_of("randn", sizes, size), floating_dtype("randn", dtype))
    fill_normal(array, 0.0, 1.0, generator)
    return finish(array, device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """:func:`rand` with the shape and, unless given, the dtype and device of ``input``."""
    shape, dtype, device = like("rand_like", input, dtype, device)
    return rand(shape, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """:func:`randn` with the shape and, unless given, the dtype and device of ``input``."""
    shape, dtype, device = like("randn_like", input, dtype, device)
    return randn(shape, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with these means and standard deviations.

    Parameters
    ----------
    mean, std : float or Tensor
        Tensors broadcast and give the result's shape, dtype and device. No gradient flows to them, as in PyTorch.
    size : tuple, needed when both are numbers

    Errors
    ------
    SettingError if a standard deviation is negative. ShapeError if size is missing or not wanted.

    >>> normal(0.0, 2.0, (3, 2)).shape
    Size([3, 2])
    """
    tensors = [value for value in (mean, std) if isinstance(value, TensorBase)]
    if not tensors:
        if size is None:
            raise ShapeError("normal: size is missing", fix="normal(mean, std, (2, 3)), or make mean a tensor")
        array = numpy.empty(size_of("normal", (), size), floating_dtype("normal", dtype))
        fill_normal(array, mean, std, generator)
        return finish(array, device, requires_grad)
    if size is not None:
        raise ShapeError("normal: size is given, but a mean or std tensor has one already", fix="leave size out")
    wanted = dtypes.result_type(*(tensor.array for tensor in tensors)) if dtype is None else dtype
    wanted = floating_dtype("normal", wanted)
    mean, std = (_on_host(value).astype(wanted) for value in (mean, std))
    if not (std >= 0).all():
        raise SettingError("normal: a standard deviation is not negative, and some are")
    try:
        shape = numpy.broadcast_shapes(mean.shape, std.shape)
    except ValueError:
        raise ShapeError(f"normal: mean of shape {mean.shape} and std of shape {std.shape} do not broadcast") from None
    array = numpy.empty(shape, wanted)
    fill_normal(array, 0.0, 1.0, generator)
    array *= std
    array += mean
    return finish(array, device_of(tensors[0].array) if device is None else device, requires_grad)


def _on_host(value: Any) -> Any:
    return to_numpy(value.array) if isinstance(value, TensorBase) else numpy.asarray(value)


# --- integers and choices -------------------------------------------------------------------------------------------


def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers equally likely in ``[low, high)``; ``randint(high, size)`` starts at 0.

    Parameters
    ----------
    low, high : int
    size : tuple
    generator, device, requires_grad
        As for :func:`rand`.
    dtype : default int64
        A floating dtype is allowed where it holds every integer of the range.

    Errors
    ------
    SettingError if the range is empty. DTypeError if it does not fit the dtype.

    >>> bool((randint(10, (100,)).numpy() < 10).all())
    True
    """
    if isinstance(high, (tuple, list)) and size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None:
        raise ShapeError("randint: size is missing", fix="randint(0, 10, (2, 3))")
    array = numpy.empty(size_of("randint", (), size), dtypes.as_dtype(dtypes.int64 if dtype is None else dtype))
    fill_integers(array, low, high, generator)
    return finish(array, device, requires_grad)


def randint_like(
    input: Tensor,
    low: Any = 0,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """:func:`randint` with the shape and, unless given, the dtype and device of ``input``."""
    shape, dtype, device = like("randint_like", input, dtype, device)
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, shape, generator=generator, dtype=dtype, device=device, requires_grad=requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The integers 0 to ``n - 1`` in random order; int64 by default.

    >>> sorted(randperm(4).tolist())
    [0, 1, 2, 3]
    """
    order = permutation(one_size("randperm", n), generator)
    return finish(order.astype(dtypes.as_dtype(dtypes.int64 if dtype is None else dtype)), device, requires_grad)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Ones and zeros of the shape and dtype of ``input``, which holds the probability of each one, unless ``p`` does.

    Errors
    ------
    SettingError if a probability lies outside [0, 1]. DTypeError if ``input`` holds integers and p is not given.

    >>> from tinygrad_mp import tensor
    >>> bernoulli(tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    array = input.array
    if p is not None:
        mask = bernoulli_mask(array.shape, p, generator)
    elif array.dtype.kind != "f":
        raise DTypeError(f"bernoulli: probabilities are floating numbers, got {array.dtype}", fix="input.float()")
    else:
        mask = bernoulli_of(to_numpy(array), generator)
    return finish(numpy.asarray(mask, array.dtype), input.device)  # of a tensor without axes the mask is a scalar


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with probability proportional to the weights in ``input``.

    Parameters
    ----------
    input : (n,) or (rows, n)
        Weights: not negative, finite, and not all zero in a row.
    num_samples : int
        Without replacement, at most the number of weights in a row that are not zero.
    replacement : bool, default False

    Returns
    -------
    Tensor
        int64, (num_samples,) or (rows, num_samples).

    Without replacement: the smallest of ``-log(u) / weight``, as Efraimidis and Spirakis, Weighted random sampling with
    a reservoir, 2006.

    >>> from tinygrad_mp import tensor
    >>> multinomial(tensor([0.0, 3.0, 0.0]), 1)
    tensor([1])
    """
    weights = to_numpy(input.array)
    if weights.ndim not in (1, 2) or weights.dtype.kind != "f":
        raise ShapeError(f"multinomial: weights are floating, of 1 or 2 axes; got {weights.dtype} of {weights.ndim}")
    count = one_size("multinomial", num_samples)
    if not count:
        raise SettingError("multinomial: num_samples must be at least 1")
    if weights.shape[-1] > 2**24:
        raise ShapeError(f"multinomial: {weights.shape[-1]} weights in a row, and there may be 2**24")
    rows = weights.reshape(-1, weights.shape[-1]).astype(numpy.float64)
    if not (numpy.isfinite(rows).all() and (rows >= 0).all() and (rows > 0).any(axis=1).all()):
        raise SettingError("multinomial: weights are finite and not negative, and each row has one that is not zero")
    rows /= rows.max(axis=1, keepdims=True)  # so that no sum overflows
    if replacement:
        uniform = numpy.empty((len(rows), count))
        fill_uniform(uniform, generator=generator)
        sums = rows.cumsum(axis=1)
        targets = numpy.minimum(uniform * sums[:, -1:], numpy.nextafter(sums[:, -1:], 0.0))
        picks = [numpy.searchsorted(row, target, side="right") for row, target in zip(sums, targets, strict=True)]
    else:
        available = int((rows > 0).sum(axis=1).min(initial=count))
        if count > available:
            raise SettingError(f"multinomial: {count} samples without replacement from {available} weights above zero")
        uniform = numpy.empty(rows.shape)
        fill_uniform(uniform, generator=generator)
        keys = numpy.full(rows.shape, numpy.nan)  # which is sorted last
        with numpy.errstate(over="ignore"):
            numpy.divide(-portable_log(1.0 - uniform), rows, out=keys, where=rows > 0)
        picks = [numpy.argsort(row, kind="stable")[:count] for row in keys]
    chosen = numpy.array(picks, dtype=numpy.int64).reshape(*weights.shape[:-1], count)
    return finish(chosen, input.device)


__getattr__ = lookup("random")
