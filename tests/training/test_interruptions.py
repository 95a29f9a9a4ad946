"""Whatever stops, nests or resumes a training: the best epoch comes back, what follows is as if nothing had been."""

import itertools
import sys
import threading

import numpy as np
import pytest

from tinygrad_mp import (
    L2,
    BatchNorm,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    Model,
    ReLU,
    WeightDecay,
    from_numpy,
    no_grad,
    optim,
)
from tinygrad_mp.errors import NonFiniteError, SettingError, TapeError
from tinygrad_mp.training.callbacks import HOOKS, Callback, LambdaCallback, NaNGuard
from tinygrad_mp.training.modes import evaluating
from tinygrad_mp.training.snapshots import Snapshot

rng = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (rng.normal(size=(60, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1]])[Y]).astype(np.float32)
OPTIONS = {"epochs": 3, "batch_size": 16, "verbose": 0, "early_stopping": 5}
schedulers = optim.lr_scheduler


def sturdy(seed=7):
    layers = [Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)]
    return Model(layers, CategoricalCrossEntropy(), optim.Adam(lr=0.02), seed=seed)


def state(model):
    return {name: one.array.copy() for name, one in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole():
    model = sturdy()
    history = model.train(X, Y, restore_best=False, **OPTIONS)
    return state(model), history.to_dict()["rows"]


@pytest.mark.parametrize(
    ("hook", "error", "epoch"), [*itertools.product(HOOKS, [KeyboardInterrupt, ValueError], [1, 3])]
)
def test_an_error_at_any_hook_leaves_the_best_epoch_and_can_be_resumed_to_the_same_bits(hook, error, epoch, whole):
    def fail(training):
        if training.epoch == epoch or hook == "on_train_begin":
            raise error

    kept, ended = {}, []
    watch = LambdaCallback(
        on_epoch_end=lambda training: kept.update({training.epoch: state(training.model)}),
        on_train_end=lambda training: ended.append(training),
    )
    model = sturdy()
    if hook == "on_train_end" and epoch == 1:
        epoch = 3
    with pytest.raises(error):
        model.train(X, Y, callbacks=[LambdaCallback(**{hook: fail}), watch], **OPTIONS)
    assert len(ended) == 1
    if model.history.best_epoch in kept:
        assert same(kept[model.history.best_epoch], state(model))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(module.training for module in model.modules())
    history = model.train(X, Y, resume=True, restore_best=False, **OPTIONS)
    assert same(state(model), whole[0])
    assert history.to_dict()["rows"] == whole[1]


def test_a_callback_whose_state_cannot_be_had_does_not_block_later_trainings():
    class Broken(Callback):
        def state_dict(self):
            raise RuntimeError("no state")

    model = sturdy()
    with pytest.raises(RuntimeError, match="no state"):
        model.train(X, Y, callbacks=[Broken()], **OPTIONS)
    assert len(model.train(X, Y, **OPTIONS)) == 3
    assert model.session_state is not None


def test_buffers_that_a_bad_batch_spoilt_come_back_too():
    def batches():
        yield X[:16], Y[:16]
        yield np.full_like(X[:16], np.nan), Y[:16]

    model = sturdy()
    with pytest.raises(NonFiniteError, match="epoch 1, batch 1"):
        model.train(batches, epochs=1, verbose=0)
    assert all(np.isfinite(buffer.array).all() for buffer in model.buffers())


def test_infinite_entries_that_were_always_there_do_not_undo_what_was_learnt():
    model = sturdy().build((2,))
    model.register_buffer("mask", model[0].weight.detach() * 0 - np.inf)
    before = state(model)

    def interrupt(training):
        if training.batch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.train(X, Y, callbacks=[LambdaCallback(on_batch_end=interrupt)], **OPTIONS)
    assert (model[0].weight.array != before["0.weight"]).any()


def test_a_model_is_trained_once_at_a_time():
    model, refused = sturdy(), []

    def nest(training):
        with pytest.raises(SettingError, match=r"this model is being trained[\s\S]*fix: train a copy"):
            training.model.train(X, Y, **OPTIONS)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    def elsewhere():
        try:
            model.train(X, Y, **OPTIONS)
        except SettingError as error:
            refused.append(error)

    assert len(model.train(X, Y, callbacks=[LambdaCallback(on_epoch_end=nest)], **OPTIONS)) == 3
    assert len(refused) == 3
    assert len(model.train(X, Y, **OPTIONS)) == 3


def test_models_in_threads_learn_what_they_learn_one_after_the_other():
    def trained(seed, into):
        model = sturdy(seed)
        model.train(X, Y, **OPTIONS)
        into[seed] = state(model)

    alone, together = {}, {}
    for seed in range(8):
        trained(seed, alone)
    threads = [threading.Thread(target=trained, args=(seed, together)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(alone[seed], together[seed]) for seed in range(8))


def test_a_model_stays_in_evaluation_mode_until_the_last_of_overlapping_contexts_is_left():
    model = sturdy().build((2,))
    one, other = evaluating(model), evaluating(model)
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert not any(module.training for module in model.modules())
    other.__exit__(None, None, None)
    assert all(module.training for module in model.modules())


def test_predictions_of_several_threads_do_not_disturb_each_other():
    model = sturdy()
    model.train(X, Y, **OPTIONS)
    many = np.repeat(X, 10, axis=0)
    expected, wrong = model.predict(many, batch_size=8), []

    def predict():
        for _ in range(3):
            if not np.array_equal(model.predict(many, batch_size=8), expected):
                wrong.append(1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        threads = [threading.Thread(target=predict) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    assert model.training


def test_training_inside_no_grad_learns():
    with no_grad():
        model = sturdy()
        before = state(model.build((2,)))
        model.train(X, Y, **OPTIONS)
    assert (model[0].weight.array != before["0.weight"]).any()


# --- what is refused, and then changes nothing


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (np.array(list("abc"))[Y], {"monitor": "val_f2"}),
        (Y, {"callbacks": [print]}),
        (Y, {"schedule": schedulers.StepLR()}),
        (Y, {"schedule": schedulers.ReduceLROnPlateau(), "schedule_every": "batch"}),
        (Y, {"class_weight": {9: 1.0}}),
        (np.arange(60), {}),
        (Y, {"steps_per_epoch": 3}),
        (Y, {"validation_data": (X, Y + 1)}),
    ],
)
def test_a_training_that_is_refused_leaves_a_model_that_was_never_built(labels, options):
    model, fresh = sturdy(), sturdy()
    with pytest.raises((ValueError, TypeError, IndexError)):
        model.train(X, labels, seed=99, **{**OPTIONS, **options})
    assert not model.built
    assert not any(layer.built for layer in (model[0], model[1], model[4]))
    assert (model.targets, model.classes_, model.sample_shapes) == (None, None, None)
    assert not len(model.split.trained)
    model.train(np.hstack([X, X]), Y, **OPTIONS)  # of another width, even
    fresh.train(np.hstack([X, X]), Y, **OPTIONS)
    assert same(state(model), state(fresh))


def test_a_graph_that_fails_leaves_layers_unbuilt():
    inner = Model([Dense(4)])
    model = Model({"inner": inner, "out": Dense(3)}, forward=lambda model, x: (model.out(model.inner(x)),))
    with pytest.raises(SettingError, match="outputs are one tensor"):
        model.build((2,))
    assert not any(one.built for one in (model, inner, inner[0], model.out))


# --- resuming as something else


def other_schedule():
    return {"schedule": schedulers.CosineAnnealingLR()}


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ({}, {"monitor": "val_accuracy"}, "the min of val_loss, of this one that with the max of val_accuracy"),
        ({}, {"auto_evaluation": 0}, "the min of val_loss, of this one that with the min of loss"),
        ({}, {"schedule": schedulers.StepLR(step_size=1)}, "another schedule"),
        ({"schedule": schedulers.StepLR(step_size=1)}, {}, "another schedule"),
        ({"schedule": schedulers.StepLR(step_size=1)}, other_schedule(), "another schedule"),
        ({}, {"optimizer": optim.SGD(lr=0.1)}, "another optimizer"),
    ],
)
def test_a_training_is_not_resumed_as_another(first, then, words):
    model = sturdy()
    model.train(X, Y, **OPTIONS, **first)
    before, then = state(model), dict(then)
    model.optimizer = then.pop("optimizer", model.optimizer)
    with pytest.raises(SettingError, match=words):
        model.train(X, Y, resume=True, **{**OPTIONS, "epochs": 5}, **then)
    assert same(before, state(model))


def test_resuming_with_fewer_epochs_trains_none_and_keeps_the_best():
    model = sturdy()
    model.train(X, Y, **OPTIONS)
    before = state(model)
    assert len(model.train(X, Y, resume=True, **{**OPTIONS, "epochs": 2})) == 3
    assert same(before, state(model))


# --- learning rates, frozen layers


def test_a_second_training_with_a_schedule_begins_with_the_full_rate():
    model = sturdy()
    options = {"epochs": 4, "verbose": 0, "restore_best": False}
    rates = [model.train(X, Y, schedule=schedulers.CosineAnnealingLR(), **options)["learning_rate"] for _ in range(2)]
    assert rates[0] == rates[1]
    assert rates[0][0] == 0.02


def test_a_plateau_looks_in_the_direction_of_what_is_monitored():
    accuracies = iter([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])

    class Rising(Callback):
        def on_train_begin(self, training):
            training._is_better = lambda value: True
            advance = training.schedule.step
            training.schedule.step = lambda value: advance(next(accuracies))

    plateau = schedulers.ReduceLROnPlateau(patience=0)
    options = {"epochs": 5, "verbose": 0, "monitor": "val_accuracy", "schedule": plateau}
    history = sturdy().train(X, Y, callbacks=[Rising()], **options)
    assert history["learning_rate"] == [0.02] * 5


def test_a_plateau_looks_at_what_is_monitored():
    seen = []

    def listen(training):
        advance = training.schedule.step
        training.schedule.step = lambda value: (seen.append(value), advance(value))

    watch = LambdaCallback(on_train_begin=listen)
    history = sturdy().train(X, Y, schedule=schedulers.ReduceLROnPlateau(), callbacks=[watch], epochs=3, verbose=0)
    assert seen == history["val_loss"]


def test_a_model_in_evaluation_mode_is_trained_in_training_mode():
    one, other = sturdy().eval(), sturdy()
    for model in (one, other):
        model.train(X, Y, **OPTIONS)
    assert same(state(one), state(other))
    assert not any(module.training for module in one.modules())


def test_layers_that_are_unfrozen_later_are_trained_then():
    model = sturdy().build((2,))
    model[0].requires_grad_(False)
    before = state(model)
    model.train(X, Y, **OPTIONS)
    assert (model[0].weight.array == before["0.weight"]).all()
    model[0].requires_grad_(True)
    model.train(X, Y, **OPTIONS)
    assert (model[0].weight.array != before["0.weight"]).any()


def test_an_optimizer_that_needs_a_closure_is_refused():
    with pytest.raises(SettingError, match="LBFGS computes the loss several times"):
        Model([Dense(1)], "mse", optim.LBFGS())


def test_an_optimizer_is_no_schedule_and_a_schedule_no_optimizer():
    with pytest.raises(SettingError, match=r"an optimizer is wanted, not StepLR\("):
        Model([Dense(1)], "mse", schedulers.StepLR(step_size=1))
    with pytest.raises(SettingError, match=r"Adam\(unbound\) is no schedule"):
        sturdy().train(X, Y, schedule=optim.Adam(), **OPTIONS)


def test_settings_can_be_given_later_by_name_too():
    model = Model([Dense(3)])
    model.loss, model.optimizer, model.metrics, model.regularization = "categorical_cross_entropy", "sgd", "f1", "L1"
    assert model.train(X, Y, **OPTIONS).columns[1:3] == ["loss", "f1"]
    with pytest.raises(SettingError, match="unknown loss"):
        model.loss = "no_loss"


@pytest.mark.parametrize("mode", ["min", "max"])
def test_of_epochs_that_are_equally_good_the_first_is_kept(mode):
    def constant(outputs, targets):
        return (outputs * 0).mean() + 1

    kept = {}
    watch = LambdaCallback(on_epoch_end=lambda training: kept.update({training.epoch: state(training.model)}))
    model = Model([Dense(1)], constant, optim.SGD(lr=0.1), regularization=WeightDecay(0.1), metrics=[])
    history = model.train(X, X[:, 0], epochs=3, verbose=0, monitor="loss", mode=mode, callbacks=[watch])
    assert history.best_epoch == 1
    assert same(kept[1], state(model))
    assert not same(kept[1], kept[3])


def test_gradients_from_elsewhere_are_not_used():
    def meddle(training):
        with evaluating(training.model):
            training.model(from_numpy(X)).sum().backward()

    clean, other = sturdy().build((2,)), sturdy().build((2,))
    other.eval()(from_numpy(X)).sum().backward()
    other.train()
    clean.train(X, Y, **OPTIONS)
    other.train(X, Y, callbacks=[LambdaCallback(on_epoch_end=meddle)], **OPTIONS)
    assert same(state(clean), state(other))


def test_a_second_interrupt_while_going_back_leaves_nothing_half_restored(monkeypatch):
    restore, calls, kept = Snapshot.restore, [], {}

    def interrupted(snapshot, *subject):
        calls.append(snapshot.epoch)
        if len(calls) == 1:
            raise KeyboardInterrupt
        restore(snapshot, *subject)

    monkeypatch.setattr(Snapshot, "restore", interrupted)
    watch = LambdaCallback(on_epoch_end=lambda training: kept.update({training.epoch: state(training.model)}))

    def spoil(training):
        if training.epoch == 3:
            for parameter in training.model.parameters():
                parameter.array[...] = 0.3

    model = sturdy()
    with pytest.raises(KeyboardInterrupt):
        model.train(X, Y, callbacks=[watch, LambdaCallback(on_epoch_begin=spoil)], **OPTIONS)
    assert len(calls) == 2
    assert same(kept[calls[0]], state(model))


def test_a_training_that_is_over_holds_no_batch_and_counts_all_its_seconds():
    held = []
    model = sturdy()
    history = model.train(X, Y, callbacks=[LambdaCallback(on_train_begin=held.append)], **OPTIONS)
    assert (held[0].inputs, held[0].targets) == (None, None)
    history.seconds = 1000.0
    model._session_state["history"]["seconds"] = 1000.0
    assert model.train(X, Y, resume=True, **{**OPTIONS, "epochs": 4}).seconds > 1000


def test_the_first_reason_to_stop_is_told_and_forgotten_when_resumed():
    def stop(training):
        training.stop("one")
        training.stop("other")

    model = sturdy()
    assert model.train(X, Y, callbacks=[LambdaCallback(on_epoch_begin=stop)], **OPTIONS).stop_reason == "one"
    assert model.train(X, Y, resume=True, **OPTIONS).stop_reason is None


class Counter(Callback):
    """Counts batches."""

    def __init__(self, step):
        self.step, self.count = step, 0

    def on_batch_end(self, training):
        self.count += self.step

    def on_epoch_end(self, training):
        self.count += 1000

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, remembered):
        self.count = remembered["count"]


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
@pytest.mark.parametrize("epoch", [1, 3])
def test_what_callbacks_counted_in_an_epoch_that_was_broken_off_is_forgotten(hook, epoch):
    def interrupt(training):
        if training.epoch == epoch and (hook == "on_epoch_end" or training.batch == 1):
            raise KeyboardInterrupt

    model, again = sturdy(), Counter(1)
    with pytest.raises(KeyboardInterrupt):
        model.train(X, Y, callbacks=[Counter(1), LambdaCallback(**{hook: interrupt})], **OPTIONS)
    model.train(X, Y, callbacks=[again], resume=True, **OPTIONS)
    assert again.count == 3009


def test_callbacks_of_one_class_keep_apart_what_they_remember():
    model, first, again = sturdy(), [Counter(1), Counter(10), Counter(100)], [Counter(1), Counter(10), Counter(100)]
    model.train(X, Y, callbacks=first, **OPTIONS)
    model.train(X, Y, callbacks=again, resume=True, **OPTIONS)
    assert [one.count for one in again] == [one.count for one in first] == [3009, 3090, 3900]


def test_a_guard_that_lets_it_pass_may_go_on_after_a_loss_that_is_no_number():
    class Careless(NaNGuard):
        def on_loss(self, training):
            pass

        def on_epoch_end(self, training):
            pass

    calls = itertools.count()

    def sometimes(outputs, targets):
        loss = ((outputs - targets) ** 2).mean()
        return loss * 0 + np.inf if next(calls) == 1 else loss

    model = Model([Dense(1)], sometimes, optim.SGD(lr=0.0), metrics=[])
    with np.errstate(all="ignore"):
        history = model.train(X, X[:, 0], epochs=2, verbose=0, auto_evaluation=0, callbacks=[Careless()])
    assert len(history) == 2
    assert history["loss"][0] == np.inf


def test_at_on_gradients_the_penalty_is_part_of_them():
    model, seen = Model([Dense(1)], "mse", optim.SGD(lr=0.0), regularization=L2(1e6), metrics=[]), []
    watch = LambdaCallback(on_gradients=lambda training: seen.append(training.model[0].weight.grad.numpy().copy()))
    model.train(X, X[:, 0], epochs=1, batch_size=60, auto_evaluation=0, verbose=0, callbacks=[watch])
    assert np.allclose(seen[0], 1e6 * model[0].weight.detach().numpy(), rtol=1e-3)


def test_a_row_whose_epoch_was_not_completed_is_dropped_when_resumed():
    model, reasons = sturdy(), []
    watch = LambdaCallback(on_epoch_end=lambda training: reasons.append(training.history.stop_reason))
    stop = LambdaCallback(on_epoch_begin=lambda training: training.stop("enough"))
    model.train(X, Y, callbacks=[stop], **OPTIONS)
    rows = model._session_state["history"]["rows"]
    rows.append({name: -1.0 for name in rows[0]})
    history = model.train(X, Y, callbacks=[watch], resume=True, **OPTIONS)
    assert len(history) == 3
    assert -1.0 not in history["loss"]
    assert reasons == [None, None]


def test_going_back_is_a_write_that_recorded_results_notice():
    model = sturdy().build((2,))
    model.optimizer = model.optimizer.bind(model.parameters())
    snapshot = Snapshot.taken(0, model, model.optimizer, None)
    loss = model(from_numpy(X)).sum()
    snapshot.restore(model, model.optimizer, None)
    with pytest.raises(TapeError, match="overwrote"):
        loss.backward()


def test_weights_of_all_groups_decay():
    model = Model([Dense(4), Dense(1)], "mse", regularization=WeightDecay(0.5)).build((2,))
    groups = [{"params": layer.parameters(), "lr": rate} for layer, rate in zip(model, (0.1, 0.2), strict=True)]
    model.optimizer = optim.SGD(groups, momentum=0.0)
    still = Callback()
    still.on_gradients = lambda training: [one.grad.zero_() for one in training.model.parameters()]
    before = state(model)
    model.train(X, X[:, 0], epochs=1, batch_size=60, auto_evaluation=0, verbose=0, callbacks=[still])
    after = state(model)
    assert np.allclose(after["0.weight"], before["0.weight"] * 0.95)
    assert np.allclose(after["1.weight"], before["1.weight"] * 0.9)


def test_metrics_do_not_look_at_outputs_that_are_no_numbers():
    class Careless(NaNGuard):
        def on_loss(self, training):
            pass

        def on_epoch_end(self, training):
            pass

    def batches():
        yield X[:30], Y[:30]
        yield X[30:] * np.nan, Y[30:]

    model = Model([Dense(3)], CategoricalCrossEntropy(), optim.SGD(lr=0.0), metrics=["accuracy", "log_loss"])
    history = model.train(batches, epochs=1, verbose=0, callbacks=[Careless()])
    assert np.isnan([history["loss"][0], history["accuracy"][0], history["log_loss"][0]]).all()
