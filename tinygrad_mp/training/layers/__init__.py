"""Layers that find out the sizes of their input at first sight; they are the modules of ``nn`` underneath."""

from tinygrad_mp.nn import (
    CELU,
    ELU,
    GELU,
    SELU,
    Dropout,
    Flatten,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from tinygrad_mp.training.layers.activations import PReLU, Softmax
from tinygrad_mp.training.layers.convolution import Conv
from tinygrad_mp.training.layers.dense import Dense, Embedding
from tinygrad_mp.training.layers.inferring import Inferring
from tinygrad_mp.training.layers.normalization import BatchNorm
from tinygrad_mp.training.layers.pooling import AveragePool, GlobalAveragePool, MaxPool
from tinygrad_mp.training.layers.shaping import Reshape
from tinygrad_mp.training.layers.starting import Initialization

Swish = SiLU
"""``x * sigmoid(x)``, by the name that Ramachandran, Zoph and Le gave it."""

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "AveragePool",
    "BatchNorm",
    "Conv",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool",
    "Hardswish",
    "Inferring",
    "Initialization",
    "LeakyReLU",
    "LogSoftmax",
    "MaxPool",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Swish",
    "Tanh",
]
