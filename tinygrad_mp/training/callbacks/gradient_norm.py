"""``GradientNorm``: how long the gradient is."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.gradients import get_total_norm
from tinygrad_mp.training.callbacks.base import Callback

__all__ = ["GradientNorm"]


class GradientNorm(Callback):
    """Add the Euclidean norm of the gradient of all parameters together, before clipping, to the figures.

    The history gets two columns: ``gradient_norm``, the mean over the batches of an epoch, and ``gradient_norm_max``,
    the largest. If the second is much larger than the first, clipping at a value between them tames rare batches; if
    both grow from epoch to epoch, the learning rate is too large.
    """

    order = -1

    def __init__(self) -> None:
        self._count, self._sum, self._largest = 0, 0.0, 0.0

    def on_epoch_begin(self, training: Any) -> None:
        """Start anew."""
        self._count, self._sum, self._largest = 0, 0.0, 0.0

    def on_gradients(self, training: Any) -> None:
        """Measure."""
        gradients = [parameter.grad for parameter in training.model.parameters() if parameter.grad is not None]
        norm = float(get_total_norm(gradients))
        self._count += 1
        self._sum += norm
        self._largest = norm if norm != norm else max(self._largest, norm)  # NaN stays

    def on_epoch_end(self, training: Any) -> None:
        """Report."""
        if self._count:
            training.logs["gradient_norm"] = self._sum / self._count
            training.logs["gradient_norm_max"] = self._largest
