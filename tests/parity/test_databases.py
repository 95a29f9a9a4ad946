"""PyTorch's own samples, on both engines: what we compute is never wrong, and nearly all of it we can compute.

What fails, and how: ``python -m tests.parity``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="parity is with PyTorch, which is not importable here")
pytest.importorskip("expecttest", reason="PyTorch's databases of samples need it: pip install expecttest")

from tests.parity.databases import MODULES, OPS, OPTIMIZERS
from tests.parity.judging import Tally
from tests.parity.modules import COMMON_MODULES, run_module
from tests.parity.op_names import COMMON_OPS
from tests.parity.ops import run_op
from tests.parity.optimizers import NAMED_BY_ISSUE_C, run_optimizer

ENTRIES = [key for key in OPS if key.partition(":")[0] in COMMON_OPS]
LIMIT = 60  # samples of an entry; a few entries have hundreds


@functools.cache
def tally_of(run: Callable[..., Tally], name: str) -> Tally:
    """What a run found, for the tests of the one entry and those of all."""
    return run(name, limit=LIMIT) if run is run_op else run(name)


def test_the_tables_name_entries_that_exist_and_enough_of_them() -> None:
    assert set(COMMON_OPS) <= {key.partition(":")[0] for key in OPS}
    assert set(COMMON_MODULES) <= set(MODULES)
    assert set(NAMED_BY_ISSUE_C) <= set(OPTIMIZERS)
    assert len(set(COMMON_OPS)) >= 270
    assert len(set(COMMON_MODULES)) >= 79


def share_passed(tallies: list[Tally]) -> float:
    return sum(one.counts["passed"] for one in tallies) / sum(one.samples for one in tallies)


def test_nearly_all_samples_of_the_common_ops_give_what_pytorch_gives() -> None:
    assert share_passed([tally_of(run_op, name) for name in ENTRIES]) >= 0.95


def test_nearly_every_common_op_is_here_and_passes_nearly_all_its_samples() -> None:
    tallies = [tally_of(run_op, name) for name in ENTRIES]
    lame = [one.name for one in tallies if one.samples and one.counts["passed"] < 0.9 * one.samples]
    assert len(lame) <= 0.02 * len(tallies), lame


def test_nearly_all_inputs_of_the_common_modules_give_what_pytorch_gives() -> None:
    assert share_passed([tally_of(run_module, name) for name in COMMON_MODULES]) >= 0.9


def test_all_rows_of_the_optimizers_go_where_pytorchs_go() -> None:
    failed = [note for name in NAMED_BY_ISSUE_C for note in tally_of(run_optimizer, name).notes]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_op_refuses_bad_inputs_with_pytorchs_class_of_error(name: str) -> None:
    tally = tally_of(run_op, name)
    assert not tally.silent + tally.other_class, "\n".join(tally.notes)


@pytest.mark.parametrize("name", COMMON_MODULES)
def test_a_module_refuses_bad_inputs_with_pytorchs_class_of_error(name: str) -> None:
    tally = tally_of(run_module, name)
    assert not tally.silent + tally.other_class, "\n".join(tally.notes)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_op_never_gives_another_value_than_pytorch(name: str) -> None:
    tally = tally_of(run_op, name)
    assert not tally.counts["wrong"], "\n".join(tally.notes)


@pytest.mark.parametrize("form", ["method", "in place"])
def test_methods_and_in_place_forms_give_what_pytorch_gives(form: str) -> None:
    tallies = [run_op(name, limit=4, form=form) for name in ENTRIES]
    assert not sum(one.counts["wrong"] for one in tallies), [one.notes for one in tallies if one.counts["wrong"]]
    assert share_passed(tallies) >= 0.95


@pytest.mark.parametrize("name", COMMON_MODULES)
def test_a_module_never_gives_another_value_than_pytorch(name: str) -> None:
    tally = tally_of(run_module, name)
    assert not tally.counts["wrong"], "\n".join(tally.notes)


@pytest.mark.parametrize("name", NAMED_BY_ISSUE_C)
def test_an_optimizer_never_goes_another_way_than_pytorch(name: str) -> None:
    tally = tally_of(run_optimizer, name)
    assert not tally.counts["wrong"], "\n".join(tally.notes)
