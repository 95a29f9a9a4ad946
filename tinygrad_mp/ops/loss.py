"""TEMPORARY stub so that the package imports; helper for losses overwrites this file."""
from typing import Any


def _later(*a: Any, **k: Any) -> Any:
    raise NotImplementedError("ops/loss.py is being written")
softmax = log_softmax = cross_entropy = nll_loss = binary_cross_entropy_with_logits = mse_loss = l1_loss = huber_loss = smooth_l1_loss = _later
