"""``SummaryWriter``, where PyTorch has it: that of the ``tensorboardX`` package, which takes our tensors here.

For the figures of ``Model.train`` there is the callback ``TensorBoard``, which needs no package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tinygrad_mp.backend import to_numpy
from tinygrad_mp.errors import AbsentImportError, MissingPackageError, UnsupportedError
from tinygrad_mp.tape import TensorBase


def __getattr__(name: str) -> Any:
    """Make ``SummaryWriter`` when it is first asked for."""
    if name == "SummaryWriter":
        made = globals()[name] = _summary_writer()
        return made
    if name in ("FileWriter", "RecordWriter"):
        error = AbsentImportError(
            f"tinygrad_mp.utils.tensorboard.{name} is not here", fix="use SummaryWriter, or tensorboardX itself"
        )
    else:
        raise AttributeError(f"module 'tinygrad_mp.utils.tensorboard' has no attribute {name!r}")
    error.operation, error.operands = None, ()
    raise error


def _summary_writer() -> type:
    try:
        import tensorboardX
    except ImportError:
        raise MissingPackageError(
            "SummaryWriter needs tensorboardX", fix="python -m pip install tensorboardX"
        ) from None
    base = tensorboardX.SummaryWriter
    methods: dict[str, Any] = {
        name: _taking_tensors(getattr(base, name)) for name in dir(base) if name.startswith("add_")
    }
    methods |= {
        "__doc__": "tensorboardX's ``SummaryWriter``, whose methods take our tensors too.",
        "__module__": __name__,
        "add_graph": _add_graph,
    }
    return type("SummaryWriter", (base,), methods)


def _add_graph(self: Any, model: Any, *args: Any, **kwargs: Any) -> None:
    """Refused: it needs PyTorch's tracer."""
    raise UnsupportedError("add_graph draws PyTorch's models only", fix="print(model), or model.summary()")


def _taking_tensors(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *_arrays(list(args)), **_arrays(kwargs))

    return call


def _arrays(value: Any) -> Any:
    """Tensors, also those in lists, tuples and dicts, as NumPy arrays."""
    if isinstance(value, TensorBase):
        return to_numpy(value.array)
    if type(value) in (list, tuple):
        return type(value)(map(_arrays, value))
    return {key: _arrays(part) for key, part in value.items()} if type(value) is dict else value
