"""Optimizers, under PyTorch's names."""

from typing import Any

from tinygrad_mp.optim.adam import Adam, AdamW
from tinygrad_mp.optim.moments import Adamax, NAdam, RAdam
from tinygrad_mp.optim.optimizer import Optimizer
from tinygrad_mp.optim.sgd import SGD
from tinygrad_mp.optim.signs import ASGD, Rprop
from tinygrad_mp.optim.squares import Adadelta, Adagrad, RMSprop

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
]

_LEFT_OUT = {
    "Adafactor": "AdamW, which keeps whole matrices of squares, or RMSprop",
    "Muon": "SGD with nesterov=True, or AdamW",
    "SparseAdam": "Adam: gradients are always dense here",
}


def __getattr__(name: str) -> Any:
    """Say what to use instead of an optimizer that is left out."""
    if name in _LEFT_OUT:
        raise NotImplementedError(f"optim.{name} is left out\n  fix: use {_LEFT_OUT[name]}")
    raise AttributeError(f"module 'tinygrad_mp.optim' has no attribute {name!r}")
