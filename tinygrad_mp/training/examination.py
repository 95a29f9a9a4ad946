"""Some batches, forward and backward, and what there is to measure: activations, gradients, outputs, the loss.

What is an activation is read from the tape, so that ``F.relu`` counts like ``nn.ReLU``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy

from tinygrad_mp import autograd, nn
from tinygrad_mp.backend import to_numpy, xp
from tinygrad_mp.backend.random_bits import drawing_from
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.nn.normalization import _BatchNorm
from tinygrad_mp.tape import Node, wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training.dry_run import is_leaf, tensors_in
from tinygrad_mp.training.feeds import Batch
from tinygrad_mp.training.initialization import children_of
from tinygrad_mp.training.scores import predicted_classes
from tinygrad_mp.training.targets import Targets
from tinygrad_mp.writes import next_index

_AS_THEY_ARE = frozenset({"reshape", "transpose", "permute", "contiguous", "clone", "cast", "cat", "pad", "flip"})
"""Primitives that give the same numbers, in another form."""
_WEIGHT_FIRST = frozenset({"linear", "linear_without_bias", "matmul"})  # their units are on the last axis
_CONVOLUTIONS = frozenset({"conv2d", "conv2d_input"})
_TAKE_IN = _WEIGHT_FIRST | _CONVOLUTIONS | {"lstm", "gru", "rnn"}
_ENOUGH = 8  # samples from which the mean of targets says something


@dataclass
class Activation:
    """What came out of an activation. ``flat`` says of each unit whether it gave its limit for every sample so far.

    ``role``: ``"rectifier"``, which is flat on one side, so that a unit can die; or ``"squasher"``, flat on both.
    """

    place: str
    kind: str
    role: str
    flat: Any
    limited: int = 0
    entries: int = 0

    @property
    def units(self) -> int:
        """How many there are: features, or channels."""
        return int(self.flat.size)

    @property
    def dead(self) -> int:
        """How many units of a rectifier gave nothing for any sample."""
        return int(self.flat.sum()) if self.role == "rectifier" else 0

    @property
    def saturated(self) -> float:
        """Which share of the entries lies at a limit of a squasher."""
        return self.limited / max(self.entries, 1) if self.role == "squasher" else 0.0


@dataclass
class Layer:
    """The parameters of one module, and the mean gradient of them: Euclidean norms. ``matrix``: has a weight."""

    place: str
    matrix: bool
    weight_norm: float
    gradient_norm: float = 0.0

    @property
    def ratio(self) -> float:
        """The gradient's norm over the weights'; NaN for weights that are 0."""
        return self.gradient_norm / self.weight_norm if self.weight_norm else math.nan


class Examination:
    """What was measured.

    Attributes
    ----------
    samples, sizes : how many samples, and the batches
    activations : dict of place to Activation, in the order of their first batch
    layers : list of Layer, in the order of the forward pass
    unreached : list of str
        The parameters that the loss does not depend on.
    loss, chance : float
        The mean loss, and what knows nothing would have; NaN where that is unknown.
    outputs, true : array or None
        All outputs, and the targets as the loss takes them.
    straight : list of bool
        Of each input, whether a layer with weights takes it as it is.
    last : (place, primitive) or None
        What made the outputs.
    bad : (place, what) or None
        The first output or gradient that is not finite.
    """

    def __init__(self, model: Any, targets: Targets | None) -> None:
        self.model, self.targets = model, targets
        self.sizes: list[int] = []
        self.activations: dict[str, Activation] = {}
        self.layers: list[Layer] = []
        self.unreached: list[str] = []
        self.straight: list[bool] = []
        self.last: tuple[str, str] | None = None
        self.bad: tuple[str, str] | None = None
        self.predicted: Any = None
        self.outputs: Any = None
        self.true: Any = None
        self.loss = self.chance = math.nan
        self._paths = {module: name for name, module in model.named_modules()}
        self._gradients: dict[str, Any] = {}
        self._order: dict[str, int] = {}
        self._made: list[tuple[Any, Any, float, float]] = []

    @property
    def samples(self) -> int:
        """How many were run."""
        return sum(self.sizes)

    def run(self, batches: Iterable[Batch]) -> None:
        """Look at some batches, in training mode. The model is not left as it was: see ``untouched``."""
        with enable_grad(), drawing_from(self.model.generator.stream):
            for batch in batches:
                nn.Module.train(self.model)
                if batch.size == 1:
                    for module in self.model.modules():
                        if isinstance(module, _BatchNorm):
                            module.eval()  # there is nothing to normalise by
                self._run(batch)
        self._conclude()

    def _run(self, batch: Batch) -> None:
        model, watch = self.model, _Watch(self._paths)
        values = batch.inputs.values() if isinstance(batch.inputs, dict) else batch.inputs
        tracked = [one.detach().requires_grad_().clone() if one.dtype.kind == "f" else one for one in values]
        with ExitStack() as hooks:
            for module in self._paths:
                hooks.enter_context(module.register_forward_pre_hook(watch.before))
                hooks.enter_context(module.register_forward_hook(watch.after))
            names = list(batch.inputs) if isinstance(batch.inputs, dict) else None
            outputs = model.run(dict(zip(names, tracked, strict=True)) if names is not None else tuple(tracked))
        self.sizes.append(batch.size)
        self.bad = self.bad or watch.bad
        loss = None if batch.targets is None else model.loss(outputs, batch.targets, batch.weight)
        end = outputs.node if loss is None else loss.node
        children = {} if end is None else children_of([end])
        self._see_activations(watch, children, outputs.node)
        self.straight = [_reaches_weights(one.node, children) for one in tracked]
        self.last = _maker_of(outputs.node, watch)
        value = math.nan if loss is None else loss.item()
        if loss is not None and end is not None:
            self._see_gradients(loss, children)
        if loss is not None and not math.isfinite(value):
            self.bad = self.bad or ("loss", f"the loss is {value:g}, of outputs that are finite")
        chance = math.nan if self.bad or loss is None else self._chance(outputs, batch)
        encoded = None if batch.targets is None else to_numpy(batch.targets.array)
        self._made.append((to_numpy(outputs.array), encoded, value, chance))

    # --- activations ---

    def _see_activations(self, watch: _Watch, children: dict[Node, list[Node]], end: Node | None) -> None:
        met: Counter[str] = Counter()
        for node in sorted({one for many in children.values() for one in many}, key=lambda one: one.index):
            found = _flat(node)
            if found is None:
                continue
            role, flat = found
            if role == "squasher" and (_only_gates(node, children) or _is_end(node, end, children)):
                continue
            place = watch.place_of(node)
            met[place] += 1
            if met[place] > 1:
                place = f"{place} ({met[place]})"
            flat = to_numpy(flat)
            axis = _unit_axis(node)
            others = tuple(i for i in range(flat.ndim) if i != axis)
            units = flat.all(axis=others) if axis is not None else numpy.array([flat.all()])
            known = self.activations.setdefault(place, Activation(place, node.name(), role, units))
            if known.flat.shape == units.shape:  # else another graph, or a width that varies
                known.flat = known.flat & units
                known.limited += int(flat.sum())
                known.entries += flat.size

    # --- gradients ---

    def _see_gradients(self, loss: Any, children: dict[Node, list[Node]]) -> None:
        wanted = {name: one for name, one in self.model.named_parameters() if one.requires_grad}
        if not wanted:
            return
        for name, one in wanted.items():
            users = children.get(one.node)
            if users:
                self._order.setdefault(name, min(node.index for node in users))
        gradients = autograd.grad(loss, list(wanted.values()), allow_unused=True)
        for name, gradient in zip(wanted, gradients, strict=True):
            if gradient is None:
                continue
            array = gradient.array
            if self.bad is None and not bool(xp(array).isfinite(array).all()):
                self.bad = (name, "its gradient is not finite, though the loss is")
            array = array.astype(numpy.float64) if array.dtype.kind == "f" else array
            known = self._gradients.get(name)
            self._gradients[name] = array if known is None else known + array

    def _conclude(self) -> None:
        if not self._made:
            return
        passes = len(self._made)
        weights = numpy.array(self.sizes) / self.samples
        self.loss, self.chance = (float((weights * [made[i] for made in self._made]).sum()) for i in (2, 3))
        if len({made[0].shape[1:] for made in self._made}) == 1:
            self.outputs = numpy.concatenate([made[0] for made in self._made])
            if self.targets is not None:
                self.true = numpy.concatenate([made[1] for made in self._made])
                if self.targets.task in ("binary", "multiclass") and self.bad is None:
                    with no_grad():
                        self.predicted = predicted_classes(self.model.loss, self.targets, self.outputs).ravel()
        parameters = {name: one for name, one in self.model.named_parameters() if one.requires_grad}
        if self.targets is not None:
            self.unreached = [name for name in parameters if name not in self._gradients]
        groups: dict[str, list[str]] = {}
        for name in sorted(self._gradients, key=lambda name: self._order.get(name, math.inf)):
            groups.setdefault(name.rpartition(".")[0], []).append(name)
        for place, names in groups.items():
            matrix = any(parameters[name].ndim > 1 for name in names)
            weight = math.hypot(*(_norm(parameters[name].array) for name in names))
            gradient = math.hypot(*(_norm(self._gradients[name]) / passes for name in names))
            self.layers.append(Layer(place, matrix, weight, gradient))

    # --- the loss ---

    def _chance(self, outputs: Any, batch: Batch) -> float:
        """The loss of outputs that do not look at the inputs: all classes alike, or the mean of the targets."""
        loss, array = self.model.loss, outputs.array
        space = xp(array)
        if loss.kind == "classes":
            guess = space.full(array.shape, -math.log(max(array.shape[1], 1)))  # as logits and as logarithms
        elif loss.kind == "binary":
            is_plain = isinstance(getattr(loss, "function", None), nn.BCELoss)
            guess = space.full(array.shape, 0.5 if is_plain else 0.0)
        elif batch.size < _ENOUGH or batch.targets.array.shape != array.shape:
            return math.nan
        else:
            guess = space.broadcast_to(batch.targets.array.mean(axis=0), array.shape)
        with no_grad():
            made = loss(wrap(Tensor, guess.astype(array.dtype)), batch.targets, batch.weight)
        return float(made.item())


class _Watch:
    """Which module made each node, and the first output that is not finite."""

    def __init__(self, paths: dict[Any, str]) -> None:
        self.paths = paths
        self.makers: dict[int, Any] = {}
        self.bad: tuple[str, str] | None = None
        self._open: list[int] = []

    def before(self, module: Any, args: Any) -> None:
        self._open.append(next_index())

    def after(self, module: Any, args: Any, output: Any) -> None:
        for index in range(self._open.pop(), next_index()):
            self.makers.setdefault(index, module)  # the innermost ends first
        for tensor in () if self.bad else tensors_in(output):
            array = tensor.array
            if array.dtype.kind == "f":
                count = array.size - int(xp(array).isfinite(array).sum())
                if count:
                    place = self.paths[module] or "outputs"
                    self.bad = (place, f"{count} of {array.size} of its outputs are not finite")

    def place_of(self, node: Node) -> str:
        """The path of the module that made a node; for a function, of that around it, and the function's name."""
        module = self.makers.get(node.index)
        path = "" if module is None else self.paths[module]
        if module is not None and path and is_leaf(module):
            return path
        return f"{path}: {node.name()}" if path else node.name()


def _norm(array: Any) -> float:
    return float(xp(array).linalg.norm(array.ravel().astype(numpy.float64) if array.dtype.kind == "f" else array))


# --- what a node is ---------------------------------------------------------------------------------------------------


def _flat(node: Node) -> tuple[str, Any] | None:
    """The role of an activation, and where its output is at a limit; None for other nodes."""
    name, saved, params = node.name(), node.saved, node.params or {}
    if saved is None or node.op is None or not saved:
        return None
    x = saved[0]
    out: Any = saved[len(node.op.input_names)] if len(saved) > len(node.op.input_names) else None
    if name == "relu":
        return "rectifier", out == 0
    if name == "clamp_min":
        return "rectifier", xp(x).broadcast_to(x <= saved[1], node.shape)
    if name == "maximum":
        return _flat_maximum(node, saved)
    if name == "threshold":
        return "rectifier", x <= params["threshold"]
    if name in ("hardswish", "gelu"):
        return "rectifier", x <= (-3 if name == "hardswish" else -5)  # GELU gives less than 2e-6 there
    if name in ("hardtanh", "clamp"):
        low, high = (params["low"], params["high"]) if name == "hardtanh" else (params["min"], params["max"])
        return ("rectifier", x <= low) if low >= 0 else ("squasher", (x <= low) | (x >= high))
    if name == "sigmoid":
        return "squasher", (out < 0.01) | (out > 0.99)
    if name == "tanh":
        return "squasher", abs(out) > 0.99
    return ("squasher", abs(x) >= 3) if name == "hardsigmoid" else None


def _flat_maximum(node: Node, saved: Any) -> tuple[str, Any] | None:
    """A maximum with one number is a rectifier."""
    x, y = saved[:2]
    if len(node.parents) != 1 or x is None or y is None:
        return None
    for value, bound in ((x, y), (y, x)):
        if value.shape == tuple(node.shape) and bound.size and bool((bound == bound.ravel()[0]).all()):
            return "rectifier", value <= bound
    return None


def _only_gates(node: Node, children: dict[Node, list[Node]]) -> bool:
    """Whether a sigmoid or the like multiplies another signal: there it may well be 0 or 1."""
    users = children.get(node, [])
    return bool(users) and all(one.name() == "mul" and len(one.parents) > 1 for one in users)


def _is_end(node: Node, end: Node | None, children: dict[Node, list[Node]]) -> bool:
    """Whether a node's entries are the outputs, which a trained model may well be sure of."""
    while node is not end:
        users = [one for one in children.get(node, []) if one.name() in _AS_THEY_ARE]
        if not users:
            return False
        node = users[0]
    return True


def _unit_axis(node: Node) -> int | None:
    """Which axis counts units: the last behind a dense layer, the second behind a convolution."""
    axes = len(node.shape)
    if axes < 2:
        return None
    if axes == 2:
        return 1
    place = node
    while place.parents and place.name() not in _TAKE_IN:
        place = place.parents[0]
    return axes - 1 if place.name() in _WEIGHT_FIRST or (axes == 3 and place.name() not in _CONVOLUTIONS) else 1


def _reaches_weights(node: Node | None, children: dict[Node, list[Node]]) -> bool:
    """Whether a layer takes these numbers as they are, not scaled or normalised."""
    waiting = [] if node is None else [node]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child.name() in _TAKE_IN:
                return True
            if child.name() in _AS_THEY_ARE or (child.name() == "mul" and len(child.parents) == 1):  # dropout
                waiting.append(child)
    return False


def _maker_of(node: Node | None, watch: _Watch) -> tuple[str, str] | None:
    """The place and the primitive of what made the outputs, other shapes aside."""
    while node is not None and node.name() in _AS_THEY_ARE and node.parents:
        node = node.parents[0]
    return None if node is None or not node.parents else (watch.place_of(node), node.name())
