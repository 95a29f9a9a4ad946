"""``multiprocessing``: Python's own. Tensors travel between processes by pickle, as copies."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import *  # noqa: F403 - the standard library's names are this module's
from typing import Any

__all__ = [
    *multiprocessing.__all__,
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
]


def get_all_sharing_strategies() -> set[str]:
    """Of the names of PyTorch's strategies: none is used."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """The name of PyTorch's default; tensors are copied."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accepted; tensors are copied."""


def spawn(
    fn: Callable[..., None], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False
) -> Any:
    """Run ``fn(i, *args)`` in ``nprocs`` new processes; with ``join`` wait, and raise if one fails.

    Returns the processes if ``join`` is False.
    """
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in processes:
        process.start()
    if not join:
        return processes
    for process in processes:
        process.join()
    failed = [i for i, process in enumerate(processes) if process.exitcode]
    if failed:
        raise RuntimeError(f"of the processes that spawn started, {failed} failed; their errors are printed above")
    return None
