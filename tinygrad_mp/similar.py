"""``new_zeros`` and kin: tensors with the dtype and device of another one, unless given."""

from __future__ import annotations

from typing import Any

from tinygrad_mp import creation


def _choices(like: Any, options: dict[str, Any]) -> dict[str, Any]:
    for name in ("layout", "pin_memory", "memory_format"):
        options.pop(name, None)
    dtype, device = options.pop("dtype", None), options.pop("device", None)
    return {
        "dtype": like.dtype if dtype is None else dtype,
        "device": like.device if device is None else device,
        **options,
    }


def new_zeros(self: Any, *sizes: Any, size: Any = None, **options: Any) -> Any:
    """Zeros of another shape; ``dtype=``, ``device=`` and ``requires_grad=`` as for ``zeros``.

    >>> from tinygrad_mp import tensor
    >>> tensor([1, 2]).new_zeros(1, 3)
    tensor([[0, 0, 0]])
    """
    return creation.zeros(*sizes, size=size, **_choices(self, options))


def new_ones(self: Any, *sizes: Any, size: Any = None, **options: Any) -> Any:
    """Ones of another shape; options as for :func:`new_zeros`."""
    return creation.ones(*sizes, size=size, **_choices(self, options))


def new_empty(self: Any, *sizes: Any, size: Any = None, **options: Any) -> Any:
    """Whatever lies in memory, in another shape; options as for :func:`new_zeros`."""
    return creation.empty(*sizes, size=size, **_choices(self, options))


def new_full(self: Any, size: Any, fill_value: Any, **options: Any) -> Any:
    """One number everywhere, in the dtype of this tensor; options as for :func:`new_zeros`.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0]).new_full((2,), 7)
    tensor([7., 7.])
    """
    return creation.full(size, fill_value, **_choices(self, options))


def new_tensor(self: Any, data: Any, **options: Any) -> Any:
    """A tensor with a copy of ``data``, in the dtype of this one; options as for :func:`new_zeros`.

    >>> from tinygrad_mp import tensor
    >>> tensor([1.0]).new_tensor([1, 2])
    tensor([1., 2.])
    """
    return creation.tensor(data, **_choices(self, options))
