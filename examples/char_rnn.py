# %% [markdown]
# # Write like a manual: a recurrent network, a character at a time
#
# A long short-term memory (Hochreiter and Schmidhuber, 1997) reads what Python's standard library says about itself and
# guesses the next character; then it writes by itself, each guess becoming its next input (Graves, Generating Sequences
# With Recurrent Neural Networks, 2013; Karpathy, The Unreasonable Effectiveness of Recurrent Neural Networks, 2015).
# Nobody tells it what a word is, or that brackets close.
#
# What to look at: the samples, as learning goes on: first letters, then words, then lines that could be documentation.
# Guessing blindly costs log2(96) = 6.6 bits a character; after 2000 steps it is 2.3 bits on text that it never saw. And
# the picture shows where the model is surprised: at the beginnings of words, hardly ever at their ends.
#
# In a terminal: `python examples/char_rnn.py`, with `--help` for the options.

# %%
import math

from common import Options, Progress, Text, documentation, draw_history, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.nn import functional as F

options = Options("Learn to write like Python's manual.", steps=2000, quick=40, output="char_rnn.png").parse()
tg.manual_seed(options.seed)
text = Text(documentation())
print(f"{len(text.train)} characters to learn from, {len(text.test)} to test on, {len(text.characters)} different ones")

# %% [markdown]
# ## Model


# %%
class CharacterModel(nn.Module):
    """Characters in, a score for each possible next character out; the state goes from one call to the next."""

    def __init__(self, characters, hidden=192):
        super().__init__()
        self.embedding = nn.Embedding(characters, 48)
        self.lstm = nn.LSTM(48, hidden, batch_first=True)
        self.out = nn.Linear(hidden, characters)

    def forward(self, x, state=None):
        features, state = self.lstm(self.embedding(x), state)
        return self.out(features), state


model = CharacterModel(len(text.characters))
optimizer = optim.Adam(model.parameters(), lr=5e-3)


def bits(logits, y, reduction="mean"):
    """What the characters y cost, in bits."""
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction=reduction) / math.log(2)


@tg.no_grad()
def write(beginning, length, temperature=0.7):
    """Go on from ``beginning``; a low temperature is careful, a high one bold."""
    written, state = text.encode(beginning).tolist(), None
    x = tg.tensor([written])
    for _ in range(length):
        logits, state = model(x, state)
        x = tg.multinomial(F.softmax(logits[:, -1] / temperature, dim=1), 1)
        written.append(x.item())
    return text.decode(written)


# %% [markdown]
# ## Training
#
# The text is laid in 32 columns, which are read side by side, 64 characters at a time. The state goes on from one step
# to the next and remembers more than that; the gradient stops there, and is kept from growing too large on the way.
# Ctrl-C stops early and keeps what has been learnt so far.

# %%
columns, length = 32, 64
train, test = (part[: len(part) // columns * columns].reshape(columns, -1) for part in (text.train, text.test))
scheduler = optim.lr_scheduler.LinearLR(optimizer, 1, 0, total_iters=options.steps)
samples = []
state, place = None, 0

with Progress(options.steps) as progress:
    for _ in range(options.steps):
        if place + length >= train.shape[1]:
            state, place = None, 0
        logits, state = model(train[:, place : place + length], state)
        loss = bits(logits, train[:, place + 1 : place + length + 1])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        state, place = tuple(part.detach() for part in state), place + length

        progress.step(loss=loss.item())
        if progress.due:
            samples.append(f"{progress.done:5d}  {write('Return ', 40)!r}")
            progress.write(f"step {progress.done:4d}/{progress.total}  loss {progress.mean('loss', 50):.3f} bits")

# %% [markdown]
# ## Result

# %%
with tg.no_grad():
    logits, _ = model(test[:, :-1])
    surprise = bits(logits, test[:, 1:], reduction="none").reshape(columns, -1)
print(f"test: {surprise.mean().item():.3f} bits a character\n")
print("What it writes after so many steps:", *samples, "", write("class ", 100 if options.quick else 500), sep="\n")


def draw(figure):
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    draw_history(left, progress.history["loss"], 50, "mean of 50 steps")
    left.set(title="Loss on the training text", xlabel="step", ylabel="bits a character")
    left.legend()
    rows, width = 14, 72
    cells, shown, place = tg.full((rows, width), float("nan")), [], 0
    for line in text.decode(test[0, 1:].tolist()).split("\n"):
        if line.strip() and len(shown) < rows:
            cells[len(shown), : len(line)] = surprise[0, place : place + len(line)][:width]
            shown.append(line[:width])
        place += len(line) + 1
    figure.colorbar(right.imshow(cells, cmap="YlOrRd", vmin=0, vmax=8, aspect="auto"), ax=right, label="bits")
    for row, line in enumerate(shown):
        for column, character in enumerate(line):
            right.text(column, row, character, family="monospace", ha="center", va="center", in_layout=False)
    right.set(title="How surprising each character of the test text was")
    right.axis("off")


save_picture(options.output, draw, size=(14, 5))
