"""``detect_anomaly``: find where a NaN is born, in the forward pass or in the backward pass.

Off, it costs nothing, because nothing asks whether it is on. Switching it on exchanges what does the work for
something that looks at the results too: the body of every primitive, the walk, and how a node is made. Switching it
off puts everything back.
"""

from __future__ import annotations

import pkgutil
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from importlib import import_module
from typing import Any, Self

import numpy

from tinygrad_mp import autograd
from tinygrad_mp.autograd import function as custom
from tinygrad_mp.backend import is_array, to_numpy, xp
from tinygrad_mp.calls import call_for
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.grad_mode import grad_mode
from tinygrad_mp.registry import GIVEN_G, PART, REGISTRY, Op, for_large_arrays
from tinygrad_mp.scene import user_location
from tinygrad_mp.tape import Node, TensorBase
from tinygrad_mp.walk import dependencies, walk

__all__ = [
    "AnomalyError",
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_detect_anomaly",
]


class AnomalyError(TinygradError):
    """A NaN was born here; the text says in which operation, at which entry, and at which line of the program."""


class _Mode:
    """Whether it is on, whether NaN is looked for, and the changes to take back."""

    def __init__(self) -> None:
        self.enabled, self.check_nan = False, True
        self.undo: list[Callable[[], None]] = []


class _Inside(threading.local):
    """Whether this thread is inside of an operation, whose own parts are nobody's concern."""

    now = False


_mode, _inside, _lock = _Mode(), _Inside(), threading.RLock()


def is_anomaly_enabled() -> bool:
    """Whether anomalies are looked for.

    >>> is_anomaly_enabled()
    False
    """
    return _mode.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN counts as one, when they are looked for."""
    return _mode.check_nan


def _set(enabled: bool, check_nan: bool) -> None:
    with _lock:
        _mode.check_nan = check_nan
        if enabled and not _mode.enabled:
            _switch_on()
        elif _mode.enabled and not enabled:
            while _mode.undo:
                _mode.undo.pop()()
        _mode.enabled = enabled


class set_detect_anomaly:
    """Look for anomalies, or not, from now on; as a context until its end. Holds for all threads.

    Parameters
    ----------
    mode : bool
    check_nan : bool, default True
        Raise at the birth of a NaN. Otherwise only the line of the forward pass is added to errors in backward.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _mode.enabled, _mode.check_nan
        _set(mode, check_nan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        _set(*self._before)


class detect_anomaly:
    """A context in which the birth of a NaN raises, naming the operation and the line of the program.

    In the forward pass: when a recorded operation has NaN in its result and in no operand. PyTorch looks at the
    backward pass only. In the backward pass: when the rule of an operation returns NaN; the text says at which line the
    operation was computed. Makes programs several times slower: for finding errors.

    Parameters
    ----------
    check_nan : bool, default True
        Otherwise only the line of the forward pass is added to errors in backward.

    Errors
    ------
    AnomalyError, a RuntimeError.

    >>> import tinygrad_mp as tg
    >>> x = tg.tensor([4.0, 0.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     tg.autograd.backward((x.sqrt() * x).sum())
    Traceback (most recent call last):
        ...
    tinygrad_mp.autograd.anomaly_mode.AnomalyError: backward of sqrt returned NaN for input x ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((_mode.enabled, _mode.check_nan))
        _set(True, self._check_nan)

    def __exit__(self, *_: Any) -> None:
        _set(*self._before.pop())


# --- switching on ---------------------------------------------------------------------------------------------------


def _switch_on() -> None:
    ops = import_module("tinygrad_mp.ops")
    for module in pkgutil.iter_modules(ops.__path__):  # primitives whose module nobody has asked for yet
        import_module(f"tinygrad_mp.ops.{module.name}")
    for op in list(REGISTRY.values()):
        _watch_call(op)
        if op.elementwise:
            large = for_large_arrays(op)
            if large.call is op.call:
                large.call = call_for(large)
            _watch_call(large)
    Node.__init__ = _note_place  # type: ignore[method-assign,assignment]
    autograd.walk = _watched_walk  # type: ignore[attr-defined]
    custom.watch = _watch_function

    def take_back() -> None:
        del Node.__init__
        autograd.walk = walk  # type: ignore[attr-defined]
        custom.watch = None

    _mode.undo.append(take_back)


def _watch_call(op: Op) -> None:
    """Exchange the body of a primitive where its call looks it up: in the cells of the closure."""
    call: Any = op.call
    cells = dict(zip(call.__code__.co_freevars, call.__closure__ or (), strict=True))
    forward, fast = cells["forward"].cell_contents, cells.get("numpy_function")
    cells["forward"].cell_contents = _watched(op, forward)
    _mode.undo.append(lambda: setattr(cells["forward"], "cell_contents", forward))
    if fast is not None:
        fast_before = fast.cell_contents
        fast.cell_contents = None
        _mode.undo.append(lambda: setattr(fast, "cell_contents", fast_before))


def _note_place(node: Node) -> None:
    node.place = user_location()


# --- forward --------------------------------------------------------------------------------------------------------


def _watched(op: Op, forward: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*inputs: Any, **params: Any) -> Any:
        if _inside.now or not _mode.check_nan or not grad_mode.enabled:
            return forward(*inputs, **params)
        _inside.now = True
        try:
            with numpy.errstate(invalid="ignore", divide="ignore"):
                out = forward(*inputs, **params)
                _look(inputs, out if isinstance(out, (tuple, list)) else (out,), op.input_names)
        finally:
            _inside.now = False
        return out

    return watched


def _watch_function(name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
    """The same for an ``autograd.Function``."""
    if not _mode.check_nan or not grad_mode.enabled:
        return
    try:
        _look([_raw(value) for value in inputs], [_raw(value) for value in outputs], ())
    except AnomalyError as error:
        error.locate(name, [(f"input {i}", value) for i, value in enumerate(inputs)])
        raise


def _look(inputs: Sequence[Any], outputs: Sequence[Any], names: Sequence[str]) -> None:
    for out in outputs:
        if _has_nan(out) and not any(_has_nan(value) for value in inputs):
            raise AnomalyError(f"NaN is born: {_where(out, inputs, names)}; no operand has one")


def _raw(value: Any) -> Any:
    return value.array if isinstance(value, TensorBase) else value


def _has_nan(value: Any) -> bool:
    if isinstance(value, float):
        return value != value
    return is_array(value) and value.dtype.kind in "fc" and bool(xp(value).isnan(value).any())


def _where(out: Any, inputs: Sequence[Any], names: Sequence[str]) -> str:
    """How many entries of the result are NaN, where the first is, and what the operands are there."""
    found = numpy.isnan(to_numpy(out))
    index = tuple(int(i) for i in numpy.argwhere(found)[0])
    there = []
    for name, value in zip(names, inputs, strict=False):
        if is_array(value) and value.shape == out.shape:
            there.append(f"{name} is {to_numpy(value)[index].item()}")
    count = f"{int(found.sum())} of {found.size} entries"
    place = f", the first at {list(index)}" if index else ""
    return count + place + (f", where {' and '.join(there)}" if there else "")


# --- backward -------------------------------------------------------------------------------------------------------


def _watched_walk(roots: dict[Node, Any], **options: Any) -> dict[Node, Any]:
    watched = (node for node in dependencies(list(roots)) if node.op is not None and node.op is not PART)
    nodes = [node for node in watched if node.saved is not None]
    before = [(node, node.op, node.rules) for node in nodes]
    for node in nodes:
        _watch_rules(node)
    try:
        return walk(roots, **options)
    finally:
        for node, op, rules in before:
            node.op, node.rules = op, rules


def _watch_rules(node: Node) -> None:
    op: Any = node.op
    if op.variadic:
        node.op = copy(op)
        kind, rule, *rest = op.rules[0]
        node.op.rules = ((kind, _watched_rule(node, op, rule, "its inputs"), *rest),)
        return
    chain = list(_unlinked(node.rules)) if node.rules is not None else []
    links: Any = None
    for kind, rule, first, picks, names, position in reversed(chain):
        if kind >= GIVEN_G:
            rule = _watched_rule(node, op, rule, f"input {op.input_names[position]}")
        links = (kind, rule, first, picks, names, position, links)
    node.rules = links


def _unlinked(links: Any) -> Iterator[tuple[Any, ...]]:
    while links is not None:
        *one, links = links
        yield tuple(one)


def _watched_rule(node: Node, op: Op, rule: Callable[..., Any], of: str) -> Callable[..., Any]:
    place = getattr(node, "place", None)
    computed = f"; it was computed at {place}" if place else "; it was computed before detect_anomaly was on"

    def watched(g: Any, *values: Any, **params: Any) -> Any:
        began_with = _mode.check_nan and any(_has_nan(_raw(part)) for part in _parts(g))
        outside, _inside.now = _inside.now, True
        try:
            with numpy.errstate(invalid="ignore", divide="ignore"):
                pulled = rule(g, *values, **params)
        except Exception as error:
            error.add_note(f"in backward of {op.name}{computed}")
            raise
        finally:
            _inside.now = outside
        for part in _parts(pulled) if _mode.check_nan else ():
            if _has_nan(_raw(part)):
                came = "; the cotangent it was given has NaN too" if began_with else ""
                born = AnomalyError(
                    f"backward of {op.name} returned NaN for {of} ({_where(_raw(part), (), ())}){computed}{came}"
                )
                born.operation, born.operands = None, ()
                raise born
        return pulled

    return watched


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else (value,)
