"""What the programs share: numbers that are the same on both engines."""

from __future__ import annotations

from typing import Any

import numpy


def draw(torch: Any, seed: int, *shape: int) -> Any:
    """Normal numbers in the default dtype."""
    return torch.tensor(numpy.random.default_rng(seed).standard_normal(shape), dtype=torch.get_default_dtype())


def normal(torch: Any, *shape: int, seed: int = 0) -> Any:
    """Normal numbers in float32."""
    return torch.tensor(numpy.random.default_rng(seed).standard_normal(shape).astype("float32"))


def labels(torch: Any, seed: int, classes: int, *shape: int) -> Any:
    """Class labels."""
    return torch.from_numpy(numpy.random.default_rng(seed).integers(0, classes, shape))


def fill(torch: Any, model: Any, seed: int = 0, scale: float = 0.3) -> Any:
    """Give a model the same weights on both engines; returns it."""
    rng = numpy.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = rng.standard_normal(tuple(parameter.shape)) * scale
            if parameter.dim() == 1 and "weight" in name:
                values = values * 0.1 + 1.0  # the scale of a normalisation
            parameter.copy_(torch.from_numpy(values))
    return model


def images(torch: Any, seed: int, count: int, channels: int = 1, size: int = 8) -> Any:
    """Smooth random images between 0 and 1."""
    rng = numpy.random.default_rng(seed)
    grid = numpy.arange(size) / size
    phase = rng.uniform(0, 6, (count, channels, 1, 1))
    waves = numpy.sin(6 * grid[:, None] + phase) * numpy.cos(4 * grid[None, :] - phase)
    return torch.tensor(0.5 + 0.5 * waves, dtype=torch.get_default_dtype())


def text() -> str:
    """A small corpus."""
    return (
        "the cat sat on the mat and the dog sat on the log while the rat ran round the rug and "
        "the man who had a pan sat down and saw the cat and the dog and the rat and ran away "
    ) * 3
