"""Files of models that are damaged, hostile or something else are refused; an old file stays until the new is whole."""

from __future__ import annotations

import copy
import io
import math
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tests.training.saved import LABELS, X, classifier, network, trained, weights, written
from tinygrad_mp import (
    Dense,
    Model,
    nn,
)
from tinygrad_mp.errors import DataFormatError, UnsupportedError


def changed(model: Model, change: Callable[[dict[str, Any]], Any]) -> io.BytesIO:
    """A file with a right digest, as an attacker can make one."""
    content = tg.load(io.BytesIO(written(model)))
    change(content)
    file = io.BytesIO()
    tg.save(content, file)
    file.seek(0)
    return file


def test_a_newer_file_is_refused_with_the_remedy() -> None:
    file = changed(trained(), lambda content: content.update(version=2, package="7.1"))
    with pytest.raises(DataFormatError, match=r"(?s)version 2 of the format, written by tinygrad_mp 7\.1.*fix: update"):
        Model.load(file)
    model = classifier()
    file.seek(0)
    with pytest.raises(DataFormatError, match="version 2"):
        model.load_weights(file)
    assert not model.built


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    tg.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(DataFormatError, match="holds tensors, but no Model"):
        Model.load(path)
    path.write_bytes(pickle.dumps(classifier()))
    with pytest.raises(DataFormatError, match="is a pickle, which can run any code"):
        Model.load(path)
    for noise in (b"", b"tinygrad", os.urandom(500)):
        path.write_bytes(noise)
        with pytest.raises(DataFormatError):
            Model.load(path)
    with pytest.raises(FileNotFoundError):
        Model.load(tmp_path / "none")


class Own(Model):
    pass


def test_a_model_of_another_class_is_refused() -> None:
    with pytest.raises(DataFormatError, match="holds a Model, not a Own"):
        Own.load(io.BytesIO(written(trained())))


def test_a_class_of_ones_own_is_known_to_its_own_load() -> None:
    data = written(Own(network()))
    assert type(Own.load(io.BytesIO(data))) is Own
    assert type(Model.load(io.BytesIO(data), custom={"Own": Own})) is Own
    with pytest.raises(TypeError, match="custom is a dict of names and classes"):
        Model.load(io.BytesIO(data), custom=[Own])  # type: ignore[arg-type]


HOSTILE: list[Callable[[dict[str, Any]], Any]] = [
    lambda content: content["architecture"]["objects"][1].update({"class": "os.system"}),
    lambda content: content["architecture"]["objects"][0].update({"class": "subprocess.Popen"}),
    lambda content: content["architecture"]["objects"][0].update({"class": "training.callbacks.CSVLogger"}),
    lambda content: content["architecture"]["objects"][0].update({"class": "nn.Linear"}),
    lambda content: content["architecture"]["objects"][0]["configuration"].update(_own_forward={"named": "save"}),
    lambda content: content["architecture"]["objects"][0]["configuration"].update(forward={"named": "relu"}),
    lambda content: content["architecture"]["objects"][0]["attributes"].update(save=3),
    lambda content: content["architecture"]["objects"][0]["attributes"].update(__class__=3),
    lambda content: content["architecture"].update(objects=3),
    lambda content: content["architecture"].update(root=99),
    lambda content: content["architecture"].update(tensors=[]),
    lambda content: content.update(architecture=3),
    lambda content: content.pop("architecture"),
    lambda content: content.pop("models"),
    lambda content: content.update(version=True),
    lambda content: content.update(version="1"),
    lambda content: content["models"].pop(""),
    lambda content: content["models"][""].update(generator=tg.zeros(3)),
    lambda content: content["models"][""].update(generator=None),
    lambda content: content["models"][""].update(history={"rows": 3}),
    lambda content: content["models"][""].update(split=[1, 2]),
    lambda content: content["models"][""].update(targets=[1]),
    lambda content: content["models"][""].update(classes={"values": ["a"], "dtype": "<i8"}),
    lambda content: content["models"][""].update(classes={"values": ["a"], "dtype": "nonsense"}),
    lambda content: content["models"][""]["optimizer"].update(groups=[["nothing"]]),
    lambda content: content["models"][""]["optimizer"].update(groups=[]),
    lambda content: content["models"][""]["optimizer"].update(state={}),
    lambda content: content["models"][""]["session"].pop("last"),
    lambda content: content["models"][""]["session"]["last"].update(values={}),
    lambda content: content["models"][""]["session"]["last"].update(epoch=99),
    lambda content: content["models"][""]["session"]["best"]["values"].update({"0.weight": tg.zeros(1)}),
    lambda content: content["models"][""]["session"].update(history=[]),
]


@pytest.mark.parametrize("change", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_files_with_a_right_digest_are_refused(change: Any) -> None:
    with pytest.raises(DataFormatError):
        Model.load(changed(trained(), change))


def test_what_no_file_can_hold_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.model"
    classifier().save(path)
    before = path.read_bytes()
    for model, place in [
        (Model([Dense(1)], forward=lambda model, x: x), "Model._own_forward is a lambda"),
        (Model([Dense(1)], lambda x, y: (x - y).sum()), "the argument 'function' of Model.loss is a lambda"),
        (Model([nn.utils.weight_norm(nn.Linear(2, 2))]), "a hook computes the weight of Model.0"),
        (Model([nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))]), "Model.0 .*no public name"),
    ]:
        with pytest.raises(UnsupportedError, match=place):
            model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.model"]


# --- damage -----------------------------------------------------------------------------------------------------------


def test_single_bits_that_flip_are_found_out() -> None:
    model, rng = trained(), np.random.default_rng(1)
    data = written(model)
    (length,) = struct.unpack("<Q", data[:8])
    places = [*rng.integers(0, 8 * len(data), 200), *rng.integers(0, 8 * (8 + length), 60), *range(40)]
    target = classifier().build((6,))
    before = weights(target)
    for place in places:
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(DataFormatError):
            Model.load(io.BytesIO(damaged))
        with pytest.raises(DataFormatError):
            target.load_weights(io.BytesIO(damaged))
    assert weights(target) == before


def test_a_file_that_is_cut_off_is_found_out() -> None:
    data = written(trained())
    for length in [*range(0, 200, 7), *range(200, len(data), 997), len(data) - 1]:
        with pytest.raises(DataFormatError):
            Model.load(io.BytesIO(data[:length]))
    with pytest.raises(DataFormatError):
        Model.load(io.BytesIO(data + b"\0"))


KILLER = """
    import os, random, signal, sys, time
    import numpy
    import tinygrad_mp as tg

    path = sys.argv[1]
    model = tg.Model([tg.Dense(64), tg.ReLU(), tg.Dense(64)], tg.MSE(), seed=0).build((64,))
    random.seed(2)

    def save_without_end():
        number = model.note
        while True:
            number += 1
            for parameter in model.parameters():
                parameter.data.fill_(float(number))
            model.note = number
            model.save(path)

    model.note = 0
    for parameter in model.parameters():
        parameter.data.fill_(0.0)
    model.save(path)
    for _ in range(25):
        child = os.fork()
        if child == 0:
            save_without_end()
        time.sleep(random.uniform(0.0, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        model = tg.Model.load(path)
        values = {value for one in model.parameters() for value in numpy.unique(one.detach().numpy())}
        assert values == {float(model.note)}, (values, model.note)
    print(model.note)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process that saves is a fork, which this system lacks")
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(KILLER), str(tmp_path / "a.model")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) > 5  # saves that were complete before a kill


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    resource: Any = pytest.importorskip("resource", reason="a limit stands in for a full disk, which this system lacks")
    path = tmp_path / "a.model"
    model = trained()
    model.save(path)
    before = path.read_bytes()
    model.train(X, LABELS, epochs=1, verbose=0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.model"]
    assert weights(Model.load(path)) != weights(model)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all entries of nested dicts and lists."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places_in(value[key], (*path, key))


def test_whatever_stands_in_a_file_loading_gives_a_model_or_the_error_for_it() -> None:
    junk: list[Any] = [
        None, True, 3, -1, 10**20, math.nan, "", "nn.ReLU", b"x", [], {}, (), [1], {"a": 1}, tg.zeros(2), np.zeros(3),
        {"object": 0}, {"tensor": 99}, {"named": "nn.functional.relu"}, {"dict": 3},
    ]  # fmt: skip
    rng = random.Random(0)
    content = tg.load(io.BytesIO(written(trained())))
    places = [place for part in ("architecture", "models", "version") for place in places_in({part: content[part]})]
    refused = 0
    for _ in range(200):
        damaged = copy.deepcopy(content)
        *path, last = rng.choice(places)
        target = damaged
        for key in path:
            target = target[key]
        if rng.random() < 0.8:
            target[last] = rng.choice(junk)
        else:
            del target[last]
        file = io.BytesIO()
        tg.save(damaged, file)
        file.seek(0)
        try:
            assert isinstance(Model.load(file), Model)
        except DataFormatError:
            refused += 1
    assert refused > 50
