"""Training and evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tinygrad_mp.nn.module import Module


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """A context after which every module is in the mode in which it was.

    >>> from tinygrad_mp import nn
    >>> net = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    >>> with modes_kept(net):
    ...     net = net.eval()
    >>> [module.training for module in net]
    [True, False]
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """A context in which a model is in evaluation mode."""
    with modes_kept(model):
        model.eval()
        yield
