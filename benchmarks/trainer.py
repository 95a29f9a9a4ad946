"""What ``Model.train`` takes, over a hand-written loop on this package and over the same loop on PyTorch.

The work is MNIST's in shape, on random data: 784-128-10, ReLU, batch 32, Adam; 60,000 rows, of which a fifth is held
out; in each epoch the loss, the accuracy and F1 of both parts. Run it with ``python benchmarks/trainer.py``. Each
contender runs in a process of its own, and they take turns, round by round, because a machine's speed drifts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy

CONTENDERS = ("Model.train", "tinygrad_mp", "torch")


def data(rows: int) -> tuple[Any, Any]:
    """Noise around ten centres."""
    rng = numpy.random.default_rng(0)
    y = rng.integers(0, 10, rows)
    X = rng.standard_normal((rows, 784), numpy.float32)
    return X + 0.1 * rng.standard_normal((10, 784)).astype(numpy.float32)[y], y


def by_hand(torch: Any, X: Any, y: Any, epochs: int) -> float:
    """Train as a user of PyTorch would write it; the accuracy on the rows held out."""
    nn, F = torch.nn, torch.nn.functional
    held_out = len(X) // 5
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def figures(counts: Any) -> tuple[float, float]:
        right = counts.diagonal()
        f1 = 2 * right / (counts.sum(0) + counts.sum(1)).clamp(min=1)
        return (right.sum() / counts.sum()).item(), f1.mean().item()

    def confusion(outputs: Any, labels: Any) -> Any:
        return torch.bincount(labels * 10 + outputs.argmax(1), minlength=100).reshape(10, 10)

    accuracy = 0.0
    for _ in range(epochs):
        total, counts = 0.0, torch.zeros(10, 10, dtype=torch.int64)
        order = torch.randperm(len(X) - held_out) + held_out
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            inputs, labels = X[rows], y[rows]
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = F.cross_entropy(outputs, labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
            counts += confusion(outputs.detach(), labels)
        figures(counts)
        with torch.no_grad():
            counts = torch.zeros(10, 10, dtype=torch.int64)
            for start in range(0, held_out, 256):
                stop = min(start + 256, held_out)
                outputs = model(X[start:stop])
                total += F.cross_entropy(outputs, y[start:stop]).item() * (stop - start)
                counts += confusion(outputs, y[start:stop])
            accuracy, _ = figures(counts)
    return accuracy


def by_model(X: Any, y: Any, epochs: int) -> float:
    """Train by ``Model``; the accuracy on the rows held out."""
    from tinygrad_mp import CategoricalCrossEntropy, Dense, Model, ReLU, optim

    model = Model([Dense(128), ReLU(), Dense(10)], CategoricalCrossEntropy(), optim.Adam(lr=1e-3))
    history = model.train(X, y, epochs=epochs, batch_size=32, verbose=0)
    accuracy: float = history["val_accuracy"][-1]
    return accuracy


def serve(contender: str, rows: int, threads: int) -> None:
    """Answer each line of the input, a number of epochs, with the seconds that they took and the accuracy."""
    torch = importlib.import_module("torch" if contender == "torch" else "tinygrad_mp")
    torch.set_num_threads(threads)
    X, y = data(rows)
    for line in sys.stdin:
        begun = time.perf_counter()
        epochs = int(line)
        accuracy = by_model(X, y, epochs) if contender == "Model.train" else by_hand(torch, X, y, epochs)
        print(json.dumps([time.perf_counter() - begun, accuracy]), flush=True)


def main() -> None:
    """Let the contenders take turns, and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--serve", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.rows, options.threads)
        return
    workers = {}
    for name in CONTENDERS:
        if name == "torch" and importlib.util.find_spec("torch") is None:
            print("PyTorch is not installed: compared with the loop on tinygrad_mp only")
            continue
        command = [sys.executable, __file__, "--serve", name, "--rows", str(options.rows)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        workers[name] = subprocess.Popen(
            [*command, "--threads", str(options.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for number in range(options.rounds + 1):
        for name, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(f"{options.epochs if number else 1}\n")  # the first round warms up
            worker.stdin.flush()
            taken, accuracy = json.loads(worker.stdout.readline())
            if number:
                seconds[name].append(taken)
                print(f"round {number}  {name:12}  {taken:6.2f} s  accuracy {accuracy:.3f}", flush=True)
    for worker in workers.values():
        assert worker.stdin is not None
        worker.stdin.close()
        worker.wait()
    for other in [name for name in workers if name != "Model.train"]:
        ratios = [a / b for a, b in zip(seconds["Model.train"], seconds[other], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"Model.train over a loop on {other}: {statistics.median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
