"""Large work split over threads: NumPy and BLAS let go of Python's lock while they compute.

A kernel that can work on a part of its arrays calls ``split(kernel, count, cost)``, which calls ``kernel(low, high)``
once, or in several threads on parts of ``range(count)`` if the work is worth it: waking a thread takes about 45 µs, so
what takes less than 250 µs stays in one.

BLAS brings threads of its own, which would fight with these (its idle helpers spin). So as soon as there is large work
to split, or :func:`set_num_threads` is called, NumPy's OpenBLAS is set to one thread, for the whole process, and matrix
products are split here. With another BLAS, set its own variable, such as ``MKL_NUM_THREADS=1``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy

from tinygrad_mp.errors import SettingError

if TYPE_CHECKING:
    from queue import SimpleQueue

WORTH_SPLITTING = 250_000
"""Nanoseconds of work from which on it is split."""
_PRODUCTS_PER_NANOSECOND = 20
"""Multiplications and additions that one core does in BLAS, about."""
_LEAST_PRODUCT = WORTH_SPLITTING * _PRODUCTS_PER_NANOSECOND
_TILE = 16
"""BLAS computes tiles of a result; parts in multiples of this keep them whole."""

Task: TypeAlias = "tuple[Context, Callable[[int, int], Any], int, int, SimpleQueue[BaseException | None]]"


def default_num_threads() -> int:
    """What the environment says (``TINYGRAD_MP_NUM_THREADS``, or else ``OMP_NUM_THREADS``), or the cores there are."""
    for variable in ("TINYGRAD_MP_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isdigit() and int(text) > 0:
            return int(text)
        if text and variable.startswith("TINYGRAD"):
            raise SettingError(f"{variable} must be a whole number above 0, not {text!r}")
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class _Pool:
    """The threads: made when first needed, and made anew in a forked child, which inherits none."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.new_queue: Any = None
        self.tasks: Any = None
        self.helpers: list[threading.Thread] = []
        self.blas_is_ours = False

    def grow(self, helpers: int) -> None:
        if self.tasks is None:
            from queue import SimpleQueue  # not above: it takes long to import, and small programs never get here

            self.new_queue, self.tasks = SimpleQueue, SimpleQueue()
        while len(self.helpers) < helpers:
            thread = threading.Thread(target=_work, args=(self.tasks,), name="tinygrad_mp", daemon=True)
            self.helpers.append(thread)
            thread.start()

    def forget(self) -> None:
        self.tasks, self.helpers = None, []


_pool = _Pool(default_num_threads())
_here = threading.local()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _pool.forget())


def _work(tasks: SimpleQueue[Task]) -> None:
    _here.inside = True
    while True:
        context, function, low, high, done = tasks.get()
        try:
            context.run(function, low, high)
        except BaseException as error:  # handed to the thread that waits, which raises it
            done.put(error)
        else:
            done.put(None)
        del context, function  # or the last task's arrays would live as long as the thread


def set_num_threads(count: int) -> None:
    """Set how many threads large operations on the CPU may use; it holds for the whole process.

    Parameters
    ----------
    count : int
        At least 1. Without this call: ``TINYGRAD_MP_NUM_THREADS`` or ``OMP_NUM_THREADS`` in the environment, or else
        the number of cores. Results may differ in the last bits between numbers of threads, never between runs.

    Errors
    ------
    SettingError for anything but a whole number above 0.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    if type(count) is not int or count < 1:
        raise SettingError(f"the number of threads must be a whole number above 0, not {count!r}")
    _pool.count = count
    _own_blas()


def get_num_threads() -> int:
    """How many threads large operations on the CPU may use."""
    return _pool.count


def split(function: Callable[[int, int], Any], count: int, cost: float) -> None:
    """Call ``function(low, high)`` on parts of ``range(count)``, in threads if ``cost`` nanoseconds are worth it.

    The parts cover the range without overlap. An error in any part is raised here, after all of them have ended.
    """
    parts = min(_pool.count, count, int(cost * 2 / WORTH_SPLITTING))
    if parts < 2 or getattr(_here, "inside", False):
        function(0, count)
        return
    _own_blas()
    _pool.grow(parts - 1)
    bounds = [count * part // parts for part in range(parts + 1)]
    done: SimpleQueue[BaseException | None] = _pool.new_queue()
    for part in range(1, parts):
        _pool.tasks.put((copy_context(), function, bounds[part], bounds[part + 1], done))
    errors: list[BaseException] = []
    _here.inside = True
    try:
        function(0, bounds[1])
    except BaseException as error:  # the others must end first: they write into arrays that the caller will drop
        errors.append(error)
    finally:
        _here.inside = False
    for _ in range(1, parts):
        error_there = done.get()
        if error_there is not None:
            errors.append(error_there)
    if errors:
        raise errors[0]


def product(a: Any, b: Any, out: Any = None) -> Any:
    """``a @ b`` for two or more axes; large products of NumPy arrays are split over threads.

    A product of two matrices is split along the larger side of the result, a batch of products along its first axis.
    """
    if a.shape[-1] == 1 == b.shape[-2]:  # an outer product, which NumPy does not leave to BLAS: 20 times slower
        return a * b if out is None else numpy.multiply(a, b, out=out)
    if _pool.count == 1 or type(a) is not numpy.ndarray or a.size * b.shape[-1] < _LEAST_PRODUCT:
        return a @ b if out is None else numpy.matmul(a, b, out=out)
    matrices = a.ndim == 2 == b.ndim
    if a.dtype.char not in "fd" or a.dtype != b.dtype or not (matrices or a.shape[:-2] == b.shape[:-2]):
        return numpy.matmul(a, b, out=out)
    if out is None:
        out = numpy.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    cost = a.size * b.shape[-1] / _PRODUCTS_PER_NANOSECOND
    if not matrices:

        def part(low: int, high: int) -> None:
            numpy.matmul(a[low:high], b[low:high], out=out[low:high])

        split(part, a.shape[0], cost)
        return out
    if b.shape[1] >= a.shape[0]:

        def tiles(low: int, high: int) -> None:
            numpy.matmul(a, b[:, _TILE * low : _TILE * high], out=out[:, _TILE * low : _TILE * high])
    else:

        def tiles(low: int, high: int) -> None:
            numpy.matmul(a[_TILE * low : _TILE * high], b, out=out[_TILE * low : _TILE * high])

    split(tiles, -(-max(out.shape) // _TILE), cost)
    return out


def _own_blas() -> None:
    """Set OpenBLAS to one thread, once: from then on work is split here."""
    if _pool.blas_is_ours:
        return
    from tinygrad_mp.backend.openblas import openblas_function  # not above: small programs never get here

    _pool.blas_is_ours = True
    set_threads = openblas_function(
        "scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads"
    )
    if set_threads is not None:
        set_threads(1)
