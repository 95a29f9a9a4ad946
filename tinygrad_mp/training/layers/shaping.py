"""``Reshape``: another shape for each sample."""

from __future__ import annotations

import math
import operator
from typing import Any

from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn.module import Module


class Reshape(Module):
    """Give each sample another shape; the batch axis stays.

    Parameters
    ----------
    *shape : int, or one tuple
        The axes of a sample; one of them may be -1: what is left.

    Shapes
    ------
    x : (n, ...) -> (n, *shape)

    Errors
    ------
    SettingError for sizes that make no shape; ShapeError for a sample that cannot have it.

    >>> from tinygrad_mp import ones
    >>> Reshape(1, 4, 4)(ones(2, 16)).shape, Reshape(-1, 2)(ones(2, 16)).shape
    (Size([2, 1, 4, 4]), Size([2, 8, 2]))
    """

    def __init__(self, *shape: Any) -> None:
        super().__init__()
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        self.shape = tuple(operator.index(size) for size in given)
        if self.shape.count(-1) > 1 or any(size < -1 for size in self.shape):
            raise SettingError(f"Reshape: {self.shape} is no shape: sizes are 0 or more, and one may be -1")

    def forward(self, input: Any) -> Any:
        before, known = tuple(input.shape), math.prod(size for size in self.shape if size >= 0)
        each = math.prod(before[1:])
        fits = known and each % known == 0 if -1 in self.shape else known == each
        if not before or not fits:
            error = ShapeError(f"samples of shape {before[1:]} cannot have the shape {self.shape}")
            error.locate("Reshape", (("input", input),))
            raise error
        shape = tuple(each // known if size < 0 else size for size in self.shape)
        return input.reshape((before[0], *shape))

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.shape))
