"""Optimizers, under PyTorch's names."""

from tinygrad_mp.absent import lookup
from tinygrad_mp.optim import lr_scheduler
from tinygrad_mp.optim.adam import Adam, AdamW
from tinygrad_mp.optim.lbfgs import LBFGS
from tinygrad_mp.optim.moments import Adamax, NAdam, RAdam
from tinygrad_mp.optim.optimizer import Optimizer
from tinygrad_mp.optim.sgd import SGD
from tinygrad_mp.optim.signs import ASGD, Rprop
from tinygrad_mp.optim.squares import Adadelta, Adagrad, RMSprop

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
]

__getattr__ = lookup("optim")
