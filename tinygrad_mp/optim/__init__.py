"""Optimizers, under PyTorch's names."""

from tinygrad_mp.optim.adam import Adam, AdamW
from tinygrad_mp.optim.optimizer import Optimizer
from tinygrad_mp.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]
