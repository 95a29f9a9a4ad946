"""The high-level trainer: ``Model``, its layers, losses, metrics, callbacks, and files."""

from tinygrad_mp.training import callbacks, layers, metrics
from tinygrad_mp.training.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    GradientNorm,
    JSONLLogger,
    LambdaCallback,
    ModelCheckpoint,
    NaNGuard,
    ProgressBar,
    TensorBoard,
    TimeLimit,
)
from tinygrad_mp.training.diagnosis import Diagnosis, diagnose
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
from tinygrad_mp.training.names import register
from tinygrad_mp.training.rate_finder import RateFinding, find_learning_rate
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
    "CSVLogger",
    "Callback",
    "CategoricalCrossEntropy",
    "Conv",
    "Dense",
    "Diagnosis",
    "EarlyStopping",
    "Embedding",
    "GlobalAveragePool",
    "GradientNorm",
    "History",
    "Huber",
    "Initialization",
    "JSONLLogger",
    "LambdaCallback",
    "MaxPool",
    "Model",
    "ModelCheckpoint",
    "ModelLoss",
    "NaNGuard",
    "PReLU",
    "ProgressBar",
    "RateFinding",
    "Regularization",
    "Reshape",
    "Softmax",
    "Summary",
    "Swish",
    "TensorBoard",
    "TimeLimit",
    "WeightDecay",
    "callbacks",
    "diagnose",
    "find_learning_rate",
    "initialize",
    "layers",
    "metrics",
    "register",
]
