"""Figures for how good predictions are: gathered batch by batch, the same however the rows came in batches.

>>> from tinygrad_mp.training import metrics
>>> f1 = metrics.F1()
>>> f1.update([1, 1, 0], [1, 0, 0])
>>> f1.update([1], [1])
>>> f1.compute()
0.8
"""

from tinygrad_mp.training.metrics.choice import automatic, named
from tinygrad_mp.training.metrics.confusion import CohenKappa, ConfusionMatrix
from tinygrad_mp.training.metrics.labels import F1, MCC, Accuracy, BalancedAccuracy, Precision, Recall
from tinygrad_mp.training.metrics.metric import Metric
from tinygrad_mp.training.metrics.ranking import ROCAUC, AveragePrecision
from tinygrad_mp.training.metrics.scores import LogLoss, TopK
from tinygrad_mp.training.metrics.values import MAE, MSE, R2, RMSE

__all__ = [
    "F1",
    "MAE",
    "MCC",
    "MSE",
    "R2",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "CohenKappa",
    "ConfusionMatrix",
    "LogLoss",
    "Metric",
    "Precision",
    "Recall",
    "TopK",
    "automatic",
    "named",
]
