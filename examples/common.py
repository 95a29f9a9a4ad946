"""What the examples have in common: options, progress, pictures, measuring, and the text that two of them learn."""

import argparse
import contextlib
import gc
import importlib
import inspect
import math
import sys
import time
import tracemalloc
import warnings
from collections import defaultdict
from pathlib import Path

import numpy
from tqdm import tqdm

import tinygrad_mp as tg
from tinygrad_mp.data import digits, fashion_mnist

IN_A_NOTEBOOK = "ipykernel" in sys.modules


def at_least_one(text):
    """The number that an option was given; argparse turns the error into one line for the user."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


class Options(argparse.ArgumentParser):
    """The command line of an example: --epochs or --steps, --seed, --quick and --output.

    Give ``epochs`` or ``steps``, the default of a full run, and ``quick``, that of a short one.
    """

    def __init__(self, description, *, output, quick, epochs=None, steps=None):
        super().__init__(description=description)
        self.unit, full = ("steps", steps) if epochs is None else ("epochs", epochs)
        self.defaults = {False: full, True: quick}
        what = f"(default {full}, with --quick {quick})"
        self.add_argument(
            f"--{self.unit}", type=at_least_one, metavar="N", help=f"how many {self.unit} to learn {what}"
        )
        self.add_argument("--seed", type=int, default=0, help="the same seed gives the same numbers (default 0)")
        self.add_argument("--quick", action="store_true", help="a short run, to see that everything works")
        self.add_argument(
            "--output", type=Path, default=Path(output), metavar="FILE", help="picture (default %(default)s)"
        )

    def parse(self):
        """The options of this run; a notebook has the defaults."""
        options = self.parse_args([] if IN_A_NOTEBOOK else None)
        if getattr(options, self.unit) is None:
            setattr(options, self.unit, self.defaults[options.quick])
        return options


class Progress:
    """Counts steps and keeps the figures of each in ``history``; its bar keeps silent in a file or a pipe.

    Ctrl-C ends the ``with`` block, not the program: what follows goes on with what has been learnt so far.
    """

    def __init__(self, total):
        self.total, self.done = total, 0
        self.history = defaultdict(list)

    def __enter__(self):
        self.bar = tqdm(total=self.total, unit="step", disable=None, leave=False)
        return self

    def step(self, **figures):
        """Count a step, and keep its figures."""
        for name, figure in figures.items():
            self.history[name].append(figure)
        self.bar.set_postfix({name: f"{figure:.3g}" for name, figure in figures.items()}, refresh=False)
        self.bar.update()
        self.done += 1

    @property
    def due(self):
        """Whether it is time to tell how far it is: ten times in all, but every 500 steps at the latest."""
        return self.done % max(1, min(self.total // 10, 500)) == 0

    def mean(self, name, last):
        """Mean of the last figures of this name."""
        return sum(self.history[name][-last:]) / len(self.history[name][-last:])

    def write(self, line):
        """Print a line above the bar, at once."""
        self.bar.write(line)
        sys.stdout.flush()

    def __exit__(self, kind, error, traceback):
        self.bar.close()
        if kind is not KeyboardInterrupt:
            return False
        print(f"stopped after {self.done} of {self.total} steps; this is what has been learnt so far", flush=True)
        return True


def add_fashion_options(parser):
    """--data, where Fashion-MNIST is, and --limit."""
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("/usr/share/datasets/fashion-mnist"),
        metavar="DIR",
        help="where the four IDX files of Fashion-MNIST are (default %(default)s)",
    )
    parser.add_argument(
        "--limit", type=at_least_one, metavar="N", help="use the first N images only, to train and to test"
    )


def load_fashion(options):
    """Images (n, 1, 28, 28) and labels (n,) to learn from, the same to test on, and the names of the classes.

    With --quick they are the digits of the package, at that size. Without the data the program ends, and says why.
    """
    found = []
    try:
        for split in ("train", "test"):
            images, labels = _enlarged_digits(split) if options.quick else fashion_mnist(options.data, split)
            found += [images[: options.limit, None], labels[: options.limit]]
    except (tg.MissingDataError, tg.DataFormatError) as error:
        sys.exit(
            f"{error.problem}\n{error.fix}, with --data DIR.\n"
            "Or see the network learn the digits that come with the package: add --quick."
        )
    clothes = ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
    return *found, [str(digit) for digit in range(10)] if options.quick else clothes


def _enlarged_digits(split):
    """The digits of the package at the size of Fashion-MNIST: each pixel three wide and high, in a margin of two."""
    images, labels = digits(split)
    images = images.repeat(3, axis=1).repeat(3, axis=2)
    return numpy.pad(images, ((0, 0), (2, 2), (2, 2))), labels


def predictions(model, images):
    """The class that the model sees in each image, in evaluation mode."""
    model.eval()
    with tg.no_grad():  # in parts, because what a convolution returns is large
        return tg.cat([model(part).argmax(dim=1) for part in images.split(256)])


def accuracy(model, images, labels):
    """Share of the images that the model reads right, in percent."""
    return 100 * (predictions(model, images) == labels).float().mean().item()


def save_picture(path, draw, size=(7, 4)):
    """Let ``draw(figure)`` draw with matplotlib, and save that; say so where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed (python -m pip install matplotlib)")
        return
    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    show_picture(path)


def show_picture(path):
    """Say where the picture is; a notebook shows it."""
    print(f"picture: {path}")
    if IN_A_NOTEBOOK:
        from IPython.display import Image, display

        display(Image(filename=path))


def draw_history(axes, figures, every, label, color="C0"):
    """Each figure as a faint line, and the mean of ``every`` in a row as a strong one."""
    axes.plot(range(1, len(figures) + 1), figures, linewidth=0.7, alpha=0.3, color=color)
    parts = [figures[start : start + every] for start in range(0, len(figures), every)]
    middles = [every * n + (len(part) + 1) / 2 for n, part in enumerate(parts)]
    means, marker = [sum(part) / len(part) for part in parts], "o" if len(parts) <= 40 else None
    axes.plot(middles, means, marker=marker, markersize=3, color=color, label=label)


def draw_learning(figure, losses, every, model, images, labels, names):
    """Left the loss of a classifier, right images that it misreads."""
    left, right = figure.subfigures(1, 2)
    axes = left.add_subplot(xlabel="step", ylabel="cross-entropy", title="Loss on the training batches", yscale="log")
    draw_history(axes, losses, every, "mean of an epoch")
    axes.legend()
    found = predictions(model, images)
    draw_misread(right, images, [names[n] for n in labels], [names[n] for n in found])


def draw_misread(figure, images, names, found):
    """The first dozen of the square images whose names were not found."""
    misread = [n for n, name in enumerate(names) if found[n] != name]
    side = math.isqrt(math.prod(images[0].shape))
    figure.suptitle(f"{len(misread)} of {len(images)} test images are misread")
    for place, n in enumerate(misread[:12]):
        axes = figure.add_subplot(3, 4, place + 1)
        axes.imshow(images[n].reshape(side, side), cmap="gray_r")
        axes.set_title(f"{names[n]}, read as {found[n]}", fontsize=7)
        axes.axis("off")


@contextlib.contextmanager
def until_ctrl_c(model, options):
    """Ctrl-C ends the training in this block, not the program: the rest goes on with the best epoch, and as many."""
    try:
        yield
    except KeyboardInterrupt:
        options.epochs = len(model.history or ())
        if not options.epochs:
            sys.exit("stopped in the first epoch: nothing has been learnt")


def peak_memory(learn):
    """The most that Python and NumPy took at a time while ``learn()`` ran, in bytes, by tracemalloc."""
    gc.collect()
    tracemalloc.start()  # it makes what it watches slower: take times without it
    try:
        learn()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def scikit_learn_is_there():
    """Whether scikit-learn can be compared with; says so where it cannot."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        print(
            'no comparison: scikit-learn is not installed; the extra "sklearn" brings it (pip install -e ".[sklearn]")'
        )
        return False
    return True


def fit(estimator, inputs, targets):
    """Train one of scikit-learn's networks; how many seconds that takes, and the peak memory of its first epoch."""
    from sklearn.base import clone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it has not converged when the epochs are over
        memory = peak_memory(lambda: clone(estimator).set_params(max_iter=1).fit(inputs, targets))
        begun = time.perf_counter()
        estimator.fit(inputs, targets)
    return time.perf_counter() - begun, memory


def print_comparison(what, rows):
    """A table with a line for each of ``(name, score, seconds, bytes)``; ``what`` the scores are, as text."""
    lines = [(name, score, f"{seconds:.1f} s", f"{size / 1e6:.1f} MB") for name, score, seconds, size in rows]
    lines = [("", what, "time", "peak memory"), *lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *figures in lines:
        cells = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *cells]))
    print("peak memory: what Python and NumPy take while the first epoch is learnt, besides the data (tracemalloc)")


def mosaic(images, columns):
    """Images (n, height, width) as one, in rows of ``columns``, with a gap of a pixel that stays empty (NaN)."""
    images = numpy.asarray(images)
    count, height, width = images.shape
    rows = -(-count // columns)
    canvas = numpy.full((rows * (height + 1) - 1, columns * (width + 1) - 1), numpy.nan)
    for n, image in enumerate(images):
        top, left = n // columns * (height + 1), n % columns * (width + 1)
        canvas[top : top + height, left : left + width] = image
    return canvas


# Pure Python and prose enough; none of them changes anything when it is imported.
DOCUMENTED = (
    "argparse collections configparser contextlib csv dataclasses datetime decimal difflib fractions functools "
    "inspect itertools json logging math pathlib random re shutil statistics subprocess tempfile textwrap threading"
)


def documentation():
    """What the docstrings of Python's standard library say, in one text of a few hundred thousand characters."""
    found = {}  # a dictionary, as a set that keeps the order

    def visit(thing):
        text = getattr(thing, "__doc__", None)
        if isinstance(text, str):
            found[inspect.cleandoc(text)] = True
        if inspect.isclass(thing):
            for member in vars(thing).values():
                if callable(member) or isinstance(member, property):
                    visit(member)

    for name in DOCUMENTED.split():
        module = importlib.import_module(name)
        visit(module)
        for member in vars(module).values():
            if getattr(member, "__module__", None) == name:
                visit(member)
    if not found:
        sys.exit("Python drops its docstrings when it runs with -OO: run this example without")
    return "".join(character for character in "\n\n\n".join(found) if character == "\n" or " " <= character <= "~")


class Text:
    """A text as numbers, one for each character: nine tenths to learn from, the rest to test on."""

    def __init__(self, text):
        self.characters = sorted(set(text))
        self.numbers = {character: n for n, character in enumerate(self.characters)}
        numbers = self.encode(text)
        self.train, self.test = numbers[: len(numbers) * 9 // 10], numbers[len(numbers) * 9 // 10 :]

    def encode(self, text):
        return tg.tensor([self.numbers[character] for character in text])

    def decode(self, numbers):
        return "".join(self.characters[n] for n in numbers)
