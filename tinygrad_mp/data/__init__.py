"""Data to learn from: NumPy arrays in, NumPy arrays out; nothing here knows of tensors or gradients."""

from tinygrad_mp.data.bundled import Digits, digits

__all__ = ["Digits", "digits"]
