"""What distributions of real numbers with a location and a scale have in common."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import broadcast_all

__all__ = ["LocationScale"]


class LocationScale(Distribution):
    """Base of distributions of ``loc + scale * z`` for some standard ``z``; ``loc`` is the mode."""

    arg_constraints = arguments(loc=constraints.real, scale=constraints.positive)
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mode(self) -> Any:
        return self.loc
