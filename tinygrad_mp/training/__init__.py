"""The high-level trainer: ``Model``, its layers, losses, metrics, callbacks, and files."""

from tinygrad_mp.training.layers import (
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Embedding,
    GlobalAveragePool,
    Initialization,
    MaxPool,
    PReLU,
    Reshape,
    Softmax,
    Swish,
)

__all__ = [
    "AveragePool",
    "BatchNorm",
    "Conv",
    "Dense",
    "Embedding",
    "GlobalAveragePool",
    "Initialization",
    "MaxPool",
    "PReLU",
    "Reshape",
    "Softmax",
    "Swish",
]
