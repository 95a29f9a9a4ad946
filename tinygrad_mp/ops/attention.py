"""Scaled dot-product attention."""

import math
from typing import Any

import numpy

from tinygrad_mp.backend import array_on, contiguous, device_of, is_array, xp
from tinygrad_mp.backend import attending as kernels
from tinygrad_mp.backend.random_bits import bernoulli_mask
from tinygrad_mp.domains import Boolean, Real, Sampler
from tinygrad_mp.dtypes import FLOATING
from tinygrad_mp.errors import DTypeError, SettingError, ShapeError
from tinygrad_mp.ops.copying import repeat_interleave
from tinygrad_mp.ops.elementwise import kept as only
from tinygrad_mp.ops.gathering import masked_fill
from tinygrad_mp.ops.linalg import matmul
from tinygrad_mp.ops.movement import expand, matrix_transpose
from tinygrad_mp.ops.placement import to_dtype
from tinygrad_mp.ops.reduction import sum, widened
from tinygrad_mp.ops.softmax import softmax
from tinygrad_mp.primitive import primitive
from tinygrad_mp.tape import TensorBase

__all__ = ["scaled_dot_product_attention"]


# --- recorded ---------------------------------------------------------------------------------------------------------


def _raw(value: Any) -> Any:
    return value.array if isinstance(value, TensorBase) else value


def _visible(mask: Any, causal: bool, like: Any, sizes: tuple[int, int]) -> Any:
    """Which sources each target may see, as a boolean array; None if all."""
    module = xp(like)
    seen = None
    if causal:
        seen = module.arange(sizes[0])[:, None] >= module.arange(sizes[1])
    if mask is not None:
        allowed = mask if mask.dtype.kind == "b" else mask != -math.inf
        seen = allowed if seen is None else seen & allowed
    return seen


def _weights(q: Any, k: Any, mask: Any, causal: bool, scale: float) -> Any:
    """Softmax of the scores, by operations; 0 where nothing may be seen."""
    scores = matmul(q * scale, matrix_transpose(k))
    if mask is not None and mask.dtype.kind == "f":
        scores = scores + only(mask, _raw(mask) != -math.inf)
    seen = _visible(_raw(mask), causal, _raw(q), tuple(scores.shape[-2:]))
    if seen is None:
        return softmax(scores, -1)
    seen = xp(seen).broadcast_to(seen, scores.shape)
    hidden = ~seen & seen.any(axis=-1, keepdims=True)  # a row without anything to see must not become nan
    return only(softmax(masked_fill(scores, hidden, -math.inf), -1), seen)


def _composed(*tensors: Any, causal: bool, scale: float, p: float, of_mask: bool) -> Any:
    """The composition that the primitive fuses."""
    q, k, v, mask, kept = tensors
    return matmul(_dropped(_weights(q, k, mask, causal, scale), kept, p), v)


def _dropped(weights: Any, kept: Any, p: float) -> Any:
    return weights if kept is None else only(weights, kept) / (1 - p)


def _recorded(g: Any, tensors: Any, causal: bool, scale: float, p: float, of_mask: bool) -> tuple[Any, ...]:
    q, k, v, mask, kept = tensors
    weights = _weights(q, k, mask, causal, scale)
    to_v = matmul(matrix_transpose(_dropped(weights, kept, p)), g)
    pulled = _dropped(matmul(g, matrix_transpose(v)), kept, p)
    pulled = weights * (pulled - sum(pulled * weights, -1, True))
    to_q, to_k = matmul(pulled, k) * scale, matmul(matrix_transpose(pulled), q) * scale
    return (to_q, to_k, to_v, pulled) if of_mask else (to_q, to_k, to_v)


# --- on arrays --------------------------------------------------------------------------------------------------------


def _as_heads(x: Any) -> Any:
    return contiguous(widened(x)).reshape((math.prod(x.shape[:-2]), *x.shape[-2:]))


def _heads_of(tensors: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The operands as the kernels take them, with one axis of heads."""
    q, k, v, mask, kept = tensors
    if mask is not None:
        sizes = (q.shape[-2], k.shape[-2])
        alone = math.prod(mask.shape[:-2]) == 1
        mask = xp(mask).broadcast_to(mask, (1, *sizes) if alone and mask.ndim < 3 else (*mask.shape[:-2], *sizes))
        if alone:
            mask = mask.reshape(1, *sizes)
        else:
            mask = xp(mask).broadcast_to(mask, (*q.shape[:-2], *sizes)).reshape(math.prod(q.shape[:-2]), *sizes)
        mask = widened(mask)
    return _as_heads(q), _as_heads(k), _as_heads(v), mask, None if kept is None else _as_heads(kept)


def _attention_rule(g: Any, tensors: Any, causal: bool, scale: float, p: float, of_mask: bool) -> tuple[Any, ...]:
    if not is_array(g):
        return _recorded(g, tensors, causal, scale, p, of_mask)
    pulled = kernels.pull_attend(_as_heads(g), *_heads_of(tensors), causal, scale, 1 - p, of_mask)
    shapes = [*(one.shape for one in tensors[:3]), (*g.shape[:-1], tensors[1].shape[-2])]
    found = zip(pulled, shapes, strict=True)  # nothing for the mask unless it is asked for, nor for what dropout keeps
    return tuple([one.reshape(shape).astype(g.dtype, copy=False) for one, shape in found if one is not None])


def _attention_case(sampler: Sampler) -> Any:
    batch = sampler.shape(max_dims=2, max_side=2)
    targets, sources, width, out = (sampler.integer(0 if sampler.integer(0, 9) == 9 else 1, 4) for _ in range(4))
    width = max(width, 1)
    shapes = ((*batch, targets, width), (*batch, sources, width), (*batch, sources, out))
    mask = sampler.choice((None, Boolean, Real))
    if mask is not None:
        mask = sampler.array((*batch[sampler.integer(0, len(batch)) :], targets, sources), mask)
    kept = sampler.array((*batch, targets, sources), Boolean) if sampler.integer(0, 1) else None
    p = 0.25 if kept is not None else 0.0
    of_mask = mask is not None and mask.dtype.kind == "f"
    params = {"causal": sampler.choice((False, True)), "scale": 0.7, "p": p, "of_mask": of_mask}
    return (*(sampler.array(shape) for shape in shapes), mask, kept), params


@primitive(promotes=None, cases=_attention_case, reference=_composed, tensors=_attention_rule)
def _scaled_dot_product_attention(*tensors: Real, causal: bool, scale: float, p: float, of_mask: bool) -> Any:
    """Query, key, value, mask (or None), what dropout keeps (or None); the first three have equal batch axes."""
    q, v = tensors[0], tensors[2]
    out = kernels.attend(*_heads_of(tensors), causal, scale, 1 - p)
    return out.reshape((*q.shape[:-1], v.shape[-1])).astype(q.dtype, copy=False)


# --- public -----------------------------------------------------------------------------------------------------------


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """``softmax(scale * query @ key^T + mask) @ value``: for each target, a mean of values weighted by likeness.

    Memory does not grow with targets times sources: the weights are made in parts, and made again in backward.

    Parameters
    ----------
    query : Tensor
        Shape (..., targets, width), floating.
    key, value : Tensor
        Shapes (..., sources, width) and (..., sources, value width), dtype of query; the axes before broadcast.
    attn_mask : Tensor, optional
        Broadcasts to (..., targets, sources). Boolean: True where a source may be seen; floating: added to the scores.
    dropout_p : float in [0, 1], default 0.0
        With which probability each weight is set to zero, the others being divided by ``1 - dropout_p``. It applies
        whenever it is not 0: pass 0 in evaluation.
    is_causal : bool, default False
        Target i sees the sources up to i. Excludes attn_mask.
    scale : float, optional
        Default ``1 / sqrt(width)``.
    enable_gqa : bool, default False
        query may have more heads (axis -3) than key and value, a multiple; each serves as many.

    Returns
    -------
    Tensor
        Shape (..., targets, value width). A target that may see nothing gets 0.

    Errors
    ------
    ShapeError for shapes that do not fit, DTypeError for dtypes that differ or are not floating, SettingError for
    dropout_p outside [0, 1] or is_causal together with attn_mask.

    Source: Vaswani et al., Attention is all you need, 2017, eq. 1; with enable_gqa, Ainslie et al., GQA, 2023.

    >>> from tinygrad_mp import tensor
    >>> from tinygrad_mp.nn import functional as F
    >>> x = tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> F.scaled_dot_product_attention(x, x, tensor([[0.0], [1.0]]), is_causal=True, scale=0.0)
    tensor([[0.0000],
            [0.5000]])
    """
    if not 0 <= dropout_p <= 1:
        raise SettingError(f"scaled_dot_product_attention: dropout_p must lie in [0, 1], not {dropout_p}")
    if is_causal and attn_mask is not None:
        raise SettingError("scaled_dot_product_attention: is_causal and attn_mask exclude each other", fix="pass one")
    try:
        query, key, value = _fitted(query, key, value, enable_gqa)
        mask, of_mask = _fitted_mask(attn_mask, query, key)
    except (ShapeError, DTypeError) as error:
        operands = [("query", query), ("key", key), ("value", value)]
        error.locate("scaled_dot_product_attention", operands + [("attn_mask", attn_mask)] * (attn_mask is not None))
        raise
    kept = None
    if dropout_p == 1:
        mask, of_mask = _nothing(query), False  # all weights dropped
    elif dropout_p:
        shape = (*query.shape[:-1], key.shape[-2])
        kept = array_on(device_of(_raw(query)), bernoulli_mask(shape, 1 - dropout_p))
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    p = dropout_p if kept is not None else 0.0
    return _scaled_dot_product_attention(
        query, key, value, mask, kept, causal=is_causal, scale=float(scale), p=p, of_mask=of_mask
    )


def _nothing(query: Any) -> Any:
    return xp(_raw(query)).zeros((1, 1), dtype=bool)


def _fitted(query: Any, key: Any, value: Any, enable_gqa: bool) -> tuple[Any, Any, Any]:
    """The three with equal axes before the last two."""
    if query.dtype not in FLOATING or not query.dtype == key.dtype == value.dtype:
        raise DTypeError("query, key and value need one floating dtype", fix="convert them with .to(dtype)")
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError("query, key and value need two axes or more: (..., length, width)")
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(f"query's width is {query.shape[-1]}, key's {key.shape[-1]}")
    if key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"there are {key.shape[-2]} keys, but {value.shape[-2]} values")
    if enable_gqa:
        heads = query.shape[-3]
        if heads % key.shape[-3] or heads % value.shape[-3]:
            raise ShapeError(f"query's {heads} heads are not a multiple of key's and value's")
        key, value = (
            x if x.shape[-3] == heads else repeat_interleave(x, heads // x.shape[-3], x.ndim - 3) for x in (key, value)
        )
    if query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        return query, key, value
    try:
        batch = numpy.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except ValueError:
        raise ShapeError("the axes before the last two do not broadcast") from None
    query, key, value = (expand(x, (*batch, *x.shape[-2:])) for x in (query, key, value))
    return query, key, value


def _fitted_mask(mask: Any, query: Any, key: Any) -> tuple[Any, bool]:
    """The mask in the dtype of query or as booleans, and whether it needs a gradient."""
    if mask is None:
        return None, False
    shape = (*query.shape[:-1], key.shape[-2])
    try:
        fits = numpy.broadcast_shapes(mask.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"attn_mask does not broadcast to {tuple(shape)}")
    if mask.dtype.kind == "b":
        mask = _raw(mask)
        return mask if mask.ndim > 1 else mask.reshape((1,) * (2 - mask.ndim) + mask.shape), False
    if mask.dtype.kind != "f":
        raise DTypeError(f"attn_mask must be boolean or floating, not {mask.dtype}", fix="compare it: attn_mask != 0")
    return to_dtype(mask, query.dtype), getattr(mask, "node", None) is not None
