# %% [markdown]
# # Write like a manual, with attention: a small GPT
#
# A transformer has no memory that runs along the text; each place looks back at all earlier ones and takes what it
# needs, and learning finds out what that is (Vaswani et al., Attention Is All You Need, 2017; for writing: Radford et
# al., Improving Language Understanding by Generative Pre-Training, 2018, and their second model of 2019, whose layout
# this is). It reads what Python's standard library says about itself, a character at a time.
#
# What to look at: the sample, and the maps of where each head of the last layer looks. Guessing blindly costs
# log2(96) = 6.6 bits a character; after 1200 steps it is 2.4 bits on text that it never saw. `char_rnn.py` learns the
# same text with a recurrent network.
#
# In a terminal: `python examples/char_gpt.py`, with `--help` for the options.

# %%
import math

from common import Options, Progress, Text, documentation, draw_history, save_picture

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.nn import functional as F

options = Options("Learn to write like Python's manual.", steps=1200, quick=20, output="char_gpt.png").parse()
tg.manual_seed(options.seed)
text = Text(documentation())
print(f"{len(text.train)} characters to learn from, {len(text.test)} to test on, {len(text.characters)} different ones")

# %% [markdown]
# ## Model
#
# Each block adds to what came in: first what the heads of the attention bring from earlier places, then what a small
# network makes of that at each place.


# %%
class Attention(nn.Module):
    """Several heads; each place looks at itself and at those before it."""

    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.queries_keys_values = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)

    def split(self, x):
        """Queries, keys and values, each (batch, heads, length, size of a head)."""
        parts = self.queries_keys_values(x).chunk(3, dim=-1)
        return [part.view(*x.shape[:2], self.heads, -1).transpose(1, 2) for part in parts]

    def weights(self, x):
        """How much each place takes from each other one: (batch, heads, length, length)."""
        queries, keys, _ = self.split(x)
        scores = queries @ keys.transpose(-2, -1) / math.sqrt(keys.shape[-1])
        later = tg.ones(x.shape[1], x.shape[1], dtype=tg.bool).triu(1)
        return scores.masked_fill(later, -math.inf).softmax(dim=-1)

    def forward(self, x):
        # The same weights times the values, in one operation that does not keep them all.
        brought = F.scaled_dot_product_attention(*self.split(x), is_causal=True)
        return self.out(brought.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, heads)
        self.network = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.network(self.norm2(x))


class GPT(nn.Module):
    """Characters (batch, length) in, scores (batch, length, characters) for the next ones out."""

    def __init__(self, characters, context=64, size=96, layers=3, heads=4):
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(characters, size)
        self.places = nn.Embedding(context, size)
        self.blocks = nn.Sequential(*(Block(size, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(size)
        self.out = nn.Linear(size, characters, bias=False)
        self.out.weight = self.tokens.weight  # one table: what a character means, and what speaks for it
        self.apply(self.initialize)

    @staticmethod
    def initialize(layer):
        if isinstance(layer, (nn.Linear, nn.Embedding)):
            nn.init.normal_(layer.weight, std=0.05)

    def embed(self, x):
        return self.tokens(x) + self.places(tg.arange(x.shape[1]))

    def forward(self, x):
        return self.out(self.norm(self.blocks(self.embed(x))))


model = GPT(len(text.characters))
print(f"{sum(parameter.numel() for parameter in model.parameters())} parameters")


def draw_batch(part, count):
    """Stretches from random places, and the same ones a character later: both (count, context)."""
    places = tg.randint(0, len(part) - model.context, (count, 1)) + tg.arange(model.context)
    return part[places], part[places + 1]


def bits(x, y):
    """What a character costs, in bits: a mean."""
    return F.cross_entropy(model(x).transpose(1, 2), y) / math.log(2)


# %% [markdown]
# ## Training
#
# The learning rate rises for the first tenth of the way and then falls along a cosine. Weight decay is for matrices
# only. Ctrl-C stops early and keeps what has been learnt so far.

# %%
matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
optimizer = optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=5e-3)
scheduler = optim.lr_scheduler.LambdaLR(
    optimizer,
    lambda step: min((step + 1) / (0.1 * options.steps), 0.5 + 0.5 * math.cos(math.pi * step / options.steps)),
)

with Progress(options.steps) as progress:
    for _ in range(options.steps):
        loss = bits(*draw_batch(text.train, 24))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        progress.step(loss=loss.item())
        if progress.due:
            progress.write(f"step {progress.done:4d}/{progress.total}  loss {progress.mean('loss', 50):.3f} bits")

# %% [markdown]
# ## Result


# %%
@tg.no_grad()
def write(beginning, length, temperature=0.7):
    """Go on from ``beginning``; a low temperature is careful, a high one bold."""
    written = text.encode(beginning)[None]
    for _ in range(length):
        scores = model(written[:, -model.context :])[:, -1]
        written = tg.cat([written, tg.multinomial(F.softmax(scores / temperature, dim=1), 1)], dim=1)
    return text.decode(written[0].tolist())


with tg.no_grad():
    test_bits = sum(bits(*draw_batch(text.test, 16)).item() for _ in range(10)) / 10
    line = "Return the number of items that are in self."
    x = model.embed(text.encode(line)[None])
    for block in model.blocks[:-1]:
        x = block(x)
    weights = model.blocks[-1].attention.weights(model.blocks[-1].norm1(x))[0]
print(f"test: {test_bits:.3f} bits a character\n")
print(write("class ", 100 if options.quick else 600))


def draw(figure):
    panels = figure.subplots(1, 3)
    draw_history(panels[0], progress.history["loss"], 50, "mean of 50 steps")
    panels[0].set(title="Loss on the training text", xlabel="step", ylabel="bits a character")
    panels[0].legend()
    for axes, head in zip(panels[1:], (0, 1), strict=True):
        axes.imshow(weights[head], cmap="Blues")
        axes.set_xticks(range(len(line)), line, family="monospace", fontsize=7)
        axes.set_yticks(range(len(line)), line, family="monospace", fontsize=7)
        axes.set(title=f"Head {head + 1}: from each row, where it looks", xlabel="is looked at", ylabel="looks")


save_picture(options.output, draw, size=(18, 6))
