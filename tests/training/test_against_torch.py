"""``Model.train`` gives what a hand-written loop on PyTorch gives, from the same weights and rows in the same order."""

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import L1, L2, BatchNorm, CategoricalCrossEntropy, Dense, Huber, Model, ReLU, WeightDecay, optim

torch = pytest.importorskip("torch", reason="the other loop is PyTorch's, which is not importable here")
F = torch.nn.functional

rng = np.random.default_rng(0)
X = rng.normal(size=(70, 6))
LABELS = rng.integers(0, 4, 70)
VALUES = X @ rng.normal(size=(6, 2)) + 0.1 * rng.normal(size=(70, 2))
HELD_OUT = slice(60, 70)
CLASS_WEIGHT = [0.5, 2.0, 1.0, 1.5]


def twins(outputs, loss, optimizer, **settings):
    """A model in float64 with BatchNorm, and PyTorch's with the same weights."""
    layers = [Dense(8), BatchNorm(), ReLU(), Dense(outputs)]
    model = Model(layers, loss, optimizer, metrics=[], seed=1, **settings).double().build((6,), dtype="float64")
    nn = torch.nn
    other = nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs)).double()
    other.load_state_dict({name: torch.tensor(one.array) for name, one in model.state_dict().items()})
    return model, other


def loop(model, optimizer, criterion, y, *, epochs=4, batch=16, weight=None, accumulate=1, before_step=None, **more):
    """The loss of training and of evaluation, epoch by epoch."""
    found, schedule, by_batch = [], more.get("schedule"), more.get("by_batch", False)
    inputs, targets = torch.tensor(X), torch.tensor(y)
    for _ in range(epochs):
        model.train()
        total = mass = 0.0
        pieces = list(range(0, 60, batch))
        optimizer.zero_grad()
        group = 0.0
        for number, start in enumerate(pieces):
            rows = slice(start, min(start + batch, 60))
            losses = criterion(model(inputs[rows]), targets[rows])
            weights = torch.ones(len(losses), dtype=torch.float64) if weight is None else weight[targets[rows]]
            (losses * weights).sum().backward()
            group += weights.sum().item()
            total, mass = total + (losses * weights).sum().item(), mass + weights.sum().item()
            if (number + 1) % accumulate == 0 or number + 1 == len(pieces):
                for parameter in model.parameters():
                    parameter.grad /= group
                if before_step:
                    before_step(list(model.parameters()))
                optimizer.step()
                optimizer.zero_grad()
                group = 0.0
                if schedule and by_batch:
                    schedule.step()
        if schedule and not by_batch:
            schedule.step()
        model.eval()
        with torch.no_grad():
            found.append([total / mass, criterion(model(inputs[HELD_OUT]), targets[HELD_OUT]).mean().item()])
    return np.array(found).T


def compare(model, other, optimizer, criterion, y, options, **more):
    history = model.train(
        X[:60],
        y[:60],
        epochs=4,
        batch_size=16,
        shuffle=False,
        verbose=0,
        restore_best=False,
        validation_data=(X[60:], y[60:]),
        **options,
    )
    losses, evaluated = loop(other, optimizer, criterion, y, **more)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-9)
    np.testing.assert_allclose(history["val_loss"], evaluated, rtol=1e-9)
    for name, value in other.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name].array, value.numpy(), rtol=1e-8, atol=1e-11, err_msg=name)


def cross_entropy(outputs, targets):
    return F.cross_entropy(outputs, targets, reduction="none")


def test_plain():
    model, other = twins(4, CategoricalCrossEntropy(), optim.Adam(lr=0.01))
    compare(model, other, torch.optim.Adam(other.parameters(), lr=0.01), cross_entropy, LABELS, {})


def test_label_smoothing_temperature_and_class_weights():
    model, other = twins(4, CategoricalCrossEntropy(0.1, 1.7), optim.SGD(lr=0.1, momentum=0.9, nesterov=True))

    def criterion(outputs, targets):
        return F.cross_entropy(outputs / 1.7, targets, reduction="none", label_smoothing=0.1)

    optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    options = {"class_weight": CLASS_WEIGHT}
    compare(model, other, optimizer, criterion, LABELS, options, weight=torch.tensor(CLASS_WEIGHT, dtype=torch.float64))


def test_class_weights_of_the_loss_count_in_evaluation_too():
    loss = CategoricalCrossEntropy(class_weight=CLASS_WEIGHT)
    model, other = twins(4, loss, optim.SGD(lr=0.1))
    weight = torch.tensor(CLASS_WEIGHT, dtype=torch.float64)
    criterion = torch.nn.CrossEntropyLoss(weight=weight)
    outputs = torch.tensor(model.predict_logits(X))
    assert model.evaluate(X, LABELS)["loss"] == pytest.approx(criterion(outputs, torch.tensor(LABELS)).item(), rel=1e-9)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    history = model.train(X[:60], LABELS[:60], epochs=4, batch_size=16, shuffle=False, auto_evaluation=0, verbose=0)
    losses, _ = loop(other, optimizer, cross_entropy, LABELS, weight=weight)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-9)
    soft = torch.tensor(rng.dirichlet(np.ones(4), 70))
    each = F.cross_entropy(outputs, soft, reduction="none")
    expected = (each * (soft @ weight)).sum() / (soft @ weight).sum()
    assert model.loss(tg.tensor(outputs.numpy()), tg.tensor(soft.numpy())).item() == pytest.approx(
        expected.item(), rel=1e-9
    )


def test_accumulation_with_a_group_left_over():
    model, other = twins(4, CategoricalCrossEntropy(), optim.RMSprop(lr=0.01))
    optimizer = torch.optim.RMSprop(other.parameters(), lr=0.01)
    compare(model, other, optimizer, cross_entropy, LABELS, {"accumulate": 3}, accumulate=3)


def test_penalties_and_clipping_of_values_then_of_the_norm():
    model, other = twins(2, Huber(0.7), optim.SGD(lr=0.1), regularization=[L1(0.01), L2(0.02)])

    def before_step(parameters):
        for parameter in parameters:
            if parameter.ndim >= 2:
                parameter.grad += 0.01 * parameter.detach().sign() + 0.02 * parameter.detach()
        torch.nn.utils.clip_grad_value_(parameters, 0.2)
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)

    def criterion(outputs, targets):
        return F.huber_loss(outputs, targets, reduction="none", delta=0.7).mean(dim=1)

    options = {"clip_value": 0.2, "clip_norm": 0.5}
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    compare(model, other, optimizer, criterion, VALUES, options, before_step=before_step)


def test_decay_apart_from_the_gradient_on_weights_only():
    model, other = twins(4, CategoricalCrossEntropy(), optim.Adam(lr=0.01), regularization=WeightDecay(0.1))
    weights = [one for one in other.parameters() if one.ndim >= 2]
    rest = [one for one in other.parameters() if one.ndim < 2]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    compare(model, other, torch.optim.AdamW(groups, lr=0.01), cross_entropy, LABELS, {})


@pytest.mark.parametrize("by_batch", [False, True])
def test_schedules(by_batch):
    model, other = twins(4, CategoricalCrossEntropy(), optim.SGD(lr=0.1))
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    if by_batch:
        ours = optim.lr_scheduler.OneCycleLR(max_lr=0.5)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=16)
    else:
        ours = optim.lr_scheduler.ExponentialLR(gamma=0.5)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    options = {"schedule": ours}
    compare(model, other, optimizer, cross_entropy, LABELS, options, schedule=schedule, by_batch=by_batch)
