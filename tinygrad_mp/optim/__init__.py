"""Optimizers, under PyTorch's names."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_mp.absent import missing
from tinygrad_mp.optim import lr_scheduler
from tinygrad_mp.optim.adam import Adam, AdamW
from tinygrad_mp.optim.lbfgs import LBFGS
from tinygrad_mp.optim.moments import Adamax, NAdam, RAdam
from tinygrad_mp.optim.optimizer import Optimizer
from tinygrad_mp.optim.sgd import SGD
from tinygrad_mp.optim.signs import ASGD, Rprop
from tinygrad_mp.optim.squares import Adadelta, Adagrad, RMSprop

if TYPE_CHECKING:
    from tinygrad_mp.optim import swa_utils

__all__ = [
    "ASGD",
    "LBFGS",
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
    "lr_scheduler",
    "swa_utils",
]


def __getattr__(name: str) -> Any:
    """Import ``swa_utils``, which needs the layers, when it is first asked for."""
    if name == "swa_utils":
        return import_module("tinygrad_mp.optim.swa_utils")
    raise missing("optim", name)
