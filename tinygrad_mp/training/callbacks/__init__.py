"""Callbacks: objects that a training calls at its stages, to stop it, to check it, to write down or to show it."""

from tinygrad_mp.training.callbacks.base import HOOKS, Callback, LambdaCallback, listeners
from tinygrad_mp.training.callbacks.checkpoint import ModelCheckpoint
from tinygrad_mp.training.callbacks.gradient_norm import GradientNorm
from tinygrad_mp.training.callbacks.logs import CSVLogger, JSONLLogger
from tinygrad_mp.training.callbacks.nan_guard import NaNGuard
from tinygrad_mp.training.callbacks.progress import ProgressBar
from tinygrad_mp.training.callbacks.stopping import EarlyStopping, TimeLimit
from tinygrad_mp.training.callbacks.tensorboard import TensorBoard

__all__ = [
    "HOOKS",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "GradientNorm",
    "JSONLLogger",
    "LambdaCallback",
    "ModelCheckpoint",
    "NaNGuard",
    "ProgressBar",
    "TensorBoard",
    "TimeLimit",
    "listeners",
]
