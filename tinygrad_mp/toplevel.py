"""Functions that PyTorch has twice: in ``nn.functional``, and here in the package itself with other arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_mp import functional


def dropout(input: Any, p: float, train: bool) -> Any:
    """:func:`nn.functional.dropout` with ``train`` for ``training``, which must be given.

    >>> from tinygrad_mp import dropout, ones
    >>> dropout(ones(2), 0.5, train=False)
    tensor([1., 1.])
    """
    return functional.dropout(input, p, training=train)


def alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """:func:`nn.functional.alpha_dropout` with ``train`` for ``training``."""
    return functional.alpha_dropout(input, p, training=train)


def feature_alpha_dropout(input: Any, p: float, train: bool) -> Any:
    """:func:`nn.functional.feature_alpha_dropout` with ``train`` for ``training``."""
    return functional.feature_alpha_dropout(input, p, training=train)


def embedding(weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False) -> Any:
    """:func:`nn.functional.embedding` with the table first; -1 means that no row is padding.

    >>> from tinygrad_mp import embedding, tensor
    >>> embedding(tensor([[1.0], [2.0]]), tensor([1, 0, 1]))
    tensor([[2.],
            [1.],
            [2.]])
    """
    padding = None if padding_idx == -1 else padding_idx
    return functional.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq)


def constant_pad_nd(input: Any, pad: Sequence[int], value: float = 0.0) -> Any:
    """:func:`nn.functional.pad` with a constant.

    >>> from tinygrad_mp import constant_pad_nd, ones
    >>> constant_pad_nd(ones(2), (1, 0), 5.0)
    tensor([5., 1., 1.])
    """
    return functional.pad(input, tuple(pad), value=value)


def fill(input: Any, value: Any) -> Any:
    """A tensor like ``input`` with ``value``, a number or a 0-d tensor, in every entry.

    >>> from tinygrad_mp import fill, ones
    >>> fill(ones(2), 3)
    tensor([3., 3.])
    """
    return input.clone().fill_(value)


def get_device(input: Any) -> int:
    """The number of the CUDA device of a tensor; -1 on the CPU."""
    number: int = input.get_device()
    return number
