"""``summary``: what a model is made of, what comes out of each layer, how it starts, and the memory it takes."""

from __future__ import annotations

import copy
import html
from collections import defaultdict
from collections.abc import Iterator, Mapping
from inspect import signature
from itertools import product
from typing import Any, NamedTuple

from tinygrad_mp import nn
from tinygrad_mp.backend import is_array, owner
from tinygrad_mp.creation import ones, zeros
from tinygrad_mp.dtypes import FLOATING, get_default_dtype
from tinygrad_mp.errors import DTypeError, SettingError
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter, is_lazy
from tinygrad_mp.ops.residue import Residue
from tinygrad_mp.optim.unbound import Unbound
from tinygrad_mp.random import Generator, randn
from tinygrad_mp.tape import Node
from tinygrad_mp.training.dry_run import dry_run, is_leaf, tensors_in
from tinygrad_mp.training.initialization import initialize
from tinygrad_mp.training.layers.inferring import Inferring, a_size
from tinygrad_mp.writes import next_index

__all__ = ["Row", "Summary", "summary"]


class Row(NamedTuple):
    """One layer. ``output`` has None for the batch axis, and is None as a whole for a layer that was not called.

    ``parameters`` counts those that no row above has; ``frozen`` is how many of them are not learned. ``activations``
    is what the tape keeps of this layer from forward to backward, in bytes for the whole batch.
    """

    path: str
    kind: str
    output: tuple[int | None, ...] | None
    parameters: int
    frozen: int
    start: str
    activations: int


class Summary:
    """What :func:`summary` found: a table when printed, in a terminal or a notebook.

    Attributes
    ----------
    rows : list of Row
    parameters, trainable, frozen : int
        Numbers, each parameter counted once.
    batch_size : int
    memory : dict
        Bytes: ``"parameters"`` (with buffers), ``"gradients"``, ``"optimizer"`` (its state; None if unknown),
        ``"activations"`` (what the tape keeps for backward, inputs not counted) and ``"total"``.
    notes : list of str
    """

    def __init__(
        self, name: str, rows: list[Row], batch_size: int, memory: dict[str, int | None], notes: list[str]
    ) -> None:
        self.name, self.rows, self.batch_size, self.memory, self.notes = name, rows, batch_size, memory, notes
        self.parameters = sum(row.parameters for row in rows)
        self.frozen = sum(row.frozen for row in rows)
        self.trainable = self.parameters - self.frozen

    def _cells(self) -> list[tuple[str, ...]]:
        cells: list[tuple[str, ...]] = [("layer", "kind", "output", "parameters", "activations", "start")]
        for row in self.rows:
            count = f"{row.parameters:,}" + (f" ({row.frozen:,} frozen)" if row.frozen else "")
            output, kept = _shown(row.output), _bytes(row.activations)
            cells.append((row.path or "(itself)", row.kind, output, count, kept, row.start))
        return cells

    def _lines(self) -> list[str]:
        split = "all trainable" if not self.frozen else f"{self.trainable:,} trainable, {self.frozen:,} frozen"
        parts = [
            f"{name} {'unknown' if size is None else _bytes(size)}"
            for name, size in self.memory.items()
            if name != "total"
        ]
        total = _bytes(self.memory["total"] or 0)
        return [
            f"{self.parameters:,} parameters, {split}",
            f"memory to train with batches of {self.batch_size}: {total} = {' + '.join(parts)}",
            "activations are what the tape keeps from forward to backward, without the inputs",
            *self.notes,
        ]

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(len(row[column]) for row in cells) for column in range(6)]
        table = []
        for row in cells:
            padded = [
                cell.rjust(width) if column in (3, 4) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            table.append("  ".join(padded).rstrip())
        rule = "-" * max(map(len, table))
        return "\n".join([self.name, table[0], rule, *table[1:], rule, *self._lines()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        first = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        rest = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
        below = "<br>".join(map(html.escape, self._lines()))
        return f"<table><thead><tr>{first}</tr></thead><tbody>{rest}</tbody></table><p>{below}</p>"


def summary(model: Any, input_shape: Any = None, batch_size: int = 32) -> Summary:
    """Describe a model, layer by layer, and the memory that training it takes. The model itself is not changed.

    Parameters
    ----------
    model : Module
        A ``Model`` or any other. Layers that are not built yet are built in a copy, so that all is as it will be.
    input_shape : int, tuple of int; or a list, tuple or dict of those
        The shape of one sample, or of one of each input. By default what a ``Model`` was built for; without either
        there are no output shapes and no activations.
    batch_size : int, default 32
        For the memory of the activations, which is measured with two and three samples and scaled from there.

    Returns
    -------
    Summary
        With ``rows``, ``parameters``, ``memory``, ...

    Errors
    ------
    What the model raises on such inputs. SettingError for a batch size below 1, or for what is no shape.

    >>> from tinygrad_mp.training import Dense
    >>> print(summary(nn.Sequential(Dense(16), nn.ReLU(), Dense(3)), 8))
    Sequential
    layer  kind   output   parameters  activations  start
    -------------------------------------------------------------------------------------------------
    0      Dense  (n, 16)         144          0 B  He normal (std 0.5): before ReLU
    1      ReLU   (n, 16)           0      2.05 kB
    2      Dense  (n, 3)           51          0 B  Glorot normal (std 0.3244): no activation follows
    -------------------------------------------------------------------------------------------------
    195 parameters, all trainable
    memory to train with batches of 32: 3.61 kB = parameters 780 B + gradients 780 B + ...
    activations are what the tape keeps from forward to backward, without the inputs
    """
    batch_size = a_size("summary", "batch_size", batch_size)
    if input_shape is None:
        input_shape = getattr(model, "sample_shapes", None)
    looked_at, notes = model, list[str]()
    outputs: dict[str, Any] = {}
    activations: dict[str, int] = {}
    if input_shape is None:
        notes.append("no input_shape: output shapes and activations are not known")
    else:
        unbuilt = any(isinstance(module, Inferring) and not module.built for module in model.modules())
        looked_at = copy.deepcopy(model) if unbuilt else model
        two, three = _measure(looked_at, _shapes(input_shape), unbuilt)
        outputs = {path: _batch_free(shape, three.outputs.get(path)) for path, shape in two.outputs.items()}
        for path in {*two.bytes, *three.bytes}:
            few, more = two.bytes.get(path, 0), three.bytes.get(path, 0)
            activations[path] = max(few + (more - few) * (batch_size - 2), 0)
    rows = _rows(looked_at, outputs, activations)
    waiting = sum(isinstance(module, Inferring) and not module.built for module in looked_at.modules())
    if waiting:
        notes.append(f"{waiting} layers are not built, and their parameters not counted: they were not called")
    memory = _memory(looked_at, getattr(model, "optimizer", None), activations)
    return Summary(type(model).__name__, rows, batch_size, memory, notes)


# --- inputs -----------------------------------------------------------------------------------------------------------


def _shapes(given: Any) -> Any:
    """A tuple of sizes for one input, or a tuple or dict of them for several."""
    if isinstance(given, Mapping):
        return {name: _shapes(one) for name, one in given.items()}
    if isinstance(given, int):
        given = (given,)
    if isinstance(given, (tuple, list)):
        if all(isinstance(size, int) and size >= 0 for size in given):
            return tuple(given)
        if all(isinstance(one, (tuple, list)) for one in given):
            return [_shapes(one) for one in given]
    raise SettingError(f"summary: {given!r} is not the shape of a sample", fix="for images: (channels, height, width)")


def _samples(shapes: Any, count: int, dtypes: Iterator[Any], device: Any) -> Any:
    """Samples of these shapes, each with the next of the dtypes."""
    if isinstance(shapes, dict):
        return {name: _samples(one, count, dtypes, device) for name, one in shapes.items()}
    if isinstance(shapes, list):
        return [_samples(one, count, dtypes, device) for one in shapes]
    dtype = next(dtypes)
    if dtype not in FLOATING:
        return zeros(count, *shapes, dtype=dtype, device=device)
    return randn(count, *shapes, dtype=dtype, device=device, generator=Generator().manual_seed(0))


def _batch_free(two: Any, three: Any) -> tuple[int | None, ...]:
    """A shape that was seen with two samples and with three, with None where it differs."""
    if three is None or len(two) != len(three):
        return tuple(two)
    return tuple(one if one == other else None for one, other in zip(two, three, strict=True))


# --- measuring --------------------------------------------------------------------------------------------------------


class _Measured:
    """A forward pass in training mode: the shapes that come out, and the memory that the tape holds afterwards."""

    def __init__(self, model: Any, inputs: Any) -> None:
        self.outputs: dict[str, tuple[int, ...]] = {}
        self.bytes: dict[str, int] = defaultdict(int)
        self._paths = {module: path for path, module in model.named_modules()}
        self._starts: list[int] = []
        self._makers: dict[int, str] = {}
        results = dry_run(model, inputs, self._before, self._after, training=True)
        known = {id(owner(one.array)) for one in (*model.parameters(), *model.buffers()) if not is_lazy(one)}
        known |= {id(owner(one.array)) for one in tensors_in(inputs)}
        for node in sorted(_nodes(results), key=lambda node: node.index):
            for array in _arrays(node):
                block = owner(array)
                if id(block) not in known:
                    known.add(id(block))
                    self.bytes[self._makers.get(node.index, "")] += block.nbytes

    def _before(self, module: Module, args: tuple[Any, ...]) -> None:
        self._starts.append(next_index())

    def _after(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        path = self._paths[module]
        for index in range(self._starts.pop(), next_index()):
            self._makers.setdefault(index, path)
        first = next(tensors_in(output), None)
        if first is not None:
            self.outputs.setdefault(path, tuple(first.shape))


def _measure(model: Any, shapes: Any, unbuilt: bool) -> tuple[_Measured, _Measured]:
    """The model with two samples and with three; of integers where it looks numbers up."""
    first = next((one for one in model.parameters() if one.dtype in FLOATING), None)
    floating, device = (get_default_dtype(), "cpu") if first is None else (first.dtype, first.device)
    looks_up = any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in model.modules())
    inputs = len(shapes) if isinstance(shapes, (list, dict)) else 1
    refused: DTypeError | None = None
    for dtypes in product((floating, "int64") if looks_up else (floating,), repeat=inputs):
        two, three = (_samples(shapes, count, iter(dtypes), device) for count in (2, 3))
        try:
            if unbuilt:
                _build(model, two)
            return _Measured(model, two), _Measured(model, three)
        except DTypeError as error:
            refused = refused or error
    assert refused is not None, "the loop returns or is refused"
    raise refused


def _build(model: Any, inputs: Any) -> None:
    if hasattr(model, "build_from"):  # a Model, which knows more to do
        model.build_from(tuple(inputs) if isinstance(inputs, list) else inputs)
    else:
        initialize(model, inputs, Generator().manual_seed(0))


def _nodes(results: Any) -> set[Node]:
    waiting = [tensor.node for tensor in tensors_in(results) if tensor.node is not None]
    met = set(waiting)
    while waiting:
        for parent in waiting.pop().parents:
            if parent not in met:
                met.add(parent)
                waiting.append(parent)
    return met


def _arrays(node: Node) -> Iterator[Any]:
    """What a node keeps for backward: saved values, and what its forward pass found on the way."""
    params = node.params.values() if isinstance(node.params, dict) else ()
    waiting: list[Any] = [node.saved, *(value.found for value in params if isinstance(value, Residue))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (tuple, list)):
            waiting += value
        elif is_array(value) and value.ndim:  # not numbers, of which there is one for all
            yield value


# --- telling ----------------------------------------------------------------------------------------------------------


def _rows(model: Any, outputs: dict[str, Any], activations: dict[str, int]) -> list[Row]:
    rows, holders = [], dict[int, str]()
    for path, module in model.named_modules():
        own = {name: one for name, one in module._parameters.items() if one is not None}
        if not is_leaf(module) and not own and not activations.get(path):
            continue
        shared = [f"{name} is that of {holders[id(one)]}" for name, one in own.items() if id(one) in holders]
        new = [one for one in own.values() if id(one) not in holders and not is_lazy(one)]
        holders |= {id(one): path for one in own.values() if id(one) not in holders}
        frozen = sum(one.size().numel() for one in new if not one.requires_grad)
        count = sum(one.size().numel() for one in new)
        start = "; ".join([text for text in (_start(module, bool(own)), *shared) if text])
        kind = type(module).__name__
        rows.append(Row(path, kind, outputs.get(path), count, frozen, start, activations.get(path, 0)))
    return rows


def _start(module: Any, has_parameters: bool) -> str:
    """How the parameters of a module began, in words."""
    if isinstance(module, Inferring):
        return "not built" if not module.built else str(module.initialization_ or "")
    return "as PyTorch's: a layer of nn" if has_parameters else ""


def _memory(model: Any, optimizer: Any, activations: dict[str, int]) -> dict[str, int | None]:
    values = [one for one in (*model.parameters(), *model.buffers()) if not is_lazy(one)]
    learned = [one for one in model.parameters() if not is_lazy(one) and one.requires_grad]
    gradients = sum(one.array.nbytes for one in learned)
    found: dict[str, int | None] = {
        "parameters": sum(one.array.nbytes for one in values),
        "gradients": gradients,
        "optimizer": _state_bytes(optimizer, gradients),
        "activations": sum(activations.values()),
    }
    return {**found, "total": sum(size or 0 for size in found.values())}


def _state_bytes(optimizer: Any, learned: int) -> int | None:
    """The bytes of an optimizer's state: those it has, or those it will have after its first step."""
    if optimizer is None:
        return 0
    if isinstance(optimizer, Unbound):
        kind, settings = optimizer.kind, optimizer.settings
    else:
        kind, settings = type(optimizer), optimizer.defaults
        if optimizer.state:
            return sum(_size(entries) for entries in optimizer.state.values())
    probe = Parameter(ones(16, 16))
    probe.grad = ones(16, 16)
    known = signature(kind).parameters
    try:
        tried = kind([probe], **{name: value for name, value in settings.items() if name in known})
        tried.step()
    except Exception:  # one that needs a closure, or more than parameters
        return None
    found = sum(_size(entries) for entries in tried.state.values())
    return found * learned // int(probe.array.nbytes)


def _size(entries: Any) -> int:
    """The bytes of the tensors of a state that have more than one entry: not of counters."""
    return sum(int(one.array.nbytes) for one in tensors_in(entries) if one.array.size > 1)


def _shown(shape: Any) -> str:
    if shape is None:
        return "-"
    sizes = ["n" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _bytes(count: int) -> str:
    """A number of bytes for people.

    >>> _bytes(12), _bytes(51200), _bytes(3_000_000)
    ('12 B', '51.2 kB', '3 MB')
    """
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.5 or unit == "GB":
            return f"{size:.3g} {unit}"
    raise AssertionError("GB is the last")
