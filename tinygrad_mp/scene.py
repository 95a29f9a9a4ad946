"""What an error tells beyond its own words, read from the stack: the user's line, the function, operands, the layer."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections.abc import Sequence
from itertools import islice, zip_longest
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["Scene", "describe", "look", "user_location"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep

# --- what an operand looks like --------------------------------------------------------------------------------------


def describe(value: Any) -> str:
    """Return ``value`` as an error shows it: shape, dtype and device of an array, otherwise a short repr.

    >>> import numpy
    >>> describe(numpy.zeros((2, 3), dtype="float32"))
    '(2, 3)  float32  cpu'
    >>> describe(2.5)
    '2.5  float'
    """
    return "  ".join(_columns(value))


def _is_array(value: Any) -> bool:
    array = getattr(value, "array", value)
    return hasattr(array, "shape") and hasattr(array, "dtype") and not isinstance(value, type)


def _columns(value: Any) -> tuple[str, ...]:
    if _is_array(value):
        array = getattr(value, "array", value)
        device = getattr(value, "device", None) or getattr(array, "device", "cpu")
        return str(tuple(array.shape)), str(array.dtype), str(device)
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "...", type(value).__name__


def _table(operands: Sequence[tuple[str, Any]], written: Sequence[Sequence[_Written]]) -> tuple[str, ...]:
    """A line for each operand: its name, how the user wrote it if that says more, and what it is."""
    texts = [one[0].text_of(value) if one else "" for one, (_, value) in zip(written, operands, strict=True)]
    texts = ["" if t in (name, _columns(value)[0]) else t for t, (name, value) in zip(texts, operands, strict=True)]
    rows = [
        (name, *((text,) if any(texts) else ()), *_columns(value))
        for (name, value), text in zip(operands, texts, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=False)] for row in rows)
    return tuple("  ".join(cells).rstrip() for cells in padded)


# --- what happened, read from the stack ------------------------------------------------------------------------------

_RUNS_LAYERS = ("forward", "__call__", "_call_with_hooks")  # methods of a layer that say nothing of the operation
_AS_OPERATOR = {
    "Add": "add", "Sub": "sub", "Mult": "mul", "Div": "div", "MatMult": "matmul", "Pow": "pow", "Mod": "remainder",
    "FloorDiv": "floor_divide", "BitAnd": "bitwise_and", "BitOr": "bitwise_or", "BitXor": "bitwise_xor",
    "Lt": "lt", "LtE": "le", "Gt": "gt", "GtE": "ge", "Eq": "eq", "NotEq": "ne",
}  # fmt: skip


class _Written(NamedTuple):
    """An operand as it stands in the user's source; ``value`` is what its name holds, if it is just a name."""

    text: str
    is_name: bool
    value: Any

    def text_of(self, value: Any) -> str:
        return self.text if not self.is_name or self.value is value else ""


class Scene(NamedTuple):
    """Where an error happened, in which function of the package, and how the user wrote the call."""

    place: str | None = None
    name: str | None = None
    arrays: tuple[tuple[int, tuple[str, Any]], ...] = ()
    written_as: str | None = None
    written: tuple[_Written, ...] = ()

    def texts_for(self, operation: str | None) -> tuple[_Written, ...]:
        """What the user wrote, if it is ``operation`` that the user called."""
        called = self.written_as or self.name
        return self.written if operation and called and operation.strip("_") == called.strip("_") else ()

    def is_named_in(self, problem: str) -> bool:
        """Whether a text says already which function it was."""
        return self.name is not None and self.name in _words(problem)

    def table(self) -> tuple[str, ...]:
        """A line for each tensor or array among the arguments."""
        texts = self.texts_for(self.name)
        return _table([pair for _, pair in self.arrays], [texts[i : i + 1] for i, _ in self.arrays])

    def table_of(self, operation: str, operands: Sequence[tuple[str, Any]]) -> tuple[str, ...]:
        """A line for each operand of ``operation``."""
        texts = self.texts_for(operation)
        return _table(operands, [texts[i : i + 1] for i in range(len(operands))])


def look() -> Scene:
    """Walk up the stack to the innermost frame of the user and on through the layers around it. Never raises."""
    try:
        return _read_stack(sys._getframe(2))
    except Exception:  # whatever is odd about the caller, the error itself must come through
        return Scene()


def _read_stack(frame: Any) -> Scene:
    entry: tuple[Any, str] | None = None
    user: Any = None
    between = False  # a layer of the package stands between the user's line and the operation
    layers: list[Any] = []
    while frame is not None:
        code = frame.f_code
        inside = code.co_filename.startswith(_PACKAGE)
        first = frame.f_locals.get("self") if code.co_argcount else None
        if first is not None and hasattr(type(first), "named_modules"):
            layers.append(first)
            between = between or (user is None and inside and code.co_name in _RUNS_LAYERS)
        if user is None and inside and not between:
            name = _public_name(frame)
            entry = entry if name is None else (frame, name)
        elif (
            user is None
            and not inside
            and not code.co_filename.startswith("<frozen ")
            and frame.f_globals.get("__name__", "").partition(".")[0] != "numpy"
        ):
            user = frame
        frame = frame.f_back
    place = None if user is None else _place(user) + _layer(layers)
    operation, written = (None, ()) if user is None or between else _written(user)
    if entry is None:
        return Scene(place, None, (), operation, written)
    return Scene(place, entry[1] or None, _arrays(entry[0]), operation, written)


def user_location() -> str | None:
    """``file:line, in function`` of the innermost frame outside the package, and the layer that was running.

    A layer is a frame whose ``self`` has ``named_modules``; its name is its path inside the outermost such layer.
    """
    return look().place


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()


def _public_name(frame: Any) -> str | None:
    """The name under which users know the function of a frame; None for helpers, "" if its name tells nothing."""
    name: str = frame.f_code.co_name
    if name == "call":  # made from a primitive, see calls.py
        return getattr(frame.f_locals.get("op"), "name", None)
    if name == "method" and "call" in frame.f_locals:  # made from an operation, see mutation.py
        return f"{frame.f_locals['call'].__name__}_"
    if name == "__init__":
        return type(frame.f_locals.get("self")).__name__
    if name.startswith("__"):
        return "" if name.startswith(("__array", "__call")) else name.strip("_")
    return None if name.startswith(("_", "<")) else name


def _arrays(frame: Any) -> tuple[tuple[int, tuple[str, Any]], ...]:
    """The arguments of a call that are tensors or arrays, with their positions."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    pairs = ((name, frame.f_locals.get(name)) for name in names)
    return tuple((position, pair) for position, pair in enumerate(pairs) if _is_array(pair[1]))


def _place(frame: Any) -> str:
    code = frame.f_code
    return f"{_file(code.co_filename)}:{frame.f_lineno}, in {code.co_name}"


def _file(path: str) -> str:
    """The name of a source file; of a cell in a notebook, whose file is a temporary one, its number."""
    if "ipykernel" in path or path.startswith("<ipython-input-"):
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        number = getattr(getattr(shell, "compile", None), "_filename_map", {}).get(path)
        return "notebook cell" if number is None else f"notebook cell [{number}]"
    return os.path.basename(path)


def _layer(layers: Sequence[Any]) -> str:
    if not layers:
        return ""
    inner, outer = layers[0], layers[-1]
    try:
        path = next((name for name, module in outer.named_modules() if module is inner), "")
    except Exception:  # a layer that is only half made has no modules yet
        path = ""
    return f"; layer: {type(outer).__name__}.{path}" if path else f"; layer: {type(inner).__name__}"


def _written(frame: Any) -> tuple[str | None, tuple[_Written, ...]]:
    """The operands of the expression that ``frame`` is at, and the operation if an operator stands for it."""
    statement = _expression(frame)
    node = statement.value if isinstance(statement, ast.Expr) else statement
    operation, parts = None, []
    if isinstance(node, ast.BinOp):
        operation, parts = _AS_OPERATOR.get(type(node.op).__name__), [node.left, node.right]
    elif isinstance(node, ast.AugAssign):
        operation, parts = _AS_OPERATOR.get(type(node.op).__name__), [node.target, node.value]
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        operation, parts = _AS_OPERATOR.get(type(node.ops[0]).__name__), [node.left, *node.comparators]
    elif isinstance(node, ast.Call):
        parts = list(node.args)
        if isinstance(node.func, ast.Attribute) and not isinstance(_held(node.func.value, frame), (ModuleType, type)):
            parts.insert(0, node.func.value)  # a method's tensor
        if parts and isinstance(parts[0], (ast.List, ast.Tuple)):
            parts = parts[0].elts  # of cat([a, b]) each is an operand
    found = []
    for part in parts:
        if isinstance(part, ast.Starred):
            break
        text = "" if isinstance(part, ast.Constant) else ast.unparse(part)
        found.append(_Written(text if len(text) <= 40 else "", isinstance(part, ast.Name), _held(part, frame)))
    return operation, tuple(found)


def _held(node: ast.AST, frame: Any) -> Any:
    """What a name, or a name in a module, holds in ``frame``; nothing is run."""
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Attribute):
        module = _held(node.value, frame)
        return vars(module).get(node.attr) if isinstance(module, ModuleType) else None
    return None


def _expression(frame: Any) -> ast.AST | None:
    """The syntax of what ``frame`` is at, cut out of its source as a statement; None where there is no source."""
    code = frame.f_code
    first, last, start, end = next(islice(code.co_positions(), frame.f_lasti // 2, None))
    if None in (first, last, start, end):
        return None
    lines = [linecache.getline(code.co_filename, n, frame.f_globals).encode() for n in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    text = b"".join(lines).decode(errors="replace").strip()
    for attempt in (f"({text})", text):  # an expression over several lines; a statement such as x += y
        try:
            return ast.parse(attempt).body[0]
        except (SyntaxError, IndexError):
            pass
    return None
