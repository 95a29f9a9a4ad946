"""Probability distributions under PyTorch's names: draws, densities, moments, divergences.

>>> import tinygrad_mp as tg
>>> from tinygrad_mp.distributions import Normal, kl_divergence
>>> posterior = Normal(tg.tensor([0.0, 1.0], requires_grad=True), 1.0)
>>> kl_divergence(posterior, Normal(0.0, 1.0)).sum().backward()
>>> posterior.loc.grad
tensor([0., 1.])
"""

from tinygrad_mp.absent import lookup
from tinygrad_mp.distributions import constraints, transforms
from tinygrad_mp.distributions.bernoulli import Bernoulli
from tinygrad_mp.distributions.beta import Beta
from tinygrad_mp.distributions.categorical import Categorical
from tinygrad_mp.distributions.cauchy import Cauchy
from tinygrad_mp.distributions.chi2 import Chi2
from tinygrad_mp.distributions.dirichlet import Dirichlet
from tinygrad_mp.distributions.distribution import Distribution
from tinygrad_mp.distributions.exponential import Exponential
from tinygrad_mp.distributions.gamma import Gamma
from tinygrad_mp.distributions.geometric import Geometric
from tinygrad_mp.distributions.gumbel import Gumbel
from tinygrad_mp.distributions.half_normal import HalfNormal
from tinygrad_mp.distributions.independent import Independent
from tinygrad_mp.distributions.kl import kl_divergence, register_kl
from tinygrad_mp.distributions.laplace import Laplace
from tinygrad_mp.distributions.log_normal import LogNormal
from tinygrad_mp.distributions.mixture_same_family import MixtureSameFamily
from tinygrad_mp.distributions.multivariate_normal import MultivariateNormal
from tinygrad_mp.distributions.normal import Normal
from tinygrad_mp.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from tinygrad_mp.distributions.poisson import Poisson
from tinygrad_mp.distributions.relaxed_bernoulli import RelaxedBernoulli
from tinygrad_mp.distributions.relaxed_categorical import RelaxedOneHotCategorical
from tinygrad_mp.distributions.student_t import StudentT
from tinygrad_mp.distributions.transformed_distribution import TransformedDistribution
from tinygrad_mp.distributions.transforms import (
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    SoftplusTransform,
    TanhTransform,
    Transform,
)
from tinygrad_mp.distributions.uniform import Uniform

__all__ = [
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Poisson",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "SigmoidTransform",
    "SoftplusTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
    "transforms",
]

__getattr__ = lookup("distributions")
