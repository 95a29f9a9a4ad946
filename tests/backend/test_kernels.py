"""A kernel may be computed in another way for another type of array, and nothing above it notices."""

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.backend.kernels import KERNELS, Kernel, kernel
from tinygrad_mp.nn import functional as F
from tinygrad_mp.testing import strict


@pytest.fixture
def added():
    """A kernel for the time of a test."""

    @kernel
    def added_for_a_test(x, y=0):
        return x + y

    yield added_for_a_test
    del KERNELS["added_for_a_test"]


def test_without_an_override_the_one_entry_computes(added) -> None:
    assert isinstance(added, Kernel)
    assert added(1, y=2) == 3
    assert KERNELS["added_for_a_test"] is added


def test_an_override_computes_for_its_type_in_any_place(added) -> None:
    @added.override(str)
    def _(x, y=""):
        return f"{x} and {y}"

    assert added("a", "b") == "a and b"
    assert added(None, "b") == "None and b"
    assert added(1, 2) == 3


def test_one_name_has_one_kernel(added) -> None:
    with pytest.raises(TypeError, match="'added_for_a_test' exists already"):
        kernel(added.function)


def test_the_hot_functions_are_in_the_table() -> None:
    assert {"correlate", "correlate_weight", "standardize_rows", "pull_rows"} <= set(KERNELS)


def test_a_primitive_uses_an_override_without_knowing(monkeypatch) -> None:
    calls = []
    entry = KERNELS["standardize_rows"]

    def counted(*args):
        calls.append(type(args[0]).__name__)
        return entry.function(*args)

    strict.register()
    monkeypatch.setitem(entry.overrides, strict.StrictArray, counted)
    values = numpy.arange(6, dtype="float32").reshape(2, 3)
    expected = F.layer_norm(tg.tensor(values), (3,))
    assert calls == []
    found = F.layer_norm(tg.tensor(values, device="strict"), (3,))
    assert calls == ["StrictArray"]
    numpy.testing.assert_allclose(found.cpu().numpy(), expected.numpy(), rtol=1e-6)
