# %% [markdown]
# # Tell ten kinds of clothing apart
#
# A convolutional network (LeCun et al., 1989) learns from the 60000 images of Fashion-MNIST (Xiao, Rasul and Vollgraf,
# 2017), 28x28 pixels each, and is tested on 10000 that it never saw: about 91 % are read right after three epochs.
#
# The images are not part of the package. On Debian and Ubuntu `apt-get install dataset-fashion-mnist` puts them where
# this example looks for them; elsewhere, get the four files from https://github.com/zalandoresearch/fashion-mnist and
# say where they are with `--data DIR`. With `--quick` the network learns the handwritten digits of the package instead.
#
# In a terminal: `python examples/train_fashion.py`, with `--help` for the options. As a notebook: open this file with
# Jupytext, or run its cells in an editor that knows `# %%`.

# %%
from common import Options, Progress, accuracy, add_fashion_options, draw_learning, load_fashion, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.nn import functional as F
from tinygrad_mp.utils.data import DataLoader, TensorDataset

# %% [markdown]
# ## Options

# %%
parser = Options("Train a convolutional network on Fashion-MNIST.", epochs=3, quick=2, output="train_fashion.png")
add_fashion_options(parser)
options = parser.parse()
tg.manual_seed(options.seed)

# %% [markdown]
# ## Data
#
# Pixels are between 0 and 1. An image has one channel: its shape is 1x28x28.

# %%
*arrays, names = load_fashion(options)
train_images, train_labels, test_images, test_labels = map(tg.from_numpy, arrays)
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
optimizer = optim.SGD(model.parameters(), lr=0.03, momentum=0.9)

# %% [markdown]
# ## Training
#
# The learning rate falls in a straight line to nothing. The accuracy on the training images is counted while learning,
# so it is that of the model as it was at each step, and on the test images at the end of each epoch.
#
# Ctrl-C stops early and keeps what has been learnt so far.

# %%
loader = DataLoader(TensorDataset(train_images, train_labels), batch_size=64, shuffle=True)
steps = len(loader)
scheduler = optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=options.epochs * steps)

with Progress(options.epochs * steps) as progress:
    for epoch in range(1, options.epochs + 1):
        model.train()
        right = 0
        for images, labels in loader:
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()

            right += (logits.argmax(dim=1) == labels).sum().item()
            progress.step(loss=loss.item())
        progress.write(
            f"epoch {epoch:2d}/{options.epochs}  loss {progress.mean('loss', steps):.4f}"
            f"  train {100 * right / len(train_images):6.2f} %"
            f"  test {accuracy(model, test_images, test_labels):6.2f} %"
        )

# %% [markdown]
# ## Result
#
# The picture shows the loss and test images that are still misread: shirts, coats and pullovers, above all.

# %%
print(f"test accuracy: {accuracy(model, test_images, test_labels):.2f} %")


def draw(figure):
    draw_learning(figure, progress.history["loss"], steps, model, test_images, test_labels, names)


save_picture(options.output, draw, size=(10, 4))
