# %% [markdown]
# # Tell ten kinds of clothing apart
#
# A convolutional network learns from the 60000 images of Fashion-MNIST, 28x28 pixels each, and is tested on 10000 that
# it never saw: about 91 % are read right after three epochs.
#
# The images are not part of the package. On Debian and Ubuntu `apt-get install dataset-fashion-mnist` puts them where
# this example looks for them; elsewhere, get the four files from https://github.com/zalandoresearch/fashion-mnist and
# say where they are with `--data DIR`. With `--quick` the network learns the handwritten digits of the package instead.
#
# In a terminal: `python examples/train_fashion.py`, with `--help` for the options. As a notebook: open this file with
# Jupytext, or run its cells in an editor that knows `# %%`.

# %%
import argparse
import sys
from pathlib import Path

import numpy
from tqdm import tqdm

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.data import digits, fashion_mnist
from tinygrad_mp.nn import functional as F

# %% [markdown]
# ## Options

# %%
parser = argparse.ArgumentParser(description="Train a convolutional network on Fashion-MNIST.")
parser.add_argument(
    "--data",
    type=Path,
    default=Path("/usr/share/datasets/fashion-mnist"),
    metavar="DIR",
    help="where the four IDX files of Fashion-MNIST are (default %(default)s)",
)
parser.add_argument("--epochs", type=int, default=3, metavar="N", help="passes over the training images (default 3)")
parser.add_argument("--limit", type=int, metavar="N", help="use the first N images only, to train and to test")
parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers (default 0)")
parser.add_argument(
    "--quick", action="store_true", help="learn the digits of the package instead, to see that everything works"
)
parser.add_argument(
    "--output", type=Path, default=Path("train_fashion.png"), metavar="FILE", help="picture of the loss curve"
)
in_a_notebook = "ipykernel" in sys.modules
options = parser.parse_args([] if in_a_notebook else None)
if options.epochs < 1:
    parser.error("--epochs must be at least 1")
if options.limit is not None and options.limit < 1:
    parser.error("--limit must be at least 1")
epochs = options.epochs
tg.manual_seed(options.seed)

# %% [markdown]
# ## Data
#
# Pixels are between 0 and 1. An image has one channel: its shape is 1x28x28.


# %%
def enlarged_digits(split):
    """The digits of the package at the size of Fashion-MNIST: each pixel three wide and high, in a margin of two."""
    images, labels = digits(split)
    images = images.repeat(3, axis=1).repeat(3, axis=2)
    return numpy.pad(images, ((0, 0), (2, 2), (2, 2))), labels


def load(split):
    """Images (n, 1, 28, 28) and labels (n,) as tensors."""
    images, labels = enlarged_digits(split) if options.quick else fashion_mnist(options.data, split)
    chosen = slice(options.limit)
    return tg.from_numpy(images[chosen, None]), tg.from_numpy(labels[chosen])


try:
    train_images, train_labels = load("train")
    test_images, test_labels = load("test")
except (tg.MissingDataError, tg.DataFormatError) as error:
    sys.exit(
        f"{error.problem}\n{error.fix}, with --data DIR.\n"
        "Or see the network learn the digits that come with the package: add --quick."
    )
print(f"{len(train_images)} images to learn from, {len(test_images)} to test on; seed {options.seed}")

# %% [markdown]
# ## Model
#
# Two convolutions see lines and corners, the pooling keeps the strongest answer of each 2x2 pixels, and two dense
# layers decide.


# %%
class Net(nn.Module):
    """1x28x28 pixels in, a score for each of ten classes out."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.hidden = nn.Linear(64 * 12 * 12, 128)
        self.out = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))  # 32 x 26 x 26
        x = F.relu(self.conv2(x))  # 64 x 24 x 24
        x = F.max_pool2d(x, 2)  # 64 x 12 x 12
        x = F.relu(self.hidden(x.flatten(1)))
        return self.out(x)


model = Net()
learning_rate = 0.03
optimizer = optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)


def accuracy(images, labels):
    """Share of the images that the model reads right, in percent."""
    right = 0
    model.eval()
    with tg.no_grad():
        for start in range(0, len(images), 256):  # in parts, because what a convolution returns is large
            part = slice(start, start + 256)
            right += (model(images[part]).argmax(dim=1) == labels[part]).sum().item()
    return 100 * right / len(images)


# %% [markdown]
# ## Training
#
# The learning rate falls in a straight line to nothing. The accuracy on the training images is counted while learning,
# so it is that of the model as it was at each step, and on the test images at the end of each epoch.
#
# Ctrl-C stops early and keeps what has been learnt so far.

# %%
batch_size = 64
steps = -(-len(train_images) // batch_size)  # rounded up: the last, smaller batch counts too
losses = []

# The bar shows in a terminal and keeps silent in a file or a pipe.
with tqdm(total=epochs * steps, unit="step", disable=None, leave=False) as bar:
    try:
        for epoch in range(1, epochs + 1):
            model.train()
            right = 0
            order = tg.randperm(len(train_images))
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                images, labels = train_images[batch], train_labels[batch]
                optimizer.param_groups[0]["lr"] = learning_rate * (1 - len(losses) / (epochs * steps))

                logits = model(images)
                loss = F.cross_entropy(logits, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

                right += (logits.argmax(dim=1) == labels).sum().item()
                losses.append(loss.item())
                bar.update()
            mean_loss = sum(losses[-steps:]) / steps
            test_accuracy = accuracy(test_images, test_labels)
            bar.write(
                f"epoch {epoch:2d}/{epochs}  loss {mean_loss:.4f}"
                f"  train {100 * right / len(train_images):6.2f} %"
                f"  test {test_accuracy:6.2f} %"
            )
    except KeyboardInterrupt:
        bar.write(f"stopped after {len(losses)} of {epochs * steps} steps; this is what has been learnt so far")
        test_accuracy = accuracy(test_images, test_labels)

# %% [markdown]
# ## Result

# %%
print(f"test accuracy: {test_accuracy:.2f} %")

try:
    from matplotlib.figure import Figure
except ImportError:
    print("no picture of the loss: matplotlib is not installed (python -m pip install matplotlib)")
else:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="cross-entropy, log scale", title="Loss on the training batches")
    axes.semilogy(range(1, len(losses) + 1), losses, linewidth=0.7, alpha=0.4, label="each batch")
    epochs_done = [losses[start : start + steps] for start in range(0, len(losses), steps)]
    ends = [min(steps * (n + 1), len(losses)) for n in range(len(epochs_done))]
    means = [sum(part) / len(part) for part in epochs_done]
    axes.semilogy(ends, means, marker="o", markersize=3, label="mean of an epoch")
    axes.legend()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.output, dpi=120)
    print(f"loss curve: {options.output}")
