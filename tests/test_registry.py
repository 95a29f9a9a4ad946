"""Every registered primitive keeps every promise. No primitive is named here: the registry names them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_mp
import tinygrad_mp.ops
from tinygrad_mp.backend import unregister_backend
from tinygrad_mp.registry import REGISTRY
from tinygrad_mp.testing import checks, strict
from tinygrad_mp.testing.strategies import cases

for _module in pkgutil.walk_packages(tinygrad_mp.ops.__path__, "tinygrad_mp.ops."):
    importlib.import_module(_module.name)

# Users' primitives, made in doctests and other tests, are theirs to check.
NAMES = sorted(name for name, op in REGISTRY.items() if op.call.__module__.startswith("tinygrad_mp."))
FUSED = [name for name in NAMES if REGISTRY[name].reference is not None]
every_primitive = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True, scope="module")
def _strict_device() -> Iterator[None]:
    strict.register()
    yield
    unregister_backend("strict")


def test_the_registry_holds_the_primitives_of_the_package() -> None:
    assert {"add", "mul", "sum_to"} <= set(NAMES)


@every_primitive
def test_says_what_it_does(name: str) -> None:
    op = REGISTRY[name]
    public = getattr(sys.modules[op.call.__module__], name, None)
    assert op.call.__doc__ or (public is not None and public.__doc__)


@every_primitive
@given(data=st.data())
def test_gradient_agrees_with_differences_and_touches_nothing_else(name: str, data: st.DataObject) -> None:
    checks.check_gradient(REGISTRY[name], data.draw(cases(REGISTRY[name])))


@every_primitive
@given(data=st.data())
def test_second_derivative_agrees_with_differences_of_the_first(name: str, data: st.DataObject) -> None:
    checks.check_second_order(REGISTRY[name], data.draw(cases(REGISTRY[name])))


@every_primitive
@given(data=st.data())
def test_never_widens_float32_or_float16(name: str, data: st.DataObject) -> None:
    checks.check_dtypes(REGISTRY[name], data.draw(cases(REGISTRY[name])))


@every_primitive
@given(data=st.data())
def test_keeps_only_what_its_rules_name(name: str, data: st.DataObject) -> None:
    checks.check_keeps_named(REGISTRY[name], data.draw(cases(REGISTRY[name])))


@every_primitive
@given(data=st.data())
def test_computes_the_same_from_arrays_as_from_tensors(name: str, data: st.DataObject) -> None:
    checks.check_raw(REGISTRY[name], data.draw(cases(REGISTRY[name])))


@pytest.mark.parametrize("name", FUSED)
@given(data=st.data())
def test_fused_agrees_with_the_composition_it_stands_for(name: str, data: st.DataObject) -> None:
    checks.check_reference(REGISTRY[name], data.draw(cases(REGISTRY[name])))


@pytest.mark.parametrize("device", ["strict", pytest.param("cuda", marks=pytest.mark.gpu)])
@every_primitive
@given(data=st.data())
def test_gives_the_same_on_another_device(name: str, device: str, data: st.DataObject) -> None:
    checks.check_on_device(REGISTRY[name], data.draw(cases(REGISTRY[name])), device)
