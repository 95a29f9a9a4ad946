# %% [markdown]
# # Forge digits: a generative adversarial network
#
# Two networks play against each other. The generator draws images from noise; the discriminator tells drawn from real;
# each learns from the other's mistakes, and nobody ever says what a digit is (Goodfellow et al., Generative Adversarial
# Nets, 2014; with convolutions: Radford, Metz and Chintala, 2015). The game can turn in circles. What calms it here is
# a penalty on the slope of the discriminator at real images (Mescheder, Geiger and Nowozin, Which Training Methods for
# GANs do actually Converge?, 2018): the gradient of a gradient's size, through all its convolutions.
#
# What to look at: the losses do not fall, because both players get better. What falls is the Fréchet distance between
# the pixels of drawn and of real images (as in Heusel et al., 2017): from 10 at the start to about 0.4 after 3000
# steps. Two halves of the real images are 0.07 apart.
#
# In a terminal: `python examples/gan.py`, with `--help` for the options.

# %%
import numpy
from common import Options, Progress, draw_history, mosaic, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.data import digits
from tinygrad_mp.nn import functional as F

options = Options("Let two networks learn to forge digits.", steps=3000, quick=100, output="gan.png").parse()
tg.manual_seed(options.seed)
real_images = tg.from_numpy(digits("train")[0])[:, None]  # (1438, 1, 8, 8), pixels between 0 and 1
half = tg.randperm(len(real_images)).split(len(real_images) // 2)

# %% [markdown]
# ## Two players

# %%
noise_size = 32
generator = nn.Sequential(
    nn.Linear(noise_size, 64 * 2 * 2, bias=False),
    nn.Unflatten(1, (64, 2, 2)),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False),  # 32 x 4 x 4
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),  # 1 x 8 x 8
    nn.Sigmoid(),
)
discriminator = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4, stride=2, padding=1),  # 64 x 4 x 4
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Linear(64 * 4 * 4, 1),
)


def initialize(layer):
    """As in the paper of 2015: small weights."""
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, std=0.05)


generator.apply(initialize)
discriminator.apply(initialize)
generator_optimizer = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.99))
discriminator_optimizer = optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.99))

# %% [markdown]
# ## A judge
#
# The Fréchet distance between two normal distributions, with the mean and covariance of each set of images.


# %%
def frechet_distance(images, others):
    images, others = (part.detach().flatten(1).double().numpy() for part in (images, others))
    a, b = (numpy.cov(part, rowvar=False) for part in (images, others))
    roots = numpy.sqrt(numpy.linalg.eigvals(a @ b).real.clip(0))
    return ((images.mean(0) - others.mean(0)) ** 2).sum() + a.trace() + b.trace() - 2 * roots.sum()


# %% [markdown]
# ## Training
#
# The discriminator's turn, then the generator's. Ctrl-C stops early and keeps what has been learnt so far.

# %%
batch_size = 64
real, drawn = tg.ones(batch_size, 1), tg.zeros(batch_size, 1)
noise_to_watch = tg.randn(12, noise_size)
watched, distances = [], []


def forge(noise):
    """Draw without learning; batch statistics are those of this noise."""
    with tg.no_grad():
        return generator(noise)


with Progress(options.steps) as progress:
    for _ in range(options.steps):
        images = real_images[tg.randint(0, len(real_images), (batch_size,))].requires_grad_()
        forgeries = generator(tg.randn(batch_size, noise_size))

        verdicts = discriminator(images)
        (slope,) = tg.autograd.grad(verdicts.sum(), images, create_graph=True)
        penalty = slope.square().sum(dim=(1, 2, 3)).mean()
        verdicts_on_forgeries = discriminator(forgeries.detach())
        discriminator_loss = (
            F.binary_cross_entropy_with_logits(verdicts, real)
            + F.binary_cross_entropy_with_logits(verdicts_on_forgeries, drawn)
            + 0.05 * penalty
        )
        discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        discriminator_optimizer.step()

        # The forger wants its work called real; the paper's other form, to be called drawn less, learns too slowly.
        generator_loss = F.binary_cross_entropy_with_logits(discriminator(forgeries), real)
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()

        progress.step(discriminator=discriminator_loss.item(), generator=generator_loss.item())
        if progress.due or progress.done == 1:
            watched.append(forge(noise_to_watch))
            distances.append((progress.done, frechet_distance(forge(tg.randn(1000, noise_size)), real_images)))
            progress.write(
                f"step {progress.done:4d}/{progress.total}  distance {distances[-1][1]:.4f}"
                f"  discriminator {progress.mean('discriminator', 50):.3f}"
                f"  generator {progress.mean('generator', 50):.3f}"
            )

# %% [markdown]
# ## Result

# %%
forgeries = forge(tg.randn(1000, noise_size))
print(f"distance of forgeries from real images: {frechet_distance(forgeries, real_images):.3f}")
print(f"distance of real images from real ones: {frechet_distance(real_images[half[0]], real_images[half[1]]):.3f}")


def draw(figure):
    panels = figure.subplots(2, 2)
    rows = tg.cat(watched[:: -(-len(watched) // 12)]) if watched else forge(noise_to_watch)
    for axes, images, title in (
        (panels[0, 0], real_images[:120], "Real"),
        (panels[0, 1], forgeries[:120], "Forged"),
        (panels[1, 0], rows, "The same noise in each column, from the first step (top) to the last"),
    ):
        axes.imshow(mosaic(images[:, 0], 12), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title)
        axes.axis("off")
    axes = panels[1, 1]
    draw_history(axes, progress.history["discriminator"], 50, "loss of the discriminator, with its penalty")
    draw_history(axes, progress.history["generator"], 50, "loss of the generator", color="C1")
    axes.plot(*zip(*distances, strict=True), "C2s-", label="Fréchet distance")
    axes.set(title="Who is winning?", xlabel="step", yscale="log")
    axes.legend()


save_picture(options.output, draw, size=(12, 9))
