"""``gradcheck`` and ``gradgradcheck`` with PyTorch's arguments, as ``autograd`` offers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp.errors import SettingError, UnsupportedError
from tinygrad_mp.testing.gradcheck import gradcheck as first_order
from tinygrad_mp.testing.gradcheck import gradgradcheck as second_order

__all__ = ["gradcheck", "gradgradcheck"]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """:func:`tinygrad_mp.testing.gradcheck` with PyTorch's arguments.

    ``check_undefined_grad``, ``check_grad_dtypes`` (which is always checked), ``check_batched_grad`` and ``masked``
    are accepted. Inputs that are not float64 are refused, where PyTorch warns and mostly fails.

    Errors
    ------
    As :func:`tinygrad_mp.testing.gradcheck`. UnsupportedError for ``check_forward_ad``: there is no forward mode.
    SettingError if nothing is left to check.

    >>> import tinygrad_mp as tg
    >>> gradcheck(tg.exp, tg.ones(2, dtype=tg.float64, requires_grad=True))
    True
    """
    if check_forward_ad or check_batched_forward_grad:
        raise UnsupportedError("gradcheck: there is no forward mode to check", fix="leave check_forward_ad out")
    if not check_backward_ad:
        raise SettingError("gradcheck: check_backward_ad=False leaves nothing to check")
    return first_order(
        func,
        inputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
        raise_exception=raise_exception,
    )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """:func:`tinygrad_mp.testing.gradgradcheck` with PyTorch's arguments, of which some are accepted only.

    Errors
    ------
    As :func:`gradcheck`; UnsupportedError for ``check_fwd_over_rev``.

    >>> import tinygrad_mp as tg
    >>> gradgradcheck(tg.exp, tg.ones(2, dtype=tg.float64, requires_grad=True))
    True
    """
    if check_fwd_over_rev:
        raise UnsupportedError("gradgradcheck: there is no forward mode to check", fix="leave check_fwd_over_rev out")
    if not check_rev_over_rev:
        raise SettingError("gradgradcheck: check_rev_over_rev=False leaves nothing to check")
    return second_order(
        func,
        inputs,
        grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
        raise_exception=raise_exception,
    )
