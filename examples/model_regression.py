# %% [markdown]
# # Predict numbers: a known formula, and patients
#
# First a formula with noise, Friedman's (Multivariate adaptive regression splines, 1991, section 4.3): of ten variables
# five matter, two of them through their product, and nothing but the noise keeps R2, the share of the variance that is
# explained, from 1. A `Model` comes within a hundredth of what can be reached. Then measurements: 442 patients with
# diabetes, ten figures of each, and how their disease had got on a year later (Efron, Hastie, Johnstone and Tibshirani,
# Least angle regression, 2004). Half of that nobody has explained from these figures yet; the Model's R2 is 0.49, which
# is that of a straight line.
#
# scikit-learn's `MLPRegressor` does both too. The data of the patients come with it, so without it the first part runs
# alone.
#
# In a terminal: `python examples/model_regression.py`, with `--help` for the options. As a notebook: open this file
# with Jupytext, or run its cells in an editor that knows `# %%`.

# %%
import numpy
from common import Options, fit, peak_memory, print_comparison, save_picture, scikit_learn_is_there, until_ctrl_c

from tinygrad_mp import MSE, Dense, Model, ReLU, Tanh, WeightDecay, optim
from tinygrad_mp.training import metrics

# %% [markdown]
# ## Options

# %%
options = Options("Train Models to predict numbers.", epochs=40, quick=3, output="model_regression.png").parse()
compare = scikit_learn_is_there()
if compare:
    from sklearn.datasets import load_diabetes
    from sklearn.neural_network import MLPRegressor

r2 = metrics.R2()

# %% [markdown]
# ## Friedman's formula
#
# The same rows at every run, 8000 to learn from and 5000 to test on. The noise has a variance of 1.


# %%
def friedman(count, random):
    """Ten variables between 0 and 1, and what the formula makes of five of them, without and with noise."""
    x = random.random((count, 10), dtype=numpy.float32)
    exact = 10 * numpy.sin(numpy.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, exact, exact + random.standard_normal(count, dtype=numpy.float32)


class Scale:
    """Makes each column's mean 0 and its deviation 1, as found in the rows given first."""

    def __init__(self, rows):
        self.mean, self.deviation = rows.mean(axis=0), rows.std(axis=0)

    def __call__(self, rows):
        return ((rows - self.mean) / self.deviation).astype(numpy.float32)

    def undo(self, rows):
        return rows * self.deviation + self.mean


random = numpy.random.default_rng(1991)
train_x, _, train_y = friedman(8000, random)
test_x, test_exact, test_y = friedman(5000, random)
scale_x, scale_y = Scale(train_x), Scale(train_y)
print(f"{len(train_x)} rows to learn from, {len(test_x)} to test on; seed {options.seed}")
print(f"who knew the formula would reach an R2 of {r2(test_y, test_exact):.4f}")

# %% [markdown]
# The learning rate falls along a cosine (Loshchilov and Hutter, 2017), down to nothing at the last epoch. A tenth of
# the rows is held out, and the Model goes back to the epoch that was best on them.


# %%
def network():
    return Model(
        [Dense(32), Tanh(), Dense(32), Tanh(), Dense(1)], loss=MSE(), optimizer=optim.Adam(lr=5e-3), seed=options.seed
    )


def train(model, epochs, verbose=1):
    return model.train(
        scale_x(train_x),
        scale_y(train_y),
        epochs=epochs,
        batch_size=64,
        auto_evaluation=0.1,
        early_stopping=10,
        schedule=optim.lr_scheduler.CosineAnnealingLR(),
        verbose=verbose,
    )


model = network().build((10,))
print(model.summary(batch_size=64))
with until_ctrl_c(model, options):
    train(model, options.epochs)

# %% [markdown]
# `predict` gives a column: (5000, 1).

# %%
predicted_y = scale_y.undo(model.predict(scale_x(test_x))[:, 0])
rows = [
    (
        "Model",
        f"{r2(test_y, predicted_y):.4f}",
        model.history.seconds,
        peak_memory(lambda: train(network(), 1, verbose=0)),
    )
]
if compare:
    like_the_model = {"batch_size": 64, "learning_rate_init": 5e-3, "alpha": 0, "max_iter": options.epochs}
    stopping = {"early_stopping": True, "validation_fraction": 0.1, "n_iter_no_change": 10, "tol": 0}
    estimator = MLPRegressor(
        hidden_layer_sizes=(32, 32), activation="tanh", random_state=options.seed, **like_the_model, **stopping
    )
    seconds, memory = fit(estimator, scale_x(train_x), scale_y(train_y))
    found = r2(test_y, scale_y.undo(estimator.predict(scale_x(test_x))))
    rows.append(("scikit-learn's MLPRegressor", f"{found:.4f}", seconds, memory))
print_comparison("test R2, Friedman", rows)

# %% [markdown]
# ## Patients
#
# So few are hard on a test: which ones are held out decides more than the network does. Therefore each fifth is held
# out in turn, and predicted by a network that has seen the other four only; R2 is over all 442 predictions. Strong
# weight decay (Loshchilov and Hutter, 2019) keeps the networks from learning the patients by heart.


# %%
def in_fifths(learn):
    """Predictions for all patients: ``learn(x, y)`` returns a function that predicts, and what learning took."""
    predicted, costs = numpy.empty_like(progression), []
    for held_out in numpy.array_split(numpy.random.default_rng(0).permutation(len(patients)), 5):
        others = numpy.setdiff1d(numpy.arange(len(patients)), held_out)
        scale_x, scale_y = Scale(patients[others]), Scale(progression[others])
        predict, *cost = learn(scale_x(patients[others]), scale_y(progression[others]))
        predicted[held_out] = scale_y.undo(predict(scale_x(patients[held_out])).ravel())
        costs.append(cost)
    seconds, memories = zip(*costs, strict=True)
    return predicted, (f"{r2(progression, predicted):.4f}", sum(seconds), max(memories))


def small_network():
    layers, decay = [Dense(32), ReLU(), Dense(1)], WeightDecay(1.0)
    return Model(layers, loss=MSE(), optimizer=optim.Adam(lr=2e-3), regularization=decay, seed=options.seed)


def with_model(x, y):
    settings = {"batch_size": 32, "auto_evaluation": 0.2, "early_stopping": 8, "verbose": 0}
    memory = peak_memory(lambda: small_network().train(x, y, epochs=1, **settings))
    model = small_network()
    with until_ctrl_c(model, options):
        model.train(x, y, epochs=options.epochs, **settings)
    history = model.history
    print(f"a fifth held out: {len(history)} epochs, the best was {history.best_epoch}", flush=True)
    return model.predict, history.seconds, memory


def with_scikit_learn(x, y):
    like_the_model = {"batch_size": 32, "learning_rate_init": 2e-3, "alpha": 1, "max_iter": options.epochs}
    stopping = {"early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 8, "tol": 0}
    estimator = MLPRegressor(hidden_layer_sizes=(32,), random_state=options.seed, **like_the_model, **stopping)
    return estimator.predict, *fit(estimator, x, y)


if compare:
    patients, progression = load_diabetes(return_X_y=True)
    predicted, line = in_fifths(with_model)
    _, other_line = in_fifths(with_scikit_learn)
    print_comparison("test R2, diabetes", [("Model", *line), ("scikit-learn's MLPRegressor", *other_line)])

# %% [markdown]
# ## Result
#
# Were all predictions right, the points would lie on the line.

# %%
parts = [("Friedman's formula", test_y, predicted_y)]
if compare:
    parts.append(("progression of diabetes", progression, predicted))
for name, measured, found in parts:
    print(f"test R2: {r2(measured, found):.4f} for {name}")


def draw(figure):
    for place, (name, measured, found) in enumerate(parts, 1):
        axes = figure.add_subplot(1, len(parts), place, title=f"{name}, R2 {r2(measured, found):.3f}")
        axes.plot(found, measured, ".", markersize=2 if len(found) > 1000 else 4, alpha=0.5)
        axes.axline((found.mean(), found.mean()), slope=1, color="black", linewidth=0.8)
        axes.set(xlabel="predicted", ylabel="measured")


save_picture(options.output, draw, size=(9, 4))
