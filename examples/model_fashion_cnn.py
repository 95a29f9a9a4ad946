# %% [markdown]
# # Tell ten kinds of clothing apart, with a Model
#
# The job of `train_fashion.py`: 60000 images of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017) to learn from, 10000 to
# be tested on. A `Model` of two convolutions, with batch normalisation (Ioffe and Szegedy, 2015), finds its sizes and
# its starting values itself, and reads about 91 % right after five epochs; scikit-learn's network, which has no
# convolutions, 87 %.
#
# The images are not part of the package. On Debian and Ubuntu `apt-get install dataset-fashion-mnist` puts them where
# this example looks for them; elsewhere, get the four files from https://github.com/zalandoresearch/fashion-mnist and
# say where they are with `--data DIR`. With `--quick` the network learns the handwritten digits of the package instead.
#
# In a terminal: `python examples/model_fashion_cnn.py`, with `--help` for the options. As a notebook: open this file
# with Jupytext, or run its cells in an editor that knows `# %%`.

# %%
import numpy
from common import (
    Options,
    add_fashion_options,
    draw_misread,
    fit,
    load_fashion,
    peak_memory,
    print_comparison,
    save_picture,
    scikit_learn_is_there,
    until_ctrl_c,
)

from tinygrad_mp import (
    BatchNorm,
    CategoricalCrossEntropy,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Model,
    ReLU,
    optim,
)
from tinygrad_mp.training import metrics

# %% [markdown]
# ## Options

# %%
parser = Options("Train a convolutional Model on Fashion-MNIST.", epochs=5, quick=2, output="model_fashion_cnn.png")
add_fashion_options(parser)
options = parser.parse()

# %% [markdown]
# ## Data
#
# Pixels are between 0 and 1. An image has one channel: its shape is 1x28x28. A label is the name of a class: a Model
# takes names as they are, and gives them back.

# %%
train_images, train_labels, test_images, test_labels, names = load_fashion(options)
train_names, test_names = (numpy.array(names)[labels] for labels in (train_labels, test_labels))
print(f"{len(train_images)} images to learn from, {len(test_images)} to test on; seed {options.seed}")

# %% [markdown]
# ## Model


# %%
def network():
    layers = [
        *(Conv(16, 3), MaxPool(), BatchNorm(), ReLU()),
        *(Conv(48, 3), MaxPool(), BatchNorm(), ReLU()),
        *(Flatten(), Dense(128), ReLU(), Dropout(0.25), Dense(10)),
    ]
    return Model(layers, loss=CategoricalCrossEntropy(), optimizer=optim.Adam(lr=6e-3), seed=options.seed)


model = network().build((1, 28, 28))
print(model.summary(batch_size=64))

# %% [markdown]
# ## Training
#
# The learning rate rises and falls once (Smith, Super-convergence, 2018); the schedule finds out how many steps there
# will be. A tenth of the images is held out, and the model has the weights of the epoch that was best on them.


# %%
def train(model, epochs, verbose):
    schedule = optim.lr_scheduler.OneCycleLR(max_lr=6e-3)
    settings = {"batch_size": 64, "auto_evaluation": 0.1, "early_stopping": 2, "schedule": schedule}
    model.train(train_images, train_names, epochs=epochs, verbose=verbose, **settings)


with until_ctrl_c(model, options):
    train(model, options.epochs, verbose=1)

# %% [markdown]
# ## Result
#
# Shirts are the hardest: the confusion matrix has what they are taken for.

# %%
found = model.predict_classes(test_images)
accuracy = 100 * model.evaluate(test_images, test_names)["accuracy"]
print(f"test accuracy: {accuracy:.2f} %")

counts = metrics.ConfusionMatrix()(*(numpy.searchsorted(model.classes_, labels) for labels in (test_names, found)))
shares = counts.diagonal() / counts.sum(axis=1).clip(1)
for number in shares.argsort()[:3]:
    counts[number, number] = 0
    other = model.classes_[counts[number].argmax()]
    print(f"{model.classes_[number]}: {100 * shares[number]:.0f} % are read right, most of the rest as {other}")


def draw(figure):
    left, right = figure.subfigures(1, 2)
    axes, history = left.add_subplot(xlabel="epoch", ylabel="cross-entropy", title="Loss"), model.history
    axes.plot(history["epoch"], history["loss"], marker="o", markersize=3, label="while learning")
    axes.plot(history["epoch"], history["val_loss"], marker="o", markersize=3, label="held out")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    draw_misread(right, test_images, test_names, found)


save_picture(options.output, draw, size=(10, 4))

# %% [markdown]
# ## Next to scikit-learn
#
# Its network has no convolutions: what it shares are the dense layers, the optimizer, at its own learning rate, the
# batches, the epochs, and the tenth that is held out to stop early.

# %%
memory = peak_memory(lambda: train(network(), 1, verbose=0))
rows = [("Model", f"{accuracy:.2f} %", model.history.seconds, memory)]
if scikit_learn_is_there():
    from sklearn.neural_network import MLPClassifier

    estimator = MLPClassifier(
        (128,),
        alpha=0,
        batch_size=64,
        max_iter=options.epochs,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=2,
        tol=0,
        random_state=options.seed,
    )
    seconds, memory = fit(estimator, train_images.reshape(len(train_images), -1), train_labels)
    score = 100 * estimator.score(test_images.reshape(len(test_images), -1), test_labels)
    rows.append(("scikit-learn's MLPClassifier", f"{score:.2f} %", seconds, memory))
print_comparison("test accuracy", rows)
