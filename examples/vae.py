# %% [markdown]
# # Invent digits: a variational autoencoder
#
# An encoder squeezes an image of 64 pixels into two numbers, and a decoder draws it again from these two. What makes
# the pair able to *invent* images is that the encoder gives not a point but a small cloud, and that all clouds together
# are held near a standard normal distribution: the plane has no holes, and the decoder draws something sensible
# everywhere (Kingma and Welling, Auto-Encoding Variational Bayes, 2013).
#
# What to look at: the digits change smoothly from one into another over the plane, and the ten classes, of which the
# model has never been told, lie apart. After 200 epochs the bound on the test images is about 23.8 nats an image.
#
# In a terminal: `python examples/vae.py`, with `--help` for the options.

# %%
from common import Options, Progress, draw_history, mosaic, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.data import digits
from tinygrad_mp.nn import functional as F

options = Options("Train a variational autoencoder on digits.", epochs=200, quick=5, output="vae.png").parse()
tg.manual_seed(options.seed)
train_images = tg.from_numpy(digits("train", flat=True)[0])
test_images, test_labels = map(tg.from_numpy, digits("test", flat=True))

# %% [markdown]
# ## Model
#
# The draw `mean + scale * noise` is the paper's trick: the noise comes from outside, so the gradient reaches mean and
# scale as if nothing here were random.


# %%
class Autoencoder(nn.Module):
    """64 pixels to a cloud in the plane, and a point of the plane to 64 pixels."""

    def __init__(self, hidden=256):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU())
        self.mean = nn.Linear(hidden, 2)
        self.log_variance = nn.Linear(hidden, 2)
        self.decoder = nn.Sequential(
            nn.Linear(2, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 64)
        )

    def encode(self, images):
        features = self.encoder(images)
        return self.mean(features), self.log_variance(features)

    def forward(self, images):
        mean, log_variance = self.encode(images)
        point = mean + tg.exp(0.5 * log_variance) * tg.randn_like(mean)
        return self.decoder(point), mean, log_variance


def bound(images):
    """What drawing an image costs and what its cloud costs, in nats: together, at least -log p(image)."""
    logits, mean, log_variance = model(images)
    drawing = F.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    cloud = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()  # KL divergence from N(0, 1)
    return drawing / len(images), cloud / len(images)


model = Autoencoder()
optimizer = optim.Adam(model.parameters(), lr=2e-3)

# %% [markdown]
# ## Training
#
# The two costs pull in opposite directions: sharp images want small clouds far apart, the second cost wants all clouds
# wide and in the middle. Ctrl-C stops early and keeps what has been learnt so far.

# %%
batch_size = 64
steps = -(-len(train_images) // batch_size)
scheduler = optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=options.epochs * steps)

with Progress(options.epochs * steps) as progress:
    for epoch in range(1, options.epochs + 1):
        for batch in tg.randperm(len(train_images)).split(batch_size):
            drawing, cloud = bound(train_images[batch])
            loss = drawing + cloud
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            progress.step(loss=loss.item(), cloud=cloud.item())
        if epoch == 1 or epoch % 20 == 0 or epoch == options.epochs:
            with tg.no_grad():
                drawing, cloud = bound(test_images)
            progress.write(
                f"epoch {epoch:3d}/{options.epochs}  loss {progress.mean('loss', steps):.3f}"
                f"  test: drawing {drawing.item():.3f} + cloud {cloud.item():.3f} nats"
            )

# %% [markdown]
# ## Result
#
# Left, what the decoder draws over the plane; in the middle, where the encoder puts the test images.

# %%
with tg.no_grad():
    bounds = [sum(bound(test_images)).item() for _ in range(20)]  # a mean over draws of the noise
    mean, _ = model.encode(test_images)
    line = tg.linspace(-2, 2, 15)
    plane = tg.stack([line.repeat(15), -line.repeat_interleave(15)], dim=1)
    drawn = tg.sigmoid(model.decoder(plane)).reshape(-1, 8, 8)
print(f"bound on the test images: {sum(bounds) / 20:.3f} nats an image")


def draw(figure):
    left, middle, right = figure.subplots(1, 3)
    left.imshow(mosaic(drawn, 15), cmap="gray_r", extent=(-2.15, 2.15, -2.15, 2.15))
    left.set(title="What the decoder draws over the plane", xlabel="first number", ylabel="second number")
    for digit in range(10):
        x, y = mean[test_labels == digit].unbind(dim=1)
        middle.scatter(x, y, s=8, color=f"C{digit}", label=digit)
    middle.set(title="Where the encoder puts the test images", xlabel="first number", ylabel="second number")
    middle.legend(fontsize=7, markerscale=1.5)
    draw_history(right, progress.history["loss"], steps, "both costs, mean of an epoch")
    draw_history(right, progress.history["cloud"], steps, "cost of the cloud", color="C1")
    right.set(title="Loss on the training batches", xlabel="step", ylabel="nats an image", ylim=(0, 40))
    right.legend()


save_picture(options.output, draw, size=(15, 5))
