"""What a forward pass has found on the way and its backward pass can use, if the tape is not to record backward."""

import weakref
from typing import Any

from tinygrad_mp.grad_mode import is_grad_enabled
from tinygrad_mp.tape import TensorBase


class Residue:
    """Arrays that a forward pass found, kept for its own backward pass.

    They belong to one input array; asked about another they are not there, and are computed anew. Recorded rules never
    ask: to them these numbers would be constants.
    """

    __slots__ = ("_of", "found")

    def __init__(self) -> None:
        self._of: Any = None
        self.found: tuple[Any, ...] = ()

    def keep(self, x: Any, *found: Any) -> None:
        """Keep what was found in ``x``."""
        self._of, self.found = weakref.ref(x), found

    def of(self, x: Any) -> tuple[Any, ...] | None:
        """What was found in ``x``; None if it was another array."""
        return self.found if self._of is not None and self._of() is x else None


def residue_for(input: Any) -> Residue | None:
    """A place for a residue if there will be a backward pass to use it."""
    return Residue() if getattr(input, "node", None) is not None and is_grad_enabled() else None


def found_in(x: Any, g: Any, residue: Residue | None) -> tuple[Any, ...] | None:
    """What forward found in ``x``, for a rule that is given arrays; None if the rule must compute it anew."""
    return None if residue is None or isinstance(g, TensorBase) else residue.of(x)
