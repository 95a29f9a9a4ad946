"""``einsum``: products and sums said in index notation, carried out by matrix products."""

import math
from functools import lru_cache
from typing import Any

from tinygrad_mp.errors import DTypeError, ShapeError, TinygradError
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.ops.joining import diagonal
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import permute, reshape
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import sum

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# A label names an axis: a letter, or for an axis under the Ellipsis a negative number, -1 for the last.
Label = str | int
Labels = tuple[Label, ...]


def einsum(equation: Any, *operands: Any) -> Any:
    """Multiply tensors along named axes and sum over the names that the result does not have.

    Parameters
    ----------
    equation : str
        One letter for each axis of each operand, and after ``->`` the axes of the result: ``"bij,bjk->bik"``. A letter
        twice in one operand takes its diagonal. ``...`` stands for any axes, which broadcast. Without ``->``, the
        result has the axes of ``...`` and then, in alphabetical order, the letters that occur once.
        PyTorch's other form is understood too: ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.
    *operands : Tensor
        Same dtype. Axes with one letter have the same size, or size 1. They are multiplied from left to right.

    Returns
    -------
    Tensor
        In the dtype of the operands. A view of the operand where nothing is to be computed.

    Errors
    ------
    ShapeError if the equation cannot be read, or does not fit the operands; DTypeError if dtypes differ.

    >>> from tinygrad_mp import einsum, tensor
    >>> x = tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> einsum("ij,kj->ik", x, x)
    tensor([[ 5., 11.],
            [11., 25.]])
    >>> einsum("ii", x)
    tensor(5.)
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    try:
        terms, output = _read(equation, tuple([operand.ndim for operand in operands]))
        sizes = _sizes(terms, operands)
        if any(operand.dtype != operands[0].dtype for operand in operands):
            raise DTypeError(
                "the dtypes differ: " + ", ".join(str(operand.dtype) for operand in operands), fix="convert them to one"
            )
    except TinygradError as error:
        error.locate(f'einsum "{equation}"', [(f"operand {i}", operand) for i, operand in enumerate(operands)])
        raise
    pending = [_distinct(operand, term, sizes) for operand, term in zip(operands, terms, strict=True)]
    x, labels = pending.pop(0)
    while pending:
        y, others = pending.pop(0)
        kept = {*output, *(label for _, term in pending for label in term)}
        x, labels = _contract(x, labels, y, others, kept)
    x, labels = _sum_out(x, labels, set(output))
    return _ordered(x, labels, output)


# --- reading the equation ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _read(equation: str, ndims: tuple[int, ...]) -> tuple[tuple[Labels, ...], Labels]:
    """The labels of each operand and of the result."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ShapeError(f"the equation names {len(parts)} operands, but {len(ndims)} are given")
    terms = tuple(_labels(part, ndim, position) for position, (part, ndim) in enumerate(zip(parts, ndims, strict=True)))
    every = [label for term in terms for label in term]
    dots = sorted({label for label in every if isinstance(label, int)})
    if not arrow:
        once = sorted(label for label in set(every) if isinstance(label, str) and every.count(label) == 1)
        return terms, (*dots, *once)
    before, ellipsis, after = right.partition("...")
    output: Labels = (*before, *(dots if ellipsis else ()), *after)
    for label in output:
        if label not in every:
            raise ShapeError(f"the result has axis {label!r}, which no operand has")
        if output.count(label) > 1:
            raise ShapeError(f"the result has axis {label!r} twice", fix="sum, or use another letter")
    return terms, output


def _labels(part: str, ndim: int, position: int) -> Labels:
    """The labels of one operand."""
    before, ellipsis, after = part.partition("...")
    for letter in before + after:
        if letter not in _LETTERS:
            raise ShapeError(f"{letter!r} in {part!r} is not a letter", fix="use a-z, A-Z, one '...', commas and '->'")
    hidden = ndim - len(before) - len(after)
    if hidden < 0 or (hidden and not ellipsis):
        raise ShapeError(
            f"{part!r} names {len(before) + len(after)} axes, but operand {position} has {ndim}",
            fix="name every axis, or write ... for the others",
        )
    return (*before, *range(-hidden, 0), *after)


def _from_lists(arguments: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation and operands of ``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""

    def text(labels: Any) -> str:
        try:
            return "".join("..." if label is ... else _LETTERS[label] for label in labels)
        except (IndexError, TypeError) as error:
            raise ShapeError(f"einsum: {labels!r} is not a list of numbers from 0 to {len(_LETTERS) - 1}") from error

    pairs, result = arguments, ""
    if len(arguments) % 2:
        pairs, result = arguments[:-1], "->" + text(arguments[-1])
    return ",".join(map(text, pairs[1::2])) + result, pairs[::2]


def _sizes(terms: tuple[Labels, ...], operands: tuple[Any, ...]) -> dict[Label, int]:
    """The size of each label; axes of size 1 give way to others."""
    sizes: dict[Label, int] = {}
    for position, (term, operand) in enumerate(zip(terms, operands, strict=True)):
        own: dict[Label, int] = {}
        for label, size in zip(term, operand.shape, strict=True):
            if own.setdefault(label, size) != size:
                raise ShapeError(f"axis {label!r} has sizes {own[label]} and {size} within operand {position}")
            known = sizes.get(label, 1)
            if known != size and 1 not in (known, size):
                name = f"axis {label!r}" if isinstance(label, str) else f"axis {label} of the Ellipsis"
                raise ShapeError(f"{name} has size {size} in operand {position}, but {known} before")
            sizes[label] = size if known == 1 else known
    return sizes


# --- carrying it out --------------------------------------------------------------------------------------------------


def _distinct(x: Any, labels: Labels, sizes: dict[Label, int]) -> tuple[Any, Labels]:
    """Take diagonals of repeated labels, and drop axes of size 1 that others broadcast against."""
    for label in set(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal(x, dim1=first, dim2=second)
            labels = (*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label)
    narrow = tuple(label for label, size in zip(labels, x.shape, strict=True) if size != sizes[label])
    if narrow:
        labels = tuple(label for label in labels if label not in narrow)
        x = reshape(x, tuple(sizes[label] for label in labels))
    return x, labels


def _sum_out(x: Any, labels: Labels, kept: set[Label]) -> tuple[Any, Labels]:
    """Sum over the labels that are not kept."""
    dims = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    if not dims:
        return x, labels
    total = to_dtype(sum(x, dims), x.dtype)
    return total, tuple(label for label in labels if label in kept)


def _ordered(x: Any, labels: Labels, wanted: Labels) -> Any:
    return x if labels == wanted else permute(x, tuple(labels.index(label) for label in wanted))


def _contract(x: Any, a: Labels, y: Any, b: Labels, kept: set[Label]) -> tuple[Any, Labels]:
    """Multiply ``x``, with labels ``a``, by ``y``, with labels ``b``, and sum over what is not kept."""
    x, a = _sum_out(x, a, kept | set(b))
    y, b = _sum_out(y, b, kept | set(a))
    size = dict(zip((*a, *b), (*x.shape, *y.shape), strict=True))
    batch = tuple(label for label in a if label in b and label in kept)
    summed = tuple(label for label in a if label in b and label not in kept)
    left = tuple(label for label in a if label not in b)
    right = tuple(label for label in b if label not in a)

    def shape(*groups: Labels) -> list[int]:
        return [math.prod([size[label] for label in group]) for group in groups]

    if not summed or (batch and not left and not right):  # an elementwise product
        x = reshape(_ordered(x, a, batch + summed + left), (*shape(*zip(batch + summed + left)), *[1] * len(right)))
        y = _ordered(y, b, batch + summed + right)
        y = reshape(y, (*shape(*zip(batch + summed)), *[1] * len(left), *shape(*zip(right))))
        return _sum_out(mul(x, y), batch + summed + left + right, kept)
    x = reshape(_ordered(x, a, batch + left + summed), tuple(shape(batch, left, summed)[not batch :]))
    y = reshape(_ordered(y, b, batch + summed + right), tuple(shape(batch, summed, right)[not batch :]))
    labels = batch + left + right
    return reshape(matmul(x, y), tuple(size[label] for label in labels)), labels
