"""Write docs/pytorch.md, the map of PyTorch's names, and tinygrad_mp/torch_names.py, the names themselves.

    python docs/map_pytorch.py            # needs PyTorch, the version that torch_names.py says
    python docs/map_pytorch.py --check    # writes nothing; tells whether the files are up to date

What is left out, and what to use instead, stands in tinygrad_mp/left_out.py; how a name differs, in NOTES below.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NAMES_FILE = ROOT / "tinygrad_mp" / "torch_names.py"
MAP_FILE = ROOT / "docs" / "pytorch.md"

SPACES = (
    "", "Tensor", "nn", "nn.functional", "nn.init", "nn.utils", "nn.utils.rnn", "nn.utils.parametrizations", "optim",
    "optim.lr_scheduler", "optim.swa_utils", "autograd", "autograd.functional", "func", "linalg", "special",
    "utils.data", "utils.checkpoint", "distributions", "random", "cuda", "cuda.amp", "amp", "backends",
)  # fmt: skip
"""The namespaces of the map, each below ``torch``."""

MODULES = (
    "amp autograd backends cuda distributed distributions export fft fx func hub jit linalg masked monitor"
    " multiprocessing nested nn onnx optim overrides package profiler quantization random signal sparse special"
    " testing utils xpu mps"
)
"""Documented modules directly below ``torch``."""

NOT_FOR_USERS = {
    "annotations",
    "cast",
    "overload",
    "TYPE_CHECKING",
    "partial",
    "wraps",
    "factory_kwargs",
    "common_args",
}


def torch_home(space: str) -> Any:
    """PyTorch's module, or class, of a namespace."""
    import torch

    if space == "Tensor":
        return torch.Tensor
    return importlib.import_module(f"torch.{space}" if space else "torch")


def torch_names(space: str) -> list[str]:
    """The public names of a namespace: what it says are, or else what is made in PyTorch and has no underscore."""
    home = torch_home(space)
    declared = set(getattr(home, "__all__", ()))
    listed = {name for name in dir(home) if not name.startswith("_")}
    if space == "":
        found = declared | {name for name in listed if _made_in_torch(getattr(home, name))} | set(MODULES.split())
    elif space == "nn.utils" or (declared and space not in ("nn.init", "autograd", "random")):
        found = declared
    elif space == "backends":
        found = {"cpu", "cuda", "cudnn", "mkl", "mps", "openmp"}
    elif space == "Tensor":
        found = listed
    else:
        found = declared | {name for name in listed if _made_in_torch(getattr(home, name), f"torch.{space}")}
    return sorted(name for name in found if not name.startswith("_") and name not in NOT_FOR_USERS)


def _made_in_torch(value: Any, within: str = "torch") -> bool:
    if isinstance(value, (types.ModuleType, str, bool)):
        return False
    if isinstance(value, types.BuiltinFunctionType):
        return True
    if isinstance(value, (type, types.FunctionType)):
        module = value.__module__ or ""
        return module.startswith(within) or (within == "torch.nn.functional" and module.startswith("torch._C"))
    return within == "torch" and type(value).__module__.startswith("torch")


# --- ours -----------------------------------------------------------------------------------------------------------


def our_home(space: str) -> Any:
    """Our module, or class, of a namespace; None where there is none."""
    import tinygrad_mp as tg

    if space == "Tensor":
        return tg.Tensor
    try:
        return importlib.import_module(f"tinygrad_mp.{space}" if space else "tinygrad_mp")
    except ImportError:
        return None


def is_here(space: str, name: str) -> bool:
    """Whether we have a name."""
    home = our_home(space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return home is not None and hasattr(home, name)


# --- the two files --------------------------------------------------------------------------------------------------


def names_text() -> str:
    """What torch_names.py shall be."""
    import torch

    parts = [
        '"""The public names of PyTorch\'s namespaces: written by docs/map_pytorch.py, not by hand."""',
        "",
        f'VERSION = "{torch.__version__.partition("+")[0]}"',
        "",
        "NAMES = {",
    ]
    for space in SPACES:
        lines = textwrap.wrap(" ".join(torch_names(space)), 118, break_on_hyphens=False)
        parts += [f'    "{space}": """', *lines, '""",']
    return "\n".join([*parts, "}", ""])


def map_text() -> str:
    """What pytorch.md shall be."""
    from tinygrad_mp.torch_names import NAMES, VERSION

    parts = [
        "# PyTorch's names, and where they are here",
        "",
        "<!-- Written by docs/map_pytorch.py, not by hand. -->",
        "",
        *textwrap.wrap(
            f"Every public name of PyTorch {VERSION} in the namespaces that programs use: whether it is here under the "
            "same name, differs, or is left out. A name that is left out raises `NotImplementedError`, which is also "
            "an `AttributeError`, and its text says what to use instead; `hasattr` is false for it.",
            120,
        ),
        "",
    ]
    sections = []
    table = ["| namespace | names | here | of these differ | left out |", "|---|---|---|---|---|"]
    for space in SPACES:
        names = NAMES[space].split()
        here = [name for name in names if is_here(space, name)]
        notes = {name: note for name in here if (note := note_on(space, name))}
        title = "torch" + (f".{space}" if space else "")
        anchor = title.lower().replace(".", "")
        table.append(
            f"| [`{title}`](#{anchor}) | {len(names)} | {len(here)} | {len(notes)} | {len(names) - len(here)} |"
        )
        sections += _section(space, title, [name for name in here if name not in notes], notes, sorted(
            set(names) - set(here)
        ))  # fmt: skip
    return "\n".join([*parts, *table, "", *_general(), *sections])


def _general() -> list[str]:
    lines = ["## What holds everywhere", ""]
    for note in EVERYWHERE:
        lines += textwrap.wrap(note, 120, initial_indent="- ", subsequent_indent="  ")
    return [*lines, ""]


def _section(space: str, title: str, here: list[str], notes: dict[str, str], absent: list[str]) -> list[str]:
    from tinygrad_mp.left_out import reason

    lines = [f"## {title}", ""]
    if here:
        words = ", ".join(f"`{name}`" for name in here)
        lines += ["Here:", *textwrap.wrap(words, 120, break_on_hyphens=False), ""]
    if notes:
        lines += ["| differs | how |", "|---|---|"]
        lines += [f"| `{name}` | {note} |" for name, note in sorted(notes.items())]
        lines += [""]
    if absent:
        groups: dict[tuple[str, str], list[str]] = {}
        for name in absent:
            groups.setdefault(reason(space, name), []).append(name)
        lines += ["| left out | why | instead |", "|---|---|---|"]
        for (why, instead), names in sorted(groups.items(), key=lambda one: one[1]):
            lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {why} | {instead} |")
        lines += [""]
    return lines


def note_on(space: str, name: str) -> str | None:
    """How a name that is here differs from PyTorch's."""
    return NOTES.get(f"{space}.{name}" if space else name)


def stale() -> Iterator[str]:
    """The files that are not what they shall be."""
    for file, text in ((NAMES_FILE, names_text()), (MAP_FILE, map_text())):
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            yield str(file.relative_to(ROOT))


EVERYWHERE = (
    "Dtypes are NumPy's own `numpy.dtype` objects under PyTorch's names. `float16`, `float32` and `float64` can "
    "require gradients; complex and bfloat16 tensors are not computed with.",
    "Tensors are dense. Layouts, memory formats, `non_blocking`, `pin_memory` and the like are accepted where a CPU "
    "script passes them, and ignored.",
    "An error is also an instance of the class that PyTorch raises, so `except` catches it; its text has the shapes, "
    "the user's line and a remedy.",
    "Random numbers are reproducible, but not PyTorch's: the same seed draws other numbers.",
    "`out=` must be empty or of the shape of the result; PyTorch resizes any, with a warning.",
    "NumPy warns where a sum has no value, as that of `inf` and `-inf`; PyTorch gives `nan` in silence.",
)

NOTES: dict[str, str] = {
    "Generator": "draws other numbers than PyTorch's from the same seed",
    "autocast": "keeps dtypes as they are",
    "amp.autocast": "keeps dtypes as they are",
    "cuda.amp.autocast": "keeps dtypes as they are",
    "GradScaler": "scales nothing, since nothing is in half precision by itself",
    "amp.GradScaler": "scales nothing, since nothing is in half precision by itself",
    "cuda.amp.GradScaler": "scales nothing, since nothing is in half precision by itself",
    "compile": "gives its argument back: programs run as they are written",
    "jit": "gives functions and modules back as they are",
    "hub": "downloads nothing; `load` says how to go on",
    "onnx": "`export` says that it is left out",
    "distributed": "one process: `is_available()` is False; groups are left out",
    "multiprocessing": "Python's own; tensors travel as copies",
    "profiler": "its contexts measure nothing",
    "save": "writes a safetensors file: tensors, numbers, strings and containers of them; no pickle",
    "load": "reads safetensors files; a pickle is refused, with the way to convert it",
    "memory_format": "accepted; the engine chooses how axes lie in memory",
    "layout": "accepted; tensors are dense",
    "finfo": "also `numpy.finfo`",
    "inference_mode": "tensors made inside may be used with gradients later",
    "is_inference": "always False",
    "set_default_device": 'takes "cpu" only',
    "set_flush_denormal": "False: not supported",
    "set_float32_matmul_precision": "kept; products of float32 are always float32",
    "use_deterministic_algorithms": "kept; on the CPU every algorithm is deterministic",
    "set_num_interop_threads": "kept; operations run one after the other",
    "get_num_threads": "1 unless set, by `set_num_threads` or `TINYGRAD_MP_NUM_THREADS`",
    "xpu": "there is none; scripts may ask",
    "mps": "there is none; scripts may ask",
    "Tensor.dtype": "a `numpy.dtype`",
    "Tensor.share_memory_": "does nothing: threads share memory anyway, processes get copies",
    "Tensor.pin_memory": "gives the tensor back",
    "optim.Optimizer": "a group with a tensor twice is refused, where PyTorch warns; so is `differentiable=True`",
    "utils.data.DataLoader": "`num_workers` are threads that fetch in advance; `worker_init_fn` runs in them",
    "utils.checkpoint.checkpoint": "calls the function: the same values and gradients, but no memory is saved",
    "utils.checkpoint.checkpoint_sequential": "calls the functions: no memory is saved",
    "autograd.gradcheck": "float64 inputs only",
    "autograd.gradgradcheck": "float64 inputs only",
    "distributions.Gamma": "no `rsample`",
    "distributions.Beta": "no `rsample`",
    "distributions.Dirichlet": "no `rsample`",
    "distributions.Chi2": "no `rsample`",
    "distributions.StudentT": "no `rsample`",
    "cuda.is_available": "whether CuPy is installed and sees a device",
    "cuda.manual_seed": "seeds the one generator there is",
    "cuda.manual_seed_all": "seeds the one generator there is",
    "cuda.empty_cache": "does nothing where there is no GPU",
    "linalg.svd": "vectors may differ in sign from PyTorch's, as they may between any two programs",
    "linalg.eigh": "vectors may differ in sign from PyTorch's, as they may between any two programs",
    "linalg.lstsq": "`driver` is accepted; the result is that of the pseudo-inverse",
}


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if options.check:
        old = list(stale())
        print("\n".join(f"out of date: {name}" for name in old) or "up to date")
        return int(bool(old))
    NAMES_FILE.write_text(names_text(), encoding="utf-8")
    sys.modules.pop("tinygrad_mp.torch_names", None)
    MAP_FILE.write_text(map_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
