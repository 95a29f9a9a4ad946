"""Data to learn from: NumPy arrays in, NumPy arrays out; nothing here knows of tensors or gradients."""

from tinygrad_mp.data.bundled import Digits, digits
from tinygrad_mp.data.fashion import FashionMNIST, fashion_mnist
from tinygrad_mp.data.idx import read_idx

__all__ = ["Digits", "FashionMNIST", "digits", "fashion_mnist", "read_idx"]
