"""What is done to ``.grad`` between ``backward`` and ``step``: clear it, clip it. Shared by ``nn`` and ``optim``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_mp.backend import as_array_on, xp
from tinygrad_mp.creation import zeros
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.writes import mark_written


def clear(tensors: Iterable[Any], set_to_none: bool = True) -> None:
    """Drop the gradient of each tensor, or with ``set_to_none=False`` fill it with zeros in place."""
    for tensor in tensors:
        gradient = tensor.grad
        if set_to_none or gradient is None:
            tensor.grad = None
        elif gradient.node is not None:  # recorded values stay: the tape may need them
            tensor.grad = wrap(gradient.result_class, xp(gradient.array).zeros_like(gradient.array))
        else:
            gradient.array[...] = 0
            mark_written(gradient.array)


def _gradients(tensors: Any) -> list[Any]:
    """The tensors whose ``.grad`` is set, each once."""
    tensors = [tensors] if isinstance(tensors, TensorBase) else tensors
    return list({id(tensor): tensor for tensor in tensors if tensor.grad is not None}.values())


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale the gradients so that together, as one vector, they are no longer than ``max_norm``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float, default 2.0
        The order of the norm; ``inf`` for the largest absolute value.
    error_if_nonfinite : bool, default False
        Raise, and change nothing, if the norm is infinite or NaN; otherwise the gradients become NaN or zero.
    foreach : bool, optional
        Accepted for PyTorch's sake; changes nothing.

    Returns
    -------
    Tensor
        The norm before clipping, of shape ().

    Source: Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013, algorithm 1.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([3.0, 4.0], requires_grad=True)
    >>> (x * x / 2).sum().backward()
    >>> clip_grad_norm_(x, 1.0)
    tensor(5.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    tensors = _gradients(parameters)
    total = get_total_norm([tensor.grad for tensor in tensors], norm_type, error_if_nonfinite)
    _clip(tensors, max_norm, total)
    return total


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """The norm of several tensors as one vector; parameters as of :func:`clip_grad_norm_`.

    >>> from tinygrad_mp import tensor
    >>> get_total_norm([tensor([3.0]), tensor([4.0])])
    tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, TensorBase) else list(tensors)
    if not tensors:
        return zeros(())
    arrays = [tensor.array for tensor in tensors]
    module, order = xp(arrays[0]), float(norm_type)
    norms = module.stack([module.linalg.norm(array.ravel(), ord=order) for array in arrays])
    total = module.linalg.norm(norms, ord=order)
    if error_if_nonfinite and not bool(module.isfinite(total)):
        raise TinygradError(
            f"the norm of the gradients is {float(total)}",
            fix="look for the first loss that is not finite; error_if_nonfinite=False clips all the same",
        )
    return wrap(tensors[0].result_class, as_array_on(arrays[0], total))


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale the gradients as :func:`clip_grad_norm_` does, for a norm that was found before."""
    _clip(_gradients(parameters), max_norm, total_norm)


def _clip(tensors: list[Any], max_norm: float, total: Any) -> None:
    # A factor of at most 1, without asking the device whether clipping is needed. The 1e-6 is PyTorch's.
    factor = xp(total.array).minimum(max_norm / (total.array + 1e-6), 1.0)
    for tensor in tensors:
        _scale(tensor, factor)


def _scale(tensor: Any, factor: Any) -> None:
    array = tensor.grad.array
    array *= factor.astype(array.dtype)
    mark_written(array)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Bring every entry of the gradients into ``[-clip_value, clip_value]``, in place.

    >>> from tinygrad_mp import tensor
    >>> x = tensor([3.0, -0.1], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> clip_grad_value_([x], 1.0)
    >>> x.grad
    tensor([ 1.0000, -0.2000])
    """
    for tensor in _gradients(parameters):
        array = tensor.grad.array
        xp(array).clip(array, -clip_value, clip_value, out=array)
        mark_written(array)
