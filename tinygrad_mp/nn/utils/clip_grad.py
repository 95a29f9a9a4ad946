"""Gradients clipped, under the name of PyTorch's module; see :mod:`tinygrad_mp.gradients`."""

from tinygrad_mp.gradients import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
