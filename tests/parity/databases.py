"""PyTorch's own databases of sample inputs, which ship inside its wheel; read at run time, never copied."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy
import pytest

torch = pytest.importorskip("torch", reason="parity is with PyTorch, which is not importable here")
pytest.importorskip("expecttest", reason="PyTorch's databases of samples need it: pip install expecttest")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_modules import module_db
    from torch.testing._internal.common_optimizers import optim_db


def op_key(op: Any) -> str:
    """The name of an entry of ``op_db``, its variant after a colon."""
    return f"{op.name}:{op.variant_test_name}" if op.variant_test_name else str(op.name)


OPS: dict[str, Any] = {op_key(op): op for op in op_db}
MODULES: dict[str, Any] = {info.module_cls.__name__: info for info in module_db}
OPTIMIZERS: dict[str, Any] = {info.optim_cls.__name__: info for info in optim_db}


def seed_all(seed: int = 0) -> None:
    """The same samples at every run, whatever ran before."""
    torch.manual_seed(seed)
    numpy.random.seed(seed)
    random.seed(seed)


def spread(samples: list[Any], limit: int | None) -> list[tuple[int, Any]]:
    """At most ``limit`` of the samples with their numbers: the first, the last, and evenly between."""
    numbered = list(enumerate(samples))
    if limit is None or len(numbered) <= limit:
        return numbered
    chosen = numpy.unique(numpy.linspace(0, len(numbered) - 1, limit).round().astype(int))
    return [numbered[position] for position in chosen]
