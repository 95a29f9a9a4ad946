# %% [markdown]
# # Digits again, with a Model that makes its own decisions
#
# `train_digits.py` writes the loop out, as in PyTorch. Here a `Model` has it: it finds the sizes of the layers, draws
# starting values that suit what follows each layer (Glorot and Bengio, 2010; He et al., 2015), holds out images to
# measure itself on, stops when it gets no better (Prechelt, 1998), goes back to its best epoch, and says all of that.
# It reads about 99 % of the test images, as many epochs and images as scikit-learn's `MLPClassifier` takes for 97 %.
#
# In a terminal: `python examples/model_digits.py`, with `--help` for the options. As a notebook: open this file with
# Jupytext, or run its cells in an editor that knows `# %%`.

# %%
import tempfile
from pathlib import Path

from common import Options, fit, peak_memory, print_comparison, scikit_learn_is_there, show_picture, until_ctrl_c

import tinygrad_mp as tg
from tinygrad_mp import BatchNorm, CategoricalCrossEntropy, Dense, Dropout, Model, ReLU, optim
from tinygrad_mp.data import digits

# %% [markdown]
# ## Options

# %%
options = Options("Train a Model on handwritten digits.", epochs=40, quick=2, output="model_digits.png").parse()

# %% [markdown]
# ## Data
#
# NumPy arrays: 64 pixels between 0 and 1 for each image, and its digit. The test images are the same at every run.

# %%
train_images, train_labels = digits("train", flat=True)
test_images, test_labels = digits("test", flat=True)
print(f"{len(train_images)} images to learn from, {len(test_images)} to test on; seed {options.seed}")

# %% [markdown]
# ## Model
#
# Batch normalisation (Ioffe and Szegedy, 2015) makes the bias before it pointless, so that is left out. The summary has
# the reasons. Smoothed labels (Szegedy et al., 2016) keep the network from being too sure of 1438 images.


# %%
def network():
    return Model(
        [Dense(256), BatchNorm(), ReLU(), Dropout(0.3), Dense(128), BatchNorm(), ReLU(), Dropout(0.3), Dense(10)],
        loss=CategoricalCrossEntropy(label_smoothing=0.1),
        optimizer=optim.Adam(lr=1e-3),
        seed=options.seed,
    )


model = network().build((64,))
print(model.summary())

# %% [markdown]
# ## Training
#
# A tenth of the images is held out, of each digit its share. When the loss on them has not fallen for eight epochs,
# training is over; however it ends, Ctrl-C included, the model has the weights of its best epoch.

# %%
settings = {"batch_size": 32, "auto_evaluation": 0.1, "early_stopping": 8}
with until_ctrl_c(model, options):
    model.train(train_images, train_labels, epochs=options.epochs, **settings)
print(f"best epoch: {model.history.best_epoch} of {len(model.history)}")

# %% [markdown]
# What could be wrong with it? `diagnose` looks for units that are dead, gradients that vanish or explode, inputs and
# labels that are hard to learn from, and says what to do.

# %%
print(model.diagnose(train_images, train_labels))

# %% [markdown]
# ## Result

# %%
accuracy = model.evaluate(test_images, test_labels)["accuracy"]
print(f"test accuracy: {100 * accuracy:.2f} %")
try:
    options.output.parent.mkdir(parents=True, exist_ok=True)
    model.history.plot(options.output)
    show_picture(options.output)
except tg.MissingPackageError as error:
    print(f"no picture: {error.problem} ({error.fix})")

# %% [markdown]
# What it predicts for an image are probabilities.

# %%
for probabilities, label in zip(model.predict(test_images[:3]), test_labels, strict=False):
    print(f"a {label}, read as {probabilities.argmax()} with a probability of {probabilities.max():.2f}")

# %% [markdown]
# ## Save and load
#
# One file holds the layers with their settings, the weights, the optimizer and the history; it could go on learning
# where it stopped.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.model"
    model.save(path)
    again = Model.load(path)
    print(f"saved in {path.stat().st_size / 1e6:.1f} MB and loaded;", end=" ")
print("the same predictions:", (again.predict(test_images) == model.predict(test_images)).all())

# %% [markdown]
# ## Next to scikit-learn
#
# `MLPClassifier` has neither batch normalisation, dropout nor smoothed labels. So a second Model does without them,
# too: the same three layers, batches, optimizer, epochs and early stopping as scikit-learn's.


# %%
def plain_network():
    layers = [Dense(256), ReLU(), Dense(128), ReLU(), Dense(10)]
    return Model(layers, loss=CategoricalCrossEntropy(), optimizer=optim.Adam(lr=1e-3), seed=options.seed)


def train(model, epochs):
    model.train(train_images, train_labels, epochs=epochs, **settings, verbose=0)
    return model


def line(name, make, model):
    """The model's line in the table."""
    score = model.evaluate(test_images, test_labels)["accuracy"]
    return name, f"{100 * score:.2f} %", model.history.seconds, peak_memory(lambda: train(make(), 1))


rows = [
    line("Model", network, model),
    line("Model, like scikit-learn's", plain_network, train(plain_network(), options.epochs)),
]
if scikit_learn_is_there():
    from sklearn.neural_network import MLPClassifier

    estimator = MLPClassifier(
        (256, 128),
        alpha=0,
        batch_size=32,
        learning_rate_init=1e-3,
        max_iter=options.epochs,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=8,
        tol=0,
        random_state=options.seed,
    )
    seconds, memory = fit(estimator, train_images, train_labels)
    score = estimator.score(test_images, test_labels)
    rows.append(("scikit-learn's MLPClassifier", f"{100 * score:.2f} %", seconds, memory))
print_comparison("test accuracy", rows)
