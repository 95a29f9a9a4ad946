"""Sequences of different lengths: padded to one tensor, or packed without padding for recurrent layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy

from tinygrad_mp.absent import lookup
from tinygrad_mp.creation import from_numpy, full
from tinygrad_mp.dtypes import float16, float32, float64, int32, int64, uint8
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError, TinygradError
from tinygrad_mp.ops.gathering import index_select
from tinygrad_mp.ops.joining import cat, narrow, stack
from tinygrad_mp.ops.movement import transpose
from tinygrad_mp.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Packed):
    """Sequences without padding, step after step: first the first entries of all sequences, then the second ones.

    Made by :func:`pack_padded_sequence` and :func:`pack_sequence`; recurrent layers take it and give it back.

    Parameters
    ----------
    data : Tensor, shape (entries of all sequences, ...)
    batch_sizes : Tensor of int64 on the CPU
        How many sequences have an entry at each step.
    sorted_indices, unsorted_indices : Tensor of int64, optional
        The order of the sequences, longest first, and the way back; None if they came in this order.

    >>> from tinygrad_mp import tensor
    >>> pack_sequence([tensor([1, 2, 3]), tensor([4])]).data
    tensor([1, 4, 2, 3])
    """

    __slots__ = ()

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Self:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("PackedSequence: without batch_sizes, data is a pair (data, batch_sizes)")
            data, batch_sizes = data
        if sorted_indices is None and unsorted_indices is not None:
            sorted_indices = invert_permutation(unsorted_indices)
        elif unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes.device.type != "cpu":
            raise SettingError("PackedSequence: batch_sizes must be on the CPU", fix="move it there with .cpu()")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same sequences with data in another dtype or on another device; itself if nothing changes."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (None if one is None else one.to(data.device) for one in self[2:])
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self) -> Self:
        """The same sequences on the CPU."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None) -> Self:
        """The same sequences on a CUDA device."""
        return self.to(device="cuda" if device is None else device)

    def double(self) -> Self:
        """The same sequences in float64."""
        return self.to(dtype=float64)

    def float(self) -> Self:
        """The same sequences in float32."""
        return self.to(dtype=float32)

    def half(self) -> Self:
        """The same sequences in float16."""
        return self.to(dtype=float16)

    def long(self) -> Self:
        """The same sequences in int64."""
        return self.to(dtype=int64)

    def int(self) -> Self:
        """The same sequences in int32."""
        return self.to(dtype=int32)

    def byte(self) -> Self:
        """The same sequences in uint8."""
        return self.to(dtype=uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a CUDA device."""
        return bool(self.data.is_cuda)


def invert_permutation(permutation: Any) -> Any:
    """The permutation that undoes ``permutation``, a vector of integers; None of None.

    >>> from tinygrad_mp import tensor
    >>> invert_permutation(tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    return from_numpy(numpy.argsort(permutation.cpu().numpy(), kind="stable")).to(permutation.device)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave the padding out of a batch of sequences.

    Parameters
    ----------
    input : Tensor, shape (steps, n, ...), or (n, steps, ...) with ``batch_first``
    lengths : sequence or Tensor of n int
        From 1 to the number of steps.
    batch_first : bool, default False
    enforce_sorted : bool, default True
        The sequences come longest first; with False they are sorted here.

    Errors
    ------
    ShapeError if lengths are not n numbers in range, or not in order.

    >>> from tinygrad_mp import tensor
    >>> packed = pack_padded_sequence(tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """
    if input.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: the input needs two axes at least, it has shape {tuple(input.shape)}")
    counts = _lengths("pack_padded_sequence", lengths)
    padded = transpose(input, 0, 1) if batch_first else input
    steps, batch = padded.shape[:2]
    if len(counts) != batch:
        raise ShapeError(f"pack_padded_sequence: {len(counts)} lengths for a batch of {batch} sequences")
    if batch == 0:
        raise ShapeError("pack_padded_sequence: there is no sequence to pack")
    if counts.min() < 1 or counts.max() > steps:
        raise ShapeError(f"pack_padded_sequence: lengths {counts.tolist()} are not all between 1 and {steps}")
    order = None
    if not enforce_sorted:
        order = numpy.argsort(-counts, kind="stable")
        counts = counts[order]
    elif (counts[1:] > counts[:-1]).any():
        raise ShapeError(
            f"pack_padded_sequence: lengths {counts.tolist()} are not sorted, longest first",
            fix="pass enforce_sorted=False",
        )
    which = numpy.arange(batch) if order is None else order
    present = numpy.arange(int(counts[0]))[:, None] < counts  # (steps, sequences)
    step, column = present.nonzero()
    data = padded[_index(step, input), _index(which[column], input)]
    sizes = from_numpy(present.sum(axis=1).astype("int64"))
    return PackedSequence(data, sizes, None if order is None else _index(order, input))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Any]:
    """Undo :func:`pack_padded_sequence`.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool, default False
    padding_value : float, default 0.0
    total_length : int, optional
        Steps of the result, at least those of the longest sequence, which is the default.

    Returns
    -------
    tuple of Tensor
        The padded sequences, (steps, n, ...) or with ``batch_first`` (n, steps, ...), and their lengths.

    >>> from tinygrad_mp import tensor
    >>> pad_packed_sequence(pack_sequence([tensor([1, 2]), tensor([3])]), batch_first=True)
    (tensor([[1, 2],
            [3, 0]]), tensor([2, 1]))
    """
    data, order = sequence.data, sequence.unsorted_indices
    sizes = sequence.batch_sizes.numpy()
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ShapeError(f"pad_packed_sequence: total_length {steps} is less than the longest sequence, {len(sizes)}")
    present = numpy.arange(sizes[0]) < sizes[:, None]  # (steps, sequences)
    shape = (steps, int(sizes[0]), *data.shape[1:])
    padded = full(shape, padding_value, dtype=data.dtype, device=data.device)
    step, column = present.nonzero()
    padded[_index(step, data), _index(column, data)] = data
    lengths = from_numpy(present.sum(axis=0).astype("int64"))
    if order is not None:
        padded, lengths = index_select(padded, 1, order), lengths[order.cpu()]
    return (transpose(padded, 0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Sequences of different lengths as one tensor.

    Parameters
    ----------
    sequences : sequence of Tensor, shapes (length, ...)
    batch_first : bool, default False
        (n, steps, ...) instead of (steps, n, ...).
    padding_value : float, default 0.0
    padding_side : {"right", "left"}
        Behind the sequences or before them.

    >>> from tinygrad_mp import tensor
    >>> pad_sequence([tensor([1, 2]), tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise TinygradError(f"pad_sequence takes tensors in a sequence, not a {type(sequences).__name__}")
    parts = list(sequences)
    if not parts:
        raise ShapeError("pad_sequence: there is no sequence to pad")
    if padding_side not in ("right", "left"):
        raise SettingError(f'pad_sequence: padding_side must be "right" or "left", not {padding_side!r}')
    rests = {tuple(part.shape[1:]) for part in parts}
    if len(rests) > 1 or not all(part.ndim for part in parts):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise ShapeError(f"pad_sequence: the shapes {shapes} differ in more than the first axis")
    steps = max(part.shape[0] for part in parts)
    padded = []
    for part in parts:
        missing = steps - part.shape[0]
        if missing:
            fill = full((missing, *part.shape[1:]), padding_value, dtype=part.dtype, device=part.device)
            part = cat((part, fill) if padding_side == "right" else (fill, part))
        padded.append(part)
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences in a padded tensor, each with its own length; undoes :func:`pad_sequence`.

    >>> from tinygrad_mp import tensor
    >>> unpad_sequence(tensor([[1, 2], [3, 0]]), tensor([2, 1]), batch_first=True)
    [tensor([1, 2]), tensor([3])]
    """
    rows = padded_sequences if batch_first else transpose(padded_sequences, 0, 1)
    counts = _lengths("unpad_sequence", lengths)
    return [narrow(row, 0, 0, int(count)) for row, count in zip(rows, counts, strict=True)]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of different lengths, shapes (length, ...); see :func:`pack_padded_sequence`.

    >>> from tinygrad_mp import tensor
    >>> pack_sequence([tensor([1]), tensor([2, 3])], enforce_sorted=False).sorted_indices
    tensor([1, 0])
    """
    parts = list(sequences)
    return pack_padded_sequence(pad_sequence(parts), [part.shape[0] for part in parts], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The sequences in a packed one; undoes :func:`pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _lengths(name: str, lengths: Any) -> Any:
    """Lengths as an array of int64 on the host."""
    values = numpy.asarray(lengths.detach().cpu().numpy() if isinstance(lengths, Tensor) else list(lengths))
    if values.dtype.kind not in "iuf" or (values != values.astype("int64")).any():
        raise DTypeError(f"{name}: lengths must be integers, not {values.dtype}")
    return values.astype("int64").reshape(-1)


def _index(values: Any, like: Any) -> Any:
    return from_numpy(numpy.asarray(values, dtype="int64")).to(like.device)


__getattr__ = lookup("nn.utils.rnn")
