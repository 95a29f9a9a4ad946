"""``SummaryWriter`` is tensorboardX's and takes our tensors; without the package, and for the rest, it says so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.utils import tensorboard


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    yield
    vars(tensorboard).pop("SummaryWriter", None)


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="fix: python -m pip install tensorboardX"):
        from tinygrad_mp.utils.tensorboard import SummaryWriter  # noqa: F401


def test_what_is_not_here_is_said() -> None:
    with pytest.raises(ImportError, match="fix: use SummaryWriter"):
        from tinygrad_mp.utils.tensorboard import FileWriter  # noqa: F401
    with pytest.raises(AttributeError):
        tensorboard.nothing  # noqa: B018


def test_tensors_are_given_on_as_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Writer:
        def add_scalars(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            return args, kwargs

        def add_graph(self) -> None: ...

    package = type(sys)("tensorboardX")
    package.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboardX", package)
    assert tensorboard.SummaryWriter is tensorboard.SummaryWriter
    writer = tensorboard.SummaryWriter()
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (name, named, count), rest = writer.add_scalars("loss", {"a": [x]}, 3, values=x)
    assert (name, count) == ("loss", 3)
    for array in (named["a"][0], rest["values"]):
        assert type(array) is numpy.ndarray
        assert array.tolist() == [1.0, 2.0]
    with pytest.raises(tg.UnsupportedError, match="add_graph"):
        writer.add_graph(None)


@pytest.mark.filterwarnings("ignore")  # the package's own
def test_a_programs_writer_writes(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="needs tensorboardX")
    with tensorboard.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss/train", tg.tensor(0.5), 1)
        writer.add_histogram("weights", tg.randn(100), 1)
        writer.add_image("image", tg.rand(3, 8, 8), 1)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    for tag in (b"loss/train", b"weights", b"image", b"PNG"):
        assert tag in data
