# %% [markdown]
# # Learn to read handwritten digits
#
# A small network learns from 1438 images of 8x8 pixels and is tested on 359 that it never saw. The loop is PyTorch's,
# word for word: forward, loss, `zero_grad`, `backward`, `step`. The network is a perceptron of three layers (Rumelhart,
# Hinton and Williams, 1986) with dropout (Srivastava et al., 2014); the optimizer is Adam (Kingma and Ba, 2014). After
# 30 epochs it reads more than 98 % of the test images.
#
# In a terminal: `python examples/train_digits.py`, with `--help` for the options. As a notebook: open this file with
# Jupytext, or run its cells in an editor that knows `# %%`.

# %%
from common import Options, Progress, accuracy, draw_learning, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.data import digits
from tinygrad_mp.nn import functional as F

# %% [markdown]
# ## Options

# %%
options = Options("Train a network on handwritten digits.", epochs=30, quick=2, output="train_digits.png").parse()
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
optimizer = optim.Adam(model.parameters(), lr=3e-3)

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
scheduler = optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=options.epochs * steps)

with Progress(options.epochs * steps) as progress:
    for epoch in range(1, options.epochs + 1):
        model.train()
        order = tg.randperm(len(train_images))
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            images = train_images[batch]

            logits = model(images + noise * tg.randn_like(images))
            loss = F.cross_entropy(logits, train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            progress.step(loss=loss.item())
        progress.write(
            f"epoch {epoch:2d}/{options.epochs}  loss {progress.mean('loss', steps):.4f}"
            f"  train {accuracy(model, train_images, train_labels):6.2f} %"
            f"  test {accuracy(model, test_images, test_labels):6.2f} %"
        )

# %% [markdown]
# ## Result
#
# The picture shows the loss and the test images that are still misread. Could you read them?

# %%
print(f"test accuracy: {accuracy(model, test_images, test_labels):.2f} %")


def draw(figure):
    names = [str(digit) for digit in range(10)]
    draw_learning(figure, progress.history["loss"], steps, model, test_images, test_labels, names)


save_picture(options.output, draw, size=(10, 4))
