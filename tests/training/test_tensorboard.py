"""TensorBoard reads what the callback of that name writes."""

from __future__ import annotations

import math
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from tinygrad_mp.training.callbacks import TensorBoard
from tinygrad_mp.training.callbacks.tensorboard import _checksum

ROWS = [{"loss": 2.5, "val_loss": 3.0, "note": "x"}, {"loss": 1.5, "val_loss": math.nan, "val_f1": 1e300}]


def records(path: Path) -> list[bytes]:
    """The records of a file, their lengths checked; nothing may be left over."""
    data, found = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert data[8:12] == _checksum(data[:8])
        found.append(data[12 : 12 + length])
        assert data[12 + length : 16 + length] == _checksum(found[-1])
        assert len(found[-1]) == length
        data = data[16 + length :]
    return found


def files(folder: Path, run: str) -> list[Path]:
    return sorted((folder / run).iterdir())


def test_the_checksum_is_crc_32c_masked() -> None:
    crc = 0xE3069283  # of "123456789", in the catalogue of CRCs
    assert _checksum(b"123456789") == struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def test_the_bytes_are_those_of_tensorboards_own_writer(
    loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.5)
    history = loop([TensorBoard(tmp_path)]).run([{}] * 299)
    assert not list(tmp_path.iterdir()), "files are made when there is something to write"
    loop([TensorBoard(tmp_path)], history=history).run([{"loss": 2.5}])
    (path,) = files(tmp_path, "training")
    assert ".tfevents." in path.name
    # from tensorboard.compat.proto.event_pb2.Event.SerializeToString
    clock = "09000000000000f83f"
    assert [record.hex() for record in records(path)] == [
        clock + "1000" + "1a0d" + b"brain.Event:2".hex(),
        clock + "10ac02" + "3a020801",
        clock + "10ac02" + "2a0d" + "0a0b" + "0a04" + b"loss".hex() + "1500002040",
    ]


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own
def test_tensorboard_shows_training_and_validation_as_two_runs(loop: Any, tmp_path: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs TensorBoard to read its files"
    )
    history = loop([TensorBoard(tmp_path)]).run([*ROWS, {"loss": 9.0}, {"loss": 8.0}])
    del history._rows[2:]
    loop([TensorBoard(tmp_path)], history=history).run([{"loss": 0.5}])

    def shown(run: str, tag: str) -> list[tuple[int, float]]:
        accumulator = reading.EventAccumulator(str(tmp_path / run))
        accumulator.Reload()
        assert "note" not in accumulator.Tags()["scalars"]
        return [(event.step, event.value) for event in accumulator.Scalars(tag)]

    assert shown("training", "loss") == [(1, 2.5), (2, 1.5), (3, 0.5)], "epochs that ran again are there once"
    (first, second) = shown("validation", "loss")
    assert first == (1, 3.0)
    assert math.isnan(second[1])
    assert shown("validation", "f1") == [(2, math.inf)]


def test_files_are_whole_after_every_epoch_and_sort_by_their_age(loop: Any, tmp_path: Path) -> None:
    for count in (1, 2, 3):
        loop([TensorBoard(tmp_path)]).run(ROWS)
        paths = files(tmp_path, "training")
        assert len(paths) == count
        assert [len(records(path)) for path in paths] == [4] * count
        assert sorted(paths, key=lambda path: path.stat().st_mtime_ns) == paths
