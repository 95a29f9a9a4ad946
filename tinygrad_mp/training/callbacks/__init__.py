"""Callbacks: objects that a training calls at its stages, to stop it, to check it, to write down or to show it."""

from tinygrad_mp.training.callbacks.base import HOOKS, Callback, LambdaCallback, listeners
from tinygrad_mp.training.callbacks.nan_guard import NaNGuard
from tinygrad_mp.training.callbacks.progress import ProgressBar
from tinygrad_mp.training.callbacks.stopping import EarlyStopping, TimeLimit

__all__ = [
    "HOOKS",
    "Callback",
    "EarlyStopping",
    "LambdaCallback",
    "NaNGuard",
    "ProgressBar",
    "TimeLimit",
    "listeners",
]
