"""``Embedding``: a table of vectors to look up."""

from __future__ import annotations

from typing import Any, Self

from tinygrad_mp import functional as F
from tinygrad_mp.creation import empty
from tinygrad_mp.errors import IndexRangeError, ShapeError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter


class Embedding(Module):
    """A learned vector for each of ``num_embeddings`` numbers.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
    padding_idx : int, optional
        Its vector starts at zero and is not learned.
    max_norm : float, optional
        Vectors that are looked up are first scaled down to this norm, in place.
    norm_type : float, default 2.0
    scale_grad_by_freq : bool, default False
        Divide the gradient of each vector by how often it was looked up.
    sparse : bool, default False
        Only False is accepted.
    device, dtype : optional

    Shapes
    ------
    input : (...) of integers -> (..., embedding_dim)
    weight : (num_embeddings, embedding_dim)

    Errors
    ------
    IndexRangeError for a number out of range.

    Init: N(0, 1), as PyTorch.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.Embedding(10, 3)(tensor([[1, 2], [3, 4]])).shape
    Size([2, 2, 3])
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise IndexRangeError(f"Embedding: padding_idx {padding_idx} is out of range for {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            self.weight = Parameter(empty(shape, device=device, dtype=dtype), requires_grad=not _freeze)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != shape:
                raise ShapeError(f"Embedding: the weight has shape {tuple(_weight.shape)}, not {shape}")
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw new values; zeros at ``padding_idx``."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A layer over a given table, shape (num_embeddings, embedding_dim); not learned unless ``freeze=False``.

        >>> from tinygrad_mp import nn, tensor
        >>> nn.Embedding.from_pretrained(tensor([[1.0], [2.0]]))(tensor(1))
        tensor([2.])
        """
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding: the table needs two axes, not {embeddings.ndim}")
        rows, width = embeddings.shape
        settings = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(rows, width, *settings, _weight=embeddings, _freeze=freeze)

    def forward(self, input: Any) -> Any:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        shown = f"{self.num_embeddings}, {self.embedding_dim}"
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "sparse": False}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                shown += f", {name}={getattr(self, name)}"
        return shown


class EmbeddingBag(Module):
    """Sums, means or maxima of learned vectors over bags of numbers; see :func:`functional.embedding_bag`.

    Parameters
    ----------
    num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse, padding_idx
        As of :class:`Embedding`.
    mode : {"mean", "sum", "max"}
    include_last_offset : bool, default False
        The last offset is where the last bag ends.
    device, dtype : optional

    Shapes
    ------
    input : (bags, numbers) or (numbers,) with offsets (bags,) -> (bags, embedding_dim)
    weight : (num_embeddings, embedding_dim)

    Init: N(0, 1), as PyTorch.

    >>> from tinygrad_mp import nn, tensor
    >>> nn.EmbeddingBag(10, 3)(tensor([1, 2, 3]), tensor([0, 2])).shape
    Size([2, 3])
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode, self.sparse, self.include_last_offset = mode, sparse, include_last_offset
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise IndexRangeError(f"EmbeddingBag: padding_idx {padding_idx} is out of range for {num_embeddings} rows")
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        shape = (num_embeddings, embedding_dim)
        if _weight is not None and tuple(_weight.shape) != shape:
            raise ShapeError(f"EmbeddingBag: the weight has shape {tuple(_weight.shape)}, not {shape}")
        self.weight = Parameter(empty(shape, device=device, dtype=dtype) if _weight is None else _weight)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values; zeros at ``padding_idx``."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, *args: Any, **kwargs: Any) -> Self:
        """A layer over a given table, shape (num_embeddings, embedding_dim); not learned unless ``freeze=False``.

        What follows is as for the class, from ``max_norm`` on.
        """
        if embeddings.ndim != 2:
            raise ShapeError(f"EmbeddingBag: the table needs two axes, not {embeddings.ndim}")
        layer = cls(*embeddings.shape, *args, **kwargs)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        shown = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, default in {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}.items():
            if getattr(self, name) != default:
                shown += f", {name}={getattr(self, name)}"
        shown += f", mode={self.mode!r}"
        return shown if self.padding_idx is None else f"{shown}, padding_idx={self.padding_idx}"
