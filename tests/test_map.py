"""Names that PyTorch has and we do not say so, and docs/pytorch.md, which lists them, is up to date."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.left_out import reason
from tinygrad_mp.torch_names import NAMES, VERSION

ROOT = Path(__file__).resolve().parent.parent


def home(space: str) -> Any:
    if space == "Tensor":
        return tg.Tensor
    try:
        return importlib.import_module(f"tinygrad_mp.{space}" if space else "tinygrad_mp")
    except ImportError:
        return None


def absent(space: str) -> list[str]:
    return [name for name in NAMES[space].split() if not hasattr(home(space), name)]


@pytest.mark.parametrize("space", [space for space in NAMES if home(space) is not None])
def test_a_name_of_pytorchs_that_is_left_out_is_told_from_one_that_nobody_has(space: str) -> None:
    for name in absent(space):
        with pytest.raises(NotImplementedError, match="though PyTorch has it"):
            getattr(home(space), name)
    with pytest.raises(AttributeError, match="has no attribute 'tensro'") as caught:
        _ = home(space).tensro
    assert not isinstance(caught.value, NotImplementedError)


def test_what_is_left_out_names_the_alternative() -> None:
    with pytest.raises(NotImplementedError, match="use numpy"):
        tg.fft.fft(tg.ones(3))
    with pytest.raises(NotImplementedError, match="fix: use a dense tensor"):
        tg.ones(3).to_sparse()
    with pytest.raises(NotImplementedError, match="fix: use SGD with nesterov=True"):
        _ = tg.optim.Muon


def test_hasattr_and_getattr_with_a_default_see_that_a_name_is_left_out() -> None:
    assert not hasattr(tg, "fft")
    assert not hasattr(nn, "SyncBatchNorm")
    assert not hasattr(tg.Tensor, "to_sparse")
    assert not hasattr(tg.ones(1), "to_sparse")
    assert getattr(tg.ones(1), "to_sparse", None) is None


def test_importing_a_name_that_is_left_out_says_so() -> None:
    with pytest.raises(ImportError, match="use numpy") as caught:
        from tinygrad_mp import fft  # noqa: F401
    assert isinstance(caught.value, NotImplementedError)
    assert caught.value.where is not None
    assert "test_map.py" in caught.value.where


def test_only_an_unusual_lookup_loads_the_tables() -> None:
    code = "import sys, tinygrad_mp; print('tinygrad_mp.left_out' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_every_name_that_is_left_out_has_a_reason() -> None:
    unexplained = [
        (space, name) for space in NAMES for name in absent(space) if "not written" in reason(space, name)[0]
    ]
    assert not unexplained


def test_the_map_is_up_to_date() -> None:
    torch = pytest.importorskip("torch", reason="the names are PyTorch's, which is not importable here")
    if torch.__version__.partition("+")[0] != VERSION:
        pytest.skip(f"the names are those of PyTorch {VERSION}, this is {torch.__version__}")
    map_pytorch = load_map()
    assert not list(map_pytorch.stale()), "run python docs/map_pytorch.py"
    for name in map_pytorch.NOTES:
        space, _, last = name.rpartition(".")
        assert map_pytorch.is_here(space, last), f"a note on {name}, which is not here"


def load_map() -> Any:
    """The script that writes the map, as a module."""
    spec = importlib.util.spec_from_file_location("map_pytorch", ROOT / "docs" / "map_pytorch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
