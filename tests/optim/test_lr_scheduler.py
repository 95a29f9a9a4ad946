"""Schedulers set the rates and the momenta that PyTorch's set, step by step, and can be stopped and taken up again."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import optim
from tinygrad_mp.optim import lr_scheduler

STEPS = 60
EARLY = r"ignore:.*lr_scheduler.step\(\).*before.*optimizer.step:UserWarning"  # a nested one, when it is made

SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda epoch: 0.95**epoch),
    "LambdaLR of each group": lambda s, o: s.LambdaLR(o, [lambda epoch: 1 / (epoch + 1), lambda epoch: epoch / 60]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.9 if epoch % 2 else 1.05),
    "StepLR": lambda s, o: s.StepLR(o, 7, gamma=0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [5, 20, 20, 41], gamma=0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.2, total_iters=9),
    "ConstantLR by default": lambda s, o: s.ConstantLR(o),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.7, total_iters=30),
    "LinearLR by default": lambda s, o: s.LinearLR(o),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 40, power=2.5),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 13, eta_min=0.01),
    "CosineAnnealingLR once": lambda s, o: s.CosineAnnealingLR(o, STEPS),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, eta_min=1e-3),
    "CosineAnnealingWarmRestarts alike": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.1, 0.9, step_size_up=7, step_size_down=4),
    "CyclicLR triangular2": lambda s, o: s.CyclicLR(o, [0.1, 0.2], [0.9, 0.5], step_size_up=7, mode="triangular2"),
    "CyclicLR exp_range": lambda s, o: s.CyclicLR(o, 0.1, 0.9, 5, mode="exp_range", gamma=0.97, base_momentum=0.5),
    "CyclicLR by a function": lambda s, o: s.CyclicLR(
        o, 0.1, 0.9, 5, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations", cycle_momentum=False
    ),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.8, total_steps=STEPS),
    "OneCycleLR in three": lambda s, o: s.OneCycleLR(o, [0.8, 0.4], epochs=6, steps_per_epoch=10, three_phase=True),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, 0.8, STEPS, pct_start=0.4, anneal_strategy="linear", base_momentum=0.6, div_factor=10, final_div_factor=50
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 20), s.ExponentialLR(o, 0.9)], milestones=[5, 25]
    ),
    "SequentialLR in a SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [s.SequentialLR(o, [s.ConstantLR(o, 0.1, 3), s.StepLR(o, 4)], milestones=[3]), s.ExponentialLR(o, 0.9)],
        milestones=[20],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, total_iters=4), s.ExponentialLR(o, 0.9), s.MultiStepLR(o, [10, 30])], optimizer=o
    ),
}


def an_optimizer(package: Any = tg, name: str = "SGD", lr: Any = 0.5) -> Any:
    parameters = [package.zeros(2, requires_grad=True), package.zeros(3, requires_grad=True)]
    groups = [{"params": parameters[:1]}, {"params": parameters[1:], "lr": 0.3}]
    return getattr(package.optim, name)(groups, lr=lr, **({"momentum": 0.9} if name == "SGD" else {}))


def run(optimizer: Any, scheduler: Any, steps: int) -> Iterator[list[float]]:
    """The rates, what ``get_last_lr`` says, and the momenta, of each step."""
    for _ in range(steps):
        groups = optimizer.param_groups
        momenta = [group["momentum"] if "momentum" in group else group["betas"][0] for group in groups]
        yield [float(one) for one in (*(group["lr"] for group in groups), *scheduler.get_last_lr(), *momenta)]
        optimizer.step()
        scheduler.step()


def close(a: list[list[float]], b: list[list[float]], tolerance: float = 1e-12) -> bool:
    return all(
        math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance)
        for one, other in zip(a, b, strict=True)
        for x, y in zip(one, other, strict=True)
    )


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.filterwarnings(EARLY)
def test_sixty_steps_equal_pytorchs(schedule: str, name: str, torch: Any) -> None:
    make = SCHEDULES[schedule]
    ours, theirs = an_optimizer(tg, name), an_optimizer(torch, name)
    scheduler, oracle = make(lr_scheduler, ours), make(torch.optim.lr_scheduler, theirs)
    assert close(list(run(ours, scheduler, STEPS)), list(run(theirs, oracle, STEPS)))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.filterwarnings(EARLY)
def test_a_restored_scheduler_continues_alike(schedule: str) -> None:
    make = SCHEDULES[schedule]
    first, second = an_optimizer(), an_optimizer()
    straight, resumed = make(lr_scheduler, first), make(lr_scheduler, second)
    list(run(first, straight, 11))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert list(run(first, straight, 30)) == list(run(second, resumed, 30))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.filterwarnings(EARLY)
def test_a_state_dict_of_pytorchs_is_taken_up(schedule: str, torch: Any) -> None:
    make = SCHEDULES[schedule]
    ours, theirs = an_optimizer(), an_optimizer(torch)
    scheduler, oracle = make(lr_scheduler, ours), make(torch.optim.lr_scheduler, theirs)
    list(run(theirs, oracle, 11))
    ours.load_state_dict(theirs.state_dict())
    scheduler.load_state_dict(oracle.state_dict())
    assert close(list(run(ours, scheduler, 30)), list(run(theirs, oracle, 30)))


@pytest.mark.parametrize("schedule", ["StepLR", "ExponentialLR", "CosineAnnealingLR", "LinearLR", "OneCycleLR"])
def test_a_schedule_may_be_taken_up_at_an_epoch(schedule: str, torch: Any) -> None:
    makes: dict[str, Callable[[Any, Any], Any]] = {
        "StepLR": lambda s, o: s.StepLR(o, 7, last_epoch=8),
        "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9, last_epoch=8),
        "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 13, last_epoch=8),
        "LinearLR": lambda s, o: s.LinearLR(o, total_iters=20, last_epoch=8),
        "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.8, STEPS, last_epoch=8),
    }
    with pytest.raises(KeyError, match="has no initial_lr"):
        makes[schedule](lr_scheduler, an_optimizer())
    ours, theirs = an_optimizer(), an_optimizer(torch)
    for optimizer in (ours, theirs):
        for group in optimizer.param_groups:
            group.update(initial_lr=0.4, max_lr=0.9, min_lr=0.01, max_momentum=0.9, base_momentum=0.8)
    scheduler, oracle = makes[schedule](lr_scheduler, ours), makes[schedule](torch.optim.lr_scheduler, theirs)
    assert close(list(run(ours, scheduler, 20)), list(run(theirs, oracle, 20)))


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 2},
        {"patience": 0, "factor": 0.5, "cooldown": 3, "min_lr": [0.01, 0.2]},
        {"mode": "max", "threshold": 0.1, "patience": 1},
        {"mode": "max", "threshold": 0.1, "threshold_mode": "abs", "patience": 1, "min_lr": 0.05},
        {"threshold": 0.1, "threshold_mode": "abs", "patience": 1, "eps": 0.1},
    ],
)
def test_a_plateau_is_seen_where_pytorch_sees_it(settings: dict[str, Any], torch: Any) -> None:
    ours, theirs = an_optimizer(), an_optimizer(torch)
    scheduler = lr_scheduler.ReduceLROnPlateau(ours, **settings)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
    for step in range(STEPS):
        if step == 20:
            again = lr_scheduler.ReduceLROnPlateau(ours)
            again.load_state_dict(scheduler.state_dict())
            scheduler = again
        measure = math.cos(step / 9) + (1 if step % 11 == 3 else 0)
        scheduler.step(tg.tensor(measure, dtype="float64") if step % 2 else measure)
        oracle.step(measure)
        assert scheduler.get_last_lr() == pytest.approx(oracle.get_last_lr(), rel=1e-12)
        assert scheduler.num_bad_epochs == oracle.num_bad_epochs


@pytest.mark.parametrize("epoch", [0, 0.5, 3, 4.9, 5, 12, 14.99, 15, 34.2])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_warm_restarts_may_jump_to_a_fraction_of_an_epoch(epoch: float, factor: int, torch: Any) -> None:
    ours, theirs = an_optimizer(), an_optimizer(torch)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(ours, 5, factor)
    oracle = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(theirs, 5, factor)
    scheduler.step(epoch)
    oracle.step(epoch)
    assert close(list(run(ours, scheduler, 20)), list(run(theirs, oracle, 20)))


@pytest.mark.parametrize(
    "schedule", ["StepLR", "MultiStepLR", "CosineAnnealingLR", "PolynomialLR", "LinearLR", "LambdaLR"]
)
def test_a_jump_uses_the_closed_form_and_warns(schedule: str, torch: Any) -> None:
    ours, theirs = an_optimizer(), an_optimizer(torch)
    scheduler = SCHEDULES[schedule](lr_scheduler, ours)
    oracle = SCHEDULES[schedule](torch.optim.lr_scheduler, theirs)
    ours.step()
    theirs.step()
    for epoch in (17, 3, 50):
        with pytest.warns(UserWarning, match="deprecated in PyTorch"):
            scheduler.step(epoch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            oracle.step(epoch)
        assert scheduler.get_last_lr() == pytest.approx(oracle.get_last_lr(), rel=1e-12)


def test_a_rate_that_is_a_tensor_is_changed_in_place() -> None:
    rate = tg.tensor(0.5, dtype="float64")
    optimizer = optim.SGD([tg.zeros(2, requires_grad=True)], lr=rate)
    held = optimizer.param_groups[0]["lr"]
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is held
    assert held.item() == 0.25
    assert rate.item() == 0.5
    assert scheduler.base_lrs[0].item() == 0.5


def test_a_rate_changed_by_hand_stays_changed() -> None:
    optimizer = an_optimizer()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [4.0, 0.15]


def test_a_wrong_order_of_calls_warns_once() -> None:
    optimizer = an_optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\) was called before optimizer.step\(\)") as caught:
        scheduler.step()
    scheduler.step()  # and warns no more
    assert caught[0].filename == __file__


def test_the_right_order_of_calls_does_not_warn_and_a_replaced_step_does() -> None:
    optimizer = an_optimizer()
    first, second = lr_scheduler.StepLR(optimizer, 2), lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    first.step()
    second.step()

    replaced = an_optimizer()
    scheduler = lr_scheduler.StepLR(replaced, 2)
    replaced.step = lambda: None
    with pytest.warns(UserWarning, match="was replaced after the scheduler was made"):
        scheduler.step()


def test_get_lr_points_to_get_last_lr() -> None:
    with pytest.warns(UserWarning, match="get_last_lr"):
        lr_scheduler.StepLR(an_optimizer(), 2).get_lr()


def test_a_scheduler_of_the_users_needs_only_get_lr() -> None:
    class Warmup(lr_scheduler._LRScheduler):
        def __init__(self, optimizer: Any, length: int) -> None:
            self.length = length
            super().__init__(optimizer)

        def get_lr(self) -> list[float]:
            return [base * min(1.0, (self.last_epoch + 1) / self.length) for base in self.base_lrs]

    optimizer = an_optimizer()
    scheduler = Warmup(optimizer, 4)
    rates = [row[0] for row in run(optimizer, scheduler, 6)]
    assert rates == [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    assert scheduler.state_dict()["length"] == 4


def test_objects_with_state_are_saved_and_functions_are_not() -> None:
    class Factor:
        def __init__(self, base: float) -> None:
            self.base = base

        def __call__(self, epoch: int) -> float:
            return self.base**epoch

    optimizer = an_optimizer()
    scheduler = lr_scheduler.LambdaLR(optimizer, [Factor(0.5), lambda epoch: 1.0])
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"base": 0.5}, None]
    other = lr_scheduler.LambdaLR(an_optimizer(), [Factor(0.9), lambda epoch: 1.0])
    other.load_state_dict(state)
    assert other.lr_lambdas[0].base == 0.5
    cyclic = lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, scale_fn=Factor(0.5))
    assert cyclic.state_dict()["_scale_fn_custom"] == {"base": 0.5}


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda o: lr_scheduler.LambdaLR(o, [lambda epoch: 1.0]), ValueError),
        (lambda o: lr_scheduler.MultiplicativeLR(o, 3), TypeError),
        (lambda o: lr_scheduler.ConstantLR(o, 1.5), ValueError),
        (lambda o: lr_scheduler.LinearLR(o, 0.0), ValueError),
        (lambda o: lr_scheduler.LinearLR(o, 0.5, 1.5), ValueError),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError),
        (lambda o: lr_scheduler.CyclicLR(o, [0.1], 0.2), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=0), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, epochs=1.5, steps_per_epoch=3), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10, pct_start=2.0), ValueError),
        (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 10, anneal_strategy="cubic"), ValueError),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0), ValueError),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3, 0), ValueError),
        (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3).step(-1), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, "best"), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, threshold_mode="half"), ValueError),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError),
        (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 2)], [3]), ValueError),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(an_optimizer(), 2)], []), ValueError),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]), ValueError),
        (lambda o: lr_scheduler.ChainedScheduler([3]), TypeError),
        (lambda o: lr_scheduler.StepLR([o], 2), TypeError),
        (lambda o: lr_scheduler.ReduceLROnPlateau([o]), TypeError),
    ],
)
def test_what_pytorch_refuses_is_refused(make: Any, error: type) -> None:
    with pytest.raises(error):
        make(an_optimizer())


def test_momentum_is_cycled_only_where_there_is_some() -> None:
    optimizer = optim.Adagrad([tg.zeros(2, requires_grad=True)])
    for make in (
        lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 0.2),
        lambda: lr_scheduler.OneCycleLR(optimizer, 0.1, 9),
    ):
        with pytest.raises(ValueError, match="fix: cycle_momentum=False"):
            make()
    lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, cycle_momentum=False)


def test_one_cycle_ends() -> None:
    optimizer = an_optimizer()
    scheduler = lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    list(run(optimizer, scheduler, 5))
    with pytest.raises(ValueError, match="step 6 of a cycle of 5 steps"):
        scheduler.step()
