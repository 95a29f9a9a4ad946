"""What stands around models: loading data."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_mp.absent import missing

if TYPE_CHECKING:
    from tinygrad_mp.utils import checkpoint, data, tensorboard

__all__ = ["checkpoint", "data", "tensorboard"]


def __getattr__(name: str) -> Any:
    """Import these when they are first asked for."""
    if name in __all__:
        return import_module(f"tinygrad_mp.utils.{name}")
    raise missing("utils", name)
