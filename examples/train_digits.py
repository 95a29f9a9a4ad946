# %% [markdown]
# # Learn to read handwritten digits
#
# A small network learns from 1438 images of 8x8 pixels and is tested on 359 that it never saw. The loop is PyTorch's,
# word for word: forward, loss, `zero_grad`, `backward`, `step`.
#
# In a terminal: `python examples/train_digits.py`, with `--help` for the options. As a notebook: open this file with
# Jupytext, or run its cells in an editor that knows `# %%`.

# %%
import argparse
import sys
from pathlib import Path

from tqdm import tqdm

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.data import digits
from tinygrad_mp.nn import functional as F

# %% [markdown]
# ## Options

# %%
parser = argparse.ArgumentParser(description="Train a network on handwritten digits.")
parser.add_argument("--epochs", type=int, default=30, metavar="N", help="passes over the training images (default 30)")
parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers (default 0)")
parser.add_argument("--quick", action="store_true", help="two epochs only, to see that everything works")
parser.add_argument(
    "--output", type=Path, default=Path("train_digits.png"), metavar="FILE", help="picture of the loss curve"
)
in_a_notebook = "ipykernel" in sys.modules
options = parser.parse_args([] if in_a_notebook else None)
if options.epochs < 1:
    parser.error("--epochs must be at least 1")
epochs = 2 if options.quick else options.epochs
tg.manual_seed(options.seed)

# %% [markdown]
# ## Data
#
# Pixels are between 0 and 1. The test images are the same at every run, whatever the seed.

# %%
train_images, train_labels = map(tg.from_numpy, digits("train", flat=True))
test_images, test_labels = map(tg.from_numpy, digits("test", flat=True))
print(f"{len(train_images)} images to learn from, {len(test_images)} to test on; seed {options.seed}")

# %% [markdown]
# ## Model

# %%
model = nn.Sequential(
    nn.Linear(64, 256),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(256, 128),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(128, 10),
)
learning_rate = 3e-3
optimizer = optim.Adam(model.parameters(), lr=learning_rate)


def accuracy(images, labels):
    """Share of the images that the model reads right, in percent."""
    model.eval()
    with tg.no_grad():
        predicted = model(images).argmax(dim=1)
    return 100 * (predicted == labels).float().mean().item()


# %% [markdown]
# ## Training
#
# Noise on the pixels makes every epoch see new images, and the learning rate falls in a straight line to nothing; with
# both, fewer test images are misread than with either.
#
# Ctrl-C stops early and keeps what has been learnt so far.

# %%
batch_size = 32
noise = 0.2
steps = -(-len(train_images) // batch_size)  # rounded up: the last, smaller batch counts too
losses = []

# The bar shows in a terminal and keeps silent in a file or a pipe.
with tqdm(total=epochs * steps, unit="step", disable=None, leave=False) as bar:
    try:
        for epoch in range(1, epochs + 1):
            model.train()
            order = tg.randperm(len(train_images))
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                images = train_images[batch]
                optimizer.param_groups[0]["lr"] = learning_rate * (1 - len(losses) / (epochs * steps))

                logits = model(images + noise * tg.randn_like(images))
                loss = F.cross_entropy(logits, train_labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

                losses.append(loss.item())
                bar.update()
            mean_loss = sum(losses[-steps:]) / steps
            bar.write(
                f"epoch {epoch:2d}/{epochs}  loss {mean_loss:.4f}"
                f"  train {accuracy(train_images, train_labels):6.2f} %"
                f"  test {accuracy(test_images, test_labels):6.2f} %"
            )
    except KeyboardInterrupt:
        bar.write(f"stopped after {len(losses)} of {epochs * steps} steps; this is what has been learnt so far")

# %% [markdown]
# ## Result

# %%
print(f"test accuracy: {accuracy(test_images, test_labels):.2f} %")

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
