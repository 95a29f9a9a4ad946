"""Files of a :class:`Model`: all of it in one, without pickle, replaced in one step and checked by a digest.

What is in the file, as ``tinygrad_mp.load`` reads it::

    {"format": "tinygrad_mp.Model", "version": 1, "package": "0.1.0",
     "parameters": the state dict,
     "architecture": how to build it, with loss, metrics, regularization and optimizer; see architecture.py,
     "models": {"": {labels, the held-out rows, random state, history, and how far training is}, nested ones by path}}

Tensors that are there several times, as the weights of the best epoch, are stored once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from tinygrad_mp import saving
from tinygrad_mp.backend import to_numpy
from tinygrad_mp.errors import DataFormatError, TinygradError, UnsupportedError
from tinygrad_mp.nn.parameter import is_lazy
from tinygrad_mp.optim import Optimizer
from tinygrad_mp.tape import wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.training.architecture import state_of
from tinygrad_mp.training.history import History
from tinygrad_mp.training.rebuilding import decode, encode_checked
from tinygrad_mp.training.splitting import Split
from tinygrad_mp.training.targets import Targets
from tinygrad_mp.version import __version__

FORMAT, VERSION = "tinygrad_mp.Model", 1
_TIMES = "mM"
_REFUSALS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, TinygradError)


def save(model: Any, path: Any, training_state: bool = True) -> None:
    """See :meth:`Model.save`."""
    saving.save(contents(model, training_state), path)


def contents(model: Any, training_state: bool) -> dict[str, Any]:
    """What a file of ``model`` holds."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "package": __version__,
        "parameters": {name: value for name, value in model.state_dict().items() if not is_lazy(value)},
        "architecture": encode_checked(model),
        "models": {path: _state(one, training_state) for path, one in _models(model)},
    }


def load(path: Any, kind: type, custom: Mapping[str, Any] | None = None, map_location: Any = None) -> Any:
    """See :meth:`Model.load`; ``kind`` is the class that the model must be of."""
    content = _read(path, map_location)
    if content is None:
        raise DataFormatError(
            f"load: {path} holds tensors, but no Model",
            fix="model.load_weights(path) into a Model that is made as it was; or tinygrad_mp.load(path)",
        )
    known = {kind.__name__: kind, **_expect_names(custom)}
    model = decode(content.get("architecture", {}), known)
    if not isinstance(model, kind):
        raise DataFormatError(f"load: {path} holds a {type(model).__name__}, not a {kind.__name__}")
    try:
        states = content["models"]
        for one_path, one in _models(model):
            _take(one, states[one_path])
    except _REFUSALS as error:
        raise DataFormatError(f"load: {path} does not describe how far the model is: {state_of(error)}") from error
    return model


def _expect_names(custom: Any) -> Mapping[str, Any]:
    if custom is None:
        return {}
    if not isinstance(custom, Mapping) or not all(isinstance(name, str) for name in custom):
        raise TypeError(f"load: custom is a dict of names and classes or functions, not {custom!r:.60}")
    return custom


def load_weights(model: Any, path: Any, strict: bool = True) -> Any:
    """See :meth:`Model.load_weights`."""
    content = saving.load(path, map_location="cpu")
    if _is_model(content):
        content = _expect_version(content, path)["parameters"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DataFormatError(
            f"load_weights: {path} holds neither a Model nor a state dict",
            fix="tinygrad_mp.load(path) shows what it is",
        )
    return model.load_state_dict(content, strict=strict)


def _read(path: Any, map_location: Any) -> dict[str, Any] | None:
    """The contents of a file; None if they are no Model's."""
    content = saving.load(path, map_location=map_location)
    return _expect_version(content, path) if _is_model(content) else None


def _is_model(content: Any) -> bool:
    return isinstance(content, dict) and content.get("format") == FORMAT


def _expect_version(content: dict[str, Any], path: Any) -> dict[str, Any]:
    version = content.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        writer = content.get("package", "of unknown version")
        raise DataFormatError(
            f"load: {path} has version {version!r:.20} of the format, written by tinygrad_mp {writer!s:.40}; "
            f"this is tinygrad_mp {__version__}, which reads up to version {VERSION}",
            fix="update tinygrad_mp",
        )
    return content


def _models(model: Any) -> list[tuple[str, Any]]:
    """The model and those nested in it, with their paths."""
    return [(path, one) for path, one in model.named_modules() if hasattr(one, "session_state")]


# --- one model --------------------------------------------------------------------------------------------------------


def _state(model: Any, training_state: bool) -> dict[str, Any]:
    """What belongs to a model besides its architecture."""
    targets = model.targets
    found = {
        "classes": _labels(model.classes_),
        "targets": None if targets is None else [targets.form, list(targets.shape), _labels(targets.classes_)],
        "split": [model.split.held_out, model.split.trained],
        "generator": model.generator.get_state(),
        "history": None if model.history is None else model.history.to_dict(),
    }
    if training_state:
        found["optimizer"] = _optimizer_state(model)
        found["session"] = _session_state(model)
    return found


def _take(model: Any, state: dict[str, Any]) -> None:
    """Give a model what :func:`_state` found."""
    targets, history = state["targets"], state["history"]
    values: dict[str, Any] = {
        "classes_": _labels_again(state["classes"]),
        "split": Split(*(_of_kind(one, numpy.ndarray) for one in state["split"])),
        "history": None if history is None else History.from_dict(history),
    }
    if targets is not None:
        form, shape, labels = targets
        values["targets"] = Targets(form, tuple(map(int, shape)), _labels_again(labels))
    model.generator.set_state(state["generator"])
    for metric in model.metrics or ():
        metric.reset()
    if state.get("optimizer") is not None:
        values["optimizer"] = _optimizer_again(model, state["optimizer"])
    if state.get("session") is not None:
        values["_session_state"] = _session_again(model, state["session"])
    vars(model).update(values)


def _of_kind(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} stands where a {kind.__name__} should")
    return value


# --- labels -----------------------------------------------------------------------------------------------------------


def _labels(array: Any) -> Any:
    """Labels in a form that is stored: texts, times and Python's values as lists."""
    if array is None or array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in _TIMES:
        return {"times": array.view("int64"), "dtype": array.dtype.str}
    values = array.tolist()
    if not all(one is None or type(one) in (bool, int, float, str, bytes) for one in values):
        kinds = sorted({type(one).__name__ for one in values})
        raise UnsupportedError(
            f"save: labels of class {', '.join(kinds)} are not stored", fix="train with numbers or texts as labels"
        )
    return {"values": values, "dtype": array.dtype.str if array.dtype.kind in "US" else "O"}


def _labels_again(stored: Any) -> Any:
    if stored is None or isinstance(stored, numpy.ndarray):
        return stored
    dtype = numpy.dtype(stored["dtype"])
    if "times" in stored and dtype.kind in _TIMES:
        return stored["times"].view(dtype)
    if dtype.kind not in "USO":
        raise ValueError(f"labels of dtype {dtype}")
    return numpy.array(stored["values"], dtype)


# --- optimizer and training -------------------------------------------------------------------------------------------


def _optimizer_state(model: Any) -> dict[str, Any] | None:
    """Which parameters a bound optimizer has, by path, and its state."""
    optimizer = model.optimizer
    if not isinstance(optimizer, Optimizer):
        return None
    paths = {id(parameter): path for path, parameter in model.named_parameters()}
    groups = [[paths.get(id(parameter)) for parameter in group["params"]] for group in optimizer.param_groups]
    if any(path is None for group in groups for path in group):
        raise UnsupportedError(
            f"save: the {type(optimizer).__name__} holds tensors that are no parameters of the model",
            fix="give Model an optimizer without parameters, or save(path, training_state=False)",
        )
    return {"groups": groups, "state": optimizer.state_dict()}


def _optimizer_again(model: Any, stored: dict[str, Any]) -> Optimizer:
    """The optimizer over the same parameters; its class and settings came with the architecture."""
    groups = [{"params": [model.get_parameter(path) for path in group]} for group in stored["groups"]]
    optimizer = model.optimizer.bind(groups[0]["params"] if len(groups) == 1 else groups)
    optimizer.load_state_dict(stored["state"])
    return _of_kind(optimizer, Optimizer)  # type: ignore[no-any-return]


def _session_state(model: Any) -> dict[str, Any] | None:
    """How far the training under way, or the last one, is."""
    state = model.session_state
    if state is None:
        return None
    values = {name: tensor.detach() for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    optimizer = model.optimizer.state_dict() if isinstance(model.optimizer, Optimizer) else None
    last = _snapshot(state["last"], values, optimizer)
    best = _snapshot(state["best"], last["values"], last["optimizer"])
    return {**state, "last": last, "best": best}


def _snapshot(taken: dict[str, Any], values: Any, optimizer: Any) -> dict[str, Any]:
    """A snapshot whose tensors are the given ones where they hold the same."""
    rest = {name: one for name, one in taken.items() if name != "arrays"}
    tensors = {path: wrap(Tensor, array) for path, array in taken["arrays"].items()}
    return {**rest, "values": _shared(tensors, values), "optimizer": _shared(taken["optimizer"], optimizer)}


def _shared(value: Any, known: Any) -> Any:
    """``value``, with the tensors of ``known`` in it where they hold the same bits."""
    if isinstance(value, dict):
        return {key: _shared(one, known.get(key) if isinstance(known, dict) else None) for key, one in value.items()}
    if not isinstance(value, Tensor) or not isinstance(known, Tensor) or not value.array.size:
        return value
    same = value.device == known.device and value.dtype == known.dtype and value.shape == known.shape
    return known if same and to_numpy(value.array).tobytes() == to_numpy(known.array).tobytes() else value


def _session_again(model: Any, stored: dict[str, Any]) -> dict[str, Any]:
    held = dict([*model.named_parameters(), *model.named_buffers()])
    snapshots = {name: _snapshot_again(stored[name], held) for name in ("last", "best")}
    History.from_dict(stored["history"])
    if snapshots["last"]["epoch"] > len(stored["history"]["rows"]):
        raise ValueError("there are fewer epochs in the history than were trained")
    return {**stored, **snapshots}


def _snapshot_again(stored: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    values = stored["values"]
    if list(values) != list(held) or any(one.shape != held[path].shape for path, one in values.items()):
        raise ValueError("the weights of the training are not those of the model")
    rest = {key: one for key, one in stored.items() if key != "values"}
    return {**rest, "arrays": {path: one.array for path, one in values.items()}}
