"""``torch.special`` under its names; what each function is, is said where it lives."""

from __future__ import annotations

from tinygrad_mp.absent import lookup
from tinygrad_mp.ops.activation import sigmoid
from tinygrad_mp.ops.elementary import erf, expm1, log1p, round
from tinygrad_mp.ops.reduction import logsumexp
from tinygrad_mp.ops.softmax import log_softmax, softmax
from tinygrad_mp.ops.special import (
    digamma,
    entr,
    erfc,
    erfcx,
    erfinv,
    lgamma,
    log_ndtr,
    logit,
    mvlgamma,
    ndtr,
    ndtri,
    polygamma,
    xlog1py,
    xlogy,
)
from tinygrad_mp.ops.transcendental import exp2, sinc

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
]

expit, gammaln, multigammaln, psi = sigmoid, lgamma, mvlgamma, digamma

__getattr__ = lookup("special")
