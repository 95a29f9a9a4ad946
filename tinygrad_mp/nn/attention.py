"""``MultiheadAttention``: several attentions side by side, each in a part of the width."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp import functional as F
from tinygrad_mp.backend import xp
from tinygrad_mp.creation import empty
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.nn import init
from tinygrad_mp.nn.layers import Linear
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.ops.joining import cat, chunk
from tinygrad_mp.tape import TensorBase, wrap


class MultiheadAttention(Module):
    """Attention in ``num_heads`` parts of the width, between learned projections.

    Parameters
    ----------
    embed_dim, num_heads : int
        The latter divides the former.
    dropout : float in [0, 1], default 0.0
        Of the attention weights, in training.
    bias : bool, default True
        Of all projections.
    add_bias_kv : bool, default False
        Append a learned key and value to the sources.
    add_zero_attn : bool, default False
        Append a key and value of zeros to the sources.
    kdim, vdim : int, optional
        Widths of key and value; by default ``embed_dim``.
    batch_first : bool, default False
        Whether the batch is the first axis, or the second.
    device, dtype : optional

    Shapes
    ------
    query : (targets, n, embed_dim), with ``batch_first`` (n, targets, embed_dim), or (targets, embed_dim)
    key, value : likewise with sources, and widths kdim and vdim
    in_proj_weight : (3 * embed_dim, embed_dim), or q_proj_weight, k_proj_weight, v_proj_weight if widths differ
    in_proj_bias : (3 * embed_dim,);  bias_k, bias_v : (1, 1, embed_dim);  out_proj : Linear(embed_dim, embed_dim)

    Errors
    ------
    SettingError if the heads do not divide the width. ShapeError for inputs or masks that do not fit.

    Init: projections by Glorot's uniform rule, biases 0, as PyTorch. Source: Vaswani et al., Attention is all you
    need, 2017, section 3.2.2.

    >>> from tinygrad_mp import nn, randn
    >>> x = randn(2, 5, 8)
    >>> out, weights = nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x)
    >>> out.shape, weights.shape
    (Size([2, 5, 8]), Size([2, 5, 5]))
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise SettingError(f"MultiheadAttention: a width of {embed_dim} cannot be cut in {num_heads} heads")
        F.check_probability("MultiheadAttention", dropout, "dropout")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.add_zero_attn, self.batch_first = dropout, add_zero_attn, batch_first
        made = {"device": device, "dtype": dtype}

        def place(name: str, wanted: bool, *shape: int) -> None:
            self.register_parameter(name, Parameter(empty(shape, **made)) if wanted else None)

        together = self.kdim == self.vdim == embed_dim
        place("q_proj_weight", not together, embed_dim, embed_dim)
        place("k_proj_weight", not together, embed_dim, self.kdim)
        place("v_proj_weight", not together, embed_dim, self.vdim)
        place("in_proj_weight", together, 3 * embed_dim, embed_dim)
        place("in_proj_bias", bias, 3 * embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, **made)
        place("bias_k", add_bias_kv, 1, 1, embed_dim)
        place("bias_v", add_bias_kv, 1, 1, embed_dim)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend from ``query`` to ``key`` and ``value``.

        Parameters
        ----------
        query, key, value : Tensor
        key_padding_mask : Tensor, optional
            Shape (n, sources), or (sources,) without a batch: True where a source is padding; floating: added.
        need_weights : bool, default True
            Return the attention weights too; without them much less memory is used.
        attn_mask : Tensor, optional
            Shape (targets, sources) or (n * num_heads, targets, sources). Boolean: True where a source must **not** be
            seen (the opposite of :func:`functional.scaled_dot_product_attention`, as in PyTorch); floating: added.
        average_attn_weights : bool, default True
            Return the mean of the weights over heads.
        is_causal : bool, default False
            A hint that attn_mask is the causal one; it must be given all the same.

        Returns
        -------
        tuple of Tensor
            The output, of query's shape, and the weights, (n, targets, sources), with heads before the targets unless
            averaged; or None.
        """
        alone = query.ndim == 2
        self._check(query, key, value)
        if is_causal and attn_mask is None:
            raise SettingError("MultiheadAttention: is_causal is a hint about attn_mask", fix="pass attn_mask too")
        first = self.batch_first or alone
        query, key, value = (
            x.unsqueeze(0) if alone else x if first else x.transpose(0, 1) for x in (query, key, value)
        )
        q, k, v = self._project(query, key, value)
        k, v = (self._appended(x, extra) for x, extra in ((k, self.bias_k), (v, self.bias_v)))
        batch, targets, added = q.shape[0], q.shape[1], k.shape[1] - key.shape[1]
        q, k, v = (x.reshape(batch, x.shape[1], self.num_heads, self.head_dim).transpose(1, 2) for x in (q, k, v))
        mask = self._mask(attn_mask, key_padding_mask, batch, targets, key.shape[1], added, q)
        p = self.dropout if self.training else 0.0
        if need_weights:
            scores = (q * (1 / math.sqrt(self.head_dim))) @ k.mT
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            weights = F.dropout(weights, p, p > 0)
            out = weights @ v
        else:
            hinted = is_causal and key_padding_mask is None and not added  # then no mask need be read
            out = F.scaled_dot_product_attention(q, k, v, None if hinted else mask, p, hinted)
            weights = None
        out = self.out_proj(out.transpose(1, 2).reshape(batch, targets, self.embed_dim))
        if weights is not None and average_attn_weights:
            weights = weights.mean(dim=1)
        if alone:
            return out.squeeze(0), None if weights is None else weights.squeeze(0)
        return out if first else out.transpose(0, 1), weights

    def _project(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        if self.in_proj_weight is not None and query is key is value:
            return chunk(F.linear(query, self.in_proj_weight, self.in_proj_bias), 3, -1)
        if self.in_proj_weight is not None:
            weights: Any = chunk(self.in_proj_weight, 3)
        else:
            weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        biases: Any = (None,) * 3 if self.in_proj_bias is None else chunk(self.in_proj_bias, 3)
        q, k, v = (F.linear(*one) for one in zip((query, key, value), weights, biases, strict=True))
        return q, k, v

    def _appended(self, x: Any, extra: Any) -> Any:
        """``x``, (n, sources, width), with what is learned and with zeros behind the sources."""
        parts = [x]
        shape = (x.shape[0], 1, x.shape[2])
        if extra is not None:
            parts.append(extra.expand(shape))
        if self.add_zero_attn:
            parts.append(wrap(type(x), xp(x.array).zeros(shape, dtype=x.dtype)))
        return cat(parts, 1) if len(parts) > 1 else x

    def _mask(self, attn: Any, padding: Any, batch: int, targets: int, sources: int, added: int, like: Any) -> Any:
        """Both masks as one to add to the scores, (n or 1, heads or 1, targets or 1, sources and what is appended)."""
        if attn is not None:
            whole = (batch * self.num_heads, targets, sources)
            if tuple(attn.shape) not in (whole, whole[1:]):
                raise self._misfit("attn_mask", attn, f"{whole[1:]} or {whole}")
            lead = (batch, self.num_heads) if attn.ndim == 3 else (1, 1)
            attn = _added(attn, like).reshape(*lead, targets, sources)
        if padding is not None:
            if tuple(padding.shape) not in ((batch, sources), (sources,) if batch == 1 else ()):
                raise self._misfit("key_padding_mask", padding, f"{(batch, sources)}")
            padding = _added(padding, like).reshape(batch, 1, 1, sources)
        mask = padding if attn is None else attn if padding is None else attn + padding
        return mask if mask is None or not added else F.pad(mask, (0, added))

    def _check(self, query: Any, key: Any, value: Any) -> None:
        widths = zip((query, key, value), (self.embed_dim, self.kdim, self.vdim), strict=True)
        axes = {x.ndim for x in (query, key, value)}
        if axes not in ({2}, {3}) or any(x.shape[-1] != width for x, width in widths):
            problem = f"query, key and value need widths {self.embed_dim}, {self.kdim}, {self.vdim}, and 3 (or 2) axes"
            error = ShapeError(problem)
            error.locate("MultiheadAttention", (("query", query), ("key", key), ("value", value)))
            raise error
        if key.shape[:-1] != value.shape[:-1]:
            raise self._misfit("value", value, f"{(*key.shape[:-1], self.vdim)}, as key's")

    def _misfit(self, name: str, found: Any, wanted: str) -> ShapeError:
        error = ShapeError(f"{name} needs shape {wanted}")
        error.locate("MultiheadAttention", ((name, found),))
        return error


def _added(mask: Any, like: Any) -> Any:
    """A mask to add: -inf where a boolean one is True."""
    raw = mask.array if isinstance(mask, TensorBase) else mask
    if raw.dtype.kind == "f":
        return mask.to(like.dtype)
    if raw.dtype.kind != "b":
        raise DTypeError(f"a mask must be boolean or floating, not {raw.dtype}", fix="compare it: mask != 0")
    return wrap(type(like), xp(raw).where(raw, -math.inf, 0.0).astype(like.dtype))
