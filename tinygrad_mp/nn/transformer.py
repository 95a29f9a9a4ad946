"""Transformers: layers of attention and of dense networks, stacked, with encoder and decoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.creation import full
from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.arguments import exchange_argument
from tinygrad_mp.nn.attention import MultiheadAttention
from tinygrad_mp.nn.containers import ModuleList
from tinygrad_mp.nn.layers import Dropout, Linear
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.normalization import LayerNorm
from tinygrad_mp.ops.copying import triu

Activation = str | Callable[[Any], Any]


class _Layer(Module):
    """What the two kinds of layers share: self-attention first, a dense network last, each added to its input."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        layer_norm_eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        blocks: int,
        made: dict[str, Any],
    ) -> None:
        super().__init__()

        def attention() -> MultiheadAttention:
            return MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made)

        self.self_attn = attention()
        if blocks == 3:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **made)
        self.norm_first = norm_first
        for number in range(1, blocks + 1):
            setattr(self, f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
        for number in range(1, blocks + 1):
            setattr(self, f"dropout{number}", Dropout(dropout))
        if isinstance(activation, str):
            if activation not in ("relu", "gelu"):
                raise SettingError(f'{type(self).__name__}: activation must be "relu", "gelu" or a function')
            activation = F.relu if activation == "relu" else F.gelu
        self.activation = activation

    def _attend(self, attention: Any, x: Any, memory: Any, mask: Any, padding: Any, causal: bool) -> Any:
        return attention(x, memory, memory, padding, need_weights=False, attn_mask=mask, is_causal=causal)[0]

    def _feed(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _added(self, number: int, x: Any, block: Callable[[Any], Any]) -> Any:
        """``x`` with what a block makes of it, normalised before or after."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        return x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))


class TransformerEncoderLayer(_Layer):
    """Self-attention and a dense network with one hidden layer, each added to its input and normalised.

    Parameters
    ----------
    d_model, nhead : int
        Width, and number of heads, which divides it.
    dim_feedforward : int, default 2048
    dropout : float, default 0.1
    activation : {"relu", "gelu"} or callable, default relu
    layer_norm_eps : float, default 1e-5
    batch_first : bool, default False
    norm_first : bool, default False
        Normalise the input of each part instead of the sum.
    bias : bool, default True
    device, dtype : optional

    Shapes
    ------
    src : (steps, n, d_model), with ``batch_first`` (n, steps, d_model), or (steps, d_model) -> the same
    src_mask, src_key_padding_mask : as attn_mask and key_padding_mask of :class:`MultiheadAttention`

    Source: Vaswani et al., Attention is all you need, 2017; ``norm_first``: Xiong et al., 2020.

    >>> from tinygrad_mp import nn, randn
    >>> tuple(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)(randn(3, 5, 8)).shape)
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        settings = (dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        super().__init__(d_model, nhead, dim_feedforward, *settings, 2, {"device": device, "dtype": dtype})

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """Run the layer; ``is_causal`` says that src_mask is the causal one."""
        padding = src_key_padding_mask
        x = self._added(1, src, lambda x: self._attend(self.self_attn, x, x, src_mask, padding, is_causal))
        return self._added(2, x, self._feed)


class TransformerDecoderLayer(_Layer):
    """As :class:`TransformerEncoderLayer`, with attention to the encoder's output between the two parts.

    Shapes
    ------
    tgt : as src;  memory : as src, with steps of its own -> as tgt
    tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask : as of :class:`MultiheadAttention`

    >>> from tinygrad_mp import nn, randn
    >>> tuple(nn.TransformerDecoderLayer(8, 2, 16)(randn(4, 3, 8), randn(5, 3, 8)).shape)
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        settings = (dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        super().__init__(d_model, nhead, dim_feedforward, *settings, 3, {"device": device, "dtype": dtype})

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Any:
        """Run the layer."""
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = self._added(1, tgt, lambda x: self._attend(self.self_attn, x, x, *own))
        x = self._added(2, x, lambda x: self._attend(self.multihead_attn, x, memory, *other))
        return self._added(3, x, self._feed)


def _copies(owner: Module, layer: Module, count: int) -> ModuleList:
    copies = ModuleList(copy.deepcopy(layer) for _ in range(count))
    if count:
        exchange_argument(owner, layer, copies[0])  # so that the layer copied is not kept alive
    return copies


class TransformerEncoder(Module):
    """``num_layers`` copies of an encoder layer, and perhaps a normalisation at the end.

    ``enable_nested_tensor`` and ``mask_check`` are accepted for PyTorch's sake and change nothing: outputs at padded
    steps are computed like all others, where PyTorch's fast path for evaluation makes them zero.

    >>> from tinygrad_mp import nn, randn
    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), num_layers=2)
    >>> tuple(encoder(randn(5, 3, 8), is_causal=False).shape)
    (5, 3, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(self, encoder_layer, num_layers), num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """Run the layers one after the other."""
        for layer in self.layers:
            src = layer(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """``num_layers`` copies of a decoder layer, and perhaps a normalisation at the end.

    >>> from tinygrad_mp import nn, randn
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), num_layers=2)
    >>> tuple(decoder(randn(4, 3, 8), randn(5, 3, 8)).shape)
    (4, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(self, decoder_layer, num_layers), num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Run the layers one after the other."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder and a decoder; parameters as of :class:`TransformerEncoderLayer`.

    Parameters
    ----------
    d_model : int, default 512
    nhead : int, default 8
    num_encoder_layers, num_decoder_layers : int, default 6
    custom_encoder, custom_decoder : Module, optional
        Take the place of those made here.

    Shapes
    ------
    src : (steps, n, d_model), with ``batch_first`` (n, steps, d_model), or (steps, d_model)
    tgt : likewise with steps of its own -> as tgt

    Errors
    ------
    ShapeError if batches or widths of src and tgt differ.

    Init: matrices by Glorot's uniform rule, as PyTorch. Source: Vaswani et al., Attention is all you need, 2017.

    >>> from tinygrad_mp import nn, randn
    >>> model = nn.Transformer(8, 2, 1, 1, 16)
    >>> tuple(model(randn(5, 3, 8), randn(4, 3, 8), tgt_mask=model.generate_square_subsequent_mask(4)).shape)
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        made: dict[str, Any] = {"device": device, "dtype": dtype}

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **made)

        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*settings, **made)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm())
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*settings, **made)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm())
        self.encoder, self.decoder = custom_encoder, custom_decoder
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Encode ``src``, and decode ``tgt`` with it."""
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise ShapeError(f"Transformer: batches of {src.shape[batch]} in src and of {tgt.shape[batch]} in tgt")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: src and tgt need width {self.d_model}, not {src.shape[-1]}, {tgt.shape[-1]}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Any:
        """The causal mask to add: 0 on and below the diagonal, -inf above it.

        >>> from tinygrad_mp import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return triu(full((sz, sz), -math.inf, dtype=dtype, device=device), 1)
