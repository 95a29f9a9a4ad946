"""Draws of counts, by NumPy's methods from a generator of ours."""

from __future__ import annotations

from typing import Any

import numpy

from tinygrad_mp.backend import array_on, device_of, to_numpy
from tinygrad_mp.backend.random_bits import fill_integers
from tinygrad_mp.errors import SettingError, UndefinedError
from tinygrad_mp.tape import TensorBase, wrap


def drawn_by_numpy(name: str, like: Any, shape: Any, *parameters: Any, generator: Any = None) -> Any:
    """Draws of a method of NumPy's ``Generator`` with these parameters, seeded from ours, by default the default one.

    The same seed gives the same numbers with one version of NumPy; another may draw by another method.
    """
    seeds = numpy.empty(2, numpy.int64)
    fill_integers(seeds, 0, 2**63 - 1, generator)
    source = numpy.random.Generator(numpy.random.PCG64([int(seed) for seed in seeds]))
    drawn = getattr(source, name)(*(to_numpy(parameter.array) for parameter in parameters), size=tuple(shape))
    return wrap(like.result_class, array_on(device_of(like.array), numpy.asarray(drawn).astype(like.array.dtype)))


def poisson(input: Any, generator: Any = None) -> Any:
    """Counts from Poisson distributions whose rates ``input`` holds; its shape and floating dtype.

    Errors
    ------
    UndefinedError for integers. SettingError for a rate below 0.

    >>> from tinygrad_mp import poisson, tensor
    >>> poisson(tensor([0.0, 0.0]))
    tensor([0., 0.])
    """
    if input.array.dtype.kind != "f":
        raise UndefinedError(f"poisson: not defined for {input.array.dtype}", fix="convert first: x.float()")
    if not bool((input.array >= 0).all()):
        raise SettingError("poisson: rates are not negative")
    return drawn_by_numpy("poisson", input, input.shape, input, generator=generator)


def binomial(count: Any, prob: Any, generator: Any = None) -> Any:
    """How many of ``count`` trials succeed, each with probability ``prob``; the two broadcast, dtype of ``count``.

    Errors
    ------
    SettingError for other than floating tensors, a count below 0 or a probability outside [0, 1],
    which PyTorch lets pass.

    >>> from tinygrad_mp import binomial, tensor
    >>> binomial(tensor([3.0, 5.0]), tensor([1.0, 0.0]))
    tensor([3., 0.])
    """
    for name, value in (("count", count), ("prob", prob)):
        if not isinstance(value, TensorBase) or value.array.dtype.kind != "f":
            raise SettingError(f"binomial: {name} is a floating tensor", fix="convert first: x.float()")
    if not bool((count.array >= 0).all() and (prob.array >= 0).all() and (prob.array <= 1).all()):
        raise SettingError("binomial: counts are not negative, and probabilities lie in [0, 1]")
    shape = numpy.broadcast_shapes(count.array.shape, prob.array.shape)
    whole = wrap(count.result_class, count.array.astype("int64"))
    return drawn_by_numpy("binomial", count, shape, whole, prob, generator=generator)
