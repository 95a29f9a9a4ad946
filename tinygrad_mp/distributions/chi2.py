"""The chi-squared distribution."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import arguments
from tinygrad_mp.distributions.gamma import Gamma
from tinygrad_mp.distributions.utils import broadcast_all

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of the squares of ``df`` normal numbers.

    >>> import tinygrad_mp as tg
    >>> Chi2(2.0).log_prob(tg.tensor(1.0))
    tensor(-1.1931)
    """

    arg_constraints = arguments(df=constraints.positive)

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (self.df,) = broadcast_all(df)
        super().__init__(0.5 * self.df, 0.5, validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return type(self)(self.df.expand(tuple(batch_shape)), validate_args=self._validate_args)
