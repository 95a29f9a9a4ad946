"""Lines that people's programs contain: each gives on ours what it gives on PyTorch.

Smaller than the programs, so that what breaks has a name.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="parity is with PyTorch, which is not importable here")

MODULES = sorted(path.stem for path in (Path(__file__).parent / "idioms").glob("*.py"))
IDIOMS = {
    f"{stem}.{name}": function
    for stem in MODULES
    for name, function in vars(importlib.import_module(f"tests.parity.idioms.{stem}")).items()
    if inspect.isfunction(function) and inspect.getfullargspec(function).args == ["lib"] and name != "t"
}


def plain(value: Any) -> Any:
    """Tensors as arrays, and containers of them."""
    if isinstance(value, (torch.Tensor, tg.Tensor)):
        return numpy.asarray(value.detach().numpy())
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def compare(found: Any, expected: Any, path: str) -> None:
    if isinstance(expected, list):
        assert isinstance(found, list), path
        assert len(found) == len(expected), path
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            compare(one, other, f"{path}[{number}]")
    elif isinstance(expected, (numpy.ndarray, float)):
        if isinstance(expected, numpy.ndarray):
            assert found.dtype == expected.dtype, f"{path}: {found.dtype} instead of {expected.dtype}"
        numpy.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5, err_msg=path)
    else:
        assert found == expected, path


@pytest.mark.parametrize("name", IDIOMS)
def test_it_gives_what_it_gives_on_pytorch(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, where numbers have no result
        expected = plain(IDIOMS[name](torch))
        compare(plain(IDIOMS[name](tg)), expected, name)
