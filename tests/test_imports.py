"""Importing the package is cheap and brings nothing that was not asked for; what it offers exists and is explained."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import later
from tinygrad_mp.primitive import primitive
from tinygrad_mp.registry import REGISTRY

OPTIONAL = ["cupy", "hypothesis", "matplotlib", "numba", "pytest", "safetensors", "scipy", "sklearn", "torch", "tqdm"]


def all_modules_loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has after running ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def modules_loaded_by(code: str) -> set[str]:
    """Their top-level names."""
    return {name.partition(".")[0] for name in all_modules_loaded_by(code)}


def test_importing_the_package_brings_numpy_and_nothing_optional() -> None:
    loaded = modules_loaded_by("import tinygrad_mp")
    assert "numpy" in loaded
    assert not loaded & set(OPTIONAL)


def test_importing_the_package_loads_its_core_and_no_more() -> None:
    """What takes time is the number of modules: 75 took half as long as NumPy's own import, 45 a fifth of it."""
    loaded = {name for name in all_modules_loaded_by("import tinygrad_mp") if name.startswith("tinygrad_mp.")}
    assert {"tinygrad_mp.tensor", "tinygrad_mp.walk", "tinygrad_mp.ops.elementwise"} <= loaded
    assert len(loaded) < 50, sorted(loaded)


def test_training_brings_nothing_optional_either() -> None:
    loaded = modules_loaded_by(
        "import tinygrad_mp as tg\n"
        "layer = tg.nn.Linear(2, 1)\n"
        "optimizer = tg.optim.Adam(layer.parameters())\n"
        "layer(tg.randn(3, 2)).sum().backward()\n"
        "optimizer.step()\n"
        "repr(layer.weight), tg.cuda.is_available(), tg.data.digits()"
    )
    assert not loaded & (set(OPTIONAL) - {"cupy"})


def test_testing_needs_no_hypothesis_until_strategies_are_asked_for() -> None:
    loaded = modules_loaded_by("from tinygrad_mp.testing import gradcheck")
    assert not loaded & {"hypothesis", "pytest", "torch"}


def test_errors_import_no_tools_until_one_is_made() -> None:
    loaded = modules_loaded_by("import tinygrad_mp.errors")
    assert "IPython" not in loaded


def modules() -> list[ModuleType]:
    found = [tg]
    for info in pkgutil.walk_packages(tg.__path__, "tinygrad_mp."):
        try:
            found.append(importlib.import_module(info.name))
        except ModuleNotFoundError as error:  # an optional package, absent here
            if (error.name or "").partition(".")[0] not in OPTIONAL:
                raise
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_what_a_module_lists_exists_and_everything_public_has_a_docstring(module: ModuleType) -> None:
    assert module.__doc__, "a module says what may live in it"
    listed = getattr(module, "__all__", [])
    assert len(set(listed)) == len(listed)
    assert not [name for name in listed if not hasattr(module, name)]
    bare = [name for name, value in public(module) if not documented(value)]
    assert not bare, f"without a docstring: {bare}"


def public(module: ModuleType) -> list[tuple[str, Any]]:
    """The public functions, classes and methods that a module defines, and what its ``__all__`` lists."""
    found: list[tuple[str, Any]] = []
    for name, value in vars(module).items():
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if getattr(value, "__module__", None) != module.__name__ and name not in getattr(module, "__all__", ()):
            continue
        found.append((name, value))
        if inspect.isclass(value) and value.__module__ == module.__name__:
            for attribute, member in vars(value).items():
                if attribute == "forward":  # what a layer computes is said by its class
                    continue
                if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    found.append((f"{name}.{attribute}", getattr(value, attribute)))
    return found


def documented(value: Any) -> bool:
    return bool(inspect.getdoc(value)) or (inspect.isfunction(value) and value.__name__ == "<lambda>")


def test_every_primitive_has_a_docstring() -> None:
    """Its own, or that of the public function around it, which has its name."""
    bare = [
        n
        for n, op in REGISTRY.items()
        if op.call.__module__.startswith("tinygrad_mp.")
        and not (inspect.getdoc(op.call) or inspect.getdoc(getattr(sys.modules[op.call.__module__], n, op.call)))
    ]
    assert not bare, f"without a docstring: {sorted(bare)}"


def test_the_package_offers_its_decorator_version_and_registry() -> None:
    assert tg.primitive is primitive
    assert tg.REGISTRY is REGISTRY
    assert tg.__version__.count(".") == 2
    assert sorted(tg.__all__) == sorted(set(tg.__all__))
    assert {"tensor", "Tensor", "grad", "no_grad", "nn", "optim", "cuda", "from_numpy", "from_dlpack"} <= set(
        tg.__all__
    )


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tensro'"):
        _ = tg.tensro


def test_names_that_are_fetched_later_exist_and_are_listed() -> None:
    for table, offered in ((later.FUNCTIONS, tg), (later.METHODS, tg.Tensor)):
        for name, module, there in later.entries(table):
            source = getattr(importlib.import_module(f"tinygrad_mp.{module}"), there)
            assert inspect.unwrap(getattr(offered, name)) is inspect.unwrap(source)
            assert name in dir(offered)
    for name, _, _ in later.entries(later.IN_PLACE):
        assert callable(getattr(tg.Tensor, name + "_"))


def test_a_name_that_is_fetched_later_is_not_hidden_by_a_module_of_that_name() -> None:
    modules = {info.name for info in pkgutil.iter_modules(tg.__path__)}
    assert not modules & {name for name, _, _ in later.entries(later.FUNCTIONS)}


def test_a_primitive_of_a_user_does_not_keep_a_module_that_is_loaded_later_from_loading() -> None:
    loaded_by = modules_loaded_by(
        "import tinygrad_mp as tg\n"
        "assert 'softmax' not in tg.REGISTRY\n"
        "mine = tg.primitive(name='softmax', x=lambda g: g)(lambda x: x)\n"
        "assert tg.softmax(tg.ones(2), 0).tolist() == [0.5, 0.5]\n"
        "assert mine(tg.ones(1)).item() == 1\n"
        "assert tg.REGISTRY['softmax'].call is not mine"
    )
    assert "tinygrad_mp" in loaded_by


def test_threads_that_import_at_once_get_the_same(tmp_path: Path) -> None:
    """Of a fresh package: what one thread fetches, another may be fetching too."""
    program = tmp_path / "program.py"
    program.write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from threading import Barrier\n"
        "import tinygrad_mp as tg\n"
        "start = Barrier(8)\n"
        "def work(position):\n"
        "    start.wait()\n"
        "    x = tg.ones(2, 2, requires_grad=True)\n"
        "    y = tg.softmax(x.sin().relu_() if position % 2 else tg.relu(x.sin()), 0).max(dim=1).values.cumsum(0)\n"
        "    y.sum().backward()\n"
        "    return y.tolist(), x.grad.tolist(), repr(y)\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    results = list(pool.map(work, range(8)))\n"
        "assert all(result == results[0] for result in results), results\n"
    )
    subprocess.run([sys.executable, "-W", "error", str(program)], check=True)


def test_a_name_cannot_be_offered_twice() -> None:
    class Owner:
        abs = None

    with pytest.raises(TypeError, match="Owner already has abs"):
        later.offer(Owner, {"ops": "abs"})
