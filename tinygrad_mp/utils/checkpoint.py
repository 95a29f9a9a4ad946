"""``utils.checkpoint``: the functions that in PyTorch trade time for memory; here they call what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp.absent import lookup

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    preserve_rng_state: bool = True,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, with the same values and gradients as in PyTorch.

    Nothing is computed anew in the backward pass, so no memory is saved. The other parameters change nothing.

    >>> from tinygrad_mp import tensor
    >>> checkpoint(lambda x: x * 2, tensor([1.0]), use_reentrant=False)
    tensor([2.])
    """
    return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """The functions, or the layers of a Sequential, one after the other; as :func:`checkpoint`.

    >>> from tinygrad_mp import tensor
    >>> checkpoint_sequential([lambda x: x + 1, lambda x: x * 2], 2, tensor([1.0]))
    tensor([4.])
    """
    for function in functions:
        input = function(input)
    return input


__getattr__ = lookup("utils.checkpoint")
