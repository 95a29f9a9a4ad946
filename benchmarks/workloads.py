"""The workloads, each written once, as a user of PyTorch would write it; ``torch`` is the engine that is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy

BATCHES = 16  # training goes round these, so that no network knows its data by heart within a round


class Task(NamedTuple):
    """A workload that is ready to run on one engine."""

    step: Callable[[int], Any]
    """Does the work once, on the batch of that number; gives the loss."""
    inputs: list[Any]
    """Tensors that need a gradient and are no parameters of the model."""
    model: Any = None


class Workload(NamedTuple):
    """What is measured, at which size, and how much of PyTorch's time it may take (by number of threads)."""

    title: str
    build: Callable[..., Task]
    size: Mapping[str, int]
    quick: Mapping[str, int]
    limits: Mapping[int, float]


def normal(shape: tuple[int, ...], seed: int) -> Any:
    """Standard normal float32 numbers, drawn without a wider copy that would show in the peak of memory."""
    return numpy.random.default_rng(seed).standard_normal(shape, dtype=numpy.float32)


def integers(high: int, shape: tuple[int, ...], seed: int) -> Any:
    """Random int64 below ``high``."""
    return numpy.random.default_rng(seed).integers(0, high, shape)


def load_weights(torch: Any, model: Any) -> Any:
    """Give the model weights that depend on their names and shapes alone, so that every engine gets the same."""
    state = model.state_dict()
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        draw = numpy.random.default_rng(crc32(name.encode())).uniform(-1, 1, shape).astype(numpy.float32)
        if len(shape) >= 2:
            draw /= numpy.float32(draw[0].size ** 0.5)
        else:
            draw /= 10
            draw += name.endswith("weight")  # the scale of a normalisation is near 1, a bias near 0
        state[name] = torch.from_numpy(draw)
    model.load_state_dict(state)
    return model


def classify(torch: Any, model: Any, optimizer: Any, batches: list[Any]) -> Task:
    """Train a classifier: one batch of ``(inputs, labels)`` a step."""

    def step(number: int) -> Any:
        inputs, labels = batches[number % len(batches)]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    return Task(step, [], model)


def labelled(torch: Any, shape: tuple[int, ...]) -> list[Any]:
    """Batches of random images, of the shape, with labels below 10."""
    return [
        (torch.from_numpy(normal(shape, seed)), torch.from_numpy(integers(10, shape[:1], seed)))
        for seed in range(BATCHES)
    ]


def mlp(torch: Any, batch: int) -> Task:
    """W1."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(784, 128)
            self.out = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.out(F.relu(self.hidden(x)))

    net = load_weights(torch, Net())
    return classify(torch, net, torch.optim.Adam(net.parameters(), lr=1e-3), labelled(torch, (batch, 784)))


def normalised_mlp(torch: Any, batch: int) -> Task:
    """W2."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm1 = nn.Linear(784, 512), nn.BatchNorm1d(512)
            self.second, self.norm2 = nn.Linear(512, 512), nn.BatchNorm1d(512)
            self.out = nn.Linear(512, 10)
            self.dropout = nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            x = self.dropout(F.relu(self.norm1(self.first(x))))
            x = self.dropout(F.relu(self.norm2(self.second(x))))
            return self.out(x)

    net = load_weights(torch, Net())
    return classify(torch, net, torch.optim.AdamW(net.parameters(), lr=1e-3), labelled(torch, (batch, 784)))


def cnn(torch: Any, batch: int) -> Task:
    """W3."""
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3)
            self.conv2 = nn.Conv2d(32, 64, 3)
            self.hidden = nn.Linear(9216, 128)
            self.out = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = F.max_pool2d(x, 2)
            x = torch.flatten(x, 1)
            return self.out(F.relu(self.hidden(x)))

    net = load_weights(torch, Net())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return classify(torch, net, optimizer, labelled(torch, (batch, 1, 28, 28)))


def residual_block(torch: Any, batch: int, image: int) -> Task:
    """W4: no optimizer; the gradient of the input is asked for."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.norm1 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
            self.conv2, self.norm2 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)

        def forward(self, x: Any) -> Any:
            y = F.relu(self.norm1(self.conv1(x)))
            y = self.norm2(self.conv2(y))
            return F.relu(x + y)

    block = load_weights(torch, Block())
    x = torch.from_numpy(normal((batch, 64, image, image), 0)).requires_grad_()
    target = torch.from_numpy(normal((batch, 64, image, image), 1))

    def step(number: int) -> Any:
        x.grad = None
        block.zero_grad()
        loss = F.mse_loss(block(x), target)
        loss.backward()
        return loss

    return Task(step, [x], block)


def character_gpt(torch: Any, batch: int, length: int) -> Task:
    """W5."""
    nn, F = torch.nn, torch.nn.functional
    channels, heads, layers, vocabulary = 128, 4, 4, 65

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(channels, 3 * channels)
            self.projection = nn.Linear(channels, channels)
            self.register_buffer("future", torch.triu(torch.ones(length, length), 1).bool())

        def forward(self, x: Any) -> Any:
            B, T, C = x.shape
            q, k, v = self.qkv(x).split(C, dim=2)
            q = q.view(B, T, heads, C // heads).transpose(1, 2)
            k = k.view(B, T, heads, C // heads).transpose(1, 2)
            v = v.view(B, T, heads, C // heads).transpose(1, 2)
            scores = (q @ k.transpose(-2, -1)) * (C // heads) ** -0.5
            scores = scores.masked_fill(self.future[:T, :T], float("-inf"))
            y = F.softmax(scores, dim=-1) @ v
            return self.projection(y.transpose(1, 2).contiguous().view(B, T, C))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.attention, self.norm2 = nn.LayerNorm(channels), Attention(), nn.LayerNorm(channels)
            self.up, self.down = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(vocabulary, channels), nn.Embedding(length, channels)
            self.blocks = nn.Sequential(*[Block() for _ in range(layers)])
            self.norm = nn.LayerNorm(channels)
            self.head = nn.Linear(channels, vocabulary, bias=False)

        def forward(self, x: Any) -> Any:
            x = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
            return self.head(self.norm(self.blocks(x)))

    gpt = load_weights(torch, GPT())
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=1e-3)
    texts = [torch.from_numpy(integers(vocabulary, (batch, length + 1), seed)) for seed in range(BATCHES)]

    def step(number: int) -> Any:
        text = texts[number % BATCHES]
        optimizer.zero_grad()
        logits = gpt(text[:, :-1])
        loss = F.cross_entropy(logits.view(-1, vocabulary), text[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        return loss

    return Task(step, [], gpt)


def chain(torch: Any, operations: int, entries: int) -> Task:
    """W6: every operand needs a gradient."""
    x, a, b, c = leaves = [torch.from_numpy(normal((entries,), seed)).requires_grad_() for seed in range(4)]

    def step(number: int) -> Any:
        for leaf in leaves:
            leaf.grad = None
        y = x
        for _ in range(operations // 4):
            y = y * a
            y = y + b
            y = y.tanh()
            y = y - c
        loss = y.sum()
        loss.backward()
        return loss

    return Task(step, leaves)


def large(torch: Any, entries: int) -> Task:
    """W7: x needs a gradient; a, b and c, as large as x, do not."""
    x, a, b, c = (torch.from_numpy(normal((entries,), seed)) for seed in range(4))
    b += 1  # away from a sum of nearly nothing, of which rounding would be a large part
    c += 1
    x.requires_grad_()

    def step(number: int) -> Any:
        x.grad = None
        loss = torch.sum(torch.tanh(x * a + b) * c)
        loss.backward()
        return loss

    return Task(step, [x])


WORKLOADS = {
    "W1": Workload("MLP 784-128-10, Adam", mlp, {"batch": 32}, {"batch": 4}, {1: 0.60, 2: 0.65}),
    "W2": Workload(
        "MLP 784-512-512-10, BatchNorm, Dropout, AdamW",
        normalised_mlp,
        {"batch": 128},
        {"batch": 4},
        {1: 0.75, 2: 0.75},
    ),
    "W3": Workload("CNN on 28×28, SGD", cnn, {"batch": 64}, {"batch": 2}, {1: 0.95, 2: 1.05}),
    "W4": Workload(
        "residual block, 64 channels",
        residual_block,
        {"batch": 32, "image": 32},
        {"batch": 2, "image": 8},
        {1: 1.0, 2: 1.10},
    ),
    "W5": Workload(
        "character GPT, AdamW",
        character_gpt,
        {"batch": 16, "length": 64},
        {"batch": 2, "length": 8},
        {1: 0.95, 2: 1.05},
    ),
    "W6": Workload(
        "small elementwise operations", chain, {"operations": 1000, "entries": 10}, {"operations": 40}, {1: 0.50}
    ),
    "W7": Workload("sum(tanh(x*a+b)*c)", large, {"entries": 10_000_000}, {"entries": 1000}, {1: 0.20, 2: 0.30}),
}
