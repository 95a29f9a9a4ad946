"""Run entries of PyTorch's ``optim_db`` on both engines: fifty steps each, schedulers, and settings to be refused."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy

import tinygrad_mp as tg
from tests.parity.databases import OPTIMIZERS, seed_all, torch
from tests.parity.judging import Tally, WrongError, compare_arrays, one_line
from tests.parity.sides import MissingError, as_numpy, ours, ours_together
from tinygrad_mp import optim

NAMED_BY_ISSUE_C = (
    "SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "Adagrad", "Adadelta", "ASGD", "LBFGS",
)  # fmt: skip
STEPS = 50
SCHEDULED_STEPS = 60


def run_optimizer(name: str) -> Tally:
    """Compare the trajectories of all rows, with and without the database's schedulers, and the bad settings."""
    info = OPTIMIZERS[name]
    tally = Tally(name)
    made = getattr(optim, name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seed_all()
        for row in info.optim_inputs_func(device="cpu", dtype=torch.float64):
            _run(tally, f"{row.desc} {row.kwargs}", lambda row=row: _compare_row(info.optim_cls, made, row.kwargs))
        for number, schedulers in enumerate(info.scheduler_inputs):
            label = f"schedulers #{number} {[one.__code__.co_names for one in schedulers]}"
            _run(tally, label, lambda chain=schedulers: _compare_schedules(info.optim_cls, made, chain))
        if made is not None and info.optim_error_inputs_func is not None:
            _run_bad_settings(tally, info, made)
    return tally


def _run(tally: Tally, label: str, check: Callable[[], None]) -> None:
    try:
        check()
    except WrongError as error:
        tally.add("wrong", f"{label}: {error}")
    except MissingError as error:
        tally.add("missing", f"{label}: {error}")
    except Exception as error:
        tally.add("raised", f"{label}: {one_line(error)}")
    else:
        tally.add("passed")


def _problem(engine: Any) -> tuple[list[Any], Callable[[], Any]]:
    """A small regression with four parameters, one of which the loss does not reach."""
    rng = numpy.random.default_rng(11)
    x, y = (engine.tensor(rng.standard_normal(shape)) for shape in ((8, 4), (8, 3)))
    parameters = [engine.tensor(rng.standard_normal(shape)) for shape in ((4, 5), (5,), (5, 3), (2,))]
    for one in parameters:
        one.requires_grad_()

    def loss() -> Any:
        hidden = (x @ parameters[0] + parameters[1]).tanh()
        return ((hidden @ parameters[2] - y) ** 2).mean()

    return parameters, loss


def _quadratic(engine: Any) -> tuple[list[Any], Callable[[], Any]]:
    """A problem on which L-BFGS amplifies no rounding, as it does on others, PyTorch's as much as ours."""
    rng = numpy.random.default_rng(11)
    weight, bias, x = (engine.tensor(rng.standard_normal(shape)) for shape in ((10, 5), (10,), (5,)))
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    return parameters, lambda: (weight.mv(x) + bias).pow(2).sum()


def _trajectory(engine: Any, make: Any, kwargs: dict[str, Any], schedule: Any = None) -> tuple[list[Any], list[Any]]:
    """The parameters after all steps, and the learning rate at every step of a schedule."""
    parameters, loss = (_quadratic if make.__name__ == "LBFGS" else _problem)(engine)
    optimizer = make(parameters, **kwargs)
    chain = [] if schedule is None else [one(optimizer) for one in schedule]
    rates = []

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(STEPS if schedule is None else SCHEDULED_STEPS):
        value = optimizer.step(closure)
        for one in chain:
            takes_metric = type(one).__name__ == "ReduceLROnPlateau"
            one.step(float(value)) if takes_metric else one.step()
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
    return [as_numpy(one) for one in parameters], rates


def _compare_row(theirs: Any, mine: Any, kwargs: dict[str, Any]) -> None:
    if mine is None:
        raise MissingError(theirs.__name__)
    expected, _ = _trajectory(torch, theirs, dict(kwargs))
    found, _ = _trajectory(tg, mine, ours(dict(kwargs)))
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        compare_arrays(one, other, 1e-9, f"parameter {number} after {STEPS} steps")


def _compare_schedules(theirs: Any, mine: Any, chain: Any) -> None:
    if mine is None:
        raise MissingError(theirs.__name__)
    kwargs = {"lr": 0.01}
    expected, rates = _trajectory(torch, theirs, kwargs, chain)
    found, our_rates = _trajectory(tg, mine, kwargs, [_our_scheduler(one) for one in chain])
    compare_arrays(numpy.asarray(our_rates), numpy.asarray(rates), 1e-12, "learning rates")
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        compare_arrays(one, other, 1e-9, f"parameter {number} after {SCHEDULED_STEPS} steps")


def _our_scheduler(make: Callable[..., Any]) -> Callable[..., Any]:
    """A lambda of PyTorch's that makes a scheduler, with our class in the place of its."""
    known = torch.optim.lr_scheduler
    world = dict(make.__globals__)
    for name in make.__code__.co_names:
        if hasattr(known, name):
            try:
                world[name] = getattr(optim.lr_scheduler, name)
            except AttributeError:
                raise MissingError(f"lr_scheduler.{name}") from None
    return types.FunctionType(make.__code__, world, make.__name__, make.__defaults__, make.__closure__)


def _run_bad_settings(tally: Tally, info: Any, made: Any) -> None:
    seed_all()
    for bad in info.optim_error_inputs_func("cpu", torch.float64):
        one, expected = bad.optimizer_error_input, bad.error_type
        if not (isinstance(expected, type) and issubclass(expected, Exception)) or issubclass(expected, Warning):
            continue
        label = f"bad settings {one.desc}: {one.kwargs}"
        if one.params is None:
            theirs, mine = [torch.zeros(2, requires_grad=True)], [tg.zeros(2, requires_grad=True)]
        else:
            theirs, mine = one.params, ours_together(one.params)
        try:
            info.optim_cls(theirs, **one.kwargs)
        except expected:
            pass
        except Exception:
            continue
        else:
            continue
        tally.bad_inputs += 1
        try:
            made(mine, **ours(one.kwargs))
        except expected:
            pass
        except Exception as error:
            tally.other_class += 1
            tally.notes.append(f"other class: {label}: {one_line(error)} instead of {expected.__name__}")
        else:
            tally.silent += 1
            tally.notes.append(f"silent: {label}: expected {expected.__name__} {bad.error_regex!r:.80}")
