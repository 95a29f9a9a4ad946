"""Optimizers and schedulers made before there are parameters."""

import copy
import inspect
import pickle

import pytest

from tinygrad_mp import nn, optim
from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.unbound import Unbound

schedulers = optim.lr_scheduler
ALL = [optim.Adam, optim.AdamW, optim.SGD, optim.RMSprop, optim.Adagrad, optim.LBFGS, optim.Rprop, optim.NAdam]


@pytest.mark.parametrize("kind", ALL)
def test_a_bound_optimizer_is_the_one_that_was_described(kind):
    layer = nn.Linear(2, 1)
    bound, direct = kind(lr=0.02).bind(layer.parameters()), kind(layer.parameters(), lr=0.02)
    assert type(bound) is kind
    assert bound.state_dict()["param_groups"] == direct.state_dict()["param_groups"]


def test_settings_are_checked_where_they_are_written():
    with pytest.raises(SettingError, match="lr must be finite and at least 0"):
        optim.Adam(lr=-1)
    with pytest.raises(TypeError, match=r"Adam\(\) has no parameter 'learning_rate'; it has params, lr"):
        optim.Adam(learning_rate=1)


def test_using_an_unbound_optimizer_says_what_is_missing():
    with pytest.raises(AttributeError, match=r"Adam\(unbound\) has no 'step' before it is bound to parameters\n  fix"):
        optim.Adam().step()
    assert not hasattr(optim.Adam(), "param_groups")


def test_an_empty_list_of_parameters_is_still_refused():
    with pytest.raises(SettingError, match="there are no parameters"):
        optim.Adam([])


def test_schedulers_inside_schedulers_are_bound_to_the_same_optimizer():
    settings = schedulers.SequentialLR(
        schedulers=[schedulers.LinearLR(total_iters=2), schedulers.StepLR(step_size=1)], milestones=[2]
    )
    optimizer = optim.SGD([nn.Parameter(nn.Linear(1, 1).weight)], lr=1.0)
    bound = settings.bind(optimizer)
    assert bound.optimizer is optimizer
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        bound.step()
    assert rates == pytest.approx([1 / 3, 2 / 3, 1.0, 0.1])


def test_a_chain_of_unbound_schedulers_is_unbound():
    chain = schedulers.ChainedScheduler([schedulers.StepLR(step_size=1), schedulers.ExponentialLR(gamma=0.5)])
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    bound = chain.bind(optimizer)
    optimizer.step()
    bound.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_defaults_fill_only_what_the_class_has_and_was_not_given():
    assert schedulers.OneCycleLR(max_lr=1.0).with_defaults(total_steps=5, T_max=5).settings == {
        "max_lr": 1.0,
        "total_steps": 5,
    }
    assert schedulers.CosineAnnealingLR(T_max=3).with_defaults(T_max=5).settings == {"T_max": 3}


def test_settings_are_copied_and_pickled():
    settings = optim.Adam(lr=0.1)
    assert copy.deepcopy(settings) == pickle.loads(pickle.dumps(settings)) == settings
    assert isinstance(settings, Unbound)


def test_signatures_stay_those_of_the_constructors():
    assert list(inspect.signature(optim.SGD).parameters)[:3] == ["params", "lr", "momentum"]
    assert list(inspect.signature(schedulers.StepLR).parameters) == ["optimizer", "step_size", "gamma", "last_epoch"]


def test_inverse_time_divides_by_the_epochs_passed():
    optimizer = optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    scheduler = schedulers.InverseTimeLR(optimizer, decay=0.5)
    rates = []
    for _ in range(4):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates == pytest.approx([1, 1 / 1.5, 1 / 2, 1 / 2.5])
    with pytest.raises(SettingError, match="decay must be at least 0"):
        schedulers.InverseTimeLR(optimizer, -1)
