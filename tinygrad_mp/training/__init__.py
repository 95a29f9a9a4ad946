"""The high-level trainer: ``Model``, its layers, losses, metrics, callbacks, and files."""

from tinygrad_mp.training import callbacks, layers, metrics
from tinygrad_mp.training.history import History
from tinygrad_mp.training.initialization import initialize
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
from tinygrad_mp.training.losses import (
    MAE,
    MSE,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Huber,
    ModelLoss,
)
from tinygrad_mp.training.model import Model
from tinygrad_mp.training.regularization import L1, L2, Regularization, WeightDecay
from tinygrad_mp.training.summary import Summary

__all__ = [
    "L1",
    "L2",
    "MAE",
    "MSE",
    "AveragePool",
    "BatchNorm",
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "Conv",
    "Dense",
    "Embedding",
    "GlobalAveragePool",
    "History",
    "Huber",
    "Initialization",
    "MaxPool",
    "Model",
    "ModelLoss",
    "PReLU",
    "Regularization",
    "Reshape",
    "Softmax",
    "Summary",
    "Swish",
    "WeightDecay",
    "callbacks",
    "initialize",
    "layers",
    "metrics",
]
