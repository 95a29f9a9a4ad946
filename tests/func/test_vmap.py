"""``vmap`` against PyTorch: axes, nests, randomness, errors, and gradients on both sides of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg

torch = pytest.importorskip("torch", reason="compares with PyTorch")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # PyTorch's forward mode compiles

X, Y = np.arange(12.0).reshape(3, 4) / 7 - 0.5, np.array([0.2, 1.1, -0.4, 0.7])


def arrays(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(map(arrays, value))
    if isinstance(value, dict):
        return {key: arrays(one) for key, one in value.items()}
    return np.asarray(value.detach())


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(theirs, (tuple, list)):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    else:
        assert np.shape(ours) == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def loss(weight: Any, x: Any, y: Any) -> Any:
    return (((x * weight).sin().sum() - y) ** 2).sum()


PROGRAMS: dict[str, Any] = {
    "elementwise": lambda of, x, y: of.vmap(lambda x: x * 2)(x),
    "a constant beside": lambda of, x, y: of.vmap(lambda x, y: x @ y, in_dims=(0, None))(x, y),
    "other axes": lambda of, x, y: of.vmap(lambda a, b: a * b, in_dims=(1, -2))(x, x.reshape(4, 3)),
    "out at the end": lambda of, x, y: of.vmap(lambda x: x * 2, out_dims=-1)(x),
    "out in the middle": lambda of, x, y: of.vmap(lambda x: x.reshape(2, 2), out_dims=1)(x),
    "nests": lambda of, x, y: of.vmap(lambda d, e: {"a": d["a"] * d["b"], "b": [e]}, in_dims=({"a": 0, "b": None}, 0))(
        {"a": x, "b": y}, x
    ),
    "an axis for a nest": lambda of, x, y: of.vmap(lambda d: (d["a"] + d["b"], d["a"]), in_dims=1, out_dims=(0, 1))(
        {"a": x, "b": x}
    ),
    "out axes of a nest": lambda of, x, y: of.vmap(lambda x: (x, {"a": x}), out_dims=(0, {"a": 1}))(x),
    "one axis out for a nest": lambda of, x, y: of.vmap(lambda x: (x, {"a": x}), out_dims=1)(x),
    "keywords": lambda of, x, y: of.vmap(lambda x, k: x * k)(x, k=y),
    "nested": lambda of, x, y: of.vmap(of.vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(None, 0))(y, x[:, 0]),
    "nothing mapped inside": lambda of, x, y: of.vmap(lambda x: y)(x),
    "not stacked": lambda of, x, y: of.vmap(lambda x: y * 2, out_dims=None)(x),
    "an empty batch": lambda of, x, y: of.vmap(lambda x: (x * 2, x.sum()), out_dims=(1, 0))(x[:0]),
    "matrices": lambda of, x, y: of.vmap(lambda x: x.reshape(2, 2) @ x.reshape(2, 2).T)(x),
    "per-sample gradients": lambda of, x, y: of.vmap(of.func.grad(loss), in_dims=(None, 0, 0))(y, x, y[:3]),
    "a gradient of a map": lambda of, x, y: of.func.grad(
        lambda w: of.vmap(loss, in_dims=(None, 0, 0))(w, x, y[:3]).sum()
    )(y),
    "a gradient of per-sample gradients": lambda of, x, y: of.func.grad(
        lambda w: (of.vmap(of.func.grad(loss), in_dims=(None, 0, 0))(w, x, y[:3]) ** 2).sum()
    )(y),
    "per-sample hessians": lambda of, x, y: of.vmap(of.func.hessian(loss), in_dims=(None, 0, 0))(y, x, y[:3]),
    "per-sample jacobians": lambda of, x, y: of.vmap(of.func.jacrev(lambda x: x.sin() * x.sum()))(x),
    "a map of products": lambda of, x, y: of.vmap(lambda v: of.func.jvp(lambda a: a.exp(), (y,), (v,))[1])(x),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_maps_equal_torchs(name: str) -> None:
    found = [arrays(PROGRAMS[name](of, *(of.tensor(v, dtype=of.float64) for v in (X, Y)))) for of in (tg, torch)]
    assert_same(*found)


WRONG: dict[str, Any] = {
    "nothing": lambda of, x: of.vmap(lambda: x)(),
    "in_dims of another type": lambda of, x: of.vmap(lambda x: x, in_dims="a")(x),
    "in_dims of another length": lambda of, x: of.vmap(lambda x: x, in_dims=(0, 0))(x),
    "no such axis": lambda of, x: of.vmap(lambda x: x, in_dims=2)(x),
    "no axis": lambda of, x: of.vmap(lambda x: x, in_dims=None)(x),
    "no axis anywhere": lambda of, x: of.vmap(lambda x: x, in_dims=(None,))(x),
    "a number": lambda of, x: of.vmap(lambda x: x)(3.0),
    "a number out": lambda of, x: of.vmap(lambda x: 3.0)(x),
    "None out": lambda of, x: of.vmap(lambda x: (x, None))(x),
    "different sizes": lambda of, x: of.vmap(lambda x, y: x)(x, x[:2]),
    "a batch where none is promised": lambda of, x: of.vmap(lambda x: x, out_dims=None)(x),
    "out_dims of another length": lambda of, x: of.vmap(lambda x: x, out_dims=(0, 1))(x),
    "no such axis out": lambda of, x: of.vmap(lambda x: x, out_dims=5)(x),
    "randomness": lambda of, x: of.vmap(lambda x: of.randn(2))(x),
    "unknown randomness": lambda of, x: of.vmap(lambda x: x, randomness="some")(x),
    "chunks of nothing": lambda of, x: of.vmap(lambda x: x, chunk_size=0)(x),
    "0-d": lambda of, x: of.vmap(lambda x: x)(x.sum()),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_raises_what_torch_raises(case: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever it is
        WRONG[case](torch, torch.tensor(X))
    with pytest.raises(theirs.type) as ours:
        WRONG[case](tg, tg.tensor(X))
    assert isinstance(ours.value, tg.TinygradError)


def test_randomness_is_the_same_or_different_as_asked() -> None:
    x = tg.zeros(3)
    tg.manual_seed(0)
    same = tg.vmap(lambda x: x + tg.rand(2), randomness="same")(x)
    assert same[0].tolist() == same[1].tolist() == same[2].tolist()
    different = tg.vmap(lambda x: x + tg.rand(2), randomness="different")(x)
    assert len({tuple(row) for row in different.tolist()}) == 3
    assert tg.rand(2).tolist() != same[0].tolist()


def test_branches_on_values_are_taken_for_each_entry() -> None:
    assert tg.vmap(lambda x: x * 2 if x > 0 else -x)(tg.tensor([1.0, -3.0])).tolist() == [2.0, 3.0]
