"""``Dense`` and ``Embedding``: layers on the last axis, and a table to look up."""

from __future__ import annotations

from typing import Any, Self

from tinygrad_mp import functional as F
from tinygrad_mp import nn
from tinygrad_mp.errors import IndexRangeError, ShapeError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn import init
from tinygrad_mp.nn.module import Module
from tinygrad_mp.training.layers.inferring import Inferring, Weighted, a_choice_of_bias, a_size
from tinygrad_mp.training.layers.starting import (
    Choice,
    Initialization,
    Setting,
    check_bias_setting,
    check_setting,
    start_weight,
)


class Dense(Weighted, nn.Linear):
    """:class:`nn.Linear` that finds out the width of its input at first sight: ``y = x @ weight.T + bias``.

    Parameters
    ----------
    units : int
        The width of the output.
    bias : bool, optional
        By default there is one, unless a ``Model`` sees that a batch norm follows, which would take it away again.
    initialization : str or callable, default "auto"
        Of the weight: ``"auto"`` (a ``Model`` chooses by the activation that follows; on its own, Glorot normal),
        ``"he_normal"``, ``"he_uniform"``, ``"glorot_normal"``, ``"glorot_uniform"``, ``"lecun_normal"``,
        ``"lecun_uniform"``, ``"orthogonal"``, ``"zeros"``, or ``f(tensor, generator=...)``, which fills the tensor, as
        those of ``nn.init``.
    bias_initialization : "zeros", float or callable, default "zeros"

    Shapes
    ------
    x : (..., features) -> (..., units)
    weight : (units, features);  bias : (units,)

    Errors
    ------
    SettingError for settings that make no sense; ShapeError for an input of another width than the first.

    >>> from tinygrad_mp import ones
    >>> layer = Dense(2)
    >>> layer
    Dense(units=2)
    >>> layer(ones(5, 3)).shape, layer
    (Size([5, 2]), Dense(in_features=3, out_features=2, bias=True))
    """

    def __init__(
        self,
        units: int,
        bias: bool | None = None,
        initialization: Setting = "auto",
        bias_initialization: Any = "zeros",
    ) -> None:
        Module.__init__(self)
        self.out_features = a_size("Dense", "units", units)
        self.use_bias = a_choice_of_bias("Dense", bias)
        self.initialization = check_setting("Dense", initialization)
        self.bias_initialization = check_bias_setting("Dense", bias_initialization)
        self._wait_for(("weight", "bias"))
        if bias is False:
            self.bias = None

    @property
    def units(self) -> int:
        """The width of the output."""
        return self.out_features

    def _anchor_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if not input_shape:
            raise ShapeError("Dense: the input has no axes", fix="give it the shape (n, features)")
        return self.units, input_shape[-1]

    def _shape_of(self, name: str, anchor: tuple[int, ...]) -> tuple[int, ...]:
        return (self.units, anchor[-1] if anchor else 0) if name == "weight" else (self.units,)

    def _settle(self, anchor: tuple[int, ...]) -> None:
        self.in_features = anchor[1]

    def forward(self, input: Any) -> Any:
        if not self.built:
            self.build(input.shape)
        try:
            return F.linear(input, self.weight, self.bias)
        except ShapeError as error:
            raise self._explained(error, input, -1, self.in_features) from None


class Embedding(Inferring, nn.Embedding):
    """:class:`nn.Embedding`, whose vectors are drawn when it is first used, from the generator of its ``Model``.

    Parameters
    ----------
    count : int
        How many vectors.
    width : int
        The size of each.
    padding_idx : int, optional
        Its vector starts at zero and is not learned.
    initialization : str or callable, default "auto"
        ``"auto"`` is N(0, 1), as PyTorch; others as for :class:`Dense`.

    Shapes
    ------
    input : (...) of integers -> (..., width)
    weight : (count, width)

    Errors
    ------
    IndexRangeError for a number out of range.

    >>> from tinygrad_mp import tensor
    >>> Embedding(10, 3)(tensor([[1, 2], [3, 4]])).shape
    Size([2, 2, 3])
    """

    def __init__(
        self, count: int, width: int, padding_idx: int | None = None, initialization: Setting = "auto"
    ) -> None:
        Module.__init__(self)
        self.num_embeddings, self.embedding_dim = (
            a_size("Embedding", "count", count),
            a_size("Embedding", "width", width),
        )
        if padding_idx is not None:
            if not -count <= padding_idx < count:
                raise IndexRangeError(f"Embedding: padding_idx {padding_idx} is out of range for {count} vectors")
            padding_idx %= count
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, None, 2.0
        self.scale_grad_by_freq = self.sparse = False
        self.initialization = check_setting("Embedding", initialization)
        self._wait_for(("weight",))

    @property
    def count(self) -> int:
        """How many vectors."""
        return self.num_embeddings

    @property
    def width(self) -> int:
        """The size of each vector."""
        return self.embedding_dim

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None) -> Self:  # type: ignore[override]
        """A layer over a copy of a given table, shape (count, width); not learned unless ``freeze=False``.

        >>> from tinygrad_mp import tensor
        >>> Embedding.from_pretrained(tensor([[1.0], [2.0]]))(tensor(1))
        tensor([2.])
        """
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding: the table needs two axes, not {embeddings.ndim}")
        layer = cls(embeddings.shape[0], embeddings.shape[1], padding_idx)
        layer.load_state_dict({"weight": embeddings})
        layer.requires_grad_(not freeze)
        return layer

    def _anchor_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.count, self.width

    def _shape_of(self, name: str, anchor: tuple[int, ...]) -> tuple[int, ...]:
        return self.count, self.width

    def _draw(self, generator: Any) -> Initialization:
        if self.initialization == "auto":
            std = 1.0
            init.normal_(self.weight, 0.0, std, generator)
            done = Initialization("normal", "an embedding, as PyTorch's", std=std)
        else:
            done = start_weight(self.weight, self.initialization, Choice(*self.choice), 1, generator)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)
        return done

    def forward(self, input: Any) -> Any:
        if not self.built:
            self.build(input.shape)
        return super().forward(input)
