"""L-BFGS takes PyTorch's steps, with and without a line search, and can be stopped and taken up again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import optim

SETTINGS: list[dict[str, Any]] = [
    {"lr": 0.1},
    {"lr": 1.0, "line_search_fn": "strong_wolfe"},
    {"lr": 0.3, "max_iter": 4, "history_size": 3},
    {"lr": 0.5, "max_iter": 4, "history_size": 3, "line_search_fn": "strong_wolfe"},
    {"lr": 0.2, "max_iter": 10, "max_eval": 3},
    {"max_iter": 10, "max_eval": 5, "line_search_fn": "strong_wolfe"},
    {"lr": 0.2, "tolerance_grad": 0.5},
    {"lr": 0.2, "tolerance_change": 0.01},
    {"lr": 1e-4, "max_iter": 5, "line_search_fn": "strong_wolfe"},
    {"lr": 100.0, "max_iter": 5, "line_search_fn": "strong_wolfe"},
]
DATA = np.random.default_rng(1).normal(size=(20, 4))


def problem(engine: Any) -> tuple[list[Any], Callable[[], Any]]:
    rng = np.random.default_rng(0)
    parameters = [engine.tensor(rng.normal(size=shape)).requires_grad_() for shape in ((4, 3), (3,), (2,))]
    x, y = engine.tensor(DATA), engine.tensor(np.sin(DATA[:, :3]))

    def loss() -> Any:
        w, b, _ = parameters  # the third one gets no gradient
        return ((engine.tanh(x @ w + b) - y) ** 2).mean() + 0.01 * (w**4).sum()

    return parameters, loss


def rosenbrock(engine: Any) -> tuple[list[Any], Callable[[], Any]]:
    x = engine.tensor(np.array([-1.2, 1.0, 0.5])).requires_grad_()
    return [x], lambda: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def train(optimizer: Any, loss: Callable[[], Any], steps: int) -> list[float]:
    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return [optimizer.step(closure).item() for _ in range(steps)]


@pytest.mark.parametrize("make", [problem, rosenbrock])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_fifty_steps_equal_pytorchs(settings: dict[str, Any], make: Any) -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    if make is rosenbrock and "line_search_fn" not in settings:
        settings = {**settings, "lr": 1e-3}
    (ours, loss), (theirs, their_loss) = make(tg), make(torch)
    optimizer, oracle = optim.LBFGS(ours, **settings), torch.optim.LBFGS(theirs, **settings)
    # A search that starts too short, and a narrow valley, double differences of rounding with every iteration.
    steps, tolerance = (5, 1e-6) if make is rosenbrock else (20 if settings.get("lr") == 1e-4 else 50, 1e-9)
    found, wanted = train(optimizer, loss, steps), train(oracle, their_loss, steps)
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=1e-9)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=10 * tolerance, atol=1e-9)
    state, their_state = optimizer.state[ours[0]], oracle.state[theirs[0]]
    assert set(state) == set(their_state) - {"al"}
    assert (state["n_iter"], state["func_evals"]) == (their_state["n_iter"], their_state["func_evals"])
    assert len(state.get("old_dirs", [])) == len(their_state.get("old_dirs", []))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_restored_optimizer_continues_bit_for_bit(settings: dict[str, Any]) -> None:
    (first, first_loss), (second, second_loss) = problem(tg), problem(tg)
    straight, resumed = optim.LBFGS(first, **settings), optim.LBFGS(second)
    train(straight, first_loss, 3)
    for a, b in zip(first, second, strict=True):
        b.array[...] = a.array
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert train(straight, first_loss, 4) == train(resumed, second_loss, 4)


def test_a_state_dict_of_pytorchs_is_taken_up() -> None:
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
    (ours, loss), (theirs, their_loss) = problem(tg), problem(torch)
    optimizer, oracle = optim.LBFGS(ours), torch.optim.LBFGS(theirs, lr=0.2, max_iter=3)
    train(oracle, their_loss, 5)
    optimizer.load_state_dict(oracle.state_dict())
    for a, b in zip(ours, theirs, strict=True):
        a.array[...] = b.detach().numpy()
    np.testing.assert_allclose(train(optimizer, loss, 5), train(oracle, their_loss, 5), rtol=1e-9)


def test_float32_stays_float32_and_converges() -> None:
    for settings in ({"lr": 0.5}, {"line_search_fn": "strong_wolfe"}):
        x = tg.tensor([3.0, -4.0], requires_grad=True)
        optimizer = optim.LBFGS(
            [x], lr=np.float64(settings.get("lr", 1)), **{k: v for k, v in settings.items() if k != "lr"}
        )
        train(optimizer, lambda x=x: (x**2 * tg.tensor([1.0, 5.0])).sum(), 10)
        assert x.dtype == tg.float32
        assert {one.dtype.name for one in optimizer.state[x]["old_dirs"]} <= {"float32"}
        assert abs(x.array).max() < 1e-3


def test_what_does_not_fit_is_refused() -> None:
    parameters, loss = problem(tg)
    with pytest.raises(ValueError, match="in one group"):
        optim.LBFGS([{"params": parameters[:1]}, {"params": parameters[1:]}])
    with pytest.raises(ValueError, match="lr must be"):
        optim.LBFGS(parameters, lr=-1)
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS(parameters).step()
    with pytest.raises(RuntimeError, match="not 'armijo'"):
        train(optim.LBFGS(parameters, line_search_fn="armijo"), loss, 1)
