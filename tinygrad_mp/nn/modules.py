"""``nn.modules``: where PyTorch keeps its layers. Here they are in :mod:`tinygrad_mp.nn`; programs find them in both.

PyTorch has a module for each family, such as ``nn.modules.conv``. Each is made here, with all layers and with those
names that begin with an underscore and that programs use nevertheless: to tell what is a convolution, for instance.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from tinygrad_mp import nn
from tinygrad_mp.nn import convolution, losses, normalization, pooling

_LAYERS = {name: getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), type)}


def _ntuple(count: int) -> Callable[[Any], tuple[Any, ...]]:
    """A function that makes ``count`` equal entries of one value, and a tuple of an iterable.

    >>> _ntuple(2)(3), _ntuple(2)([1, 2])
    ((3, 3), (1, 2))
    """
    return lambda value: tuple(value) if isinstance(value, Iterable) else (value,) * count


_PRIVATE: dict[str, dict[str, Any]] = {
    "batchnorm": {"_BatchNorm": normalization._BatchNorm, "_NormBase": normalization._Tracking},
    "conv": {"_ConvNd": convolution._Convolution, "_ConvTransposeNd": convolution._Transposed},
    "instancenorm": {"_InstanceNorm": normalization._InstanceNorm},
    "loss": {"_Loss": losses.Loss, "_WeightedLoss": losses.WeightedLoss},
    "pooling": {"_MaxPoolNd": pooling._MaxPool},
    "utils": {
        "_ntuple": _ntuple, "_single": _ntuple(1), "_pair": _ntuple(2), "_triple": _ntuple(3), "_quadruple": _ntuple(4),
    },
}  # fmt: skip


def _make(name: str, private: dict[str, Any]) -> ModuleType:
    made = ModuleType(f"{__name__}.{name}", f"``nn.modules.{name}``: see :mod:`tinygrad_mp.nn`.")
    vars(made).update(_LAYERS, **private)
    return made


for _name in (
    "activation", "batchnorm", "container", "conv", "distance", "dropout", "flatten", "fold", "instancenorm", "linear",
    "loss", "module", "normalization", "padding", "pixelshuffle", "pooling", "rnn", "sparse", "transformer",
    "upsampling", "utils",
):  # fmt: skip
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _make(_name, _PRIVATE.get(_name, {}))
globals().update(_LAYERS)
