"""The normal distribution of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy

from tinygrad_mp import ops
from tinygrad_mp.creation import eye
from tinygrad_mp.distributions import constraints
from tinygrad_mp.distributions.distribution import Distribution, arguments
from tinygrad_mp.distributions.utils import lazy_property, normals
from tinygrad_mp.errors import SettingError
from tinygrad_mp.ops.copying import flip
from tinygrad_mp.ops.decompositions import cholesky
from tinygrad_mp.ops.inverses import solve_triangular
from tinygrad_mp.sizes import Size

__all__ = ["MultivariateNormal"]

_MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril")


class MultivariateNormal(Distribution):
    """The normal distribution of vectors with mean ``loc`` and one of three matrices.

    Parameters
    ----------
    loc : (..., n)
    covariance_matrix, precision_matrix, scale_tril : (..., n, n)
        Exactly one: the covariance, its inverse, or its lower Cholesky factor, which is what is computed with.

    >>> import tinygrad_mp as tg
    >>> MultivariateNormal(tg.zeros(2), tg.eye(2)).log_prob(tg.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = arguments(
        loc=constraints.real_vector,
        covariance_matrix=constraints.positive_definite,
        precision_matrix=constraints.positive_definite,
        scale_tril=constraints.lower_cholesky,
    )
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise SettingError("loc has no axes: its last one is the event", fix="give it shape (..., size)")
        given = [
            (name, matrix)
            for name, matrix in zip(_MATRICES, (covariance_matrix, precision_matrix, scale_tril), strict=True)
            if matrix is not None
        ]
        if len(given) != 1:
            raise SettingError(f"MultivariateNormal takes one of {', '.join(_MATRICES)}, not {len(given)} of them")
        ((name, matrix),) = given
        if matrix.ndim < 2:
            raise SettingError(f"{name} has shape {tuple(matrix.shape)}, not (..., size, size)")
        batch = numpy.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        size = loc.shape[-1:]
        self.loc = loc.expand((*batch, *size))
        vars(self)[name] = matrix.expand((*batch, *matrix.shape[-2:]))
        super().__init__(batch, size, validate_args)
        if name == "covariance_matrix":
            vars(self)["_tril"] = cholesky(self.covariance_matrix)
        elif name == "precision_matrix":
            vars(self)["_tril"] = _tril_of_inverse(self.precision_matrix)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = super().expand(batch_shape)
        if "_tril" in vars(self):
            vars(new)["_tril"] = self._tril.expand((*Size(batch_shape), *self._tril.shape[-2:]))
        return new

    @lazy_property
    def _tril(self) -> Any:
        return self.scale_tril

    @lazy_property
    def scale_tril(self) -> Any:
        """The lower Cholesky factor of the covariance."""
        return self._tril

    @lazy_property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        return self._tril @ ops.matrix_transpose(self._tril)

    @lazy_property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        unit = eye(self._event_shape[0], dtype=self.loc.dtype, device=self.loc.device).expand(self._tril.shape)
        inverse = solve_triangular(self._tril, unit, upper=False)
        return ops.matrix_transpose(inverse) @ inverse

    @property
    def mean(self) -> Any:
        return self.loc

    @property
    def mode(self) -> Any:
        return self.loc

    @property
    def variance(self) -> Any:
        return (self._tril**2).sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Any:
        draws = normals(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self._tril @ draws.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Any) -> Any:
        if self._validate_args:
            self._validate_sample(value)
        difference = value - self.loc
        whitened = self._whitened(difference)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + (whitened**2).sum(-1)) - self._half_log_det()

    def _whitened(self, difference: Any) -> Any:
        """``L^-1 x`` for vectors x, of any batch that broadcasts."""
        shape = numpy.broadcast_shapes(difference.shape[:-1], self._batch_shape)
        size = self._event_shape[0]
        tril = self._tril.expand((*shape, size, size))
        return solve_triangular(tril, difference.expand((*shape, size)).unsqueeze(-1), upper=False).squeeze(-1)

    def _half_log_det(self) -> Any:
        return ops.diagonal(self._tril, dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self) -> Any:
        return 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_det()


def _tril_of_inverse(precision: Any) -> Any:
    """The lower Cholesky factor of the inverse: from the factor of the matrix with its axes turned round."""
    turned = cholesky(flip(precision, (-2, -1)))
    upper = ops.matrix_transpose(flip(turned, (-2, -1)))
    unit = eye(precision.shape[-1], dtype=precision.dtype, device=precision.device).expand(precision.shape)
    return solve_triangular(upper, unit, upper=False)
