"""Nothing is kept longer than needed: long chains, no cycles, flat memory."""

import gc
import sys
import tracemalloc
from collections.abc import Iterator

import numpy as np

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.nn import functional as F


def test_a_chain_of_a_million_operations_runs_backward_and_is_dropped():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_long_chain_that_never_ran_backward_is_dropped_without_recursion():
    tracemalloc.start()
    try:
        y = tg.tensor([1.0], requires_grad=True)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(100_000):
            y = y + 1.0
        held = tracemalloc.get_traced_memory()[0] - before
        y = None
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held > 5e6  # the chain really was there
    assert left < held / 100


def test_a_wide_graph_frees_each_value_as_backward_passes():
    x = tg.ones(100_000, requires_grad=True)
    y = x
    for _ in range(50):
        y = y.exp().log()
    loss = y.sum()
    y = None
    tracemalloc.start()
    try:
        loss.backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * x.nbytes  # a few cotangents at a time, not fifty


def _train() -> Iterator[None]:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    x, y = tg.randn(16, 4), tg.randint(0, 3, (16,))
    while True:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        yield


def test_ten_thousand_training_steps_keep_memory_flat_and_leave_nothing_for_the_garbage_collector():
    steps = _train()
    next(steps)
    gc.collect()
    gc.disable()
    try:
        for _ in range(2_000):  # until the interpreter's free lists are full
            next(steps)
        early = sys.getallocatedblocks()
        for _ in range(8_000):
            next(steps)
        late = sys.getallocatedblocks()
        unreachable = gc.collect()
    finally:
        gc.enable()
    assert unreachable == 0
    assert abs(late - early) < 80  # blocks: not one for a hundred steps


def test_double_backward_leaves_nothing_for_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            x = tg.tensor(np.ones((3, 3)), requires_grad=True)
            (g,) = tg.grad((x.tanh() @ x).sum(), x, create_graph=True)
            (g * g).sum().backward()
            left, right = (x * 1).chunk(2)
            (left.sum() * right.sum()).backward()
        del x, g, left, right
        assert gc.collect() == 0
    finally:
        gc.enable()
