"""Stands where PyTorch has its writer of TensorBoard's event files, and says what to use instead."""

from typing import Any

from tinygrad_mp.errors import AbsentImportError


def __getattr__(name: str) -> Any:
    """Say what to use instead of ``SummaryWriter``."""
    if name not in ("SummaryWriter", "FileWriter", "RecordWriter"):
        raise AttributeError(f"module 'tinygrad_mp.utils.tensorboard' has no attribute {name!r}")
    error = AbsentImportError(
        f"tinygrad_mp.utils.tensorboard.{name} is not here: it writes TensorBoard's files, which need its package",
        fix="use tensorboardX.SummaryWriter, which takes numbers and NumPy arrays, or matplotlib",
    )
    error.operation, error.operands = None, ()
    raise error
