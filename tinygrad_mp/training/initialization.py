"""Starting values for a whole model: what follows each layer, read from the tape, says how its weights begin.

Signals keep their scale through a layer of depth if the variance of its weights makes up for what the activation
behind it takes away. Which one that is, no list of layers can say of a model with branches, nested modules or
functional activations. So the model is run once, and the tape is followed from each layer's output, past what passes
signals on (dropout, normalisation, pooling, other shapes, additions), to the first thing that decides.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy

from tinygrad_mp import nn
from tinygrad_mp.backend import to_numpy
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.normalization import _InstanceNorm
from tinygrad_mp.tape import Leaf, Node
from tinygrad_mp.training.dry_run import dry_run, is_leaf, tensors_in
from tinygrad_mp.training.layers.inferring import Inferring, Weighted
from tinygrad_mp.training.layers.starting import ALONE, Choice, Initialization
from tinygrad_mp.writes import next_index

__all__ = ["Initialization", "initialize"]


def initialize(model: Any, inputs: Any, generator: Any = None) -> None:
    """Build the layers of ``model`` that are not built yet, and give them starting values.

    With ``initialization="auto"`` a layer starts by what follows it: before ReLU, LeakyReLU, PReLU, SiLU, GELU, ELU
    and their kin He normal, with the gain that keeps the mean square of signals through that activation; before SELU
    LeCun normal; before sigmoid, tanh, softmax, the next layer, or nothing, Glorot normal. A bias that a batch norm
    takes away again is left out, unless it was asked for. ``layer.initialization_`` says what was done and why.

    Layers that are built are not touched, and neither are the plain layers of ``nn``, which start as PyTorch's.

    Parameters
    ----------
    model : Module
    inputs : Tensor, or list, tuple or dict of Tensor
        A few samples; only shapes and dtypes matter.
    generator : Generator, optional
        Where the values are drawn from, layer by layer in the order of ``model.modules()``.

    Errors
    ------
    What the model raises on these inputs; its layers are then as they were.

    >>> from tinygrad_mp import ones
    >>> from tinygrad_mp.training import BatchNorm, Dense
    >>> net = nn.Sequential(Dense(64), BatchNorm(), nn.Dropout(0.5), nn.ReLU(), Dense(10))
    >>> initialize(net, ones(2, 50))
    >>> print(net[0].initialization_)
    He normal (std 0.2): before ReLU, past BatchNorm and Dropout; no bias: BatchNorm follows
    >>> print(net[4].initialization_)
    Glorot normal (std 0.1644): no activation follows
    """
    fresh = [module for module in model.modules() if _is_fresh(module)]
    if not fresh:
        return
    with building(model):
        seen = _Seen(model, inputs, fresh)
    for layer in fresh:
        if layer.built:
            if isinstance(layer, Weighted) and layer.use_bias is None and layer.bias is not None:
                norm = seen.batch_norm_after(layer)
                if norm is not None:
                    layer.drop_bias(f"{norm} follows")
            layer.start(seen.choice_for(layer), generator)


@contextmanager
def building(model: Any) -> Iterator[None]:
    """A context in which layers are built; an exception undoes that."""
    states = [(module, module.state_before()) for module in model.modules() if _is_fresh(module)]
    built = [(module, module.built) for module in model.modules() if "built" in vars(module)]
    try:
        yield
    except BaseException:
        for module, was_built in built:
            module.__dict__["built"] = was_built
        for layer, state in states:
            layer.go_back(state)
        raise


def _is_fresh(module: Any) -> bool:
    return isinstance(module, Inferring) and not module.built


# --- what a dry run saw -----------------------------------------------------------------------------------------------


class _Seen:
    """The tape of a dry run: which module made each node, and what became of each layer's output."""

    def __init__(self, model: Any, inputs: Any, layers: list[Inferring]) -> None:
        self.outputs: dict[Module, list[Node | None]] = {layer: [] for layer in layers}
        self.makers: dict[int, Module] = {}
        self.skipped: dict[Node, list[Module]] = defaultdict(list)  # what gave back the tensor of this node as it was
        self.modes = {module: module.training for module in model.modules()}
        self._open: list[tuple[int, set[Node | None]]] = []
        self._ends: list[Node] = []
        results = list(tensors_in(dry_run(model, inputs, self._before, self._after)))
        self.results = {tensor.node for tensor in results}
        self.children = children_of(self._ends + [tensor.node for tensor in results if tensor.node is not None])

    def _before(self, module: Module, args: tuple[Any, ...]) -> None:
        self._open.append((next_index(), {tensor.node for tensor in tensors_in(args)}))

    def _after(self, module: Module, args: tuple[Any, ...], output: Any) -> Any:
        start, given = self._open.pop()
        replaced = None
        if module in self.outputs and isinstance(module, Weighted):
            if output.node is None:  # frozen, so that nothing is recorded behind it
                output = replaced = output.detach().requires_grad_().clone()
            self.outputs[module].append(output.node)
        nodes = [tensor.node for tensor in tensors_in(output) if tensor.node is not None]
        self._ends += nodes
        if is_leaf(module):
            for index in range(start, next_index()):
                self.makers.setdefault(index, module)
            if not isinstance(module, nn.Identity):
                for node in nodes:
                    if node in given:
                        self.skipped[node].append(module)
        return replaced

    def name_of(self, node: Node) -> str:
        """The module that made a node, or the function."""
        maker = self.makers.get(node.index)
        return node.name() if maker is None else type(maker).__name__

    # --- what follows ---

    def choice_for(self, layer: Inferring) -> Choice:
        """What ``"auto"`` means for a layer, by what follows its first call."""
        nodes = self.outputs[layer]
        if not isinstance(layer, Weighted):
            return ALONE
        if not nodes or nodes[0] is None:
            return Choice("glorot", "what follows was not seen in the dry run")
        first = nodes[0]
        came: dict[Node, Node | None] = {first: None}
        queue = [(child.index, first.index, child, first) for child in self.children[first]]
        heapq.heapify(queue)
        while queue:
            _, _, node, before = heapq.heappop(queue)
            if node in came:
                continue
            came[node] = before
            choice = self._verdict(node, before)
            if choice is not None:
                return choice._replace(reason=f"before {choice.reason}{self._past(node, came)}")
            for child in self.children[node]:
                heapq.heappush(queue, (child.index, node.index, child, node))
        return Choice("glorot", "no activation follows")

    def _verdict(self, node: Node, before: Node) -> Choice | None:
        """What a node decides, with its name for a reason; None if signals go through it."""
        name, shown = node.name(), self.name_of(node)
        if name == "elu" and math.isclose(node.params["alpha"], _SELU_ALPHA):
            return Choice("lecun", "selu" if shown == "elu" else shown)
        if name == "sigmoid" and any(one.name() == "mul" and before in one.parents for one in self.children[node]):
            return Choice("he", "x * sigmoid(x)")
        gain = _gain(node)
        if gain is not None:
            return Choice("he", shown if gain == math.sqrt(2) else f"{shown} (gain {gain:.3g})", gain)
        if name in _LAYERS:
            return Choice("glorot", f"{shown}, with no activation between")
        return Choice("glorot", shown) if name not in _PASSES else None

    def _past(self, node: Node, came: dict[Node, Node | None]) -> str:
        """What lies between a layer's output and what decides, as ``", past BatchNorm and Dropout"``."""
        names: list[str] = []
        place, last = came[node], self.makers.get(node.index)
        while place is not None:
            names += [type(module).__name__ for module in reversed(self.skipped.get(place, ()))]
            if came[place] is not None:
                maker = self.makers.get(place.index)
                if maker is not None:
                    names.append("" if maker is last else type(maker).__name__)
                elif not (place.name() == "add" and any(isinstance(parent, Leaf) for parent in place.parents)):
                    names.append(_IN_WORDS.get(place.name(), ""))  # and a bias is not worth a word
            place = came[place]
        names = [name for i, name in enumerate(names) if name and name not in names[i + 1 :]][::-1]
        if not names:
            return ""
        return ", past " + " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))

    # --- biases ---

    def batch_norm_after(self, layer: Weighted) -> str | None:
        """The name of the batch norm that takes the layer's bias away again; None if it has an effect."""
        found: str | None = None
        for node in self.outputs[layer]:
            found = None if node is None else self._batch_norm_after(layer, node)
            if found is None:
                return None
        return found

    def _batch_norm_after(self, layer: Weighted, first: Node) -> str | None:
        axis = len(first.shape) - 1 - getattr(layer, "axes", 0)
        units = numpy.arange(first.shape[axis]).reshape(-1, *[1] * (len(first.shape) - 1 - axis))
        queue = [(first, numpy.broadcast_to(units, first.shape))]  # which unit each entry comes from
        found = None
        while queue:
            node, marks = queue.pop()
            if node in self.results or node in self.skipped or not self.children[node]:
                return None
            for child in self.children[node]:
                if child.name() in _BATCH_NORMS and child.parents[0] is node and child.shape == node.shape:
                    rows = marks.swapaxes(0, 1).reshape(marks.shape[1], -1)
                    maker = self.makers.get(child.index)
                    frozen = maker is not None and self.modes[layer] and not self.modes[maker]
                    if frozen or isinstance(maker, _InstanceNorm) or (rows != rows[:, :1]).any():
                        return None
                    found = self.name_of(child) if maker is not None else "batch_norm"
                elif child.name() in _MOVES and child.op is not None:
                    queue.append((child, child.op.call(marks, **(child.params or {}))))
                else:
                    return None
        return found


def children_of(ends: list[Node]) -> dict[Node, list[Node]]:
    """For every node that the ends depend on, those that depend on it directly."""
    children: dict[Node, list[Node]] = defaultdict(list)
    met, waiting = set(ends), list(set(ends))
    while waiting:
        node = waiting.pop()
        for parent in dict.fromkeys(node.parents):
            children[parent].append(node)
            if parent not in met:
                met.add(parent)
                waiting.append(parent)
    return children


# --- primitives -------------------------------------------------------------------------------------------------------

_SELU_ALPHA = 1.6732632423543772
_BATCH_NORMS = frozenset({"batch_norm", "scale_channels"})  # the latter by running statistics, as in evaluation
_MOVES = frozenset({"reshape", "transpose", "permute", "contiguous", "clone"})
_LIKE_RELU = frozenset({
    "relu", "clamp_min", "threshold", "elu", "celu", "silu", "gelu", "mish", "hardswish", "softplus",
})  # fmt: skip
_LAYERS = frozenset({
    "linear", "linear_without_bias", "conv2d", "conv2d_input", "matmul", "scaled_dot_product_attention", "lstm", "gru",
    "rnn",
})  # fmt: skip
_PASSES = _MOVES | _BATCH_NORMS | {
    "add", "add_into_zeros", "amax", "amin", "as_strided", "broadcast_to", "cast", "cat", "clamp_max", "diagonal",
    "diagonal_embed", "div", "flip", "fold", "fold_dim", "gather", "group_norm", "kept", "layer_norm", "masked_fill",
    "max_pick", "max_pool2d", "max_spread", "maximum", "mean", "minimum", "move", "mul", "narrow", "neg",
    "neighbour_sum", "pad", "part", "pool_spread", "pool_sum", "put", "resample", "rms_norm", "roll",
    "scatter_into_zeros", "slice", "slice_into_zeros", "slice_put", "split", "stack", "sub", "sum", "sum_to", "take",
    "tapped", "tile", "tril", "triu", "unbind", "unfold", "unfold_dim", "where", "write", "zeroed",
}  # fmt: skip
_IN_WORDS = {
    "add": "an addition", "batch_norm": "batch_norm", "scale_channels": "batch_norm", "layer_norm": "layer_norm",
    "group_norm": "group_norm", "rms_norm": "rms_norm", "max_pool2d": "max_pool", "max_pick": "max_pool",
    "pool_sum": "avg_pool", "mean": "mean", "cat": "cat",
}  # fmt: skip


def _gain(node: Node) -> float | None:
    """He's gain for a rectifier or its smooth kin; None for others.

    For a slope below zero it is ``sqrt(2 / (1 + slope**2))``: He et al., Delving deep into rectifiers, 2015, eq. 15.
    Smooth kin have that of ReLU, which they are for large signals.
    """
    name, params = node.name(), node.params or {}
    if name == "leaky_relu":
        return math.sqrt(2 / (1 + params["negative_slope"] ** 2))
    if name == "prelu":
        slopes = to_numpy(node.saved[1]) if node.saved is not None else numpy.zeros(1)
        return math.sqrt(2 / (1 + float((slopes**2).mean())))
    kinked = (
        (name == "maximum" and len(node.parents) == 1)
        or (name == "hardtanh" and params["low"] >= 0)
        or (name == "clamp" and params["min"] >= 0)
    )
    return math.sqrt(2) if kinked or name in _LIKE_RELU else None
