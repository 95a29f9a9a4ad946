"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend.blending import blend
from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.fused import FusedOptimizer, Update
from tinygrad_mp.optim.optimizer import Group


class SGD(FusedOptimizer):
    """Stochastic gradient descent, with momentum if asked: ``b = momentum * b + g``, ``p = p - lr * b``.

    Parameters
    ----------
    params : iterable of Tensor or of dict
    lr : float, default 1e-3
    momentum : float, default 0
        The velocity ``b`` starts as the first gradient. PyTorch's form: the learning rate stands outside ``b``.
    dampening : float, default 0
        Takes this share off the gradient that enters ``b``, except the first.
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    nesterov : bool, default False
        Step along ``g + momentum * b``. Needs momentum, without dampening.
    maximize : bool, default False
        Climb instead.
    foreach, differentiable, fused
        See :class:`Optimizer`.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013, eq. 1-4.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.SGD([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        switches = {"maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**settings, "nesterov": nesterov, **switches})

    def check(self, group: Group) -> None:
        for setting in ("lr", "momentum", "weight_decay"):
            self.require(setting, group[setting])
        self.require("dampening", group["dampening"], low=-float("inf"))
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise SettingError(
                f"SGD: nesterov with momentum {group['momentum']} and dampening {group['dampening']}",
                fix="give momentum above 0, and no dampening",
            )

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def stage(self, entries: dict[str, Any]) -> bool:
        return "momentum_buffer" in entries

    def formula(self, group: Group, stage: bool) -> Update:
        lr, momentum, decay = float(group["lr"]), float(group["momentum"]), float(group["weight_decay"])
        share = 1 - float(group["dampening"]) if stage else 1.0  # the first gradient enters as it is
        maximize, nesterov = group["maximize"], group["nesterov"]

        def update(p: Any, g: Any, work: Any, b: Any = None) -> None:
            if maximize:
                g = -g
            if decay:
                g = g + decay * p
            if b is not None:
                # b = momentum * b + (1 - dampening) * g
                blend(b, momentum, g, share, work)
                g = g + momentum * b if nesterov else b
            # p = p - lr * g
            blend(p, 1.0, g, -lr, work)

        return update
