"""Metrics by name, and those that are used where none are given."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from tinygrad_mp.errors import SettingError
from tinygrad_mp.training.metrics.confusion import CohenKappa, ConfusionMatrix
from tinygrad_mp.training.metrics.labels import F1, MCC, Accuracy, BalancedAccuracy, Precision, Recall
from tinygrad_mp.training.metrics.metric import Metric
from tinygrad_mp.training.metrics.ranking import ROCAUC, AveragePrecision
from tinygrad_mp.training.metrics.scores import LogLoss, TopK
from tinygrad_mp.training.metrics.values import MAE, MSE, R2, RMSE

__all__ = ["automatic", "named"]

_NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "average_precision": AveragePrecision,
    "balanced_accuracy": BalancedAccuracy,
    "cohen_kappa": CohenKappa,
    "confusion_matrix": ConfusionMatrix,
    "f1": F1,
    "log_loss": LogLoss,
    "mae": MAE,
    "mcc": MCC,
    "mse": MSE,
    "precision": Precision,
    "r2": R2,
    "recall": Recall,
    "rmse": RMSE,
    "roc_auc": ROCAUC,
    "top_5_accuracy": TopK,
}
for _averaged in (F1, Precision, Recall):
    for _average in ("macro", "micro", "weighted"):
        _NAMED[f"{_averaged.base_name}_{_average}"] = lambda make=_averaged, average=_average: make(average)  # type: ignore[misc]

# Other words for the same, without underscores, as users write them.
_ALSO = {
    "acc": "accuracy",
    "auc": "roc_auc",
    "crossentropy": "log_loss",
    "f1score": "f1",
    "kappa": "cohen_kappa",
    "matthews": "mcc",
    "matthewscorrcoef": "mcc",
    "meanabsoluteerror": "mae",
    "meansquarederror": "mse",
    "r2score": "r2",
    "rootmeansquarederror": "rmse",
    "rsquared": "r2",
    "topk": "top_5_accuracy",
}
_TASKS: dict[str, tuple[Callable[[], Metric], ...]] = {
    "regression": (RMSE, R2),
    "binary": (Accuracy, F1),
    "multiclass": (Accuracy, F1),
    "multilabel": (Accuracy, F1),
}


def named(name: str) -> Metric:
    """Return a new metric for a name such as "accuracy", "f1_macro", "top_3_accuracy" or "ROC AUC".

    Capitals, spaces, hyphens and underscores do not matter.

    Errors
    ------
    SettingError for an unknown name, with the nearest and all known ones.

    >>> from tinygrad_mp.training.metrics import named
    >>> named("Top-3 accuracy"), named("f1_macro")
    (TopK(k=3), F1(average='macro'))
    """
    if not isinstance(name, str):
        raise SettingError(
            f"a metric's name is a str, and {name!r} is a {type(name).__name__}", fix="named('accuracy')"
        )
    word = re.sub(r"[\s_-]+", "", name.lower())
    top = re.fullmatch(r"top(\d+)(accuracy|acc)?", word)
    if top and int(top[1]):
        return TopK(int(top[1]))
    words = {known.replace("_", ""): known for known in _NAMED} | _ALSO
    if word in words:
        return _NAMED[words[word]]()
    near = difflib.get_close_matches(word, words, n=1)
    guess = f"did you mean {words[near[0]]!r}? " if near else ""
    raise SettingError(f"no metric is named {name!r}", fix=f"{guess}known: {', '.join(sorted(_NAMED))}")


def automatic(task: str) -> list[Metric]:
    """Return new metrics for a task: "regression", "binary", "multiclass" or "multilabel".

    RMSE and R2 for numbers; accuracy and F1 for classes: F1 of the positive class where there are two, otherwise the
    mean of the classes'.

    >>> from tinygrad_mp.training.metrics import automatic
    >>> automatic("binary")
    [Accuracy(), F1()]
    """
    if task not in _TASKS:
        raise SettingError(f"there is no task {task!r}", fix=f"one of {', '.join(_TASKS)}")
    return [make() for make in _TASKS[task]]
