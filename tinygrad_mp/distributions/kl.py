"""The Kullback-Leibler divergence of pairs of distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp import ops
from tinygrad_mp.distributions.bernoulli import Bernoulli
from tinygrad_mp.distributions.beta import Beta
from tinygrad_mp.distributions.categorical import Categorical
from tinygrad_mp.distributions.dirichlet import Dirichlet
from tinygrad_mp.distributions.distribution import Distribution
from tinygrad_mp.distributions.exponential import Exponential
from tinygrad_mp.distributions.gamma import Gamma
from tinygrad_mp.distributions.geometric import Geometric
from tinygrad_mp.distributions.independent import Independent
from tinygrad_mp.distributions.laplace import Laplace
from tinygrad_mp.distributions.multivariate_normal import MultivariateNormal
from tinygrad_mp.distributions.normal import Normal
from tinygrad_mp.distributions.one_hot_categorical import OneHotCategorical
from tinygrad_mp.distributions.poisson import Poisson
from tinygrad_mp.distributions.transformed_distribution import TransformedDistribution
from tinygrad_mp.distributions.uniform import Uniform
from tinygrad_mp.distributions.utils import sum_rightmost
from tinygrad_mp.errors import DTypeError, UnsupportedError
from tinygrad_mp.ops.activation import softplus
from tinygrad_mp.ops.inverses import solve_triangular

__all__ = ["kl_divergence", "register_kl"]

_FORMULAS: dict[tuple[type, type], Callable[[Any, Any], Any]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Decorator: ``formula(p, q)`` is the divergence of distributions of these classes, and of ones derived from them.

    The formula of the nearest classes counts.
    """
    for given in (type_p, type_q):
        if not issubclass(given, Distribution):
            raise DTypeError(f"register_kl: {given!r} is not a class of distributions")

    def decorate(formula: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        _FORMULAS[type_p, type_q] = formula
        return formula

    return decorate


def kl_divergence(p: Distribution, q: Distribution) -> Any:
    """``E_p[log p - log q]``, by a formula, of shape ``batch_shape``.

    Errors
    ------
    UnsupportedError (a NotImplementedError) for a pair without a formula; :func:`register_kl` adds one.

    >>> from tinygrad_mp.distributions import Normal
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    found = [
        (type(p).__mro__.index(one) + type(q).__mro__.index(other), formula)
        for (one, other), formula in _FORMULAS.items()
        if isinstance(p, one) and isinstance(q, other)
    ]
    if not found:
        raise UnsupportedError(
            f"no KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}",
            fix="register_kl adds a formula; or average p.log_prob(x) - q.log_prob(x) over draws x of p",
        )
    return min(found, key=lambda pair: pair[0])[1](p, q)


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Any:
    # log odds, so that nothing is lost near 0 and 1: p (log p/q) + (1 - p) (log (1-p)/(1-q))
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    one = ops.where(p.probs == 0, 0.0, ops.where(q.probs == 0, float("inf"), one))
    zero = ops.where(p.probs == 1, 0.0, ops.where(q.probs == 1, float("inf"), zero))
    return one + zero


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Any:
    terms = p.probs * (p.logits - q.logits)
    terms = ops.where((q.probs == 0).expand(terms.shape), float("inf"), terms)
    return ops.where((p.probs == 0).expand(terms.shape), 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Any:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Any:
    inside = (q.low <= p.low) & (q.high >= p.high)
    return ops.where(inside, ((q.high - q.low) / (p.high - p.low)).log(), float("inf"))


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Any:
    apart = (p.loc - q.loc).abs()
    return -(p.scale / q.scale).log() + apart / q.scale + p.scale / q.scale * (-apart / p.scale).exp() - 1


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Any:
    return (
        q.concentration * (p.rate / q.rate).log()
        + q.concentration.lgamma()
        - p.concentration.lgamma()
        + (p.concentration - q.concentration) * p.concentration.digamma()
        + (q.rate - p.rate) * (p.concentration / p.rate)
    )


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Any:
    total_p, total_q = p.concentration.sum(-1), q.concentration.sum(-1)
    levels = p.concentration.digamma() - total_p.digamma().unsqueeze(-1)
    return (
        total_p.lgamma()
        - total_q.lgamma()
        - (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
        + ((p.concentration - q.concentration) * levels).sum(-1)
    )


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Any:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Any:
    size = p.event_shape[0]
    half = q._half_log_det() - p._half_log_det()
    batch = half.shape
    tril = q._tril.expand((*batch, size, size))
    spread = solve_triangular(tril, p._tril.expand((*batch, size, size)), upper=False)
    apart = q._whitened(q.loc - p.loc)
    return half + 0.5 * ((spread**2).sum((-2, -1)) + (apart**2).sum(-1) - size)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise UnsupportedError("kl_divergence of Independent distributions with different numbers of event axes")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Any:
    if list(map(type, p.transforms)) != list(map(type, q.transforms)) or p.event_shape != q.event_shape:
        raise UnsupportedError("kl_divergence of distributions with different transforms")
    pairs = zip(p.transforms, q.transforms, strict=True)
    if any(getattr(one, name, None) is not getattr(two, name, None) for one, two in pairs for name in ("loc", "scale")):
        raise UnsupportedError("kl_divergence of distributions with different transforms")
    return kl_divergence(p.base_dist, q.base_dist)
