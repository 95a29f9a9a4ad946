"""The cases of a primitive as a hypothesis strategy. The only module of the package that imports hypothesis."""

from __future__ import annotations

from typing import Any

import numpy
from hypothesis import strategies as st

from tinygrad_mp.registry import Op
from tinygrad_mp.testing.sampling import Case, CaseSampler, draw_case

__all__ = ["cases"]


@st.composite
def cases(draw: Any, op: Op, *, layouts: bool = True) -> Case:
    """Inputs and parameters for any registered primitive.

    Shapes, layouts and parameters are decided by hypothesis, so failing ones shrink; entries come from a seed, which
    is much faster than drawing them one by one.
    """
    entries = numpy.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sampler = CaseSampler(lambda low, high: draw(st.integers(low, high)), entries, layouts=layouts)
    return draw_case(op, sampler)
