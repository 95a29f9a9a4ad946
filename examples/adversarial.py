# %% [markdown]
# # Ask a network why, and fool it: saliency and adversarial examples
#
# The gradient of a loss can be taken by the *image* instead of the weights. Its size says which pixels a decision hangs
# on (Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks, 2013), and its sign says how to push all
# pixels a little so that the decision is wrong: the fast gradient sign method (Goodfellow, Shlens and Szegedy,
# Explaining and Harnessing Adversarial Examples, 2014). The same paper has the remedy: learn such images too.
#
# What to look at: pixels pushed by 0.1, which hardly shows, make the plain network misread most test images, while the
# one that has learnt from pushed images holds on, and what counts for it lies on the strokes of the pen. After 40
# epochs the plain network reads 97.8 % of the test images and 45 % of the pushed ones; the hardened one 98.6 % and
# 87 %.
#
# In a terminal: `python examples/adversarial.py`, with `--help` for the options.

# %%
from common import Options, Progress, accuracy, draw_history, predictions, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.data import digits
from tinygrad_mp.nn import functional as F

options = Options("Explain and fool networks that read digits.", epochs=40, quick=4, output="adversarial.png").parse()
tg.manual_seed(options.seed)
train_images, train_labels = map(tg.from_numpy, digits("train", flat=True))
test_images, test_labels = map(tg.from_numpy, digits("test", flat=True))

# %% [markdown]
# ## Gradients by the image


# %%
def slope(model, images, labels):
    """Gradient of the loss by each pixel."""
    images = images.clone().requires_grad_()
    (gradient,) = tg.autograd.grad(F.cross_entropy(model(images), labels, reduction="sum"), images)
    return gradient


def push(model, images, labels, size):
    """The images with each pixel moved by ``size`` to where the loss grows, but not out of what a pixel can be."""
    return (images + size * slope(model, images, labels).sign()).clamp(0, 1)


def saliency(model, images):
    """How much the score of the class that the model sees hangs on each pixel."""
    images = images.clone().requires_grad_()
    model(images).max(dim=1).values.sum().backward()
    return images.grad.abs()


# %% [markdown]
# ## Two networks
#
# They begin alike and see the same images, but each image comes to the second one pushed, as far as its own state makes
# it most wrong. Ctrl-C stops early and keeps what has been learnt so far.


# %%
def network():
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


plain, hardened = network(), network()
hardened.load_state_dict(plain.state_dict())
optimizer = optim.Adam([*plain.parameters(), *hardened.parameters()], lr=1e-3)
push_size, batch_size = 0.1, 32
steps = -(-len(train_images) // batch_size)

with Progress(options.epochs * steps) as progress:
    for epoch in range(1, options.epochs + 1):
        for batch in tg.randperm(len(train_images)).split(batch_size):
            images, labels = train_images[batch], train_labels[batch]
            loss = F.cross_entropy(plain(images), labels)
            hardened_loss = F.cross_entropy(hardened(push(hardened, images, labels, push_size)), labels)
            optimizer.zero_grad()
            (loss + hardened_loss).backward()
            optimizer.step()
            progress.step(loss=loss.item(), hardened=hardened_loss.item())
        progress.write(
            f"epoch {epoch:2d}/{options.epochs}  loss {progress.mean('loss', steps):.4f}"
            f"  hardened {progress.mean('hardened', steps):.4f}"
        )

# %% [markdown]
# ## Result

# %%
sizes = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3]
kept = {}
for name, model in (("plain", plain), ("hardened", hardened)):
    kept[name] = [accuracy(model, push(model, test_images, test_labels, size), test_labels) for size in sizes]
    print(f"{name}: test accuracy {kept[name][0]:.2f} %, with pixels pushed by 0.1 {kept[name][3]:.2f} %")


def draw(figure):
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    pushed = push(plain, test_images, test_labels, push_size)
    found, misled = predictions(plain, test_images), predictions(plain, pushed)
    fooled = ((found == test_labels) & (misled != test_labels)).nonzero().flatten()[:6]
    images, labels = test_images[fooled], test_labels[fooled].tolist()
    pixels = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
    rows = (
        (images, [f"a {label}" for label in labels], pixels),
        (saliency(plain, images), ["what counts"] * 6, {"cmap": "inferno"}),
        (saliency(hardened, images), ["when hardened"] * 6, {"cmap": "inferno"}),
        (pushed[fooled] - images, ["the push"] * 6, {"cmap": "RdBu", "vmin": -0.4, "vmax": 0.4}),
        (pushed[fooled], [f"read as {label}" for label in misled[fooled].tolist()], pixels),
    )
    for row, (shown, titles, look) in enumerate(rows):
        for column, image in enumerate(shown):
            axes = left.add_subplot(len(rows), 6, 6 * row + column + 1)
            axes.imshow(image.reshape(8, 8), **look)
            axes.set_title(titles[column], fontsize=8)
            axes.axis("off")
    left.suptitle("The plain network, fooled")
    top, bottom = right.subplots(2, 1)
    for name, figures in kept.items():
        top.plot(sizes, figures, marker="o", label=name)
    top.set(title="How much each network withstands", xlabel="size of the push", ylabel="test accuracy (%)", ylim=0)
    top.legend()
    draw_history(bottom, progress.history["loss"], steps, "plain")
    draw_history(bottom, progress.history["hardened"], steps, "hardened, on pushed images", color="C1")
    bottom.set(title="Loss on the training batches", xlabel="step", ylabel="cross-entropy", yscale="log")
    bottom.legend()


save_picture(options.output, draw, size=(14, 7))
